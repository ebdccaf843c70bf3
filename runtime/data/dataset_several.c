// Sets whose images may have several classes each.
#include <stdlib.h>

#include "runtime/data/dataset_inside.h"

static Status no_memory(const Dataset *dataset)
{
    return status_error(STATUS_MEMORY, "%s: no memory for its labels",
                        dataset->root);
}

Status dataset_begin_labels(Dataset *dataset, int *label)
{
    if (dataset->label_count + 2 > dataset->label_room) {
        int room = dataset->label_room ? 2 * dataset->label_room : 256;
        int64_t *grown =
            realloc(dataset->label_starts, (size_t)room * sizeof *grown);
        if (!grown)
            return no_memory(dataset);
        if (!dataset->label_room)
            grown[0] = 0;
        dataset->label_starts = grown;
        dataset->label_room = room;
    }
    *label = dataset->label_count++;
    dataset->label_starts[dataset->label_count] = dataset->label_starts[*label];
    return status_ok();
}

// Puts the last class of a list in its place.
static void settle(int32_t *classes, int64_t count)
{
    for (int64_t i = count - 1; i > 0 && classes[i] < classes[i - 1]; i--) {
        int32_t swap = classes[i];
        classes[i] = classes[i - 1];
        classes[i - 1] = swap;
    }
}

Status dataset_add_label(Dataset *dataset, int class)
{
    int64_t from = dataset->label_starts[dataset->label_count - 1];
    int64_t *end = &dataset->label_starts[dataset->label_count];
    if (*end == dataset->label_class_room) {
        int64_t room =
            dataset->label_class_room ? 2 * dataset->label_class_room : 256;
        int32_t *grown =
            realloc(dataset->label_classes, (size_t)room * sizeof *grown);
        if (!grown)
            return no_memory(dataset);
        dataset->label_classes = grown;
        dataset->label_class_room = room;
    }
    dataset->label_classes[(*end)++] = class;
    settle(dataset->label_classes + from, *end - from);
    return status_ok();
}

int dataset_sample_labels(const Dataset *dataset, const Sample *sample,
                          const int32_t **classes)
{
    *classes = NULL;
    if (sample->label < 0)
        return -1;
    *classes = &sample->label;
    if (!dataset->several)
        return 1;
    const int64_t *starts = dataset->label_starts + sample->label;
    *classes = dataset->label_classes + starts[0];
    return (int)(starts[1] - starts[0]);
}

bool dataset_labels_differ(const Dataset *dataset, const Sample *one,
                           const Sample *other)
{
    const int32_t *left, *right;
    int count = dataset_sample_labels(dataset, one, &left);
    int others = dataset_sample_labels(dataset, other, &right);
    bool differ = count != others;
    for (int i = 0; i < count && !differ; i++)
        differ = left[i] != right[i];
    return count >= 0 && others >= 0 && differ;
}

void dataset_renumber_labels(Dataset *dataset, const int *places)
{
    for (int label = 0; label < dataset->label_count; label++) {
        int64_t from = dataset->label_starts[label];
        for (int64_t i = from; i < dataset->label_starts[label + 1]; i++) {
            dataset->label_classes[i] = places[dataset->label_classes[i]];
            settle(dataset->label_classes + from, i + 1 - from);
        }
    }
}

bool dataset_several(const Dataset *dataset)
{
    return dataset->several;
}

int dataset_labels(const Dataset *dataset, DataSplit split, int64_t index,
                   const int32_t **classes)
{
    return dataset_sample_labels(dataset, &dataset->splits[split].items[index],
                                 classes);
}
