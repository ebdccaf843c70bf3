// Compiled graphs against the oracle: lowered, compiled, loaded and run, then
// every output and every assigned param compared with eval_graph.
#ifndef SIMCC_TESTS_DIFF_AGAINST_ORACLE_H
#define SIMCC_TESTS_DIFF_AGAINST_ORACLE_H

#include "ir/build.h"
#include "ir/eval.h"
#include "tests/compiled.h"

// A list of sizes or axes in place.
#define L(...) ((const int64_t[]){__VA_ARGS__})

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

// On data of that seed (generator.h): one thread against the oracle, two
// threads against one, bit by bit.
void check_graph_seed(const char *what, Arena *arena, const Graph *graph,
                      uint64_t seed, const char *cpu);
// The same with a tolerance so many times as large: where values are rounded to
// bf16, a rounding error may tip one over to the next number, 2^-8 away.
void check_graph_loosely(const char *what, Arena *arena, const Graph *graph,
                         uint64_t seed, const char *cpu, double looser);
// As it is, and after the passes: fusion, scheduling and all. Frees the graph.
void check_graph(const char *what, Graph *graph);

#endif
