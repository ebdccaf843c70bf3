// teacher.NAME(args): another phase's statements, run without training, as far
// as they are needed for NAME. Its parameters are frozen and their names begin
// with "teacher.".
#include "frontend/lang/eval.h"
#include "frontend/lang/reads.h"
#include "frontend/lang/tensor.h"

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

// What the phase minimizes, reports and feeds its optimizers is not run, nor is
// its input, which the arguments stand for.
static Datum run_needed(Sema *s, const Expr *expr, Phase *teacher,
                        const char *name, const Datum *args)
{
    const StmtList *body = teacher->item->body;
    bool *keep = ARENA_ARRAY(s->arena, bool, body->count + 1);
    if (!find_needed(s->arena, body, name, keep))
        return fail_name(s, expr, teacher, name);
    const Stmt *input = find_input(teacher->item->body);
    if (expr->args->count > (input ? input->words->count : 0))
        return sema_fail(s, expr->pos,
                         "phase `%s` has fewer inputs than arguments given",
                         teacher->item->name.text);
    frame_push(s, FRAME_TEACHER, teacher->module,
               arena_printf(s->arena, "%s.%s", teacher->item->name.text, name),
               expr->pos);
    for (int i = 0; i < teacher->options.count; i++) {
        const Option *option = &teacher->options.at[i];
        frame_bind(s, s->frame, option->name, option->value, option->pos);
    }
    for (int i = 0; i < expr->args->count; i++)
        frame_bind(s, s->frame, input->words->at[i].text, args[i],
                   expr->args->at[i].value->pos);
    for (int i = 0; i < body->count; i++)
        if (keep[i])
            exec_stmt(s, body->at[i]);
    const Binding *binding = frame_find(s->frame, name);
    Datum result = binding ? binding->value : datum_poison();
    bool untold = !binding && !s->frame->damaged;
    frame_pop(s);
    if (untold)
        sema_fail(s, expr->left->pos,
                  "phase `%s` sets no `%.40s` when it is run without training",
                  teacher->item->name.text, name);
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
    return tensor_stop_gradients(s, &site, result);
}
