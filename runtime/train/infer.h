// Runs a phase's network over images and hands on what comes out: features,
// predictions.
#ifndef SIMCC_RUNTIME_INFER_H
#define SIMCC_RUNTIME_INFER_H

#include "runtime/train/train.h"

typedef struct InferSink {
    // One row of the value for each image, in the data set's order; NULL where
    // the image cannot be read.
    Status (*row)(void *context, DataSplit split, int64_t index,
                  const void *values);
    void *context;
} InferSink;

// The value's tensor: the one output of the phase's evaluation plan, whose
// rows are images.
const PlanTensor *infer_value(const ProgramPhase *phase);

// How the phase shows its images for `value`: the view group of the plan's
// images, and its evaluation pipeline, or, where it has none, the centre crop
// of lib/augment.net's eval_crop, for which there is room in `plain`.
typedef struct InferViews {
    const ViewGroup *group;
    const AugmentStep *steps;
    int count;
    AugmentStep plain;
} InferViews;
void infer_views(const ProgramPhase *phase, InferViews *views);

// Weights and machine code ready for images, of one set or of many.
typedef struct Inference Inference;

// Weights as for evaluate_phase. The arguments outlive it; infer_close in any
// case.
Status infer_open(const Program *program, int phase, const char *weights,
                  const TrainOptions *options, Inference **inference);
// Hands on the rows of a part's images. A phase without an evaluation pipeline
// sees the center of its images. All processes call it, take batches in turn
// and are handed all rows.
Status infer_images(Inference *inference, const Dataset *data, DataSplit split,
                    const InferSink *sink);
void infer_close(Inference *inference);

// All three. `splits`: bit 1 << DataSplit.
Status infer_phase(const Program *program, int phase, const Dataset *data,
                   const char *weights, unsigned splits,
                   const TrainOptions *options, const InferSink *sink);

#endif
