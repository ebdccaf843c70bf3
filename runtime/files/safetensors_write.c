// Writing safetensors files; safetensors.c reads them.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/checksum.h"
#include "runtime/base/file.h"
#include "runtime/base/json.h"
#include "runtime/exec/tiles.h"
#include "runtime/files/safetensors.h"

static int compare_names(const void *a, const void *b)
{
    const SafeTensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

// Larger types first, so that every tensor lies on a multiple of its own size.
static int compare_for_file(const void *a, const void *b)
{
    const SafeTensor *const *x = a, *const *y = b;
    int wider = safe_dtype_bytes((*y)->dtype) - safe_dtype_bytes((*x)->dtype);
    return wider ? wider : compare_names(a, b);
}

static Status check_tensor(const char *path, const SafeTensor *tensor)
{
    int64_t bytes;
    bool writable = tensor->dtype <= SAFE_BOOL || tensor->dtype == SAFE_I64;
    if (writable && tensor->rank >= 0 && tensor->rank <= SAFE_MAX_RANK &&
        safe_tensor_bytes(tensor, &bytes) && bytes == tensor->bytes &&
        strcmp(tensor->name, SAFE_META_KEY) != 0 &&
        json_is_utf8(tensor->name, strlen(tensor->name)))
        return status_ok();
    return status_error(STATUS_INTERNAL,
                        "'%s': tensor '%s' has a name, type or size that the "
                        "format does not allow",
                        path, tensor->name);
}

static void put_string(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            fprintf(out, "\\%c", byte);
        else if (byte < 0x20)
            fprintf(out, "\\u%04x", byte);
        else
            putc(byte, out);
    }
    putc('"', out);
}

static void put_metas(FILE *out, int count, const SafeMeta *metas)
{
    fprintf(out, "\"" SAFE_META_KEY "\":{");
    for (int i = 0; i < count; i++) {
        if (i > 0)
            putc(',', out);
        put_string(out, metas[i].key);
        putc(':', out);
        put_string(out, metas[i].value);
    }
    putc('}', out);
}

static void put_tensor(FILE *out, const SafeTensor *tensor, int64_t offset)
{
    put_string(out, tensor->name);
    fprintf(out, ":{\"dtype\":\"%s\",\"shape\":[",
            safe_dtype_name(tensor->dtype));
    for (int i = 0; i < tensor->rank; i++)
        fprintf(out, i ? ",%lld" : "%lld", (long long)tensor->dims[i]);
    fprintf(out, "],\"data_offsets\":[%lld,%lld]}", (long long)offset,
            (long long)(offset + tensor->bytes));
}

static void put_header(FILE *out, int count, const SafeTensor *const *sorted,
                       int meta_count, const SafeMeta *metas)
{
    putc('{', out);
    if (meta_count > 0)
        put_metas(out, meta_count, metas);
    int64_t offset = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 || meta_count > 0)
            putc(',', out);
        put_tensor(out, sorted[i], offset);
        offset += sorted[i]->bytes;
    }
    putc('}', out);
    while (ftell(out) % 8 != 0)
        putc(' ', out);
}

// The header's text in memory: *text is malloc'ed.
static Status make_header(const char *path, int count,
                          const SafeTensor *const *sorted, int meta_count,
                          const SafeMeta *metas, char **text, size_t *size)
{
    FILE *out = open_memstream(text, size);
    bool good = out != NULL;
    if (good) {
        put_header(out, count, sorted, meta_count, metas);
        good = !ferror(out);
        good = fclose(out) == 0 && good;
    }
    if (!good)
        return status_error(STATUS_MEMORY, "no memory to write '%s'", path);
    if (*size > SAFE_HEADER_LIMIT)
        return status_error(STATUS_INTERNAL, "'%s': header too long", path);
    return status_ok();
}

static void put_u64(FileWriter *writer, uint64_t number)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(number >> 8 * i);
    file_put(writer, bytes, sizeof bytes);
}

// ---- data -------------------------------------------------------------------

static bool is_tiled(const SafeTensor *tensor)
{
    return tensor->param && tensor->param->tile;
}

// Room for any tensor that is stored in another order: malloc'ed, or NULL when
// there is no memory.
static void *rows_new(int count, const SafeTensor *const *sorted)
{
    int64_t bytes = 1;
    for (int i = 0; i < count; i++)
        if (is_tiled(sorted[i]) && sorted[i]->bytes > bytes)
            bytes = sorted[i]->bytes;
    return malloc((size_t)bytes);
}

// The tensor's elements in C order, if need be in `rows`.
static const void *in_order(const SafeTensor *tensor, void *rows)
{
    if (!is_tiled(tensor))
        return tensor->data;
    tiles_load(tensor->param, tensor->data, rows);
    return rows;
}

// Where the metadata has room for a checksum, fills it in: that of the header
// with the room as it is, then the data.
static void put_checksum(char *header, size_t size, int count,
                         const SafeTensor *const *sorted, void *rows)
{
    static const char room[] =
        "\"" SAFE_CHECKSUM_KEY "\":\"" SAFE_NO_CHECKSUM "\"";
    enum { DIGITS = sizeof SAFE_NO_CHECKSUM - 1 };
    char *at = memmem(header, size, room, sizeof room - 1), digits[DIGITS + 1];
    if (!at)
        return;
    Checksum sum = checksum_new();
    checksum_add(&sum, header, (int64_t)size);
    for (int i = 0; i < count; i++)
        checksum_add(&sum, in_order(sorted[i], rows), sorted[i]->bytes);
    snprintf(digits, sizeof digits, "%016" PRIx64, checksum_value(&sum));
    memcpy(at + sizeof room - 2 - DIGITS, digits, DIGITS);
}

static Status write_sorted(const char *path, int count,
                           const SafeTensor *const *sorted, int meta_count,
                           const SafeMeta *metas)
{
    char *header = NULL;
    size_t size = 0;
    FileWriter writer;
    void *rows = rows_new(count, sorted);
    if (!rows)
        return status_error(STATUS_MEMORY, "no memory to write '%s'", path);
    Status status =
        make_header(path, count, sorted, meta_count, metas, &header, &size);
    if (status.code == STATUS_OK)
        put_checksum(header, size, count, sorted, rows);
    if (status.code == STATUS_OK)
        status = file_begin(&writer, path);
    if (status.code == STATUS_OK) {
        put_u64(&writer, size);
        file_put(&writer, header, (int64_t)size);
        for (int i = 0; i < count; i++)
            file_put(&writer, in_order(sorted[i], rows), sorted[i]->bytes);
        status = file_commit(&writer);
    }
    free(header);
    free(rows);
    return status;
}

static Status check_all(const char *path, int count,
                        const SafeTensor *const *sorted)
{
    for (int i = 0; i < count; i++)
        TRY(check_tensor(path, sorted[i]));
    for (int i = 1; i < count; i++)
        if (strcmp(sorted[i]->name, sorted[i - 1]->name) == 0)
            return status_error(STATUS_INTERNAL, "'%s': tensor '%s' twice",
                                path, sorted[i]->name);
    return status_ok();
}

Status safetensors_write(const char *path, int count, const SafeTensor *tensors,
                         int meta_count, const SafeMeta *metas)
{
    const SafeTensor **sorted = malloc(((size_t)count + 1) * sizeof *sorted);
    if (!sorted)
        return status_error(STATUS_MEMORY, "no memory to write '%s'", path);
    for (int i = 0; i < count; i++)
        sorted[i] = &tensors[i];
    qsort(sorted, (size_t)count, sizeof *sorted, compare_names);
    Status status = check_all(path, count, sorted);
    if (status.code == STATUS_OK) {
        qsort(sorted, (size_t)count, sizeof *sorted, compare_for_file);
        status = write_sorted(path, count, sorted, meta_count, metas);
    }
    free(sorted);
    return status;
}
