// Drops nodes nobody needs. Needed are outputs, effects, what they read, and
// inputs: those are the ports of the step and stay whether read or not, while
// a param nobody reads or assigns needs no memory. But one whose first numbers
// are a copy of another's needs that one, though no node reads it.
#include <string.h>

#include "passes/all.h"

// "conv1.weight" of "ema.conv1.weight".
static void keep_copied(const Graph *graph, const Node *param, bool *keep)
{
    const char *dot = strchr(param->attrs[PARAM_NAME].text, '.');
    for (Value v = 0; dot && v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op == OP_PARAM &&
            strcmp(node->attrs[PARAM_NAME].text, dot + 1) == 0)
            keep[v] = true;
    }
}

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
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (keep[v] && node->op == OP_PARAM &&
            strcmp(node->attrs[PARAM_INIT].text, "copy") == 0)
            keep_copied(graph, node, keep);
    }
    graph_compact(graph, keep, NULL);
}
