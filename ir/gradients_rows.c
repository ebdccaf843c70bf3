// Gradients of products of rows with rows that are reduced as they are made.
#include "ir/gradients.h"

// dy [m] as a factor of every row of x [m, d].
static Value scale_rows(Graph *graph, Value dy, Value x)
{
    TensorType type = *graph_type(graph, x);
    Value wide = build_broadcast(graph, dy, 2, type.dims, (const int64_t[]){0});
    return build_binary(graph, OP_MUL, x, wide);
}

static Value softmax_product(GradContext *context, Value node, bool trans,
                             Value v)
{
    Value inputs[] = {grad_input(context, node, 0),
                      grad_input(context, node, 1),
                      grad_input(context, node, 2), node, v};
    Attr attrs[MAX_ATTRS] = {[TRANS_TRANS].i = trans};
    return grad_node(context, OP_MATMUL_SOFTMAX, 5, inputs, attrs);
}

// y_i = log sum_j e^(a_i . b_j), P_ij = e^(a_i . b_j - y_i), where only the
// terms that are not left out count:
//   g(a_i) = dy_i sum_j P_ij b_j,  g(b_j) = sum_i P_ij dy_i a_i
// P is made again from y, tile by tile.
void grad_matmul_lse(GradContext *context, Value node, Value dy)
{
    Graph *graph = context->graph;
    Value a = grad_input(context, node, 0), b = grad_input(context, node, 1);
    if (grad_wanted(context, a)) {
        Value mean = softmax_product(context, node, false, b);
        grad_accumulate(context, a, scale_rows(graph, dy, mean));
    }
    if (grad_wanted(context, b)) {
        Value rows = scale_rows(graph, dy, a);
        grad_accumulate(context, b, softmax_product(context, node, true, rows));
    }
}
