// Activations and their gradients in bf16: storage in bf16, arithmetic in f32.
//
// Runs last, when it is known what is stored: a value that a kernel keeps in
// registers stays as it is, and one that another kernel reads is rounded where
// it is written and widened where it is read, by casts that belong to these
// kernels and become their stores and loads. Convolutions of images in blocks
// and pools take and give bf16 themselves (their sums are of f32); what else
// wants f32 gets it by a cast of its own.
//
// Where the target multiplies bf16 faster than f32, convolutions between images
// in blocks have their weights rounded, too (PassContext.products).
//
// What is stored so: results of convolutions and pools (the column `image` of
// ops.def), what elementwise ops make of them (`each`), what is moved (`view`),
// and what a convolution reads. Everything else stays f32: weights, their
// gradients, sums, statistics, optimizers and moving averages, products of
// matrices and the losses made of them; and outputs.
#include "passes/all.h"
#include "passes/storage.h"
#include "ir/base/diag.h"
#include "ir/build.h"
#include "ir/conv.h"

typedef struct Precision {
    Graph *graph; // the old nodes
    Graph *copy;  // the new ones
    // By old value.
    bool *carries; // may be stored in bf16
    bool *stored;  // read outside its kernel, by kernels alone
    bool *output;
    Value *wide;   // in the new graph, f32 (or bool); NO_VALUE: bf16 alone
    Value *narrow; // in the new graph, bf16; NO_VALUE: there is none
    // The f32 version of `narrow` that a group has for itself.
    Value *widened;
    int *widened_in;
    ConvBf16 products;
    const Node *node; // of the old graph, which is being made
    int group;        // of the new one, 0 = none
    int groups;       // numbers given
} Precision;

// ---- a rule for each op -----------------------------------------------------

typedef bool CarriesRule(const Precision *p, const Node *node);

static bool is_f32(const Precision *p, Value v)
{
    return graph_type(p->graph, v)->dtype == DT_F32;
}

static bool precision_full(const Precision *p, const Node *node)
{
    (void)p, (void)node;
    return false;
}

static bool precision_view(const Precision *p, const Node *node)
{
    for (int i = 0; i < node->input_count; i++)
        if (p->carries[node->inputs[i]])
            return true;
    return false;
}

static bool precision_each(const Precision *p, const Node *node)
{
    return precision_view(p, node);
}

// Which input of a convolution or pool is data; weights are none.
static bool is_data(const Node *node, int input)
{
    return !conv_is(node) || input != conv_weights_input(node->op);
}

// Whether the op takes and gives bf16: an image op of f32, convolutions to and
// from blocks. Pools go where their input does.
static bool takes_bf16(const Precision *p, const Node *node)
{
    if (node->type.dtype != DT_F32)
        return false;
    if (!conv_is(node))
        return p->carries[node->inputs[0]];
    ConvGeometry conv = conv_geometry(p->graph, node);
    return conv.x.form == FORM_BLOCKED || conv.x.form == FORM_PLANES;
}

// Gradients by weights are the weights' own.
static bool precision_image(const Precision *p, const Node *node)
{
    return conv_is(node) ? node->op != OP_CONV2D_GRAD_W : takes_bf16(p, node);
}

static CarriesRule *const rules[OP_COUNT] = {
#define OP(id, text, in, attrs, shape, grad, eval, rows, layout, precision,    \
           ...)                                                                \
    [OP_##id] = precision_##precision,
#include "ir/ops.def"
#undef OP
};

static bool is_image_op(const Node *node)
{
    return rules[node->op] == precision_image;
}

// ---- what is stored in bf16 -------------------------------------------------

static bool same_kernel(const Graph *graph, Value a, Value b)
{
    int group = graph_node(graph, a)->group;
    return group > 0 && group == graph_node(graph, b)->group;
}

static bool is_map(const Node *node)
{
    return op_info(node->op)->lower == LOWER_MAP && node->op != OP_ASSIGN;
}

static void find_carriers(Precision *p)
{
    const Graph *graph = p->graph;
    for (int i = 0; i < graph->outputs.count; i++)
        p->output[graph->outputs.at[i].value] = true;
    // What convolutions read, where an elementwise op makes it.
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        for (int i = 0; i < node->input_count; i++) {
            if (!same_kernel(graph, node->inputs[i], v))
                p->stored[node->inputs[i]] = true;
            Value root = storage_root(graph, node->inputs[i]);
            if (conv_is(node) && is_data(node, i) && is_f32(p, root) &&
                takes_bf16(p, node) && is_map(graph_node(graph, root)))
                p->carries[root] = true;
        }
    }
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        // Masks lead from an activation to its gradient.
        bool fits = node->type.dtype == DT_F32 || node->type.dtype == DT_BOOL;
        p->carries[v] = fits && (p->carries[v] || rules[node->op](p, node));
    }
}

// ---- the new graph ----------------------------------------------------------

static Value append(Precision *p, const Node *node, const Value *inputs,
                    const Attr *attrs, int group)
{
    p->copy->origin = node->origin;
    Value v = graph_add(p->copy, node->op, node->input_count, inputs, attrs,
                        &node->type);
    if (v == NO_VALUE)
        INTERNAL_ERROR("precision: %s", p->copy->error);
    graph_node(p->copy, v)->group = group;
    return v;
}

// Rounding belongs to the line of the source that made the value, widening to
// the one that reads it.
static Value append_cast(Precision *p, Value v, DType dtype, int group)
{
    p->copy->origin =
        dtype == DT_BF16 ? graph_node(p->copy, v)->origin : p->node->origin;
    Value cast = build_cast(p->copy, v, dtype);
    graph_node(p->copy, cast)->group = group;
    return cast;
}

// The group of the node being made, which gets company.
static int want_group(Precision *p)
{
    if (!p->group)
        p->group = ++p->groups;
    return p->group;
}

// In f32: as it is, or widened by the kernel that reads it (`fused`), or by a
// kernel of its own.
static Value wide_input(Precision *p, Value input, bool fused)
{
    if (p->wide[input] != NO_VALUE)
        return p->wide[input];
    if (!fused)
        return append_cast(p, p->narrow[input], DT_F32, 0);
    int group = want_group(p);
    if (p->widened_in[input] != group) {
        p->widened[input] = append_cast(p, p->narrow[input], DT_F32, group);
        p->widened_in[input] = group;
    }
    return p->widened[input];
}

static Value narrow_input(Precision *p, Value input)
{
    if (p->narrow[input] == NO_VALUE)
        p->narrow[input] = append_cast(p, p->wide[input], DT_BF16, 0);
    return p->narrow[input];
}

// Weights of a convolution: rounded, where it multiplies in bf16, by each for
// itself, so that they need not be kept.
static Value weights_input(Precision *p, const Node *node, Value input)
{
    Value weights = wide_input(p, input, false);
    ConvGeometry conv = conv_geometry(p->graph, node);
    return conv_multiplies_bf16(&conv, p->products)
               ? append_cast(p, weights, DT_BF16, 0)
               : weights;
}

// A node that takes its inputs in bf16, weights as it wants them.
static void make_narrow(Precision *p, Value v, const Node *node, Value *inputs)
{
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = is_data(node, i) ? narrow_input(p, node->inputs[i])
                                     : weights_input(p, node, node->inputs[i]);
    Value made = append(p, node, inputs, node->attrs, p->group);
    if (graph_type(p->copy, made)->dtype == DT_BF16)
        p->narrow[v] = made;
    else
        p->wide[v] = made;
}

// Whether bf16 is all there is of them.
static bool all_narrow(const Precision *p, const Node *node)
{
    for (int i = 0; i < node->input_count; i++)
        if (p->wide[node->inputs[i]] != NO_VALUE)
            return false;
    return node->input_count > 0;
}

static void make_wide(Precision *p, Value v, const Node *node, Value *inputs)
{
    LowerClass class = op_info(node->op)->lower;
    bool loops = class == LOWER_MAP || class == LOWER_REDUCE;
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = wide_input(p, node->inputs[i], loops);
    bool rounds = p->carries[v] && p->stored[v] && !p->output[v] &&
                  node->type.dtype == DT_F32 && storage_has_kernel(node);
    // An image op that gives f32 alone is rounded by its epilogue, which pools
    // have none of.
    bool fused = rounds && (is_map(node) || conv_is(node));
    int group = fused ? want_group(p) : p->group;
    p->wide[v] = append(p, node, inputs, node->attrs, group);
    if (!rounds)
        return;
    p->narrow[v] = append_cast(p, p->wide[v], DT_BF16, fused ? group : 0);
}

static void make_node(Precision *p, Value v, Value *inputs)
{
    const Node *node = graph_node(p->graph, v);
    p->node = node;
    p->group = node->group;
    bool moves = rules[node->op] == precision_view && all_narrow(p, node);
    if (moves || (is_image_op(node) && takes_bf16(p, node)))
        make_narrow(p, v, node, inputs);
    else
        make_wide(p, v, node, inputs);
}

// Outside its kernel a rounded value is read in bf16 alone.
static void forget_wide(Precision *p, Value first, Value last)
{
    for (Value v = first; v <= last; v++)
        if (p->narrow[v] != NO_VALUE)
            p->wide[v] = NO_VALUE;
}

void pass_precision(Graph *graph, const PassContext *context)
{
    if (!context->bf16)
        return;
    Arena *scratch = context->scratch;
    int count = graph->nodes.count, widest = 1;
    Precision p = {.graph = graph,
                   .copy = graph_new(graph->arena, graph->name),
                   .products = context->products,
                   .carries = ARENA_ARRAY(scratch, bool, count + 1),
                   .stored = ARENA_ARRAY(scratch, bool, count + 1),
                   .output = ARENA_ARRAY(scratch, bool, count + 1),
                   .wide = ARENA_ARRAY(scratch, Value, count + 1),
                   .narrow = ARENA_ARRAY(scratch, Value, count + 1),
                   .widened = ARENA_ARRAY(scratch, Value, count + 1),
                   .widened_in = ARENA_ARRAY(scratch, int, count + 1)};
    for (Value v = 0; v < count; v++) {
        const Node *node = graph_node(graph, v);
        p.wide[v] = p.narrow[v] = NO_VALUE;
        if (node->group > p.groups)
            p.groups = node->group;
        if (node->input_count > widest)
            widest = node->input_count;
    }
    find_carriers(&p);
    Value *inputs = ARENA_ARRAY(scratch, Value, widest);
    for (Value v = 0; v < count; v++) {
        int group = graph_node(graph, v)->group;
        Value first = v;
        make_node(&p, v, inputs);
        while (group && v + 1 < count &&
               graph_node(graph, v + 1)->group == group)
            make_node(&p, ++v, inputs);
        forget_wide(&p, first, v);
    }
    for (int i = 0; i < graph->outputs.count; i++) {
        Value *value = &graph->outputs.at[i].value;
        p.node = graph_node(graph, *value);
        *value = wide_input(&p, *value, false);
    }
    graph->nodes = p.copy->nodes;
    graph->spare = NULL;
    graph->spare_capacity = 0;
}
