// Colour operations on planes of floats in [0,1]. Each clips its result.
#ifndef SIMCC_RUNTIME_AUGMENT_COLOR_H
#define SIMCC_RUNTIME_AUGMENT_COLOR_H

#include <stdint.h>

#include "runtime/base/simd.h"

// Three planes of `count` pixels: red, green, blue.
typedef struct ColorPlanes {
    float *red, *green, *blue;
    int64_t count;
} ColorPlanes;

typedef enum ColorKind {
    COLOR_SCALE,      // x * factor
    COLOR_ADD,        // x + factor
    COLOR_CONTRAST,   // (x - m) * factor + m, m the channel's own mean
    COLOR_SATURATION, // saturation of HSV times factor, at most 1
    COLOR_HUE,        // hue of HSV plus factor turns
    COLOR_GRAY,       // luma .2989 R + .5870 G + .1140 B in all three
    // As torchvision has them:
    COLOR_LUMA_CONTRAST, // (x - m) * factor + m, m the mean of the luma
    COLOR_BLEND,         // (x - luma) * factor + luma
} ColorKind;

typedef struct ColorStep {
    ColorKind kind;
    float factor;
} ColorStep;

// Runs the steps one after the other, all of them on a part of the image that
// stays in cache before the next part. The result has the same bits as that of
// one call for each step.
void color_run(SimdLevel level, ColorPlanes planes, const ColorStep *steps,
               int count);

#endif
