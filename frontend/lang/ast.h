// The syntax tree of one .net file, as the grammar builds it. Nothing here has
// a meaning yet: names are text, expressions unevaluated.
#ifndef SIMCC_FRONTEND_LANG_AST_H
#define SIMCC_FRONTEND_LANG_AST_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/diag.h"
#include "ir/base/text.h"

// A stretch of source text; columns count bytes from 1, the end is exclusive.
typedef struct Span {
    int line, column, end_line, end_column;
} Span;

typedef VEC(Span) SpanList;

typedef struct Expr Expr;
typedef struct Stmt Stmt;

typedef VEC(Expr *) ExprList;
typedef VEC(Stmt *) StmtList;

typedef struct Word {
    const char *text;
    SourcePos pos;
} Word;
typedef VEC(Word) WordList;

// One argument of a call, one setting of a phase, one formal of a def (where
// a NULL value means that it must be given).
typedef struct Arg {
    Word name; // text NULL = positional
    Expr *value;
} Arg;
typedef VEC(Arg) ArgList;

// `layer{g + 1}.{i}`: pieces of plain text and of expressions.
typedef struct PathPiece {
    const char *text; // NULL when it is an expression
    Expr *expr;
} PathPiece;
typedef VEC(PathPiece) Path;

typedef enum Operator {
#define OPERATOR(id, text) OPERATOR_##id,
#include "frontend/lang/operators.def"
#undef OPERATOR
} Operator;
const char *operator_text(Operator op);

typedef enum ExprKind {
    EXPR_POISON, // what a diagnostic has already been given for
    EXPR_INT,
    EXPR_FLOAT,
    EXPR_BOOL,
    EXPR_STRING,
    EXPR_NONE,
    EXPR_NAME,
    EXPR_LIST,
    EXPR_UNARY,  // op left
    EXPR_BINARY, // left op right
    EXPR_RANGE,  // left .. right
    EXPR_CALL,   // left(args)
    EXPR_INDEX,  // left[right]
    EXPR_MEMBER, // left.text
    EXPR_CHOICE, // if condition then left else right
    EXPR_AS,     // left as path
} ExprKind;

struct Expr {
    ExprKind kind;
    int depth; // of the tree below, bounded by MAX_EXPR_DEPTH
    SourcePos pos;
    Span span;
    Operator op;
    bool truth;       // EXPR_BOOL; of EXPR_RANGE: the end is included
    int64_t whole;    // EXPR_INT
    double number;    // EXPR_FLOAT
    const char *text; // EXPR_STRING, EXPR_NAME, EXPR_MEMBER
    Expr *condition, *left, *right;
    const ExprList *items;
    const ArgList *args;
    const Path *path;
};

// Bounds the C stack that walking a tree takes.
enum { MAX_EXPR_DEPTH = 400 };

typedef enum StmtKind {
    STMT_ASSIGN,   // name = value
    STMT_WEIGHT,   // weight name[dims] = value
    STMT_STATE,    // state name[dims] = value
    STMT_UPDATE,   // name <- value
    STMT_RETURN,   // value
    STMT_IF,       // value body other
    STMT_FOR,      // name in value body
    STMT_ASSERT,   // value, text
    STMT_EXPR,     // value
    STMT_INPUT,    // names = value, clauses
    STMT_MINIMIZE, // value
    STMT_USING,    // name(args) on words
    STMT_REPORT,   // args
    STMT_FREEZE,   // words
} StmtKind;

struct Stmt {
    StmtKind kind;
    SourcePos pos;
    Word name;
    Expr *value;
    const char *text;             // STMT_ASSERT's message or NULL
    const ExprList *dims;         // NULL when there are no brackets
    const StmtList *body, *other; // other NULL = no else
    const ArgList *args;
    const WordList *words;  // names or patterns, NULL = none given
    const ArgList *clauses; // of input: named "augment" or "evaluate"
};

typedef struct ImportItem {
    Word path;
    Span span; // of the whole statement
} ImportItem;

typedef struct ParamItem {
    Word name;
    Expr *value, *range; // range NULL = anything of the value's kind
    const char *doc;     // the comment behind it, or ""
} ParamItem;

typedef struct DefItem {
    Word name;
    bool is_optimizer; // the first two formals are the weight and its gradient
    const ArgList *formals;
    Expr *value;          // `= expr`, or NULL
    const StmtList *body; // block, or NULL
} DefItem;

typedef struct PhaseItem {
    Word name;
    const ArgList *options;
    Span span;      // of the whole definition
    Span settings;  // of its parentheses; of no width where there are none
    Word from;      // text NULL = starts afresh
    bool from_file; // `from "weights.safetensors"`
    const WordList *only, *except;
    Word teacher_name, teacher; // `with teacher_name = teacher`
    const StmtList *body;
} PhaseItem;

typedef struct Program {
    const Source *source;
    VEC(ImportItem) imports;
    VEC(ParamItem *) params;
    VEC(DefItem *) defs;
    VEC(PhaseItem *) phases;
} Program;

// An indented text of the tree, for --emit=ast.
void ast_print(const Program *program, Text *out);
void ast_print_expr(const Expr *expr, Text *out);
// With a point or an exponent: 1.0 does not read back as a whole number.
void ast_print_number(double number, Text *out);

#endif
