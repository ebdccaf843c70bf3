// Where the rules of codegen choose among ways to compute a convolution, the
// choice may be made by measurement instead: a way, as text that is kept beside
// what was trained with it, because it decides low bits.
//
//   WAYS: lines "SHAPE: WAY", as "conv2d f32 x64 c64 32x32 ...: rows blocks=2"
//   WAY:  the method, then what of its tile is not left to the rule
#ifndef SIMCC_CODEGEN_WAY_H
#define SIMCC_CODEGEN_WAY_H

#include <stdbool.h>

#include "ir/base/text.h"

typedef enum WayMethod {
    WAY_RULE,     // whatever the rule says
    WAY_WINOGRAD, // fewer products
    WAY_ROWS,     // plain sums, tiles along the rows of an image
    WAY_IMAGES,   // plain sums, tiles across images
    WAY_PIXELS,   // of 1x1 windows: products of pixels with weights
    WAY_METHODS
} WayMethod;

typedef enum WayOrder { ORDER_RULE, ORDER_IMAGES, ORDER_WEIGHTS } WayOrder;

typedef struct ConvWay {
    WayMethod method;
    int blocks;     // of the register tile; 0 = by the rule
    WayOrder order; // which of the two tasks share that follow each other
    int scale;      // of the tasks: -1 half, 0 as the rule says, 1 twice
} ConvWay;

// `size` doubled or halved as the way says; at least 1.
int64_t way_scale(const ConvWay *way, int64_t size);

const char *way_text(Arena *arena, const ConvWay *way);
// The way that `ways` has for the shape; by the rule when it has none, or one
// that this version does not know.
ConvWay way_find(const char *ways, const char *shape);

#endif
