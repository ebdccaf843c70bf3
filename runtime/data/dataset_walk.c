#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/data/dataset_index.h"
#include "runtime/data/dataset_walk.h"

enum { PATH_ROOM = DATASET_PATH };

bool names_add(NameList *list, const char *name)
{
    if (list->count == list->room) {
        int64_t room = list->room ? 2 * list->room : 64;
        char **grown = realloc(list->items, (size_t)room * sizeof *grown);
        if (!grown)
            return false;
        list->items = grown;
        list->room = room;
    }
    char *copy = strdup(name);
    if (!copy)
        return false;
    list->items[list->count++] = copy;
    return true;
}

void names_free(NameList *list)
{
    for (int64_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (NameList){0};
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void sort_names(NameList *list)
{
    if (list->count > 1)
        qsort(list->items, (size_t)list->count, sizeof *list->items,
              compare_names);
}

static Status no_memory(const Dataset *dataset)
{
    return status_error(STATUS_MEMORY, "%s: no memory for its list of files",
                        dataset->root);
}

bool walk_join(char path[PATH_ROOM], const char *folder, const char *name)
{
    return snprintf(path, PATH_ROOM, "%s%s%s", folder,
                    folder[0] && name[0] ? "/" : "", name) < PATH_ROOM;
}

static void full_path(char path[PATH_ROOM], const Dataset *dataset,
                      const char *relative)
{
    if (!walk_join(path, dataset->root, relative))
        path[0] = 0; // opening it fails with a reason
}

// ---- kinds of files --------------------------------------------------------

typedef enum EntryKind { ENTRY_OTHER, ENTRY_FILE, ENTRY_FOLDER } EntryKind;

// Follows links: sets are often assembled from them.
static EntryKind entry_kind(const Dataset *dataset, const char *relative,
                            struct stat *info)
{
    char path[PATH_ROOM];
    full_path(path, dataset, relative);
    if (stat(path, info) != 0)
        return ENTRY_OTHER;
    return S_ISDIR(info->st_mode)   ? ENTRY_FOLDER
           : S_ISREG(info->st_mode) ? ENTRY_FILE
                                    : ENTRY_OTHER;
}

bool walk_is_folder(const Dataset *dataset, const char *relative)
{
    struct stat info;
    return entry_kind(dataset, relative, &info) == ENTRY_FOLDER;
}

// Once, however often it is tried.
static Status name_closed_folder(Dataset *dataset, const char *path)
{
    const char *reason = strerror(errno);
    for (int i = 0; i < dataset->skip_count; i++)
        if (strcmp(dataset->skips[i].path, path) == 0)
            return status_ok();
    return dataset_add_skip(dataset, path, reason);
}

Status walk_list(Dataset *dataset, const char *relative, NameList *names)
{
    char path[PATH_ROOM];
    full_path(path, dataset, relative);
    DIR *folder = opendir(path);
    if (!folder)
        return name_closed_folder(dataset, path);
    dataset_note_folder(dataset, relative, dirfd(folder));
    bool stored = true;
    for (struct dirent *entry; stored && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            stored = names_add(names, entry->d_name);
    closedir(folder);
    sort_names(names);
    return stored ? status_ok() : no_memory(dataset);
}

bool walk_is_image(const Dataset *dataset, const char *folder, const char *name)
{
    char path[PATH_ROOM], full[PATH_ROOM], reason[128];
    struct stat info;
    bool named = dataset_is_image_name(name);
    if ((!named && !dataset_is_array_name(name) && strchr(name, '.')) ||
        !walk_join(path, folder, name))
        return named;
    EntryKind kind = entry_kind(dataset, path, &info);
    if (kind != ENTRY_FILE)
        return named && kind != ENTRY_FOLDER;
    full_path(full, dataset, path);
    const char *wrong = dataset_probe_file(NULL, full, reason, sizeof reason);
    return named ? wrong != dataset_drawn : !wrong;
}

// The first bytes decide; a file that cannot be an image is named.
static Status probe_file(Dataset *dataset, const char *relative,
                         NameList *images)
{
    char path[PATH_ROOM], buffer[128];
    full_path(path, dataset, relative);
    const char *reason =
        dataset_probe_file(dataset, path, buffer, sizeof buffer);
    if (reason)
        return dataset_add_skip(dataset, path, reason);
    return names_add(images, relative) ? status_ok() : no_memory(dataset);
}

// ---- walking ---------------------------------------------------------------

// The folders we are inside of, so that a link to one of them is not followed
// for ever.
typedef struct Ancestor {
    dev_t device;
    ino_t inode;
    const struct Ancestor *above;
} Ancestor;

static bool is_ancestor(const Ancestor *ancestor, const struct stat *info)
{
    for (; ancestor; ancestor = ancestor->above)
        if (ancestor->device == info->st_dev && ancestor->inode == info->st_ino)
            return true;
    return false;
}

typedef struct Walk {
    Dataset *dataset;
    NameList *images; // relative paths; NULL = stop at the first image
    const NameList *without;
    NameList *tests; // not entered; NULL = none are
    bool found;
} Walk;

static Status walk_folder(Walk *walk, const char *relative,
                          const Ancestor *above);

static bool is_test_name(const char *name)
{
    int part = dataset_part_of(name);
    return part == DATASET_TEST || part == DATASET_VALID;
}

static Status put_aside(Walk *walk, const char *relative)
{
    bool directly, below;
    TRY(walk_holds(walk->dataset, relative, &directly, &below));
    return (!directly && !below) || names_add(walk->tests, relative)
               ? status_ok()
               : no_memory(walk->dataset);
}

static Status walk_entry(Walk *walk, const char *relative, const char *name,
                         const Ancestor *here)
{
    char path[PATH_ROOM], full[PATH_ROOM];
    struct stat info;
    if (!walk_join(path, relative, name))
        return dataset_add_skip(walk->dataset, name,
                                "its path has more than 4095 bytes");
    EntryKind kind = entry_kind(walk->dataset, path, &info);
    for (int64_t i = 0; walk->without && i < walk->without->count; i++)
        if (strcmp(path, walk->without->items[i]) == 0)
            return status_ok();
    if (kind == ENTRY_FOLDER && is_ancestor(here, &info))
        return status_ok();
    if (kind == ENTRY_FOLDER)
        return walk->tests && is_test_name(name)
                   ? put_aside(walk, path)
                   : walk_folder(walk, path, here);
    // What is there is named even when it is no image after all.
    bool named = dataset_is_image_name(name) || dataset_is_array_name(name);
    bool image =
        (walk->images && named) || walk_is_image(walk->dataset, relative, name);
    walk->found |= image;
    if (!walk->images)
        return status_ok();
    full_path(full, walk->dataset, path);
    if (image && kind == ENTRY_FILE)
        return probe_file(walk->dataset, path, walk->images);
    if (image)
        return dataset_add_skip(walk->dataset, full, "not a file");
    if (dataset_is_foreign_name(name))
        return dataset_add_skip(walk->dataset, full,
                                "only PNG and JPEG are read");
    return status_ok();
}

static Status walk_folder(Walk *walk, const char *relative,
                          const Ancestor *above)
{
    struct stat info = {0};
    NameList names = {0};
    entry_kind(walk->dataset, relative, &info);
    Ancestor here = {info.st_dev, info.st_ino, above};
    Status status = walk_list(walk->dataset, relative, &names);
    for (int64_t i = 0; i < names.count && status.code == STATUS_OK; i++)
        if (walk->images || !walk->found)
            status = walk_entry(walk, relative, names.items[i], &here);
    names_free(&names);
    return status;
}

Status walk_add_images(Dataset *dataset, DataSplit split, const char *relative,
                       const NameList *without, NameList *tests, int label)
{
    NameList images = {0};
    Walk walk = {dataset, &images, without, tests, false};
    Status status = walk_folder(&walk, relative, NULL);
    sort_names(&images);
    for (int64_t i = 0; i < images.count && status.code == STATUS_OK; i++)
        status =
            dataset_add_sample(dataset, split, images.items[i], label, NULL);
    names_free(&images);
    return status;
}

Status walk_holds(Dataset *dataset, const char *relative, bool *directly,
                  bool *below)
{
    char path[PATH_ROOM];
    *directly = *below = false;
    full_path(path, dataset, relative);
    DIR *folder = opendir(path);
    if (!folder)
        return name_closed_folder(dataset, path);
    dataset_note_folder(dataset, relative, dirfd(folder));
    // The first of thousands is enough.
    for (struct dirent *entry; !*directly && (entry = readdir(folder));)
        *directly = entry->d_name[0] != '.' &&
                    walk_is_image(dataset, relative, entry->d_name);
    closedir(folder);
    if (*directly)
        return status_ok();
    Walk walk = {dataset, NULL, NULL, NULL, false};
    Status status = walk_folder(&walk, relative, NULL);
    *below = walk.found;
    return status;
}
