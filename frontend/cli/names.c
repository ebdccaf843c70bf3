// simcc names: the names that checkpoints of the reference code have for a
// phase's weights, as a map to be read and changed. Files that have them need
// none: runtime/files/naming.c finds the same names by itself.
#include "frontend/cli/compiler.h"

#include "runtime/base/file.h"
#include "runtime/files/naming.h"

#include <stdio.h>
#include <string.h>

static const char *param_name(const Node *node)
{
    return node->op == OP_PARAM ? node->attrs[PARAM_NAME].text : NULL;
}

// Is there a pooling before the shortcut's convolution, as with selective
// kernels? Then that has no stride where groups begin.
static bool pools_shortcuts(const Graph *graph)
{
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        const char *name = node->op == OP_CONV2D
                               ? param_name(graph_node(graph, node->inputs[1]))
                               : NULL;
        if (name && strcmp(name, "layer2.0.downsample.0.weight") == 0)
            return node->attrs[CONV_STRIDE].ints.at[0] == 1;
    }
    return false;
}

static void add_line(Text *text, const char *theirs, const char *ours,
                     RenameAxes axes)
{
    static const char *const orders[AXES_COUNT] = {"", " : hwio", " : io"};
    text_addf(text, "%s -> %s%s\n", theirs, ours, orders[axes]);
}

static Status add_phase(Arena *arena, const Graph *graph, Text *map)
{
    Text tf1 = text_new(arena), tf2 = text_new(arena);
    NamingWant *wants = ARENA_ARRAY(arena, NamingWant, graph->nodes.count + 1);
    NamingNet net;
    int count = 0;
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        if (param_name(node))
            wants[count++] = (NamingWant){param_name(node), node->type.rank,
                                          node->type.dims};
    }
    TRY(naming_net_new(&net, count, wants));
    net.pooled = pools_shortcuts(graph);
    for (int i = 0; i < count; i++) {
        char theirs[NAMING_NAME];
        RenameAxes axes;
        if (naming_tf1(&net, wants[i].name, theirs, &axes))
            add_line(&tf1, theirs, wants[i].name, axes);
        if (naming_tf2(&net, wants[i].name, theirs, &axes))
            add_line(&tf2, arena_printf(arena, "model/%s", theirs),
                     wants[i].name, axes);
    }
    naming_net_free(&net);
    text_addf(map,
              "# checkpoints of the TF1 code\n%s"
              "# checkpoints of the TF2 code\n%s",
              text_string(&tf1), text_string(&tf2));
    return status_ok();
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
        if (compiler_wants(&compiler, phase->name))
            CLI_TRY(cli, add_phase(cli->arena, phase->forward, &map));
    }
    if (!cli->values[OPT_output])
        fputs(text_string(&map), stdout);
    else
        CLI_TRY(cli, file_write(cli->values[OPT_output], text_string(&map),
                                (int64_t)map.length));
    return STATUS_OK;
}
