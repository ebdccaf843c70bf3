#include "frontend/lang/parse.h"

#include <string.h>

#include "frontend/lang/grammar.h"

// The scanner's entry points; its own header needs macros we do not want here.
typedef struct yy_buffer_state ScanBuffer;
int lang_yylex_init_extra(Parser *parser, void **scanner);
ScanBuffer *lang_yy_scan_bytes(const char *text, int length, void *scanner);
int lang_yylex_destroy(void *scanner);
int lang_scan(LANG_YYSTYPE *value, LANG_YYLTYPE *at, void *scanner);
int lang_yylex(LANG_YYSTYPE *value, LANG_YYLTYPE *at, Parser *parser);

struct Token {
    int kind;
    LANG_YYSTYPE value;
    Span at;
};

enum {
    // Scanned ahead: a newline and what follows it, or a value's beginning.
    MAX_WAITING = 4,
};

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
    // Enough was said, or seen: end the parse here.
    if (parser->diags->error_count < error_limit(parser->diags) &&
        !parser->too_deep && parser->token_count <= MAX_TOKENS)
        token.kind = lang_scan(&token.value, &token.at, parser->scanner);
    parser->token_count += token.kind != TOKEN_NEWLINE;
    if (parser->token_count == MAX_TOKENS + 1)
        diag_error(parser->diags, parser_pos(parser, token.at),
                   "the file is too long: more than %d names, numbers and "
                   "signs",
                   MAX_TOKENS);
    if (token.kind == TOKEN_END_OF_FILE)
        token.at =
            (Span){parser->line, parser->column, parser->line, parser->column};
    else if (parser->tokens && token.kind != TOKEN_NEWLINE)
        vec_push(parser->arena, parser->tokens, token.at);
    return token;
}

static void put_back(Parser *parser, Token token)
{
    parser->waiting[parser->waiting_count++] = token;
}

// Between statements: there is nothing yet that could end.
static bool begins_line(int kind)
{
    return kind == 0 || kind == TOKEN_NEWLINE || kind == TOKEN_SEMICOLON ||
           kind == TOKEN_OPEN_BLOCK;
}

// After these a statement cannot end, so a newline means nothing.
static bool continues_after(int kind)
{
    if (begins_line(kind))
        return true;
    switch (kind) {
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
    // Asked before the next token is scanned: it may be the closing bracket.
    bool inside = inside_bracket(parser);
    int open = parser->brackets.count - 1;
    Bracket innermost = open >= 0 ? parser->brackets.at[open] : (Bracket){0};
    Token next;
    do
        next = scan(parser);
    while (next.kind == TOKEN_NEWLINE);
    put_back(parser, next);
    if (inside) {
        if (!begins_statement(next.kind))
            return false;
        parser->forgotten = innermost;
        while (inside_bracket(parser))
            parser->brackets.count--;
        return true;
    }
    if (continues_after(parser->previous)) // `x +` and then `def`: cut short
        return begins_statement(next.kind) && !begins_line(parser->previous);
    return !continues_before(next.kind);
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

static bool begins_definition(int kind)
{
    return kind == TOKEN_IMPORT || kind == TOKEN_PARAM || kind == TOKEN_DEF ||
           kind == TOKEN_OPTIMIZER || kind == TOKEN_PHASE;
}

// What the grammar calls for its next token.
int lang_yylex(LANG_YYSTYPE *value, LANG_YYLTYPE *at, Parser *parser)
{
    Token token = scan(parser);
    while (token.kind == TOKEN_NEWLINE && !newline_counts(parser))
        token = scan(parser);
    if (begins_line(parser->previous)) {
        parser->statement_word = (Word){0};
        if (token.kind == TOKEN_NAME) {
            token.kind = contextual_kind(parser, &token);
            parser->statement_word =
                parser_word(parser, token.value.text, token.at);
        }
    }
    if (begins_definition(token.kind)) {
        // What the last definition left open has been complained of.
        if (parser->diags->error_count > parser->errors_before)
            parser->forgotten = (Bracket){0};
        parser->errors_before = parser->diags->error_count;
    }
    *value = token.value;
    *at = token.at;
    parser->previous = token.kind;
    return token.kind;
}

// Parses a source behind `count` tokens that are already there. `places`: of
// the source's own; may be NULL.
static Program *parse(Arena *arena, const Source *source, DiagList *diags,
                      int count, const Token *tokens, SpanList *places)
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
                     .tokens = places,
                     .errors_before = diags->error_count,
                     .waiting = waiting};
    for (int i = 0; i < count; i++)
        put_back(&parser, tokens[i]);
    if (lang_yylex_init_extra(&parser, &parser.scanner) != 0)
        INTERNAL_ERROR("no memory for the scanner");
    // A copy, because the scanner writes into what it scans.
    lang_yy_scan_bytes(source->text, (int)source->length, parser.scanner);
    lang_yyparse(&parser);
    lang_yylex_destroy(parser.scanner);
    return program;
}

Program *parse_program(Arena *arena, const Source *source, DiagList *diags)
{
    return parse(arena, source, diags, 0, NULL, NULL);
}

Program *parse_tokens(Arena *arena, const Source *source, DiagList *diags,
                      SpanList *tokens)
{
    return parse(arena, source, diags, 0, NULL, tokens);
}

const Expr *parse_value(Arena *arena, const Source *source, DiagList *diags)
{
    static const Span at = {1, 1, 1, 1};
    const Token prefix[] = {{TOKEN_PARAM, {0}, at},
                            {TOKEN_NAME, {.text = "value"}, at},
                            {TOKEN_ASSIGN, {0}, at}};
    const Program *program = parse(arena, source, diags, 3, prefix, NULL);
    bool alone =
        program->params.count == 1 && !program->params.at[0]->range &&
        program->defs.count + program->phases.count + program->imports.count ==
            0;
    return alone ? program->params.at[0]->value : NULL;
}
