// Philox4x32-10 (Salmon et al., 2011): random numbers as a pure function of a
// key and a counter, so that results do not depend on threads, order or resume.
#ifndef SIMCC_RUNTIME_PHILOX_H
#define SIMCC_RUNTIME_PHILOX_H

#include <stdint.h>

// The raw block function: four 32-bit words from counter and key.
void philox4x32(const uint32_t counter[4], const uint32_t key[2],
                uint32_t out[4]);

// A stream of numbers named by up to five coordinates, e.g. (seed, phase,
// epoch, sample, view, operation). Equal names give equal streams.
typedef struct RandomStream {
    uint32_t key[2], counter[4], block[4];
    int used; // words of block already handed out
} RandomStream;

RandomStream random_stream(uint64_t seed, uint64_t a, uint64_t b, uint64_t c,
                           uint64_t d);
uint32_t random_u32(RandomStream *stream);
double random_uniform(RandomStream *stream); // [0, 1), 53 bits
double random_range(RandomStream *stream, double low, double high);
double random_normal(RandomStream *stream);            // Box-Muller
int64_t random_below(RandomStream *stream, int64_t n); // [0, n), unbiased
// 64-bit FNV-1a of a name, for use as a stream coordinate.
uint64_t random_name(const char *name);

#endif
