// Operations on the tone of pixels, each as torchvision.transforms.functional
// has it on images of floats in [0,1]; posterize and equalize, which are about
// bytes, as it (and Pillow) has them on bytes: a value counts as the nearest.
#ifndef SIMCC_RUNTIME_AUGMENT_TONE_H
#define SIMCC_RUNTIME_AUGMENT_TONE_H

#include <stdint.h>

// x factor, clipped to [0,1].
void tone_scale(float *values, int64_t count, float factor);

// 1 - x where x >= threshold.
void tone_solarize(float *values, int64_t count, float threshold);

// The byte of each value with all but its `bits` upper bits at 0. 0 <= bits <=
// 8.
void tone_posterize(float *values, int64_t count, int bits);

// One channel. By its histogram of bytes, so that those are spread evenly; a
// channel with one value, or with fewer pixels than values, stays.
void tone_equalize(float *plane, int64_t count);

// One channel, stretched so that its least value is 0 and its largest 1; one
// with a single value stays.
void tone_autocontrast(float *plane, int64_t count);

// x factor + smooth (1 - factor), clipped to [0,1], where smooth is the mean of
// the 3x3 pixels around x, in which x counts five times. The outermost pixels
// stay, and so do images with a side of 2 or less. `out` does not overlap.
void tone_sharpen(const float *plane, float *out, int width, int height,
                  float factor);

#endif
