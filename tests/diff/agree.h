// Compiled graphs against the oracle: run, and every output and assigned param
// compared.
#ifndef SIMCC_TESTS_AGREE_H
#define SIMCC_TESTS_AGREE_H

#include "ir/eval.h"
#include "runtime/exec/exec.h"
#include "tests/compiled.h"

// A compiled graph and what its runs need.
typedef struct Run {
    Arena *arena;
    const Graph *graph;
    Compiled compiled;
    Store store;
} Run;

Run run_new(Arena *arena, const Graph *graph, const char *cpu);
void run_free(Run *run);
// Fresh params and inputs, one step; returns the executor for its outputs.
Executor *run_once(Run *run, Pool *pool, int count,
                   const EvalBinding *bindings);

// Data of that seed, on one thread and on two, which must give the same bits.
void check_graph_seed(const char *what, Arena *arena, const Graph *graph,
                      uint64_t seed, const char *cpu);
// As it is, and after the passes: fusion, scheduling and all. Frees the graph.
void check_graph(const char *what, Graph *graph);

#endif
