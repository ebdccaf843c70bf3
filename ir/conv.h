// Convolutions as the rest of the house sees them: one description for the
// three ops of the family, whichever of its tensors they make.
#ifndef SIMCC_IR_CONV_H
#define SIMCC_IR_CONV_H

#include "ir/graph.h"

// The forward convolution y = conv2d(x, w) that stands behind a node of
// LOWER_CONV: the node computes y (OP_CONV2D), its gradient by x
// (OP_CONV2D_GRAD_X) or by w (OP_CONV2D_GRAD_W). Tensors are in the forms they
// have in the graph (ir/image.h); strides, dilations and pads are in pixels.
//
//   y[n, o, i, j] = sum over c, a, b of
//       x[n, first + c, i stride[0] + a dilation[0] - pad[0],
//                       j stride[1] + b dilation[1] - pad[1]] w[o, c, a, b]
//
// where c runs over the channels of o's group, and `first` is the first of
// them: with G groups w is [o, C / G, kh, kw], and output o of O belongs to
// group o / (O / G), which reads the channels from (C / G) times its number on.
// A depthwise convolution has as many groups as channels.
typedef struct ConvGeometry {
    Op op;
    TensorType x, w, y;
    int64_t stride[2];   // down, across
    int64_t pad[4];      // top, left, bottom, right
    int64_t dilation[2]; // down, across
    int64_t groups;
} ConvGeometry;

// Whether the node is a convolution in any direction.
bool conv_is(const Node *node);
// Which input of the op holds the weights; -1 when it makes their gradient.
int conv_weights_input(Op op);
// The node must be one; what it returns is a copy, valid when nodes move.
ConvGeometry conv_geometry(const Graph *graph, const Node *node);
bool conv_equal(const ConvGeometry *a, const ConvGeometry *b);
// Writes stride, pad, dilation and groups as a node's attributes; the lists
// point into `conv`.
void conv_set_attrs(const ConvGeometry *conv, Attr *attrs);
// Multiply-adds of it, the same in all three directions: each element of y is a
// sum over the window and the channels of its group. Padding counts.
int64_t conv_macs(const ConvGeometry *conv);

// Which convolutions multiply in bf16 where images are of bf16: their weights
// are rounded, too, and products are added in f32.
typedef enum ConvBf16 {
    CONV_BF16_NONE,  // products are of f32
    CONV_BF16_PLAIN, // those without a faster way (Winograd's) in f32: windows
                     // of 1x1, and strides
    CONV_BF16_ALL    // all between images in blocks
} ConvBf16;
enum {
    // Larger windows and strides multiply in f32.
    CONV_BF16_WINDOW = 49,
    CONV_BF16_STRIDE = 4
};
// Whether this one does.
bool conv_multiplies_bf16(const ConvGeometry *conv, ConvBf16 which);

// A graph of this operation alone, named `name`, with inputs "x" and "dy",
// param "w" (those it reads) and the output "out": to be measured or tested by
// itself.
Graph *conv_graph(Arena *arena, const ConvGeometry *conv, const char *name);

#endif
