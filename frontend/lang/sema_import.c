// Reading files: each once, imports before importers, in the order written.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/lang/module.h"
#include "frontend/lang/parse.h"
#include "frontend/lang/phase.h"
#include "frontend/lang/stages.h"

static bool check_encoding(Sema *s, const Source *source)
{
    SourcePos pos = {source, 1, 1, 0};
    for (size_t i = 0; i < source->length;) {
        int length = text_utf8_length(source->text + i);
        if (length == 0) {
            sema_error(s, pos, "the file is not UTF-8 text: byte 0x%02x",
                       (unsigned char)source->text[i]);
            return false;
        }
        pos.column += length;
        if (source->text[i] == '\n') {
            pos.line++;
            pos.column = 1;
        }
        i += (size_t)length;
    }
    return true;
}

// One name for one file, however it is reached.
static const char *identity(Arena *arena, const char *path)
{
    char *real = realpath(path, NULL);
    const char *name = real ? arena_strdup(arena, real) : path;
    free(real); // realpath's, not the arena's
    return name;
}

static void report_cycle(Sema *s, const Module *again, SourcePos pos)
{
    sema_error(s, pos, "`%s` imports itself", again->path);
    bool inside = false;
    for (int i = 0; i < s->modules_by_path.entries.count; i++) {
        const Module *module = s->modules_by_path.entries.at[i].value;
        inside = inside || module == again;
        if (inside && module->is_open && module != again)
            sema_note(s, (SourcePos){0}, "by way of `%s`", module->path);
    }
}

typedef struct Missing {
    SourcePos pos;
    const char *beside, *in_library; // where it was looked for; NULL = nowhere
} Missing;
typedef VEC(Missing) MissingList;

static bool exists(const char *path)
{
    return access(path, F_OK) == 0 || errno != ENOENT;
}

// Beside the importing file or, where there is no such file, in simcc's own
// folder of models. NULL when it is in neither.
static const char *find_import(Sema *s, const Module *module, Word word,
                               MissingList *missing)
{
    Missing place = {.pos = word.pos};
    const char *slash = strrchr(module->path, '/');
    place.beside = word.text;
    if (word.text[0] != '/' && slash)
        place.beside =
            arena_printf(s->arena, "%.*s/%s", (int)(slash - module->path),
                         module->path, word.text);
    if (word.text[0] == '/' || exists(place.beside))
        return place.beside;
    if (library_folder(s)) {
        place.in_library =
            arena_printf(s->arena, "%s/%s", library_folder(s), word.text);
        if (exists(place.in_library))
            return place.in_library;
    }
    vec_push(s->arena, missing, place);
    return NULL;
}

// All that one file misses, at once.
static void report_missing(Sema *s, const MissingList *missing)
{
    const Missing *first = missing->at;
    if (missing->count == 0)
        return;
    sema_error(s, first->pos,
               first->in_library ? "there is no file '%s', and no '%s'"
                                 : "there is no file '%s'",
               first->beside, first->in_library);
    for (int i = 1; i < missing->count; i++)
        sema_note(s, missing->at[i].pos, "and no '%s'", missing->at[i].beside);
    if (!library_folder(s))
        sema_note(s, (SourcePos){0},
                  "simcc's own `models` were looked for beside its executable "
                  "and above, and are not there either: copy models/lib "
                  "beside the program");
}

static void load_imports(Sema *s, Module *module)
{
    MissingList missing = {0};
    enum { MAX_IMPORT_DEPTH = 100 };
    // Bounds the C stack: files that are open are those being imported now.
    int depth = 0;
    for (int i = 0; i < s->modules_by_path.entries.count; i++) {
        const Module *other = s->modules_by_path.entries.at[i].value;
        depth += other->is_open;
    }
    for (int i = 0; i < module->program->imports.count; i++) {
        Word word = module->program->imports.at[i].path;
        if (depth > MAX_IMPORT_DEPTH) {
            sema_error(s, word.pos, "imports nested too deeply");
            return;
        }
        const char *path = find_import(s, module, word, &missing);
        Module *imported = path ? module_load(s, path, word.pos) : NULL;
        if (imported)
            vec_push(s->arena, &module->imports, imported);
    }
    report_missing(s, &missing);
}

Module *module_load(Sema *s, const char *path, SourcePos import_pos)
{
    const char *key = identity(s->arena, path);
    Module *module = map_get(&s->modules_by_path, key);
    if (module) {
        if (module->is_open)
            report_cycle(s, module, import_pos);
        return module->is_open ? NULL : module;
    }
    const char *why;
    Source *source = source_read(s->arena, path, &why);
    if (!source) {
        sema_error(s, import_pos, "%s", why);
        return NULL;
    }
    module = ARENA_NEW(s->arena, Module);
    module->source = source;
    module->path = source->path;
    module->globals = map_new(s->arena);
    module->visible = map_new(s->arena);
    map_set(&s->modules_by_path, key, module);
    // A byte order mark is not part of the program.
    if (source->length >= 3 && memcmp(source->text, "\xef\xbb\xbf", 3) == 0)
        memset(source->text, ' ', 3);
    if (!check_encoding(s, source))
        return NULL;
    module->program = parse_program(s->arena, source, s->diags);
    module->is_open = true;
    load_imports(s, module);
    module->is_open = false;
    vec_push(s->arena, &s->modules, module);
    return module;
}

// ---- names across files -----------------------------------------------------

static void define(Sema *s, Module *module, Global *global)
{
    const Global *first = map_get(&module->globals, global->name);
    if (first) {
        sema_error(s, global->pos, "`%s` is defined twice", global->name);
        sema_note(s, first->pos, "first here");
        return;
    }
    map_set(&module->globals, global->name, global);
}

static void define_def(Sema *s, Module *module, const DefItem *def)
{
    Function *function = ARENA_NEW(s->arena, Function);
    *function = (Function){def, module};
    Global *global = ARENA_NEW(s->arena, Global);
    *global = (Global){.name = def->name.text,
                       .pos = def->name.pos,
                       .module = module,
                       .function = function};
    define(s, module, global);
    const ArgList *formals = def->formals;
    if (formals->count > MAX_FORMALS)
        sema_error(s, formals->at[MAX_FORMALS].name.pos,
                   "`%s` takes more than %d arguments", def->name.text,
                   MAX_FORMALS);
    for (int i = 0; i < formals->count && i < MAX_FORMALS; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(formals->at[i].name.text, formals->at[j].name.text) == 0)
                sema_error(s, formals->at[i].name.pos,
                           "`%s` takes two arguments called `%s`",
                           def->name.text, formals->at[i].name.text);
    if (def->is_optimizer &&
        (formals->count < 2 || formals->at[0].value || formals->at[1].value))
        sema_error(s, def->name.pos,
                   "an optimizer's first two arguments are the weight and its "
                   "gradient: optimizer %s(w, g, ...)",
                   def->name.text);
}

static void define_param(Sema *s, Module *module, const ParamItem *item)
{
    Param *param = ARENA_NEW(s->arena, Param);
    *param = (Param){.item = item, .module = module};
    Global *global = ARENA_NEW(s->arena, Global);
    *global = (Global){.name = item->name.text,
                       .pos = item->name.pos,
                       .module = module,
                       .param = param};
    define(s, module, global);
}

// Has a run's folder a file where the phase's folder would be?
static bool is_file_of_run(const char *name)
{
    static const char *const files[] = {"about", "command", "log"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(name, files[i]) == 0)
            return true;
    return false;
}

static void define_phase(Sema *s, Module *module, const PhaseItem *item)
{
    const Phase *first = map_get(&s->phases_by_name, item->name.text);
    if (is_file_of_run(item->name.text))
        sema_error(s, item->name.pos,
                   "no phase is called `%s`: the folder of a run has a file of "
                   "that name, and a folder for each phase",
                   item->name.text);
    if (first) {
        sema_error(s, item->name.pos, "phase `%s` is defined twice",
                   item->name.text);
        sema_note(s, first->item->name.pos, "first here");
        return;
    }
    Phase *phase = ARENA_NEW(s->arena, Phase);
    *phase = (Phase){.item = item, .module = module};
    vec_push(s->arena, &s->phases, phase);
    map_set(&s->phases_by_name, item->name.text, phase);
}

// What `from` (an import of `module`, or itself) defines becomes visible. A
// nearer definition hides a farther one; two equally near ones are rivals.
static void show_globals(Sema *s, Module *module, const Module *from,
                         Map *distance, int steps)
{
    for (int i = 0; i < from->globals.entries.count; i++) {
        const Global *global = from->globals.entries.at[i].value;
        const char *name = global->name;
        int *known = map_get(distance, name);
        if (!known) {
            int *at = ARENA_NEW(s->arena, int);
            *at = steps;
            map_set(distance, name, at);
            map_set(&module->visible, name, (void *)(uintptr_t)global);
        } else if (*known == steps) {
            Global *both = ARENA_NEW(s->arena, Global);
            *both = *(const Global *)map_get(&module->visible, name);
            both->rival = global;
            map_set(&module->visible, name, both);
        }
    }
}

// Breadth first, so that a module is met at its least distance.
static void link_module(Sema *s, Module *module)
{
    VEC(const Module *) queue = {0};
    VEC(int) depth = {0};
    Map seen = map_new(s->arena), distance = map_new(s->arena);
    vec_push(s->arena, &queue, module);
    vec_push(s->arena, &depth, 0);
    map_set(&seen, module->path, module);
    for (int i = 0; i < queue.count; i++) {
        const Module *from = queue.at[i];
        show_globals(s, module, from, &distance, depth.at[i]);
        for (int k = 0; k < from->imports.count; k++) {
            Module *next = from->imports.at[k];
            if (map_get(&seen, next->path))
                continue;
            map_set(&seen, next->path, next);
            vec_push(s->arena, &queue, next);
            vec_push(s->arena, &depth, depth.at[i] + 1);
        }
    }
}

void modules_link(Sema *s)
{
    for (int i = 0; i < s->modules.count; i++) {
        Module *module = s->modules.at[i];
        const Program *program = module->program;
        for (int k = 0; k < program->params.count; k++)
            define_param(s, module, program->params.at[k]);
        for (int k = 0; k < program->defs.count; k++)
            define_def(s, module, program->defs.at[k]);
        for (int k = 0; k < program->phases.count; k++)
            define_phase(s, module, program->phases.at[k]);
    }
    for (int i = 0; i < s->modules.count; i++)
        link_module(s, s->modules.at[i]);
}
