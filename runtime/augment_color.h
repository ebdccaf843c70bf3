// Colour operations on planes of `count` floats in [0,1].
#ifndef SIMCC_RUNTIME_AUGMENT_COLOR_H
#define SIMCC_RUNTIME_AUGMENT_COLOR_H

#include <stdint.h>

// Three planes of `count` pixels: red, green, blue, one after the other.
typedef struct ColorPlanes {
    float *red, *green, *blue;
    int64_t count;
} ColorPlanes;

void color_clip(ColorPlanes planes);
// x * factor, clipped.
void color_brightness(ColorPlanes planes, float factor);
// (x - mean) * factor + mean with each channel's own mean, clipped.
void color_contrast(ColorPlanes planes, float factor);
// Saturation of HSV times factor, at most 1; clipped.
void color_saturation(ColorPlanes planes, float factor);
// Hue of HSV plus shift turns; clipped.
void color_hue(ColorPlanes planes, float shift);
// Luma .2989 R + .5870 G + .1140 B in all three planes.
void color_grayscale(ColorPlanes planes);

#endif
