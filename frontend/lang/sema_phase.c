// Phases: options, input, losses and reports, and the graphs made of them.
#include <inttypes.h>
#include <string.h>

#include "frontend/lang/sema.h"

// ---- names of a phase -------------------------------------------------------

static const Option *find_option(const Phase *phase, const char *name)
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
    intptr_t known = (intptr_t)map_get(&s->build.schedule_inputs, kept);
    if (known)
        return datum_tensor((Value)(known - 1));
    Attr attrs[MAX_ATTRS] = {[INPUT_NAME] = {.text = kept}};
    TensorType type = type_scalar(s->options->dtype);
    Site site = {.what = kept};
    Datum input = tensor_add(s, &site, OP_INPUT, 0, NULL, attrs, &type);
    if (input.kind == DATUM_TENSOR)
        map_set(&s->build.schedule_inputs, kept,
                (void *)((intptr_t)input.tensor + 1));
    return input;
}

bool phase_name(Sema *s, const char *name, Datum *out)
{
    const Phase *phase = s->build.phase;
    if (!phase)
        return false;
    if (strcmp(name, "training") == 0) {
        *out = datum_bool(s->build.training);
        return true;
    }
    if (strcmp(name, "batch") == 0) {
        const Option *batch = find_option(phase, "batch");
        *out = batch ? batch->value : datum_poison();
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
    if (given.kind == DATUM_POISON || amounts ||
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

// Evaluates the options in order, each in sight of those before it.
static void eval_options(Sema *s, Phase *phase)
{
    const ArgList *args = phase->item->options;
    for (int i = 0; i < args->count; i++) {
        const Arg *arg = &args->at[i];
        if (find_option(phase, arg->name.text)) {
            sema_fail(s, arg->name.pos, "`%s` is given twice", arg->name.text);
            continue;
        }
        Option option = {.name = arg->name.text,
                         .pos = arg->value->pos,
                         .value = eval_expr(s, arg->value),
                         .expr = arg->value};
        option.value = override_option(s, phase, &option);
        vec_push(s->arena, &phase->options, option);
        frame_bind(s, s->frame, option.name, option.value, option.pos);
    }
}

static void check_batch(Sema *s, Phase *phase)
{
    const Option *batch = find_option(phase, "batch");
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
        sema_fail(s, batch->pos, "a batch is a whole number of images, not %s",
                  datum_describe(s->arena, batch->value, NULL));
        return;
    }
    phase->out->batch = (int)batch->value.whole;
    if (phase->out->batch % s->options->ranks != 0)
        sema_fail(s, batch->pos,
                  "a batch of %d images does not divide by %d ranks",
                  phase->out->batch, s->options->ranks);
}

static void check_length(Sema *s, Phase *phase)
{
    const Option *epochs = find_option(phase, "epochs");
    const Option *steps = find_option(phase, "steps");
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
        sema_fail(s, length->pos, "%s is more than 0, not %s", length->name,
                  datum_describe(s->arena, x, NULL));
    if (fits && epochs)
        phase->out->epochs = datum_number(x);
    if (fits && steps)
        phase->out->steps = x.whole;
}

// ---- input ------------------------------------------------------------------

static bool is_size(const char *name)
{
    return strcmp(name, "size") == 0;
}

// The size that images leave a pipeline with, 0 after a diagnostic.
static int64_t pipeline_size(Sema *s, const Expr *expr, const DatumList *list)
{
    int64_t size = 0;
    for (int i = 0; i < list->count; i++) {
        if (list->at[i].kind != DATUM_AUGMENT) {
            sema_fail(s, expr->pos,
                      "item %d of the pipeline is no augmentation but %s", i,
                      datum_describe(s->arena, list->at[i], s->build.graph));
            return 0;
        }
        const Augment *augment = list->at[i].augment;
        for (int k = 0; k < augment->row->count; k++)
            if (is_size(augment->row->names[k]))
                size = (int64_t)augment->args[k];
    }
    if (size == 0)
        sema_fail(s, expr->pos,
                  "nothing in the pipeline sets the images' size; add "
                  "random_crop(size) or center_crop(size)");
    return size;
}

static const DatumList *eval_pipeline(Sema *s, const Expr *expr, int64_t *size)
{
    Datum x = eval_expr(s, expr);
    if (x.kind == DATUM_AUGMENT)
        x = datum_list(s->arena, 1, &x);
    if (x.kind != DATUM_LIST) {
        if (x.kind != DATUM_POISON)
            sema_fail(s, expr->pos,
                      "a pipeline is a list of augmentations, not %s",
                      datum_describe(s->arena, x, s->build.graph));
        return NULL;
    }
    *size = pipeline_size(s, expr, x.list);
    return *size ? x.list : NULL;
}

static ExperimentAugment export_augment(Sema *s, const Augment *augment)
{
    int count = augment->row->count;
    double *args = ARENA_ARRAY(s->arena, double, count);
    memcpy(args, augment->args, sizeof(double) * (size_t)count);
    return (ExperimentAugment){.name = augment->row->name,
                               .arg_count = count,
                               .arg_names = augment->row->names,
                               .args = args};
}

static void set_pipelines(Sema *s, ExperimentPhase *out,
                          const DatumList *augment, const DatumList *evaluate)
{
    out->augment.count = out->evaluate.count = 0;
    for (int i = 0; i < augment->count; i++)
        vec_push(s->arena, &out->augment,
                 export_augment(s, augment->at[i].augment));
    for (int i = 0; evaluate && i < evaluate->count; i++)
        vec_push(s->arena, &out->evaluate,
                 export_augment(s, evaluate->at[i].augment));
}

// Evaluates both pipelines; false after a diagnostic.
static bool eval_clauses(Sema *s, const Stmt *stmt, ExperimentPhase *out)
{
    const DatumList *lists[2] = {NULL, NULL};
    const Expr *exprs[2] = {NULL, NULL};
    int64_t sizes[2] = {0, 0};
    for (int i = 0; i < stmt->clauses->count; i++) {
        const Arg *clause = &stmt->clauses->at[i];
        int which = strcmp(clause->name.text, "evaluate") == 0;
        if (exprs[which]) {
            sema_fail(s, clause->name.pos, "`%s` is given twice",
                      clause->name.text);
            return false;
        }
        exprs[which] = clause->value;
        lists[which] = eval_pipeline(s, clause->value, &sizes[which]);
        if (!lists[which])
            return false;
    }
    if (!lists[0]) {
        sema_fail(s, stmt->pos,
                  "the input says nothing of its images' size; "
                  "add `, augment [random_crop(size)]`");
        return false;
    }
    if (lists[1] && sizes[0] != sizes[1]) {
        sema_error(s, exprs[1]->pos,
                   "evaluation images are %" PRId64
                   " pixels wide, training images %" PRId64,
                   sizes[1], sizes[0]);
        sema_note(s, exprs[0]->pos, "the training pipeline");
        return false;
    }
    set_pipelines(s, out, lists[0], lists[1]);
    out->image_height = out->image_width = (int)sizes[0];
    return true;
}

static void set_source(Sema *s, ExperimentPhase *out, const DataSource *source)
{
    out->views = (int)source->views;
    out->labeled = source->labeled;
    if (!source->labeled)
        return;
    Datum amount = *source->amount;
    out->amount_rule = amount.kind == DATUM_ALL     ? AMOUNT_ALL
                       : amount.kind == DATUM_FLOAT ? AMOUNT_FRACTION
                                                    : AMOUNT_PER_CLASS;
    out->amount = amount.kind == DATUM_ALL ? 0 : datum_number(amount);
    (void)s;
}

static void set_classes(Sema *s, const Stmt *stmt, ExperimentPhase *out)
{
    const Binding *binding = frame_find(s->frame, "classes");
    const Global *global = map_get(&s->build.phase->module->visible, "classes");
    Datum classes = binding                   ? binding->value
                    : global && global->param ? param_value(s, global->param)
                                              : datum_none();
    if (classes.kind == DATUM_INT && classes.whole > 0 &&
        classes.whole <= (1 << 24))
        out->classes = (int)classes.whole;
    else if (classes.kind != DATUM_POISON)
        sema_fail(s, stmt->pos,
                  "labels need to know how many classes there are: param "
                  "classes = 10");
}

static Datum add_input(Sema *s, const Stmt *stmt, const char *name, int rank,
                       const int64_t *dims)
{
    Attr attrs[MAX_ATTRS] = {[INPUT_NAME] = {.text = name}};
    TensorType type = type_make(s->options->dtype, rank, dims);
    Site site = {.pos = stmt->pos,
                 .what = arena_printf(s->arena, "`%s`", name)};
    return tensor_add(s, &site, OP_INPUT, 0, NULL, attrs, &type);
}

static bool check_input(Sema *s, const Stmt *stmt, Datum source)
{
    if (s->build.input) {
        sema_error(s, stmt->pos, "a phase has one input");
        sema_note(s, s->build.input->pos, "here");
        return false;
    }
    s->build.input = stmt;
    if (source.kind != DATUM_SOURCE) {
        if (source.kind != DATUM_POISON)
            sema_fail(s, stmt->value->pos,
                      "an input comes from `unlabeled` or `labeled(amount)`, "
                      "not from %s",
                      datum_describe(s->arena, source, s->build.graph));
        return false;
    }
    if (stmt->words->count <= 2)
        return true;
    sema_fail(s, stmt->words->at[2].pos,
              "an input has images and labels, nothing more");
    return false;
}

void exec_input(Sema *s, const Stmt *stmt)
{
    ExperimentPhase *out = s->build.phase->out;
    const WordList *names = stmt->words;
    for (int i = 0; i < names->count; i++)
        frame_bind(s, s->frame, names->at[i].text, datum_poison(),
                   names->at[i].pos);
    Datum source = eval_expr(s, stmt->value);
    bool ok = check_input(s, stmt, source);
    if (!eval_clauses(s, stmt, out) || !ok)
        return;
    s->build.phase->input = source;
    set_source(s, out, source.source);
    if (out->labeled || names->count > 1)
        set_classes(s, stmt, out);
    int64_t rows = out->batch / s->options->ranks;
    int64_t dims[] = {rows * out->views, 3, out->image_height,
                      out->image_width};
    Datum images = add_input(s, stmt, "images", 4, dims);
    frame_bind(s, s->frame, names->at[0].text, images, names->at[0].pos);
    if (names->count < 2)
        return;
    Datum labels = add_input(s, stmt, "labels", 1, &rows);
    if (!out->labeled && s->build.training && labels.kind == DATUM_TENSOR)
        s->build.hidden_labels = labels.tensor;
    frame_bind(s, s->frame, names->at[1].text, labels, names->at[1].pos);
}

// ---- losses and reports -----------------------------------------------------

// A scalar or vector tensor of numbers, or NO_VALUE after a diagnostic.
static Value eval_quantity(Sema *s, const Expr *expr, const char *what)
{
    Datum x = eval_expr(s, expr);
    const Expr *const exprs[] = {expr};
    Site site = {expr->pos, what, 1, &x, exprs};
    if (x.kind == DATUM_POISON)
        return NO_VALUE;
    if (datum_is_number(x) && strcmp(what, "a report") == 0)
        x = tensor_constant(s, &site, 0, NULL, datum_number(x));
    else if (x.kind == DATUM_TENSOR)
        x = tensor_as_numbers(s, &site, x.tensor);
    else {
        sema_fail(s, expr->pos, "%s is a tensor, not %s", what,
                  datum_describe(s->arena, x, s->build.graph));
        return NO_VALUE;
    }
    if (x.kind != DATUM_TENSOR)
        return NO_VALUE;
    const TensorType *type = graph_type(s->build.graph, x.tensor);
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
    if (value != NO_VALUE || !s->build.losses.count)
        vec_push(s->arena, &s->build.losses, ((Loss){value, stmt->pos}));
}

// The name a report goes by: its own, its function's, or its variable's.
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

static bool check_report(Sema *s, Word name)
{
    for (int i = 0; i < s->build.reports.count; i++) {
        if (strcmp(s->build.reports.at[i].name, name.text) != 0)
            continue;
        sema_error(s, name.pos,
                   "`%s` is reported twice; give one another name: report "
                   "NAME = ...",
                   name.text);
        sema_note(s, s->build.reports.at[i].pos, "first here");
        return false;
    }
    if (strcmp(name.text, "loss") == 0) {
        sema_fail(s, name.pos,
                  "`loss` is what is minimized; it is reported "
                  "anyway");
        return false;
    }
    if (s->build.reports.count == MAX_REPORTS || strlen(name.text) > 63) {
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
            vec_push(s->arena, &s->build.reports,
                     ((Report){name.text, name.pos, value}));
    }
}

// ---- graphs -----------------------------------------------------------------

static Site plain_site(SourcePos pos)
{
    return (Site){.pos = pos, .what = "the loss"};
}

// The mean of a vector, a scalar as it is.
static Value mean_of(Sema *s, Value x, SourcePos pos)
{
    Site site = plain_site(pos);
    Datum mean = tensor_mean(s, &site, x, 0, NULL, false);
    return mean.kind == DATUM_TENSOR ? mean.tensor : NO_VALUE;
}

// One number an image: the runtime averages these over all images.
static bool is_per_image(Sema *s, Value x)
{
    const TensorType *type = graph_type(s->build.graph, x);
    int64_t rows = s->build.phase->out->batch / s->options->ranks;
    return type->rank == 1 && type->dims[0] == rows;
}

// The sum of all losses; kept per image in evaluation when each is.
static Value total_loss(Sema *s)
{
    bool per_image = !s->build.training;
    for (int i = 0; i < s->build.losses.count; i++)
        per_image = per_image && is_per_image(s, s->build.losses.at[i].value);
    Datum total = datum_none();
    for (int i = 0; i < s->build.losses.count; i++) {
        Loss loss = s->build.losses.at[i];
        Site site = plain_site(loss.pos);
        Value part = per_image ? loss.value : mean_of(s, loss.value, loss.pos);
        if (part == NO_VALUE)
            return NO_VALUE;
        total =
            i == 0 ? datum_tensor(part)
                   : tensor_binary(s, &site, OP_ADD, total, datum_tensor(part));
        if (total.kind != DATUM_TENSOR)
            return NO_VALUE;
    }
    return total.tensor;
}

// Which values depend on labels that training must not see; NULL when there
// are no such labels.
static bool *find_hidden(Sema *s)
{
    const Graph *graph = s->build.graph;
    if (s->build.hidden_labels == NO_VALUE)
        return NULL;
    bool *hidden = ARENA_ARRAY(s->arena, bool, graph->nodes.count);
    hidden[s->build.hidden_labels] = true;
    for (int i = 0; i < graph->nodes.count; i++)
        for (int k = 0; k < graph->nodes.at[i].input_count; k++)
            hidden[i] = hidden[i] || hidden[graph->nodes.at[i].inputs[k]];
    return hidden;
}

// Takes what depends on hidden labels out of a graph that reads none of it.
static void drop_hidden(Sema *s, Graph *graph, const bool *hidden, int count)
{
    bool *keep = ARENA_ARRAY(s->arena, bool, graph->nodes.count);
    for (int i = 0; i < graph->nodes.count; i++)
        keep[i] = i >= count || !hidden[i];
    graph_compact(graph, keep, NULL);
}

static bool check_hidden(Sema *s, const bool *hidden)
{
    for (int i = 0; i < s->build.losses.count; i++)
        if (hidden[s->build.losses.at[i].value]) {
            sema_fail(s, s->build.losses.at[i].pos,
                      "the loss depends on labels, but the images are "
                      "`unlabeled`; take them from labeled(amount)");
            return false;
        }
    for (int i = 0; i < s->build.order.count; i++) {
        const Variable *variable = s->build.order.at[i];
        if (variable->updated && hidden[variable->current.tensor]) {
            sema_fail(s, variable->pos,
                      "`%s` is updated from labels, but the images are "
                      "`unlabeled`",
                      variable->name);
            return false;
        }
    }
    return true;
}

// Reports that need hidden labels are left to the evaluation.
static void add_outputs(Sema *s, Value loss, const bool *hidden)
{
    graph_add_output(s->build.graph, "loss", loss);
    for (int i = 0; i < s->build.reports.count; i++) {
        Report report = s->build.reports.at[i];
        Value value = report.value;
        if (hidden && hidden[value])
            continue;
        if (s->build.training || !is_per_image(s, value))
            value = mean_of(s, value, report.pos);
        graph_add_output(s->build.graph, report.name, value);
    }
}

// A copy that shares only what never changes.
static Graph *copy_graph(Arena *arena, const Graph *graph, const char *name)
{
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

// Runs the phase's statements into a new graph; false after diagnostics. The
// phase's frame is left for the caller to pop.
static bool build_forward(Sema *s, Phase *phase, bool training)
{
    int errors = s->diags->error_count;
    const char *name = arena_printf(s->arena, "%s.%s", phase->item->name.text,
                                    training ? "train" : "eval");
    memset(&s->build, 0, sizeof s->build);
    s->build.phase = phase;
    s->build.graph = graph_new(s->arena, name);
    s->build.training = training;
    s->build.scope = "";
    s->build.hidden_labels = NO_VALUE;
    s->build.variables = map_new(s->arena);
    s->build.schedule_inputs = map_new(s->arena);
    frame_push(s, FRAME_PHASE, phase->module, NULL, phase->item->name.pos);
    for (int i = 0; i < phase->options.count; i++) {
        const Option *option = &phase->options.at[i];
        frame_bind(s, s->frame, option->name, option->value, option->pos);
    }
    if (phase->item->teacher.text)
        frame_bind(s, s->frame, phase->item->teacher_name.text,
                   phase->teacher ? (Datum){.kind = DATUM_TEACHER,
                                            .teacher = phase->teacher}
                                  : datum_poison(),
                   phase->item->teacher_name.pos);
    exec_block(s, phase->item->body);
    return s->diags->error_count == errors && !s->stopped;
}

static bool check_complete(Sema *s, const Phase *phase)
{
    Word name = phase->item->name;
    if (!s->build.input)
        sema_fail(s, name.pos, "phase `%s` has no input", name.text);
    else if (!s->build.losses.count)
        sema_fail(s, name.pos, "phase `%s` minimizes nothing", name.text);
    else if (!s->build.usings.count)
        sema_fail(s, name.pos, "phase `%s` names no optimizer: using ...",
                  name.text);
    else
        return true;
    return false;
}

static bool build_train(Sema *s, Phase *phase)
{
    int errors = s->diags->error_count;
    if (!build_forward(s, phase, true) || !check_complete(s, phase))
        return false;
    bool *hidden = find_hidden(s);
    int forward_count = s->build.graph->nodes.count;
    if (hidden && !check_hidden(s, hidden))
        return false;
    Value loss = total_loss(s);
    add_outputs(s, loss, hidden);
    phase->out->forward = copy_graph(
        s->arena, s->build.graph,
        arena_printf(s->arena, "%s.forward", phase->item->name.text));
    phase->out->train = s->build.graph;
    train_finish(s, loss);
    if (hidden) {
        drop_hidden(s, phase->out->forward, hidden, forward_count);
        drop_hidden(s, phase->out->train, hidden, forward_count);
    }
    for (int i = 0; i < s->build.order.count; i++)
        vec_push(s->arena, &phase->variables, s->build.order.at[i]);
    return s->diags->error_count == errors;
}

static bool build_eval(Sema *s, Phase *phase)
{
    if (!phase->out->evaluate.count)
        return true;
    bool ok = build_forward(s, phase, false);
    if (ok) {
        Value loss = total_loss(s);
        add_outputs(s, loss, NULL);
        phase->out->eval = s->build.graph;
    }
    frame_pop(s);
    return ok;
}

// ---- from and with ----------------------------------------------------------

static Phase *find_phase(Sema *s, const Phase *phase, Word word,
                         const char *role)
{
    Phase *found = map_get(&s->phases_by_name, word.text);
    if (!found) {
        VEC(const char *) names = {0};
        for (int i = 0; i < s->phases.count; i++)
            vec_push(s->arena, &names, s->phases.at[i]->item->name.text);
        sema_fail(s, word.pos, "there is no phase `%.60s`%s", word.text,
                  sema_suggest(s, word.text, names.at, names.count));
        return NULL;
    }
    if (found->state != PHASE_NEW && found != phase)
        return found;
    sema_fail(s, word.pos, "`%s` comes later; a phase's %s comes before it",
              word.text, role);
    return NULL;
}

static const char *join_words(Sema *s, const WordList *words)
{
    if (!words)
        return NULL;
    Text text = text_new(s->arena);
    for (int i = 0; i < words->count; i++)
        text_addf(&text, "%s%s", i ? "," : "", words->at[i].text);
    return text_string(&text);
}

static bool matches_words(const WordList *words, const char *name)
{
    for (int i = 0; i < words->count; i++)
        if (text_glob(words->at[i].text, name))
            return true;
    return false;
}

static void check_patterns(Sema *s, const Phase *phase, const WordList *words)
{
    for (int i = 0; words && i < words->count; i++) {
        bool used = false;
        for (int k = 0; k < phase->from->variables.count && !used; k++)
            used = text_glob(words->at[i].text,
                             phase->from->variables.at[k]->name);
        for (int k = 0; k < phase->variables.count && !used; k++)
            used = text_glob(words->at[i].text, phase->variables.at[k]->name);
        if (!used)
            sema_fail(s, words->at[i].pos,
                      "\"%s\" matches no weight of `%s` or `%s`",
                      words->at[i].text, phase->from->item->name.text,
                      phase->item->name.text);
    }
}

static void check_same_shape(Sema *s, const Phase *phase, const Variable *mine,
                             const Variable *theirs)
{
    const TensorType *here = &mine->type, *there = &theirs->type;
    if (type_equal(here, there))
        return;
    sema_error(s, phase->item->from.pos,
               "`%s` is %s in `%s` but %s in `%s`; leave it out with except "
               "\"%s\"",
               mine->name, type_text(s->arena, here), phase->item->name.text,
               type_text(s->arena, there), phase->from->item->name.text,
               mine->name);
    sema_note(s, mine->pos, "declared here");
    if (theirs->pos.line != mine->pos.line)
        sema_note(s, theirs->pos, "and here");
}

// What is taken over from another phase must fit, and there must be some.
static void check_from(Sema *s, const Phase *phase)
{
    if (!phase->from || phase->from->state != PHASE_DONE)
        return;
    const PhaseItem *item = phase->item;
    check_patterns(s, phase, item->only);
    check_patterns(s, phase, item->except);
    Map theirs = map_new(s->arena);
    for (int i = 0; i < phase->from->variables.count; i++) {
        Variable *variable = phase->from->variables.at[i];
        map_set(&theirs, variable->name, variable);
    }
    bool any = false;
    for (int i = 0; i < phase->variables.count; i++) {
        const Variable *mine = phase->variables.at[i];
        const Variable *other = map_get(&theirs, mine->name);
        if (!other || mine->is_frozen || other->is_frozen ||
            (item->only && !matches_words(item->only, mine->name)) ||
            (item->except && matches_words(item->except, mine->name)))
            continue;
        check_same_shape(s, phase, mine, other);
        any = true;
    }
    if (!any)
        sema_fail(s, item->from.pos,
                  "nothing is taken over from `%s`: no "
                  "weight has the same name in both",
                  item->from.text);
}

// ---- all of it --------------------------------------------------------------

static void export_phase(Sema *s, Phase *phase)
{
    const PhaseItem *item = phase->item;
    ExperimentPhase *out = ARENA_NEW(s->arena, ExperimentPhase);
    out->name = item->name.text;
    out->pos = item->name.pos;
    out->from = item->from.text;
    out->from_only = join_words(s, item->only);
    out->from_except = join_words(s, item->except);
    out->teacher = item->teacher.text;
    out->views = 1;
    phase->out = out;
    if (item->from.text && !item->from_file)
        phase->from = find_phase(s, phase, item->from, "start");
    if (item->teacher.text)
        phase->teacher = find_phase(s, phase, item->teacher, "teacher");
    if (!item->from.text && (item->only || item->except))
        sema_fail(s, item->name.pos,
                  "`only` and `except` go with `from`: phase `%s` starts "
                  "afresh",
                  item->name.text);
}

static void elaborate_phase(Sema *s, Phase *phase)
{
    int errors = s->diags->error_count;
    export_phase(s, phase);
    memset(&s->build, 0, sizeof s->build);
    frame_push(s, FRAME_PHASE, phase->module, NULL, phase->item->name.pos);
    eval_options(s, phase);
    check_batch(s, phase);
    check_length(s, phase);
    frame_pop(s);
    phase->state = PHASE_FAILED;
    if (s->stopped || !phase->out->batch)
        return;
    bool ok = build_train(s, phase);
    frame_pop(s);
    ok = ok && build_eval(s, phase);
    if (ok)
        check_from(s, phase);
    if (s->diags->error_count == errors)
        phase->state = PHASE_DONE;
}

void phases_elaborate(Sema *s)
{
    for (int i = 0; i < s->phases.count && !s->stopped; i++) {
        s->eval_depth = s->call_depth = 0;
        elaborate_phase(s, s->phases.at[i]);
        vec_push(s->arena, &s->experiment->phases, *s->phases.at[i]->out);
    }
    memset(&s->build, 0, sizeof s->build);
}
