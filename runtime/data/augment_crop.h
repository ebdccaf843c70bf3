// Boxes of an image: random ones for training, a central one for evaluation.
#ifndef SIMCC_RUNTIME_AUGMENT_CROP_H
#define SIMCC_RUNTIME_AUGMENT_CROP_H

#include "runtime/base/philox.h"

typedef struct CropBox {
    int x, y, width, height;
} CropBox;

typedef struct CropRange {
    double area_min, area_max;     // share of the image's area
    double aspect_min, aspect_max; // width / height
} CropRange;

// In the order of the words in augment.def.
typedef enum CropSampler {
    SAMPLER_TF,    // tf.image.sample_distorted_bounding_box, the whole image
                   // as its object: aspect uniform, then the height a uniform
                   // integer among those whose area is allowed; at least a
                   // tenth of the image; the whole after 100 attempts
    SAMPLER_TORCH, // torchvision's RandomResizedCrop: area uniform, logarithm
                   // of the aspect uniform; after 10 attempts the largest
                   // central box of an allowed aspect
    CROP_SAMPLERS
} CropSampler;

CropBox crop_random_box(RandomStream *stream, CropSampler sampler, int width,
                        int height, CropRange range);

// The central square of side rint(proportion * shorter side), half to even,
// offsets rounded up; the whole image when proportion is 1.
CropBox crop_center_box(int width, int height, double proportion);

#endif
