#include "ir/graph.h"

#include "ir/base/diag.h"
#include "ir/base/text.h"

Graph *graph_new(Arena *arena, const char *name)
{
    Graph *graph = ARENA_NEW(arena, Graph);
    graph->arena = arena;
    graph->name = arena_strdup(arena, name);
    graph->origin.scope = "";
    return graph;
}

// ---- adding nodes -----------------------------------------------------------

// The graph's own copy of an attribute: what the caller passed may live less
// long.
static Attr copy_attr(Arena *arena, Attr attr, AttrKind kind)
{
    if (kind == ATTR_TEXT && attr.text) {
        attr.text = arena_strdup(arena, attr.text);
    } else if (kind == ATTR_INTS && attr.ints.count > 0) {
        int64_t *at = ARENA_ARRAY(arena, int64_t, attr.ints.count);
        memcpy(at, attr.ints.at, sizeof(*at) * (size_t)attr.ints.count);
        attr.ints.at = at;
    }
    return attr;
}

Value graph_add(Graph *graph, Op op, int input_count, const Value *inputs,
                const Attr *attrs, const TensorType *type)
{
    INTERNAL_CHECK((unsigned)op < OP_COUNT);
    Node node = {.op = op,
                 .input_count = input_count,
                 .inputs = inputs,
                 .origin = graph->origin};
    int attr_count = op_attr_count(op);
    INTERNAL_CHECK(attrs || attr_count == 0);
    for (int i = 0; i < attr_count; i++)
        node.attrs[i] = attrs[i];
    if (type)
        node.type = *type;
    graph->error = shape_infer(graph, &node);
    if (graph->error)
        return NO_VALUE;

    // Only a good node is worth copies in the arena.
    Value *copy = ARENA_ARRAY(graph->arena, Value, input_count);
    if (input_count)
        memcpy(copy, inputs, sizeof(*copy) * (size_t)input_count);
    node.inputs = copy;
    for (int i = 0; i < attr_count; i++)
        node.attrs[i] =
            copy_attr(graph->arena, attrs[i], op_info(op)->attrs[i].kind);
    vec_push(graph->arena, &graph->nodes, node);
    return graph->nodes.count - 1;
}

void graph_add_output(Graph *graph, const char *name, Value value)
{
    INTERNAL_CHECK(value >= 0 && value < graph->nodes.count);
    Output output = {arena_strdup(graph->arena, name), value};
    vec_push(graph->arena, &graph->outputs, output);
}

int *graph_use_counts(const Graph *graph, Arena *arena)
{
    int *counts = ARENA_ARRAY(arena, int, graph->nodes.count);
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        for (int i = 0; i < node->input_count; i++)
            counts[node->inputs[i]]++;
    }
    for (int i = 0; i < graph->outputs.count; i++)
        counts[graph->outputs.at[i].value]++;
    return counts;
}

// ---- compaction -------------------------------------------------------------

// Follows chains of replacements to their end for every value. Shortening the
// chain behind us keeps the whole linear.
static Value *resolve_replacements(Arena *scratch, const Value *replace,
                                   int count)
{
    Value *target = ARENA_ARRAY(scratch, Value, count);
    memcpy(target, replace, sizeof(*target) * (size_t)count);
    for (Value v = 0; v < count; v++) {
        Value end = v;
        for (int steps = 0; target[end] != end; steps++) {
            end = target[end];
            INTERNAL_CHECK(end >= 0 && end < count && steps < count);
        }
        for (Value at = v; at != end;) {
            Value next = target[at];
            target[at] = end;
            at = next;
        }
    }
    return target;
}

typedef struct Renaming {
    const Value *target; // NULL = every value stays itself
    const Value *fresh;  // new ids, NO_VALUE = dropped
} Renaming;

static Value rename_value(const Renaming *renaming, Value value)
{
    if (renaming->target)
        value = renaming->target[value];
    Value fresh = renaming->fresh[value];
    INTERNAL_CHECK(fresh != NO_VALUE);
    return fresh;
}

// Input arrays may be shared between nodes, so renamed ones get new storage,
// all in one piece.
static void rename_inputs(Graph *graph, const bool *keep,
                          const Renaming *renaming)
{
    size_t total = 0;
    for (Value v = 0; v < graph->nodes.count; v++)
        if (keep[v])
            total += (size_t)graph_node(graph, v)->input_count;
    Value *storage = ARENA_ARRAY(graph->arena, Value, total);
    for (Value v = 0; v < graph->nodes.count; v++) {
        if (!keep[v])
            continue;
        Node *node = graph_node(graph, v);
        for (int i = 0; i < node->input_count; i++) {
            storage[i] = rename_value(renaming, node->inputs[i]);
            INTERNAL_CHECK(storage[i] < renaming->fresh[v]);
        }
        node->inputs = storage;
        storage += node->input_count;
    }
}

void graph_compact(Graph *graph, const bool *keep, const Value *replace)
{
    int count = graph->nodes.count;
    Arena *scratch = arena_new();
    Value *fresh = ARENA_ARRAY(scratch, Value, count);
    int kept = 0;
    for (Value v = 0; v < count; v++)
        fresh[v] = keep[v] ? kept++ : NO_VALUE;
    Renaming renaming = {.fresh = fresh};
    if (replace)
        renaming.target = resolve_replacements(scratch, replace, count);
    rename_inputs(graph, keep, &renaming);
    for (int i = 0; i < graph->outputs.count; i++)
        graph->outputs.at[i].value =
            rename_value(&renaming, graph->outputs.at[i].value);
    for (Value v = 0; v < count; v++)
        if (keep[v])
            graph->nodes.at[fresh[v]] = graph->nodes.at[v];
    graph->nodes.count = kept;
    arena_free(scratch);
}

// ---- equality ---------------------------------------------------------------

static bool attr_equal(Attr a, Attr b, AttrKind kind)
{
    switch (kind) {
    case ATTR_INT:
    case ATTR_FORM:
        return a.i == b.i;
    case ATTR_FLOAT: // by bits: -0 differs from 0, a nan is itself
        return memcmp(&a.f, &b.f, sizeof a.f) == 0;
    case ATTR_TEXT:
        return strcmp(a.text, b.text) == 0;
    case ATTR_INTS:
        return a.ints.count == b.ints.count &&
               (a.ints.count == 0 ||
                memcmp(a.ints.at, b.ints.at,
                       sizeof(int64_t) * (size_t)a.ints.count) == 0);
    }
    return false;
}

bool node_equal(const Node *a, const Node *b)
{
    if (a->op != b->op || a->input_count != b->input_count ||
        !type_equal(&a->type, &b->type))
        return false;
    for (int i = 0; i < a->input_count; i++)
        if (a->inputs[i] != b->inputs[i])
            return false;
    const AttrSpec *spec = op_info(a->op)->attrs;
    for (int i = 0; spec[i].name; i++)
        if (!attr_equal(a->attrs[i], b->attrs[i], spec[i].kind))
            return false;
    return true;
}

static uint64_t hash_attr(uint64_t hash, Attr attr, AttrKind kind)
{
    switch (kind) {
    case ATTR_INT:
    case ATTR_FORM:
        return text_hash(hash, &attr.i, sizeof attr.i);
    case ATTR_FLOAT:
        return text_hash(hash, &attr.f, sizeof attr.f);
    case ATTR_TEXT:
        return text_hash(hash, attr.text, strlen(attr.text));
    case ATTR_INTS:
        return text_hash(hash, attr.ints.at,
                         sizeof(int64_t) * (size_t)attr.ints.count);
    }
    return hash;
}

uint64_t node_hash(const Node *node)
{
    uint64_t hash = text_hash(TEXT_HASH_SEED, &node->op, sizeof node->op);
    hash = text_hash(hash, node->inputs,
                     sizeof(Value) * (size_t)node->input_count);
    hash = text_hash(hash, &node->type.dtype, sizeof node->type.dtype);
    hash = text_hash(hash, &node->type.form, sizeof node->type.form);
    hash = text_hash(hash, node->type.dims,
                     sizeof(int64_t) * (size_t)node->type.rank);
    const AttrSpec *spec = op_info(node->op)->attrs;
    for (int i = 0; spec[i].name; i++)
        hash = hash_attr(hash, node->attrs[i], spec[i].kind);
    return hash;
}

// ---- ranks ------------------------------------------------------------------

bool op_is_collective(Op op)
{
    return op == OP_ALL_SUM || op == OP_ALL_GATHER || op == OP_REDUCE_SCATTER;
}

bool graph_has_many_ranks(const Graph *graph)
{
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (op_is_collective(node->op) && node->attrs[RANKS_RANKS].i > 1)
            return true;
    }
    return false;
}
