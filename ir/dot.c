#include "ir/text_form.h"

// Params and inputs by name, the rest by op; the type below, the scope in the
// tooltip.
static void print_dot_node(const Graph *graph, Value value, Text *out)
{
    const Node *node = graph_node(graph, value);
    const char *op = op_info(node->op)->text;
    bool named = op_has(node->op, TRAIT_NAMED);
    Text label = text_new(out->arena);
    text_addf(&label, "%%%d %s%s%s\n%s", (int)value, op, named ? " " : "",
              named ? node->attrs[PARAM_NAME].text : "",
              type_text(out->arena, &node->type));
    // Members of one cluster may be listed apart: Graphviz joins them.
    if (node->group)
        text_addf(out, "  subgraph cluster_%d { label=\"#%d\";", node->group,
                  node->group);
    text_addf(out, "  v%d [label=", (int)value);
    text_add_json(out, text_string(&label));
    if (node->origin.scope && node->origin.scope[0]) {
        text_add(out, ", tooltip=");
        text_add_json(out, node->origin.scope);
    }
    text_addf(out, "%s];%s\n", named ? ", style=filled" : "",
              node->group ? " }" : "");
}

void graph_print_dot(const Graph *graph, Text *out)
{
    text_add(out, "digraph ");
    text_add_json(out, graph->name);
    text_add(out, " {\n  node [shape=box, fontname=monospace];\n");
    for (Value v = 0; v < graph->nodes.count; v++)
        print_dot_node(graph, v, out);
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        for (int i = 0; i < node->input_count; i++)
            text_addf(out, "  v%d -> v%d;\n", (int)node->inputs[i], (int)v);
    }
    for (int i = 0; i < graph->outputs.count; i++) {
        text_addf(out, "  o%d [shape=ellipse, label=", i);
        text_add_json(out, graph->outputs.at[i].name);
        text_addf(out, "];\n  v%d -> o%d;\n", (int)graph->outputs.at[i].value,
                  i);
    }
    text_add(out, "}\n");
}
