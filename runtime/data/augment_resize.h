// Bicubic resizing of a box of an image, as several libraries define it.
#ifndef SIMCC_RUNTIME_AUGMENT_RESIZE_H
#define SIMCC_RUNTIME_AUGMENT_RESIZE_H

#include <stdint.h>

#include "runtime/base/simd.h"
#include "runtime/data/augment_crop.h"

// In the order of the words in augment.def. a is the parameter of Keys' cubic
// kernel (1981); output i lies at (i + 1/2) in/out - 1/2 of the input, except
// for TF1's, which lies at i in/out.
typedef enum ResizeKind {
    RESIZE_TF2,    // a = -1/2; taps outside weigh nothing, the rest sums to 1
    RESIZE_TF1,    // a = -3/4; the edge is repeated
    RESIZE_TORCH,  // a = -3/4; the edge is repeated
    RESIZE_PILLOW, // as TF2's, the kernel stretched by in/out when it shrinks
    RESIZE_KINDS
} ResizeKind;

// Pixels to read: either interleaved bytes, scaled to [0,1], or float planes.
typedef struct ResizeSource {
    int width, height;
    const uint8_t *bytes; // height * width * 3, or NULL
    const float *planes;  // channels * height * width, or NULL
    int channels;         // of planes; 0 = 3
} ResizeSource;

// Weights of `count` neighbours, from `first` on, for each output coordinate
// of one axis: the same number for all, zeros where fewer are needed.
typedef struct ResizeTaps {
    int count;
    int *first;     // [out]
    float *weights; // [out * count]
} ResizeTaps;

// How many taps a coordinate has, at most `in`.
int resize_tap_count(ResizeKind kind, int in, int out);
// Fills taps whose count is set and whose arrays are the caller's.
void resize_find_taps(ResizeKind kind, int in, int out, ResizeTaps *taps);

// Floats that resize_box's scratch needs.
int64_t resize_scratch_floats(ResizeKind kind, CropBox box, int height,
                              int width);

// Resizes the box to 3 (channels) x height x width planes in `out`. Pixels
// outside the box are never read. May overshoot [0,1].
void resize_box(SimdLevel level, const ResizeSource *source, CropBox box,
                ResizeKind kind, int height, int width, float *scratch,
                float *out);

#endif
