// Zip archives, as PyTorch and NumPy write them: the list of members at the end
// of the file, members stored or deflated, ZIP64 for sizes past 4 GB. Nothing
// that a file says about a size is believed before the file is that large.
#ifndef SIMCC_RUNTIME_UNZIP_H
#define SIMCC_RUNTIME_UNZIP_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct ZipMember {
    const char *name;
    int64_t offset; // of its data in the file
    int64_t packed; // bytes there
    int64_t bytes;  // unpacked; as many when it is stored
    uint32_t crc;   // CRC-32 of those
    bool deflated;
} ZipMember;

typedef struct Zip {
    int descriptor;
    const char *path; // for messages; the caller's, as the descriptor is
    int count;
    ZipMember *members; // as the archive lists them
    ZipMember **by_name;
    char *names;
} Zip;

// Reads the list of members and looks at each one's header. STATUS_DATA when
// the archive is damaged, members overlap or share a name, or one is encrypted
// or packed in another way.
Status zip_open(Zip *zip, int descriptor, int64_t file_bytes, const char *path);
void zip_close(Zip *zip);
// NULL when there is none.
const ZipMember *zip_find(const Zip *zip, const char *name);
// Unpacks `size` bytes of a member from `start` on. STATUS_DATA when it holds
// fewer.
Status zip_read(const Zip *zip, const ZipMember *member, int64_t start,
                int64_t size, void *out);
// Unpacks all of it, keeping nothing: STATUS_DATA when its size or its checksum
// is another.
Status zip_check(const Zip *zip, const ZipMember *member);

// The version of zlib that runs.
const char *zip_library(void);

#endif
