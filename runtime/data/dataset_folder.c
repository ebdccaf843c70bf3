// Data sets that are folders of image files; docs/formats.md has the rules.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/data/dataset_walk.h"

enum { PATH_ROOM = DATASET_PATH, SHOWN = 5 };

static Status no_memory(const Dataset *dataset)
{
    return status_error(STATUS_MEMORY, "%s: no memory for its list of files",
                        dataset->root);
}

// "a, b, c and 4 more".
static void list_names(const NameList *names, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int64_t i = 0; i < names->count && i < SHOWN && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%.100s",
                                 i ? ", " : "", names->items[i]);
    if (names->count > SHOWN && used < size)
        snprintf(text + used, size - used, " and %lld more",
                 (long long)names->count - SHOWN);
}

// ---- what a folder holds ----------------------------------------------------

typedef struct FolderView {
    NameList loose;   // images
    NameList classes; // subfolders that hold images directly, or through a
                      // folder of a class
    NameList deep;    // subfolders with images further down only
    NameList empty;   // subfolders without any image
    bool through;     // some class's images are in a folder called images or so
} FolderView;

static void free_view(FolderView *view)
{
    names_free(&view->loose);
    names_free(&view->classes);
    names_free(&view->deep);
    names_free(&view->empty);
}

static bool is_image_word(const char *name)
{
    static const char *const words[] = {
        "images",   "image", "imgs", "img", "photos", "photo", "pictures",
        "pictures", "pics",  "jpg",  "png", "jpeg",   "jpegs", "raw"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(name, words[i]) == 0)
            return true;
    return false;
}

// Are all images of a class in one folder of it, called images or so?
static Status goes_through(Dataset *dataset, const char *relative, bool *does)
{
    NameList names = {0};
    int holders = 0;
    bool named = false;
    Status status = walk_list(dataset, relative, &names);
    for (int64_t i = 0; i < names.count && status.code == STATUS_OK; i++) {
        char path[PATH_ROOM];
        bool directly, below;
        if (!walk_join(path, relative, names.items[i]) ||
            !walk_is_folder(dataset, path))
            continue;
        status = walk_holds(dataset, path, &directly, &below);
        holders += directly || below;
        named = named || (directly && is_image_word(names.items[i]));
    }
    *does = named && holders == 1;
    names_free(&names);
    return status;
}

static Status view_entry(Dataset *dataset, const char *relative,
                         const char *name, FolderView *view)
{
    char path[PATH_ROOM];
    bool directly, below, through = false;
    // One loose image of thousands is enough to know of.
    if (!walk_join(path, relative, name) ||
        (view->loose.count && dataset_is_image_name(name)))
        return status_ok(); // named when walked
    NameList *list = &view->empty;
    if (!walk_is_folder(dataset, path)) {
        if (view->loose.count || !walk_is_image(dataset, relative, name))
            return status_ok();
        list = &view->loose;
    } else {
        TRY(walk_holds(dataset, path, &directly, &below));
        if (below)
            TRY(goes_through(dataset, path, &through));
        view->through |= through;
        if (directly || through)
            list = &view->classes;
        else if (below)
            list = &view->deep;
    }
    return names_add(list, name) ? status_ok() : no_memory(dataset);
}

// Without the subfolders named in `without`, paths below the root.
static Status view_folder(Dataset *dataset, const char *relative,
                          const NameList *without, FolderView *view)
{
    NameList names = {0};
    *view = (FolderView){0};
    Status status = walk_list(dataset, relative, &names);
    for (int64_t i = 0; i < names.count && status.code == STATUS_OK; i++) {
        char path[PATH_ROOM];
        bool left_out = false;
        for (int64_t k = 0; without && k < without->count; k++)
            left_out |= walk_join(path, relative, names.items[i]) &&
                        strcmp(path, without->items[k]) == 0;
        if (!left_out)
            status = view_entry(dataset, relative, names.items[i], view);
    }
    names_free(&names);
    return status;
}

static bool has_class_folders(const FolderView *view)
{
    return view->classes.count > 0 && !view->loose.count && !view->deep.count;
}

// A set that was unpacked into a folder of its own: goes down as long as there
// is one folder with images, and it holds none itself. In a part, a folder
// called images or so is no class either. *view is of where it ends.
static Status descend(Dataset *dataset, char path[PATH_ROOM], bool part,
                      FolderView *view)
{
    for (;;) {
        char next[PATH_ROOM];
        TRY(view_folder(dataset, path, NULL, view));
        bool alone =
            !view->loose.count && view->classes.count + view->deep.count == 1;
        const char *name = !alone                ? ""
                           : view->classes.count ? view->classes.items[0]
                                                 : view->deep.items[0];
        if (!alone || !walk_join(next, path, name) ||
            !(view->deep.count || (part && is_image_word(name))) ||
            (!part && dataset_part_of(name) == DATASET_TRAIN))
            return status_ok();
        free_view(view);
        memcpy(path, next, sizeof next);
    }
}

// ---- classes ----------------------------------------------------------------

// A class has images: one whose images cannot be read is none.
static Status add_training_class(Dataset *dataset, const char *path,
                                 const char *name)
{
    int64_t before = dataset->splits[SPLIT_TRAIN].count;
    TRY(walk_add_images(dataset, SPLIT_TRAIN, path, NULL, NULL,
                        dataset->class_count));
    if (dataset->splits[SPLIT_TRAIN].count > before)
        return dataset_add_class(dataset, name);
    return dataset_add_note(dataset,
                            "class %.200s has no image that can be read, and "
                            "is left out",
                            name);
}

static Status add_class_folder(Dataset *dataset, DataSplit split,
                               const char *relative, const char *name)
{
    char path[PATH_ROOM];
    if (!walk_join(path, relative, name))
        return status_error(STATUS_DATA,
                            "%s: its path has more than 4095 bytes", name);
    if (split == SPLIT_TRAIN)
        return add_training_class(dataset, path, name);
    int label = dataset_find_class(dataset, name);
    if (label < 0)
        return status_error(STATUS_DATA,
                            "%s: the part %s has a class %s that the "
                            "training part does not have",
                            dataset->root, relative, name);
    return walk_add_images(dataset, split, path, NULL, NULL, label);
}

static Status name_empty_folders(Dataset *dataset, const char *relative,
                                 const FolderView *view)
{
    for (int64_t i = 0; i < view->empty.count; i++) {
        char path[PATH_ROOM], full[PATH_ROOM];
        if (!walk_join(path, relative, view->empty.items[i]) ||
            !walk_join(full, dataset->root, path))
            continue;
        TRY(dataset_add_skip(dataset, full, "a folder without images"));
    }
    return status_ok();
}

// Below the class's folder, or a folder in that?
static bool is_deeper(const Sample *sample, size_t above)
{
    const char *below = strchr(sample->name + above, '/');
    return below && strchr(below + 1, '/');
}

// Of classes that hold images themselves and in folders of their own.
static Status tell_deeper(Dataset *dataset, const char *relative)
{
    const SampleList *list = &dataset->splits[SPLIT_TRAIN];
    size_t above = relative[0] ? strlen(relative) + 1 : 0;
    bool *direct = calloc((size_t)dataset->class_count + 1, sizeof *direct);
    int64_t count = 0;
    const Sample *first = NULL;
    if (!direct)
        return no_memory(dataset);
    for (int64_t i = 0; i < list->count; i++)
        if (list->items[i].label >= 0 && !is_deeper(&list->items[i], above))
            direct[list->items[i].label] = true;
    for (int64_t i = 0; i < list->count; i++) {
        const Sample *sample = &list->items[i];
        if (sample->label < 0 || !direct[sample->label] ||
            !is_deeper(sample, above))
            continue;
        first = first ? first : sample;
        count++;
    }
    free(direct);
    return count ? dataset_add_note(
                       dataset,
                       "%lld image%s of folders inside a class's folder, such "
                       "as %.200s, %s of that class",
                       (long long)count, count == 1 ? "" : "s", first->name,
                       count == 1 ? "is" : "are")
                 : status_ok();
}

static Status add_classes(Dataset *dataset, DataSplit split,
                          const char *relative, const FolderView *view)
{
    TRY(name_empty_folders(dataset, relative, view));
    for (int64_t i = 0; i < view->classes.count; i++)
        TRY(add_class_folder(dataset, split, relative, view->classes.items[i]));
    return split == SPLIT_TRAIN ? tell_deeper(dataset, relative) : status_ok();
}

// Why folders are no classes, by the first that stands against it.
static Status tell_classless(Dataset *dataset, const FolderView *view)
{
    if (!view->classes.count && !view->deep.count)
        return status_ok();
    if (view->loose.count) {
        dataset->classless = "there are images beside the folders";
        return dataset_add_note(dataset,
                                "no classes, for %.200s lies beside the "
                                "folders: where it is moved elsewhere, each "
                                "folder is a class",
                                view->loose.items[0]);
    }
    dataset->classless = view->classes.count
                             ? "some folders have images deeper down only"
                             : "folders have images deeper down only";
    return dataset_add_note(dataset,
                            "no classes, for %.200s has images only in folders "
                            "of its own, and a class is a folder that holds "
                            "its images; a part of the set is called train, "
                            "test, val or unlabeled",
                            view->deep.items[0]);
}

// ---- parts ------------------------------------------------------------------

typedef struct Parts {
    char base[PATH_ROOM];       // the folder that holds all
    char beside[DATASET_WORDS]; // words that all names of parts have besides
    char paths[DATASET_PARTS][PATH_ROOM]; // "" = none
    NameList unused;                      // folders with images that are not
    NameList tests; // parts by their names among images without classes
} Parts;

// Where no folder is called train or test, but some are cats_train and
// cats_test, with one and the same word beside. Folders of several such words
// are left for classes, which is said.
static Status find_pairs(Dataset *dataset, Parts *parts, const FolderView *view)
{
    const NameList *lists[] = {&view->classes, &view->deep};
    char rests[2][DATASET_WORDS] = {"", ""}, rest[DATASET_WORDS];
    const char *trains[2], *tests[2];
    int pairs = 0;
    for (int a = 0; a < 4; a++)
        for (int64_t i = 0; i < lists[a % 2]->count && pairs < 2; i++) {
            const char *train = lists[a % 2]->items[i];
            if (dataset_part_beside(train, rest) != DATASET_TRAIN ||
                (pairs && strcasecmp(rest, rests[0]) == 0))
                continue;
            for (int64_t k = 0; k < lists[a / 2]->count; k++) {
                char other[DATASET_WORDS];
                const char *test = lists[a / 2]->items[k];
                int part = dataset_part_beside(test, other);
                if ((part != DATASET_TEST && part != DATASET_VALID) ||
                    strcasecmp(rest, other) != 0)
                    continue;
                strcpy(rests[pairs], rest);
                trains[pairs] = train;
                tests[pairs++] = test;
                break;
            }
        }
    if (pairs == 2)
        return dataset_add_note(
            dataset,
            "%.100s and %.100s, %.100s and %.100s look like training and test "
            "parts of one class each, and are taken for folders as any: move "
            "them to train/CLASS and test/CLASS",
            trains[0], tests[0], trains[1], tests[1]);
    snprintf(parts->beside, sizeof parts->beside, "%s", rests[0]);
    return pairs ? dataset_add_note(dataset,
                                    "%.100s/ and %.100s/ are taken for the "
                                    "training part and that for testing",
                                    trains[0], tests[0])
                 : status_ok();
}

// Which of the folders in parts->base are parts; the others stay unused.
static Status find_parts(Dataset *dataset, Parts *parts, const FolderView *view)
{
    const NameList *lists[] = {&view->classes, &view->deep};
    bool plain = false;
    for (int list = 0; list < 2; list++)
        for (int64_t i = 0; i < lists[list]->count; i++)
            plain |= dataset_part_of(lists[list]->items[i]) >= 0;
    if (!plain)
        TRY(find_pairs(dataset, parts, view));
    for (int list = 0; list < 2; list++)
        for (int64_t i = 0; i < lists[list]->count; i++) {
            const char *name = lists[list]->items[i];
            char path[PATH_ROOM], rest[DATASET_WORDS];
            int part = dataset_part_beside(name, rest);
            if (strcasecmp(rest, parts->beside) != 0)
                part = -1;
            if (!walk_join(path, parts->base, name))
                continue;
            if (part >= 0 && !parts->paths[part][0])
                memcpy(parts->paths[part], path, sizeof path);
            else if (!names_add(&parts->unused, path))
                return no_memory(dataset);
        }
    return status_ok();
}

// Is there a training part beside a test part, or the like? train/ alone is one
// unless it looks like a class among others, a vehicle: it holds images
// directly, and other folders or images stand beside it. Without it, all other
// folders and images are the training part of a test/.
static Status has_parts(Dataset *dataset, const Parts *parts, bool loose,
                        bool *has)
{
    bool directly = false, below = false;
    bool test = parts->paths[DATASET_TEST][0] || parts->paths[DATASET_VALID][0];
    bool others = parts->unused.count > 0 || loose;
    const char *path = parts->paths[DATASET_TRAIN];
    if (path[0] && !test)
        TRY(walk_holds(dataset, path, &directly, &below));
    *has = path[0] ? test || !directly || !others
                   : (test && others) || (parts->paths[DATASET_EXTRA][0] &&
                                          parts->unused.count > 0);
    return status_ok();
}

// The training images in a folder but for those in folders `without`, of which
// the view knows nothing.
static Status add_training(Dataset *dataset, Parts *parts, const char *relative,
                           const NameList *without, const FolderView *view)
{
    if (!has_class_folders(view)) {
        TRY(tell_classless(dataset, view));
        return walk_add_images(dataset, SPLIT_TRAIN, relative, without,
                               &parts->tests, -1);
    }
    TRY(add_classes(dataset, SPLIT_TRAIN, relative, view));
    return view->through
               ? dataset_add_note(dataset,
                                  "images of a class are in a folder of its "
                                  "own, as in %.200s/images",
                                  view->classes.items[0])
               : status_ok();
}

// The part's folder, or the one in it that holds all.
static Status open_part(Dataset *dataset, const Parts *parts, DatasetPart part,
                        char path[PATH_ROOM], FolderView *view)
{
    snprintf(path, PATH_ROOM, "%s", parts->paths[part]);
    return descend(dataset, path, true, view);
}

// The test part, or that for validation, if it is one: *used. Without folders
// of classes it could test nothing that was learned with them; training never
// sees it.
static Status add_test(Dataset *dataset, const Parts *parts, DatasetPart part,
                       DataSplit split, const char *path,
                       const FolderView *view, bool *used)
{
    bool labelled = dataset->class_count > 0;
    *used = !labelled || view->classes.count > 0;
    if (!*used)
        return dataset_add_note(dataset,
                                "%.200s/ has no folders of classes as the "
                                "training part has: its images are not used",
                                parts->paths[part]);
    if (!labelled)
        return walk_add_images(dataset, split, path, NULL, NULL, -1);
    TRY(add_classes(dataset, split, path, view));
    if (!view->loose.count && !view->deep.count)
        return status_ok();
    return dataset_add_note(
        dataset, "%.200s is in no folder of a class of %.200s/: not used",
        view->loose.count ? view->loose.items[0] : view->deep.items[0], path);
}

// The parts in use are named in the description; what is not is told.
static Status tell_unused(Dataset *dataset, const Parts *parts, bool loose)
{
    char names[600];
    list_names(&parts->unused, names, sizeof names);
    if (!parts->unused.count && !loose)
        return status_ok();
    return dataset_add_note(dataset,
                            "not used, beside the parts of the set, which "
                            "are called train, test, val or unlabeled: %s%s%s",
                            names, parts->unused.count && loose ? ", " : "",
                            loose ? "loose images" : "");
}

// test/ is the test part, and val/ that for validation, or the test part where
// there is no other.
static Status add_tests(Dataset *dataset, const Parts *parts)
{
    static const DatasetPart order[] = {DATASET_TEST, DATASET_VALID};
    for (int i = 0; i < 2; i++) {
        const char *path = parts->paths[order[i]];
        const char *slash = strrchr(path, '/');
        bool valid = dataset->test_part != NULL, used = false;
        char *name = valid ? dataset->valid_name : dataset->part_name;
        if (!path[0])
            continue;
        FolderView view = {0};
        char place[PATH_ROOM];
        Status status = open_part(dataset, parts, order[i], place, &view);
        if (status.code == STATUS_OK)
            status =
                add_test(dataset, parts, order[i],
                         valid ? SPLIT_VALID : SPLIT_TEST, place, &view, &used);
        free_view(&view);
        TRY(status);
        if (!used)
            continue;
        snprintf(name, sizeof dataset->part_name, "%s",
                 slash ? slash + 1 : path);
        *(valid ? &dataset->valid_part : &dataset->test_part) = name;
        if (valid)
            TRY(dataset_add_note(dataset,
                                 "%.200s/ is for validation while training, "
                                 "with --validate-every: no phase trains on it",
                                 path));
    }
    return status_ok();
}

// All folders but those of other parts.
static Status add_rest(Dataset *dataset, Parts *parts)
{
    NameList taken = {0};
    FolderView view = {0};
    Status status = status_ok();
    for (int part = 0; part < DATASET_PARTS; part++)
        if (parts->paths[part][0] && !names_add(&taken, parts->paths[part]))
            status = no_memory(dataset);
    if (status.code == STATUS_OK)
        status = view_folder(dataset, parts->base, &taken, &view);
    if (status.code == STATUS_OK)
        status = add_training(dataset, parts, parts->base, &taken, &view);
    free_view(&view);
    names_free(&taken);
    return status;
}

static Status add_parts(Dataset *dataset, Parts *parts, bool loose)
{
    FolderView view = {0};
    char path[PATH_ROOM];
    Status status;
    if (parts->paths[DATASET_TRAIN][0]) {
        status = open_part(dataset, parts, DATASET_TRAIN, path, &view);
        if (status.code == STATUS_OK)
            status = add_training(dataset, parts, path, NULL, &view);
        free_view(&view);
        if (status.code == STATUS_OK)
            status = tell_unused(dataset, parts, loose);
    } else {
        status = add_rest(dataset, parts);
    }
    if (status.code == STATUS_OK && parts->paths[DATASET_EXTRA][0])
        status = walk_add_images(dataset, SPLIT_TRAIN,
                                 parts->paths[DATASET_EXTRA], NULL, NULL, -1);
    return status.code == STATUS_OK ? add_tests(dataset, parts) : status;
}

// Test parts deeper down, of a heap without classes: by their names, no phase
// is to train on them.
static Status add_inner_tests(Dataset *dataset, const Parts *parts)
{
    const NameList *tests = &parts->tests;
    char names[sizeof dataset->part_name];
    list_names(tests, names, sizeof names);
    if (!tests->count)
        return status_ok();
    dataset->only_tests |=
        dataset->tests_alone && !dataset->splits[SPLIT_TRAIN].count;
    DataSplit split = dataset->only_tests ? SPLIT_TRAIN : SPLIT_TEST;
    if (!dataset->splits[SPLIT_TRAIN].count && !dataset->only_tests)
        return status_error(STATUS_DATA,
                            "%s: no training part: %s are for testing or "
                            "validation by their names; call one train, or "
                            "give it alone",
                            dataset->root, names);
    for (int64_t i = 0; i < tests->count; i++)
        TRY(walk_add_images(dataset, split, tests->items[i], NULL, NULL, -1));
    if (!dataset->test_part) {
        memcpy(dataset->part_name, names, sizeof names);
        dataset->test_part = dataset->part_name;
    }
    return dataset_add_note(dataset,
                            "%s: test images by the name of their folder, no "
                            "phase trains on them",
                            names);
}

// Has the folder nothing but parts for testing and validation? The first is
// then read as the training part. Where all hold their images directly they
// are classes to those who train, and so they are here.
static void take_tests(Dataset *dataset, Parts *parts, const FolderView *view)
{
    DatasetPart part =
        parts->paths[DATASET_TEST][0] ? DATASET_TEST : DATASET_VALID;
    const char *path = parts->paths[part], *slash = strrchr(path, '/');
    if (!dataset->tests_alone || !view->deep.count || view->loose.count ||
        parts->unused.count || !path[0] || parts->paths[DATASET_TRAIN][0] ||
        parts->paths[DATASET_EXTRA][0])
        return;
    snprintf(dataset->part_name, sizeof dataset->part_name, "%s",
             slash ? slash + 1 : path);
    dataset->test_part = dataset->part_name;
    dataset->only_tests = true;
    memcpy(parts->paths[DATASET_TRAIN], path, PATH_ROOM);
    parts->paths[part][0] = '\0';
}

static Status read_folder(Dataset *dataset, Parts *parts, FolderView *view)
{
    bool loose, has;
    TRY(descend(dataset, parts->base, false, view));
    if (parts->base[0])
        TRY(dataset_add_note(
            dataset, "the set is in %.300s/, the only folder with images",
            parts->base));
    loose = view->loose.count > 0;
    TRY(find_parts(dataset, parts, view));
    take_tests(dataset, parts, view);
    TRY(has_parts(dataset, parts, loose, &has));
    has |= dataset->only_tests;
    TRY(has ? add_parts(dataset, parts, loose)
            : add_training(dataset, parts, parts->base, NULL, view));
    TRY(add_inner_tests(dataset, parts));
    return dataset_check_found(dataset);
}

Status dataset_read_folder(Dataset *dataset)
{
    FolderView view = {0};
    Parts *parts = calloc(1, sizeof *parts);
    if (!parts)
        return no_memory(dataset);
    dataset->kind = "folder";
    Status status = read_folder(dataset, parts, &view);
    free_view(&view);
    names_free(&parts->unused);
    names_free(&parts->tests);
    free(parts);
    return status;
}
