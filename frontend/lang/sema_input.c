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
    // Of the graph made last, where a phase has several: all say the same.
    out->augment.count = out->evaluate.count = 0;
    export_pipeline(s->arena, lists[0], &out->augment);
    export_pipeline(s->arena, lists[1], &out->evaluate);
    out->image_height = out->image_width = (int)sizes[0];
    return true;
}

static void set_source(ExperimentPhase *out, const DataSource *source)
{
    out->views = (int)source->views;
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

static Datum add_input(Sema *s, const Stmt *stmt, const char *name, int rank,
                       const int64_t *dims)
{
    Attr attrs[MAX_ATTRS] = {[INPUT_NAME] = {.text = name}};
    TensorType type = type_make(s->options->dtype, rank, dims);
    Site site = {.build = s->build,
                 .pos = stmt->pos,
                 .what = arena_printf(s->arena, "`%s`", name)};
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
                      "an input comes from `unlabeled`, `labeled(amount)` or "
                      "`partly_labeled(amount)`, not from %s",
                      datum_describe(s->arena, source, s->build->graph));
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
    // Whatever is wrong, the names exist: no second complaint about them.
    ExperimentPhase *out = s->build->phase->out;
    const WordList *names = stmt->words;
    for (int i = 0; i < names->count; i++)
        frame_bind(s, s->frame, names->at[i].text, datum_poison(),
                   names->at[i].pos);
    Datum source = eval_expr(s, stmt->value);
    bool ok = check_input(s, stmt, source);
    if (!eval_clauses(s, stmt, out) || !ok)
        return;
    s->build->phase->input = source;
    set_source(out, source.source);
    if (out->source == IMAGES_LABELED || names->count > 1)
        set_classes(s, stmt, out);
    int64_t rows = s->build->batch / s->build->ranks;
    int64_t dims[] = {rows * out->views, 3, out->image_height,
                      out->image_width};
    Datum images = add_input(s, stmt, "images", 4, dims);
    frame_bind(s, s->frame, names->at[0].text, images, names->at[0].pos);
    if (names->count < 2)
        return;
    Datum labels = add_input(s, stmt, "labels", 1, &rows);
    if (out->source == IMAGES_UNLABELED && s->build->training &&
        labels.kind == DATUM_TENSOR)
        s->build->hidden_labels = labels.tensor;
    frame_bind(s, s->frame, names->at[1].text, labels, names->at[1].pos);
}
