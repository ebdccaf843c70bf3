// The run directory: what lies where.
//
//   OUT/model.net                  the program, every parameter resolved
//   OUT/command                    the command line
//   OUT/about                      versions, processor, data, settings
//   OUT/log                        what was said, with the time
//   OUT/card.md                    the model card
//   OUT/metrics.jsonl              a line per report
//   OUT/curves.png, curves.svg     losses and reports as curves
//   OUT/PHASE/state                how far it is, and its latest numbers
//   OUT/PHASE/events.out.tfevents.simcc  metrics for TensorBoard
//   OUT/PHASE/checkpoint.safetensors  everything a resumed run needs
//   OUT/PHASE/model.safetensors       the result: weights and running state
#ifndef SIMCC_RUNTIME_RUNDIR_H
#define SIMCC_RUNTIME_RUNDIR_H

#include "runtime/base/status.h"

enum { RUNDIR_PATH = 4096 };

// Writes OUT/file, or OUT/phase/file when `phase` is not NULL, to `path`.
Status rundir_path(const char *out, const char *phase, const char *file,
                   char path[RUNDIR_PATH]);
// Makes OUT, and OUT/phase when `phase` is not NULL.
Status rundir_create(const char *out, const char *phase);

#endif
