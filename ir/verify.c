// The verifier: what must hold between any two phases.
#include "ir/text_form.h"

#include <stdlib.h>

// "<what>: <node>" in the arena.
static const char *complain(const Graph *graph, Arena *arena, Value value,
                            const char *what)
{
    Text text = text_new(arena);
    text_addf(&text, "%s: ", what);
    graph_print_node(graph, value, &text);
    return text_string(&text);
}

// ---- nodes ------------------------------------------------------------------

static const char *verify_node(const Graph *graph, Arena *arena, Value value)
{
    Node node = *graph_node(graph, value); // shape_infer writes to the copy
    if ((unsigned)node.op >= OP_COUNT)
        return arena_printf(arena, "%%%d has no operation", (int)value);
    if ((unsigned)node.type.dtype >= DT_COUNT)
        return arena_printf(arena, "%%%d has no element type", (int)value);
    if (!type_is_sane(&node.type))
        return complain(graph, arena, value, "the type is not sane");
    for (int i = 0; i < node.input_count; i++)
        if (node.inputs[i] < 0 || node.inputs[i] >= value)
            return complain(graph, arena, value, "reads what is not above it");
    const char *error = shape_infer(graph, &node);
    if (error)
        return complain(graph, arena, value, error);
    if (type_equal(&node.type, graph_type(graph, value)))
        return NULL;
    return complain(graph, arena, value,
                    arena_printf(arena, "the type should be %s",
                                 type_text(arena, &node.type)));
}

static const char *verify_nodes(const Graph *graph, Arena *arena)
{
    const char *error = NULL;
    for (Value v = 0; !error && v < graph->nodes.count; v++)
        error = verify_node(graph, arena, v);
    for (int i = 0; !error && i < graph->outputs.count; i++) {
        Output output = graph->outputs.at[i];
        if (output.value < 0 || output.value >= graph->nodes.count)
            error = arena_printf(arena,
                                 "output \"%s\" is %%%d, which does not "
                                 "exist",
                                 output.name, (int)output.value);
    }
    return error;
}

// ---- names and assignments --------------------------------------------------

// NULL for nodes without a name.
static const char *node_name(const Node *node)
{
    _Static_assert((int)PARAM_NAME == (int)INPUT_NAME, "one slot for names");
    return op_has(node->op, TRAIT_NAMED) ? node->attrs[PARAM_NAME].text : NULL;
}

// An open hash table of values by name, at most half full.
static const char *verify_names(const Graph *graph, Arena *arena,
                                Arena *scratch)
{
    size_t size = 16;
    while (size < 2 * (size_t)graph->nodes.count)
        size *= 2;
    Value *slots = ARENA_ARRAY(scratch, Value, size); // value + 1; 0 = free
    for (Value v = 0; v < graph->nodes.count; v++) {
        const char *name = node_name(graph_node(graph, v));
        if (!name)
            continue;
        size_t slot = text_hash(TEXT_HASH_SEED, name, strlen(name));
        for (;; slot++) {
            Value taken = slots[slot &= size - 1];
            if (!taken)
                break;
            if (strcmp(node_name(graph_node(graph, taken - 1)), name) == 0)
                return complain(graph, arena, v, "the name is taken");
        }
        slots[slot] = v + 1;
    }
    return NULL;
}

// That the target is a param is the shape rule's business.
static const char *verify_assigns(const Graph *graph, Arena *arena,
                                  Arena *scratch)
{
    bool *assigned = ARENA_ARRAY(scratch, bool, graph->nodes.count);
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op != OP_ASSIGN)
            continue;
        if (assigned[node->inputs[0]])
            return complain(graph, arena, v, "the param is assigned twice");
        assigned[node->inputs[0]] = true;
    }
    return NULL;
}

// ---- groups -----------------------------------------------------------------
//
// A unit is a fusion group, or a node without one. If each unit is to run as
// one, the graph of units must have no cycle. That is checked by taking away
// units whose inputs are all gone (Kahn 1962) until none is left; O(nodes +
// edges), apart from sorting the group numbers.

typedef struct Units {
    int count;
    int *of;      // unit of each value
    int *group;   // group number of each unit, 0 = a single node
    int *waiting; // edges from units not taken away yet, by unit
} Units;

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static Units find_units(const Graph *graph, Arena *scratch)
{
    int nodes = graph->nodes.count, count = 0;
    Units units = {.of = ARENA_ARRAY(scratch, int, nodes),
                   .group = ARENA_ARRAY(scratch, int, nodes),
                   .waiting = ARENA_ARRAY(scratch, int, nodes)};
    // Group numbers come first, sorted, each once: a group's unit is its place.
    for (Value v = 0; v < nodes; v++)
        if (graph_node(graph, v)->group)
            units.group[count++] = graph_node(graph, v)->group;
    if (count)
        qsort(units.group, (size_t)count, sizeof(int), compare_ints);
    int distinct = 0;
    for (int i = 0; i < count; i++)
        if (i == 0 || units.group[i] != units.group[i - 1])
            units.group[distinct++] = units.group[i];
    units.count = distinct;
    for (Value v = 0; v < nodes; v++) {
        int group = graph_node(graph, v)->group;
        if (!group) {
            units.group[units.count] = 0;
            units.of[v] = units.count++;
            continue;
        }
        const int *found = bsearch(&group, units.group, (size_t)distinct,
                                   sizeof(int), compare_ints);
        units.of[v] = (int)(found - units.group);
    }
    return units;
}

// The units that read from unit u are readers[first[u]] to readers[first[u+1]],
// with repetition.
typedef struct Edges {
    int *first, *readers;
} Edges;

static Edges find_edges(const Graph *graph, Units *units, Arena *scratch)
{
    Edges edges = {.first = ARENA_ARRAY(scratch, int, units->count + 2)};
    for (int fill = 0; fill < 2; fill++) {
        for (Value v = 0; v < graph->nodes.count; v++) {
            const Node *node = graph_node(graph, v);
            for (int i = 0; i < node->input_count; i++) {
                int from = units->of[node->inputs[i]], to = units->of[v];
                if (from == to)
                    continue;
                if (fill)
                    edges.readers[edges.first[from + 1]++] = to;
                else
                    edges.first[from + 2]++, units->waiting[to]++;
            }
        }
        if (fill)
            break;
        for (int u = 1; u <= units->count; u++)
            edges.first[u + 1] += edges.first[u];
        edges.readers =
            ARENA_ARRAY(scratch, int, edges.first[units->count + 1]);
    }
    return edges;
}

// After the taking away: a value by which a path comes back to its group, among
// the units still waiting. Going against the edges from any of them ends in a
// cycle; some unit of the cycle is a group, as single nodes are in order.
static Value find_return(const Graph *graph, const Units *units, Arena *scratch)
{
    // For each unit: a node in it that reads from a unit still waiting.
    Value *entry = ARENA_ARRAY(scratch, Value, units->count);
    int *before = ARENA_ARRAY(scratch, int, units->count);
    bool *seen = ARENA_ARRAY(scratch, bool, units->count);
    int unit = 0;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        for (int i = 0; i < node->input_count; i++) {
            int from = units->of[node->inputs[i]], to = units->of[v];
            if (from == to || !units->waiting[from])
                continue;
            entry[to] = v;
            before[to] = from;
            unit = to;
        }
    }
    // `unit` waits, as it reads from one that waits; so does each one before.
    for (; !seen[unit]; unit = before[unit])
        seen[unit] = true;
    while (!units->group[unit])
        unit = before[unit];
    return entry[unit];
}

static const char *verify_groups(const Graph *graph, Arena *arena,
                                 Arena *scratch)
{
    for (Value v = 0; v < graph->nodes.count; v++)
        if (graph_node(graph, v)->group < 0)
            return complain(graph, arena, v, "the group is negative");
    Units units = find_units(graph, scratch);
    Edges edges = find_edges(graph, &units, scratch);
    int *queue = ARENA_ARRAY(scratch, int, units.count);
    int taken = 0, ready = 0;
    for (int u = 0; u < units.count; u++)
        if (units.waiting[u] == 0)
            queue[ready++] = u;
    while (taken < ready) {
        int unit = queue[taken++];
        for (int e = edges.first[unit]; e < edges.first[unit + 1]; e++)
            if (--units.waiting[edges.readers[e]] == 0)
                queue[ready++] = edges.readers[e];
    }
    if (taken == units.count)
        return NULL;
    return complain(graph, arena, find_return(graph, &units, scratch),
                    "a path leaves the group and comes back");
}

const char *graph_verify(const Graph *graph, Arena *arena)
{
    const char *error = verify_nodes(graph, arena);
    Arena *scratch = arena_new();
    if (!error)
        error = verify_names(graph, arena, scratch);
    if (!error)
        error = verify_assigns(graph, arena, scratch);
    if (!error)
        error = verify_groups(graph, arena, scratch);
    arena_free(scratch);
    return error;
}
