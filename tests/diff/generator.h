// Random well-typed graphs and data for them, the same for a seed everywhere.
// All ops of the table turn up over the seeds.
#ifndef SIMCC_TESTS_DIFF_GENERATOR_H
#define SIMCC_TESTS_DIFF_GENERATOR_H

#include "ir/eval.h"
#include "ir/graph.h"

// About `nodes` nodes before gradients, in f32 or f64. Sizes are small and odd.
// Numbers stay moderate and inside every op's domain; floor, sign and
// comparisons are only of exact numbers well off their steps, so that results
// computed in float and in double agree to rounding. Some graphs assign params,
// some hold a loss, its gradients and an update. Outputs are named out0, ...
Graph *generate_graph(Arena *arena, uint64_t seed, DType dtype, int nodes);

// Data for every PARAM and INPUT of a graph: multiples of 1/16 in [-2, 2),
// which depend on the leaf's name and the seed alone, so that a graph and what
// passes make of it get the same.
EvalBinding *generate_bindings(const Graph *graph, Arena *arena, uint64_t seed,
                               int *count);

#endif
