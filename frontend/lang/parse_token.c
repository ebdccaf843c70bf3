// What the scanner's rules do: values of tokens, brackets, bad characters.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/lang/parse.h"
#include "frontend/lang/grammar.h"

// The token that makes the parser recover without a word: it was said here.
enum { TOKEN_BAD = TOKEN_LANG_YYerror };

void lang_resume_path(void *scanner);

void parser_advance(Parser *parser, Span *at, int length)
{
    *at = (Span){parser->line, parser->column, parser->line,
                 parser->column + length};
    parser->column += length;
}

void parser_retreat(Parser *parser, Span *at, int length)
{
    parser->column -= length;
    at->end_column -= length;
}

void parser_next_line(Parser *parser)
{
    parser->line++;
    parser->column = 1;
}

void parser_add_comment(Parser *parser, const char *text, int length)
{
    vec_push(parser->arena, &parser->comments,
             ((Comment){parser->line, text, length}));
}

char *parser_text(Parser *parser, const char *text, int length)
{
    return arena_strndup(parser->arena, text, (size_t)length);
}

// The token just scanned, as a position.
static SourcePos here(const Parser *parser, int length)
{
    return (SourcePos){parser->source, parser->line, parser->column - length,
                       parser->column};
}

static void open_bracket(Parser *parser, char kind)
{
    Span at = {parser->line, parser->column - 1, parser->line, parser->column};
    vec_push(parser->arena, &parser->brackets, ((Bracket){kind, at}));
}

// Forgets the innermost bracket of that kind and all inside it.
static void close_bracket(Parser *parser, char kind)
{
    for (int i = parser->brackets.count - 1; i >= 0; i--) {
        if (parser->brackets.at[i].kind == kind) {
            parser->brackets.count = i;
            return;
        }
        // A parenthesis does not reach across an open block.
        if (parser->brackets.at[i].kind == '{')
            return;
    }
}

int parser_open_path(Parser *parser)
{
    open_bracket(parser, 'p');
    return TOKEN_OPEN_PIECE;
}

static int close_brace(Parser *parser)
{
    int count = parser->brackets.count;
    if (count && parser->brackets.at[count - 1].kind == 'p') {
        parser->brackets.count--;
        parser->path_begun = true;
        lang_resume_path(parser->scanner);
        return TOKEN_CLOSE_PIECE;
    }
    close_bracket(parser, '(');
    close_bracket(parser, '[');
    close_bracket(parser, '{');
    return TOKEN_CLOSE_BLOCK;
}

int parser_punctuation(Parser *parser, char which)
{
    switch (which) {
    case '(':
        open_bracket(parser, which);
        return TOKEN_OPEN;
    case '[':
        open_bracket(parser, which);
        return TOKEN_OPEN_LIST;
    case '{':
        open_bracket(parser, which);
        return TOKEN_OPEN_BLOCK;
    case ')':
        close_bracket(parser, '(');
        return TOKEN_CLOSE;
    case ']':
        close_bracket(parser, '[');
        return TOKEN_CLOSE_LIST;
    case '}':
        return close_brace(parser);
    }
    static const struct {
        char text;
        int kind;
    } plain[] = {{'<', TOKEN_LT},       {'>', TOKEN_GT},     {'+', TOKEN_ADD},
                 {'-', TOKEN_SUB},      {'*', TOKEN_MUL},    {'/', TOKEN_DIV},
                 {'%', TOKEN_MOD},      {'@', TOKEN_MATMUL}, {'^', TOKEN_POW},
                 {'=', TOKEN_ASSIGN},   {'.', TOKEN_DOT},    {',', TOKEN_COMMA},
                 {';', TOKEN_SEMICOLON}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (plain[i].text == which)
            return plain[i].kind;
    INTERNAL_ERROR("no token for '%c'", which);
}

int parser_int(Parser *parser, union LANG_YYSTYPE *value, const char *text,
               int length)
{
    errno = 0;
    value->whole = strtoll(text, NULL, 10);
    if (errno == ERANGE) {
        diag_error(parser->diags, here(parser, length),
                   "whole number too large; the largest is "
                   "9223372036854775807");
        return TOKEN_BAD;
    }
    return TOKEN_INT;
}

int parser_float(Parser *parser, union LANG_YYSTYPE *value, const char *text,
                 int length, double divisor)
{
    value->number = strtod(text, NULL) / divisor;
    if (isinf(value->number)) {
        diag_error(parser->diags, here(parser, length),
                   "number too large; the largest is about 1.8e308");
        return TOKEN_BAD;
    }
    return TOKEN_FLOAT;
}

int parser_string(Parser *parser, union LANG_YYSTYPE *value, const char *text,
                  int length)
{
    char *out = parser_text(parser, text + 1, length - 2);
    char *end = out;
    for (const char *c = out; *c; c++) {
        if (*c == '\\') {
            c++;
            *end++ = *c == 'n' ? '\n' : *c == 't' ? '\t' : *c;
        } else {
            *end++ = *c;
        }
    }
    *end = 0;
    value->text = out;
    return TOKEN_STRING;
}

int parser_open_string(Parser *parser, int length)
{
    SourcePos at = here(parser, length);
    at.end_column = at.column + 1; // the quote, not all the rest of the line
    diag_error(parser->diags, at,
               "unterminated string: no closing `\"` on this line");
    return TOKEN_BAD;
}

int parser_bad_number(Parser *parser, const char *text, int length)
{
    int shown = length < 40 ? length : 40;
    diag_error(parser->diags, here(parser, length),
               "`%.*s` is neither a number nor a name", shown, text);
    return TOKEN_BAD;
}

// What other languages write; one complaint a line, as below.
int parser_foreign_sign(Parser *parser, const char *text, int length)
{
    static const struct {
        const char *sign, *here;
    } signs[] = {{"**", "a power is `^`"},
                 {":=", "`=` sets a variable"},
                 {":", "a body stands in `{` and `}`"},
                 {"!", "write `not`"},
                 {"&&", "write `and`"},
                 {"&", "write `and`"},
                 {"||", "write `or`"},
                 {"|", "write `or`"},
                 {"'", "a string stands in double quotes"}};
    if (parser->bad_line == parser->line)
        return TOKEN_BAD;
    parser->bad_line = parser->line;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strlen(signs[i].sign) == (size_t)length &&
            memcmp(signs[i].sign, text, (size_t)length) == 0)
            diag_error(parser->diags, here(parser, length),
                       "unexpected `%s`; %s", signs[i].sign, signs[i].here);
    return TOKEN_BAD;
}

// What to write for a character that word processors, pages and formulas have
// in the place of a program's; NULL for any other.
static const char *look_alike(const char *character)
{
    static const struct {
        const char *characters, *here; // parted by spaces
    } rows[] = {
        {"\u201c \u201d \u201e \u00ab \u00bb \u2018 \u2019",
         "a string stands in straight double quotes"},
        {"\u2212 \u2013 \u2014 \u2010 \u2011", "minus is `-`"},
        {"\u00d7 \u00b7 \u22c5", "times is `*`"},
        {"\u00f7", "divided by is `/`"},
        {"\u2264", "write `<=`"},
        {"\u2265", "write `>=`"},
        {"\u2260", "write `!=`"},
        {"\u00a0 \u202f \u2009 \u2007 \u3000",
         "it looks like a space and is another character: write a space"},
        {"\u200b \u200c \u200d \u2060 \ufeff",
         "nothing is to be seen of it: take it out"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strstr(rows[i].characters, character))
            return rows[i].here;
    return NULL;
}

// One complaint a line: a binary file should not fill the screen.
int parser_bad_character(Parser *parser, const char *text, int length)
{
    if (parser->bad_line == parser->line)
        return TOKEN_BAD;
    parser->bad_line = parser->line;
    unsigned char byte = (unsigned char)text[0];
    if (byte < 0x20 || byte == 0x7f) {
        diag_error(parser->diags, here(parser, length),
                   "unexpected control character 0x%02x", byte);
        return TOKEN_BAD;
    }
    int shown = 1; // one UTF-8 sequence
    while (shown < length && ((unsigned char)text[shown] & 0xc0) == 0x80)
        shown++;
    char character[5] = "";
    memcpy(character, text, (size_t)(shown < 4 ? shown : 4));
    const char *meant = shown > 1 ? look_alike(character) : NULL;
    diag_error(parser->diags, here(parser, length),
               "unexpected character `%.*s`%s%s", shown, text,
               meant ? "; " : "", meant ? meant : "");
    return TOKEN_BAD;
}
