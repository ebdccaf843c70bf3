#include "ir/matmul.h"

int64_t matmul_leading(const TensorType *operand, int leading, int axis)
{
    int own = axis - (leading - (operand->rank - 2));
    return own < 0 ? 1 : operand->dims[own];
}

// Steps along the leading axes of the result, 0 where the operand has no more
// than one matrix.
static void leading_steps(const TensorType *operand, int leading,
                          int64_t *steps)
{
    int64_t step =
        operand->dims[operand->rank - 1] * operand->dims[operand->rank - 2];
    for (int axis = leading - 1; axis >= 0; axis--) {
        int64_t size = matmul_leading(operand, leading, axis);
        steps[axis] = size == 1 ? 0 : step;
        step *= size;
    }
}

// Appends an axis, or lengthens the last by it where both operands go on
// through the two with one step.
static void add_axis(MatmulGeometry *g, int64_t size, int64_t a_step,
                     int64_t b_step)
{
    int last = g->rank - 1;
    if (g->rank > 0 && g->a_steps[last] == a_step * size &&
        g->b_steps[last] == b_step * size) {
        g->dims[last] *= size;
        g->a_steps[last] = a_step;
        g->b_steps[last] = b_step;
        return;
    }
    g->dims[g->rank] = size;
    g->a_steps[g->rank] = a_step;
    g->b_steps[g->rank++] = b_step;
}

MatmulGeometry matmul_geometry(const Graph *graph, const Node *node)
{
    const TensorType *a = graph_type(graph, node->inputs[0]);
    const TensorType *b = graph_type(graph, node->inputs[1]);
    MatmulGeometry g = {.trans_a = node->attrs[MATMUL_TRANS_A].i,
                        .trans_b = node->attrs[MATMUL_TRANS_B].i};
    int leading = node->type.rank - 2;
    g.m = node->type.dims[leading];
    g.n = node->type.dims[leading + 1];
    g.k = a->dims[a->rank - (g.trans_a ? 2 : 1)];
    int64_t a_steps[MAX_LEADING], b_steps[MAX_LEADING];
    leading_steps(a, leading, a_steps);
    leading_steps(b, leading, b_steps);
    for (int axis = 0; axis < leading; axis++)
        if (node->type.dims[axis] != 1)
            add_axis(&g, node->type.dims[axis], a_steps[axis], b_steps[axis]);
    int last = g.rank - 1;
    if (g.rank > 0 && !g.trans_a && g.b_steps[last] == 0 &&
        g.a_steps[last] == g.m * g.k) {
        g.m *= g.dims[last];
        g.rank--;
    }
    return g;
}

int64_t matmul_count(const MatmulGeometry *geometry)
{
    int64_t count = 1;
    for (int i = 0; i < geometry->rank; i++)
        count *= geometry->dims[i];
    return count;
}

int64_t matmul_macs(const MatmulGeometry *geometry)
{
    return matmul_count(geometry) * geometry->m * geometry->n * geometry->k;
}
