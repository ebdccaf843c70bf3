#include "runtime/base/checksum.h"

#include <stdlib.h>

#include "tests/harness.h"

enum { SIZE = 1000 };

static uint64_t sum_of(const unsigned char *bytes, int64_t size, int64_t piece)
{
    Checksum sum = checksum_new();
    for (int64_t at = 0; at < size; at += piece)
        checksum_add(&sum, bytes + at, size - at < piece ? size - at : piece);
    return checksum_value(&sum);
}

static void fill(unsigned char *bytes)
{
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 7);
}

TEST(checksum_does_not_depend_on_the_pieces)
{
    unsigned char bytes[SIZE];
    fill(bytes);
    uint64_t whole = sum_of(bytes, SIZE, SIZE);
    for (int64_t piece = 1; piece < 100; piece++)
        CHECK(sum_of(bytes, SIZE, piece) == whole);
}

TEST(checksum_sees_every_flipped_bit_and_missing_byte)
{
    unsigned char bytes[SIZE];
    fill(bytes);
    uint64_t whole = sum_of(bytes, SIZE, SIZE);
    for (int bit = 0; bit < 8 * SIZE; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        CHECK(sum_of(bytes, SIZE, SIZE) != whole);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (int64_t size = 0; size < SIZE; size++)
        CHECK(sum_of(bytes, size, SIZE) != whole);
    // Zeros at the end count, though the last block is filled with zeros.
    memset(bytes, 0, SIZE);
    CHECK(sum_of(bytes, 8, 8) != sum_of(bytes, 9, 9));
}
