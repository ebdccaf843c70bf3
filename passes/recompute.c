// Cheap values are made again where they are read rather than stored. In a
// normalisation, x - mean, its multiple by 1 / sigma, the affine map and relu's
// mask are each one pointwise function of the single tensor x and a few
// per-channel numbers: the backward part can have them all for one read of x.
//
// Which reads cross from kernel to kernel is known after fusion only, so the
// pass schedules and fuses first, reads off the groups, and clones into them;
// schedule and fuse then run on the result as they would have.
//
// The base of a cheap map is the one tensor it is a function of, besides
// constants, iotas and broadcasts of much smaller tensors. A value v with base
// b is cloned into another kernel that reads it
//   (a) when all readers in other kernels can have clones, so that v is never
//       stored, and b is stored anyway, or
//   (b) when that kernel reads b anyway: a read less.
// A clone must not prolong b's life by more bytes than it saves. Functions that
// take a polynomial, such as erf in gelu, take about as long as a tensor's trip
// to memory and back, so that (b) would gain nothing by them; (a) halves what a
// net with such activations keeps for its backward part.
#include "ir/base/diag.h"
#include "passes/all.h"
#include "passes/rewrite.h"
#include "passes/storage.h"

enum {
    // Arithmetic is cheaper than memory, up to a point: a batch norm and a
    // sigmoid.
    MOST_OPS = 12,
    HEAVY_OPS = 4,     // what a function counts for, against a light op
    SMALL_FACTOR = 8,  // "much smaller"
    FEW_ELEMENTS = 64, // not worth the trouble below
    NO_BASE = -2,      // a function of constants and small tensors only
};

typedef struct Recompute {
    const Graph *old; // scheduled and fused
    ReaderTable readers;
    Value *base;     // by value: itself where it is not cheap
    int *ops;        // by value: maps between it and its base, weighed
    bool *heavy;     // by value: some of them are functions
    bool *unstored;  // (a) holds
    bool *stored;    // something but clonable reads wants it in memory
    Value *last;     // by value: last node that reads its bytes
    Value *read_by;  // by value: a kernel known to read it (the latest asked)
    Value *clone;    // by value: its clone, in the new graph ...
    int *clone_unit; // ... for this kernel
    int unit;        // the kernel being rewritten
} Recompute;

static const Node *node_of(const Recompute *r, Value v)
{
    return graph_node(r->old, v);
}

// Kernels by number: a group's, or a lone node's own.
static int unit_of(const Recompute *r, Value v)
{
    int group = node_of(r, v)->group;
    return group ? group : -1 - v;
}

static int64_t bytes_of(const Recompute *r, Value v)
{
    const TensorType *type = &node_of(r, v)->type;
    return type_elements(type) * dtype_size(type->dtype);
}

// ---- bases ------------------------------------------------------------------

// Whether reading v costs next to nothing beside a tensor of v's dims.
static bool is_free(const Recompute *r, Value v)
{
    const Node *node = node_of(r, v);
    if (node->op == OP_CONST || node->op == OP_IOTA)
        return true;
    Value root = storage_root(r->old, v);
    return root != v && type_elements(&node_of(r, root)->type) * SMALL_FACTOR <=
                            type_elements(&node->type);
}

static void find_bases(Recompute *r)
{
    for (Value v = 0; v < r->old->nodes.count; v++) {
        const Node *node = node_of(r, v);
        Value base = NO_BASE;
        bool heavy = !op_has(node->op, TRAIT_LIGHT);
        int ops = heavy ? HEAVY_OPS : 1;
        bool one = op_has(node->op, TRAIT_ELEMENTWISE);
        for (int i = 0; one && i < node->input_count; i++) {
            Value input = node->inputs[i];
            if (is_free(r, input))
                continue;
            ops += r->ops[input];
            heavy |= r->heavy[input];
            one = base == NO_BASE || r->base[input] == NO_BASE ||
                  base == r->base[input];
            if (base == NO_BASE)
                base = r->base[input];
        }
        one = one && ops <= MOST_OPS;
        r->base[v] = one ? base : v;
        r->ops[v] = one ? ops : 0;
        r->heavy[v] = one && heavy;
    }
}

// ---- which reads to replace -------------------------------------------------

// Whether `reader` may have a clone of v instead: it reads elements one by one
// and is in another kernel.
static bool is_clonable_read(const Recompute *r, Value v, Value reader)
{
    LowerClass class = op_info(node_of(r, reader)->op)->lower;
    return r->base[v] != v && unit_of(r, v) != unit_of(r, reader) &&
           type_elements(&node_of(r, v)->type) >= FEW_ELEMENTS &&
           (class == LOWER_MAP || class == LOWER_REDUCE);
}

// What is in memory whatever is cloned: what no map makes, and what other
// kernels read by views, moves or products. Also how long bytes are read.
static void find_stored(Recompute *r)
{
    for (Value v = 0; v < r->old->nodes.count; v++) {
        const Node *node = node_of(r, v);
        r->stored[v] |= op_info(node->op)->lower != LOWER_MAP;
        for (int i = 0; i < node->input_count; i++) {
            Value input = node->inputs[i];
            r->last[storage_root(r->old, input)] = v;
            r->stored[input] |= unit_of(r, v) != unit_of(r, input) &&
                                !is_clonable_read(r, input, v);
        }
    }
}

static Value last_clonable_read(const Recompute *r, Value v)
{
    Value last = NO_VALUE;
    for (int i = r->readers.first[v]; i < r->readers.first[v + 1]; i++)
        if (is_clonable_read(r, v, r->readers.at[i]))
            last = r->readers.at[i];
    return last;
}

// A base in memory that lives until `reader` anyway, or is no larger than v. An
// assigned param would have to wait for the clone before its update.
static bool base_serves(const Recompute *r, Value v, Value reader)
{
    Value base = r->base[v];
    if (base == NO_BASE)
        return true;
    return r->stored[base] && node_of(r, base)->op != OP_PARAM &&
           (r->last[base] >= reader || bytes_of(r, base) <= bytes_of(r, v));
}

static void find_unstored(Recompute *r)
{
    for (Value v = 0; v < r->old->nodes.count; v++) {
        Value last = last_clonable_read(r, v);
        r->unstored[v] =
            last != NO_VALUE && !r->stored[v] && base_serves(r, v, last);
    }
}

// ---- clones -----------------------------------------------------------------

// v as the kernel being rewritten can make it, in the new graph: a chain of
// maps from the base. Recursion ends after MOST_OPS.
static Value make_clone(Recompute *r, Rewrite *rewrite, Value v)
{
    if (r->base[v] == v || is_free(r, v))
        return rewrite->map[v];
    if (r->clone_unit[v] == r->unit && r->clone[v] != NO_VALUE)
        return r->clone[v];
    Node node = *node_of(r, v);
    Value *inputs = ARENA_ARRAY(rewrite->graph->arena, Value, node.input_count);
    for (int i = 0; i < node.input_count; i++)
        inputs[i] = make_clone(r, rewrite, node.inputs[i]);
    node.inputs = inputs;
    r->clone[v] = rewrite_keep(rewrite, &node);
    r->clone_unit[v] = r->unit;
    return r->clone[v];
}

// Notes what the kernel of `first` reads once clones have replaced what they
// can: bases of type (a) clones, and what it reads directly otherwise.
static void note_reads(Recompute *r, Value first)
{
    int unit = unit_of(r, first);
    for (Value v = first; v < r->old->nodes.count && unit_of(r, v) == unit;
         v++) {
        const Node *node = node_of(r, v);
        for (int i = 0; i < node->input_count; i++) {
            Value input = node->inputs[i];
            bool cloned = r->unstored[input] && is_clonable_read(r, input, v);
            if (cloned && r->base[input] != NO_BASE)
                r->read_by[r->base[input]] = first;
            else if (!cloned)
                r->read_by[input] = first;
        }
    }
}

static bool wants_clone(const Recompute *r, Value v, Value reader, Value first)
{
    if (!is_clonable_read(r, v, reader))
        return false;
    if (r->unstored[v])
        return true;
    return !r->heavy[v] && r->base[v] != NO_BASE &&
           r->read_by[r->base[v]] == first && base_serves(r, v, reader);
}

typedef struct RecomputeContext {
    Recompute *r;
    Value first; // first node of the kernel being rewritten
} RecomputeContext;

static Value clone_inputs(Rewrite *rewrite, const Node *node)
{
    RecomputeContext *context = rewrite->context;
    Recompute *r = context->r;
    Value reader = rewrite->old;
    if (reader == 0 || r->unit != unit_of(r, reader)) {
        r->unit = unit_of(r, reader);
        context->first = reader;
        note_reads(r, reader);
    }
    const Value *old = node_of(r, reader)->inputs;
    Value *inputs = NULL;
    for (int i = 0; i < node->input_count; i++) {
        if (!wants_clone(r, old[i], reader, context->first))
            continue;
        if (!inputs) {
            inputs =
                ARENA_ARRAY(rewrite->graph->arena, Value, node->input_count);
            memcpy(inputs, node->inputs,
                   sizeof *inputs * (size_t)node->input_count);
        }
        inputs[i] = make_clone(r, rewrite, old[i]);
    }
    if (!inputs)
        return NO_VALUE;
    Node changed = *node;
    changed.inputs = inputs;
    return rewrite_keep(rewrite, &changed);
}

void pass_recompute(Graph *graph, const PassContext *context)
{
    Arena *scratch = context->scratch;
    pass_dce(graph, context);
    pass_schedule(graph, context);
    pass_fuse(graph, context);
    Graph old = *graph; // whose nodes stay while new ones are made
    int size = old.nodes.count + 1;
    Recompute r = {.old = &old,
                   .readers = storage_readers(graph, scratch),
                   .base = ARENA_ARRAY(scratch, Value, size),
                   .ops = ARENA_ARRAY(scratch, int, size),
                   .heavy = ARENA_ARRAY(scratch, bool, size),
                   .unstored = ARENA_ARRAY(scratch, bool, size),
                   .stored = ARENA_ARRAY(scratch, bool, size),
                   .last = ARENA_ARRAY(scratch, Value, size),
                   .read_by = ARENA_ARRAY(scratch, Value, size),
                   .clone = ARENA_ARRAY(scratch, Value, size),
                   .clone_unit = ARENA_ARRAY(scratch, int, size)};
    for (Value v = 0; v < old.nodes.count; v++)
        r.clone[v] = r.read_by[v] = NO_VALUE;
    for (int i = 0; i < old.outputs.count; i++)
        r.stored[old.outputs.at[i].value] = true;
    find_bases(&r);
    find_stored(&r);
    find_unstored(&r);
    RecomputeContext clones = {&r, NO_VALUE};
    rewrite_graph(graph, scratch, clone_inputs, &clones);
    pass_dce(graph, context);
}
