// What weights know of the data that they were trained on.
#ifndef SIMCC_CLI_TRAINED_H
#define SIMCC_CLI_TRAINED_H

#include "frontend/cli/job.h"

// Weights are tried on images that they were not trained on: those held out
// then, unless the command line wants others.
Status trained_held_out(Job *job, DataOptions *options);
// Classes are counted by their places, whatever their names: STATUS_DATA when
// the data has others than so many, a warning when their names differ.
Status trained_classes(const Job *job);

#endif
