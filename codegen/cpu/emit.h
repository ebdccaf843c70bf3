// Kernel descriptors -> LLVM IR, inside: what its files share.
//   emit_kernel.c  the kernel's function, a body by kind (kinds.def)
//   emit.c         types, constants, memory, calls
//   emit_loop*.c   loop nests of map and reduce kernels
//   emit_map.c     emit_<ID>, one small function per elementwise op
//   emit_math.c    exp, log and tanh in single precision
//   emit_random.c  random numbers from a counter
//   emit_block.c   vectors of one block of channels, register tiles of them
//   emit_gradient.c  sums over parts of the images
// The families' bodies stand beside what chooses and lowers them:
// direct_emit*.c, pointwise_emit*.c, winograd_emit*.c, bf16_emit*.c,
// stem_emit*.c, pool_emit.c.
//
// Arithmetic is on <lanes x T>, or plain T when lanes is 1: f32 for f32 and
// bf16, f64, i1 for bool. No fast-math anywhere: a lane's result does not
// depend on how many lanes there are.
#ifndef SIMCC_CODEGEN_EMIT_H
#define SIMCC_CODEGEN_EMIT_H

#include <llvm-c/Core.h>

#include "codegen/cpu/kernels.h"
#include "codegen/cpu/target.h"

typedef struct Emit {
    Arena *arena;
    const CpuTarget *target;
    const Kernel *kernel;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMValueRef function, task;
    LLVMValueRef *args; // pointers, by kernel argument
} Emit;

// A module with the kernel's function. The caller disposes of it.
LLVMModuleRef emit_kernel(LLVMContextRef context, const CpuTarget *target,
                          const Kernel *kernel, Arena *arena);

// The body of a loop nest, and of the kernels of kinds.def.
void emit_loops(Emit *emit);
#define KIND(id, type, member, emit, print) void emit(Emit *to);
#include "codegen/cpu/kinds.def"
#undef KIND

// The description of a kernel that is no loop nest.
static inline const CpuKernel *cpu_kernel(const Emit *emit)
{
    return emit->kernel->own;
}

// ---- types and constants ----------------------------------------------------

LLVMTypeRef emit_type(const Emit *emit, DType dtype, int lanes);
// As stored: bf16 is i16, bool is i8.
LLVMTypeRef emit_stored_type(const Emit *emit, DType dtype, int lanes);
LLVMTypeRef emit_int_type(const Emit *emit, int bits, int lanes);
LLVMValueRef emit_const(const Emit *emit, DType dtype, int lanes, double value);
LLVMValueRef emit_int(const Emit *emit, int bits, int lanes, int64_t value);
LLVMValueRef emit_i64(const Emit *emit, int64_t value);
// A scalar in every lane.
LLVMValueRef emit_splat(const Emit *emit, LLVMValueRef scalar, int lanes);
// <0, 1, 2, ...> as 32-bit integers.
LLVMValueRef emit_lane_numbers(const Emit *emit, int lanes);

// ---- instructions -----------------------------------------------------------

// llvm.<name> overloaded on the type of its first argument.
LLVMValueRef emit_intrinsic(const Emit *emit, const char *name, int count,
                            LLVMValueRef *args);
// An instruction of the processor's own, by LLVM's name of it: "llvm.x86...".
LLVMValueRef emit_instruction(const Emit *emit, const char *name, int count,
                              LLVMValueRef *args);
// A C math function of f32 or f64, called lane by lane. Its name must be in
// emit_math_symbols.
LLVMValueRef emit_math_call(const Emit *emit, const char *name, DType dtype,
                            int lanes, int count, const LLVMValueRef *args);
// The only undefined symbols an object may have; ends with NULL. The runtime's
// loader knows the same.
extern const char *const emit_math_symbols[];

// Between the stored and the computed form.
LLVMValueRef emit_from_stored(const Emit *emit, DType dtype, int lanes,
                              LLVMValueRef value);
LLVMValueRef emit_to_stored(const Emit *emit, DType dtype, int lanes,
                            LLVMValueRef value);

// Stores past the caches; the address is a multiple of `bytes`, the value's
// size. Such stores come in no order: after the fence all have come.
void emit_store_past(const Emit *emit, LLVMValueRef value, LLVMValueRef pointer,
                     unsigned bytes);
void emit_fence_past(const Emit *emit);

LLVMBasicBlockRef emit_block(const Emit *emit);
// pointer + index * size of the stored type.
LLVMValueRef emit_offset(const Emit *emit, DType dtype, LLVMValueRef pointer,
                         LLVMValueRef index);

enum { EMIT_LOOP_WALKS = 2 };
// A loop over [low, high) by step; the body is between begin and end.
typedef struct EmitLoop {
    LLVMBasicBlockRef before, head, exit;
    LLVMValueRef index, next; // next: index + step
    // Pointers that move on (emit_loop_walk), and what they are a round later.
    LLVMValueRef walks[EMIT_LOOP_WALKS], walks_next[EMIT_LOOP_WALKS];
    int walk_count;
} EmitLoop;
EmitLoop emit_loop_begin(const Emit *emit, LLVMValueRef low, LLVMValueRef high,
                         int64_t step);
// A pointer that is `start` in the first round, computed before the loop, and
// moves on by so many elements of the type with each: one addition, where an
// address made of the index can take a multiplication. At most EMIT_LOOP_WALKS;
// asked for where every round comes by.
LLVMValueRef emit_loop_walk(const Emit *emit, EmitLoop *loop, DType dtype,
                            LLVMValueRef start, int64_t elements);
void emit_loop_end(const Emit *emit, EmitLoop *loop);
LLVMValueRef emit_min_i64(const Emit *emit, LLVMValueRef a, LLVMValueRef b);

// ---- elementwise operations -------------------------------------------------

typedef struct MapOperands {
    DType dtype;    // of the result
    DType in_dtype; // of the last operand
    int lanes;
    LLVMValueRef in[3];
    const double *constant[3]; // NULL: not a constant
} MapOperands;

LLVMValueRef emit_map(const Emit *emit, Op op, const MapOperands *operands);

LLVMValueRef emit_exp_f32(const Emit *emit, LLVMValueRef x, int lanes);
LLVMValueRef emit_log_f32(const Emit *emit, LLVMValueRef x, int lanes);
LLVMValueRef emit_tanh_f32(const Emit *emit, LLVMValueRef x, int lanes);
LLVMValueRef emit_erf_f32(const Emit *emit, LLVMValueRef x, int lanes);
// ---- random numbers (ir/random.h) -------------------------------------------

// What is the same for all elements of an expression.
typedef struct EmitRandom {
    LLVMValueRef key[2], first; // 32-bit integers
} EmitRandom;
// Where the key's argument is known, outside the loops.
EmitRandom emit_random_key(const Emit *emit, const LoopExpr *expr);
// The numbers of vector `round` whose first lane of round 0 has the counter
// `at`, 64 bits, and each next one `stride` more.
LLVMValueRef emit_random(const Emit *emit, const LoopExpr *expr,
                         const EmitRandom *random, LLVMValueRef at, int lanes,
                         int round, int64_t stride);

// The larger, NaN if either is.
LLVMValueRef emit_maximum(const Emit *emit, LLVMValueRef x, LLVMValueRef y);

#endif
