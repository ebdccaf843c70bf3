// CRC-32C (Castagnoli), as TensorFlow's event files and checkpoints have it.
#ifndef SIMCC_RUNTIME_CRC32C_H
#define SIMCC_RUNTIME_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *bytes, size_t size);
// Of bytes that come in pieces: `crc` is that of those before, 0 at first.
uint32_t crc32c_more(uint32_t crc, const void *bytes, size_t size);
// Turned and shifted, so that sums of bytes that hold sums are good ones, too.
uint32_t crc32c_mask(uint32_t crc);
uint32_t crc32c_masked(const void *bytes, size_t size);

#endif
