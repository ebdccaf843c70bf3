#include "tests/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/images.h"

void archive_seal(uint8_t *header)
{
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (int i = 0; i < ARCHIVE_BLOCK; i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

void archive_add(Archive *archive, const char *name, char type,
                 const void *bytes, int64_t size)
{
    uint8_t *header = archive->bytes + archive->size;
    memset(header, 0, ARCHIVE_BLOCK);
    memcpy(header, name, strlen(name) < 100 ? strlen(name) : 100);
    memcpy(header + 100, "0000644", 7);
    snprintf((char *)header + 124, 12, "%011llo", (unsigned long long)size);
    header[156] = (uint8_t)type;
    memcpy(header + 257, "ustar\00000", 8);
    archive_seal(header);
    archive->size += ARCHIVE_BLOCK;
    memcpy(archive->bytes + archive->size, bytes, (size_t)size);
    int64_t padded = (size + ARCHIVE_BLOCK - 1) / ARCHIVE_BLOCK * ARCHIVE_BLOCK;
    memset(archive->bytes + archive->size + size, 0, (size_t)(padded - size));
    archive->size += padded;
}

void archive_add_file(Archive *archive, const char *name, const char *path)
{
    int64_t size;
    uint8_t *bytes = read_bytes(path, &size);
    archive_add(archive, name, '0', bytes, size);
    free(bytes);
}

void archive_write(Archive *archive, const char *path)
{
    memset(archive->bytes + archive->size, 0, 2 * ARCHIVE_BLOCK);
    write_bytes(path, archive->bytes, archive->size + 2 * ARCHIVE_BLOCK);
}
