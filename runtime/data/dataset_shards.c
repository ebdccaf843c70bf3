// Data sets in tar archives, as WebDataset lays them out: members that share
// their name up to the first dot behind the last slash, and follow each other,
// are one sample: an image, and its class as a number in a member .cls.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "runtime/data/dataset_index.h"
#include "runtime/data/tar.h"

typedef struct ShardList {
    char **items; // names below the set's folder
    int count;
} ShardList;

// What is known of the sample that members are being read of.
typedef struct Group {
    char key[TAR_NAME];
    char image[TAR_NAME]; // the member's name; empty = none yet
    int64_t offset, size;
    int label;     // -1 = none
    bool has_left; // an image that is left out, which was said
} Group;

typedef struct Shard {
    Dataset *dataset;
    DataSplit split;
    const char *name; // below the set's folder
    int container;
    TarReader reader;
    int *classes; // the largest label and one
    Group group;
} Shard;

// ---- one archive -----------------------------------------------------------

// The length of a member's name up to the first dot of its last part.
static size_t key_length(const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    return (size_t)(base - name) + strcspn(base, ".");
}

static Status skip_member(const Shard *shard, const char *name,
                          const char *reason)
{
    char place[2 * TAR_NAME + 8];
    snprintf(place, sizeof place, "%s/%s", shard->reader.path, name);
    return dataset_add_skip(shard->dataset, place, reason);
}

// The sample is complete: its members are behind us.
static Status finish_group(Shard *shard)
{
    Group *group = &shard->group;
    char name[2 * TAR_NAME + 2], buffer[128];
    Status status = status_ok();
    if (group->image[0]) {
        const char *reason =
            dataset_probe(shard->dataset, shard->reader.path, group->offset,
                          group->size, buffer, sizeof buffer);
        snprintf(name, sizeof name, "%s/%s", shard->name, group->image);
        status = reason ? skip_member(shard, group->image, reason)
                        : dataset_add_part(shard->dataset, shard->split, name,
                                           group->label, shard->container,
                                           group->offset, group->size);
    } else if (group->label >= 0 && !group->has_left) {
        snprintf(name, sizeof name, "%s.cls", group->key);
        status = skip_member(shard, name,
                             "a class without an image: the members of a "
                             "sample follow each other");
    }
    group->image[0] = group->key[0] = 0;
    group->label = -1;
    group->has_left = false;
    return status;
}

static Status read_class(Shard *shard, const TarMember *member)
{
    char text[24] = "", *end = text;
    long label = -1;
    if (member->size < (int64_t)sizeof text) {
        TRY(tar_read(&shard->reader, member, text, member->size));
        label = strtol(text, &end, 10);
        end += strspn(end, " \r\n");
    }
    if (end == text || *end || label < 0 || label >= DATASET_MAX_CLASSES)
        return status_error(
            STATUS_DATA, "%s/%s: not a class number from 0 to %d",
            shard->reader.path, member->name, DATASET_MAX_CLASSES - 1);
    shard->group.label = (int)label;
    if (label >= *shard->classes)
        *shard->classes = (int)label + 1;
    return status_ok();
}

static Status take_member(Shard *shard, const TarMember *member)
{
    Group *group = &shard->group;
    size_t length = key_length(member->name);
    if (strncmp(group->key, member->name, length) != 0 || group->key[length]) {
        TRY(finish_group(shard));
        memcpy(group->key, member->name, length);
        group->key[length] = 0;
    }
    const char *extension = member->name + length;
    if (strcasecmp(extension, ".cls") == 0)
        return read_class(shard, member);
    if (dataset_is_foreign_name(extension)) {
        group->has_left = true;
        return skip_member(shard, member->name, "only PNG and JPEG are read");
    }
    if (!dataset_is_image_name(extension))
        return status_ok();
    if (group->image[0])
        return skip_member(shard, member->name,
                           "its sample has an image already");
    memcpy(group->image, member->name, strlen(member->name) + 1);
    group->offset = member->offset;
    group->size = member->size;
    return status_ok();
}

static Status read_members(Shard *shard)
{
    TarMember member;
    bool more;
    TRY(tar_next(&shard->reader, &member, &more));
    while (more) {
        const char *slash = strrchr(member.name, '/');
        // Names that begin with a dot are ignored, as in folders.
        if (slash ? slash[1] != '.' : member.name[0] != '.')
            TRY(take_member(shard, &member));
        TRY(tar_next(&shard->reader, &member, &more));
    }
    return finish_group(shard);
}

static Status read_shard(Dataset *dataset, DataSplit split, const char *name,
                         int *classes)
{
    Shard *shard = calloc(1, sizeof *shard);
    char path[DATASET_PATH];
    if (!shard)
        return status_error(STATUS_MEMORY, "%s: no memory", dataset->root);
    shard->dataset = dataset;
    shard->split = split;
    shard->name = name;
    shard->classes = classes;
    shard->group.label = -1;
    dataset_path(dataset, name, path);
    dataset_note_path(dataset, name);
    Status status = dataset_add_container(dataset, path, &shard->container);
    if (status.code == STATUS_OK)
        status = tar_open(&shard->reader, path);
    if (status.code == STATUS_OK) {
        status = read_members(shard);
        tar_close(&shard->reader);
    }
    free(shard);
    return status;
}

// ---- the shards of a set ---------------------------------------------------

static void free_shards(ShardList *list)
{
    for (int i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (ShardList){0};
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static bool add_shard(ShardList *list, const char *folder, const char *name)
{
    char **grown =
        realloc(list->items, ((size_t)list->count + 1) * sizeof *grown);
    if (!grown)
        return false;
    list->items = grown;
    return asprintf(&grown[list->count], "%s%s%s", folder, *folder ? "/" : "",
                    name) >= 0 &&
           ++list->count;
}

static bool is_shard_name(const char *name)
{
    size_t length = strlen(name);
    return length > 4 && strcasecmp(name + length - 4, ".tar") == 0;
}

static bool is_subfolder(const char *folder, const char *name)
{
    char path[DATASET_PATH];
    struct stat info;
    return snprintf(path, sizeof path, "%s/%s", folder, name) <
               (int)sizeof path &&
           stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

// The shards in a folder below the set's, in byte order. A folder that has
// images or folders beside them is not made of shards: none are listed.
static Status list_shards(Dataset *dataset, const char *folder, ShardList *list)
{
    char path[DATASET_PATH];
    bool stored = true, mixed = false;
    dataset_path(dataset, folder, path);
    dataset_note_path(dataset, folder);
    DIR *open = opendir(path);
    for (struct dirent *entry; open && stored && (entry = readdir(open));) {
        const char *name = entry->d_name;
        if (name[0] == '.')
            continue;
        if (is_shard_name(name))
            stored = add_shard(list, folder, name);
        else
            mixed = mixed || dataset_is_image_name(name) ||
                    is_subfolder(path, name);
    }
    if (open)
        closedir(open);
    if (mixed || !stored)
        free_shards(list);
    if (list->count > 1)
        qsort(list->items, (size_t)list->count, sizeof *list->items,
              compare_names);
    return stored ? status_ok()
                  : status_error(STATUS_MEMORY, "%s: no memory for its shards",
                                 dataset->root);
}

// The part that a shard test-000.tar or val-000.tar belongs to, by what its
// name begins with.
static DatasetPart shard_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    if (strncasecmp(base, "test", 4) == 0)
        return DATASET_TEST;
    return strncasecmp(base, "val", 3) == 0 || strncasecmp(base, "dev", 3) == 0
               ? DATASET_VALID
               : DATASET_TRAIN;
}

// Says what shards for validation beside a test part are for.
static Status tell_valid(Dataset *dataset, int count)
{
    if (!count)
        return status_ok();
    dataset->valid_part = "shards of their own";
    return dataset_add_note(dataset,
                            "%d shard%s for validation while training, with "
                            "--validate-every: no phase trains on %s",
                            count, count == 1 ? " is" : "s are",
                            count == 1 ? "it" : "them");
}

// Shards of one folder, whose names may tell parts. Those for validation are
// the test part where there is no other.
static Status read_flat(Dataset *dataset, const ShardList *list, int *classes)
{
    int counts[DATASET_PARTS] = {0};
    for (int i = 0; i < list->count; i++)
        counts[shard_part(list->items[i])]++;
    bool parts = counts[DATASET_TRAIN] > 0;
    for (int i = 0; i < list->count; i++) {
        DatasetPart part = parts ? shard_part(list->items[i]) : DATASET_TRAIN;
        DataSplit split = part == DATASET_TRAIN ? SPLIT_TRAIN
                          : part == DATASET_VALID && counts[DATASET_TEST]
                              ? SPLIT_VALID
                              : SPLIT_TEST;
        TRY(read_shard(dataset, split, list->items[i], classes));
        if (split == SPLIT_TEST)
            dataset->test_part = "shards of their own";
    }
    return tell_valid(
        dataset, parts && counts[DATASET_TEST] ? counts[DATASET_VALID] : 0);
}

// A test image without a label in a set with classes could test nothing.
static Status check_test(const Dataset *dataset, DataSplit split, int classes)
{
    const SampleList *test = &dataset->splits[split];
    for (int64_t i = 0; classes > 0 && i < test->count; i++)
        if (test->items[i].label < 0)
            return status_error(
                STATUS_DATA, "%s/%s: a %s image without a member .cls",
                dataset->folder, test->items[i].name, data_split_word(split));
    return status_ok();
}

static Status finish_shards(Dataset *dataset, int classes)
{
    dataset->kind = "tar shards";
    TRY(check_test(dataset, SPLIT_TEST, classes));
    TRY(check_test(dataset, SPLIT_VALID, classes));
    dataset_note_path(dataset, "classes.txt");
    TRY(dataset_name_classes(dataset, "classes.txt", classes));
    return dataset_check_found(dataset);
}

// The shards in the folders of parts: train/, test/, val/ and the like.
static Status list_parts(Dataset *dataset, ShardList lists[DATASET_PARTS])
{
    DIR *open = opendir(dataset->folder);
    Status status = status_ok();
    for (struct dirent *entry;
         open && status.code == STATUS_OK && (entry = readdir(open));) {
        int part = dataset_part_of(entry->d_name);
        if (part >= 0 && !lists[part].count)
            status = list_shards(dataset, entry->d_name, &lists[part]);
    }
    if (open)
        closedir(open);
    return status;
}

static Status read_list(Dataset *dataset, const ShardList *list,
                        DataSplit split, int *classes)
{
    for (int i = 0; i < list->count; i++)
        TRY(read_shard(dataset, split, list->items[i], classes));
    if (list->count && split == SPLIT_TEST)
        dataset->test_part = "shards of their own";
    return status_ok();
}

static Status read_parts(Dataset *dataset, ShardList lists[DATASET_PARTS],
                         int *classes)
{
    bool test = lists[DATASET_TEST].count > 0;
    TRY(read_list(dataset, &lists[DATASET_TRAIN], SPLIT_TRAIN, classes));
    TRY(read_list(dataset, &lists[test ? DATASET_TEST : DATASET_VALID],
                  dataset->only_tests ? SPLIT_TRAIN : SPLIT_TEST, classes));
    if (dataset->only_tests)
        dataset->test_part = "shards of their own";
    if (!test)
        return status_ok();
    TRY(read_list(dataset, &lists[DATASET_VALID], SPLIT_VALID, classes));
    return tell_valid(dataset, lists[DATASET_VALID].count);
}

// Shards directly in the folder, or in those of its parts.
Status dataset_read_shards(Dataset *dataset, bool *found)
{
    ShardList flat = {0}, lists[DATASET_PARTS] = {{0}};
    int classes = 0;
    Status status = list_shards(dataset, "", &flat);
    if (status.code == STATUS_OK && !flat.count)
        status = list_parts(dataset, lists);
    dataset->only_tests =
        dataset->tests_alone && !flat.count && !lists[DATASET_TRAIN].count &&
        (lists[DATASET_TEST].count || lists[DATASET_VALID].count);
    *found =
        flat.count > 0 || lists[DATASET_TRAIN].count > 0 || dataset->only_tests;
    if (status.code == STATUS_OK && flat.count)
        status = read_flat(dataset, &flat, &classes);
    else if (status.code == STATUS_OK && *found)
        status = read_parts(dataset, lists, &classes);
    free_shards(&flat);
    for (int part = 0; part < DATASET_PARTS; part++)
        free_shards(&lists[part]);
    if (status.code != STATUS_OK || !*found)
        return status;
    return finish_shards(dataset, classes);
}

Status dataset_read_archive(Dataset *dataset)
{
    const char *slash = strrchr(dataset->root, '/');
    int classes = 0;
    TRY(read_shard(dataset, SPLIT_TRAIN, slash ? slash + 1 : dataset->root,
                   &classes));
    return finish_shards(dataset, classes);
}
