// simcc names: the names that TF1 checkpoints of the reference code have for a
// phase's weights. There, convolutions and norms are numbered in the order in
// which they are made, a block's shortcut first, which is the order here.
#include "frontend/cli/compiler.h"

#include "runtime/file.h"

#include <stdio.h>
#include <string.h>

typedef struct Naming {
    Arena *arena;
    const Graph *graph;
    int convolutions, norms; // so far, of the encoder
    Text *map;
} Naming;

static const Node *find_param(const Graph *graph, const char *name)
{
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op == OP_PARAM &&
            strcmp(node->attrs[PARAM_NAME].text, name) == 0)
            return node;
    }
    return NULL;
}

// Without its last part: "bn1" of "bn1.weight".
static const char *layer_of(Arena *arena, const char *name)
{
    const char *dot = strrchr(name, '.');
    return arena_strndup(arena, name, dot ? (size_t)(dot - name) : 0);
}

// "conv2d" and its like, with their number unless it is the first.
static const char *numbered(Arena *arena, const char *what, int number)
{
    return number ? arena_printf(arena, "base_model/%s_%d", what, number)
                  : arena_printf(arena, "base_model/%s", what);
}

static void add_line(const Naming *naming, const char *scope,
                     const char *theirs, const char *layer, const char *ours,
                     const char *axes)
{
    text_addf(naming->map, "%s/%s -> %s.%s%s\n", scope, theirs, layer, ours,
              axes);
}

// Only what the layer has: z's norm has no bias.
static void add_norm(const Naming *naming, const char *scope, const char *layer)
{
    static const char *const parts[][2] = {{"gamma", "weight"},
                                           {"beta", "bias"},
                                           {"moving_mean", "running_mean"},
                                           {"moving_variance", "running_var"}};
    for (int i = 0; i < 4; i++)
        if (find_param(naming->graph, arena_printf(naming->arena, "%s.%s",
                                                   layer, parts[i][1])))
            add_line(naming, scope, parts[i][0], layer, parts[i][1], "");
}

static void add_dense(const Naming *naming, const char *scope,
                      const char *layer)
{
    add_line(naming, scope, "kernel", layer, "weight", " : io");
    if (find_param(naming->graph,
                   arena_printf(naming->arena, "%s.bias", layer)))
        add_line(naming, scope, "bias", layer, "bias", "");
}

// "head_contrastive/nl_1" of head.1.dense and head.1.bn.
static const char *head_scope(Arena *arena, const char *layer, const char *part)
{
    int number = 0;
    if (sscanf(layer, "head.%d.", &number) != 1)
        return NULL;
    return arena_printf(arena, "head_contrastive/nl_%d/%s", number, part);
}

static void add_convolution(Naming *naming, const char *layer)
{
    const char *scope =
        numbered(naming->arena, "conv2d", naming->convolutions++);
    add_line(naming, scope, "kernel", layer, "weight", " : hwio");
    if (find_param(naming->graph,
                   arena_printf(naming->arena, "%s.bias", layer)))
        add_line(naming, scope, "bias", layer, "bias", "");
}

// Every layer has one `weight`, which stands for it.
static void add_layer(Naming *naming, const Node *node)
{
    Arena *arena = naming->arena;
    const char *name = node->attrs[PARAM_NAME].text;
    const char *layer = layer_of(arena, name);
    bool in_head = strncmp(name, "head.", 5) == 0;
    const char *mean = arena_printf(arena, "%s.running_mean", layer);
    const char *end = strrchr(name, '.');
    if (!end || strcmp(end, ".weight") != 0)
        return;
    if (node->type.rank == 4)
        add_convolution(naming, layer);
    else if (find_param(naming->graph, mean))
        add_norm(naming,
                 in_head
                     ? head_scope(arena, layer, "batch_normalization")
                     : numbered(arena, "batch_normalization", naming->norms++),
                 layer);
    else if (node->type.rank == 2 && in_head)
        add_dense(naming, head_scope(arena, layer, "dense"), layer);
    else if (node->type.rank == 2)
        add_dense(naming, "head_supervised/linear_layer/dense", layer);
}

int command_names(Cli *cli)
{
    Compiler compiler;
    CLI_TRY(cli, compiler_open(&compiler, cli));
    compiler.phase_count = 1;
    compiler.phases = &cli->words[1];
    compiler.lang.check_only = true;
    bool good = compiler_load(&compiler);
    diag_print(&compiler.diags, stderr, cli->color);
    if (!good)
        return STATUS_SOURCE;
    CLI_TRY(cli, compiler_check_names(&compiler));
    Text map = text_new(cli->arena);
    const Experiment *experiment = compiler.experiment;
    for (int i = 0; i < experiment->phases.count; i++) {
        const ExperimentPhase *phase = &experiment->phases.at[i];
        if (!compiler_wants(&compiler, phase->name))
            continue;
        Naming naming = {
            .arena = cli->arena, .graph = phase->forward, .map = &map};
        for (Value k = 0; k < naming.graph->nodes.count; k++) {
            const Node *node = graph_node(naming.graph, k);
            if (node->op == OP_PARAM &&
                strcmp(node->attrs[PARAM_ROLE].text, "weight") == 0)
                add_layer(&naming, node);
        }
    }
    if (!cli->values[OPT_output])
        fputs(text_string(&map), stdout);
    else
        CLI_TRY(cli, file_write(cli->values[OPT_output], text_string(&map),
                                (int64_t)map.length));
    return STATUS_OK;
}
