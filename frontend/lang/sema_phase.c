// Phases: options, losses and reports, and the graphs made of them.
#include <string.h>

#include "frontend/lang/sema.h"

// ---- names of a phase -------------------------------------------------------

const Option *phase_option(const Phase *phase, const char *name)
{
    for (int i = 0; i < phase->options.count; i++)
        if (strcmp(phase->options.at[i].name, name) == 0)
            return &phase->options.at[i];
    return NULL;
}

// "step" and its like: one input node a graph, made when first read.
static Datum schedule_input(Sema *s, const char *name)
{
    const char *kept = strcmp(name, "step") == 0          ? "step"
                       : strcmp(name, "total_steps") == 0 ? "total_steps"
                                                          : "epoch_steps";
    intptr_t known = (intptr_t)map_get(&s->build->schedule_inputs, kept);
    if (known)
        return datum_tensor((Value)(known - 1));
    Attr attrs[MAX_ATTRS] = {[INPUT_NAME] = {.text = kept}};
    TensorType type = type_scalar(s->options->dtype);
    Site site = {.build = s->build, .what = kept};
    Datum input = tensor_add(s, &site, OP_INPUT, 0, NULL, attrs, &type);
    if (input.kind == DATUM_TENSOR)
        map_set(&s->build->schedule_inputs, kept,
                (void *)((intptr_t)input.tensor + 1));
    return input;
}

bool phase_name(Sema *s, const char *name, Datum *out)
{
    const Phase *phase = s->build->phase;
    if (!phase)
        return false;
    if (strcmp(name, "training") == 0) {
        *out = datum_bool(s->build->training);
        return true;
    }
    if (strcmp(name, "batch") == 0) {
        *out = phase_option(phase, "batch") ? datum_int(s->build->batch)
                                            : datum_poison();
        return true;
    }
    if (strcmp(name, "classes") == 0) {
        *out =
            phase->out->classes ? datum_int(phase->out->classes) : datum_none();
        return true;
    }
    if (strcmp(name, "step") != 0 && strcmp(name, "total_steps") != 0 &&
        strcmp(name, "epoch_steps") != 0)
        return false;
    *out = schedule_input(s, name);
    return true;
}

// ---- options ----------------------------------------------------------------

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
    }
}

static bool is_wanted(const Sema *s, const Phase *phase)
{
    for (int i = 0; i < s->options->phase_count; i++)
        if (strcmp(s->options->phases[i], phase->item->name.text) == 0)
            return true;
    return s->options->phase_count == 0;
}

static void check_batch(Sema *s, Phase *phase)
{
    int ranks = s->options->ranks;
    const Option *batch = phase_option(phase, "batch");
    if (!batch) {
        sema_fail(s, phase->item->name.pos,
                  "phase `%s` does not say its batch: (batch = 256, ...)",
                  phase->item->name.text);
        return;
    }
    if (batch->value.kind == DATUM_POISON)
        return;
    if (batch->value.kind != DATUM_INT || batch->value.whole < 1 ||
        batch->value.whole > (1 << 24)) {
        sema_fail(s, batch->pos,
                  "a batch is a whole number of at least 1, not %s",
                  datum_describe(s->arena, batch->value, NULL));
        return;
    }
    int images = (int)batch->value.whole;
    phase->out->batch = images;
    if (images % ranks != 0 && is_wanted(s, phase))
        sema_fail(s, batch->pos,
                  "a batch of %d images does not divide by %d processes; one "
                  "of %d does",
                  images, ranks, (images / ranks + 1) * ranks);
}

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

Word report_name(Sema *s, const Arg *arg)
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

// ---- graphs -----------------------------------------------------------------

// The mean of a number of each image, and then of a number of each rank, which
// on one is that itself. A scalar is its own mean.
static Value mean_of_all(Sema *s, const Build *build, Value x, SourcePos pos)
{
    Site site = {.build = build, .pos = pos, .what = "the loss"};
    Datum mean = tensor_mean(s, &site, x, 0, NULL, false);
    if (mean.kind == DATUM_TENSOR)
        mean = tensor_rank_mean(s, &site, mean.tensor);
    return mean.kind == DATUM_TENSOR ? mean.tensor : NO_VALUE;
}

// One number an image: the runtime averages these over all images.
static bool is_per_image(const Build *build, Value x)
{
    const TensorType *type = graph_type(build->graph, x);
    return type->rank == 1 && type->dims[0] == build->batch / build->ranks;
}

// The sum of all losses; kept per image in evaluation when each is.
static Value total_loss(Sema *s, const Build *build)
{
    bool per_image = !build->training;
    for (int i = 0; i < build->losses.count; i++)
        per_image = per_image && is_per_image(build, build->losses.at[i].value);
    Datum total = datum_none();
    for (int i = 0; i < build->losses.count; i++) {
        Loss loss = build->losses.at[i];
        Site site = {.build = build, .pos = loss.pos, .what = "the loss"};
        Datum part = datum_tensor(loss.value);
        if (!per_image)
            part = tensor_mean(s, &site, loss.value, 0, NULL, false);
        if (part.kind == DATUM_TENSOR && i > 0)
            part = tensor_binary(s, &site, OP_ADD, total, part);
        if (part.kind != DATUM_TENSOR)
            return NO_VALUE;
        total = part;
    }
    return total.tensor;
}

// Reports that need hidden labels are left to the evaluation, those of a step
// to the training.
Value build_outputs(Sema *s, const Build *build, const bool *left_out)
{
    Value loss = total_loss(s, build);
    Site site = {
        .build = build, .pos = build->losses.at[0].pos, .what = "the loss"};
    Datum mean = tensor_rank_mean(s, &site, loss);
    graph_add_output(build->graph, "loss",
                     mean.kind == DATUM_TENSOR ? mean.tensor : NO_VALUE);
    for (int i = 0; i < build->reports.count; i++) {
        Report report = build->reports.at[i];
        Value value = report.value;
        if (left_out && left_out[value])
            continue;
        if (build->training || !is_per_image(build, value))
            value = mean_of_all(s, build, value, report.pos);
        graph_add_output(build->graph, report.name, value);
    }
    return loss;
}

Graph *build_copy(Sema *s, const Graph *graph, const char *name)
{
    Arena *arena = s->arena;
    Graph *copy = graph_new(arena, name);
    for (int i = 0; i < graph->nodes.count; i++) {
        Node node = graph->nodes.at[i];
        Value *inputs = ARENA_ARRAY(arena, Value, node.input_count + 1);
        if (node.input_count)
            memcpy(inputs, node.inputs,
                   sizeof(Value) * (size_t)node.input_count);
        node.inputs = inputs;
        vec_push(arena, &copy->nodes, node);
    }
    for (int i = 0; i < graph->outputs.count; i++)
        vec_push(arena, &copy->outputs, graph->outputs.at[i]);
    return copy;
}

Build *build_enter(Sema *s, Build *build)
{
    Build *outer = s->build;
    s->build = build;
    return outer;
}

void build_begin(Sema *s, Build *build, Phase *phase, int batch, bool training,
                 const char *what)
{
    const char *name =
        arena_printf(s->arena, "%s.%s", phase->item->name.text, what);
    *build = (Build){.phase = phase,
                     .graph = graph_new(s->arena, name),
                     .batch = batch,
                     .ranks = training ? s->options->ranks : 1,
                     .training = training,
                     .sketched = !is_wanted(s, phase),
                     .scope = "",
                     .variables = map_new(s->arena),
                     .schedule_inputs = map_new(s->arena),
                     .hidden_labels = NO_VALUE};
    build->graph->nodes.at = s->nodes;
    build->graph->nodes.capacity = s->node_capacity;
    build->outer = build_enter(s, build);
    frame_push(s, FRAME_PHASE, phase->module, NULL, phase->item->name.pos);
    for (int i = 0; i < phase->options.count; i++) {
        const Option *option = &phase->options.at[i];
        bool images = strcmp(option->name, "batch") == 0;
        frame_bind(s, s->frame, option->name,
                   images ? datum_int(batch) : option->value, option->pos);
    }
    if (phase->item->teacher.text)
        frame_bind(s, s->frame, phase->item->teacher_name.text,
                   phase->teacher ? (Datum){.kind = DATUM_TEACHER,
                                            .teacher = phase->teacher}
                                  : datum_poison(),
                   phase->item->teacher_name.pos);
}

void build_leave(Sema *s)
{
    frame_pop(s);
    build_enter(s, s->build->outer);
}

Graph *build_finish(Sema *s, const Build *build)
{
    Graph *graph = build->graph;
    size_t count = (size_t)graph->nodes.count;
    s->nodes = graph->nodes.at;
    s->node_capacity = graph->nodes.capacity;
    graph->nodes.at = ARENA_ARRAY(s->arena, Node, count);
    graph->nodes.capacity = graph->nodes.count;
    if (count)
        memcpy(graph->nodes.at, s->nodes, sizeof(Node) * count);
    return graph;
}

bool build_forward(Sema *s, const Build *build)
{
    exec_block(s, build->phase->item->body);
    return !build->failed && !s->stopped;
}

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

static bool is_in_chunks(const Sema *s, const Phase *phase)
{
    return phase->out->chunk > 0 && is_wanted(s, phase);
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
    if (is_in_chunks(s, phase)) {
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
              options_hold && finish_train(s, &build) && !build.failed;
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

// Of a phase that is not wanted only where no other graph says whether it reads
// labels.
static bool needs_eval(const Sema *s, const Phase *phase)
{
    const ExperimentPhase *out = phase->out;
    return out->evaluate.count &&
           (is_wanted(s, phase) ||
            (out->source != IMAGES_LABELED && !reads_labels(out->train)));
}

static bool build_eval(Sema *s, Phase *phase)
{
    if (!needs_eval(s, phase))
        return true;
    int rows = phase->out->chunk ? phase->out->chunk
                                 : phase->out->batch / s->options->ranks;
    Build build;
    build_begin(s, &build, phase, rows, false, "eval");
    bool ok = build_forward(s, &build);
    if (ok) {
        build_outputs(s, &build, stepwise_find(s, &build));
        phase->out->eval = build_finish(s, &build);
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
    out->views = 1;
    out->ranks = s->options->ranks;
    phase->out = out;
    from_resolve(s, phase);
}

// How many classes there are matters to a phase that reads labels.
static void forget_classes(ExperimentPhase *out)
{
    if (out->source != IMAGES_LABELED && !reads_labels(out->train) &&
        !reads_labels(out->eval))
        out->classes = 0;
}

static void elaborate_phase(Sema *s, Phase *phase)
{
    Build outside = {0}, *outer = build_enter(s, &outside);
    export_phase(s, phase);
    frame_push(s, FRAME_PHASE, phase->module, NULL, phase->item->name.pos);
    eval_options(s, phase);
    check_batch(s, phase);
    check_length(s, phase);
    chunk_check(s, phase);
    frame_pop(s);
    phase->state = PHASE_FAILED;
    if (!s->stopped && phase->out->batch) {
        bool ok = build_train(s, phase, !outside.failed);
        if (ok && is_in_chunks(s, phase))
            ok = chunk_parts(s, phase);
        ok = ok && build_eval(s, phase) &&
             (!is_wanted(s, phase) || value_build(s, phase));
        if (ok)
            from_check(s, phase);
        forget_classes(phase->out);
        if (ok && !outside.failed)
            phase->state = PHASE_DONE;
    }
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
