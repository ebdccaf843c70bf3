// Between the two files of the layout pass: which values take the blocked form
// (layout.c), and what an op looks like in it (layout_ops.c).
#ifndef SIMCC_PASSES_LAYOUT_H
#define SIMCC_PASSES_LAYOUT_H

#include "ir/image.h"

// Channels to a block.
enum { LAYOUT_BLOCK = IMAGE_BLOCK };

typedef struct Layout {
    const Graph *old;
    Graph *graph; // the new one
    Arena *scratch;
    // The two versions of each old value in the new graph, NO_VALUE = not made
    // (yet).
    Value *plain, *blocked;
    // How deep a tree of free nodes the value is, 0 = not free (see layout.c).
    int *free_depth;
} Layout;

static inline const Node *layout_node(const Layout *layout, Value old)
{
    return graph_node(layout->old, old);
}

// The value in one form or the other; made or converted when first asked for.
Value layout_plain(Layout *layout, Value old);
Value layout_blocked(Layout *layout, Value old);

static inline bool layout_has_blocked(const Layout *layout, Value old)
{
    return layout->blocked[old] != NO_VALUE;
}

// Whether channels (axis 1 of four) fill blocks.
static inline bool layout_can_block(const TensorType *type)
{
    return type->rank == 4 && type->dims[1] % LAYOUT_BLOCK == 0;
}

// [n, c, h, w] as [n, c / 16, h, w, 16]; the elements are to be the same.
TensorType layout_blocked_type(const TensorType *plain);

// A reshape of v, or of what v is a reshape of.
Value layout_reshape(Layout *layout, Value v, const TensorType *type);

// Whether the node is a convolution between whole blocks.
bool layout_is_blocked_conv(const Layout *layout, const Node *node);
// Whether the node should be computed on blocks, given the forms its inputs
// have so far.
bool layout_wants_blocked(const Layout *layout, const Node *node);
// Adds the node as it is on blocks. The result is in blocked form, but for the
// ops whose result is no image (layout_gives_plain).
Value layout_make_blocked(Layout *layout, const Node *node);
bool layout_gives_plain(Op op);

#endif
