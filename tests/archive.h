// Tar archives for tests, good ones and pieces of bad ones.
#ifndef SIMCC_TESTS_ARCHIVE_H
#define SIMCC_TESTS_ARCHIVE_H

#include <stdint.h>

enum { ARCHIVE_BLOCK = 512 };

typedef struct Archive {
    uint8_t bytes[1 << 18];
    int64_t size;
} Archive;

// Appends a member: a header with its checksum, the bytes, padding.
void archive_add(Archive *archive, const char *name, char type,
                 const void *bytes, int64_t size);
void archive_add_file(Archive *archive, const char *name, const char *path);
// Writes `header`, changed, again with its right checksum.
void archive_seal(uint8_t *header);
// Appends the end mark and writes it all.
void archive_write(Archive *archive, const char *path);

#endif
