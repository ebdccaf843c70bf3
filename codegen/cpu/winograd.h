// Convolutions of 3x3 windows with fewer multiplications (Winograd 1980; Lavin
// and Gray 2016), on channel-blocked tensors: at stride 1 with a quarter of
// them, or with four in nine, and at stride 2 with nine in sixteen.
//
// A tile of 4x4 results needs 6x6 numbers of x, one of 2x2 results 4x4, and
//
//   y = A' [(G g G') * (B' x B)] A
//
// with an elementwise product, which sums over channels turn into 36, or 16,
// matrix products. The three transforms evaluate polynomials at the points 0,
// +-a, +-b and infinity; small tiles do without b, and their a is 1. a = 5/8
// and b = 3/2 keep the rounding error below twice that of the plain sum; the
// whole numbers 1 and 2 give five times as much. That of small tiles is less
// than the plain sum's.
//
// At stride 2 the even numbers of x along an axis meet the outer two taps
// alone, and the odd ones the middle tap:
//
//   y[i] = (g[0] x[2 i] + g[2] x[2 i + 2]) + g[1] x[2 i + 1]
//
// The first sum is one of stride 1 with two taps, of which 4 results need 5
// numbers and the points 0, +-a, +-b; the second is 4 products, whose points
// are the odd numbers themselves. So a side of 4 results has 9 points, of which
// the last 4 meet the same weight: 81 products in place of 144. By data it is
// turned round: 4 numbers of dy and a neighbour make 8 results, of which every
// other one has two taps; which comes first depends on the padding.
#ifndef SIMCC_CODEGEN_WINOGRAD_H
#define SIMCC_CODEGEN_WINOGRAD_H

#include "codegen/cpu/block.h"
#include "codegen/cpu/target.h"
#include "codegen/cpu/way.h"

typedef enum WinogradForm {
    WINOGRAD_NONE,
    WINOGRAD_SMALL, // 2 results along a tile's side
    WINOGRAD_LARGE, // 4
    WINOGRAD_STRIDED,
    // By data at stride 2. A number of dx that one tap reaches comes first, or
    // one that two reach.
    WINOGRAD_STRIDED_ONE_FIRST,
    WINOGRAD_STRIDED_TWO_FIRST,
    WINOGRAD_FORMS
} WinogradForm;

// What a tile has along a side.
typedef struct WinogradSide {
    const char *name;
    int results;
    int numbers; // that they need
    int step;    // of these from a tile to the next one
    int points;  // of both, transformed; at least as many as either
    int weights; // different ones that the points meet, the last ones sharing
} WinogradSide;
const WinogradSide *winograd_side(WinogradForm form);

enum { WINOGRAD_MOST = 9 }; // of any of them

#define WINOGRAD_A (5.0 / 8)
#define WINOGRAD_B (3.0 / 2)

// Weights come as they are stored (ir/image.h) and are transformed to
// [written/16, weights^2, read/16, 16 read, 16 written] by a kernel of their
// own, or, where few tasks need the same ones, row by row of their points in
// each task: four times as many numbers as are stored then never go to memory.
// Shared by four kernels: WINOGRAD (args x or its tiles transformed, weights,
// y) and, by weights, GRADIENT (x, dy, dw), or PRODUCTS (tiles of both, dw).
// TILES (x or dy, transformed) runs before where many tasks read the same
// tiles, or read them often.
typedef struct WinogradKernel {
    KernelTypes types;
    WinogradForm form;
    int64_t in_blocks, out_blocks;
    bool flip;           // of the weights, in both directions, and tiles
                         // transposed: by data
    int64_t h, w;        // of the read map
    int64_t oh, ow;      // of the written one
    int64_t top, left;   // zeros around the read map; may be negative
    int pixels, blocks;  // register tile: tiles x blocks; by weights read
                         // channels x blocks
    int64_t tiles;       // transformed at a time; a multiple of pixels
    int64_t task_blocks; // written blocks per task; a multiple of blocks
    int64_t task_reads;  // by weights: read blocks per task
    int64_t sum_blocks;  // read blocks added up at a time
    int64_t part_blocks; // transformed at a time; a multiple of sum_blocks, or
                         // all
    bool stored_weights; // come as they are stored
    // Where tiles are transformed before, or 0: how many a point has room for;
    // tiles per task that does so and, by weights, added up at a time. By
    // weights, and where they are transformed, `tiles` are all.
    int64_t room, part;
    bool of_results; // then: transforms those of dy, not of x
} WinogradKernel;

// Of a tile: its products, and the different weights that they meet.
int winograd_area(WinogradForm form);
int winograd_weights_area(WinogradForm form);
// Tiles of one image.
int64_t winograd_rows(const WinogradKernel *winograd);
int64_t winograd_cols(const WinogradKernel *winograd);
int64_t winograd_tiles(const WinogradKernel *winograd);
// For so many images.
int64_t winograd_tasks(const WinogradKernel *winograd, int64_t images);
// Whether a task goes through the read blocks in parts.
bool winograd_adds_parts(const WinogradKernel *winograd);
int64_t winograd_weight_elements(const WinogradKernel *winograd);
// Scratch of the kernel that transforms weights by data: a pair of blocks.
int64_t winograd_tap_elements(void);

// Per thread, in elements: the transformed tiles, their products, and lines
// for a tile between the two halves of a transform, of zeros, and of what lies
// outside the result.
typedef struct WinogradScratch {
    int64_t input,   // unless transformed before
        input_point; // [area][part_blocks][tiles][16] and its first step
    // [area][blocks][tiles][16], or where parts are added up, of task_blocks
    int64_t product, product_point;
    int64_t taps, weights; // of stored ones, of `blocks` written blocks:
                           // turned, [part_blocks][3][3][16][16], and a row of
                           // points, [weights][part_blocks][16][16]
    int64_t sums; // by weights: [area][task_blocks][task_reads][16][16]
    int64_t lines, zeros, waste;
    int64_t total;
} WinogradScratch;
WinogradScratch winograd_scratch(const WinogradKernel *winograd);
// By weights; `product` is the transformed dy,
// [area][task_blocks][tiles][16].
WinogradScratch winograd_gradient_scratch(const WinogradKernel *winograd);

// Sets the sizes of tiles and tasks for a target with vectors of so many bytes,
// by the rule but for what the way says.
void winograd_choose_tile(WinogradKernel *winograd, const CpuTarget *target,
                          int64_t images, const ConvWay *way);
// Whether gradients by weights have all tiles transformed before, and how: few
// tiles, whose sums are many.
bool winograd_choose_ready_tiles(WinogradKernel *winograd, int vector_bytes,
                                 int64_t images, const ConvWay *way);
// Forward and by data: of tiles that are transformed before, the kernel that
// does so.
WinogradKernel winograd_ready_tiles(const WinogradKernel *winograd,
                                    int64_t images);
// Of tiles transformed before: between points; all of x or dy.
int64_t winograd_point_elements(const WinogradKernel *winograd);
int64_t winograd_tile_elements(const WinogradKernel *winograd, int64_t blocks);
void winograd_choose_gradient_tile(WinogradKernel *winograd, int vector_bytes,
                                   const ConvWay *way);
// Whether it should beat the plain sum on this shape.
bool winograd_pays(const WinogradKernel *winograd, int64_t images);

bool winograd_gradient_pays(const WinogradKernel *winograd, int64_t images);

// Of weights alone. args: weights, transformed ones; imm: by
// WinogradWeightsImm.
typedef struct WinogradWeightsKernel {
    KernelTypes types;
    WinogradForm form;
    bool flip;
} WinogradWeightsKernel;

typedef enum WinogradWeightsImm {
    WINOGRAD_IN_BLOCKS,
    WINOGRAD_OUT_BLOCKS,
    WINOGRAD_WEIGHTS_IMMS
} WinogradWeightsImm;

void winograd_text(Text *text, const WinogradKernel *kernel);
void winograd_weights_text(Text *text, const WinogradWeightsKernel *kernel);
void winograd_gradient_text(Text *text, const WinogradKernel *kernel);
void winograd_tiles_text(Text *text, const WinogradKernel *kernel);
void winograd_products_text(Text *text, const WinogradKernel *kernel);

#endif
