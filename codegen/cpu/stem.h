// Convolutions of images of few channels, which come in planes, to blocks; and
// their gradients by weights. In their taps, in_blocks counts channels.
#ifndef SIMCC_CODEGEN_STEM_H
#define SIMCC_CODEGEN_STEM_H

#include "codegen/cpu/direct.h"

typedef struct StemTile {
    int pixels, blocks; // register tile: neighbours of a row x blocks written
    int64_t rows;       // per task
} StemTile;

// args: x in planes, weights as [out_blocks, kh, c, kw, b], y.
typedef struct StemKernel {
    ConvTaps taps;
    StemTile tile;
} StemKernel;

typedef struct StemWeightsTile {
    int pairs, blocks; // register tile: pairs of a channel and a tap of the row
                       // x blocks written
    int64_t rows;      // summed at a time
} StemWeightsTile;

// args: x in planes, dy, dw in the order of the weights above; imms: images,
// and how many of them a task sums.
typedef struct StemWeightsKernel {
    ConvTaps taps;
    StemWeightsTile tile;
} StemWeightsKernel;

// Blocks of tile.rows rows.
int64_t stem_row_blocks(const StemKernel *kernel);
void stem_text(Text *text, const StemKernel *kernel);
void stem_weights_text(Text *text, const StemWeightsKernel *kernel);

#endif
