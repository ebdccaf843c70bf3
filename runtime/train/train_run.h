// One phase while it runs, for the files train*.c.
#ifndef SIMCC_RUNTIME_TRAIN_RUN_H
#define SIMCC_RUNTIME_TRAIN_RUN_H

#include "runtime/data/input.h"
#include "runtime/files/keep.h"
#include "runtime/train/diverge.h"
#include "runtime/train/reports.h"
#include "runtime/train/train.h"
#include "runtime/train/trainset.h"
#include "runtime/train/watch.h"
#include "runtime/train/weights.h"

enum { TRAIN_DATA_LINES = 160, VALIDATION_TEXT = 192 };

// How a phase is validated while it trains (train_validate.c).
typedef struct Validation {
    bool on;
    bool evaluates;     // by the phase's evaluation
    bool votes;         // by its features' neighbours
    char name[64];      // the number that chooses the best
    bool asked;         // it is what --best names
    bool least;         // the least of it is best
    int64_t images;     // for validation
    Probe *probe;       // of `votes`
    const char *scored; // the number of `scores`; NULL = none
    struct ValidScores *scores;
    double score; // of this step, the least best; NaN = none
    bool told;    // what is wrong with the images was said
} Validation;

// Everything one phase needs while it runs.
typedef struct Run {
    const Program *program;
    const ProgramPhase *phase;
    Dataset *data;
    const TrainOptions *options;
    TrainResult *result;
    bool writes; // this process has the run directory: rank 0 alone
    Keep keep;
    char checkpoint_path[RUNDIR_PATH]; // to resume from; "" = none
    WeightsOrigin origin;              // of the phase's beginning

    char *classes; // the result's, as lines of class_names.h; NULL = none
    Trainset set;  // the training images this phase may use
    int64_t image_count, total_steps, step;
    Store store;
    CodeImage *code;
    Pool *pool;
    Executor *executor;
    Input *input;
    Reports reports;
    Tally tally;
    Watch *watch;
    Validation valid;

    void *images[MAX_VIEW_GROUPS], *labels; // input buffers in the slab
    int32_t dtype;                          // of all inputs
    double started, saved;                  // seconds on the clock
    int64_t started_step, saved_step;
    double saved_loss;        // sum since then
    double told, told_waited; // progress: when, and input wait until then
    int64_t told_step;
    double told_loss; // sum since then
} Run;

// ---- train.c ----------------------------------------------------------------

// A run of one phase at its beginning, malloc'ed; the arguments outlive it.
Status train_new(const Program *program, int phase, Dataset *data,
                 const TrainOptions *options, TrainResult *result, Run **run);
// Which images the phase is trained on, and for how many steps; run->set is to
// be freed.
Status train_select(Run *run);
// Seconds since the phase's first step of this process; 0 before it.
double train_seconds(const Run *run);
// Fills the store for run->step: from checkpoint_path, or with what a phase
// starts from.
Status train_fill_store(Run *run);
// ModelInfo.data of the run.
void train_data_lines(const Run *run, char lines[TRAIN_DATA_LINES]);
// Makes the input begin at run->step.
Status train_start_input(Run *run);
// Fills the plan's inputs for the next step, or the next chunk: an
// ExecutorFeed of a Run.
Status train_feed(void *run, int pass, int chunk);

// ---- train_classes.c --------------------------------------------------------

// Gives the data's classes the order of the weights that the phase goes on
// from (run->checkpoint_path), of its teacher, or of what it starts from; else
// their own; and fills run->classes. `begun`: the weights of other phases are
// there, or were not made by this call of the program. STATUS_DATA, with both
// lists, when a checkpoint or a teacher knows other classes.
Status train_order_classes(Run *run, bool begun);
// STATUS_DATA when a student's weights have other classes than its teacher in
// options->out.
Status train_check_teacher(const Program *program, const ProgramPhase *phase,
                           const char *weights, const TrainOptions *options);

// ---- train_check.c ----------------------------------------------------------

// STATUS_USAGE when the phase was compiled for another number of processes.
Status train_check_ranks(const Run *run);

// ---- train_validate.c -------------------------------------------------------

// Fills run->valid, by what the options ask and the phase has. STATUS_USAGE
// without images for validation.
Status train_choose_validation(Run *run);
// The names of the numbers that a validation of the phase has: "loss, top1".
void train_validation_numbers(const Run *run, char *text, size_t size);
// What must be the same in a run that goes on; "" = not validated.
void train_validation_text(const Run *run, char text[VALIDATION_TEXT]);
// Says how, and prepares it: the store and the code are there.
Status train_start_validation(Run *run);
// Is it validated once run->step is done?
bool train_validation_due(const Run *run);
// Validates and writes a line; run->valid.score is then this step's.
Status train_validate(Run *run);
// Has there been no better one for too long?
bool train_validation_ends(const Run *run);
// The best so far, and whether the phase ends early.
void train_validation_result(const Run *run, TrainResult *result);
void train_tell_best(const Run *run);

// ---- train_keep.c -----------------------------------------------------------

// Writes a checkpoint of run->step; `finished`: with the result.
Status train_save(Run *run, bool finished);
// STATUS_FAILED when the checkpoint to resume from was made with other
// settings, with both values of each. Asks nothing of the data. `*finished`:
// there is one, and nothing is left to do.
Status train_compare_settings(Run *run, bool *finished);
// Finds the checkpoint to resume from, if there is one, and goes to its step;
// `*finished` when nothing is left to do. STATUS_FAILED when it is another
// run's.
Status train_resume(Run *run, bool *finished);

// ---- train_diverge.c --------------------------------------------------------

// STATUS_DIVERGED with where it began: in step run->step the loss became what
// is given, or, if that is finite, a weight became unbounded. Runs the steps
// since the last checkpoint again; the run is of no use afterwards.
Status train_diverged(Run *run, double loss);

#endif
