// Spare lanes: what lies in blocked images behind the last channel. Nothing may
// come of it in a result. Elementwise ops keep lanes apart, and convolutions
// multiply spare ones by zero, which is enough as long as they are finite. That
// they are follows from the ops alone, more often than not: they begin as
// zeros.
#include <math.h>

#include "ir/build.h"
#include "ir/eval.h"
#include "passes/layout.h"

// What is known of a spare lane's number is this number, or that it is finite,
// or nothing.
static const double is_finite = INFINITY, is_unknown = NAN;

// A number as a lane holds it: in single precision e^90 is infinite.
static double lane_number(double number)
{
    return isfinite((float)number) ? number : is_unknown;
}

Value layout_unspoiled(Layout *layout, Value old, double number)
{
    const TensorType *plain = &layout_node(layout, old)->type;
    Value v = layout_value(layout, old, FORM_BLOCKED);
    if (layout_is_whole(layout, plain->dims[1]))
        return v;
    Graph *graph = layout->graph;
    TensorType type = *graph_type(graph, v), space = type;
    space.dtype = DT_F32;
    Value block = build_binary(graph, OP_MUL, build_iota(graph, space, 1),
                               build_const(graph, space, layout->block));
    Value channel =
        build_binary(graph, OP_ADD, block, build_iota(graph, space, 4));
    Value used = build_binary(graph, OP_LT, channel,
                              build_const(graph, space, plain->dims[1]));
    return build_select(graph, used, v, build_const(graph, type, number));
}

// ---- elementwise ops --------------------------------------------------------

static bool makes_bools(Op op)
{
    return op == OP_EQ || op == OP_NE || op == OP_LT || op == OP_LE ||
           op == OP_AND || op == OP_OR || op == OP_NOT;
}

// Numbers beyond it are not taken to leave others finite: six of them
// multiplied stay in the range of floats.
static const double most_harmless = 1e6;

// Finite wherever all inputs are, which are not large.
static bool keeps_finite(Op op)
{
    switch (op) {
    case OP_NEG:
    case OP_ABS:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_MAX:
    case OP_MIN:
    case OP_RELU:
    case OP_SIGN:
    case OP_FLOOR:
    case OP_CAST:
    case OP_STOP_GRADIENT:
    case OP_SIN:
    case OP_COS:
    case OP_TANH:
    case OP_ERF:
    case OP_SIGMOID:
        return true;
    default:
        return makes_bools(op);
    }
}

// So near to zero that the machine may round it there, where the oracle does
// not. Numbers of nets are seldom so small, and what is called risky without
// being so costs no more than zeros in its place.
static bool is_risky(double x)
{
    return !(fabs(x) >= 1e-3) || isinf(x);
}

static double elementwise_spare(const Node *node, const double *in)
{
    Op op = node->op;
    bool numbers = true, finite = true;
    for (int i = 0; i < node->input_count; i++) {
        numbers &= isfinite(in[i]);
        finite &= in[i] == is_finite || fabs(in[i]) <= most_harmless;
    }
    if (op == OP_SELECT && !isfinite(in[0]))
        return in[1] == in[2]                 ? in[1]
               : isnan(in[1]) || isnan(in[2]) ? is_unknown
                                              : is_finite;
    if (numbers) {
        bool pole = op == OP_LOG || op == OP_RSQRT || op == OP_POW;
        if ((op == OP_DIV && is_risky(in[1])) || (pole && is_risky(in[0])))
            return is_unknown;
        return lane_number(eval_number(node, in));
    }
    if (makes_bools(op)) // of whatever
        return is_finite;
    if (!finite)
        return is_unknown;
    if (op == OP_MUL && (in[0] == 0 || in[1] == 0))
        return 0;
    bool divides = op == OP_DIV && !is_risky(in[1]);
    return keeps_finite(op) || divides ? is_finite : is_unknown;
}

// ---- all ops ----------------------------------------------------------------

// Several spare lanes beside each other.
static double any_of(double a, double b)
{
    return a == b ? a : isnan(a) || isnan(b) ? is_unknown : is_finite;
}

double layout_spare(const Layout *layout, const Node *node)
{
    enum { MOST_INPUTS = 3 };
    double in[MOST_INPUTS] = {0}, all = 0;
    for (int i = 0; i < node->input_count; i++) {
        double spare = layout->spare[node->inputs[i]];
        all = i == 0 ? spare : any_of(all, spare);
        if (i < MOST_INPUTS)
            in[i] = spare;
    }
    switch (node->op) {
    case OP_CONST:
        return lane_number(node->attrs[CONST_VALUE].f);
    case OP_BROADCAST: {
        const Node *from = layout_node(layout, node->inputs[0]);
        int at =
            layout_channel_axis(&from->type, node->attrs[BROADCAST_AXES].ints);
        if (at < from->type.rank) // lengthened by zeros, or an image itself
            return from->type.rank == 4 ? in[0] : 0;
        if (from->op == OP_CONST)
            return lane_number(from->attrs[CONST_VALUE].f);
        return layout->finite[node->inputs[0]] ? is_finite : is_unknown;
    }
    case OP_RANDOM:
        return is_finite;
    case OP_CONV2D:
    case OP_CONV2D_GRAD_X:
        return layout_conv_spare(layout, node);
    case OP_PAD:
        return any_of(all, lane_number(node->attrs[PAD_VALUE].f));
    case OP_SLICE:
    case OP_CONCAT:
    case OP_MAX_POOL:
        return all;
    case OP_MAX_POOL_GRAD: // of x and dy
        return isnan(all) ? is_unknown : in[1] == 0 ? 0 : is_finite;
    case OP_SUM_POOL:
    case OP_SUM_POOL_GRAD:
        return isnan(all) ? is_unknown : all == 0 ? 0 : is_finite;
    default:
        return op_has(node->op, TRAIT_ELEMENTWISE) ? elementwise_spare(node, in)
                                                   : is_unknown;
    }
}

// Random numbers and what is made of them, mostly: masks.
bool layout_is_finite(const Layout *layout, const Node *node)
{
    bool all = node->input_count > 0;
    for (int i = 0; i < node->input_count; i++)
        all &= layout->finite[node->inputs[i]];
    switch (node->op) {
    case OP_RANDOM:
        return true;
    case OP_CONST:
        return fabs(node->attrs[CONST_VALUE].f) <= most_harmless;
    case OP_BROADCAST:
    case OP_RESHAPE:
    case OP_TRANSPOSE:
    case OP_SLICE:
    case OP_SELECT:
        return all;
    default:
        return makes_bools(node->op) || (keeps_finite(node->op) && all);
    }
}
