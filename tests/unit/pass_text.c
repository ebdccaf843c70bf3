#include "tests/unit/pass_text.h"

#include "ir/text_form.h"
#include "tests/harness.h"
#include "tests/passes.h"

Graph *pass_text_graph(Arena *arena, const char *body)
{
    Text text = text_new(arena);
    text_addf(&text, "graph \"t\" {\n%s}\n", body);
    char *copy = arena_alloc(arena, text.length + 2);
    memcpy(copy, text_string(&text), text.length);
    Source *source = ARENA_NEW(arena, Source);
    *source = (Source){"t", copy, text.length};
    DiagList diags = diag_list_new(arena);
    GraphList *list = graph_parse(arena, source, &diags);
    diag_print(&diags, stdout, false);
    return list && list->graphs.count ? list->graphs.at[0] : NULL;
}

// What the passes make of the body, as a body.
static const char *run(Arena *arena, const char *names, const char *body)
{
    Graph *graph = pass_text_graph(arena, body);
    if (!graph)
        return "does not parse";
    if (run_passes(graph, names, true))
        return "no such pass";
    Text text = text_new(arena);
    graph_print(graph, &text);
    const char *start = strchr(text_string(&text), '\n') + 1;
    return arena_strndup(arena, start, strlen(start) - strlen("}\n"));
}

void check_pass(const char *names, const char *body, const char *want)
{
    Arena *arena = arena_new();
    CHECK_TEXT(run(arena, names, body), want);
    arena_free(arena);
}
