// The second half of a step: gradients of the loss, the optimizers' updates,
// and the assignments that end it.
#include <string.h>

#include "frontend/lang/elaborate.h"
#include "frontend/lang/eval.h"
#include "frontend/lang/reads.h"
#include "frontend/lang/tensor.h"
#include "ir/autodiff.h"
#include "ir/build.h"

// ---- settings of optimizers -------------------------------------------------

static bool eval_settings(Sema *s, Using *using)
{
    const Stmt *stmt = using->stmt;
    const DefItem *def = using->optimizer->def;
    const char *names[MAX_FORMALS];
    int slots[MAX_FORMALS];
    int count = formal_names(def, names);
    for (int i = 0; i < count; i++)
        using->settings[i] = (Datum){.kind = DATUM_ABSENT};
    // From 2 on: the weight and its gradient are not the phase's to give.
    if (!match_args(s, def->name.text, stmt->name.pos, 2, count, names,
                    stmt->args, slots)) {
        sema_note(s, def->name.pos, "`%s` is defined here", def->name.text);
        fail_call(s, stmt->args);
        return false;
    }
    bool ok = true;
    for (int i = 0; i < stmt->args->count; i++) {
        const Expr *expr = stmt->args->at[i].value;
        using->settings[slots[i]] = eval_expr(s, expr);
        using->setting_pos[slots[i]] = expr->pos;
        ok = ok && using->settings[slots[i]].kind != DATUM_POISON;
    }
    return ok;
}

// ---- which weights are trained ----------------------------------------------

static bool may_be_trained(const Variable *variable)
{
    return !variable->is_frozen && !variable->is_state && !variable->follows;
}

// Reports patterns that match no weight.
static void check_patterns(Sema *s, const Build *build,
                           const WordList *patterns)
{
    for (int i = 0; patterns && i < patterns->count; i++) {
        Word pattern = patterns->at[i];
        bool used = false;
        VEC(const char *) names = {0};
        for (int k = 0; k < build->order.count; k++) {
            const Variable *variable = build->order.at[k];
            if (!may_be_trained(variable))
                continue;
            used = used || text_glob(pattern.text, variable->name);
            vec_push(s->arena, &names, variable->name);
        }
        if (!used)
            sema_fail(s, pattern.pos, "\"%s\" matches no weight%s",
                      pattern.text,
                      sema_suggest(s, pattern.text, names.at, names.count));
    }
}

VariableList train_weights(Sema *s, const Build *build)
{
    VariableList trained = {0};
    for (int i = 0; i < build->order.count; i++) {
        Variable *variable = build->order.at[i];
        bool frozen = !may_be_trained(variable);
        for (int k = 0; k < build->freezes.count; k++)
            frozen = frozen ||
                     words_match(build->freezes.at[k]->words, variable->name);
        if (!frozen)
            vec_push(s->arena, &trained, variable);
    }
    return trained;
}

// ---- gradients --------------------------------------------------------------

Value *train_gradients(Sema *s, Graph *graph, Value loss, int count,
                       const Value *wrt)
{
    Value *grads = ARENA_ARRAY(s->arena, Value, count + 1);
    graph->origin = (NodeOrigin){.scope = "gradient"};
    Value culprit = NO_VALUE;
    if (autodiff(graph, loss, count, wrt, grads, &culprit))
        return grads;
    const Node *node = graph_node(graph, culprit);
    sema_fail(s, sema_origin(s, node->origin),
              "the loss depends on `%s`, which has no gradient",
              op_info(node->op)->text);
    return NULL;
}

bool train_is_zero(const Graph *graph, Value gradient)
{
    const Node *node = graph_node(graph, gradient);
    return node->op == OP_CONST && node->attrs[CONST_VALUE].f == 0;
}

// Which values the loss is computed from, stop_gradient's inputs aside: what
// is behind one is meant to stand still.
static bool *what_loss_reads(Sema *s, const Graph *graph, Value loss)
{
    bool *read = ARENA_ARRAY(s->arena, bool, graph->nodes.count + 1);
    read[loss] = true;
    for (Value v = loss; v >= 0; v--) {
        const Node *node = graph_node(graph, v);
        bool goes_on = read[v] && node->op != OP_STOP_GRADIENT;
        for (int i = 0; goes_on && i < node->input_count; i++)
            read[node->inputs[i]] = true;
    }
    return read;
}

// A weight that the loss is computed from and that has no gradient is behind
// something like a comparison, most often by mistake.
static void warn_untrained(Sema *s, const Build *build, Value loss,
                           const VariableList *trained, const Value *grads)
{
    const bool *read = what_loss_reads(s, build->graph, loss);
    const Variable *first = NULL;
    int more = -1;
    for (int i = 0; i < trained->count; i++) {
        const Variable *weight = trained->at[i];
        if (!train_is_zero(build->graph, grads[i]) || !read[weight->param])
            continue;
        first = first ? first : weight;
        more++;
    }
    if (!first)
        return;
    Text others = text_new(s->arena);
    if (more)
        text_addf(&others, " and %d more", more);
    diag_warning(s->diags, first->pos,
                 "phase `%s` never trains the weight `%s`%s: the loss is made "
                 "with it, but no gradient comes through comparisons, floor, "
                 "sign and the like; where that is meant, freeze it",
                 build->phase->item->name.text, first->name,
                 text_string(&others));
}

// ---- updates ----------------------------------------------------------------

// All settings of an optimizer as it ran, for `simcc show`.
static const char *describe_settings(Sema *s, const Using *using)
{
    const ArgList *formals = using->optimizer->def->formals;
    Text text = text_new(s->arena);
    text_addf(&text, "%s(", function_name(using->optimizer));
    for (int i = 2; i < formals->count; i++) {
        const char *name = formals->at[i].name.text;
        const Binding *binding = frame_find(s->frame, name);
        text_addf(&text, "%s%s = ", i > 2 ? ", " : "", name);
        const Expr *given = NULL;
        for (int k = 0; k < using->stmt->args->count; k++) {
            const Arg *arg = &using->stmt->args->at[k];
            if (arg->name.text ? strcmp(arg->name.text, name) == 0 : k == i - 2)
                given = arg->value;
        }
        if (binding->value.kind == DATUM_TENSOR && given)
            ast_print_expr(given, &text);
        else
            datum_print(binding->value, s->build->graph, &text);
    }
    text_add(&text, ")");
    return text_string(&text);
}

// ---- running them -----------------------------------------------------------

// A frame in which the optimizer's arguments are bound; false after a
// diagnostic. The caller pops it.
static bool enter_optimizer(Sema *s, const Using *using, Variable *weight,
                            Value grad)
{
    const Function *optimizer = using->optimizer;
    const ArgList *formals = optimizer->def->formals;
    Datum given[MAX_FORMALS];
    SourcePos given_pos[MAX_FORMALS];
    memcpy(given, using->settings, sizeof given);
    memcpy(given_pos, using->setting_pos, sizeof given_pos);
    given[0] = weight->current;
    given[1] = datum_tensor(grad);
    given_pos[0] = given_pos[1] = weight->pos;
    Frame *frame = frame_push(s, FRAME_OPTIMIZER, optimizer->module,
                              function_name(optimizer), using->stmt->name.pos);
    frame->weight = weight;
    if (!bind_formals(s, optimizer, using->stmt->name.pos, given, given_pos))
        return false;
    frame_find(frame, formals->at[0].name.text)->variable = weight;
    return true;
}

Using *train_using(const Build *build, const char *name)
{
    for (int i = 0; i < build->usings.count; i++) {
        const WordList *patterns = build->usings.at[i]->stmt->words;
        if (!patterns || words_match(patterns, name))
            return build->usings.at[i];
    }
    return NULL;
}

// One that comes behind a `using` of all its weights, most often of all there
// are, does nothing: an exception comes before the rule.
static void warn_idle(Sema *s, const Using *idle, const VariableList *trained)
{
    const WordList *patterns = idle->stmt->words;
    bool has_weights = !patterns;
    for (int i = 0; i < trained->count && !has_weights; i++)
        has_weights = words_match(patterns, trained->at[i]->name);
    diag_warning(s->diags, idle->stmt->pos,
                 "this `using` updates no weight: %s",
                 has_weights ? "the first one that matches counts, and those "
                               "before it have all of its weights; put it "
                               "before them"
                             : "all that it matches are frozen");
}

// Resolves the settings of every optimizer that has a weight, by its first one
// and with that in the place of a gradient, which settings do not depend on.
static void describe_usings(Sema *s, const Build *build,
                            const VariableList *trained)
{
    for (int i = 0; i < trained->count; i++) {
        Variable *weight = trained->at[i];
        Using *using = train_using(build, weight->name);
        if (using)
            using->updates = true;
        if (!using || using->resolved)
            continue;
        if (enter_optimizer(s, using, weight, weight->param))
            using->resolved = describe_settings(s, using);
        frame_pop(s);
    }
    for (int i = 0; i < build->usings.count; i++)
        if (build->usings.at[i]->resolved)
            vec_push(s->arena, &build->phase->usings,
                     build->usings.at[i]->resolved);
        else if (trained->count && !build->failed &&
                 !build->usings.at[i]->updates)
            warn_idle(s, build->usings.at[i], trained);
}

static const Datum *trained_names(Sema *s, const VariableList *trained)
{
    Datum *items = ARENA_ARRAY(s->arena, Datum, trained->count + 1);
    for (int i = 0; i < trained->count; i++)
        items[i] = datum_string(trained->at[i]->name);
    Datum *names = ARENA_NEW(s->arena, Datum);
    *names = datum_list(s->arena, trained->count, items);
    return names;
}

bool train_settings(Sema *s, Build *build, const VariableList *trained)
{
    build->trained = trained_names(s, trained);
    for (int i = 0; i < build->freezes.count; i++)
        check_patterns(s, build, build->freezes.at[i]->words);
    for (int i = 0; i < build->usings.count; i++)
        check_patterns(s, build, build->usings.at[i]->stmt->words);
    Build *outer = build_enter(s, build);
    bool ok = true;
    for (int i = 0; i < build->usings.count; i++) {
        Using *using = build->usings.at[i];
        ok = using->optimizer && eval_settings(s, using) && ok;
    }
    if (ok)
        describe_usings(s, build, trained);
    build_enter(s, outer);
    return ok;
}

void train_update(Sema *s, Build *build, const VariableList *trained,
                  const Value *grads)
{
    Build *outer = build_enter(s, build);
    int updated = 0;
    build->scope = "optimizer";
    build->gradients = grads;
    build->gradient_count = trained->count;
    for (int i = 0; i < trained->count && !s->stopped; i++) {
        Variable *weight = trained->at[i];
        // What the loss does not depend on stands still: no decay either.
        if (train_is_zero(build->graph, grads[i]))
            continue;
        Using *using = train_using(build, weight->name);
        if (!using) {
            sema_error(s, weight->pos, "no `using` covers the weight `%s`",
                       weight->name);
            sema_note(s, build->usings.at[0]->stmt->pos,
                      "add one without `on`, or freeze the weight");
            continue;
        }
        if (enter_optimizer(s, using, weight, grads[i]))
            exec_block(s, using->optimizer->def->body);
        frame_pop(s);
        updated++;
    }
    if (!updated && !s->stopped)
        sema_fail(s, build->losses.at[0].pos,
                  "the loss depends on no trained weight");
    build->gradients = NULL;
    build->trained = NULL;
    averages_update(s, build);
    build->scope = "";
    build_enter(s, outer);
}

void train_assign(Graph *graph, const Variable *variable)
{
    SourcePos pos = variable->pos;
    graph->origin =
        (NodeOrigin){pos.source ? pos.source->path : NULL, pos.line, ""};
    if (variable->updated)
        build_assign(graph, variable->param, variable->current.tensor);
}

bool train_finish(Sema *s, Build *build, Value loss)
{
    VariableList trained = train_weights(s, build);
    if (!train_settings(s, build, &trained))
        return false;
    Value *wrt = ARENA_ARRAY(s->arena, Value, trained.count + 1);
    for (int i = 0; i < trained.count; i++)
        wrt[i] = trained.at[i]->param;
    if (!build->sketched) {
        Value *grads =
            train_gradients(s, build->graph, loss, trained.count, wrt);
        if (!grads)
            return false;
        warn_untrained(s, build, loss, &trained, grads);
        // autodiff gives a rank's share in the gradient of the sum of all
        // ranks' losses; the loss of the step is their mean. In the order in
        // which backward makes them, so that the first is sent, and its weight
        // updated, first.
        for (int i = trained.count - 1; i >= 0; i--) {
            Site site = {.build = build,
                         .pos = trained.at[i]->pos,
                         .what = trained.at[i]->name};
            if (!train_is_zero(build->graph, grads[i]))
                grads[i] = tensor_rank_mean(s, &site, grads[i]).tensor;
        }
        train_update(s, build, &trained, grads);
        if (!build->failed)
            still_warn(s, build);
    }
    for (int i = 0; i < build->order.count; i++)
        train_assign(build->graph, build->order.at[i]);
    return !build->failed;
}
