// Single convolutions taken out of graphs, to be measured alone.
#ifndef SIMCC_FRONTEND_CLI_CONVS_H
#define SIMCC_FRONTEND_CLI_CONVS_H

#include "ir/graph.h"

typedef struct Conv {
    Op op;              // forward, by data or by weights
    TensorType x, w, y; // of the forward convolution; x and y plain or blocked
    int64_t stride[2], pad[4];
} Conv;

// Whether the node is one.
bool conv_is(const Node *node);
Conv conv_read(const Graph *graph, const Node *node);
bool conv_equal(const Conv *a, const Conv *b);

// A graph of this operation alone, named `name`, with inputs "x" and "dy",
// param "w" (those it reads) and the output "out".
Graph *conv_graph(Arena *arena, const Conv *conv, const char *name);

#endif
