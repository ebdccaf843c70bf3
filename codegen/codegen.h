// Graph -> plan -> machine code. llvm-c headers stay inside this folder.
#ifndef SIMCC_CODEGEN_CODEGEN_H
#define SIMCC_CODEGEN_CODEGEN_H

#include "ir/base/text.h"
#include "ir/conv.h"
#include "ir/graph.h"
#include "runtime/exec/code.h"
#include "runtime/exec/cpu.h"
#include "runtime/exec/plan.h"

typedef struct CodegenOptions {
    // "native" or an LLVM CPU name ("x86-64-v3"); in tests with features behind
    // it ("x86-64-v4,+avx512bf16")
    const char *cpu;
    const char *cache_dir; // object cache; NULL = no cache
    int threads;           // compile threads; 0 = one per core
    PlanSums sums;         // how convolutions add up
    // Nothing is trained: products of few rows do without BLAS, so that a
    // library of the net needs none (`simcc bundle`).
    bool inference;
    // Products in bf16 as if the processor were good at them, for tests; the
    // first choice: as it is.
    ConvBf16 bf16_products;
    bool sums_wait; // over processes: each by itself, where it stands
} CodegenOptions;

// NULL, or why this is no processor that code can be made for.
const char *codegen_cpu_problem(Arena *arena, const char *cpu);

// Channels that kernels for it want side by side in images, and the side of
// tiles of weights: what the layout pass is to be told (PassOptions.block).
int codegen_block(const CodegenOptions *options);

// Which convolutions it multiplies in bf16 where images are: what the precision
// pass is to be told (PassOptions.products).
ConvBf16 codegen_bf16_products(const CodegenOptions *options);

typedef struct Codegen Codegen; // kernels by descriptor, shared by all plans

Codegen *codegen_new(const CodegenOptions *options);
void codegen_free(Codegen *codegen);

// Lowers a fused, scheduled graph to a plan (buffers, offsets, steps); its
// kernels are remembered, not yet compiled. The plan is malloc'ed as
// runtime/exec/program.h wants it.
void codegen_lower(Codegen *codegen, const Graph *graph, Plan *plan);

// The same for a step that takes its batch in `count` chunks of so many images:
// its parts, by PlanPart, as one plan. A part may be NULL. Chunks'
// outputs "embedding.N" become the loss's inputs of that name, its outputs
// "gradient.N" the backward part's inputs.
void codegen_lower_parts(Codegen *codegen, const Graph *const parts[PLAN_PARTS],
                         int count, int images, Plan *plan);

// The params of a graph that is not lowered: adds those that plan->params
// lacks.
void codegen_list_params(const Graph *graph, Plan *plan);

// From here on convolutions are lowered as `ways` say (way.h); NULL: all by
// the rule. The text must outlive the codegen.
void codegen_set_ways(Codegen *codegen, const char *ways);
// The ways to compute a convolution of a graph that went through all passes, a
// line each, the rule's first; what ways call its shape goes to *shape.
const char *codegen_conv_ways(const Codegen *codegen, const Graph *graph,
                              Value value, Arena *arena, const char **shape);

// Other threads (all cores but this one's, or as the options say) begin to
// compile kernels as they are lowered, for a codegen_compile that will come.
void codegen_compile_ahead(Codegen *codegen);
// Compiles all remembered kernels (or takes them from the cache). *objects is
// malloc'ed, one per distinct kernel. A kernel that LLVM refuses is simcc's own
// fault and ends the process (diag.h), as does a lack of memory.
void codegen_compile(Codegen *codegen, CodeObject **objects, int *count);

typedef struct CodegenStats {
    int kernels, cache_hits, compiled;
    double compile_seconds;
} CodegenStats;
CodegenStats codegen_stats(const Codegen *codegen);
// All of the options and of the compiler that decides the machine code.
const char *codegen_key(const Codegen *codegen);
// "znver4 +avx512f..., LLVM 19.1.7"
const char *codegen_target(const Codegen *codegen);
// What the processor must have that runs its machine code.
CpuSet codegen_needs(const Codegen *codegen);

// Dumps for --emit=plan|llvm|asm.
void codegen_print_plan(const Plan *plan, Text *out);
void codegen_print_llvm(Codegen *codegen, Text *out);
void codegen_print_asm(Codegen *codegen, Text *out);

// NULL, or what is wrong with the plan by itself: offsets outside the slab or
// a param, chains that do not fit.
const char *codegen_verify_plan(const Plan *plan, Arena *arena);

// NULL, or where the plan differs from what the lowering meant: buffers alive
// together overlap, a step reads what nobody wrote or others overwrote. The
// plan must come from this codegen's codegen_lower, which has done this itself
// already.
const char *codegen_replay_plan(const Codegen *codegen, const Plan *plan,
                                Arena *arena);

#endif
