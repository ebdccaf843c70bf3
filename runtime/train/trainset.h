// The images a phase trains on, and whether they fit it.
#ifndef SIMCC_RUNTIME_TRAINSET_H
#define SIMCC_RUNTIME_TRAINSET_H

#include "runtime/data/data.h"
#include "runtime/data/sampler.h"

// STATUS_DATA when the phase needs labels and the data has none, or both have
// classes and not the same number.
Status trainset_check_classes(const ProgramPhase *phase, const Dataset *data);

// What a phase trains on.
typedef struct Trainset {
    int64_t *indices; // [count], of training images, ascending
    int64_t count;
    bool *seen; // by training image: may its label be seen? NULL = all may
    // After trainset_count_classes.
    int64_t *counts; // [classes]: images whose label is seen; NULL = the phase
                     // has no classes
    Strata strata;   // of a balanced phase: places in `indices` by class, those
                     // without images left out; else count 0
} Trainset;

// Chooses the training images of a phase. STATUS_DATA when there are none or
// fewer than a batch, a class has fewer than the phase wants labels of, or a
// label is outside the program's classes. `labels` (for
// dataset_select_asked) takes the place of the phase's own rule if the phase
// has labels; NULL = none. A partly labelled phase takes data
// without classes, too. The set is freed by trainset_free.
Status trainset_select(const ProgramPhase *phase, const Dataset *data,
                       const char *labels, uint64_t seed, Trainset *set);
// The same for phases of a program, by their places, without a choice: all
// that have too few images for their batches or labels are named at once.
Status trainset_check(const Program *program, int count, const int *phases,
                      const Dataset *data, const char *labels, uint64_t seed);
// Fills counts and strata by the data's numbers of classes, which are not to
// change any more. STATUS_MEMORY for lack of memory.
Status trainset_count_classes(const ProgramPhase *phase, const Dataset *data,
                              Trainset *set);
// Leaves in the strata the places from `first` on, `count` of them, counted
// from there: those of a process that has its own part of the images.
void trainset_cut_strata(Trainset *set, int64_t first, int64_t count);
void trainset_free(Trainset *set);

#endif
