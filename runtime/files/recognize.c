#include "runtime/files/recognize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/files/naming_inside.h"
#include "runtime/files/recognize_inside.h"

enum { NAME_ROOM = 64, MOST_NAMES = 4096, GROUPS = RECOGNIZED_GROUPS };

static const struct Size {
    int depth, blocks[GROUPS];
    bool bottleneck;
} sizes[] = {
    {18, {2, 2, 2, 2}, false},  {34, {3, 4, 6, 3}, false},
    {50, {3, 4, 6, 3}, true},   {101, {3, 4, 23, 3}, true},
    {152, {3, 8, 36, 3}, true}, {200, {3, 24, 36, 3}, true},
    {0, {1, 1, 1, 1}, false},   {0, {1, 1, 1, 1}, true},
};
enum { SIZES = sizeof sizes / sizeof *sizes };

// A net that the file may hold.
typedef struct Candidate {
    const struct Size *size;
    bool sk, se, deep, projects;
} Candidate;

// ---- the names of a net -----------------------------------------------------

typedef struct NameList {
    int count;
    char (*at)[NAME_ROOM];
} NameList;

static void add_name(NameList *list, const char *block, const char *layer,
                     const char *leaf)
{
    if (list->count < MOST_NAMES)
        snprintf(list->at[list->count++], NAME_ROOM, "%s%s.%s", block, layer,
                 leaf);
}

// A convolution and the norm behind it.
static void add_pair(NameList *list, const char *block, const char *conv,
                     const char *norm)
{
    static const char *const leaves[] = {"weight", "bias", "running_mean",
                                         "running_var"};
    add_name(list, block, conv, "weight");
    for (int i = 0; i < 4; i++)
        add_name(list, block, norm, leaves[i]);
}

static void add_block(NameList *list, const Candidate *net, int group,
                      int number)
{
    char block[32];
    bool projects =
        number == 0 && (group > 1 || net->projects || net->size->bottleneck);
    snprintf(block, sizeof block, "layer%d.%d.", group, number);
    if (projects)
        add_pair(list, block, "downsample.0", "downsample.1");
    add_pair(list, block, "conv1", "bn1");
    if (net->sk && net->size->bottleneck) {
        add_pair(list, block, "sk.conv", "sk.bn");
        add_pair(list, block, "sk.mix.0", "sk.mix.1");
        add_name(list, block, "sk.mix.3", "weight");
    } else {
        add_pair(list, block, "conv2", "bn2");
    }
    if (net->size->bottleneck)
        add_pair(list, block, "conv3", "bn3");
    for (int i = 0; net->se && i < 2; i++) {
        const char *layer = i ? "se.expand" : "se.reduce";
        add_name(list, block, layer, "weight");
        add_name(list, block, layer, "bias");
    }
}

static void list_names(NameList *list, const Candidate *net)
{
    list->count = 0;
    if (net->deep) {
        add_pair(list, "", "conv1.0", "conv1.1");
        add_pair(list, "", "conv1.3", "conv1.4");
    }
    add_pair(list, "", net->deep ? "conv1.6" : "conv1", "bn1");
    for (int group = 1; group <= GROUPS; group++)
        for (int i = 0; i < net->size->blocks[group - 1]; i++)
            add_block(list, net, group, i);
}

// ---- shapes -----------------------------------------------------------------

// A tensor of the net by our name; NULL when the file lacks it. Its dims in our
// order go to `dims`.
static const SafeTensor *find_tensor(const NamingCover *cover, const char *ours,
                                     int64_t dims[SAFE_MAX_RANK])
{
    NamingPlace place = naming_cover_find(cover, ours);
    if (place.tensor < 0)
        return NULL;
    const SafeTensor *tensor = tensors_at(cover->file, place.tensor);
    axes_dims(place.axes, tensor->rank, tensor->dims, dims);
    return tensor;
}

// Is it a square window of that size, from so many channels to so many? A count
// of 0 may be any.
static bool is_conv(const NamingCover *cover, const char *ours, int window,
                    int64_t out, int64_t in)
{
    int64_t dims[SAFE_MAX_RANK];
    const SafeTensor *tensor = find_tensor(cover, ours, dims);
    return tensor && tensor->rank == 4 && dims[2] == window &&
           dims[3] == window && (!out || dims[0] == out) &&
           (!in || dims[1] == in);
}

// What names alone cannot tell: whether each convolution has the window and
// the channels that its place asks for.
static bool shapes_fit(const NamingCover *cover, const Candidate *net,
                       int64_t filters)
{
    char name[NAME_ROOM];
    int64_t in = filters;
    bool deep = net->size->bottleneck;
    for (int group = 1; group <= GROUPS; group++) {
        int64_t middle = filters << (group - 1),
                out = deep ? 4 * middle : middle;
        for (int i = 0; i < net->size->blocks[group - 1]; i++) {
            int used = snprintf(name, sizeof name, "layer%d.%d.", group, i);
            char *part = name + used;
            strcpy(part, "conv1.weight");
            if (!is_conv(cover, name, deep ? 1 : 3, middle, in))
                return false;
            strcpy(part, deep ? "conv3.weight" : "conv2.weight");
            if (!is_conv(cover, name, deep ? 1 : 3, out, middle))
                return false;
            strcpy(part, "sk.conv.weight");
            if (net->sk && deep && !is_conv(cover, name, 3, 2 * middle, middle))
                return false;
            in = out;
        }
        // One block more makes it another net.
        int64_t dims[SAFE_MAX_RANK];
        snprintf(name, sizeof name, "layer%d.%d.conv1.weight", group,
                 net->size->blocks[group - 1]);
        if (find_tensor(cover, name, dims))
            return false;
    }
    return true;
}

// ---- one candidate ----------------------------------------------------------

static void measure_head(const NamingCover *cover, Recognized *found)
{
    int64_t dims[SAFE_MAX_RANK];
    char name[NAME_ROOM];
    const SafeTensor *tensor;
    for (;;) {
        snprintf(name, sizeof name, "head.%d.dense.weight", found->head_layers);
        if (!(tensor = find_tensor(cover, name, dims)) || tensor->rank != 2)
            break;
        found->head_out = dims[0];
        found->head_layers++;
    }
    // SimCLRv2's heads have norms and no biases.
    snprintf(name, sizeof name, "head.%d.bn.running_mean",
             found->head_layers - 1);
    if (found->head_layers && (!find_tensor(cover, name, dims) ||
                               find_tensor(cover, "head.0.dense.bias", dims)))
        found->head_layers = 0;
    tensor = find_tensor(cover, "fc.weight", dims);
    if (tensor && tensor->rank == 2)
        found->classes = dims[0];
}

static bool measure(const NamingCover *cover, const Candidate *net,
                    Recognized *found)
{
    int64_t dims[SAFE_MAX_RANK];
    const SafeTensor *stem =
        find_tensor(cover, net->deep ? "conv1.6.weight" : "conv1.weight", dims);
    if (!stem || stem->rank != 4 || dims[2] != dims[3] || dims[0] < 1 ||
        dims[0] > 1 << 16)
        return false;
    *found = (Recognized){.title = cover->row->title,
                          .notes = {cover->row->note},
                          .torch = cover->torch,
                          .depth = net->size->depth,
                          .bottleneck = net->size->bottleneck,
                          .filters = dims[0],
                          .window = (int)dims[2],
                          .deep = net->deep,
                          .projects = net->projects || net->size->bottleneck};
    if (found->window == 3 && !net->deep)
        found->notes[1] = cover->row->small;
    strcpy(found->root, cover->root);
    memcpy(found->blocks, net->size->blocks, sizeof found->blocks);
    if (!shapes_fit(cover, net, found->filters))
        return false;
    // Units of the last group are the largest: there no least width counts.
    double last = (double)(8 * found->filters);
    if (net->sk && find_tensor(cover, "layer4.0.sk.mix.0.weight", dims))
        found->sk_ratio = (double)dims[0] / last;
    if (net->se && find_tensor(cover, "layer4.0.se.reduce.weight", dims))
        found->se_ratio = (double)dims[0] / last;
    measure_head(cover, found);
    return true;
}

// At least: shortcuts are not counted.
static int count_convs(const Candidate *net)
{
    int blocks = 0;
    for (int i = 0; i < GROUPS; i++)
        blocks += net->size->blocks[i];
    return (net->size->bottleneck ? 3 : 2) * blocks;
}

// `convs`: how many convolutions the file has.
static Status try_candidate(const TensorFile *file, int convs,
                            const Candidate *net, NameList *list,
                            NamingWant *wants, Recognized *best)
{
    NamingCover cover;
    Recognized found;
    int most = -1;
    if (count_convs(net) > convs)
        return status_ok();
    list_names(list, net);
    if (list->count <= best->tensors)
        return status_ok();
    for (int i = 0; i < list->count; i++)
        wants[i] = (NamingWant){list->at[i], 0, NULL};
    TRY(naming_cover_new(&cover, file, list->count, wants));
    // Several ways name the encoder alike: the head and the classifier tell
    // them apart.
    while (naming_cover_next(&cover))
        if (measure(&cover, net, &found)) {
            int beside = naming_cover_head(&cover) + (found.classes > 0);
            if (beside <= most)
                continue;
            most = beside;
            found.tensors = list->count;
            *best = found;
        }
    naming_cover_free(&cover);
    return status_ok();
}

Status recognize(const TensorFile *file, Recognized *net)
{
    NameList list = {0};
    int convs = 0;
    for (int i = 0; i < tensors_count(file); i++)
        convs += tensors_at(file, i)->rank == 4;
    *net = (Recognized){.title = NULL};
    list.at = malloc(MOST_NAMES * sizeof *list.at);
    NamingWant *wants = malloc(MOST_NAMES * sizeof *wants);
    Status status = list.at && wants
                        ? status_ok()
                        : status_error(STATUS_MEMORY, "no memory for names");
    for (int i = 0; i < SIZES * 16 && status.code == STATUS_OK; i++) {
        Candidate candidate = {&sizes[i / 16], i & 1, i & 2, i & 4, !(i & 8)};
        // Bottlenecks project anyway.
        if (!candidate.projects && candidate.size->bottleneck)
            continue;
        status = try_candidate(file, convs, &candidate, &list, wants, net);
    }
    free(list.at);
    free(wants);
    if (status.code == STATUS_OK && !net->title)
        recognize_net(file, net);
    return status;
}

// ---- in words ---------------------------------------------------------------

void recognized_text(const Recognized *net, char *text, size_t size)
{
    if (net->net) {
        int used = snprintf(text, size, "%s", net->net);
        if (net->classes)
            snprintf(text + used, size - (size_t)used, ", %lld classes",
                     (long long)net->classes);
        return;
    }
    int used = net->depth
                   ? snprintf(text, size, "ResNet-%d", net->depth)
                   : snprintf(text, size, "a ResNet of %d, %d, %d, %d %s",
                              net->blocks[0], net->blocks[1], net->blocks[2],
                              net->blocks[3],
                              net->bottleneck ? "bottlenecks" : "basic blocks");
    char width[48], sk[48] = "", se[48] = "", head[64] = "", classes[48] = "";
    if (net->filters % 64 == 0)
        snprintf(width, sizeof width, "width %d", (int)(net->filters / 64));
    else
        snprintf(width, sizeof width, "%d filters", (int)net->filters);
    if (net->sk_ratio > 0)
        snprintf(sk, sizeof sk, ", selective kernels (%g)", net->sk_ratio);
    if (net->se_ratio > 0)
        snprintf(se, sizeof se, ", squeeze-and-excitation (%g)", net->se_ratio);
    if (net->head_layers)
        snprintf(head, sizeof head, ", a head of %d layer%s to %lld",
                 net->head_layers, status_s(net->head_layers),
                 (long long)net->head_out);
    if (net->classes)
        snprintf(classes, sizeof classes, ", %lld classes",
                 (long long)net->classes);
    snprintf(text + used, size - (size_t)used, ", %s, %s stem%s%s%s%s%s", width,
             net->deep          ? "a deep"
             : net->window == 7 ? "a 7x7"
                                : "a 3x3",
             net->projects ? "" : ", no projection in its first block", sk, se,
             head, classes);
}

void recognized_lines(const Recognized *net, char *text, size_t size)
{
    text[0] = '\0';
    if (net->net) {
        int used = snprintf(text, size, "encoder = \"%s\"\n", net->net);
        if (net->image_size)
            used += snprintf(text + used, size - (size_t)used,
                             "image_size = %lld\n", (long long)net->image_size);
        if (net->classes)
            snprintf(text + used, size - (size_t)used, "classes = %lld\n",
                     (long long)net->classes);
        return;
    }
    if (!net->title || !net->depth || net->filters % 64)
        return;
    int used = snprintf(text, size,
                        "depth = %d\nwidth = %d\nsk_ratio = %g%s\n"
                        "se_ratio = %g%s\nfirst_projection = %s\n"
                        "pool_padding = %s\n",
                        net->depth, (int)(net->filters / 64), net->sk_ratio,
                        net->sk_ratio > 0 ? "" : ".0", net->se_ratio,
                        net->se_ratio > 0 ? "" : ".0",
                        net->projects ? "true" : "false",
                        net->torch ? "\"torch\"" : "\"tf\"");
    if (net->window == 3 && !net->deep)
        used += snprintf(text + used, size - (size_t)used, "image_size = 32\n");
    if (net->head_layers)
        used += snprintf(text + used, size - (size_t)used,
                         "head_layers = %d\nhead_out = %lld\n",
                         net->head_layers, (long long)net->head_out);
    if (net->classes)
        snprintf(text + used, size - (size_t)used, "classes = %lld\n",
                 (long long)net->classes);
}
