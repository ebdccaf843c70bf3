// Making tree nodes, and reporting what does not parse.
#include <string.h>

#include "frontend/lang/parse.h"

SourcePos parser_pos(const Parser *parser, Span at)
{
    return (SourcePos){parser->source, at.line, at.column,
                       at.end_line == at.line ? at.end_column : 0};
}

Word parser_word(const Parser *parser, const char *text, Span at)
{
    return (Word){text, parser_pos(parser, at)};
}

Expr *parser_expr(Parser *parser, ExprKind kind, Span at)
{
    Expr *expr = ARENA_NEW(parser->arena, Expr);
    expr->kind = kind;
    expr->depth = 1;
    expr->pos = parser_pos(parser, at);
    expr->span = at;
    return expr;
}

void parser_report_depth(Parser *parser, Span at)
{
    if (!parser->too_deep)
        diag_error(parser->diags, parser_pos(parser, at),
                   "nested too deeply: give the inner parts names of their "
                   "own");
    parser->too_deep = true;
}

// Accounts for a child; a tree too deep to walk is cut off here.
static void hold(Parser *parser, Expr *expr, const Expr *child)
{
    if (!child || expr->kind == EXPR_POISON)
        return;
    if (child->depth >= expr->depth)
        expr->depth = child->depth + 1;
    if (expr->depth > MAX_EXPR_DEPTH) {
        parser_report_depth(parser, expr->span);
        expr->kind = EXPR_POISON;
        expr->depth = 1;
    }
}

Expr *parser_unary(Parser *parser, Span at, Operator op, Expr *x)
{
    Expr *expr = parser_expr(parser, EXPR_UNARY, at);
    expr->op = op;
    expr->left = x;
    hold(parser, expr, x);
    return expr;
}

static Expr *make_pair(Parser *parser, ExprKind kind, Span at, Expr *left,
                       Expr *right)
{
    Expr *expr = parser_expr(parser, kind, at);
    expr->left = left;
    expr->right = right;
    hold(parser, expr, left);
    hold(parser, expr, right);
    return expr;
}

Expr *parser_binary(Parser *parser, Span at, Operator op, Expr *left,
                    Expr *right)
{
    Expr *expr = make_pair(parser, EXPR_BINARY, at, left, right);
    expr->op = op;
    return expr;
}

Expr *parser_range(Parser *parser, Span at, Expr *first, Expr *last,
                   bool inclusive)
{
    Expr *expr = make_pair(parser, EXPR_RANGE, at, first, last);
    expr->truth = inclusive;
    return expr;
}

Expr *parser_choice(Parser *parser, Span at, Expr *condition, Expr *yes,
                    Expr *no)
{
    Expr *expr = make_pair(parser, EXPR_CHOICE, at, yes, no);
    expr->condition = condition;
    hold(parser, expr, condition);
    return expr;
}

Expr *parser_as(Parser *parser, Span at, Expr *x, const Path *path)
{
    Expr *expr = parser_expr(parser, EXPR_AS, at);
    expr->left = x;
    expr->path = path;
    hold(parser, expr, x);
    for (int i = 0; i < path->count; i++)
        hold(parser, expr, path->at[i].expr);
    return expr;
}

Expr *parser_list(Parser *parser, Span at, const ExprList *items)
{
    Expr *expr = parser_expr(parser, EXPR_LIST, at);
    expr->items = items;
    for (int i = 0; i < items->count; i++)
        hold(parser, expr, items->at[i]);
    return expr;
}

Expr *parser_call(Parser *parser, Span at, Expr *callee, const ArgList *args)
{
    Expr *expr = parser_expr(parser, EXPR_CALL, at);
    expr->left = callee;
    expr->args = args;
    hold(parser, expr, callee);
    for (int i = 0; i < args->count; i++)
        hold(parser, expr, args->at[i].value);
    return expr;
}

Expr *parser_index(Parser *parser, Span at, Expr *x, Expr *index)
{
    return make_pair(parser, EXPR_INDEX, at, x, index);
}

Expr *parser_member(Parser *parser, Span at, Expr *x, const char *name)
{
    Expr *expr = parser_expr(parser, EXPR_MEMBER, at);
    expr->left = x;
    expr->text = name;
    hold(parser, expr, x);
    return expr;
}

Stmt *parser_stmt(Parser *parser, StmtKind kind, Span at)
{
    Stmt *stmt = ARENA_NEW(parser->arena, Stmt);
    stmt->kind = kind;
    stmt->pos = parser_pos(parser, at);
    return stmt;
}

Stmt *parser_declare(Parser *parser, StmtKind kind, Span at, Word name,
                     const ExprList *dims, Expr *value)
{
    Stmt *stmt = parser_stmt(parser, kind, at);
    stmt->name = name;
    stmt->dims = dims;
    stmt->value = value;
    return stmt;
}

void parser_add_import(Parser *parser, Word path, Span at)
{
    vec_push(parser->arena, &parser->program->imports,
             ((ImportItem){path, at}));
}

// The comment behind a parameter, on its last line, without the `#`.
static const char *comment_on(const Parser *parser, int line)
{
    for (int i = parser->comments.count - 1; i >= 0; i--) {
        const Comment *comment = &parser->comments.at[i];
        if (comment->line < line)
            break;
        if (comment->line > line)
            continue;
        const char *text = comment->text + 1;
        const char *end = comment->text + comment->length;
        while (text < end && (*text == ' ' || *text == '#'))
            text++;
        while (end > text && (end[-1] == ' ' || end[-1] == '\r'))
            end--;
        return arena_strndup(parser->arena, text, (size_t)(end - text));
    }
    return "";
}

void parser_add_param(Parser *parser, Word name, Expr *value, Expr *range)
{
    ParamItem *param = ARENA_NEW(parser->arena, ParamItem);
    int line = (range ? range : value)->span.end_line;
    *param = (ParamItem){name, value, range, comment_on(parser, line)};
    vec_push(parser->arena, &parser->program->params, param);
}

void parser_add_def(Parser *parser, Word name, bool is_optimizer,
                    const ArgList *formals, Expr *value, const StmtList *body)
{
    DefItem *def = ARENA_NEW(parser->arena, DefItem);
    *def = (DefItem){name, is_optimizer, formals, value, body};
    vec_push(parser->arena, &parser->program->defs, def);
}

PhaseItem *parser_phase(Parser *parser, Word name, const ArgList *options,
                        Span settings)
{
    PhaseItem *phase = ARENA_NEW(parser->arena, PhaseItem);
    phase->name = name;
    phase->options = options;
    phase->settings = settings;
    return phase;
}

void parser_add_phase(Parser *parser, PhaseItem *phase, const StmtList *body,
                      Span at)
{
    phase->body = body;
    phase->span = at;
    vec_push(parser->arena, &parser->program->phases, phase);
}

// ---- syntax errors ----------------------------------------------------------

static bool has(int count, const char *const *names, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(name, *list) == 0)
            return true;
    return false;
}

// Everything that can be said in one word stands for its members.
static const char *const expression_words[] = {
    "if", "not",  "true",   "false",        "none",   "-", "(",
    "[",  "name", "string", "whole number", "number", NULL};
static const char *const statement_words[] = {
    "weight",   "state", "return", "for",    "assert", "input",
    "minimize", "using", "report", "freeze", NULL};
static const char *const definition_words[] = {"import",    "param", "def",
                                               "optimizer", "phase", NULL};
static const char *const operator_words[] = {
    "or", "and", "==", "!=", "<", "<=", ">",  ">=",  "+",  "-",
    "*",  "/",   "//", "%",  "@", "^",  "..", "..=", "as", NULL};

// "an expression, `)` or `,`"; at most five alternatives, "" when more.
static const char *describe_expected(Arena *arena, int count,
                                     const char *const *names)
{
    const char *said[8];
    int said_count = 0;
    bool definitions = has(count, names, "def");
    bool statements = has(count, names, "weight");
    bool expressions = has(count, names, "number");
    bool operators = has(count, names, "*");
    if (definitions)
        said[said_count++] = "a definition (`param`, `def`, `optimizer` or "
                             "`phase`)";
    if (statements)
        said[said_count++] = "a statement";
    if (expressions && !statements)
        said[said_count++] = "an expression";
    if (operators)
        said[said_count++] = "an operator";
    for (int i = 0; i < count && said_count < 7; i++) {
        const char *name = names[i];
        if ((definitions && is_one_of(name, definition_words)) ||
            (statements && is_one_of(name, statement_words)) ||
            (expressions && is_one_of(name, expression_words)) ||
            (operators &&
             (is_one_of(name, operator_words) || strcmp(name, "(") == 0 ||
              strcmp(name, "[") == 0 || strcmp(name, ".") == 0)) ||
            (strcmp(name, ";") == 0))
            continue;
        bool prose = strstr(name, "end of") || strcmp(name, "name") == 0 ||
                     strcmp(name, "string") == 0 || strstr(name, "number");
        said[said_count++] =
            strstr(name, " in a path") ? arena_printf(arena, "`%c`", name[0])
            : prose                    ? arena_printf(arena, "%s%s",
                                   strstr(name, "end of") ? "" : "a ", name)
                                       : arena_concat(arena, "`", name, "`");
    }
    if (said_count == 0 || said_count > 5)
        return "";
    Text text = text_new(arena);
    for (int i = 0; i < said_count; i++)
        text_addf(&text, "%s%s",
                  i == 0                ? ""
                  : i == said_count - 1 ? " or "
                                        : ", ",
                  said[i]);
    return text_string(&text);
}

// What stands at a span, cut to a sensible length.
static const char *quote_source(Parser *parser, Span at)
{
    const char *text = parser->source->text;
    const char *end = text + parser->source->length;
    for (int line = 1; line < at.line && text < end; text++)
        line += *text == '\n';
    text += at.column - 1;
    int length = at.end_column - at.column;
    if (length > 40)
        return arena_printf(parser->arena, "`%.37s...`", text);
    return arena_printf(parser->arena, "`%.*s`", length, text);
}

static const char *describe_token(Parser *parser, Span at, const char *got)
{
    if (strstr(got, "end of"))
        return got;
    if (strcmp(got, "name") == 0 || strstr(got, "number") ||
        strcmp(got, "string") == 0)
        return arena_printf(parser->arena, "%s %s",
                            strstr(got, "number") ? "number" : got,
                            quote_source(parser, at));
    return strchr(got, ' ') ? quote_source(parser, at)
                            : arena_printf(parser->arena, "`%s`", got);
}

// `retrun x`: a statement that begins with a word close to a keyword.
static void hint_keyword(Parser *parser)
{
    static const char *const words[] = {
        "weight", "state",    "return", "for",    "assert",   "input",
        "if",     "minimize", "using",  "report", "freeze",   "import",
        "param",  "def",      "phase",  "else",   "optimizer"};
    // Of other languages, and what they are here.
    static const char *const foreign[][2] = {
        {"func", "def"}, {"function", "def"}, {"fn", "def"}};
    Word word = parser->statement_word;
    if (!word.text || strlen(word.text) > 20)
        return;
    const char *meant =
        text_closest(word.text, words, sizeof words / sizeof *words);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (strcmp(word.text, foreign[i][0]) == 0)
            meant = foreign[i][1];
    if (meant && strcmp(meant, word.text) != 0)
        diag_note(parser->diags, word.pos, "did you mean `%s`?", meant);
}

// Where the bracket stands that is missing its other half.
static void hint_bracket(Parser *parser, Span at, const char *got, int count,
                         const char *const *expected)
{
    Bracket bracket = parser->forgotten;
    int open = parser->brackets.count - 1;
    parser->forgotten = (Bracket){0};
    if (!bracket.kind && open >= 0)
        bracket = parser->brackets.at[open];
    bool block = bracket.kind == '{';
    bool closes =
        block ? has(count, expected, "}") && strcmp(got, "end of file") == 0
              : has(count, expected, ")") || has(count, expected, "]");
    bool elsewhere = bracket.at.line != at.line || strstr(got, "end of");
    if (bracket.kind && closes && elsewhere)
        diag_note(parser->diags, parser_pos(parser, bracket.at),
                  "this `%c` is still open",
                  bracket.kind == 'p' ? '{' : bracket.kind);
}

void parser_report_syntax(Parser *parser, Span at, const char *got, int count,
                          const char *const *expected)
{
    // The end that the limits made is no error of its own.
    if (parser->too_deep || parser->token_count > MAX_TOKENS)
        return;
    // What is left of a definition that was complained of, its body mostly. A
    // name that begins a line may be the next one, misspelt.
    if (has(count, expected, "def") &&
        parser->diags->error_count > parser->errors_before &&
        (at.column > 1 || strcmp(got, "name") != 0))
        return;
    const char *wanted = describe_expected(parser->arena, count, expected);
    diag_error(parser->diags, parser_pos(parser, at), "unexpected %s%s%s",
               describe_token(parser, at, got), *wanted ? ", expected " : "",
               wanted);
    if (strcmp(got, "//") == 0)
        diag_note(parser->diags, parser_pos(parser, at),
                  "a comment begins with `#`");
    hint_keyword(parser);
    hint_bracket(parser, at, got, count, expected);
}
