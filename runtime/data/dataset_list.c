// A data set that is a list of image files: a table of which one column names
// files. Paths are relative to the list's folder.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/data/dataset_index.h"
#include "runtime/data/list_labels.h"

enum { SAMPLE_ROWS = 40 };

typedef struct List {
    Dataset *dataset;
    ListText table;
    bool header;               // the first row names the columns
    int columns;               // of the row that has most
    int path, label, part;     // which column; -1 = none
    ListLabels labels;         // by `label`, or by several columns
    bool parts[DATASET_PARTS]; // which are marked
    int64_t valid;             // images for validation, beside a test part
    int64_t *sorted;           // rows but the header, by path
    bool *good;                // of rows: it is an image
} List;

static const char *cell(const List *list, int64_t row, int column)
{
    return list_cell(&list->table, &list->table.rows[row], column);
}

static Status no_memory(const List *list)
{
    return status_error(STATUS_MEMORY, "%s: no memory for it",
                        list->dataset->root);
}

static Status bad_row(const List *list, int64_t row, const char *reason)
{
    return list_bad_line(&list->table, list->table.rows[row].line, reason);
}

// ---- columns ----------------------------------------------------------------

// The first of the words that names a column of the header; -1 when none does.
static int find_word(const List *list, const char *const *words)
{
    for (; *words; words++)
        for (int c = 0; c < list->columns; c++)
            if (strcasecmp(cell(list, 0, c), *words) == 0)
                return c;
    return -1;
}

static const char *const path_words[] = {
    "path",       "file",       "filename", "file_name", "filepath",
    "file_path",  "image_path", "img_path", "image",     "img",
    "image_name", "image_file", "image_id", NULL};
static const char *const label_words[] = {
    "label",    "class",         "class_name", "classname",
    "category", "category_name", "label_name", "target",
    "labels",   "classes",       "y",          "class_id",
    "label_id", "category_id",   "tags",       "finding labels",
    NULL};
static const char *const part_words[] = {"part",      "split", "subset",
                                         "partition", "set",   NULL};
// What numbers the rows is no class.
static const char *const index_words[] = {"id", "index", "idx",        "row",
                                          "no", "nr",    "unnamed: 0", NULL};

static bool is_image_word(const char *word)
{
    return dataset_is_image_name(word) || dataset_is_array_name(word) ||
           dataset_is_foreign_name(word);
}

// How well a column names image files, by rows after the first: those that
// there are count most.
static int path_score(const List *list, int column)
{
    int score = 0;
    int64_t count = list->table.count;
    for (int64_t i = count > 1; i < count && i <= SAMPLE_ROWS; i++) {
        const char *word = cell(list, i, column);
        score += 100 * list_names_file(list->dataset->folder, word) +
                 is_image_word(word);
    }
    return score;
}

static void find_path(List *list)
{
    int best = 0;
    list->path = -1;
    for (int c = 0; c < list->columns && c < LIST_COLUMNS; c++) {
        int score = path_score(list, c);
        if (score > best) {
            best = score;
            list->path = c;
        }
    }
    // Two columns may name files, as images and masks: the header knows which.
    int named = list->header ? find_word(list, path_words) : -1;
    if (named >= 0 && (list->path < 0 || path_score(list, named) >= best))
        list->path = named;
    if (list->path < 0)
        list->path = 0;
}

// A first row that names no file where others do. One with the name of an
// image is a row whose file is missing.
static bool is_header(const List *list)
{
    const char *folder = list->dataset->folder;
    bool later = false;
    for (int c = 0; c < list->columns; c++)
        if (is_image_word(cell(list, 0, c)) ||
            list_names_file(folder, cell(list, 0, c)))
            return false;
    for (int c = 0; c < list->columns && c < LIST_COLUMNS; c++)
        later = later || path_score(list, c) >= 100;
    return later || find_word(list, path_words) >= 0;
}

// Do all rows say nothing there, or a part?
static bool holds_parts(const List *list, int column)
{
    bool any = false;
    for (int64_t i = list->header; i < list->table.count; i++) {
        const char *word = cell(list, i, column);
        if (*word && dataset_part_of(word) < 0)
            return false;
        any = any || *word;
    }
    return any;
}

static void find_part(List *list)
{
    list->part = list->header ? find_word(list, part_words) : -1;
    int named = list->header ? find_word(list, label_words) : -1;
    for (int c = list->columns - 1; c >= 0 && list->part < 0; c--)
        if (c != list->path && c != named && holds_parts(list, c))
            list->part = c;
}

static bool is_index(const List *list, int column)
{
    const char *word = cell(list, 0, column);
    for (const char *const *known = index_words; *known; known++)
        if (strcasecmp(word, *known) == 0)
            return true;
    return !*word;
}

static bool has_labels(const List *list, int column)
{
    for (int i = 0; i < list->labels.count; i++)
        if (list->labels.columns[i] == column)
            return true;
    return false;
}

static Status take_label_column(List *list, int column)
{
    list->label = column;
    list->labels.columns = calloc(1, sizeof *list->labels.columns);
    if (!list->labels.columns)
        return no_memory(list);
    list->labels.columns[0] = column;
    list->labels.count = 1;
    return status_ok();
}

// A column for each class, of 0 and 1, and no others but those that number
// rows.
static Status find_marks(List *list, bool *found)
{
    bool *taken = calloc((size_t)list->columns + 1, sizeof *taken);
    if (!taken)
        return no_memory(list);
    for (int c = 0; c < list->columns; c++)
        taken[c] = c == list->path || c == list->part || is_index(list, c);
    Status status = list_marked_columns(&list->table, list->columns, taken,
                                        &list->labels, found);
    free(taken);
    return status;
}

// "first, second" of the header's columns but those known.
static void list_others(const List *list, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int c = 0; c < list->columns && used < size; c++)
        if (c != list->path && c != list->part && !has_labels(list, c))
            used += (size_t)snprintf(
                text + used, size - used, "%s%.40s", used ? ", " : "",
                *cell(list, 0, c) ? cell(list, 0, c) : "(without a name)");
}

// The class is in a column that the header names so, or in the only one left;
// several are in columns that are numbered, or in one for each class.
static Status find_label_by_header(List *list)
{
    char others[300], reason[512];
    int left = 0, last = -1, named = find_word(list, label_words);
    bool found;
    if (named >= 0 && named != list->path && named != list->part)
        return take_label_column(list, named);
    TRY(list_numbered_columns(&list->table, &list->labels, &found));
    if (found)
        return status_ok();
    for (int c = 0; c < list->columns; c++)
        if (c != list->path && c != list->part && !is_index(list, c)) {
            last = c;
            left++;
        }
    if (left < 2)
        return left ? take_label_column(list, last) : status_ok();
    TRY(find_marks(list, &found));
    if (found)
        return status_ok();
    list_others(list, others, sizeof others);
    snprintf(reason, sizeof reason,
             "which column is the class? Name it `label`, or leave a column of "
             "0 and 1 for each class and no others; there are %s",
             others);
    return bad_row(list, 0, reason);
}

// Without a header: the first and second of the other columns are class and
// part, unless one holds parts alone.
static Status find_label_by_place(List *list)
{
    int label = -1;
    for (int c = 0; c < list->columns; c++) {
        if (c == list->path || c == list->part)
            continue;
        if (label < 0)
            label = c;
        else if (list->part < 0)
            list->part = c;
    }
    return label < 0 ? status_ok() : take_label_column(list, label);
}

static Status check_width(const List *list)
{
    int most = list->header ? list->table.rows[0].count : 3;
    bool words = list->table.cut >= LIST_SPACES;
    for (int64_t i = list->header; i < list->table.count; i++) {
        if (list->table.rows[i].nameless && strchr(cell(list, i, 0), '|'))
            return bad_row(list, i,
                           "no image file's name: | parts the classes of an "
                           "image, and columns are parted by commas, "
                           "semicolons, tabs or spaces");
        if (list->table.rows[i].nameless)
            return bad_row(list, i,
                           "no image file's name (a name without .png or .jpg "
                           "needs the columns parted by commas)");
        if (list->table.rows[i].count <= most)
            continue;
        if (list->header)
            return bad_row(list, i,
                           words ? "more columns than the first line names (a "
                                   "label with spaces needs the columns parted "
                                   "by commas)"
                                 : "more columns than the first line names "
                                   "(quote a name with commas)");
        return bad_row(list, i,
                       words ? "more than three columns: path, label, part (a "
                               "label with spaces needs the columns parted by "
                               "commas)"
                             : "more than three columns: path, label, part "
                               "(quote a name with commas, or name the columns "
                               "in the first line)");
    }
    return status_ok();
}

// A mask beside each image would be a class of its own.
static Status check_label(const List *list)
{
    int score = list->label < 0 ? 0 : path_score(list, list->label);
    if (score < 100)
        return status_ok();
    return bad_row(list, list->table.count > 1,
                   "two columns name files: in the first line, call that of "
                   "the images `path`, and that of the classes `label`");
}

// How the columns show classes, where that is more than one of classes.
static Status tell_labels(const List *list)
{
    char names[200];
    size_t used = 0;
    const ListLabels *labels = &list->labels;
    Dataset *dataset = list->dataset;
    names[0] = 0;
    for (int i = 0; i < labels->count && used < sizeof names; i++)
        used +=
            (size_t)snprintf(names + used, sizeof names - used, "%s%.40s",
                             i ? ", " : "", cell(list, 0, labels->columns[i]));
    if (used > sizeof names - 4)
        strcpy(names + sizeof names - 4, "...");
    if (labels->marks && !labels->several)
        return dataset_add_note(dataset,
                                "columns %s hold 0 and 1, and each line has "
                                "one 1: its column is the class",
                                names);
    if (!labels->several)
        return status_ok();
    if (labels->count == 1)
        return dataset_add_note(dataset,
                                "an image may have several of the %d classes: "
                                "%s",
                                dataset->class_count, labels->why);
    return dataset_add_note(
        dataset,
        "an image may have several of the %d classes: columns %s %s, and %s",
        dataset->class_count, names,
        labels->marks ? "hold 0 and 1" : "name them", labels->why);
}

// The order path, label, part goes without saying.
static Status tell_columns(const List *list)
{
    char others[300];
    const char *label = list->label >= 0     ? cell(list, 0, list->label)
                        : list->labels.marks ? "columns of 0 and 1"
                        : list->labels.count ? "numbered columns"
                                             : "none";
    bool plain = list->path == 0 && list->label < 2 && list->part < 3 &&
                 (!list->header || strcasecmp(cell(list, 0, 0), "path") == 0);
    if (list->header) {
        list_others(list, others, sizeof others);
        if (plain && !*others && list->labels.count < 2)
            return status_ok();
        return dataset_add_note(
            list->dataset,
            "line %lld names the columns: images by %s, classes by %s, parts "
            "by %s%s%s",
            (long long)list->table.rows[0].line, cell(list, 0, list->path),
            label, list->part < 0 ? "none" : cell(list, 0, list->part),
            *others ? "; unused: " : "", others);
    }
    if (list->path == 0 && list->label <= 1 && list->part != 1)
        return status_ok();
    return dataset_add_note(
        list->dataset,
        "column %d names images, column %d classes, column %d "
        "parts (0: none)",
        list->path + 1, list->label + 1, list->part + 1);
}

static Status find_columns(List *list)
{
    list->path = list->label = list->part = -1;
    for (int64_t i = 0; i < list->table.count; i++)
        if (list->table.rows[i].count > list->columns)
            list->columns = list->table.rows[i].count;
    if (!list->table.count)
        return status_error(STATUS_DATA, "%s: the list is empty",
                            list->dataset->root);
    list->header = is_header(list);
    if (list->header && list->table.count == 1)
        return bad_row(list, 0,
                       "the list has a header, which names its columns, and "
                       "no rows");
    TRY(check_width(list));
    find_path(list);
    find_part(list);
    TRY(list->header ? find_label_by_header(list) : find_label_by_place(list));
    TRY(check_label(list));
    return tell_columns(list);
}

// ---- rows -------------------------------------------------------------------

static Status check_rows(List *list)
{
    for (int64_t i = list->header; i < list->table.count; i++) {
        const char *word = cell(list, i, list->part);
        int part = *word ? dataset_part_of(word) : DATASET_TRAIN;
        if (!*cell(list, i, list->path))
            return bad_row(list, i, "no path");
        if (part >= 0) {
            list->parts[part] = true;
            continue;
        }
        char reason[160];
        snprintf(reason, sizeof reason,
                 "the %s column is train, test, val or unlabeled, not '%.40s'",
                 list->part == 2 ? "third" : "part's", word);
        return bad_row(list, i, reason);
    }
    return status_ok();
}

// Past what says nothing at the beginning of a path's part: `./` and slashes.
static const char *skip_idle(const char *at)
{
    while (*at == '/' || (*at == '.' && at[1] == '/'))
        at += *at == '/' ? 1 : 2;
    return at;
}

// By bytes, without those: ./a.png is a.png.
static int compare_places(const char *a, const char *b)
{
    a = *a == '/' ? a : skip_idle(a);
    b = *b == '/' ? b : skip_idle(b);
    for (; *a && *a == *b; a++, b++)
        if (*a == '/') {
            a = skip_idle(a) - 1;
            b = skip_idle(b) - 1;
        }
    return (unsigned char)*a - (unsigned char)*b;
}

static int compare_paths(const void *left, const void *right, void *context)
{
    const List *list = context;
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    int order =
        compare_places(cell(list, a, list->path), cell(list, b, list->path));
    return order ? order : a < b ? -1 : a > b;
}

// A file listed twice would be in two classes, or in training and test.
static Status check_repeats(List *list)
{
    int64_t count = list->table.count - list->header, again = -1, before = -1;
    int64_t *sorted = malloc(((size_t)list->table.count + 1) * sizeof *sorted);
    list->sorted = sorted;
    if (!sorted)
        return no_memory(list);
    for (int64_t i = 0; i < count; i++)
        sorted[i] = i + list->header;
    if (count > 1)
        qsort_r(sorted, (size_t)count, sizeof *sorted, compare_paths, list);
    for (int64_t i = 1; i < count; i++)
        if (compare_places(cell(list, sorted[i], list->path),
                           cell(list, sorted[i - 1], list->path)) == 0 &&
            (again < 0 || sorted[i] < again)) {
            again = sorted[i];
            before = sorted[i - 1];
        }
    if (again < 0)
        return status_ok();
    char reason[256];
    snprintf(reason, sizeof reason, "%.160s is in line %lld already",
             cell(list, again, list->path),
             (long long)list->table.rows[before].line);
    return bad_row(list, again, reason);
}

// The folders that files lie in, each about once: rows by path stand together.
static void note_folders(const List *list)
{
    for (int64_t i = 0; i < list->table.count - list->header; i++) {
        char folder[DATASET_PATH];
        const char *path = cell(list, list->sorted[i], list->path);
        const char *slash = strrchr(path, '/');
        size_t length = slash > path ? (size_t)(slash - path) : slash != NULL;
        if (length < sizeof folder) {
            memcpy(folder, path, length);
            folder[length] = 0;
            dataset_note_path(list->dataset, folder);
        }
    }
}

static int part_of(const List *list, int64_t row)
{
    const char *word = cell(list, row, list->part);
    int part = *word ? dataset_part_of(word) : DATASET_TRAIN;
    bool instead = part == DATASET_TEST ||
                   (part == DATASET_VALID && !list->parts[DATASET_TEST]);
    return list->dataset->only_tests && instead ? DATASET_TRAIN : part;
}

// Which rows are images; what the others are is told.
static Status probe_rows(List *list)
{
    Dataset *dataset = list->dataset;
    list->good = calloc((size_t)list->table.count + 1, sizeof *list->good);
    if (!list->good)
        return no_memory(list);
    for (int64_t i = list->header; i < list->table.count; i++) {
        char path[DATASET_PATH], buffer[128], place[DATASET_PATH + 64];
        const char *name = cell(list, i, list->path);
        dataset_path(dataset, name, path);
        const char *reason = dataset_is_foreign_name(name)
                                 ? "only PNG and JPEG are read"
                                 : dataset_probe(dataset, path, 0, INT64_MAX,
                                                 buffer, sizeof buffer);
        list->good[i] = !reason;
        snprintf(place, sizeof place, "%s (line %lld)", path,
                 (long long)list->table.rows[i].line);
        if (reason)
            TRY(dataset_add_skip(dataset, place, reason));
    }
    return status_ok();
}

// ---- the set ----------------------------------------------------------------

// 3, -1 or, as tables with gaps have them, 3.0. Not what else strtod takes.
static bool is_number(const char *text, double *number)
{
    static const char digits[] = "0123456789";
    const char *at = text + (*text == '-' || *text == '+');
    size_t whole = strspn(at, digits), part = 0;
    *number = strtod(text, NULL);
    at += whole;
    if (*at == '.')
        part = strspn(++at, digits);
    return whole + part > 0 && !at[part];
}

static int compare_labels(const void *left, const void *right)
{
    const char *a = *(char *const *)left, *b = *(char *const *)right;
    double number, other;
    bool one = is_number(a, &number), two = is_number(b, &other);
    if (one && two && number != other)
        return number < other ? -1 : 1;
    if (one != two)
        return one ? -1 : 1;
    return strcmp(a, b);
}

static bool is_trained_on(const List *list, int64_t row)
{
    return list->good[row] && part_of(list, row) == DATASET_TRAIN;
}

// The classes of training images, numbers by value, then words by bytes: a
// class has an image.
static Status add_classes(const List *list)
{
    Dataset *dataset = list->dataset;
    const ListLabels *labels = &list->labels;
    char **names = malloc(((size_t)labels->name_count + 1) * sizeof *names);
    size_t count = 0;
    if (!names)
        return no_memory(list);
    for (int64_t i = list->header; i < list->table.count; i++)
        for (int64_t k = labels->starts[i];
             is_trained_on(list, i) && k < labels->starts[i + 1]; k++)
            names[count++] = labels->names[k];
    if (count)
        qsort(names, count, sizeof *names, compare_labels);
    Status status = status_ok();
    for (size_t i = 0; i < count && status.code == STATUS_OK; i++) {
        if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
            continue;
        status = dataset->class_count == DATASET_MAX_CLASSES
                     ? status_error(STATUS_DATA, "%s: more than %d classes",
                                    dataset->root, DATASET_MAX_CLASSES)
                     : dataset_add_class(dataset, names[i]);
    }
    free(names);
    return status;
}

// The number of a class, -1 when no training image has it.
static int class_number(const Dataset *dataset, const char *name)
{
    char **found =
        dataset->class_count == 0
            ? NULL
            : bsearch(&name, dataset->classes, (size_t)dataset->class_count,
                      sizeof *dataset->classes, compare_labels);
    return found ? (int)(found - dataset->classes) : -1;
}

// Of a class whose training images cannot be read, nothing can be learned.
static Status tell_lost_classes(const List *list)
{
    Dataset *dataset = list->dataset;
    const ListLabels *labels = &list->labels;
    for (int64_t i = list->header; i < list->table.count; i++)
        for (int64_t k = labels->starts[i];
             !list->good[i] && k < labels->starts[i + 1]; k++)
            if (part_of(list, i) == DATASET_TRAIN &&
                class_number(dataset, labels->names[k]) < 0)
                return dataset_add_note(
                    dataset,
                    "class %.100s, first in line %lld, has no training image "
                    "that can be read, and is left out",
                    labels->names[k], (long long)list->table.rows[i].line);
    return status_ok();
}

static Status find_label(const List *list, int64_t row, DataSplit split,
                         int *label)
{
    char reason[256];
    Dataset *dataset = list->dataset;
    const ListLabels *labels = &list->labels;
    int64_t from = labels->starts[row], end = labels->starts[row + 1];
    *label = -1;
    if (dataset->class_count == 0 ||
        (!labels->known[row] && split == SPLIT_TRAIN))
        return status_ok();
    if (!labels->known[row])
        return bad_row(list, row,
                       split == SPLIT_TEST
                           ? "a test image without a label"
                           : "a validation image without a label");
    if (dataset->several)
        TRY(dataset_begin_labels(dataset, label));
    for (int64_t i = from; i < end; i++) {
        int class = class_number(dataset, labels->names[i]);
        if (class < 0) {
            snprintf(reason, sizeof reason,
                     "class %.100s has %s images and no training image",
                     labels->names[i], data_split_word(split));
            return bad_row(list, row, reason);
        }
        if (dataset->several)
            TRY(dataset_add_label(dataset, class));
        else
            *label = class;
    }
    return status_ok();
}

static Status add_row(List *list, int64_t row)
{
    int label = -1, part = part_of(list, row);
    DataSplit split =
        part == DATASET_TRAIN || part == DATASET_EXTRA       ? SPLIT_TRAIN
        : part == DATASET_VALID && list->parts[DATASET_TEST] ? SPLIT_VALID
                                                             : SPLIT_TEST;
    list->valid += split == SPLIT_VALID;
    if (part != DATASET_EXTRA)
        TRY(find_label(list, row, split, &label));
    return dataset_add_sample(list->dataset, split, cell(list, row, list->path),
                              label, NULL);
}

static Status read_list(List *list)
{
    Dataset *dataset = list->dataset;
    const char *slash = strrchr(dataset->root, '/');
    dataset_note_path(dataset, slash ? slash + 1 : dataset->root);
    TRY(list_text_read(dataset->root, dataset->folder, &list->table));
    TRY(find_columns(list));
    TRY(check_rows(list));
    TRY(check_repeats(list));
    note_folders(list);
    dataset->only_tests = dataset->tests_alone && !list->parts[DATASET_TRAIN] &&
                          !list->parts[DATASET_EXTRA];
    TRY(probe_rows(list));
    TRY(list_labels_read(&list->table, list->header, &list->labels));
    TRY(add_classes(list));
    dataset->several = list->labels.several;
    TRY(tell_labels(list));
    TRY(tell_lost_classes(list));
    for (int64_t i = list->header; i < list->table.count; i++)
        if (list->good[i])
            TRY(add_row(list, i));
    if (list->parts[DATASET_TEST] || list->parts[DATASET_VALID])
        dataset->test_part = "marked in it";
    if (list->valid) {
        dataset->valid_part = "marked in it";
        TRY(dataset_add_note(dataset,
                             "%lld image%s marked for validation while "
                             "training, with --validate-every: no phase trains "
                             "on %s",
                             (long long)list->valid,
                             list->valid == 1 ? " is" : "s are",
                             list->valid == 1 ? "it" : "them"));
    }
    return dataset_check_found(dataset);
}

Status dataset_read_list(Dataset *dataset)
{
    List list = {.dataset = dataset};
    dataset->kind = "list";
    Status status = read_list(&list);
    list_text_free(&list.table);
    list_labels_free(&list.labels);
    free(list.sorted);
    free(list.good);
    return status;
}
