// Which training image comes when: a stream of samples, one permutation of the
// set per epoch, that batches are cut from without gaps. Position and seed
// alone decide, so a resumed run needs nothing but its step number.
#ifndef SIMCC_RUNTIME_SAMPLER_H
#define SIMCC_RUNTIME_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

// Samples by class, for a stream that has each class as often as the others.
// Stratum i is members[starts[i]] up to members[starts[i + 1]], none empty; a
// sample may be in several.
typedef struct Strata {
    int count;
    int64_t *starts;  // [count + 1]
    int64_t *members; // [starts[count]], of 0 .. samples - 1
} Strata;

typedef struct Sampler {
    uint64_t seed, phase;
    int64_t count;
    int64_t epoch;  // the one `order` is for; -1 = none yet
    int64_t *order; // permutation of 0..count-1; NULL = in order
    // Of a balanced stream, in place of `order`.
    const Strata *strata;
    int64_t round;    // that `turns` is for; -1 = none yet
    int64_t *turns;   // [strata]: which class comes when in the round
    int64_t *passes;  // [strata]: the pass through it that `members` is for
    int64_t *members; // permutations of each stratum's
} Sampler;

// One place in the stream.
typedef struct StreamSample {
    int64_t place; // 0 .. count-1
    int64_t epoch; // another number each time that a sample comes
} StreamSample;

// A sampler over `count` (> 0) samples; `phase` is the phase's random_name.
// Without `shuffle` every epoch runs through the samples in order.
Status sampler_init(Sampler *sampler, uint64_t seed, uint64_t phase,
                    int64_t count, bool shuffle);
// The stream of rounds in which each class has one sample, in an order that is
// drawn anew each round; the samples of a class are permuted anew each time
// that it has come to its end, so that those of small classes come more often.
// `strata` must outlive the sampler.
Status sampler_init_balanced(Sampler *sampler, uint64_t seed, uint64_t phase,
                             const Strata *strata);
void sampler_free(Sampler *sampler);

// The sample at a position (from 0) of the stream. Fast when positions are
// asked for in order; costs a permutation when the epoch, or a class's pass,
// changes.
StreamSample sampler_at(Sampler *sampler, int64_t position);

// Steps a phase takes: `steps` when given, else floor(count * epochs / batch)
// + 1, as the paper's code counts them.
int64_t sampler_total_steps(int64_t steps, double epochs, int64_t count,
                            int64_t batch);

#endif
