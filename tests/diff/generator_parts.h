// Inside the generator: its state, and what its recipes choose from.
#ifndef SIMCC_TESTS_DIFF_GENERATOR_PARTS_H
#define SIMCC_TESTS_DIFF_GENERATOR_PARTS_H

#include "ir/build.h"
#include "ir/graph.h"

enum {
    MOST_ELEMENTS = 400,
    GRID = 16,      // leaves hold multiples of 1 / GRID
    LEAF_BOUND = 2, // ... of at most this size
};

typedef struct Generator {
    Graph *graph;
    DType dtype;
    uint64_t state;
    int leaf_count;
    VEC(double) bound;   // by value: no element is larger
    VEC(Value) params;   // not assigned yet
    VEC(Value) assigned; // ASSIGN nodes
} Generator;

// splitmix64's next number.
uint64_t gen_random(uint64_t *state);
// 0 .. count - 1
int gen_choose(Generator *gen, int count);
bool gen_one_in(Generator *gen, int count);

static inline const TensorType *gen_type(const Generator *gen, Value v)
{
    return graph_type(gen->graph, v);
}

static inline double gen_bound(const Generator *gen, Value v)
{
    return gen->bound.at[v];
}

// Notes how large v's elements may be. Nodes made since without a bound of
// their own are covered by it as well. Returns v.
Value gen_note(Generator *gen, Value v, double bound);
// v, or when it may be large v scaled by a power of two.
Value gen_tame(Generator *gen, Value v);

bool gen_is_leaf(const Generator *gen, Value v);
Value gen_leaf(Generator *gen, const TensorType *dims);
TensorType gen_dims(Generator *gen, int rank);
// A number of the leaves' grid.
double gen_grid_number(Generator *gen);

// Some number tensor, more often a late one; of that rank when rank >= 0.
Value gen_pick(Generator *gen, int rank);
// A number tensor with the dims of `like`.
Value gen_pick_like(Generator *gen, Value like);
Value gen_const_like(Generator *gen, Value like);
// Something of lower rank stretched to the dims of `like`.
Value gen_stretched(Generator *gen, Value like);

// Makes a few nodes; the result, or NO_VALUE when nothing came of it.
typedef Value Recipe(Generator *gen);
Recipe make_unary, make_bounded_unary, make_stepped, make_binary, make_quotient,
    make_power, make_select, make_cast, make_broadcast, make_reshape,
    make_transpose, make_slice, make_pad, make_concat, make_reduce, make_matmul,
    make_rows, make_take, make_attention, make_conv, make_pool, make_resize,
    make_collective, make_random;

#endif
