#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/data/data.h"

const char *fuzz_folder;

const char *fuzz_file(const char *name, const uint8_t *bytes, int64_t size)
{
    static char paths[8][4096];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", fuzz_folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, (size_t)size, file) != (size_t)size ||
        fclose(file) != 0) {
        perror(path);
        exit(1);
    }
    return path;
}

void fuzz_read_set(const char *path)
{
    DataOptions options = {.test_fraction = 0.2, .cache_bytes = -1};
    Dataset *set = NULL;
    if (dataset_open(path, &options, &set).code != STATUS_OK)
        return;
    for (DataSplit split = SPLIT_TRAIN; split <= SPLIT_TEST; split++)
        for (int64_t i = 0; i < dataset_count(set, split); i++) {
            Image image = {0};
            if (dataset_read(set, split, i, &image).code == STATUS_OK)
                image_free(&image);
        }
    dataset_free(set);
}
