// Data sets that are folders of image files; runtime/data/data.h has the rules.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/data/dataset_inside.h"

enum { PATH_ROOM = DATASET_PATH };

typedef struct NameList {
    char **items;
    int64_t count, room;
} NameList;

static bool add_name(NameList *list, const char *name)
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

static void free_names(NameList *list)
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

// folder/name below the root; "" is the root itself. False when too long.
static bool join_path(char path[PATH_ROOM], const char *folder,
                      const char *name)
{
    return snprintf(path, PATH_ROOM, "%s%s%s", folder,
                    folder[0] && name[0] ? "/" : "", name) < PATH_ROOM;
}

static void full_path(char path[PATH_ROOM], const Dataset *dataset,
                      const char *relative)
{
    if (!join_path(path, dataset->root, relative))
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

static bool is_folder(const Dataset *dataset, const char *relative)
{
    struct stat info;
    return entry_kind(dataset, relative, &info) == ENTRY_FOLDER;
}

// Names in a folder in byte order, without those that begin with a dot. A
// folder that cannot be opened is named among the skips.
static Status list_folder(Dataset *dataset, const char *relative,
                          NameList *names)
{
    char path[PATH_ROOM];
    full_path(path, dataset, relative);
    DIR *folder = opendir(path);
    if (!folder)
        return dataset_add_skip(dataset, path, strerror(errno));
    bool stored = true;
    for (struct dirent *entry; stored && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            stored = add_name(names, entry->d_name);
    closedir(folder);
    sort_names(names);
    return stored ? status_ok() : no_memory(dataset);
}

// The first bytes decide; a file that cannot be an image is named.
static Status probe_file(Dataset *dataset, const char *relative,
                         NameList *images)
{
    char path[PATH_ROOM], buffer[128];
    full_path(path, dataset, relative);
    const char *reason =
        dataset_probe(path, 0, INT64_MAX, buffer, sizeof buffer);
    if (reason)
        return dataset_add_skip(dataset, path, reason);
    return add_name(images, relative) ? status_ok() : no_memory(dataset);
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
    NameList *images; // relative paths; NULL = stop at the first image name
    bool found;
} Walk;

static Status walk_folder(Walk *walk, const char *relative,
                          const Ancestor *above);

static Status walk_entry(Walk *walk, const char *relative, const char *name,
                         const Ancestor *here)
{
    char path[PATH_ROOM], full[PATH_ROOM];
    struct stat info;
    if (!join_path(path, relative, name))
        return dataset_add_skip(walk->dataset, name, "its path is too long");
    EntryKind kind = entry_kind(walk->dataset, path, &info);
    if (kind == ENTRY_FOLDER)
        return is_ancestor(here, &info) ? status_ok()
                                        : walk_folder(walk, path, here);
    bool image = dataset_is_image_name(name);
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
    Status status = list_folder(walk->dataset, relative, &names);
    for (int64_t i = 0; i < names.count && status.code == STATUS_OK; i++)
        if (walk->images || !walk->found)
            status = walk_entry(walk, relative, names.items[i], &here);
    free_names(&names);
    return status;
}

// Adds every image in and below a folder, by path bytes.
static Status add_images(Dataset *dataset, DataSplit split,
                         const char *relative, int label)
{
    NameList images = {0};
    Walk walk = {dataset, &images, false};
    Status status = walk_folder(&walk, relative, NULL);
    sort_names(&images);
    for (int64_t i = 0; i < images.count && status.code == STATUS_OK; i++)
        status =
            dataset_add_sample(dataset, split, images.items[i], label, NULL);
    free_names(&images);
    return status;
}

// ---- layout ----------------------------------------------------------------

typedef struct FolderView {
    bool images_directly; // a name with an image's extension
    bool images_below;    // in subfolders that hold none directly
    NameList classes;     // subfolders that hold images directly
    NameList empty;       // subfolders without any image
} FolderView;

static void free_view(FolderView *view)
{
    free_names(&view->classes);
    free_names(&view->empty);
}

static Status holds_images(Dataset *dataset, const char *relative,
                           bool *directly, bool *below)
{
    NameList names = {0};
    *directly = *below = false;
    Status status = list_folder(dataset, relative, &names);
    for (int64_t i = 0; i < names.count && !*directly; i++)
        *directly = dataset_is_image_name(names.items[i]);
    free_names(&names);
    if (status.code != STATUS_OK || *directly)
        return status;
    Walk walk = {dataset, NULL, false};
    status = walk_folder(&walk, relative, NULL);
    *below = walk.found;
    return status;
}

static Status view_entry(Dataset *dataset, const char *relative,
                         const char *name, FolderView *view)
{
    char path[PATH_ROOM];
    bool directly, below;
    if (!join_path(path, relative, name))
        return status_ok(); // named when walked
    if (!is_folder(dataset, path)) {
        view->images_directly |= dataset_is_image_name(name);
        return status_ok();
    }
    TRY(holds_images(dataset, path, &directly, &below));
    view->images_below |= below;
    if (below)
        return status_ok();
    NameList *list = directly ? &view->classes : &view->empty;
    return add_name(list, name) ? status_ok() : no_memory(dataset);
}

static Status view_folder(Dataset *dataset, const char *relative,
                          FolderView *view)
{
    NameList names = {0};
    Status status = list_folder(dataset, relative, &names);
    for (int64_t i = 0; i < names.count && status.code == STATUS_OK; i++)
        status = view_entry(dataset, relative, names.items[i], view);
    free_names(&names);
    return status;
}

static bool has_class_folders(const FolderView *view)
{
    return view->classes.count > 0 && !view->images_directly &&
           !view->images_below;
}

static Status add_class_folder(Dataset *dataset, DataSplit split,
                               const char *relative, const char *name)
{
    char path[PATH_ROOM];
    if (split == SPLIT_TRAIN)
        TRY(dataset_add_class(dataset, name));
    int label = dataset_find_class(dataset, name);
    if (label < 0)
        return status_error(STATUS_DATA,
                            "%s: the test part %s has a class %s that the "
                            "training part does not have",
                            dataset->root, relative, name);
    if (!join_path(path, relative, name))
        return status_error(STATUS_DATA, "%s: its path is too long", name);
    return add_images(dataset, split, path, label);
}

static Status name_empty_folders(Dataset *dataset, const char *relative,
                                 const FolderView *view)
{
    for (int64_t i = 0; i < view->empty.count; i++) {
        char path[PATH_ROOM], full[PATH_ROOM];
        if (!join_path(path, relative, view->empty.items[i]))
            continue;
        full_path(full, dataset, path);
        TRY(dataset_add_skip(dataset, full, "a folder without images"));
    }
    return status_ok();
}

static Status add_classes(Dataset *dataset, DataSplit split,
                          const char *relative, const FolderView *view)
{
    TRY(name_empty_folders(dataset, relative, view));
    for (int64_t i = 0; i < view->classes.count; i++)
        TRY(add_class_folder(dataset, split, relative, view->classes.items[i]));
    return status_ok();
}

// One part of the set. The training part decides whether there are classes.
static Status add_part(Dataset *dataset, DataSplit split, const char *relative)
{
    FolderView view = {0};
    Status status = view_folder(dataset, relative, &view);
    bool labelled = split == SPLIT_TRAIN ? has_class_folders(&view)
                                         : dataset->class_count > 0;
    if (status.code == STATUS_OK && labelled && !has_class_folders(&view))
        status = status_error(STATUS_DATA,
                              "%s: the test part %s does not consist of class "
                              "folders as the training part does",
                              dataset->root, relative);
    if (split == SPLIT_TRAIN && !labelled && view.classes.count > 0)
        dataset->classless = view.images_directly
                                 ? "there are images beside the folders"
                                 : "some folders have images deeper down only";
    if (status.code == STATUS_OK)
        status = labelled ? add_classes(dataset, split, relative, &view)
                          : add_images(dataset, split, relative, -1);
    free_view(&view);
    return status;
}

// The first of the names that is a subfolder of the root, or NULL.
static const char *find_part(const Dataset *dataset, const char *const *names)
{
    for (; *names; names++)
        if (is_folder(dataset, *names))
            return *names;
    return NULL;
}

// train/ is a part unless it looks like one class among others: it holds
// images directly, and no test/ stands beside it but other folders do.
static Status has_parts(Dataset *dataset, const char *test, const char *extra,
                        bool *parts)
{
    bool directly = false, below = false;
    *parts = is_folder(dataset, "train");
    if (!*parts || test)
        return status_ok();
    TRY(holds_images(dataset, "train", &directly, &below));
    if (!directly)
        return status_ok();
    NameList names = {0};
    Status status = list_folder(dataset, "", &names);
    for (int64_t i = 0; i < names.count; i++) {
        const char *name = names.items[i];
        if (strcmp(name, "train") == 0 || (extra && strcmp(name, extra) == 0))
            continue;
        if (dataset_is_image_name(name) || is_folder(dataset, name))
            *parts = false;
    }
    free_names(&names);
    return status;
}

Status dataset_read_folder(Dataset *dataset)
{
    static const char *const tests[] = {"test", "val", "validation", NULL};
    static const char *const extras[] = {"unlabeled", "unlabelled", NULL};
    const char *test = find_part(dataset, tests);
    const char *extra = find_part(dataset, extras);
    bool parts = false;
    dataset->kind = "folder";
    TRY(has_parts(dataset, test, extra, &parts));
    TRY(add_part(dataset, SPLIT_TRAIN, parts ? "train" : ""));
    if (parts && extra)
        TRY(add_images(dataset, SPLIT_TRAIN, extra, -1));
    if (parts && test) {
        TRY(add_part(dataset, SPLIT_TEST, test));
        dataset->test_part = test;
    }
    return dataset_check_found(dataset);
}
