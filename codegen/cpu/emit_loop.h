// A loop nest while it is emitted, and its loads and stores.
#ifndef SIMCC_CODEGEN_EMIT_LOOP_H
#define SIMCC_CODEGEN_EMIT_LOOP_H

#include "codegen/cpu/emit_block.h"

enum { MAX_UNROLL = 4 };

typedef struct Slots {
    LLVMValueRef at[MAX_UNROLL];
} Slots;

typedef struct Nest {
    Emit *e;
    LLVMBuilderRef b;
    const LoopKernel *k;
    int order[MAX_RANK]; // dims, outermost first
    int count, kept;     // loops; those over kept dims come first
    int vector;          // which loop goes by vectors; -1: none
    int lanes, unroll;   // of a full round of that loop
    bool one_round;      // that loop is always one full round
    int *level;          // by expression: 1 + its innermost loop, 0 = outside
    bool *wide;          // by expression: differs between lanes
    Slots *values;       // by expression; not wide: slot 0 is a scalar
    Slots *sums;         // by store: accumulators (allocas)
    EmitRandom *random;  // by expression: of EXPR_RANDOM, its key
    // The task's part of the iteration space, by dim.
    LLVMValueRef low[MAX_RANK], high[MAX_RANK];
    bool fixed[MAX_RANK]; // low is the only index
    LLVMValueRef *imms;   // the step's integers (loop_share.c)
    // Where the emission stands. at: by expression, then by store, the address
    // (a counter's number) at the indices of the loops entered so far.
    LLVMValueRef *at;
    int rounds;        // vectors handled side by side
    LLVMValueRef mask; // the lanes that exist; NULL = all
} Nest;

// Elements from one lane to the next.
int64_t nest_stride(const Nest *nest, const int64_t *strides);
// Address of vector `round` at the current indices.
LLVMValueRef nest_address(const Nest *nest, DType dtype, LLVMValueRef at,
                          int64_t stride, int round);
LLVMValueRef nest_load_scalar(const Nest *nest, DType dtype, LLVMValueRef at);
// Vector `round`, of the lanes that exist.
LLVMValueRef nest_load(const Nest *nest, DType dtype, LLVMValueRef at,
                       int64_t stride, int round);
// Of vector `round`, or several from it on: `lanes` values, those that exist.
void nest_store(const Nest *nest, DType dtype, int lanes, LLVMValueRef value,
                LLVMValueRef at, int64_t stride, int round);

#endif
