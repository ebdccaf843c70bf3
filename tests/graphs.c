#include "tests/graphs.h"

#include <stdio.h>
#include <stdlib.h>
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

const Node *graph_param(const Graph *graph, const char *name)
{
    for (int i = 0; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.at[i];
        if (node->op == OP_PARAM &&
            strcmp(node->attrs[PARAM_NAME].text, name) == 0)
            return node;
    }
    return NULL;
}

const char *graph_role(const Graph *graph, const char *name)
{
    const Node *node = graph_param(graph, name);
    return node ? node->attrs[PARAM_ROLE].text : "absent";
}

int graph_count(const Graph *graph, Op op)
{
    int count = 0;
    for (int i = 0; i < graph->nodes.count; i++)
        count += graph->nodes.at[i].op == op;
    return count;
}

Value graph_result(const Graph *graph, const char *name)
{
    for (int i = 0; i < graph->outputs.count; i++)
        if (strcmp(graph->outputs.at[i].name, name) == 0)
            return graph->outputs.at[i].value;
    test_fail(__FILE__, __LINE__, "no output %s", name);
    exit(1);
}

Value graph_assign(const Graph *graph, const char *name)
{
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op == OP_ASSIGN &&
            strcmp(graph_node(graph, node->inputs[0])->attrs[PARAM_NAME].text,
                   name) == 0)
            return v;
    }
    return NO_VALUE;
}
