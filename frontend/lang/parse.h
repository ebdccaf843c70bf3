// Between scanner and grammar: newlines, contextual keywords, positions, the
// making of tree nodes and the reporting of syntax errors.
#ifndef SIMCC_FRONTEND_LANG_PARSE_H
#define SIMCC_FRONTEND_LANG_PARSE_H

#include "frontend/lang/ast.h"

union LANG_YYSTYPE;

typedef struct Bracket {
    char kind; // '(', '[', '{', or 'p' for a brace inside a path
    Span at;
} Bracket;

typedef struct Comment {
    int line;
    const char *text;
    int length;
} Comment;

typedef struct Token Token;

// Bounds time and memory; the models that come with simcc have under 10,000
// tokens in all.
enum { MAX_TOKENS = 500 * 1000 };

typedef struct Parser {
    Arena *arena;
    const Source *source;
    DiagList *diags;
    Program *program;
    void *scanner;
    int line, column;      // of the next byte
    bool path_begun;       // the scanner has seen a piece of the path
    int bad_line;          // the last line whose characters were complained of
    VEC(Bracket) brackets; // open ones
    Bracket forgotten;     // one that a new statement showed to be unclosed
    VEC(Comment) comments;
    SpanList *tokens; // where each is added, newlines apart; NULL = nowhere
    Token *waiting;   // scanned ahead, not yet handed to the parser
    int waiting_count;
    int previous;        // kind of the token handed out last
    Word statement_word; // the name that begins the current statement, if any
    int token_count;     // newlines apart
    int errors_before;   // this definition
    bool too_deep;       // said that an expression is too deep
} Parser;

// Parses one file. Errors go to `diags`; the program then holds what could be
// understood. Never NULL.
Program *parse_program(Arena *arena, const Source *source, DiagList *diags);
// The same, and adds the places of all its names, numbers, strings and signs
// to `tokens`, in their order. Each lies in one line.
Program *parse_tokens(Arena *arena, const Source *source, DiagList *diags,
                      SpanList *tokens);

// Parses a text that is one expression. NULL when it is not, possibly without
// a diagnostic.
const Expr *parse_value(Arena *arena, const Source *source, DiagList *diags);

// ---- for the scanner --------------------------------------------------------

void parser_advance(Parser *parser, Span *at, int length);
void parser_retreat(Parser *parser, Span *at, int length);
void parser_next_line(Parser *parser);
void parser_add_comment(Parser *parser, const char *text, int length);
char *parser_text(Parser *parser, const char *text, int length);
int parser_punctuation(Parser *parser, char which);
int parser_open_path(Parser *parser);
int parser_int(Parser *parser, union LANG_YYSTYPE *value, const char *text,
               int length);
int parser_float(Parser *parser, union LANG_YYSTYPE *value, const char *text,
                 int length, double divisor);
int parser_string(Parser *parser, union LANG_YYSTYPE *value, const char *text,
                  int length);
int parser_open_string(Parser *parser, int length);
int parser_bad_number(Parser *parser, const char *text, int length);
int parser_foreign_sign(Parser *parser, const char *text, int length);
int parser_bad_character(Parser *parser, const char *text, int length);

// ---- for the grammar --------------------------------------------------------

SourcePos parser_pos(const Parser *parser, Span at);
Word parser_word(const Parser *parser, const char *text, Span at);
Expr *parser_expr(Parser *parser, ExprKind kind, Span at);
Expr *parser_unary(Parser *parser, Span at, Operator op, Expr *x);
Expr *parser_binary(Parser *parser, Span at, Operator op, Expr *left,
                    Expr *right);
Expr *parser_range(Parser *parser, Span at, Expr *first, Expr *last,
                   bool inclusive);
Expr *parser_choice(Parser *parser, Span at, Expr *condition, Expr *yes,
                    Expr *no);
Expr *parser_as(Parser *parser, Span at, Expr *x, const Path *path);
Expr *parser_list(Parser *parser, Span at, const ExprList *items);
Expr *parser_call(Parser *parser, Span at, Expr *callee, const ArgList *args);
Expr *parser_index(Parser *parser, Span at, Expr *x, Expr *index);
Expr *parser_member(Parser *parser, Span at, Expr *x, const char *name);
Stmt *parser_stmt(Parser *parser, StmtKind kind, Span at);
Stmt *parser_declare(Parser *parser, StmtKind kind, Span at, Word name,
                     const ExprList *dims, Expr *value);
void parser_add_import(Parser *parser, Word path, Span at);
void parser_add_param(Parser *parser, Word name, Expr *value, Expr *range);
void parser_add_def(Parser *parser, Word name, bool is_optimizer,
                    const ArgList *formals, Expr *value, const StmtList *body);
PhaseItem *parser_phase(Parser *parser, Word name, const ArgList *options,
                        Span settings);
void parser_add_phase(Parser *parser, PhaseItem *phase, const StmtList *body,
                      Span at);
void parser_report_syntax(Parser *parser, Span at, const char *got, int count,
                          const char *const *expected);
void parser_report_depth(Parser *parser, Span at);

#endif
