// A checksum of bytes that come in pieces: it shows damage, not forgery.
#ifndef SIMCC_RUNTIME_CHECKSUM_H
#define SIMCC_RUNTIME_CHECKSUM_H

#include <stdint.h>

enum { CHECKSUM_LANES = 4, CHECKSUM_BLOCK = 8 * CHECKSUM_LANES };

typedef struct Checksum {
    uint64_t lanes[CHECKSUM_LANES];
    uint64_t bytes; // so far
    unsigned char rest[CHECKSUM_BLOCK];
} Checksum;

Checksum checksum_new(void);
// The pieces' bounds do not matter, their order does.
void checksum_add(Checksum *checksum, const void *bytes, int64_t size);
uint64_t checksum_value(const Checksum *checksum);

#endif
