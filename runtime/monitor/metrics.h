// OUT/metrics.jsonl: one JSON object per line, in the order things happened.
//   {"phase":"pretrain","step":50,"epoch":2.5,"loss":3.1,...,
//    "images_per_second":410.0,"input_wait":0.002}
// and "valid_images" in the place of "epoch" for a validation while training,
// "test_images" for the evaluation at the end.
#ifndef SIMCC_RUNTIME_METRICS_H
#define SIMCC_RUNTIME_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "runtime/base/status.h"

typedef struct Metrics {
    FILE *file;
    int digits; // of a number: 9, which tell floats apart; of doubles 17
    char phase[64];
} Metrics;

// Opens the file to append lines of a phase. Lines of that phase past
// `keep_step` (-1: all of them) are dropped first, and so are its evaluation
// and a line cut short by a kill: what comes again after a resume must not
// stand there twice. Numbers have 9 digits unless `digits` is set.
Status metrics_open(Metrics *metrics, const char *out, const char *phase,
                    int64_t keep_step);
// A line of numbers behind phase and step; NaN and infinity become null.
Status metrics_write(Metrics *metrics, int64_t step, int count,
                     const char *const *names, const double *values);
void metrics_close(Metrics *metrics);

#endif
