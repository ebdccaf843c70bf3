// Phases: their options, and the graphs made of each.
#include <string.h>

#include "frontend/lang/elaborate.h"
#include "frontend/lang/eval.h"
#include "frontend/lang/setting.h"
#include "frontend/lang/stages.h"

// ---- options ----------------------------------------------------------------

// The kind stays, but an amount of labels may be a share, a count or `all`, and
// a chunk a number or none.
static Datum override_option(Sema *s, Phase *phase, Option *option)
{
    const char *phase_text = phase->item->name.text;
    const Setting *setting = setting_find(s, phase_text, option->name);
    if (!setting || option->value.kind == DATUM_POISON)
        return option->value;
    Datum given = setting_value(s, setting, option->value, phase->module);
    bool amounts =
        (datum_is_number(given) || given.kind == DATUM_ALL) &&
        (datum_is_number(option->value) || option->value.kind == DATUM_ALL);
    bool chunks = strcmp(option->name, "chunk") == 0;
    if (given.kind == DATUM_POISON || amounts || chunks ||
        given.kind == option->value.kind) {
        option->from_command_line = true;
        return given;
    }
    sema_error(s, (SourcePos){0}, "--set %s=%s: `%s` is %s", setting->name,
               setting->value, option->name,
               datum_kind_text(option->value.kind));
    sema_note(s, option->pos, "declared here");
    return datum_poison();
}

static bool is_written(const ArgList *args, const char *name)
{
    for (int i = 0; i < args->count; i++)
        if (strcmp(args->at[i].name.text, name) == 0)
            return true;
    return false;
}

// --set PHASE.steps=N takes the place of the epochs a phase says, and the other
// way round.
static const char *option_name(Sema *s, Phase *phase, const Arg *arg)
{
    static const char *const lengths[] = {"epochs", "steps"};
    const char *phase_text = phase->item->name.text;
    for (int i = 0; i < 2; i++) {
        const char *other = lengths[1 - i];
        if (strcmp(arg->name.text, lengths[i]) != 0 ||
            is_written(phase->item->options, other) ||
            !setting_find(s, phase_text, other))
            continue;
        vec_push(s->arena, &phase->renamed, ((Word){other, arg->name.pos}));
        return other;
    }
    return arg->name.text;
}

// Evaluates the options in order, each in sight of those before it.
static void eval_options(Sema *s, Phase *phase)
{
    const ArgList *args = phase->item->options;
    if (args->count > MAX_OPTIONS)
        sema_fail(s, args->at[MAX_OPTIONS].name.pos,
                  "a phase has at most %d settings", MAX_OPTIONS);
    for (int i = 0; i < args->count && i < MAX_OPTIONS; i++) {
        const Arg *arg = &args->at[i];
        if (phase_option(phase, arg->name.text)) {
            sema_fail(s, arg->name.pos, "`%s` is given twice", arg->name.text);
            continue;
        }
        Option option = {.name = option_name(s, phase, arg),
                         .pos = arg->value->pos,
                         .value = eval_expr(s, arg->value),
                         .expr = arg->value};
        option.value = override_option(s, phase, &option);
        vec_push(s->arena, &phase->options, option);
        frame_bind(s, s->frame, option.name, option.value, option.pos);
        if (option.value.kind == DATUM_POISON)
            continue;
        ExperimentParam setting = {
            .name = arena_printf(s->arena, "%s.%s", phase->item->name.text,
                                 option.name),
            .value = datum_text(s->arena, option.value),
            .range = "",
            .doc = "",
            .from_command_line = option.from_command_line};
        vec_push(s->arena, &s->experiment->settings, setting);
    }
}

// Any other word among a phase's options is a name of the program's own.
static void note_misspelt(Sema *s, const Phase *phase, const char *wanted)
{
    for (int i = 0; i < phase->options.count; i++) {
        const Option *option = &phase->options.at[i];
        if (text_closest(option->name, &wanted, 1))
            sema_note(s, option->pos, "did you mean `%s`, not `%s`?", wanted,
                      option->name);
    }
}

static void check_batch(Sema *s, Phase *phase)
{
    enum { MOST_IMAGES = 1 << 24 };
    int ranks = s->options->ranks;
    const Option *batch = phase_option(phase, "batch");
    if (!batch) {
        sema_fail(s, phase->item->name.pos,
                  "phase `%s` does not say its batch: (batch = 256, ...)",
                  phase->item->name.text);
        note_misspelt(s, phase, "batch");
        return;
    }
    if (batch->value.kind == DATUM_POISON)
        return;
    if (batch->value.kind != DATUM_INT || batch->value.whole < 1 ||
        batch->value.whole > MOST_IMAGES) {
        sema_fail(s, batch->pos,
                  "a batch is a whole number from 1 to %d, not %s", MOST_IMAGES,
                  datum_describe(s->arena, batch->value, NULL));
        return;
    }
    int images = (int)batch->value.whole;
    phase->out->batch = images;
    if (images % ranks != 0 && phase->is_wanted)
        sema_fail(s, batch->pos,
                  "a batch of %d image%s does not divide by %d processes; one "
                  "of %d does",
                  images, text_s(images), ranks, (images / ranks + 1) * ranks);
}

// `balanced` need not be declared to be set. What a resumed run must agree with
// is among the settings, as a declared one is.
static void check_balanced(Sema *s, Phase *phase)
{
    const char *name = phase->item->name.text;
    const Setting *setting = setting_find(s, name, "balanced");
    if (setting && !phase_option(phase, "balanced") && phase->options.count) {
        Option given = {
            .name = "balanced",
            .pos = phase->item->name.pos,
            .value = setting_value(s, setting, datum_bool(true), phase->module),
            .from_command_line = true};
        ExperimentParam added = {
            .name = arena_printf(s->arena, "%s.balanced", name),
            .value = datum_text(s->arena, given.value),
            .range = "",
            .doc = "",
            .from_command_line = true};
        vec_push(s->arena, &phase->options, given);
        vec_push(s->arena, &s->experiment->settings, added);
    }
    const Option *option = phase_option(phase, "balanced");
    if (!option || option->value.kind == DATUM_POISON)
        return;
    if (option->value.kind == DATUM_BOOL)
        phase->out->balanced = option->value.truth;
    else
        sema_fail(s, option->pos, "balanced is true or false, not %s",
                  datum_describe(s->arena, option->value, NULL));
}

// Known when the statements have run: which labels the phase sees.
static bool check_balanced_source(Sema *s, const Phase *phase)
{
    const ExperimentPhase *out = phase->out;
    if (!out->balanced || source_is_labeled(out->source))
        return true;
    sema_fail(s, phase_option(phase, "balanced")->pos,
              "phase `%s` cannot be balanced: it does not see the class of "
              "each image, as one with labeled(amount) does",
              out->name);
    return false;
}

// How many steps an epoch has is known at run time, with the number of images.
static void check_length(Sema *s, Phase *phase)
{
    const Option *epochs = phase_option(phase, "epochs");
    const Option *steps = phase_option(phase, "steps");
    if (!epochs == !steps) {
        sema_fail(s, phase->item->name.pos,
                  epochs ? "phase `%s` says both epochs and steps"
                         : "phase `%s` does not say how long it takes: epochs "
                           "= ... or steps = ...",
                  phase->item->name.text);
        if (!epochs) {
            note_misspelt(s, phase, "epochs");
            note_misspelt(s, phase, "steps");
        }
        return;
    }
    const Option *length = epochs ? epochs : steps;
    Datum x = length->value;
    bool fits = epochs ? datum_is_number(x) && datum_number(x) > 0
                       : x.kind == DATUM_INT && x.whole > 0;
    if (!fits && x.kind != DATUM_POISON)
        sema_fail(s, length->pos, "%s, not %s",
                  epochs ? "epochs is more than 0"
                         : "steps is a whole number of at least 1",
                  datum_describe(s->arena, x, NULL));
    if (fits && epochs)
        phase->out->epochs = datum_number(x);
    if (fits && steps)
        phase->out->steps = x.whole;
}

// ---- graphs -----------------------------------------------------------------

static bool check_complete(Sema *s, const Build *build)
{
    Word name = build->phase->item->name;
    if (!build->input)
        sema_fail(s, name.pos, "phase `%s` has no input", name.text);
    else if (!build->losses.count)
        sema_fail(s, name.pos, "phase `%s` minimizes nothing", name.text);
    else if (!build->usings.count)
        sema_fail(s, name.pos, "phase `%s` names no optimizer: using ...",
                  name.text);
    else
        return true;
    return false;
}

static bool is_in_chunks(const Phase *phase)
{
    return phase->out->chunk > 0 && phase->is_wanted;
}

// From the statements that have run to whole steps: the graph `forward`, and
// `train` or, in chunks, the parts that have to do with all images.
static bool finish_train(Sema *s, Build *build)
{
    Phase *phase = build->phase;
    bool *hidden = hidden_find(s, build);
    int forward_count = build->graph->nodes.count;
    if (hidden && !hidden_check(s, build, hidden))
        return false;
    Value loss = build_outputs(s, build, hidden);
    if (!build->sketched)
        phase->out->forward = build_copy(
            s, build->graph,
            arena_printf(s->arena, "%s.forward", phase->item->name.text));
    if (hidden && phase->out->forward)
        hidden_drop(s, phase->out->forward, hidden, forward_count);
    if (is_in_chunks(phase)) {
        if (!chunk_whole(s, build, loss))
            return false;
    } else {
        if (!train_finish(s, build, loss))
            return false;
        phase->out->train = build_finish(s, build);
        if (hidden)
            hidden_drop(s, phase->out->train, hidden, forward_count);
    }
    for (int i = 0; i < build->order.count; i++)
        vec_push(s->arena, &phase->variables, build->order.at[i]);
    return true;
}

// After an error in its options or its statements there is no sense in going on
// to a phase's gradients.
static bool build_train(Sema *s, Phase *phase, bool options_hold)
{
    Build build;
    build_begin(s, &build, phase, phase->out->batch, true, "train");
    bool ok = build_forward(s, &build) && check_complete(s, &build) &&
              check_balanced_source(s, phase) && options_hold &&
              finish_train(s, &build) && !build.failed;
    build_leave(s);
    return ok;
}

static bool reads_labels(const Graph *graph)
{
    for (int i = 0; graph && i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.at[i];
        for (int k = 0; k < node->input_count; k++) {
            const Node *input = graph_node(graph, node->inputs[k]);
            if (input->op == OP_INPUT &&
                strcmp(input->attrs[INPUT_NAME].text, "labels") == 0)
                return true;
        }
    }
    return false;
}

// What a class report is made of. A phase that has no such value is evaluated
// by its reports alone.
static void add_scores(Sema *s, const Build *build, const bool *left_out)
{
    const char *name = s->options->scores_name;
    const Binding *binding = name ? frame_find(s->frame, name) : NULL;
    if (!binding || binding->value.kind != DATUM_TENSOR)
        return;
    Value scores = binding->value.tensor;
    const TensorType *type = graph_type(build->graph, scores);
    if (type->rank == 2 && type->dims[0] == build->batch &&
        type->dtype == s->options->dtype &&
        experiment_views(build->phase->out) == 1 &&
        !(left_out && left_out[scores]))
        graph_add_output(build->graph,
                         arena_printf(s->arena, SCORES_PREFIX "%s", name),
                         scores);
}

static bool build_eval(Sema *s, Phase *phase)
{
    ExperimentPhase *out = phase->out;
    // Of a phase that is not wanted only where no other graph says whether it
    // reads labels.
    if (!out->groups[0].evaluate.count ||
        (!phase->is_wanted &&
         (source_is_labeled(out->source) || reads_labels(out->train))))
        return true;
    int rows = (out->chunk ? out->chunk : out->batch) / s->options->ranks;
    rows += rows == 0; // of a phase that is not wanted
    Build build;
    build_begin(s, &build, phase, rows, false, "eval");
    bool ok = build_forward(s, &build);
    if (ok) {
        const bool *stepwise = stepwise_find(s, &build);
        build_outputs(s, &build, stepwise);
        add_scores(s, &build, stepwise);
        out->eval = build_finish(s, &build);
    }
    build_leave(s);
    return ok;
}

// ---- all of it --------------------------------------------------------------

static void export_phase(Sema *s, Phase *phase)
{
    const PhaseItem *item = phase->item;
    ExperimentPhase *out = ARENA_NEW(s->arena, ExperimentPhase);
    out->name = item->name.text;
    out->pos = item->name.pos;
    out->channels = 3;
    out->group_count = out->groups[0].views = 1;
    out->ranks = s->options->ranks;
    phase->out = out;
    phase->is_wanted = s->options->phase_count == 0;
    for (int i = 0; i < s->options->phase_count; i++)
        if (strcmp(s->options->phases[i], out->name) == 0)
            phase->is_wanted = true;
    from_resolve(s, phase);
}

static void elaborate_phase(Sema *s, Phase *phase)
{
    Build outside = {0}, *outer = build_enter(s, &outside);
    s->phase = phase;
    export_phase(s, phase);
    frame_push(s, FRAME_PHASE, phase->module, NULL, phase->item->name.pos);
    eval_options(s, phase);
    check_batch(s, phase);
    check_length(s, phase);
    chunk_check(s, phase);
    check_balanced(s, phase);
    frame_pop(s);
    phase->state = PHASE_FAILED;
    // Without a batch its statements are read with some other one, for their
    // own mistakes.
    enum { SOME_IMAGES = 64 };
    bool has_batch = phase->out->batch > 0;
    if (!has_batch)
        phase->out->batch = SOME_IMAGES * s->options->ranks;
    if (!s->stopped) {
        bool ok = build_train(s, phase, has_batch && !outside.failed);
        if (ok && is_in_chunks(phase))
            ok = chunk_parts(s, phase);
        ok = ok && build_eval(s, phase) &&
             (!phase->is_wanted || value_build(s, phase));
        if (ok)
            from_check(s, phase);
        // How many classes there are matters to a phase that reads labels.
        const ExperimentPhase *out = phase->out;
        if (!source_is_labeled(out->source) && !reads_labels(out->train) &&
            !reads_labels(out->eval))
            phase->out->classes = 0;
        if (ok && !outside.failed)
            phase->state = PHASE_DONE;
    }
    s->phase = NULL;
    build_enter(s, outer);
}

void phases_elaborate(Sema *s)
{
    for (int i = 0; i < s->phases.count && !s->stopped; i++) {
        s->eval_depth = s->call_depth = 0;
        elaborate_phase(s, s->phases.at[i]);
        vec_push(s->arena, &s->experiment->phases, *s->phases.at[i]->out);
    }
}
