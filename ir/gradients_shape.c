// Gradients of operations that move, repeat or add up elements. All are linear
// (reduce_max apart), so each rule is the transposed map.
#include "ir/gradients.h"

static const Attr *attrs_of(const GradContext *context, Value node)
{
    return graph_node(context->graph, node)->attrs;
}

// A copy: making nodes moves the ones that exist.
static TensorType type_of(const GradContext *context, Value value)
{
    return *graph_type(context->graph, value);
}

static Value reshape_like(GradContext *context, Value x, Value like)
{
    TensorType type = type_of(context, like);
    if (type_equal(graph_type(context->graph, x), &type))
        return x;
    return build_reshape_to(context->graph, x, &type);
}

// x's axis i runs along y's axis axes[i], the axes increasing: g(x) sums dy
// over the axes that x lacks and those it was stretched along. What remains
// is in x's order, perhaps without its sizes of 1.
void grad_broadcast(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    TensorType from = type_of(context, x), to = type_of(context, node);
    const int64_t *axes = attrs_of(context, node)[BROADCAST_AXES].ints.at;
    bool kept[MAX_RANK] = {false};
    for (int i = 0; i < from.rank; i++)
        kept[axes[i]] = from.dims[i] == to.dims[axes[i]];
    int64_t summed[MAX_RANK];
    int count = 0;
    for (int axis = 0; axis < to.rank; axis++)
        if (!kept[axis])
            summed[count++] = axis;
    if (count)
        dy = build_reduce(context->graph, OP_REDUCE_SUM, dy, count, summed);
    grad_accumulate(context, x, reshape_like(context, dy, x));
}

// The same elements in the same order: g(x) = dy in x's dims
void grad_reshape(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    grad_accumulate(context, x, reshape_like(context, dy, x));
}

// y's axis i is x's axis perm[i]: g(x) = dy with the inverse permutation
void grad_transpose(GradContext *context, Value node, Value dy)
{
    IntList perm = attrs_of(context, node)[PERM_PERM].ints;
    int64_t inverse[MAX_RANK] = {0};
    for (int i = 0; i < perm.count; i++)
        inverse[perm.at[i]] = i;
    Value x = grad_input(context, node, 0);
    grad_accumulate(context, x,
                    build_transpose_to(context->graph, dy, inverse,
                                       type_of(context, x).form));
}

// y = x[start : start + size]: g(x) = dy there, 0 outside
void grad_slice(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    TensorType from = type_of(context, x), to = type_of(context, node);
    IntList start = attrs_of(context, node)[SLICE_START].ints;
    int64_t high[MAX_RANK] = {0};
    for (int i = 0; i < from.rank; i++)
        high[i] = from.dims[i] - start.at[i] - to.dims[i];
    grad_accumulate(context, x,
                    build_pad(context->graph, dy, start.at, high, 0));
}

// y = x framed by a constant: g(x) = the part of dy inside the frame
void grad_pad(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    TensorType from = type_of(context, x);
    IntList low = attrs_of(context, node)[PAD_LOW].ints;
    grad_accumulate(context, x,
                    build_slice(context->graph, dy, low.at, from.dims));
}

// y = [x0; x1; ..] along an axis: g(xi) = the part of dy at xi's place
void grad_concat(GradContext *context, Value node, Value dy)
{
    int64_t axis = attrs_of(context, node)[AXIS_AXIS].i;
    int count = graph_node(context->graph, node)->input_count;
    int64_t start[MAX_RANK] = {0};
    for (int i = 0; i < count; i++) {
        Value x = grad_input(context, node, i);
        TensorType type = type_of(context, x);
        if (grad_wanted(context, x) && count == 1)
            grad_accumulate(context, x, dy);
        else if (grad_wanted(context, x))
            grad_accumulate(context, x,
                            build_slice(context->graph, dy, start, type.dims));
        start[axis] += type.dims[axis];
    }
}

// `y`, a reduction of the input of `node`, repeated over the reduced axes.
static Value spread(GradContext *context, Value node, Value y)
{
    TensorType from = type_of(context, grad_input(context, node, 0));
    IntList reduced = attrs_of(context, node)[AXES_AXES].ints;
    bool dropped[MAX_RANK] = {false};
    for (int i = 0; i < reduced.count; i++)
        dropped[reduced.at[i]] = true;
    int64_t axes[MAX_RANK] = {0};
    int count = 0;
    for (int axis = 0; axis < from.rank; axis++)
        if (!dropped[axis])
            axes[count++] = axis;
    if (count == from.rank)
        return y;
    return build_broadcast_to(context->graph, y, &from, axes);
}

// y = sum of x over axes: g(x) = dy repeated over them
void grad_reduce_sum(GradContext *context, Value node, Value dy)
{
    grad_accumulate(context, grad_input(context, node, 0),
                    spread(context, node, dy));
}

// y = max of x over axes: with m = [x == y] and n = sum of m over the axes,
// g(x) = dy / n where m, else 0
void grad_reduce_max(GradContext *context, Value node, Value dy)
{
    Graph *graph = context->graph;
    Value x = grad_input(context, node, 0);
    IntList axes = attrs_of(context, node)[AXES_AXES].ints;
    Value mask = build_binary(graph, OP_EQ, x, spread(context, node, node));
    Value one = build_cast(graph, mask, type_of(context, x).dtype);
    Value ties = build_reduce(graph, OP_REDUCE_SUM, one, axes.count, axes.at);
    Value share = build_binary(graph, OP_DIV, dy, ties);
    Value zero = build_const_like(graph, x, 0);
    grad_accumulate(
        context, x,
        build_select(graph, mask, spread(context, node, share), zero));
}

// ---- ranks -----------------------------------------------------------------

// The loss is the sum of all ranks' losses, and the adjoint of a value on one
// rank is that sum's derivative. So the transposed maps hold across ranks.

static void grad_collective(GradContext *context, Value node, Op op, Value dy)
{
    Attr ranks = attrs_of(context, node)[RANKS_RANKS];
    grad_accumulate(context, grad_input(context, node, 0),
                    grad_node(context, op, 1, &dy, &ranks));
}

// y_r = sum_s x_s on each rank r: g(x_s) = sum_r dy_r
void grad_all_sum(GradContext *context, Value node, Value dy)
{
    grad_collective(context, node, OP_ALL_SUM, dy);
}

// y_r = [x_0; x_1; ..]: g(x_s) = sum_r (part s of dy_r)
void grad_all_gather(GradContext *context, Value node, Value dy)
{
    grad_collective(context, node, OP_REDUCE_SCATTER, dy);
}

// y_r = sum_s (part r of x_s): g(x_s) = [dy_0; dy_1; ..]
void grad_reduce_scatter(GradContext *context, Value node, Value dy)
{
    grad_collective(context, node, OP_ALL_GATHER, dy);
}
