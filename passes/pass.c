// The table of passes and the loop that runs them.
#include "passes/pass.h"

#include <string.h>

#include "ir/base/diag.h"
#include "ir/text_form.h"
#include "passes/all.h"

static const Pass passes[] = {
#define PASS(name, function, doc) {#name, function, doc},
#include "passes/passes.def"
#undef PASS
};
enum { PASS_COUNT = sizeof passes / sizeof passes[0] };

const Pass *pass_table(int *count)
{
    *count = PASS_COUNT;
    return passes;
}

static const Pass *find_pass(const char *name, size_t length)
{
    for (int i = 0; i < PASS_COUNT; i++)
        if (strlen(passes[i].name) == length &&
            memcmp(passes[i].name, name, length) == 0)
            return &passes[i];
    return NULL;
}

// The text form must say everything a graph holds: what is read back from it
// prints as the same bytes.
static void check_round_trip(const Graph *graph, const Pass *pass,
                             Arena *scratch)
{
    Text first = text_new(scratch), second = text_new(scratch);
    graph_print(graph, &first);
    // Two NULs at the end, as sources have.
    char *text = arena_alloc(scratch, first.length + 2);
    memcpy(text, text_string(&first), first.length);
    Source source = {arena_printf(scratch, "after pass %s", pass->name), text,
                     first.length};
    DiagList diags = diag_list_new(scratch);
    GraphList *list = graph_parse(scratch, &source, &diags);
    if (!list || list->graphs.count != 1) {
        diag_print(&diags, stderr, false);
        INTERNAL_ERROR("after pass %s, graph \"%s\" does not read back",
                       pass->name, graph->name);
    }
    graph_print(list->graphs.at[0], &second);
    if (strcmp(text_string(&first), text_string(&second)) != 0)
        INTERNAL_ERROR("after pass %s, graph \"%s\" reads back as another",
                       pass->name, graph->name);
}

static void check_graph(const Graph *graph, const Pass *pass, Arena *scratch)
{
    const char *wrong = graph_verify(graph, scratch);
    if (wrong)
        INTERNAL_ERROR("after pass %s, graph \"%s\": %s", pass->name,
                       graph->name, wrong);
}

static void run_pass(Graph *graph, const Pass *pass, const PassOptions *options)
{
    PassContext context = {arena_new(), options->block, options->bf16,
                           options->products};
    pass->run(graph, &context);
    if (options->observe)
        options->observe(options->context, pass, graph);
    if (options->paranoid) {
        check_graph(graph, pass, context.scratch);
        check_round_trip(graph, pass, context.scratch);
    }
    arena_free(context.scratch);
}

// Between passes the verifier would take as long as the passes themselves; what
// one of them breaks shows after the last as well.
static void check_last(const Graph *graph, const Pass *pass)
{
    Arena *scratch = arena_new();
    check_graph(graph, pass, scratch);
    arena_free(scratch);
}

// The first name in a comma-separated list that is no pass, or NULL.
static const char *unknown_name(const Graph *graph, const char *names)
{
    for (const char *at = names; *at;) {
        size_t length = strcspn(at, ",");
        if (!find_pass(at, length))
            return arena_strndup(graph->arena, at, length);
        at += length + (at[length] == ',');
    }
    return NULL;
}

const char *passes_run(Graph *graph, const PassOptions *options)
{
    const Pass *last = NULL;
    const char *unknown =
        options->names ? unknown_name(graph, options->names) : NULL;
    if (unknown)
        return unknown;
    for (int i = 0; !options->names && i < PASS_COUNT; i++)
        run_pass(graph, last = &passes[i], options);
    for (const char *at = options->names; at && *at;) {
        size_t length = strcspn(at, ",");
        run_pass(graph, last = find_pass(at, length), options);
        at += length + (at[length] == ',');
    }
    if (last)
        check_last(graph, last);
    return NULL;
}
