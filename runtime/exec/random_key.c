#include "runtime/exec/random_key.h"

#include "runtime/base/philox.h"

void random_key(uint64_t seed, const char *phase, int64_t step, int64_t first,
                double key[PLAN_RANDOM_KEY])
{
    // The word keeps it apart from the streams of data and augmentation.
    RandomStream stream = random_stream(seed, random_name(phase),
                                        random_name("net"), (uint64_t)step, 0);
    for (int i = 0; i < 4; i += 2) {
        uint32_t word = random_u32(&stream);
        key[i] = word >> 16;
        key[i + 1] = word & 0xffff;
    }
    key[4] = (double)first;
}
