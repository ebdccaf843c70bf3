// Shared by the gradient rules alone: their prototypes, one per name in the
// `grad` column of ops.def, and what they have in common.
//
// A rule gets the adjoint dy = d loss / d node, of the node's type, and adds
// each input's share with grad_add. It makes nodes only for inputs that are
// wanted: the others cost nothing. The mathematics writes g(x) for the adjoint
// of x.
#ifndef SIMCC_IR_GRADIENTS_H
#define SIMCC_IR_GRADIENTS_H

#include "ir/autodiff.h"
#include "ir/build.h"

#define OP(id, text, in, attrs, shape, grad, ...) GradRule grad_##grad;
#include "ir/ops.def"
#undef OP

// The rule of an op; grad_none, grad_leaf and grad_zero are markers that are
// never called.
GradRule *grad_rule(Op op);

// Does some wrt flow through this value?
static inline bool grad_wanted(const GradContext *context, Value value)
{
    return context->reached[value];
}

static inline Value grad_input(const GradContext *context, Value node, int i)
{
    return graph_node(context->graph, node)->inputs[i];
}

// A node with the attributes `attrs`, for the ops build.h has no shorthand
// for. A type error is an internal error.
Value grad_node(GradContext *context, Op op, int count, const Value *inputs,
                const Attr *attrs);

#endif
