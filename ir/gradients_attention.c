// Gradients of attention, from its result and the logarithms beside it.
#include "ir/gradients.h"

// With P = softmax(c q k'), O = P v and l the logarithms of the rows' sums,
//   g(v) = P' dO,  g(q) = c dS k,  g(k) = c dS' q,
//   dS_ij = P_ij (dO_i . v_j - D_i),  D_i = dO_i . O_i - dl_i.
// P is made again from l, tile by tile.
void grad_attention(GradContext *context, Value node, Value dy)
{
    Graph *graph = context->graph;
    Value q = grad_input(context, node, 0), k = grad_input(context, node, 1);
    Value v = grad_input(context, node, 2);
    Value inputs[] = {q, k, v, node, dy};
    Attr attrs[MAX_ATTRS] = {graph_node(graph, node)->attrs[SCALE_SCALE]};
    if (grad_wanted(context, q))
        grad_accumulate(
            context, q,
            grad_node(context, OP_ATTENTION_GRAD_Q, 5, inputs, attrs));
    if (!grad_wanted(context, k) && !grad_wanted(context, v))
        return;
    // [..,s,d+e]: that of k beside that of v.
    Value both = grad_node(context, OP_ATTENTION_GRAD_KV, 5, inputs, attrs);
    TensorType k_type = *graph_type(graph, k), v_type = *graph_type(graph, v);
    int64_t start[MAX_RANK] = {0};
    if (grad_wanted(context, k))
        grad_accumulate(context, k,
                        build_slice(graph, both, start, k_type.dims));
    start[k_type.rank - 1] = k_type.dims[k_type.rank - 1];
    if (grad_wanted(context, v))
        grad_accumulate(context, v,
                        build_slice(graph, both, start, v_type.dims));
}
