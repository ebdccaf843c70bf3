// The sizes of an attention node or of one of its gradients: softmax(scale q
// k') v at each place of the axes before the last two, which are the same for
// all of its inputs.
#ifndef SIMCC_IR_ATTENTION_H
#define SIMCC_IR_ATTENTION_H

#include "ir/graph.h"

typedef struct AttentionSizes {
    int64_t count;      // of matrices
    int64_t m, s, d, e; // q[m,d], k[s,d], v[s,e]
} AttentionSizes;

// Of a node whose first three inputs are q, k and v.
static inline AttentionSizes attention_sizes(const Graph *graph,
                                             const Node *node)
{
    const TensorType *q = graph_type(graph, node->inputs[0]);
    const TensorType *k = graph_type(graph, node->inputs[1]);
    const TensorType *v = graph_type(graph, node->inputs[2]);
    AttentionSizes sizes = {1, q->dims[q->rank - 2], k->dims[k->rank - 2],
                            q->dims[q->rank - 1], v->dims[v->rank - 1]};
    for (int i = 0; i < q->rank - 2; i++)
        sizes.count *= q->dims[i];
    return sizes;
}

// Multiply-adds: two products forward, three by q and four by k and v.
static inline int64_t attention_macs(const Graph *graph, const Node *node)
{
    AttentionSizes z = attention_sizes(graph, node);
    int64_t width = z.d + z.e;
    if (node->op == OP_ATTENTION_GRAD_Q)
        width += z.d;
    else if (node->op == OP_ATTENTION_GRAD_KV)
        width += z.d + z.e;
    return z.count * z.m * z.s * width;
}

#endif
