#include "frontend/lang/program_text.h"

#include <ctype.h>
#include <string.h>

#include "frontend/lang/parse.h"

struct ProgramText {
    Arena *arena;
    const Source *source;
    const Program *program;
    SpanList tokens;
};

// A token's words and signs are compared each by itself: 0.5 as 0, . and 5, for
// so did the first hashes that checkpoints have.
typedef struct Atom {
    const char *at; // NULL: there are no more
    int length, line;
} Atom;

typedef struct Cursor {
    const ProgramText *text;
    const char *phase, *teacher; // whose text is read
    int token;                   // the next one's index
    const char *line_start;      // of `line`
    int line;
    const char *at, *end; // of the token that is read
} Cursor;

const ProgramText *program_text(Arena *arena, const char *source,
                                DiagList *diags)
{
    ProgramText *text = ARENA_NEW(arena, ProgramText);
    DiagList unread = diag_list_new(arena);
    diags = diags ? diags : &unread;
    text->arena = arena;
    text->source = source_from_text(arena, "", source, (int64_t)strlen(source));
    text->program = parse_tokens(arena, text->source, diags, &text->tokens);
    return diags->error_count ? NULL : text;
}

// Does the stretch hold what begins there?
static bool holds(Span span, Span token)
{
    bool behind = token.line > span.line ||
                  (token.line == span.line && token.column >= span.column);
    return behind &&
           (token.line < span.end_line ||
            (token.line == span.end_line && token.column < span.end_column));
}

static bool is_said(const Cursor *cursor, Span token)
{
    const Program *program = cursor->text->program;
    for (int i = 0; i < program->phases.count; i++) {
        const PhaseItem *phase = program->phases.at[i];
        if (!holds(phase->span, token))
            continue;
        const char *name = phase->name.text;
        if (strcmp(name, cursor->phase) == 0)
            return true;
        return cursor->teacher && strcmp(name, cursor->teacher) == 0 &&
               !holds(phase->settings, token);
    }
    return true;
}

// Goes to the next token that is said to the phase; false at the end.
static bool next_token(Cursor *cursor)
{
    const SpanList *tokens = &cursor->text->tokens;
    while (cursor->token < tokens->count &&
           !is_said(cursor, tokens->at[cursor->token]))
        cursor->token++;
    if (cursor->token == tokens->count)
        return false;
    Span token = tokens->at[cursor->token++];
    for (; cursor->line < token.line; cursor->line++)
        cursor->line_start = strchr(cursor->line_start, '\n') + 1;
    cursor->at = cursor->line_start + token.column - 1;
    cursor->end = cursor->line_start + token.end_column - 1;
    return true;
}

static bool is_of_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static int last_line(const Cursor *cursor)
{
    int line = cursor->line;
    for (const char *at = cursor->line_start; (at = strchr(at, '\n')); at++)
        line++;
    return line;
}

static Atom next(Cursor *cursor)
{
    if (cursor->at == cursor->end && !next_token(cursor))
        return (Atom){.line = last_line(cursor)};
    const char *begin = cursor->at, *end = begin;
    while (end < cursor->end && is_of_word(*end))
        end++;
    if (*begin == '"')
        end = cursor->end;
    else if (end == begin)
        end++;
    cursor->at = end;
    return (Atom){begin, (int)(end - begin), cursor->line};
}

static Cursor begin(const ProgramText *text, const char *phase,
                    const char *teacher)
{
    return (Cursor){.text = text,
                    .phase = phase,
                    .teacher = teacher,
                    .line_start = text->source->text,
                    .line = 1};
}

const char *program_text_says(const ProgramText *text, const char *phase,
                              const char *teacher)
{
    Cursor cursor = begin(text, phase, teacher);
    Text says = text_new(text->arena);
    for (Atom atom; (atom = next(&cursor)).at;) {
        text_add_n(&says, atom.at, (size_t)atom.length);
        text_add(&says, "\n");
    }
    return text_string(&says);
}

static void line_of(const ProgramText *text, const Atom *atom,
                    ProgramLine *line)
{
    *line = (ProgramLine){.number = atom->line, .text = "(the end)"};
    if (!atom->at)
        return;
    const char *start = atom->at, *end = atom->at + strcspn(atom->at, "\n");
    while (start > text->source->text && start[-1] != '\n')
        start--;
    while (isspace((unsigned char)*start))
        start++;
    size_t length = (size_t)(end - start);
    if (length >= PROGRAM_LINE)
        length = PROGRAM_LINE - 1;
    memcpy(line->text, start, length);
    line->text[length] = '\0';
}

bool program_text_differs(const ProgramText *one, const ProgramText *other,
                          const char *phase, const char *teacher,
                          ProgramLine lines[2])
{
    if (!one || !other)
        return false;
    Cursor cursors[2] = {begin(one, phase, teacher),
                         begin(other, phase, teacher)};
    for (;;) {
        Atom a = next(&cursors[0]), b = next(&cursors[1]);
        if (!a.at && !b.at)
            return false;
        if (a.at && b.at && a.length == b.length &&
            memcmp(a.at, b.at, (size_t)a.length) == 0)
            continue;
        line_of(one, &a, &lines[0]);
        line_of(other, &b, &lines[1]);
        return true;
    }
}
