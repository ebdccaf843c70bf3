#include "frontend/lang/reads.h"

// The keys are what counts; their value is any pointer but NULL.
void read_names(const Expr *expr, Map *names)
{
    if (!expr)
        return;
    if (expr->kind == EXPR_NAME)
        map_set(names, expr->text, names);
    read_names(expr->condition, names);
    read_names(expr->left, names);
    read_names(expr->right, names);
    for (int i = 0; expr->items && i < expr->items->count; i++)
        read_names(expr->items->at[i], names);
    if (expr->args)
        read_args(expr->args, names);
    for (int i = 0; expr->path && i < expr->path->count; i++)
        read_names(expr->path->at[i].expr, names);
}

void read_args(const ArgList *args, Map *names)
{
    for (int i = 0; i < args->count; i++)
        read_names(args->at[i].value, names);
}

static bool sets_needed(const Stmt *stmt, const Map *needed)
{
    if (stmt->kind == STMT_ASSIGN || stmt->kind == STMT_WEIGHT ||
        stmt->kind == STMT_STATE)
        return map_get(needed, stmt->name.text);
    const StmtList *blocks[] = {stmt->body, stmt->other};
    for (int b = 0; b < 2; b++)
        for (int i = 0; blocks[b] && i < blocks[b]->count; i++)
            if (sets_needed(blocks[b]->at[i], needed))
                return true;
    return false;
}

static void read_stmt(const Stmt *stmt, Map *names)
{
    read_names(stmt->value, names);
    for (int i = 0; stmt->dims && i < stmt->dims->count; i++)
        read_names(stmt->dims->at[i], names);
    const StmtList *blocks[] = {stmt->body, stmt->other};
    for (int b = 0; b < 2; b++)
        for (int i = 0; blocks[b] && i < blocks[b]->count; i++)
            read_stmt(blocks[b]->at[i], names);
}

bool find_needed(Arena *arena, const StmtList *body, const char *name,
                 bool *keep)
{
    Map needed = map_new(arena);
    map_set(&needed, name, &needed);
    bool found = false;
    for (int i = body->count - 1; i >= 0; i--) {
        keep[i] = sets_needed(body->at[i], &needed);
        if (keep[i])
            read_stmt(body->at[i], &needed);
        found = found || keep[i];
    }
    return found;
}

const Stmt *find_input(const StmtList *body)
{
    for (int i = 0; body && i < body->count; i++) {
        const Stmt *stmt = body->at[i], *found = find_input(stmt->body);
        if (stmt->kind == STMT_INPUT)
            return stmt;
        found = found ? found : find_input(stmt->other);
        if (found)
            return found;
    }
    return NULL;
}

bool words_match(const WordList *patterns, const char *name)
{
    for (int i = 0; i < patterns->count; i++)
        if (text_glob(patterns->at[i].text, name))
            return true;
    return false;
}
