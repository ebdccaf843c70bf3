// What a phase's net is made of, counted from its graphs.
#ifndef SIMCC_CLI_SUMMARY_H
#define SIMCC_CLI_SUMMARY_H

#include "frontend/cli/compiler.h"

// Everything in one block of the net.
typedef struct SummaryRow {
    const char *scope;  // "layer1.0"
    const char *shape;  // of the last tensor made there; NULL = none
    int64_t trainable;  // numbers in weights the phase changes
    int64_t with_state; // and in frozen weights and running state
    int64_t macs;       // multiply-adds of one image
} SummaryRow;

typedef struct Summary {
    Arena *arena;
    const ExperimentPhase *phase;
    VEC(SummaryRow) rows;
    // Of a process: its weights and what belongs to them, its share of a step,
    // scratch of a thread, and what comes from other processes on top of it.
    int64_t param_bytes, slab_bytes, scratch_bytes, shared_bytes;
    int sums; // behind the work, by a thread of their own
    int threads;
} Summary;

// Of a phase of a loaded program, whose training graphs are run through the
// passes for it: once for each. Fails where several processes cannot exchange
// what the step wants.
Status summary_of(const Compiler *compiler, const ExperimentPhase *phase,
                  Summary *summary);
// The sum of the rows whose scope is wanted; of all with NULL.
SummaryRow summary_sum(const Summary *summary,
                       bool (*wanted)(const char *scope));
// Multiply-adds of losses and reports, outside any block.
int64_t summary_loose_macs(const Summary *summary);
// Memory of a training step.
int64_t summary_bytes(const Summary *summary);
// "1,234,567"
const char *summary_number(Arena *arena, int64_t number);

#endif
