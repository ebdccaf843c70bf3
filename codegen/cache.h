// Compiled objects on disk, one file per kernel: <dir>/<2 hex>/<hash>.o. The
// file repeats its key, so neither a damaged file nor a hash collision can
// give wrong code. Every failure is a miss and nothing more.
#ifndef SIMCC_CODEGEN_CACHE_H
#define SIMCC_CODEGEN_CACHE_H

#include <stdbool.h>
#include <stdint.h>

// On a hit *bytes is malloc'ed and the caller's. `directory` may be NULL.
bool cache_read(const char *directory, const char *key, unsigned char **bytes,
                int64_t *size);
// Written aside and renamed: readers see a whole file or none.
void cache_write(const char *directory, const char *key,
                 const unsigned char *bytes, int64_t size);

// Removes the oldest files until `most` are left in the directory.
void cache_prune(const char *directory, int most);

#endif
