// What random numbers inside a step are drawn from: the plan's input "random",
// of PLAN_RANDOM_KEY floats, fed before each step, and each chunk of one.
#ifndef SIMCC_RUNTIME_RANDOM_KEY_H
#define SIMCC_RUNTIME_RANDOM_KEY_H

#include "runtime/exec/plan.h"

// Of a step, counted from 0: 64 bits as four numbers of 16, which single
// precision holds exactly, highest first; then `first`, the place in the batch
// of the first image that this process or chunk has. Equal arguments give equal
// keys, and all processes and chunks of a step the same 64 bits.
void random_key(uint64_t seed, const char *phase, int64_t step, int64_t first,
                double key[PLAN_RANDOM_KEY]);

#endif
