// simcc names: the names that checkpoints of the reference code have for a
// phase's weights. TF1's number convolutions and norms in the order in which
// they are made, a block's shortcut first, which is the order here. TF2's are
// paths of attributes: lists of layers, in which those without weights count.
#include "frontend/cli/compiler.h"

#include "runtime/base/file.h"

#include <stdio.h>
#include <string.h>

typedef struct Naming {
    Arena *arena;
    const Graph *graph;
    int convolutions, norms; // so far, of the encoder
    Text *tf1, *tf2;
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

static bool has_part(const Naming *naming, const char *layer, const char *part)
{
    return find_param(naming->graph,
                      arena_printf(naming->arena, "%s.%s", layer, part));
}

// Without its last part: "bn1" of "bn1.weight".
static const char *layer_of(Arena *arena, const char *name)
{
    const char *dot = strrchr(name, '.');
    return arena_strndup(arena, name, dot ? (size_t)(dot - name) : 0);
}

// ---- TF1 --------------------------------------------------------------------

// "conv2d" and its like, with their number unless it is the first.
static const char *numbered(Arena *arena, const char *what, int number)
{
    return number ? arena_printf(arena, "base_model/%s_%d", what, number)
                  : arena_printf(arena, "base_model/%s", what);
}

// "head_contrastive/nl_1/dense" of head.1.dense.
static const char *tf1_head(Arena *arena, const char *layer, const char *part)
{
    int number = 0;
    if (sscanf(layer, "head.%d.", &number) != 1)
        return NULL;
    return arena_printf(arena, "head_contrastive/nl_%d/%s", number, part);
}

// ---- TF2 --------------------------------------------------------------------

typedef enum BlockKind { BASIC, BOTTLENECK, BOTTLENECK_SK, BLOCK_KINDS } Kind;

// Layers of the stem, and of the deep one of selective kernels.
static const char *const stem_paths[][2] = {
    {"conv1", "0/conv2d"}, {"bn1", "2/bn"},
    {NULL, NULL},          {"conv1.0", "0/conv2d"},
    {"conv1.1", "1/bn"},   {"conv1.3", "2/conv2d"},
    {"conv1.4", "3/bn"},   {"conv1.6", "4/conv2d"},
    {"bn1", "6/bn"},       {NULL, NULL}};
enum { DEEP_STEM = 3 };

// Layers of a block but its shortcut. Bottlenecks have places for dropped
// blocks in their list, a unit of selective kernels takes one.
static const struct {
    const char *layer, *paths[BLOCK_KINDS];
} block_paths[] = {
    {"conv1", {"0/conv2d", "0/conv2d", "0/conv2d"}},
    {"bn1", {"1/bn", "1/bn", "1/bn"}},
    {"conv2", {"2/conv2d", "3/conv2d", NULL}},
    {"bn2", {"3/bn", "4/bn", NULL}},
    {"sk.conv", {NULL, NULL, "3/conv2d_fixed_padding/conv2d"}},
    {"sk.bn", {NULL, NULL, "3/batch_norm_relu/bn"}},
    {"sk.mix.0", {NULL, NULL, "3/conv2d_0"}},
    {"sk.mix.1", {NULL, NULL, "3/batch_norm_relu_1/bn"}},
    {"sk.mix.3", {NULL, NULL, "3/conv2d_1"}},
    {"conv3", {NULL, "6/conv2d", "5/conv2d"}},
    {"bn3", {NULL, "7/bn", "6/bn"}},
    {"se.reduce", {"se_reduce", "9/se_reduce", "8/se_reduce"}},
    {"se.expand", {"se_expand", "9/se_expand", "8/se_expand"}},
};

static Kind block_kind(const Naming *naming)
{
    if (find_param(naming->graph, "layer1.0.sk.conv.weight"))
        return BOTTLENECK_SK;
    return find_param(naming->graph, "layer1.0.conv3.weight") ? BOTTLENECK
                                                              : BASIC;
}

// Is there a pooling before the shortcut's convolution, as with selective
// kernels? Then that has no stride where groups begin.
static bool pools_shortcuts(const Naming *naming)
{
    const Graph *graph = naming->graph;
    const Node *weight = find_param(graph, "layer2.0.downsample.0.weight");
    for (Value i = 0; weight && i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op == OP_CONV2D &&
            graph_node(graph, node->inputs[1]) == weight)
            return node->attrs[CONV_STRIDE].ints.at[0] == 1;
    }
    return false;
}

static const char *tf2_shortcut(const Naming *naming, int group, bool norm)
{
    const char *list = block_kind(naming) == BASIC ? "shortcut" : "projection";
    int at = pools_shortcuts(naming) ? (group == 1 ? 1 : 2) : 0;
    return arena_printf(naming->arena, "%s_layers/%d/%s", list, at + norm,
                        norm ? "bn" : "conv2d");
}

// Inside its block; NULL for what that code's blocks have not.
static const char *tf2_part(const Naming *naming, int group, const char *layer)
{
    Kind kind = block_kind(naming);
    if (strncmp(layer, "downsample.", 11) == 0)
        return tf2_shortcut(naming, group, layer[11] == '1');
    for (size_t i = 0; i < sizeof block_paths / sizeof *block_paths; i++) {
        const char *path = block_paths[i].paths[kind];
        if (strcmp(block_paths[i].layer, layer) != 0 || !path)
            continue;
        const char *list = kind != BASIC ? "conv_relu_dropblock_layers"
                           : strncmp(path, "se_", 3) == 0 ? "se_layer"
                                                          : "conv2d_bn_layers";
        return arena_printf(naming->arena, "%s/%s", list, path);
    }
    return NULL;
}

static const char *tf2_stem(const Naming *naming, const char *layer)
{
    bool deep = find_param(naming->graph, "conv1.0.weight");
    for (int i = deep ? DEEP_STEM : 0; stem_paths[i][0]; i++)
        if (strcmp(stem_paths[i][0], layer) == 0)
            return arena_printf(naming->arena,
                                "resnet_model/initial_conv_relu_max_pool/%s",
                                stem_paths[i][1]);
    return NULL;
}

// The path of a layer, or NULL.
static const char *tf2_path(const Naming *naming, const char *layer)
{
    int group, block, length = 0;
    char part[8];
    if (sscanf(layer, "layer%d.%d.%n", &group, &block, &length) == 2 &&
        length) {
        const char *path = tf2_part(naming, group, layer + length);
        return path ? arena_printf(naming->arena,
                                   "resnet_model/block_groups/%d/layers/%d/%s",
                                   group - 1, block, path)
                    : NULL;
    }
    if (sscanf(layer, "head.%d.%7s", &group, part) == 2)
        return arena_printf(naming->arena,
                            "_projection_head/linear_layers/%d/%s", group,
                            strcmp(part, "bn") == 0 ? "bn_relu/bn" : part);
    if (strcmp(layer, "fc") == 0 || strcmp(layer, "probe.fc") == 0)
        return "supervised_head/linear_layer/dense";
    return tf2_stem(naming, layer);
}

// ---- lines ------------------------------------------------------------------

static void add_line(const Naming *naming, const char *scope,
                     const char *theirs, const char *layer, const char *ours,
                     const char *axes)
{
    const char *path = tf2_path(naming, layer);
    text_addf(naming->tf1, "%s/%s -> %s.%s%s\n", scope, theirs, layer, ours,
              axes);
    if (path)
        text_addf(naming->tf2,
                  "model/%s/%s/.ATTRIBUTES/VARIABLE_VALUE -> %s.%s%s\n", path,
                  theirs, layer, ours, axes);
}

// Only what the layer has: z's norm has no bias.
static void add_norm(const Naming *naming, const char *scope, const char *layer)
{
    static const char *const parts[][2] = {{"gamma", "weight"},
                                           {"beta", "bias"},
                                           {"moving_mean", "running_mean"},
                                           {"moving_variance", "running_var"}};
    for (int i = 0; i < 4; i++)
        if (has_part(naming, layer, parts[i][1]))
            add_line(naming, scope, parts[i][0], layer, parts[i][1], "");
}

// A convolution or dense layer.
static void add_kernel(const Naming *naming, const char *scope,
                       const char *layer, const char *axes)
{
    add_line(naming, scope, "kernel", layer, "weight", axes);
    if (has_part(naming, layer, "bias"))
        add_line(naming, scope, "bias", layer, "bias", "");
}

// Every layer has one `weight`, which stands for it.
static void add_layer(Naming *naming, const Node *node)
{
    Arena *arena = naming->arena;
    const char *name = node->attrs[PARAM_NAME].text;
    const char *layer = layer_of(arena, name), *end = strrchr(name, '.');
    bool in_head = strncmp(name, "head.", 5) == 0;
    if (!end || strcmp(end, ".weight") != 0)
        return;
    if (node->type.rank == 4)
        add_kernel(naming, numbered(arena, "conv2d", naming->convolutions++),
                   layer, " : hwio");
    else if (has_part(naming, layer, "running_mean"))
        add_norm(naming,
                 in_head
                     ? tf1_head(arena, layer, "batch_normalization")
                     : numbered(arena, "batch_normalization", naming->norms++),
                 layer);
    else if (node->type.rank == 2)
        add_kernel(naming,
                   in_head ? tf1_head(arena, layer, "dense")
                           : "head_supervised/linear_layer/dense",
                   layer, " : io");
}

static void add_phase(Arena *arena, const Graph *graph, Text *map)
{
    Text tf1 = text_new(arena), tf2 = text_new(arena);
    Naming naming = {.arena = arena, .graph = graph, .tf1 = &tf1, .tf2 = &tf2};
    for (Value i = 0; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, i);
        if (node->op == OP_PARAM &&
            strcmp(node->attrs[PARAM_ROLE].text, "weight") == 0)
            add_layer(&naming, node);
    }
    text_addf(map,
              "# checkpoints of the TF1 code\n%s"
              "# checkpoints of the TF2 code\n%s",
              text_string(&tf1), text_string(&tf2));
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
            add_phase(cli->arena, phase->forward, &map);
    }
    if (!cli->values[OPT_output])
        fputs(text_string(&map), stdout);
    else
        CLI_TRY(cli, file_write(cli->values[OPT_output], text_string(&map),
                                (int64_t)map.length));
    return STATUS_OK;
}
