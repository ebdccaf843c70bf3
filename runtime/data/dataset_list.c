// A data set that is a list of image files, `path,label,part` or the same with
// spaces; label and part may be missing. Paths are relative to the list's
// folder.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/base/file.h"
#include "runtime/data/dataset_inside.h"

enum { MAX_LIST = 1 << 30, FIELDS = 3 };

typedef struct Row {
    const char *path, *label; // in the list's text; label NULL = none
    DataSplit split;
    int64_t line;
} Row;

typedef struct List {
    Dataset *dataset;
    char *text;
    Row *rows;
    int64_t count;
    bool commas; // else spaces
} List;

char *dataset_next_line(char **rest)
{
    char *line = *rest;
    if (!*line)
        return NULL;
    size_t length = strcspn(line, "\n");
    *rest = line + length + (line[length] == '\n');
    line[length] = 0;
    if (length > 0 && line[length - 1] == '\r')
        line[length - 1] = 0;
    return line;
}

static Status bad_line(const List *list, int64_t line, const char *reason)
{
    return status_error(STATUS_DATA, "%s:%lld: %s", list->dataset->root,
                        (long long)line, reason);
}

// ---- fields ----------------------------------------------------------------

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        text[--length] = 0;
    return text;
}

// Takes a quoted field off *rest, "" inside standing for a quote. NULL when
// it is not closed before a comma or the end.
static char *take_quoted(char **rest)
{
    char *from = *rest + 1, *to = from, *start = from;
    while (*from && (*from != '"' || from[1] == '"')) {
        from += *from == '"';
        *to++ = *from++;
    }
    if (*from != '"')
        return NULL;
    from += 1 + strspn(from + 1, " \t");
    if (*from && *from != ',')
        return NULL;
    *rest = *from ? from + 1 : NULL;
    *to = 0;
    return start;
}

static char *take_plain(char **rest)
{
    char *start = *rest, *comma = strchr(start, ',');
    *rest = comma ? comma + 1 : NULL;
    if (comma)
        *comma = 0;
    return trim(start);
}

// NULL, or what is wrong with the line.
static const char *split_commas(char *line, char *fields[FIELDS])
{
    char *rest = line;
    for (int i = 0; rest; i++) {
        if (i == FIELDS)
            return "more than three columns: path, label, part (quote a name "
                   "with commas)";
        rest += strspn(rest, " \t");
        fields[i] = *rest == '"' ? take_quoted(&rest) : take_plain(&rest);
        if (!fields[i])
            return "a quote that is not closed";
    }
    return NULL;
}

// The path reaches to the first image extension before a space or the end, so
// that it may have spaces itself. NULL when there is none.
static char *path_end(char *line)
{
    for (char *end = line + strcspn(line, " \t");; end += strcspn(end, " \t")) {
        char kept = *end;
        *end = 0;
        bool image =
            dataset_is_image_name(line) || dataset_is_foreign_name(line);
        *end = kept;
        if (image)
            return end;
        if (!kept)
            return NULL;
        end += strspn(end, " \t");
    }
}

static const char *split_spaces(char *line, char *fields[FIELDS])
{
    fields[0] = trim(line);
    char *rest = path_end(fields[0]), *state = NULL;
    if (!rest)
        return "no image file's name (a name without .png or .jpg needs the "
               "columns parted by commas)";
    if (!*rest)
        return NULL;
    *rest++ = 0;
    fields[1] = strtok_r(rest, " \t", &state);
    fields[2] = strtok_r(NULL, " \t", &state);
    if (strtok_r(NULL, " \t", &state))
        return "more than three columns: path, label, part (a label with "
               "spaces needs the columns parted by commas)";
    return NULL;
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcasecmp(word, *words) == 0)
            return true;
    return false;
}

// Column names in the first line; `path` may not be a file then.
static bool is_header(const char *line)
{
    static const char *const paths[] = {"path",  "file",     "filename",
                                        "image", "filepath", NULL};
    char word[16];
    size_t length = strcspn(line, ", \t");
    if (length >= sizeof word)
        return false;
    memcpy(word, line, length);
    word[length] = 0;
    return is_one_of(word, paths);
}

static bool parse_part(const char *word, DataSplit *split)
{
    static const char *const train[] = {"train", "training", NULL};
    static const char *const test[] = {"test", "val", "validation", NULL};
    *split = is_one_of(word, test) ? SPLIT_TEST : SPLIT_TRAIN;
    return *split == SPLIT_TEST || is_one_of(word, train);
}

static Status parse_line(List *list, char *line, int64_t number)
{
    char *fields[FIELDS] = {NULL};
    const char *wrong =
        list->commas ? split_commas(line, fields) : split_spaces(line, fields);
    if (wrong)
        return bad_line(list, number, wrong);
    if (!fields[0][0])
        return bad_line(list, number, "no path");
    Row row = {fields[0], NULL, SPLIT_TRAIN, number};
    if (fields[1] && fields[1][0])
        row.label = fields[1];
    if (fields[2] && fields[2][0] && !parse_part(fields[2], &row.split)) {
        char reason[128];
        snprintf(reason, sizeof reason,
                 "the third column is train or test, not '%.40s'", fields[2]);
        return bad_line(list, number, reason);
    }
    list->rows[list->count++] = row;
    return status_ok();
}

static Status parse_lines(List *list)
{
    static const char mark[] = "\xef\xbb\xbf"; // of UTF-8, as editors put it
    char *rest = list->text, *line;
    bool first = true;
    if (strncmp(rest, mark, 3) == 0)
        rest += 3;
    for (int64_t number = 1; (line = dataset_next_line(&rest)); number++) {
        if (!*trim(line))
            continue;
        if (first)
            list->commas = strchr(line, ',') != NULL;
        if (!first || !is_header(trim(line)))
            TRY(parse_line(list, line, number));
        first = false;
    }
    return status_ok();
}

static Status read_text(List *list)
{
    int64_t size = 0, lines = 1;
    const char *root = list->dataset->root;
    Status status = file_read(root, MAX_LIST, &list->text, &size);
    if (status.code == STATUS_FAILED)
        status.code = STATUS_DATA;
    if (status.code != STATUS_OK)
        return status;
    for (int64_t i = 0; i < size; i++) {
        if (!list->text[i])
            return bad_line(list, lines,
                            "a zero byte: this is no list of "
                            "image files");
        lines += list->text[i] == '\n';
    }
    list->rows = malloc((size_t)lines * sizeof *list->rows);
    if (!list->rows)
        return status_error(STATUS_MEMORY, "%s: no memory for it", root);
    return parse_lines(list);
}

// ---- the set ---------------------------------------------------------------

static int compare_paths(const void *left, const void *right)
{
    const Row *a = *(Row *const *)left, *b = *(Row *const *)right;
    int order = strcmp(a->path, b->path);
    return order ? order : a->line < b->line ? -1 : a->line > b->line;
}

// A file listed twice would be in two classes, or in training and test.
static Status check_repeats(const List *list)
{
    Row **sorted = malloc(((size_t)list->count + 1) * sizeof *sorted);
    const Row *again = NULL, *before = NULL;
    if (!sorted)
        return status_error(STATUS_MEMORY, "%s: no memory for it",
                            list->dataset->root);
    for (int64_t i = 0; i < list->count; i++)
        sorted[i] = &list->rows[i];
    qsort(sorted, (size_t)list->count, sizeof *sorted, compare_paths);
    for (int64_t i = 1; i < list->count; i++)
        if (strcmp(sorted[i]->path, sorted[i - 1]->path) == 0 &&
            (!again || sorted[i]->line < again->line)) {
            again = sorted[i];
            before = sorted[i - 1];
        }
    free(sorted);
    if (!again)
        return status_ok();
    char reason[256];
    snprintf(reason, sizeof reason, "%.160s is in line %lld already",
             again->path, (long long)before->line);
    return bad_line(list, again->line, reason);
}

static bool is_whole(const char *text)
{
    size_t length = strspn(text, "0123456789");
    return length > 0 && length < 10 && !text[length];
}

static int compare_labels(const void *left, const void *right)
{
    const char *a = *(char *const *)left, *b = *(char *const *)right;
    long number = is_whole(a) ? strtol(a, NULL, 10) : -1;
    long other = is_whole(b) ? strtol(b, NULL, 10) : -1;
    if (number != other && number >= 0 && other >= 0)
        return number < other ? -1 : 1;
    if ((number >= 0) != (other >= 0))
        return number >= 0 ? -1 : 1;
    return strcmp(a, b);
}

// The labels of the training part, numbers by value, then words by bytes.
static Status add_classes(const List *list)
{
    Dataset *dataset = list->dataset;
    const char **labels = malloc(((size_t)list->count + 1) * sizeof *labels);
    size_t count = 0;
    if (!labels)
        return status_error(STATUS_MEMORY, "%s: no memory for it",
                            dataset->root);
    for (int64_t i = 0; i < list->count; i++)
        if (list->rows[i].label && list->rows[i].split == SPLIT_TRAIN)
            labels[count++] = list->rows[i].label;
    qsort(labels, count, sizeof *labels, compare_labels);
    Status status = status_ok();
    for (size_t i = 0; i < count && status.code == STATUS_OK; i++) {
        if (i > 0 && strcmp(labels[i], labels[i - 1]) == 0)
            continue;
        status = dataset->class_count == DATASET_MAX_CLASSES
                     ? status_error(STATUS_DATA, "%s: more than %d classes",
                                    dataset->root, DATASET_MAX_CLASSES)
                     : dataset_add_class(dataset, labels[i]);
    }
    free(labels);
    return status;
}

static Status find_label(const List *list, const Row *row, int *label)
{
    Dataset *dataset = list->dataset;
    *label = -1;
    if (dataset->class_count == 0 || (!row->label && row->split == SPLIT_TRAIN))
        return status_ok();
    if (!row->label)
        return bad_line(list, row->line, "a test image without a label");
    char **found =
        bsearch(&row->label, dataset->classes, (size_t)dataset->class_count,
                sizeof *dataset->classes, compare_labels);
    if (found) {
        *label = (int)(found - dataset->classes);
        return status_ok();
    }
    char reason[256];
    snprintf(reason, sizeof reason,
             "class %.100s has test images and no training image", row->label);
    return bad_line(list, row->line, reason);
}

static Status add_row(List *list, const Row *row)
{
    char path[DATASET_PATH], buffer[128], place[DATASET_PATH + 64];
    Dataset *dataset = list->dataset;
    int label;
    TRY(find_label(list, row, &label));
    dataset_path(dataset, row->path, path);
    const char *reason =
        dataset_is_foreign_name(row->path)
            ? "only PNG and JPEG are read"
            : dataset_probe(path, 0, INT64_MAX, buffer, sizeof buffer);
    if (!reason)
        return dataset_add_sample(dataset, row->split, row->path, label, NULL);
    snprintf(place, sizeof place, "%s (line %lld)", path, (long long)row->line);
    return dataset_add_skip(dataset, place, reason);
}

static Status read_list(List *list)
{
    Dataset *dataset = list->dataset;
    TRY(read_text(list));
    TRY(check_repeats(list));
    TRY(add_classes(list));
    for (int64_t i = 0; i < list->count; i++) {
        TRY(add_row(list, &list->rows[i]));
        if (list->rows[i].split == SPLIT_TEST)
            dataset->test_part = "marked in it";
    }
    return dataset_check_found(dataset);
}

Status dataset_read_list(Dataset *dataset)
{
    List list = {.dataset = dataset};
    dataset->kind = "list";
    Status status = read_list(&list);
    free(list.text);
    free(list.rows);
    return status;
}
