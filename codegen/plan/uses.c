// Which values are needed, which of them in memory of their own, and how long
// they are read.
#include "codegen/plan/lower.h"

static LowerClass class_of(const Lowering *lower, Value value)
{
    return op_info(graph_node(lower->graph, value)->op)->lower;
}

bool value_is_constant(const Lowering *lower, Value value)
{
    Op op = graph_node(lower->graph, value)->op;
    return op == OP_CONST || (op == OP_RANK && !lower->many_ranks);
}

// Collectives over one rank are the identity.
bool value_is_alias(const Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    return class_of(lower, value) == LOWER_VIEW ||
           (op_is_collective(node->op) && node->attrs[RANKS_RANKS].i == 1);
}

bool value_is_rounded_weights(const Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    return node->op == OP_CAST && node->type.dtype == DT_BF16 &&
           node->type.form == FORM_TILED && node->group == 0;
}

bool value_is_folded(const Lowering *lower, Value value)
{
    return value_is_constant(lower, value) || value_is_alias(lower, value) ||
           class_of(lower, value) == LOWER_INDEX ||
           value_is_rounded_weights(lower, value) ||
           graph_node(lower->graph, value)->op == OP_IOTA;
}

// Backwards from outputs and assignments.
static void find_needed(Lowering *lower)
{
    const Graph *graph = lower->graph;
    for (int i = 0; i < graph->outputs.count; i++)
        lower->needed[graph->outputs.at[i].value] = true;
    for (Value v = graph->nodes.count - 1; v >= 0; v--) {
        const Node *node = graph_node(graph, v);
        if (op_has(node->op, TRAIT_EFFECT))
            lower->needed[v] = true;
        if (!lower->needed[v])
            continue;
        for (int i = node->op == OP_ASSIGN; i < node->input_count; i++)
            lower->needed[node->inputs[i]] = true;
    }
}

// A group's kernel is made when its last member is reached.
static void find_groups(Lowering *lower)
{
    const Graph *graph = lower->graph;
    for (Value v = 0; v < graph->nodes.count; v++) {
        int group = graph_node(graph, v)->group;
        lower->emit_at[v] = v;
        if (group <= 0)
            continue;
        if (group >= lower->group_count)
            lower->group_count = group + 1;
    }
    lower->groups = ARENA_ARRAY(lower->arena, Members, lower->group_count);
    for (Value v = 0; v < graph->nodes.count; v++) {
        int group = graph_node(graph, v)->group;
        if (group > 0 && lower->needed[v])
            vec_push(lower->arena, &lower->groups[group].nodes, v);
    }
    for (int g = 1; g < lower->group_count; g++) {
        Members *members = &lower->groups[g];
        for (int i = 0; i < members->nodes.count; i++)
            lower->emit_at[members->nodes.at[i]] =
                members->nodes.at[members->nodes.count - 1];
    }
}

// Loop kernels address their operands themselves; everyone else wants a
// pointer to contiguous elements.
static bool reads_by_pointer(LowerClass lower)
{
    return lower == LOWER_MATMUL || lower == LOWER_CONV ||
           lower == LOWER_POOL || lower == LOWER_ROWS || lower == LOWER_CALL ||
           lower == LOWER_COLLECTIVE;
}

static bool same_kernel(const Lowering *lower, Value a, Value b)
{
    int group = graph_node(lower->graph, a)->group;
    return group > 0 && group == graph_node(lower->graph, b)->group;
}

static void need_input(Lowering *lower, Value reader, Value input)
{
    LowerClass class = class_of(lower, reader);
    bool folded = value_is_folded(lower, input);
    if (value_is_alias(lower, reader)) {
        // The reshape of a constant is a constant; that of a strided view
        // needs the elements in order.
        if (value_is_constant(lower, input))
            lower->needs_buffer[input] |= lower->needs_buffer[reader];
        else
            lower->needs_buffer[input] = true;
    } else if (reads_by_pointer(class)) {
        lower->needs_buffer[input] |= !value_is_rounded_weights(lower, input);
    } else if (!folded && !same_kernel(lower, reader, input)) {
        lower->needs_buffer[input] = true;
    }
}

static void find_buffers(Lowering *lower)
{
    const Graph *graph = lower->graph;
    for (int i = 0; i < graph->outputs.count; i++)
        lower->needs_buffer[graph->outputs.at[i].value] = true;
    for (Value v = graph->nodes.count - 1; v >= 0; v--) {
        const Node *node = graph_node(graph, v);
        if (!lower->needed[v])
            continue;
        for (int i = node->op == OP_ASSIGN; i < node->input_count; i++)
            need_input(lower, v, node->inputs[i]);
    }
}

// A reader that is itself folded reads wherever its own readers do.
static void find_last_reads(Lowering *lower)
{
    const Graph *graph = lower->graph;
    for (Value v = 0; v < graph->nodes.count; v++)
        lower->last_read[v] = -1;
    for (int i = 0; i < graph->outputs.count; i++)
        lower->last_read[graph->outputs.at[i].value] = graph->nodes.count;
    for (Value v = graph->nodes.count - 1; v >= 0; v--) {
        const Node *node = graph_node(graph, v);
        if (!lower->needed[v])
            continue;
        bool through = value_is_alias(lower, v) ||
                       (value_is_folded(lower, v) && !lower->needs_buffer[v]);
        int at = through ? lower->last_read[v] : lower->emit_at[v];
        for (int i = node->op == OP_ASSIGN; i < node->input_count; i++)
            if (lower->last_read[node->inputs[i]] < at)
                lower->last_read[node->inputs[i]] = at;
    }
}

void uses_find(Lowering *lower)
{
    int count = lower->graph->nodes.count;
    lower->needed = ARENA_ARRAY(lower->arena, bool, count);
    lower->needs_buffer = ARENA_ARRAY(lower->arena, bool, count);
    lower->emit_at = ARENA_ARRAY(lower->arena, int, count);
    lower->last_read = ARENA_ARRAY(lower->arena, int, count);
    find_needed(lower);
    find_groups(lower);
    find_buffers(lower);
    find_last_reads(lower);
}
