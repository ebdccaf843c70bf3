#include "runtime/train/program_text.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "runtime/base/checksum.h"

typedef struct Token {
    const char *at; // NULL: there are no more
    int length, line;
} Token;

typedef struct Cursor {
    const char *source, *at;
    const char *phase, *teacher; // whose text is read
    int line, depth;             // of brackets around the next token
    bool in_teacher;             // its settings are still to come
} Cursor;

static bool is(const Token *token, const char *word)
{
    return token->at && word && strlen(word) == (size_t)token->length &&
           memcmp(token->at, word, (size_t)token->length) == 0;
}

static bool is_of_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

static int token_length(const char *at)
{
    const char *end = at;
    if (*at == '"') {
        for (end++; *end && *end != '"' && *end != '\n'; end++)
            end += *end == '\\' && end[1];
        return (int)(end - at) + (*end == '"');
    }
    while (is_of_word(*end))
        end++;
    return end > at ? (int)(end - at) : 1;
}

// The next token of the source, whoever's.
static Token scan(Cursor *cursor)
{
    for (; *cursor->at; cursor->at++)
        if (*cursor->at == '#')
            cursor->at += strcspn(cursor->at, "\n") - 1;
        else if (*cursor->at == '\n')
            cursor->line++;
        else if (!isspace((unsigned char)*cursor->at))
            break;
    if (!*cursor->at)
        return (Token){.line = cursor->line};
    Token token = {cursor->at, token_length(cursor->at), cursor->line};
    cursor->at += token.length;
    cursor->depth += strchr("([{", *token.at) != NULL;
    cursor->depth -= strchr(")]}", *token.at) != NULL;
    return token;
}

// Leaves out what begins here, up to the bracket that ends it.
static void skip(Cursor *cursor, const char *end)
{
    Token token;
    do
        token = scan(cursor);
    while (token.at && (cursor->depth > 0 || !is(&token, end)));
}

// The next token that is said to the phase.
static Token next(Cursor *cursor)
{
    for (;;) {
        bool outside = cursor->depth == 0;
        Token token = scan(cursor);
        if (cursor->in_teacher && is(&token, "(")) {
            skip(cursor, ")");
            cursor->in_teacher = false;
            continue;
        }
        cursor->in_teacher &= !is(&token, "{");
        if (!outside || !is(&token, "phase"))
            return token;
        Cursor ahead = *cursor;
        Token name = scan(&ahead);
        if (is(&name, cursor->phase))
            return token;
        cursor->in_teacher = is(&name, cursor->teacher);
        if (cursor->in_teacher)
            return token;
        skip(cursor, "}");
    }
}

static Cursor begin(const char *source, const char *phase, const char *teacher)
{
    return (Cursor){.source = source,
                    .at = source,
                    .phase = phase,
                    .teacher = teacher,
                    .line = 1};
}

uint64_t program_text_hash(const char *source, const char *phase,
                           const char *teacher)
{
    Cursor cursor = begin(source, phase, teacher);
    Checksum sum = checksum_new();
    for (Token token; (token = next(&cursor)).at;) {
        checksum_add(&sum, token.at, token.length);
        checksum_add(&sum, "\n", 1);
    }
    return checksum_value(&sum);
}

static void line_of(const char *source, const Token *token, ProgramLine *line)
{
    *line = (ProgramLine){.number = token->line, .text = "(the end)"};
    if (!token->at)
        return;
    const char *start = token->at, *end = token->at + strcspn(token->at, "\n");
    while (start > source && start[-1] != '\n')
        start--;
    while (isspace((unsigned char)*start))
        start++;
    size_t length = (size_t)(end - start);
    if (length >= PROGRAM_LINE)
        length = PROGRAM_LINE - 1;
    memcpy(line->text, start, length);
    line->text[length] = '\0';
}

bool program_text_differs(const char *one, const char *other, const char *phase,
                          const char *teacher, ProgramLine lines[2])
{
    Cursor cursors[2] = {begin(one, phase, teacher),
                         begin(other, phase, teacher)};
    for (;;) {
        Token a = next(&cursors[0]), b = next(&cursors[1]);
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
