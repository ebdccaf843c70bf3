#include "runtime/files/naming.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/files/naming_inside.h"

enum { GROUPS = 9, ROOT_LIMIT = 32, ANCHORS = 5 };

bool naming_split(const char *name, char layer[64], const char **leaf)
{
    const char *dot = strrchr(name, '.');
    if (!dot || dot - name >= 64)
        return false;
    memcpy(layer, name, (size_t)(dot - name));
    layer[dot - name] = '\0';
    *leaf = dot + 1;
    return true;
}

bool naming_is_slot(const char *name)
{
    static const char *const begins[] = {
        "optimizer",   "optim",       "callbacks.",        "lr_scheduler",
        "scheduler",   "loops.",      "hyper_parameters.", "save_counter/",
        "global_step", "beta1_power", "beta2_power",       "amp.",
        "scaler."};
    static const char *const ends[] = {"/Momentum", "/Adam", "/Adam_1",
                                       "/LARSOptimizer"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(name, begins[i], strlen(begins[i])) == 0)
            return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t tail = strlen(ends[i]);
        if (length > tail && strcmp(name + length - tail, ends[i]) == 0)
            return true;
    }
    return strstr(name, "/.OPTIMIZER_SLOT/") != NULL;
}

// ---- nets -------------------------------------------------------------------

static int compare_wants(const void *a, const void *b)
{
    return strcmp(((const NamingWant *)a)->name, ((const NamingWant *)b)->name);
}

static int compare_layers(const void *a, const void *b)
{
    return strcmp(((const NamingLayer *)a)->name,
                  ((const NamingLayer *)b)->name);
}

static const NamingWant *find_want(const NamingNet *net, const char *name)
{
    NamingWant key = {.name = name};
    return net->count ? bsearch(&key, net->wants, (size_t)net->count,
                                sizeof key, compare_wants)
                      : NULL;
}

bool naming_net_has(const NamingNet *net, const char *layer, const char *leaf)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", layer, leaf);
    return find_want(net, name) != NULL;
}

int naming_net_number(const NamingNet *net, const char *layer)
{
    NamingLayer key;
    if (strlen(layer) >= sizeof key.name || !net->layer_count)
        return -1;
    strcpy(key.name, layer);
    const NamingLayer *found =
        bsearch(&key, net->layers, (size_t)net->layer_count, sizeof key,
                compare_layers);
    return found ? found->number : -1;
}

// Adds a layer if the net has it; false without memory.
static bool add_layer(NamingNet *net, const char *block, const char *part,
                      int counts[2])
{
    NamingLayer layer = {.number = 0};
    snprintf(layer.name, sizeof layer.name, "%s%s", block, part);
    if (!naming_net_has(net, layer.name, "weight"))
        return true;
    layer.norm = naming_net_has(net, layer.name, "running_mean");
    layer.number = counts[layer.norm]++;
    NamingLayer *grown = realloc(net->layers, ((size_t)net->layer_count + 1) *
                                                  sizeof *net->layers);
    if (!grown)
        return false;
    net->layers = grown;
    net->layers[net->layer_count++] = layer;
    return true;
}

// The encoder's layers in the order in which the reference code makes them.
static bool list_layers(NamingNet *net)
{
    static const char *const stem[] = {"conv1",   "conv1.0", "conv1.1",
                                       "conv1.3", "conv1.4", "conv1.6",
                                       "bn1",     NULL};
    static const char *const parts[] = {
        "downsample.0", "downsample.1", "conv1",     "bn1",
        "sk.conv",      "sk.bn",        "sk.mix.0",  "sk.mix.1",
        "sk.mix.3",     "conv2",        "bn2",       "conv3",
        "bn3",          "se.reduce",    "se.expand", NULL};
    int counts[2] = {0, 0};
    for (int i = 0; stem[i]; i++)
        if (!add_layer(net, "", stem[i], counts))
            return false;
    for (int group = 1; group <= GROUPS; group++)
        for (int block = 0;; block++) {
            char name[40], first[48];
            snprintf(name, sizeof name, "layer%d.%d.", group, block);
            snprintf(first, sizeof first, "%sconv1", name);
            if (!naming_net_has(net, first, "weight"))
                break;
            for (int i = 0; parts[i]; i++)
                if (!add_layer(net, name, parts[i], counts))
                    return false;
        }
    return true;
}

Status naming_net_new(NamingNet *net, int count, const NamingWant *wants)
{
    char layer[32];
    *net = (NamingNet){.count = count};
    net->wants = malloc(((size_t)count + 1) * sizeof *net->wants);
    if (net->wants) {
        if (count)
            memcpy(net->wants, wants, (size_t)count * sizeof *wants);
        qsort(net->wants, (size_t)count, sizeof *wants, compare_wants);
    }
    if (!net->wants || !list_layers(net)) {
        naming_net_free(net);
        return status_error(STATUS_MEMORY, "no memory to compare names");
    }
    if (net->layer_count)
        qsort(net->layers, (size_t)net->layer_count, sizeof *net->layers,
              compare_layers);
    net->deep = naming_net_has(net, "conv1.0", "weight");
    net->bottleneck = naming_net_has(net, "layer1.0.conv3", "weight");
    net->sk = naming_net_has(net, "layer1.0.sk.conv", "weight");
    net->pooled = net->deep || net->sk;
    do
        snprintf(layer, sizeof layer, "head.%d.dense", net->head_layers);
    while (naming_net_has(net, layer, "weight") && ++net->head_layers);
    return status_ok();
}

void naming_net_free(NamingNet *net)
{
    free(net->wants);
    free(net->layers);
    *net = (NamingNet){0};
}

// ---- trying a way of naming -------------------------------------------------

typedef struct Trial {
    const TensorFile *file;
    const NamingNet *net;
    const NamingRow *row;
    const char *root;
    bool head_norms;
} Trial;

static bool their_name(const Trial *trial, const char *ours,
                       char name[NAMING_ROOT + NAMING_NAME], RenameAxes *axes)
{
    char rest[NAMING_NAME];
    if (!trial->row->theirs(trial->row, trial->net, trial->head_norms, ours,
                            rest, axes))
        return false;
    snprintf(name, NAMING_ROOT + NAMING_NAME, "%s%s", trial->root, rest);
    return true;
}

static NamingPlace find_place(const Trial *trial, const char *ours)
{
    char name[NAMING_ROOT + NAMING_NAME];
    NamingPlace place = {-1, AXES_OURS};
    if (their_name(trial, ours, name, &place.axes))
        place.tensor = tensors_find(trial->file, name);
    return place;
}

static bool same_shape(const TensorFile *file, NamingPlace place,
                       const NamingWant *want)
{
    const SafeTensor *tensor = tensors_at(file, place.tensor);
    int64_t dims[SAFE_MAX_RANK];
    if (tensor->rank != want->rank)
        return false;
    axes_dims(place.axes, tensor->rank, tensor->dims, dims);
    return !want->rank ||
           memcmp(dims, want->dims, (size_t)want->rank * sizeof *dims) == 0;
}

// Does a head of theirs have norms between its layers?
static bool has_norms(const TensorFile *file, const NamingRow *row,
                      const char *root)
{
    char name[NAMING_ROOT + NAMING_NAME];
    if (!row->head)
        return false;
    snprintf(name, sizeof name, "%s%s1.running_mean", root, row->head);
    return tensors_find(file, name) >= 0;
}

static bool has_head(const TensorFile *file, const NamingRow *row,
                     const char *root)
{
    char name[NAMING_ROOT + NAMING_NAME];
    if (!row->head)
        return false;
    snprintf(name, sizeof name, "%s%s0.weight", root, row->head);
    return tensors_find(file, name) >= 0;
}

// Copies are under these words: the net itself is taken where it is there.
bool naming_is_copy(const char *root)
{
    static const char *const words[] = {"ema",    "momentum",  "teacher",
                                        "target", "encoder_k", "averaged"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(root, words[i]))
            return true;
    return false;
}

// A trial's score: shapes that agree count most, then names that are there at
// all, then that it is not a copy, then that the file has this way's head.
static int64_t score(const Trial *trial, int *matched)
{
    int64_t named = 0;
    *matched = 0;
    for (int i = 0; i < trial->net->count; i++) {
        const NamingWant *want = &trial->net->wants[i];
        NamingPlace place = find_place(trial, want->name);
        named += place.tensor >= 0;
        *matched += place.tensor >= 0 && same_shape(trial->file, place, want);
    }
    if (!named)
        return 0;
    return ((*matched * (int64_t)(1 << 20) + named) * 2 +
            !naming_is_copy(trial->root)) *
               2 +
           has_head(trial->file, trial->row, trial->root);
}

// ---- roots ------------------------------------------------------------------

typedef struct Roots {
    int count;
    char at[ROOT_LIMIT][NAMING_ROOT];
} Roots;

// Blocks have convolutions of the stem's name, too: below a root there must be
// a first block, where one is wanted.
static bool has_block(Trial *trial, const char *root)
{
    static const char block[] = "layer1.0.conv1.weight";
    trial->root = root;
    bool has =
        !find_want(trial->net, block) || find_place(trial, block).tensor >= 0;
    trial->root = "";
    return has;
}

// What stands before a name, where it is a whole number of parts.
static void add_root(Trial *trial, Roots *roots, const char *name,
                     const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    if (length < tail || strcmp(name + length - tail, end) != 0)
        return;
    length -= tail;
    if (length >= NAMING_ROOT || roots->count == ROOT_LIMIT ||
        (length && name[length - 1] != '.' && name[length - 1] != '/'))
        return;
    for (int i = 0; i < roots->count; i++)
        if (strlen(roots->at[i]) == length &&
            strncmp(roots->at[i], name, length) == 0)
            return;
    memcpy(roots->at[roots->count], name, length);
    roots->at[roots->count][length] = '\0';
    roots->count += has_block(trial, roots->at[roots->count]);
}

// Everything before the name of the stem's convolution, or else of some tensor
// that is wanted.
static void find_roots(Trial *trial, Roots *roots)
{
    static const char *const stems[ANCHORS] = {
        "conv1.weight", "conv1.0.weight", "features.0.0.weight",
        "stem.0.weight", "conv_proj.weight"};
    const char *anchors[ANCHORS];
    int count = 0;
    for (int i = 0; i < ANCHORS; i++)
        if (find_want(trial->net, stems[i]))
            anchors[count++] = stems[i];
    if (!count)
        for (int i = 0; i < trial->net->count && count < ANCHORS; i++)
            anchors[count++] = trial->net->wants[i].name;
    roots->count = 0;
    trial->root = "";
    for (int a = 0; a < count; a++) {
        char end[NAMING_ROOT + NAMING_NAME];
        RenameAxes axes;
        trial->head_norms = true;
        if (!their_name(trial, anchors[a], end, &axes))
            continue;
        for (int i = 0; i < tensors_count(trial->file); i++) {
            const char *name = tensors_at(trial->file, i)->name;
            if (!naming_is_slot(name))
                add_root(trial, roots, name, end);
        }
    }
}

// ---- choosing ---------------------------------------------------------------

typedef struct Best {
    int64_t score;
    Trial trial;
    char root[NAMING_ROOT], copy[NAMING_ROOT];
    int matched;
    bool pooled;
} Best;

static void try_row(const TensorFile *file, NamingNet *net,
                    const NamingRow *row, Best *best)
{
    Trial trial = {.file = file, .net = net, .row = row};
    Roots roots;
    find_roots(&trial, &roots);
    bool pooled = net->pooled;
    for (int i = 0; i < roots.count; i++)
        // The names do not say whether shortcuts pool, but the file may.
        for (int other = 0; other < 2; other++) {
            int matched;
            net->pooled = pooled != other;
            trial.root = roots.at[i];
            trial.head_norms = has_norms(file, row, trial.root);
            int64_t now = score(&trial, &matched);
            if (now <= best->score)
                continue;
            *best = (Best){.score = now,
                           .trial = trial,
                           .matched = matched,
                           .pooled = net->pooled};
            strcpy(best->root, roots.at[i]);
        }
    net->pooled = pooled;
}

// Another root under which at least half as much is there.
static void find_copy(Best *best, NamingNet *net)
{
    Trial trial = best->trial;
    Roots roots;
    find_roots(&trial, &roots);
    for (int i = 0; i < roots.count; i++) {
        int matched;
        trial.root = roots.at[i];
        trial.head_norms = has_norms(trial.file, trial.row, trial.root);
        net->pooled = best->pooled;
        score(&trial, &matched);
        if (strcmp(roots.at[i], best->root) != 0 && matched &&
            matched >= best->matched / 2)
            strcpy(best->copy, roots.at[i]);
    }
}

static Status take_places(const Best *best, NamingNet *net, int count,
                          const NamingWant *wants, Naming *naming)
{
    Trial trial = best->trial;
    trial.root = best->root;
    net->pooled = best->pooled;
    naming->places = malloc(((size_t)count + 1) * sizeof *naming->places);
    if (!naming->places)
        return status_error(STATUS_MEMORY, "no memory to compare names");
    for (int i = 0; i < count; i++)
        naming->places[i] = best->score ? find_place(&trial, wants[i].name)
                                        : (NamingPlace){-1, AXES_OURS};
    return status_ok();
}

Status naming_find(const TensorFile *file, int count, const NamingWant *wants,
                   Naming *naming)
{
    NamingNet net;
    Best best = {.score = 0};
    int row_count;
    const NamingRow *rows = naming_rows(&row_count);
    *naming = (Naming){.matched = 0};
    TRY(naming_net_new(&net, count, wants));
    for (int i = 0; i < row_count; i++)
        try_row(file, &net, &rows[i], &best);
    if (best.score)
        find_copy(&best, &net);
    const NamingWant *stem = find_want(&net, "conv1.weight");
    bool small = stem && stem->rank == 4 && stem->dims[2] == 3;
    Status status = take_places(&best, &net, count, wants, naming);
    naming_net_free(&net);
    TRY(status);
    if (best.score) {
        naming->row = best.trial.row;
        naming->title = best.trial.row->title;
        naming->notes[0] = best.trial.row->note;
        if (small)
            naming->notes[1] = best.trial.row->small;
        naming->matched = best.matched;
        strcpy(naming->root, best.root);
        strcpy(naming->copy, best.copy);
    }
    return status_ok();
}

static bool begins(const char *name, const char *root, const char *part)
{
    size_t first = strlen(root), second = part ? strlen(part) : 0;
    return part && strncmp(name, root, first) == 0 &&
           strncmp(name + first, part, second) == 0;
}

NamingRest naming_rest(const Naming *naming, const char *name,
                       const char **rest)
{
    const NamingRow *row = naming->row;
    *rest = name;
    if (naming_is_slot(name))
        return NAMING_SLOT;
    if (!row)
        return NAMING_OTHER;
    if (*naming->copy && begins(name, naming->copy, ""))
        return NAMING_COPY;
    if (begins(name, naming->root, row->head) ||
        begins(name, naming->root, row->classifier) ||
        !begins(name, naming->root, row->encoder))
        return NAMING_OTHER;
    *rest = name + strlen(naming->root);
    if (row->style)
        *rest += strlen(row->encoder);
    // With names of its own, the encoder has a part of the tree for itself.
    return !row->style || strncmp(*rest, "layer", 5) == 0 ? NAMING_ENCODER
                                                          : NAMING_OTHER;
}

void naming_free(Naming *naming)
{
    free(naming->places);
    *naming = (Naming){0};
}

// ---- covers -----------------------------------------------------------------

Status naming_cover_new(NamingCover *cover, const TensorFile *file, int count,
                        const NamingWant *wants)
{
    *cover = (NamingCover){.file = file};
    return naming_net_new(&cover->net, count, wants);
}

static Trial cover_trial(const NamingCover *cover)
{
    return (Trial){.file = cover->file,
                   .net = &cover->net,
                   .row = cover->row,
                   .root = cover->root,
                   .head_norms = cover->head_norms};
}

static bool covers(const NamingCover *cover)
{
    Trial trial = cover_trial(cover);
    for (int i = 0; i < cover->net.count; i++)
        if (find_place(&trial, cover->net.wants[i].name).tensor < 0)
            return false;
    return true;
}

bool naming_cover_next(NamingCover *cover)
{
    int count;
    const NamingRow *rows = naming_rows(&count);
    bool pooled = cover->net.deep || cover->net.sk;
    while (cover->at < count) {
        Roots roots;
        cover->row = &rows[cover->at++];
        cover->torch = cover->row->style != NULL;
        Trial trial = cover_trial(cover);
        find_roots(&trial, &roots);
        for (int i = 0; i < 2 * roots.count; i++) {
            // The net itself before its copies.
            if (naming_is_copy(roots.at[i / 2]) && roots.count > 1)
                continue;
            strcpy(cover->root, roots.at[i / 2]);
            cover->net.pooled = pooled != (i & 1);
            cover->head_norms = has_norms(cover->file, cover->row, cover->root);
            if (covers(cover))
                return true;
        }
    }
    return false;
}

bool naming_cover_head(const NamingCover *cover)
{
    return has_head(cover->file, cover->row, cover->root);
}

void naming_cover_free(NamingCover *cover)
{
    naming_net_free(&cover->net);
}

NamingPlace naming_cover_find(const NamingCover *cover, const char *ours)
{
    Trial trial = cover_trial(cover);
    NamingPlace place = find_place(&trial, ours);
    // A head of one layer has another name in TF1's.
    if (place.tensor < 0 && strncmp(ours, "head.0.", 7) == 0) {
        NamingNet net = cover->net;
        net.head_layers = 1;
        trial.net = &net;
        place = find_place(&trial, ours);
    }
    return place;
}
