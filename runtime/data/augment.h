// Augmentation: an image in, float CHW in [0,1] out. Every random choice is a
// function of the key, never of threads or order, and the arithmetic is the
// same on every processor.
#ifndef SIMCC_RUNTIME_AUGMENT_H
#define SIMCC_RUNTIME_AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/data/image.h"
#include "runtime/exec/program.h"

typedef enum AugmentOp {
#define AUGMENT(id, name, doc, params) AUGMENT_##id,
#include "runtime/data/augment.def"
#undef AUGMENT
    AUGMENT_COUNT
} AugmentOp;

// The name of an operation in the language.
const char *augment_name(int op);

// The step after steps[at] and those that belong to it.
int augment_next(const AugmentStep *steps, int at);

// What makes one augmented view unique.
typedef struct AugmentKey {
    uint64_t seed;
    uint64_t phase; // random_name(phase name)
    uint64_t epoch;
    uint64_t sample; // index in the training set
    uint64_t view;
    uint64_t step; // of the batch: blur draws one sigma per (step, view)
} AugmentKey;

// Are steps known operations, and does what belongs to one of them end before
// the pipeline, or the step that it is part of, does?
bool augment_is_sound(const AugmentStep *steps, int count);

// Refuses a pipeline that could not run: unknown operations, parameters out of
// range, no crop, a crop that may be left out, a last crop of another size
// than height x width, or operations of colours where there are not three
// channels.
Status augment_check(const AugmentStep *steps, int count, int channels,
                     int height, int width);

// What a thread keeps from one image to the next. Zeros to begin with.
typedef struct AugmentRoom {
    float *at;
    int64_t floats;
} AugmentRoom;

enum { AUGMENT_TOLD = 512 };

typedef struct AugmentScratch {
    AugmentRoom planes, spare, work;
    // Where set, AUGMENT_TOLD bytes for what was drawn, in words: "random_crop
    // 120 x 96 at 14, 3; flip; brightness x 1.21; blur 0.63".
    char *told;
} AugmentScratch;

void augment_scratch_free(AugmentScratch *scratch);

// Runs the pipeline; `out` receives channels x height x width floats, whose
// size the pipeline's last crop decides. Each operation draws from a stream of
// its own (its name and how many of that name stand before it), so that adding
// or removing one leaves the draws of the others alone. Fails only for lack of
// memory or when augment_check does.
Status augment_image(const AugmentStep *steps, int count, const Image *image,
                     const AugmentKey *key, AugmentScratch *scratch, int height,
                     int width, float *out);

#endif
