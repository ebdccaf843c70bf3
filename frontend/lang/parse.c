#include "frontend/lang/parse.h"

#include <string.h>

#include "frontend/lang/grammar.h"

// The scanner's entry points; its own header needs macros we do not want here.
typedef struct yy_buffer_state ScanBuffer;
int lang_yylex_init_extra(Parser *parser, void **scanner);
ScanBuffer *lang_yy_scan_buffer(char *text, size_t size, void *scanner);
int lang_yylex_destroy(void *scanner);
int lang_scan(LANG_YYSTYPE *value, LANG_YYLTYPE *at, void *scanner);
int lang_yylex(LANG_YYSTYPE *value, LANG_YYLTYPE *at, Parser *parser);

struct Token {
    int kind;
    LANG_YYSTYPE value;
    Span at;
};

// Tokens that may be scanned ahead: a newline, and what follows it.
enum { MAX_WAITING = 4 };

static int error_limit(const DiagList *diags)
{
    return diags->error_limit ? diags->error_limit : 20;
}

static Token scan(Parser *parser)
{
    Token token = {0};
    if (parser->waiting_count) {
        token = parser->waiting[0];
        parser->waiting_count--;
        memmove(parser->waiting, parser->waiting + 1,
                sizeof(Token) * (size_t)parser->waiting_count);
        return token;
    }
    // Enough was said: end the parse here.
    if (parser->diags->error_count < error_limit(parser->diags))
        token.kind = lang_scan(&token.value, &token.at, parser->scanner);
    if (token.kind == TOKEN_END_OF_FILE)
        token.at =
            (Span){parser->line, parser->column, parser->line, parser->column};
    return token;
}

static void put_back(Parser *parser, Token token)
{
    parser->waiting[parser->waiting_count++] = token;
}

// After these a statement cannot end, so a newline means nothing.
static bool continues_after(int kind)
{
    switch (kind) {
    case 0: // the beginning of the file
    case TOKEN_NEWLINE:
    case TOKEN_SEMICOLON:
    case TOKEN_OPEN_BLOCK:
    case TOKEN_COMMA:
    case TOKEN_ASSIGN:
    case TOKEN_ARROW:
    case TOKEN_IF:
    case TOKEN_THEN:
    case TOKEN_ELSE:
    case TOKEN_IN:
    case TOKEN_TO:
    case TOKEN_TO_INCLUSIVE:
        return true;
    }
    return (kind >= TOKEN_OR && kind <= TOKEN_NOT) ||
           (kind >= TOKEN_EQ && kind <= TOKEN_POW);
}

// Before these a statement does not end either.
static bool continues_before(int kind)
{
    return kind == TOKEN_AS || kind == TOKEN_THEN || kind == TOKEN_ELSE ||
           kind == TOKEN_CLOSE_BLOCK;
}

// Words that only begin something new: an open bracket was forgotten.
static bool begins_statement(int kind)
{
    switch (kind) {
    case TOKEN_IMPORT:
    case TOKEN_PARAM:
    case TOKEN_DEF:
    case TOKEN_OPTIMIZER:
    case TOKEN_PHASE:
    case TOKEN_RETURN:
    case TOKEN_FOR:
    case TOKEN_MINIMIZE:
    case TOKEN_USING:
    case TOKEN_REPORT:
    case TOKEN_FREEZE:
    case TOKEN_CLOSE_BLOCK:
        return true;
    }
    return false;
}

static bool inside_bracket(const Parser *parser)
{
    int count = parser->brackets.count;
    return count && parser->brackets.at[count - 1].kind != '{';
}

// Is the newline just scanned the end of a statement? Leaves the token after
// it waiting.
static bool newline_counts(Parser *parser)
{
    Token next;
    do
        next = scan(parser);
    while (next.kind == TOKEN_NEWLINE);
    put_back(parser, next);
    if (inside_bracket(parser)) {
        if (!begins_statement(next.kind))
            return false;
        while (inside_bracket(parser) && parser->brackets.count > 1)
            parser->brackets.count--;
        return true;
    }
    return !continues_after(parser->previous) && !continues_before(next.kind);
}

static bool at_statement_start(const Parser *parser)
{
    return parser->previous == 0 || parser->previous == TOKEN_NEWLINE ||
           parser->previous == TOKEN_SEMICOLON ||
           parser->previous == TOKEN_OPEN_BLOCK;
}

// `weight`, `state` and `input` are keywords only where a declaration stands;
// elsewhere they are names like any other (conv2d(x, weight)).
static int contextual_kind(Parser *parser, const Token *token)
{
    static const struct {
        const char *text;
        int kind;
    } words[] = {{"weight", TOKEN_WEIGHT},
                 {"state", TOKEN_STATE},
                 {"input", TOKEN_INPUT}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(token->value.text, words[i].text) != 0)
            continue;
        Token next = scan(parser);
        put_back(parser, next);
        return next.kind == TOKEN_NAME ? words[i].kind : TOKEN_NAME;
    }
    return TOKEN_NAME;
}

// What the grammar calls for its next token.
int lang_yylex(LANG_YYSTYPE *value, LANG_YYLTYPE *at, Parser *parser)
{
    Token token = scan(parser);
    while (token.kind == TOKEN_NEWLINE && !newline_counts(parser))
        token = scan(parser);
    if (at_statement_start(parser)) {
        parser->statement_word = (Word){0};
        if (token.kind == TOKEN_NAME) {
            token.kind = contextual_kind(parser, &token);
            parser->statement_word =
                parser_word(parser, token.value.text, token.at);
        }
    }
    *value = token.value;
    *at = token.at;
    parser->previous = token.kind;
    return token.kind;
}

Program *parse_program(Arena *arena, const Source *source, DiagList *diags)
{
    Token waiting[MAX_WAITING];
    Program *program = ARENA_NEW(arena, Program);
    program->source = source;
    Parser parser = {.arena = arena,
                     .source = source,
                     .diags = diags,
                     .program = program,
                     .line = 1,
                     .column = 1,
                     .waiting = waiting};
    if (lang_yylex_init_extra(&parser, &parser.scanner) != 0)
        INTERNAL_ERROR("no memory for the scanner");
    lang_yy_scan_buffer(source->text, source->length + 2, parser.scanner);
    lang_yyparse(&parser);
    lang_yylex_destroy(parser.scanner);
    return program;
}
