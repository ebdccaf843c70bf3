// What the generator makes: one recipe per kind of op.
#include <math.h>

#include "ir/random.h"
#include "tests/diff/generator_parts.h"

// |x| + 0.5
static Value make_positive(Generator *gen, Value x)
{
    Graph *g = gen->graph;
    Value size = gen_note(gen, build_unary(g, OP_ABS, x), gen_bound(gen, x));
    return gen_note(gen,
                    build_binary(g, OP_ADD, size, build_const_like(g, x, 0.5)),
                    gen_bound(gen, x) + 0.5);
}

// ---- elementwise recipes ----------------------------------------------------

Value make_unary(Generator *gen)
{
    static const Op ops[] = {OP_NEG,  OP_ABS,           OP_SIN,
                             OP_COS,  OP_TANH,          OP_SIGMOID,
                             OP_RELU, OP_STOP_GRADIENT, OP_ERF};
    Value x = gen_pick(gen, -1);
    Op op = ops[gen_choose(gen, sizeof ops / sizeof ops[0])];
    double bound = gen_bound(gen, x);
    return gen_note(gen, build_unary(gen->graph, op, x), bound > 1 ? bound : 1);
}

Value make_bounded_unary(Generator *gen)
{
    Value x = gen_pick(gen, -1);
    Graph *g = gen->graph;
    switch (gen_choose(gen, 4)) {
    case 0:
        x = gen_note(gen, build_unary(g, OP_TANH, x), 1);
        return gen_note(gen, build_unary(g, OP_EXP, x), 2.72);
    case 1:
        x = make_positive(gen, x);
        return gen_note(gen, build_unary(g, OP_LOG, x), gen_bound(gen, x) + 1);
    case 2:
        x = make_positive(gen, x);
        return gen_note(gen, build_unary(g, OP_SQRT, x), gen_bound(gen, x) + 1);
    default:
        x = make_positive(gen, x);
        return gen_note(gen, build_unary(g, OP_RSQRT, x), 1.5);
    }
}

// A leaf half a grid step off: no whole number, and equal to no grid number.
static Value make_off_grid(Generator *gen, Value like)
{
    Value leaf = NO_VALUE;
    for (int tries = 0; tries < 8 && leaf == NO_VALUE; tries++) {
        Value v = gen_pick(gen, gen_type(gen, like)->rank);
        if (gen_is_leaf(gen, v) &&
            type_same_dims(gen_type(gen, v), gen_type(gen, like)))
            leaf = v;
    }
    if (leaf == NO_VALUE)
        leaf = gen_leaf(gen, gen_type(gen, like));
    Value shift = build_const_like(gen->graph, leaf, 0.5 / GRID);
    return gen_note(gen, build_binary(gen->graph, OP_ADD, leaf, shift),
                    LEAF_BOUND + 1);
}

Value make_stepped(Generator *gen)
{
    Value x = make_off_grid(gen, gen_pick(gen, -1));
    Op op = gen_one_in(gen, 2) ? OP_FLOOR : OP_SIGN;
    return gen_note(gen, build_unary(gen->graph, op, x), LEAF_BOUND + 1);
}

Value make_binary(Generator *gen)
{
    static const Op ops[] = {OP_ADD, OP_ADD, OP_SUB, OP_SUB,
                             OP_MUL, OP_MUL, OP_MAX, OP_MIN};
    Op op = ops[gen_choose(gen, 8)];
    Value x = gen_pick(gen, -1);
    Value y =
        gen_one_in(gen, 5) ? gen_const_like(gen, x) : gen_pick_like(gen, x);
    double a = gen_bound(gen, x), b = gen_bound(gen, y);
    if (gen_one_in(gen, 2)) {
        Value swap = x;
        x = y;
        y = swap;
    }
    return gen_note(gen, build_binary(gen->graph, op, x, y),
                    op == OP_MUL ? a * b : a + b);
}

Value make_quotient(Generator *gen)
{
    Value x = gen_pick(gen, -1);
    Value y = gen_one_in(gen, 3)
                  ? gen_note(gen, build_const_like(gen->graph, x, 4), 4)
                  : make_positive(gen, gen_pick_like(gen, x));
    return gen_note(gen, build_binary(gen->graph, OP_DIV, x, y),
                    2 * gen_bound(gen, x));
}

Value make_power(Generator *gen)
{
    static const double exponents[] = {0, 1, 2, 3, -1, 0.5, -0.5, 1.5};
    Value x = make_positive(gen, gen_pick(gen, -1));
    double exponent = exponents[gen_choose(gen, 8)];
    Value y = build_const_like(gen->graph, x, exponent);
    double b = gen_bound(gen, x);
    return gen_note(gen, build_binary(gen->graph, OP_POW, x, y),
                    exponent < 0 ? 2 : b * b * b + 1);
}

static Value make_condition(Generator *gen, Value like)
{
    static const Op ops[] = {OP_EQ, OP_NE, OP_LT, OP_LE};
    Graph *g = gen->graph;
    Value x = make_off_grid(gen, like);
    double step = gen_grid_number(gen) + (gen_one_in(gen, 3) ? 0.5 / GRID : 0);
    Value y = build_const_like(g, x, step);
    Op op = ops[gen_choose(gen, 4)];
    return gen_note(gen,
                    gen_one_in(gen, 2) ? build_binary(g, op, x, y)
                                       : build_binary(g, op, y, x),
                    1);
}

static Value make_logic(Generator *gen, Value like)
{
    Graph *g = gen->graph;
    Value a = make_condition(gen, like);
    if (gen_one_in(gen, 3))
        a = gen_note(gen, build_unary(g, OP_NOT, a), 1);
    if (gen_one_in(gen, 2)) {
        Value b = gen_one_in(gen, 5)
                      ? build_const_like(g, a, gen_choose(gen, 2))
                      : make_condition(gen, like);
        a = build_binary(g, gen_one_in(gen, 2) ? OP_AND : OP_OR, a, b);
    }
    return gen_note(gen, a, 1);
}

Value make_select(Generator *gen)
{
    Value x = gen_pick(gen, -1), y = gen_pick_like(gen, x);
    Value condition = make_logic(gen, x);
    return gen_note(gen, build_select(gen->graph, condition, x, y),
                    fmax(gen_bound(gen, x), gen_bound(gen, y)));
}

// To bool and back, or through the other float type. Only leaves lose nothing
// in a narrower type, and no gradient may pass it.
Value make_cast(Generator *gen)
{
    Graph *g = gen->graph;
    Value x = gen_pick(gen, -1);
    if (gen_one_in(gen, 2))
        return gen_note(gen, build_cast(g, make_logic(gen, x), gen->dtype), 1);
    DType other = gen->dtype == DT_F32 ? DT_F64 : DT_F32;
    if (other == DT_F32 && !gen_is_leaf(gen, x))
        x = gen_leaf(gen, gen_type(gen, x));
    if (other == DT_F32)
        x = gen_note(gen, build_unary(g, OP_STOP_GRADIENT, x),
                     gen_bound(gen, x));
    Value wide = gen_note(gen, build_cast(g, x, other), gen_bound(gen, x));
    if (gen_one_in(gen, 2) && other == DT_F64)
        wide = gen_note(gen, build_unary(g, OP_SIN, wide), 1);
    return gen_note(gen, build_cast(g, wide, gen->dtype), gen_bound(gen, x));
}

// Uniform numbers, or a choice by them, which is exact in both types. Their
// steps are those of a plain tensor, or shorter, so that some are equal.
Value make_random(Generator *gen)
{
    static const char *const streams[] = {"", "a/0", "a/1"};
    Value x = gen_pick(gen, -1);
    TensorType type = *gen_type(gen, x), key = {gen->dtype, 1, {5}};
    int64_t run = 1 + gen_choose(gen, 4), steps[MAX_RANK];
    int64_t images[] = {2 * run, 16, run, 8},
            given = 2 + 2 * gen_choose(gen, 2);
    random_plain_steps(type.rank, type.dims, steps);
    if (type.rank > 1 && gen_one_in(gen, 4))
        steps[gen_choose(gen, type.rank)] = gen_choose(gen, 3);
    bool split = type.rank > 0 && gen_one_in(gen, 2);
    Attr attrs[MAX_ATTRS] = {
        [RANDOM_DIMS] = {.ints = {type.rank, type.dims}},
        [RANDOM_STEPS] = {.ints = {type.rank, steps}},
        [RANDOM_STREAM] = {.text = streams[gen_choose(gen, 3)]},
        [RANDOM_IMAGES] = {.ints = {split ? given : 0, images}}};
    Value from = gen_leaf(gen, &key);
    Value u = graph_add(gen->graph, OP_RANDOM, 1, &from, attrs, NULL);
    gen_note(gen, u, 1);
    if (gen_one_in(gen, 2))
        return u;
    Value y = gen_pick_like(gen, x);
    Value rare = gen_note(gen, build_const_like(gen->graph, u, 0.25), 1);
    rare = gen_note(gen, build_binary(gen->graph, OP_LT, u, rare), 1);
    return gen_note(gen, build_select(gen->graph, rare, x, y),
                    fmax(gen_bound(gen, x), gen_bound(gen, y)));
}

// ---- recipes that move elements ---------------------------------------------

Value make_broadcast(Generator *gen)
{
    Value x = gen_pick(gen, -1);
    TensorType from = *gen_type(gen, x), to = {gen->dtype, 0, {0}};
    int64_t axes[MAX_RANK];
    for (int i = 0; i < from.rank; i++) {
        if (to.rank + from.rank - i < 5 && gen_one_in(gen, 3))
            to.dims[to.rank++] = 1 + gen_choose(gen, 4);
        axes[i] = to.rank;
        bool stretch = from.dims[i] == 1 && gen_one_in(gen, 2);
        to.dims[to.rank++] = stretch ? 3 : from.dims[i];
    }
    if (to.rank < 5 && gen_one_in(gen, 2))
        to.dims[to.rank++] = 1 + gen_choose(gen, 5);
    if (type_elements(&to) > MOST_ELEMENTS)
        return NO_VALUE;
    return gen_note(gen, build_broadcast(gen->graph, x, to.rank, to.dims, axes),
                    gen_bound(gen, x));
}

Value make_reshape(Generator *gen)
{
    Value x = gen_pick(gen, -1);
    TensorType from = *gen_type(gen, x), to = {gen->dtype, 0, {0}};
    int64_t run = 1; // axes not written yet, as one
    for (int i = 0; i < from.rank; i++) {
        run *= from.dims[i];
        if (gen_one_in(gen, 2)) {
            to.dims[to.rank++] = run;
            run = 1;
        }
    }
    if (run > 1 || gen_one_in(gen, 3))
        to.dims[to.rank++] = run;
    return gen_note(gen, build_reshape(gen->graph, x, to.rank, to.dims),
                    gen_bound(gen, x));
}

Value make_transpose(Generator *gen)
{
    Value x = gen_pick(gen, -1);
    int rank = gen_type(gen, x)->rank;
    int64_t perm[MAX_RANK];
    for (int i = 0; i < rank; i++) {
        int at = gen_choose(gen, i + 1);
        perm[i] = perm[at];
        perm[at] = i;
    }
    return gen_note(gen, build_transpose(gen->graph, x, perm),
                    gen_bound(gen, x));
}

Value make_slice(Generator *gen)
{
    Value x = gen_pick(gen, -1);
    const TensorType *type = gen_type(gen, x);
    int64_t start[MAX_RANK], size[MAX_RANK];
    for (int i = 0; i < type->rank; i++) {
        start[i] = gen_one_in(gen, 2) ? 0 : gen_choose(gen, (int)type->dims[i]);
        size[i] = type->dims[i] - start[i];
        if (gen_one_in(gen, 2))
            size[i] = 1 + gen_choose(gen, (int)size[i]);
    }
    return gen_note(gen, build_slice(gen->graph, x, start, size),
                    gen_bound(gen, x));
}

Value make_pad(Generator *gen)
{
    Value x = gen_pick(gen, -1);
    TensorType type = *gen_type(gen, x);
    int64_t low[MAX_RANK], high[MAX_RANK];
    for (int i = 0; i < type.rank; i++) {
        low[i] = gen_choose(gen, 3);
        high[i] = gen_choose(gen, 3);
        type.dims[i] += low[i] + high[i];
    }
    if (type_elements(&type) > MOST_ELEMENTS)
        return NO_VALUE;
    return gen_note(gen,
                    build_pad(gen->graph, x, low, high, gen_grid_number(gen)),
                    gen_bound(gen, x) + LEAF_BOUND);
}

Value make_concat(Generator *gen)
{
    Value x = gen_pick(gen, -1);
    const TensorType *type = gen_type(gen, x);
    if (type->rank == 0 || 3 * type_elements(type) > MOST_ELEMENTS)
        return NO_VALUE;
    Value parts[3] = {x};
    int count = 1 + gen_choose(gen, 3), axis = gen_choose(gen, type->rank);
    double bound = gen_bound(gen, x);
    for (int i = 1; i < count; i++) {
        parts[i] = gen_pick_like(gen, x);
        bound = fmax(bound, gen_bound(gen, parts[i]));
    }
    return gen_note(gen, build_concat(gen->graph, count, parts, axis), bound);
}

Value make_reduce(Generator *gen)
{
    Value x = gen_pick(gen, -1);
    const TensorType *type = gen_type(gen, x);
    int64_t axes[MAX_RANK];
    int count = 0;
    for (int i = 0; i < type->rank; i++)
        if (gen_one_in(gen, 2))
            axes[count++] = i;
    Op op = gen_one_in(gen, 3) ? OP_REDUCE_MAX : OP_REDUCE_SUM;
    double bound = gen_bound(gen, x) *
                   (op == OP_REDUCE_SUM ? (double)type_elements(type) : 1);
    Value y =
        gen_note(gen, build_reduce(gen->graph, op, x, count, axes), bound);
    // A second statistic of the same data, as normalisations take.
    if (op == OP_REDUCE_SUM && gen_one_in(gen, 2)) {
        Value square = gen_note(gen, build_binary(gen->graph, OP_MUL, x, x),
                                gen_bound(gen, x) * gen_bound(gen, x));
        Value more = build_reduce(gen->graph, op, square, count, axes);
        gen_note(gen, more, bound * gen_bound(gen, x));
        return gen_tame(gen, more);
    }
    return y;
}

// ---- products and windows ---------------------------------------------------

// Of any rank, with axes before the matrices that are equal, stretched or
// missing on either side.
Value make_matmul(Generator *gen)
{
    Value a = gen_pick(gen, 2 + gen_choose(gen, 3));
    bool trans_a = gen_one_in(gen, 3), trans_b = gen_one_in(gen, 3);
    TensorType left = *gen_type(gen, a), right = left;
    right.rank = 0;
    for (int i = 0; i < left.rank - 2; i++) {
        bool missing = right.rank == 0 && gen_one_in(gen, 2);
        if (!missing)
            right.dims[right.rank++] = left.dims[i] == 1
                                           ? 1 + gen_choose(gen, 3)
                                       : gen_one_in(gen, 3) ? 1
                                                            : left.dims[i];
    }
    int64_t inner = left.dims[left.rank - (trans_a ? 2 : 1)];
    int64_t width = 1 + gen_choose(gen, 5);
    right.dims[right.rank++] = trans_b ? width : inner;
    right.dims[right.rank++] = trans_b ? inner : width;
    if (type_elements(&right) > MOST_ELEMENTS)
        return NO_VALUE;
    Value b = gen_leaf(gen, &right);
    bool swap = gen_one_in(gen, 3); // (a b)' = b' a'
    Value y = swap ? build_matmul(gen->graph, b, a, !trans_b, !trans_a)
                   : build_matmul(gen->graph, a, b, trans_a, trans_b);
    gen_note(gen, y, gen_bound(gen, a) * LEAF_BOUND * (double)inner);
    if (gen_one_in(gen, 2))
        return y;
    y = gen_tame(gen, y); // with a bias, as dense layers have
    Value bias = gen_stretched(gen, y);
    return gen_note(gen, build_binary(gen->graph, OP_ADD, y, bias),
                    gen_bound(gen, y) + gen_bound(gen, bias));
}

// Reductions of a b' by rows. Those without a gradient get inputs that want
// none.
Value make_rows(Generator *gen)
{
    static const Op ops[] = {OP_MATMUL_LSE, OP_MATMUL_LSE, OP_MATMUL_MAX,
                             OP_MATMUL_ENTROPY};
    Graph *g = gen->graph;
    Op op = ops[gen_choose(gen, 4)];
    Value a = gen_tame(gen, gen_pick(gen, 2)), b = a;
    TensorType skip = {gen->dtype, 1, {gen_type(gen, a)->dims[0]}};
    int64_t inner = gen_type(gen, a)->dims[1];
    if (gen_one_in(gen, 2)) {
        TensorType type = gen_dims(gen, 2);
        type.dims[1] = inner;
        b = gen_leaf(gen, &type);
    }
    double bound = gen_bound(gen, a) * gen_bound(gen, b) * (double)inner;
    int64_t rows = gen_type(gen, b)->dims[0];
    Value left_out = rows > 1 && gen_one_in(gen, 2) ? build_iota(g, skip, 0)
                                                    : build_const(g, skip, -1);
    gen_note(gen, left_out, (double)skip.dims[0]);
    if (op != OP_MATMUL_LSE) {
        a = gen_note(gen, build_unary(g, OP_STOP_GRADIENT, a),
                     gen_bound(gen, a));
        b = gen_note(gen, build_unary(g, OP_STOP_GRADIENT, b),
                     gen_bound(gen, b));
    }
    Attr attrs[MAX_ATTRS] = {[GUARD_GUARD].f = 1e-8};
    Value y = graph_add(g, op, 3, (Value[]){a, b, left_out}, attrs, NULL);
    return gen_note(gen, y, bound + 3);
}

// Attention on leaves with as many heads as something has.
Value make_attention(Generator *gen)
{
    Value q = gen_tame(gen, gen_pick(gen, 2 + gen_choose(gen, 2)));
    TensorType type = *gen_type(gen, q);
    int64_t others = 1 + gen_choose(gen, 5);
    if (type_elements(&type) * others > MOST_ELEMENTS)
        return NO_VALUE;
    type.dims[type.rank - 2] = others;
    Value k = gen_leaf(gen, &type);
    type.dims[type.rank - 1] = 1 + gen_choose(gen, 4);
    Value v = gen_leaf(gen, &type);
    Attr attrs[MAX_ATTRS] = {[SCALE_SCALE].f = 0.25};
    Value y =
        graph_add(gen->graph, OP_ATTENTION, 3, (Value[]){q, k, v}, attrs, NULL);
    int64_t inner = gen_type(gen, q)->dims[type.rank - 1];
    return gen_note(gen, y, gen_bound(gen, q) * (double)inner + 4);
}

// Rows of something by numbers that count along one of their axes, so that some
// name a row twice and some none; or the sums of rows with a number.
Value make_take(Generator *gen)
{
    Graph *g = gen->graph;
    Value x = gen_pick(gen, 1 + gen_choose(gen, 3));
    TensorType from = *gen_type(gen, x);
    bool back = gen_one_in(gen, 3);
    TensorType type = back ? from : gen_dims(gen, 1 + gen_choose(gen, 2));
    type.rank = back ? 1 : type.rank;
    int64_t rows = back ? 1 + gen_choose(gen, 5) : from.dims[0];
    int64_t width = type_elements(&from) / from.dims[0];
    if ((back ? rows : type_elements(&type)) * width > MOST_ELEMENTS)
        return NO_VALUE;
    Value numbers = gen_note(
        gen, build_iota(g, type, gen_choose(gen, type.rank)), MOST_ELEMENTS);
    if (gen_one_in(gen, 2)) // the last row first
        numbers = gen_note(
            gen,
            build_binary(g, OP_SUB,
                         build_const_like(g, numbers, (double)(rows - 1)),
                         numbers),
            MOST_ELEMENTS);
    Attr attrs[MAX_ATTRS] = {[COUNT_COUNT].i = rows};
    Value y = graph_add(g, back ? OP_TAKE_GRAD : OP_TAKE, 2,
                        (Value[]){x, numbers}, back ? attrs : NULL, NULL);
    return gen_note(gen, y,
                    gen_bound(gen, x) * (back ? (double)from.dims[0] : 1));
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
        strides[i] = 1 + gen_choose(gen, 2);
    for (int i = 0; i < 4; i++)
        pads[i] = gen_choose(gen, (int)(i % 2 ? kw : kh));
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
    return y == NO_VALUE ? y : gen_note(gen, y, bound);
}

// Of few channels; or of as many as fill blocks of a target, or do not.
static const int64_t wide_channels[] = {17, 24, 32, 96};

static Value make_image(Generator *gen)
{
    static const int low[4] = {1, 1, 3, 3}, spread[4] = {2, 3, 5, 5};
    bool wide = gen_one_in(gen, 4);
    Value x = wide ? NO_VALUE : gen_pick(gen, 4);
    if (!wide && gen_type(gen, x)->dims[2] > 1 && gen_type(gen, x)->dims[3] > 1)
        return x;
    TensorType dims = {gen->dtype, 4, {0}};
    for (int i = 0; i < 4; i++)
        dims.dims[i] = low[i] + gen_choose(gen, spread[i]);
    if (wide)
        dims.dims[1] = wide_channels[gen_choose(gen, 4)];
    return gen_leaf(gen, &dims);
}

// The convolution, or one of its gradients on leaves of the right dims.
Value make_conv(Generator *gen)
{
    Value x = make_image(gen);
    const TensorType *type = gen_type(gen, x);
    // Channels in groups, now and then, and gaps between the taps.
    int64_t channels = type->dims[1], groups = 1;
    if (gen_one_in(gen, 3))
        groups = gen_one_in(gen, 2) || channels % 2 ? channels : 2;
    int64_t dilation[] = {1 + gen_one_in(gen, 4), 1 + gen_one_in(gen, 4)};
    TensorType kernel = {gen->dtype, 4, {0, channels / groups}};
    kernel.dims[0] = groups * (1 + gen_choose(gen, groups > 1 ? 2 : 4));
    if (groups == 1 && channels > 16 && gen_one_in(gen, 2))
        kernel.dims[0] = wide_channels[gen_choose(gen, 4)];
    if (groups == channels && channels > 16)
        kernel.dims[0] = groups; // depthwise
    kernel.dims[2] = 1 + gen_choose(gen, 3);
    kernel.dims[3] = 1 + gen_choose(gen, 3);
    Attr attrs[MAX_ATTRS] = {{0}};
    random_window(gen, kernel.dims[2], kernel.dims[3], &attrs[CONV_STRIDE],
                  &attrs[CONV_PAD]);
    attrs[CONV_GROUPS].i = groups > 1 ? groups : 0;
    if (dilation[0] > 1 || dilation[1] > 1)
        attrs[CONV_DILATION].ints = int_list(gen->graph->arena, 2, dilation);
    Value w = gen_leaf(gen, &kernel);
    double terms =
        (double)type_elements(&kernel) * LEAF_BOUND * gen_bound(gen, x);
    Value y = add_checked(gen, OP_CONV2D, x, w, attrs, terms);
    if (y == NO_VALUE || gen_one_in(gen, 2))
        return y;
    TensorType x_type = *gen_type(gen, x);
    Value dy = gen_leaf(gen, gen_type(gen, y));
    bool by_data = gen_one_in(gen, 2);
    attrs[CONV_DIMS].ints =
        int_list(gen->graph->arena, 4, by_data ? x_type.dims : kernel.dims);
    double all = (double)type_elements(gen_type(gen, dy)) * LEAF_BOUND;
    return by_data ? add_checked(gen, OP_CONV2D_GRAD_X, w, dy, attrs,
                                 all * LEAF_BOUND)
                   : add_checked(gen, OP_CONV2D_GRAD_W, x, dy, attrs,
                                 all * gen_bound(gen, x));
}

Value make_pool(Generator *gen)
{
    Value x = make_image(gen);
    int64_t kernel[2];
    Attr attrs[MAX_ATTRS] = {{0}};
    for (int i = 0; i < 2; i++)
        kernel[i] = 1 + gen_choose(gen, 3);
    attrs[POOL_KERNEL].ints = int_list(gen->graph->arena, 2, kernel);
    random_window(gen, kernel[0], kernel[1], &attrs[POOL_STRIDE],
                  &attrs[POOL_PAD]);
    Op op = gen_one_in(gen, 2) ? OP_MAX_POOL : OP_SUM_POOL;
    Value y = add_checked(gen, op, x, NO_VALUE, attrs, 9 * gen_bound(gen, x));
    if (y == NO_VALUE || gen_one_in(gen, 2))
        return y;
    Value dy = gen_leaf(gen, gen_type(gen, y));
    if (op == OP_MAX_POOL)
        return add_checked(gen, OP_MAX_POOL_GRAD, x, dy, attrs, 9 * LEAF_BOUND);
    attrs[POOL_DIMS].ints =
        int_list(gen->graph->arena, 4, gen_type(gen, x)->dims);
    return add_checked(gen, OP_SUM_POOL_GRAD, dy, NO_VALUE, attrs,
                       9 * LEAF_BOUND);
}

Value make_collective(Generator *gen)
{
    static const Op ops[] = {OP_ALL_SUM, OP_ALL_GATHER, OP_REDUCE_SCATTER};
    Attr attrs[MAX_ATTRS] = {{.i = 1}};
    if (gen_one_in(gen, 4)) {
        TensorType scalar = type_scalar(gen->dtype);
        Value rank = graph_add(gen->graph, OP_RANK, 0, NULL, NULL, &scalar);
        return rank == NO_VALUE ? rank : gen_note(gen, rank, 0);
    }
    Value x = gen_pick(gen, -1);
    return add_checked(gen, ops[gen_choose(gen, 3)], x, NO_VALUE, attrs,
                       gen_bound(gen, x));
}

// In either direction: the gradient adds up what falls on a pixel.
Value make_resize(Generator *gen)
{
    Value x = make_image(gen);
    int64_t size[] = {1 + gen_choose(gen, 9), 1 + gen_choose(gen, 9)};
    TensorType type = *gen_type(gen, x);
    Attr attrs[MAX_ATTRS] = {
        [RESIZE_SIZE].ints = int_list(gen->graph->arena, 2, size),
        [RESIZE_MODE].text = gen_one_in(gen, 2) ? "nearest" : "bilinear"};
    if (type.dims[0] * type.dims[1] * size[0] * size[1] > MOST_ELEMENTS)
        return NO_VALUE;
    bool back = gen_one_in(gen, 2);
    double most = back ? (double)(type.dims[2] * type.dims[3]) : 1;
    Value y = graph_add(gen->graph, back ? OP_RESIZE_GRAD : OP_RESIZE, 1, &x,
                        attrs, NULL);
    return gen_note(gen, y, most * gen_bound(gen, x));
}
