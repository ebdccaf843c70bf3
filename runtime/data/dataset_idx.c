// IDX files as MNIST and its successors come in: two zero bytes, the element
// type, the number of dimensions, big-endian 32-bit sizes, then the elements.
// The only user of zlib, which reads plain files as well.
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "runtime/data/dataset_inside.h"

enum { PATH_ROOM = 4096, TYPE_U8 = 8, MAX_SIDE = 4096, CHUNK = 1 << 20 };

typedef struct IdxFile {
    char path[PATH_ROOM];
    int dimensions;
    int64_t sizes[3];
    uint8_t *bytes;
} IdxFile;

// The path of the file that matches one of the two patterns, the plain one
// before the compressed one; empty when there is none.
static void find_file(const char *root, const char *pattern, const char *other,
                      char path[PATH_ROOM])
{
    path[0] = 0;
    DIR *folder = opendir(root);
    bool plain = false;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        const char *name = entry->d_name;
        size_t length = strlen(name);
        bool packed = length > 3 && strcmp(name + length - 3, ".gz") == 0;
        char bare[256];
        snprintf(bare, sizeof bare, "%.*s", (int)(length - 3 * packed), name);
        if ((fnmatch(pattern, bare, 0) != 0 && fnmatch(other, bare, 0) != 0) ||
            (plain && packed))
            continue;
        if (snprintf(path, PATH_ROOM, "%s/%s", root, name) >= PATH_ROOM)
            path[0] = 0;
        plain = !packed;
    }
    if (folder)
        closedir(folder);
}

static Status gz_failure(gzFile file, const char *path)
{
    int code = Z_OK;
    const char *reason = gzerror(file, &code);
    if (code == Z_ERRNO)
        reason = strerror(errno);
    return status_error(
        STATUS_DATA, "%s: %s", path,
        code == Z_OK || code == Z_BUF_ERROR ? "the file is truncated" : reason);
}

static Status read_header(IdxFile *idx, gzFile file, int dimensions)
{
    uint8_t head[16];
    int size = 4 + 4 * dimensions;
    if (gzread(file, head, (unsigned)size) != size)
        return gz_failure(file, idx->path);
    if (head[0] || head[1] || head[2] != TYPE_U8 || head[3] != dimensions)
        return status_error(STATUS_DATA,
                            "%s: not an IDX file of bytes in %d dimension%s",
                            idx->path, dimensions, dimensions == 1 ? "" : "s");
    idx->dimensions = dimensions;
    for (int i = 0; i < dimensions; i++) {
        const uint8_t *at = head + 4 + 4 * i;
        idx->sizes[i] = (int64_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
        if (i > 0 && (idx->sizes[i] < 1 || idx->sizes[i] > MAX_SIDE))
            return status_error(STATUS_DATA, "%s: images %lld pixels long",
                                idx->path, (long long)idx->sizes[i]);
    }
    return status_ok();
}

static int64_t item_size(const IdxFile *idx)
{
    return idx->dimensions == 1 ? 1 : idx->sizes[1] * idx->sizes[2];
}

// Reading past the end makes zlib compare its checksum, too.
static Status check_end(const IdxFile *idx, gzFile file)
{
    uint8_t more;
    int got = gzread(file, &more, 1), code = Z_OK;
    gzerror(file, &code);
    if (got < 0 || code != Z_OK)
        return gz_failure(file, idx->path);
    if (got > 0)
        return status_error(STATUS_DATA,
                            "%s: holds more than the %lld %s it announces",
                            idx->path, (long long)idx->sizes[0],
                            idx->dimensions == 1 ? "labels" : "images");
    return status_ok();
}

// The header's count is believed only as far as bytes arrive: memory grows
// with what was read.
static Status read_items(IdxFile *idx, gzFile file)
{
    int64_t need = idx->sizes[0] * item_size(idx), have = 0, room = 0;
    while (have < need) {
        if (have == room) {
            room = 2 * room + CHUNK < need ? 2 * room + CHUNK : need;
            uint8_t *grown = realloc(idx->bytes, (size_t)room);
            if (!grown)
                return status_error(STATUS_MEMORY, "%s: no memory for it",
                                    idx->path);
            idx->bytes = grown;
        }
        int64_t part = room - have < CHUNK ? room - have : CHUNK;
        int got = gzread(file, idx->bytes + have, (unsigned)part);
        if (got < 0)
            return gz_failure(file, idx->path);
        if (got == 0)
            return status_error(
                STATUS_DATA,
                "%s: the file is truncated: %lld of the %lld %s it announces",
                idx->path, (long long)(have / item_size(idx)),
                (long long)idx->sizes[0],
                idx->dimensions == 1 ? "labels" : "images");
        have += got;
    }
    return check_end(idx, file);
}

static Status read_idx(IdxFile *idx, int dimensions)
{
    gzFile file = gzopen(idx->path, "rb");
    if (!file)
        return status_error(STATUS_DATA, "%s: %s", idx->path, strerror(errno));
    Status status = read_header(idx, file, dimensions);
    if (status.code == STATUS_OK)
        status = read_items(idx, file);
    gzclose(file);
    return status;
}

typedef struct IdxPart {
    IdxFile images, labels;
} IdxPart;

static Status read_part_files(IdxPart *part)
{
    TRY(read_idx(&part->images, 3));
    if (!part->labels.path[0])
        return status_ok();
    TRY(read_idx(&part->labels, 1));
    if (part->labels.sizes[0] != part->images.sizes[0])
        return status_error(
            STATUS_DATA, "%s has %lld label%s but %s has %lld image%s",
            part->labels.path, (long long)part->labels.sizes[0],
            status_s(part->labels.sizes[0]), part->images.path,
            (long long)part->images.sizes[0], status_s(part->images.sizes[0]));
    return status_ok();
}

static Status check_shape(Dataset *dataset, const IdxFile *images)
{
    DataShape shape = {(int)images->sizes[2], (int)images->sizes[1], 1};
    if (dataset->shape.width && (dataset->shape.width != shape.width ||
                                 dataset->shape.height != shape.height))
        return status_error(STATUS_DATA,
                            "%s has images of %dx%d, those before it %dx%d",
                            images->path, shape.width, shape.height,
                            dataset->shape.width, dataset->shape.height);
    dataset->shape = shape;
    return status_ok();
}

// What is known of the labels, which are bytes.
typedef struct IdxLabels {
    int classes;       // the largest label, and one
    bool trained[256]; // a training image has it
} IdxLabels;

// Of a class that no training image has, nothing can be learned.
static Status check_trained(const IdxPart *part, const IdxLabels *labels)
{
    for (int64_t i = 0; i < part->images.sizes[0]; i++)
        if (!labels->trained[part->labels.bytes[i]])
            return status_error(STATUS_DATA,
                                "%s: image %lld has the label %d, which no "
                                "training image has",
                                part->labels.path, (long long)i,
                                part->labels.bytes[i]);
    return status_ok();
}

static Status add_part(Dataset *dataset, DataSplit split, const char *stem,
                       IdxPart *part, IdxLabels *labels)
{
    TRY(read_part_files(part));
    TRY(check_shape(dataset, &part->images));
    if (labels->classes > 0 && !part->labels.bytes)
        return status_error(STATUS_DATA,
                            "%s has no file of labels beside it, unlike the "
                            "training images",
                            part->images.path);
    if (split != SPLIT_TRAIN && labels->classes > 0)
        TRY(check_trained(part, labels));
    int64_t size = item_size(&part->images);
    for (int64_t i = 0; i < part->images.sizes[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%06lld", stem, (long long)i);
        int label = part->labels.bytes ? part->labels.bytes[i] : -1;
        if (label >= 0)
            labels->trained[label] |= split == SPLIT_TRAIN;
        if (label >= labels->classes)
            labels->classes = label + 1;
        TRY(dataset_add_sample(dataset, split, name, label,
                               part->images.bytes + i * size));
    }
    dataset_keep_block(dataset, part->images.bytes);
    part->images.bytes = NULL;
    return status_ok();
}

static void free_part(IdxPart *part)
{
    free(part->images.bytes);
    free(part->labels.bytes);
    free(part);
}

// The files of one part, whose images go into that split.
static Status read_part(Dataset *dataset, bool train, DataSplit split,
                        IdxLabels *labels, bool *found)
{
    IdxPart *part = calloc(1, sizeof *part);
    if (!part)
        return status_error(STATUS_MEMORY, "%s: no memory", dataset->root);
    find_file(dataset->root,
              train ? "*train-images*idx3-ubyte" : "*t10k-images*idx3-ubyte",
              train ? "*train-images*idx3-ubyte" : "*test-images*idx3-ubyte",
              part->images.path);
    find_file(dataset->root,
              train ? "*train-labels*idx1-ubyte" : "*t10k-labels*idx1-ubyte",
              train ? "*train-labels*idx1-ubyte" : "*test-labels*idx1-ubyte",
              part->labels.path);
    Status status = status_ok();
    *found = part->images.path[0] != 0;
    if (*found)
        status = add_part(dataset, split,
                          train ? "train-images" : "t10k-images", part, labels);
    free_part(part);
    return status;
}

Status dataset_read_idx(Dataset *dataset, bool *found)
{
    IdxLabels labels = {0};
    bool test = false;
    TRY(read_part(dataset, true, SPLIT_TRAIN, &labels, found));
    if (!*found && dataset->tests_alone) {
        TRY(read_part(dataset, false, SPLIT_TRAIN, &labels, found));
        test = dataset->only_tests = *found;
    }
    if (!*found)
        return status_ok();
    if (!dataset->only_tests)
        TRY(read_part(dataset, false, SPLIT_TEST, &labels, &test));
    dataset->kind = "IDX files";
    dataset->test_part = test ? "t10k" : NULL;
    if (dataset->splits[SPLIT_TRAIN].count == 0)
        return status_error(STATUS_DATA, "%s: its IDX files hold no image",
                            dataset->root);
    return dataset_number_classes(dataset, labels.classes);
}
