// Gradients of matrix products, convolutions and pools.
#include "ir/gradients.h"
#include "ir/image.h"

// C = op(A) op(B), where op transposes if its flag is set:
//   g(A) = dC op(B)^T, or its transpose op(B) dC^T when A is read transposed
//   g(B) = op(A)^T dC, or its transpose dC^T op(A) when B is read transposed
void grad_matmul(GradContext *context, Value node, Value dc)
{
    Graph *graph = context->graph;
    Value a = grad_input(context, node, 0), b = grad_input(context, node, 1);
    const Attr *attrs = graph_node(graph, node)->attrs;
    bool trans_a = attrs[MATMUL_TRANS_A].i, trans_b = attrs[MATMUL_TRANS_B].i;
    if (grad_wanted(context, a))
        grad_accumulate(context, a,
                        trans_a ? build_matmul(graph, b, dc, trans_b, true)
                                : build_matmul(graph, dc, b, false, !trans_b));
    if (grad_wanted(context, b))
        grad_accumulate(context, b,
                        trans_b ? build_matmul(graph, dc, a, true, trans_a)
                                : build_matmul(graph, a, dc, !trans_a, false));
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
