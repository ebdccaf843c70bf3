#include "runtime/trainset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json.h"

Status trainset_check_classes(const ProgramPhase *phase, const Dataset *data)
{
    int classes = dataset_classes(data);
    if (phase->source == SOURCE_LABELED && classes == 0)
        return status_error(STATUS_DATA,
                            "phase %s needs labels, and the data has none: "
                            "put the images into one folder per class",
                            phase->name);
    if (phase->classes > 1 && classes == 1)
        return status_error(STATUS_DATA,
                            "phase %s is made for %d classes and the data has "
                            "one: put the images into one folder per class",
                            phase->name, phase->classes);
    if (phase->classes && classes && phase->classes != classes)
        return status_error(STATUS_DATA,
                            "phase %s is made for %d classes and the data has "
                            "%d: --set classes=%d",
                            phase->name, phase->classes, classes, classes);
    return status_ok();
}

// `labels = 10` means ten of every class, not ten where there are ten.
static Status check_amount(const ProgramPhase *phase, const Dataset *data)
{
    int classes = dataset_classes(data);
    if (phase->source != SOURCE_LABELED ||
        phase->label_rule != LABELS_PER_CLASS)
        return status_ok();
    int64_t *counts = calloc((size_t)classes, sizeof *counts);
    if (!counts)
        return status_error(STATUS_MEMORY, "no memory to count classes");
    int64_t images = dataset_count(data, SPLIT_TRAIN);
    for (int64_t i = 0; i < images; i++) {
        int label = dataset_label(data, SPLIT_TRAIN, i);
        if (label >= 0 && label < classes)
            counts[label]++;
    }
    Status status = status_ok();
    for (int i = 0; i < classes && status.code == STATUS_OK; i++)
        if ((double)counts[i] < phase->label_amount)
            status = status_error(
                STATUS_DATA,
                "phase %s wants %g labelled images of each class, and class "
                "\"%s\" has %" PRId64,
                phase->name, phase->label_amount, dataset_class_name(data, i),
                counts[i]);
    free(counts);
    return status;
}

static Status check_labels(const ProgramPhase *phase, const Dataset *data,
                           const int64_t *indices, int64_t count)
{
    if (phase->source != SOURCE_LABELED || !phase->classes)
        return status_ok();
    for (int64_t i = 0; i < count; i++) {
        int64_t index = indices[i];
        int label = dataset_label(data, SPLIT_TRAIN, index);
        if (label < 0 || label >= phase->classes)
            return status_error(STATUS_DATA,
                                "%s has label %d, and the program %d classes",
                                dataset_sample_name(data, SPLIT_TRAIN, index),
                                label, phase->classes);
    }
    return status_ok();
}

Status trainset_select(const ProgramPhase *phase, const Dataset *data,
                       const char *labels, uint64_t seed, int64_t **indices,
                       int64_t *count)
{
    TRY(trainset_check_classes(phase, data));
    if (labels && phase->source == SOURCE_LABELED) {
        TRY(dataset_select_listed(data, labels, indices, count));
        return check_labels(phase, data, *indices, *count);
    }
    TRY(check_amount(phase, data));
    TRY(dataset_select(data, (PhaseSource)phase->source,
                       (LabelRule)phase->label_rule, phase->label_amount, seed,
                       indices, count));
    if (*count == 0)
        return status_error(STATUS_DATA,
                            "there are no images to train phase %s on",
                            phase->name);
    return check_labels(phase, data, *indices, *count);
}

char *trainset_class_lines(const ProgramPhase *phase, const Dataset *data)
{
    int count = phase->classes ? dataset_classes(data) : 0;
    size_t size = 1, used = 0;
    for (int i = 0; i < count; i++) {
        const char *name = dataset_class_name(data, i);
        if (strchr(name, '\n') || !json_is_utf8(name, strlen(name)))
            return NULL;
        size += strlen(name) + 1;
    }
    char *text = count ? malloc(size) : NULL;
    for (int i = 0; text && i < count; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 i ? "\n" : "", dataset_class_name(data, i));
    return text;
}
