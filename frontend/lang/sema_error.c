// How mistakes are told, and how an elaboration that costs too much ends.
#include <string.h>

#include "frontend/lang/frame.h"
#include "frontend/lang/module.h"
#include "frontend/lang/phase.h"

static void report(Sema *s, SourcePos pos, const char *format, va_list args)
{
    s->build->failed = true;
    s->muted = s->stopped;
    // A function elaborated fifty times would say the same thing fifty times.
    if (!s->muted && pos.source) {
        char key[64];
        snprintf(key, sizeof key, "%p:%d:%d", (const void *)pos.source,
                 pos.line, pos.column);
        s->muted = map_get(&s->said, key) != NULL;
        if (!s->muted)
            map_set(&s->said, arena_strdup(s->arena, key), s);
    }
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
