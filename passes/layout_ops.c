// What each op looks like on blocked images; elementwise ones on weights in
// tiles, too.
#include "ir/base/diag.h"
#include "ir/build.h"
#include "ir/conv.h"
#include "passes/layout.h"

// Columns of a stem's kernel, whose rows are unrolled in machine code.
enum { MOST_STEM_COLS = 11 };

// Adds the node with other inputs and attributes.
static Value add_node(Layout *layout, const Node *node, const Value *inputs,
                      const Attr *attrs)
{
    Value v = graph_add(layout->graph, node->op, node->input_count, inputs,
                        attrs, NULL);
    if (v == NO_VALUE)
        INTERNAL_ERROR("blocked form is ill-typed: %s", layout->graph->error);
    return v;
}

static const TensorType *input_type(const Layout *layout, const Node *node,
                                    int i)
{
    return &layout_node(layout, node->inputs[i])->type;
}

static bool is_image(const TensorType *type)
{
    return type->rank == 4 && type->dtype == DT_F32;
}

static Value *inputs_in(Layout *layout, const Node *node, Form form)
{
    Value *inputs = ARENA_ARRAY(layout->scratch, Value, node->input_count);
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = layout_value(layout, node->inputs[i], form);
    return inputs;
}

static Value blocked_input(Layout *layout, const Node *node)
{
    return layout_value(layout, node->inputs[0], FORM_BLOCKED);
}

// ---- convolutions and pools -------------------------------------------------

// Whether the output channels fill blocks: those of the image that a
// convolution makes, or of the gradient it reads.
static bool fills_blocks(const Layout *layout, const ConvGeometry *conv)
{
    return is_image(conv->op == OP_CONV2D ? &conv->y : &conv->x) &&
           conv->w.dims[0] % layout->block == 0;
}

bool layout_is_blocked_conv(const Layout *layout, const Node *node)
{
    if (!conv_is(node))
        return false;
    ConvGeometry conv = conv_geometry(layout->old, node);
    return fills_blocks(layout, &conv) && layout_can_tile(layout, &conv.w);
}

// A convolution from planes to blocks (ir/image.h), or by its weights.
static bool is_stem(const Layout *layout, const Node *node)
{
    if (!conv_is(node) || node->op == OP_CONV2D_GRAD_X)
        return false;
    ConvGeometry conv = conv_geometry(layout->old, node);
    return fills_blocks(layout, &conv) && conv.w.dims[1] < layout->block &&
           conv.w.dims[3] <= MOST_STEM_COLS;
}

// The image as the convolution reads it: in blocks, or in planes.
static Value conv_image(Layout *layout, Value old)
{
    TensorType type = layout_node(layout, old)->type;
    if (layout_can_block(layout, &type))
        return layout_value(layout, old, FORM_BLOCKED);
    type.rank = 5;
    type.dims[4] = 1;
    type.form = FORM_PLANES;
    return layout_reshape(layout, layout_value(layout, old, FORM_PLAIN), &type);
}

static Value make_conv(Layout *layout, const Node *node)
{
    Value inputs[2];
    bool stem = is_stem(layout, node);
    int weights = conv_weights_input(node->op);
    for (int i = 0; i < 2; i++)
        inputs[i] = i != weights ? conv_image(layout, node->inputs[i])
                                 : layout_value(layout, node->inputs[i],
                                                stem ? FORM_PLAIN : FORM_TILED);
    Attr attrs[MAX_ATTRS];
    memcpy(attrs, node->attrs, sizeof attrs);
    TensorType type = layout_type(layout, &node->type,
                                  node->op != OP_CONV2D_GRAD_W ? FORM_BLOCKED
                                  : stem                       ? FORM_PLAIN
                                                               : FORM_TILED);
    if (node->op == OP_CONV2D) {
        attrs[CONV_BLOCK].i = stem ? layout->block : 0;
    } else {
        attrs[CONV_DIMS].ints = (IntList){type.rank, type.dims};
        attrs[CONV_FORM].i = type.form;
    }
    return add_node(layout, node, inputs, attrs);
}

static Value make_pool(Layout *layout, const Node *node)
{
    Attr attrs[MAX_ATTRS];
    memcpy(attrs, node->attrs, sizeof attrs);
    TensorType type = layout_type(layout, &node->type, FORM_BLOCKED);
    if (node->op == OP_SUM_POOL_GRAD) {
        attrs[POOL_DIMS].ints = (IntList){type.rank, type.dims};
        attrs[POOL_FORM].i = type.form;
    }
    return add_node(layout, node, inputs_in(layout, node, FORM_BLOCKED), attrs);
}

// ---- elementwise and constants ----------------------------------------------

static Value make_elementwise(Layout *layout, const Node *node, Form form)
{
    return add_node(layout, node, inputs_in(layout, node, form), node->attrs);
}

static Value make_const(Layout *layout, const Node *node, Form form)
{
    return build_const(layout->graph, layout_type(layout, &node->type, form),
                       node->attrs[CONST_VALUE].f);
}

// ---- broadcasts -------------------------------------------------------------

// The input's axis that becomes the channels, or its rank when there is none or
// it has a single channel.
static int channel_axis(const TensorType *type, IntList axes)
{
    for (int i = 0; i < axes.count; i++)
        if (axes.at[i] == 1 && type->dims[i] > 1)
            return i;
    return type->rank;
}

// The channels [.., c, ..] of a broadcast's input as [.., c / 16, .., 16].
static Value split_channels(Layout *layout, Value old, int at)
{
    TensorType type = layout_node(layout, old)->type;
    TensorType split = type_make(type.dtype, type.rank + 1, type.dims);
    int64_t perm[MAX_RANK], after = 1;
    for (int i = 0; i < type.rank; i++)
        perm[i] = i <= at ? i : i + 1;
    perm[type.rank] = at + 1;
    for (int i = at + 1; i < type.rank; i++)
        after *= type.dims[i];
    // The block goes last; where no element moves a reshape does that alone.
    int block = after == 1 ? type.rank : at + 1;
    for (int i = type.rank; i > block; i--)
        split.dims[i] = type.dims[i - 1];
    split.dims[at] /= layout->block;
    split.dims[block] = layout->block;
    Value v =
        layout_reshape(layout, layout_value(layout, old, FORM_PLAIN), &split);
    return after == 1 ? v : build_transpose(layout->graph, v, perm);
}

static Value make_broadcast(Layout *layout, const Node *node)
{
    Value from = node->inputs[0];
    TensorType type = layout_type(layout, &node->type, FORM_BLOCKED);
    const TensorType *old = input_type(layout, node, 0);
    IntList old_axes = node->attrs[BROADCAST_AXES].ints;
    int64_t axes[MAX_RANK];
    int count = old->rank, at = channel_axis(old, old_axes);
    memcpy(axes, old_axes.at, sizeof *axes * (size_t)count);
    Value v;
    if (at == old->rank)
        v = layout_value(layout, from, FORM_PLAIN);
    else if (old->rank == 4) // four axes of four: an image itself
        v = layout_value(layout, from, FORM_BLOCKED);
    else
        v = split_channels(layout, from, at);
    if (at < old->rank)
        axes[count++] = 4;
    return build_broadcast_to(layout->graph, v, &type, axes);
}

// ---- movements --------------------------------------------------------------

static bool is_whole(const Layout *layout, int64_t channels)
{
    return channels % layout->block == 0;
}

static Value make_slice(Layout *layout, const Node *node)
{
    int64_t start[5] = {0};
    memcpy(start, node->attrs[SLICE_START].ints.at, 4 * sizeof *start);
    start[1] /= layout->block;
    TensorType type = layout_type(layout, &node->type, FORM_BLOCKED);
    return build_slice(layout->graph, blocked_input(layout, node), start,
                       type.dims);
}

static Value make_pad(Layout *layout, const Node *node)
{
    int64_t low[5] = {0}, high[5] = {0};
    memcpy(low, node->attrs[PAD_LOW].ints.at, 4 * sizeof *low);
    memcpy(high, node->attrs[PAD_HIGH].ints.at, 4 * sizeof *high);
    low[1] /= layout->block;
    high[1] /= layout->block;
    return build_pad(layout->graph, blocked_input(layout, node), low, high,
                     node->attrs[PAD_VALUE].f);
}

// Whether all that moves are whole blocks of channels.
static bool moves_blocks(const Layout *layout, const Node *node)
{
    if (!layout_can_block(layout, &node->type))
        return false;
    for (int i = 0; i < node->input_count; i++)
        if (!layout_can_block(layout, input_type(layout, node, i)))
            return false;
    if (node->op == OP_SLICE)
        return is_whole(layout, node->attrs[SLICE_START].ints.at[1]);
    if (node->op == OP_PAD)
        return is_whole(layout, node->attrs[PAD_LOW].ints.at[1]);
    return true;
}

// ---- reductions -------------------------------------------------------------

static bool has_axis(IntList axes, int64_t axis)
{
    for (int i = 0; i < axes.count; i++)
        if (axes.at[i] == axis)
            return true;
    return false;
}

// Whether the result is a reshape of the plain one: the two axes of channels
// both go, or come to stand side by side.
static bool reduces_blocks(const Layout *layout, const Node *node)
{
    const TensorType *type = input_type(layout, node, 0);
    IntList axes = node->attrs[AXES_AXES].ints;
    if (has_axis(axes, 1))
        return true;
    for (int i = 2; i < 4; i++)
        if (type->dims[i] > 1 && !has_axis(axes, i))
            return false;
    return true;
}

static Value make_reduce(Layout *layout, const Node *node)
{
    IntList old = node->attrs[AXES_AXES].ints;
    int64_t axes[MAX_RANK];
    memcpy(axes, old.at, sizeof *axes * (size_t)old.count);
    int count = old.count;
    if (has_axis(old, 1))
        axes[count++] = 4;
    Value v = build_reduce(layout->graph, node->op, blocked_input(layout, node),
                           count, axes);
    return layout_reshape(layout, v, &node->type);
}

// ---- any op -----------------------------------------------------------------

bool layout_gives_plain(const Layout *layout, const Node *node)
{
    if (node->op == OP_CONV2D_GRAD_W)
        return is_stem(layout, node);
    return node->op == OP_REDUCE_SUM || node->op == OP_REDUCE_MAX;
}

static bool is_elementwise(Op op)
{
    return op == OP_ALL_SUM ||
           (op_has(op, TRAIT_ELEMENTWISE) && !op_has(op, TRAIT_EFFECT));
}

static bool wants_blocks(const Layout *layout, const Node *node)
{
    switch (node->op) {
    case OP_CONV2D:
    case OP_CONV2D_GRAD_X:
    case OP_CONV2D_GRAD_W:
        return layout_is_blocked_conv(layout, node) || is_stem(layout, node);
    case OP_MAX_POOL:
    case OP_MAX_POOL_GRAD:
    case OP_SUM_POOL:
    case OP_SUM_POOL_GRAD:
        return is_image(&node->type) && layout_can_block(layout, &node->type) &&
               layout_any_input(layout, node, FORM_BLOCKED);
    case OP_SLICE:
    case OP_PAD:
    case OP_CONCAT:
        return layout_any_input(layout, node, FORM_BLOCKED) &&
               moves_blocks(layout, node);
    case OP_REDUCE_SUM:
    case OP_REDUCE_MAX:
        return layout_any_input(layout, node, FORM_BLOCKED) &&
               reduces_blocks(layout, node);
    default:
        return is_elementwise(node->op) &&
               layout_any_input(layout, node, FORM_BLOCKED);
    }
}

static bool wants_tiles(const Layout *layout, const Node *node)
{
    switch (node->op) {
    case OP_PARAM:
        return layout_is_tiled_param(layout, node);
    case OP_ASSIGN:
        return layout_is_tiled_param(layout,
                                     layout_node(layout, node->inputs[0]));
    case OP_CONV2D_GRAD_W:
        return layout_is_blocked_conv(layout, node);
    case OP_REDUCE_SUM:
    case OP_REDUCE_MAX:
        return layout_any_input(layout, node, FORM_TILED) &&
               layout_reduces_tiles(layout, node);
    default:
        return is_elementwise(node->op) &&
               layout_any_input(layout, node, FORM_TILED);
    }
}

Form layout_wanted(const Layout *layout, const Node *node)
{
    return wants_tiles(layout, node)    ? FORM_TILED
           : wants_blocks(layout, node) ? FORM_BLOCKED
                                        : FORM_PLAIN;
}

Value layout_make(Layout *layout, const Node *node, Form form)
{
    bool tiled = form == FORM_TILED;
    switch (node->op) {
    case OP_PARAM:
        return layout_tile_param(layout, node);
    case OP_CONV2D:
    case OP_CONV2D_GRAD_X:
    case OP_CONV2D_GRAD_W:
        return make_conv(layout, node);
    case OP_MAX_POOL:
    case OP_MAX_POOL_GRAD:
    case OP_SUM_POOL:
    case OP_SUM_POOL_GRAD:
        return make_pool(layout, node);
    case OP_CONST:
        return make_const(layout, node, form);
    case OP_BROADCAST:
        return tiled ? layout_tile_broadcast(layout, node)
                     : make_broadcast(layout, node);
    case OP_SLICE:
        return make_slice(layout, node);
    case OP_PAD:
        return make_pad(layout, node);
    case OP_CONCAT:
        return add_node(layout, node, inputs_in(layout, node, form),
                        node->attrs);
    case OP_REDUCE_SUM:
    case OP_REDUCE_MAX:
        return tiled ? layout_reduce_tiles(layout, node)
                     : make_reduce(layout, node);
    default:
        INTERNAL_CHECK(is_elementwise(node->op) || node->op == OP_ASSIGN);
        return make_elementwise(layout, node, form);
    }
}
