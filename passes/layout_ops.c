// What each op but convolutions looks like on blocked images; elementwise ones
// on weights in tiles, too.
#include <math.h>

#include "ir/base/diag.h"
#include "ir/build.h"
#include "passes/layout.h"

Value layout_add(Layout *layout, const Node *node, const Value *inputs,
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

// ---- pools ------------------------------------------------------------------

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
    return layout_add(layout, node, inputs_in(layout, node, FORM_BLOCKED),
                      attrs);
}

// ---- elementwise and constants ----------------------------------------------

static Value make_elementwise(Layout *layout, const Node *node, Form form)
{
    return layout_add(layout, node, inputs_in(layout, node, form), node->attrs);
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
    return layout_add(layout, node, &key, attrs);
}

// ---- broadcasts -------------------------------------------------------------

int layout_channel_axis(const TensorType *type, IntList axes)
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
    TensorType whole = type;
    whole.dims[at] = layout_whole(layout, type.dims[at]);
    split.dims[at] = whole.dims[at];
    // The block goes last; where no element moves a reshape does that alone.
    int block = after == 1 ? type.rank : at + 1;
    for (int i = type.rank; i > block; i--)
        split.dims[i] = type.dims[i - 1];
    split.dims[at] /= layout->block;
    split.dims[block] = layout->block;
    Value v = layout_value(layout, old, FORM_PLAIN);
    v = layout_reshape(layout, layout_lengthen(layout, v, &whole), &split);
    return after == 1 ? v : build_transpose(layout->graph, v, perm);
}

static Value make_broadcast(Layout *layout, const Node *node)
{
    Value from = node->inputs[0];
    TensorType type = layout_type(layout, &node->type, FORM_BLOCKED);
    const TensorType *old = input_type(layout, node, 0);
    IntList old_axes = node->attrs[BROADCAST_AXES].ints;
    int64_t axes[MAX_RANK];
    int count = old->rank, at = layout_channel_axis(old, old_axes);
    for (int i = 0; i < count; i++) // none of a scalar's
        axes[i] = old_axes.at[i];
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

// Whether the result and all inputs are images that can be in blocks, one of
// them in that form already, and either blocks are whole or channels stay where
// they are.
static bool moves_blocks(const Layout *layout, const Node *node)
{
    if (!layout_any_input(layout, node, FORM_BLOCKED) ||
        !layout_can_block(layout, &node->type))
        return false;
    int64_t channels = node->type.dims[1];
    bool whole = layout_is_whole(layout, channels), stay = true;
    for (int i = 0; i < node->input_count; i++) {
        const TensorType *type = input_type(layout, node, i);
        if (!layout_can_block(layout, type))
            return false;
        whole &= layout_is_whole(layout, type->dims[1]);
        stay &= type->dims[1] == channels;
    }
    return whole || stay;
}

static bool slices_blocks(const Layout *layout, const Node *node)
{
    return moves_blocks(layout, node) &&
           layout_is_whole(layout, node->attrs[SLICE_START].ints.at[1]);
}

static bool pads_blocks(const Layout *layout, const Node *node)
{
    return moves_blocks(layout, node) &&
           layout_is_whole(layout, node->attrs[PAD_LOW].ints.at[1]);
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
    TensorType whole = node->type;
    Value x;
    if (has_axis(old, 1)) {
        axes[count++] = 4;
        x = layout_unspoiled(layout, node->inputs[0],
                             node->op == OP_REDUCE_MAX ? -INFINITY : 0);
    } else {
        int at = has_axis(old, 0) ? 0 : 1; // where channels are in the result
        x = blocked_input(layout, node);
        whole.dims[at] = layout_whole(layout, whole.dims[at]);
    }
    Value v = build_reduce(layout->graph, node->op, x, count, axes);
    v = layout_reshape(layout, v, &whole);
    return layout_shorten(layout, v, &node->type);
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
    return layout_is_blocked_conv(layout, node) || layout_is_stem(layout, node);
}

static bool makes_plain_weights(const Layout *layout, const Node *node)
{
    return node->op == OP_CONV2D_GRAD_W &&
           !layout_conv_makes_tiles(layout, node);
}

static Value make_conv(Layout *layout, const Node *node, Form form)
{
    (void)form; // the op says it
    return layout_make_conv(layout, node);
}

static bool pools_blocks(const Layout *layout, const Node *node)
{
    return layout_is_image(&node->type) &&
           layout_can_block(layout, &node->type) && has_blocks(layout, node);
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
                        layout_conv = {is_stem_or_blocked,
                                       layout_conv_makes_tiles, make_conv,
                                       makes_plain_weights},
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
