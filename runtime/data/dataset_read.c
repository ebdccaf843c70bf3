// Reading samples: where their bytes are, and their pixels.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "runtime/base/file.h"
#include "runtime/data/dataset_inside.h"
#include "runtime/data/image_exif.h"

// No image of acceptable size is larger, short of padding.
enum { MAX_FILE = 1 << 30 };

// ---- kinds of files --------------------------------------------------------

static bool has_extension(const char *name, const char *const *extensions)
{
    const char *dot = strrchr(name, '.');
    for (; dot && *extensions; extensions++)
        if (strcasecmp(dot + 1, *extensions) == 0)
            return true;
    return false;
}

bool dataset_is_image_name(const char *name)
{
    static const char *const readable[] = {"png",  "jpg", "jpeg", "jpe",
                                           "jfif", "jif", NULL};
    return has_extension(name, readable);
}

bool dataset_is_array_name(const char *name)
{
    static const char *const arrays[] = {"npy", NULL};
    return has_extension(name, arrays);
}

bool dataset_is_foreign_name(const char *name)
{
    static const char *const foreign[] = {"bmp",  "gif", "webp", "tif",
                                          "tiff", "ppm", "pgm",  "heic",
                                          "avif", "jp2", "jxl",  NULL};
    return has_extension(name, foreign);
}

const char *const dataset_drawn = "a picture that simcc drew";

bool dataset_is_deep_png(const uint8_t *bytes, int64_t count)
{
    // IHDR's bit depth stands behind signature, length, type and sides.
    return count > 24 && bytes[0] == 0x89 && bytes[24] == 16;
}

static const char *probe(Dataset *dataset, const char *path, int64_t offset,
                         int64_t size, bool found, char *reason, int room)
{
    uint8_t bytes[DATASET_PROBE];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return strerror(errno);
    int64_t wanted = size < DATASET_PROBE ? size : DATASET_PROBE;
    int64_t count = file_read_at(file, offset, wanted, bytes);
    const char *problem =
        count < 0 ? strerror(errno) : image_probe(bytes, count, reason, room);
    close(file);
    if (!problem && found && image_is_drawn(bytes, count))
        return dataset_drawn;
    if (!problem && dataset) {
        dataset->turned += exif_orientation(bytes, count) != EXIF_UPRIGHT;
        dataset->deep += dataset_is_deep_png(bytes, count);
    }
    return problem;
}

const char *dataset_probe(Dataset *dataset, const char *path, int64_t offset,
                          int64_t size, char *reason, int room)
{
    return probe(dataset, path, offset, size, false, reason, room);
}

const char *dataset_probe_file(Dataset *dataset, const char *path, char *reason,
                               int room)
{
    return probe(dataset, path, 0, INT64_MAX, true, reason, room);
}

// ---- places ----------------------------------------------------------------

bool dataset_path(const Dataset *dataset, const char *name,
                  char path[DATASET_PATH])
{
    bool absolute = name[0] == '/';
    int length =
        snprintf(path, DATASET_PATH, "%s%s%s", absolute ? "" : dataset->folder,
                 absolute || !name[0] ? "" : "/", name);
    if (length < DATASET_PATH)
        return true;
    path[0] = 0;
    return false;
}

void dataset_sample_path(const Dataset *dataset, const Sample *sample,
                         char path[DATASET_PATH])
{
    if (!dataset_path(dataset, sample->name, path))
        snprintf(path, DATASET_PATH, "%s", sample->name);
}

static Status read_range(const char *path, int64_t offset, int64_t size,
                         uint8_t *bytes)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return status_error(STATUS_DATA, "%s: %s", path, strerror(errno));
    int64_t have = file_read_at(file, offset, size, bytes);
    const char *reason =
        have < 0 ? strerror(errno) : "shorter than when it was opened";
    close(file);
    return have == size ? status_ok()
                        : status_error(STATUS_DATA, "%s: %s", path, reason);
}

static Status stored_part(const Dataset *dataset, const Sample *sample,
                          uint8_t **bytes, int64_t *size)
{
    *size = sample->size;
    *bytes = malloc((size_t)sample->size + 1);
    if (!*bytes)
        return status_error(STATUS_MEMORY, "%s: no memory to read it",
                            sample->name);
    Status status = read_range(dataset->containers[sample->container],
                               sample->offset, sample->size, *bytes);
    if (status.code == STATUS_OK)
        return status;
    free(*bytes);
    *bytes = NULL;
    return status;
}

static Status stored_memory(const Dataset *dataset, const Sample *sample,
                            uint8_t **bytes, int64_t *size)
{
    DataShape shape = dataset->shape;
    *size = (int64_t)shape.width * shape.height * shape.channels;
    *bytes = malloc((size_t)*size);
    if (!*bytes)
        return status_error(STATUS_MEMORY, "%s: no memory to read it",
                            sample->name);
    memcpy(*bytes, sample->bytes, (size_t)*size);
    return status_ok();
}

Status dataset_stored(const Dataset *dataset, const Sample *sample,
                      uint8_t **bytes, int64_t *size)
{
    char path[DATASET_PATH], *text = NULL;
    *bytes = NULL;
    if (sample->bytes)
        return stored_memory(dataset, sample, bytes, size);
    if (sample->container >= 0)
        return stored_part(dataset, sample, bytes, size);
    if (!dataset_path(dataset, sample->name, path))
        return status_error(
            STATUS_DATA, "%s: the path has more than 4095 bytes", sample->name);
    Status status = file_read(path, MAX_FILE, &text, size);
    if (status.code == STATUS_FAILED)
        status.code = STATUS_DATA;
    *bytes = (uint8_t *)text;
    return status;
}

// ---- pixels ----------------------------------------------------------------

// Planes to interleaved; one channel is copied to three.
static Status unpack_planes(const Dataset *dataset, const uint8_t *bytes,
                            const char *name, Image *image)
{
    DataShape shape = dataset->shape;
    TRY(image_new(shape.width, shape.height, image));
    int64_t area = (int64_t)shape.width * shape.height;
    int64_t across = shape.by_columns ? shape.height : 1;
    int64_t down = shape.by_columns ? 1 : shape.width;
    uint8_t *pixel = image->pixels;
    for (int y = 0; y < shape.height; y++)
        for (int x = 0; x < shape.width; x++) {
            const uint8_t *at = bytes + y * down + x * across;
            for (int c = 0; c < 3; c++)
                *pixel++ = at[shape.channels == 3 ? c * area : 0];
        }
    Status status = image_take_channels(image, dataset->channels, name);
    if (status.code != STATUS_OK)
        image_free(image);
    return status;
}

static size_t image_bytes(int width, int height, int channels)
{
    size_t area = (size_t)width * (size_t)height;
    return channels ? area * (size_t)channels * sizeof(float) : 3 * area;
}

static Status read_cached(const CachedImage *cached, Image *image)
{
    int width = cached->width, height = cached->height;
    if (cached->channels)
        TRY(image_new_planes(width, height, cached->channels, image));
    else
        TRY(image_new(width, height, image));
    memcpy(image->planes ? (void *)image->planes : image->pixels, cached->bytes,
           image_bytes(width, height, cached->channels));
    return status_ok();
}

// Takes the bytes from the allowance first, and gives them back when there
// were too few, when memory is short, or when another thread was faster.
static void keep_decoded(Dataset *dataset, Sample *sample, const Image *image)
{
    int channels = image->planes ? image->channels : 0;
    size_t pixels = image_bytes(image->width, image->height, channels);
    long long size = (long long)(sizeof(CachedImage) + pixels);
    if (atomic_load(&dataset->cache_left) < size)
        return;
    CachedImage *entry = NULL, *expected = NULL;
    if (atomic_fetch_sub(&dataset->cache_left, size) >= size)
        entry = malloc((size_t)size);
    if (entry) {
        entry->width = image->width;
        entry->height = image->height;
        entry->channels = channels;
        memcpy(entry->bytes,
               image->planes ? (const void *)image->planes : image->pixels,
               pixels);
        if (atomic_compare_exchange_strong(&sample->cached, &expected, entry))
            return;
        free(entry);
    }
    atomic_fetch_add(&dataset->cache_left, size);
}

Status dataset_unpack(const Dataset *dataset, const Sample *sample,
                      const uint8_t *bytes, int64_t size, Image *image)
{
    char path[DATASET_PATH];
    *image = (Image){0};
    if (dataset->shape.width)
        return unpack_planes(dataset, bytes, sample->name, image);
    dataset_sample_path(dataset, sample, path);
    return image_decode_channels(bytes, size, path, dataset->min_side,
                                 dataset->channels, image);
}

Status dataset_read(const Dataset *dataset, DataSplit split, int64_t index,
                    Image *image)
{
    Sample *sample = &dataset->splits[split].items[index];
    if (sample->container == DATASET_ELSEWHERE)
        return status_error(STATUS_INTERNAL, "%s is of another process's part",
                            sample->name);
    if (sample->bytes)
        return unpack_planes(dataset, sample->bytes, sample->name, image);
    const CachedImage *cached = atomic_load(&sample->cached);
    if (cached)
        return read_cached(cached, image);
    uint8_t *bytes = NULL;
    int64_t size = 0;
    *image = (Image){0};
    TRY(dataset_stored(dataset, sample, &bytes, &size));
    Status status = dataset_unpack(dataset, sample, bytes, size, image);
    free(bytes);
    // The cache is not part of the set's value: the same image either way.
    if (status.code == STATUS_OK)
        keep_decoded((Dataset *)dataset, sample, image);
    return status;
}
