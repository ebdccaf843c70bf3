// Collectives over one rank are the identity, and that rank is number 0.
#include "ir/build.h"
#include "passes/all.h"
#include "passes/rewrite.h"

static Value drop_ranks(Rewrite *rewrite, const Node *node)
{
    const bool *many = rewrite->context;
    if (op_is_collective(node->op) && node->attrs[RANKS_RANKS].i == 1)
        return node->inputs[0];
    if (node->op == OP_RANK && !*many)
        return build_const(rewrite->graph, node->type, 0);
    return NO_VALUE;
}

void pass_ranks(Graph *graph, const PassContext *context)
{
    Arena *scratch = context->scratch;
    bool many = graph_has_many_ranks(graph);
    rewrite_graph(graph, scratch, drop_ranks, &many);
}
