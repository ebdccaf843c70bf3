// Lowering on the CPU, inside: what its files share.
//   conv.c              convolutions: which implementation, by the shape
//   direct_lower.c      as sums over taps, products of pixels among them
//   winograd_lower.c    with fewer products
//   bf16_lower.c        with products of bf16
//   stem_lower.c        from planes to blocks
//   product_lower.c     products of matrices
//   blas_lower.c        other products; convolutions of plain tensors
//   rows_lower.c        products that are reduced tile by tile
//   pool_lower.c        windows
//   call_lower.c        rows by number, images of other sizes, attention
//   loop_split.c        loop nests, cut into tasks
#ifndef SIMCC_CODEGEN_CPU_LOWER_H
#define SIMCC_CODEGEN_CPU_LOWER_H

#include "codegen/codegen_impl.h"
#include "codegen/cpu/kernels.h"
#include "codegen/cpu/target.h"
#include "codegen/plan/lower.h"

enum {
    // Tasks of a step: four for each of sixteen threads, so that unequal cores
    // even out; more would only cost their starts.
    MAX_TASKS = 64,
};

// backend.h's functions.
int64_t cpu_lower_product(Lowering *lower, Value value);
int64_t cpu_lower_conv(Lowering *lower, Value value);
void cpu_lower_pool(Lowering *lower, Value value);
void cpu_lower_rows(Lowering *lower, Value value);
void cpu_lower_call(Lowering *lower, Value value);
int64_t cpu_split_loop(LoopKernel *loop);
IntList cpu_share_loop(Arena *arena, LoopKernel *loop);
const char *cpu_conv_ways(const Codegen *codegen, const Graph *graph,
                          Value value, Arena *arena, const char **shape);

// A product that product.h takes. Returns what cpu_lower_product does.
int64_t product_lower(Lowering *lower, const MatmulGeometry *geometry,
                      Value value);

// Bytes of the target's widest registers.
int cpu_vector_bytes(const Lowering *lower);
// A step of the kernel with this description, without arguments yet.
LowerStep cpu_step(Lowering *lower, const CpuKernel *kernel, int arg_count,
                   int64_t task_count, const char *label);
// The step's threads need so many bytes of scratch.
void cpu_want_scratch(Lowering *lower, int64_t bytes);
// The f32 or f64 variant of a runtime call; no other type has one.
PlanCall cpu_call_of(const Node *node, PlanCall f32, PlanCall f64);
// Pushes the node's call: its arguments are the node's inputs, then `out`.
void cpu_push_call(Lowering *lower, LowerStep *step, const Node *node,
                   Place out);

#endif
