// Calls: arguments to formals, defs, built-ins, and the special forms shared(),
// inference() and moving_average().
#include <string.h>

#include "frontend/lang/builtins.h"
#include "frontend/lang/eval.h"
#include "frontend/lang/module.h"
#include "frontend/lang/tensor.h"

// A positional argument goes by its place among the positional ones, whatever
// names stand between them, so f(b = 1, 2) gives `a`.
bool match_args(Sema *s, const char *callee, SourcePos pos, int first,
                int count, const char *const *names, const ArgList *args,
                int *slots)
{
    bool taken[MAX_FORMALS] = {false}, ok = true;
    int next = first;
    if (args->count > count - first) {
        sema_fail(s, pos, "`%s` takes %s%d argument%s, not %d", callee,
                  count > first ? "at most " : "", count - first,
                  count - first == 1 ? "" : "s", args->count);
        return false;
    }
    for (int i = 0; i < args->count; i++) {
        const Arg *arg = &args->at[i];
        const char *name = arg->name.text;
        int slot = name ? -1 : next++;
        for (int k = first; name && k < count && slot < 0; k++)
            slot = strcmp(names[k], name) == 0 ? k : -1;
        if (slot < 0) {
            const char *ours =
                foreign_argument(name, count - first, names + first);
            sema_fail(
                s, arg->name.pos, "`%s` has no argument `%.40s`%s", callee,
                name,
                ours ? arena_printf(s->arena, "; it is `%s` here", ours)
                     : sema_suggest(s, name, names + first, count - first));
        }
        if (slot >= 0 && taken[slot]) {
            sema_fail(s, arg->name.text ? arg->name.pos : arg->value->pos,
                      "`%s` is given `%s` twice", callee, names[slot]);
            slot = -1;
        }
        slots[i] = slot;
        if (slot >= 0)
            taken[slot] = true;
        ok = ok && slot >= 0;
    }
    return ok;
}

Datum fail_call(Sema *s, const ArgList *args)
{
    for (int i = 0; i < args->count && !s->stopped; i++)
        eval_expr(s, args->at[i].value);
    return datum_poison();
}

int formal_names(const DefItem *def, const char **names)
{
    for (int i = 0; i < def->formals->count; i++)
        names[i] = def->formals->at[i].name.text;
    return def->formals->count;
}

// ---- defs -------------------------------------------------------------------

bool bind_formals(Sema *s, const Function *function, SourcePos pos,
                  const Datum *given, const SourcePos *given_pos)
{
    const ArgList *formals = function->def->formals;
    for (int i = 0; i < formals->count; i++) {
        const Arg *formal = &formals->at[i];
        Datum value = given[i];
        SourcePos where = given_pos[i];
        if (value.kind == DATUM_ABSENT && !formal->value) {
            Frame *frame = s->frame; // the error is the caller's
            s->frame = frame->caller;
            sema_error(s, pos, "`%s` needs `%s`", function_name(function),
                       formal->name.text);
            sema_note(s, function->def->name.pos, "`%s` is defined here",
                      function_name(function));
            sema_trace(s);
            s->frame = frame;
            return false;
        }
        if (value.kind == DATUM_ABSENT) {
            value = eval_expr(s, formal->value);
            where = formal->value->pos;
        }
        if (value.kind == DATUM_POISON)
            return false;
        frame_bind(s, s->frame, formal->name.text, value, where);
    }
    return true;
}

static Datum run_body(Sema *s, const DefItem *def)
{
    if (def->value)
        return eval_expr(s, def->value);
    exec_block(s, def->body);
    if (s->frame->damaged && !s->frame->returned)
        return datum_poison();
    return s->frame->result;
}

// Said once, where the value is wanted first, not wherever it is used later.
static Datum fail_no_return(Sema *s, const Expr *expr, const Function *function)
{
    const char *name = function_name(function);
    const char *key =
        arena_printf(s->arena, "end of %p", (void *)function->def);
    s->build->failed = true;
    if (map_get(&s->said, key))
        return datum_poison();
    map_set(&s->said, key, s);
    sema_error(s, expr->pos, "`%s` returns nothing", name);
    sema_note(s, function->def->name.pos,
              "`%s` is defined here; it came to its end without a `return`",
              name);
    sema_trace(s);
    return datum_poison();
}

// Arguments are evaluated where the call stands, defaults in the frame of the
// def, in order: a default may read the formals before it. Weights that the
// arguments make belong to the scope of the call, those of the body to its own.
static Datum call_function(Sema *s, const Expr *expr, const Function *function,
                           const char *scope)
{
    bool for_effect = s->for_effect == expr;
    const char *name = function_name(function);
    const char *names[MAX_FORMALS];
    int slots[MAX_FORMALS];
    int count = formal_names(function->def, names);
    if (function->def->is_optimizer) {
        sema_fail(s, expr->pos,
                  "`%s` is an optimizer; a phase applies it: using %s(...)",
                  name, name);
        return fail_call(s, expr->args);
    }
    if (!match_args(s, name, expr->pos, 0, count, names, expr->args, slots)) {
        sema_note(s, function->def->name.pos, "`%s` is defined here", name);
        return fail_call(s, expr->args);
    }
    Datum given[MAX_FORMALS];
    SourcePos given_pos[MAX_FORMALS];
    for (int i = 0; i < count; i++)
        given[i] = (Datum){.kind = DATUM_ABSENT};
    bool bad = false;
    for (int i = 0; i < expr->args->count; i++) {
        const Expr *value = expr->args->at[i].value;
        given[slots[i]] = eval_expr(s, value);
        given_pos[slots[i]] = value->pos;
        bad = bad || given[slots[i]].kind == DATUM_POISON;
    }
    if (bad)
        return datum_poison();
    if (s->call_depth >= MAX_CALL_DEPTH) {
        sema_fail(s, expr->pos,
                  "calls nested more than %d deep; does `%s` call itself "
                  "without end?",
                  MAX_CALL_DEPTH, name);
        s->stopped = true;
        return datum_poison();
    }
    s->call_depth++;
    frame_push(s, FRAME_FUNCTION, function->module, name, expr->pos);
    const char *outer = s->build->scope;
    if (scope)
        s->build->scope = scope;
    Datum result = datum_poison();
    if (bind_formals(s, function, expr->pos, given, given_pos))
        result = run_body(s, function->def);
    bool ended = result.kind == DATUM_NONE && !function->def->value &&
                 !s->frame->returned;
    s->build->scope = outer;
    frame_pop(s);
    s->call_depth--;
    if (ended && !for_effect && !s->stopped)
        return fail_no_return(s, expr, function);
    return result;
}

// ---- built-ins --------------------------------------------------------------

bool fill_call(Sema *s, const Expr *expr, Call *call)
{
    int slots[MAX_FORMALS];
    if (!match_args(s, call->name, expr->pos, 0, call->count, call->names,
                    expr->args, slots)) {
        fail_call(s, expr->args);
        return false;
    }
    for (int i = 0; i < call->count; i++)
        call->args[i] = (Datum){.kind = DATUM_ABSENT};
    bool ok = true;
    for (int i = 0; i < expr->args->count; i++) {
        const Expr *value = expr->args->at[i].value;
        call->args[slots[i]] = eval_expr(s, value);
        call->exprs[slots[i]] = value;
        ok = ok && call->args[slots[i]].kind != DATUM_POISON;
    }
    return ok;
}

static Datum call_builtin(Sema *s, const Expr *expr, const BuiltinRow *row)
{
    Call call = {.name = row->name, .pos = expr->pos, .count = row->count};
    memcpy(call.names, row->names, sizeof row->names);
    if (!fill_call(s, expr, &call))
        return datum_poison();
    for (int i = 0; i < row->count; i++)
        if (call.args[i].kind == DATUM_ABSENT && !row->optional[i])
            return sema_fail(s, expr->pos, "`%s` needs `%s`: %s", row->name,
                             row->names[i], row->doc);
    return row->run(s, &call);
}

// Of a number it is a number at once: sqrt(2) is no tensor.
static Datum call_operation(Sema *s, const Expr *expr, Op op)
{
    Call call = {.name = op_info(op)->text,
                 .pos = expr->pos,
                 .count = 1,
                 .names = {"x"}};
    if (!fill_call(s, expr, &call))
        return datum_poison();
    Datum x = call.args[0];
    if (x.kind == DATUM_ABSENT)
        return sema_fail(s, expr->pos, "`%s` needs `x`: %s", call.name,
                         op_info(op)->doc);
    if (x.kind != DATUM_TENSOR)
        return number_operation(s, &call, op);
    Site site = {
        s->build, expr->pos, arena_concat(s->arena, "`", call.name, "`"),
        1,        call.args, call.exprs};
    Datum number = tensor_as_numbers(s, &site, x.tensor);
    return number.kind == DATUM_TENSOR
               ? tensor_unary(s, &site, op, number.tensor)
               : number;
}

// ---- special forms ----------------------------------------------------------

// The one argument of shared(...) or inference(...), run while `*setting` of
// the build is `value`.
static Datum eval_with(Sema *s, const Expr *expr, const char *scope,
                       bool *setting, bool value)
{
    if (expr->args->count != 1 || expr->args->at[0].name.text)
        return sema_fail(s, expr->pos, "`%s` takes one expression",
                         expr->left->text);
    const Expr *inner = expr->args->at[0].value;
    bool outer = *setting;
    *setting = value;
    Datum x = scope ? eval_in_scope(s, inner, scope) : eval_expr(s, inner);
    *setting = outer;
    return x;
}

static Datum eval_shared(Sema *s, const Expr *expr, const char *scope)
{
    return eval_with(s, expr, scope, &s->build->sharing, true);
}

static Datum eval_inference(Sema *s, const Expr *expr, const char *scope)
{
    return eval_with(s, expr, scope, &s->build->training, false);
}

// A number for each tensor of views.
static Datum call_views(Sema *s, const Expr *expr, const DataSource *source)
{
    DataSource *viewed = ARENA_NEW(s->arena, DataSource);
    *viewed = *source;
    viewed->group_count = 0;
    int total = 0;
    for (int i = 0; i < expr->args->count; i++) {
        const Arg *arg = &expr->args->at[i];
        if (arg->name.text && (i > 0 || strcmp(arg->name.text, "n") != 0))
            return sema_fail(s, arg->name.pos, "`views` has no argument `%s`",
                             arg->name.text);
        Datum n = eval_expr(s, arg->value);
        if (n.kind == DATUM_POISON)
            return n;
        if (n.kind != DATUM_INT || n.whole < 1 || n.whole > MAX_VIEWS - total)
            return sema_fail(s, arg->value->pos,
                             "a number of views is a whole number from 1 to "
                             "%d, all together, not %s",
                             MAX_VIEWS,
                             datum_describe(s->arena, n, s->build->graph));
        if (i == VIEW_GROUPS)
            return sema_fail(s, expr->pos,
                             "`views` makes at most %d tensors of views",
                             VIEW_GROUPS);
        total += (int)n.whole;
        viewed->views[viewed->group_count++] = (int)n.whole;
    }
    if (!viewed->group_count)
        return sema_fail(s, expr->pos,
                         "views(n), or views(n, m) for two tensors of views of "
                         "different sizes or pipelines");
    return (Datum){.kind = DATUM_SOURCE, .source = viewed};
}

// x.NAME(args): unlabeled.views(2), teacher.logits(images).
static Datum call_member(Sema *s, const Expr *expr, const char *scope)
{
    const Expr *member = expr->left;
    Datum x = eval_expr(s, member->left);
    if (x.kind == DATUM_POISON)
        return fail_call(s, expr->args);
    if (x.kind == DATUM_TEACHER)
        return teacher_call(s, expr, x.teacher, member->text);
    if (x.kind == DATUM_SOURCE && strcmp(member->text, "views") == 0)
        return call_views(s, expr, x.source);
    if (x.kind == DATUM_SOURCE)
        return sema_fail(s, member->pos,
                         "images have no `.%.40s`, only "
                         "`.views(n)`",
                         member->text);
    Datum callee = eval_member(s, member);
    if (callee.kind == DATUM_FUNCTION)
        return call_function(s, expr, callee.function, scope);
    if (callee.kind != DATUM_POISON)
        sema_fail(s, expr->pos, "%s is not a function",
                  datum_describe(s->arena, callee, s->build->graph));
    return fail_call(s, expr->args);
}

// The def of that name: what a call of `callee` means, a name of which the
// value is text, as `encoder(images)` with encoder = "convnext_tiny".
// Optimizers are found in the same way (sema_phase_stmt.c).
static Datum def_by_name(Sema *s, const Expr *callee, const char *name)
{
    const Module *module = s->frame->module;
    const Global *global = sema_global(s, module, name, callee->pos);
    if (global && global->rival)
        return datum_poison();
    if (global && global->function)
        return (Datum){.kind = DATUM_FUNCTION, .function = global->function};
    VEC(const char *) names = {0};
    for (int i = 0; i < module->visible.entries.count; i++) {
        const Global *other = module->visible.entries.at[i].value;
        if (other->function && !other->function->def->is_optimizer)
            vec_push(s->arena, &names, other->name);
    }
    const char *file = library_file(s, name);
    sema_error(s, callee->pos, "`%s` is \"%.60s\", and there is no such def%s",
               callee->text, name,
               file ? "" : sema_suggest(s, name, names.at, names.count));
    if (file)
        sema_note(s, callee->pos, "defined in %s: import \"%s\"", file, file);
    sema_trace(s);
    return datum_poison();
}

// A number called `width` does not hide the function width(x).
static Datum eval_callee(Sema *s, const Expr *expr)
{
    Datum callee = eval_expr(s, expr);
    bool callable =
        callee.kind == DATUM_FUNCTION || callee.kind == DATUM_BUILTIN ||
        callee.kind == DATUM_OPERATION || callee.kind == DATUM_AUGMENT_ROW;
    const Datum *builtin = NULL;
    if (expr->kind == EXPR_NAME && callee.kind != DATUM_POISON && !callable)
        builtin = map_get(&s->universe, expr->text);
    if (!builtin && expr->kind == EXPR_NAME && callee.kind == DATUM_STRING)
        return def_by_name(s, expr, callee.text);
    return builtin ? *builtin : callee;
}

typedef Datum SpecialForm(Sema *s, const Expr *expr, const char *scope);

// Special forms are not in `universe` with the functions, because their
// argument is not to be evaluated before they run. A local name hides them all
// the same.
static SpecialForm *find_form(const Sema *s, const Expr *callee)
{
    static const struct {
        const char *name;
        SpecialForm *eval;
    } forms[] = {{"shared", eval_shared},
                 {"inference", eval_inference},
                 {"moving_average", average_call}};
    if (callee->kind != EXPR_NAME || frame_find(s->frame, callee->text))
        return NULL;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(callee->text, forms[i].name) == 0)
            return forms[i].eval;
    return NULL;
}

bool is_special_form(const Sema *s, const Expr *callee)
{
    return find_form(s, callee) != NULL;
}

Datum eval_call(Sema *s, const Expr *expr, const char *scope)
{
    const Expr *left = expr->left;
    if (left->kind == EXPR_MEMBER)
        return call_member(s, expr, scope);
    SpecialForm *form = find_form(s, left);
    if (form)
        return form(s, expr, scope);
    Datum callee = eval_callee(s, left);
    if (scope && callee.kind != DATUM_FUNCTION && callee.kind != DATUM_POISON)
        return sema_fail(s, expr->pos,
                         "`as` names the weights that a def makes; this makes "
                         "none");
    switch (callee.kind) {
    case DATUM_POISON:
        return fail_call(s, expr->args);
    case DATUM_FUNCTION:
        return call_function(s, expr, callee.function, scope);
    case DATUM_BUILTIN:
        return call_builtin(s, expr, callee.builtin);
    case DATUM_OPERATION:
        return call_operation(s, expr, callee.operation);
    case DATUM_AUGMENT_ROW:
        return call_augment(s, expr, callee.augment_row);
    default:
        sema_fail(s, expr->pos, "%s is not a function",
                  datum_describe(s->arena, callee, s->build->graph));
        return fail_call(s, expr->args);
    }
}
