// Names in PyTorch code that trains ResNets: torchvision's, under the prefix of
// the module that holds the encoder, with a head and a classifier beside it.
#include <stdio.h>
#include <string.h>

#include "runtime/files/naming_inside.h"

static const TorchStyle torchvision = {"conv1", "bn1", -1, "downsample"};
// list(resnet.children())[:-1] in a Sequential: conv1, bn1, relu, maxpool, ...
static const TorchStyle children = {"0", "1", 4, "downsample"};
// The same of lightly's own ResNets, which have neither a relu nor a pool.
static const TorchStyle few_children = {"0", "1", 2, "shortcut"};
// The CIFAR ResNets that many programs copied from each other.
static const TorchStyle shortcuts = {"conv1", "bn1", -1, "shortcut"};

// "0.weight" of head.0.dense.weight. Sequences are of linear layers and ReLUs,
// with norms between them or without.
static bool head_name(const NamingRow *row, bool norms, const char *ours,
                      char out[NAMING_NAME])
{
    int layer;
    char part[16], leaf[32];
    if (!row->head ||
        sscanf(ours, "head.%d.%15[a-z].%31[a-z_]", &layer, part, leaf) != 3)
        return false;
    bool norm = strcmp(part, "bn") == 0;
    if (layer < 0 || layer > 99 || (norm && !norms))
        return false;
    snprintf(out, NAMING_NAME, "%s%d.%s", row->head,
             layer * (norms ? 3 : 2) + norm, leaf);
    return true;
}

static bool is_classifier(const char *ours, const char **leaf)
{
    *leaf = ours + (strncmp(ours, "probe.", 6) == 0 ? 6 : 0);
    if (strncmp(*leaf, "fc.", 3) != 0)
        return false;
    *leaf += 3;
    return true;
}

static bool torch_name(const NamingRow *row, const NamingNet *net,
                       bool head_norms, const char *ours, char out[NAMING_NAME],
                       RenameAxes *axes)
{
    const TorchStyle *style = row->style;
    const char *rest = ours;
    int group, length = 0, used;
    (void)net;
    *axes = AXES_OURS;
    if (strncmp(ours, "head.", 5) == 0)
        return head_name(row, head_norms, ours, out);
    if (is_classifier(ours, &rest))
        return row->classifier &&
               snprintf(out, NAMING_NAME, "%s.%s", row->classifier, rest) > 0;
    used = snprintf(out, NAMING_NAME, "%s", row->encoder);
    char *end = out + used;
    size_t room = NAMING_NAME - (size_t)used;
    if (strncmp(ours, "conv1.", 6) == 0)
        return snprintf(end, room, "%s.%s", style->stem, ours + 6) > 0;
    if (strncmp(ours, "bn1.", 4) == 0)
        return snprintf(end, room, "%s.%s", style->stem_norm, ours + 4) > 0;
    if (sscanf(ours, "layer%d.%n", &group, &length) == 1 && length) {
        const char *shortcut = strstr(ours, ".downsample.");
        used = style->first < 0
                   ? snprintf(end, room, "layer%d.", group)
                   : snprintf(end, room, "%d.", style->first + group - 1);
        end += used;
        room -= (size_t)used;
        rest = ours + length;
        if (!shortcut)
            return snprintf(end, room, "%s", rest) < (int)room;
        return snprintf(end, room, "%.*s%s.%s", (int)(shortcut + 1 - rest),
                        rest, style->shortcut, shortcut + 12) < (int)room;
    }
    // What is no part of a ResNet keeps its name.
    return !*row->encoder && style == &torchvision &&
           snprintf(end, room, "%s", ours) < (int)room;
}

// ---- SimCLRv2-Pytorch -------------------------------------------------------

// Layers of its stem and of its blocks, numbers in Sequentials; a norm stands
// in one of its own.
static const struct {
    const char *layer, *plain, *sk;
} v2_stem[] = {{"conv1", "0", NULL},   {"bn1", "1.0", "5.0"},
               {"conv1.0", NULL, "0"}, {"conv1.1", NULL, "1.0"},
               {"conv1.3", NULL, "2"}, {"conv1.4", NULL, "3.0"},
               {"conv1.6", NULL, "4"}},
  v2_block[] = {
      {"conv1", "net.0", "net.0"},
      {"bn1", "net.1.0", "net.1.0"},
      {"conv2", "net.2", NULL},
      {"bn2", "net.3.0", NULL},
      {"sk.conv", NULL, "net.2.main_conv.0"},
      {"sk.bn", NULL, "net.2.main_conv.1.0"},
      {"sk.mix.0", NULL, "net.2.mixing_conv.0"},
      {"sk.mix.1", NULL, "net.2.mixing_conv.1.0"},
      {"sk.mix.3", NULL, "net.2.mixing_conv.2"},
      {"conv3", "net.4", "net.3"},
      {"bn3", "net.5.0", "net.4.0"},
      {"downsample.0", "projection.shortcut", "projection.shortcut.2"},
      {"downsample.1", "projection.bn.0", "projection.bn.0"}};

static bool v2_name(const NamingRow *row, const NamingNet *net, bool head_norms,
                    const char *ours, char out[NAMING_NAME], RenameAxes *axes)
{
    char layer[64];
    const char *leaf, *rest;
    int group, block, length = 0;
    *axes = AXES_OURS;
    if (strncmp(ours, "head.", 5) == 0)
        return head_name(row, head_norms, ours, out);
    if (is_classifier(ours, &rest))
        return snprintf(out, NAMING_NAME, "%s.%s", row->classifier, rest) > 0;
    if (!naming_split(ours, layer, &leaf))
        return false;
    bool in_block =
        sscanf(layer, "layer%d.%d.%n", &group, &block, &length) == 2 && length;
    int used = in_block ? snprintf(out, NAMING_NAME, "%s%d.blocks.%d.",
                                   row->encoder, group, block)
                        : snprintf(out, NAMING_NAME, "%s0.", row->encoder);
    size_t count = in_block ? sizeof v2_block / sizeof *v2_block
                            : sizeof v2_stem / sizeof *v2_stem;
    for (size_t i = 0; i < count; i++) {
        bool sk = in_block ? net->sk : net->deep;
        const char *name = in_block ? v2_block[i].layer : v2_stem[i].layer;
        const char *path = in_block ? (sk ? v2_block[i].sk : v2_block[i].plain)
                                    : (sk ? v2_stem[i].sk : v2_stem[i].plain);
        if (path && strcmp(name, layer + length) == 0)
            return snprintf(out + used, NAMING_NAME - (size_t)used, "%s.%s",
                            path, leaf) > 0;
    }
    return false;
}

// ---- TensorFlow's, as rows --------------------------------------------------

static bool tf1_name(const NamingRow *row, const NamingNet *net,
                     bool head_norms, const char *ours, char out[NAMING_NAME],
                     RenameAxes *axes)
{
    (void)row;
    (void)head_norms;
    return naming_tf1(net, ours, out, axes);
}

static bool tf2_name(const NamingRow *row, const NamingNet *net,
                     bool head_norms, const char *ours, char out[NAMING_NAME],
                     RenameAxes *axes)
{
    (void)row;
    (void)head_norms;
    return naming_tf2(net, ours, out, axes);
}

// ---- the table --------------------------------------------------------------

#define SCALED                                                                 \
    "PyTorch's usual pipelines take mean and deviation out of images; here "   \
    "they are in [0, 1]"
#define SOLO                                                                   \
    "solo-learn pads its 3x3 stem for small images by 2, here it is by 1: "    \
    "features differ"

#define CONVERTED                                                              \
    "SimCLRv2-Pytorch's weights were TensorFlow's: pooling is padded as "      \
    "there, unlike in that code (pool_padding=torch pads as it does)"

// The first of equals is taken: names that say less come first.
static const NamingRow rows[] = {
    {"torchvision's", SCALED, "", &torchvision, NULL, "fc", torch_name},
    {"the reference code's (TF1)", NULL, "base_model/", NULL, NULL, NULL,
     tf1_name},
    {"the reference code's (TF2)", NULL, "resnet_model/", NULL, NULL, NULL,
     tf2_name},
    {"SimCLRv2-Pytorch's", CONVERTED, "resnet.net.", NULL, "head.layers.",
     "resnet.fc", v2_name},
    {"SimCLRv2-Pytorch's", CONVERTED, "net.", NULL, "head.layers.", "fc",
     v2_name},
    {"lightly's", SCALED, "backbone.", &torchvision, "projection_head.layers.",
     "fc", torch_name},
    {"lightly's", SCALED, "backbone.", &children, "projection_head.layers.",
     "fc", torch_name},
    {"lightly's", SCALED, "backbone.", &few_children, "projection_head.layers.",
     "fc", torch_name},
    {"solo-learn's", SCALED, "backbone.", &torchvision, "projector.",
     "classifier", torch_name, SOLO},
    {"sthalles's", NULL, "backbone.", &torchvision, "backbone.fc.", NULL,
     torch_name},
    {"bolts's", SCALED, "encoder.", &torchvision, "projection.model.", "fc",
     torch_name},
    {"SimCLR's (spijkervet)", NULL, "encoder.", &torchvision, "projector.",
     "fc", torch_name},
    {"MoCo's", SCALED, "encoder_q.", &torchvision, "encoder_q.fc.",
     "encoder_q.fc", torch_name},
    {"torchvision's layers in a Sequential", SCALED, "", &children, NULL, "fc",
     torch_name},
    {"kuangliu's", SCALED, "", &shortcuts, NULL, "linear", torch_name},
};

const NamingRow *naming_torchvision(void)
{
    return &rows[0];
}

const NamingRow *naming_rows(int *count)
{
    *count = sizeof rows / sizeof *rows;
    return rows;
}
