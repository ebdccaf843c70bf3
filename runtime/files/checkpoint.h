// Checkpoints: everything a resumed run needs to go on bit for bit.
#ifndef SIMCC_RUNTIME_CHECKPOINT_H
#define SIMCC_RUNTIME_CHECKPOINT_H

#include <stdbool.h>

#include "runtime/exec/store.h"
#include "runtime/files/safetensors.h"

enum { CHECKPOINT_TEXT = 2048 };

// Which weights a phase began with: their hashes (tensors_hash); 0 = none, or
// not known.
typedef struct WeightsOrigin {
    uint64_t from;    // those of its `from`
    uint64_t init;    // those of --init, in their place
    uint64_t teacher; // those that teach it
} WeightsOrigin;

// What a checkpoint says about itself. Sampling and augmentation are keyed by
// counters, so `step` is all the state they have.
typedef struct CheckpointInfo {
    char phase[64];
    int64_t step;   // steps done
    int64_t images; // in the phase's training set
    uint64_t names; // hash of the data's training images; 0 = not known
    uint64_t known; // hash of their classes, where the phase sees labels; 0 =
                    // not known, or it sees none
    uint64_t seed;
    uint64_t program; // hash of the resolved source, its type and the labels
    uint64_t says;    // as ProgramPhase.says; 0 = not known: then `program` is
                      // what counts
    uint64_t labels;  // of the list of images whose labels are seen; 0 = none
    int32_t dtype;    // as Program.dtype
    WeightsOrigin origin;
    char target[128];             // Program.target, cut off; "" = not known
    int32_t sums;                 // as Program.sums: they decide low bits
    int32_t precision;            // as ProgramPhase.precision
    uint64_t ways;                // hash of ProgramPhase.ways, for the same
    const char *ways_text;        // they; written, not read back
    const char *parameters;       // as in ModelInfo; written, not read back
    const char *classes, *data;   // likewise
    bool finished;                // evaluated too; `result` is complete
    char tally[CHECKPOINT_TEXT];  // train.c's running sums
    char result[CHECKPOINT_TEXT]; // train.c's result, when finished
    char best[64];                // the best checkpoint so far; see keep.h
    char validation[192];         // how the phase is validated; "" = not
} CheckpointInfo;

// Writes weights, state and slots, atomically.
Status checkpoint_save(const char *path, const Store *store,
                       const CheckpointInfo *info);
// Reads all of the file, and returns what it says about itself. STATUS_DATA
// when it is no checkpoint, or not as it was written.
Status checkpoint_info(const char *path, CheckpointInfo *info);
// Fills every tensor but the frozen ones; the file must hold all of them with
// the store's shapes and types.
Status checkpoint_load(const char *path, Store *store);

#endif
