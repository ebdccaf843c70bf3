#include "ir/split.h"

#include <string.h>

#include "ir/base/diag.h"
#include "ir/min_cut.h"

typedef struct Splitter {
    const Graph *graph;
    Arena *arena;
    Split *split;
    int64_t images;
    bool *uniform; // by value: the same at every index of axis 0
    bool *kept;    // by value: this sum over rows is a chunk's statistic;
                   // NULL = all are
    bool *wanted;  // by value: a loss, report or state of all images reads it
} Splitter;

// ---- classes ----------------------------------------------------------------

// As many rows as the node's first input has.
static bool is_as_long(const Splitter *s, const Node *node)
{
    const TensorType *input = graph_type(s->graph, node->inputs[0]);
    return node->type.rank > 0 && node->type.dims[0] == input->dims[0];
}

static bool reduces_rows(const Node *node)
{
    IntList axes = node->attrs[AXES_AXES].ints;
    for (int i = 0; i < axes.count; i++)
        if (axes.at[i] == 0)
            return true;
    return false;
}

// Where axis 0 of a broadcast comes from: an axis of its input, or -1.
static int source_of_rows(const Node *node)
{
    IntList axes = node->attrs[BROADCAST_AXES].ints;
    for (int i = 0; i < axes.count; i++)
        if (axes.at[i] == 0)
            return i;
    return -1;
}

static bool is_uniform(const Splitter *s, const Node *node)
{
    int from;
    switch (node->op) {
    case OP_CONST:
        return true;
    case OP_IOTA:
        return node->attrs[AXIS_AXIS].i != 0;
    case OP_BROADCAST:
        from = source_of_rows(node);
        return from < 0 ||
               graph_type(s->graph, node->inputs[0])->dims[from] == 1 ||
               (from == 0 && s->uniform[node->inputs[0]]);
    default:
        break;
    }
    if (!op_has(node->op, TRAIT_ELEMENTWISE))
        return false;
    for (int i = 0; i < node->input_count; i++)
        if (!s->uniform[node->inputs[i]])
            return false;
    return true;
}

// Every input is either rows or the same for all of them.
static bool keeps_rows_of_all(const Splitter *s, const Node *node)
{
    for (int i = 0; i < node->input_count; i++) {
        Value input = node->inputs[i];
        if (s->split->classes[input] != SPLIT_ROWS && !s->uniform[input])
            return false;
    }
    return true;
}

// The rules of the column `rows`: whether row i of the result is made of row i
// of the inputs, or views are taken apart and put together.

static bool rows_none(const Splitter *s, const Node *node)
{
    (void)s;
    (void)node;
    return false;
}

static bool rows_all(const Splitter *s, const Node *node)
{
    (void)s;
    (void)node;
    return true;
}

// What other processes have is of all images.
static bool rows_alone(const Splitter *s, const Node *node)
{
    (void)s;
    return node->attrs[RANKS_RANKS].i == 1;
}

static bool rows_each(const Splitter *s, const Node *node)
{
    return keeps_rows_of_all(s, node);
}

static bool rows_as_long(const Splitter *s, const Node *node)
{
    return is_as_long(s, node);
}

static bool rows_broadcast(const Splitter *s, const Node *node)
{
    return source_of_rows(node) == 0 && is_as_long(s, node);
}

static bool rows_transpose(const Splitter *s, const Node *node)
{
    (void)s;
    return node->attrs[PERM_PERM].ints.at[0] == 0;
}

// All rows of some views.
static bool rows_views(const Splitter *s, const Node *node)
{
    int64_t start = node->attrs[SLICE_START].ints.at[0];
    int64_t size = node->attrs[SLICE_SIZE].ints.at[0];
    return start % s->images == 0 && size % s->images == 0;
}

static bool rows_concat(const Splitter *s, const Node *node)
{
    if (node->attrs[AXIS_AXIS].i != 0)
        return keeps_rows_of_all(s, node);
    for (int i = 0; i < node->input_count; i++)
        if (s->split->classes[node->inputs[i]] != SPLIT_ROWS)
            return false;
    return true;
}

static bool rows_reduce(const Splitter *s, const Node *node)
{
    (void)s;
    return !reduces_rows(node);
}

// x @ w and conv2d(x, w): rows of x, weights for all.
static bool rows_conv(const Splitter *s, const Node *node)
{
    const SplitClass *classes = s->split->classes;
    return classes[node->inputs[0]] == SPLIT_ROWS &&
           classes[node->inputs[1]] != SPLIT_ROWS;
}

// The gradient by data, which as an operation of its own is the transposed
// convolution: weights for all, rows of dy.
static bool rows_conv_grad_x(const Splitter *s, const Node *node)
{
    const SplitClass *classes = s->split->classes;
    return classes[node->inputs[1]] == SPLIT_ROWS &&
           classes[node->inputs[0]] != SPLIT_ROWS;
}

// Of matrices row i of a makes row i of the result. Where there are leading
// axes the first of them counts the rows: each operand has them there, or has
// the same matrices for all.
static bool rows_matmul(const Splitter *s, const Node *node)
{
    if (node->type.rank == 2)
        return !node->attrs[MATMUL_TRANS_A].i && rows_conv(s, node);
    for (int i = 0; i < 2; i++) {
        const TensorType *type = graph_type(s->graph, node->inputs[i]);
        bool own = type->rank == node->type.rank &&
                   type->dims[0] == node->type.dims[0];
        bool rows = s->split->classes[node->inputs[i]] == SPLIT_ROWS;
        if (own ? !rows && !s->uniform[node->inputs[i]] : rows)
            return false;
    }
    return true;
}

// Rows of a table that is the same for all, by numbers of each.
static bool rows_take(const Splitter *s, const Node *node)
{
    const SplitClass *classes = s->split->classes;
    return classes[node->inputs[0]] != SPLIT_ROWS &&
           classes[node->inputs[1]] == SPLIT_ROWS;
}

// Whether axis 0 counts images, the node says; no input does.
static bool rows_random(const Splitter *s, const Node *node)
{
    (void)s;
    return node->attrs[RANDOM_IMAGES].ints.count > 0;
}

// With axes before the matrices, of which the first counts rows.
static bool rows_attention(const Splitter *s, const Node *node)
{
    return node->type.rank > 2 && keeps_rows_of_all(s, node);
}

static bool (*const row_rules[OP_COUNT])(const Splitter *s,
                                         const Node *node) = {
#define OP(id, text, in, attrs, shape, grad, eval, rows, ...)                  \
    [OP_##id] = rows_##rows,
#include "ir/ops.def"
#undef OP
};

bool split_is_images(const char *name)
{
    return strncmp(name, "images", 6) == 0 && (!name[6] || name[6] == '.');
}

static SplitClass leaf_class(const Node *node)
{
    if (node->op != OP_INPUT)
        return SPLIT_FREE;
    const char *name = node->attrs[INPUT_NAME].text;
    return split_is_images(name)         ? SPLIT_ROWS
           : strcmp(name, "labels") == 0 ? SPLIT_WHOLE
                                         : SPLIT_FREE;
}

static SplitClass class_of(const Splitter *s, Value v)
{
    const Node *node = graph_node(s->graph, v);
    bool any[SPLIT_WHOLE + 1] = {false};
    for (int i = 0; i < node->input_count; i++)
        any[s->split->classes[node->inputs[i]]] = true;
    if (node->input_count == 0)
        return leaf_class(node);
    if (any[SPLIT_WHOLE])
        return SPLIT_WHOLE;
    if (node->op == OP_RANDOM)
        return row_rules[node->op](s, node) ? SPLIT_ROWS : SPLIT_FREE;
    if (!any[SPLIT_ROWS])
        return any[SPLIT_STATISTIC] ? SPLIT_STATISTIC : SPLIT_FREE;
    if (row_rules[node->op](s, node))
        return SPLIT_ROWS;
    bool sum = node->op == OP_REDUCE_SUM && reduces_rows(node);
    return sum && (!s->kept || s->kept[v]) ? SPLIT_STATISTIC : SPLIT_WHOLE;
}

static void classify(Splitter *s)
{
    for (Value v = 0; v < s->graph->nodes.count; v++) {
        s->uniform[v] = is_uniform(s, graph_node(s->graph, v));
        s->split->classes[v] = class_of(s, v);
    }
}

// ---- statistics -------------------------------------------------------------

// Marks what the values are made of, through statistics alone.
static void mark_statistics(const Splitter *s, bool *marks)
{
    for (Value v = s->graph->nodes.count - 1; v >= 0; v--) {
        const Node *node = graph_node(s->graph, v);
        for (int i = 0; marks[v] && i < node->input_count; i++)
            if (s->split->classes[node->inputs[i]] == SPLIT_STATISTIC)
                marks[node->inputs[i]] = true;
    }
}

// Of the sums over rows, those that a state keeps and rows are made of.
static void find_kept(Splitter *s, int count, const Value *updates)
{
    int nodes = s->graph->nodes.count;
    bool *by_state = ARENA_ARRAY(s->arena, bool, nodes + 1);
    bool *by_rows = ARENA_ARRAY(s->arena, bool, nodes + 1);
    for (int i = 0; i < count; i++)
        by_state[updates[i]] = s->split->classes[updates[i]] == SPLIT_STATISTIC;
    for (Value v = 0; v < nodes; v++) {
        const Node *node = graph_node(s->graph, v);
        for (int i = 0; i < node->input_count; i++)
            if (s->split->classes[v] == SPLIT_ROWS &&
                s->split->classes[node->inputs[i]] == SPLIT_STATISTIC)
                by_rows[node->inputs[i]] = true;
    }
    mark_statistics(s, by_state);
    mark_statistics(s, by_rows);
    for (Value v = 0; v < nodes; v++)
        by_state[v] = by_state[v] && by_rows[v];
    s->kept = by_state;
}

// ---- the cut ----------------------------------------------------------------

// Where the inputs of a value of all images first are.
static Value find_meeting(const Splitter *s, Value value)
{
    for (;;) {
        const Node *node = graph_node(s->graph, value);
        Value next = NO_VALUE;
        for (int i = 0; i < node->input_count; i++)
            if (s->split->classes[node->inputs[i]] == SPLIT_WHOLE)
                next = node->inputs[i];
        if (next == NO_VALUE)
            return value;
        value = next;
    }
}

static bool is_window(const Splitter *s, const Node *node)
{
    LowerClass class = op_info(node->op)->lower;
    return (class == LOWER_CONV || class == LOWER_POOL) &&
           s->split->classes[node->inputs[0]] == SPLIT_WHOLE;
}

// Marks what the loss, the reports and states of all images are made of, down
// to the rows that these read.
static void find_wanted(Splitter *s)
{
    const Graph *graph = s->graph;
    Split *split = s->split;
    for (Value v = graph->nodes.count - 1; v >= 0; v--) {
        const Node *node = graph_node(graph, v);
        if (!s->wanted[v])
            continue;
        if (split->classes[v] == SPLIT_STATISTIC)
            split->statistic = v;
        if (split->classes[v] != SPLIT_WHOLE)
            continue;
        if (is_window(s, node)) {
            split->whole_window = v;
            split->meeting = find_meeting(s, v);
        }
        for (int i = 0; i < node->input_count; i++)
            s->wanted[node->inputs[i]] = true;
    }
}

// Must the value be computed chunk by chunk?
static bool is_of_chunks(const Splitter *s, const Node *node)
{
    bool of_chunks = node->op == OP_INPUT;
    for (int i = 0; i < node->input_count; i++)
        of_chunks =
            of_chunks || s->split->classes[node->inputs[i]] == SPLIT_STATISTIC;
    return of_chunks;
}

// Of all places to cut between the images and what is wanted of them all, the
// one with the fewest numbers to keep: a loss and a report that both scale z to
// length 1 share the z.
static void find_cut(Splitter *s)
{
    const Graph *graph = s->graph;
    Split *split = s->split;
    int count = graph->nodes.count;
    VEC(CutEdge) edges = {0};
    int64_t *cost = ARENA_ARRAY(s->arena, int64_t, count + 1);
    bool *source = ARENA_ARRAY(s->arena, bool, count + 1);
    bool *sink = ARENA_ARRAY(s->arena, bool, count + 1);
    bool *cut = ARENA_ARRAY(s->arena, bool, count + 1);
    for (Value v = 0; v < count; v++) {
        const Node *node = graph_node(graph, v);
        bool rows = split->classes[v] == SPLIT_ROWS;
        cost[v] = dtype_is_float(node->type.dtype) ? type_elements(&node->type)
                                                   : CUT_NEVER;
        source[v] = rows && is_of_chunks(s, node);
        sink[v] = rows && s->wanted[v];
        for (int i = 0; rows && i < node->input_count; i++)
            if (split->classes[node->inputs[i]] == SPLIT_ROWS) {
                CutEdge edge = {node->inputs[i], v};
                vec_push(s->arena, &edges, edge);
            }
    }
    min_cut(s->arena, count, cost, source, sink, edges.count, edges.at, cut);
    split->cut = ARENA_ARRAY(s->arena, Value, count + 1);
    for (Value v = 0; v < count; v++)
        if (cut[v])
            split->cut[split->cut_count++] = v;
}

// A state that changes in the middle of the step must not be read again by the
// chunks that come later.
static void find_moving(Splitter *s, int count, const Value *params,
                        const Value *updates)
{
    const Graph *graph = s->graph;
    bool *read = ARENA_ARRAY(s->arena, bool, graph->nodes.count + 1);
    for (int i = 0; i < s->split->cut_count; i++)
        read[s->split->cut[i]] = true;
    for (Value v = graph->nodes.count - 1; v >= 0; v--)
        for (int i = 0; read[v] && i < graph_node(graph, v)->input_count; i++)
            read[graph_node(graph, v)->inputs[i]] = true;
    for (int i = 0; i < count; i++)
        if (read[params[i]] && s->split->classes[updates[i]] != SPLIT_FREE)
            s->split->moving = params[i];
}

static Value images_of(const Graph *graph)
{
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op == OP_INPUT &&
            split_is_images(node->attrs[INPUT_NAME].text))
            return v;
    }
    INTERNAL_ERROR("graph %s has no images", graph->name);
}

void split_find(const Graph *graph, int images, int count, const Value *params,
                const Value *updates, Arena *arena, Split *split)
{
    int nodes = graph->nodes.count;
    *split = (Split){.whole_window = NO_VALUE,
                     .meeting = NO_VALUE,
                     .statistic = NO_VALUE,
                     .moving = NO_VALUE};
    split->classes = ARENA_ARRAY(arena, SplitClass, nodes + 1);
    Splitter s = {.graph = graph,
                  .arena = arena,
                  .split = split,
                  .images = images,
                  .uniform = ARENA_ARRAY(arena, bool, nodes + 1),
                  .wanted = ARENA_ARRAY(arena, bool, nodes + 1)};
    classify(&s);
    find_kept(&s, count, updates);
    classify(&s);
    for (int i = 0; i < graph->outputs.count; i++)
        s.wanted[graph->outputs.at[i].value] = true;
    for (int i = 0; i < count; i++)
        if (split->classes[updates[i]] == SPLIT_WHOLE ||
            split->classes[updates[i]] == SPLIT_ROWS)
            s.wanted[updates[i]] = true;
    find_wanted(&s);
    find_cut(&s);
    find_moving(&s, count, params, updates);
}

// ---- twins ------------------------------------------------------------------

// A value of a whose inputs are still to be compared with those of its twin;
// constants among them may differ when it is loose.
typedef struct Pending {
    Value value;
    bool loose;
} Pending;

typedef struct Twins {
    const Graph *a, *b;
    int64_t a_rows, b_rows; // of the images
    Value *twin;            // by value of a; NO_VALUE = not met yet
    VEC(Pending) open;
    Arena *arena;
} Twins;

// Rows stand to each other as all images do.
static bool same_dims(const Twins *t, int count, const int64_t *a,
                      const int64_t *b)
{
    for (int i = 0; i < count; i++)
        if (a[i] != b[i] && (i > 0 || a[i] * t->b_rows != b[i] * t->a_rows))
            return false;
    return true;
}

static bool same_attr(const Twins *t, const Node *a, const Node *b, int i)
{
    const Attr *x = &a->attrs[i], *y = &b->attrs[i];
    switch (op_info(a->op)->attrs[i].kind) {
    case ATTR_INT:
    case ATTR_FORM:
        return x->i == y->i;
    case ATTR_FLOAT:
        return x->f == y->f;
    case ATTR_TEXT:
        return strcmp(x->text, y->text) == 0;
    default:
        return x->ints.count == y->ints.count &&
               same_dims(t, x->ints.count, x->ints.at, y->ints.at);
    }
}

static bool same_node(const Twins *t, const Node *a, const Node *b, bool loose)
{
    if (a->op != b->op || a->input_count != b->input_count ||
        a->type.dtype != b->type.dtype || a->type.rank != b->type.rank ||
        !same_dims(t, a->type.rank, a->type.dims, b->type.dims))
        return false;
    for (int i = 0; i < op_attr_count(a->op); i++)
        if (!(loose && a->op == OP_CONST) && !same_attr(t, a, b, i))
            return false;
    return true;
}

// Both are the same, or so far: what they read is looked at later.
static bool meet(Twins *t, Value a, Value b, bool loose)
{
    if (t->twin[a] != NO_VALUE)
        return t->twin[a] == b;
    if (!same_node(t, graph_node(t->a, a), graph_node(t->b, b), loose))
        return false;
    t->twin[a] = b;
    vec_push(t->arena, &t->open, ((Pending){a, loose}));
    return true;
}

bool split_same(const Graph *graph, const Split *split, Value a,
                const Graph *other, Value b, Arena *arena)
{
    Twins t = {.a = graph, .b = other, .arena = arena};
    t.a_rows = graph_type(graph, images_of(graph))->dims[0];
    t.b_rows = graph_type(other, images_of(other))->dims[0];
    t.twin = ARENA_ARRAY(arena, Value, graph->nodes.count + 1);
    for (Value v = 0; v < graph->nodes.count; v++)
        t.twin[v] = NO_VALUE;
    bool same = meet(&t, a, b, false);
    while (same && t.open.count > 0) {
        Pending at = t.open.at[--t.open.count];
        const Node *node = graph_node(graph, at.value);
        const Node *twin = graph_node(other, t.twin[at.value]);
        SplitClass class = split->classes[at.value];
        bool loose =
            class == SPLIT_STATISTIC || (class == SPLIT_FREE && at.loose);
        for (int i = 0; same && i < node->input_count; i++)
            same = meet(&t, node->inputs[i], twin->inputs[i], loose);
    }
    return same;
}
