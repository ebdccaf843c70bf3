// Drawn images: a labelled set to try everything on without a download. The
// class is the shape of a figure that stands several times in the image; place,
// size, angle, stretch, colors, the gradients, the clutter before and behind
// and the noise are drawn without regard to the class, so that raw pixels say
// little about it.
#ifndef SIMCC_RUNTIME_SYNTH_H
#define SIMCC_RUNTIME_SYNTH_H

#include <stdint.h>

#include "runtime/data/data.h"

enum { SYNTH_MAX_CLASSES = 10 };

// Zeros mean the defaults.
typedef struct SynthOptions {
    int classes; // 2 to SYNTH_MAX_CLASSES; 8
    int size;    // side in pixels, 16 to 512; 32
    int train;   // images per class; 250
    int test;    // images per class; 50
    uint64_t seed;
} SynthOptions;

// Writes FOLDER/train/CLASS/NNNNN.png and FOLDER/test/CLASS/NNNNN.png. The
// same options give the same bytes. Refuses a folder that holds anything
// already.
Status synth_write(const char *folder, const SynthOptions *options);

// One image of the set, which depends on seed, size, split, class and index
// only. The image is the caller's to free.
Status synth_image(const SynthOptions *options, DataSplit split, int label,
                   int64_t index, Image *image);
const char *synth_class_name(int label);

#endif
