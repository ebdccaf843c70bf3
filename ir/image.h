// The forms of images and activations, by rank:
//   plain    [n, c, h, w]
//   blocked  [n, c / b, h, w, b]: channel k is at [n, k / b, h, w, k % b]
// Convolutions and pools take either; all activations of one node are of one
// form and one block b, a power of two. But convolutions of planes, which are
// images in blocks of one channel, give blocks of IMAGE_BLOCK: so a net begins
// whose pictures have too few channels to fill a block. Weights are always
// [o, c, kh, kw]. For every other op a blocked tensor is just one of rank 5.
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

#endif
