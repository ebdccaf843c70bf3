// Convolutions of channel-blocked tensors [n, c/16, h, w, 16] as sums over
// taps: what one generated kernel computes, free of names and batch size.
//
// Forward, the pixel i of an output axis and the tap t of the window read the
// input pixel in_step * i + in_first + t * tap_step; pixels outside the input
// count as zero. The gradient by data has the same form. With stride s and
// padding p, output i was made from input s * i - p + t, so the input pixel j
// gets dy[i] * w[t] for all t with s * i = j + p - t. Of the input pixels
// j = s * k + phase, only the taps t = t0 + s * u with t0 = (phase + p) mod s
// get anything, and that from i = k + (phase + p - t0) / s - u: again a
// sub-grid of pixels reading along a line of taps, now backwards.
#ifndef SIMCC_CODEGEN_TAPS_H
#define SIMCC_CODEGEN_TAPS_H

#include "codegen/cpu/way.h"

enum {
    TAPS_BLOCK = 16,      // channels per block, in all tensors
    TAPS_TILE_BLOCKS = 8, // read blocks per task that transposes weights
};

// One of the two axes of a map.
typedef struct TapAxis {
    int64_t in, out;             // sizes of the read and the written tensor
    int64_t count;               // pixels made: a sub-grid of the written ones
    int64_t out_first, out_step; // where pixel i is: out_first + out_step * i
    int64_t in_first, in_step;
    int64_t taps, tap_step;            // tap_step is 1 or -1
    int64_t kernel;                    // size of the weights along the axis
    int64_t weight_first, weight_step; // tap t has weight first + step * t
} TapAxis;

// How a kernel uses registers and caches. A rule of shapes and of the target's
// vectors, never of the machine's load.
typedef struct TapTile {
    int pixels, blocks;    // register tile: pixels x blocks of written
                           // channels; by weights: read channels x blocks
    int64_t rows;          // per task; by weights: summed at a time
    int64_t images;        // across images: per task; by weights: summed at
                           // a time
    int64_t reads, writes; // by weights: blocks per task
    bool weights_outside;  // tasks: blocks before images, not images first
    bool transposes;       // across images: weights come as stored, by data
} TapTile;

// Weights and their gradients are [written/16, read/16, kh, kw, 16 read, 16
// written], which forward is the order they are stored in (ir/image.h).
typedef struct KernelTaps {
    TapAxis rows, cols;
    int64_t in_blocks, out_blocks;
    TapTile tile;
} KernelTaps;

TapAxis taps_forward(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                     int64_t pad);
// The input pixels stride * k + phase of that convolution; count may be 0.
TapAxis taps_backward(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                      int64_t pad, int64_t phase);
// One tap that reads where it writes: the map may have any shape, so it gets
// rows that suit the tiles.
void taps_reshape_pointwise(KernelTaps *taps);

// Whether every tap of pixels [first, first + count) is inside the input.
bool taps_inside(const TapAxis *axis, int64_t first, int64_t count);
// Whether the tap of the pixel is.
bool tap_inside(const TapAxis *axis, int64_t pixel, int64_t tap);

// Tiles are chosen by rule, but for what the way says. The register tile for
// rows of `count` pixels:
void taps_choose_register_tile(int64_t count, int64_t out_blocks,
                               int vector_bytes, const ConvWay *way,
                               int *tile_pixels, int *tile_blocks);
// Of gradients by weights: read channels for one block of written ones.
int taps_weight_channels(int vector_bytes);
// Chooses the tile for a target with vectors of so many bytes.
void taps_choose_tile(KernelTaps *taps, int vector_bytes, const ConvWay *way);
void taps_choose_weight_tile(KernelTaps *taps, int vector_bytes,
                             int64_t images);
// By weights: parts of at most `share` blocks.
int64_t taps_shares(int64_t blocks, int64_t share);
// Whether a tile of one pixel of many images suits this map better than the
// tile chosen for `rows`, the same map as rows, or is wanted; if so, chooses
// it. `by_data`: weights come as stored.
bool taps_choose_image_tile(KernelTaps *taps, const KernelTaps *rows,
                            int vector_bytes, int64_t images, bool by_data,
                            const ConvWay *way);
// Scratch elements of that kernel.
int64_t taps_image_scratch(const KernelTaps *taps);

// pointwise.c: whether this is a 1x1 window that reads no rim, in either
// direction, on maps that are not tiny. By data it stands for all phases of a
// stride: the rest are zeros.
bool pointwise_takes(const KernelTaps *taps, const ConvWay *way);
// Chooses its tile: how many pixels in a line, images and written blocks a task
// makes, and, by data, whether it transposes the weights for itself.
void pointwise_choose_tile(KernelTaps *taps, int vector_bytes, int64_t images,
                           bool by_data, const ConvWay *way);
int64_t pointwise_tasks(const KernelTaps *taps, int64_t images);
// Per thread, in elements: pixels packed, a group's results not yet spread,
// and its weights transposed.
typedef struct PointwiseScratch {
    int64_t pixels, results, weights, total;
} PointwiseScratch;
PointwiseScratch pointwise_scratch(const KernelTaps *taps);

// Blocks of tile.rows rows.
int64_t taps_row_blocks(const KernelTaps *taps);
// Tasks per image.
int64_t taps_image_tasks(const KernelTaps *taps);
// Tasks per share of the images, across images.
int64_t taps_group_tasks(const KernelTaps *taps);
// Elements of the weights, or of their gradient.
int64_t taps_weight_elements(const KernelTaps *taps);
// Tasks per written block of the kernel that transposes tiles of weights.
int64_t taps_tile_shares(const KernelTaps *taps);

// All of it, canonically.
void taps_text(Text *text, const char *name, const KernelTaps *taps);

#endif
