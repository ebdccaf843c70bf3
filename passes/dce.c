// Drops nodes nobody needs. Needed are outputs, effects, what they read, and
// inputs: those are the ports of the step and stay whether read or not, while
// a param nobody reads or assigns needs no memory.
#include "passes/all.h"

void pass_dce(Graph *graph, const PassContext *context)
{
    Arena *scratch = context->scratch;
    bool *keep = ARENA_ARRAY(scratch, bool, graph->nodes.count + 1);
    for (int i = 0; i < graph->outputs.count; i++)
        keep[graph->outputs.at[i].value] = true;
    // Inputs have smaller ids, so one walk from the end marks everything.
    for (Value v = graph->nodes.count - 1; v >= 0; v--) {
        const Node *node = graph_node(graph, v);
        if (op_has(node->op, TRAIT_EFFECT) || node->op == OP_INPUT)
            keep[v] = true;
        for (int i = 0; keep[v] && i < node->input_count; i++)
            keep[node->inputs[i]] = true;
    }
    graph_compact(graph, keep, NULL);
}
