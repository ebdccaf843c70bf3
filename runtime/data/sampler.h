// Which training image comes when: a stream of samples, one permutation of the
// set per epoch, that batches are cut from without gaps. Position and seed
// alone decide, so a resumed run needs nothing but its step number.
#ifndef SIMCC_RUNTIME_SAMPLER_H
#define SIMCC_RUNTIME_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct Sampler {
    uint64_t seed, phase;
    int64_t count;
    int64_t epoch;  // the one `order` is for; -1 = none yet
    int64_t *order; // permutation of 0..count-1; NULL = in order
} Sampler;

// One place in the stream.
typedef struct StreamSample {
    int64_t place; // 0 .. count-1
    int64_t epoch;
} StreamSample;

// A sampler over `count` (> 0) samples; `phase` is the phase's random_name.
// Without `shuffle` every epoch runs through the samples in order.
Status sampler_init(Sampler *sampler, uint64_t seed, uint64_t phase,
                    int64_t count, bool shuffle);
void sampler_free(Sampler *sampler);

// The sample at a position (from 0) of the stream. Fast when positions are
// asked for in order; costs a permutation when the epoch changes.
StreamSample sampler_at(Sampler *sampler, int64_t position);

// Steps a phase takes: `steps` when given, else floor(count * epochs / batch)
// + 1, as the paper's code counts them.
int64_t sampler_total_steps(int64_t steps, double epochs, int64_t count,
                            int64_t batch);

#endif
