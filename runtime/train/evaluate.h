// Evaluation: a phase's evaluation plan over the test images, or those for
// validation.
#ifndef SIMCC_RUNTIME_EVALUATE_H
#define SIMCC_RUNTIME_EVALUATE_H

#include "runtime/train/infer.h"
#include "runtime/train/train.h"

// Fills split, test_count and the reports of `result` from the weights in
// `store`. Without images in this part, or without the labels the plan wants,
// says so by options->message and leaves test_count 0. Outputs with one number
// per example are averaged over exactly the part's images; scalars over the
// full batches alone, since a padded one would count images twice. `scores`
// (NULL = nobody) is handed the row of plan_scores of each of these images,
// where the plan has one. All processes call it; they take batches in turn, and
// get the same numbers and rows.
Status evaluate_plan(const ProgramPhase *phase, const Dataset *data,
                     DataSplit split, const CodeImage *code, Store *store,
                     Pool *pool, const TrainOptions *options,
                     const InferSink *scores, TrainResult *result);

// Evaluates a phase with the weights in `weights` (a safetensors file). A
// teacher's are taken from options->out.
Status evaluate_phase(const Program *program, int phase, Dataset *data,
                      DataSplit split, const char *weights,
                      const TrainOptions *options, const InferSink *scores,
                      TrainResult *result);

#endif
