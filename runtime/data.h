// Data sets: what is there, which part is for training, decoding one sample.
#ifndef SIMCC_RUNTIME_DATA_H
#define SIMCC_RUNTIME_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/image.h"
#include "runtime/program.h"
#include "runtime/status.h"

typedef enum DataSplit { SPLIT_TRAIN, SPLIT_TEST } DataSplit;

typedef struct DataOptions {
    double test_fraction; // held out per class when the set has no test part
    uint64_t seed;        // of the hold-out
    int min_side;         // see image_read; 0 = full size
} DataOptions;

// A set opened from: a folder of class folders (optionally under train/ and
// test/ or val/), a folder tree without classes (unlabelled, recursive), a
// folder with gzipped or plain IDX files, CIFAR binary batches. Order is by
// path bytes. Unreadable files are counted by reason and named once each.
typedef struct Dataset Dataset;

typedef struct DataSkip {
    char *path;
    char *reason;
} DataSkip;

Status dataset_open(const char *path, const DataOptions *options,
                    Dataset **dataset);
void dataset_free(Dataset *dataset);

int64_t dataset_count(const Dataset *dataset, DataSplit split);
int dataset_classes(const Dataset *dataset); // 0 = unlabelled
const char *dataset_class_name(const Dataset *dataset, int label);
// -1 = no label.
int dataset_label(const Dataset *dataset, DataSplit split, int64_t index);
// "folder with 6 classes, 2,021 training and 506 test images (held out), ..."
const char *dataset_description(const Dataset *dataset);
const char *dataset_sample_name(const Dataset *dataset, DataSplit split,
                                int64_t index);
// Files left out so far and why.
int dataset_skips(const Dataset *dataset, const DataSkip **skips);

// Decodes one sample. Thread-safe.
Status dataset_read(const Dataset *dataset, DataSplit split, int64_t index,
                    Image *image);

// The training indices a phase may use: all, or a seeded subset per class by
// its label rule (nested: a larger amount contains a smaller one of the same
// seed). The array is owned by the caller (free).
Status dataset_select(const Dataset *dataset, PhaseSource source,
                      LabelRule rule, double amount, uint64_t seed,
                      int64_t **indices, int64_t *count);

#endif
