// Generated kernels as the neutral half knows them: loop nests, which it
// describes itself, and kernels that a back end describes. Two steps with equal
// descriptions share one piece of machine code.
#ifndef SIMCC_CODEGEN_KERNEL_H
#define SIMCC_CODEGEN_KERNEL_H

#include "ir/base/text.h"
#include "ir/graph.h"
#include "ir/random.h"

// Nests that do the same to more or fewer elements are one kernel: their sizes
// and strides, as far as the back end likes (Backend.share_loop), are integers
// of the step. In the nest's description they stand as loop_imm(index), a
// negative number.
static inline int64_t loop_imm(int index)
{
    return -1 - index;
}

static inline bool loop_is_imm(int64_t size)
{
    return size < 0;
}

static inline int loop_imm_index(int64_t size)
{
    return (int)(-1 - size);
}

// A node of the expression evaluated at every point of the iteration space.
typedef enum ExprKind {
    EXPR_LOAD,   // args[arg][sum of index * stride]
    EXPR_CONST,  // value
    EXPR_IOTA,   // value + sum of index * stride, as a number
    EXPR_RANDOM, // of the counter offset + sum of index * stride (ir/random.h);
                 // the key is args[arg]
    EXPR_OP      // op of earlier expressions
} ExprKind;

typedef struct LoopExpr {
    ExprKind kind;
    DType dtype;
    Op op;     // EXPR_OP: an op of class LOWER_MAP
    int in[3]; // EXPR_OP: earlier expressions; unused ones are 0
    double value;
    int arg;
    int64_t strides[MAX_RANK]; // in elements, by iteration dim
    // EXPR_RANDOM: of the counter at index 0; the node's stream and images, all
    // 0 where there are none.
    int64_t offset;
    uint32_t stream[2];
    RandomImages images;
} LoopExpr;

// Where an expression goes. Reductions have stride 0 along reduced dims.
typedef enum StoreKind { STORE_MAP, STORE_SUM, STORE_MAX } StoreKind;

typedef struct LoopStore {
    StoreKind kind;
    DType dtype;
    int expr, arg;
    int64_t strides[MAX_RANK];
    // Goes past the caches, for what it writes is not there and does not fit:
    // only where whole vectors of CPU_BLOCK elements begin at multiples of
    // them.
    bool streams;
} LoopStore;

// How the iteration space is cut into tasks: `dim` in blocks of `chunk`, and
// the kept dims before it one index at a time. A rule of shapes alone.
// When dim is a reduced one, every task makes partial results: reduction
// stores move on by partial_stride elements per block. With `by_rows` it makes
// them all at once, adding row after row of the kept dim to where they are
// stored: a sum at a time would walk a matrix in columns.
typedef struct LoopSplit {
    int dim; // -1: a single task
    int64_t chunk, blocks, task_count;
    int64_t partial_stride;
    bool by_rows;
    bool all_before; // every task walks the kept dims before it, too (chain.c)
} LoopSplit;

// Whether a task is a block of the split dim, and no kept dims before it are
// cut as well.
static inline bool loop_tasks_are_blocks(const LoopSplit *split)
{
    return split->dim == 0 || split->partial_stride || split->all_before;
}

// Fused elementwise nodes, reductions of them, copies: a nest of loops over
// `dims`, at each point of which every expression is computed once.
typedef struct LoopKernel {
    int rank; // of the iteration space
    int64_t dims[MAX_RANK];
    int64_t unit;  // of the last dim, if the step says its size: what that, and
                   // a task's share of it, are multiples of
    int imm_count; // of the step's integers
    unsigned reduced; // bit d: dim d is summed over
    VEC(LoopExpr) exprs;
    VEC(LoopStore) stores;
    LoopSplit split; // by Backend.split_loop, or loop_split_rows
} LoopKernel;

typedef struct Kernel {
    const char *text;   // the description in words, canonical: the key
    const char *symbol; // "k_" and a hash of the text
    int arg_count;
    // One of the two.
    const LoopKernel *loop;
    const void *own; // the back end's description
} Kernel;

// How many points: the product of the dims.
int64_t loop_elements(const LoopKernel *loop);
// Points of the result: the product of the dims that are kept.
int64_t loop_kept_elements(const LoopKernel *loop);
bool loop_is_reduced(const LoopKernel *loop, int dim);

// Adds an expression, or finds an equal one; returns its index.
int loop_add_expr(Arena *arena, LoopKernel *loop, const LoopExpr *expr);

// Drops dims of size 1 and merges neighbours that every access walks as one.
// Dims before `fixed` stay as they are.
void loop_collapse(LoopKernel *loop, int fixed);

// Of access i, expressions first and then stores, the strides by dim.
int64_t *loop_strides(const LoopKernel *loop, int i);
int loop_access_count(const LoopKernel *loop);

// The split that an anchor's tasks dictate: dim 0 in blocks of `chunk`.
void loop_split_rows(LoopKernel *loop, int64_t chunk);

// The description in words, in the arena.
const char *loop_text(Arena *arena, const LoopKernel *loop);

// Row-major strides, in elements.
void strides_row_major(int rank, const int64_t *dims, int64_t *strides);

#endif
