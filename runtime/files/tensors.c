#include "runtime/files/tensors_inside.h"

#include <byteswap.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/checksum.h"
#include "runtime/base/crc32c.h"
#include "runtime/base/file.h"

enum { CHUNK = 1 << 20, PATH_ROOM = 4096 };

Status tensors_no_memory(const TensorFile *file)
{
    return status_error(STATUS_MEMORY, "no memory to read '%s'", file->path);
}

// ---- for the readers --------------------------------------------------------

// Room for one more in an array; false when there is no memory.
static bool grow(void **array, int count, int *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    int larger = *capacity ? *capacity * 2 : 64;
    void *grown = realloc(*array, (size_t)larger * size);
    if (!grown)
        return false;
    *array = grown;
    *capacity = larger;
    return true;
}

// A file that is not there is the user's data at fault, as any other wrong file
// of weights is.
static Status cannot_open(const char *path, int error)
{
    return status_error(error == ENOENT || error == ENOTDIR ? STATUS_DATA
                                                            : STATUS_FAILED,
                        "cannot open '%s': %s", path, strerror(error));
}

Status tensors_add_file(TensorFile *file, const char *path, int *index)
{
    struct stat info;
    size_t count = (size_t)file->file_count + 1;
    int *descriptors = realloc(file->descriptors, count * sizeof *descriptors);
    if (descriptors)
        file->descriptors = descriptors;
    int64_t *sizes = realloc(file->file_bytes, count * sizeof *sizes);
    if (sizes)
        file->file_bytes = sizes;
    if (!descriptors || !sizes)
        return tensors_no_memory(file);
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return cannot_open(path, errno);
    *index = file->file_count++;
    file->descriptors[*index] = descriptor;
    if (fstat(descriptor, &info) != 0)
        return cannot_open(path, errno);
    if (!S_ISREG(info.st_mode))
        return status_error(STATUS_DATA, "'%s' is not a regular file", path);
    file->file_bytes[*index] = info.st_size;
    return status_ok();
}

Status tensors_add_blob(TensorFile *file, const TensorBlob *blob, int *index)
{
    if (!blob->member && !blob->memory &&
        (blob->offset < 0 || blob->bytes < 0 ||
         blob->offset > file->file_bytes[blob->file] ||
         blob->bytes > file->file_bytes[blob->file] - blob->offset))
        return status_error(STATUS_DATA,
                            "'%s' is cut off, or claims more than it has",
                            file->path);
    if (!grow((void **)&file->blobs, file->blob_count, &file->blob_capacity,
              sizeof *file->blobs))
        return tensors_no_memory(file);
    *index = file->blob_count++;
    file->blobs[*index] = *blob;
    return status_ok();
}

static Status bad_tensor(const TensorFile *file, const char *name,
                         const char *reason)
{
    return status_error(STATUS_DATA, "'%s': tensor %.200s %s", file->path, name,
                        reason);
}

// Bytes from the first to behind the last element; false when one lies outside
// of the blob or a number overflows.
static bool find_extent(const TensorEntry *entry, int64_t room, int64_t *extent)
{
    const SafeTensor *tensor = &entry->tensor;
    int64_t size = safe_dtype_bytes(tensor->dtype), last = 0, step;
    *extent = tensor->bytes;
    for (int i = 0; entry->strided && i < tensor->rank && tensor->bytes; i++)
        if (entry->strides[i] < 0 ||
            __builtin_mul_overflow(entry->strides[i], tensor->dims[i] - 1,
                                   &step) ||
            __builtin_add_overflow(last, step, &last))
            return false;
    if (entry->strided && tensor->bytes &&
        (__builtin_add_overflow(last, 1, &last) ||
         __builtin_mul_overflow(last, size, extent)))
        return false;
    return entry->start >= 0 && entry->start <= room &&
           *extent <= room - entry->start;
}

Status tensors_add(TensorFile *file, const char *name, TensorEntry *entry)
{
    int64_t extent, room = file->blobs[entry->blob].bytes;
    int64_t packed = 1;
    SafeTensor *tensor = &entry->tensor;
    if (strlen(name) >= TENSOR_NAME)
        return bad_tensor(file, name, "has a name of 1024 bytes and more");
    if (!safe_tensor_bytes(tensor, &tensor->bytes))
        return bad_tensor(file, name, "has a size that is none");
    if (!find_extent(entry, room, &extent))
        return bad_tensor(file, name, "reaches beyond the bytes there are");
    if (tensor->bytes > room)
        return bad_tensor(file, name, "shows the same elements many times");
    // What lies in C order anyway is read as it is.
    for (int i = tensor->rank - 1; entry->strided && i >= 0; i--) {
        if (tensor->dims[i] != 1 && entry->strides[i] != packed)
            break;
        packed *= tensor->dims[i];
        if (i == 0)
            entry->strided = false;
    }
    if (tensor->rank == 0)
        entry->strided = false;
    if (file->count == TENSOR_LIMIT)
        return status_error(STATUS_DATA, "'%s' has more than %d tensors",
                            file->path, TENSOR_LIMIT);
    tensor->name = strdup(name);
    if (!tensor->name)
        return tensors_no_memory(file);
    if (!grow((void **)&file->entries, file->count, &file->capacity,
              sizeof *file->entries)) {
        free((char *)tensor->name);
        return tensors_no_memory(file);
    }
    file->entries[file->count++] = *entry;
    return status_ok();
}

static int compare_blobs(const void *a, const void *b)
{
    const TensorBlob *x = *(TensorBlob *const *)a, *y = *(TensorBlob *const *)b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

Status tensors_check_overlaps(const TensorFile *file)
{
    size_t count = 0;
    TensorBlob **order = malloc(((size_t)file->blob_count + 1) * sizeof *order);
    if (!order)
        return tensors_no_memory(file);
    for (int i = 0; i < file->blob_count; i++)
        if (!file->blobs[i].member && !file->blobs[i].memory)
            order[count++] = &file->blobs[i];
    qsort(order, count, sizeof *order, compare_blobs);
    bool good = true;
    for (size_t i = 1; i < count; i++)
        good = good &&
               (order[i - 1]->file != order[i]->file ||
                order[i - 1]->offset + order[i - 1]->bytes <= order[i]->offset);
    free(order);
    return good ? status_ok()
                : status_error(STATUS_DATA,
                               "'%s': two tensors share their bytes",
                               file->path);
}

// ---- finding the format -----------------------------------------------------

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

#define KERAS_REMEDY                                                           \
    "tf.train.Checkpoint(model=model).write(PREFIX) writes what simcc reads"

// A zip archive with a pickle in it is PyTorch's, one with arrays NumPy's.
static Status open_zip(TensorFile *file)
{
    TRY(zip_open(&file->zip, file->descriptors[0], file->file_bytes[0],
                 file->path));
    bool arrays = false;
    for (int i = 0; i < file->zip.count; i++) {
        const char *name = file->zip.members[i].name;
        if (ends_with(name, "/data.pkl"))
            return torch_zip_open(file);
        arrays = arrays || ends_with(name, ".npy");
    }
    if (arrays)
        return npz_open(file);
    if (zip_find(&file->zip, "model.weights.h5"))
        return status_error(
            STATUS_DATA,
            "'%s' is a Keras 3 model, whose weights are HDF5: " KERAS_REMEDY,
            file->path);
    return status_error(STATUS_DATA,
                        "'%s' is a zip archive without weights: neither "
                        "PyTorch's data.pkl nor NumPy's .npy is in it",
                        file->path);
}

typedef struct Magic {
    int offset, size;
    const char *bytes;
    Status (*open)(TensorFile *file); // NULL: refused, with the advice
    const char *advice;
} Magic;

static const Magic magics[] = {
    {0, 4, "PK\x03\x04", open_zip, NULL},
    {0, 4, "PK\x05\x06", open_zip, NULL},
    // A protocol, and the number that torch.save began with before 1.6.
    {0, 14, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19",
     torch_legacy_open, NULL},
    {0, 8, "\x89HDF\r\n\x1a\n", NULL,
     "an HDF5 file, as Keras writes (.h5, .weights.h5): " KERAS_REMEDY},
    {0, 2, "\x1f\x8b", NULL, "packed with gzip: gunzip it first"},
    {0, 6, "\x93NUMPY", NULL,
     "one NumPy array without a name: numpy.savez writes named ones"},
    {257, 5, "ustar", NULL,
     "a tar archive, as PyTorch wrote before 0.1.10, or of several files: "
     "unpack it first"},
    {0, 2, "\x80\x02", NULL,
     "a pickle, but not torch.save's: torch.save(model.state_dict(), FILE) "
     "writes what simcc reads"},
    {0, 2, "\x80\x03", NULL,
     "a pickle, but not torch.save's: torch.save(model.state_dict(), FILE) "
     "writes what simcc reads"},
    {0, 2, "\x80\x04", NULL,
     "a pickle, but not torch.save's: torch.save(model.state_dict(), FILE) "
     "writes what simcc reads"},
};

static Status read_start(const TensorFile *file, int64_t offset, int64_t size,
                         void *out, int64_t *got)
{
    *got = file_read_at(file->descriptors[0], offset, size, out);
    if (*got < 0)
        return status_error(STATUS_FAILED, "cannot read '%s': %s", file->path,
                            strerror(errno));
    return status_ok();
}

// The last 8 bytes of a checkpoint's index.
static Status is_index(const TensorFile *file, bool *index)
{
    static const uint8_t magic[8] = {0x57, 0xfb, 0x80, 0x8b,
                                     0x24, 0x75, 0x47, 0xdb};
    uint8_t end[8];
    int64_t got;
    *index = false;
    if (file->file_bytes[0] < 48)
        return status_ok();
    TRY(read_start(file, file->file_bytes[0] - 8, 8, end, &got));
    *index = got == 8 && memcmp(end, magic, 8) == 0;
    return status_ok();
}

// "a" of "a.index" and of "a.data-00000-of-00001", if that has an index.
static bool bundle_prefix(const char *path, char prefix[PATH_ROOM])
{
    char index[PATH_ROOM + 8];
    snprintf(prefix, PATH_ROOM, "%s", path);
    char *dot = strrchr(prefix, '.');
    if (!dot || (strcmp(dot, ".index") != 0 && strncmp(dot, ".data-", 6) != 0))
        return false;
    *dot = '\0';
    snprintf(index, sizeof index, "%s.index", prefix);
    return file_exists(index);
}

// A length that fits the file, then its header. Asked before the others:
// lengths like 640, 80 02 in the file, begin as pickles do.
static bool is_safetensors(const TensorFile *file, const uint8_t *start,
                           int64_t got)
{
    uint64_t length = 0;
    for (int i = 7; i >= 0 && got > 8; i--)
        length = length << 8 | start[i];
    return got > 8 && start[8] == '{' &&
           length <= (uint64_t)file->file_bytes[0] - 8;
}

static Status open_plain(TensorFile *file)
{
    uint8_t start[264];
    char prefix[PATH_ROOM];
    int64_t got;
    int index;
    bool bundle;
    TRY(tensors_add_file(file, file->path, &index));
    TRY(read_start(file, 0, sizeof start, start, &got));
    bool safe = is_safetensors(file, start, got);
    for (size_t i = 0; !safe && i < sizeof magics / sizeof *magics; i++) {
        const Magic *magic = &magics[i];
        if (got < magic->offset + magic->size ||
            memcmp(start + magic->offset, magic->bytes, (size_t)magic->size))
            continue;
        if (magic->open)
            return magic->open(file);
        return status_error(STATUS_DATA, "'%s' is %s", file->path,
                            magic->advice);
    }
    TRY(is_index(file, &bundle));
    if ((bundle || ends_with(file->path, ".data-00000-of-00001")) &&
        bundle_prefix(file->path, prefix)) {
        close(file->descriptors[0]);
        file->file_count = 0;
        return bundle_open(file, prefix);
    }
    if (onnx_begins(start, got) || ends_with(file->path, ".onnx"))
        return onnx_open(file);
    TRY(safetensors_open(file->path, &file->safe));
    file->format = "a safetensors file";
    return status_ok();
}

// The only checkpoint of a folder; with several, the one that TensorFlow's file
// `checkpoint` names as the newest.
static Status find_checkpoint(const char *folder, char prefix[PATH_ROOM])
{
    char path[PATH_ROOM + 16], *text = NULL, name[512] = "";
    int64_t size;
    int count = 0;
    snprintf(path, sizeof path, "%s/checkpoint", folder);
    if (file_exists(path) &&
        file_read(path, 1 << 20, &text, &size).code == STATUS_OK) {
        sscanf(text, "model_checkpoint_path: \"%511[^\"]\"", name);
        free(text);
        const char *slash = strrchr(name, '/');
        snprintf(prefix, PATH_ROOM, "%s/%s", folder, slash ? slash + 1 : name);
        snprintf(path, sizeof path, "%s.index", prefix);
        if (*name && file_exists(path))
            return status_ok();
    }
    DIR *entries = opendir(folder);
    if (!entries)
        return cannot_open(folder, errno);
    for (struct dirent *entry; (entry = readdir(entries));)
        if (ends_with(entry->d_name, ".index") && count++ == 0)
            snprintf(prefix, PATH_ROOM, "%s/%.*s", folder,
                     (int)strlen(entry->d_name) - 6, entry->d_name);
    closedir(entries);
    if (count == 1)
        return status_ok();
    return status_error(STATUS_DATA,
                        count ? "'%s' holds several checkpoints: name one, "
                                "without its .index"
                              : "'%s' is a folder without a TensorFlow "
                                "checkpoint (*.index) or saved model in it",
                        folder);
}

static Status open_any(TensorFile *file)
{
    char path[PATH_ROOM], prefix[PATH_ROOM];
    struct stat info;
    const char *given = file->path;
    if (stat(given, &info) == 0) {
        if (!S_ISDIR(info.st_mode))
            return open_plain(file);
        snprintf(prefix, sizeof prefix, "%s/variables/variables", given);
        snprintf(path, sizeof path, "%.4000s.index", prefix);
        if (!file_exists(path))
            TRY(find_checkpoint(given, prefix));
        return bundle_open(file, prefix);
    }
    int error = errno;
    snprintf(path, sizeof path, "%s.index", given);
    if (file_exists(path))
        return bundle_open(file, given);
    return cannot_open(given, error);
}

static int compare_entries(const void *a, const void *b, void *context)
{
    const TensorFile *file = context;
    return strcmp(file->entries[*(const int *)a].tensor.name,
                  file->entries[*(const int *)b].tensor.name);
}

Status tensors_index(TensorFile *file)
{
    free(file->by_name);
    file->by_name = malloc(((size_t)file->count + 1) * sizeof *file->by_name);
    if (!file->by_name)
        return tensors_no_memory(file);
    for (int i = 0; i < file->count; i++)
        file->by_name[i] = i;
    qsort_r(file->by_name, (size_t)file->count, sizeof *file->by_name,
            compare_entries, file);
    for (int i = 1; i < file->count; i++)
        if (compare_entries(&file->by_name[i - 1], &file->by_name[i], file) ==
            0)
            return bad_tensor(file, file->entries[file->by_name[i]].tensor.name,
                              "is there twice");
    file->indexed = file->count;
    return status_ok();
}

Status tensors_open(const char *path, TensorFile **out)
{
    *out = NULL;
    TensorFile *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return status_error(STATUS_MEMORY, "no memory to read '%s'", path);
    }
    Status status = open_any(file);
    if (status.code == STATUS_OK && !file->safe)
        status = tensors_index(file);
    if (status.code == STATUS_OK)
        *out = file;
    else
        tensors_close(file);
    return status;
}

void tensors_close(TensorFile *file)
{
    if (!file)
        return;
    for (int i = 0; i < file->file_count; i++)
        close(file->descriptors[i]);
    for (int i = 0; i < file->count; i++)
        free((char *)file->entries[i].tensor.name);
    for (int i = 0; i < file->blob_count; i++)
        free(file->blobs[i].memory);
    for (int i = 0; i < file->meta_count; i++) {
        free((char *)file->metas[i].key);
        free((char *)file->metas[i].value);
    }
    free(file->metas);
    safetensors_close(file->safe);
    zip_close(&file->zip);
    free(file->descriptors);
    free(file->file_bytes);
    free(file->entries);
    free(file->blobs);
    free(file->by_name);
    free(file->path);
    free(file);
}

// ---- what is there ----------------------------------------------------------

int tensors_count(const TensorFile *file)
{
    return file->safe ? safetensors_count(file->safe) : file->count;
}

const SafeTensor *tensors_at(const TensorFile *file, int index)
{
    return file->safe ? safetensors_at(file->safe, index)
                      : &file->entries[index].tensor;
}

int tensors_find(const TensorFile *file, const char *name)
{
    if (file->safe) {
        const SafeTensor *found = safetensors_find(file->safe, name);
        return found ? (int)(found - safetensors_at(file->safe, 0)) : -1;
    }
    int low = 0, high = file->indexed;
    while (low < high) {
        int middle = low + (high - low) / 2, index = file->by_name[middle];
        int order = strcmp(file->entries[index].tensor.name, name);
        if (order == 0)
            return index;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

const char *tensors_format(const TensorFile *file)
{
    return file->format;
}

const char *tensors_writer(const TensorFile *file)
{
    return file->writer;
}

bool tensors_foreign(const TensorFile *file)
{
    return !file->safe;
}

const char *tensors_folded(const TensorFile *file)
{
    return file->folded;
}

void tensors_folded_text(const TensorFile *file, char *text, size_t size)
{
    snprintf(text, size, "its exporter folded weights into others (%.200s): %s",
             file->folded,
             tensors_meta(file, "phase")
                 ? "`simcc export` without --fold keeps them apart"
                 : "torch.onnx.export(..., dynamo=True, optimize=False) keeps "
                   "them apart, or dynamo=False, do_constant_folding=False, "
                   "training=torch.onnx.TrainingMode.PRESERVE");
}

const char *tensors_meta(const TensorFile *file, const char *key)
{
    if (file->safe)
        return safetensors_meta(file->safe, key);
    for (int i = 0; i < file->meta_count; i++)
        if (strcmp(file->metas[i].key, key) == 0)
            return file->metas[i].value;
    return NULL;
}

// ---- elements ---------------------------------------------------------------

static Status read_blob(const TensorFile *file, const TensorBlob *blob,
                        int64_t start, int64_t size, void *out)
{
    if (blob->member)
        return zip_read(&file->zip, blob->member, start, size, out);
    if (blob->memory) {
        memcpy(out, blob->memory + start, (size_t)size);
        return status_ok();
    }
    int64_t got = file_read_at(file->descriptors[blob->file],
                               blob->offset + start, size, out);
    if (got < 0)
        return status_error(STATUS_FAILED, "cannot read '%s': %s", file->path,
                            strerror(errno));
    if (got < size)
        return status_error(STATUS_DATA, "'%s' ends too early", file->path);
    return status_ok();
}

// Elements of a tensor that does not lie in C order, one after another.
static void gather(const TensorEntry *entry, const char *from, char *to)
{
    const SafeTensor *tensor = &entry->tensor;
    int64_t at[SAFE_MAX_RANK] = {0}, size = safe_dtype_bytes(tensor->dtype);
    for (int64_t n = tensor->bytes / size, place = 0; n > 0; n--, to += size) {
        memcpy(to, from + place * size, (size_t)size);
        for (int i = tensor->rank - 1; i >= 0; i--) {
            place += entry->strides[i];
            if (++at[i] < tensor->dims[i])
                break;
            place -= entry->strides[i] * tensor->dims[i];
            at[i] = 0;
        }
    }
}

static void swap_elements(const SafeTensor *tensor, void *elements)
{
    int size = tensor->dtype == SAFE_C64 ? 4 : safe_dtype_bytes(tensor->dtype);
    for (int64_t i = 0; i < tensor->bytes / size; i++) {
        if (size == 2)
            ((uint16_t *)elements)[i] = bswap_16(((uint16_t *)elements)[i]);
        else if (size == 4)
            ((uint32_t *)elements)[i] = bswap_32(((uint32_t *)elements)[i]);
        else if (size == 8)
            ((uint64_t *)elements)[i] = bswap_64(((uint64_t *)elements)[i]);
    }
}

Status tensors_read(const TensorFile *file, int index, void *out)
{
    int64_t extent = 0;
    if (file->safe)
        return safetensors_read(file->safe, safetensors_at(file->safe, index),
                                out);
    const TensorEntry *entry = &file->entries[index];
    const TensorBlob *blob = &file->blobs[entry->blob];
    if (!entry->strided) {
        TRY(read_blob(file, blob, entry->start, entry->tensor.bytes, out));
    } else {
        find_extent(entry, blob->bytes, &extent);
        char *raw = malloc((size_t)extent + 1);
        if (!raw)
            return tensors_no_memory(file);
        Status status = read_blob(file, blob, entry->start, extent, raw);
        if (status.code == STATUS_OK)
            gather(entry, raw, out);
        free(raw);
        TRY(status);
    }
    if (file->swapped)
        swap_elements(&entry->tensor, out);
    return status_ok();
}

static Status verify_blob(const TensorFile *file, const TensorBlob *blob,
                          void *room)
{
    uint32_t sum = 0;
    if (blob->member)
        return zip_check(&file->zip, blob->member);
    for (int64_t at = 0; blob->summed && at < blob->bytes; at += CHUNK) {
        int64_t part = blob->bytes - at < CHUNK ? blob->bytes - at : CHUNK;
        TRY(read_blob(file, blob, at, part, room));
        sum = crc32c_more(sum, room, (size_t)part);
    }
    if (!blob->summed || crc32c_mask(sum) == blob->sum)
        return status_ok();
    const char *name = "?";
    for (int i = 0; i < file->count; i++)
        if (&file->blobs[file->entries[i].blob] == blob)
            name = file->entries[i].tensor.name;
    return bad_tensor(file, name, "is damaged: its checksum is another");
}

Status tensors_verify(const TensorFile *file)
{
    if (file->safe)
        return safetensors_verify(file->safe);
    void *room = malloc(CHUNK);
    Status status = room ? status_ok() : tensors_no_memory(file);
    for (int i = 0; i < file->blob_count && status.code == STATUS_OK; i++)
        status = verify_blob(file, &file->blobs[i], room);
    free(room);
    return status;
}

static Status hash_tensor(const TensorFile *file, int index, Checksum *sum)
{
    const SafeTensor *tensor = tensors_at(file, index);
    void *elements = malloc((size_t)tensor->bytes + 1);
    if (!elements)
        return tensors_no_memory(file);
    checksum_add(sum, tensor->name, (int64_t)strlen(tensor->name) + 1);
    checksum_add(sum, &tensor->dtype, sizeof tensor->dtype);
    checksum_add(sum, tensor->dims, tensor->rank * (int64_t)sizeof(int64_t));
    Status status = tensors_read(file, index, elements);
    if (status.code == STATUS_OK)
        checksum_add(sum, elements, tensor->bytes);
    free(elements);
    return status;
}

Status tensors_hash(const TensorFile *file, uint64_t *hash)
{
    Checksum sum = checksum_new();
    for (int i = 0; i < tensors_count(file); i++)
        TRY(hash_tensor(file, i, &sum));
    *hash = checksum_value(&sum);
    *hash += *hash == 0;
    return status_ok();
}
