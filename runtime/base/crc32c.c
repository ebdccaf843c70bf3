#include "runtime/base/crc32c.h"

#include <pthread.h>
#include <string.h>

enum { STEP = 8 };

// tables[k][b]: what the byte b adds to the sum k bytes further on, so that
// eight bytes are taken at once: weights are gigabytes.
static uint32_t tables[STEP][256];
static pthread_once_t filled = PTHREAD_ONCE_INIT;

static void fill(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
        tables[0][b] = crc;
    }
    for (int k = 1; k < STEP; k++)
        for (int b = 0; b < 256; b++) {
            uint32_t before = tables[k - 1][b];
            tables[k][b] = before >> 8 ^ tables[0][before & 255];
        }
}

uint32_t crc32c_more(uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    pthread_once(&filled, fill);
    crc = ~crc;
    for (; size >= STEP; size -= STEP, at += STEP) {
        uint32_t low, high;
        memcpy(&low, at, 4);
        memcpy(&high, at + 4, 4);
        low ^= crc;
        crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^
              tables[5][low >> 16 & 255] ^ tables[4][low >> 24] ^
              tables[3][high & 255] ^ tables[2][high >> 8 & 255] ^
              tables[1][high >> 16 & 255] ^ tables[0][high >> 24];
    }
    for (; size; size--, at++)
        crc = crc >> 8 ^ tables[0][(crc ^ *at) & 255];
    return ~crc;
}

uint32_t crc32c(const void *bytes, size_t size)
{
    return crc32c_more(0, bytes, size);
}

uint32_t crc32c_mask(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

uint32_t crc32c_masked(const void *bytes, size_t size)
{
    return crc32c_mask(crc32c(bytes, size));
}
