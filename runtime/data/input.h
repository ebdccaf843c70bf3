// Input: worker threads decode and augment the next batches while the executor
// works on this one. What a batch holds depends on the step alone, never on
// threads or timing.
#ifndef SIMCC_RUNTIME_INPUT_H
#define SIMCC_RUNTIME_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/data/data.h"
#include "runtime/data/sampler.h"
#include "runtime/exec/program.h"

// Views of each image that a batch has a tensor of its own for.
typedef struct InputViews {
    const AugmentStep *augment;
    int augment_count;
    int views;      // 0 = nobody wants them
    int first_view; // what random choices count the first of them as
    int height, width;
} InputViews;

typedef struct InputSpec {
    const Dataset *data;
    DataSplit split;
    const int64_t *indices; // into the split, in data-set order; NULL = those
                            // from `first` on
    int64_t first;
    int64_t count; // how many; 0 where only others have images, and no row is
                   // valid
    const bool *seen;     // by image of the split: is its label seen, or -1
                          // given? NULL = all are
    const Strata *strata; // training, classes drawn alike: places in
                          // `indices` by class; NULL = each image once an
                          // epoch
    int group_count;
    InputViews groups[MAX_VIEW_GROUPS];
    int batch;    // images at a time
    int channels; // of each; 0 = 3
    // Numbers of labels an image: 1, its class (0 = 1); else a 0 or 1 for each
    // class, all -1 where no label is seen.
    int label_width;
    // A step of the training takes so many batches of each process, and goes
    // through them so often; 0 = 1.
    int chunks, passes;
    int ranks, rank; // processes that each take a batch in turn, and which of
                     // them this is; 0 ranks = 1
    uint64_t seed, phase; // phase: its random_name
    uint64_t order;       // what the order of images is drawn by; 0 = phase
    // Training: shuffled, and an unreadable image gives its place to the next
    // readable one in data-set order. Otherwise: in order, and an unreadable
    // image, or a row past the end, is not valid.
    bool training;
    int threads;                                      // at least 1
    void (*message)(void *context, const char *text); // may be NULL
    void *context;
} InputSpec;

typedef struct Input Input;

// Starts the threads; batches come from `first_step` on. The arrays in `spec`
// must outlive the input.
Status input_new(const InputSpec *spec, int64_t first_step, Input **input);
void input_free(Input *input);

// Waits for the next batch and copies it: images[i], of each group that has
// views, is [views * batch, 3, height, width], all first views, then all second
// views, ...; `labels` (may
// be NULL) is [batch, label_width], -1 = no label; both in `dtype`, PLAN_F32 or
// PLAN_F64. `valid` (may be NULL) is [batch]. Unreadable files are named once
// each through spec.message.
Status input_take(Input *input, int32_t dtype, void *const *images,
                  void *labels, bool *valid);

// Fills the groups of a spec: the phase's training views, or, for `evaluation`,
// one run of the evaluation pipeline for each of them. images[i] is where those
// of group i will be copied; NULL = nobody reads them.
void input_set_groups(InputSpec *spec, const ProgramPhase *phase,
                      bool evaluation, void *const *images);

// Seconds spent waiting in input_take so far.
double input_wait_seconds(const Input *input);

// The shortest side a decoded image needs so that no pipeline of the program
// enlarges a crop only because decoding shrank the image
// (DataOptions.min_side).
int input_min_side(const Program *program);

#endif
