// Shape rules of products of rows with rows that are reduced as they are made.
#include "ir/shape_rules.h"

// a[m, d], b[k, d] and [m], all of one float type.
static const char *want_rows(const Graph *graph, const Node *node)
{
    const TensorType *a = shape_input(graph, node, 0);
    const TensorType *b = shape_input(graph, node, 1);
    const TensorType *skip = shape_input(graph, node, 2);
    if (a->rank != 2 || b->rank != 2 || a->dtype != b->dtype ||
        !dtype_is_float(a->dtype))
        return shape_error(
            graph, node, "needs two matrices of one float type, not %s and %s",
            shape_text(graph, node, 0), shape_text(graph, node, 1));
    if (a->dims[1] != b->dims[1])
        return shape_error(graph, node, "rows of %s and %s differ in length",
                           shape_text(graph, node, 0),
                           shape_text(graph, node, 1));
    if (skip->rank != 1 || skip->dtype != a->dtype ||
        skip->dims[0] != a->dims[0])
        return shape_error(graph, node,
                           "which to leave out is a number for each of the "
                           "%lld rows of %s, not %s",
                           (long long)a->dims[0], shape_text(graph, node, 0),
                           shape_text(graph, node, 2));
    return NULL;
}

const char *shape_matmul_rows(const Graph *graph, Node *node)
{
    const TensorType *a = shape_input(graph, node, 0);
    const char *error = want_rows(graph, node);
    if (!error)
        node->type = type_make(a->dtype, 1, a->dims);
    if (!error && node->op == OP_MATMUL_ENTROPY &&
        !(node->attrs[GUARD_GUARD].f >= 0 && node->attrs[GUARD_GUARD].f < 1))
        error = shape_error(graph, node, "guard is from 0 up to 1");
    return error;
}

const char *shape_matmul_softmax(const Graph *graph, Node *node)
{
    const TensorType *a = shape_input(graph, node, 0);
    const TensorType *b = shape_input(graph, node, 1);
    const TensorType *lse = shape_input(graph, node, 3);
    const TensorType *v = shape_input(graph, node, 4);
    int64_t trans = node->attrs[TRANS_TRANS].i;
    const char *error = want_rows(graph, node);
    if (error)
        return error;
    if (trans != 0 && trans != 1)
        return shape_error(graph, node, "trans is 0 or 1");
    if (!type_equal(lse, shape_input(graph, node, 2)))
        return shape_error(graph, node,
                           "needs a logarithm for each row, not %s",
                           shape_text(graph, node, 3));
    if (v->rank != 2 || v->dtype != a->dtype ||
        v->dims[0] != (trans ? a : b)->dims[0])
        return shape_error(graph, node, "%s does not have a row for each of %s",
                           shape_text(graph, node, 4),
                           shape_text(graph, node, trans ? 0 : 1));
    node->type = *v;
    node->type.dims[0] = (trans ? b : a)->dims[0];
    return NULL;
}
