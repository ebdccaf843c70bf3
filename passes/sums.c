// The sum of a linear expression is the same expression of sums:
//   sum(a + b) = sum(a) + sum(b)    sum(-a) = -sum(a)
//   sum(c * a) = c * sum(a)         sum(c) = n * c      for c equal along the
//                                                       n elements summed
// Done only where every sum(a) that is needed exists in the graph already, so
// that a reduction over whole tensors becomes arithmetic on its results. The
// case in mind is batch normalisation's gradient: dx = g + k * (x - mean) for
// some broadcast k, and mean's gradient wants sum(dx): sum(g) is a multiple of
// beta's gradient and sum(x) is known from the forward part. With the sum at
// hand before dx is made, dx takes one pass over the data instead of two.
#include "ir/build.h"
#include "passes/all.h"
#include "passes/rewrite.h"
#include "passes/storage.h"

enum { MOST_TERMS = 24 }; // bounds the walk through shared operands

typedef struct Sums {
    const Graph *old;
    ReaderTable readers;
    Rewrite *rewrite;
    const Node *node; // the reduction, in the old graph
    unsigned axes;    // its axes as a set
    int terms_left;
} Sums;

static unsigned axis_set(const Node *reduce)
{
    IntList axes = reduce->attrs[AXES_AXES].ints;
    unsigned set = 0;
    for (int i = 0; i < axes.count; i++)
        set |= 1u << axes.at[i];
    return set;
}

// Whether another reduction sums `v` over the same axes.
static bool sum_exists(const Sums *s, Value v)
{
    for (int i = s->readers.first[v]; i < s->readers.first[v + 1]; i++) {
        const Node *reader = graph_node(s->old, s->readers.at[i]);
        if (reader->op == OP_REDUCE_SUM && reader != s->node &&
            axis_set(reader) == s->axes)
            return true;
    }
    return false;
}

// Whether v does not vary along the summed axes: a constant, or a broadcast in
// which they are new or stretched.
static bool is_even(const Sums *s, Value v)
{
    const Node *node = graph_node(s->old, v);
    if (node->op == OP_CONST)
        return true;
    if (node->op != OP_BROADCAST)
        return false;
    IntList axes = node->attrs[BROADCAST_AXES].ints;
    const TensorType *from = graph_type(s->old, node->inputs[0]);
    for (int i = 0; i < axes.count; i++)
        if (s->axes >> axes.at[i] & 1 && from->dims[i] != 1)
            return false;
    return true;
}

// One slice of an even value along the summed axes, in the new graph.
static Value even_slice(const Sums *s, Value v)
{
    Graph *g = s->rewrite->graph;
    const Node *node = graph_node(s->old, v);
    const TensorType *result = &s->node->type;
    if (node->op == OP_CONST)
        return build_const(
            g, type_make(node->type.dtype, result->rank, result->dims),
            node->attrs[CONST_VALUE].f);
    // Drop the broadcast's summed axes, all of size 1; number the others anew.
    IntList axes = node->attrs[BROADCAST_AXES].ints;
    const TensorType *from = graph_type(s->old, node->inputs[0]);
    int64_t dims[MAX_RANK], kept[MAX_RANK];
    int rank = 0;
    for (int i = 0; i < axes.count; i++) {
        if (s->axes >> axes.at[i] & 1)
            continue;
        dims[rank] = from->dims[i];
        kept[rank] = axes.at[i];
        for (int64_t k = 0; k < axes.at[i]; k++)
            kept[rank] -= s->axes >> k & 1;
        rank++;
    }
    Value x = build_reshape(g, s->rewrite->map[node->inputs[0]], rank, dims);
    return build_broadcast(g, x, result->rank, result->dims, kept);
}

// Whether the sum of `v` can be had from existing sums. Asked of the
// reduction's own input with `top`, whose own sum is what is to be replaced.
static bool can_sum(Sums *s, Value v, bool top)
{
    const Node *node = graph_node(s->old, v);
    const Value *in = node->inputs;
    if (s->terms_left-- <= 0)
        return false;
    if (!top && (is_even(s, v) || sum_exists(s, v)))
        return true;
    switch (node->op) {
    case OP_NEG:
        return can_sum(s, in[0], false);
    case OP_ADD:
    case OP_SUB:
        return can_sum(s, in[0], false) && can_sum(s, in[1], false);
    case OP_MUL:
        return (is_even(s, in[0]) && can_sum(s, in[1], false)) ||
               (is_even(s, in[1]) && can_sum(s, in[0], false));
    default:
        return false;
    }
}

// Builds that sum.
static Value make_sum(const Sums *s, Value v, bool top)
{
    Graph *g = s->rewrite->graph;
    const Node *node = graph_node(s->old, v);
    const Value *in = node->inputs;
    if (!top && is_even(s, v)) {
        double n = (double)(type_elements(&node->type) /
                            type_elements(&s->node->type));
        Value slice = even_slice(s, v);
        return build_binary(g, OP_MUL, slice, build_const_like(g, slice, n));
    }
    if (!top && sum_exists(s, v)) {
        IntList axes = s->node->attrs[AXES_AXES].ints;
        return build_reduce(g, OP_REDUCE_SUM, s->rewrite->map[v], axes.count,
                            axes.at);
    }
    if (node->op == OP_NEG)
        return build_unary(g, OP_NEG, make_sum(s, in[0], false));
    if (node->op == OP_MUL) {
        int even = !is_even(s, in[0]);
        Value factor = even_slice(s, in[even]);
        return build_binary(g, OP_MUL, factor, make_sum(s, in[!even], false));
    }
    Value a = make_sum(s, in[0], false);
    return build_binary(g, node->op, a, make_sum(s, in[1], false));
}

static Value sum_terms(Rewrite *rewrite, const Node *node)
{
    Sums *s = rewrite->context;
    if (node->op != OP_REDUCE_SUM)
        return NO_VALUE;
    s->rewrite = rewrite;
    s->node = graph_node(s->old, rewrite->old);
    s->axes = axis_set(node);
    s->terms_left = MOST_TERMS;
    Value summed = s->node->inputs[0];
    return can_sum(s, summed, true) ? make_sum(s, summed, true) : NO_VALUE;
}

void pass_sums(Graph *graph, const PassContext *context)
{
    Arena *scratch = context->scratch;
    // A dead node's sum would not exist for long.
    pass_dce(graph, context);
    // Once more for terms whose own sums have just been taken apart.
    enum { MOST_WALKS = 4 };
    for (int i = 0; i < MOST_WALKS; i++) {
        Graph old = *graph; // whose nodes stay while new ones are made
        Sums sums = {.old = &old, .readers = storage_readers(graph, scratch)};
        if (!rewrite_graph(graph, scratch, sum_terms, &sums))
            break;
    }
}
