// From a file's path to its phases: what lang_load does, in order.
#include <string.h>

#include "frontend/lang/builtins.h"
#include "frontend/lang/module.h"
#include "frontend/lang/parse.h"
#include "frontend/lang/phase.h"
#include "frontend/lang/program_text.h"
#include "frontend/lang/stages.h"

// "models/simclrv2.net" -> "simclrv2"
static const char *base_name(Arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *start = slash ? slash + 1 : path;
    const char *dot = strrchr(start, '.');
    size_t length = dot && dot > start ? (size_t)(dot - start) : strlen(start);
    return arena_strndup(arena, start, length);
}

// A library is checked by itself while it is written; to run a file, it or an
// import of it needs a phase.
static void check_not_empty(Sema *s)
{
    const Program *program = s->root->program;
    if (s->phases.count)
        return;
    SourcePos pos = {s->root->source, 1, 1, 0};
    bool empty =
        program->imports.count + program->params.count + program->defs.count ==
        0;
    if (empty)
        sema_error(s, pos, "the file is empty");
    else if (!s->options->check_only)
        sema_error(s, pos,
                   "there is nothing to run: no phase here or in an "
                   "imported file");
}

// The program with every parameter resolved, and what it says to each phase.
static void show(Sema *s)
{
    Experiment *experiment = s->experiment;
    experiment->resolved = show_program(s);
    const ProgramText *text =
        program_text(s->arena, experiment->resolved, NULL);
    for (int i = 0; text && i < experiment->phases.count; i++) {
        ExperimentPhase *phase = &experiment->phases.at[i];
        phase->says = program_text_says(text, phase->name, phase->teacher);
    }
}

static void elaborate(Sema *s)
{
    modules_link(s);
    check_not_empty(s);
    // A name that two definitions claim would be complained of at each use.
    if (s->diags->error_count)
        return;
    params_resolve(s);
    phases_elaborate(s);
    // Behind the elaboration, which has more to say of the same mistakes.
    names_check(s);
    settings_check(s);
    for (int i = 0; i < s->phases.count && !s->diags->error_count; i++)
        if (s->phases.at[i]->state != PHASE_DONE)
            INTERNAL_ERROR("phase `%s` failed without a word",
                           s->phases.at[i]->item->name.text);
    // What an error kept from being read is not unused.
    if (s->diags->error_count == 0)
        unused_check(s);
    if (s->diags->error_count == 0)
        show(s);
}

Experiment *lang_load(Arena *arena, const char *path,
                      const LangOptions *options, DiagList *diags)
{
    Build outside = {0};
    Sema s = {
        .arena = arena, .diags = diags, .options = options, .build = &outside};
    s.modules_by_path = map_new(arena);
    s.universe = map_new(arena);
    s.phases_by_name = map_new(arena);
    s.said = map_new(arena);
    s.experiment = ARENA_NEW(arena, Experiment);
    s.experiment->name = base_name(arena, path);
    s.experiment->path = arena_strdup(arena, path);
    builtins_add(arena, &s.universe);
    s.root = module_load(&s, path, (SourcePos){0});
    // Names cannot be judged while a file is missing or half understood.
    if (s.root && diags->error_count == 0)
        elaborate(&s);
    return diags->error_count ? NULL : s.experiment;
}

bool lang_add_sources(Arena *arena, const char *path, Text *text)
{
    LangOptions options = {0};
    DiagList diags = diag_list_new(arena);
    Build outside = {0};
    Sema s = {.arena = arena,
              .diags = &diags,
              .options = &options,
              .build = &outside};
    s.modules_by_path = map_new(arena);
    s.said = map_new(arena);
    if (!module_load(&s, path, (SourcePos){0}) || diags.error_count)
        return false;
    for (int i = 0; i < s.modules.count; i++) {
        const Source *source = s.modules.at[i]->source;
        // With its length in front, a file's text cannot pass for the next
        // file's beginning: no two programs have the same text here.
        text_addf(text, "file %zu ", source->length);
        text_add_json(text, source->path);
        text_add(text, "\n");
        text_add_n(text, source->text, source->length);
    }
    return true;
}

const char *lang_dump_ast(Arena *arena, const char *path, DiagList *diags)
{
    LangOptions options = {0};
    Build outside = {0};
    Sema s = {
        .arena = arena, .diags = diags, .options = &options, .build = &outside};
    s.modules_by_path = map_new(arena);
    s.said = map_new(arena);
    Module *root = module_load(&s, path, (SourcePos){0});
    if (!root || diags->error_count)
        return NULL;
    Text text = text_new(arena);
    for (int i = 0; i < s.modules.count; i++) {
        text_addf(&text, "%sfile \"%s\"\n", i ? "\n" : "",
                  s.modules.at[i]->path);
        ast_print(s.modules.at[i]->program, &text);
    }
    return text_string(&text);
}
