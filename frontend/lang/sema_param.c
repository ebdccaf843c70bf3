// Parameters and options: their values, ranges, and --set.
#include <math.h>
#include <string.h>

#include "frontend/lang/eval.h"
#include "frontend/lang/parse.h"
#include "frontend/lang/setting.h"
#include "frontend/lang/stages.h"

// ---- settings ---------------------------------------------------------------

Setting *setting_find(Sema *s, const char *phase, const char *name)
{
    Setting *found = NULL;
    const char *full =
        phase ? arena_printf(s->arena, "%s.%s", phase, name) : name;
    const Phase *owner = phase ? map_get(&s->phases_by_name, phase) : NULL;
    for (int i = 0; i < s->options->setting_count; i++) {
        Setting *setting = &s->options->settings[i];
        if (strcmp(setting->name, full) != 0)
            continue;
        setting->used = true;
        setting->read = setting->read || (owner && owner->is_wanted);
        found = setting;
    }
    return found;
}

// The value may be any expression; errors point into it.
static const Expr *parse_setting(Sema *s, const Setting *setting)
{
    const char *path = arena_printf(s->arena, "--set %s", setting->name);
    Source *source = source_from_text(s->arena, path, setting->value,
                                      strlen(setting->value));
    int errors = s->diags->error_count;
    const Expr *value = parse_value(s->arena, source, s->diags);
    if (s->diags->error_count > errors) {
        // `4,pretrain.steps=1` as the value of `filters`: two settings.
        const char *comma = strchr(setting->value, ',');
        size_t length = comma ? strcspn(comma + 1, ",= ([\"") : 0;
        if (length > 0 && comma[1 + length] == '=')
            diag_note(s->diags, (SourcePos){0},
                      "settings are separated by spaces: --set %s=%.*s %.60s",
                      setting->name, (int)(comma - setting->value),
                      setting->value, comma + 1);
        return NULL;
    }
    if (!value)
        sema_error(s, (SourcePos){0}, "--set %s takes one value, not `%s`",
                   setting->name, setting->value);
    return value;
}

// A value given for `like` from outside: a whole number serves as a number.
static bool agree_in_kind(Datum *value, Datum like)
{
    if (like.kind == DATUM_FLOAT && value->kind == DATUM_INT) {
        *value = datum_float((double)value->whole);
        value->was_whole = true;
    }
    return value->kind == like.kind ||
           // A share and a count of labels are both amounts, as is `all`.
           ((datum_is_number(like) || like.kind == DATUM_ALL) &&
            value->kind == DATUM_ALL) ||
           (like.kind == DATUM_ALL && datum_is_number(*value)) ||
           like.kind == DATUM_NONE || value->kind == DATUM_NONE;
}

Datum setting_value(Sema *s, const Setting *setting, Datum like,
                    const Module *module)
{
    // A bare word is a string where a string is wanted.
    if (like.kind == DATUM_STRING && setting->value[0] != '"')
        return datum_string(setting->value);
    const Expr *expr = parse_setting(s, setting);
    if (!expr)
        return datum_poison();
    frame_push(s, FRAME_GLOBAL, module, NULL, expr->pos);
    Datum value = eval_expr(s, expr);
    frame_pop(s);
    return value;
}

// The phase that `pretrain.batch` is a setting of, or NULL. *name is the rest.
static const Phase *setting_phase(const Sema *s, const Setting *setting,
                                  const char **name)
{
    for (int i = 0; i < s->phases.count; i++) {
        const char *phase = s->phases.at[i]->item->name.text;
        size_t length = strlen(phase);
        *name = setting->name + length + 1;
        if (strncmp(setting->name, phase, length) == 0 &&
            setting->name[length] == '.')
            return s->phases.at[i];
    }
    return NULL;
}

// What is wrong with PHASE.NAME=VALUE, where the phase is one.
static const char *phase_hint(Sema *s, const Setting *setting,
                              const Phase *phase, const char *name)
{
    VEC(const char *) names = {0};
    Text all = text_new(s->arena);
    const char *text = phase->item->name.text;
    for (int i = 0; i < phase->options.count; i++) {
        vec_push(s->arena, &names, phase->options.at[i].name);
        text_addf(&all, "%s`%s`", i ? ", " : "", phase->options.at[i].name);
    }
    bool epochs = strcmp(name, "epochs") == 0;
    if ((epochs || strcmp(name, "steps") == 0) &&
        phase_option(phase, epochs ? "steps" : "epochs"))
        return arena_printf(s->arena,
                            "`%s` takes `%s` instead; only one of them can be "
                            "set",
                            text, epochs ? "steps" : "epochs");
    if (strcmp(name, "from") == 0)
        return arena_printf(
            s->arena, "`%s` has no `from PHASE` that it could replace", text);
    const Global *global = map_get(&s->root->visible, name);
    if (global && global->param)
        return arena_printf(s->arena, "`%s` is the program's: --set %s=%s",
                            name, name, setting->value);
    const char *close = foreign_argument(name, names.count, names.at);
    if (!close)
        close = text_closest(name, names.at, names.count);
    if (close)
        return arena_printf(s->arena, "did you mean `%s.%s`?", text, close);
    return arena_printf(s->arena, "`%s` has %s", text, text_string(&all));
}

// What is wrong with NAME=VALUE, which is no phase's.
static const char *program_hint(Sema *s, const Setting *setting)
{
    VEC(const char *) names = {0};
    for (int i = 0; i < s->root->visible.entries.count; i++) {
        const Global *global = s->root->visible.entries.at[i].value;
        if (global->param)
            vec_push(s->arena, &names, global->name);
    }
    for (int i = 0; i < s->phases.count; i++) {
        const Phase *phase = s->phases.at[i];
        const char *text = phase->item->name.text;
        if (phase_option(phase, setting->name))
            return arena_printf(s->arena, "each phase has its own: %s.%s=%s",
                                text, setting->name, setting->value);
        for (int k = 0; k < phase->options.count; k++)
            vec_push(s->arena, &names,
                     arena_printf(s->arena, "%s.%s", text,
                                  phase->options.at[k].name));
    }
    const char *close =
        strlen(setting->name) > 60
            ? NULL
            : text_closest(setting->name, names.at, names.count);
    if (close)
        return arena_printf(s->arena, "did you mean `%s`?", close);
    if (!strchr(setting->name, '.'))
        return "";
    Text all = text_new(s->arena);
    for (int i = 0; i < s->phases.count; i++)
        text_addf(&all, "%s`%s`", i ? ", " : "",
                  s->phases.at[i]->item->name.text);
    return arena_printf(s->arena, "the phases are %s", text_string(&all));
}

// Does a wanted phase build on one that is not, whose settings decide what it
// left?
static bool builds_on_others(const Sema *s)
{
    for (int i = 0; i < s->phases.count; i++) {
        const Phase *phase = s->phases.at[i];
        const Phase *sources[] = {phase->from, phase->teacher};
        for (int k = 0; k < 2 && phase->is_wanted; k++)
            if (sources[k] && !sources[k]->is_wanted)
                return true;
    }
    return false;
}

void settings_check(Sema *s)
{
    bool others = builds_on_others(s);
    for (int i = 0; i < s->options->setting_count; i++) {
        Setting *setting = &s->options->settings[i];
        setting->read = setting->read || others;
        if (setting->used)
            continue;
        const char *name;
        const Phase *phase = setting_phase(s, setting, &name);
        const char *hint = phase ? phase_hint(s, setting, phase, name)
                                 : program_hint(s, setting);
        sema_error(s, (SourcePos){0},
                   "--set %s=%s: there is no such parameter%s%s", setting->name,
                   setting->value, *hint ? "; " : "", hint);
    }
}

// ---- ranges -----------------------------------------------------------------

// False after a diagnostic about the range itself.
static bool is_allowed(Sema *s, const Expr *range, Datum value, bool *allowed)
{
    *allowed = true;
    if (range->kind == EXPR_RANGE) {
        Datum first = eval_expr(s, range->left);
        Datum last = eval_expr(s, range->right);
        if (!datum_is_number(first) || !datum_is_number(last)) {
            if (first.kind != DATUM_POISON && last.kind != DATUM_POISON)
                sema_fail(s, range->pos, "the ends of a range are numbers");
            return false;
        }
        double x = datum_is_number(value) ? datum_number(value) : NAN;
        double end = datum_number(last);
        *allowed =
            x >= datum_number(first) && (range->truth ? x <= end : x < end);
        return true;
    }
    Datum list = eval_expr(s, range);
    if (list.kind != DATUM_LIST) {
        if (list.kind != DATUM_POISON)
            sema_fail(s, range->pos,
                      "a parameter is `in` a range (1..=4) or a list of "
                      "choices, not %s",
                      datum_kind_text(list.kind));
        return false;
    }
    *allowed = false;
    for (int i = 0; i < list.list->count; i++)
        *allowed = *allowed || datum_equal(list.list->at[i], value);
    return true;
}

static const char *print_range(Sema *s, const Expr *range)
{
    if (!range)
        return "";
    Text text = text_new(s->arena);
    text_add(&text, "in ");
    if (range->kind == EXPR_RANGE) {
        datum_print(eval_expr(s, range->left), NULL, &text);
        text_add(&text, range->truth ? "..=" : "..");
        datum_print(eval_expr(s, range->right), NULL, &text);
    } else {
        datum_print(eval_expr(s, range), NULL, &text);
    }
    return text_string(&text);
}

// ---- values -----------------------------------------------------------------

static bool may_be_param(Datum value)
{
    switch (value.kind) {
    case DATUM_INT:
    case DATUM_FLOAT:
    case DATUM_BOOL:
    case DATUM_STRING:
    case DATUM_LIST:
    case DATUM_NONE:
    case DATUM_ALL:
        return true;
    default:
        return false;
    }
}

// The choice that a misspelled one is nearest to, as words to add, or "".
static const char *suggest_choice(Sema *s, const ParamItem *item, Datum value)
{
    VEC(const char *) names = {0};
    if (value.kind != DATUM_STRING || item->range->kind == EXPR_RANGE)
        return "";
    Datum list = eval_expr(s, item->range);
    for (int i = 0; i < list.list->count; i++)
        if (list.list->at[i].kind == DATUM_STRING)
            vec_push(s->arena, &names, list.list->at[i].text);
    return sema_suggest(s, value.text, names.at, names.count);
}

// What the command line gives is held to what the program says: the kind of the
// value that it replaces, and the range.
static Datum evaluate_param(Sema *s, Param *param)
{
    const ParamItem *item = param->item;
    Datum value = eval_expr(s, item->value);
    if (value.kind == DATUM_POISON)
        return value;
    if (!may_be_param(value))
        return sema_fail(s, item->value->pos,
                         "a parameter is a number, string, truth value or "
                         "list, not %s",
                         datum_kind_text(value.kind));
    SourcePos pos = item->value->pos;
    Setting *setting = setting_find(s, NULL, item->name.text);
    param->setting = setting;
    if (setting) {
        Datum given = setting_value(s, setting, value, param->module);
        if (given.kind == DATUM_POISON)
            return given;
        if (!agree_in_kind(&given, value)) {
            sema_error(s, (SourcePos){0}, "--set %s=%s: `%s` is %s",
                       setting->name, setting->value, item->name.text,
                       datum_kind_text(value.kind));
            sema_note(s, item->name.pos, "declared here");
            return datum_poison();
        }
        value = given;
        pos = (SourcePos){0};
        param->from_command_line = true;
    }
    bool allowed = true;
    if (item->range && !is_allowed(s, item->range, value, &allowed))
        return datum_poison();
    if (allowed)
        return value;
    sema_error(s, pos, "%s%s = %s is not %s%s", setting ? "--set " : "",
               item->name.text, datum_text(s->arena, value),
               print_range(s, item->range), suggest_choice(s, item, value));
    if (setting)
        sema_note(s, item->name.pos, "declared here");
    return datum_poison();
}

// Marks the setting of the parameter as read, and those that its value is made
// of.
static void mark_read(Param *param)
{
    if (param->is_read)
        return;
    param->is_read = true;
    if (param->setting)
        param->setting->read = true;
    for (int i = 0; i < param->reads.count; i++)
        mark_read(param->reads.at[i]);
}

Datum param_value(Sema *s, Param *param)
{
    if (param->state == PARAM_BUSY)
        return sema_fail(s, param->item->name.pos,
                         "parameter `%s` depends on itself",
                         param->item->name.text);
    if (param->state == PARAM_NEW) {
        param->state = PARAM_BUSY;
        // Evaluated apart from whoever asked first: no scope, no graph.
        Build outside = {0}, *asker = build_enter(s, &outside);
        Param *reader = s->param;
        s->param = param;
        frame_push(s, FRAME_GLOBAL, param->module, NULL, param->item->name.pos);
        param->value = evaluate_param(s, param);
        frame_pop(s);
        s->param = reader;
        build_enter(s, asker);
        param->state = PARAM_DONE;
    }
    if (s->param)
        vec_push(s->arena, &s->param->reads, param);
    if (s->phase && s->phase->is_wanted)
        mark_read(param);
    return param->value;
}

// The root's own parameters come first, in its order.
void params_resolve(Sema *s)
{
    for (int i = s->modules.count - 1; i >= 0; i--) {
        const Map *globals = &s->modules.at[i]->globals;
        for (int k = 0; k < globals->entries.count; k++) {
            const Global *global = globals->entries.at[k].value;
            Param *param = global->param;
            if (!param)
                continue;
            Datum value = param_value(s, param);
            frame_push(s, FRAME_GLOBAL, param->module, NULL,
                       param->item->name.pos);
            ExperimentParam out = {.name = global->name,
                                   .value = datum_text(s->arena, value),
                                   .range = print_range(s, param->item->range),
                                   .doc = param->item->doc,
                                   .from_command_line =
                                       param->from_command_line};
            frame_pop(s);
            vec_push(s->arena, &s->experiment->params, out);
        }
    }
}
