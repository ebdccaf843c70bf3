// A named value of many images in memory: features to compare with each other.
#ifndef SIMCC_FRONTEND_CLI_FEATURES_H
#define SIMCC_FRONTEND_CLI_FEATURES_H

#include "frontend/cli/job.h"

// In the data set's order, training images first.
typedef struct Features {
    const Job *job;
    const PlanTensor *value;
    int64_t width, count, unreadable;
    float *rows;       // [count, width]
    DataSplit *splits; // [count]
    int64_t *indices;  // [count], within the split
    int64_t capacity, seen, stride;
} Features;

// Computes the value that the job was opened for (job_open_value) of the
// images in `splits` (a bit each), with the weights that the options name. Of
// more than `most` images (0 = no limit) one in a fixed number is taken, and
// said; images that cannot be read are left out. STATUS_DATA for fewer than
// two, and what job_weights and infer_phase return; features_free in any case.
Status features_collect(const Job *job, unsigned splits, int64_t most,
                        Features *features);
void features_free(Features *features);

int features_label(const Features *features, int64_t row); // -1 = none
const char *features_name(const Features *features, int64_t row);

#endif
