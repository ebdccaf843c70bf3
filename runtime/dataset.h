// Inside a data set: what the readers of each format fill in.
#ifndef SIMCC_RUNTIME_DATASET_H
#define SIMCC_RUNTIME_DATASET_H

#include <stdatomic.h>

#include "runtime/data.h"

// A decoded image kept for the next reader.
typedef struct CachedImage {
    int width, height;
    uint8_t pixels[]; // height * width * 3
} CachedImage;

typedef struct Sample {
    char *name;           // of a file: its path below the root
    int label;            // -1 = none
    const uint8_t *bytes; // sets in memory: planes of Dataset.shape, or NULL
    _Atomic(CachedImage *) cached;
} Sample;

typedef struct SampleList {
    Sample *items;
    int64_t count, room;
} SampleList;

typedef struct DataShape {
    int width, height, channels; // samples in memory; channels 1 or 3
} DataShape;

struct Dataset {
    char *root;
    SampleList splits[2]; // by DataSplit
    char **classes;
    int class_count;
    DataSkip *skips;
    int skip_count, skip_room;
    DataShape shape;
    uint8_t *blocks[16]; // file contents the samples' bytes point into
    int block_count;
    int min_side;
    const char *kind;      // "folder", "IDX files", ...
    const char *test_part; // where the test images come from, for people
    char *description;
    atomic_llong cache_left; // bytes
};

// Each reads the files it knows below dataset->root and sets `*found` when
// there are any; otherwise the next format is tried.
Status dataset_read_idx(Dataset *dataset, bool *found);
Status dataset_read_cifar(Dataset *dataset, bool *found);
Status dataset_read_folder(Dataset *dataset);

// The builders copy their strings. All fail for lack of memory only.
Status dataset_add_sample(Dataset *dataset, DataSplit split, const char *name,
                          int label, const uint8_t *bytes);
Status dataset_add_class(Dataset *dataset, const char *name);
Status dataset_add_skip(Dataset *dataset, const char *path, const char *reason);
// Classes named "0" to "count - 1".
Status dataset_number_classes(Dataset *dataset, int count);
// Takes ownership of malloc'ed file contents.
void dataset_keep_block(Dataset *dataset, uint8_t *block);

// Moves the held-out part of the training samples to the test split.
Status dataset_hold_out(Dataset *dataset, double fraction, uint64_t seed);

#endif
