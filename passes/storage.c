#include "passes/storage.h"

#include "ir/base/diag.h"
#include "ir/build.h"
#include "passes/rewrite.h"

bool storage_has_kernel(const Node *node)
{
    LowerClass class = op_info(node->op)->lower;
    return class != LOWER_LEAF && class != LOWER_INDEX && class != LOWER_VIEW;
}

Value storage_root(const Graph *graph, Value v)
{
    for (;;) {
        const Node *node = graph_node(graph, v);
        LowerClass class = op_info(node->op)->lower;
        if (class != LOWER_INDEX && class != LOWER_VIEW)
            return v;
        v = node->inputs[0];
    }
}

ReaderTable storage_readers(const Graph *graph, Arena *scratch)
{
    int count = graph->nodes.count, total = 0;
    int *first = ARENA_ARRAY(scratch, int, count + 2);
    for (Value v = 0; v < count; v++) {
        const Node *node = graph_node(graph, v);
        for (int i = 0; i < node->input_count; i++)
            first[node->inputs[i] + 2]++;
        total += node->input_count;
    }
    for (int v = 2; v <= count + 1; v++)
        first[v] += first[v - 1];
    // first[v + 1] is now where v's readers begin; filling moves it to their
    // end, which is where those of v + 1 begin.
    Value *at = ARENA_ARRAY(scratch, Value, total + 1);
    for (Value v = 0; v < count; v++) {
        const Node *node = graph_node(graph, v);
        for (int i = 0; i < node->input_count; i++)
            at[first[node->inputs[i] + 1]++] = v;
    }
    return (ReaderTable){first, at};
}

// ---- copies -----------------------------------------------------------------

// Readers of an assign's value get what was assigned.
static Value forward_assign(Rewrite *rewrite, const Node *node)
{
    if (node->op != OP_ASSIGN)
        return NO_VALUE;
    rewrite_keep(rewrite, node);
    return node->inputs[1];
}

// By value: is it a PARAM that some ASSIGN writes?
static bool *find_assigned(const Graph *graph, Arena *scratch)
{
    bool *assigned = ARENA_ARRAY(scratch, bool, graph->nodes.count + 1);
    for (Value v = 0; v < graph->nodes.count; v++)
        if (graph_node(graph, v)->op == OP_ASSIGN)
            assigned[graph_node(graph, v)->inputs[0]] = true;
    return assigned;
}

// Identities that are kernels: STOP_GRADIENT is the identity once gradients are
// made.
static Value copy_value(Graph *graph, Value v)
{
    graph->origin = graph_node(graph, v)->origin;
    return build_unary(graph, OP_STOP_GRADIENT, v);
}

// Puts a copy before an ASSIGN whose bytes come from an assigned param. The
// rule sees new ids; old ones are the same until the first copy, so roots are
// looked up in the old graph.
typedef struct CopyContext {
    const Graph *old;
    const bool *assigned; // by old value
} CopyContext;

static Value copy_assigned(Rewrite *rewrite, const Node *node)
{
    const CopyContext *context = rewrite->context;
    if (node->op != OP_ASSIGN)
        return NO_VALUE;
    const Value *old = graph_node(context->old, rewrite->old)->inputs;
    if (old[0] == old[1] ||
        !context->assigned[storage_root(context->old, old[1])])
        return NO_VALUE;
    return build_assign(rewrite->graph, node->inputs[0],
                        copy_value(rewrite->graph, node->inputs[1]));
}

static void copy_outputs(Graph *graph, Arena *scratch)
{
    int count = graph->nodes.count;
    const bool *assigned = find_assigned(graph, scratch);
    Value *copies = ARENA_ARRAY(scratch, Value, count + 1);
    for (int i = 0; i < graph->outputs.count; i++) {
        Value v = graph->outputs.at[i].value;
        if (v >= count || !assigned[storage_root(graph, v)])
            continue;
        if (!copies[v])
            copies[v] = copy_value(graph, v);
        graph->outputs.at[i].value = copies[v];
    }
}

// ---- order ------------------------------------------------------------------

// By value: for an assigned PARAM the last node that reads its bytes, views
// included, besides its own ASSIGN.
static Value *find_last_readers(const Graph *graph, Arena *scratch)
{
    Value *last = ARENA_ARRAY(scratch, Value, graph->nodes.count + 1);
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        for (int i = node->op == OP_ASSIGN; i < node->input_count; i++)
            last[storage_root(graph, node->inputs[i])] = v;
    }
    return last;
}

// Moves each ASSIGN to just after the last reader of its param. Nobody reads
// an ASSIGN, so that is always possible.
static void order_assigns(Graph *graph, Arena *scratch)
{
    int count = graph->nodes.count, moved = 0, filled = 0;
    const Value *last = find_last_readers(graph, scratch);
    Value *waiting = ARENA_ARRAY(scratch, Value, count + 1); // after this node
    Value *next = ARENA_ARRAY(scratch, Value, count + 1);
    Value *order = ARENA_ARRAY(scratch, Value, count + 1);
    for (Value v = 0; v < count; v++)
        waiting[v] = NO_VALUE;
    for (Value v = count - 1; v >= 0; v--) {
        const Node *node = graph_node(graph, v);
        if (node->op != OP_ASSIGN || last[node->inputs[0]] <= v)
            continue;
        next[v] = waiting[last[node->inputs[0]]];
        waiting[last[node->inputs[0]]] = v;
        moved++;
    }
    if (!moved)
        return;
    for (Value v = 0; v < count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op != OP_ASSIGN || last[node->inputs[0]] <= v)
            order[filled++] = v;
        for (Value w = waiting[v]; w != NO_VALUE; w = next[w])
            order[filled++] = w;
    }
    INTERNAL_CHECK(filled == count);
    rewrite_order(graph, scratch, order);
}

void storage_settle_assigns(Graph *graph, Arena *scratch)
{
    rewrite_graph(graph, scratch, forward_assign, NULL);
    // The old nodes stay where they are; the copy of the header keeps them.
    Graph old = *graph;
    CopyContext context = {&old, find_assigned(graph, scratch)};
    rewrite_graph(graph, scratch, copy_assigned, &context);
    copy_outputs(graph, scratch);
    order_assigns(graph, scratch);
}
