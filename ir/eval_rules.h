// Shared by the oracle's files alone: the rules, one per name in the `eval`
// column of ops.def, and the walk over index boxes that most of them are.
#ifndef SIMCC_IR_EVAL_RULES_H
#define SIMCC_IR_EVAL_RULES_H

#include "ir/eval.h"

typedef struct EvalContext {
    const Graph *graph;
    Arena *arena;
    int binding_count;
    const EvalBinding *bindings;
    double **results; // by value; filled up to the node at hand
} EvalContext;

// Writes all elements of `node` (the value `self`) to `out`, which comes
// zeroed.
typedef void EvalRule(const EvalContext *context, Value self, double *out);

#define OP(id, text, in, attrs, shape, grad, eval, ...) EvalRule eval_##eval;
#include "ir/ops.def"
#undef OP

static inline const Node *eval_node(const EvalContext *context, Value value)
{
    return graph_node(context->graph, value);
}

static inline const double *eval_input(const EvalContext *context, Value self,
                                       int i)
{
    return context->results[eval_node(context, self)->inputs[i]];
}

static inline const TensorType *eval_input_type(const EvalContext *context,
                                                Value self, int i)
{
    return graph_type(context->graph, eval_node(context, self)->inputs[i]);
}

// Visits a box of `dims` in row-major order, following an offset into each of
// two tensors: from += from_stride[axis] per step along an axis, likewise to.
typedef struct EvalWalk {
    int rank;
    int64_t dims[MAX_RANK], index[MAX_RANK];
    int64_t from_stride[MAX_RANK], to_stride[MAX_RANK];
    int64_t from, to;
} EvalWalk;

// Over all of `box`, with `to` running along it densely and from standing still
// (all from_strides are 0).
EvalWalk eval_walk(const TensorType *box);
// False after the last element.
bool eval_walk_next(EvalWalk *walk);

// Row-major strides of a tensor, in elements.
void eval_strides(const TensorType *type, int64_t *strides);

#endif
