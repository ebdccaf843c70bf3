// Checkpoints and models: a store on disk. A checkpoint holds everything a
// resumed run needs to go on bit for bit; a model holds the result only.
#ifndef SIMCC_RUNTIME_CHECKPOINT_H
#define SIMCC_RUNTIME_CHECKPOINT_H

#include <stdbool.h>

#include "runtime/store.h"

enum { CHECKPOINT_TEXT = 2048 };

// What a checkpoint says about itself. Sampling and augmentation are keyed by
// counters, so `step` is all the state they have.
typedef struct CheckpointInfo {
    char phase[64];
    int64_t step;   // steps done
    int64_t images; // in the phase's training set
    uint64_t seed;
    uint64_t program;             // hash of the program
    bool finished;                // evaluated too; `result` is complete
    char tally[CHECKPOINT_TEXT];  // train.c's running sums
    char result[CHECKPOINT_TEXT]; // train.c's result, when finished
} CheckpointInfo;

// Writes weights, state and slots, atomically.
Status checkpoint_save(const char *path, const Store *store,
                       const CheckpointInfo *info);
// Reads what the file says about itself only.
Status checkpoint_info(const char *path, CheckpointInfo *info);
// Fills every tensor but the frozen ones; the file must hold all of them with
// the store's shapes and types.
Status checkpoint_load(const char *path, Store *store);

// Writes weights and running state, atomically, with metadata that other
// programs expect ("format": "pt").
Status model_save(const char *path, const Store *store, const char *program,
                  const char *phase, int64_t step);

// What model_load does with the names it meets.
typedef struct ModelFilter {
    const char *only;   // comma-separated globs: load these alone; NULL = all
    const char *except; // comma-separated globs: not these; NULL = none
    const char *prefix; // of the store's names, absent in the file ("teacher.")
    int32_t role;       // load PLAN_FROZEN tensors, or all others but slots
} ModelFilter;

typedef struct ModelReport {
    int loaded;
    int missing;     // not in the file: they stay as initialised
    char names[512]; // the first of the missing, comma-separated
} ModelReport;

// Loads the store's tensors from a safetensors file by name. A tensor of
// another shape is STATUS_DATA; the sentence names it and both shapes, and how
// many more there are.
Status model_load(const char *path, Store *store, const ModelFilter *filter,
                  ModelReport *report);

// Does `name` match one of the comma-separated globs (`*`, `?`)?
bool name_matches(const char *globs, const char *name);

#endif
