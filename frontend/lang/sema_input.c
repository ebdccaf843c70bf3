// The input statement: where images come from and what is done to them.
#include <inttypes.h>
#include <string.h>

#include "frontend/lang/builtins.h"
#include "frontend/lang/eval.h"
#include "frontend/lang/tensor.h"

// A list of augmentations, of which the last that has a size sets that of the
// images. One augmentation is a pipeline of one. NULL after a diagnostic.
static const DatumList *eval_pipeline(Sema *s, const Expr *expr, int64_t *size)
{
    Datum x = eval_expr(s, expr);
    if (x.kind == DATUM_AUGMENT)
        x = datum_list(s->arena, 1, &x);
    if (x.kind != DATUM_LIST) {
        if (x.kind != DATUM_POISON)
            sema_fail(s, expr->pos,
                      "a pipeline is a list of augmentations, not %s",
                      datum_describe(s->arena, x, s->build->graph));
        return NULL;
    }
    *size = 0;
    for (int i = 0; i < x.list->count; i++) {
        if (x.list->at[i].kind != DATUM_AUGMENT) {
            sema_fail(s, expr->pos,
                      "item %d of the pipeline is no augmentation but %s", i,
                      datum_describe(s->arena, x.list->at[i], s->build->graph));
            return NULL;
        }
        int64_t side = augment_size(x.list->at[i].augment);
        *size = side ? side : *size;
    }
    if (*size)
        return x.list;
    sema_fail(s, expr->pos,
              "nothing in the pipeline sets the images' size; add "
              "random_crop(size) or center_crop(size)");
    return NULL;
}

// Adds a step and those that belong to it, of which it says how many there are.
static void export_augment(Arena *arena, const Augment *augment,
                           ExperimentAugments *out)
{
    int count = augment->row->count, at = out->count;
    double *args = ARENA_ARRAY(arena, double, count);
    memcpy(args, augment->args, sizeof(double) * (size_t)count);
    ExperimentAugment step = {
        .name = augment->row->name, .arg_count = count, .args = args};
    vec_push(arena, out, step);
    if (!augment->steps)
        return;
    for (int i = 0; i < augment->steps->count; i++)
        export_augment(arena, augment->steps->at[i].augment, out);
    args[0] = out->count - at - 1;
}

static void export_pipeline(Arena *arena, const DatumList *list,
                            ExperimentAugments *out)
{
    for (int i = 0; list && i < list->count; i++) {
        int at = out->count;
        export_augment(arena, list->at[i].augment, out);
        out->at[at].printed = datum_text(arena, list->at[i]);
    }
}

// The pipelines of `augment` or `evaluate` clauses, in their order.
typedef struct Pipelines {
    int count;
    const Expr *exprs[VIEW_GROUPS];
    const DatumList *lists[VIEW_GROUPS];
    int64_t sizes[VIEW_GROUPS];
} Pipelines;

static bool eval_clauses(Sema *s, const Stmt *stmt, int groups,
                         Pipelines *augment, Pipelines *evaluate)
{
    augment->count = evaluate->count = 0;
    for (int i = 0; i < stmt->clauses->count; i++) {
        const Arg *clause = &stmt->clauses->at[i];
        bool evaluates = strcmp(clause->name.text, "evaluate") == 0;
        Pipelines *all = evaluates ? evaluate : augment;
        if (all->count == groups) {
            if (groups == 1)
                sema_fail(s, clause->name.pos, "`%s` is given twice",
                          clause->name.text);
            else
                sema_fail(s, clause->name.pos,
                          "there is an `%s` for each of the %d tensors of "
                          "views, and one more",
                          clause->name.text, groups);
            return false;
        }
        all->exprs[all->count] = clause->value;
        all->lists[all->count] =
            eval_pipeline(s, clause->value, &all->sizes[all->count]);
        if (!all->lists[all->count++])
            return false;
        if (s->build->training)
            augment_warn(s, clause->value, all->lists[all->count - 1],
                         all == evaluate);
    }
    if (!augment->count) {
        sema_fail(s, stmt->pos,
                  "the input says nothing of its images' size; "
                  "add `, augment [random_crop(size)]`");
        return false;
    }
    for (int which = 0; which < 2; which++) {
        const Pipelines *all = which ? evaluate : augment;
        if (all->count <= 1 || all->count == groups)
            continue;
        sema_fail(s, all->exprs[all->count - 1]->pos,
                  "there are %d tensors of views and %d `%s`: one for each of "
                  "them, or one for all",
                  groups, all->count, which ? "evaluate" : "augment");
        return false;
    }
    return true;
}

// One pipeline is that of all tensors of views. False after a diagnostic.
static bool set_groups(Sema *s, const DataSource *source,
                       const Pipelines *augment, const Pipelines *evaluate,
                       ExperimentPhase *out)
{
    out->group_count = source->group_count;
    for (int i = 0; i < source->group_count; i++) {
        int a = augment->count == 1 ? 0 : i, e = evaluate->count == 1 ? 0 : i;
        if (evaluate->count && augment->sizes[a] != evaluate->sizes[e]) {
            sema_error(s, evaluate->exprs[e]->pos,
                       "evaluation images are %" PRId64
                       " pixels wide, training images %" PRId64,
                       evaluate->sizes[e], augment->sizes[a]);
            sema_note(s, augment->exprs[a]->pos, "the training pipeline");
            return false;
        }
        // Of the graph made last, where a phase has several: all say the same.
        ExperimentViews *views = &out->groups[i];
        views->views = source->views[i];
        views->size = (int)augment->sizes[a];
        views->augment.count = views->evaluate.count = 0;
        export_pipeline(s->arena, augment->lists[a], &views->augment);
        if (evaluate->count)
            export_pipeline(s->arena, evaluate->lists[e], &views->evaluate);
    }
    return true;
}

static void set_source(ExperimentPhase *out, const DataSource *source)
{
    out->source = source->images;
    if (source->images == IMAGES_UNLABELED)
        return;
    Datum amount = *source->amount;
    out->amount_rule = amount.kind == DATUM_ALL     ? AMOUNT_ALL
                       : amount.kind == DATUM_FLOAT ? AMOUNT_FRACTION
                                                    : AMOUNT_PER_CLASS;
    out->amount = amount.kind == DATUM_ALL ? 0 : datum_number(amount);
}

// From the phase's settings or the parameter, never from the data: the head's
// shape is known before there are any.
static void set_classes(Sema *s, const Stmt *stmt, ExperimentPhase *out)
{
    const Binding *binding = frame_find(s->frame, "classes");
    const Global *global =
        map_get(&s->build->phase->module->visible, "classes");
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

// What is wrong with the value of a parameter is said there, and once for all
// phases.
static bool refuse_param(Sema *s, Param *param, const char *what)
{
    const ParamItem *item = param->item;
    SourcePos given = {0};
    sema_error(s, param->from_command_line ? given : item->value->pos,
               "%s: %s %s is %s", what,
               param->from_command_line ? "--set" : "param", item->name.text,
               datum_describe(s->arena, param->value, s->build->graph));
    if (param->from_command_line)
        sema_note(s, item->name.pos, "declared here");
    param->value = datum_poison();
    return false;
}

// The parameter of that name; 3 where the program has none.
static bool set_channels(Sema *s, ExperimentPhase *out)
{
    const Global *global =
        map_get(&s->build->phase->module->visible, "channels");
    Datum channels =
        global && global->param ? param_value(s, global->param) : datum_int(3);
    if (channels.kind == DATUM_INT && channels.whole >= 1 &&
        channels.whole <= MAX_CHANNELS) {
        out->channels = (int)channels.whole;
        return true;
    }
    return channels.kind != DATUM_POISON &&
           refuse_param(s, global->param,
                        arena_printf(s->arena, "images have 1 to %d channels",
                                     MAX_CHANNELS));
}

// The parameter of that name, unless the command line has said it; f32 where
// the program has none.
static bool set_precision(Sema *s, const Stmt *stmt, ExperimentPhase *out)
{
    const Global *global =
        map_get(&s->build->phase->module->visible, "precision");
    const char *word = s->options->precision;
    if (!word && global && global->param) {
        Datum precision = param_value(s, global->param);
        if (precision.kind == DATUM_POISON)
            return false;
        word = precision.kind == DATUM_STRING ? precision.text : "";
        if (strcmp(word, "f32") != 0 && strcmp(word, "bf16") != 0)
            return refuse_param(
                s, global->param,
                "activations are stored in \"f32\" or \"bf16\"");
    }
    out->bf16 = word && strcmp(word, "bf16") == 0;
    if (out->bf16 && s->options->dtype == DT_F64)
        sema_fail(s, stmt->pos,
                  "param precision is \"bf16\", and all tensors are f64: leave "
                  "out --dtype, or say --precision f32");
    return !out->bf16 || s->options->dtype != DT_F64;
}

// The name of the first operation among these steps, and in them, that needs
// red, green and blue; NULL = none does.
static const char *find_colors(const DatumList *steps)
{
    for (int i = 0; steps && i < steps->count; i++) {
        const Augment *augment = steps->at[i].augment;
        const char *name = augment->row->name;
        // Of enhance's words sharpness and brightness are of each channel.
        if (strcmp(name, "color_jitter") == 0 ||
            strcmp(name, "grayscale") == 0 ||
            (strcmp(name, "enhance") == 0 && augment->args[0] >= 2))
            return name;
        name = find_colors(augment->steps);
        if (name)
            return name;
    }
    return NULL;
}

static bool check_colors(Sema *s, int channels, const Pipelines *pipelines)
{
    for (int i = 0; channels != 3 && i < pipelines->count; i++) {
        const char *name = find_colors(pipelines->lists[i]);
        if (!name)
            continue;
        sema_fail(s, pipelines->exprs[i]->pos,
                  "`%s` needs three channels, red, green and blue, and images "
                  "have %d here (param channels): leave it out",
                  name, channels);
        return false;
    }
    return true;
}

static Datum add_input(Sema *s, const Stmt *stmt, const char *name, int rank,
                       const int64_t *dims)
{
    Attr attrs[MAX_ATTRS] = {[INPUT_NAME] = {.text = name}};
    TensorType type = type_make(s->options->dtype, rank, dims);
    Site site = {.build = s->build,
                 .pos = stmt->pos,
                 .what = arena_concat(s->arena, "`", name, "`")};
    return tensor_add(s, &site, OP_INPUT, 0, NULL, attrs, &type);
}

static bool check_input(Sema *s, const Stmt *stmt, Datum source)
{
    if (s->build->input) {
        sema_error(s, stmt->pos, "a phase has one input");
        sema_note(s, s->build->input->pos, "here");
        return false;
    }
    s->build->input = stmt;
    if (source.kind != DATUM_SOURCE) {
        if (source.kind != DATUM_POISON)
            sema_fail(s, stmt->value->pos,
                      "an input comes from `unlabeled`, `labeled(amount)`, "
                      "`multi_labeled(amount)` or `partly_labeled(amount)`, "
                      "not from %s",
                      datum_describe(s->arena, source, s->build->graph));
        return false;
    }
    int names = stmt->words->count, groups = source.source->group_count;
    if (names > groups + 1) {
        if (groups == 1)
            sema_fail(s, stmt->words->at[2].pos,
                      "an input has images and labels, nothing more; with "
                      "views(n, m) it has two tensors of images");
        else
            sema_fail(s, stmt->words->at[groups + 1].pos,
                      "an input of %d tensors of views has a name for each and "
                      "one for labels, nothing more",
                      groups);
        return false;
    }
    if (names >= groups)
        return true;
    sema_fail(s, stmt->words->at[names - 1].pos,
              "the input gives %d tensors of views and has %d name%s: first, "
              "second = unlabeled.views(n, m)",
              groups, names, names == 1 ? "" : "s");
    return false;
}

void exec_input(Sema *s, const Stmt *stmt)
{
    // Whatever is wrong, the names exist: no second complaint about them.
    ExperimentPhase *out = s->build->phase->out;
    const WordList *names = stmt->words;
    for (int i = 0; i < names->count; i++)
        frame_bind(s, s->frame, names->at[i].text, datum_poison(),
                   names->at[i].pos);
    Datum source = eval_expr(s, stmt->value);
    bool ok = check_input(s, stmt, source);
    int groups = source.kind == DATUM_SOURCE ? source.source->group_count : 1;
    Pipelines augment, evaluate;
    if (!eval_clauses(s, stmt, groups, &augment, &evaluate) || !ok ||
        !set_groups(s, source.source, &augment, &evaluate, out))
        return;
    if (!set_channels(s, out) || !set_precision(s, stmt, out) ||
        !check_colors(s, out->channels, &augment) ||
        !check_colors(s, out->channels, &evaluate))
        return;
    s->build->phase->input = source;
    set_source(out, source.source);
    if (source_is_labeled(out->source) || names->count > groups)
        set_classes(s, stmt, out);
    int64_t rows = s->build->batch / s->build->ranks;
    for (int i = 0; i < groups; i++) {
        const ExperimentViews *views = &out->groups[i];
        int64_t dims[] = {rows * views->views, out->channels, views->size,
                          views->size};
        Datum images = add_input(s, stmt, images_name(s->arena, i), 4, dims);
        frame_bind(s, s->frame, names->at[i].text, images, names->at[i].pos);
    }
    if (names->count == groups)
        return;
    int64_t label_dims[] = {rows, out->classes};
    bool several = out->source == IMAGES_MULTI_LABELED;
    if (several && !out->classes)
        return; // told by set_classes
    Datum labels = add_input(s, stmt, "labels", several ? 2 : 1, label_dims);
    if (out->source == IMAGES_UNLABELED && s->build->training &&
        labels.kind == DATUM_TENSOR)
        s->build->hidden_labels = labels.tensor;
    frame_bind(s, s->frame, names->at[groups].text, labels,
               names->at[groups].pos);
}
