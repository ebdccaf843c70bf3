// Implementations of convolutions, as conv.c chooses among them.
#ifndef SIMCC_CODEGEN_CONV_H
#define SIMCC_CODEGEN_CONV_H

#include "codegen/plan/lower.h"
#include "codegen/cpu/way.h"

// One convolution, whichever of the three directions: x[n,c,h,w],
// w[o,c,kh,kw], y[n,o,oh,ow], with the channels of x and y in blocks and those
// of w in tiles.
typedef struct ConvShape {
    Op op;
    DType dtype;
    int64_t n, c, h, w, o, kh, kw, oh, ow, sh, sw, top, left;
    int64_t block, out_block; // of x and of y
    int64_t tile;             // of w
    int winograd;             // results along a tile; 0: plain sums alone
    ConvWay way;              // how it was asked to be computed
} ConvShape;

// conv_taps.c: generated kernels on blocked f32 tensors and weights in tiles.
// Return what lower_conv does.
bool conv_taps_takes_data(const ConvShape *shape);
int64_t conv_taps_data(Lowering *lower, const ConvShape *shape, Value value);
bool conv_taps_takes_weights(const ConvShape *shape);
int64_t conv_taps_weights(Lowering *lower, const ConvShape *shape, Value value);
// What a kernel by weights reads beside dy and where its result goes, in its
// own order; tasks per chunk of images.
typedef struct ConvGradient {
    Place x, out;
    int64_t tasks;
} ConvGradient;
// The kernel's step for that value, and the sum over the chunks.
void conv_push_weights(Lowering *lower, const ConvShape *shape, Value value,
                       Kernel *kernel, const ConvGradient *gradient);

// conv_winograd.c: the same for 3x3 windows at stride 1; on which maps it pays.
bool conv_winograd_takes(const ConvShape *shape);
bool conv_winograd_pays(const ConvShape *shape);
int64_t conv_winograd(Lowering *lower, const ConvShape *shape, Value value);
bool conv_winograd_takes_weights(const ConvShape *shape);
int64_t conv_winograd_weights(Lowering *lower, const ConvShape *shape,
                              Value value);

// conv_stem.c: from planes to blocks (ir/image.h), and by its weights.
bool conv_stem_takes(const ConvShape *shape);
int64_t conv_stem(Lowering *lower, const ConvShape *shape, Value value);
bool conv_stem_takes_weights(const ConvShape *shape);
int64_t conv_stem_weights(Lowering *lower, const ConvShape *shape, Value value);

#endif
