// Between the files of the layout pass: which values take which form
// (layout.c), and what an op looks like in it (layout_ops.c; layout_conv.c for
// convolutions, layout_tiles.c for weights).
#ifndef SIMCC_PASSES_LAYOUT_H
#define SIMCC_PASSES_LAYOUT_H

#include "ir/conv.h"
#include "ir/image.h"

// How a convolution is done, in any direction.
typedef enum ConvWork {
    CONV_PLAIN,     // on plain tensors
    CONV_STEM,      // from planes to blocks (ir/image.h), or by its weights
    CONV_TILES,     // between blocks, with weights in tiles
    CONV_MERGED,    // likewise, groups being merged until they fill blocks
    CONV_DEPTHWISE, // between blocks, with plain weights
} ConvWork;

// Weights made ready for convolutions that do not take them as they are.
typedef struct ReadyWeights {
    ConvWork work;
    int64_t groups;
    Value value; // NO_VALUE: none yet
} ReadyWeights;

typedef struct Layout {
    const Graph *old;
    Graph *graph; // the new one
    Arena *scratch;
    int64_t block; // channels to a block, the side of a tile
    // The versions of each old value in the new graph, NO_VALUE = not made
    // (yet).
    Value *versions[FORM_COUNT];
    ReadyWeights *ready; // by the weights' old value
    // What is known of the spare lanes of the old value's blocked version, and
    // whether the old value is finite wherever the net runs (layout_spare.c).
    double *spare;
    bool *finite;
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

static inline bool layout_is_image(const TensorType *type)
{
    return type->rank == 4 && type->dtype == DT_F32;
}

// Whether so many channels fill blocks.
static inline bool layout_is_whole(const Layout *layout, int64_t channels)
{
    return channels % layout->block == 0;
}

// So many channels and those that are missing to whole blocks.
static inline int64_t layout_whole(const Layout *layout, int64_t channels)
{
    return (channels + layout->block - 1) / layout->block * layout->block;
}

// Whether an image of so many channels may lie in blocks. They need not fill
// the last one: what is left of it are spare lanes, fewer than those in use. No
// sum over channels may read them (layout_unspoiled), and plain versions leave
// them out.
static inline bool layout_blocks_channels(const Layout *layout,
                                          int64_t channels)
{
    return layout_is_whole(layout, channels) || channels > layout->block;
}

// The same of channels as axis 1 of four.
static inline bool layout_can_block(const Layout *layout,
                                    const TensorType *type)
{
    return type->rank == 4 && layout_blocks_channels(layout, type->dims[1]);
}

// Whether the channels of both sides (axes 0 and 1 of four) fill tiles.
static inline bool layout_can_tile(const Layout *layout, const TensorType *type)
{
    return type->rank == 4 && layout_is_whole(layout, type->dims[0]) &&
           layout_is_whole(layout, type->dims[1]);
}

// A plain type in that form.
TensorType layout_type(const Layout *layout, const TensorType *plain,
                       Form form);

// Between the plain form and another, where both channels allow.
Value layout_convert_to(Layout *layout, Value v, const TensorType *plain,
                        Form form);
// And back.
Value layout_convert_from(Layout *layout, Value v, const TensorType *plain,
                          Form form);
// The plain value with zeros behind it, or its beginning, as the type says.
Value layout_lengthen(Layout *layout, Value v, const TensorType *type);
Value layout_shorten(Layout *layout, Value v, const TensorType *type);
// The node with plain inputs.
Value layout_copy_plain(Layout *layout, const Node *node);

// Adds the node with other inputs and attributes.
Value layout_add(Layout *layout, const Node *node, const Value *inputs,
                 const Attr *attrs);

// A reshape of v, or of what v is a reshape of.
Value layout_reshape(Layout *layout, Value v, const TensorType *type);

// Whether the node is a param that is stored in tiles: a rule of its type
// alone, for all plans of a program share it.
bool layout_is_tiled_param(const Layout *layout, const Node *node);
// layout_conv.c: whether the node is a convolution of an image in blocks, or by
// planes to blocks, or by the weights of one.
bool layout_is_blocked_conv(const Layout *layout, const Node *node);
bool layout_is_stem(const Layout *layout, const Node *node);
// Of a blocked gradient by weights: whether it is in tiles.
bool layout_conv_makes_tiles(const Layout *layout, const Node *node);
Value layout_make_conv(Layout *layout, const Node *node);
double layout_conv_spare(const Layout *layout, const Node *node);

// layout_spare.c: the blocked version, with spare lanes of that number. Only
// what sums over channels needs it.
Value layout_unspoiled(Layout *layout, Value old, double number);
// What Layout.spare and Layout.finite are of the node, its inputs' being known.
// A spare lane's number, infinity for some finite one, or NaN.
double layout_spare(const Layout *layout, const Node *node);
bool layout_is_finite(const Layout *layout, const Node *node);

// Of a broadcast: the input's axis that becomes the channels, or its rank when
// there is none or it has a single channel.
int layout_channel_axis(const TensorType *type, IntList axes);

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
