// Names in checkpoints of the reference code. Its first version, for TF1,
// numbers convolutions and norms in the order in which they are made, a block's
// shortcut first. Its second, for TF2, has paths of attributes: lists of
// layers, in which those without weights count.
#include <stdio.h>
#include <string.h>

#include "runtime/files/naming_inside.h"

// What a tensor of ours is there: "kernel", "gamma".
static const char *leaf_of(const NamingNet *net, const char *layer,
                           const char *leaf, RenameAxes *axes)
{
    static const char *const norms[][2] = {{"weight", "gamma"},
                                           {"bias", "beta"},
                                           {"running_mean", "moving_mean"},
                                           {"running_var", "moving_variance"}};
    const char *end = strrchr(layer, '.');
    bool norm = naming_net_has(net, layer, "running_mean") ||
                (end && strcmp(end, ".bn") == 0);
    *axes = AXES_OURS;
    for (int i = 0; norm && i < 4; i++)
        if (strcmp(leaf, norms[i][0]) == 0)
            return norms[i][1];
    if (strcmp(leaf, "bias") == 0)
        return "bias";
    if (strcmp(leaf, "weight") != 0)
        return NULL;
    // Only the encoder has convolutions, only what follows dense layers.
    *axes = naming_net_number(net, layer) >= 0 ? AXES_HWIO : AXES_IO;
    return "kernel";
}

static bool is_classifier(const char *layer)
{
    return strcmp(layer, "fc") == 0 || strcmp(layer, "probe.fc") == 0;
}

// ---- the first version ------------------------------------------------------

// "base_model/conv2d_5", the first without its number.
static void tf1_numbered(bool norm, int number, char out[NAMING_NAME])
{
    const char *what = norm ? "batch_normalization" : "conv2d";
    int used = snprintf(out, NAMING_NAME, "base_model/%s", what);
    if (number)
        snprintf(out + used, NAMING_NAME - (size_t)used, "_%d", number);
}

bool naming_tf1(const NamingNet *net, const char *ours, char out[NAMING_NAME],
                RenameAxes *axes)
{
    char layer[64], part[8];
    const char *leaf;
    int number;
    if (!naming_split(ours, layer, &leaf) ||
        !(leaf = leaf_of(net, layer, leaf, axes)))
        return false;
    if ((number = naming_net_number(net, layer)) >= 0)
        tf1_numbered(naming_net_has(net, layer, "running_mean"), number, out);
    else if (sscanf(layer, "head.%d.%7s", &number, part) == 2)
        // A head of one layer is linear there, and named so.
        snprintf(out, NAMING_NAME, "head_contrastive/%sl_%d/%s",
                 net->head_layers == 1 ? "" : "n", number,
                 strcmp(part, "bn") == 0 ? "batch_normalization" : part);
    else if (is_classifier(layer))
        snprintf(out, NAMING_NAME, "head_supervised/linear_layer/dense");
    else
        return false;
    size_t used = strlen(out);
    return snprintf(out + used, NAMING_NAME - used, "/%s", leaf) > 0;
}

// ---- the second -------------------------------------------------------------

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

static Kind block_kind(const NamingNet *net)
{
    return net->sk ? BOTTLENECK_SK : net->bottleneck ? BOTTLENECK : BASIC;
}

// A shortcut that pools has a padding before it where groups begin with a
// stride, all but the first.
static void shortcut_path(const NamingNet *net, int group, bool norm, char *out,
                          size_t room)
{
    int at = net->pooled ? (group == 1 ? 1 : 2) : 0;
    snprintf(out, room, "%s_layers/%d/%s",
             block_kind(net) == BASIC ? "shortcut" : "projection", at + norm,
             norm ? "bn" : "conv2d");
}

// Inside its block; false for what that code's blocks have not.
static bool block_path(const NamingNet *net, int group, const char *layer,
                       char *out, size_t room)
{
    Kind kind = block_kind(net);
    if (strncmp(layer, "downsample.", 11) == 0) {
        shortcut_path(net, group, layer[11] == '1', out, room);
        return true;
    }
    for (size_t i = 0; i < sizeof block_paths / sizeof *block_paths; i++) {
        const char *path = block_paths[i].paths[kind];
        if (strcmp(block_paths[i].layer, layer) != 0 || !path)
            continue;
        const char *list = kind != BASIC ? "conv_relu_dropblock_layers"
                           : strncmp(path, "se_", 3) == 0 ? "se_layer"
                                                          : "conv2d_bn_layers";
        snprintf(out, room, "%s/%s", list, path);
        return true;
    }
    return false;
}

static bool tf2_path(const NamingNet *net, const char *layer,
                     char out[NAMING_NAME])
{
    static const char groups[] = "resnet_model/block_groups/%d/layers/%d/";
    int group, block, length = 0;
    char part[8];
    if (sscanf(layer, "layer%d.%d.%n", &group, &block, &length) == 2 &&
        length) {
        int used = snprintf(out, NAMING_NAME, groups, group - 1, block);
        return block_path(net, group, layer + length, out + used,
                          NAMING_NAME - (size_t)used);
    }
    if (sscanf(layer, "head.%d.%7s", &group, part) == 2)
        return snprintf(out, NAMING_NAME,
                        "_projection_head/linear_layers/%d/%s", group,
                        strcmp(part, "bn") == 0 ? "bn_relu/bn" : part) > 0;
    if (is_classifier(layer))
        return snprintf(out, NAMING_NAME,
                        "supervised_head/linear_layer/dense") > 0;
    for (int i = net->deep ? DEEP_STEM : 0; stem_paths[i][0]; i++)
        if (strcmp(stem_paths[i][0], layer) == 0)
            return snprintf(out, NAMING_NAME,
                            "resnet_model/initial_conv_relu_max_pool/%s",
                            stem_paths[i][1]) > 0;
    return false;
}

bool naming_tf2(const NamingNet *net, const char *ours, char out[NAMING_NAME],
                RenameAxes *axes)
{
    char layer[64];
    const char *leaf;
    if (!naming_split(ours, layer, &leaf) ||
        !(leaf = leaf_of(net, layer, leaf, axes)) || !tf2_path(net, layer, out))
        return false;
    size_t used = strlen(out);
    return snprintf(out + used, NAMING_NAME - used,
                    "/%s/.ATTRIBUTES/VARIABLE_VALUE",
                    leaf) < (int)(NAMING_NAME - used);
}
