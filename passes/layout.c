// Images in blocks of 16 channels (ir/image.h), the form that direct
// convolutions are fast in. Conversions are ordinary nodes:
//   to blocks    reshape [n, c/16, 16, h, w], transpose [0, 1, 3, 4, 2]
//   from blocks  transpose [0, 1, 4, 2, 3], reshape [n, c, h, w]
// and a reshape alone where a plane is one pixel. So is that of the few
// channels of a first convolution, whose result is made in blocks.
//
// One walk over the nodes. Every value has up to two versions, each made when
// first asked for. Convolutions between whole blocks work on blocks; what reads
// an image that exists in blocks follows if it can, and asks for its other
// inputs in blocks; everything else reads plain images. Params, inputs, assigns
// and outputs are plain.
//
// Free nodes are held back until somebody asks, and made in each form that is
// asked for: constants, broadcasts, and elementwise ops of nothing but these.
// To compute them twice is cheaper than to convert them.
#include "passes/layout.h"

#include "ir/base/diag.h"
#include "ir/build.h"
#include "passes/all.h"

// Depth of a tree of free nodes, which recursion follows.
enum { MOST_FREE_DEPTH = 16 };

TensorType layout_blocked_type(const TensorType *plain)
{
    TensorType type = *plain;
    if (type.rank != 4)
        return type;
    type.rank = 5;
    type.dims[1] /= LAYOUT_BLOCK;
    type.dims[4] = LAYOUT_BLOCK;
    return type;
}

Value layout_reshape(Layout *layout, Value v, const TensorType *type)
{
    TensorType wanted = *type;
    if (type_same_dims(graph_type(layout->graph, v), &wanted))
        return v;
    const Node *node = graph_node(layout->graph, v);
    if (node->op == OP_RESHAPE)
        return layout_reshape(layout, node->inputs[0], &wanted);
    return build_reshape(layout->graph, v, wanted.rank, wanted.dims);
}

// ---- conversions ------------------------------------------------------------

static bool is_one_pixel(const TensorType *type)
{
    return type->dims[2] == 1 && type->dims[3] == 1;
}

static Value convert_to_blocks(Layout *layout, Value v, const TensorType *plain)
{
    TensorType type = layout_blocked_type(plain);
    if (is_one_pixel(plain))
        return layout_reshape(layout, v, &type);
    const int64_t perm[] = {0, 1, 3, 4, 2};
    TensorType split = type_make(plain->dtype, 5, type.dims);
    split.dims[2] = LAYOUT_BLOCK;
    split.dims[3] = plain->dims[2];
    split.dims[4] = plain->dims[3];
    v = layout_reshape(layout, v, &split);
    return build_transpose(layout->graph, v, perm);
}

static Value convert_from_blocks(Layout *layout, Value v,
                                 const TensorType *plain)
{
    const int64_t perm[] = {0, 1, 4, 2, 3};
    if (!is_one_pixel(plain))
        v = build_transpose(layout->graph, v, perm);
    return layout_reshape(layout, v, plain);
}

// ---- versions ---------------------------------------------------------------

static Value copy_plain(Layout *layout, const Node *node)
{
    Arena *arena = layout->graph->arena;
    Node copy = *node;
    Value *inputs = ARENA_ARRAY(arena, Value, node->input_count);
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = layout_plain(layout, node->inputs[i]);
    copy.inputs = inputs;
    copy.group = 0;
    vec_push(arena, &layout->graph->nodes, copy);
    return layout->graph->nodes.count - 1;
}

static Value check_type(const Layout *layout, Value v, const TensorType *type)
{
    INTERNAL_CHECK(type_equal(graph_type(layout->graph, v), type));
    return v;
}

Value layout_plain(Layout *layout, Value old)
{
    if (layout->plain[old] != NO_VALUE)
        return layout->plain[old];
    const Node *node = layout_node(layout, old);
    NodeOrigin origin = layout->graph->origin;
    layout->graph->origin = node->origin;
    Value v =
        layout->free_depth[old] || !layout_has_blocked(layout, old)
            ? copy_plain(layout, node)
            : convert_from_blocks(layout, layout->blocked[old], &node->type);
    layout->graph->origin = origin;
    return layout->plain[old] = check_type(layout, v, &node->type);
}

Value layout_blocked(Layout *layout, Value old)
{
    if (layout_has_blocked(layout, old))
        return layout->blocked[old];
    const Node *node = layout_node(layout, old);
    TensorType type = layout_blocked_type(&node->type);
    NodeOrigin origin = layout->graph->origin;
    layout->graph->origin = node->origin;
    Value v = layout->free_depth[old] || layout->plain[old] == NO_VALUE
                  ? layout_make_blocked(layout, node)
                  : convert_to_blocks(layout, layout->plain[old], &node->type);
    layout->graph->origin = origin;
    return layout->blocked[old] = check_type(layout, v, &type);
}

// ---- the walk ---------------------------------------------------------------

static int free_depth(const Layout *layout, const Node *node)
{
    if (!layout_can_block(&node->type))
        return 0;
    bool leaf = node->op == OP_CONST || node->op == OP_BROADCAST;
    if (!leaf && (!op_has(node->op, TRAIT_ELEMENTWISE) ||
                  op_has(node->op, TRAIT_EFFECT)))
        return 0;
    int depth = 0;
    for (int i = 0; i < node->input_count; i++) {
        int input = layout->free_depth[node->inputs[i]];
        if (!leaf && !input)
            return 0;
        depth = input > depth ? input : depth;
    }
    return depth < MOST_FREE_DEPTH ? depth + 1 : 0;
}

// A convolution of channels that fill no blocks gives whole ones: all that
// follows it is then done in blocks, and its one result converted rather than
// each of its readers' results.
static bool opens_blocks(const Node *node)
{
    return node->op == OP_CONV2D && node->type.dtype == DT_F32 &&
           layout_can_block(&node->type);
}

static void place_node(Layout *layout, Value old)
{
    const Node *node = layout_node(layout, old);
    layout->free_depth[old] = free_depth(layout, node);
    if (layout->free_depth[old])
        return;
    if (!layout_wants_blocked(layout, node)) {
        layout_plain(layout, old);
        if (opens_blocks(node))
            layout_blocked(layout, old);
    } else if (layout_gives_plain(node->op)) {
        layout->graph->origin = node->origin;
        Value v = layout_make_blocked(layout, node);
        layout->plain[old] = check_type(layout, v, &node->type);
    } else {
        layout_blocked(layout, old);
    }
}

static bool has_blocked_conv(const Layout *layout)
{
    for (Value v = 0; v < layout->old->nodes.count; v++)
        if (layout_is_blocked_conv(layout, layout_node(layout, v)))
            return true;
    return false;
}

static Value *no_values(Arena *scratch, int count)
{
    Value *values = ARENA_ARRAY(scratch, Value, count);
    for (int i = 0; i < count; i++)
        values[i] = NO_VALUE;
    return values;
}

void pass_layout(Graph *graph, Arena *scratch)
{
    int count = graph->nodes.count;
    Layout layout = {.old = graph,
                     .graph = graph_new(graph->arena, graph->name),
                     .scratch = scratch,
                     .plain = no_values(scratch, count),
                     .blocked = no_values(scratch, count),
                     .free_depth = ARENA_ARRAY(scratch, int, count)};
    if (!has_blocked_conv(&layout))
        return;
    for (Value v = 0; v < count; v++)
        place_node(&layout, v);
    for (int i = 0; i < graph->outputs.count; i++) {
        Output *output = &graph->outputs.at[i];
        output->value = layout_plain(&layout, output->value);
    }
    graph->nodes = layout.graph->nodes;
    pass_dce(graph, scratch); // versions made that nobody came to read
}
