// Between the files of the layout pass: which values take which form
// (layout.c), and what an op looks like in it (layout_ops.c; layout_tiles.c for
// weights).
#ifndef SIMCC_PASSES_LAYOUT_H
#define SIMCC_PASSES_LAYOUT_H

#include "ir/image.h"

typedef struct Layout {
    const Graph *old;
    Graph *graph; // the new one
    Arena *scratch;
    int64_t block; // channels to a block, the side of a tile
    // The versions of each old value in the new graph, NO_VALUE = not made
    // (yet).
    Value *versions[FORM_COUNT];
    // Weights of merged groups (layout_ops.c), by their old value.
    Value *merged;
    // How deep a tree of free nodes the value is, 0 = not free (see layout.c).
    int *free_depth;
} Layout;

static inline const Node *layout_node(const Layout *layout, Value old)
{
    return graph_node(layout->old, old);
}

// The value in that form; made or converted when first asked for.
Value layout_value(Layout *layout, Value old, Form form);

// Whether an input is there in that form. Free values do not count: they are
// there for the sake of another reader.
bool layout_any_input(const Layout *layout, const Node *node, Form form);

// Whether channels (axis 1 of four) fill blocks.
static inline bool layout_can_block(const Layout *layout,
                                    const TensorType *type)
{
    return type->rank == 4 && type->dims[1] % layout->block == 0;
}

// Whether the channels of both sides (axes 0 and 1 of four) fill tiles.
static inline bool layout_can_tile(const Layout *layout, const TensorType *type)
{
    return layout_can_block(layout, type) && type->dims[0] % layout->block == 0;
}

// A plain type in that form; the elements are to be the same.
TensorType layout_type(const Layout *layout, const TensorType *plain,
                       Form form);

// Between the plain form and another, where both channels allow.
Value layout_convert_to(Layout *layout, Value v, const TensorType *plain,
                        Form form);
// And back.
Value layout_convert_from(Layout *layout, Value v, const TensorType *plain,
                          Form form);
// The node with plain inputs.
Value layout_copy_plain(Layout *layout, const Node *node);

// A reshape of v, or of what v is a reshape of.
Value layout_reshape(Layout *layout, Value v, const TensorType *type);

// Whether the node is a convolution between whole blocks.
bool layout_is_blocked_conv(const Layout *layout, const Node *node);
// Whether the node is a param that is stored in tiles: a rule of its type
// alone, for all plans of a program share it.
bool layout_is_tiled_param(const Layout *layout, const Node *node);
// The form the node should be computed in, given the forms its inputs have so
// far.
Form layout_wanted(const Layout *layout, const Node *node);
// Adds the node as it is in a form other than plain. The result is in that
// form, but for those whose result is neither image nor weights in tiles
// (layout_gives_plain).
Value layout_make(Layout *layout, const Node *node, Form form);
bool layout_gives_plain(const Layout *layout, const Node *node);

// layout_tiles.c
Value layout_tile_param(Layout *layout, const Node *node);
Value layout_tile_broadcast(Layout *layout, const Node *node);
// Whether the result is a reshape of the plain one.
bool layout_reduces_tiles(const Layout *layout, const Node *node);
Value layout_reduce_tiles(Layout *layout, const Node *node);

#endif
