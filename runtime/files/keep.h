// The checkpoints of one phase, in OUT/PHASE:
//
//   checkpoint.safetensors       the newest
//   checkpoint-STEP.safetensors  those before it
//   best.safetensors             the one with the least score: the mean loss
//                                before it, or what a validation says
//
// At every moment, also between two system calls, there is a sound one once
// the first is written: a new one is complete before the name of the newest
// becomes its own.
#ifndef SIMCC_RUNTIME_KEEP_H
#define SIMCC_RUNTIME_KEEP_H

#include "runtime/base/rundir.h"
#include "runtime/files/checkpoint.h"

enum { KEEP_DEFAULT = 2 }; // checkpoints, the newest included

typedef struct Keep {
    char folder[RUNDIR_PATH - 64];
    int count;         // as KEEP_DEFAULT
    bool resumes;      // keep_find found one: those there are of this run
    int64_t newest;    // the step of checkpoint.safetensors, if sound; or -1
    int64_t best_step; // of best.safetensors; -1 = there is none
    double best_score;
} Keep;

// For OUT/PHASE; count < 1 = KEEP_DEFAULT. STATUS_FAILED when the path is too
// long.
Status keep_open(Keep *keep, const char *out, const char *phase, int count);

// Where the newest checkpoint is, or will be.
void keep_newest_path(const Keep *keep, char path[RUNDIR_PATH]);

// Is there any checkpoint, sound or not?
bool keep_exists(const Keep *keep);

// The newest sound checkpoint: its path, or "" when there is none at all. A
// damaged one is told to `warn` and the one before it taken; when all are
// damaged that is STATUS_DATA.
Status keep_find(Keep *keep, char path[RUNDIR_PATH], CheckpointInfo *info,
                 void (*warn)(void *context, const char *text), void *context);

// Is it the least so far? NaN never is.
bool keep_improves(const Keep *keep, double score);

// Writes a checkpoint; NaN = it has no score. Drops what is then more than
// `count`, and, unless keep_find found one, all that were there: they are
// another run's. `info->best` is filled in. When it fails, the checkpoints
// there were are untouched.
Status keep_save(Keep *keep, const Store *store, CheckpointInfo *info,
                 double score);

#endif
