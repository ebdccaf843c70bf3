#include "runtime/data/list_labels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static Status no_memory(const ListText *table)
{
    return status_error(STATUS_MEMORY, "%s: no memory for it", table->path);
}

// To be changed in place, or shared: "" where the row is shorter.
static char *cell(const ListText *table, int64_t row, int column)
{
    static char none[1];
    const ListRow *at = &table->rows[row];
    return column >= 0 && column < at->count ? table->cells[at->first + column]
                                             : none;
}

// ---- columns ----------------------------------------------------------------

static bool is_numbered_label(const char *word)
{
    static const char *const words[] = {"label", "class", "tag", "category",
                                        "target"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        const char *rest = word + length;
        if (strncasecmp(word, words[i], length) != 0)
            continue;
        rest += *rest == '_' || *rest == ' ' || *rest == '-';
        if (*rest && strspn(rest, "0123456789") == strlen(rest))
            return true;
    }
    return false;
}

Status list_numbered_columns(const ListText *table, ListLabels *labels,
                             bool *found)
{
    int columns = table->rows[0].count;
    *found = false;
    labels->columns = calloc((size_t)columns + 1, sizeof *labels->columns);
    if (!labels->columns)
        return no_memory(table);
    for (int c = 0; c < columns; c++)
        if (is_numbered_label(cell(table, 0, c)))
            labels->columns[labels->count++] = c;
    *found = labels->count > 1;
    if (*found)
        return status_ok();
    list_labels_free(labels);
    return status_ok();
}

typedef enum Mark { MARK_NONE, MARK_NO, MARK_MINUS, MARK_YES, MARK_WRONG } Mark;

static Mark read_mark(const char *word)
{
    static const struct {
        const char *word;
        Mark mark;
    } marks[] = {{"", MARK_NONE},    {"0", MARK_NO},     {"0.0", MARK_NO},
                 {"false", MARK_NO}, {"1", MARK_YES},    {"1.0", MARK_YES},
                 {"true", MARK_YES}, {"-1", MARK_MINUS}, {"-1.0", MARK_MINUS}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strcasecmp(word, marks[i].word) == 0)
            return marks[i].mark;
    return MARK_WRONG;
}

static bool holds_marks(const ListText *table, int column)
{
    bool any = false;
    for (int64_t i = 1; i < table->count; i++) {
        Mark mark = read_mark(cell(table, i, column));
        if (mark == MARK_WRONG)
            return false;
        any = any || mark != MARK_NONE;
    }
    return any;
}

Status list_marked_columns(const ListText *table, int columns,
                           const bool *taken, ListLabels *labels, bool *found)
{
    labels->columns = calloc((size_t)columns + 1, sizeof *labels->columns);
    if (!labels->columns)
        return no_memory(table);
    *found = true;
    for (int c = 0; c < columns && *found; c++) {
        if (taken[c])
            continue;
        labels->columns[labels->count++] = c;
        *found = *cell(table, 0, c) && holds_marks(table, c);
    }
    *found = *found && labels->count > 1;
    labels->marks = *found;
    if (!*found)
        list_labels_free(labels);
    return status_ok();
}

// ---- how classes of one cell are parted -------------------------------------

static bool is_bracketed(const char *word)
{
    size_t length = strlen(word);
    return length >= 2 && word[0] == '[' && word[length - 1] == ']';
}

static int compare_words(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static int64_t count_distinct(char **words, int64_t count)
{
    int64_t distinct = count > 0;
    qsort(words, (size_t)count, sizeof *words, compare_words);
    for (int64_t i = 1; i < count; i++)
        distinct += strcmp(words[i], words[i - 1]) != 0;
    return distinct;
}

// Do the cells say more with fewer words when cut at `mark`? "haze road",
// "road", "haze" do; the names "golden retriever" and "labrador retriever" do
// not.
static Status is_parted_by(const ListText *table, int64_t first, int column,
                           char mark, bool *parted)
{
    size_t size = 1, rows = (size_t)(table->count - first), used = 0;
    for (int64_t i = first; i < table->count; i++)
        size += strlen(cell(table, i, column)) + 1;
    char *text = malloc(size), **words = malloc(size * sizeof *words);
    char **cells = malloc((rows + 1) * sizeof *cells), separators[] = {mark, 0};
    if (!text || !words || !cells) {
        free(text);
        free(words);
        free(cells);
        return no_memory(table);
    }
    int64_t word_count = 0, cell_count = 0, most = 0;
    for (int64_t i = first; i < table->count; i++) {
        char *state = NULL, *from = cell(table, i, column);
        int64_t before = word_count;
        if (!*from)
            continue;
        cells[cell_count++] = from;
        size_t length = strlen(from) + 1;
        for (char *word = strtok_r(memcpy(text + used, from, length),
                                   separators, &state);
             word; word = strtok_r(NULL, separators, &state))
            words[word_count++] = word + strspn(word, " ");
        used += length;
        most = word_count - before > most ? word_count - before : most;
    }
    *parted = most > 1 && count_distinct(words, word_count) <
                              count_distinct(cells, cell_count);
    free(text);
    free(words);
    free(cells);
    return status_ok();
}

// Of a class, several may be meant: labels, tags, "Finding Labels".
static bool is_plural(const char *word)
{
    size_t length = strlen(word);
    return length > 3 && strcasecmp(word + length - 1, "s") == 0 &&
           strcasecmp(word + length - 2, "ss") != 0;
}

// What parts the classes of a cell; 0: each cell is one class. `[` stands for
// lists as Python prints them.
static Status find_mark(const ListText *table, bool header, int column,
                        char *mark)
{
    bool bracketed = true, any = false, parted = false;
    *mark = 0;
    for (int64_t i = header; i < table->count; i++) {
        const char *word = cell(table, i, column);
        bracketed = bracketed && (!*word || is_bracketed(word));
        any = any || *word;
        if (strchr(word, '|'))
            *mark = '|';
        else if (strchr(word, ';') && !*mark)
            *mark = ';';
    }
    if (bracketed && any)
        *mark = '[';
    if (*mark || !header || !is_plural(cell(table, 0, column)))
        return status_ok();
    TRY(is_parted_by(table, 1, column, ',', &parted));
    if (parted)
        *mark = ',';
    else
        TRY(is_parted_by(table, 1, column, ' ', &parted));
    if (parted && !*mark)
        *mark = ' ';
    return status_ok();
}

// ---- names ------------------------------------------------------------------

static void add_name(ListLabels *labels, int64_t row, char *name)
{
    for (int64_t i = labels->starts[row]; i < labels->name_count; i++)
        if (strcmp(labels->names[i], name) == 0)
            return;
    labels->names[labels->name_count++] = name;
}

// Without spaces, and the quotes of a printed list, around it.
static char *strip(char *word, bool quotes)
{
    const char *ends = quotes ? " '\"" : " ";
    word += strspn(word, ends);
    size_t length = strlen(word);
    while (length && strchr(ends, word[length - 1]))
        word[--length] = 0;
    return word;
}

static void cut_cell(ListLabels *labels, int64_t row, char mark, char *text)
{
    char separators[] = {mark == '[' ? ',' : mark, 0}, *state = NULL;
    if (!*text)
        return;
    labels->known[row] = true;
    if (mark == '[') {
        text[strlen(text) - 1] = 0;
        text++;
    }
    if (!mark) {
        add_name(labels, row, text);
        return;
    }
    for (char *word = strtok_r(text, separators, &state); word;
         word = strtok_r(NULL, separators, &state)) {
        word = strip(word, mark == '[');
        if (*word)
            add_name(labels, row, word);
    }
}

static void note_several(const ListText *table, ListLabels *labels, int64_t row,
                         const char *text, char mark)
{
    if (labels->several)
        return;
    labels->several = true;
    int used = snprintf(labels->why, sizeof labels->why, "line %lld has %.60s",
                        (long long)table->rows[row].line, text);
    if (mark && mark != '[')
        snprintf(labels->why + used, sizeof labels->why - (size_t)used,
                 ", parted by %s", mark == ' ' ? "spaces" : (char[]){mark, 0});
}

static Status read_words(ListText *table, bool header, ListLabels *labels)
{
    char mark = 0;
    if (labels->count == 0)
        return status_ok();
    if (labels->count == 1)
        TRY(find_mark(table, header, labels->columns[0], &mark));
    for (int64_t i = 0; i < table->count; i++) {
        labels->starts[i] = labels->name_count;
        if (i < header)
            continue;
        char shown[64];
        snprintf(shown, sizeof shown, "%.60s",
                 cell(table, i, labels->columns[0]));
        for (int c = 0; c < labels->count; c++)
            cut_cell(labels, i, mark, cell(table, i, labels->columns[c]));
        int64_t names = labels->name_count - labels->starts[i];
        if (mark ? labels->known[i] && (mark == '[' || strchr(shown, mark))
                 : names > 1) {
            if (labels->count > 1)
                snprintf(shown, sizeof shown, "%lld", (long long)names);
            note_several(table, labels, i, shown, mark);
        }
    }
    labels->starts[table->count] = labels->name_count;
    return status_ok();
}

static Status bad_mark(const ListText *table, int64_t row, int column,
                       const char *reason)
{
    char text[256];
    snprintf(text, sizeof text, "column %.60s %s", cell(table, 0, column),
             reason);
    return list_bad_line(table, table->rows[row].line, text);
}

// -1 is no where there is no 0, as in lists of faces; beside 0 it might mean
// that nobody knows.
static Status check_marks(const ListText *table, const ListLabels *labels)
{
    int64_t minus = -1;
    int at = 0;
    bool no = false;
    for (int64_t i = 1; i < table->count; i++)
        for (int c = 0; c < labels->count; c++) {
            Mark mark = read_mark(cell(table, i, labels->columns[c]));
            no = no || mark == MARK_NO;
            if (mark == MARK_MINUS && minus < 0) {
                minus = i;
                at = labels->columns[c];
            }
        }
    if (no && minus >= 0)
        return bad_mark(table, minus, at,
                        "holds -1 where others hold 0: write 1 where an image "
                        "has the class and 0 where it has not");
    return status_ok();
}

static Status read_marks(const ListText *table, ListLabels *labels)
{
    TRY(check_marks(table, labels));
    labels->starts[0] = labels->starts[1] = 0;
    for (int64_t i = 1; i < table->count; i++) {
        int none = 0;
        labels->starts[i] = labels->name_count;
        for (int c = 0; c < labels->count; c++) {
            Mark mark = read_mark(cell(table, i, labels->columns[c]));
            none += mark == MARK_NONE;
            if (mark == MARK_YES)
                labels->names[labels->name_count++] =
                    cell(table, 0, labels->columns[c]);
        }
        labels->known[i] = none < labels->count;
        for (int c = 0; none && labels->known[i] && c < labels->count; c++)
            if (read_mark(cell(table, i, labels->columns[c])) == MARK_NONE)
                return bad_mark(table, i, labels->columns[c],
                                "is empty where others are not: write 0 or 1");
        int64_t count = labels->name_count - labels->starts[i];
        char text[32];
        snprintf(text, sizeof text, "%lld", (long long)count);
        if (labels->known[i] && count != 1)
            note_several(table, labels, i, count ? text : "none", 0);
    }
    labels->starts[table->count] = labels->name_count;
    return status_ok();
}

// As many names as there may be: each has a letter, and something behind it.
static int64_t most_names(const ListText *table, const ListLabels *labels)
{
    int64_t most = 1;
    for (int64_t i = 0; i < table->count; i++)
        for (int c = 0; c < labels->count; c++)
            most +=
                labels->marks
                    ? 1
                    : (int64_t)strlen(cell(table, i, labels->columns[c])) / 2 +
                          1;
    return most;
}

Status list_labels_read(ListText *table, bool header, ListLabels *labels)
{
    size_t rows = (size_t)table->count + 2;
    size_t names = (size_t)most_names(table, labels);
    labels->names = malloc(names * sizeof *labels->names);
    labels->starts = calloc(rows, sizeof *labels->starts);
    labels->known = calloc(rows, sizeof *labels->known);
    if (!labels->names || !labels->starts || !labels->known)
        return no_memory(table);
    return labels->marks ? read_marks(table, labels)
                         : read_words(table, header, labels);
}

void list_labels_free(ListLabels *labels)
{
    free(labels->columns);
    free(labels->names);
    free(labels->starts);
    free(labels->known);
    *labels = (ListLabels){0};
}
