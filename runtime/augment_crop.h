// Boxes of an image and bicubic resizing, after TensorFlow 2.
#ifndef SIMCC_RUNTIME_AUGMENT_CROP_H
#define SIMCC_RUNTIME_AUGMENT_CROP_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/philox.h"

typedef struct CropBox {
    int x, y, width, height;
} CropBox;

typedef struct CropRange {
    double area_min, area_max;     // share of the image's area
    double aspect_min, aspect_max; // width / height
} CropRange;

// The sampler of tf.image.sample_distorted_bounding_box with the whole image
// as its object: aspect uniform, then the height a uniform integer among those
// whose area is allowed; at least a tenth of the image; the whole image after
// 100 attempts.
CropBox crop_random_box(RandomStream *stream, int width, int height,
                        CropRange range);

// The central square of side rint(proportion * shorter side), half to even,
// offsets rounded up; the whole image when proportion is 1.
CropBox crop_center_box(int width, int height, double proportion);

// Pixels to read: either interleaved bytes, scaled to [0,1], or float planes.
typedef struct CropSource {
    int width, height;
    const uint8_t *bytes; // height * width * 3, or NULL
    const float *planes;  // 3 * height * width, or NULL
} CropSource;

// Resizes the box to 3 x height x width planes in `out`. Pixels outside the
// box are never read. May overshoot [0,1]. False for lack of memory.
bool crop_resize(const CropSource *source, CropBox box, int height, int width,
                 float *out);

#endif
