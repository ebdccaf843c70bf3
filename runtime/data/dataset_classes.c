// The order of a set's classes: its own, or that of weights that know them; and
// what their names say.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/data/class_names.h"
#include "runtime/data/dataset_inside.h"

// ---- names in two orders ----------------------------------------------------

typedef struct Placed {
    const char *name;
    int place;
} Placed;

static int compare_placed(const void *left, const void *right)
{
    return strcmp(((const Placed *)left)->name, ((const Placed *)right)->name);
}

// The names with their places, by bytes, for finding them. NULL for lack of
// memory.
static Placed *sort_placed(int count, char *const *names)
{
    Placed *placed = malloc(((size_t)count + 1) * sizeof *placed);
    for (int i = 0; placed && i < count; i++)
        placed[i] = (Placed){names[i], i};
    if (placed)
        qsort(placed, (size_t)count, sizeof *placed, compare_placed);
    return placed;
}

static int find_place(const Placed *placed, int count, const char *name)
{
    Placed key = {name, 0};
    const Placed *found =
        bsearch(&key, placed, (size_t)count, sizeof key, compare_placed);
    return found ? found->place : -1;
}

// The names of one list that the other lacks, as text.
static void list_missing(int count, char *const *names, int other_count,
                         char *const *other, char *text, size_t size)
{
    Placed *placed = sort_placed(other_count, other);
    char **missing = malloc(((size_t)count + 1) * sizeof *missing);
    int found = 0;
    for (int i = 0; placed && missing && i < count; i++)
        if (find_place(placed, other_count, names[i]) < 0)
            missing[found++] = names[i];
    class_names_list(found, missing, text, size);
    free(missing);
    free(placed);
}

static Status other_classes(const Dataset *dataset, const char *whose,
                            const ClassNames *names)
{
    enum { LIST = 220, SHORT = 120 };
    char known[LIST], have[LIST], there[SHORT], here[SHORT];
    class_names_list(names->count, names->at, known, sizeof known);
    class_names_list(dataset->class_count, dataset->classes, have, sizeof have);
    list_missing(names->count, names->at, dataset->class_count,
                 dataset->classes, there, sizeof there);
    list_missing(dataset->class_count, dataset->classes, names->count,
                 names->at, here, sizeof here);
    return status_error(
        STATUS_DATA,
        "%.160s know%s %d classes (%s), and the data has %d (%s); not in the "
        "data: %s; only there: %s. Data of the same classes is wanted, under "
        "the same names",
        whose, strncmp(whose, "the ", 4) == 0 ? "" : "s", names->count, known,
        dataset->class_count, have, *there ? there : "none",
        *here ? here : "none");
}

// ---- taking an order --------------------------------------------------------

// from[i] becomes which of the set's classes is called names[i]. False when
// the two are not the same names, each there once.
static bool match(const Dataset *dataset, const ClassNames *names,
                  const Placed *placed, int *from)
{
    if (names->count != dataset->class_count)
        return false;
    for (int i = 0; i < names->count; i++)
        from[i] = -1;
    for (int i = 0; i < dataset->class_count; i++) {
        int place = find_place(placed, names->count, dataset->classes[i]);
        if (place < 0 || from[place] >= 0)
            return false;
        from[place] = i;
    }
    return true;
}

// places[i] is where class i goes.
static void renumber(Dataset *dataset, const int *places)
{
    if (dataset->several) {
        dataset_renumber_labels(dataset, places);
        return;
    }
    for (int split = 0; split < SPLIT_COUNT; split++)
        for (int64_t i = 0; i < dataset->splits[split].count; i++) {
            Sample *sample = &dataset->splits[split].items[i];
            if (sample->label >= 0)
                sample->label = places[sample->label];
        }
}

static Status move_classes(Dataset *dataset, const int *from, int *places)
{
    int count = dataset->class_count;
    char **moved = malloc((size_t)count * sizeof *moved);
    if (!dataset->own_order)
        dataset->own_order = class_names_write(count, dataset->classes);
    if (!moved || !dataset->own_order) {
        free(moved);
        return status_error(STATUS_MEMORY, "%s: no memory for its classes",
                            dataset->root);
    }
    for (int i = 0; i < count; i++) {
        moved[i] = dataset->classes[from[i]];
        places[from[i]] = i;
    }
    free(dataset->classes);
    dataset->classes = moved;
    renumber(dataset, places);
    return status_ok();
}

static Status take_names(Dataset *dataset, const char *whose,
                         const ClassNames *names, bool *by_place)
{
    size_t room = (size_t)names->count + (size_t)dataset->class_count;
    Placed *placed = sort_placed(names->count, names->at);
    int *from = malloc(room * sizeof *from);
    int *places = malloc(room * sizeof *places);
    Status status = status_ok();
    if (!placed || !from || !places)
        status = status_error(STATUS_MEMORY, "%s: no memory for its classes",
                              dataset->root);
    else if (match(dataset, names, placed, from))
        status = move_classes(dataset, from, places);
    else if (dataset->numbered && names->count == dataset->class_count)
        *by_place = true;
    else
        status = other_classes(dataset, whose, names);
    free(placed);
    free(from);
    free(places);
    return status;
}

Status dataset_take_classes(Dataset *dataset, const char *whose,
                            const char *lines, bool *by_place)
{
    ClassNames names;
    *by_place = false;
    if (!lines)
        lines = dataset->own_order;
    if (!lines || dataset->class_count == 0)
        return status_ok();
    TRY(class_names_read(lines, &names));
    Status status = take_names(dataset, whose, &names, by_place);
    class_names_free(&names);
    return status;
}

char *dataset_class_lines(const Dataset *dataset)
{
    return class_names_write(dataset->class_count, dataset->classes);
}

// ---- names that may be slips ------------------------------------------------

static int compare_caseless(const void *left, const void *right)
{
    return strcasecmp(*(const char *const *)left, *(const char *const *)right);
}

// Bars and bars are two classes, of which one may be a slip.
static Status tell_alike(Dataset *dataset)
{
    size_t count = (size_t)dataset->class_count;
    const char *one = NULL, *other = NULL;
    int pairs = 0;
    char **names = malloc((count + 1) * sizeof *names);
    if (!names)
        return status_error(STATUS_MEMORY, "%s: no memory for its classes",
                            dataset->root);
    for (size_t i = 0; i < count; i++)
        names[i] = dataset->classes[i];
    qsort(names, count, sizeof *names, compare_caseless);
    for (size_t i = 1; i < count; i++)
        if (strcasecmp(names[i - 1], names[i]) == 0 && pairs++ == 0) {
            bool before = strcmp(names[i - 1], names[i]) < 0;
            one = names[before ? i - 1 : i];
            other = names[before ? i : i - 1];
        }
    free(names);
    if (!pairs)
        return status_ok();
    return dataset_add_note(dataset,
                            "classes %.100s and %.100s%s differ by the case of "
                            "letters alone: if they are one, give them one "
                            "name",
                            one, other, pairs > 1 ? ", and more," : "");
}

// 3 and 3.0: of a list, where numbers stand in the order of their values.
static Status tell_equal(Dataset *dataset)
{
    for (int i = 1; i < dataset->class_count; i++) {
        const char *one = dataset->classes[i - 1], *other = dataset->classes[i];
        char *end, *other_end;
        double value = strtod(one, &end), next = strtod(other, &other_end);
        if (*end || *other_end || value != next)
            continue;
        return dataset_add_note(dataset,
                                "classes %.100s and %.100s are the same "
                                "number: if they are one, give them one name",
                                one, other);
    }
    return status_ok();
}

// What other programs write where a list has nothing. A folder of such a name
// was given it by somebody.
static Status tell_nothing(Dataset *dataset)
{
    static const char *const words[] = {"nan",  "na",   "n/a",
                                        "<na>", "none", "null"};
    char names[256] = "";
    int found = 0;
    for (int i = 0; i < dataset->class_count; i++)
        for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
            size_t length = strlen(names);
            if (strcasecmp(dataset->classes[i], words[k]) == 0)
                snprintf(names + length, sizeof names - length, "%s%s",
                         found++ ? ", " : "", dataset->classes[i]);
        }
    if (!found)
        return status_ok();
    return dataset_add_note(dataset,
                            "%s %s as any: leave the cell empty where that "
                            "means an image without a label",
                            names, found > 1 ? "are classes" : "is a class");
}

Status dataset_tell_classes(Dataset *dataset)
{
    TRY(tell_alike(dataset));
    if (strcmp(dataset->kind, "list") != 0)
        return status_ok();
    TRY(tell_nothing(dataset));
    return tell_equal(dataset);
}
