// What phases and optimizers say of the step: minimize, report, using. They are
// noted in the build; sema_train.c makes gradients and updates of it.
#include <string.h>

#include "frontend/lang/eval.h"
#include "frontend/lang/module.h"
#include "frontend/lang/tensor.h"

// ---- losses and reports -----------------------------------------------------

// A scalar or vector tensor of numbers, or NO_VALUE after a diagnostic.
static Value eval_quantity(Sema *s, const Expr *expr, const char *what)
{
    Datum x = eval_expr(s, expr);
    const Expr *const exprs[] = {expr};
    Site site = {s->build, expr->pos, what, 1, &x, exprs};
    if (x.kind == DATUM_POISON) {
        s->build->failed = true;
        return NO_VALUE;
    }
    if (datum_is_number(x) && strcmp(what, "a report") == 0)
        x = tensor_constant(s, &site, 0, NULL, datum_number(x));
    else if (x.kind == DATUM_TENSOR)
        x = tensor_as_numbers(s, &site, x.tensor);
    else {
        sema_fail(s, expr->pos, "%s is a tensor, not %s", what,
                  datum_describe(s->arena, x, s->build->graph));
        return NO_VALUE;
    }
    if (x.kind != DATUM_TENSOR)
        return NO_VALUE;
    const TensorType *type = graph_type(s->build->graph, x.tensor);
    if (type->rank <= 1)
        return x.tensor;
    sema_error(s, expr->pos, "%s is a scalar or one number an image, not %s",
               what, type_text(s->arena, type));
    site_notes(s, &site);
    sema_trace(s);
    return NO_VALUE;
}

void exec_minimize(Sema *s, const Stmt *stmt)
{
    Value value = eval_quantity(s, stmt->value, "a loss");
    if (value != NO_VALUE || !s->build->losses.count)
        vec_push(s->arena, &s->build->losses, ((Loss){value, stmt->pos}));
}

// The name a report goes by: its own, its function's, or its variable's; no
// text after a diagnostic.
static Word report_name(Sema *s, const Arg *arg)
{
    const Expr *expr = arg->value;
    if (arg->name.text)
        return arg->name;
    while (expr->kind == EXPR_AS)
        expr = expr->left;
    if (expr->kind == EXPR_CALL && expr->left->kind == EXPR_NAME)
        return (Word){expr->left->text, expr->pos};
    if (expr->kind == EXPR_NAME)
        return (Word){expr->text, expr->pos};
    sema_fail(s, expr->pos, "this report needs a name: report NAME = ...");
    return (Word){0};
}

// Is it what a run writes of itself beside reports, into a line of
// metrics.jsonl or a phase's state?
static bool is_of_run(const char *name)
{
    static const char *const names[] = {"phase",
                                        "state",
                                        "step",
                                        "total_steps",
                                        "epoch",
                                        "batch",
                                        "images",
                                        "weights",
                                        "weight_bytes",
                                        "step_bytes",
                                        "step_kernels",
                                        "validation",
                                        "written",
                                        "seconds",
                                        "first_loss",
                                        "last_loss",
                                        "images_per_second",
                                        "input_wait",
                                        "weight_norm",
                                        "knn",
                                        "valid_images",
                                        "test_images",
                                        "best",
                                        "best_step",
                                        "since_best",
                                        "ended_early",
                                        "balanced_accuracy",
                                        "mean_average_precision"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool check_own(Sema *s, Word name)
{
    if (!is_of_run(name.text))
        return true;
    sema_fail(s, name.pos,
              "`%s` is what a run says of itself; give the report another "
              "name: report NAME = ...",
              name.text);
    return false;
}

// Reports are columns of the log and curves by these names, so each has its
// own.
static bool check_report(Sema *s, Word name)
{
    for (int i = 0; i < s->build->reports.count; i++) {
        if (strcmp(s->build->reports.at[i].name, name.text) != 0)
            continue;
        sema_error(s, name.pos,
                   "`%s` is reported twice; give one another name: report "
                   "NAME = ...",
                   name.text);
        sema_note(s, s->build->reports.at[i].pos, "first here");
        return false;
    }
    if (strcmp(name.text, "loss") == 0) {
        sema_fail(s, name.pos,
                  "`loss` is what is minimized; it is reported "
                  "anyway");
        return false;
    }
    if (!check_own(s, name))
        return false;
    if (s->build->reports.count == MAX_REPORTS || strlen(name.text) > 63) {
        sema_fail(s, name.pos,
                  "a phase has at most %d reports, with names "
                  "of at most 63 bytes",
                  MAX_REPORTS);
        return false;
    }
    return true;
}

void exec_report(Sema *s, const Stmt *stmt)
{
    for (int i = 0; i < stmt->args->count; i++) {
        const Arg *arg = &stmt->args->at[i];
        Word name = report_name(s, arg);
        Value value = eval_quantity(s, arg->value, "a report");
        if (name.text && check_report(s, name))
            vec_push(s->arena, &s->build->reports,
                     ((Report){name.text, name.pos, value}));
    }
}

// ---- optimizers -------------------------------------------------------------

// The optimizer of that name, or the one that the parameter of that name holds
// the name of.
static const Function *find_optimizer(Sema *s, Word word)
{
    const Module *module = s->frame->module;
    const Global *global = sema_global(s, module, word.text, word.pos);
    if (global && global->param && !global->rival) {
        Datum held = param_value(s, global->param);
        if (held.kind == DATUM_POISON) { // its error was reported
            s->build->failed = true;
            return NULL;
        }
        if (held.kind == DATUM_STRING) {
            word.text = held.text;
            global = sema_global(s, module, word.text, word.pos);
        }
    }
    if (global && global->rival)
        return NULL;
    if (global && global->function && global->function->def->is_optimizer)
        return global->function;
    VEC(const char *) names = {0};
    for (int i = 0; i < module->visible.entries.count; i++) {
        const Global *other = module->visible.entries.at[i].value;
        if (other->function && other->function->def->is_optimizer)
            vec_push(s->arena, &names, other->name);
    }
    const char *file = library_file(s, word.text);
    sema_error(s, word.pos, "there is no optimizer `%.60s`%s", word.text,
               file ? "" : sema_suggest(s, word.text, names.at, names.count));
    if (file)
        sema_note(s, word.pos, "defined in %s: import \"%s\"", file, file);
    sema_trace(s);
    return NULL;
}

// The arguments wait until the forward pass is complete: they are evaluated
// once, and shared by all weights.
void exec_using(Sema *s, const Stmt *stmt)
{
    Using *using = ARENA_NEW(s->arena, Using);
    using->stmt = stmt;
    using->optimizer = find_optimizer(s, stmt->name);
    vec_push(s->arena, &s->build->usings, using);
}

// ---- their reports ----------------------------------------------------------

// A report of the phase that has the name of an optimizer's, or of its least
// and most.
static const Report *report_like(const Build *build, const char *name)
{
    static const char *const endings[] = {"", "_least", "_most"};
    size_t length = strlen(name);
    for (int i = 0; i < build->reports.count; i++)
        for (int k = 0; k < 3; k++)
            if (strncmp(build->reports.at[i].name, name, length) == 0 &&
                strcmp(build->reports.at[i].name + length, endings[k]) == 0)
                return &build->reports.at[i];
    return NULL;
}

static bool check_name(Sema *s, Word name)
{
    int count = s->build->weight_reports.count;
    for (int i = 0; i < count; i++)
        if (strcmp(s->build->weight_reports.at[i], name.text) == 0)
            return true;
    const Report *like = report_like(s->build, name.text);
    if (like) {
        sema_fail(s, like->pos,
                  "`%s` is a number of the optimizer; give the report another "
                  "name: report NAME = ...",
                  like->name);
        return false;
    }
    if (!check_own(s, name))
        return false;
    if (count == MAX_WEIGHT_REPORTS || strlen(name.text) > 63) {
        sema_fail(s, name.pos,
                  "optimizers have at most %d reports, with names of at most "
                  "63 bytes",
                  MAX_WEIGHT_REPORTS);
        return false;
    }
    vec_push(s->arena, &s->build->weight_reports, name.text);
    return true;
}

// As a scalar; NO_VALUE after a diagnostic.
static Value eval_weight_number(Sema *s, const Expr *expr)
{
    Attr attrs[MAX_ATTRS] = {[DIMS_DIMS] = {.ints = {0, NULL}}};
    Datum x = eval_expr(s, expr);
    const Expr *const exprs[] = {expr};
    Site site = {s->build, expr->pos, "a report", 1, &x, exprs};
    if (datum_is_number(x))
        x = tensor_constant(s, &site, 0, NULL, datum_number(x));
    else if (x.kind == DATUM_TENSOR &&
             type_elements(graph_type(s->build->graph, x.tensor)) == 1)
        x = tensor_as_numbers(s, &site, x.tensor);
    else if (x.kind != DATUM_POISON)
        x = sema_fail(s, expr->pos,
                      "an optimizer reports one number a weight, not %s",
                      datum_describe(s->arena, x, s->build->graph));
    if (x.kind == DATUM_TENSOR &&
        graph_type(s->build->graph, x.tensor)->rank > 0)
        x = tensor_add(s, &site, OP_RESHAPE, 1, &x.tensor, attrs, NULL);
    return x.kind == DATUM_TENSOR ? x.tensor : NO_VALUE;
}

// A state and not an output: outputs of all weights at the end would keep
// every gradient alive until then.
static void report_weight(Sema *s, const Stmt *stmt, const Arg *arg)
{
    Word name = report_name(s, arg);
    if (!name.text || !check_name(s, name))
        return;
    Value value = eval_weight_number(s, arg->value);
    Stmt state = {.kind = STMT_STATE, .pos = stmt->pos, .name = name};
    Init zero = {"constant", 0};
    TensorType type = type_make(s->options->dtype, 0, NULL);
    const char *full = arena_printf(s->arena, "optimizer.report.%s.%s",
                                    name.text, s->frame->weight->name);
    Variable *variable =
        value != NO_VALUE ? make_variable(s, &state, full, &type, &zero) : NULL;
    if (!variable)
        return;
    variable->current = datum_tensor(value);
    variable->updated = true;
}

void exec_weight_report(Sema *s, const Stmt *stmt)
{
    for (int i = 0; i < stmt->args->count; i++)
        report_weight(s, stmt, &stmt->args->at[i]);
}
