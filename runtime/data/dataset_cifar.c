// The binary version of CIFAR: records of one label byte (CIFAR-100: coarse,
// then fine) and 32x32 red, green and blue planes.
#include <stdio.h>

#include "runtime/base/file.h"
#include "runtime/data/dataset_inside.h"

enum { SIDE = 32, PLANES = 3 * SIDE * SIDE, MAX_FILE = 1 << 30 };

typedef struct CifarKind {
    const char *name;
    int label_bytes; // the last of them is the label used
    int classes;
    const char *train[6], *test, *names;
} CifarKind;

static const CifarKind kinds[] = {
    {"CIFAR-10 batches",
     1,
     10,
     {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
      "data_batch_4.bin", "data_batch_5.bin"},
     "test_batch.bin",
     "batches.meta.txt"},
    {"CIFAR-100 batches",
     2,
     100,
     {"train.bin"},
     "test.bin",
     "fine_label_names.txt"},
};

static void path_of(const Dataset *dataset, const char *name, char path[4096])
{
    if (snprintf(path, 4096, "%s/%s", dataset->root, name) >= 4096)
        path[0] = 0;
}

static bool has_file(const Dataset *dataset, const char *name)
{
    char path[4096];
    path_of(dataset, name, path);
    return file_exists(path);
}

static Status add_records(Dataset *dataset, DataSplit split,
                          const CifarKind *kind, const char *name,
                          const char *path, const uint8_t *bytes, int64_t size)
{
    int64_t record = kind->label_bytes + PLANES;
    if (size == 0 || size % record != 0)
        return status_error(STATUS_DATA,
                            "%s: its %lld bytes are not a whole number of "
                            "records of %lld bytes",
                            path, (long long)size, (long long)record);
    for (int64_t i = 0; i < size / record; i++) {
        const uint8_t *at = bytes + i * record;
        int label = at[kind->label_bytes - 1];
        char sample[64];
        snprintf(sample, sizeof sample, "%s/%05lld", name, (long long)i);
        if (label >= kind->classes)
            return status_error(STATUS_DATA,
                                "%s: record %lld has label %d, of %d classes",
                                path, (long long)i, label, kind->classes);
        TRY(dataset_add_sample(dataset, split, sample, label,
                               at + kind->label_bytes));
    }
    return status_ok();
}

static Status read_batch(Dataset *dataset, DataSplit split,
                         const CifarKind *kind, const char *name)
{
    char path[4096], *bytes = NULL;
    int64_t size = 0;
    path_of(dataset, name, path);
    Status status = file_read(path, MAX_FILE, &bytes, &size);
    if (status.code == STATUS_FAILED)
        status.code = STATUS_DATA;
    if (status.code != STATUS_OK)
        return status;
    dataset_keep_block(dataset, (uint8_t *)bytes);
    return add_records(dataset, split, kind, name, path, (const uint8_t *)bytes,
                       size);
}

Status dataset_read_cifar(Dataset *dataset, bool *found)
{
    for (int k = 0; k < 2 && !*found; k++) {
        const CifarKind *kind = &kinds[k];
        for (int i = 0; kind->train[i]; i++) {
            if (!has_file(dataset, kind->train[i]))
                continue;
            *found = true;
            TRY(read_batch(dataset, SPLIT_TRAIN, kind, kind->train[i]));
        }
        bool test = has_file(dataset, kind->test);
        dataset->only_tests = !*found && test && dataset->tests_alone;
        *found |= dataset->only_tests;
        if (!*found)
            continue;
        dataset->kind = kind->name;
        dataset->shape = (DataShape){SIDE, SIDE, 3};
        if (test) {
            TRY(read_batch(dataset,
                           dataset->only_tests ? SPLIT_TRAIN : SPLIT_TEST, kind,
                           kind->test));
            dataset->test_part = kind->test;
        }
        return dataset_name_classes(dataset, kind->names, kind->classes);
    }
    return status_ok();
}
