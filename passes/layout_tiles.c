// Weights in tiles: the ops that look different from those on blocked images.
// Of a tiled tensor [o/b, c/b, kh, kw, b, b], axes 0 and 5 are those of o,
// 1 and 4 those of c.
#include "ir/base/diag.h"
#include "ir/build.h"
#include "passes/layout.h"

enum { LAST_AXIS = 5 }; // axis a of the two channels goes on at LAST_AXIS - a

bool layout_is_tiled_param(const Layout *layout, const Node *node)
{
    return node->op == OP_PARAM && node->type.dtype == DT_F32 &&
           layout_can_tile(layout, &node->type);
}

Value layout_tile_param(Layout *layout, const Node *node)
{
    Attr attrs[MAX_ATTRS];
    memcpy(attrs, node->attrs, sizeof attrs);
    TensorType type = layout_type(layout, &node->type, FORM_TILED);
    Value v = graph_add(layout->graph, OP_PARAM, 0, NULL, attrs, &type);
    if (v == NO_VALUE)
        INTERNAL_ERROR("tiled param is ill-typed: %s", layout->graph->error);
    return v;
}

// A scalar, or numbers along one axis; others are made plain and converted.
Value layout_tile_broadcast(Layout *layout, const Node *node)
{
    TensorType type = layout_type(layout, &node->type, FORM_TILED);
    const TensorType *old = &layout_node(layout, node->inputs[0])->type;
    IntList old_axes = node->attrs[BROADCAST_AXES].ints;
    TensorType from = type_make(old->dtype, 0, NULL);
    int64_t axes[MAX_RANK];
    int wide = 0;
    for (int i = 0; i < old->rank; i++) {
        if (old->dims[i] == 1)
            continue;
        wide++;
        axes[from.rank] = old_axes.at[i];
        from.dims[from.rank++] = old->dims[i];
    }
    if (wide > 1)
        return layout_convert_to(layout, layout_copy_plain(layout, node),
                                 &node->type, FORM_TILED);
    if (wide == 1 && axes[0] < 2) {
        from = type_make(
            old->dtype, 2,
            (const int64_t[]){from.dims[0] / layout->block, layout->block});
        axes[1] = LAST_AXIS - axes[0];
    }
    Value v = layout_value(layout, node->inputs[0], FORM_PLAIN);
    v = layout_reshape(layout, v, &from);
    return build_broadcast_to(layout->graph, v, &type, axes);
}

// By axis of the plain input.
static unsigned reduced_axes(const Node *node)
{
    IntList axes = node->attrs[AXES_AXES].ints;
    unsigned set = 0;
    for (int i = 0; i < axes.count; i++)
        set |= 1u << axes.at[i];
    return set;
}

// The two axes of a channel stay side by side only where nothing else stays.
bool layout_reduces_tiles(const Layout *layout, const Node *node)
{
    const TensorType *type = &layout_node(layout, node->inputs[0])->type;
    unsigned kept = ~reduced_axes(node) & 15u, wide = 0;
    for (unsigned axis = 0; axis < 4; axis++)
        if (kept >> axis & 1 && type->dims[axis] > 1)
            wide |= 1u << axis;
    return wide == 1 || wide == 2 || !(wide & 3);
}

Value layout_reduce_tiles(Layout *layout, const Node *node)
{
    unsigned reduced = reduced_axes(node);
    int64_t axes[MAX_RANK];
    int count = 0;
    for (int axis = 0; axis < 4; axis++)
        if (reduced >> axis & 1)
            axes[count++] = axis;
    for (int axis = 1; axis >= 0; axis--)
        if (reduced >> axis & 1)
            axes[count++] = LAST_AXIS - axis;
    Value v = layout_value(layout, node->inputs[0], FORM_TILED);
    v = build_reduce(layout->graph, node->op, v, count, axes);
    return layout_reshape(layout, v, &node->type);
}
