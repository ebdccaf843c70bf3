#include "tests/graphs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness.h"

const char *write_program(Arena *arena, const char *imports, const char *text)
{
    char here[400];
    const char *path = arena_printf(arena, "%s/program.net", test_folder());
    FILE *file = fopen(path, "w");
    CHECK(getcwd(here, sizeof here) != NULL);
    while (*imports) {
        size_t length = strcspn(imports, " ");
        fprintf(file, "import \"%s/models/lib/%.*s.net\"\n", here, (int)length,
                imports);
        imports += length + strspn(imports + length, " ");
    }
    fputs(text, file);
    fclose(file);
    return path;
}

Graph *copy_graph(Arena *arena, const Graph *graph)
{
    Graph *copy = ARENA_NEW(arena, Graph);
    *copy = *graph;
    copy->arena = arena;
    memset(&copy->nodes, 0, sizeof copy->nodes);
    memset(&copy->outputs, 0, sizeof copy->outputs);
    for (int i = 0; i < graph->nodes.count; i++)
        vec_push(arena, &copy->nodes, graph->nodes.at[i]);
    for (int i = 0; i < graph->outputs.count; i++)
        vec_push(arena, &copy->outputs, graph->outputs.at[i]);
    return copy;
}
