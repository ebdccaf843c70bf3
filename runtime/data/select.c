// Seeded choices among a set's samples: the held-out part and label subsets.
// Each sample has a rank that depends on the seed and its name alone; a choice
// takes the lowest ranks of each class. Hence larger choices contain smaller
// ones, and a class does not notice files added elsewhere.
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/philox.h"
#include "runtime/data/dataset_inside.h"
#include "runtime/data/list_text.h"

typedef struct Ranked {
    int label;
    uint64_t rank;
    int64_t index;
} Ranked;

static int compare_ranked(const void *left, const void *right)
{
    const Ranked *a = left, *b = right;
    if (a->label != b->label)
        return a->label < b->label ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

// How many training samples have each class, [classes], where each may have
// several. NULL for lack of memory.
static int64_t *count_classes(const Dataset *dataset)
{
    const SampleList *list = &dataset->splits[SPLIT_TRAIN];
    int64_t *counts = calloc((size_t)dataset->class_count + 1, sizeof *counts);
    for (int64_t i = 0; counts && i < list->count; i++) {
        const int32_t *of;
        int labels = dataset_sample_labels(dataset, &list->items[i], &of);
        for (int k = 0; k < labels; k++)
            counts[of[k]]++;
    }
    return counts;
}

// The class that a sample counts for: of several the rarest, of none one of its
// own behind the others; -1 = no label.
static int counts_for(const Dataset *dataset, const Sample *sample,
                      const int64_t *counts)
{
    const int32_t *of;
    int labels = dataset_sample_labels(dataset, sample, &of);
    int class = labels < 0 ? -1 : labels ? of[0] : dataset->class_count;
    for (int k = 1; k < labels; k++)
        class = counts[of[k]] < counts[class] ? of[k] : class;
    return class;
}

// All training samples by class (no label first) and rank. NULL for lack of
// memory.
static Ranked *rank_samples(const Dataset *dataset, const char *purpose,
                            uint64_t seed)
{
    const SampleList *list = &dataset->splits[SPLIT_TRAIN];
    int64_t *counts = count_classes(dataset);
    Ranked *ranked =
        counts ? malloc(((size_t)list->count + 1) * sizeof *ranked) : NULL;
    for (int64_t i = 0; ranked && i < list->count; i++) {
        RandomStream stream = random_stream(
            seed, random_name(purpose), random_name(list->items[i].name), 0, 0);
        uint64_t high = random_u32(&stream);
        ranked[i] = (Ranked){counts_for(dataset, &list->items[i], counts),
                             high << 32 | random_u32(&stream), i};
    }
    free(counts);
    if (ranked)
        qsort(ranked, (size_t)list->count, sizeof *ranked, compare_ranked);
    return ranked;
}

static int64_t class_end(const Ranked *ranked, int64_t from, int64_t count)
{
    int64_t end = from;
    while (end < count && ranked[end].label == ranked[from].label)
        end++;
    return end;
}

// Marks in `held` the share of each class; at least one stays for training.
static void mark_held(const Dataset *dataset, const Ranked *ranked,
                      double fraction, bool *held)
{
    int64_t count = dataset->splits[SPLIT_TRAIN].count;
    for (int64_t from = 0; from < count;) {
        int64_t end = class_end(ranked, from, count), size = end - from;
        int64_t part = llrint(fraction * (double)size);
        if (part < 1)
            part = 1;
        if (part > size - 1)
            part = size - 1;
        // Extra unlabelled images of a labelled set could test nothing.
        if (dataset->class_count > 0 && ranked[from].label < 0)
            part = 0;
        for (int64_t i = from; i < from + part; i++)
            held[ranked[i].index] = true;
        from = end;
    }
}

Status dataset_hold_out(Dataset *dataset, DataSplit split, const char *purpose,
                        double fraction, uint64_t seed)
{
    SampleList *train = &dataset->splits[SPLIT_TRAIN];
    SampleList *part = &dataset->splits[split];
    size_t count = (size_t)train->count;
    Ranked *ranked = rank_samples(dataset, purpose, seed);
    bool *held = calloc(count + 1, sizeof *held);
    Sample *items = malloc((count + 1) * sizeof *items);
    if (!ranked || !held || !items) {
        free(ranked);
        free(held);
        free(items);
        return status_error(STATUS_MEMORY, "%s: no memory to hold out a part",
                            dataset->root);
    }
    mark_held(dataset, ranked, fraction, held);
    part->items = items;
    part->room = train->count + 1;
    int64_t kept = 0;
    for (int64_t i = 0; i < train->count; i++) {
        Sample *target =
            held[i] ? &part->items[part->count++] : &train->items[kept++];
        memmove(target, &train->items[i], sizeof *target);
    }
    train->count = kept;
    free(ranked);
    free(held);
    return status_ok();
}

Status dataset_join_parts(Dataset *dataset, bool labelled)
{
    static const DataSplit order[] = {SPLIT_TRAIN, SPLIT_TEST, SPLIT_VALID};
    SampleList test = {0}, rest = {0};
    int64_t room = 1;
    for (int split = 0; split < SPLIT_COUNT; split++)
        room += dataset->splits[split].count;
    test.room = rest.room = room;
    test.items = malloc((size_t)room * sizeof *test.items);
    rest.items = malloc((size_t)room * sizeof *rest.items);
    if (!test.items || !rest.items) {
        free(test.items);
        free(rest.items);
        return status_error(STATUS_MEMORY, "%s: no memory to join its parts",
                            dataset->root);
    }
    for (int k = 0; k < SPLIT_COUNT; k++) {
        SampleList *part = &dataset->splits[order[k]];
        for (int64_t i = 0; i < part->count; i++) {
            bool left = labelled && part->items[i].label < 0;
            SampleList *to = left ? &rest : &test;
            memcpy(&to->items[to->count++], &part->items[i],
                   sizeof *part->items);
        }
        free(part->items);
        *part = (SampleList){0};
    }
    dataset->splits[SPLIT_TEST] = test;
    dataset->splits[SPLIT_TRAIN] = rest;
    return status_ok();
}

static int compare_indices(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

// How many of a class's `size` samples the rule allows; -1 = it has too few.
static int64_t allowed(LabelRule rule, double amount, int64_t size)
{
    if (rule == LABELS_ALL)
        return size;
    int64_t part =
        llrint(rule == LABELS_FRACTION ? amount * (double)size : amount);
    if (part < 1)
        part = 1;
    if (part <= size)
        return part;
    return rule == LABELS_FRACTION ? size : -1;
}

static Status choose(const Dataset *dataset, const Ranked *ranked,
                     LabelRule rule, double amount, int64_t *indices,
                     int64_t *count)
{
    int64_t total = dataset->splits[SPLIT_TRAIN].count;
    for (int64_t from = 0; from < total;) {
        int64_t end = class_end(ranked, from, total);
        int label = ranked[from].label;
        int64_t part = label < 0 ? 0 : allowed(rule, amount, end - from);
        if (part < 0)
            return status_error(STATUS_DATA,
                                "%s: class %s has %lld training image%s, fewer "
                                "than the %lld labels per class asked for",
                                dataset->root, dataset->classes[label],
                                (long long)(end - from), status_s(end - from),
                                (long long)llrint(amount));
        for (int64_t i = from; i < from + part; i++)
            indices[(*count)++] = ranked[i].index;
        from = end;
    }
    if (*count == 0)
        return status_error(STATUS_DATA, "%s: no training image has a label",
                            dataset->root);
    return status_ok();
}

static Status check_rule(const Dataset *dataset, LabelRule rule, double amount)
{
    if (dataset->class_count == 0)
        return status_error(STATUS_DATA,
                            "%s: its images have no labels, which this phase "
                            "needs: put each class in a folder of its own",
                            dataset->root);
    if (dataset->several && rule == LABELS_PER_CLASS)
        return status_error(STATUS_DATA,
                            "%s: its images may have several classes, so there "
                            "is no number of labels of each: ask for a share, "
                            "such as 10%%, or all",
                            dataset->root);
    if (dataset->class_count == 1 && !dataset->several)
        return status_error(STATUS_DATA,
                            "%s: its only class is %s; a phase with labels "
                            "needs at least two",
                            dataset->root, dataset->classes[0]);
    bool fits = rule == LABELS_ALL ||
                (rule == LABELS_FRACTION && amount > 0 && amount <= 1) ||
                (rule == LABELS_PER_CLASS && amount >= 1 && amount < 1e15);
    if (!fits)
        return status_error(STATUS_FAILED, "%g is not an amount of labels",
                            amount);
    return status_ok();
}

Status dataset_select(const Dataset *dataset, PhaseSource source,
                      LabelRule rule, double amount, uint64_t seed,
                      int64_t **indices, int64_t *count)
{
    *indices = NULL;
    *count = 0;
    int64_t total = dataset->splits[SPLIT_TRAIN].count;
    if (source == SOURCE_LABELED)
        TRY(check_rule(dataset, rule, amount));
    int64_t *chosen = malloc(((size_t)total + 1) * sizeof *chosen);
    Ranked *ranked = rank_samples(dataset, "labels", seed);
    Status status = status_ok();
    int64_t used = 0;
    if (!chosen || !ranked) {
        status = status_error(STATUS_MEMORY, "%s: no memory to choose samples",
                              dataset->root);
    } else if (source == SOURCE_UNLABELED) {
        for (; used < total; used++)
            chosen[used] = used;
    } else {
        status = choose(dataset, ranked, rule, amount, chosen, &used);
        qsort(chosen, (size_t)used, sizeof *chosen, compare_indices);
    }
    free(ranked);
    if (status.code != STATUS_OK) {
        free(chosen);
        return status;
    }
    *indices = chosen;
    *count = used;
    return status;
}

// ---- a list of the images with labels --------------------------------------

typedef struct NamedSample {
    const char *name;
    DataSplit split;
    int64_t index;
} NamedSample;

static int compare_named(const void *left, const void *right)
{
    const NamedSample *a = left, *b = right;
    return strcmp(a->name, b->name);
}

// All samples of all parts by name. NULL for lack of memory.
static NamedSample *sort_named(const Dataset *dataset, size_t *count)
{
    *count = 0;
    for (int split = 0; split < SPLIT_COUNT; split++)
        *count += (size_t)dataset->splits[split].count;
    NamedSample *named = malloc((*count + 1) * sizeof *named);
    size_t used = 0;
    for (int split = 0; named && split < SPLIT_COUNT; split++)
        for (int64_t i = 0; i < dataset->splits[split].count; i++)
            named[used++] = (NamedSample){dataset->splits[split].items[i].name,
                                          (DataSplit)split, i};
    if (named)
        qsort(named, used, sizeof *named, compare_named);
    return named;
}

typedef struct ListedLabels {
    const Dataset *dataset;
    const char *path; // of the list
    char *text;
    char *folder; // of the data, without links; NULL = it has none
    NamedSample *named;
    size_t named_count;
    bool *chosen; // by training index
    int64_t count;
} ListedLabels;

static const char *behind(const char *path, const char *folder)
{
    size_t length = folder ? strlen(folder) : 0;
    while (length > 1 && folder[length - 1] == '/')
        length--;
    return length && strncmp(path, folder, length) == 0 && path[length] == '/'
               ? path + length + strspn(path + length, "/")
               : NULL;
}

// By its name, or by a path to it: from the root, or through the data's folder
// as --data has it. NULL = none.
static const NamedSample *find_named(const ListedLabels *list, const char *name)
{
    const char *ways[] = {name, behind(name, "."),
                          behind(name, list->dataset->folder),
                          behind(name, list->folder)};
    const NamedSample *found = NULL;
    for (int i = 0; i < 4 && !found; i++) {
        NamedSample key = {.name = ways[i]};
        if (ways[i])
            found = bsearch(&key, list->named, list->named_count, sizeof key,
                            compare_named);
    }
    return found;
}

// The image that a line names before a mark that ends a column, or in quotes.
static const NamedSample *find_first_cell(const ListedLabels *list,
                                          const char *line)
{
    static const char *const marks[] = {",", ";", "\t", " ", "\"", ""};
    const NamedSample *found = NULL;
    line += strspn(line, " \t\"");
    for (int i = 0; i < 6 && !found; i++) {
        size_t length = *marks[i] ? strcspn(line, marks[i]) : strlen(line);
        while (length && strchr(" \t\"", line[length - 1]))
            length--;
        char *name = strndup(line, length);
        found = name ? find_named(list, name) : NULL;
        free(name);
    }
    return found;
}

// How many last parts of two paths are alike, but for case and the extension.
static int same_parts(const char *one, const char *other)
{
    const char *a = strrchr(one, '.'), *b = strrchr(other, '.');
    int parts = 0;
    a = a && !strchr(a, '/') ? a : one + strlen(one);
    b = b && !strchr(b, '/') ? b : other + strlen(other);
    for (; a > one && b > other; a--, b--) {
        if (tolower((unsigned char)a[-1]) != tolower((unsigned char)b[-1]))
            return parts;
        parts += a[-1] == '/';
    }
    bool ends = (a == one || a[-1] == '/') && (b == other || b[-1] == '/');
    return parts + ends;
}

// Why a line names no image, as the end of the sentence. `next` is the text
// behind it.
static void explain(const ListedLabels *list, const char *line, int64_t number,
                    const char *next, char *words, size_t size)
{
    const Dataset *dataset = list->dataset;
    const char *closest = NULL;
    int most = 0;
    char *below = strndup(next, strcspn(next, "\r\n"));
    bool header = number == 1 && !dataset_is_image_name(line) && below &&
                  find_first_cell(list, below);
    free(below);
    if (header || find_first_cell(list, line)) {
        snprintf(words, size,
                 "%s; --labels takes names of images alone, one a line (their "
                 "classes are those of the data)",
                 header ? "looks like a header"
                        : "has more than the name of an image");
        return;
    }
    for (int i = 0; i < dataset->skip_count; i++) {
        const char *name = behind(dataset->skips[i].path, dataset->folder);
        if (name && strcmp(name, line) == 0) {
            snprintf(words, size, "was left out of the data: %.200s",
                     dataset->skips[i].reason);
            return;
        }
    }
    const SampleList *train = &dataset->splits[SPLIT_TRAIN];
    for (int64_t i = 0; i < train->count; i++) {
        int parts = same_parts(train->items[i].name, line);
        if (parts > most) {
            most = parts;
            closest = train->items[i].name;
        }
    }
    snprintf(words, size, "is not in the data; %s there is %.200s",
             closest ? "the closest name" : "a name",
             closest        ? closest
             : train->count ? train->items[0].name
                            : "none");
}

static Status choose_line(ListedLabels *list, const char *name, int64_t line,
                          const char *next)
{
    char words[400];
    const NamedSample *found = find_named(list, name);
    const char *wrong = NULL;
    if (!found) {
        explain(list, name, line, next, words, sizeof words);
        wrong = words;
    } else if (found->split == SPLIT_TEST)
        wrong = list->dataset->test_part
                    ? "is a test image"
                    : "is held out for testing: use the --seed and "
                      "--held-out that the list was made with";
    else if (found->split == SPLIT_VALID)
        wrong = list->dataset->valid_part
                    ? "is an image for validation"
                    : "is set aside for validation: use the --seed, --held-out "
                      "and --validate that the list was made with";
    else if (list->dataset->splits[SPLIT_TRAIN].items[found->index].label < 0)
        wrong = "has no label";
    else if (list->chosen[found->index])
        wrong = "is there a second time";
    if (wrong)
        return status_error(STATUS_DATA, "%s:%lld: %.200s %s", list->path,
                            (long long)line, name, wrong);
    list->chosen[found->index] = true;
    list->count++;
    return status_ok();
}

static Status choose_listed(ListedLabels *list)
{
    int64_t size = 0;
    Status status = file_read(list->path, 1 << 30, &list->text, &size);
    if (status.code == STATUS_FAILED)
        status.code = STATUS_DATA;
    if (status.code != STATUS_OK)
        return status;
    list->named = sort_named(list->dataset, &list->named_count);
    list->chosen = calloc((size_t)list->dataset->splits[SPLIT_TRAIN].count + 1,
                          sizeof *list->chosen);
    if (!list->named || !list->chosen)
        return status_error(STATUS_MEMORY, "%s: no memory for it", list->path);
    int64_t bad;
    const char *fault = list_text_fault(list->text, size, &bad);
    if (fault)
        return status_error(STATUS_DATA, "%s: %s", list->path, fault);
    list->folder = realpath(list->dataset->folder, NULL);
    static const char byte_mark[] = "\xef\xbb\xbf"; // before UTF-8 text
    char *rest = list->text, *name;
    if (strncmp(rest, byte_mark, 3) == 0)
        rest += 3;
    for (int64_t line = 1; (name = list_next_line(&rest)); line++)
        if (*name)
            TRY(choose_line(list, name, line, rest));
    if (list->count == 0)
        return status_error(STATUS_DATA, "%s: lists no image", list->path);
    return status_ok();
}

static Status take_chosen(const ListedLabels *list, int64_t **indices,
                          int64_t *count)
{
    *indices = malloc((size_t)list->count * sizeof **indices);
    if (!*indices)
        return status_error(STATUS_MEMORY, "%s: no memory for it", list->path);
    for (int64_t i = 0; *count < list->count; i++)
        if (list->chosen[i])
            (*indices)[(*count)++] = i;
    return status_ok();
}

Status dataset_select_listed(const Dataset *dataset, const char *path,
                             int64_t **indices, int64_t *count)
{
    ListedLabels list = {.dataset = dataset, .path = path};
    *indices = NULL;
    *count = 0;
    TRY(check_rule(dataset, LABELS_ALL, 0));
    Status status = choose_listed(&list);
    if (status.code == STATUS_OK)
        status = take_chosen(&list, indices, count);
    free(list.text);
    free(list.folder);
    free(list.named);
    free(list.chosen);
    return status;
}

// ---- what was asked for -----------------------------------------------------

// As the language has it: a whole number counts images of each class, one with
// a point or an exponent is a share of them, as one with a percent sign is.
static bool read_amount(const char *text, LabelRule *rule, double *amount)
{
    char *end;
    *amount = strtod(text, &end);
    *rule = strcmp(text, "all") == 0 ? LABELS_ALL
            : strpbrk(text, ".eE%")  ? LABELS_FRACTION
                                     : LABELS_PER_CLASS;
    if (*rule == LABELS_ALL)
        return true;
    bool percent = end != text && strcmp(end, "%") == 0;
    if (percent)
        *amount /= 100;
    return percent || (end != text && !*end);
}

Status dataset_select_asked(const Dataset *dataset, const char *labels,
                            uint64_t seed, int64_t **indices, int64_t *count)
{
    LabelRule rule;
    double amount;
    bool number = read_amount(labels, &rule, &amount);
    if (!number && file_exists(labels))
        return dataset_select_listed(dataset, labels, indices, count);
    if (!number)
        return status_error(STATUS_DATA,
                            "--labels %s: there is no such file, and it is "
                            "neither `all`, a share such as 1%% or 0.1, nor a "
                            "whole number of each class",
                            labels);
    if ((rule == LABELS_PER_CLASS && !(amount >= 1)) ||
        (rule == LABELS_FRACTION && !(amount > 0 && amount <= 1)))
        return status_error(STATUS_USAGE,
                            "--labels %s: `all`, a share such as 1%% or 0.1, a "
                            "whole number of each class, or a file",
                            labels);
    return dataset_select(dataset, SOURCE_LABELED, rule, amount, seed, indices,
                          count);
}
