// The oracle: evaluates a graph slowly and plainly in double precision, sums
// in plain order. Everything compiled is tested against it. One rank only.
#ifndef SIMCC_IR_EVAL_H
#define SIMCC_IR_EVAL_H

#include "ir/graph.h"

// What a param or input holds: `type_elements` doubles, row-major.
typedef struct EvalBinding {
    Value value; // a PARAM or INPUT node
    const double *data;
} EvalBinding;

// Evaluates all nodes. results[v] is an array of doubles in `arena` for each
// value (ASSIGN: the new content of its param; params themselves are left as
// bound). Bool is 0 or 1. f32 nodes are NOT rounded to float: this is the exact
// reference. bf16 nodes are rounded, for the sake of this rounding they exist.
// Unbound leaves are an internal error.
double **eval_graph(const Graph *graph, Arena *arena, int binding_count,
                    const EvalBinding *bindings);

// Nearest bfloat16, ties to even: the upper half of a float's bits.
double eval_bf16(double value);

// One element of an elementwise node's result, from one of each input, as many
// as it has.
double eval_number(const Node *node, const double *inputs);

#endif
