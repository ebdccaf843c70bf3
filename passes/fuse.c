// Groups of nodes that become one kernel. Node order afterwards is kernel
// order, and the nodes of a group are contiguous.
//
// A group has one iteration space. It is one of two kinds:
//   maps      MAP nodes of equal dims, assigns among them, and REDUCE nodes
//             whose inputs have those dims, all over the same axes. Nothing in
//             the group reads a result of its reductions.
//   epilogue  one MATMUL or CONV node, the anchor, first; then MAP nodes of its
//             dims that depend on it and whose other operands exist before it.
// Leaves, INDEX and VIEW nodes have no group: readers fold them into their
// loads, from a root that is a leaf or some kernel's stored output. A value
// read through such a chain is therefore stored, by an earlier kernel.
//
// Greedy, in node order: a node joins the group of a producer, else of a
// sibling that reads the same value, else starts a unit (a kernel to be) of its
// own; then units of its other producers are merged into its own. Units stand
// in a list that is at all times an order in which the kernels could run, so
// cycles are ruled out by comparing places: a join is allowed when everything
// else the node needs comes before the unit, or when the unit can move down to
// there without passing a reader of its own. An assign is ordered after the old
// value's readers like after its operands. Near linear: units have bounded
// size.
#include <stdlib.h>

#include "ir/base/diag.h"
#include "passes/fuse.h"
#include "passes/rewrite.h"

enum {
    // Kernels stay small enough to compile fast and keep in registers.
    MOST_MEMBERS = 64,
};

static const Node *node_of(const Fuse *f, Value v)
{
    return graph_node(f->graph, v);
}

LowerClass fuse_class(const Fuse *f, Value v)
{
    return op_info(node_of(f, v)->op)->lower;
}

static bool is_anchor(LowerClass class)
{
    return class == LOWER_MATMUL || class == LOWER_CONV;
}

// ---- edges ------------------------------------------------------------------

typedef void EdgeVisitor(Fuse *f, Value from, Value to, bool pointwise);

// Visits every pair of kernels of which `to` must run after `from`.
static void visit_edges(Fuse *f, const Value *assign, EdgeVisitor *visit)
{
    for (Value v = 0; v < f->graph->nodes.count; v++) {
        const Node *node = node_of(f, v);
        if (!storage_has_kernel(node))
            continue;
        LowerClass class = fuse_class(f, v);
        bool maps = class == LOWER_MAP;
        for (int i = node->op == OP_ASSIGN; i < node->input_count; i++) {
            Value input = node->inputs[i];
            Value root = storage_root(f->graph, input);
            LowerClass from = fuse_class(f, root);
            if (from != LOWER_LEAF)
                visit(f, root, v,
                      root == input &&
                          ((maps && (from == LOWER_MAP || is_anchor(from))) ||
                           (class == LOWER_REDUCE && from == LOWER_MAP)));
            else if (assign[root] != NO_VALUE && assign[root] != v)
                visit(f, v, assign[root], root == input && maps);
        }
    }
}

static void count_edge(Fuse *f, Value from, Value to, bool pointwise)
{
    (void)pointwise;
    f->after.first[from + 2]++;
    f->before.first[to + 2]++;
}

static void store_edge(Fuse *f, Value from, Value to, bool pointwise)
{
    f->after.at[f->after.first[from + 1]++] = (Edge){to, pointwise};
    f->before.at[f->before.first[to + 1]++] = (Edge){from, pointwise};
}

static void start_table(EdgeTable *table, Arena *scratch, int count)
{
    for (int v = 2; v <= count + 1; v++)
        table->first[v] += table->first[v - 1];
    table->at = ARENA_ARRAY(scratch, Edge, table->first[count + 1] + 1);
}

static void make_edges(Fuse *f)
{
    int count = f->graph->nodes.count;
    Value *assign = ARENA_ARRAY(f->scratch, Value, count + 1);
    for (Value v = 0; v < count; v++)
        assign[v] = NO_VALUE;
    for (Value v = 0; v < count; v++)
        if (node_of(f, v)->op == OP_ASSIGN)
            assign[node_of(f, v)->inputs[0]] = v;
    f->before.first = ARENA_ARRAY(f->scratch, int, count + 2);
    f->after.first = ARENA_ARRAY(f->scratch, int, count + 2);
    visit_edges(f, assign, count_edge);
    start_table(&f->before, f->scratch, count);
    start_table(&f->after, f->scratch, count);
    visit_edges(f, assign, store_edge);
}

// ---- may they share a kernel? -----------------------------------------------

// The dims a node runs over, when it can be in a group of maps.
static const TensorType *space_of(const Fuse *f, Value v)
{
    return fuse_class(f, v) == LOWER_REDUCE
               ? graph_type(f->graph, node_of(f, v)->inputs[0])
               : &node_of(f, v)->type;
}

static bool same_axes(const Fuse *f, Value a, Value b)
{
    if (a == NO_VALUE || b == NO_VALUE)
        return true;
    IntList x = node_of(f, a)->attrs[AXES_AXES].ints;
    IntList y = node_of(f, b)->attrs[AXES_AXES].ints;
    unsigned x_set = 0, y_set = 0; // the order they are listed in is no matter
    for (int i = 0; i < x.count; i++)
        x_set |= 1u << x.at[i];
    for (int i = 0; i < y.count; i++)
        y_set |= 1u << y.at[i];
    return x_set == y_set;
}

// A map made for reductions alone belongs into their kernel, not into one where
// its result would have to be stored for them.
static bool serves_other_reduces(const Fuse *f, Value v, const Unit *unit)
{
    int reduces = 0;
    for (int i = f->after.first[v]; i < f->after.first[v + 1]; i++) {
        const Edge *edge = &f->after.at[i];
        if (fuse_class(f, edge->kernel) != LOWER_REDUCE || !edge->pointwise)
            continue;
        if (unit->anchor == NO_VALUE &&
            same_axes(f, unit->reduce, edge->kernel))
            return false;
        reduces++;
    }
    return reduces > 0 && reduces == f->use_counts[v];
}

static bool is_plain_map(const Fuse *f, Value v)
{
    return fuse_class(f, v) == LOWER_MAP && node_of(f, v)->op != OP_ASSIGN;
}

// Whether v leads to `reader` by values that each have one reader, as the
// factor of x * sigmoid(x) leads to the product.
static bool leads_to(const Fuse *f, Value v, Value reader)
{
    enum { MOST_STEPS = 8 }; // more than any usual activation takes
    for (int step = 0; step < MOST_STEPS && v != reader; step++) {
        int edge = f->after.first[v];
        if (!is_plain_map(f, v) || f->use_counts[v] != 1 ||
            edge + 1 != f->after.first[v + 1] || !f->after.at[edge].pointwise)
            return false;
        v = f->after.at[edge].kernel;
    }
    return v == reader && is_plain_map(f, v);
}

// Whether an edge from v to `reader` is there for v's value, and not because v
// reads a param's old content and `reader` assigns the new.
static bool reads(const Fuse *f, Value reader, Value v)
{
    const Node *node = node_of(f, reader);
    for (int i = node->op == OP_ASSIGN; i < node->input_count; i++)
        if (storage_root(f->graph, node->inputs[i]) == v)
            return true;
    return false;
}

// Into an epilogue goes what spares storing the value it reads: a value with
// readers elsewhere is stored anyway, and its readers may have better company.
// So have those of a gradient by data, which no kernel takes into its
// registers: the gradients of two branches are added where a ReLU's mask is
// taken of the sum and a norm sums over it.
static bool suits_epilogue(const Fuse *f, Value v, int unit)
{
    if (!is_plain_map(f, v) ||
        node_of(f, f->units[unit].anchor)->op == OP_CONV2D_GRAD_X)
        return false;
    for (int i = f->before.first[v]; i < f->before.first[v + 1]; i++) {
        Value from = f->before.at[i].kernel;
        bool spares = f->unit_of[from] == unit;
        int readers = 0;
        for (int k = f->after.first[from];
             k < f->after.first[from + 1] && spares; k++) {
            const Edge *edge = &f->after.at[k];
            if (!reads(f, edge->kernel, from))
                continue;
            readers++;
            spares = edge->pointwise && (f->unit_of[edge->kernel] == unit ||
                                         leads_to(f, v, edge->kernel));
        }
        if (spares && f->use_counts[from] == readers)
            return true;
    }
    return false;
}

// A second node with equal inputs was made by the recompute pass, to be spared
// reading the first one's result from memory: they belong apart.
static bool has_twin(const Fuse *f, Value v, const Unit *unit)
{
    for (int m = 0; m < unit->members.count; m++)
        if (node_equal(node_of(f, v), node_of(f, unit->members.at[m])))
            return true;
    return false;
}

static bool suits(const Fuse *f, Value v, int unit)
{
    const Unit *u = &f->units[unit];
    if (u->closed || u->members.count >= MOST_MEMBERS || v - u->last > WINDOW ||
        !type_same_dims(u->space, space_of(f, v)))
        return false;
    if (has_twin(f, v, u) ||
        (u->anchor != NO_VALUE && !suits_epilogue(f, v, unit)))
        return false;
    if (fuse_class(f, v) == LOWER_REDUCE)
        return same_axes(f, u->reduce, v);
    return !serves_other_reduces(f, v, u);
}

// ---- places -----------------------------------------------------------------

// The last unit, other than `self` and `unit` (which a pointwise edge alone may
// tie to v), among those v needs; 0 = none, -1 = a tie that forbids fusion.
static int last_needed(const Fuse *f, Value v, int self, int unit)
{
    int latest = 0;
    for (int i = f->before.first[v]; i < f->before.first[v + 1]; i++) {
        const Edge *edge = &f->before.at[i];
        int other = f->unit_of[edge->kernel];
        if (other == self)
            continue;
        if (other == unit) {
            if (!edge->pointwise)
                return -1;
        } else if (order_list_before(&f->order, latest, other)) {
            latest = other;
        }
    }
    return latest;
}

// Whether all that needs `unit`, but for `friend`, stands below `place`.
static bool can_sink(const Fuse *f, int unit, int friend, int place)
{
    const Unit *u = &f->units[unit];
    for (int m = 0; m < u->members.count; m++) {
        Value v = u->members.at[m];
        for (int i = f->after.first[v]; i < f->after.first[v + 1]; i++) {
            int other = f->unit_of[f->after.at[i].kernel];
            if (other && other != unit && other != friend &&
                !order_list_before(&f->order, place, other))
                return false;
        }
    }
    return true;
}

// What follows from params and inputs alone, like the factor of a norm whose
// statistics stand still, is made first of all: between a convolution and the
// steps behind it it would keep these from being one epilogue. While training,
// hardly anything does.
static bool is_early(const Fuse *f, Value v)
{
    LowerClass class = fuse_class(f, v);
    bool early = f->inference &&
                 (class == LOWER_MAP || class == LOWER_REDUCE) &&
                 type_elements(&node_of(f, v)->type) <= EARLY_ELEMENTS;
    for (int i = f->before.first[v]; i < f->before.first[v + 1]; i++)
        early = early && f->units[f->unit_of[f->before.at[i].kernel]].early;
    return early;
}

void fuse_add_member(Fuse *f, int unit, Value v)
{
    Unit *u = &f->units[unit];
    vec_push(f->scratch, &u->members, v);
    if (v > u->last)
        u->last = v;
    if (fuse_class(f, v) == LOWER_REDUCE)
        u->reduce = v;
    f->unit_of[v] = unit;
}

static bool try_join(Fuse *f, Value v, int unit, bool may_sink)
{
    if (!suits(f, v, unit))
        return false;
    int latest = last_needed(f, v, 0, unit);
    if (latest < 0)
        return false;
    if (latest && !order_list_before(&f->order, latest, unit)) {
        if (!may_sink || f->units[unit].anchor != NO_VALUE ||
            !can_sink(f, unit, unit, latest))
            return false;
        order_list_remove(&f->order, unit);
        order_list_insert(&f->order, unit, latest);
    }
    f->units[unit].early = f->units[unit].early && is_early(f, v);
    fuse_add_member(f, unit, v);
    return true;
}

static int start_unit(Fuse *f, Value v)
{
    LowerClass class = fuse_class(f, v);
    int unit = ++f->unit_count;
    f->units[unit] = (Unit){
        .space = space_of(f, v),
        .anchor = is_anchor(class) ? v : NO_VALUE,
        .reduce = NO_VALUE,
        .closed =
            class != LOWER_MAP && class != LOWER_REDUCE && !is_anchor(class),
        .early = is_early(f, v),
    };
    if (f->units[unit].early)
        order_list_insert(&f->order, unit, last_needed(f, v, 0, unit));
    else
        order_list_append(&f->order, unit);
    fuse_add_member(f, unit, v);
    return unit;
}

// ---- merging ----------------------------------------------------------------

// The last unit outside that `low` needs, when every tie to `high` is
// pointwise; -1 when one is not.
static int last_needed_by_unit(const Fuse *f, int low, int high)
{
    int latest = 0;
    const Unit *u = &f->units[low];
    for (int m = 0; m < u->members.count; m++) {
        int one = last_needed(f, u->members.at[m], low, high);
        if (one < 0)
            return -1;
        if (order_list_before(&f->order, latest, one))
            latest = one;
    }
    return latest;
}

// Makes one unit of `high` and `low`, which stands below it, if it can.
static void try_merge(Fuse *f, int high, int low)
{
    const Unit *a = &f->units[high], *b = &f->units[low];
    if (a->closed || b->closed || a->anchor != NO_VALUE ||
        b->anchor != NO_VALUE ||
        a->members.count + b->members.count > MOST_MEMBERS ||
        b->last - a->last > WINDOW || !type_same_dims(a->space, b->space) ||
        !same_axes(f, a->reduce, b->reduce))
        return;
    int latest = last_needed_by_unit(f, low, high);
    if (latest < 0)
        return;
    // Either all `low` needs is there before `high`, or `high` can wait.
    bool rises = order_list_before(&f->order, latest, high);
    if (!rises && !can_sink(f, high, low, low))
        return;
    int kept = rises ? high : low, gone = rises ? low : high;
    for (int m = 0; m < f->units[gone].members.count; m++)
        fuse_add_member(f, kept, f->units[gone].members.at[m]);
    f->units[gone].members.count = 0;
    order_list_remove(&f->order, gone);
}

// ---- the walk ---------------------------------------------------------------

// Of the units that make an input of v and stand above `below` (0 = anywhere)
// the lowest, or 0: repeated calls give all, from the lowest up.
static int next_producer(const Fuse *f, Value v, int below)
{
    int best = 0;
    for (int i = f->before.first[v]; i < f->before.first[v + 1]; i++) {
        const Edge *edge = &f->before.at[i];
        int unit = f->unit_of[edge->kernel];
        if (edge->pointwise && unit != below &&
            (!below || order_list_before(&f->order, unit, below)) &&
            order_list_before(&f->order, best, unit))
            best = unit;
    }
    return best;
}

static bool join_producer(Fuse *f, Value v)
{
    for (int unit = next_producer(f, v, 0); unit;
         unit = next_producer(f, v, unit))
        if (try_join(f, v, unit, true))
            return true;
    return false;
}

static bool join_sibling(Fuse *f, Value v)
{
    const Node *node = node_of(f, v);
    for (int i = node->op == OP_ASSIGN; i < node->input_count; i++) {
        int unit = f->sibling[node->inputs[i]];
        if (unit && f->units[unit].members.count && try_join(f, v, unit, false))
            return true;
    }
    return false;
}

// Numbers and indices are not read from memory: no reason to be siblings. Nor
// are views, whose roots are read in another order.
static bool is_worth_sharing(const Node *node)
{
    return op_has(node->op, TRAIT_NAMED) || storage_has_kernel(node);
}

static void merge_producers(Fuse *f, Value v)
{
    for (int unit = next_producer(f, v, f->unit_of[v]); unit;) {
        int above = next_producer(f, v, unit);
        try_merge(f, unit, f->unit_of[v]);
        unit = above;
    }
}

static void place_node(Fuse *f, Value v)
{
    LowerClass class = fuse_class(f, v);
    bool open = class == LOWER_MAP || class == LOWER_REDUCE;
    if (!open || (!join_producer(f, v) && !join_sibling(f, v)))
        start_unit(f, v);
    if (!open)
        return;
    merge_producers(f, v);
    const Node *node = node_of(f, v);
    for (int i = 0; i < node->input_count; i++)
        if (is_worth_sharing(node_of(f, node->inputs[i])))
            f->sibling[node->inputs[i]] = f->unit_of[v];
}

// ---- the new order ----------------------------------------------------------

typedef struct FuseOrder {
    Value *at;
    int count;
    bool *emitted;
    VEC(Value) chain;
} FuseOrder;

static void emit_node(FuseOrder *order, Value v)
{
    if (!order->emitted[v])
        order->at[order->count++] = v;
    order->emitted[v] = true;
}

// Emits what v reads without a kernel: the chain of views up to its root.
static void emit_views(const Fuse *f, FuseOrder *order, Value v)
{
    order->chain.count = 0;
    while (!order->emitted[v] && !storage_has_kernel(node_of(f, v))) {
        vec_push(f->scratch, &order->chain, v);
        if (node_of(f, v)->input_count == 0)
            break;
        v = node_of(f, v)->inputs[0];
    }
    while (order->chain.count)
        emit_node(order, order->chain.at[--order->chain.count]);
}

int fuse_compare_values(const void *a, const void *b)
{
    Value x = *(const Value *)a, y = *(const Value *)b;
    return (x > y) - (x < y);
}

// Members in node order, but assigns last: a kernel reads an element of a param
// before it writes it.
static void emit_unit(const Fuse *f, FuseOrder *order, Unit *unit)
{
    int count = unit->members.count;
    Value *members = unit->members.at;
    qsort(members, (size_t)count, sizeof *members, fuse_compare_values);
    for (int m = 0; m < count; m++) {
        const Node *node = node_of(f, members[m]);
        for (int i = 0; i < node->input_count; i++)
            emit_views(f, order, node->inputs[i]);
    }
    for (int assigns = 0; assigns < 2; assigns++)
        for (int m = 0; m < count; m++)
            if ((node_of(f, members[m])->op == OP_ASSIGN) == assigns)
                emit_node(order, members[m]);
}

// Numbers the groups and puts the nodes into kernel order.
static void order_nodes(Fuse *f)
{
    int count = f->graph->nodes.count, groups = 0;
    FuseOrder order = {.at = ARENA_ARRAY(f->scratch, Value, count + 1),
                       .emitted = ARENA_ARRAY(f->scratch, bool, count + 1)};
    for (Value v = 0; v < count; v++)
        if (op_has(node_of(f, v)->op, TRAIT_NAMED))
            emit_node(&order, v);
    // Views that no kernel reads go where their root is: a param's before its
    // assign, the others' at the end.
    for (Value v = 0; v < count; v++)
        if (f->use_counts[v] == 0 && !storage_has_kernel(node_of(f, v)) &&
            fuse_class(f, storage_root(f->graph, v)) == LOWER_LEAF)
            emit_views(f, &order, v);
    for (int unit = order_list_next(&f->order, 0); unit;
         unit = order_list_next(&f->order, unit)) {
        Unit *u = &f->units[unit];
        int group = u->members.count > 1 ? ++groups : 0;
        for (int m = 0; m < u->members.count; m++)
            graph_node(f->graph, u->members.at[m])->group = group;
        emit_unit(f, &order, u);
    }
    for (Value v = 0; v < count; v++)
        emit_views(f, &order, v);
    INTERNAL_CHECK(order.count == count);
    rewrite_order(f->graph, f->scratch, order.at);
}

void pass_fuse(Graph *graph, const PassContext *context)
{
    Arena *scratch = context->scratch;
    storage_settle_assigns(graph, scratch);
    int count = graph->nodes.count;
    Fuse f = {.graph = graph,
              .scratch = scratch,
              .use_counts = graph_use_counts(graph, scratch),
              // As many again, for units that are split.
              .units = ARENA_ARRAY(scratch, Unit, 2 * count + 1),
              .unit_of = ARENA_ARRAY(scratch, int, count + 1),
              .sibling = ARENA_ARRAY(scratch, int, count + 1),
              .order = order_list_new(scratch, 2 * count)};
    make_edges(&f);
    f.inference = true;
    for (Value v = 0; v < count; v++)
        f.inference = f.inference && graph_node(graph, v)->op != OP_ASSIGN;
    for (Value v = 0; v < count; v++)
        if (storage_has_kernel(graph_node(graph, v)))
            place_node(&f, v);
    fuse_chains(&f);
    order_nodes(&f);
}
