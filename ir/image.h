// The forms of images and weights (TensorType.form): where the element of image
// n, channel k and pixel (i, j) lies, and the weight from channel c to o.
//
//   images
//     plain     [n, c, h, w]            at [n, k, i, j]
//     planes    [n, c, h, w, 1]         likewise
//     blocked   [n, c / b, h, w, b]     at [n, k / b, i, j, k % b]
//   weights
//     plain     [o, c, kh, kw]          at [o, c, r, s]
//     tiled     [o / t, c / t, kh, kw, t, t]
//                                       at [o / t, c / t, r, s, c % t, o % t]
//
// b is a power of two. Convolutions of blocked images read tiled weights and
// give blocked images, in groups of whole blocks if at all; depthwise ones,
// which sum over no channels, read plain weights. Those of planes read plain
// weights and give blocks of a width that the node says: so a net begins whose
// pictures have too few channels to fill a block. Pools keep the form. For
// every other op the form is only a part of the type, which elementwise ops
// keep and views name. Which width suits a target its back end says
// (codegen/backend.h); nothing here knows a number.
#ifndef SIMCC_IR_IMAGE_H
#define SIMCC_IR_IMAGE_H

#include "ir/graph.h"

// Channels that lie side by side: b, or 1 in planes and the plain form.
static inline int64_t image_block(const TensorType *type)
{
    return type->form == FORM_BLOCKED ? type->dims[4] : 1;
}

static inline int64_t image_channels(const TensorType *type)
{
    return type->dims[1] * image_block(type);
}

// Whether the tensor can be read as images.
static inline bool image_has_form(const TensorType *type)
{
    return type->form == FORM_PLAIN ? type->rank == 4
                                    : type->form != FORM_TILED;
}

// The element of channel k at the first pixel of image n; the next pixel is
// image_block elements further.
static inline int64_t image_offset(const TensorType *type, int64_t n, int64_t k)
{
    int64_t block = image_block(type);
    int64_t plane = n * type->dims[1] + k / block;
    return plane * type->dims[2] * type->dims[3] * block + k % block;
}

// The side of a tile: t, or 1 in the plain form.
static inline int64_t weights_tile(const TensorType *type)
{
    return type->form == FORM_TILED ? type->dims[4] : 1;
}

// Whether the tensor can be read as weights of convolutions.
static inline bool weights_have_form(const TensorType *type)
{
    return type->form == FORM_PLAIN ? type->rank == 4
                                    : type->form == FORM_TILED;
}

// [o, c, kh, kw] of weights in either form.
static inline TensorType weights_plain_type(const TensorType *type)
{
    int64_t tile = weights_tile(type);
    return type_make(type->dtype, 4,
                     (const int64_t[]){type->dims[0] * tile,
                                       type->dims[1] * tile, type->dims[2],
                                       type->dims[3]});
}

// Plain weights in tiles of that side, which divides their channels.
static inline TensorType weights_tiled_type(const TensorType *plain,
                                            int64_t tile)
{
    return type_make_form(
        plain->dtype, 6,
        (const int64_t[]){plain->dims[0] / tile, plain->dims[1] / tile,
                          plain->dims[2], plain->dims[3], tile, tile},
        FORM_TILED);
}

// Plain images in blocks, which divide their channels.
static inline TensorType image_blocked_type(const TensorType *plain,
                                            int64_t block)
{
    return type_make_form(
        plain->dtype, 5,
        (const int64_t[]){plain->dims[0], plain->dims[1] / block,
                          plain->dims[2], plain->dims[3], block},
        FORM_BLOCKED);
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
