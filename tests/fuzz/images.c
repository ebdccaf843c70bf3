// Images and data sets.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "runtime/data/image.h"
#include "tests/fuzz/fuzz.h"

static void decode(const uint8_t *bytes, int64_t size, int min_side)
{
    char reason[200];
    Image image = {0};
    image_probe(bytes, size, reason, sizeof reason);
    if (image_decode(bytes, size, "fuzz", min_side, &image).code == STATUS_OK)
        image_free(&image);
    for (int channels = 0; channels < 5; channels++)
        if (image_decode_channels(bytes, size, "fuzz", min_side, channels,
                                  &image)
                .code == STATUS_OK)
            image_free(&image);
}

void fuzz_png(const uint8_t *bytes, int64_t size)
{
    decode(bytes, size, 0);
}

void fuzz_npy(const uint8_t *bytes, int64_t size)
{
    decode(bytes, size, 0);
}

// At full size and scaled down by the decoder.
void fuzz_jpeg(const uint8_t *bytes, int64_t size)
{
    decode(bytes, size, 0);
    decode(bytes, size, 8);
}

// A folder of its own for a set's files.
static const char *set_file(const char *folder, const char *name,
                            const uint8_t *bytes, int64_t size)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder, folder);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fuzz_file(path, bytes, size);
}

static void read_folder(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder, folder);
    fuzz_read_set(path);
}

// Two files in one input: two bytes, the high one first, are the second's
// length; then come the second and the first.
static void split_pair(const char *folder, const char *first,
                       const char *second, const uint8_t *bytes, int64_t size)
{
    int64_t length = size < 2 ? 0 : bytes[0] << 8 | bytes[1];
    int64_t start = size < 2 ? 0 : 2;
    if (length > size - start)
        length = size - start;
    set_file(folder, second, bytes + start, length);
    set_file(folder, first, bytes + start + length, size - start - length);
    read_folder(folder);
}

void fuzz_idx(const uint8_t *bytes, int64_t size)
{
    split_pair("idx", "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
               bytes, size);
}

void fuzz_stl(const uint8_t *bytes, int64_t size)
{
    split_pair("stl", "train_X.bin", "train_y.bin", bytes, size);
}

void fuzz_cifar(const uint8_t *bytes, int64_t size)
{
    set_file("cifar", "data_batch_1.bin", bytes, size);
    read_folder("cifar");
}

void fuzz_tar(const uint8_t *bytes, int64_t size)
{
    fuzz_read_set(fuzz_file("shard.tar", bytes, size));
}
