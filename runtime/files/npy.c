#include "runtime/files/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// The header and its ten bytes before fill whole blocks of 64, so that the
// elements begin on one; the last byte is a newline.
enum { PREAMBLE = 10, BLOCK = 64, HEADER = 5 * BLOCK };

Status npy_begin(FileWriter *writer, const char *path, int32_t dtype, int rank,
                 const int64_t *dims)
{
    char header[HEADER] = "\x93NUMPY\x01";
    int used = PREAMBLE;
    used += snprintf(header + used, HEADER - (size_t)used,
                     "{'descr': '<f%d', 'fortran_order': False, 'shape': (",
                     dtype == PLAN_F64 ? 8 : 4);
    for (int i = 0; i < rank; i++)
        used += snprintf(header + used, HEADER - (size_t)used, "%" PRId64 ",%s",
                         dims[i], i + 1 < rank ? " " : "");
    used += snprintf(header + used, HEADER - (size_t)used, "), }");
    int size = (used + 1 + BLOCK - 1) / BLOCK * BLOCK;
    memset(header + used, ' ', (size_t)(size - used));
    header[size - 1] = '\n';
    header[8] = (char)((size - PREAMBLE) & 255);
    header[9] = (char)((size - PREAMBLE) >> 8);
    TRY(file_begin(writer, path));
    file_put(writer, header, size);
    return status_ok();
}
