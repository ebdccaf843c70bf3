// What people and other programs write as text.
#include <stdlib.h>

#include "frontend/lang/experiment.h"
#include "ir/text_form.h"
#include "runtime/files/rename.h"
#include "tests/fuzz/fuzz.h"

void fuzz_net(const uint8_t *bytes, int64_t size)
{
    Arena *arena = arena_new();
    DiagList diags = diag_list_new(arena);
    LangOptions options = {
        .dtype = DT_F32, .ranks = 1, .features_name = "h", .check_only = true};
    lang_load(arena, fuzz_file("program.net", bytes, size), &options, &diags);
    arena_free(arena);
}

// What is read must be accepted by the verifier and be read again from its
// print.
void fuzz_graph(const uint8_t *bytes, int64_t size)
{
    Arena *arena = arena_new();
    DiagList diags = diag_list_new(arena);
    Source *source = source_from_text(arena, "fuzz", (const char *)bytes, size);
    GraphList *list = graph_parse(arena, source, &diags);
    for (int i = 0; list && i < list->graphs.count; i++) {
        const Graph *graph = list->graphs.at[i];
        Text text = text_new(arena);
        graph_print(graph, &text);
        Source *again =
            source_from_text(arena, "print", text_string(&text), text.length);
        if (graph_verify(graph, arena) || !graph_parse(arena, again, &diags))
            abort();
    }
    arena_free(arena);
}

void fuzz_rename(const uint8_t *bytes, int64_t size)
{
    Renames renames = {0};
    Status status = renames_read(fuzz_file("map", bytes, size), &renames);
    if (status.code != STATUS_OK)
        return;
    free(renames_apply(&renames, "layer1.0.conv1.weight", NULL));
    renames_free(&renames);
}

void fuzz_list(const uint8_t *bytes, int64_t size)
{
    static const uint8_t nothing[] = {0};
    fuzz_file("a.png", nothing, 1);
    fuzz_read_set(fuzz_file("list.txt", bytes, size));
}
