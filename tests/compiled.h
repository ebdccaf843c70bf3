// A graph compiled in the test's process, ready for executors.
#ifndef SIMCC_TESTS_COMPILED_H
#define SIMCC_TESTS_COMPILED_H

#include "codegen/codegen.h"
#include "runtime/exec/exec.h"

typedef struct Compiled {
    const Graph *graph;
    Codegen *codegen;
    Program *program; // holds the objects alone
    Plan plan;
    CodeImage *image;
} Compiled;

// Lowers and compiles the graph for a CPU, where SIMCC_TEST_TARGET in the
// environment takes the place of "native"; fails the test when that fails.
Compiled compiled_new(Arena *arena, const Graph *graph, const char *cpu);
// The same, with convolutions computed as `ways` say (codegen/way.h).
Compiled compiled_by_ways(Arena *arena, const Graph *graph, const char *cpu,
                          const char *ways);
// The same, with convolutions that add up so.
Compiled compiled_by_sums(Arena *arena, const Graph *graph, const char *cpu,
                          PlanSums sums);
// The same, with plain sums, and these convolutions of bf16 multiplied in bf16,
// those of `ways` (NULL: none) computed so.
Compiled compiled_in_bf16(Arena *arena, const Graph *graph, const char *cpu,
                          ConvBf16 products, const char *ways);
// The same, of a net that is not trained.
Compiled compiled_for_inference(Arena *arena, const Graph *graph,
                                const char *cpu);
// The same, with sums over processes that wait where they stand.
Compiled compiled_waiting(Arena *arena, const Graph *graph, const char *cpu);
void compiled_free(Compiled *compiled);

// Ends the test as failed unless the status is a success.
void must(Status status);

#endif
