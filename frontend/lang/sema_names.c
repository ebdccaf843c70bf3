// Names in bodies that no run elaborates: of defs nobody calls, and of
// branches not taken. Only what is wrong whatever the values are is said here:
// names that nothing sets, arguments a def does not have, and optimizers that
// leave their weight as it is.
#include <string.h>

#include "frontend/lang/eval.h"
#include "frontend/lang/stages.h"

// ---- expressions ------------------------------------------------------------

static void check_expr(Sema *s, const Expr *expr);

static void check_args(Sema *s, const ArgList *args)
{
    for (int i = 0; args && i < args->count; i++)
        check_expr(s, args->at[i].value);
}

// The arguments of a def that no variable hides and one import alone defines.
static void check_call(Sema *s, const Expr *expr)
{
    const char *names[MAX_FORMALS];
    int slots[MAX_FORMALS];
    const char *name = expr->left->text;
    if (expr->left->kind != EXPR_NAME || frame_find(s->frame, name))
        return;
    const Global *global = map_get(&s->frame->module->visible, name);
    const Function *function = global ? global->function : NULL;
    if (!function || global->rival || function->def->is_optimizer)
        return;
    int count = formal_names(function->def, names);
    if (!match_args(s, function_name(function), expr->pos, 0, count, names,
                    expr->args, slots))
        sema_note(s, function->def->name.pos, "`%s` is defined here",
                  function_name(function));
}

// The name of a special form is no value, and nothing sets it.
static void check_expr(Sema *s, const Expr *expr)
{
    if (!expr)
        return;
    if (expr->kind == EXPR_NAME)
        sema_check_name(s, expr->text, expr->pos);
    if (expr->kind == EXPR_CALL)
        check_call(s, expr);
    check_expr(s, expr->condition);
    if (expr->kind != EXPR_CALL || !is_special_form(s, expr->left))
        check_expr(s, expr->left);
    check_expr(s, expr->right);
    for (int i = 0; expr->items && i < expr->items->count; i++)
        check_expr(s, expr->items->at[i]);
    check_args(s, expr->args);
    for (int i = 0; expr->path && i < expr->path->count; i++)
        check_expr(s, expr->path->at[i].expr);
}

// ---- bodies -----------------------------------------------------------------

// Its kind and order are unknown here; that it exists is enough.
static void bind(Sema *s, Word name)
{
    if (name.text)
        frame_bind(s, s->frame, name.text, datum_poison(), name.pos);
}

// Blocks open no scope: a name set anywhere in a body is a name of all of it.
static void bind_block(Sema *s, const StmtList *body)
{
    for (int i = 0; body && i < body->count; i++) {
        const Stmt *stmt = body->at[i];
        if (stmt->kind == STMT_ASSIGN || stmt->kind == STMT_WEIGHT ||
            stmt->kind == STMT_STATE || stmt->kind == STMT_FOR)
            bind(s, stmt->name);
        for (int k = 0; stmt->kind == STMT_INPUT && k < stmt->words->count; k++)
            bind(s, stmt->words->at[k]);
        bind_block(s, stmt->body);
        bind_block(s, stmt->other);
    }
}

static void check_block(Sema *s, const StmtList *body)
{
    for (int i = 0; body && i < body->count; i++) {
        const Stmt *stmt = body->at[i];
        check_expr(s, stmt->value);
        for (int k = 0; stmt->dims && k < stmt->dims->count; k++)
            check_expr(s, stmt->dims->at[k]);
        check_args(s, stmt->args);
        check_args(s, stmt->clauses);
        check_block(s, stmt->body);
        check_block(s, stmt->other);
    }
}

// The first statement of that kind that sets the name; NULL when none does.
static const Stmt *find_setting(const StmtList *body, StmtKind kind,
                                const char *name)
{
    const Stmt *found = NULL;
    for (int i = 0; body && i < body->count && !found; i++) {
        const Stmt *stmt = body->at[i];
        if (stmt->kind == kind && strcmp(stmt->name.text, name) == 0)
            return stmt;
        found = find_setting(stmt->body, kind, name);
        if (!found)
            found = find_setting(stmt->other, kind, name);
    }
    return found;
}

// An optimizer without `w <- ...` would train nothing, and nobody would know.
static void check_optimizer(Sema *s, const DefItem *def)
{
    const char *weight = def->formals->at[0].name.text;
    if (find_setting(def->body, STMT_UPDATE, weight))
        return;
    const Stmt *bound = find_setting(def->body, STMT_ASSIGN, weight);
    if (bound)
        sema_fail(s, bound->pos,
                  "`=` gives the name `%s` to another value and leaves the "
                  "weight as it is, so `%s` trains nothing: %s <- ...",
                  weight, def->name.text, weight);
    else
        sema_fail(s, def->name.pos,
                  "`%s` gives its weight no new value, and trains nothing: "
                  "%s <- ...",
                  def->name.text, weight);
}

void names_check(Sema *s)
{
    for (int i = 0; i < s->modules.count; i++) {
        const Module *module = s->modules.at[i];
        for (int k = 0; k < module->program->defs.count; k++) {
            const DefItem *def = module->program->defs.at[k];
            frame_push(s, FRAME_FUNCTION, module, NULL, def->name.pos);
            for (int f = 0; f < def->formals->count; f++)
                bind(s, def->formals->at[f].name);
            bind_block(s, def->body);
            check_args(s, def->formals);
            check_expr(s, def->value);
            check_block(s, def->body);
            if (def->is_optimizer)
                check_optimizer(s, def);
            frame_pop(s);
        }
    }
    for (int i = 0; i < s->phases.count; i++) {
        const Phase *phase = s->phases.at[i];
        const PhaseItem *item = phase->item;
        frame_push(s, FRAME_PHASE, phase->module, NULL, item->name.pos);
        for (int k = 0; item->options && k < item->options->count; k++)
            bind(s, item->options->at[k].name);
        bind(s, item->teacher_name);
        bind_block(s, item->body);
        check_block(s, item->body);
        frame_pop(s);
    }
}
