// Collectives over one rank are the identity, and that rank is number 0.
#include "ir/build.h"
#include "passes/all.h"
#include "passes/rewrite.h"

static bool is_collective(Op op)
{
    return op == OP_ALL_SUM || op == OP_ALL_GATHER || op == OP_REDUCE_SCATTER;
}

// `rank` does not say how many ranks there are; the collectives beside it do.
// A graph without any is one process's own.
static bool has_many_ranks(const Graph *graph)
{
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (is_collective(node->op) && node->attrs[RANKS_RANKS].i > 1)
            return true;
    }
    return false;
}

static Value drop_ranks(Rewrite *rewrite, const Node *node)
{
    const bool *many = rewrite->context;
    if (is_collective(node->op) && node->attrs[RANKS_RANKS].i == 1)
        return node->inputs[0];
    if (node->op == OP_RANK && !*many)
        return build_const(rewrite->graph, node->type, 0);
    return NO_VALUE;
}

void pass_ranks(Graph *graph, Arena *scratch)
{
    bool many = has_many_ranks(graph);
    rewrite_graph(graph, scratch, drop_ranks, &many);
}
