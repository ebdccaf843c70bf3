// STL-10 in its binary version: images of 96x96, whose planes of red, green
// and blue are stored column by column, and labels from 1 to 10 in files of
// their own. The 100,000 images without a label, 2.8 GB, stay in their file.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/file.h"
#include "runtime/data/dataset_inside.h"

enum { SIDE = 96, IMAGE = 3 * SIDE * SIDE, CLASSES = 10, MAX_LABELS = 1 << 24 };

// STATUS_DATA when it is no whole number of images.
static Status count_images(const char *path, int64_t *count)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return status_error(STATUS_DATA, "%s: cannot be read", path);
    *count = info.st_size / IMAGE;
    if (*count == 0 || info.st_size % IMAGE != 0)
        return status_error(STATUS_DATA,
                            "%s: its %lld bytes are not a whole number of "
                            "images of %d bytes",
                            path, (long long)info.st_size, IMAGE);
    return status_ok();
}

static Status check_labels(const char *path, const char *images,
                           const uint8_t *labels, int64_t size, int64_t count)
{
    if (size != count)
        return status_error(STATUS_DATA,
                            "%s has %lld label%s but %s has %lld image%s", path,
                            (long long)size, status_s(size), images,
                            (long long)count, status_s(count));
    for (int64_t i = 0; i < count; i++)
        if (labels[i] < 1 || labels[i] > CLASSES)
            return status_error(STATUS_DATA,
                                "%s: label %lld is %d, not from 1 to %d", path,
                                (long long)i, labels[i], CLASSES);
    return status_ok();
}

// `labels` NULL = none.
static Status add_images(Dataset *dataset, DataSplit split, const char *stem,
                         const char *path, const uint8_t *labels, int64_t count)
{
    int container;
    TRY(dataset_add_container(dataset, path, &container));
    for (int64_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%06lld", stem, (long long)i);
        TRY(dataset_add_part(dataset, split, name, labels ? labels[i] - 1 : -1,
                             container, i * IMAGE, IMAGE));
    }
    return status_ok();
}

static Status read_labelled(Dataset *dataset, DataSplit split, const char *stem)
{
    char images[DATASET_PATH], path[DATASET_PATH], name[32];
    char *labels = NULL;
    int64_t count = 0, size = 0;
    snprintf(name, sizeof name, "%s_X.bin", stem);
    dataset_path(dataset, name, images);
    snprintf(name, sizeof name, "%s_y.bin", stem);
    dataset_path(dataset, name, path);
    TRY(count_images(images, &count));
    Status status = file_read(path, MAX_LABELS, &labels, &size);
    if (status.code == STATUS_FAILED)
        status.code = STATUS_DATA;
    if (status.code == STATUS_OK)
        status = check_labels(path, images, (uint8_t *)labels, size, count);
    if (status.code == STATUS_OK)
        status =
            add_images(dataset, split, stem, images, (uint8_t *)labels, count);
    free(labels);
    return status;
}

static bool find_images(const Dataset *dataset, const char *name,
                        char path[DATASET_PATH])
{
    return dataset_path(dataset, name, path) && file_exists(path);
}

Status dataset_read_stl(Dataset *dataset, bool *found)
{
    char path[DATASET_PATH];
    int64_t count;
    bool test = find_images(dataset, "test_X.bin", path);
    bool train = find_images(dataset, "train_X.bin", path);
    dataset->only_tests = dataset->tests_alone && test && !train;
    *found = train || dataset->only_tests;
    if (!*found)
        return status_ok();
    dataset->kind = "STL-10 batches";
    dataset->shape = (DataShape){SIDE, SIDE, 3, true};
    if (train)
        TRY(read_labelled(dataset, SPLIT_TRAIN, "train"));
    if (find_images(dataset, "unlabeled_X.bin", path)) {
        TRY(count_images(path, &count));
        TRY(add_images(dataset, SPLIT_TRAIN, "unlabeled", path, NULL, count));
    }
    if (test) {
        TRY(read_labelled(
            dataset, dataset->only_tests ? SPLIT_TRAIN : SPLIT_TEST, "test"));
        dataset->test_part = "test_X.bin";
    }
    return dataset_name_classes(dataset, "class_names.txt", CLASSES);
}
