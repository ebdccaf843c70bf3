// Reads tar archives member by member: ustar, with the long names of GNU tar
// and of pax. Nothing is unpacked.
#ifndef SIMCC_RUNTIME_TAR_H
#define SIMCC_RUNTIME_TAR_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

enum { TAR_NAME = 4096 };

// A regular file in the archive.
typedef struct TarMember {
    char name[TAR_NAME];
    int64_t offset, size; // of its bytes in the archive, all inside the file
} TarMember;

typedef struct TarReader {
    int descriptor;
    const char *path; // the caller's
    int64_t at, size; // of the file
} TarReader;

// All failures are STATUS_DATA and name the archive and the place in it.
Status tar_open(TarReader *reader, const char *path);
void tar_close(TarReader *reader);
// Goes to the next regular file; *more is false at the archive's end. Fails
// when a header's checksum is wrong, a member reaches beyond the file, or the
// file ends without an end mark.
Status tar_next(TarReader *reader, TarMember *member, bool *more);
// The first `count` bytes of a member, count <= member->size.
Status tar_read(const TarReader *reader, const TarMember *member, void *bytes,
                int64_t count);

#endif
