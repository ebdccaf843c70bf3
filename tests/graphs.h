// Programs and graphs for tests.
#ifndef SIMCC_TESTS_GRAPHS_H
#define SIMCC_TESTS_GRAPHS_H

#include "ir/graph.h"

// Writes a program of imports from models/lib (names with spaces between, as
// "resnet heads") and the text to the test's folder; returns its path.
const char *write_program(Arena *arena, const char *imports, const char *text);

// The nodes and outputs of a graph as they are now, in arrays of its own:
// passes replace the arrays and do not write into nodes that are shared, but
// for groups and compaction.
Graph *copy_graph(Arena *arena, const Graph *graph);

// The param of that name, or NULL; its role, or "absent".
const Node *graph_param(const Graph *graph, const char *name);
const char *graph_role(const Graph *graph, const char *name);
// The assignment to that param, or NO_VALUE.
Value graph_assign(const Graph *graph, const char *name);
// How many nodes the op has; the value of an output, which must be there.
int graph_count(const Graph *graph, Op op);
Value graph_result(const Graph *graph, const char *name);

#endif
