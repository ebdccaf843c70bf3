// Shape rules of attention and its gradients.
#include <math.h>

#include "ir/attention.h"
#include "ir/shape_rules.h"

static bool same_leading(const TensorType *a, const TensorType *b)
{
    if (a->rank != b->rank || a->dtype != b->dtype || b->form != FORM_PLAIN)
        return false;
    for (int i = 0; i < a->rank - 2; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

// q[..,m,d], k[..,s,d] and v[..,s,e].
static const char *want_qkv(const Graph *graph, const Node *node)
{
    const TensorType *q = shape_input(graph, node, 0);
    const TensorType *k = shape_input(graph, node, 1);
    const TensorType *v = shape_input(graph, node, 2);
    int last = q->rank - 1;
    bool fits = last >= 1 && q->form == FORM_PLAIN &&
                dtype_is_float(q->dtype) && same_leading(q, k) &&
                same_leading(q, v) && q->dims[last] == k->dims[last] &&
                k->dims[last - 1] == v->dims[last - 1];
    if (!fits)
        return shape_error(graph, node,
                           "needs q[..,m,d], k[..,s,d] and v[..,s,e] of one "
                           "float type, not %s, %s and %s",
                           shape_text(graph, node, 0),
                           shape_text(graph, node, 1),
                           shape_text(graph, node, 2));
    if (!isfinite(node->attrs[SCALE_SCALE].f))
        return shape_error(graph, node, "scale is not a finite number");
    return NULL;
}

// y[..,m,e+1].
static TensorType attention_type(const Graph *graph, const Node *node)
{
    TensorType type = *shape_input(graph, node, 0);
    const TensorType *v = shape_input(graph, node, 2);
    type.dims[type.rank - 1] = v->dims[v->rank - 1] + 1;
    return type;
}

const char *shape_attention(const Graph *graph, Node *node)
{
    const char *error = want_qkv(graph, node);
    if (!error)
        node->type = attention_type(graph, node);
    return error;
}

static const char *want_y(const Graph *graph, const Node *node)
{
    const char *error = want_qkv(graph, node);
    if (error)
        return error;
    TensorType y = attention_type(graph, node);
    for (int i = 3; i < 5; i++)
        if (!type_equal(&y, shape_input(graph, node, i)))
            return shape_error(graph, node,
                               "y and dy are %s, but the result they are for "
                               "is %s",
                               shape_text(graph, node, i),
                               type_text(graph->arena, &y));
    return NULL;
}

const char *shape_attention_grad_q(const Graph *graph, Node *node)
{
    node->type = *shape_input(graph, node, 0);
    return want_y(graph, node);
}

const char *shape_attention_grad_kv(const Graph *graph, Node *node)
{
    const char *error = want_y(graph, node);
    node->type = *shape_input(graph, node, 1);
    if (!error)
        node->type.dims[node->type.rank - 1] +=
            shape_input(graph, node, 2)->dims[node->type.rank - 1];
    return error;
}
