// Implementations of convolutions, as conv.c chooses among them.
#ifndef SIMCC_CODEGEN_CONV_H
#define SIMCC_CODEGEN_CONV_H

#include "codegen/cpu/lower.h"
#include "codegen/cpu/way.h"
#include "codegen/cpu/winograd.h"

// One convolution, whichever of the three directions: x[n,c,h,w],
// w[o,c,kh,kw], y[n,o,oh,ow], with the channels of x and y in blocks and those
// of w in tiles.
typedef struct ConvShape {
    Op op;
    DType dtype; // of weights and sums
    // Of the node's inputs and of what it makes: images may be of bf16.
    DType in[2], out;
    int64_t n, c, h, w, o, kh, kw, oh, ow, sh, sw, top, left; // c: of x
    int64_t dh, dw, groups;                                   // dilation
    int64_t block, out_block;                                 // of x and of y
    int64_t tile;                                             // of w
    WinogradForm winograd;    // of tiles at stride 1; none: plain sums alone
    ConvWay way;              // how it was asked to be computed
    bool multiplies_bf16;     // the target, such convolutions
    const Epilogue *epilogue; // as KernelTypes has it
} ConvShape;

// The types of a kernel that reads and writes its tensors as they are.
KernelTypes conv_types(const ConvShape *shape);
// The step of a kernel that makes images of images, and of its epilogue, which
// has further arguments. Its own, from the first on: data, weights, out.
LowerStep conv_step(Lowering *lower, const ConvShape *shape,
                    const CpuKernel *kernel, int64_t task_count,
                    const char *label, const Place args[3]);

// Whether its sums are lines of taps in this direction: backwards a dilation
// and a stride together are none (direct.h).
bool conv_has_lines(const ConvShape *shape);

// direct_lower.c: generated kernels on blocked f32 tensors and weights in
// tiles. Return what lower_conv does.
bool conv_direct_takes_data(const ConvShape *shape);
int64_t conv_direct_data(Lowering *lower, const ConvShape *shape, Value value);
bool conv_direct_takes_weights(const ConvShape *shape);
int64_t conv_direct_weights(Lowering *lower, const ConvShape *shape,
                            Value value);
// What a kernel reads and writes itself in bf16, of the node's inputs and its
// result. The rest it has in f32, by copies.
// Weights are among its inputs where CONV_WEIGHTS is said, too.
enum { CONV_IN_0 = 1, CONV_IN_1 = 2, CONV_OUT = 4, CONV_WEIGHTS = 8 };
// Those of them that are products of pixels with weights, or of pixels: whose
// windows are 1x1.
bool conv_pointwise_takes_data(const ConvShape *shape);
bool conv_pointwise_takes_weights(const ConvShape *shape);
// What of their bf16 so many tasks would bring to f32 again that one copy is
// cheaper.
unsigned conv_pointwise_widened(const Lowering *lower, const ConvShape *shape);
unsigned conv_weights_widened(const Lowering *lower, const ConvShape *shape);
// What a kernel by weights reads beside dy and where its result goes, in its
// own order; tasks per chunk of images.
typedef struct ConvGradient {
    Place x, out;
    int64_t tasks;
} ConvGradient;
// The kernel's step for that value, and the sum over the chunks.
void conv_push_weights(Lowering *lower, const ConvShape *shape, Value value,
                       const CpuKernel *kernel, const ConvGradient *gradient);

// winograd_lower.c: the same for 3x3 windows at strides 1 and 2; where it
// pays.
bool conv_winograd_takes(const ConvShape *shape);
bool conv_winograd_pays(const ConvShape *shape);
int64_t conv_winograd(Lowering *lower, const ConvShape *shape, Value value);
bool conv_winograd_takes_weights(const ConvShape *shape);
int64_t conv_winograd_weights(Lowering *lower, const ConvShape *shape,
                              Value value);

// bf16_lower.c: where images and weights are of bf16, and gradients by weights
// of such images; as direct_lower.c otherwise.
bool conv_bf16_takes_data(const ConvShape *shape);
int64_t conv_bf16_data(Lowering *lower, const ConvShape *shape, Value value);
bool conv_bf16_takes_weights(const ConvShape *shape);
int64_t conv_bf16_weights(Lowering *lower, const ConvShape *shape, Value value);

// depthwise_lower.c: as many groups as channels, which stay in their blocks.
bool conv_depthwise_takes(const ConvShape *shape);
int64_t conv_depthwise(Lowering *lower, const ConvShape *shape, Value value);
bool conv_depthwise_takes_weights(const ConvShape *shape);
int64_t conv_depthwise_weights(Lowering *lower, const ConvShape *shape,
                               Value value);

// stem_lower.c: from planes to blocks (ir/image.h), and by its weights.
bool conv_stem_takes(const ConvShape *shape);
int64_t conv_stem(Lowering *lower, const ConvShape *shape, Value value);
bool conv_stem_takes_weights(const ConvShape *shape);
int64_t conv_stem_weights(Lowering *lower, const ConvShape *shape, Value value);

// blas_lower.c: im2col and BLAS, on plain tensors.
bool conv_blas_takes_images(const ConvShape *shape);
int64_t conv_blas_images(Lowering *lower, const ConvShape *shape, Value value);
bool conv_blas_takes_weights(const ConvShape *shape);
int64_t conv_blas_weights(Lowering *lower, const ConvShape *shape, Value value);

#endif
