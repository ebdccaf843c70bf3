// Walks a graph in order and makes a new one of it, node by node: the common
// mechanism of every pass that replaces nodes.
#ifndef SIMCC_PASSES_REWRITE_H
#define SIMCC_PASSES_REWRITE_H

#include "ir/graph.h"

typedef struct Rewrite {
    Graph *graph; // the new graph; rules append to it with ir/build.h
    Arena *scratch;
    Value old;        // the node being looked at, in the old graph
    const Value *map; // old value -> new value, for nodes before `old`
    void *context;    // the pass's own
} Rewrite;

// `node` already reads values of the new graph. Returns the new value that
// takes its place (an earlier one, or one the rule has just built, of the same
// type), or NO_VALUE to keep the node as it is.
typedef Value RewriteRule(Rewrite *rewrite, const Node *node);

// Replaces the graph's nodes by what the rule makes of them; returns how many
// the rule replaced. Nodes nobody reads any more stay: dce drops them. Fusion
// groups are cleared, for they speak of the old nodes.
int rewrite_graph(Graph *graph, Arena *scratch, RewriteRule *rule,
                  void *context);

// Appends a copy of `node`; for rules that need its new value.
Value rewrite_keep(Rewrite *rewrite, const Node *node);

// Puts the nodes into `order`, a permutation of all values in which every node
// comes after its inputs. Groups are kept.
void rewrite_order(Graph *graph, Arena *scratch, const Value *order);

// Whether a value of the new graph is a CONST; *value receives its number.
bool rewrite_is_const(const Rewrite *rewrite, Value v, double *value);
// The node that makes a value of the new graph.
static inline const Node *rewrite_node(const Rewrite *rewrite, Value v)
{
    return graph_node(rewrite->graph, v);
}

#endif
