// Reverse-mode differentiation on the graph, before any lowering. Every rule
// writes ordinary nodes, so gradients can be optimised and differentiated like
// the rest.
#ifndef SIMCC_IR_AUTODIFF_H
#define SIMCC_IR_AUTODIFF_H

#include "ir/graph.h"

// Appends the gradient of the scalar `loss` with respect to each `wrt` value;
// grads[i] has the type of wrt[i] and is a zero constant where the loss does
// not depend on it. Returns false when a node on the way has no gradient rule:
// *culprit is that node.
bool autodiff(Graph *graph, Value loss, int count, const Value *wrt,
              Value *grads, Value *culprit);

// For the gradient rules (ir/gradients.h): what a rule may touch.
typedef struct GradContext {
    Graph *graph;
    Value *adjoint; // by value, NO_VALUE = nothing yet
    bool *reached;  // by value: does wrt flow through it?
} GradContext;

// Adds `gradient` to what has come to `value` so far.
void grad_accumulate(GradContext *context, Value value, Value gradient);

typedef void GradRule(GradContext *context, Value node, Value dy);

#endif
