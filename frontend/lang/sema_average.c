// moving_average(x, decay): what a slow copy of the net makes of x. Weights
// that x declares are averages of the phase's weights of the same names; they
// begin as copies of them and follow each step's update. Names of all that is
// declared begin with "ema."; it is in checkpoints, and in no model.
#include <string.h>

#include "frontend/lang/elaborate.h"
#include "frontend/lang/eval.h"
#include "frontend/lang/tensor.h"

static const char prefix[] = "ema.";

// ---- the call ---------------------------------------------------------------

// A number from 0 up to 1, or a scalar tensor; false after a diagnostic.
static bool eval_decay(Sema *s, const Expr *expr, Datum *decay)
{
    Datum x = *decay = eval_expr(s, expr);
    if (x.kind == DATUM_TENSOR &&
        type_elements(graph_type(s->build->graph, x.tensor)) == 1 &&
        graph_type(s->build->graph, x.tensor)->rank == 0)
        return true;
    if (datum_is_number(x) && datum_number(x) >= 0 && datum_number(x) < 1)
        return true;
    if (x.kind != DATUM_POISON)
        sema_fail(s, expr->pos,
                  "`decay` of moving_average is at least 0 and less than 1, a "
                  "number or a scalar tensor, not %s",
                  datum_describe(s->arena, x, s->build->graph));
    return false;
}

static bool check_place(Sema *s, const Expr *expr)
{
    if (!s->build->graph)
        sema_fail(s, expr->pos, "`moving_average` belongs in a phase");
    else if (s->build->average)
        sema_fail(s, expr->pos,
                  "`moving_average` inside another: one average of the "
                  "weights is enough");
    else if (!s->build->training)
        sema_fail(s, expr->pos,
                  "`moving_average` is there in training only: its weights "
                  "are in checkpoints, not in models. Put it in `if training "
                  "{ ... }`");
    else
        return true;
    return false;
}

// x and decay of the call; false after a diagnostic.
static bool find_arguments(Sema *s, const Expr *expr, const Expr **x,
                           const Expr **decay)
{
    const char *const names[] = {"x", "decay"};
    int slots[2];
    *x = *decay = NULL;
    if (!match_args(s, "moving_average", expr->pos, 0, 2, names, expr->args,
                    slots))
        return false;
    for (int i = 0; i < expr->args->count; i++)
        *(slots[i] ? decay : x) = expr->args->at[i].value;
    if (*x && *decay)
        return true;
    sema_fail(s, expr->pos,
              "`moving_average` needs what to compute and the decay of its "
              "weights: moving_average(net(images), decay = 0.999)");
    return false;
}

Datum average_call(Sema *s, const Expr *expr, const char *scope)
{
    const Expr *x, *decay;
    Average average = {.pos = expr->pos};
    if (!check_place(s, expr) || !find_arguments(s, expr, &x, &decay) ||
        !eval_decay(s, decay, &average.decay))
        return datum_poison();
    const char *outer = s->build->scope;
    bool sharing = s->build->sharing;
    scope = scope ? scope : outer;
    s->build->average = &average;
    s->build->sharing = true; // called twice, it is the same net
    s->build->scope = *scope ? arena_printf(s->arena, "%s%s", prefix, scope)
                             : arena_strndup(s->arena, prefix, 3);
    Datum result = eval_expr(s, x);
    s->build->average = NULL;
    s->build->sharing = sharing;
    s->build->scope = outer;
    Site site = {.build = s->build,
                 .pos = expr->pos,
                 .what = "the moving average's output"};
    return tensor_stop_gradients(s, &site, result);
}

// ---- its weights ------------------------------------------------------------

bool average_follow(Sema *s, const Stmt *stmt, const char *name,
                    const TensorType *type, const Variable **followed)
{
    *followed = NULL;
    if (!s->build->average)
        return true;
    const char *plain = name + strlen(prefix);
    const Variable *found = map_get(&s->build->variables, plain);
    bool is_weight = stmt->kind == STMT_WEIGHT;
    if (!found || found->is_state == is_weight) {
        if (!is_weight)
            return true;
        sema_error(s, stmt->pos,
                   "there is no weight `%s` yet that this could be the moving "
                   "average of",
                   plain);
        sema_note(s, s->build->average->pos,
                  "before this, the phase calls the same net with the same "
                  "names, without moving_average");
        sema_trace(s);
        return false;
    }
    if (!type_equal(&found->type, type)) {
        sema_error(s, stmt->pos, "the moving average of `%s` is %s here",
                   found->name, type_text(s->arena, type));
        sema_note(s, found->pos, "and it is %s here",
                  type_text(s->arena, &found->type));
        sema_trace(s);
        return false;
    }
    *followed = found;
    return true;
}

bool average_same(Sema *s, const Stmt *stmt, const Variable *known)
{
    if (!s->build->average || !known->follows ||
        datum_equal(known->decay, s->build->average->decay))
        return true;
    sema_error(s, s->build->average->pos,
               "`%s` is averaged with another decay before", known->name);
    sema_note(s, stmt->pos, "declared here");
    return false;
}

// ---- the end of a step ------------------------------------------------------

// decay * average + (1 - decay) * weight, the weight as the step leaves it.
static Datum next_average(Sema *s, const Build *build, const Variable *variable)
{
    Site site = {.build = build, .pos = variable->pos, .what = variable->name};
    Datum decay = variable->decay, rest;
    rest = datum_is_number(decay)
               ? datum_float(1 - datum_number(decay))
               : tensor_binary(s, &site, OP_SUB, datum_float(1), decay);
    Datum kept = tensor_binary(s, &site, OP_MUL, decay, variable->current);
    Datum added =
        tensor_binary(s, &site, OP_MUL, rest, variable->follows->current);
    if (kept.kind != DATUM_TENSOR || added.kind != DATUM_TENSOR)
        return datum_poison();
    return tensor_binary(s, &site, OP_ADD, kept, added);
}

void averages_update(Sema *s, Build *build)
{
    build->scope = "ema";
    for (int i = 0; i < build->order.count && !s->stopped; i++) {
        Variable *variable = build->order.at[i];
        if (!variable->follows || !variable->follows->updated)
            continue; // a copy of what stands still
        Datum next = next_average(s, build, variable);
        if (next.kind != DATUM_TENSOR)
            continue;
        variable->current = next;
        variable->updated = true;
    }
    build->scope = "";
}
