#include "runtime/base/philox.h"

#include <math.h>

// Multipliers and Weyl increments from Salmon, Moraes, Dror and Shaw,
// "Parallel random numbers: as easy as 1, 2, 3" (2011): the golden ratio and
// sqrt(3) - 1 in 32 bits for the key schedule.
#define PHILOX_MUL_0 0xD2511F53u
#define PHILOX_MUL_1 0xCD9E8D57u
#define PHILOX_KEY_0 0x9E3779B9u
#define PHILOX_KEY_1 0xBB67AE85u

enum { PHILOX_ROUNDS = 10 };

void philox4x32(const uint32_t counter[4], const uint32_t key[2],
                uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1];
    uint32_t c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_MUL_0 * c0;
        uint64_t p1 = (uint64_t)PHILOX_MUL_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_KEY_0;
        k1 += PHILOX_KEY_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

// The five coordinates are 320 bits, a stream has room for 128: the cipher
// itself, chained over the coordinates, folds them into a key and the upper
// half of the counter. The lower half then counts the blocks of the stream.
RandomStream random_stream(uint64_t seed, uint64_t a, uint64_t b, uint64_t c,
                           uint64_t d)
{
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t in[4] = {(uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b,
                      (uint32_t)(b >> 32)};
    uint32_t out[4];
    philox4x32(in, key, out);
    in[0] = out[0] ^ (uint32_t)c;
    in[1] = out[1] ^ (uint32_t)(c >> 32);
    in[2] = out[2] ^ (uint32_t)d;
    in[3] = out[3] ^ (uint32_t)(d >> 32);
    philox4x32(in, key, out);
    return (RandomStream){
        .key = {out[0], out[1]}, .counter = {0, 0, out[2], out[3]}, .used = 4};
}

uint32_t random_u32(RandomStream *stream)
{
    if (stream->used == 4) {
        philox4x32(stream->counter, stream->key, stream->block);
        if (++stream->counter[0] == 0)
            stream->counter[1]++;
        stream->used = 0;
    }
    return stream->block[stream->used++];
}

double random_uniform(RandomStream *stream)
{
    uint64_t high = random_u32(stream) >> 5; // 27 bits
    uint64_t low = random_u32(stream) >> 6;  // 26 bits
    return (double)(high << 26 | low) * 0x1p-53;
}

double random_range(RandomStream *stream, double low, double high)
{
    return low + (high - low) * random_uniform(stream);
}

// sqrt(-2 ln u) cos(2 pi v), with u in (0, 1] so that the logarithm is finite.
double random_normal(RandomStream *stream)
{
    double radius = sqrt(-2.0 * log(1.0 - random_uniform(stream)));
    return radius * cos(2.0 * 3.14159265358979323846 * random_uniform(stream));
}

// Numbers at or above the largest multiple of n would favour small results:
// they are drawn again.
int64_t random_below(RandomStream *stream, int64_t n)
{
    uint64_t range = (uint64_t)n;
    uint64_t biased = (0 - range) % range; // 2^64 mod n
    for (;;) {
        uint64_t high = random_u32(stream);
        uint64_t number = high << 32 | random_u32(stream);
        if (number <= UINT64_MAX - biased)
            return (int64_t)(number % range);
    }
}

uint64_t random_name(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a offset basis and prime
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}
