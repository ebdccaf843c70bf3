#include "runtime/data/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/base/philox.h"

Status sampler_init(Sampler *sampler, uint64_t seed, uint64_t phase,
                    int64_t count, bool shuffle)
{
    *sampler = (Sampler){seed, phase, count, -1, NULL};
    if (!shuffle)
        return status_ok();
    sampler->order = malloc((size_t)count * sizeof *sampler->order);
    if (!sampler->order)
        return status_error(STATUS_MEMORY,
                            "no memory for the order of %lld images",
                            (long long)count);
    return status_ok();
}

void sampler_free(Sampler *sampler)
{
    free(sampler->order);
    sampler->order = NULL;
}

// Fisher-Yates, from a stream named by (seed, phase, "order", epoch): every
// permutation is equally likely and epochs do not depend on each other.
static void shuffle_epoch(Sampler *sampler, int64_t epoch)
{
    int64_t *order = sampler->order;
    RandomStream random =
        random_stream(sampler->seed, sampler->phase, random_name("order"),
                      (uint64_t)epoch, 0);
    for (int64_t i = 0; i < sampler->count; i++)
        order[i] = i;
    for (int64_t i = sampler->count - 1; i > 0; i--) {
        int64_t j = random_below(&random, i + 1);
        int64_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    sampler->epoch = epoch;
}

StreamSample sampler_at(Sampler *sampler, int64_t position)
{
    StreamSample sample = {position % sampler->count,
                           position / sampler->count};
    if (!sampler->order)
        return sample;
    if (sampler->epoch != sample.epoch)
        shuffle_epoch(sampler, sample.epoch);
    sample.place = sampler->order[sample.place];
    return sample;
}

int64_t sampler_total_steps(int64_t steps, double epochs, int64_t count,
                            int64_t batch)
{
    if (steps > 0)
        return steps;
    return (int64_t)floor((double)count * epochs / (double)batch) + 1;
}
