// NumPy's .npz: a zip archive of .npy files. Each is "\x93NUMPY", a version of
// two bytes, the header's length (2 bytes, from version 2 on 4), the header as
// a Python literal {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), },
// then the elements.
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/files/tensors_inside.h"

enum { HEADER_LIMIT = 1 << 16, PREAMBLE = 12 };

static Status bad(const TensorFile *file, const ZipMember *member)
{
    return status_error(STATUS_DATA,
                        "'%s': its member %.200s is no .npy file of numbers",
                        file->path, member->name);
}

static const struct {
    const char *descr; // without the byte order
    SafeDType dtype;
} types[] = {{"f4", SAFE_F32}, {"f8", SAFE_F64}, {"f2", SAFE_F16},
             {"i1", SAFE_I8},  {"u1", SAFE_U8},  {"b1", SAFE_BOOL},
             {"i2", SAFE_I16}, {"u2", SAFE_U16}, {"i4", SAFE_I32},
             {"u4", SAFE_U32}, {"i8", SAFE_I64}, {"u8", SAFE_U64},
             {"c8", SAFE_C64}};

// The value of a key of the header, or NULL.
static const char *find_key(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    if (!at)
        return NULL;
    at += strlen(key);
    at += strspn(at, " :");
    return at;
}

static bool read_descr(const char *at, SafeDType *dtype, bool *big)
{
    if (!at || *at != '\'' || !strchr("<>|=", at[1]))
        return false;
    *big = at[1] == '>';
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strncmp(at + 2, types[i].descr, 2) == 0 && at[4] == '\'') {
            *dtype = types[i].dtype;
            return true;
        }
    return false;
}

static bool read_shape(const char *at, SafeTensor *tensor)
{
    if (!at || *at++ != '(')
        return false;
    for (;;) {
        at += strspn(at, " ,");
        if (*at == ')')
            return true;
        if (!isdigit((unsigned char)*at) || tensor->rank == SAFE_MAX_RANK)
            return false;
        char *end;
        errno = 0;
        tensor->dims[tensor->rank++] = strtoll(at, &end, 10);
        if (errno)
            return false;
        at = end + (*end == 'L'); // Python 2's
    }
}

// Column by column: the first axis moves fastest.
static bool fortran_strides(TensorEntry *entry)
{
    int64_t stride = 1;
    entry->strided = true;
    for (int i = 0; i < entry->tensor.rank; i++) {
        entry->strides[i] = stride;
        if (__builtin_mul_overflow(stride, entry->tensor.dims[i], &stride))
            return false;
    }
    return true;
}

static Status add_array(TensorFile *file, const ZipMember *member,
                        const char *header, int64_t start)
{
    TensorEntry entry = {.start = start};
    TensorBlob blob = {.member = member, .bytes = member->bytes};
    char name[TENSOR_NAME + 8];
    bool big;
    const char *order = find_key(header, "'fortran_order'");
    if (!read_descr(find_key(header, "'descr'"), &entry.tensor.dtype, &big) ||
        !read_shape(find_key(header, "'shape'"), &entry.tensor) || !order ||
        (strncmp(order, "True", 4) == 0 && !fortran_strides(&entry)))
        return bad(file, member);
    if (big && safe_dtype_bytes(entry.tensor.dtype) > 1)
        return status_error(STATUS_DATA,
                            "'%s': its member %.200s is big-endian, which is "
                            "not read: array.astype('<f4')",
                            file->path, member->name);
    snprintf(name, sizeof name, "%s", member->name);
    name[strlen(name) - 4] = '\0';
    TRY(tensors_add_blob(file, &blob, &entry.blob));
    return tensors_add(file, name, &entry);
}

static Status read_array(TensorFile *file, const ZipMember *member)
{
    uint8_t start[PREAMBLE];
    if (strlen(member->name) >= TENSOR_NAME || member->bytes < PREAMBLE)
        return bad(file, member);
    TRY(zip_read(&file->zip, member, 0, PREAMBLE, start));
    int64_t size = start[8] | start[9] << 8, at = 10;
    if (start[6] > 1) {
        size |= (int64_t)start[10] << 16 | (int64_t)start[11] << 24;
        at = 12;
    }
    if (memcmp(start, "\x93NUMPY", 6) != 0 || size > HEADER_LIMIT ||
        size > member->bytes - at)
        return bad(file, member);
    char *header = malloc((size_t)size + 1);
    if (!header)
        return tensors_no_memory(file);
    Status status = zip_read(&file->zip, member, at, size, header);
    header[size] = '\0';
    if (status.code == STATUS_OK)
        status = add_array(file, member, header, at + size);
    free(header);
    return status;
}

Status npz_open(TensorFile *file)
{
    file->format = "a NumPy archive (.npz)";
    snprintf(file->writer, sizeof file->writer, "numpy.savez");
    for (int i = 0; i < file->zip.count; i++) {
        const ZipMember *member = &file->zip.members[i];
        size_t length = strlen(member->name);
        if (length > 4 && strcmp(member->name + length - 4, ".npy") == 0)
            TRY(read_array(file, member));
    }
    return status_ok();
}
