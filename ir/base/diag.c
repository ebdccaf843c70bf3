#include "ir/base/diag.h"

#include <stdlib.h>

enum {
    DEFAULT_ERROR_LIMIT = 20,
    WINDOW = 100, // bytes of a source line shown at most
    EXIT_INTERNAL = 70,
};

static const char *const severity_names[] = {"error", "warning", "note"};

// ---- collecting -------------------------------------------------------------

DiagList diag_list_new(Arena *arena)
{
    return (DiagList){.arena = arena};
}

static void diag_keep(DiagList *list, Severity severity, SourcePos pos,
                      const char *format, va_list args)
{
    Diag diag = {severity, pos, arena_vprintf(list->arena, format, args)};
    vec_push(list->arena, &list->items, diag);
}

static int diag_limit(const DiagList *list)
{
    return list->error_limit > 0 ? list->error_limit : DEFAULT_ERROR_LIMIT;
}

void diag_error(DiagList *list, SourcePos pos, const char *format, ...)
{
    list->dropping = ++list->error_count > diag_limit(list);
    if (list->dropping)
        return;
    va_list args;
    va_start(args, format);
    diag_keep(list, DIAG_ERROR, pos, format, args);
    va_end(args);
}

void diag_warning(DiagList *list, SourcePos pos, const char *format, ...)
{
    list->dropping = ++list->warning_count > diag_limit(list);
    if (list->dropping)
        return;
    va_list args;
    va_start(args, format);
    diag_keep(list, DIAG_WARNING, pos, format, args);
    va_end(args);
}

void diag_note(DiagList *list, SourcePos pos, const char *format, ...)
{
    if (list->dropping)
        return;
    va_list args;
    va_start(args, format);
    diag_keep(list, DIAG_NOTE, pos, format, args);
    va_end(args);
}

// ---- printing ---------------------------------------------------------------

// Whether a terminal may be given this UTF-8 sequence: no controls (C0, DEL,
// C1), none of the marks that reorder text (U+202A..E, U+2066..9).
static bool is_printable(const unsigned char *s, int length)
{
    if (length == 1)
        return s[0] >= 0x20 && s[0] != 0x7f;
    if (length == 2)
        return !(s[0] == 0xc2 && s[1] < 0xa0);
    if (length == 3 && s[0] == 0xe2)
        return !(s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) &&
               !(s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9);
    return true;
}

// Adds what may be shown of the sequence at `at`; returns its length in bytes.
// `at` is followed by a NUL somewhere, `left` bytes are to be read at most.
static int add_safe_char(Text *out, const char *at, size_t left)
{
    int length = text_utf8_length(at);
    if (length == 0 || (size_t)length > left)
        length = 1, text_add(out, "?");
    else if (*at == '\t')
        text_add(out, " ");
    else if (!is_printable((const unsigned char *)at, length))
        text_add(out, "?");
    else
        text_add_n(out, at, (size_t)length);
    return length;
}

static void add_safe(Text *out, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        int length = add_safe_char(out, text, left);
        text += length;
        left -= (size_t)length;
    }
}

// The bytes of line `number`; an empty one when the source has fewer lines.
static const char *find_line(const Source *source, int number, size_t *length)
{
    const char *at = source->text, *end = at + source->length;
    for (int line = 1; line < number; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline) {
            at = end;
            break;
        }
        at = newline + 1;
    }
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    *length = (size_t)((newline ? newline : end) - at);
    if (*length && at[*length - 1] == '\r')
        --*length;
    return at;
}

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

// Cuts [*from, *to) to about WINDOW bytes around `caret`, between characters.
static void cut_window(const char *line, size_t length, size_t caret,
                       size_t *from, size_t *to)
{
    *from = 0;
    *to = length;
    if (length <= WINDOW)
        return;
    if (caret > WINDOW / 2)
        *from = caret - WINDOW / 2;
    if (*from + WINDOW > length)
        *from = length - WINDOW;
    *to = *from + WINDOW;
    // At most three bytes each way: longer runs are not UTF-8 anyhow.
    for (int i = 0; i < 3 && *from > 0 && is_continuation(line[*from]); i++)
        --*from;
    for (int i = 0; i < 3 && *to < length && is_continuation(line[*to]); i++)
        ++*to;
}

// The source line and `^~~~` below it. A multi-byte character counts as one
// column, which is right for all but wide scripts.
static void add_excerpt(Text *out, SourcePos pos, const char *green,
                        const char *plain)
{
    size_t length, from, to;
    const char *line = find_line(pos.source, pos.line, &length);
    size_t caret = pos.column > 0 ? (size_t)pos.column - 1 : 0;
    if (caret > length)
        caret = length;
    size_t end = pos.end_column > 0 ? (size_t)pos.end_column - 1 : 0;
    cut_window(line, length, caret, &from, &to);

    Text marks = text_new(out->arena);
    text_add(out, from > 0 ? "  ..." : "  ");
    text_add(&marks, from > 0 ? "     " : "  ");
    for (size_t at = from; at < to;) {
        int step = add_safe_char(out, line + at, to - at);
        size_t next = at + (size_t)step;
        // A caret inside a character stands below that character.
        const char *mark = next <= caret ? " "
                           : at <= caret ? "^"
                           : at < end    ? "~"
                                         : "";
        text_add(&marks, mark);
        at = next;
    }
    if (caret >= to)
        text_add(&marks, "^");
    text_addf(out, "%s\n%s%s%s\n", to < length ? "..." : "", green,
              text_string(&marks), plain);
}

static void add_position(Text *out, SourcePos pos)
{
    if (!pos.source)
        return;
    add_safe(out, pos.source->path);
    if (pos.line > 0)
        text_addf(out, ":%d:%d", pos.line, pos.column > 0 ? pos.column : 1);
    text_add(out, ": ");
}

static void add_diag(Text *out, const Diag *diag, bool color)
{
    static const char *const colors[] = {"\033[1;31m", "\033[1;35m",
                                         "\033[1;36m"};
    const char *bold = color ? "\033[1m" : "", *plain = color ? "\033[0m" : "";
    text_add(out, bold);
    add_position(out, diag->pos);
    text_addf(out, "%s%s:%s ", color ? colors[diag->severity] : "",
              severity_names[diag->severity], plain);
    text_add(out, bold);
    add_safe(out, diag->message);
    text_addf(out, "%s\n", plain);
    if (diag->pos.source && diag->pos.line > 0)
        add_excerpt(out, diag->pos, color ? "\033[1;32m" : "", plain);
}

void diag_print(const DiagList *list, FILE *out, bool color)
{
    Arena *scratch = arena_new();
    for (int i = 0; i < list->items.count; i++) {
        Text text = text_new(scratch);
        add_diag(&text, &list->items.at[i], color);
        fwrite(text_string(&text), 1, text.length, out);
    }
    arena_free(scratch);
}

static void add_json_diag(Text *out, const Diag *diag)
{
    text_addf(out, "{\"severity\": \"%s\", \"file\": ",
              severity_names[diag->severity]);
    if (diag->pos.source)
        text_add_json(out, diag->pos.source->path);
    else
        text_add(out, "null");
    text_addf(out, ", \"line\": %d, \"column\": %d, \"end_column\": %d, ",
              diag->pos.line, diag->pos.column, diag->pos.end_column);
    text_add(out, "\"message\": ");
    text_add_json(out, diag->message);
}

// Notes are nested in the diagnostic before them; a note that comes first
// stands alone.
void diag_print_json(const DiagList *list, FILE *out)
{
    Arena *scratch = arena_new();
    Text text = text_new(scratch);
    text_add(&text, "[");
    for (int i = 0; i < list->items.count;) {
        text_add(&text, i ? ",\n " : "\n ");
        add_json_diag(&text, &list->items.at[i++]);
        text_add(&text, ", \"notes\": [");
        for (int first = i;
             i < list->items.count && list->items.at[i].severity == DIAG_NOTE;
             i++) {
            text_add(&text, i > first ? ",\n  " : "\n  ");
            add_json_diag(&text, &list->items.at[i]);
            text_add(&text, "}");
        }
        text_add(&text, "]}");
    }
    text_add(&text, list->items.count ? "\n]\n" : "]\n");
    fwrite(text_string(&text), 1, text.length, out);
    arena_free(scratch);
}

_Noreturn void diag_internal_error(const char *file, int line,
                                   const char *format, ...)
{
    fflush(stdout);
    fprintf(stderr, "simcc: internal error at %s:%d: ", file, line);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nThis is a fault of simcc, not of your files. Please "
                    "report it with the command and the .net file.\n");
    exit(EXIT_INTERNAL);
}
