#include "runtime/files/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/pretender.h"
#include "runtime/base/checksum.h"
#include "runtime/base/file.h"
#include "runtime/base/json.h"

static const struct DTypeRow {
    const char *name;
    int bytes;
} dtypes[SAFE_DTYPES] = {
    [SAFE_F32] = {"F32", 4},         [SAFE_F64] = {"F64", 8},
    [SAFE_BF16] = {"BF16", 2},       [SAFE_BOOL] = {"BOOL", 1},
    [SAFE_F16] = {"F16", 2},         [SAFE_I8] = {"I8", 1},
    [SAFE_U8] = {"U8", 1},           [SAFE_I16] = {"I16", 2},
    [SAFE_U16] = {"U16", 2},         [SAFE_I32] = {"I32", 4},
    [SAFE_U32] = {"U32", 4},         [SAFE_I64] = {"I64", 8},
    [SAFE_U64] = {"U64", 8},         [SAFE_C64] = {"C64", 8},
    [SAFE_F8_E5M2] = {"F8_E5M2", 1}, [SAFE_F8_E4M3] = {"F8_E4M3", 1},
};

const char *safe_dtype_name(SafeDType dtype)
{
    return dtypes[dtype].name;
}

int safe_dtype_bytes(SafeDType dtype)
{
    return dtypes[dtype].bytes;
}

bool safe_tensor_bytes(const SafeTensor *tensor, int64_t *bytes)
{
    *bytes = dtypes[tensor->dtype].bytes;
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->dims[i] < 0 ||
            __builtin_mul_overflow(*bytes, tensor->dims[i], bytes))
            return false;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    const SafeTensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

// ---- reading ----------------------------------------------------------------

struct SafeFile {
    int descriptor;
    char *path;
    int64_t data_start, data_bytes;
    int count, capacity;
    SafeTensor *tensors;
    const SafeTensor **by_name;
    int meta_count, meta_capacity;
    SafeMeta *metas;
    bool has_metas;
};

// Room for one more in an array; false when there is no memory.
static bool grow(void **array, int count, int *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    int larger = *capacity ? *capacity * 2 : 16;
    void *grown = realloc(*array, (size_t)larger * size);
    if (!grown)
        return false;
    *array = grown;
    *capacity = larger;
    return true;
}

static void read_metas(JsonReader *json, SafeFile *file)
{
    if (file->has_metas)
        json_fail(json, "key given twice");
    file->has_metas = true;
    json_enter(json, '{');
    for (bool first = true; json_next(json, '}', &first);) {
        char *key = json_key(json);
        char *value = key ? json_string(json) : NULL;
        if (!value || !grow((void **)&file->metas, file->meta_count,
                            &file->meta_capacity, sizeof *file->metas)) {
            json_out_of_memory(json);
            free(key);
            free(value);
            return;
        }
        file->metas[file->meta_count++] = (SafeMeta){key, value};
    }
}

static void read_dtype(JsonReader *json, SafeTensor *tensor)
{
    char *name = json_string(json);
    int dtype = 0;
    while (name && dtype < SAFE_DTYPES && strcmp(dtypes[dtype].name, name) != 0)
        dtype++;
    if (dtype == SAFE_DTYPES)
        json_fail(json, "unknown dtype");
    else
        tensor->dtype = (SafeDType)dtype;
    free(name);
}

static void read_shape(JsonReader *json, SafeTensor *tensor)
{
    json_enter(json, '[');
    for (bool first = true; json_next(json, ']', &first);) {
        if (tensor->rank == SAFE_MAX_RANK)
            json_fail(json, "more than 8 dimensions");
        else
            json_whole(json, &tensor->dims[tensor->rank++]);
    }
}

// Two numbers: begin and end; the size is kept in `bytes` to be compared with
// the shape's.
static void read_offsets(JsonReader *json, SafeTensor *tensor)
{
    int64_t ends[2] = {0, 0};
    int count = 0;
    json_enter(json, '[');
    for (bool first = true; json_next(json, ']', &first); count++)
        if (count == 2)
            json_fail(json, "data_offsets are not two");
        else
            json_whole(json, &ends[count]);
    if (count != 2 || ends[1] < ends[0])
        json_fail(json, "data_offsets are not a range");
    tensor->offset = ends[0];
    tensor->bytes = ends[1] - ends[0];
}

static void read_field(JsonReader *json, SafeTensor *tensor, unsigned *seen)
{
    static const char *const names[] = {"dtype", "shape", "data_offsets"};
    char *key = json_key(json);
    if (!key)
        return;
    int field = 0;
    while (field < 3 && strcmp(names[field], key) != 0)
        field++;
    free(key);
    if (field == 3) {
        json_fail(json, "unknown key in a tensor");
        return;
    }
    if (*seen & 1u << field)
        json_fail(json, "key given twice");
    *seen |= 1u << field;
    if (field == 0)
        read_dtype(json, tensor);
    else if (field == 1)
        read_shape(json, tensor);
    else
        read_offsets(json, tensor);
}

static void read_tensor(JsonReader *json, SafeTensor *tensor)
{
    unsigned seen = 0;
    int64_t bytes;
    json_enter(json, '{');
    for (bool first = true; json_next(json, '}', &first);)
        read_field(json, tensor, &seen);
    if (json->error)
        return;
    if (seen != 7)
        json_fail(json, "tensor without dtype, shape or data_offsets");
    else if (!safe_tensor_bytes(tensor, &bytes) || bytes != tensor->bytes)
        json_fail(json, "shape and data_offsets disagree");
}

static void read_entry(JsonReader *json, SafeFile *file)
{
    char *name = json_key(json);
    if (!name)
        return;
    if (strcmp(name, SAFE_META_KEY) == 0) {
        free(name);
        read_metas(json, file);
        return;
    }
    if (!grow((void **)&file->tensors, file->count, &file->capacity,
              sizeof *file->tensors)) {
        free(name);
        json_out_of_memory(json);
        return;
    }
    SafeTensor *tensor = &file->tensors[file->count++];
    *tensor = (SafeTensor){.name = name};
    read_tensor(json, tensor);
}

static Status read_json(SafeFile *file, const char *text, int64_t size)
{
    JsonReader json = json_reader(text, (size_t)size);
    if (text[0] != '{')
        json_fail(&json, "expected '{'");
    json_enter(&json, '{');
    for (bool first = true; json_next(&json, '}', &first);)
        read_entry(&json, file);
    if (json_finish(&json))
        return status_ok();
    if (json.no_memory)
        return status_error(STATUS_MEMORY, "no memory to read '%s'",
                            file->path);
    return status_error(STATUS_DATA,
                        "'%s' is not a safetensors file: byte %zu of its "
                        "header: %s",
                        file->path, json.position, json.error);
}

static int compare_offsets(const void *a, const void *b)
{
    const SafeTensor *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static Status bad_file(const SafeFile *file, const char *reason)
{
    return status_error(STATUS_DATA, "'%s' is not a safetensors file: %s",
                        file->path, reason);
}

// The data must be the tensors one after another and nothing else.
static Status check_cover(SafeFile *file)
{
    int64_t end = 0;
    if (file->count > 0)
        qsort(file->tensors, (size_t)file->count, sizeof *file->tensors,
              compare_offsets);
    for (int i = 0; i < file->count; i++) {
        const SafeTensor *tensor = &file->tensors[i];
        if (tensor->offset != end)
            return status_error(STATUS_DATA,
                                "'%s' is not a safetensors file: %s before "
                                "the data of tensor '%s'",
                                file->path,
                                tensor->offset > end ? "a hole" : "an overlap",
                                tensor->name);
        end = tensor->offset + tensor->bytes;
    }
    if (end != file->data_bytes)
        return status_error(STATUS_DATA,
                            "'%s' is not a safetensors file: %lld bytes of "
                            "data where its header says %lld",
                            file->path, (long long)file->data_bytes,
                            (long long)end);
    for (int i = 0; i < file->count; i++)
        file->tensors[i].offset += file->data_start;
    return status_ok();
}

static int compare_metas(const void *a, const void *b)
{
    const SafeMeta *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static Status index_names(SafeFile *file)
{
    size_t count = (size_t)file->count;
    file->by_name = malloc((count + 1) * sizeof *file->by_name);
    if (!file->by_name)
        return status_error(STATUS_MEMORY, "no memory to read '%s'",
                            file->path);
    for (size_t i = 0; i < count; i++)
        file->by_name[i] = &file->tensors[i];
    qsort(file->by_name, count, sizeof *file->by_name, compare_names);
    for (size_t i = 1; i < count; i++)
        if (compare_names(&file->by_name[i - 1], &file->by_name[i]) == 0)
            return bad_file(file, "a tensor's name is given twice");
    if (file->meta_count > 0)
        qsort(file->metas, (size_t)file->meta_count, sizeof *file->metas,
              compare_metas);
    for (int i = 1; i < file->meta_count; i++)
        if (compare_metas(&file->metas[i - 1], &file->metas[i]) == 0)
            return bad_file(file, "a metadata key is given twice");
    return status_ok();
}

// Fails when the file ends before `size` bytes.
static Status read_at(const SafeFile *file, void *out, int64_t size,
                      int64_t offset)
{
    int64_t got = file_read_at(file->descriptor, offset, size, out);
    if (got < 0)
        return status_error(STATUS_FAILED, "cannot read '%s': %s", file->path,
                            strerror(errno));
    if (got < size)
        return bad_file(file, "it ends too early");
    return status_ok();
}

static Status read_header(SafeFile *file, int64_t file_bytes)
{
    unsigned char length[8];
    char start[256];
    uint64_t size = 0;
    int64_t first =
        file_bytes < (int64_t)sizeof start ? file_bytes : (int64_t)sizeof start;
    TRY(read_at(file, start, first, 0));
    const char *pretender = pretender_name(start, first);
    if (pretender)
        return status_error(STATUS_DATA, "'%s' is %s", file->path, pretender);
    if (file_bytes < 8)
        return bad_file(file, "shorter than 8 bytes");
    TRY(read_at(file, length, 8, 0));
    for (int i = 7; i >= 0; i--)
        size = size << 8 | length[i];
    if (size > SAFE_HEADER_LIMIT)
        return bad_file(file, "its header would have more than 100,000,000 "
                              "bytes");
    if (size == 0 || (int64_t)size > file_bytes - 8)
        return bad_file(file, "its header is empty or longer than the file");
    char *text = malloc(size);
    if (!text)
        return status_error(STATUS_MEMORY, "no memory to read '%s'",
                            file->path);
    file->data_start = 8 + (int64_t)size;
    file->data_bytes = file_bytes - file->data_start;
    Status status = read_at(file, text, (int64_t)size, 8);
    if (status.code == STATUS_OK)
        status = read_json(file, text, (int64_t)size);
    free(text);
    TRY(status);
    TRY(check_cover(file));
    return index_names(file);
}

static Status open_file(SafeFile *file)
{
    struct stat info;
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
    file->descriptor = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->descriptor < 0 || fstat(file->descriptor, &info) != 0)
        return status_error(
            errno == ENOENT || errno == ENOTDIR ? STATUS_DATA : STATUS_FAILED,
            "cannot open '%s': %s", file->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return bad_file(file, "not a regular file");
    return read_header(file, info.st_size);
}

Status safetensors_open(const char *path, SafeFile **out)
{
    *out = NULL;
    SafeFile *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return status_error(STATUS_MEMORY, "no memory to read '%s'", path);
    }
    Status status = open_file(file);
    if (status.code == STATUS_OK)
        *out = file;
    else
        safetensors_close(file);
    return status;
}

void safetensors_close(SafeFile *file)
{
    if (!file)
        return;
    if (file->descriptor >= 0)
        close(file->descriptor);
    for (int i = 0; i < file->count; i++)
        free((char *)file->tensors[i].name);
    for (int i = 0; i < file->meta_count; i++) {
        free((char *)file->metas[i].key);
        free((char *)file->metas[i].value);
    }
    free(file->tensors);
    free(file->by_name);
    free(file->metas);
    free(file->path);
    free(file);
}

int safetensors_count(const SafeFile *file)
{
    return file->count;
}

const SafeTensor *safetensors_at(const SafeFile *file, int index)
{
    return &file->tensors[index];
}

const SafeTensor *safetensors_find(const SafeFile *file, const char *name)
{
    SafeTensor wanted = {.name = name};
    const SafeTensor *key = &wanted;
    const SafeTensor **found = bsearch(&key, file->by_name, (size_t)file->count,
                                       sizeof *file->by_name, compare_names);
    return found ? *found : NULL;
}

const char *safetensors_meta(const SafeFile *file, const char *key)
{
    for (int i = 0; i < file->meta_count; i++)
        if (strcmp(file->metas[i].key, key) == 0)
            return file->metas[i].value;
    return NULL;
}

int safetensors_meta_count(const SafeFile *file)
{
    return file->meta_count;
}

SafeMeta safetensors_meta_at(const SafeFile *file, int index)
{
    return file->metas[index];
}

Status safetensors_read(const SafeFile *file, const SafeTensor *tensor,
                        void *out)
{
    return read_at(file, out, tensor->bytes, tensor->offset);
}

// ---- the checksum -----------------------------------------------------------

enum { DIGITS = sizeof SAFE_NO_CHECKSUM - 1 };

// Adds the header as it was before its checksum was put in; false when the
// checksum does not stand there as our writer writes it.
static bool add_header(Checksum *sum, char *text, size_t size,
                       const char *digits)
{
    static const char key[] = "\"" SAFE_CHECKSUM_KEY "\":\"";
    char *at = memmem(text, size, key, sizeof key - 1);
    if (!at || strlen(digits) != DIGITS)
        return false;
    at += sizeof key - 1;
    if ((size_t)(text + size - at) < DIGITS || memcmp(at, digits, DIGITS) != 0)
        return false;
    memcpy(at, SAFE_NO_CHECKSUM, DIGITS);
    checksum_add(sum, text, (int64_t)size);
    return true;
}

static Status add_data(const SafeFile *file, Checksum *sum, void *buffer,
                       int64_t room)
{
    int64_t end = file->data_start + file->data_bytes;
    for (int64_t at = file->data_start; at < end; at += room) {
        int64_t size = end - at < room ? end - at : room;
        TRY(read_at(file, buffer, size, at));
        checksum_add(sum, buffer, size);
    }
    return status_ok();
}

Status safetensors_verify(const SafeFile *file)
{
    enum { ROOM = 1 << 20 };
    const char *want = safetensors_meta(file, SAFE_CHECKSUM_KEY);
    char have[DIGITS + 1];
    if (!want)
        return status_ok();
    int64_t header = file->data_start - 8;
    char *text = malloc((size_t)(header > ROOM ? header : ROOM));
    if (!text)
        return status_error(STATUS_MEMORY, "no memory to read '%s'",
                            file->path);
    Checksum sum = checksum_new();
    Status status = read_at(file, text, header, 8);
    bool good = status.code == STATUS_OK &&
                add_header(&sum, text, (size_t)header, want);
    if (good)
        status = add_data(file, &sum, text, ROOM);
    free(text);
    TRY(status);
    snprintf(have, sizeof have, "%016" PRIx64, checksum_value(&sum));
    if (good && strcmp(have, want) == 0)
        return status_ok();
    return status_error(STATUS_DATA,
                        "'%s' is damaged, or was changed by another program: "
                        "its checksum is not that of its content",
                        file->path);
}
