#include "runtime/dataset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const int64_t default_cache = (int64_t)512 << 20;

static Status out_of_memory(const Dataset *dataset)
{
    return status_error(STATUS_MEMORY, "%s: no memory for its list of images",
                        dataset->root);
}

Status dataset_add_sample(Dataset *dataset, DataSplit split, const char *name,
                          int label, const uint8_t *bytes)
{
    SampleList *list = &dataset->splits[split];
    if (list->count == list->room) {
        int64_t room = list->room ? 2 * list->room : 256;
        Sample *grown =
            realloc(list->items, (size_t)room * sizeof *list->items);
        if (!grown)
            return out_of_memory(dataset);
        list->items = grown;
        list->room = room;
    }
    char *copy = strdup(name);
    if (!copy)
        return out_of_memory(dataset);
    Sample *sample = &list->items[list->count++];
    sample->name = copy;
    sample->label = label;
    sample->bytes = bytes;
    atomic_init(&sample->cached, NULL);
    return status_ok();
}

Status dataset_add_class(Dataset *dataset, const char *name)
{
    size_t count = (size_t)dataset->class_count;
    char **grown = realloc(dataset->classes, (count + 1) * sizeof *grown);
    if (grown)
        dataset->classes = grown;
    char *copy = grown ? strdup(name) : NULL;
    if (!copy)
        return out_of_memory(dataset);
    dataset->classes[dataset->class_count++] = copy;
    return status_ok();
}

Status dataset_number_classes(Dataset *dataset, int count)
{
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        TRY(dataset_add_class(dataset, name));
    }
    return status_ok();
}

Status dataset_add_skip(Dataset *dataset, const char *path, const char *reason)
{
    if (dataset->skip_count == dataset->skip_room) {
        int room = dataset->skip_room ? 2 * dataset->skip_room : 16;
        DataSkip *grown = realloc(dataset->skips, (size_t)room * sizeof *grown);
        if (!grown)
            return out_of_memory(dataset);
        dataset->skips = grown;
        dataset->skip_room = room;
    }
    DataSkip skip = {strdup(path), strdup(reason)};
    if (!skip.path || !skip.reason) {
        free(skip.path);
        free(skip.reason);
        return out_of_memory(dataset);
    }
    dataset->skips[dataset->skip_count++] = skip;
    return status_ok();
}

void dataset_keep_block(Dataset *dataset, uint8_t *block)
{
    dataset->blocks[dataset->block_count++] = block;
}

static void free_samples(SampleList *list)
{
    for (int64_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
        free(atomic_load(&list->items[i].cached));
    }
    free(list->items);
}

void dataset_free(Dataset *dataset)
{
    if (!dataset)
        return;
    free_samples(&dataset->splits[SPLIT_TRAIN]);
    free_samples(&dataset->splits[SPLIT_TEST]);
    for (int i = 0; i < dataset->class_count; i++)
        free(dataset->classes[i]);
    for (int i = 0; i < dataset->skip_count; i++) {
        free(dataset->skips[i].path);
        free(dataset->skips[i].reason);
    }
    for (int i = 0; i < dataset->block_count; i++)
        free(dataset->blocks[i]);
    free(dataset->classes);
    free(dataset->skips);
    free(dataset->description);
    free(dataset->root);
    free(dataset);
}

// ---- opening ---------------------------------------------------------------

// 1234567 -> "1,234,567".
static const char *group_digits(int64_t number, char text[32])
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%lld", (long long)number);
    int used = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = 0;
    return text;
}

static int64_t count_unlabelled(const Dataset *dataset)
{
    int64_t count = 0;
    for (int64_t i = 0; i < dataset->splits[SPLIT_TRAIN].count; i++)
        count += dataset->splits[SPLIT_TRAIN].items[i].label < 0;
    return count;
}

static Status describe(Dataset *dataset, const DataOptions *options)
{
    char train[32], test[32], part[32], extra[64] = "", skips[64] = "";
    char classes[48] = "no classes", held[96] = "", where[128] = "";
    if (dataset->class_count > 0)
        snprintf(classes, sizeof classes, "%d class%s", dataset->class_count,
                 dataset->class_count == 1 ? "" : "es");
    int64_t unlabelled = count_unlabelled(dataset);
    if (dataset->class_count > 0 && unlabelled > 0)
        snprintf(extra, sizeof extra, ", %s of them without a label",
                 group_digits(unlabelled, part));
    if (!dataset->test_part && options->test_fraction > 0)
        snprintf(held, sizeof held, "held out, %g%%%s, by seed %llu",
                 100 * options->test_fraction,
                 dataset->class_count > 0 ? " of each class" : "",
                 (unsigned long long)options->seed);
    if (dataset->splits[SPLIT_TEST].count > 0)
        snprintf(where, sizeof where, " (%s)",
                 dataset->test_part ? dataset->test_part : held);
    if (dataset->skip_count > 0)
        snprintf(skips, sizeof skips, ", %s left out",
                 group_digits(dataset->skip_count, part));
    char text[512];
    group_digits(dataset->splits[SPLIT_TRAIN].count, train);
    group_digits(dataset->splits[SPLIT_TEST].count, test);
    snprintf(text, sizeof text,
             "%s with %s, %s training images%s and %s test images%s%s",
             dataset->kind, classes, train, extra, test, where, skips);
    dataset->description = strdup(text);
    return dataset->description ? status_ok() : out_of_memory(dataset);
}

static Status check_root(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return status_error(STATUS_DATA, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return status_error(STATUS_DATA, "%s: not a folder", path);
    return status_ok();
}

static Status fill(Dataset *dataset, const DataOptions *options)
{
    bool found = false;
    TRY(dataset_read_idx(dataset, &found));
    if (!found)
        TRY(dataset_read_cifar(dataset, &found));
    if (!found)
        TRY(dataset_read_folder(dataset));
    if (!dataset->test_part && options->test_fraction > 0)
        TRY(dataset_hold_out(dataset, options->test_fraction, options->seed));
    return describe(dataset, options);
}

Status dataset_open(const char *path, const DataOptions *options,
                    Dataset **dataset)
{
    *dataset = NULL;
    TRY(check_root(path));
    if (!(options->test_fraction >= 0 && options->test_fraction < 1))
        return status_error(STATUS_USAGE,
                            "the test fraction must be at least 0 and below 1");
    Dataset *opened = calloc(1, sizeof *opened);
    if (opened)
        opened->root = strdup(path);
    if (!opened || !opened->root) {
        free(opened);
        return status_error(STATUS_MEMORY, "%s: no memory to open it", path);
    }
    opened->min_side = options->min_side;
    atomic_init(&opened->cache_left, options->cache_bytes == 0
                                         ? default_cache
                                         : options->cache_bytes);
    Status status = fill(opened, options);
    if (status.code != STATUS_OK) {
        dataset_free(opened);
        return status;
    }
    *dataset = opened;
    return status;
}

// ---- questions -------------------------------------------------------------

int64_t dataset_count(const Dataset *dataset, DataSplit split)
{
    return dataset->splits[split].count;
}

int dataset_classes(const Dataset *dataset)
{
    return dataset->class_count;
}

const char *dataset_class_name(const Dataset *dataset, int label)
{
    return label >= 0 && label < dataset->class_count ? dataset->classes[label]
                                                      : "";
}

int dataset_label(const Dataset *dataset, DataSplit split, int64_t index)
{
    return dataset->splits[split].items[index].label;
}

const char *dataset_description(const Dataset *dataset)
{
    return dataset->description;
}

const char *dataset_sample_name(const Dataset *dataset, DataSplit split,
                                int64_t index)
{
    return dataset->splits[split].items[index].name;
}

int dataset_skips(const Dataset *dataset, const DataSkip **skips)
{
    *skips = dataset->skips;
    return dataset->skip_count;
}

// ---- reading ---------------------------------------------------------------

// Planes to interleaved; one channel is copied to three.
static Status read_memory(const Dataset *dataset, const Sample *sample,
                          Image *image)
{
    DataShape shape = dataset->shape;
    TRY(image_new(shape.width, shape.height, image));
    int64_t count = (int64_t)shape.width * shape.height;
    for (int c = 0; c < 3; c++) {
        int64_t plane = shape.channels == 3 ? c * count : 0;
        for (int64_t i = 0; i < count; i++)
            image->pixels[3 * i + c] = sample->bytes[plane + i];
    }
    return status_ok();
}

static Status read_cached(const CachedImage *cached, Image *image)
{
    TRY(image_new(cached->width, cached->height, image));
    memcpy(image->pixels, cached->pixels,
           3 * (size_t)cached->width * (size_t)cached->height);
    return status_ok();
}

// Takes the bytes from the allowance first, and gives them back when there
// were too few, when memory is short, or when another thread was faster.
static void keep_decoded(Dataset *dataset, Sample *sample, const Image *image)
{
    size_t pixels = 3 * (size_t)image->width * (size_t)image->height;
    long long size = (long long)(sizeof(CachedImage) + pixels);
    if (atomic_load(&dataset->cache_left) < size)
        return;
    CachedImage *entry = NULL, *expected = NULL;
    if (atomic_fetch_sub(&dataset->cache_left, size) >= size)
        entry = malloc((size_t)size);
    if (entry) {
        entry->width = image->width;
        entry->height = image->height;
        memcpy(entry->pixels, image->pixels, pixels);
        if (atomic_compare_exchange_strong(&sample->cached, &expected, entry))
            return;
        free(entry);
    }
    atomic_fetch_add(&dataset->cache_left, size);
}

Status dataset_read(const Dataset *dataset, DataSplit split, int64_t index,
                    Image *image)
{
    Sample *sample = &dataset->splits[split].items[index];
    if (sample->bytes)
        return read_memory(dataset, sample, image);
    const CachedImage *cached = atomic_load(&sample->cached);
    if (cached)
        return read_cached(cached, image);
    *image = (Image){0};
    char path[4096];
    int length =
        snprintf(path, sizeof path, "%s/%s", dataset->root, sample->name);
    if (length >= (int)sizeof path)
        return status_error(STATUS_DATA, "%s: the path is too long",
                            sample->name);
    TRY(image_read(path, dataset->min_side, image));
    // The cache is not part of the set's value: the same image either way.
    keep_decoded((Dataset *)dataset, sample, image);
    return status_ok();
}
