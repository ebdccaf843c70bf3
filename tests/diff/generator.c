#include "tests/diff/generator.h"

#include <math.h>

#include "ir/autodiff.h"
#include "ir/base/diag.h"
#include "ir/base/text.h"
#include "ir/build.h"

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

// ---- choice -----------------------------------------------------------------

// splitmix64: a step of the golden ratio, then a finalizer of two rounds.
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

// 0 .. count - 1
static int choose(Generator *gen, int count)
{
    return (int)(next_random(&gen->state) % (uint64_t)count);
}

static bool one_in(Generator *gen, int count)
{
    return choose(gen, count) == 0;
}

static const TensorType *type_of(const Generator *gen, Value v)
{
    return graph_type(gen->graph, v);
}

static bool is_leaf(const Generator *gen, Value v)
{
    return op_has(graph_node(gen->graph, v)->op, TRAIT_NAMED);
}

// ---- bounds -----------------------------------------------------------------

// Notes how large v's elements may be. Nodes made since without a bound of
// their own are covered by it as well.
static Value note(Generator *gen, Value v, double bound)
{
    while (gen->bound.count < gen->graph->nodes.count)
        vec_push(gen->graph->arena, &gen->bound, bound);
    gen->bound.at[v] = bound;
    return v;
}

static double bound_of(const Generator *gen, Value v)
{
    return gen->bound.at[v];
}

// v, or when it may be large v scaled by a power of two.
static Value tame(Generator *gen, Value v)
{
    int exponent;
    if (bound_of(gen, v) <= 16)
        return v;
    frexp(bound_of(gen, v), &exponent);
    double scale = ldexp(1, 1 - exponent);
    return note(gen,
                build_binary(gen->graph, OP_MUL, v,
                             build_const_like(gen->graph, v, scale)),
                2);
}

// ---- leaves -----------------------------------------------------------------

static Value add_leaf(Generator *gen, const TensorType *dims)
{
    Graph *g = gen->graph;
    TensorType type = type_make(gen->dtype, dims->rank, dims->dims);
    const char *scope = g->origin.scope;
    int number = gen->leaf_count++;
    Value v;
    if (one_in(gen, 2)) {
        v = build_param(g, type, arena_printf(g->arena, "w%d", number),
                        one_in(gen, 3) ? "state" : "weight", "normal", 0.5);
        vec_push(g->arena, &gen->params, v);
    } else {
        v = build_input(g, type, arena_printf(g->arena, "x%d", number));
    }
    g->origin.scope = scope;
    return note(gen, v, LEAF_BOUND);
}

static TensorType random_dims(Generator *gen, int rank)
{
    TensorType type = {gen->dtype, rank, {0}};
    int64_t left = MOST_ELEMENTS;
    for (int i = 0; i < rank; i++) {
        int64_t most = left < 9 ? left : 9;
        type.dims[i] = 1 + choose(gen, (int)most);
        left /= type.dims[i];
    }
    return type;
}

// A number of the leaves' grid.
static double grid_number(Generator *gen)
{
    return (choose(gen, 4 * GRID) - 2 * GRID) / (double)GRID;
}

// ---- operands ---------------------------------------------------------------

static bool is_usable(const Generator *gen, Value v)
{
    const TensorType *type = type_of(gen, v);
    return type->dtype == gen->dtype && type_elements(type) <= MOST_ELEMENTS &&
           graph_node(gen->graph, v)->op != OP_ASSIGN;
}

// Some number tensor, more often a late one; of that rank when rank >= 0.
static Value pick(Generator *gen, int rank)
{
    int count = gen->graph->nodes.count;
    for (int tries = 0; tries < 12 && count; tries++) {
        int a = choose(gen, count), b = choose(gen, count);
        Value v = a > b ? a : b;
        if (is_usable(gen, v) && (rank < 0 || type_of(gen, v)->rank == rank))
            return v;
    }
    TensorType dims = random_dims(gen, rank < 0 ? choose(gen, 4) : rank);
    return add_leaf(gen, &dims);
}

static Value add_const_like(Generator *gen, Value like)
{
    static const double favourites[] = {0, 1, -1, 2, 0.5};
    double value =
        one_in(gen, 2) ? favourites[choose(gen, 5)] : grid_number(gen);
    return note(gen, build_const_like(gen->graph, like, value), LEAF_BOUND);
}

// Something of lower rank stretched to the dims of `like`.
static Value add_stretched(Generator *gen, Value like)
{
    TensorType type = *type_of(gen, like), from = {gen->dtype, 0, {0}};
    int64_t axes[MAX_RANK];
    for (int i = 0; i < type.rank; i++) {
        if (one_in(gen, 2))
            continue;
        axes[from.rank] = i;
        from.dims[from.rank++] = one_in(gen, 3) ? 1 : type.dims[i];
    }
    Value source = NO_VALUE;
    for (int tries = 0; tries < 20 && source == NO_VALUE; tries++) {
        Value v = choose(gen, gen->graph->nodes.count);
        if (is_usable(gen, v) && type_same_dims(type_of(gen, v), &from))
            source = v;
    }
    if (source == NO_VALUE)
        source = add_leaf(gen, &from);
    return note(gen,
                build_broadcast(gen->graph, source, type.rank, type.dims, axes),
                bound_of(gen, source));
}

// A number tensor with the dims of `like`.
static Value pick_like(Generator *gen, Value like)
{
    for (int tries = 0; tries < 16; tries++) {
        Value v = choose(gen, gen->graph->nodes.count);
        if (is_usable(gen, v) &&
            type_same_dims(type_of(gen, v), type_of(gen, like)))
            return v;
    }
    TensorType type = *type_of(gen, like);
    type.dtype = gen->dtype;
    switch (choose(gen, 5)) {
    case 0:
        return note(gen, build_const(gen->graph, type, grid_number(gen)),
                    LEAF_BOUND);
    case 1:
        if (type.rank > 0)
            return note(
                gen, build_iota(gen->graph, type, choose(gen, type.rank)), 9);
        return like;
    case 2:
    case 3:
        return add_stretched(gen, like);
    default:
        return add_leaf(gen, &type);
    }
}

// |x| + 0.5
static Value make_positive(Generator *gen, Value x)
{
    Graph *g = gen->graph;
    Value size = note(gen, build_unary(g, OP_ABS, x), bound_of(gen, x));
    return note(gen, build_binary(g, OP_ADD, size, build_const_like(g, x, 0.5)),
                bound_of(gen, x) + 0.5);
}

// ---- elementwise recipes ----------------------------------------------------

typedef Value Recipe(Generator *gen);

static Value make_unary(Generator *gen)
{
    static const Op ops[] = {OP_NEG,  OP_ABS,     OP_SIN,  OP_COS,
                             OP_TANH, OP_SIGMOID, OP_RELU, OP_STOP_GRADIENT};
    Value x = pick(gen, -1);
    Op op = ops[choose(gen, sizeof ops / sizeof ops[0])];
    double bound = bound_of(gen, x);
    return note(gen, build_unary(gen->graph, op, x), bound > 1 ? bound : 1);
}

static Value make_bounded_unary(Generator *gen)
{
    Value x = pick(gen, -1);
    Graph *g = gen->graph;
    switch (choose(gen, 4)) {
    case 0:
        x = note(gen, build_unary(g, OP_TANH, x), 1);
        return note(gen, build_unary(g, OP_EXP, x), 2.72);
    case 1:
        x = make_positive(gen, x);
        return note(gen, build_unary(g, OP_LOG, x), bound_of(gen, x) + 1);
    case 2:
        x = make_positive(gen, x);
        return note(gen, build_unary(g, OP_SQRT, x), bound_of(gen, x) + 1);
    default:
        x = make_positive(gen, x);
        return note(gen, build_unary(g, OP_RSQRT, x), 1.5);
    }
}

// A leaf half a grid step off: no whole number, and equal to no grid number.
static Value make_off_grid(Generator *gen, Value like)
{
    Value leaf = NO_VALUE;
    for (int tries = 0; tries < 8 && leaf == NO_VALUE; tries++) {
        Value v = pick(gen, type_of(gen, like)->rank);
        if (is_leaf(gen, v) &&
            type_same_dims(type_of(gen, v), type_of(gen, like)))
            leaf = v;
    }
    if (leaf == NO_VALUE)
        leaf = add_leaf(gen, type_of(gen, like));
    Value shift = build_const_like(gen->graph, leaf, 0.5 / GRID);
    return note(gen, build_binary(gen->graph, OP_ADD, leaf, shift),
                LEAF_BOUND + 1);
}

static Value make_stepped(Generator *gen)
{
    Value x = make_off_grid(gen, pick(gen, -1));
    Op op = one_in(gen, 2) ? OP_FLOOR : OP_SIGN;
    return note(gen, build_unary(gen->graph, op, x), LEAF_BOUND + 1);
}

static Value make_binary(Generator *gen)
{
    static const Op ops[] = {OP_ADD, OP_ADD, OP_SUB, OP_SUB,
                             OP_MUL, OP_MUL, OP_MAX, OP_MIN};
    Op op = ops[choose(gen, 8)];
    Value x = pick(gen, -1);
    Value y = one_in(gen, 5) ? add_const_like(gen, x) : pick_like(gen, x);
    double a = bound_of(gen, x), b = bound_of(gen, y);
    if (one_in(gen, 2)) {
        Value swap = x;
        x = y;
        y = swap;
    }
    return note(gen, build_binary(gen->graph, op, x, y),
                op == OP_MUL ? a * b : a + b);
}

static Value make_quotient(Generator *gen)
{
    Value x = pick(gen, -1);
    Value y = one_in(gen, 3) ? note(gen, build_const_like(gen->graph, x, 4), 4)
                             : make_positive(gen, pick_like(gen, x));
    return note(gen, build_binary(gen->graph, OP_DIV, x, y),
                2 * bound_of(gen, x));
}

static Value make_power(Generator *gen)
{
    static const double exponents[] = {0, 1, 2, 3, -1, 0.5, -0.5, 1.5};
    Value x = make_positive(gen, pick(gen, -1));
    double exponent = exponents[choose(gen, 8)];
    Value y = build_const_like(gen->graph, x, exponent);
    double b = bound_of(gen, x);
    return note(gen, build_binary(gen->graph, OP_POW, x, y),
                exponent < 0 ? 2 : b * b * b + 1);
}

static Value make_condition(Generator *gen, Value like)
{
    static const Op ops[] = {OP_EQ, OP_NE, OP_LT, OP_LE};
    Graph *g = gen->graph;
    Value x = make_off_grid(gen, like);
    double step = grid_number(gen) + (one_in(gen, 3) ? 0.5 / GRID : 0);
    Value y = build_const_like(g, x, step);
    Op op = ops[choose(gen, 4)];
    return note(gen,
                one_in(gen, 2) ? build_binary(g, op, x, y)
                               : build_binary(g, op, y, x),
                1);
}

static Value make_logic(Generator *gen, Value like)
{
    Graph *g = gen->graph;
    Value a = make_condition(gen, like);
    if (one_in(gen, 3))
        a = note(gen, build_unary(g, OP_NOT, a), 1);
    if (one_in(gen, 2)) {
        Value b = one_in(gen, 5) ? build_const_like(g, a, choose(gen, 2))
                                 : make_condition(gen, like);
        a = build_binary(g, one_in(gen, 2) ? OP_AND : OP_OR, a, b);
    }
    return note(gen, a, 1);
}

static Value make_select(Generator *gen)
{
    Value x = pick(gen, -1), y = pick_like(gen, x);
    Value condition = make_logic(gen, x);
    return note(gen, build_select(gen->graph, condition, x, y),
                fmax(bound_of(gen, x), bound_of(gen, y)));
}

// To bool and back, or through the other float type. Only leaves lose nothing
// in a narrower type.
static Value make_cast(Generator *gen)
{
    Graph *g = gen->graph;
    Value x = pick(gen, -1);
    if (one_in(gen, 2))
        return note(gen, build_cast(g, make_logic(gen, x), gen->dtype), 1);
    DType other = gen->dtype == DT_F32 ? DT_F64 : DT_F32;
    if (other == DT_F32 && !is_leaf(gen, x))
        x = add_leaf(gen, type_of(gen, x));
    Value wide = note(gen, build_cast(g, x, other), bound_of(gen, x));
    if (one_in(gen, 2) && other == DT_F64)
        wide = note(gen, build_unary(g, OP_SIN, wide), 1);
    return note(gen, build_cast(g, wide, gen->dtype), bound_of(gen, x));
}

// ---- recipes that move elements ---------------------------------------------

static Value make_broadcast(Generator *gen)
{
    Value x = pick(gen, -1);
    TensorType from = *type_of(gen, x), to = {gen->dtype, 0, {0}};
    int64_t axes[MAX_RANK];
    for (int i = 0; i < from.rank; i++) {
        if (to.rank + from.rank - i < 5 && one_in(gen, 3))
            to.dims[to.rank++] = 1 + choose(gen, 4);
        axes[i] = to.rank;
        bool stretch = from.dims[i] == 1 && one_in(gen, 2);
        to.dims[to.rank++] = stretch ? 3 : from.dims[i];
    }
    if (to.rank < 5 && one_in(gen, 2))
        to.dims[to.rank++] = 1 + choose(gen, 5);
    if (type_elements(&to) > MOST_ELEMENTS)
        return NO_VALUE;
    return note(gen, build_broadcast(gen->graph, x, to.rank, to.dims, axes),
                bound_of(gen, x));
}

static Value make_reshape(Generator *gen)
{
    Value x = pick(gen, -1);
    TensorType from = *type_of(gen, x), to = {gen->dtype, 0, {0}};
    int64_t run = 1; // axes not written yet, as one
    for (int i = 0; i < from.rank; i++) {
        run *= from.dims[i];
        if (one_in(gen, 2)) {
            to.dims[to.rank++] = run;
            run = 1;
        }
    }
    if (run > 1 || one_in(gen, 3))
        to.dims[to.rank++] = run;
    return note(gen, build_reshape(gen->graph, x, to.rank, to.dims),
                bound_of(gen, x));
}

static Value make_transpose(Generator *gen)
{
    Value x = pick(gen, -1);
    int rank = type_of(gen, x)->rank;
    int64_t perm[MAX_RANK];
    for (int i = 0; i < rank; i++) {
        int at = choose(gen, i + 1);
        perm[i] = perm[at];
        perm[at] = i;
    }
    return note(gen, build_transpose(gen->graph, x, perm), bound_of(gen, x));
}

static Value make_slice(Generator *gen)
{
    Value x = pick(gen, -1);
    const TensorType *type = type_of(gen, x);
    int64_t start[MAX_RANK], size[MAX_RANK];
    for (int i = 0; i < type->rank; i++) {
        start[i] = one_in(gen, 2) ? 0 : choose(gen, (int)type->dims[i]);
        size[i] = type->dims[i] - start[i];
        if (one_in(gen, 2))
            size[i] = 1 + choose(gen, (int)size[i]);
    }
    return note(gen, build_slice(gen->graph, x, start, size), bound_of(gen, x));
}

static Value make_pad(Generator *gen)
{
    Value x = pick(gen, -1);
    TensorType type = *type_of(gen, x);
    int64_t low[MAX_RANK], high[MAX_RANK];
    for (int i = 0; i < type.rank; i++) {
        low[i] = choose(gen, 3);
        high[i] = choose(gen, 3);
        type.dims[i] += low[i] + high[i];
    }
    if (type_elements(&type) > MOST_ELEMENTS)
        return NO_VALUE;
    return note(gen, build_pad(gen->graph, x, low, high, grid_number(gen)),
                bound_of(gen, x) + LEAF_BOUND);
}

static Value make_concat(Generator *gen)
{
    Value x = pick(gen, -1);
    const TensorType *type = type_of(gen, x);
    if (type->rank == 0 || 3 * type_elements(type) > MOST_ELEMENTS)
        return NO_VALUE;
    Value parts[3] = {x};
    int count = 1 + choose(gen, 3), axis = choose(gen, type->rank);
    double bound = bound_of(gen, x);
    for (int i = 1; i < count; i++) {
        parts[i] = pick_like(gen, x);
        bound = fmax(bound, bound_of(gen, parts[i]));
    }
    return note(gen, build_concat(gen->graph, count, parts, axis), bound);
}

static Value make_reduce(Generator *gen)
{
    Value x = pick(gen, -1);
    const TensorType *type = type_of(gen, x);
    int64_t axes[MAX_RANK];
    int count = 0;
    for (int i = 0; i < type->rank; i++)
        if (one_in(gen, 2))
            axes[count++] = i;
    Op op = one_in(gen, 3) ? OP_REDUCE_MAX : OP_REDUCE_SUM;
    double bound = bound_of(gen, x) *
                   (op == OP_REDUCE_SUM ? (double)type_elements(type) : 1);
    Value y = note(gen, build_reduce(gen->graph, op, x, count, axes), bound);
    // A second statistic of the same data, as normalisations take.
    if (op == OP_REDUCE_SUM && one_in(gen, 2)) {
        Value square = note(gen, build_binary(gen->graph, OP_MUL, x, x),
                            bound_of(gen, x) * bound_of(gen, x));
        Value more = build_reduce(gen->graph, op, square, count, axes);
        note(gen, more, bound * bound_of(gen, x));
        return tame(gen, more);
    }
    return y;
}

// ---- products and windows ---------------------------------------------------

static Value make_matmul(Generator *gen)
{
    Value a = pick(gen, 2);
    bool trans_a = one_in(gen, 3), trans_b = one_in(gen, 3);
    int64_t inner = type_of(gen, a)->dims[!trans_a];
    TensorType type = random_dims(gen, 2);
    type.dims[trans_b] = inner;
    Value b = add_leaf(gen, &type);
    Value y = build_matmul(gen->graph, a, b, trans_a, trans_b);
    note(gen, y, bound_of(gen, a) * LEAF_BOUND * (double)inner);
    if (one_in(gen, 2))
        return y;
    y = tame(gen, y); // with a bias, as dense layers have
    Value bias = add_stretched(gen, y);
    return note(gen, build_binary(gen->graph, OP_ADD, y, bias),
                bound_of(gen, y) + bound_of(gen, bias));
}

static IntList int_list(Arena *arena, int count, const int64_t *values)
{
    int64_t *at = ARENA_ARRAY(arena, int64_t, count);
    for (int i = 0; i < count; i++)
        at[i] = values[i];
    return (IntList){count, at};
}

// Strides of 1 or 2 and pads below the kernel's size.
static void random_window(Generator *gen, int64_t kh, int64_t kw, Attr *stride,
                          Attr *pad)
{
    int64_t strides[2], pads[4];
    for (int i = 0; i < 2; i++)
        strides[i] = 1 + choose(gen, 2);
    for (int i = 0; i < 4; i++)
        pads[i] = choose(gen, (int)(i % 2 ? kw : kh));
    stride->ints = int_list(gen->graph->arena, 2, strides);
    pad->ints = int_list(gen->graph->arena, 4, pads);
}

// NO_VALUE when the kernel does not fit: the shape rule knows.
static Value add_checked(Generator *gen, Op op, Value a, Value b,
                         const Attr *attrs, double bound)
{
    Value inputs[2] = {a, b};
    Value y =
        graph_add(gen->graph, op, b == NO_VALUE ? 1 : 2, inputs, attrs, NULL);
    return y == NO_VALUE ? y : note(gen, y, bound);
}

static Value make_image(Generator *gen)
{
    Value x = pick(gen, 4);
    const TensorType *type = type_of(gen, x);
    if (type->dims[2] > 1 && type->dims[3] > 1)
        return x;
    static const int low[4] = {1, 1, 3, 3}, spread[4] = {2, 3, 5, 5};
    TensorType dims = {gen->dtype, 4, {0}};
    for (int i = 0; i < 4; i++)
        dims.dims[i] = low[i] + choose(gen, spread[i]);
    return add_leaf(gen, &dims);
}

// The convolution, or one of its gradients on leaves of the right dims.
static Value make_conv(Generator *gen)
{
    Value x = make_image(gen);
    const TensorType *type = type_of(gen, x);
    TensorType kernel = {gen->dtype, 4, {0, type->dims[1]}};
    kernel.dims[0] = 1 + choose(gen, 4);
    kernel.dims[2] = 1 + choose(gen, 3);
    kernel.dims[3] = 1 + choose(gen, 3);
    Attr attrs[MAX_ATTRS];
    random_window(gen, kernel.dims[2], kernel.dims[3], &attrs[CONV_STRIDE],
                  &attrs[CONV_PAD]);
    Value w = add_leaf(gen, &kernel);
    double terms =
        (double)type_elements(&kernel) * LEAF_BOUND * bound_of(gen, x);
    Value y = add_checked(gen, OP_CONV2D, x, w, attrs, terms);
    if (y == NO_VALUE || one_in(gen, 2))
        return y;
    TensorType x_type = *type_of(gen, x);
    Value dy = add_leaf(gen, type_of(gen, y));
    bool by_data = one_in(gen, 2);
    attrs[CONV_DIMS].ints =
        int_list(gen->graph->arena, 4, by_data ? x_type.dims : kernel.dims);
    double all = (double)type_elements(type_of(gen, dy)) * LEAF_BOUND;
    return by_data ? add_checked(gen, OP_CONV2D_GRAD_X, w, dy, attrs,
                                 all * LEAF_BOUND)
                   : add_checked(gen, OP_CONV2D_GRAD_W, x, dy, attrs,
                                 all * bound_of(gen, x));
}

static Value make_pool(Generator *gen)
{
    Value x = make_image(gen);
    int64_t kernel[2];
    Attr attrs[MAX_ATTRS];
    for (int i = 0; i < 2; i++)
        kernel[i] = 1 + choose(gen, 3);
    attrs[POOL_KERNEL].ints = int_list(gen->graph->arena, 2, kernel);
    random_window(gen, kernel[0], kernel[1], &attrs[POOL_STRIDE],
                  &attrs[POOL_PAD]);
    Op op = one_in(gen, 2) ? OP_MAX_POOL : OP_SUM_POOL;
    Value y = add_checked(gen, op, x, NO_VALUE, attrs, 9 * bound_of(gen, x));
    if (y == NO_VALUE || one_in(gen, 2))
        return y;
    Value dy = add_leaf(gen, type_of(gen, y));
    if (op == OP_MAX_POOL)
        return add_checked(gen, OP_MAX_POOL_GRAD, x, dy, attrs, 9 * LEAF_BOUND);
    attrs[POOL_DIMS].ints =
        int_list(gen->graph->arena, 4, type_of(gen, x)->dims);
    return add_checked(gen, OP_SUM_POOL_GRAD, dy, NO_VALUE, attrs,
                       9 * LEAF_BOUND);
}

// ---- ranks and effects ------------------------------------------------------

static Value make_collective(Generator *gen)
{
    static const Op ops[] = {OP_ALL_SUM, OP_ALL_GATHER, OP_REDUCE_SCATTER};
    Attr attrs[MAX_ATTRS] = {{.i = 1}};
    if (one_in(gen, 4)) {
        TensorType scalar = type_scalar(gen->dtype);
        Value rank = graph_add(gen->graph, OP_RANK, 0, NULL, NULL, &scalar);
        return rank == NO_VALUE ? rank : note(gen, rank, 0);
    }
    Value x = pick(gen, -1);
    return add_checked(gen, ops[choose(gen, 3)], x, NO_VALUE, attrs,
                       bound_of(gen, x));
}

// Assigns a param: a moving average, another param, or a view of something.
static Value make_assign(Generator *gen)
{
    if (!gen->params.count)
        return NO_VALUE;
    int at = choose(gen, gen->params.count);
    Value p = gen->params.at[at], value = NO_VALUE;
    gen->params.at[at] = gen->params.at[--gen->params.count];
    Graph *g = gen->graph;
    switch (choose(gen, 3)) {
    case 0:
        value = pick_like(gen, p);
        break;
    case 1: {
        Value x =
            note(gen, build_binary(g, OP_MUL, p, build_const_like(g, p, 0.75)),
                 LEAF_BOUND);
        value = build_binary(g, OP_ADD, x, pick_like(gen, p));
        break;
    }
    default:
        value = add_stretched(gen, p);
    }
    Value assign = note(gen, build_assign(g, p, value), LEAF_BOUND);
    vec_push(g->arena, &gen->assigned, assign);
    return NO_VALUE; // readers of the new content are made at the end
}

// A scalar loss over a few values, its gradients by up to four params and a
// step along them, scaled by their norms or not.
static void add_training(Generator *gen)
{
    Graph *g = gen->graph;
    Value loss = build_scalar(g, gen->dtype, 0);
    for (int i = 0; i < 3; i++) {
        Value x = pick(gen, -1);
        int64_t axes[MAX_RANK] = {0, 1, 2, 3, 4, 5};
        note(gen, x, bound_of(gen, x));
        x = build_unary(g, OP_TANH, x);
        x = build_reduce(g, OP_REDUCE_SUM, x, type_of(gen, x)->rank, axes);
        loss = build_binary(g, OP_ADD, loss, x);
    }
    note(gen, loss, 3 * MOST_ELEMENTS);
    Value wrt[4], grads[4], culprit;
    int count = 0;
    while (count < 4 && gen->params.count)
        wrt[count++] = gen->params.at[--gen->params.count];
    bool done = autodiff(g, loss, count, wrt, grads, &culprit);
    note(gen, loss, 3 * MOST_ELEMENTS);
    graph_add_output(g, "loss", loss);
    for (int i = 0; done && i < count; i++) {
        Value step = build_binary(g, OP_MUL, grads[i],
                                  build_const_like(g, grads[i], 0.0625));
        if (one_in(gen, 2)) {
            int64_t axes[MAX_RANK] = {0, 1, 2, 3, 4, 5};
            Value square = build_binary(g, OP_MUL, grads[i], grads[i]);
            Value norm = build_reduce(g, OP_REDUCE_SUM, square,
                                      type_of(gen, square)->rank, axes);
            norm = build_binary(g, OP_ADD, norm, build_const_like(g, norm, 1));
            norm = build_unary(g, OP_RSQRT, norm);
            step = build_binary(g, OP_MUL, step, build_fill(g, norm, step));
        }
        build_assign(g, wrt[i], build_binary(g, OP_SUB, wrt[i], step));
    }
    note(gen, loss, 3 * MOST_ELEMENTS);
}

static void add_outputs(Generator *gen)
{
    Graph *g = gen->graph;
    int count = 2 + choose(gen, 4);
    for (int i = 0; i < count; i++)
        graph_add_output(g, arena_printf(g->arena, "out%d", i), pick(gen, -1));
    if (!gen->assigned.count || one_in(gen, 2))
        return;
    // Something that reads what a param was given.
    Value fresh = gen->assigned.at[choose(gen, gen->assigned.count)];
    graph_add_output(g, "fresh", fresh);
    graph_add_output(g, "fresher", build_unary(g, OP_COS, fresh));
}

Graph *generate_graph(Arena *arena, uint64_t seed, DType dtype, int nodes)
{
    static Recipe *const recipes[] = {
        make_unary,     make_unary,   make_bounded_unary, make_stepped,
        make_binary,    make_binary,  make_binary,        make_quotient,
        make_power,     make_select,  make_cast,          make_broadcast,
        make_broadcast, make_reshape, make_transpose,     make_slice,
        make_pad,       make_concat,  make_reduce,        make_reduce,
        make_matmul,    make_conv,    make_pool,          make_collective,
        make_assign};
    enum { RECIPE_COUNT = sizeof recipes / sizeof recipes[0] };
    Generator gen = {
        .graph = graph_new(arena, arena_printf(arena, "random.%llu",
                                               (unsigned long long)seed)),
        .dtype = dtype,
        .state = seed * 2 + (dtype == DT_F64)};
    while (gen.graph->nodes.count < nodes) {
        Value v = recipes[choose(&gen, RECIPE_COUNT)](&gen);
        if (v != NO_VALUE)
            tame(&gen, v);
    }
    if (!one_in(&gen, 3))
        add_training(&gen);
    add_outputs(&gen);
    return gen.graph;
}

// ---- data -------------------------------------------------------------------

EvalBinding *generate_bindings(const Graph *graph, Arena *arena, uint64_t seed,
                               int *count)
{
    EvalBinding *bindings =
        ARENA_ARRAY(arena, EvalBinding, graph->nodes.count + 1);
    *count = 0;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (!op_has(node->op, TRAIT_NAMED))
            continue;
        const char *name = node->attrs[0].text; // of params and inputs alike
        uint64_t state = text_hash(seed, name, strlen(name));
        int64_t elements = type_elements(&node->type);
        double *data = ARENA_ARRAY(arena, double, elements);
        for (int64_t i = 0; i < elements; i++)
            data[i] =
                ((double)(next_random(&state) % (4 * GRID)) - 2 * GRID) / GRID;
        bindings[(*count)++] = (EvalBinding){v, data};
    }
    return bindings;
}
