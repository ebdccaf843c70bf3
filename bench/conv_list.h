// The distinct convolutions of the cases' training steps, as the compiler
// computes them: taken from the graphs after all passes, so none is forgotten
// and each is in the layout it has in the plan.
#ifndef SIMCC_BENCH_CONV_LIST_H
#define SIMCC_BENCH_CONV_LIST_H

#include "bench/bench.h"
#include "ir/conv.h"

typedef struct BenchConv {
    ConvGeometry conv;
    int uses[BENCH_CASES]; // how often each case computes it in a step
} BenchConv;

typedef VEC(BenchConv) BenchConvList;

// Everything lives in `arena`. Ends the program when a case does not compile.
BenchConvList conv_list(Arena *arena);

// "3x3 64>64 32^2 x64" and "/2" for stride 2; "forward", "by data", "by
// weights".
const char *conv_shape_text(Arena *arena, const ConvGeometry *conv);
const char *conv_direction(const ConvGeometry *conv);
// Multiplications and additions of the direct sum, in 10^9, padding included.
double conv_gflop(const ConvGeometry *conv);

#endif
