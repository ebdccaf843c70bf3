// Constants computed at compile time. A CONST is one number over a whole
// tensor, so what is folded is one number too. The arithmetic is the oracle's
// (ir/eval.h) on scalars, rounded to the node's element type: every folded node
// gives what a kernel would have stored.
#include <math.h>

#include "ir/build.h"
#include "ir/eval.h"
#include "passes/all.h"
#include "passes/rewrite.h"

static double round_to(DType dtype, double value)
{
    switch (dtype) {
    case DT_F32:
        return (float)value;
    case DT_BF16:
        return eval_bf16(value);
    case DT_BOOL:
        return value != 0;
    default:
        return value;
    }
}

// Whether all inputs are constants; their numbers go to `values`, which holds
// `limit`. With more inputs only the first number is given, and all are equal.
static bool const_inputs(const Rewrite *rewrite, const Node *node,
                         double *values, int limit)
{
    for (int i = 0; i < node->input_count; i++) {
        double value;
        if (!rewrite_is_const(rewrite, node->inputs[i], &value))
            return false;
        if (i < limit)
            values[i] = value;
        else if (value != values[0])
            return false;
    }
    return node->input_count > 0;
}

// Whether the node is one number everywhere; *result receives it.
static bool fold_value(const Rewrite *rewrite, const Node *node, double *result)
{
    double values[3] = {0};
    bool one = op_has(node->op, TRAIT_ELEMENTWISE) ? false : true;
    if (!const_inputs(rewrite, node, values, one ? 1 : 3))
        return false;
    *result = values[0];
    switch (node->op) {
    case OP_BROADCAST:
    case OP_RESHAPE:
    case OP_TRANSPOSE:
    case OP_SLICE:
    case OP_CONCAT:
    case OP_REDUCE_MAX:
        return true;
    case OP_PAD:
        return node->attrs[PAD_VALUE].f == values[0];
    case OP_REDUCE_SUM:
        *result *= (double)(type_elements(
                                graph_type(rewrite->graph, node->inputs[0])) /
                            type_elements(&node->type));
        return true;
    default:
        if (!op_has(node->op, TRAIT_ELEMENTWISE))
            return false;
        for (int i = 0; i < node->input_count; i++)
            values[i] = round_to(
                rewrite_node(rewrite, node->inputs[i])->type.dtype, values[i]);
        *result = eval_number(node, values);
        return true;
    }
}

static Value fold_node(Rewrite *rewrite, const Node *node)
{
    double value;
    if (op_has(node->op, TRAIT_EFFECT) || !fold_value(rewrite, node, &value))
        return NO_VALUE;
    value = round_to(node->type.dtype, value);
    // A NaN is a fault of the source; it is left to show where it arises.
    if (isnan(value))
        return NO_VALUE;
    return build_const(rewrite->graph, node->type, value);
}

void pass_fold(Graph *graph, const PassContext *context)
{
    Arena *scratch = context->scratch;
    rewrite_graph(graph, scratch, fold_node, NULL);
}
