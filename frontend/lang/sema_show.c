// `simcc show`: one program that needs no other file, with every parameter and
// option replaced by its value, and what calls left to defaults as comments.
#include <inttypes.h>
#include <string.h>

#include "frontend/lang/builtins.h"
#include "frontend/lang/module.h"
#include "frontend/lang/phase.h"
#include "frontend/lang/stages.h"

// A stretch of source to be replaced.
typedef struct Edit {
    Span span;
    const char *text;
} Edit;
typedef VEC(Edit) EditList;

static void add_edit(Sema *s, EditList *edits, Span span, const char *text)
{
    Edit edit = {span, text};
    vec_push(s->arena, edits, edit);
    // Sources are edited from front to back; phases and params interleave.
    for (int i = edits->count - 1; i > 0; i--) {
        Edit *a = &edits->at[i - 1], *b = &edits->at[i];
        if (a->span.line < b->span.line ||
            (a->span.line == b->span.line && a->span.column < b->span.column))
            break;
        Edit swap = *a;
        *a = *b;
        *b = swap;
    }
}

// Settings that only the command line gives stand behind the last one.
static void add_option(Sema *s, EditList *edits, const Phase *phase, int i)
{
    const Option *option = &phase->options.at[i];
    if (!option->expr || option->value.kind == DATUM_TENSOR)
        return;
    const char *text = datum_text(s->arena, option->value);
    for (int k = i + 1; k < phase->options.count; k++) {
        const Option *next = &phase->options.at[k];
        if (next->expr)
            break;
        text = arena_printf(s->arena, "%s, %s = %s", text, next->name,
                            datum_text(s->arena, next->value));
    }
    add_edit(s, edits, option->expr->span, text);
}

static EditList collect_edits(Sema *s, const Module *module)
{
    EditList edits = {0};
    // What is imported stands in the same text, further down.
    for (int i = 0; i < module->program->imports.count; i++)
        add_edit(s, &edits, module->program->imports.at[i].span, "");
    for (int i = 0; i < module->globals.entries.count; i++) {
        const Global *global = module->globals.entries.at[i].value;
        if (global->param)
            add_edit(s, &edits, global->param->item->value->span,
                     datum_text(s->arena, global->param->value));
    }
    for (int i = 0; i < s->phases.count; i++) {
        const Phase *phase = s->phases.at[i];
        for (int k = 0; phase->module == module && k < phase->renamed.count;
             k++) {
            SourcePos pos = phase->renamed.at[k].pos;
            Span span = {pos.line, pos.column, pos.line, pos.end_column};
            add_edit(s, &edits, span, phase->renamed.at[k].text);
        }
        for (int k = 0; phase->module == module && k < phase->options.count;
             k++)
            add_option(s, &edits, phase, k);
    }
    return edits;
}

static void print_module(Sema *s, const Module *module, Text *out)
{
    EditList edits = collect_edits(s, module);
    const char *at = module->source->text;
    const char *end = at + module->source->length;
    const char *from = at; // of what is not yet printed
    const char *line_start = at;
    int line = 1;
    for (int i = 0; i < edits.count; i++) {
        Span span = edits.at[i].span;
        for (; line < span.line && at < end; at++)
            if (*at == '\n') {
                line++;
                line_start = at + 1;
            }
        const char *start = line_start + span.column - 1;
        text_add_n(out, from, (size_t)(start - from));
        text_add(out, edits.at[i].text);
        for (; line < span.end_line && at < end; at++)
            if (*at == '\n') {
                line++;
                line_start = at + 1;
            }
        from = at = line_start + span.end_column - 1;
    }
    text_add_n(out, from, (size_t)(end - from));
    if (end > module->source->text && end[-1] != '\n')
        text_add(out, "\n");
}

static void print_pipeline(const char *what, const ExperimentAugments *steps,
                           Text *out)
{
    if (!steps->count)
        return;
    text_addf(out, "#   %s ", what);
    for (int i = 0; i < steps->count; i++)
        if (steps->at[i].printed)
            text_addf(out, "%s%s", i ? ", " : "", steps->at[i].printed);
    text_add(out, "\n");
}

// What is not to be read in the text: sizes, and settings left to defaults.
static void print_phase(Sema *s, const Phase *phase, Text *out)
{
    const ExperimentPhase *p = phase->out;
    text_addf(out, "# phase %s\n", p->name);
    text_add(out, "#   input ");
    text_add(out, datum_text(s->arena, phase->input));
    for (int i = 0; i < p->group_count; i++)
        text_addf(out, "%s%d x %d", i ? " and " : ", images of ",
                  p->groups[i].size, p->groups[i].size);
    text_add(out, " pixels");
    if (p->channels != 3)
        text_addf(out, " of %d channel%s", p->channels,
                  p->channels == 1 ? "" : "s");
    text_addf(out, ", batch %d", p->batch);
    if (p->chunk)
        text_addf(out, " in chunks of %d", p->chunk);
    if (experiment_views(p) > 1)
        text_addf(out, " with %d views each", experiment_views(p));
    if (p->classes)
        text_addf(out, ", %d classes", p->classes);
    text_add(out, "\n");
    for (int i = 0; i < p->group_count; i++) {
        print_pipeline("augment", &p->groups[i].augment, out);
        print_pipeline("evaluate", &p->groups[i].evaluate, out);
    }
    for (int i = 0; i < phase->usings.count; i++)
        text_addf(out, "#   using %s\n", phase->usings.at[i]);
}

// The program's own file, and behind it what the phases come to. What was shown
// before, as a run's own program, says so already, of older values: there.
static void print_root(Sema *s, const Module *root, Text *out)
{
    static const char title[] = "\n# ---- resolved ----\n";
    Text own = text_new(s->arena);
    print_module(s, root, &own);
    const char *text = text_string(&own), *end = text + own.length;
    const char *place = strstr(text, title), *rest = end;
    if (place)
        for (rest = place + sizeof title - 1; *rest == '#';
             rest += *rest == '\n')
            rest += strcspn(rest, "\n");
    text_add_n(out, text, (size_t)((place ? place : end) - text));
    text_add(out, s->phases.count ? title : "");
    for (int i = 0; i < s->phases.count; i++)
        print_phase(s, s->phases.at[i], out);
    text_add(out, rest);
}

static const char title_begin[] = "# ---- ", title_end[] = " ----";

// A comment of one line, whatever the path.
static void print_title(Sema *s, const char *path, Text *out)
{
    char *title = arena_strdup(s->arena, path);
    for (char *at = title; *at; at++)
        *at = *at == '\n' ? '?' : *at;
    text_addf(out, "\n%s%s%s\n", title_begin, title, title_end);
}

bool lang_is_title(const char *line, size_t length)
{
    size_t first = sizeof title_begin - 1, last = sizeof title_end - 1;
    const char *end = line + length - last;
    return length > first + last && memcmp(line, title_begin, first) == 0 &&
           memcmp(end, title_end, last) == 0 && memcmp(end - 4, ".net", 4) == 0;
}

const char *show_program(Sema *s)
{
    Text out = text_new(s->arena);
    const char *folder = s->library ? s->library->folder : NULL;
    size_t length = folder ? strlen(folder) : 0;
    for (int i = s->modules.count - 1; i >= 0; i--) {
        const Module *module = s->modules.at[i];
        // A file of simcc's own models goes by its path among them: where simcc
        // stands is no part of the program.
        const char *title = module->path;
        if (folder && strncmp(title, folder, length) == 0)
            title += length + 1;
        if (module == s->root) {
            print_root(s, module, &out);
            continue;
        }
        print_title(s, title, &out);
        print_module(s, module, &out);
    }
    return text_string(&out);
}
