// Algebra. A rule may change a result by rounding or by the sign of a zero, but
// never where it is NaN or infinite: x * 0 and x - x stay as they are.
#include "passes/simplify.h"

#include <math.h>
#include <stdlib.h>

#include "ir/build.h"
#include "passes/all.h"

// The one input of a node made by `op`, or NO_VALUE.
static Value input_of(const Rewrite *rewrite, Value v, Op op)
{
    const Node *node = rewrite_node(rewrite, v);
    return node->op == op ? node->inputs[0] : NO_VALUE;
}

// For an op that commutes: the constant among two operands, and the other one.
static bool const_operand(const Rewrite *rewrite, const Node *node,
                          double *value, Value *other)
{
    for (int i = 1; i >= 0; i--) {
        *other = node->inputs[1 - i];
        if (rewrite_is_const(rewrite, node->inputs[i], value))
            return true;
    }
    return false;
}

static Value like_const(Rewrite *rewrite, const Node *node, double value)
{
    return build_const(rewrite->graph, node->type, value);
}

// f(f(x)) = f(x)
static Value once_is_enough(Rewrite *rewrite, const Node *node)
{
    Value x = node->inputs[0];
    return rewrite_node(rewrite, x)->op == node->op ? x : NO_VALUE;
}

static Value simplify_neg(Rewrite *rewrite, const Node *node)
{
    const Node *x = rewrite_node(rewrite, node->inputs[0]);
    if (x->op == OP_NEG) // -(-x) = x
        return x->inputs[0];
    if (x->op == OP_SUB) // -(a - b) = b - a
        return build_binary(rewrite->graph, OP_SUB, x->inputs[1], x->inputs[0]);
    return NO_VALUE;
}

static Value simplify_abs(Rewrite *rewrite, const Node *node)
{
    Value x = input_of(rewrite, node->inputs[0], OP_NEG);
    if (x != NO_VALUE) // |-x| = |x|
        return build_unary(rewrite->graph, OP_ABS, x);
    return once_is_enough(rewrite, node);
}

static Value simplify_not(Rewrite *rewrite, const Node *node)
{
    const Node *x = rewrite_node(rewrite, node->inputs[0]);
    if (x->op == OP_NOT)
        return x->inputs[0];
    // Not so for < and <=: with a NaN both x < y and y <= x are false.
    if (x->op == OP_EQ || x->op == OP_NE)
        return build_binary(rewrite->graph, x->op == OP_EQ ? OP_NE : OP_EQ,
                            x->inputs[0], x->inputs[1]);
    return NO_VALUE;
}

// Whether every number of `narrow` is one of `wide`.
static bool dtype_holds(DType wide, DType narrow)
{
    static const int order[DT_COUNT] = {
        [DT_BOOL] = 0, [DT_BF16] = 1, [DT_F32] = 2, [DT_F64] = 3};
    return order[wide] >= order[narrow];
}

static Value simplify_cast(Rewrite *rewrite, const Node *node)
{
    const Node *x = rewrite_node(rewrite, node->inputs[0]);
    if (x->type.dtype == node->type.dtype)
        return node->inputs[0];
    if (x->op != OP_CAST)
        return NO_VALUE;
    // Through a wider type and on: the step between changes nothing.
    DType first = rewrite_node(rewrite, x->inputs[0])->type.dtype;
    if (!dtype_holds(x->type.dtype, first))
        return NO_VALUE;
    return first == node->type.dtype
               ? x->inputs[0]
               : build_cast(rewrite->graph, x->inputs[0], node->type.dtype);
}

// The pass runs after differentiation, where nothing is left to stop.
static Value simplify_stop_gradient(Rewrite *rewrite, const Node *node)
{
    (void)rewrite;
    return node->inputs[0];
}

static Value simplify_add(Rewrite *rewrite, const Node *node)
{
    double c;
    Value other;
    if (const_operand(rewrite, node, &c, &other) && c == 0) // x + 0
        return other;
    for (int i = 0; i < 2; i++) { // x + (-y) = x - y
        Value y = input_of(rewrite, node->inputs[i], OP_NEG);
        if (y != NO_VALUE)
            return build_binary(rewrite->graph, OP_SUB, node->inputs[1 - i], y);
    }
    return simplify_add_padded(rewrite, node);
}

static Value simplify_sub(Rewrite *rewrite, const Node *node)
{
    double c;
    if (rewrite_is_const(rewrite, node->inputs[1], &c) && c == 0) // x - 0
        return node->inputs[0];
    if (rewrite_is_const(rewrite, node->inputs[0], &c) && c == 0) // 0 - x
        return build_unary(rewrite->graph, OP_NEG, node->inputs[1]);
    Value y = input_of(rewrite, node->inputs[1], OP_NEG);
    if (y != NO_VALUE) // x - (-y) = x + y
        return build_binary(rewrite->graph, OP_ADD, node->inputs[0], y);
    return NO_VALUE;
}

static Value simplify_mul(Rewrite *rewrite, const Node *node)
{
    double c;
    Value other;
    if (const_operand(rewrite, node, &c, &other)) {
        if (c == 1)
            return other;
        if (c == -1)
            return build_unary(rewrite->graph, OP_NEG, other);
        Value x = input_of(rewrite, other, OP_NEG);
        if (x != NO_VALUE) // (-x) * c = x * -c
            return build_binary(rewrite->graph, OP_MUL, x,
                                like_const(rewrite, node, -c));
    }
    Value x = input_of(rewrite, node->inputs[0], OP_NEG);
    Value y = input_of(rewrite, node->inputs[1], OP_NEG);
    if (x != NO_VALUE && y != NO_VALUE) // (-x) * (-y) = x * y
        return build_binary(rewrite->graph, OP_MUL, x, y);
    return NO_VALUE;
}

// Whether 1 / c is exact: c is a power of two whose reciprocal is no subnormal
// of any float type here (bfloat16 and float32 end at 2^-126).
static bool exact_reciprocal(double c)
{
    int exponent;
    return fabs(frexp(c, &exponent)) == 0.5 && abs(exponent) < 120;
}

static Value simplify_div(Rewrite *rewrite, const Node *node)
{
    double c;
    Value x = node->inputs[0];
    if (!rewrite_is_const(rewrite, node->inputs[1], &c))
        return NO_VALUE;
    if (c == 1)
        return x;
    if (c == -1)
        return build_unary(rewrite->graph, OP_NEG, x);
    if (exact_reciprocal(c)) // x / c = x * (1 / c)
        return build_binary(rewrite->graph, OP_MUL, x,
                            like_const(rewrite, node, 1 / c));
    return NO_VALUE;
}

static Value simplify_pow(Rewrite *rewrite, const Node *node)
{
    double c;
    Value x = node->inputs[0];
    Graph *g = rewrite->graph;
    if (!rewrite_is_const(rewrite, node->inputs[1], &c))
        return NO_VALUE;
    if (c == 0)
        return like_const(rewrite, node, 1);
    if (c == 1)
        return x;
    if (c == 2)
        return build_binary(g, OP_MUL, x, x);
    if (c == -1)
        return build_binary(g, OP_DIV, like_const(rewrite, node, 1), x);
    // pow with a fraction is defined for x > 0 only.
    if (c == 0.5)
        return build_unary(g, OP_SQRT, x);
    if (c == -0.5)
        return build_unary(g, OP_RSQRT, x);
    return NO_VALUE;
}

// f(x, x) = x
static Value same_operands(Rewrite *rewrite, const Node *node)
{
    (void)rewrite;
    return node->inputs[0] == node->inputs[1] ? node->inputs[0] : NO_VALUE;
}

static Value simplify_logic(Rewrite *rewrite, const Node *node)
{
    double c;
    Value other;
    if (!const_operand(rewrite, node, &c, &other))
        return same_operands(rewrite, node);
    // true and x = x, false or x = x; else the constant decides.
    bool neutral = node->op == OP_AND ? c != 0 : c == 0;
    return neutral ? other : like_const(rewrite, node, c != 0);
}

static Value simplify_select(Rewrite *rewrite, const Node *node)
{
    const Value *in = node->inputs;
    double c;
    if (in[1] == in[2])
        return in[1];
    if (rewrite_is_const(rewrite, in[0], &c))
        return c != 0 ? in[1] : in[2];
    Value opposite = input_of(rewrite, in[0], OP_NOT);
    if (opposite != NO_VALUE)
        return build_select(rewrite->graph, opposite, in[2], in[1]);
    return NO_VALUE;
}

// A param given what it has: a weight the loss does not depend on.
static Value simplify_assign(Rewrite *rewrite, const Node *node)
{
    (void)rewrite;
    return node->inputs[0] == node->inputs[1] ? node->inputs[0] : NO_VALUE;
}

static RewriteRule *const rules[OP_COUNT] = {
    [OP_NEG] = simplify_neg,
    [OP_ABS] = simplify_abs,
    [OP_RELU] = once_is_enough,
    [OP_FLOOR] = once_is_enough,
    [OP_SIGN] = once_is_enough,
    [OP_NOT] = simplify_not,
    [OP_CAST] = simplify_cast,
    [OP_STOP_GRADIENT] = simplify_stop_gradient,
    [OP_ADD] = simplify_add,
    [OP_SUB] = simplify_sub,
    [OP_MUL] = simplify_mul,
    [OP_DIV] = simplify_div,
    [OP_MAX] = same_operands,
    [OP_MIN] = same_operands,
    [OP_POW] = simplify_pow,
    [OP_AND] = simplify_logic,
    [OP_OR] = simplify_logic,
    [OP_SELECT] = simplify_select,
    [OP_BROADCAST] = simplify_broadcast,
    [OP_RESHAPE] = simplify_reshape,
    [OP_TRANSPOSE] = simplify_transpose,
    [OP_SLICE] = simplify_slice,
    [OP_PAD] = simplify_pad,
    [OP_CONCAT] = simplify_concat,
    [OP_REDUCE_SUM] = simplify_reduce,
    [OP_REDUCE_MAX] = simplify_reduce,
    [OP_MATMUL] = simplify_matmul,
    [OP_ASSIGN] = simplify_assign,
};

static Value simplify_node(Rewrite *rewrite, const Node *node)
{
    RewriteRule *rule = rules[node->op];
    return rule ? rule(rewrite, node) : NO_VALUE;
}

void pass_simplify(Graph *graph, const PassContext *context)
{
    Arena *scratch = context->scratch;
    // Each walk may uncover more; every rule takes a node away or makes it
    // cheaper, so it ends by itself, and soon.
    enum { MOST_WALKS = 8 };
    for (int i = 0; i < MOST_WALKS; i++) {
        SimplifyContext simplify = {graph, graph_use_counts(graph, scratch)};
        if (!rewrite_graph(graph, scratch, simplify_node, &simplify))
            break;
    }
}
