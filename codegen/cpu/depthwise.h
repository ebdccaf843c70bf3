// Depthwise convolutions of channel-blocked tensors: channel k of the result is
// made of channel k alone,
//
//   y[n, k, i, j] = sum over a, b of
//       x[n, k, i sh + a dh - top, j sw + b dw - left] w[k, a, b]
//
// so a block of 16 channels is 16 lanes of everything, and no sum crosses them.
// A plane is one block of one image, [rows, cols, 16]. Few products are made
// of each number, and large maps wait for memory: a plane is read and written
// once, from its first row to its last.
#ifndef SIMCC_CODEGEN_DEPTHWISE_H
#define SIMCC_CODEGEN_DEPTHWISE_H

#include "codegen/cpu/direct.h"

// Of a gradient by data each phase of the stride is a sub-grid of the pixels
// (direct.h). A kernel makes so many of each axis; a larger stride takes
// several kernels.
enum { DEPTHWISE_PHASES = 4 };

// Forward and by data. Weights are packed, [blocks, kh, kw, 16]. args: x,
// weights, y; imm 0: planes.
typedef struct DepthwiseKernel {
    KernelTypes types;
    int64_t blocks; // of channels: planes of an image
    int row_phases, col_phases;
    TapAxis rows[DEPTHWISE_PHASES], cols[DEPTHWISE_PHASES];
    int pixels;     // register tile: neighbours of a row
    int64_t planes; // per task
    int64_t parts;  // tasks of a plane, each of `part_rows` rows of each phase;
    int64_t part_rows; // 1 unless planes = 1
} DepthwiseKernel;

void depthwise_text(Text *text, const DepthwiseKernel *kernel);

// By weights. A task sums one block of channels over some images, as many taps
// at a time as fit in registers. args: x, dy, dw, packed as the weights are;
// imms: images, and how many of them a task sums.
typedef struct DepthwiseWeightsKernel {
    KernelTypes types;
    int64_t blocks;
    TapAxis rows, cols;
    int taps;   // register tile: sums, of taps in the order of the window
    int pixels; // of a row, in a round of the loop
} DepthwiseWeightsKernel;

void depthwise_weights_text(Text *text, const DepthwiseWeightsKernel *kernel);

#endif
