#include "runtime/data/list_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/file.h"
#include "runtime/base/pretender.h"
#include "runtime/data/dataset_inside.h"

enum { MAX_LIST = 1 << 30, SAMPLE_LINES = 40 };

static const char byte_mark[] = "\xef\xbb\xbf"; // of UTF-8, as editors put it

// ---- the text ---------------------------------------------------------------

char *list_next_line(char **rest)
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

// Marked as such, or every other byte of the first few a zero.
static bool is_utf16(const unsigned char *text, int64_t size)
{
    if (size >= 2 && ((text[0] == 0xff && text[1] == 0xfe) ||
                      (text[0] == 0xfe && text[1] == 0xff)))
        return true;
    return size >= 8 && ((!text[0] && !text[2] && !text[4] && !text[6]) ||
                         (!text[1] && !text[3] && !text[5] && !text[7]));
}

const char *list_text_fault(const char *text, int64_t size, int64_t *line)
{
    *line = 0;
    if (is_utf16((const unsigned char *)text, size))
        return "UTF-16 text, and lists are UTF-8: `iconv -f UTF-16 -t UTF-8` "
               "makes it so";
    if (pretender_name(text, size))
        return pretender_name(text, size);
    const char *zero = memchr(text, 0, (size_t)size);
    if (zero) {
        *line = 1;
        for (const char *at = text; at < zero; at++)
            *line += *at == '\n';
        return "a zero byte: this is no list of image files";
    }
    if (memchr(text, '\r', (size_t)size) && !memchr(text, '\n', (size_t)size))
        return "its lines end as on old Macs, with \\r alone: `tr '\\r' '\\n'` "
               "makes them lines of today";
    return NULL;
}

Status list_bad_line(const ListText *list, int64_t line, const char *reason)
{
    return status_error(STATUS_DATA, "%s:%lld: %s", list->path, (long long)line,
                        reason);
}

static Status read_text(ListText *list)
{
    int64_t size = 0, line;
    Status status = file_read(list->path, MAX_LIST, &list->text, &size);
    if (status.code == STATUS_FAILED)
        status.code = STATUS_DATA;
    if (status.code != STATUS_OK)
        return status;
    const char *fault = list_text_fault(list->text, size, &line);
    if (fault && line)
        return list_bad_line(list, line, fault);
    return fault ? status_error(STATUS_DATA, "%s: %s", list->path, fault)
                 : status_ok();
}

// ---- cutting a line ---------------------------------------------------------

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        text[--length] = 0;
    return text;
}

static Status no_memory(const ListText *list)
{
    return status_error(STATUS_MEMORY, "%s: no memory for it", list->path);
}

static Status add_cell(ListText *list, char *cell)
{
    if (list->cell_count == list->cell_room) {
        int64_t room = list->cell_room ? 2 * list->cell_room : 256;
        char **grown = realloc(list->cells, (size_t)room * sizeof *grown);
        if (!grown)
            return no_memory(list);
        list->cells = grown;
        list->cell_room = room;
    }
    list->cells[list->cell_count++] = cell;
    return status_ok();
}

// Takes a quoted cell off *rest, "" inside standing for a quote. NULL when it
// is not closed before the mark or the end.
static char *take_quoted(char **rest, char mark)
{
    char *from = *rest + 1, *to = from, *start = from;
    while (*from && (*from != '"' || from[1] == '"')) {
        from += *from == '"';
        *to++ = *from++;
    }
    if (*from != '"')
        return NULL;
    from += 1 + strspn(from + 1, mark == '\t' ? " " : " \t");
    if (*from && *from != mark)
        return NULL;
    *rest = *from ? from + 1 : NULL;
    *to = 0;
    return start;
}

static char *take_plain(char **rest, char mark)
{
    char *start = *rest, *end = strchr(start, mark);
    *rest = end ? end + 1 : NULL;
    if (end)
        *end = 0;
    return trim(start);
}

static Status cut_marked(ListText *list, char *line, int64_t number, char mark)
{
    char *rest = line;
    while (rest) {
        rest += strspn(rest, mark == '\t' ? " " : " \t");
        char *cell =
            *rest == '"' ? take_quoted(&rest, mark) : take_plain(&rest, mark);
        if (!cell)
            return list_bad_line(list, number, "a quote that is not closed");
        TRY(add_cell(list, cell));
    }
    return status_ok();
}

static Status cut_words(ListText *list, char *rest)
{
    char *state = NULL;
    for (char *word = strtok_r(rest, " \t", &state); word;
         word = strtok_r(NULL, " \t", &state))
        TRY(add_cell(list, word));
    return status_ok();
}

// The path reaches to the first image extension before a space or the end, so
// that it may have spaces itself. NULL when there is none.
static char *path_end(char *line)
{
    for (char *end = line + strcspn(line, " \t");; end += strcspn(end, " \t")) {
        char kept = *end;
        *end = 0;
        bool image = dataset_is_image_name(line) ||
                     dataset_is_array_name(line) ||
                     dataset_is_foreign_name(line);
        *end = kept;
        if (image)
            return end;
        if (!kept)
            return NULL;
        end += strspn(end, " \t");
    }
}

static Status cut_spaces(ListText *list, char *line, ListRow *row)
{
    char *end = path_end(line);
    row->nameless = !end;
    if (!end)
        return cut_words(list, line);
    char kept = *end;
    *end = 0;
    TRY(add_cell(list, line));
    return kept ? cut_words(list, end + 1) : status_ok();
}

static Status cut_line(ListText *list, char *line, int64_t number)
{
    static const char marks[] = {',', ';', '\t'};
    if (list->count == list->row_room) {
        int64_t room = list->row_room ? 2 * list->row_room : 256;
        ListRow *grown = realloc(list->rows, (size_t)room * sizeof *grown);
        if (!grown)
            return no_memory(list);
        list->rows = grown;
        list->row_room = room;
    }
    ListRow *row = &list->rows[list->count];
    *row = (ListRow){.first = list->cell_count, .line = number};
    if (list->cut < LIST_SPACES)
        TRY(cut_marked(list, line, number, marks[list->cut]));
    else if (list->cut == LIST_SPACES)
        TRY(cut_spaces(list, trim(line), row));
    else
        TRY(cut_words(list, line));
    row->count = (int)(list->cell_count - row->first);
    list->count++;
    return status_ok();
}

static Status cut_lines(ListText *list, char *text, int64_t most)
{
    char *line;
    if (strncmp(text, byte_mark, 3) == 0)
        text += 3;
    list->cell_count = list->count = 0;
    for (int64_t number = 1; (line = list_next_line(&text)); number++)
        if (line[strspn(line, " \t")] && list->count < most)
            TRY(cut_line(list, line, number));
        else if (list->count == most)
            break;
    return status_ok();
}

// ---- which way --------------------------------------------------------------

bool list_names_file(const char *folder, const char *name)
{
    char path[DATASET_PATH];
    struct stat info;
    bool absolute = name[0] == '/';
    int length = snprintf(path, sizeof path, "%s%s%s", absolute ? "" : folder,
                          absolute ? "" : "/", name);
    return *name && length < DATASET_PATH && stat(path, &info) == 0 &&
           S_ISREG(info.st_mode);
}

const char *list_cell(const ListText *list, const ListRow *row, int column)
{
    return column >= 0 && column < row->count ? list->cells[row->first + column]
                                              : "";
}

// The lines in which some cell names a file, among the first.
static int score(const ListText *list, const char *folder)
{
    int found = 0;
    for (int64_t i = 0; i < list->count; i++) {
        bool any = false;
        if (list->rows[i].nameless)
            continue;
        for (int c = 0; c < list->rows[i].count && c < LIST_COLUMNS && !any;
             c++)
            any = list_names_file(folder, list_cell(list, &list->rows[i], c));
        found += any;
    }
    return found;
}

// What the first line looks like.
static ListCut first_guess(const char *text)
{
    static const char marks[] = {',', ';', '\t'};
    text += strspn(text, "\r\n");
    size_t length = strcspn(text, "\r\n");
    for (int cut = 0; cut < LIST_SPACES; cut++)
        if (memchr(text, marks[cut], length))
            return (ListCut)cut;
    return LIST_SPACES;
}

// Bytes of the first lines, as many as are looked at.
static size_t sample_length(const char *text)
{
    const char *at = text;
    for (int i = 0; i < SAMPLE_LINES && *at; i++)
        at += strcspn(at, "\n") + (at[strcspn(at, "\n")] == '\n');
    return (size_t)(at - text);
}

static Status choose_cut(ListText *list, const char *folder)
{
    int best = -1;
    ListCut guess = first_guess(list->text), chosen = guess;
    size_t length = sample_length(list->text);
    for (int i = -1; i < LIST_CUTS; i++) {
        list->cut = i < 0 ? guess : (ListCut)i;
        char *sample = strndup(list->text, length);
        if (!sample)
            return no_memory(list);
        Status status = cut_lines(list, sample, SAMPLE_LINES);
        int found = status.code == STATUS_OK ? score(list, folder) : -1;
        free(sample);
        if (status.code == STATUS_MEMORY)
            return status;
        if (found > best) {
            best = found;
            chosen = list->cut;
        }
    }
    list->cut = best > 0 ? chosen : guess;
    return status_ok();
}

Status list_text_read(const char *path, const char *folder, ListText *list)
{
    *list = (ListText){.path = path};
    TRY(read_text(list));
    TRY(choose_cut(list, folder));
    return cut_lines(list, list->text, INT64_MAX);
}

void list_text_free(ListText *list)
{
    free(list->text);
    free(list->cells);
    free(list->rows);
    *list = (ListText){0};
}
