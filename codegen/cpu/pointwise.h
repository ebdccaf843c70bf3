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
    int64_t group_reads;  // of these, that a group of `blocks` sums at a time
    bool transposes;      // by data: the task turns its weights
    bool joins;           // the images' pixels are one line, in scratch
    bool past;            // results that are spread go past the caches
} PointwiseTile;

// args and imms as of DirectKernel.
typedef struct PointwiseKernel {
    ConvTaps taps;
    PointwiseTile tile;
} PointwiseKernel;

// Whether the taps are those of such a window, on maps that are not tiny. By
// data it stands for all phases of a stride: the rest are zeros.
bool pointwise_takes(const ConvTaps *taps, const ConvWay *way);
PointwiseTile pointwise_choose_tile(const ConvTaps *taps,
                                    const CpuTarget *target, int64_t images,
                                    bool by_data, const ConvWay *way);
// Blocks of tile.rows rows; tasks of the whole.
int64_t pointwise_row_blocks(const ConvTaps *taps, const PointwiseTile *tile);
// Pixels side by side, of which register tiles are made.
int64_t pointwise_line(const ConvTaps *taps, const PointwiseTile *tile);
int64_t pointwise_tasks(const PointwiseKernel *kernel, int64_t images);
// By data at a stride: whether results are put among zeros.
bool pointwise_spreads(const ConvTaps *taps);
// Whether a task's pixels go to scratch first, a part of the channels at a
// time: side by side where there is a stride, as floats where they are of bf16.
bool pointwise_packs(const ConvTaps *taps);
// Blocks of sums that wait in scratch for the next part of the channels, for y
// would round them or has zeros between them: a group's, or all of the task's.
int64_t pointwise_waiting_blocks(const PointwiseKernel *kernel);
// Whether a group's results are whole in scratch, and go to y from there before
// the next group is made.
bool pointwise_by_group(const PointwiseKernel *kernel);
// Whether they are pixels that lie apart, of which a task asks for the next
// one's while it multiplies: as they come they are waited for. (Images that are
// one line are so few pixels that asking takes longer.)
bool pointwise_asks(const ConvTaps *taps, const PointwiseTile *tile);
// Per thread, in elements of f32: pixels packed, [images][reads][line]; sums
// that wait, [images][waiting blocks][line]; a group's results not yet spread;
// its weights transposed; and how far each pixel of a line lies behind the
// task's first, in 64 bits. Each is where it begins.
typedef struct PointwiseScratch {
    int64_t pixels, sums, results, weights, places, total;
} PointwiseScratch;
PointwiseScratch pointwise_scratch(const PointwiseKernel *kernel);
void pointwise_text(Text *text, const PointwiseKernel *kernel);

#endif
