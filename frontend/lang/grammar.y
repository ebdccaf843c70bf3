/* Tokens to tree. No operation has a rule of its own: relu is a call. */
%define api.prefix {lang_yy}
%define api.pure full
%define api.token.prefix {TOKEN_}
%define parse.error custom
%define parse.lac full
%define api.location.type {Span}
%locations
%param {Parser *parser}
%expect 0

%code requires {
#include "frontend/lang/parse.h"
}

%code {
#define YYMAXDEPTH 3000
#define YYLLOC_DEFAULT(current, rhs, n) span_join(&(current), (n), (rhs))
#define NEW(kind, at) parser_expr(parser, (kind), (at))
#define STMT(kind, at) parser_stmt(parser, (kind), (at))
#define PUSH(list, item) vec_push(parser->arena, (list), (item))
#define LIST(T) ARENA_NEW(parser->arena, T)

int lang_yylex(LANG_YYSTYPE *value, LANG_YYLTYPE *at, Parser *parser);
static void lang_yyerror(const Span *at, Parser *parser, const char *message);

static void span_join(Span *out, int count, const Span *rhs)
{
    const Span *first = &rhs[count ? 1 : 0], *last = &rhs[count];
    *out = (Span){first->line, first->column, last->end_line,
                  last->end_column};
    if (count == 0) // an empty rule stands behind what came before it
        out->line = out->end_line, out->column = out->end_column;
}
}

%union {
    const char *text;
    int64_t whole;
    double number;
    Word word;
    Expr *expr;
    Stmt *stmt;
    Arg arg;
    ExprList *exprs;
    StmtList *stmts;
    ArgList *args;
    WordList *words;
    Path *path;
    PhaseItem *phase;
}

%token END_OF_FILE 0 "end of file"
%token NEWLINE "end of line" SEMICOLON ";"
%token IMPORT "import" PARAM "param" DEF "def" OPTIMIZER "optimizer"
%token PHASE "phase" FROM "from" ONLY "only" EXCEPT "except" WITH "with"
%token WEIGHT "weight" STATE "state" RETURN "return" IF "if" THEN "then"
%token ELSE "else" FOR "for" IN "in" ASSERT "assert" INPUT "input"
%token MINIMIZE "minimize" USING "using" ON "on" REPORT "report"
%token FREEZE "freeze" AUGMENT "augment" EVALUATE "evaluate"
%token OR "or" AND "and" NOT "not" TRUE "true" FALSE "false" NONE "none"
%token AS "as" EQ "==" NE "!=" LT "<" LE "<=" GT ">" GE ">="
%token ADD "+" SUB "-" MUL "*" DIV "/" FLOOR_DIV "//" MOD "%" MATMUL "@"
%token POW "^" TO ".." TO_INCLUSIVE "..=" ARROW "<-" ASSIGN "=" DOT "."
%token COMMA "," OPEN "(" CLOSE ")" OPEN_LIST "[" CLOSE_LIST "]"
%token OPEN_BLOCK "{" CLOSE_BLOCK "}" OPEN_PIECE "{ in a path"
%token CLOSE_PIECE "} in a path"
%token <text> NAME "name" STRING "string" PATH_TEXT "path"
%token <whole> INT "whole number"
%token <number> FLOAT "number"

%type <word> name string
%type <expr> expr named primary condition
%type <stmt> stmt if_stmt
%type <arg> arg formal option clause
%type <exprs> exprs list_items dims
%type <stmts> stmts stmt_list block otherwise
%type <args> args arg_list formals formal_list options option_list clauses
%type <words> names strings on
%type <path> path
%type <phase> phase_head

/* From loosest to tightest. */
%precedence ELSE
%left OR
%left AND
%precedence NOT
%nonassoc EQ NE LT LE GT GE
%nonassoc TO TO_INCLUSIVE
%left ADD SUB
%left MUL DIV FLOOR_DIV MOD MATMUL
%precedence NEG
%right POW

%%

program:
    %empty
  | items
  | items end
  | end
  | end items
  | end items end
  ;

items:
    item
  | items end item
  ;

end:
    NEWLINE       { yyerrok; }
  | SEMICOLON     { yyerrok; }
  | end SEMICOLON { yyerrok; }
  | end NEWLINE   { yyerrok; }
  ;

item:
    IMPORT string            { parser_add_import(parser, $2, @$); }
  | PARAM name ASSIGN expr   { parser_add_param(parser, $2, $4, NULL); }
  | PARAM name ASSIGN expr IN expr { parser_add_param(parser, $2, $4, $6); }
  | DEF name OPEN formals CLOSE ASSIGN expr
        { parser_add_def(parser, $2, false, $4, $7, NULL); }
  | DEF name OPEN formals CLOSE block
        { parser_add_def(parser, $2, false, $4, NULL, $6); }
  | OPTIMIZER name OPEN formals CLOSE block
        { parser_add_def(parser, $2, true, $4, NULL, $6); }
  | PHASE phase_head block   { parser_add_phase(parser, $2, $3, @$); }
  | DEF error block
  | OPTIMIZER error block
  | PHASE error block
  | DEF error
  | OPTIMIZER error
  | PHASE error
  | error
  ;

phase_head:
    name options { $$ = parser_phase(parser, $1, $2, @2); }
  | phase_head FROM name   { ($$ = $1)->from = $3; }
  | phase_head FROM string { ($$ = $1)->from = $3; $$->from_file = true; }
  | phase_head ONLY strings   { ($$ = $1)->only = $3; }
  | phase_head EXCEPT strings { ($$ = $1)->except = $3; }
  | phase_head WITH name ASSIGN name
        { ($$ = $1)->teacher_name = $3; $$->teacher = $5; }
  ;

options:
    %empty                   { $$ = LIST(ArgList); }
  | OPEN CLOSE               { $$ = LIST(ArgList); }
  | OPEN option_list CLOSE   { $$ = $2; }
  | OPEN option_list COMMA CLOSE { $$ = $2; }
  ;
option_list:
    option                   { $$ = LIST(ArgList); PUSH($$, $1); }
  | option_list COMMA option { PUSH($$ = $1, $3); }
  ;
option: name ASSIGN expr     { $$ = (Arg){$1, $3}; };

formals:
    %empty                   { $$ = LIST(ArgList); }
  | formal_list
  | formal_list COMMA
  ;
formal_list:
    formal                   { $$ = LIST(ArgList); PUSH($$, $1); }
  | formal_list COMMA formal { PUSH($$ = $1, $3); }
  ;
formal:
    name                     { $$ = (Arg){$1, NULL}; }
  | name ASSIGN expr         { $$ = (Arg){$1, $3}; }
  ;

block: OPEN_BLOCK stmts CLOSE_BLOCK { $$ = $2; };

stmts:
    %empty                   { $$ = LIST(StmtList); }
  | end                      { $$ = LIST(StmtList); }
  | stmt_list
  | stmt_list end
  | end stmt_list            { $$ = $2; }
  | end stmt_list end        { $$ = $2; }
  ;
stmt_list:
    stmt                     { $$ = LIST(StmtList); if ($1) PUSH($$, $1); }
  | stmt_list end stmt       { $$ = $1; if ($3) PUSH($$, $3); }
  ;

stmt:
    name ASSIGN expr
        { $$ = STMT(STMT_ASSIGN, @$); $$->name = $1; $$->value = $3; }
  | WEIGHT name dims ASSIGN expr
        { $$ = parser_declare(parser, STMT_WEIGHT, @$, $2, $3, $5); }
  | STATE name dims ASSIGN expr
        { $$ = parser_declare(parser, STMT_STATE, @$, $2, $3, $5); }
  | name ARROW expr
        { $$ = STMT(STMT_UPDATE, @$); $$->name = $1; $$->value = $3; }
  | RETURN expr
        { $$ = STMT(STMT_RETURN, @$); $$->value = $2; }
  | if_stmt
  | FOR name IN expr block
        { $$ = STMT(STMT_FOR, @$); $$->name = $2; $$->value = $4;
          $$->body = $5; }
  | ASSERT expr
        { $$ = STMT(STMT_ASSERT, @$); $$->value = $2; }
  | ASSERT expr COMMA string
        { $$ = STMT(STMT_ASSERT, @$); $$->value = $2; $$->text = $4.text; }
  | expr
        { $$ = STMT(STMT_EXPR, @$); $$->value = $1; }
  | INPUT names ASSIGN expr clauses
        { $$ = STMT(STMT_INPUT, @$); $$->words = $2; $$->value = $4;
          $$->clauses = $5; }
  | MINIMIZE expr
        { $$ = STMT(STMT_MINIMIZE, @$); $$->value = $2; }
  | USING name OPEN args CLOSE on
        { $$ = STMT(STMT_USING, @$); $$->name = $2; $$->args = $4;
          $$->words = $6; }
  | REPORT arg_list
        { $$ = STMT(STMT_REPORT, @$); $$->args = $2; }
  | FREEZE strings
        { $$ = STMT(STMT_FREEZE, @$); $$->words = $2; }
  | FOR error block          { $$ = NULL; }
  | IF error block           { $$ = NULL; }
  | FOR error                { $$ = NULL; }
  | IF error                 { $$ = NULL; }
  | error                    { $$ = NULL; }
  ;

if_stmt:
    IF condition block otherwise
        { $$ = STMT(STMT_IF, @$); $$->value = $2; $$->body = $3;
          $$->other = $4; }
  ;
condition: expr;
otherwise:
    %empty                   { $$ = NULL; }
  | ELSE block               { $$ = $2; }
  | ELSE if_stmt             { $$ = LIST(StmtList); PUSH($$, $2); }
  ;

dims:
    %empty                   { $$ = NULL; }
  | OPEN_LIST list_items CLOSE_LIST { $$ = $2; }
  ;

clauses:
    %empty                   { $$ = LIST(ArgList); }
  | clauses COMMA clause     { PUSH($$ = $1, $3); }
  ;
clause:
    AUGMENT expr  { $$ = (Arg){parser_word(parser, "augment", @1), $2}; }
  | EVALUATE expr { $$ = (Arg){parser_word(parser, "evaluate", @1), $2}; }
  ;

on:
    %empty                   { $$ = NULL; }
  | ON strings               { $$ = $2; }
  ;
names:
    name                     { $$ = LIST(WordList); PUSH($$, $1); }
  | names COMMA name         { PUSH($$ = $1, $3); }
  ;
strings:
    string                   { $$ = LIST(WordList); PUSH($$, $1); }
  | strings COMMA string     { PUSH($$ = $1, $3); }
  ;
name: NAME                   { $$ = parser_word(parser, $1, @1); };
string: STRING               { $$ = parser_word(parser, $1, @1); };

args:
    %empty                   { $$ = LIST(ArgList); }
  | arg_list
  | arg_list COMMA
  ;
arg_list:
    arg                      { $$ = LIST(ArgList); PUSH($$, $1); }
  | arg_list COMMA arg       { PUSH($$ = $1, $3); }
  ;
arg:
    expr                     { $$ = (Arg){.value = $1}; }
  | name ASSIGN expr         { $$ = (Arg){$1, $3}; }
  ;

list_items:
    %empty                   { $$ = LIST(ExprList); }
  | exprs
  | exprs COMMA
  ;
exprs:
    expr                     { $$ = LIST(ExprList); PUSH($$, $1); }
  | exprs COMMA expr         { PUSH($$ = $1, $3); }
  ;

/* `as` names a call: in `x + f(y) as z` that of f. */
named:
    primary
  | named AS path { $$ = parser_as(parser, @$, $1, $3); }
  ;

expr:
    named
  | IF condition THEN expr ELSE expr
        { $$ = parser_choice(parser, @$, $2, $4, $6); }
  | expr OR expr        { $$ = parser_binary(parser, @$, OPERATOR_OR, $1, $3); }
  | expr AND expr
        { $$ = parser_binary(parser, @$, OPERATOR_AND, $1, $3); }
  | NOT expr            { $$ = parser_unary(parser, @$, OPERATOR_NOT, $2); }
  | expr EQ expr        { $$ = parser_binary(parser, @$, OPERATOR_EQ, $1, $3); }
  | expr NE expr        { $$ = parser_binary(parser, @$, OPERATOR_NE, $1, $3); }
  | expr LT expr        { $$ = parser_binary(parser, @$, OPERATOR_LT, $1, $3); }
  | expr LE expr        { $$ = parser_binary(parser, @$, OPERATOR_LE, $1, $3); }
  | expr GT expr        { $$ = parser_binary(parser, @$, OPERATOR_GT, $1, $3); }
  | expr GE expr        { $$ = parser_binary(parser, @$, OPERATOR_GE, $1, $3); }
  | expr TO expr        { $$ = parser_range(parser, @$, $1, $3, false); }
  | expr TO_INCLUSIVE expr { $$ = parser_range(parser, @$, $1, $3, true); }
  | expr ADD expr
        { $$ = parser_binary(parser, @$, OPERATOR_ADD, $1, $3); }
  | expr SUB expr
        { $$ = parser_binary(parser, @$, OPERATOR_SUB, $1, $3); }
  | expr MUL expr
        { $$ = parser_binary(parser, @$, OPERATOR_MUL, $1, $3); }
  | expr DIV expr
        { $$ = parser_binary(parser, @$, OPERATOR_DIV, $1, $3); }
  | expr FLOOR_DIV expr
        { $$ = parser_binary(parser, @$, OPERATOR_FLOOR_DIV, $1, $3); }
  | expr MOD expr
        { $$ = parser_binary(parser, @$, OPERATOR_MOD, $1, $3); }
  | expr MATMUL expr
        { $$ = parser_binary(parser, @$, OPERATOR_MATMUL, $1, $3); }
  | SUB expr %prec NEG  { $$ = parser_unary(parser, @$, OPERATOR_NEG, $2); }
  | expr POW expr
        { $$ = parser_binary(parser, @$, OPERATOR_POW, $1, $3); }
  ;

primary:
    INT          { $$ = NEW(EXPR_INT, @$); $$->whole = $1; }
  | FLOAT        { $$ = NEW(EXPR_FLOAT, @$); $$->number = $1; }
  | STRING       { $$ = NEW(EXPR_STRING, @$); $$->text = $1; }
  | TRUE         { $$ = NEW(EXPR_BOOL, @$); $$->truth = true; }
  | FALSE        { $$ = NEW(EXPR_BOOL, @$); }
  | NONE         { $$ = NEW(EXPR_NONE, @$); }
  | NAME         { $$ = NEW(EXPR_NAME, @$); $$->text = $1; }
  | OPEN expr CLOSE { $$ = $2; }
  | OPEN_LIST list_items CLOSE_LIST
        { $$ = parser_list(parser, @$, $2); }
  | primary OPEN args CLOSE
        { $$ = parser_call(parser, @$, $1, $3); }
  | primary OPEN_LIST expr CLOSE_LIST
        { $$ = parser_index(parser, @$, $1, $3); }
  | primary DOT NAME
        { $$ = parser_member(parser, @$, $1, $3); }
  ;

path:
    PATH_TEXT
        { $$ = LIST(Path); PUSH($$, ((PathPiece){.text = $1})); }
  | OPEN_PIECE expr CLOSE_PIECE
        { $$ = LIST(Path); PUSH($$, ((PathPiece){.expr = $2})); }
  | path PATH_TEXT
        { PUSH($$ = $1, ((PathPiece){.text = $2})); }
  | path OPEN_PIECE expr CLOSE_PIECE
        { PUSH($$ = $1, ((PathPiece){.expr = $3})); }
  ;

%%

/* Which tokens the parser could have taken, and what it got instead. */
static int yyreport_syntax_error(const yypcontext_t *context, Parser *parser)
{
    yysymbol_kind_t kinds[YYNTOKENS];
    int count = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
    const char *names[YYNTOKENS];
    for (int i = 0; i < count; i++)
        names[i] = yysymbol_name(kinds[i]);
    parser_report_syntax(parser, *yypcontext_location(context),
                         yysymbol_name(yypcontext_token(context)), count,
                         names);
    return 0;
}

static void lang_yyerror(const Span *at, Parser *parser, const char *message)
{
    (void)message; // the only one left is "memory exhausted"
    parser_report_depth(parser, *at);
}
