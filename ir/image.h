// The forms of images and activations, by rank:
//   plain    [n, c, h, w]
//   blocked  [n, c / b, h, w, b]: channel k is at [n, k / b, h, w, k % b]
// Convolutions and pools take either; all activations of one node are of one
// form and one block b, a power of two. But convolutions of planes, which are
// images in blocks of one channel, give blocks of IMAGE_BLOCK: so a net begins
// whose pictures have too few channels to fill a block. Weights have two forms,
// too:
//   plain     [o, c, kh, kw]
//   in tiles  [o / t, c / t, kh, kw, t, t]: the weight from channel c to
//             channel o is at [o / t, c / t, .., c % t, o % t]
// For every other op such a tensor is just one of rank 5 or 6.
#ifndef SIMCC_IR_IMAGE_H
#define SIMCC_IR_IMAGE_H

#include "ir/graph.h"

// The floats of one 512-bit register, or two of 256 bits.
enum { IMAGE_BLOCK = 16 };

// Channels that lie side by side: b, or 1 in the plain form.
static inline int64_t image_block(const TensorType *type)
{
    return type->rank == 5 ? type->dims[4] : 1;
}

// Whether convolutions of it give blocks although it has none.
static inline bool image_is_planes(const TensorType *type)
{
    return type->rank == 5 && type->dims[4] == 1;
}

static inline int64_t image_channels(const TensorType *type)
{
    return type->dims[1] * image_block(type);
}

// Whether the dims are of one of the two forms.
static inline bool image_has_form(const TensorType *type)
{
    int64_t block = image_block(type);
    return (type->rank == 4 || type->rank == 5) && (block & (block - 1)) == 0;
}

// The side of a tile: t, or 1 in the plain form.
static inline int64_t weights_tile(const TensorType *type)
{
    return type->rank == 6 ? type->dims[4] : 1;
}

static inline bool weights_have_form(const TensorType *type)
{
    return type->rank == 4 ||
           (type->rank == 6 && type->dims[4] == type->dims[5]);
}

// [o, c, kh, kw] of weights in either form.
static inline TensorType weights_plain_type(const TensorType *type)
{
    TensorType plain = *type;
    plain.rank = 4;
    plain.dims[0] *= weights_tile(type);
    plain.dims[1] *= weights_tile(type);
    return plain;
}

// Plain weights in tiles of that side, which divides their channels.
static inline TensorType weights_tiled_type(const TensorType *plain,
                                            int64_t tile)
{
    return type_make(plain->dtype, 6,
                     (const int64_t[]){plain->dims[0] / tile,
                                       plain->dims[1] / tile, plain->dims[2],
                                       plain->dims[3], tile, tile});
}

// The element at the first place of the window, from channel c to channel o;
// the next place is tile * tile elements further.
static inline int64_t weights_offset(const TensorType *type, int64_t o,
                                     int64_t c)
{
    int64_t tile = weights_tile(type), area = tile * tile;
    int64_t pair = o / tile * type->dims[1] + c / tile;
    return pair * type->dims[2] * type->dims[3] * area + c % tile * tile +
           o % tile;
}

#endif
