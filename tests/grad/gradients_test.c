// Every differentiable op against central differences of the oracle. An op
// added to ops.def needs a sample here: `every_rule_has_a_sample` says so.
#include "ir/image.h"
#include "tests/grad/problem.h"
#include "tests/grad/samples.h"

#include <string.h>

// Makes leaves and returns a node with the op under test, which must depend on
// at least one param.
typedef struct Sample {
    Op op;
    const char *name;
    Value (*build)(Problem *problem);
} Sample;

Value add_node(Problem *p, Op op, int count, const Value *inputs,
               const Attr *attrs)
{
    Value value = graph_add(p->graph, op, count, inputs, attrs, NULL);
    if (value == NO_VALUE)
        test_fail(__FILE__, __LINE__, "%s", p->graph->error);
    return value;
}

static Attr ints(int count, const int64_t *at)
{
    return (Attr){.ints = {count, at}};
}

// ---- elementwise -----------------------------------------------------------

static Value matrix(Problem *p, double low, double high)
{
    return problem_param(p, 2, L(3, 4), low, high);
}

#define UNARY(OP_ID, low, high)                                                \
    static Value sample_##OP_ID(Problem *p)                                    \
    {                                                                          \
        return build_unary(p->graph, OP_##OP_ID, matrix(p, low, high));        \
    }
UNARY(NEG, -1, 1)
UNARY(ABS, -1, 1)
UNARY(EXP, -2, 2)
UNARY(LOG, 0.5, 3)
UNARY(SQRT, 0.5, 3)
UNARY(RSQRT, 0.5, 3)
UNARY(SIN, -3, 3)
UNARY(COS, -3, 3)
UNARY(TANH, -2, 2)
UNARY(ERF, -2, 2)
UNARY(SIGMOID, -3, 3)
UNARY(RELU, -1, 1)
UNARY(FLOOR, 0, 12)
UNARY(SIGN, -1, 1)
UNARY(STOP_GRADIENT, -1, 1)

#define BINARY(OP_ID, low, high)                                               \
    static Value sample_##OP_ID(Problem *p)                                    \
    {                                                                          \
        Value x = matrix(p, low, high), y = matrix(p, low, high);              \
        return build_binary(p->graph, OP_##OP_ID, x, y);                       \
    }
BINARY(ADD, -1, 1)
BINARY(SUB, -1, 1)
BINARY(MUL, -1, 1)
BINARY(DIV, 0.5, 2)
BINARY(MAX, -1, 1)
BINARY(MIN, -1, 1)
BINARY(POW, 0.5, 2)
BINARY(EQ, -1, 1)
BINARY(NE, -1, 1)
BINARY(LT, -1, 1)
BINARY(LE, -1, 1)

static Value is_negative(Problem *p, Value x)
{
    Value zero = build_const_like(p->graph, x, 0);
    return build_binary(p->graph, OP_LT, x, zero);
}

static Value sample_NOT(Problem *p)
{
    return build_unary(p->graph, OP_NOT, is_negative(p, matrix(p, -1, 1)));
}

static Value sample_AND(Problem *p)
{
    Value x = matrix(p, -1, 1), y = matrix(p, -1, 1);
    return build_binary(p->graph, OP_AND, is_negative(p, x), is_negative(p, y));
}

static Value sample_OR(Problem *p)
{
    Value x = matrix(p, -1, 1), y = matrix(p, -1, 1);
    return build_binary(p->graph, OP_OR, is_negative(p, x), is_negative(p, y));
}

static Value sample_SELECT(Problem *p)
{
    Value x = matrix(p, -1, 1), y = matrix(p, -1, 1), z = matrix(p, -1, 1);
    return build_select(p->graph, is_negative(p, x), y, z);
}

static Value sample_CAST(Problem *p)
{
    return build_cast(p->graph, matrix(p, -1, 1), DT_F32);
}

// Truth carries no gradient, though both casts alone could.
static Value sample_cast_through_bool(Problem *p)
{
    Value truth = build_cast(p->graph, matrix(p, -1, 1), DT_BOOL);
    return build_cast(p->graph, truth, DT_F64);
}

// x * x: two shares for one input.
static Value sample_square(Problem *p)
{
    Value x = matrix(p, -1, 1);
    return build_binary(p->graph, OP_MUL, x, x);
}

static Value power(Problem *p, double low, double high, double exponent)
{
    Value x = matrix(p, low, high);
    return build_binary(p->graph, OP_POW, x,
                        build_const_like(p->graph, x, exponent));
}

static Value sample_pow_0(Problem *p)
{
    return power(p, -1, 1, 0);
}

static Value sample_pow_1(Problem *p)
{
    return power(p, -1, 1, 1);
}

static Value sample_pow_2(Problem *p)
{
    return power(p, -1, 1, 2);
}

static Value sample_pow_3(Problem *p)
{
    return power(p, -1, 1, 3);
}

static Value sample_pow_minus_1(Problem *p)
{
    return power(p, 0.5, 2, -1);
}

static Value sample_pow_half(Problem *p)
{
    return power(p, 0.5, 2, 0.5);
}

// The exponent is constant, but only after a look through the broadcast.
static Value sample_pow_stretched(Problem *p)
{
    Value x = matrix(p, -1, 1);
    Value three = build_scalar(p->graph, DT_F64, 3);
    return build_binary(p->graph, OP_POW, x, build_fill(p->graph, three, x));
}

static Value sample_pow_of_constant(Problem *p)
{
    Value y = matrix(p, -2, 2);
    return build_binary(p->graph, OP_POW, build_const_like(p->graph, y, 1.5),
                        y);
}

// ---- shape -----------------------------------------------------------------

static Value sample_BROADCAST(Problem *p)
{
    Value x = problem_param(p, 1, L(3), -1, 1);
    return build_broadcast(p->graph, x, 3, L(2, 3, 4), L(1));
}

static Value sample_broadcast_scalar(Problem *p)
{
    Value x = problem_param(p, 0, NULL, -1, 1);
    return build_broadcast(p->graph, x, 2, L(2, 3), NULL);
}

// Sizes of 1 that stretch, beside one that stays.
static Value sample_broadcast_ones(Problem *p)
{
    Value x = problem_param(p, 4, L(2, 1, 1, 3), -1, 1);
    return build_broadcast(p->graph, x, 4, L(2, 4, 1, 3), L(0, 1, 2, 3));
}

static Value sample_broadcast_inner(Problem *p)
{
    Value x = problem_param(p, 2, L(1, 3), -1, 1);
    return build_broadcast(p->graph, x, 4, L(2, 5, 3, 2), L(1, 2));
}

static Value sample_RESHAPE(Problem *p)
{
    Value x = problem_param(p, 3, L(2, 3, 4), -1, 1);
    return build_reshape(p->graph, x, 2, L(6, 4));
}

static Value sample_TRANSPOSE(Problem *p)
{
    Value x = problem_param(p, 4, L(2, 3, 4, 5), -1, 1);
    return build_transpose(p->graph, x, L(2, 0, 3, 1));
}

static Value sample_SLICE(Problem *p)
{
    Value x = problem_param(p, 3, L(3, 4, 5), -1, 1);
    return build_slice(p->graph, x, L(1, 0, 2), L(2, 4, 1));
}

static Value sample_PAD(Problem *p)
{
    Value x = problem_param(p, 2, L(2, 3), -1, 1);
    return build_pad(p->graph, x, L(1, 0), L(2, 3), 0.7);
}

static Value sample_CONCAT(Problem *p)
{
    Value inputs[3] = {problem_param(p, 3, L(2, 1, 3), -1, 1),
                       problem_input(p, 3, L(2, 2, 3), -1, 1),
                       problem_param(p, 3, L(2, 3, 3), -1, 1)};
    return build_concat(p->graph, 3, inputs, 1);
}

static Value sample_concat_twice(Problem *p)
{
    Value x = problem_param(p, 2, L(2, 3), -1, 1);
    return build_concat(p->graph, 2, (Value[]){x, x}, 0);
}

static Value sample_concat_one(Problem *p)
{
    Value x = problem_param(p, 2, L(2, 3), -1, 1);
    return build_concat(p->graph, 1, &x, 0);
}

static Value sample_REDUCE_SUM(Problem *p)
{
    Value x = problem_param(p, 4, L(2, 3, 2, 3), -1, 1);
    return build_reduce(p->graph, OP_REDUCE_SUM, x, 3, L(0, 2, 3));
}

static Value sample_REDUCE_MAX(Problem *p)
{
    Value x = problem_param(p, 3, L(3, 4, 2), -1, 1);
    return build_reduce(p->graph, OP_REDUCE_MAX, x, 1, L(1));
}

static Value sample_reduce_max_all(Problem *p)
{
    Value x = problem_param(p, 2, L(3, 4), -1, 1);
    return build_reduce(p->graph, OP_REDUCE_MAX, x, 2, L(0, 1));
}

static Value over_one_rank(Problem *p, Op op)
{
    Value x = matrix(p, -1, 1);
    return add_node(p, op, 1, &x, &(Attr){.i = 1});
}

static Value sample_ALL_SUM(Problem *p)
{
    return over_one_rank(p, OP_ALL_SUM);
}

static Value sample_ALL_GATHER(Problem *p)
{
    return over_one_rank(p, OP_ALL_GATHER);
}

static Value sample_REDUCE_SCATTER(Problem *p)
{
    return over_one_rank(p, OP_REDUCE_SCATTER);
}

// ---- convolutions ----------------------------------------------------------

typedef struct ConvCase {
    const char *name;
    int64_t x[4], w[4], stride[2], pad[4];
    int64_t dilation[2], groups; // 0: 1
} ConvCase;

static const ConvCase conv_cases[] = {
    {"3x3", {2, 2, 5, 4}, {3, 2, 3, 3}, {1, 1}, {1, 1, 1, 1}},
    {"3x3/2", {2, 2, 5, 6}, {2, 2, 3, 3}, {2, 2}, {1, 1, 1, 1}},
    {"3x3/2 rest", {1, 2, 6, 6}, {2, 2, 3, 3}, {2, 2}, {0, 0, 0, 0}},
    {"asymmetric pads", {1, 2, 4, 5}, {2, 2, 3, 3}, {1, 2}, {0, 2, 1, 1}},
    {"2x3 kernel", {1, 2, 4, 5}, {2, 2, 2, 3}, {1, 1}, {1, 0, 0, 1}},
    {"1x1", {2, 3, 3, 3}, {2, 3, 1, 1}, {1, 1}, {0, 0, 0, 0}},
    {"1x1/2", {1, 3, 5, 4}, {2, 3, 1, 1}, {2, 2}, {0, 0, 0, 0}},
    {"7x7/2", {1, 1, 9, 8}, {2, 1, 7, 7}, {2, 2}, {3, 3, 3, 3}},
    {"stride over the kernel", {1, 1, 7, 7}, {1, 1, 2, 2}, {3, 3}, {0}},
    {"groups", {2, 4, 4, 5}, {6, 2, 3, 3}, {1, 1}, {1, 1, 1, 1}, {0}, 2},
    {"groups/2", {1, 6, 5, 4}, {3, 2, 2, 3}, {2, 1}, {1, 0, 0, 1}, {0}, 3},
    {"depthwise", {2, 3, 5, 5}, {3, 1, 3, 3}, {1, 1}, {1, 1, 1, 1}, {0}, 3},
    {"depthwise/2", {1, 3, 6, 5}, {6, 1, 3, 3}, {2, 2}, {1, 1, 1, 1}, {0}, 3},
    {"dilation", {1, 2, 6, 7}, {2, 2, 3, 3}, {1, 1}, {2, 2, 2, 2}, {2, 2}},
    {"uneven dilation/2",
     {1, 2, 7, 6},
     {2, 2, 3, 2},
     {2, 2},
     {1, 0, 2, 1},
     {2, 3}},
    {"groups, dilation",
     {1, 4, 6, 6},
     {4, 2, 3, 3},
     {1, 2},
     {2, 3, 2, 3},
     {2, 3},
     2},
};
enum { CONV_CASES = sizeof conv_cases / sizeof conv_cases[0] };

static void conv_output_dims(const ConvCase *at, int64_t *dims)
{
    dims[0] = at->x[0];
    dims[1] = at->w[0];
    for (int i = 0; i < 2; i++)
        dims[2 + i] = shape_windows(
            at->x[2 + i],
            (at->w[2 + i] - 1) * (at->dilation[i] ? at->dilation[i] : 1) + 1,
            at->stride[i], at->pad[i], at->pad[2 + i]);
}

// One of the three convolutions in a case: the two that it reads are params.
static Value conv_node(Problem *p, Op op, const ConvCase *at)
{
    int64_t y[4];
    conv_output_dims(at, y);
    Attr attrs[MAX_ATTRS] = {[CONV_STRIDE] = ints(2, at->stride),
                             [CONV_PAD] = ints(4, at->pad),
                             [CONV_DILATION] =
                                 ints(at->dilation[0] ? 2 : 0, at->dilation),
                             [CONV_GROUPS].i = at->groups};
    if (op != OP_CONV2D)
        attrs[CONV_DIMS] = ints(4, op == OP_CONV2D_GRAD_X ? at->x : at->w);
    const int64_t *first = op == OP_CONV2D_GRAD_X ? at->w : at->x;
    const int64_t *second = op == OP_CONV2D ? at->w : y;
    Value inputs[2] = {problem_param(p, 4, first, -1, 1),
                       problem_param(p, 4, second, -1, 1)};
    return add_node(p, op, 2, inputs, attrs);
}

static Value sample_CONV2D(Problem *p)
{
    return conv_node(p, OP_CONV2D, &conv_cases[0]);
}

static Value sample_CONV2D_GRAD_X(Problem *p)
{
    return conv_node(p, OP_CONV2D_GRAD_X, &conv_cases[0]);
}

static Value sample_CONV2D_GRAD_W(Problem *p)
{
    return conv_node(p, OP_CONV2D_GRAD_W, &conv_cases[0]);
}

TEST(convolutions_of_all_sorts)
{
    const Op ops[] = {OP_CONV2D, OP_CONV2D_GRAD_X, OP_CONV2D_GRAD_W};
    for (int i = 0; i < CONV_CASES; i++)
        for (int k = 0; k < 3; k++) {
            Problem p = problem_new();
            Value y = conv_node(&p, ops[k], &conv_cases[i]);
            problem_check(&p, problem_weighted_sum(&p, y),
                          arena_printf(p.arena, "%s %s", op_info(ops[k])->text,
                                       conv_cases[i].name));
            problem_free(&p);
        }
}

// The same images in blocks of two channels.
static TensorType blocked_type(const int64_t *plain)
{
    TensorType type = type_make(DT_F64, 4, plain);
    return image_blocked_type(&type, 2);
}

static const ConvCase blocked_case = {
    "blocked 3x3/2", {2, 4, 4, 3}, {2, 4, 3, 3}, {2, 1}, {1, 0, 1, 2}};

TEST(convolutions_in_blocks)
{
    int64_t plain_y[4];
    conv_output_dims(&blocked_case, plain_y);
    TensorType x = blocked_type(blocked_case.x), y = blocked_type(plain_y);
    const Op ops[] = {OP_CONV2D, OP_CONV2D_GRAD_X, OP_CONV2D_GRAD_W};
    for (int k = 0; k < 3; k++) {
        Problem p = problem_new();
        Attr attrs[MAX_ATTRS] = {ints(2, blocked_case.stride),
                                 ints(4, blocked_case.pad)};
        if (k > 0)
            attrs[CONV_DIMS] =
                k == 1 ? ints(5, x.dims) : ints(4, blocked_case.w);
        attrs[CONV_FORM].i = k == 1 ? FORM_BLOCKED : FORM_PLAIN;
        Value w = k < 2 ? problem_param(&p, 4, blocked_case.w, -1, 1) : 0;
        Value v = k > 0 ? problem_param_of(&p, &y, -1, 1) : 0;
        Value data = k != 1 ? problem_param_of(&p, &x, -1, 1) : 0;
        Value inputs[2] = {k == 1 ? w : data, k == 0 ? w : v};
        Value result = add_node(&p, ops[k], 2, inputs, attrs);
        problem_check(&p, problem_weighted_sum(&p, result),
                      arena_printf(p.arena, "%s %s", op_info(ops[k])->text,
                                   blocked_case.name));
        problem_free(&p);
    }
}

// ---- pools -----------------------------------------------------------------

typedef struct PoolCase {
    const char *name;
    int64_t x[4], kernel[2], stride[2], pad[4];
} PoolCase;

static const PoolCase pool_cases[] = {
    {"3x3/2", {2, 2, 5, 6}, {3, 3}, {2, 2}, {1, 1, 1, 1}},
    {"2x2/2", {1, 2, 4, 5}, {2, 2}, {2, 2}, {0, 0, 0, 0}},
    {"2x3, uneven", {1, 2, 5, 4}, {2, 3}, {1, 2}, {0, 2, 1, 1}},
    {"whole plane", {2, 2, 3, 4}, {3, 4}, {1, 1}, {0, 0, 0, 0}},
};
enum { POOL_CASES = sizeof pool_cases / sizeof pool_cases[0] };

static Value pool_node(Problem *p, Op op, const PoolCase *at)
{
    int64_t dims[4] = {at->x[0], at->x[1], at->x[2], at->x[3]};
    if (op == OP_SUM_POOL_GRAD)
        for (int i = 0; i < 2; i++)
            dims[2 + i] =
                shape_windows(at->x[2 + i], at->kernel[i], at->stride[i],
                              at->pad[i], at->pad[2 + i]);
    Attr attrs[MAX_ATTRS] = {ints(2, at->kernel), ints(2, at->stride),
                             ints(4, at->pad)};
    if (op == OP_SUM_POOL_GRAD)
        attrs[POOL_DIMS] = ints(4, at->x);
    Value x = problem_param(p, 4, dims, -1, 1);
    return add_node(p, op, 1, &x, attrs);
}

static Value sample_MAX_POOL(Problem *p)
{
    return pool_node(p, OP_MAX_POOL, &pool_cases[0]);
}

static Value sample_SUM_POOL(Problem *p)
{
    return pool_node(p, OP_SUM_POOL, &pool_cases[0]);
}

static Value sample_SUM_POOL_GRAD(Problem *p)
{
    return pool_node(p, OP_SUM_POOL_GRAD, &pool_cases[0]);
}

TEST(pools_of_all_sorts)
{
    const Op ops[] = {OP_MAX_POOL, OP_SUM_POOL, OP_SUM_POOL_GRAD};
    for (int i = 0; i < POOL_CASES; i++)
        for (int k = 0; k < 3; k++) {
            Problem p = problem_new();
            Value y = pool_node(&p, ops[k], &pool_cases[i]);
            problem_check(&p, problem_weighted_sum(&p, y),
                          arena_printf(p.arena, "%s %s", op_info(ops[k])->text,
                                       pool_cases[i].name));
            problem_free(&p);
        }
}

TEST(pools_in_blocks)
{
    const PoolCase *at = &pool_cases[2];
    const Op ops[] = {OP_MAX_POOL, OP_SUM_POOL, OP_SUM_POOL_GRAD};
    for (int k = 0; k < 3; k++) {
        Problem p = problem_new();
        TensorType x = blocked_type(at->x), from = x;
        for (int i = 0; k == 2 && i < 2; i++)
            from.dims[2 + i] =
                shape_windows(at->x[2 + i], at->kernel[i], at->stride[i],
                              at->pad[i], at->pad[2 + i]);
        Attr attrs[MAX_ATTRS] = {ints(2, at->kernel),
                                 ints(2, at->stride),
                                 ints(4, at->pad),
                                 ints(5, x.dims),
                                 {.i = FORM_BLOCKED}};
        Value input = problem_param_of(&p, &from, -1, 1);
        Value y = add_node(&p, ops[k], 1, &input, attrs);
        CHECK_INT(image_block(graph_type(p.graph, y)), 2);
        problem_check(
            &p, problem_weighted_sum(&p, y),
            arena_printf(p.arena, "%s in blocks", op_info(ops[k])->text));
        problem_free(&p);
    }
}

// ---- the table -------------------------------------------------------------

#define S(OP_ID)                                                               \
    {                                                                          \
        OP_##OP_ID, #OP_ID, sample_##OP_ID                                     \
    }
static const Sample samples[] = {
    S(NEG),
    S(ABS),
    S(EXP),
    S(LOG),
    S(SQRT),
    S(RSQRT),
    S(SIN),
    S(COS),
    S(TANH),
    S(ERF),
    S(SIGMOID),
    S(RELU),
    S(CAST),
    S(ADD),
    S(SUB),
    S(MUL),
    S(DIV),
    S(MAX),
    S(MIN),
    S(POW),
    S(SELECT),
    S(BROADCAST),
    S(RESHAPE),
    S(TRANSPOSE),
    S(SLICE),
    S(PAD),
    S(CONCAT),
    S(REDUCE_SUM),
    S(REDUCE_MAX),
    S(MATMUL),
    S(MATMUL_LSE),
    S(ATTENTION),
    S(TAKE),
    S(TAKE_GRAD),
    S(RESIZE),
    S(RESIZE_GRAD),
    S(CONV2D),
    S(CONV2D_GRAD_X),
    S(CONV2D_GRAD_W),
    S(MAX_POOL),
    S(SUM_POOL),
    S(SUM_POOL_GRAD),
    S(ALL_SUM),
    S(ALL_GATHER),
    S(REDUCE_SCATTER),
    {OP_MUL, "square", sample_square},
    {OP_POW, "pow 0", sample_pow_0},
    {OP_POW, "pow 1", sample_pow_1},
    {OP_POW, "pow 2", sample_pow_2},
    {OP_POW, "pow 3", sample_pow_3},
    {OP_POW, "pow -1", sample_pow_minus_1},
    {OP_POW, "pow 0.5", sample_pow_half},
    {OP_POW, "pow stretched", sample_pow_stretched},
    {OP_POW, "pow of constant", sample_pow_of_constant},
    {OP_BROADCAST, "broadcast scalar", sample_broadcast_scalar},
    {OP_BROADCAST, "broadcast ones", sample_broadcast_ones},
    {OP_BROADCAST, "broadcast inner", sample_broadcast_inner},
    {OP_CONCAT, "concat twice", sample_concat_twice},
    {OP_CONCAT, "concat one", sample_concat_one},
    {OP_REDUCE_MAX, "reduce_max all", sample_reduce_max_all},
    {OP_MATMUL, "matmul a'b", sample_matmul_ta},
    {OP_MATMUL, "matmul ab'", sample_matmul_tb},
    {OP_MATMUL, "matmul a'b'", sample_matmul_ta_tb},
    {OP_MATMUL_LSE, "matmul_lse of itself", sample_lse_of_itself},
    {OP_MATMUL_LSE, "matmul_lse of all", sample_lse_of_all},
};
enum { SAMPLES = sizeof samples / sizeof samples[0] };

// Ops through which nothing flows.
static const Sample flat_samples[] = {
    S(FLOOR),
    S(SIGN),
    S(NOT),
    S(STOP_GRADIENT),
    S(EQ),
    S(NE),
    S(LT),
    S(LE),
    S(AND),
    S(OR),
    {OP_CAST, "cast through bool", sample_cast_through_bool},
    {OP_RANDOM, "random", problem_random},
};
enum { FLAT_SAMPLES = sizeof flat_samples / sizeof flat_samples[0] };
#undef S

TEST(gradients_match_differences)
{
    for (int i = 0; i < SAMPLES; i++) {
        Problem p = problem_new();
        Value y = samples[i].build(&p);
        CHECK_INT(graph_node(p.graph, y)->op, samples[i].op);
        problem_check(&p, problem_weighted_sum(&p, y), samples[i].name);
        problem_free(&p);
    }
}

TEST(flat_ops_give_zero)
{
    for (int i = 0; i < FLAT_SAMPLES; i++) {
        Problem p = problem_new();
        Value y = flat_samples[i].build(&p);
        CHECK_INT(graph_node(p.graph, y)->op, flat_samples[i].op);
        Value gradients[PROBLEM_LEAVES];
        problem_gradients(&p, problem_weighted_sum(&p, y), gradients);
        for (int k = 0; k < p.param_count; k++) {
            const Node *node = graph_node(p.graph, gradients[k]);
            CHECK_INT(node->op, OP_CONST);
            CHECK(node->attrs[CONST_VALUE].f == 0);
            CHECK(type_equal(&node->type,
                             graph_type(p.graph, p.leaves[p.params[k]].value)));
        }
        problem_free(&p);
    }
}

static bool has_sample(Op op, const Sample *list, int count)
{
    for (int i = 0; i < count; i++)
        if (list[i].op == op)
            return true;
    return false;
}

TEST(every_rule_has_a_sample)
{
    for (int op = 0; op < OP_COUNT; op++) {
        const char *rule = op_info((Op)op)->gradient;
        bool flat = strcmp(rule, "zero") == 0;
        if (strcmp(rule, "none") == 0 || strcmp(rule, "leaf") == 0)
            continue;
        if (!has_sample((Op)op, flat ? flat_samples : samples,
                        flat ? FLAT_SAMPLES : SAMPLES))
            test_fail(__FILE__, __LINE__, "%s has no gradient sample",
                      op_info((Op)op)->text);
    }
}
