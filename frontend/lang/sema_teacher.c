// teacher.NAME(args): another phase's statements, run without training, as far
// as they are needed for NAME. Its parameters are frozen and their names begin
// with "teacher.".
#include <string.h>

#include "frontend/lang/sema.h"

// ---- which statements NAME needs --------------------------------------------

void read_names(Sema *s, const Expr *expr, Map *names)
{
    if (!expr)
        return;
    if (expr->kind == EXPR_NAME)
        map_set(names, expr->text, s);
    read_names(s, expr->condition, names);
    read_names(s, expr->left, names);
    read_names(s, expr->right, names);
    for (int i = 0; expr->items && i < expr->items->count; i++)
        read_names(s, expr->items->at[i], names);
    if (expr->args)
        read_args(s, expr->args, names);
    for (int i = 0; expr->path && i < expr->path->count; i++)
        read_names(s, expr->path->at[i].expr, names);
}

void read_args(Sema *s, const ArgList *args, Map *names)
{
    for (int i = 0; i < args->count; i++)
        read_names(s, args->at[i].value, names);
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

static void read_stmt(Sema *s, const Stmt *stmt, Map *names)
{
    read_names(s, stmt->value, names);
    for (int i = 0; stmt->dims && i < stmt->dims->count; i++)
        read_names(s, stmt->dims->at[i], names);
    const StmtList *blocks[] = {stmt->body, stmt->other};
    for (int b = 0; b < 2; b++)
        for (int i = 0; blocks[b] && i < blocks[b]->count; i++)
            read_stmt(s, blocks[b]->at[i], names);
}

bool find_needed(Sema *s, const StmtList *body, const char *name, bool *keep)
{
    Map needed = map_new(s->arena);
    map_set(&needed, name, s);
    bool found = false;
    for (int i = body->count - 1; i >= 0; i--) {
        keep[i] = sets_needed(body->at[i], &needed);
        if (keep[i])
            read_stmt(s, body->at[i], &needed);
        found = found || keep[i];
    }
    return found;
}

// ---- running them -----------------------------------------------------------

Datum stop_gradients(Sema *s, const Site *site, Datum x)
{
    if (x.kind == DATUM_TENSOR)
        return tensor_unary(s, site, OP_STOP_GRADIENT, x.tensor);
    if (x.kind != DATUM_LIST)
        return x;
    DatumList *list = ARENA_NEW(s->arena, DatumList);
    list->count = x.list->count;
    list->at = ARENA_ARRAY(s->arena, Datum, list->count + 1);
    for (int i = 0; i < list->count; i++) {
        list->at[i] = stop_gradients(s, site, x.list->at[i]);
        if (list->at[i].kind == DATUM_POISON)
            return datum_poison();
    }
    return (Datum){.kind = DATUM_LIST, .list = list};
}

static const Stmt *input_in(const StmtList *body)
{
    for (int i = 0; body && i < body->count; i++) {
        const Stmt *stmt = body->at[i], *found = input_in(stmt->body);
        if (stmt->kind == STMT_INPUT)
            return stmt;
        found = found ? found : input_in(stmt->other);
        if (found)
            return found;
    }
    return NULL;
}

const Stmt *input_of(const Phase *phase)
{
    return input_in(phase->item->body);
}

static Datum fail_name(Sema *s, const Expr *expr, const Phase *teacher,
                       const char *name)
{
    const StmtList *body = teacher->item->body;
    VEC(const char *) names = {0};
    for (int i = 0; i < body->count; i++)
        if (body->at[i]->kind == STMT_ASSIGN)
            vec_push(s->arena, &names, body->at[i]->name.text);
    return sema_fail(s, expr->left->pos, "phase `%s` sets no `%.40s`%s",
                     teacher->item->name.text, name,
                     sema_suggest(s, name, names.at, names.count));
}

// Binds the teacher's options and inputs in its frame.
static void bind_inputs(Sema *s, const Expr *expr, const Phase *teacher,
                        const Datum *args)
{
    for (int i = 0; i < teacher->options.count; i++) {
        const Option *option = &teacher->options.at[i];
        frame_bind(s, s->frame, option->name, option->value, option->pos);
    }
    const Stmt *input = input_of(teacher);
    for (int i = 0; i < expr->args->count; i++)
        frame_bind(s, s->frame, input->words->at[i].text, args[i],
                   expr->args->at[i].value->pos);
}

static Datum run_needed(Sema *s, const Expr *expr, Phase *teacher,
                        const char *name, const Datum *args)
{
    const StmtList *body = teacher->item->body;
    bool *keep = ARENA_ARRAY(s->arena, bool, body->count + 1);
    if (!find_needed(s, body, name, keep))
        return fail_name(s, expr, teacher, name);
    const Stmt *input = input_of(teacher);
    if (expr->args->count > (input ? input->words->count : 0))
        return sema_fail(s, expr->pos,
                         "phase `%s` has fewer inputs than arguments given",
                         teacher->item->name.text);
    frame_push(s, FRAME_TEACHER, teacher->module,
               arena_printf(s->arena, "%s.%s", teacher->item->name.text, name),
               expr->pos);
    bind_inputs(s, expr, teacher, args);
    for (int i = 0; i < body->count; i++)
        if (keep[i])
            exec_stmt(s, body->at[i]);
    const Binding *binding = frame_find(s->frame, name);
    Datum result = binding ? binding->value : datum_poison();
    frame_pop(s);
    return result;
}

Datum teacher_call(Sema *s, const Expr *expr, Phase *teacher, const char *name)
{
    enum { MAX_INPUTS = 8 };
    Datum args[MAX_INPUTS];
    if (teacher->state != PHASE_DONE) { // its errors were reported
        s->build->failed = true;
        return datum_poison();
    }
    if (expr->args->count > MAX_INPUTS)
        return sema_fail(s, expr->pos, "too many arguments");
    for (int i = 0; i < expr->args->count; i++) {
        if (expr->args->at[i].name.text)
            return sema_fail(s, expr->args->at[i].name.pos,
                             "a teacher's inputs are given in their order, "
                             "without names");
        args[i] = eval_expr(s, expr->args->at[i].value);
        if (args[i].kind == DATUM_POISON)
            return args[i];
    }
    const Build outer = *s->build;
    s->build->training = false;
    s->build->sharing = true; // called twice, it is the same network
    s->build->frozen = true;
    s->build->scope = "teacher";
    Datum result = run_needed(s, expr, teacher, name, args);
    s->build->training = outer.training;
    s->build->sharing = outer.sharing;
    s->build->frozen = outer.frozen;
    s->build->scope = outer.scope;
    Site site = {
        .build = s->build, .pos = expr->pos, .what = "the teacher's output"};
    return stop_gradients(s, &site, result);
}
