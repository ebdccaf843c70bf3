// Weights and states: their declarations, names and new values.
#include <inttypes.h>
#include <string.h>

#include "frontend/lang/eval.h"
#include "frontend/lang/tensor.h"

// ---- declarations -----------------------------------------------------------

// Whole numbers of at least `least`; false after a diagnostic.
static bool eval_sizes(Sema *s, const ExprList *exprs, int64_t least,
                       int *count, int64_t *out)
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

// A number fills the tensor.
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

// The name in checkpoints and models: "layer1.0.conv1.weight". NULL after a
// diagnostic.
static const char *full_name(Sema *s, const Stmt *stmt)
{
    const char *name = stmt->name.text;
    if (s->frame->kind == FRAME_OPTIMIZER)
        return arena_printf(s->arena, "optimizer.%s.%s", name,
                            s->frame->weight->name);
    if (*s->build->scope)
        name = arena_concat(s->arena, s->build->scope, ".", name);
    if (strcmp(name, "__metadata__") == 0) {
        sema_fail(s, stmt->pos,
                  "`__metadata__` is the head of a file of weights: call it "
                  "something else");
        return NULL;
    }
    // Names of what is in checkpoints alone.
    if (s->build->average ||
        (strncmp(name, "ema.", 4) != 0 && strncmp(name, "optimizer.", 10) != 0))
        return name;
    sema_fail(s, stmt->pos,
              "`%s`: names that begin with `ema.` and `optimizer.` are those "
              "of moving averages and optimizers; put another name behind "
              "`as`",
              name);
    return NULL;
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

Variable *make_variable(Sema *s, const Stmt *stmt, const char *name,
                        const TensorType *type, const Init *init)
{
    Variable *known = map_get(&s->build->variables, name);
    const Variable *followed;
    if (known)
        return reuse(s, stmt, known, type);
    if (!average_follow(s, stmt, name, type, &followed))
        return NULL;
    bool is_slot = s->frame->kind == FRAME_OPTIMIZER || s->build->average;
    const char *role = s->build->frozen            ? "frozen"
                       : is_slot                   ? "slot"
                       : stmt->kind == STMT_WEIGHT ? "weight"
                                                   : "state";
    Attr attrs[MAX_ATTRS] = {
        [PARAM_NAME] = {.text = name},
        [PARAM_ROLE] = {.text = role},
        [PARAM_INIT] = {.text = followed ? "copy" : init->name},
        [PARAM_SCALE] = {.f = followed ? 0 : init->scale},
    };
    Site site = {.build = s->build,
                 .pos = stmt->pos,
                 .what = arena_concat(s->arena, "`", name, "`")};
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
                           .in_model = s->build->frozen || !is_slot,
                           .current = param};
    if (followed && !variable->is_state) {
        variable->follows = followed;
        variable->decay = s->build->average->decay;
    }
    map_set(&s->build->variables, name, variable);
    vec_push(s->arena, &s->build->order, variable);
    return variable;
}

void exec_declaration(Sema *s, const Stmt *stmt)
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
    Variable *variable =
        name ? make_variable(s, stmt, name, &type, &init) : NULL;
    if (!variable)
        return;
    Binding *binding =
        frame_bind(s, s->frame, local, variable->current, stmt->name.pos);
    binding->variable = variable;
}

// ---- new values -------------------------------------------------------------

// Nothing is said of a name that an error has made unknown.
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

void exec_update(Sema *s, const Stmt *stmt)
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
    if (value.kind == DATUM_POISON)
        return;
    Variable *variable = binding->variable;
    const TensorType type = variable->type;
    const Expr *const exprs[] = {stmt->value};
    Site site = {
        s->build, stmt->pos, arena_concat(s->arena, "`", variable->name, "`"),
        1,        &value,    exprs};
    Datum fitted = tensor_fit(s, &site, value, type.rank, type.dims);
    if (fitted.kind != DATUM_TENSOR)
        return;
    // The param changes when the step ends. Until then what reads the name
    // behind this line has the new value.
    variable->current = fitted;
    variable->updated = true;
    binding->value = fitted;
}
