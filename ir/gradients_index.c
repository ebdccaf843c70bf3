// Gradients of rows taken by their numbers and of images of other sizes. Both
// are linear, and their transposes are ops whose gradients are they again.
#include "ir/gradients.h"

// y_i = x[n_i], 0 where x has no such row: g(x)_r = sum of dy_i with n_i = r.
// Nothing flows to the numbers.
void grad_take(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    if (!grad_wanted(context, x))
        return;
    Attr attrs[MAX_ATTRS] = {[COUNT_COUNT].i =
                                 graph_type(context->graph, x)->dims[0]};
    Value inputs[] = {dy, grad_input(context, node, 1)};
    grad_accumulate(context, x,
                    grad_node(context, OP_TAKE_GRAD, 2, inputs, attrs));
}

// y_r = sum of x_i with n_i = r: g(x)_i = dy[n_i]
void grad_take_grad(GradContext *context, Value node, Value dy)
{
    Value x = grad_input(context, node, 0);
    Value inputs[] = {dy, grad_input(context, node, 1)};
    if (grad_wanted(context, x))
        grad_accumulate(context, x,
                        grad_node(context, OP_TAKE, 2, inputs, NULL));
}

// By the transposed map, to the size that the node's input has.
static void grad_resized(GradContext *context, Value node, Op op, Value dy)
{
    Value x = grad_input(context, node, 0);
    TensorType type = *graph_type(context->graph, x);
    Attr attrs[MAX_ATTRS] = {
        [RESIZE_SIZE].ints = {2, type.dims + 2},
        [RESIZE_MODE] = graph_node(context->graph, node)->attrs[RESIZE_MODE]};
    grad_accumulate(context, x, grad_node(context, op, 1, &dy, attrs));
}

void grad_resize(GradContext *context, Value node, Value dy)
{
    grad_resized(context, node, OP_RESIZE_GRAD, dy);
}

void grad_resize_grad(GradContext *context, Value node, Value dy)
{
    grad_resized(context, node, OP_RESIZE, dy);
}
