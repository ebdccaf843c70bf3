// The oracle's operations that move, repeat or reduce elements: all are walks
// over a box with one stride per axis into each tensor.
#include <math.h>
#include <string.h>

#include "ir/eval_rules.h"

void eval_strides(const TensorType *type, int64_t *strides)
{
    int64_t stride = 1;
    for (int axis = type->rank - 1; axis >= 0; axis--) {
        strides[axis] = stride;
        stride *= type->dims[axis];
    }
}

EvalWalk eval_walk(const TensorType *box)
{
    EvalWalk walk = {.rank = box->rank};
    for (int axis = 0; axis < box->rank; axis++)
        walk.dims[axis] = box->dims[axis];
    eval_strides(box, walk.to_stride);
    return walk;
}

bool eval_walk_next(EvalWalk *walk)
{
    for (int axis = walk->rank - 1; axis >= 0; axis--) {
        walk->from += walk->from_stride[axis];
        walk->to += walk->to_stride[axis];
        if (++walk->index[axis] < walk->dims[axis])
            return true;
        walk->index[axis] = 0;
        walk->from -= walk->from_stride[axis] * walk->dims[axis];
        walk->to -= walk->to_stride[axis] * walk->dims[axis];
    }
    return false;
}

static void copy_walk(EvalWalk walk, const double *from, double *to)
{
    do
        to[walk.to] = from[walk.from];
    while (eval_walk_next(&walk));
}

void eval_copy(const EvalContext *context, Value self, double *out)
{
    int64_t count = type_elements(&eval_node(context, self)->type);
    memcpy(out, eval_input(context, self, 0), sizeof(double) * (size_t)count);
}

void eval_broadcast(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    const TensorType *from = eval_input_type(context, self, 0);
    EvalWalk walk = eval_walk(&node->type);
    int64_t strides[MAX_RANK];
    eval_strides(from, strides);
    for (int i = 0; i < from->rank; i++)
        if (from->dims[i] != 1)
            walk.from_stride[node->attrs[BROADCAST_AXES].ints.at[i]] =
                strides[i];
    copy_walk(walk, eval_input(context, self, 0), out);
}

void eval_transpose(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    EvalWalk walk = eval_walk(&node->type);
    int64_t strides[MAX_RANK];
    eval_strides(eval_input_type(context, self, 0), strides);
    for (int axis = 0; axis < walk.rank; axis++)
        walk.from_stride[axis] = strides[node->attrs[PERM_PERM].ints.at[axis]];
    copy_walk(walk, eval_input(context, self, 0), out);
}

void eval_slice(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    EvalWalk walk = eval_walk(&node->type);
    eval_strides(eval_input_type(context, self, 0), walk.from_stride);
    for (int axis = 0; axis < walk.rank; axis++)
        walk.from +=
            walk.from_stride[axis] * node->attrs[SLICE_START].ints.at[axis];
    copy_walk(walk, eval_input(context, self, 0), out);
}

// Copies a whole tensor into `out` from the place `start` on.
static void place(const EvalContext *context, Value self, int input,
                  const int64_t *start, double *out)
{
    EvalWalk walk = eval_walk(eval_input_type(context, self, input));
    for (int axis = 0; axis < walk.rank; axis++)
        walk.from_stride[axis] = walk.to_stride[axis];
    eval_strides(&eval_node(context, self)->type, walk.to_stride);
    for (int axis = 0; axis < walk.rank; axis++)
        walk.to += walk.to_stride[axis] * start[axis];
    copy_walk(walk, eval_input(context, self, input), out);
}

void eval_pad(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    for (int64_t i = 0; i < type_elements(&node->type); i++)
        out[i] = node->attrs[PAD_VALUE].f;
    place(context, self, 0, node->attrs[PAD_LOW].ints.at, out);
}

void eval_concat(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    int64_t axis = node->attrs[AXIS_AXIS].i, start[MAX_RANK] = {0};
    for (int i = 0; i < node->input_count; i++) {
        place(context, self, i, start, out);
        start[axis] += eval_input_type(context, self, i)->dims[axis];
    }
}

// Walks the input; the reduced axes have stride 0 in the output.
void eval_reduce(const EvalContext *context, Value self, double *out)
{
    const Node *node = eval_node(context, self);
    const TensorType *from = eval_input_type(context, self, 0);
    IntList axes = node->attrs[AXES_AXES].ints;
    bool reduced[MAX_RANK] = {false};
    for (int i = 0; i < axes.count; i++)
        reduced[axes.at[i]] = true;
    EvalWalk walk = eval_walk(from);
    int64_t strides[MAX_RANK] = {0};
    eval_strides(&node->type, strides);
    for (int axis = 0, kept = 0; axis < from->rank; axis++) {
        walk.from_stride[axis] = walk.to_stride[axis];
        walk.to_stride[axis] = reduced[axis] ? 0 : strides[kept++];
    }
    bool sum = node->op == OP_REDUCE_SUM;
    for (int64_t i = 0; i < type_elements(&node->type); i++)
        out[i] = sum ? 0 : -INFINITY;
    const double *in = eval_input(context, self, 0);
    do {
        double x = in[walk.from], *y = &out[walk.to];
        *y = sum ? *y + x : *y < x ? x : *y;
    } while (eval_walk_next(&walk));
}
