// Convolutions of channel-blocked tensors [n, c / b, h, w, b] as sums over the
// taps of the window, b being CPU_BLOCK: what one generated kernel computes,
// free of names and batch size, and how it is cut into tasks and register
// tiles. Four kernels: along rows, across images, gradients by weights, and
// the transposition of weights that the gradient by data may need first.
//
// Forward, the pixel i of an output axis and the tap t of the window read the
// input pixel in_step * i + in_first + t * tap_step; pixels outside the input
// count as zero. The gradient by data has the same form. With stride s and
// padding p, output i was made from input s * i - p + t, so the input pixel j
// gets dy[i] * w[t] for all t with s * i = j + p - t. Of the input pixels
// j = s * k + phase, only the taps t = t0 + s * u with t0 = (phase + p) mod s
// get anything, and that from i = k + (phase + p - t0) / s - u: again a
// sub-grid of pixels reading along a line of taps, now backwards. A dilation
// puts d t in the place of t; by data that is a line only where the stride
// is 1.
//
// Channels in groups are groups of whole blocks: each group of written blocks
// reads the blocks of its own group.
#ifndef SIMCC_CODEGEN_DIRECT_H
#define SIMCC_CODEGEN_DIRECT_H

#include "codegen/cpu/block.h"
#include "codegen/cpu/target.h"
#include "codegen/cpu/way.h"

// One of the two axes of a map.
typedef struct TapAxis {
    int64_t in, out;             // sizes of the read and the written tensor
    int64_t count;               // pixels made: a sub-grid of the written ones
    int64_t out_first, out_step; // where pixel i is: out_first + out_step * i
    int64_t in_first, in_step;
    int64_t taps, tap_step; // tap_step is the dilation, by data negative
    int64_t kernel;         // size of the weights along the axis
    int64_t weight_first, weight_step; // tap t has weight first + step * t
} TapAxis;

// What is summed: taps of both axes over blocks of channels, for each of so
// many groups. The kernels of planes (stem.h) count single channels in
// in_blocks.
typedef struct ConvTaps {
    KernelTypes types;
    TapAxis rows, cols;
    int64_t groups;
    int64_t in_blocks, out_blocks; // of a group
} ConvTaps;

TapAxis taps_forward(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                     int64_t pad, int64_t dilation);
// The input pixels stride * k + phase of that convolution; count may be 0. One
// of stride and dilation must be 1.
TapAxis taps_backward(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                      int64_t pad, int64_t dilation, int64_t phase);
// Elements of an image that is read, or written.
static inline int64_t taps_image_in(const ConvTaps *taps)
{
    return taps->groups * taps->in_blocks *
           block_map(taps->rows.in, taps->cols.in);
}
static inline int64_t taps_image_out(const ConvTaps *taps)
{
    return taps->groups * taps->out_blocks *
           block_map(taps->rows.out, taps->cols.out);
}
// One tap that reads where it writes: the map may have any shape, so it gets
// rows that suit the tiles.
void taps_reshape_pointwise(ConvTaps *taps);

// Whether every tap of pixels [first, first + count) is inside the input.
bool taps_inside(const TapAxis *axis, int64_t first, int64_t count);
// Whether the tap of the pixel is.
bool tap_inside(const TapAxis *axis, int64_t pixel, int64_t tap);

// Tiles are chosen by rules of the shape and of the target's vectors, never of
// the machine's load, but for what the way says. The register tile for rows of
// `count` pixels:
void taps_choose_register_tile(int64_t count, int64_t out_blocks,
                               int vector_bytes, const ConvWay *way,
                               int *tile_pixels, int *tile_blocks);
// Whether a tile stays in registers, with the weights of a step and a number of
// x. (One register is left over when pixels x blocks x vectors is even.)
bool taps_fit_registers(int64_t pixels, int64_t blocks, int vector_bytes);
// Whether sums of so many read blocks are better made in tiles of WIDE_PIXELS
// by WIDE_BLOCKS than in taps_choose_register_tile's. With 16 registers of half
// a block these, the numbers of x before the weights, take 7 loads to 12
// multiply-adds where 6 pixels by 1 block take 8, and read the pixels half as
// often: 1x1 0.93 to 0.97 of the time while something else on the host slows
// the core, 1.00 to 1.02 while nothing does, products of Winograd 0.85 to 1.01
// (Zen 3, a virtual machine). Sums of fewer blocks than WIDE_READS wait for
// their results instead (1.01 to 1.04).
enum { WIDE_PIXELS = 3, WIDE_BLOCKS = 2, WIDE_READS = 8 };
bool taps_suit_wide_tile(int64_t in_blocks, int64_t out_blocks,
                         const CpuTarget *target, const ConvWay *way);
// Of gradients by weights: read channels for one block of written ones.
int taps_weight_channels(int vector_bytes);

// ---- along rows, forward and by data ----------------------------------------

typedef struct DirectTile {
    int pixels, blocks;   // register tile: neighbours of a row x blocks written
    int64_t rows;         // per task
    bool weights_outside; // tasks: blocks before images, not images first
} DirectTile;

// Weights are [written / b, read / b, kh, kw, b read, b written], which forward
// is the order they are stored in (ir/image.h). args: x, weights, y; imm 0: how
// many images.
typedef struct DirectKernel {
    ConvTaps taps;
    DirectTile tile;
} DirectKernel;

DirectTile direct_choose_tile(const ConvTaps *taps, int vector_bytes,
                              const ConvWay *way);
// Blocks of tile.rows rows; tasks per image.
int64_t direct_row_blocks(const ConvTaps *taps, const DirectTile *tile);
int64_t direct_image_tasks(const DirectKernel *kernel);
void direct_text(Text *text, const DirectKernel *kernel);

// ---- across images, forward and by data -------------------------------------

typedef struct ImagesTile {
    int pixels, blocks; // register tile: images x blocks written
    int64_t images;     // per task
    bool transposes;    // weights come as stored, by data; the task turns them
} ImagesTile;

// args and imms as of DirectKernel.
typedef struct ImagesKernel {
    ConvTaps taps;
    ImagesTile tile;
} ImagesKernel;

// Whether a tile of one pixel of many images suits this map better than `rows`,
// the tile chosen for `flat`, the same map as rows, or is wanted; if so,
// chooses it. `by_data`: weights come as stored.
bool images_choose_tile(const ConvTaps *taps, const ConvTaps *flat,
                        const DirectTile *rows, int vector_bytes,
                        int64_t images, bool by_data, const ConvWay *way,
                        ImagesTile *tile);
// Tasks per share of the images; scratch elements.
int64_t images_group_tasks(const ImagesKernel *kernel);
int64_t images_scratch(const ImagesKernel *kernel);
void images_text(Text *text, const ImagesKernel *kernel);

// ---- gradients by weights ---------------------------------------------------

typedef struct WeightsTile {
    int channels, blocks;  // register tile: read channels, of some tiles one
                           // less, x blocks written
    int64_t rows, images;  // summed at a time
    int64_t reads, writes; // blocks per task
} WeightsTile;

// The gradient is in the order of the weights above. args: x, dy, dw; imms:
// images, and how many of them a task sums.
typedef struct WeightsKernel {
    ConvTaps taps;
    WeightsTile tile;
} WeightsKernel;

WeightsTile weights_choose_tile(const ConvTaps *taps, int vector_bytes,
                                int64_t images);
// The register tile alone, for shares of so many written blocks.
void weights_choose_register_tile(int64_t writes, int vector_bytes,
                                  int *channels, int *blocks);
// Whether these are 1x1 windows whose stride skips pixels, and all that are
// read are inside.
bool weights_skip_pixels(const ConvTaps *taps);
// Whether a task's part of x (input 0) or dy goes to scratch first, as floats:
// where it is of bf16, which the kernel takes of 1x1 windows alone; x where a
// stride skips pixels, those that are read side by side; and of 1x1 windows
// both where a part has many images.
bool weights_packs(const WeightsKernel *kernel, int input);
// Whether the pixels of a part's images lie in scratch one after the other, of
// x as of dy, and are summed as those of one long row.
bool weights_joins_images(const WeightsKernel *kernel);
// Whether a task asks for all of the next part while it multiplies one: of 1x1
// windows, for larger ones read their pixels once for each tap, and of maps
// that are not small.
bool weights_ask_ahead(const WeightsKernel *kernel);
// Per thread, in elements: x and dy, [blocks][images][pixels of a part].
typedef struct WeightsScratch {
    int64_t dy, total;
    int64_t image; // elements of an image, of one block
} WeightsScratch;
WeightsScratch weights_scratch(const WeightsKernel *kernel);
void weights_text(Text *text, const WeightsKernel *kernel);

// ---- weights, transposed ----------------------------------------------------

enum { TRANSPOSE_BLOCKS = 8 }; // read blocks per task

// Pairs of blocks change places and each tile is transposed: weights as stored
// to weights as the kernels by data read them. args: from, to; imm: by
// TransposeImm.
typedef struct TransposeKernel {
    KernelTypes types;
    int64_t window; // places
    bool grouped;   // there are several groups
} TransposeKernel;

// Blocks of a group of what is made.
typedef enum TransposeImm {
    TRANSPOSE_IN_BLOCKS,
    TRANSPOSE_OUT_BLOCKS,
    TRANSPOSE_IMMS
} TransposeImm;

void transpose_text(Text *text, const TransposeKernel *kernel);

// ---- descriptions in words --------------------------------------------------

// "blocks 4 -> 16" and a line for each axis.
void taps_text(Text *text, const ConvTaps *taps);
void taps_axis_text(Text *text, const char *name, const TapAxis *axis);

#endif
