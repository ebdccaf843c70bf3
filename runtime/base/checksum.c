// Four lanes take eight bytes each in turn: lane = rotate((lane ^ word) * odd).
// A lane's step can be undone, and so can the joining of the lanes, so damage
// inside eight bytes never goes unseen, and other damage once in 2^64 times.
#include "runtime/base/checksum.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>

static const uint64_t FACTOR = 0x9e3779b97f4a7c15; // 2^64 / golden ratio, odd

static uint64_t mix(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * FACTOR;
    return lane << 29 | lane >> 35;
}

static uint64_t word_at(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

Checksum checksum_new(void)
{
    return (Checksum){.lanes = {1, 2, 3, 4}};
}

static void add_block(Checksum *checksum, const unsigned char *block)
{
    for (int i = 0; i < CHECKSUM_LANES; i++)
        checksum->lanes[i] = mix(checksum->lanes[i], word_at(block + 8 * i));
}

void checksum_add(Checksum *checksum, const void *bytes, int64_t size)
{
    const unsigned char *at = bytes;
    while (size > 0) {
        int64_t filled = (int64_t)(checksum->bytes % CHECKSUM_BLOCK);
        if (filled == 0 && size >= CHECKSUM_BLOCK) {
            add_block(checksum, at);
            at += CHECKSUM_BLOCK;
            size -= CHECKSUM_BLOCK;
            checksum->bytes += CHECKSUM_BLOCK;
            continue;
        }
        int64_t part = CHECKSUM_BLOCK - filled;
        part = part < size ? part : size;
        memcpy(checksum->rest + filled, at, (size_t)part);
        at += part;
        size -= part;
        checksum->bytes += (uint64_t)part;
        if (filled + part == CHECKSUM_BLOCK)
            add_block(checksum, checksum->rest);
    }
}

uint64_t checksum_value(const Checksum *checksum)
{
    Checksum last = *checksum;
    size_t filled = (size_t)(last.bytes % CHECKSUM_BLOCK);
    uint64_t value = last.bytes;
    if (filled) {
        memset(last.rest + filled, 0, CHECKSUM_BLOCK - filled);
        add_block(&last, last.rest);
    }
    for (int i = 0; i < CHECKSUM_LANES; i++)
        value = mix(value, last.lanes[i]);
    return value;
}
