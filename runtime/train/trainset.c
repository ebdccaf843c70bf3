#include "runtime/train/trainset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One class an image or several: program and data are to agree.
static Status check_several(const ProgramPhase *phase, const Dataset *data)
{
    bool wanted = phase->source == SOURCE_MULTI_LABELED;
    if (!phase->classes || !dataset_classes(data) ||
        wanted == dataset_several(data))
        return status_ok();
    if (wanted)
        return status_error(
            STATUS_DATA,
            "phase %s is made for several classes an image (multi_labeled), "
            "and each image of the data has one: take its labels from "
            "labeled(...) and minimize cross_entropy. Images that may have "
            "several are in a list, parted by |, as cat|dog; one line with "
            "cat| says it for all",
            phase->name);
    return status_error(STATUS_DATA,
                        "phase %s is made for one class an image, and the "
                        "data's images may have several: take labels from "
                        "multi_labeled(...) and minimize binary_cross_entropy, "
                        "as models/multilabel.net does",
                        phase->name);
}

static Status wants_setting(Status status)
{
    status.wants_setting = true;
    return status;
}

Status trainset_check_classes(const ProgramPhase *phase, const Dataset *data)
{
    int classes = dataset_classes(data);
    TRY(check_several(phase, data));
    if (phase_is_labeled(phase) && classes == 0)
        return status_error(STATUS_DATA,
                            "phase %s needs labels, and the data has none: "
                            "put the images into one folder per class",
                            phase->name);
    if (phase->classes > 1 && classes == 1 && !dataset_several(data))
        return status_error(STATUS_DATA,
                            "phase %s is made for %d classes and the data has "
                            "one: put the images into one folder per class",
                            phase->name, phase->classes);
    if (phase->classes && classes && phase->classes != classes)
        return wants_setting(
            status_error(STATUS_DATA,
                         "phase %s is made for %d classes and the data has "
                         "%d: --set classes=%d",
                         phase->name, phase->classes, classes, classes));
    return status_ok();
}

static Status no_memory_for_classes(void)
{
    return status_error(STATUS_MEMORY, "no memory to count classes");
}

// `labels = 10` means ten of every class, not ten where there are ten.
static Status check_amount(const ProgramPhase *phase, const Dataset *data)
{
    int classes = dataset_classes(data);
    if (phase->label_rule != LABELS_PER_CLASS)
        return status_ok();
    int64_t *counts = calloc((size_t)classes, sizeof *counts);
    if (!counts)
        return no_memory_for_classes();
    int64_t images = dataset_count(data, SPLIT_TRAIN);
    for (int64_t i = 0; i < images; i++) {
        int label = dataset_label(data, SPLIT_TRAIN, i);
        if (label >= 0 && label < classes)
            counts[label]++;
    }
    int least = 0;
    for (int i = 1; i < classes; i++)
        least = counts[i] < counts[least] ? i : least;
    int64_t count = counts[least];
    free(counts);
    if ((double)count >= phase->label_amount)
        return status_ok();
    char advice[64] = "";
    if (count > 0)
        snprintf(advice, sizeof advice, " (--labels %" PRId64 " would do)",
                 count);
    return status_error(STATUS_DATA,
                        "phase %s wants %g labelled images of each class, and "
                        "class \"%s\" has %" PRId64 "%s",
                        phase->name, phase->label_amount,
                        dataset_class_name(data, least), count, advice);
}

static Status check_labels(const ProgramPhase *phase, const Dataset *data,
                           const int64_t *indices, int64_t count)
{
    if (!phase->classes)
        return status_ok();
    for (int64_t i = 0; i < count; i++) {
        int64_t index = indices[i];
        const int32_t *labels;
        int found = dataset_labels(data, SPLIT_TRAIN, index, &labels);
        int most = found > 0 ? labels[found - 1] : found;
        if (found < 0 || most >= phase->classes)
            return status_error(STATUS_DATA,
                                "%s has label %d, and the program %d classes",
                                dataset_sample_name(data, SPLIT_TRAIN, index),
                                most, phase->classes);
    }
    return status_ok();
}

// The images of which labels are seen.
static Status select_labelled(const ProgramPhase *phase, const Dataset *data,
                              const char *labels, uint64_t seed, Trainset *set)
{
    if (labels) {
        TRY(dataset_select_asked(data, labels, seed, &set->indices,
                                 &set->count));
    } else {
        TRY(check_amount(phase, data));
        TRY(dataset_select(data, SOURCE_LABELED, (LabelRule)phase->label_rule,
                           phase->label_amount, seed, &set->indices,
                           &set->count));
    }
    return check_labels(phase, data, set->indices, set->count);
}

// All images, and which of them show their labels.
static Status select_partly(const ProgramPhase *phase, const Dataset *data,
                            const char *labels, uint64_t seed, Trainset *set)
{
    Trainset labelled = {0};
    Status status = status_ok();
    set->seen =
        calloc((size_t)dataset_count(data, SPLIT_TRAIN) + 1, sizeof *set->seen);
    if (!set->seen)
        return status_error(STATUS_MEMORY, "no memory to choose labels");
    if (dataset_classes(data))
        status = select_labelled(phase, data, labels, seed, &labelled);
    for (int64_t i = 0; status.code == STATUS_OK && i < labelled.count; i++)
        set->seen[labelled.indices[i]] = true;
    trainset_free(&labelled);
    TRY(status);
    return dataset_select(data, SOURCE_UNLABELED, LABELS_ALL, 0, seed,
                          &set->indices, &set->count);
}

// However many a batch takes.
static Status select_images(const ProgramPhase *phase, const Dataset *data,
                            const char *labels, uint64_t seed, Trainset *set)
{
    Status status = trainset_check_classes(phase, data);
    *set = (Trainset){0};
    if (status.code != STATUS_OK)
        return status;
    if (phase_is_labeled(phase))
        status = select_labelled(phase, data, labels, seed, set);
    else if (phase->source == SOURCE_PARTLY_LABELED)
        status = select_partly(phase, data, labels, seed, set);
    else
        status = dataset_select(data, SOURCE_UNLABELED, LABELS_ALL, 0, seed,
                                &set->indices, &set->count);
    if (status.code == STATUS_OK && set->count == 0)
        status = status_error(STATUS_DATA,
                              "there are no images to train phase %s on",
                              phase->name);
    if (status.code != STATUS_OK)
        trainset_free(set);
    return status;
}

// Sentences about phases that cannot be trained, and the settings with which
// batches are no larger than what is there.
typedef struct Faults {
    char words[STATUS_TEXT_SIZE], settings[320];
} Faults;

// A file of labels has the same fault for all phases.
static void add_fault(Faults *faults, const char *sentence)
{
    size_t used = strlen(faults->words);
    if (!strstr(faults->words, sentence))
        snprintf(faults->words + used, sizeof faults->words - used, "%s%s",
                 used ? "; " : "", sentence);
}

static void check_batch(const ProgramPhase *phase, int64_t count,
                        Faults *faults)
{
    char sentence[256];
    size_t used = strlen(faults->settings);
    if (count >= phase->batch)
        return;
    snprintf(sentence, sizeof sentence,
             "phase %s takes batches of %d images, and has %" PRId64
             " to train on",
             phase->name, phase->batch, count);
    add_fault(faults, sentence);
    snprintf(faults->settings + used, sizeof faults->settings - used,
             " %s.batch=%" PRId64, phase->name, count);
}

static Status tell_faults(const Faults *faults)
{
    if (!*faults->words)
        return status_ok();
    if (!*faults->settings)
        return status_error(STATUS_DATA, "%s", faults->words);
    return wants_setting(status_error(STATUS_DATA, "%s: --set%s, or less",
                                      faults->words, faults->settings));
}

Status trainset_select(const ProgramPhase *phase, const Dataset *data,
                       const char *labels, uint64_t seed, Trainset *set)
{
    Faults faults = {0};
    TRY(select_images(phase, data, labels, seed, set));
    check_batch(phase, set->count, &faults);
    if (*faults.words)
        trainset_free(set);
    return tell_faults(&faults);
}

Status trainset_check(const Program *program, int count, const int *phases,
                      const Dataset *data, const char *labels, uint64_t seed)
{
    Faults faults = {0};
    for (int i = 0; i < count; i++) {
        Trainset set;
        const ProgramPhase *phase = &program->phases[phases[i]];
        TRY(trainset_check_classes(phase, data)); // is wrong for all of them
        Status status = select_images(phase, data, labels, seed, &set);
        if (status.code == STATUS_OK)
            check_batch(phase, set.count, &faults);
        else if (status.code == STATUS_DATA)
            add_fault(&faults, status.text);
        else
            return status;
        trainset_free(&set);
    }
    return tell_faults(&faults);
}

// ---- by class ---------------------------------------------------------------

// Which places of the set are of which class, from the counts; images of none
// of the classes are a stratum of their own.
static Status divide(const ProgramPhase *phase, const Dataset *data,
                     Trainset *set, int64_t members, int64_t unclassed)
{
    int classes = phase->classes;
    Strata *strata = &set->strata;
    int64_t *ends = calloc((size_t)classes + 1, sizeof *ends);
    strata->starts = calloc((size_t)classes + 2, sizeof *strata->starts);
    strata->members = calloc((size_t)members + 1, sizeof *strata->members);
    if (!ends || !strata->starts || !strata->members) {
        free(ends);
        return no_memory_for_classes();
    }
    for (int c = 0; c <= classes; c++) {
        int64_t count = c < classes ? set->counts[c] : unclassed;
        ends[c] = strata->starts[strata->count];
        if (count)
            strata->starts[++strata->count] = ends[c] + count;
    }
    for (int64_t i = 0; i < set->count; i++) {
        const int32_t *labels;
        int count = dataset_labels(data, SPLIT_TRAIN, set->indices[i], &labels);
        for (int k = 0; k < count; k++)
            strata->members[ends[labels[k]]++] = i;
        if (count == 0)
            strata->members[ends[classes]++] = i;
    }
    free(ends);
    return status_ok();
}

Status trainset_count_classes(const ProgramPhase *phase, const Dataset *data,
                              Trainset *set)
{
    int64_t members = 0, unclassed = 0;
    if (!phase->classes)
        return status_ok();
    set->counts = calloc((size_t)phase->classes, sizeof *set->counts);
    if (!set->counts)
        return no_memory_for_classes();
    for (int64_t i = 0; i < set->count; i++) {
        const int32_t *labels;
        int64_t index = set->indices[i];
        int count = dataset_labels(data, SPLIT_TRAIN, index, &labels);
        if (set->seen && !set->seen[index])
            continue;
        for (int k = 0; k < count; k++)
            if (labels[k] < phase->classes)
                set->counts[labels[k]]++;
        members += count > 0 ? count : count == 0;
        unclassed += count == 0;
    }
    return phase->balanced ? divide(phase, data, set, members, unclassed)
                           : status_ok();
}

void trainset_cut_strata(Trainset *set, int64_t first, int64_t count)
{
    Strata *strata = &set->strata;
    int64_t kept = 0, from = 0;
    int classes = 0;
    for (int i = 0; i < strata->count; i++) {
        int64_t end = strata->starts[i + 1];
        for (; from < end; from++) {
            int64_t place = strata->members[from] - first;
            if (place >= 0 && place < count)
                strata->members[kept++] = place;
        }
        if (kept > strata->starts[classes])
            strata->starts[++classes] = kept;
    }
    strata->count = classes;
}

void trainset_free(Trainset *set)
{
    free(set->counts);
    free(set->indices);
    free(set->seen);
    free(set->strata.starts);
    free(set->strata.members);
    *set = (Trainset){0};
}
