// Images in blocks of b channels and weights in tiles of b x b channels
// (ir/image.h), the forms that direct convolutions are fast in; b is the
// target's. Conversions are
// ordinary nodes:
//   to blocks    reshape [n, c/b, b, h, w], transpose [0, 1, 3, 4, 2]
//   from blocks  transpose [0, 1, 4, 2, 3], reshape [n, c, h, w]
//   to tiles     reshape [o/b, b, c/b, b, kh, kw],
//                transpose [0, 2, 4, 5, 3, 1]
//   from tiles   transpose [0, 5, 1, 4, 2, 3], reshape [o, c, kh, kw]
// and a reshape alone where a plane of blocks is one pixel. So is that of the
// few channels of a first convolution, whose result is made in blocks.
//
// One walk over the nodes. Every value has up to three versions, each made when
// first asked for. Convolutions between whole blocks work on blocks and tiles;
// what reads an image that exists in blocks follows if it can, and asks for its
// other inputs in blocks; likewise weights in tiles. Everything else is plain,
// inputs and outputs among it. Params of floats whose channels fill tiles are
// stored in tiles, so that neither convolutions nor the optimizer convert them.
//
// Images of channels that do not fill their last block are in blocks, too, with
// spare lanes (layout.h), and their convolutions' weights are lengthened by
// zeros in each step. Elementwise ops compute spare lanes like others, and
// nothing reads them but sums over channels: reductions, which get zeros in
// their place, and convolutions, which multiply them by zero. For these they
// need be finite. What they hold follows, mostly, from the ops alone: where it
// does not they are replaced.
//
// Free nodes are held back until somebody asks, and made in each form that is
// asked for: constants, broadcasts, random numbers, and elementwise ops of
// nothing but these. To compute them twice is cheaper than to convert them.
#include "passes/layout.h"

#include "ir/base/diag.h"
#include "ir/build.h"
#include "ir/image.h"
#include "passes/all.h"

// Depth of a tree of free nodes, which recursion follows.
enum { MOST_FREE_DEPTH = 64 };

TensorType layout_type(const Layout *layout, const TensorType *plain, Form form)
{
    if (plain->rank != 4 || form == FORM_PLAIN)
        return *plain;
    if (form == FORM_TILED)
        return weights_tiled_type(plain, layout->block);
    TensorType whole = *plain;
    whole.dims[1] = layout_whole(layout, plain->dims[1]);
    return image_blocked_type(&whole, layout->block);
}

Value layout_reshape(Layout *layout, Value v, const TensorType *type)
{
    TensorType wanted = *type;
    if (type_equal(graph_type(layout->graph, v), &wanted))
        return v;
    const Node *node = graph_node(layout->graph, v);
    if (node->op == OP_RESHAPE)
        return layout_reshape(layout, node->inputs[0], &wanted);
    return build_reshape_to(layout->graph, v, &wanted);
}

// ---- conversions ------------------------------------------------------------

Value layout_lengthen(Layout *layout, Value v, const TensorType *type)
{
    const TensorType *from = graph_type(layout->graph, v);
    int64_t low[MAX_RANK] = {0}, high[MAX_RANK];
    for (int i = 0; i < type->rank; i++)
        high[i] = type->dims[i] - from->dims[i];
    return type_equal(from, type) ? v
                                  : build_pad(layout->graph, v, low, high, 0);
}

Value layout_shorten(Layout *layout, Value v, const TensorType *type)
{
    const int64_t start[MAX_RANK] = {0};
    return type_equal(graph_type(layout->graph, v), type)
               ? v
               : build_slice(layout->graph, v, start, type->dims);
}

static bool is_one_pixel(const TensorType *type)
{
    return type->dims[2] == 1 && type->dims[3] == 1;
}

static Value to_blocks(Layout *layout, Value v, const TensorType *plain)
{
    TensorType type = layout_type(layout, plain, FORM_BLOCKED), whole = *plain;
    whole.dims[1] = layout_whole(layout, plain->dims[1]);
    v = layout_lengthen(layout, v, &whole);
    if (is_one_pixel(plain))
        return layout_reshape(layout, v, &type);
    const int64_t perm[] = {0, 1, 3, 4, 2};
    TensorType split = type_make(plain->dtype, 5, type.dims);
    split.dims[2] = layout->block;
    split.dims[3] = plain->dims[2];
    split.dims[4] = plain->dims[3];
    v = layout_reshape(layout, v, &split);
    return build_transpose_to(layout->graph, v, perm, FORM_BLOCKED);
}

static Value to_tiles(Layout *layout, Value v, const TensorType *plain)
{
    const int64_t perm[] = {0, 2, 4, 5, 3, 1};
    TensorType split = type_make(
        plain->dtype, 6,
        (const int64_t[]){plain->dims[0] / layout->block, layout->block,
                          plain->dims[1] / layout->block, layout->block,
                          plain->dims[2], plain->dims[3]});
    v = layout_reshape(layout, v, &split);
    return build_transpose_to(layout->graph, v, perm, FORM_TILED);
}

Value layout_convert_to(Layout *layout, Value v, const TensorType *plain,
                        Form form)
{
    return form == FORM_TILED ? to_tiles(layout, v, plain)
                              : to_blocks(layout, v, plain);
}

Value layout_convert_from(Layout *layout, Value v, const TensorType *plain,
                          Form form)
{
    const int64_t blocks[] = {0, 1, 4, 2, 3}, tiles[] = {0, 5, 1, 4, 2, 3};
    if (form == FORM_TILED || !is_one_pixel(plain))
        v = build_transpose(layout->graph, v,
                            form == FORM_TILED ? tiles : blocks);
    TensorType whole = *plain;
    if (form == FORM_BLOCKED)
        whole.dims[1] = layout_whole(layout, plain->dims[1]);
    return layout_shorten(layout, layout_reshape(layout, v, &whole), plain);
}

// ---- versions ---------------------------------------------------------------

static bool has_version(const Layout *layout, Value old, Form form)
{
    return layout->versions[form][old] != NO_VALUE;
}

bool layout_any_input(const Layout *layout, const Node *node, Form form)
{
    for (int i = 0; i < node->input_count; i++) {
        Value input = node->inputs[i];
        if (has_version(layout, input, form) && !layout->free_depth[input])
            return true;
    }
    return false;
}

Value layout_copy_plain(Layout *layout, const Node *node)
{
    Arena *arena = layout->graph->arena;
    Node copy = *node;
    Value *inputs = ARENA_ARRAY(arena, Value, node->input_count);
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = layout_value(layout, node->inputs[i], FORM_PLAIN);
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

static Value plain_version(Layout *layout, Value old)
{
    const Node *node = layout_node(layout, old);
    for (int form = FORM_PLAIN + 1; form < FORM_COUNT; form++)
        if (!layout->free_depth[old] && has_version(layout, old, (Form)form))
            return layout_convert_from(layout, layout->versions[form][old],
                                       &node->type, (Form)form);
    return layout_copy_plain(layout, node);
}

static Value other_version(Layout *layout, Value old, Form form)
{
    const Node *node = layout_node(layout, old);
    if (layout->free_depth[old]) {
        Value v = layout_make(layout, node, form);
        if (form == FORM_BLOCKED)
            layout->spare[old] = layout_spare(layout, node);
        return v;
    }
    if (form == FORM_BLOCKED)
        layout->spare[old] = 0;
    return layout_convert_to(layout, layout_value(layout, old, FORM_PLAIN),
                             &node->type, form);
}

Value layout_value(Layout *layout, Value old, Form form)
{
    if (has_version(layout, old, form))
        return layout->versions[form][old];
    const Node *node = layout_node(layout, old);
    NodeOrigin origin = layout->graph->origin;
    layout->graph->origin = node->origin;
    Value v = form == FORM_PLAIN ? plain_version(layout, old)
                                 : other_version(layout, old, form);
    layout->graph->origin = origin;
    TensorType type = layout_type(layout, &node->type, form);
    return layout->versions[form][old] = check_type(layout, v, &type);
}

// ---- the walk ---------------------------------------------------------------

static int free_depth(const Layout *layout, const Node *node)
{
    if (!layout_can_block(layout, &node->type))
        return 0;
    bool leaf = node->op == OP_CONST || node->op == OP_BROADCAST ||
                node->op == OP_RANDOM;
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
static bool opens_blocks(const Layout *layout, const Node *node)
{
    return node->op == OP_CONV2D && node->type.dtype == DT_F32 &&
           layout_can_block(layout, &node->type);
}

static void place_node(Layout *layout, Value old)
{
    const Node *node = layout_node(layout, old);
    layout->free_depth[old] = free_depth(layout, node);
    layout->finite[old] = layout_is_finite(layout, node);
    if (layout->free_depth[old])
        return;
    Form form = layout_wanted(layout, node);
    if (form == FORM_PLAIN) {
        layout_value(layout, old, FORM_PLAIN);
        if (opens_blocks(layout, node))
            layout_value(layout, old, FORM_BLOCKED);
        return;
    }
    layout->graph->origin = node->origin;
    Value v = layout_make(layout, node, form);
    if (layout_gives_plain(layout, node))
        form = FORM_PLAIN;
    if (form == FORM_BLOCKED)
        layout->spare[old] = layout_spare(layout, node);
    TensorType type = layout_type(layout, &node->type, form);
    layout->versions[form][old] = check_type(layout, v, &type);
}

static bool has_work(const Layout *layout)
{
    for (Value v = 0; v < layout->old->nodes.count; v++)
        if (layout_is_tiled_param(layout, layout_node(layout, v)) ||
            layout_is_blocked_conv(layout, layout_node(layout, v)))
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

void pass_layout(Graph *graph, const PassContext *context)
{
    Arena *scratch = context->scratch;
    int count = graph->nodes.count;
    Layout layout = {.old = graph,
                     .graph = graph_new(graph->arena, graph->name),
                     .scratch = scratch,
                     .block = context->block,
                     .free_depth = ARENA_ARRAY(scratch, int, count)};
    if (layout.block <= 1 || !has_work(&layout))
        return;
    for (int form = 0; form < FORM_COUNT; form++)
        layout.versions[form] = no_values(scratch, count);
    layout.ready = ARENA_ARRAY(scratch, ReadyWeights, count);
    layout.spare = ARENA_ARRAY(scratch, double, count);
    layout.finite = ARENA_ARRAY(scratch, bool, count);
    for (Value v = 0; v < count; v++)
        layout.ready[v].value = NO_VALUE;
    for (Value v = 0; v < count; v++)
        place_node(&layout, v);
    for (int i = 0; i < graph->outputs.count; i++) {
        Output *output = &graph->outputs.at[i];
        output->value = layout_value(&layout, output->value, FORM_PLAIN);
    }
    graph->nodes = layout.graph->nodes;
    pass_dce(graph, context); // versions made that nobody came to read
}
