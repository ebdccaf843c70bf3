// What the neutral half of codegen asks of a target: the functions that a back
// end fills in. codegen/plan/ and codegen.c know a target by this struct alone;
// codegen/cpu/ is the one there is. docs/architecture.md says what a second one
// would bring.
#ifndef SIMCC_CODEGEN_BACKEND_H
#define SIMCC_CODEGEN_BACKEND_H

#include "codegen/codegen.h"
#include "codegen/plan/kernel.h"

struct Lowering;

// A target: one processor as a back end sees it. `self` is the back end's own.
typedef struct Target {
    const void *self;
    const char *text; // "znver4, 64-byte vectors, LLVM 19.1.7"
    const char *key;  // everything that decides the code, for the cache
    CpuSet needs;     // what code for it asks of the processor
} Target;

typedef struct Backend {
    // NULL, or why there is no processor of that name; in the arena.
    const char *(*cpu_problem)(Arena *arena, const char *cpu);
    // The target of these options, which has no cpu_problem.
    Target (*open)(Arena *arena, const CodegenOptions *options);
    // codegen_block of codegen.h.
    int (*block)(const CodegenOptions *options);
    // codegen_bf16_products of codegen.h.
    ConvBf16 (*bf16_products)(const CodegenOptions *options);

    // Lowering: each pushes the steps that compute the node (plan/lower.h has
    // the means) and gives it a place. Products and convolutions return how
    // many indices of dim 0 of the result each task makes, 0 when tasks are
    // cut in another way: an epilogue may be chained to them (lower.c).
    int64_t (*lower_product)(struct Lowering *lower, Value value);
    int64_t (*lower_conv)(struct Lowering *lower, Value value);
    void (*lower_pool)(struct Lowering *lower, Value value);
    void (*lower_rows)(struct Lowering *lower, Value value);
    void (*lower_call)(struct Lowering *lower, Value value);
    // Cuts a loop nest into tasks, by a rule of its shape alone. Returns how
    // many partial results each reduction makes (1 = none: stores are final).
    int64_t (*split_loop)(LoopKernel *loop);
    // Makes sizes and strides of a nest that is split integers of its step,
    // which are returned, in the arena: the nest's description no longer says
    // how many elements there are.
    IntList (*share_loop)(Arena *arena, LoopKernel *loop);
    // --tune: the ways to compute a convolution, as codegen_conv_ways says.
    const char *(*conv_ways)(const Codegen *codegen, const Graph *graph,
                             Value value, Arena *arena, const char **shape);

    // Machine code. A worker serves one thread at a time. `compile` gives a
    // malloc'ed object; faults are simcc's own and end it.
    void *(*worker_new)(const Target *target);
    void (*worker_free)(void *worker);
    void (*compile)(void *worker, const Kernel *kernel, CodeObject *object);
    // For --emit: LLVM's form of it, and assembly.
    void (*print_ir)(void *worker, const Kernel *kernel, Text *out);
    void (*print_asm)(void *worker, const Kernel *kernel, Text *out);
    const char *comment; // how a line of assembly that is none begins: "#"
} Backend;

// Of x86-64 processors (codegen/cpu/backend.c).
extern const Backend cpu_backend;

#endif
