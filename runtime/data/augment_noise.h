// Operations that put something else in place of pixels.
#ifndef SIMCC_RUNTIME_AUGMENT_NOISE_H
#define SIMCC_RUNTIME_AUGMENT_NOISE_H

#include <stdint.h>

#include "runtime/base/philox.h"
#include "runtime/data/augment_crop.h"

// The box of torchvision's RandomErasing: area uniform, logarithm of the
// aspect, here height / width, uniform; smaller than the image in both
// directions. Of width 0 where ten attempts gave none.
CropBox noise_erased_box(RandomStream *stream, int width, int height,
                         CropRange range);

// Gaussian noise of that deviation on each value, clipped to [0,1].
void noise_add(float *values, int64_t count, double sigma,
               RandomStream *stream);

#endif
