// Gaussian blur of one plane.
#ifndef SIMCC_RUNTIME_AUGMENT_BLUR_H
#define SIMCC_RUNTIME_AUGMENT_BLUR_H

#include <stdint.h>

#include "runtime/base/simd.h"

enum { BLUR_MAX_RADIUS = 204 };

// The kernel exp(-x^2 / 2 sigma^2) at -radius..radius, normalised to sum 1.
// The radius is half of a tenth of the height, both rounded down: 11 (23 taps)
// at 224, 1 (3 taps) at 32; it is returned, and weights has 2 radius + 1.
int blur_weights(int height, double sigma,
                 float weights[2 * BLUR_MAX_RADIUS + 1]);

// Floats that blur_plane's scratch needs.
int64_t blur_scratch_floats(int width, int height);

// Blurs height x width floats in place. Beyond the edges there are zeros:
// borders darken. Taps at the ends that weigh less than 2^-25 together are
// left out.
void blur_plane(SimdLevel level, float *plane, float *scratch, int width,
                int height, double sigma);

#endif
