// Statements: assignments, weights and states, control flow.
#include <inttypes.h>
#include <string.h>

#include "frontend/lang/sema.h"

// ---- weights and states -----------------------------------------------------

bool eval_sizes(Sema *s, const ExprList *exprs, int64_t least, int *count,
                int64_t *out)
{
    if (exprs->count > MAX_RANK) {
        sema_fail(s, exprs->at[MAX_RANK]->pos, "a tensor has at most %d axes",
                  MAX_RANK);
        return false;
    }
    bool ok = true;
    for (int i = 0; i < exprs->count; i++) {
        Datum x = eval_expr(s, exprs->at[i]);
        if (x.kind == DATUM_INT && x.whole >= least) {
            out[i] = x.whole;
            continue;
        }
        if (x.kind != DATUM_POISON)
            sema_fail(s, exprs->at[i]->pos,
                      "a size is a whole number of at least %" PRId64
                      ", not %s",
                      least, datum_describe(s->arena, x, s->build->graph));
        ok = false;
    }
    *count = exprs->count;
    return ok;
}

static bool eval_init(Sema *s, const Expr *expr, Init *init)
{
    Datum x = eval_expr(s, expr);
    if (datum_is_number(x)) {
        *init = (Init){"constant", datum_number(x)};
        return true;
    }
    if (x.kind == DATUM_INIT) {
        *init = *x.init;
        return true;
    }
    if (x.kind != DATUM_POISON)
        sema_fail(s, expr->pos,
                  "a weight or state begins as a number or an initializer "
                  "such as normal(0.01), not as %s",
                  datum_describe(s->arena, x, s->build->graph));
    return false;
}

static bool check_site(Sema *s, const Stmt *stmt)
{
    const char *kind = stmt->kind == STMT_WEIGHT ? "weight" : "state";
    if (!s->build->graph) {
        sema_fail(s, stmt->pos, "a %s exists only inside a phase", kind);
        return false;
    }
    if (stmt->kind == STMT_WEIGHT && s->frame->kind == FRAME_OPTIMIZER) {
        sema_fail(s, stmt->pos, "an optimizer has states, not weights");
        return false;
    }
    return true;
}

static const char *full_name(Sema *s, const Stmt *stmt)
{
    if (s->frame->kind == FRAME_OPTIMIZER)
        return arena_printf(s->arena, "optimizer.%s.%s", stmt->name.text,
                            s->frame->weight->name);
    if (!*s->build->scope)
        return stmt->name.text;
    return arena_printf(s->arena, "%s.%s", s->build->scope, stmt->name.text);
}

// Names of what is in checkpoints alone.
static bool check_reserved(Sema *s, const Stmt *stmt, const char *name)
{
    if (s->build->average || s->frame->kind == FRAME_OPTIMIZER ||
        (strncmp(name, "ema.", 4) != 0 && strncmp(name, "optimizer.", 10) != 0))
        return true;
    sema_fail(s, stmt->pos,
              "`%s`: names that begin with `ema.` and `optimizer.` are those "
              "of moving averages and optimizers; put another name behind "
              "`as`",
              name);
    return false;
}

// A name declared before: fine when shared, of the same kind and shape.
static Variable *reuse(Sema *s, const Stmt *stmt, Variable *known,
                       const TensorType *type)
{
    Graph *graph = s->build->graph;
    bool is_state = stmt->kind == STMT_STATE;
    if (!s->build->sharing) {
        sema_error(s, stmt->pos,
                   "`%s` is declared twice; name the calls with `as`, or "
                   "share on purpose with shared(...)",
                   known->name);
        if (known->call_pos.line)
            sema_note(s, known->call_pos, "first by this call");
        else
            sema_note(s, known->pos, "first here");
        sema_trace(s);
        return NULL;
    }
    if (!type_equal(graph_type(graph, known->param), type) ||
        known->is_state != is_state) {
        sema_error(s, stmt->pos, "shared `%s` is %s %s here", known->name,
                   is_state ? "a state" : "a weight",
                   type_text(s->arena, type));
        sema_note(s, known->pos, "and %s %s here",
                  known->is_state ? "a state" : "a weight",
                  type_text(s->arena, graph_type(graph, known->param)));
        sema_trace(s);
        return NULL;
    }
    return average_same(s, stmt, known) ? known : NULL;
}

static const char *variable_role(Sema *s, const Stmt *stmt)
{
    if (s->build->frozen)
        return "frozen";
    if (s->frame->kind == FRAME_OPTIMIZER || s->build->average)
        return "slot";
    return stmt->kind == STMT_WEIGHT ? "weight" : "state";
}

Variable *make_variable(Sema *s, const Stmt *stmt, const char *name,
                        const TensorType *type, const Init *init)
{
    Variable *known = map_get(&s->build->variables, name);
    const Variable *followed;
    if (known)
        return reuse(s, stmt, known, type);
    if (!average_follow(s, stmt, name, type, &followed))
        return NULL;
    const char *role = variable_role(s, stmt);
    Attr attrs[MAX_ATTRS] = {
        [PARAM_NAME] = {.text = name},
        [PARAM_ROLE] = {.text = role},
        [PARAM_INIT] = {.text = followed ? "copy" : init->name},
        [PARAM_SCALE] = {.f = followed ? 0 : init->scale},
    };
    Site site = {.build = s->build,
                 .pos = stmt->pos,
                 .what = arena_printf(s->arena, "`%s`", name)};
    Datum param = tensor_add(s, &site, OP_PARAM, 0, NULL, attrs, type);
    if (param.kind != DATUM_TENSOR)
        return NULL;
    Variable *variable = ARENA_NEW(s->arena, Variable);
    *variable = (Variable){.name = name,
                           .pos = stmt->pos,
                           .call_pos = s->frame->call_pos,
                           .param = param.tensor,
                           .type = *type,
                           .is_state = stmt->kind == STMT_STATE,
                           .is_frozen = s->build->frozen,
                           .in_model = strcmp(role, "slot") != 0,
                           .current = param};
    if (followed && !variable->is_state) {
        variable->follows = followed;
        variable->decay = s->build->average->decay;
    }
    map_set(&s->build->variables, name, variable);
    vec_push(s->arena, &s->build->order, variable);
    return variable;
}

static void exec_declaration(Sema *s, const Stmt *stmt)
{
    int rank = 0;
    int64_t dims[MAX_RANK] = {0};
    Init init;
    const char *local = stmt->name.text;
    // Whatever is wrong, the name exists: no second complaint about it.
    frame_bind(s, s->frame, local, datum_poison(), stmt->name.pos);
    if (!check_site(s, stmt))
        return;
    bool ok = !stmt->dims || eval_sizes(s, stmt->dims, 1, &rank, dims);
    ok = eval_init(s, stmt->value, &init) && ok;
    if (!ok)
        return;
    TensorType type = type_make(s->options->dtype, rank, dims);
    // An optimizer's state is like its weight when not told otherwise.
    if (s->frame->kind == FRAME_OPTIMIZER && !stmt->dims)
        type = *graph_type(s->build->graph, s->frame->weight->param);
    const char *name = full_name(s, stmt);
    Variable *variable = check_reserved(s, stmt, name)
                             ? make_variable(s, stmt, name, &type, &init)
                             : NULL;
    if (!variable)
        return;
    Binding *binding =
        frame_bind(s, s->frame, local, variable->current, stmt->name.pos);
    binding->variable = variable;
}

void variable_update(Sema *s, Binding *binding, Datum value, const Stmt *stmt)
{
    Variable *variable = binding->variable;
    TensorType type = *graph_type(s->build->graph, variable->param);
    const Expr *const exprs[] = {stmt->value};
    Site site = {
        s->build, stmt->pos, arena_printf(s->arena, "`%s`", variable->name),
        1,        &value,    exprs};
    Datum fitted = tensor_fit(s, &site, value, type.rank, type.dims);
    if (fitted.kind != DATUM_TENSOR)
        return;
    variable->current = fitted;
    variable->updated = true;
    binding->value = fitted;
}

static void fail_update(Sema *s, const Stmt *stmt, const Binding *binding)
{
    const char *name = stmt->name.text;
    if (binding && binding->variable)
        sema_fail(s, stmt->pos,
                  "`%s` is a weight: only optimizers update weights", name);
    else if (binding && binding->value.kind == DATUM_POISON)
        return;
    else if (binding)
        sema_fail(s, stmt->pos,
                  "`%s` is not a state; `<-` updates states, `=` sets names",
                  name);
    else
        sema_fail(s, stmt->name.pos, "there is no state `%s` here", name);
}

static void exec_update(Sema *s, const Stmt *stmt)
{
    Binding *binding = frame_find(s->frame, stmt->name.text);
    bool in_optimizer = s->frame->kind == FRAME_OPTIMIZER;
    bool may = binding && binding->variable &&
               (binding->variable->is_state || in_optimizer);
    if (!may) {
        fail_update(s, stmt, binding);
        return;
    }
    if (!s->build->training || s->build->frozen)
        return; // states stand still outside training
    Datum value = eval_expr(s, stmt->value);
    if (value.kind != DATUM_POISON)
        variable_update(s, binding, value, stmt);
}

// ---- control flow -----------------------------------------------------------

// Of a block that cannot be judged: what it sets is not known after it.
static void poison_block(Sema *s, const StmtList *body)
{
    for (int i = 0; body && i < body->count; i++) {
        const Stmt *stmt = body->at[i];
        if (stmt->kind == STMT_ASSIGN)
            frame_bind(s, s->frame, stmt->name.text, datum_poison(),
                       stmt->value->pos);
        poison_block(s, stmt->body);
        poison_block(s, stmt->other);
    }
    s->frame->damaged = true;
}

static void exec_if(Sema *s, const Stmt *stmt)
{
    bool ok;
    bool yes = eval_condition(s, stmt->value, &ok);
    if (ok && yes)
        exec_block(s, stmt->body);
    else if (ok && stmt->other)
        exec_block(s, stmt->other);
    if (!ok) {
        poison_block(s, stmt->body);
        poison_block(s, stmt->other);
    }
}

static void exec_for(Sema *s, const Stmt *stmt)
{
    Datum list = eval_expr(s, stmt->value);
    if (list.kind != DATUM_LIST)
        poison_block(s, stmt->body);
    if (list.kind == DATUM_POISON)
        return;
    if (list.kind != DATUM_LIST) {
        sema_fail(s, stmt->value->pos,
                  "`for` goes over a list or a range such as 0..n, not %s",
                  datum_describe(s->arena, list, s->build->graph));
        return;
    }
    for (int i = 0; i < list.list->count; i++) {
        if (s->frame->returned || !sema_step(s, stmt->pos))
            return;
        frame_bind(s, s->frame, stmt->name.text, list.list->at[i],
                   stmt->name.pos);
        exec_block(s, stmt->body);
    }
}

static void exec_return(Sema *s, const Stmt *stmt)
{
    if (s->frame->kind == FRAME_PHASE || s->frame->kind == FRAME_OPTIMIZER) {
        sema_fail(s, stmt->pos, "`return` belongs in a def");
        return;
    }
    s->frame->result = eval_expr(s, stmt->value);
    s->frame->returned = true;
}

// What the names in a condition that failed stand for.
static void note_names(Sema *s, const Expr *condition)
{
    Map names = map_new(s->arena);
    Text text = text_new(s->arena);
    read_names(s, condition, &names);
    for (int i = 0; i < names.entries.count; i++) {
        const char *name = names.entries.at[i].key;
        const Binding *binding = frame_find(s->frame, name);
        if (!binding || binding->value.kind == DATUM_POISON)
            continue;
        text_addf(&text, "%s`%s` is ", text.length ? ", " : "", name);
        if (binding->value.kind == DATUM_TENSOR ||
            datum_is_number(binding->value))
            datum_print(binding->value, s->build->graph, &text);
        else
            text_add(&text,
                     datum_describe(s->arena, binding->value, s->build->graph));
    }
    if (text.length)
        sema_note(s, condition->pos, "here %s", text_string(&text));
}

static bool is_local(const Sema *s, const Expr *expr)
{
    return expr->kind == EXPR_NAME && frame_find(s->frame, expr->text);
}

// Of a comparison that failed, what its sides are.
static void note_sides(Sema *s, const Expr *condition)
{
    if (condition->kind != EXPR_BINARY || condition->op < OPERATOR_EQ ||
        condition->op > OPERATOR_GE)
        return;
    const Expr *sides[] = {condition->left, condition->right};
    for (int i = 0; i < 2; i++) {
        Datum side = eval_expr(s, sides[i]);
        if (datum_is_number(side) && sides[i]->kind != EXPR_INT &&
            sides[i]->kind != EXPR_FLOAT && !is_local(s, sides[i]))
            sema_note(s, sides[i]->pos, "this is %s",
                      datum_describe(s->arena, side, s->build->graph));
    }
}

static void exec_assert(Sema *s, const Stmt *stmt)
{
    bool ok;
    bool holds = eval_condition(s, stmt->value, &ok);
    if (ok && holds)
        return;
    if (ok) {
        sema_error(s, stmt->pos, "%s",
                   stmt->text ? stmt->text : "this assertion does not hold");
        note_sides(s, stmt->value);
        note_names(s, stmt->value);
        sema_trace(s);
    }
    s->frame->result = datum_poison();
    s->frame->returned = true;
}

// The call that shared(...) and its like hand on.
static const Expr *innermost_call(const Sema *s, const Expr *call)
{
    while (call->kind == EXPR_AS ||
           (call->kind == EXPR_CALL && is_special_form(s, call->left) &&
            call->args->count > 0))
        call = call->kind == EXPR_AS ? call->left : call->args->at[0].value;
    return call;
}

// A value that nobody reads is a forgotten `return` or a forgotten name.
static void exec_expr(Sema *s, const Stmt *stmt)
{
    const Expr *call = stmt->value;
    while (call->kind == EXPR_AS)
        call = call->left;
    s->for_effect = innermost_call(s, call);
    Datum x = eval_expr(s, stmt->value);
    bool effect = s->frame->kind == FRAME_PHASE ||
                  s->frame->kind == FRAME_TEACHER || x.kind == DATUM_NONE;
    if (x.kind == DATUM_POISON || (effect && call->kind == EXPR_CALL))
        return;
    s->frame->damaged = true; // what the body returns is not known
    sema_fail(s, stmt->pos,
              "this value is not used; a `return` or a name "
              "in front of it is missing");
}

static bool needs_phase(Sema *s, const Stmt *stmt, const char *word)
{
    if (s->frame->kind == FRAME_PHASE)
        return true;
    if (s->frame->kind != FRAME_TEACHER)
        sema_fail(s, stmt->pos, "`%s` belongs in a phase", word);
    return false;
}

void exec_stmt(Sema *s, const Stmt *stmt)
{
    switch (stmt->kind) {
    case STMT_ASSIGN:
        frame_bind(s, s->frame, stmt->name.text, eval_expr(s, stmt->value),
                   stmt->value->pos);
        break;
    case STMT_WEIGHT:
    case STMT_STATE:
        exec_declaration(s, stmt);
        break;
    case STMT_UPDATE:
        exec_update(s, stmt);
        break;
    case STMT_RETURN:
        exec_return(s, stmt);
        break;
    case STMT_IF:
        exec_if(s, stmt);
        break;
    case STMT_FOR:
        exec_for(s, stmt);
        break;
    case STMT_ASSERT:
        exec_assert(s, stmt);
        break;
    case STMT_EXPR:
        exec_expr(s, stmt);
        break;
    case STMT_INPUT:
        if (needs_phase(s, stmt, "input"))
            exec_input(s, stmt);
        break;
    case STMT_MINIMIZE:
        if (needs_phase(s, stmt, "minimize"))
            exec_minimize(s, stmt);
        break;
    case STMT_USING:
        if (needs_phase(s, stmt, "using"))
            exec_using(s, stmt);
        break;
    case STMT_REPORT:
        if (s->frame->kind == FRAME_OPTIMIZER)
            exec_weight_report(s, stmt);
        else if (needs_phase(s, stmt, "report"))
            exec_report(s, stmt);
        break;
    case STMT_FREEZE:
        if (needs_phase(s, stmt, "freeze"))
            vec_push(s->arena, &s->build->freezes, stmt);
        break;
    }
}

void exec_block(Sema *s, const StmtList *body)
{
    for (int i = 0; i < body->count && !s->frame->returned && !s->stopped; i++)
        exec_stmt(s, body->at[i]);
}
