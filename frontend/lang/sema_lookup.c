// What a name means where it stands.
#include <string.h>

#include "frontend/lang/eval.h"
#include "frontend/lang/module.h"
#include "frontend/lang/tensor.h"

// ---- what a phase knows -----------------------------------------------------

enum { PHASE_NAMES = 8 };
static const char *const phase_names[PHASE_NAMES] = {
    "batch",       "classes",     "step",         "total_steps",
    "epoch_steps", "image_count", "class_counts", "training"};

// What the runtime feeds: one input node a graph, made when first read. In an
// evaluation what depends on it is left out.
static Datum runtime_number(Sema *s, const char *name, TensorType type)
{
    Build *build = s->build;
    intptr_t known = (intptr_t)map_get(&build->schedule_inputs, name);
    Attr attrs[MAX_ATTRS] = {[INPUT_NAME] = {.text = name}};
    Site site = {.build = build, .what = name};
    if (known)
        return datum_tensor((Value)(known - 1));
    Datum made = tensor_add(s, &site, OP_INPUT, 0, NULL, attrs, &type);
    if (made.kind == DATUM_TENSOR)
        map_set(&build->schedule_inputs, name,
                (void *)((intptr_t)made.tensor + 1));
    return made;
}

// Known when the phase's input has said that it takes labels.
static Datum class_counts(Sema *s, const char *name, SourcePos pos)
{
    const ExperimentPhase *phase = s->build->phase->out;
    int64_t classes = phase->classes;
    if (!s->build->input || phase->source == IMAGES_UNLABELED || !classes)
        return sema_fail(s, pos,
                         "`class_counts` is of the labels that a phase sees: "
                         "its input is to be labeled(amount), before this is "
                         "read");
    return runtime_number(s, name, type_make(s->options->dtype, 1, &classes));
}

// False when `name` is none of phase_names, or no phase is being built.
static bool phase_name(Sema *s, const char *name, SourcePos pos, Datum *out)
{
    const Build *build = s->build;
    const Phase *phase = build->phase;
    int which = 0;
    while (which < PHASE_NAMES && strcmp(name, phase_names[which]) != 0)
        which++;
    if (!phase || which == PHASE_NAMES)
        return false;
    if (strcmp(name, "training") == 0) {
        *out = datum_bool(build->training);
    } else if (strcmp(name, "batch") == 0) {
        *out = phase_option(phase, "batch") ? datum_int(build->batch)
                                            : datum_poison();
    } else if (strcmp(name, "classes") == 0) {
        *out =
            phase->out->classes ? datum_int(phase->out->classes) : datum_none();
    } else if (strcmp(name, "class_counts") == 0) {
        *out = class_counts(s, phase_names[which], pos);
    } else { // a name that lives as long as the graph
        *out = runtime_number(s, phase_names[which],
                              type_scalar(s->options->dtype));
    }
    return true;
}

// ---- unknown names ----------------------------------------------------------

typedef VEC(const char *) NameList;

static void add_names(Sema *s, const Map *map, NameList *names)
{
    for (int i = 0; i < map->entries.count; i++)
        vec_push(s->arena, names, map->entries.at[i].key);
}

// What is known for sure comes first: the word of another language, then a file
// that defines the name. A name that is merely close would mislead beside them.
static Datum fail_unknown(Sema *s, const char *name, SourcePos pos)
{
    NameList names = {0};
    for (int i = 0; i < PHASE_NAMES; i++)
        if (strcmp(name, phase_names[i]) == 0)
            return sema_fail(s, pos, "`%s` exists only inside phases", name);
    if (s->frame) {
        add_names(s, &s->frame->names, &names);
        add_names(s, &s->frame->module->visible, &names);
    }
    add_names(s, &s->universe, &names);
    for (int i = 0; i < PHASE_NAMES; i++)
        vec_push(s->arena, &names, phase_names[i]);
    const char *hint = foreign_name(name), *file = NULL;
    if (!hint)
        file = library_file(s, name);
    sema_error(s, pos, "unknown name `%.60s`%s", name,
               hint || file ? ""
                            : sema_suggest(s, name, names.at, names.count));
    if (hint)
        sema_note(s, pos, "here: %s", hint);
    if (file)
        sema_note(s, pos, "defined in %s: import \"%s\"", file, file);
    sema_trace(s);
    return datum_poison();
}

void sema_check_name(Sema *s, const char *name, SourcePos pos)
{
    bool known = frame_find(s->frame, name) ||
                 map_get(&s->frame->module->visible, name) ||
                 map_get(&s->universe, name);
    for (int i = 0; i < PHASE_NAMES; i++)
        known = known || strcmp(name, phase_names[i]) == 0;
    if (!known)
        fail_unknown(s, name, pos);
}

// ---- known ones -------------------------------------------------------------

const Global *sema_global(Sema *s, const Module *module, const char *name,
                          SourcePos pos)
{
    const Global *global = map_get(&module->visible, name);
    if (global && global->rival) {
        sema_error(s, pos, "`%s` is defined by two imports", name);
        sema_note(s, global->pos, "here");
        sema_note(s, global->rival->pos, "and here");
    }
    return global;
}

// From the inside out: the body's names, the files', the phase's, the
// language's.
Datum sema_lookup(Sema *s, const char *name, SourcePos pos)
{
    const Binding *binding = frame_find(s->frame, name);
    if (binding)
        return binding->value;
    const Global *global = sema_global(s, s->frame->module, name, pos);
    if (global && global->rival)
        return datum_poison();
    if (global && global->param)
        return param_value(s, global->param);
    if (global)
        return (Datum){.kind = DATUM_FUNCTION, .function = global->function};
    Datum value;
    if (phase_name(s, name, pos, &value))
        return value;
    const Datum *builtin = map_get(&s->universe, name);
    if (!builtin && s->frame->damaged)
        return datum_poison();
    return builtin ? *builtin : fail_unknown(s, name, pos);
}
