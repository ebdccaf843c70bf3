// Runs the phases of a program on a data set: the loop around the executor,
// with sampling, input, reports, checkpoints, evaluation and resume.
#ifndef SIMCC_RUNTIME_TRAIN_H
#define SIMCC_RUNTIME_TRAIN_H

#include <signal.h>

#include "runtime/data/data.h"
#include "runtime/exec/exec.h"
#include "runtime/exec/program.h"

typedef struct TrainProgress {
    const char *phase;
    int64_t step, total_steps;
    double epoch;
    double loss; // mean since the last call
    double images_per_second;
    double seconds_left;
    double input_wait; // share of time spent waiting for input
    int report_count;
    const char *const *report_names;
    const double *report_values;
} TrainProgress;

typedef struct TrainResult {
    char phase[64];
    int64_t steps;
    // Means over the first and last 5% of the steps; of a phase that ended
    // before its last step, over the last 5% to 10%.
    double first_loss, last_loss;
    DataSplit split;    // of which part the next three are
    bool whole;         // which is all of the data
    int64_t test_count; // images evaluated; 0 = none
    int report_count;   // evaluation reports
    char report_names[16][64];
    double report_values[16];
    double seconds;
    bool stopped; // by `stop` or `stop_after`; a checkpoint was saved
    // Of a phase that was validated.
    int64_t valid_count; // images of a validation; 0 = it was not
    char best_name[64];  // the number that chose the best checkpoint
    double best_value;
    int64_t best_step; // -1 = there is none
    bool ended_early;  // for want of a better one
} TrainResult;

// Validation while a phase trains; all 0 = none.
typedef struct ValidateOptions {
    // Between two, in steps or in passes over the phase's training images,
    // which need not be whole; one of them is positive.
    int64_t every_steps;
    double every_epochs;
    // The number whose best checkpoint is kept: the greatest is best, of one
    // whose name ends in "loss", and of -NAME, the least. NULL, or what a phase
    // does not have = top1, else knn, else the loss.
    const char *best;
    int64_t patience; // end the phase after so many without a better; 0 = never
} ValidateOptions;

typedef struct TrainOptions {
    const char *out; // run directory; created
    uint64_t seed;
    int threads; // 0 = all cores
    bool resume;
    // The images whose labels phases may see, for dataset_select_asked,
    // instead of the phases' own rules; NULL = none.
    const char *labels;
    // Weights to start a phase from instead of its `from`, and renames of
    // their names; NULL = none.
    const char *init, *init_map;
    double checkpoint_seconds; // between checkpoints inside a phase; 0 = 60
    int keep; // checkpoints of a phase, the newest included; 0 = KEEP_DEFAULT
    ValidateOptions validate;
    int64_t stop_after; // stop after that many steps in all (tests); 0 = never
    // Set by a signal handler: finish the step, save, return. May be NULL.
    const volatile sig_atomic_t *stop;
    // Set by a signal handler: save after the step and go on; it is then
    // cleared. May be NULL.
    volatile sig_atomic_t *save;
    // Progress and warnings; called from the training thread.
    void (*progress)(void *context, const TrainProgress *progress);
    void (*message)(void *context, const char *text);
    // Images that cannot be read, of which each process meets others; message
    // when NULL.
    void (*unreadable)(void *context, const char *text);
    // What looks wrong with the training, and what to try; message when NULL.
    void (*warn)(void *context, const char *text);
    // Lines that explain the failure about to be returned.
    void (*explain)(void *context, const char *text);
    // What the program says to the phase otherwise than the one in the file
    // does, or why that cannot be read, cut off at `size` bytes: who asks knows
    // the language, and nothing here does. False when both say the same. May
    // be NULL.
    bool (*program_change)(void *context, const char *path,
                           const Program *program, const ProgramPhase *phase,
                           char *text, size_t size);
    void *context;
    // How a phase that cannot be resumed is started over; NULL = --force.
    const char *start_over;
} TrainOptions;

// printf to the options' `message`.
void train_say(const TrainOptions *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// What an input of these options is given to name unreadable images with.
static inline void (*train_unreadable(const TrainOptions *options))(
    void *context, const char *text)
{
    return options->message && options->unreadable ? options->unreadable
                                                   : options->message;
}

// What would stop any of these phases, in this order, before its first step:
// too little data, other classes, a result of another phase that is not there,
// a checkpoint that cannot be gone on from. Writes nothing. Of too little data
// it names the first phase alone; trainset_check knows them all.
Status train_check(const Program *program, int count, const int *phases,
                   Dataset *data, const TrainOptions *options);

// STATUS_FAILED when a phase of these would go on, with options->resume, from a
// checkpoint of other settings: then these are to be mended first, whatever
// else is wrong. Wants no plans. Writes nothing.
Status train_check_settings(const Program *program, int count,
                            const int *phases, Dataset *data,
                            const TrainOptions *options);

// Trains one phase of the program from its start (or its checkpoint, when
// resuming) to its end and evaluates it. The result's weights are in
// <out>/<phase>/model.safetensors, metrics in <out>/metrics.jsonl.
Status train_phase(const Program *program, int phase, Dataset *data,
                   const TrainOptions *options, TrainResult *result);

#endif
