// Files that tests write byte by byte.
#ifndef SIMCC_TESTS_BYTES_H
#define SIMCC_TESTS_BYTES_H

#include <stdint.h>
#include <string.h>

#include "tests/harness.h"

typedef struct Bytes {
    uint8_t at[1 << 16];
    size_t size;
} Bytes;

static inline void put(Bytes *to, const void *bytes, size_t size)
{
    CHECK(to->size + size <= sizeof to->at);
    if (size)
        memcpy(to->at + to->size, bytes, size);
    to->size += size;
}

static inline void put_text(Bytes *to, const char *text)
{
    put(to, text, strlen(text));
}

// The low end first; `bytes` beyond the eighth are 0.
static inline void put_number(Bytes *to, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        put(to, (uint8_t[]){i < 8 ? (uint8_t)(number >> 8 * i) : 0}, 1);
}

#endif
