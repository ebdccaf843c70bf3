#include "runtime/data/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/base/philox.h"

Status sampler_init(Sampler *sampler, uint64_t seed, uint64_t phase,
                    int64_t count, bool shuffle)
{
    *sampler =
        (Sampler){.seed = seed, .phase = phase, .count = count, .epoch = -1};
    if (!shuffle)
        return status_ok();
    sampler->order = malloc((size_t)count * sizeof *sampler->order);
    if (!sampler->order)
        return status_error(STATUS_MEMORY,
                            "no memory for the order of %lld images",
                            (long long)count);
    return status_ok();
}

Status sampler_init_balanced(Sampler *sampler, uint64_t seed, uint64_t phase,
                             const Strata *strata)
{
    size_t classes = (size_t)strata->count;
    int64_t members = strata->starts[strata->count];
    *sampler = (Sampler){.seed = seed,
                         .phase = phase,
                         .count = members,
                         .strata = strata,
                         .round = -1};
    sampler->turns = malloc(classes * sizeof *sampler->turns);
    sampler->passes = malloc(classes * sizeof *sampler->passes);
    sampler->members = malloc((size_t)members * sizeof *sampler->members);
    if (!sampler->turns || !sampler->passes || !sampler->members) {
        sampler_free(sampler);
        return status_error(STATUS_MEMORY,
                            "no memory for the order of %lld images",
                            (long long)members);
    }
    for (int i = 0; i < strata->count; i++)
        sampler->passes[i] = -1;
    return status_ok();
}

void sampler_free(Sampler *sampler)
{
    free(sampler->order);
    free(sampler->turns);
    free(sampler->passes);
    free(sampler->members);
    sampler->order = sampler->turns = sampler->passes = sampler->members = NULL;
}

// Fisher-Yates, from a stream named by (seed, phase, purpose, number, item):
// every permutation is equally likely, and none depends on another.
static void shuffle(const Sampler *sampler, const char *purpose, int64_t number,
                    int64_t item, int64_t count, int64_t *order)
{
    RandomStream random =
        random_stream(sampler->seed, sampler->phase, random_name(purpose),
                      (uint64_t)number, (uint64_t)item);
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = random_below(&random, i + 1);
        int64_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

static StreamSample balanced_at(Sampler *sampler, int64_t position)
{
    const Strata *strata = sampler->strata;
    int64_t round = position / strata->count;
    if (sampler->round != round) {
        for (int i = 0; i < strata->count; i++)
            sampler->turns[i] = i;
        shuffle(sampler, "turns", round, 0, strata->count, sampler->turns);
        sampler->round = round;
    }
    int64_t class = sampler->turns[position % strata->count];
    int64_t start = strata->starts[class];
    int64_t count = strata->starts[class + 1] - start;
    int64_t pass = round / count, *members = sampler->members + start;
    if (sampler->passes[class] != pass) {
        for (int64_t i = 0; i < count; i++)
            members[i] = strata->members[start + i];
        shuffle(sampler, "members", pass, class, count, members);
        sampler->passes[class] = pass;
    }
    // A sample of two classes comes in one pass of each, so the number of the
    // pass alone would come twice.
    return (StreamSample){members[round % count], pass * strata->count + class};
}

StreamSample sampler_at(Sampler *sampler, int64_t position)
{
    if (sampler->strata)
        return balanced_at(sampler, position);
    StreamSample sample = {position % sampler->count,
                           position / sampler->count};
    if (!sampler->order)
        return sample;
    if (sampler->epoch != sample.epoch) {
        for (int64_t i = 0; i < sampler->count; i++)
            sampler->order[i] = i;
        shuffle(sampler, "order", sample.epoch, 0, sampler->count,
                sampler->order);
        sampler->epoch = sample.epoch;
    }
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
