// What a generated kernel computes, free of names, buffers and layers. Two
// steps with equal descriptors share one piece of machine code.
#ifndef SIMCC_CODEGEN_KERNEL_H
#define SIMCC_CODEGEN_KERNEL_H

#include "codegen/cpu/direct.h"
#include "codegen/cpu/winograd.h"
#include "ir/base/text.h"
#include "ir/graph.h"

// A node of the expression evaluated at every point of the iteration space.
typedef enum ExprKind {
    EXPR_LOAD,  // args[arg][sum of index * stride]
    EXPR_CONST, // value
    EXPR_IOTA,  // value + sum of index * stride, as a number
    EXPR_OP     // op of earlier expressions
} ExprKind;

typedef struct KernelExpr {
    ExprKind kind;
    DType dtype;
    Op op;     // EXPR_OP: an op of class LOWER_MAP
    int in[3]; // EXPR_OP: earlier expressions; unused ones are 0
    double value;
    int arg;
    int64_t strides[MAX_RANK]; // in elements, by iteration dim
} KernelExpr;

// Where an expression goes. Reductions have stride 0 along reduced dims.
typedef enum StoreKind { STORE_MAP, STORE_SUM, STORE_MAX } StoreKind;

typedef struct KernelStore {
    StoreKind kind;
    DType dtype;
    int expr, arg;
    int64_t strides[MAX_RANK];
} KernelStore;

// How the iteration space is cut into tasks: `dim` in blocks of `chunk`, and
// the kept dims before it one index at a time. A rule of shapes alone.
// When dim is a reduced one, every task makes partial results: reduction
// stores move on by partial_stride elements per block.
typedef struct KernelSplit {
    int dim; // -1: a single task
    int64_t chunk, blocks, task_count;
    int64_t partial_stride;
} KernelSplit;

// Window kernels. Planes are the n * c / block slices of x and y; block
// channels lie side by side at each pixel (ir/image.h).
typedef struct KernelPool {
    Op op;
    DType dtype;
    int64_t planes, block, h, w, oh, ow;
    int64_t kh, kw, sh, sw, top, left;
} KernelPool;

typedef enum KernelKind {
#define KIND(id, ...) KERNEL_##id,
#include "codegen/cpu/kinds.def"
#undef KIND
    KERNEL_KINDS
} KernelKind;

typedef struct Kernel {
    KernelKind kind;
    int rank; // of the iteration space
    int64_t dims[MAX_RANK];
    unsigned reduced; // bit d: dim d is summed over
    VEC(KernelExpr) exprs;
    VEC(KernelStore) stores;
    int arg_count;
    KernelSplit split;
    KernelPool pool; // KERNEL_POOL; args are the op's inputs, then its output
    KernelTaps taps; // KERNEL_TAPS*, KERNEL_STEM*, whose blocks read are
                     // planes; args are x, weights, y or x, dy, dw
                     // KERNEL_TILES: args are weights, transposed ones
    KernelWinograd winograd; // KERNEL_WINOGRAD*; args are x, weights, y;
                             // weights, transformed ones; or x, dy, dw
    const char *text;        // canonical form: the key
    const char *symbol;
} Kernel;

// How many points: the product of the dims.
int64_t kernel_elements(const Kernel *kernel);

// Adds an expression, or finds an equal one; returns its index.
int kernel_add_expr(Arena *arena, Kernel *kernel, const KernelExpr *expr);

// Drops dims of size 1 and merges neighbours that every access walks as one.
// Dims before `fixed` stay as they are.
void kernel_collapse(Kernel *kernel, int fixed);

// Chooses the task split. Returns how many partial results each reduction
// makes (1 = none: the stores are final).
int64_t kernel_split(Kernel *kernel);
// The split that an anchor's tasks dictate: dim 0 in blocks of `chunk`.
void kernel_split_rows(Kernel *kernel, int64_t chunk);

// Writes text and symbol.
void kernel_seal(Arena *arena, Kernel *kernel);

// Row-major strides, in elements.
void strides_row_major(int rank, const int64_t *dims, int64_t *strides);

#endif
