#include "ir/text_form.h"

static void print_ints(IntList list, Text *out)
{
    text_add(out, "[");
    // A broken list, in a message about it, is cut short.
    for (int i = 0; i < list.count && i < MAX_RANK; i++)
        text_addf(out, "%s%lld", i ? "," : "", (long long)list.at[i]);
    text_add(out, "]");
}

static void print_attr(Attr attr, AttrKind kind, Text *out)
{
    switch (kind) {
    case ATTR_INT:
        text_addf(out, "%lld", (long long)attr.i);
        break;
    case ATTR_INTS:
        print_ints(attr.ints, out);
        break;
    case ATTR_FLOAT:
        text_add_double(out, attr.f);
        break;
    case ATTR_TEXT:
        text_add_json(out, attr.text ? attr.text : "");
        break;
    case ATTR_FORM:
        text_add(out, form_name((Form)attr.i));
        break;
    }
}

static void print_attrs(const Node *node, Text *out)
{
    const AttrSpec *spec = op_info(node->op)->attrs;
    if (!spec[0].name)
        return;
    for (int i = 0; spec[i].name; i++) {
        const Attr *attr = &node->attrs[i];
        bool none =
            spec[i].kind == ATTR_INTS ? attr->ints.count == 0 : attr->i == 0;
        if (spec[i].optional && none)
            continue;
        text_addf(out, "%s%s=", i ? ", " : " {", spec[i].name);
        print_attr(node->attrs[i], spec[i].kind, out);
    }
    text_add(out, "}");
}

static void print_type(const TensorType *type, Text *out)
{
    text_addf(out, " : %s", dtype_name(type->dtype));
    print_ints((IntList){type->rank, type->dims}, out);
    if (type->form != FORM_PLAIN)
        text_addf(out, " %s", form_name(type->form));
}

void graph_print_node(const Graph *graph, Value value, Text *out)
{
    const Node *node = graph_node(graph, value);
    text_addf(out, "%%%d = %s", (int)value, op_info(node->op)->text);
    for (int i = 0; i < node->input_count; i++)
        text_addf(out, "%s%%%d", i ? ", " : " ", (int)node->inputs[i]);
    print_attrs(node, out);
    print_type(&node->type, out);
    if (node->group)
        text_addf(out, " #%d", node->group);
    if (node->origin.file) {
        text_add(out, " at ");
        text_add_json(out, node->origin.file);
        text_addf(out, ":%d", node->origin.line);
    }
    if (node->origin.scope && node->origin.scope[0]) {
        text_add(out, " in ");
        text_add_json(out, node->origin.scope);
    }
}

void graph_print(const Graph *graph, Text *out)
{
    text_add(out, "graph ");
    text_add_json(out, graph->name);
    text_add(out, " {\n");
    for (Value v = 0; v < graph->nodes.count; v++) {
        text_add(out, "  ");
        graph_print_node(graph, v, out);
        text_add(out, "\n");
    }
    for (int i = 0; i < graph->outputs.count; i++) {
        text_add(out, "  output ");
        text_add_json(out, graph->outputs.at[i].name);
        text_addf(out, " = %%%d\n", (int)graph->outputs.at[i].value);
    }
    text_add(out, "}\n");
}
