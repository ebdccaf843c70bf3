// Convolutions of 1x1 windows that read no rim, forward and by data, at any
// stride, as products of pixels with weights.
#ifndef SIMCC_CODEGEN_POINTWISE_H
#define SIMCC_CODEGEN_POINTWISE_H

#include "codegen/cpu/direct.h"

typedef struct PointwiseTile {
    int pixels, blocks;   // register tile: pixels of the line x blocks written
    int64_t rows, images; // per task: its pixels, in a line
    int64_t writes;       // blocks written per task; a multiple of `blocks`
    int64_t reads;        // blocks summed at a time, over all its pixels
    bool transposes;      // by data: the task turns its weights
    bool joins;           // the images' pixels are one line, in scratch
} PointwiseTile;

// args and imms as of DirectKernel.
typedef struct PointwiseKernel {
    ConvTaps taps;
    PointwiseTile tile;
} PointwiseKernel;

// Whether the taps are those of such a window, on maps that are not tiny. By
// data it stands for all phases of a stride: the rest are zeros.
bool pointwise_takes(const ConvTaps *taps, const ConvWay *way);
PointwiseTile pointwise_choose_tile(const ConvTaps *taps, int vector_bytes,
                                    int64_t images, bool by_data,
                                    const ConvWay *way);
// Blocks of tile.rows rows; tasks of the whole.
int64_t pointwise_row_blocks(const ConvTaps *taps, const PointwiseTile *tile);
// Pixels side by side, of which register tiles are made.
int64_t pointwise_line(const ConvTaps *taps, const PointwiseTile *tile);
int64_t pointwise_tasks(const PointwiseKernel *kernel, int64_t images);
// Per thread, in elements: pixels packed, a group's results not yet spread,
// and its weights transposed.
typedef struct PointwiseScratch {
    int64_t pixels, results, weights, total;
} PointwiseScratch;
PointwiseScratch pointwise_scratch(const PointwiseKernel *kernel);
void pointwise_text(Text *text, const PointwiseKernel *kernel);

#endif
