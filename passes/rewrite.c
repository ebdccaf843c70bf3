#include "passes/rewrite.h"

#include "ir/base/diag.h"

// A copy of the node that reads map[input] where it read input.
static Node rename_inputs(Arena *arena, const Node *node, const Value *map)
{
    Node renamed = *node;
    bool same = true;
    for (int i = 0; i < node->input_count; i++)
        same = same && map[node->inputs[i]] == node->inputs[i];
    if (same)
        return renamed;
    Value *inputs = ARENA_ARRAY(arena, Value, node->input_count);
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = map[node->inputs[i]];
    renamed.inputs = inputs;
    return renamed;
}

static void rename_outputs(Graph *graph, const Value *map)
{
    for (int i = 0; i < graph->outputs.count; i++)
        graph->outputs.at[i].value = map[graph->outputs.at[i].value];
}

// An empty graph to take the place of this one, in the nodes' storage of two
// rewrites ago: large nets would need hundreds of megabytes for all of them.
static Graph *begin_copy(Graph *graph)
{
    Graph *copy = graph_new(graph->arena, graph->name);
    if (graph->spare_capacity < graph->nodes.count) {
        // Some passes add nodes.
        graph->spare_capacity = graph->nodes.count + graph->nodes.count / 4 + 8;
        graph->spare = ARENA_ARRAY(graph->arena, Node, graph->spare_capacity);
    }
    copy->nodes.at = graph->spare;
    copy->nodes.capacity = graph->spare_capacity;
    return copy;
}

static void end_copy(Graph *graph, const Graph *copy, const Value *map)
{
    graph->spare = graph->nodes.at;
    graph->spare_capacity = graph->nodes.capacity;
    graph->nodes = copy->nodes;
    rename_outputs(graph, map);
}

Value rewrite_keep(Rewrite *rewrite, const Node *node)
{
    Node copy = *node;
    copy.group = 0;
    vec_push(rewrite->graph->arena, &rewrite->graph->nodes, copy);
    return rewrite->graph->nodes.count - 1;
}

int rewrite_graph(Graph *graph, Arena *scratch, RewriteRule *rule,
                  void *context)
{
    int count = graph->nodes.count, replaced = 0;
    Value *map = ARENA_ARRAY(scratch, Value, count + 1);
    Rewrite rewrite = {.graph = begin_copy(graph),
                       .scratch = scratch,
                       .map = map,
                       .context = context};
    for (Value v = 0; v < count; v++) {
        Node node = rename_inputs(graph->arena, graph_node(graph, v), map);
        rewrite.old = v;
        rewrite.graph->origin = node.origin;
        map[v] = rule(&rewrite, &node);
        if (map[v] == NO_VALUE)
            map[v] = rewrite_keep(&rewrite, &node);
        else
            replaced++;
        INTERNAL_CHECK(
            type_equal(&node.type, graph_type(rewrite.graph, map[v])));
    }
    end_copy(graph, rewrite.graph, map);
    return replaced;
}

void rewrite_order(Graph *graph, Arena *scratch, const Value *order)
{
    int count = graph->nodes.count;
    Value *map = ARENA_ARRAY(scratch, Value, count + 1);
    for (Value v = 0; v < count; v++)
        map[v] = NO_VALUE;
    Graph *ordered = begin_copy(graph);
    for (int i = 0; i < count; i++) {
        INTERNAL_CHECK(map[order[i]] == NO_VALUE);
        const Node *node = graph_node(graph, order[i]);
        for (int k = 0; k < node->input_count; k++)
            INTERNAL_CHECK(map[node->inputs[k]] != NO_VALUE);
        vec_push(graph->arena, &ordered->nodes,
                 rename_inputs(graph->arena, node, map));
        map[order[i]] = i;
    }
    end_copy(graph, ordered, map);
}

bool rewrite_is_const(const Rewrite *rewrite, Value v, double *value)
{
    const Node *node = rewrite_node(rewrite, v);
    if (node->op != OP_CONST)
        return false;
    *value = node->attrs[CONST_VALUE].f;
    return true;
}
