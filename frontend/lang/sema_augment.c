// Calls of augmentation operations.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "frontend/lang/builtins.h"
#include "frontend/lang/eval.h"
#include "frontend/lang/map.h"

// How deep random_apply and random_choice may stand in each other. The runtime
// refuses more (augment_check.c).
enum { MAX_STEPS_DEPTH = 8 };

// One of the words, as its place among them.
static Datum check_word(Sema *s, const Call *call, int i, const char *words)
{
    Datum x = call->args[i];
    int place = -1;
    if (x.kind == DATUM_STRING)
        place = augment_find_word(words, x.text, strlen(x.text));
    if (place >= 0)
        return datum_float(place);
    Text all = text_new(s->arena);
    for (size_t at = 0; words[at]; at += words[at] == '|') {
        size_t length = strcspn(words + at, "|");
        text_addf(&all, "%s\"%.*s\"", at ? ", " : "", (int)length, words + at);
        at += length;
    }
    return sema_fail(s, call->exprs[i]->pos, "`%s` of %s is one of %s, not %s",
                     call->names[i], call->name, text_string(&all),
                     datum_describe(s->arena, x, s->build->graph));
}

static Datum check_number(Sema *s, const Call *call, int i,
                          const AugmentParam *param)
{
    Datum x = call->args[i];
    SourcePos pos = call->exprs[i]->pos;
    if (!datum_is_number(x))
        return sema_fail(s, pos, "`%s` of %s is a number, not %s", param->name,
                         call->name,
                         datum_describe(s->arena, x, s->build->graph));
    double value = datum_number(x);
    bool whole = param->kind == AUGMENT_WHOLE;
    if (value >= param->low && value <= param->high &&
        (!whole || value == floor(value)))
        return datum_float(value);
    return sema_fail(s, pos, "`%s` of %s is a %snumber from %g to %g",
                     param->name, call->name, whole ? "whole " : "", param->low,
                     param->high);
}

static int steps_depth(const DatumList *steps)
{
    int depth = 0;
    for (int i = 0; steps && i < steps->count; i++) {
        int inner = 1 + steps_depth(steps->at[i].augment->steps);
        depth = inner > depth ? inner : depth;
    }
    return depth;
}

// A list as one step: all of it, always.
static Datum wrap_steps(Sema *s, const DatumList *steps)
{
    const Datum *row = map_get(&s->universe, "random_apply");
    Augment *all = ARENA_NEW(s->arena, Augment);
    *all = (Augment){.row = row->augment_row, .args = {0, 1}, .steps = steps};
    return (Datum){.kind = DATUM_AUGMENT, .augment = all};
}

// Augmentations, or one; where one of them is taken each may be a list. NULL
// after a diagnostic.
static const DatumList *check_steps(Sema *s, const Call *call, Datum x,
                                    const Expr *expr, bool choice)
{
    if (x.kind == DATUM_AUGMENT)
        x = datum_list(s->arena, 1, &x);
    if (x.kind != DATUM_LIST) {
        sema_fail(s, expr->pos, "`%s` takes a list of augmentations, not %s",
                  call->name, datum_describe(s->arena, x, s->build->graph));
        return NULL;
    }
    if (choice && x.list->count == 0) {
        sema_fail(s, expr->pos,
                  "`%s` has nothing to choose from; a list within the list, "
                  "[], is a choice that changes nothing",
                  call->name);
        return NULL;
    }
    Datum copy = datum_list(s->arena, x.list->count, x.list->at);
    for (int i = 0; i < copy.list->count; i++) {
        Datum *item = &copy.list->at[i];
        if (choice && item->kind == DATUM_LIST) {
            const DatumList *inner = check_steps(s, call, *item, expr, false);
            if (!inner)
                return NULL;
            *item = wrap_steps(s, inner);
        }
        if (item->kind != DATUM_AUGMENT) {
            sema_fail(s, expr->pos, "item %d of `%s` is no augmentation but %s",
                      i, call->name,
                      datum_describe(s->arena, *item, s->build->graph));
            return NULL;
        }
        if (augment_size(item->augment)) {
            sema_fail(s, expr->pos,
                      "`%s` sets the images' size and may not be left to "
                      "chance; it stands in the pipeline beside `%s`",
                      item->augment->row->name, call->name);
            return NULL;
        }
    }
    if (steps_depth(copy.list) > MAX_STEPS_DEPTH) {
        sema_fail(s, expr->pos, "`%s` stands in others more than %d deep",
                  call->name, MAX_STEPS_DEPTH);
        return NULL;
    }
    return copy.list;
}

int64_t augment_size(const Augment *augment)
{
    for (int k = 0; k < augment->row->count; k++)
        if (strcmp(augment->row->params[k].name, "size") == 0)
            return (int64_t)augment->args[k];
    return 0;
}

static double argument(const Augment *augment, const char *name)
{
    for (int k = 0; k < augment->row->count; k++)
        if (strcmp(augment->row->params[k].name, name) == 0)
            return augment->args[k];
    return 0;
}

// What color_jitter's arguments are together, as the runtime wants it: a factor
// of 1 - amount is not below zero, and hue turns by half a circle at most.
static Datum check_jitter(Sema *s, const Expr *expr, const Augment *augment)
{
    static const char *const names[] = {"contrast", "saturation", "hue"};
    bool torch = argument(augment, "kind") != 0;
    double strength = argument(augment, "strength");
    for (int i = torch ? 2 : 0; i < 3; i++) {
        double most = i < 2 ? 1 : 0.5, amount = argument(augment, names[i]);
        if (strength * amount > most)
            return sema_fail(s, expr->pos,
                             "`strength` of color_jitter times `%s`, %g times "
                             "%g, is more than %g",
                             names[i], strength, amount, most);
    }
    return (Datum){.kind = DATUM_AUGMENT, .augment = augment};
}

// The sampler tf draws boxes below a tenth of the image again, and after a
// hundred takes the whole.
static Datum check_crop(Sema *s, const Expr *expr, const Augment *augment)
{
    double most = argument(augment, "area_max");
    if (argument(augment, "sampler") == 0 && most <= 0.1)
        return sema_fail(s, expr->pos,
                         "`area_max` of random_crop is %g, and the sampler "
                         "\"tf\" takes at least a tenth of the image: it would "
                         "find no box and take the whole; sampler = \"torch\" "
                         "takes smaller ones",
                         most);
    return (Datum){.kind = DATUM_AUGMENT, .augment = augment};
}

// Does the step give one image another picture each time?
static bool is_random(const Augment *augment)
{
    static const char *const always[] = {"quarter_turn", "color_jitter",
                                         "noise", "pad_crop"};
    const AugmentRow *row = augment->row;
    bool random =
        strcmp(row->name, "random_choice") == 0 && augment->steps->count > 1;
    for (int k = 0; k < row->count; k++) {
        const char *name = row->params[k].name;
        double value = augment->args[k];
        size_t length = strlen(name);
        if (strcmp(name, "p") == 0 && value == 0)
            return false;
        random = random || (strcmp(name, "p") == 0 && value < 1) ||
                 (strcmp(name, "sign") == 0 && value == 1) ||
                 (length > 4 && strcmp(name + length - 4, "_max") == 0 &&
                  value > augment->args[k - 1]);
    }
    for (size_t k = 0; k < sizeof always / sizeof *always; k++)
        random = random || strcmp(row->name, always[k]) == 0;
    for (int i = 0; augment->steps && i < augment->steps->count; i++)
        random = random || is_random(augment->steps->at[i].augment);
    return random && (!augment->steps || augment->steps->count > 0);
}

// Of images of less than twenty pixels the tenth that blur's kernel has is one
// pixel. *size is that of the images where the steps begin, 0 of unknown.
static bool has_idle_blur(const DatumList *steps, int64_t *size)
{
    for (int i = 0; steps && i < steps->count; i++) {
        const Augment *augment = steps->at[i].augment;
        int64_t side = augment_size(augment);
        *size = side ? side : *size;
        if (has_idle_blur(augment->steps, size))
            return true;
        if (strcmp(augment->row->name, "blur") == 0 && *size &&
            *size / 10 / 2 == 0 && argument(augment, "p") > 0)
            return true;
    }
    return false;
}

void augment_warn(Sema *s, const Expr *expr, const DatumList *steps,
                  bool evaluates)
{
    int64_t size = 0;
    if (has_idle_blur(steps, &size))
        diag_warning(s->diags, expr->pos,
                     "`blur` changes nothing here: its kernel is a tenth of "
                     "the image's height, one pixel of %" PRId64
                     "; it takes images of 20 pixels and more",
                     size);
    for (int i = 0; evaluates && i < steps->count; i++) {
        const Augment *augment = steps->at[i].augment;
        if (!is_random(augment))
            continue;
        diag_warning(s->diags, expr->pos,
                     "`%s` of `evaluate` draws at random: the numbers of an "
                     "evaluation, and predictions, are those of one draw, by "
                     "--seed",
                     augment->row->name);
        return;
    }
}

Datum call_augment(Sema *s, const Expr *expr, const AugmentRow *row)
{
    Call call = {.name = row->name, .pos = expr->pos, .count = row->count};
    for (int i = 0; i < row->count; i++)
        call.names[i] = row->params[i].name;
    if (!fill_call(s, expr, &call))
        return datum_poison();
    Augment *augment = ARENA_NEW(s->arena, Augment);
    augment->row = row;
    for (int i = 0; i < row->count; i++) {
        const AugmentParam *param = &row->params[i];
        augment->args[i] = param->value;
        if (call.args[i].kind == DATUM_ABSENT) {
            if (isnan(param->value))
                return sema_fail(s, expr->pos, "`%s` needs `%s`: %s", row->name,
                                 param->name, row->doc);
        } else if (param->kind == AUGMENT_STEPS) {
            augment->steps = check_steps(s, &call, call.args[i], call.exprs[i],
                                         row->count == 1);
            if (!augment->steps)
                return datum_poison();
        } else {
            Datum x = param->kind == AUGMENT_WORD
                          ? check_word(s, &call, i, param->words)
                          : check_number(s, &call, i, param);
            if (x.kind == DATUM_POISON)
                return x;
            augment->args[i] = x.number;
        }
        size_t length = strlen(param->name);
        if (length > 4 && strcmp(param->name + length - 4, "_max") == 0 &&
            augment->args[i] < augment->args[i - 1])
            return sema_fail(s, expr->pos,
                             "`%s` of %s is %g, less than `%s`, which is %g",
                             param->name, row->name, augment->args[i],
                             call.names[i - 1], augment->args[i - 1]);
    }
    if (strcmp(row->name, "color_jitter") == 0)
        return check_jitter(s, expr, augment);
    if (strcmp(row->name, "random_crop") == 0)
        return check_crop(s, expr, augment);
    return (Datum){.kind = DATUM_AUGMENT, .augment = augment};
}
