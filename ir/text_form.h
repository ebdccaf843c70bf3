// The graph as text: print -> parse -> print gives the same bytes.
//
//   graph "pretrain.train" {
//     %0 = param {name="conv1.weight", role="weight", init="normal",
//          scale=0.01} : f32[64,3,7,7]            (on one line)
//     %1 = input {name="images"} : f32[128,3,32,32]
//     %2 = conv2d %1, %0 {stride=[2,2], pad=[3,3,3,3]} : f32[128,64,16,16]
//          #3 at "resnet.net":12 in "conv1"
//     output "loss" = %9
//   }
// A type that is not plain says its form: `f32[128,4,16,16,16] blocked`. `#3`
// is the fusion group, `at` and `in` the origin; each only when set.
#ifndef SIMCC_IR_TEXT_FORM_H
#define SIMCC_IR_TEXT_FORM_H

#include "ir/base/diag.h"
#include "ir/base/text.h"
#include "ir/graph.h"

// Ids are dense and in order; attributes stand in the table's order, none is
// left out. `//` begins a comment, which is not kept.
void graph_print(const Graph *graph, Text *out);
// One node as above, without indent and newline: for messages.
void graph_print_node(const Graph *graph, Value value, Text *out);

// Reads any number of graphs. NULL after a syntax or type error, which is in
// `diags` with its line and column. Nothing in the text is trusted: any bytes
// at all give a diagnostic or graphs that graph_verify accepts, in memory that
// grows with the length of the text only.
typedef struct GraphList {
    VEC(Graph *) graphs;
} GraphList;
GraphList *graph_parse(Arena *arena, const Source *source, DiagList *diags);

// Checks everything a graph must satisfy: topological order, types equal to
// what the shape rules say, names unique among params and inputs, assign only
// to params and once each, outputs exist, groups convex: no path leaves a group
// and comes back, not even through other groups, so each can be one kernel.
// Returns NULL, or one sentence with the node's text (in `arena`).
const char *graph_verify(const Graph *graph, Arena *arena);

// Graphviz text.
void graph_print_dot(const Graph *graph, Text *out);

#endif
