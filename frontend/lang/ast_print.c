// The tree as indented text: one line a node, children two spaces further in.
#include <inttypes.h>

#include "frontend/lang/ast.h"

const char *operator_text(Operator op)
{
    static const char *const texts[] = {
#define OPERATOR(id, text) text,
#include "frontend/lang/operators.def"
#undef OPERATOR
    };
    return texts[op];
}

static void print_path(const Path *path, Text *out)
{
    for (int i = 0; i < path->count; i++) {
        if (path->at[i].text) {
            text_add(out, path->at[i].text);
            continue;
        }
        text_add(out, "{");
        ast_print_expr(path->at[i].expr, out);
        text_add(out, "}");
    }
}

static void print_args(const ArgList *args, Text *out)
{
    for (int i = 0; i < args->count; i++) {
        text_add(out, i ? ", " : "");
        if (args->at[i].name.text)
            text_addf(out, "%s%s", args->at[i].name.text,
                      args->at[i].value ? " = " : "");
        if (args->at[i].value)
            ast_print_expr(args->at[i].value, out);
    }
}

static void print_list(const ExprList *items, Text *out)
{
    text_add(out, "[");
    for (int i = 0; i < items->count; i++) {
        text_add(out, i ? ", " : "");
        ast_print_expr(items->at[i], out);
    }
    text_add(out, "]");
}

void ast_print_number(double number, Text *out)
{
    size_t start = out->length;
    text_add_double(out, number);
    if (!strpbrk(out->at + start, ".einf"))
        text_add(out, ".0");
}

// Every operator with its parentheses: the dump shows what binds to what.
void ast_print_expr(const Expr *expr, Text *out)
{
    switch (expr->kind) {
    case EXPR_POISON:
        text_add(out, "<error>");
        break;
    case EXPR_INT:
        text_addf(out, "%" PRId64, expr->whole);
        break;
    case EXPR_FLOAT:
        ast_print_number(expr->number, out);
        break;
    case EXPR_BOOL:
        text_add(out, expr->truth ? "true" : "false");
        break;
    case EXPR_STRING:
        text_add_json(out, expr->text);
        break;
    case EXPR_NONE:
        text_add(out, "none");
        break;
    case EXPR_NAME:
        text_add(out, expr->text);
        break;
    case EXPR_LIST:
        print_list(expr->items, out);
        break;
    case EXPR_UNARY:
        text_addf(out, "(%s ", operator_text(expr->op));
        ast_print_expr(expr->left, out);
        text_add(out, ")");
        break;
    case EXPR_BINARY:
    case EXPR_RANGE:
        text_add(out, "(");
        ast_print_expr(expr->left, out);
        text_addf(out, " %s ",
                  expr->kind == EXPR_BINARY ? operator_text(expr->op)
                  : expr->truth             ? "..="
                                            : "..");
        ast_print_expr(expr->right, out);
        text_add(out, ")");
        break;
    case EXPR_CALL:
        ast_print_expr(expr->left, out);
        text_add(out, "(");
        print_args(expr->args, out);
        text_add(out, ")");
        break;
    case EXPR_INDEX:
        ast_print_expr(expr->left, out);
        text_add(out, "[");
        ast_print_expr(expr->right, out);
        text_add(out, "]");
        break;
    case EXPR_MEMBER:
        ast_print_expr(expr->left, out);
        text_addf(out, ".%s", expr->text);
        break;
    case EXPR_CHOICE:
        text_add(out, "(if ");
        ast_print_expr(expr->condition, out);
        text_add(out, " then ");
        ast_print_expr(expr->left, out);
        text_add(out, " else ");
        ast_print_expr(expr->right, out);
        text_add(out, ")");
        break;
    case EXPR_AS:
        text_add(out, "(");
        ast_print_expr(expr->left, out);
        text_add(out, " as ");
        print_path(expr->path, out);
        text_add(out, ")");
        break;
    }
}

static void print_words(const WordList *words, bool quoted, Text *out)
{
    for (int i = 0; words && i < words->count; i++) {
        text_add(out, i ? ", " : "");
        if (quoted)
            text_add_json(out, words->at[i].text);
        else
            text_add(out, words->at[i].text);
    }
}

static void print_block(const StmtList *body, int depth, Text *out);

static void print_value(const char *before, const Stmt *stmt, Text *out)
{
    text_add(out, before);
    ast_print_expr(stmt->value, out);
}

static void print_stmt(const Stmt *stmt, int depth, Text *out)
{
    text_addf(out, "%*s", 2 * depth, "");
    switch (stmt->kind) {
    case STMT_ASSIGN:
    case STMT_UPDATE:
        text_add(out, stmt->name.text);
        print_value(stmt->kind == STMT_ASSIGN ? " = " : " <- ", stmt, out);
        break;
    case STMT_WEIGHT:
    case STMT_STATE:
        text_addf(out, "%s %s", stmt->kind == STMT_WEIGHT ? "weight" : "state",
                  stmt->name.text);
        if (stmt->dims)
            print_list(stmt->dims, out);
        print_value(" = ", stmt, out);
        break;
    case STMT_RETURN:
        print_value("return ", stmt, out);
        break;
    case STMT_IF:
        print_value("if ", stmt, out);
        break;
    case STMT_FOR:
        text_addf(out, "for %s", stmt->name.text);
        print_value(" in ", stmt, out);
        break;
    case STMT_ASSERT:
        print_value("assert ", stmt, out);
        if (stmt->text) {
            text_add(out, ", ");
            text_add_json(out, stmt->text);
        }
        break;
    case STMT_EXPR:
        print_value("", stmt, out);
        break;
    case STMT_INPUT:
        text_add(out, "input ");
        print_words(stmt->words, false, out);
        print_value(" = ", stmt, out);
        for (int i = 0; i < stmt->clauses->count; i++) {
            text_addf(out, ", %s ", stmt->clauses->at[i].name.text);
            ast_print_expr(stmt->clauses->at[i].value, out);
        }
        break;
    case STMT_MINIMIZE:
        print_value("minimize ", stmt, out);
        break;
    case STMT_USING:
        text_addf(out, "using %s(", stmt->name.text);
        print_args(stmt->args, out);
        text_add(out, stmt->words ? ") on " : ")");
        print_words(stmt->words, true, out);
        break;
    case STMT_REPORT:
        text_add(out, "report ");
        print_args(stmt->args, out);
        break;
    case STMT_FREEZE:
        text_add(out, "freeze ");
        print_words(stmt->words, true, out);
        break;
    }
    text_add(out, "\n");
    if (stmt->body)
        print_block(stmt->body, depth + 1, out);
    if (stmt->other) {
        text_addf(out, "%*selse\n", 2 * depth, "");
        print_block(stmt->other, depth + 1, out);
    }
}

static void print_block(const StmtList *body, int depth, Text *out)
{
    for (int i = 0; i < body->count; i++)
        print_stmt(body->at[i], depth, out);
}

static void print_phase(const PhaseItem *phase, Text *out)
{
    text_addf(out, "phase %s(", phase->name.text);
    print_args(phase->options, out);
    text_add(out, ")");
    if (phase->from.text)
        text_addf(out, phase->from_file ? " from \"%s\"" : " from %s",
                  phase->from.text);
    text_add(out, phase->only ? " only " : "");
    print_words(phase->only, true, out);
    text_add(out, phase->except ? " except " : "");
    print_words(phase->except, true, out);
    if (phase->teacher.text)
        text_addf(out, " with %s = %s", phase->teacher_name.text,
                  phase->teacher.text);
    text_add(out, "\n");
    print_block(phase->body, 1, out);
}

void ast_print(const Program *program, Text *out)
{
    for (int i = 0; i < program->imports.count; i++) {
        text_add(out, "import ");
        text_add_json(out, program->imports.at[i].path.text);
        text_add(out, "\n");
    }
    for (int i = 0; i < program->params.count; i++) {
        const ParamItem *param = program->params.at[i];
        text_addf(out, "param %s = ", param->name.text);
        ast_print_expr(param->value, out);
        text_add(out, param->range ? " in " : "");
        if (param->range)
            ast_print_expr(param->range, out);
        text_addf(out, "%s%s\n", *param->doc ? "  # " : "", param->doc);
    }
    for (int i = 0; i < program->defs.count; i++) {
        const DefItem *def = program->defs.at[i];
        text_addf(out, "%s %s(", def->is_optimizer ? "optimizer" : "def",
                  def->name.text);
        print_args(def->formals, out);
        text_add(out, def->value ? ") = " : ")");
        if (def->value)
            ast_print_expr(def->value, out);
        text_add(out, "\n");
        if (def->body)
            print_block(def->body, 1, out);
    }
    for (int i = 0; i < program->phases.count; i++)
        print_phase(program->phases.at[i], out);
}
