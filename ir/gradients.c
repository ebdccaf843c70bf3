// The table of gradient rules, and the rules of elementwise operations.
#include "ir/gradients.h"

#include <math.h>

#include "ir/base/diag.h"

GradRule *grad_rule(Op op)
{
    static GradRule *const rules[OP_COUNT] = {
#define OP(id, text, in, attrs, shape, grad, ...) [OP_##id] = grad_##grad,
#include "ir/ops.def"
#undef OP
    };
    return rules[op];
}

static _Noreturn void never_called(const GradContext *context, Value node)
{
    INTERNAL_ERROR("no gradient flows through %s",
                   op_info(graph_node(context->graph, node)->op)->text);
}

// Not differentiable: autodiff reports the node to its caller.
void grad_none(GradContext *context, Value node, Value dy)
{
    (void)dy;
    never_called(context, node);
}

// No inputs: gradients end here.
void grad_leaf(GradContext *context, Value node, Value dy)
{
    (void)dy;
    never_called(context, node);
}

// Flat wherever it is smooth, or meant to be: nothing flows on.
void grad_zero(GradContext *context, Value node, Value dy)
{
    (void)dy;
    never_called(context, node);
}

Value grad_node(GradContext *context, Op op, int count, const Value *inputs,
                const Attr *attrs)
{
    Value value = graph_add(context->graph, op, count, inputs, attrs, NULL);
    if (value == NO_VALUE)
        INTERNAL_ERROR("gradient: %s", context->graph->error);
    return value;
}

// ---- one input -------------------------------------------------------------

static Value multiply(GradContext *context, Value x, Value y)
{
    return build_binary(context->graph, OP_MUL, x, y);
}

// factor * x
static Value scale(GradContext *context, Value x, double factor)
{
    return multiply(context, build_const_like(context->graph, x, factor), x);
}

// `dy` where the mask holds, else 0.
static Value masked(GradContext *context, Value mask, Value dy)
{
    Value zero = build_const_like(context->graph, dy, 0);
    return build_select(context->graph, mask, dy, zero);
}

static Value masked_out(GradContext *context, Value mask, Value dy)
{
    Value zero = build_const_like(context->graph, dy, 0);
    return build_select(context->graph, mask, zero, dy);
}

// y = -x: g(x) = -dy
void grad_neg(GradContext *context, Value node, Value dy)
{
    grad_accumulate(context, grad_input(context, node, 0),
                    build_unary(context->graph, OP_NEG, dy));
}

// y = |x|: g(x) = sign(x) dy
void grad_abs(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    Value sign = build_unary(context->graph, OP_SIGN, x);
    grad_accumulate(context, x, multiply(context, dy, sign));
}

// y = e^x: g(x) = y dy
void grad_exp(GradContext *context, Value node, Value dy)
{
    grad_accumulate(context, grad_input(context, node, 0),
                    multiply(context, dy, node));
}

// y = log x: g(x) = dy / x
void grad_log(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    grad_accumulate(context, x, build_binary(context->graph, OP_DIV, dy, x));
}

// y = sqrt(x): g(x) = dy / (2 y)
void grad_sqrt(GradContext *context, Value node, Value dy)
{
    Value half = scale(context, dy, 0.5);
    grad_accumulate(context, grad_input(context, node, 0),
                    build_binary(context->graph, OP_DIV, half, node));
}

// y = x^(-1/2): g(x) = -1/2 x^(-3/2) dy = -1/2 y^3 dy
void grad_rsqrt(GradContext *context, Value node, Value dy)
{
    Value cube = multiply(context, multiply(context, node, node), node);
    grad_accumulate(context, grad_input(context, node, 0),
                    multiply(context, scale(context, dy, -0.5), cube));
}

// y = sin x: g(x) = cos(x) dy
void grad_sin(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    Value cosine = build_unary(context->graph, OP_COS, x);
    grad_accumulate(context, x, multiply(context, dy, cosine));
}

// y = cos x: g(x) = -sin(x) dy
void grad_cos(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    Value sine = build_unary(context->graph, OP_SIN, x);
    Value negative = build_unary(context->graph, OP_NEG, sine);
    grad_accumulate(context, x, multiply(context, dy, negative));
}

// y = tanh x: g(x) = (1 - y^2) dy
void grad_tanh(GradContext *context, Value node, Value dy)
{
    Value one = build_const_like(context->graph, node, 1);
    Value square = multiply(context, node, node);
    Value slope = build_binary(context->graph, OP_SUB, one, square);
    grad_accumulate(context, grad_input(context, node, 0),
                    multiply(context, dy, slope));
}

// y = erf x: g(x) = 2 / sqrt(pi) e^(-x^2) dy
void grad_erf(GradContext *context, Value node, Value dy)
{
    Graph *graph = context->graph;
    Value x = grad_input(context, node, 0);
    Value square = build_unary(graph, OP_NEG, multiply(context, x, x));
    Value bell = build_unary(graph, OP_EXP, square);
    Value factor = build_const_like(graph, x, M_2_SQRTPI);
    grad_accumulate(context, x,
                    multiply(context, dy, multiply(context, factor, bell)));
}

// y = 1 / (1 + e^-x): g(x) = y (1 - y) dy
void grad_sigmoid(GradContext *context, Value node, Value dy)
{
    Value one = build_const_like(context->graph, node, 1);
    Value rest = build_binary(context->graph, OP_SUB, one, node);
    Value slope = multiply(context, node, rest);
    grad_accumulate(context, grad_input(context, node, 0),
                    multiply(context, dy, slope));
}

// y = max(x, 0): g(x) = dy where x > 0, else 0. The mask reads y, which is
// positive exactly where x is: x need not outlive the forward step.
void grad_relu(GradContext *context, Value node, Value dy)
{
    Graph *graph = context->graph;
    Value zero = build_const_like(graph, node, 0);
    Value positive = build_binary(graph, OP_LT, zero, node);
    grad_accumulate(context, grad_input(context, node, 0),
                    masked(context, positive, dy));
}

// The same numbers: g(x) = dy in x's element type. A bool input or output
// carries no gradient and never comes here.
void grad_cast(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    DType dtype = graph_type(context->graph, x)->dtype;
    if (dtype != graph_type(context->graph, dy)->dtype)
        dy = build_cast(context->graph, dy, dtype);
    grad_accumulate(context, x, dy);
}

// ---- two and three inputs --------------------------------------------------

// z = x + y: g(x) = g(y) = dz
void grad_add(GradContext *context, Value node, Value dz)
{
    grad_accumulate(context, grad_input(context, node, 0), dz);
    grad_accumulate(context, grad_input(context, node, 1), dz);
}

// z = x - y: g(x) = dz, g(y) = -dz
void grad_sub(GradContext *context, Value node, Value dz)
{
    Value y = grad_input(context, node, 1);
    grad_accumulate(context, grad_input(context, node, 0), dz);
    if (grad_wanted(context, y))
        grad_accumulate(context, y, build_unary(context->graph, OP_NEG, dz));
}

// z = x y: g(x) = y dz, g(y) = x dz
void grad_mul(GradContext *context, Value node, Value dz)
{
    Value x = grad_input(context, node, 0), y = grad_input(context, node, 1);
    if (grad_wanted(context, x))
        grad_accumulate(context, x, multiply(context, dz, y));
    if (grad_wanted(context, y))
        grad_accumulate(context, y, multiply(context, dz, x));
}

// z = x / y: g(x) = dz / y, g(y) = -x dz / y^2 = -(dz / y) z
void grad_div(GradContext *context, Value node, Value dz)
{
    Graph *graph = context->graph;
    Value x = grad_input(context, node, 0), y = grad_input(context, node, 1);
    Value quotient = build_binary(graph, OP_DIV, dz, y);
    grad_accumulate(context, x, quotient);
    if (grad_wanted(context, y))
        grad_accumulate(
            context, y,
            build_unary(graph, OP_NEG, multiply(context, quotient, node)));
}

// dz goes to x where the mask holds, to y elsewhere.
static void grad_choice(GradContext *context, Value mask, Value x, Value y,
                        Value dz)
{
    if (grad_wanted(context, x))
        grad_accumulate(context, x, masked(context, mask, dz));
    if (grad_wanted(context, y))
        grad_accumulate(context, y, masked_out(context, mask, dz));
}

// z = max(x, y): g(x) = dz where y <= x, g(y) = dz elsewhere
void grad_max(GradContext *context, Value node, Value dz)
{
    Value x = grad_input(context, node, 0), y = grad_input(context, node, 1);
    Value mask = build_binary(context->graph, OP_LE, y, x);
    grad_choice(context, mask, x, y, dz);
}

// z = min(x, y): g(x) = dz where x <= y, g(y) = dz elsewhere
void grad_min(GradContext *context, Value node, Value dz)
{
    Value x = grad_input(context, node, 0), y = grad_input(context, node, 1);
    Value mask = build_binary(context->graph, OP_LE, x, y);
    grad_choice(context, mask, x, y, dz);
}

// z = x where c, else y: g(x) = dz where c, g(y) = dz elsewhere
void grad_select(GradContext *context, Value node, Value dz)
{
    grad_choice(context, grad_input(context, node, 0),
                grad_input(context, node, 1), grad_input(context, node, 2), dz);
}

// Is every element of the value one number known here?
static bool constant_of(const Graph *graph, Value value, double *constant)
{
    const Node *node = graph_node(graph, value);
    while (node->op == OP_BROADCAST || node->op == OP_RESHAPE)
        node = graph_node(graph, node->inputs[0]);
    *constant = node->attrs[CONST_VALUE].f;
    return node->op == OP_CONST;
}

// d x^c / dx = c x^(c-1), without the powers that need none. For c = 0 that
// is more than speed: at x = 0 the formula would be 0 * inf.
static void grad_pow_constant(GradContext *context, Value x, double c, Value dz)
{
    Graph *graph = context->graph;
    if (c == 0)
        return;
    if (c == 1) {
        grad_accumulate(context, x, dz);
        return;
    }
    Value power = x;
    if (c != 2)
        power =
            build_binary(graph, OP_POW, x, build_const_like(graph, x, c - 1));
    grad_accumulate(context, x,
                    multiply(context, dz, scale(context, power, c)));
}

// z = x^y: g(x) = y x^(y-1) dz, g(y) = x^y log(x) dz. The second needs x > 0,
// as the op itself does when y is not constant.
void grad_pow(GradContext *context, Value node, Value dz)
{
    Graph *graph = context->graph;
    Value x = grad_input(context, node, 0), y = grad_input(context, node, 1);
    double c;
    if (grad_wanted(context, x) && constant_of(graph, y, &c)) {
        grad_pow_constant(context, x, c, dz);
    } else if (grad_wanted(context, x)) {
        Value one = build_const_like(graph, y, 1);
        Value less = build_binary(graph, OP_SUB, y, one);
        Value power = build_binary(graph, OP_POW, x, less);
        Value slope = multiply(context, y, power);
        grad_accumulate(context, x, multiply(context, dz, slope));
    }
    if (grad_wanted(context, y)) {
        Value log = build_unary(graph, OP_LOG, x);
        Value slope = multiply(context, node, log);
        grad_accumulate(context, y, multiply(context, dz, slope));
    }
}
