// Models for other programs: one file under torchvision's names.
#ifndef SIMCC_RUNTIME_EXPORT_H
#define SIMCC_RUNTIME_EXPORT_H

#include <stdbool.h>

#include "runtime/train/train.h"

// Copies the phase's model at `weights` to `to`, with a num_batches_tracked
// of 0 beside every running mean and the program's parameters as metadata.
// `backbone`: what torchvision's ResNets have only, the encoder and, when it
// reads the encoder, the classifier fc. Says by options->message what is left
// out and what torchvision would not load. The model must be the program's.
// `ema`: the moving averages in place of the weights they follow; `weights` is
// a checkpoint then.
Status export_model(const Program *program, int phase, const char *weights,
                    const char *to, bool backbone, bool ema,
                    const TrainOptions *options);

#endif
