// Gradients of matrix products, convolutions and pools.
#include "ir/gradients.h"
#include "ir/image.h"
#include "ir/matmul.h"

// ---- products --------------------------------------------------------------

// `x`, matrices at each of the first axes of a product, of which it has
// `leading` in all before its last two, summed over those along which `operand`
// is stretched, in the operand's dims.
static Value sum_stretched(Graph *graph, Value x, int leading, Value operand)
{
    TensorType from = *graph_type(graph, x), to = *graph_type(graph, operand);
    int64_t summed[MAX_LEADING];
    int count = 0;
    for (int axis = 0; axis < from.rank - 2; axis++)
        if (from.dims[axis] != 1 && matmul_leading(&to, leading, axis) == 1)
            summed[count++] = axis;
    x = build_reduce(graph, OP_REDUCE_SUM, x, count, summed);
    return type_equal(graph_type(graph, x), &to)
               ? x
               : build_reshape_to(graph, x, &to);
}

// How many of the leading axes, counted from the innermost, a has and b lacks.
static int axes_of_rows(const TensorType *a, const TensorType *b, int leading)
{
    int count = 0;
    while (count < leading &&
           matmul_leading(b, leading, leading - 1 - count) == 1 &&
           a->rank - 2 > count)
        count++;
    return count;
}

// x with `count` of its axes before the last two joined to its rows.
static Value join_rows(Graph *graph, Value x, int count)
{
    TensorType type = *graph_type(graph, x);
    if (count == 0)
        return x;
    int row = type.rank - 2 - count;
    for (int i = 1; i <= count; i++)
        type.dims[row] *= type.dims[row + i];
    type.dims[row + 1] = type.dims[type.rank - 1];
    type.rank = row + 2;
    return build_reshape_to(graph, x, &type);
}

// C = op(A) op(B), where op transposes matrices if its flag is set:
//   g(A) = dC op(B)^T, or its transpose op(B) dC^T when A is read transposed
//   g(B) = op(A)^T dC, or its transpose dC^T op(A) when B is read transposed
// and the sum of these over the leading axes that the operand is stretched
// along. Where rows of A meet one B, as tokens meet a weight, the sum over
// their axes is part of the product.
void grad_matmul(GradContext *context, Value node, Value dc)
{
    Graph *graph = context->graph;
    Value a = grad_input(context, node, 0), b = grad_input(context, node, 1);
    const Attr *attrs = graph_node(graph, node)->attrs;
    bool trans_a = attrs[MATMUL_TRANS_A].i, trans_b = attrs[MATMUL_TRANS_B].i;
    int leading = graph_type(graph, node)->rank - 2;
    if (grad_wanted(context, a)) {
        Value share = trans_a ? build_matmul(graph, b, dc, trans_b, true)
                              : build_matmul(graph, dc, b, false, !trans_b);
        grad_accumulate(context, a, sum_stretched(graph, share, leading, a));
    }
    if (grad_wanted(context, b)) {
        int rows = trans_a ? 0
                           : axes_of_rows(graph_type(graph, a),
                                          graph_type(graph, b), leading);
        Value left = join_rows(graph, a, rows);
        Value right = join_rows(graph, dc, rows);
        Value share = trans_b
                          ? build_matmul(graph, right, left, true, trans_a)
                          : build_matmul(graph, left, right, !trans_a, false);
        grad_accumulate(context, b, sum_stretched(graph, share, leading, b));
    }
}

// ---- convolutions ----------------------------------------------------------

// One trilinear form stands behind the three ops: for data x, weights w and
// output-shaped v, with stride s and padding p (and dilation and groups, which
// only say which x meets which w: ir/conv.h),
//   <x, w, v> = sum over n,o,i,j,c,a,b of
//               v[n,o,i,j] w[o,c,a,b] x[n,c, i s + a - p, j s + b - p].
// conv2d(x, w), conv2d_grad_x(w, v) and conv2d_grad_w(x, v) are its
// derivatives by v, x and w. The gradient of any of them puts the adjoint in
// the missing place and differentiates by another, so the three are closed.

// The member of the family by `op` of two of (x, w, v), with the stride and
// padding of `node`; the result has the dims of `like`.
static Value conv_family(GradContext *context, Op op, Value node, Value first,
                         Value second, Value like)
{
    const Attr *of = graph_node(context->graph, node)->attrs;
    TensorType type = *graph_type(context->graph, like);
    Attr attrs[MAX_ATTRS] = {[CONV_STRIDE] = of[CONV_STRIDE],
                             [CONV_PAD] = of[CONV_PAD],
                             [CONV_DILATION] = of[CONV_DILATION],
                             [CONV_GROUPS] = of[CONV_GROUPS]};
    if (op == OP_CONV2D) {
        bool planes = graph_type(context->graph, first)->form == FORM_PLANES;
        attrs[CONV_BLOCK].i = planes ? image_block(&type) : 0;
    } else {
        attrs[CONV_DIMS].ints = (IntList){type.rank, type.dims};
        attrs[CONV_FORM].i = type.form;
    }
    return grad_node(context, op, 2, (Value[]){first, second}, attrs);
}

// v = conv2d(x, w): g(x) = conv2d_grad_x(w, dv), g(w) = conv2d_grad_w(x, dv)
void grad_conv(GradContext *context, Value node, Value dv)
{
    Value x = grad_input(context, node, 0), w = grad_input(context, node, 1);
    if (grad_wanted(context, x))
        grad_accumulate(context, x,
                        conv_family(context, OP_CONV2D_GRAD_X, node, w, dv, x));
    if (grad_wanted(context, w))
        grad_accumulate(context, w,
                        conv_family(context, OP_CONV2D_GRAD_W, node, x, dv, w));
}

// x = conv2d_grad_x(w, v): g(w) = conv2d_grad_w(dx, v), g(v) = conv2d(dx, w)
void grad_conv_grad_x(GradContext *context, Value node, Value dx)
{
    Value w = grad_input(context, node, 0), v = grad_input(context, node, 1);
    if (grad_wanted(context, w))
        grad_accumulate(context, w,
                        conv_family(context, OP_CONV2D_GRAD_W, node, dx, v, w));
    if (grad_wanted(context, v))
        grad_accumulate(context, v,
                        conv_family(context, OP_CONV2D, node, dx, w, v));
}

// w = conv2d_grad_w(x, v): g(x) = conv2d_grad_x(dw, v), g(v) = conv2d(x, dw)
void grad_conv_grad_w(GradContext *context, Value node, Value dw)
{
    Value x = grad_input(context, node, 0), v = grad_input(context, node, 1);
    if (grad_wanted(context, x))
        grad_accumulate(context, x,
                        conv_family(context, OP_CONV2D_GRAD_X, node, dw, v, x));
    if (grad_wanted(context, v))
        grad_accumulate(context, v,
                        conv_family(context, OP_CONV2D, node, x, dw, v));
}

// ---- pools -----------------------------------------------------------------

// A pool with the windows of `node`; `like` (of sum_pool_grad) gives the dims.
static Value pool_family(GradContext *context, Op op, Value node, int count,
                         const Value *inputs, Value like)
{
    const Attr *of = graph_node(context->graph, node)->attrs;
    TensorType type = *graph_type(context->graph, like);
    Attr attrs[MAX_ATTRS] = {[POOL_KERNEL] = of[POOL_KERNEL],
                             [POOL_STRIDE] = of[POOL_STRIDE],
                             [POOL_PAD] = of[POOL_PAD]};
    if (op == OP_SUM_POOL_GRAD) {
        attrs[POOL_DIMS].ints = (IntList){type.rank, type.dims};
        attrs[POOL_FORM].i = type.form;
    }
    return grad_node(context, op, count, inputs, attrs);
}

// y_i = max over window i of x: g(x) = sum of dy_i over the windows whose
// first largest element it is
void grad_max_pool(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    grad_accumulate(
        context, x,
        pool_family(context, OP_MAX_POOL_GRAD, node, 2, (Value[]){x, dy}, x));
}

// y_i = sum over window i of x: g(x) = sum of dy_i over the windows it is in
void grad_sum_pool(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    grad_accumulate(context, x,
                    pool_family(context, OP_SUM_POOL_GRAD, node, 1, &dy, x));
}

// The transposed map of sum_pool, so its gradient is sum_pool: g(v) =
// sum_pool(dx)
void grad_sum_pool_grad(GradContext *context, Value node, Value dx)
{
    Value v = grad_input(context, node, 0);
    grad_accumulate(context, v,
                    pool_family(context, OP_SUM_POOL, node, 1, &dx, v));
}
