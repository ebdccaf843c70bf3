#include "frontend/lang/sema.h"

#include <string.h>

#include "frontend/lang/parse.h"

// ---- errors -----------------------------------------------------------------

// A function elaborated fifty times would say the same thing fifty times.
static bool is_repetition(Sema *s, SourcePos pos)
{
    if (!pos.source)
        return false;
    char key[64];
    snprintf(key, sizeof key, "%p:%d:%d", (const void *)pos.source, pos.line,
             pos.column);
    if (map_get(&s->said, key))
        return true;
    map_set(&s->said, arena_strdup(s->arena, key), s);
    return false;
}

static void report(Sema *s, SourcePos pos, const char *format, va_list args)
{
    s->build->failed = true;
    s->muted = s->stopped || is_repetition(s, pos);
    if (s->muted)
        return;
    const char *message = arena_vprintf(s->arena, format, args);
    diag_error(s->diags, pos, "%s", message);
    int limit = s->diags->error_limit ? s->diags->error_limit : 20;
    if (s->diags->error_count >= limit)
        s->stopped = true;
}

void sema_error(Sema *s, SourcePos pos, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(s, pos, format, args);
    va_end(args);
}

Datum sema_fail(Sema *s, SourcePos pos, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(s, pos, format, args);
    va_end(args);
    sema_trace(s);
    return datum_poison();
}

void sema_note(Sema *s, SourcePos pos, const char *format, ...)
{
    if (s->muted)
        return;
    va_list args;
    va_start(args, format);
    const char *message = arena_vprintf(s->arena, format, args);
    va_end(args);
    diag_note(s->diags, pos, "%s", message);
}

// The innermost calls, and the outermost: what lies between seldom helps.
void sema_trace(Sema *s)
{
    enum { INNER = 3 };
    int calls = 0;
    for (const Frame *f = s->frame; f; f = f->caller)
        calls += f->what != NULL;
    int shown = 0;
    for (const Frame *f = s->frame; f; f = f->caller) {
        if (!f->what)
            continue;
        shown++;
        if (shown == INNER + 1 && calls > INNER + 1)
            sema_note(s, (SourcePos){0}, "... and %d calls between",
                      calls - INNER - 1);
        if (shown <= INNER || shown == calls)
            sema_note(s, f->call_pos, "in `%s`, called here", f->what);
    }
}

SourcePos sema_origin(Sema *s, NodeOrigin origin)
{
    for (int i = 0; i < s->modules.count && origin.file; i++)
        if (strcmp(s->modules.at[i]->path, origin.file) == 0)
            return (SourcePos){s->modules.at[i]->source, origin.line, 1, 0};
    return (SourcePos){0};
}

const char *sema_suggest(Sema *s, const char *word,
                         const char *const *candidates, int count)
{
    if (strlen(word) > 60)
        return "";
    const char *meant = text_closest(word, candidates, count);
    return meant ? arena_printf(s->arena, "; did you mean `%s`?", meant) : "";
}

bool sema_step(Sema *s, SourcePos pos)
{
    enum { CHECK_EVERY = 1024 };
    const size_t most_bytes = (size_t)2 << 30;
    if (s->stopped)
        return false;
    s->steps++;
    bool large =
        s->steps % CHECK_EVERY == 0 && arena_bytes(s->arena) > most_bytes;
    if (s->steps <= MAX_STEPS && !large)
        return true;
    sema_fail(s, pos,
              large ? "the program takes too much memory to elaborate; does a "
                      "loop or a list grow without end?"
                    : "the program takes too long to elaborate; is there a "
                      "loop without end?");
    s->stopped = true;
    return false;
}

// ---- frames -----------------------------------------------------------------

Frame *frame_push(Sema *s, FrameKind kind, const Module *module,
                  const char *what, SourcePos call_pos)
{
    Frame *frame = s->free_frames;
    if (frame)
        s->free_frames = frame->next_free;
    else
        frame = ARENA_NEW(s->arena, Frame);
    frame->names.arena = s->arena;
    map_clear(&frame->names);
    frame->kind = kind;
    frame->caller = s->frame;
    frame->module = module;
    frame->what = what;
    frame->call_pos = call_pos;
    frame->used = 0;
    frame->returned = frame->damaged = false;
    frame->result = datum_none();
    frame->weight = NULL;
    s->frame = frame;
    return frame;
}

void frame_pop(Sema *s)
{
    Frame *frame = s->frame;
    s->frame = frame->caller;
    frame->next_free = s->free_frames;
    s->free_frames = frame;
}

Binding *frame_find(const Frame *frame, const char *name)
{
    return frame ? map_get(&frame->names, name) : NULL;
}

Binding *frame_bind(Sema *s, Frame *frame, const char *name, Datum value,
                    SourcePos pos)
{
    Binding *binding = map_get(&frame->names, name);
    if (!binding) {
        if (frame->used == frame->pool.count)
            vec_push(s->arena, &frame->pool, ARENA_NEW(s->arena, Binding));
        binding = frame->pool.at[frame->used++];
        map_set(&frame->names, name, binding);
    }
    *binding = (Binding){value, pos, NULL};
    return binding;
}

// ---- names ------------------------------------------------------------------

typedef VEC(const char *) NameList;

static void add_names(Sema *s, const Map *map, NameList *names)
{
    for (int i = 0; i < map->entries.count; i++)
        vec_push(s->arena, names, map->entries.at[i].key);
}

enum { PHASE_NAMES = 6 };
static const char *const phase_names[PHASE_NAMES] = {
    "batch", "classes", "step", "total_steps", "epoch_steps", "training"};

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
    if (phase_name(s, name, &value))
        return value;
    const Datum *builtin = map_get(&s->universe, name);
    if (!builtin && s->frame->damaged)
        return datum_poison();
    return builtin ? *builtin : fail_unknown(s, name, pos);
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

const char *function_name(const Function *function)
{
    return function->def->name.text;
}

// ---- loading ----------------------------------------------------------------

// "models/simclrv2.net" -> "simclrv2"
static const char *base_name(Arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *start = slash ? slash + 1 : path;
    const char *dot = strrchr(start, '.');
    size_t length = dot && dot > start ? (size_t)(dot - start) : strlen(start);
    return arena_strndup(arena, start, length);
}

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

static void elaborate(Sema *s)
{
    modules_link(s);
    check_not_empty(s);
    if (s->diags->error_count)
        return;
    params_resolve(s);
    phases_elaborate(s);
    names_check(s);
    settings_check(s);
    for (int i = 0; i < s->phases.count && !s->diags->error_count; i++)
        if (s->phases.at[i]->state != PHASE_DONE)
            INTERNAL_ERROR("phase `%s` failed without a word",
                           s->phases.at[i]->item->name.text);
    if (s->diags->error_count == 0)
        unused_check(s);
    if (s->diags->error_count == 0)
        s->experiment->resolved = show_program(s);
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
