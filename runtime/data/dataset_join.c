// Sets of which each process has opened a part of its own, made one: all know
// all samples' names and labels, in the order of the processes, and each reads
// those of its part.
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/class_names.h"
#include "runtime/data/dataset_inside.h"
#include "runtime/exec/ranks.h"

// A sample in the text that processes exchange: a Record, its classes, as
// int32_t, and its name with the zero behind it.
typedef struct Record {
    int32_t classes; // -1 = no label
    int32_t name;    // bytes, the zero included
} Record;

static Status no_memory(const Dataset *dataset)
{
    return status_error(STATUS_MEMORY,
                        "%s: no memory for the list of the images of all "
                        "processes",
                        dataset->root);
}

// ---- classes ----------------------------------------------------------------

static const char *kind_of_labels(int several)
{
    return several ? "several classes an image" : "one class an image";
}

// All take the order of process 0, whose classes theirs are by name.
static Status join_classes(Dataset *dataset)
{
    int64_t first[] = {dataset->class_count, dataset->several, 0};
    char *lines = dataset_class_lines(dataset);
    bool by_place;
    if (!lines)
        return no_memory(dataset);
    first[2] = (int64_t)strlen(lines) + 1;
    ranks_broadcast(first, sizeof first);
    char *theirs = realloc(lines, (size_t)first[2]);
    if (!theirs) { // the others wait for what cannot come
        free(lines);
        ranks_abort(STATUS_MEMORY);
    }
    ranks_broadcast(theirs, first[2]);
    Status status = status_ok();
    if ((first[0] == 0) != (dataset->class_count == 0)) {
        char list[400];
        ClassNames names = {dataset->class_count, dataset->classes};
        if (first[0])
            status = class_names_read(theirs, &names);
        class_names_list(names.count, names.at, list, sizeof list);
        if (status.code == STATUS_OK)
            status = status_error(
                STATUS_DATA,
                "%s: the part of process %d has %d classes (%s), and that of "
                "process %d none: each part wants images of the same classes",
                dataset->root, first[0] ? 0 : ranks_index(), names.count, list,
                first[0] ? ranks_index() : 0);
        if (first[0])
            class_names_free(&names);
    } else if (dataset->class_count && first[1] != dataset->several) {
        status =
            status_error(STATUS_DATA, "%s has %s, and the part of process 0 %s",
                         dataset->root, kind_of_labels(dataset->several),
                         kind_of_labels(first[1] != 0));
    } else if (dataset->class_count) {
        status = dataset_take_classes(dataset, "process 0", theirs, &by_place);
    }
    free(theirs);
    return status;
}

// ---- lists ------------------------------------------------------------------

static int64_t list_bytes(const Dataset *dataset, int split)
{
    const SampleList *list = &dataset->splits[split];
    const int32_t *classes;
    int64_t bytes = 0;
    for (int64_t i = 0; i < list->count; i++) {
        int count = dataset_sample_labels(dataset, &list->items[i], &classes);
        bytes +=
            (int64_t)sizeof(Record) + (int64_t)strlen(list->items[i].name) + 1;
        bytes += count > 0 ? count * (int64_t)sizeof *classes : 0;
    }
    return bytes;
}

static void write_list(const Dataset *dataset, int split, char *to)
{
    const SampleList *list = &dataset->splits[split];
    for (int64_t i = 0; i < list->count; i++) {
        const Sample *sample = &list->items[i];
        const int32_t *classes;
        int count = dataset_sample_labels(dataset, sample, &classes);
        Record record = {count, (int32_t)strlen(sample->name) + 1};
        memcpy(to, &record, sizeof record);
        to += sizeof record;
        for (int k = 0; k < count; k++, to += sizeof *classes)
            memcpy(to, &classes[k], sizeof *classes);
        memcpy(to, sample->name, (size_t)record.name);
        to += record.name;
    }
}

// One more sample of another process.
static const char *read_sample(Dataset *dataset, const char *from,
                               Sample *sample, Status *status)
{
    Record record;
    memcpy(&record, from, sizeof record);
    from += sizeof record;
    *sample = (Sample){.label = -1, .container = DATASET_ELSEWHERE};
    if (record.classes >= 0 && dataset->several)
        *status = dataset_begin_labels(dataset, &sample->label);
    for (int k = 0; k < record.classes; k++, from += sizeof(int32_t)) {
        int32_t class;
        memcpy(&class, from, sizeof class);
        if (!dataset->several)
            sample->label = class;
        else if (status->code == STATUS_OK)
            *status = dataset_add_label(dataset, class);
    }
    sample->name = strdup(from);
    if (!sample->name && status->code == STATUS_OK)
        *status = no_memory(dataset);
    atomic_init(&sample->cached, NULL);
    return from + record.name;
}

// The list of all, of which this process has its own part already.
static Status merge(Dataset *dataset, int split, const int64_t *starts,
                    const char *text, const int64_t *bytes)
{
    SampleList *list = &dataset->splits[split], own = *list;
    Status status = status_ok();
    int64_t count = starts[ranks_count()];
    Sample *items = calloc((size_t)count + 1, sizeof *items);
    if (!items)
        return no_memory(dataset);
    for (int r = 0; r < ranks_count(); text += bytes[r++]) {
        const char *from = text;
        for (int64_t i = starts[r]; i < starts[r + 1]; i++)
            if (r == ranks_index())
                memcpy(&items[i], &own.items[i - starts[r]], sizeof *items);
            else
                from = read_sample(dataset, from, &items[i], &status);
    }
    free(own.items);
    *list = (SampleList){items, count, count + 1};
    return status;
}

// Everyone's list of a split. `failed` on any process ends it on all.
static Status join_split(Dataset *dataset, int split, int64_t *starts)
{
    int64_t here[] = {dataset->splits[split].count, list_bytes(dataset, split)};
    int64_t all[RANKS_MAX][2], bytes[RANKS_MAX], total = 0, before = 0;
    ranks_gather(here, all, sizeof here);
    starts[0] = 0;
    for (int r = 0; r < ranks_count(); r++) {
        starts[r + 1] = starts[r] + all[r][0];
        bytes[r] = all[r][1];
        before += r < ranks_index() ? bytes[r] : 0;
        total += bytes[r];
    }
    if (total > RANKS_MOST_BYTES) // on all alike
        return status_error(STATUS_DATA,
                            "the names of %" PRId64 " images take more than "
                            "the %d MB that processes exchange at once",
                            starts[ranks_count()], RANKS_MOST_BYTES >> 20);
    char *text = malloc((size_t)total + 1);
    Status status = text ? status_ok() : no_memory(dataset);
    if (ranks_any(status.code != STATUS_OK)) {
        free(text);
        return status;
    }
    write_list(dataset, split, text + before);
    ranks_collect(text, bytes);
    status = merge(dataset, split, starts, text, bytes);
    free(text);
    return status;
}

// ---- what is said of it -----------------------------------------------------

// The same folder or file, met by two processes of one machine.
static Status check_places(const Dataset *dataset)
{
    typedef struct Where {
        char machine[256], path[PATH_MAX];
    } Where;
    Where here = {0}, *all = malloc((size_t)ranks_count() * sizeof here);
    Status status = all ? status_ok() : no_memory(dataset);
    gethostname(here.machine, sizeof here.machine - 1);
    if (status.code == STATUS_OK && !realpath(dataset->root, here.path))
        snprintf(here.path, sizeof here.path, "%s", dataset->root);
    if (!ranks_any(status.code != STATUS_OK)) {
        ranks_gather(&here, all, sizeof here);
        for (int r = 0; r < ranks_index() && status.code == STATUS_OK; r++)
            if (memcmp(&all[r], &here, sizeof here) == 0)
                status = status_error(STATUS_DATA,
                                      "%s: processes %d and %d would both read "
                                      "it: give each a part of its own",
                                      here.path, r, ranks_index());
    }
    free(all);
    return status;
}

// Smaller parts come round sooner.
static Status describe(Dataset *dataset)
{
    const int64_t *starts = dataset->starts[SPLIT_TRAIN];
    int few = 0, many = 0;
    char text[512], *description;
    for (int r = 1; r < ranks_count(); r++) {
        int64_t count = starts[r + 1] - starts[r];
        few = count < starts[few + 1] - starts[few] ? r : few;
        many = count > starts[many + 1] - starts[many] ? r : many;
    }
    int64_t least = starts[few + 1] - starts[few];
    int64_t most = starts[many + 1] - starts[many];
    snprintf(text, sizeof text,
             "%d parts, %d class%s, %" PRId64 " training images, %" PRId64
             " to %" PRId64 " a part, and %" PRId64 " test images",
             ranks_count(), dataset->class_count,
             dataset->class_count == 1 ? "" : "es", starts[ranks_count()],
             least, most, dataset->splits[SPLIT_TEST].count);
    description = strdup(text);
    if (!description)
        return no_memory(dataset);
    free(dataset->description);
    dataset->description = description;
    if (least == most || least == 0)
        return status_ok();
    return dataset_add_note(
        dataset,
        "uneven parts: every process takes as much of a batch, so the %" PRId64
        " images of process %d come %.3g times as often as the %" PRId64
        " of process %d",
        least, few, (double)most / (double)least, most, many);
}

// ---- joining ----------------------------------------------------------------

// Do all go on? One that failed says why; the others have nothing to say.
static bool all_well(const Status *status)
{
    return !ranks_any(status->code != STATUS_OK);
}

Status dataset_join(Dataset *dataset)
{
    Status status = join_classes(dataset);
    if (!all_well(&status))
        return status;
    status = check_places(dataset);
    for (int split = 0; split < SPLIT_COUNT && all_well(&status); split++) {
        dataset->starts[split] =
            calloc((size_t)ranks_count() + 1, sizeof(int64_t));
        status = dataset->starts[split] ? status_ok() : no_memory(dataset);
        if (all_well(&status))
            status = join_split(dataset, split, dataset->starts[split]);
    }
    if (status.code == STATUS_OK && dataset->starts[SPLIT_COUNT - 1])
        status = describe(dataset);
    return status;
}

const int64_t *dataset_starts(const Dataset *dataset, DataSplit split)
{
    return dataset->starts[split];
}
