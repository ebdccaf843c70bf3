// Convolutions in blocks: how each is done, and with which weights.
#include <math.h>

#include "ir/base/diag.h"
#include "ir/build.h"
#include "passes/layout.h"

// Columns of a stem's kernel, whose rows are unrolled in machine code.
enum { MOST_STEM_COLS = 11 };

// So many neighbouring groups make whole blocks of channels on both sides, for
// a block is a power of two.
static int64_t groups_to_merge(const Layout *layout, const ConvGeometry *conv)
{
    int64_t inputs = conv->w.dims[1];
    int64_t outputs = conv->w.dims[0] / conv->groups, merged = 1;
    while ((merged * inputs) % layout->block ||
           (merged * outputs) % layout->block)
        merged *= 2;
    return merged;
}

// Groups of more than one channel are left plain where blocks have spare lanes.
static ConvWork conv_work(const Layout *layout, const ConvGeometry *conv)
{
    const TensorType *made = conv->op == OP_CONV2D ? &conv->y : &conv->x;
    int64_t inputs = conv->w.dims[1] * conv->groups, outputs = conv->w.dims[0];
    bool dilated = conv->dilation[0] > 1 || conv->dilation[1] > 1;
    bool strided = conv->stride[0] > 1 || conv->stride[1] > 1;
    if (!layout_is_image(made) || !layout_blocks_channels(layout, outputs) ||
        (dilated && strided))
        return CONV_PLAIN;
    if (conv->groups > 1 && conv->groups == inputs && inputs == outputs)
        return CONV_DEPTHWISE;
    if (conv->groups > 1) {
        int64_t merged = groups_to_merge(layout, conv);
        return merged == 1                  ? CONV_TILES
               : conv->groups % merged == 0 ? CONV_MERGED
                                            : CONV_PLAIN;
    }
    if (layout_blocks_channels(layout, inputs))
        return CONV_TILES;
    return conv->op != OP_CONV2D_GRAD_X && !dilated &&
                   conv->w.dims[3] <= MOST_STEM_COLS
               ? CONV_STEM
               : CONV_PLAIN;
}

static ConvWork conv_work_of(const Layout *layout, const Node *node)
{
    ConvGeometry conv = conv_geometry(layout->old, node);
    return conv_work(layout, &conv);
}

bool layout_is_blocked_conv(const Layout *layout, const Node *node)
{
    return conv_is(node) && conv_work_of(layout, node) > CONV_STEM;
}

bool layout_is_stem(const Layout *layout, const Node *node)
{
    return conv_is(node) && conv_work_of(layout, node) == CONV_STEM;
}

// Weights whose channels fill tiles are in tiles everywhere: the layout pass
// stores such params so. Others are made ready in each step.
static bool takes_stored_tiles(const Layout *layout, const ConvGeometry *conv)
{
    return conv_work(layout, conv) == CONV_TILES &&
           layout_can_tile(layout, &conv->w);
}

bool layout_conv_makes_tiles(const Layout *layout, const Node *node)
{
    ConvGeometry conv = conv_geometry(layout->old, node);
    return node->op == OP_CONV2D_GRAD_W && takes_stored_tiles(layout, &conv);
}

double layout_conv_spare(const Layout *layout, const Node *node)
{
    // Weights that are multiplied with spare lanes, or make them, are zero. A
    // depthwise convolution may find them infinite.
    if (conv_work_of(layout, node) != CONV_DEPTHWISE)
        return 0;
    int image = conv_weights_input(node->op) == 0 ? 1 : 0;
    return isnan(layout->spare[node->inputs[image]]) ? NAN : 0;
}

// The image as the convolution reads it: in blocks, or in planes.
static Value conv_image(Layout *layout, Op op, ConvWork work, Value old)
{
    TensorType type = layout_node(layout, old)->type;
    if (layout_can_block(layout, &type)) {
        Value v = layout_value(layout, old, FORM_BLOCKED);
        bool sums = op != OP_CONV2D_GRAD_W && work != CONV_DEPTHWISE;
        return sums && isnan(layout->spare[old])
                   ? layout_unspoiled(layout, old, 0)
                   : v;
    }
    type.rank = 5;
    type.dims[4] = 1;
    type.form = FORM_PLANES;
    return layout_reshape(layout, layout_value(layout, old, FORM_PLAIN), &type);
}

// ---- weights ----------------------------------------------------------------

// Merged groups: weights [o, c, kh, kw], o and c being those of `merged` groups
// of the convolution, with zeros between channels of different groups. Its
// elements are [group of groups, group i, o, group j, the rest], and what is
// not zero has i = j.
typedef struct MergedWeights {
    TensorType whole, own; // [o, c, kh, kw], [o, c / merged, kh, kw]
    TensorType split;      // of the five axes
} MergedWeights;

static MergedWeights merged_weights(const ConvGeometry *conv, int64_t merged)
{
    const int64_t *dims = conv->w.dims;
    MergedWeights w = {.whole = conv->w, .own = conv->w};
    w.whole.dims[1] *= merged;
    w.split = type_make(conv->w.dtype, 5,
                        (const int64_t[]){conv->groups / merged, merged,
                                          dims[0] / conv->groups, merged,
                                          dims[1] * dims[2] * dims[3]});
    return w;
}

// `yes` where i = j, else 0.
static Value keep_diagonal(Layout *layout, const MergedWeights *w, Value yes)
{
    Graph *graph = layout->graph;
    Value same = build_binary(graph, OP_EQ, build_iota(graph, w->split, 1),
                              build_iota(graph, w->split, 3));
    return build_select(graph, same, yes, build_const(graph, w->split, 0));
}

static Value spread_weights(Layout *layout, Value v, const ConvGeometry *conv,
                            int64_t merged)
{
    MergedWeights w = merged_weights(conv, merged);
    TensorType narrow = type_make(w.split.dtype, 4, w.split.dims);
    narrow.dims[3] = w.split.dims[4];
    v = build_broadcast_to(layout->graph, layout_reshape(layout, v, &narrow),
                           &w.split, (const int64_t[]){0, 1, 2, 4});
    return layout_reshape(layout, keep_diagonal(layout, &w, v), &w.whole);
}

static Value gather_weights(Layout *layout, Value v, const ConvGeometry *conv,
                            int64_t merged)
{
    MergedWeights w = merged_weights(conv, merged);
    v = keep_diagonal(layout, &w, layout_reshape(layout, v, &w.split));
    v = build_reduce(layout->graph, OP_REDUCE_SUM, v, 1, (const int64_t[]){3});
    return layout_reshape(layout, v, &w.own);
}

// The weights [o, c, kh, kw] that the convolution in blocks has, before they
// are put into tiles: zeros for spare lanes, and between merged groups.
static TensorType whole_weights(const Layout *layout, const ConvGeometry *conv,
                                ConvWork work)
{
    TensorType type = conv->w;
    type.dims[0] = layout_whole(layout, type.dims[0]);
    if (work == CONV_TILES)
        type.dims[1] = layout_whole(layout, type.dims[1]);
    else if (work == CONV_MERGED)
        type.dims[1] *= groups_to_merge(layout, conv);
    return type;
}

static Value conv_weights(Layout *layout, Value old, const ConvGeometry *conv,
                          ConvWork work)
{
    if (takes_stored_tiles(layout, conv))
        return layout_value(layout, old, FORM_TILED);
    ReadyWeights *ready = &layout->ready[old];
    if (ready->value != NO_VALUE && ready->work == work &&
        ready->groups == conv->groups)
        return ready->value;
    TensorType whole = whole_weights(layout, conv, work);
    Value v = layout_value(layout, old, FORM_PLAIN);
    v = work == CONV_MERGED
            ? spread_weights(layout, v, conv, groups_to_merge(layout, conv))
            : layout_lengthen(layout, v, &whole);
    if (work == CONV_TILES || work == CONV_MERGED)
        v = layout_convert_to(layout, v, &whole, FORM_TILED);
    *ready = (ReadyWeights){work, conv->groups, v};
    return v;
}

// The gradient by weights as the plain op has it, of what conv_weights made.
static Value plain_gradient(Layout *layout, Value v, const ConvGeometry *conv,
                            ConvWork work)
{
    TensorType whole = whole_weights(layout, conv, work);
    if (work == CONV_TILES || work == CONV_MERGED)
        v = layout_convert_from(layout, v, &whole, FORM_TILED);
    return work == CONV_MERGED
               ? gather_weights(layout, v, conv, groups_to_merge(layout, conv))
               : layout_shorten(layout, v, &conv->w);
}

// ---- the convolution --------------------------------------------------------

Value layout_make_conv(Layout *layout, const Node *node)
{
    ConvGeometry conv = conv_geometry(layout->old, node);
    ConvWork work = conv_work(layout, &conv);
    Value inputs[2];
    int weights = conv_weights_input(node->op);
    for (int i = 0; i < 2; i++)
        inputs[i] = i != weights
                        ? conv_image(layout, node->op, work, node->inputs[i])
                        : conv_weights(layout, node->inputs[i], &conv, work);
    Attr attrs[MAX_ATTRS];
    memcpy(attrs, node->attrs, sizeof attrs);
    int64_t groups = conv.groups;
    if (work == CONV_MERGED)
        groups /= groups_to_merge(layout, &conv);
    else if (work == CONV_DEPTHWISE)
        groups = layout_whole(layout, groups);
    attrs[CONV_GROUPS].i = groups > 1 ? groups : 0;
    TensorType type = node->type;
    if (node->op != OP_CONV2D_GRAD_W) {
        type = layout_type(layout, &type, FORM_BLOCKED);
    } else {
        type = whole_weights(layout, &conv, work);
        if (work == CONV_TILES || work == CONV_MERGED)
            type = layout_type(layout, &type, FORM_TILED);
    }
    if (node->op == OP_CONV2D) {
        attrs[CONV_BLOCK].i = work == CONV_STEM ? layout->block : 0;
    } else {
        attrs[CONV_DIMS].ints = (IntList){type.rank, type.dims};
        attrs[CONV_FORM].i = type.form;
    }
    Value v = layout_add(layout, node, inputs, attrs);
    return node->op == OP_CONV2D_GRAD_W && !takes_stored_tiles(layout, &conv)
               ? plain_gradient(layout, v, &conv, work)
               : v;
}
