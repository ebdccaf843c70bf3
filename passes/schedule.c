// Node order that keeps few bytes alive. The source's order (forward, backward
// in reverse, then the optimizer) is good but for two things, mended here:
//
// Tails. The optimizer would run when all gradients exist at once. A node is in
// a tail when everything that depends on it ends in assigns or outputs through
// cheap nodes alone. Each sink of a tail runs, with what is left of its tail,
// as soon as the last firm (non-tail) node it waits for is done: a weight is
// updated, and its gradient dies, when the gradient is complete and backward
// has read the old weight.
//
// Late nodes. A map whose inputs stay alive anyway (params, or values with
// later readers) is computed only when its first reader needs it: a mask made
// in the forward part for the backward part would only be stored meanwhile.
//
// Views, constants and iotas have no kernels; they go before their first
// reader. Linear in nodes and edges.
#include <limits.h>

#include "ir/base/diag.h"
#include "passes/all.h"
#include "passes/rewrite.h"
#include "passes/storage.h"

typedef struct Schedule {
    const Graph *graph;
    ReaderTable readers;
    bool *output; // by value, as all below
    bool *tail;
    bool *late;
    int *ready;       // last firm node among what it depends on, -1 = none
    Value *next;      // sinks waiting for the same node, NO_VALUE ends
    Value *waiting;   // first of them by firm node; the last entry: for none
    Value *assign;    // of a PARAM: its ASSIGN, or NO_VALUE
    VEC(Value) * pre; // of an ASSIGN: the kernels that read the old content
    bool *emitted;
    int *cursor; // dependencies seen to so far
    Value *order;
    int order_count;
    VEC(Value) stack;
} Schedule;

static const Node *node_of(const Schedule *s, Value v)
{
    return graph_node(s->graph, v);
}

static bool is_named(const Schedule *s, Value v)
{
    return op_has(node_of(s, v)->op, TRAIT_NAMED);
}

static int reader_count(const Schedule *s, Value v)
{
    return s->readers.first[v + 1] - s->readers.first[v];
}

// A node nobody reads has to be asked for by itself.
static bool is_sink(const Schedule *s, Value v)
{
    return reader_count(s, v) == 0 && !is_named(s, v);
}

// ---- what is known beforehand -----------------------------------------------

static bool is_cheap(const Node *node)
{
    LowerClass class = op_info(node->op)->lower;
    return !storage_has_kernel(node) || class == LOWER_MAP ||
           class == LOWER_REDUCE;
}

static void find_tails(Schedule *s)
{
    for (Value v = s->graph->nodes.count - 1; v >= 0; v--) {
        bool tail = is_cheap(node_of(s, v)) && !is_named(s, v);
        for (int i = s->readers.first[v]; i < s->readers.first[v + 1]; i++)
            tail = tail && s->tail[s->readers.at[i]];
        s->tail[v] = tail;
    }
}

static bool is_firm(const Schedule *s, Value v)
{
    return storage_has_kernel(node_of(s, v)) && !s->tail[v];
}

static void find_ready_times(Schedule *s)
{
    for (Value v = 0; v < s->graph->nodes.count; v++) {
        const Node *node = node_of(s, v);
        s->ready[v] = is_firm(s, v) ? v : -1;
        for (int i = 0; i < node->input_count; i++)
            if (s->ready[node->inputs[i]] > s->ready[v])
                s->ready[v] = s->ready[node->inputs[i]];
    }
}

// Lists, for every ASSIGN, the kernels that must run before it because they
// read the param's old content.
static void find_old_readers(Schedule *s, Arena *scratch)
{
    int count = s->graph->nodes.count;
    for (Value v = 0; v < count; v++)
        s->assign[v] = NO_VALUE;
    for (Value v = 0; v < count; v++)
        if (node_of(s, v)->op == OP_ASSIGN)
            s->assign[node_of(s, v)->inputs[0]] = v;
    for (Value v = 0; v < count; v++) {
        const Node *node = node_of(s, v);
        for (int i = node->op == OP_ASSIGN; i < node->input_count; i++) {
            Value assign = s->assign[storage_root(s->graph, node->inputs[i])];
            if (assign != NO_VALUE && assign != v)
                vec_push(scratch, &s->pre[assign], v);
        }
    }
}

// The firm node after which a sink can run.
static int trigger_of(const Schedule *s, Value sink)
{
    int trigger = s->ready[sink];
    for (int i = 0; i < s->pre[sink].count; i++)
        if (s->ready[s->pre[sink].at[i]] > trigger)
            trigger = s->ready[s->pre[sink].at[i]];
    return trigger;
}

static void queue_sinks(Schedule *s)
{
    int count = s->graph->nodes.count;
    for (Value v = 0; v <= count; v++)
        s->waiting[v] = NO_VALUE;
    for (Value v = count - 1; v >= 0; v--) {
        if (!is_sink(s, v))
            continue;
        int trigger = trigger_of(s, v);
        Value *list = &s->waiting[trigger < 0 ? count : trigger];
        s->next[v] = *list;
        *list = v;
    }
}

// ---- late nodes -------------------------------------------------------------

static bool keeps_no_bytes(const Schedule *s, Value root)
{
    return op_info(node_of(s, root)->op)->lower == LOWER_LEAF;
}

// Whether the inputs live at least until `time` without this node.
static bool inputs_outlive(const Schedule *s, Value v, int time,
                           const int *last_read)
{
    const Node *node = node_of(s, v);
    for (int i = 0; i < node->input_count; i++) {
        Value root = storage_root(s->graph, node->inputs[i]);
        if (!keeps_no_bytes(s, root) && last_read[root] < time)
            return false;
    }
    return true;
}

// From the end: when every reader of v is placed, v can be. Times are positions
// in the source's order; a tail's node counts as reading when it is ready.
static void find_late_nodes(Schedule *s, Arena *scratch)
{
    int count = s->graph->nodes.count;
    int *first_read = ARENA_ARRAY(scratch, int, count + 1);
    int *last_read = ARENA_ARRAY(scratch, int, count + 1);
    for (Value v = count - 1; v >= 0; v--) {
        if (s->output[v])
            last_read[storage_root(s->graph, v)] = INT_MAX;
        first_read[v] = INT_MAX;
    }
    for (Value v = count - 1; v >= 0; v--) {
        const Node *node = node_of(s, v);
        int time = s->tail[v] ? s->ready[v] : v;
        if (!storage_has_kernel(node)) {
            time = first_read[v];
        } else if (is_firm(s, v) && op_info(node->op)->lower == LOWER_MAP &&
                   reader_count(s, v) > 0 &&
                   inputs_outlive(s, v, first_read[v], last_read)) {
            s->late[v] = true;
            time = first_read[v];
        }
        for (int i = 0; i < node->input_count; i++) {
            Value input = node->inputs[i];
            if (time < first_read[input])
                first_read[input] = time;
            Value root = storage_root(s->graph, input);
            if (storage_has_kernel(node) && time > last_read[root])
                last_read[root] = time;
        }
    }
}

// ---- emission ---------------------------------------------------------------

// The i-th node that must come before v, or NO_VALUE.
static Value dependency(const Schedule *s, Value v, int i)
{
    const Node *node = node_of(s, v);
    if (i < node->input_count)
        return node->inputs[i];
    i -= node->input_count;
    return i < s->pre[v].count ? s->pre[v].at[i] : NO_VALUE;
}

// Emits v after everything it still needs, depth first (on a stack of our own:
// chains may be as long as the graph).
static void emit(Schedule *s, Arena *scratch, Value v)
{
    s->stack.count = 0;
    vec_push(scratch, &s->stack, v);
    while (s->stack.count) {
        Value top = s->stack.at[s->stack.count - 1];
        Value need = NO_VALUE;
        while (!s->emitted[top] &&
               (need = dependency(s, top, s->cursor[top])) != NO_VALUE &&
               s->emitted[need])
            s->cursor[top]++;
        if (!s->emitted[top] && need != NO_VALUE) {
            INTERNAL_CHECK(s->stack.count <= s->graph->nodes.count);
            vec_push(scratch, &s->stack, need);
            continue;
        }
        if (!s->emitted[top])
            s->order[s->order_count++] = top;
        s->emitted[top] = true;
        s->stack.count--;
    }
}

static void emit_sinks(Schedule *s, Arena *scratch, Value first)
{
    for (Value sink = first; sink != NO_VALUE; sink = s->next[sink])
        emit(s, scratch, sink);
}

static void emit_all(Schedule *s, Arena *scratch)
{
    int count = s->graph->nodes.count;
    // Ports and params keep their order and come first: names never move.
    for (Value v = 0; v < count; v++)
        if (is_named(s, v))
            emit(s, scratch, v);
    for (Value v = 0; v < count; v++) {
        if (!is_firm(s, v))
            continue;
        if (!s->late[v])
            emit(s, scratch, v);
        emit_sinks(s, scratch, s->waiting[v]);
    }
    emit_sinks(s, scratch, s->waiting[count]);
    INTERNAL_CHECK(s->order_count == count);
}

static Schedule make_schedule(const Graph *graph, Arena *scratch)
{
    int size = graph->nodes.count + 1;
    Schedule s = {.graph = graph,
                  .readers = storage_readers(graph, scratch),
                  .output = ARENA_ARRAY(scratch, bool, size),
                  .tail = ARENA_ARRAY(scratch, bool, size),
                  .late = ARENA_ARRAY(scratch, bool, size),
                  .ready = ARENA_ARRAY(scratch, int, size),
                  .next = ARENA_ARRAY(scratch, Value, size),
                  .waiting = ARENA_ARRAY(scratch, Value, size),
                  .assign = ARENA_ARRAY(scratch, Value, size),
                  .emitted = ARENA_ARRAY(scratch, bool, size),
                  .cursor = ARENA_ARRAY(scratch, int, size),
                  .order = ARENA_ARRAY(scratch, Value, size)};
    s.pre = arena_alloc(scratch, sizeof(*s.pre) * (size_t)size);
    for (int i = 0; i < graph->outputs.count; i++)
        s.output[graph->outputs.at[i].value] = true;
    return s;
}

void pass_schedule(Graph *graph, const PassContext *context)
{
    Arena *scratch = context->scratch;
    storage_settle_assigns(graph, scratch);
    Schedule s = make_schedule(graph, scratch);
    find_tails(&s);
    find_ready_times(&s);
    find_old_readers(&s, scratch);
    queue_sinks(&s);
    find_late_nodes(&s, scratch);
    emit_all(&s, scratch);
    rewrite_order(graph, scratch, s.order);
}
