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
           !conv_is_grouped_or_dilated(conv) &&
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

static Value make_conv(Layout *layout, const Node *node, Form form)
{
    (void)form; // the op says it
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

static Value make_pool(Layout *layout, const Node *node, Form form)
{
    (void)form; // blocks alone
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

// ---- random numbers ---------------------------------------------------------

// Each element keeps its counter: to the next block, or tile, it moves by as
// many channels as that has.
static Value make_random(Layout *layout, const Node *node, Form form)
{
    const int64_t *steps = node->attrs[RANDOM_STEPS].ints.at;
    TensorType type = layout_type(layout, &node->type, form);
    int64_t moved[MAX_RANK] = {steps[0], steps[1] * layout->block, steps[2],
                               steps[3], steps[1]};
    if (form == FORM_TILED) { // [o / t, c / t, kh, kw, t of c, t of o]
        moved[0] *= layout->block;
        moved[5] = steps[0];
    }
    Attr attrs[MAX_ATTRS];
    memcpy(attrs, node->attrs, sizeof attrs);
    attrs[RANDOM_DIMS].ints = (IntList){type.rank, type.dims};
    attrs[RANDOM_STEPS].ints = (IntList){type.rank, moved};
    attrs[RANDOM_FORM].i = form;
    Value key = layout_value(layout, node->inputs[0], FORM_PLAIN);
    return add_node(layout, node, &key, attrs);
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

// The channels [.., c, ..] of a broadcast's input as [.., c / b, .., b].
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

static Value make_slice(Layout *layout, const Node *node, Form form)
{
    (void)form;
    int64_t start[5] = {0};
    memcpy(start, node->attrs[SLICE_START].ints.at, 4 * sizeof *start);
    start[1] /= layout->block;
    TensorType type = layout_type(layout, &node->type, FORM_BLOCKED);
    return build_slice(layout->graph, blocked_input(layout, node), start,
                       type.dims);
}

static Value make_pad(Layout *layout, const Node *node, Form form)
{
    (void)form;
    int64_t low[5] = {0}, high[5] = {0};
    memcpy(low, node->attrs[PAD_LOW].ints.at, 4 * sizeof *low);
    memcpy(high, node->attrs[PAD_HIGH].ints.at, 4 * sizeof *high);
    low[1] /= layout->block;
    high[1] /= layout->block;
    return build_pad(layout->graph, blocked_input(layout, node), low, high,
                     node->attrs[PAD_VALUE].f);
}

// Whether the result and all inputs are images of whole blocks, one of them in
// that form already.
static bool moves_blocks(const Layout *layout, const Node *node)
{
    if (!layout_any_input(layout, node, FORM_BLOCKED) ||
        !layout_can_block(layout, &node->type))
        return false;
    for (int i = 0; i < node->input_count; i++)
        if (!layout_can_block(layout, input_type(layout, node, i)))
            return false;
    return true;
}

static bool slices_blocks(const Layout *layout, const Node *node)
{
    return moves_blocks(layout, node) &&
           is_whole(layout, node->attrs[SLICE_START].ints.at[1]);
}

static bool pads_blocks(const Layout *layout, const Node *node)
{
    return moves_blocks(layout, node) &&
           is_whole(layout, node->attrs[PAD_LOW].ints.at[1]);
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
    if (!layout_any_input(layout, node, FORM_BLOCKED))
        return false;
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

// ---- the column `layout` ----------------------------------------------------

// What an op does about forms. NULL: never, or not.
typedef struct LayoutRule {
    // Whether it should be computed on blocks, or on tiles, given the forms its
    // inputs have so far.
    bool (*wants_blocks)(const Layout *layout, const Node *node);
    bool (*wants_tiles)(const Layout *layout, const Node *node);
    // Adds the node as it is in the form.
    Value (*make)(Layout *layout, const Node *node, Form form);
    // Whether what it then gives is plain all the same.
    bool (*gives_plain)(const Layout *layout, const Node *node);
} LayoutRule;

static bool has_blocks(const Layout *layout, const Node *node)
{
    return layout_any_input(layout, node, FORM_BLOCKED);
}

static bool has_tiles(const Layout *layout, const Node *node)
{
    return layout_any_input(layout, node, FORM_TILED);
}

static bool always(const Layout *layout, const Node *node)
{
    (void)layout;
    (void)node;
    return true;
}

static bool is_stem_or_blocked(const Layout *layout, const Node *node)
{
    return layout_is_blocked_conv(layout, node) || is_stem(layout, node);
}

static bool makes_tiles(const Layout *layout, const Node *node)
{
    return node->op == OP_CONV2D_GRAD_W && layout_is_blocked_conv(layout, node);
}

static bool makes_plain_weights(const Layout *layout, const Node *node)
{
    return node->op == OP_CONV2D_GRAD_W && is_stem(layout, node);
}

static bool pools_blocks(const Layout *layout, const Node *node)
{
    return is_image(&node->type) && layout_can_block(layout, &node->type) &&
           has_blocks(layout, node);
}

static bool reduces_tiles(const Layout *layout, const Node *node)
{
    return has_tiles(layout, node) && layout_reduces_tiles(layout, node);
}

static bool assigns_tiles(const Layout *layout, const Node *node)
{
    return layout_is_tiled_param(layout, layout_node(layout, node->inputs[0]));
}

static Value make_param(Layout *layout, const Node *node, Form form)
{
    (void)form;
    return layout_tile_param(layout, node);
}

static Value make_any_broadcast(Layout *layout, const Node *node, Form form)
{
    return form == FORM_TILED ? layout_tile_broadcast(layout, node)
                              : make_broadcast(layout, node);
}

static Value make_any_reduce(Layout *layout, const Node *node, Form form)
{
    return form == FORM_TILED ? layout_reduce_tiles(layout, node)
                              : make_reduce(layout, node);
}

static const LayoutRule layout_plain = {NULL},
                        layout_each = {has_blocks, has_tiles, make_elementwise},
                        layout_param = {NULL, layout_is_tiled_param,
                                        make_param},
                        layout_assign = {NULL, assigns_tiles, make_elementwise},
                        layout_constant = {NULL, NULL, make_const},
                        layout_broadcast = {NULL, NULL, make_any_broadcast},
                        layout_random = {NULL, NULL, make_random},
                        layout_slice = {slices_blocks, NULL, make_slice},
                        layout_pad = {pads_blocks, NULL, make_pad},
                        layout_concat = {moves_blocks, NULL, make_elementwise},
                        layout_reduce = {reduces_blocks, reduces_tiles,
                                         make_any_reduce, always},
                        layout_conv = {is_stem_or_blocked, makes_tiles,
                                       make_conv, makes_plain_weights},
                        layout_pool = {pools_blocks, NULL, make_pool};

static const LayoutRule *const layout_rules[OP_COUNT] = {
#define OP(id, text, in, attrs, shape, grad, eval, rows, layout, ...)          \
    [OP_##id] = &layout_##layout,
#include "ir/ops.def"
#undef OP
};

bool layout_gives_plain(const Layout *layout, const Node *node)
{
    const LayoutRule *rule = layout_rules[node->op];
    return rule->gives_plain && rule->gives_plain(layout, node);
}

Form layout_wanted(const Layout *layout, const Node *node)
{
    const LayoutRule *rule = layout_rules[node->op];
    if (rule->wants_tiles && rule->wants_tiles(layout, node))
        return FORM_TILED;
    return rule->wants_blocks && rule->wants_blocks(layout, node) ? FORM_BLOCKED
                                                                  : FORM_PLAIN;
}

Value layout_make(Layout *layout, const Node *node, Form form)
{
    INTERNAL_CHECK(layout_rules[node->op]->make);
    return layout_rules[node->op]->make(layout, node, form);
}
