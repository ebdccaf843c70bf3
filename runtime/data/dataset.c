#include "runtime/data/dataset_index.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "runtime/base/file.h"

static const int64_t default_cache = (int64_t)512 << 20;

static Status out_of_memory(const Dataset *dataset)
{
    return status_error(STATUS_MEMORY, "%s: no memory for its list of images",
                        dataset->root);
}

static Status append_sample(Dataset *dataset, DataSplit split,
                            const Sample *made)
{
    SampleList *list = &dataset->splits[split];
    if (list->count == list->room) {
        int64_t room = list->room ? 2 * list->room : 256;
        Sample *grown =
            realloc(list->items, (size_t)room * sizeof *list->items);
        if (!grown)
            return out_of_memory(dataset);
        list->items = grown;
        list->room = room;
    }
    Sample *sample = &list->items[list->count];
    *sample = *made;
    sample->name = strdup(made->name);
    if (!sample->name)
        return out_of_memory(dataset);
    atomic_init(&sample->cached, NULL);
    list->count++;
    return status_ok();
}

Status dataset_add_sample(Dataset *dataset, DataSplit split, const char *name,
                          int label, const uint8_t *bytes)
{
    Sample sample = {
        .name = (char *)name, .label = label, .bytes = bytes, .container = -1};
    return append_sample(dataset, split, &sample);
}

Status dataset_add_part(Dataset *dataset, DataSplit split, const char *name,
                        int label, int container, int64_t offset, int64_t size)
{
    Sample sample = {.name = (char *)name,
                     .label = label,
                     .container = container,
                     .offset = offset,
                     .size = size};
    return append_sample(dataset, split, &sample);
}

static Status append_text(const Dataset *dataset, char ***list, int *count,
                          const char *text)
{
    char **grown = realloc(*list, ((size_t)*count + 1) * sizeof *grown);
    if (grown)
        *list = grown;
    char *copy = grown ? strdup(text) : NULL;
    if (!copy)
        return out_of_memory(dataset);
    grown[(*count)++] = copy;
    return status_ok();
}

Status dataset_add_container(Dataset *dataset, const char *path, int *container)
{
    *container = dataset->container_count;
    return append_text(dataset, &dataset->containers, &dataset->container_count,
                       path);
}

Status dataset_add_class(Dataset *dataset, const char *name)
{
    return append_text(dataset, &dataset->classes, &dataset->class_count, name);
}

int dataset_find_class(const Dataset *dataset, const char *name)
{
    for (int i = 0; i < dataset->class_count; i++)
        if (strcmp(dataset->classes[i], name) == 0)
            return i;
    return -1;
}

Status dataset_number_classes(Dataset *dataset, int count)
{
    dataset->numbered = true;
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        TRY(dataset_add_class(dataset, name));
    }
    return status_ok();
}

Status dataset_name_classes(Dataset *dataset, const char *file, int count)
{
    char path[DATASET_PATH], *text = NULL, *rest = NULL;
    int64_t size = 0;
    dataset_path(dataset, file, path);
    if (file_read(path, 1 << 20, &text, &size).code != STATUS_OK)
        return dataset_number_classes(dataset, count);
    Status status = status_ok();
    char *line = strtok_r(text, "\r\n", &rest);
    for (int i = 0; i < count && status.code == STATUS_OK; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        status = dataset_add_class(dataset, line ? line : number);
        line = line ? strtok_r(NULL, "\r\n", &rest) : NULL;
    }
    free(text);
    return status;
}

Status dataset_add_skip(Dataset *dataset, const char *path, const char *reason)
{
    if (dataset->skip_count == dataset->skip_room) {
        int room = dataset->skip_room ? 2 * dataset->skip_room : 16;
        DataSkip *grown = realloc(dataset->skips, (size_t)room * sizeof *grown);
        if (!grown)
            return out_of_memory(dataset);
        dataset->skips = grown;
        dataset->skip_room = room;
    }
    DataSkip skip = {strdup(path), strdup(reason)};
    if (!skip.path || !skip.reason) {
        free(skip.path);
        free(skip.reason);
        return out_of_memory(dataset);
    }
    dataset->skips[dataset->skip_count++] = skip;
    return status_ok();
}

Status dataset_add_note(Dataset *dataset, const char *format, ...)
{
    char text[STATUS_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return append_text(dataset, &dataset->notes, &dataset->note_count, text);
}

void dataset_keep_block(Dataset *dataset, uint8_t *block)
{
    dataset->blocks[dataset->block_count++] = block;
}

static void free_samples(SampleList *list)
{
    for (int64_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
        free(atomic_load(&list->items[i].cached));
    }
    free(list->items);
}

void dataset_empty(Dataset *dataset)
{
    for (int split = 0; split < SPLIT_COUNT; split++) {
        free_samples(&dataset->splits[split]);
        free(dataset->starts[split]);
        dataset->splits[split] = (SampleList){0};
        dataset->starts[split] = NULL;
    }
    for (int i = 0; i < dataset->class_count; i++)
        free(dataset->classes[i]);
    for (int i = 0; i < dataset->skip_count; i++) {
        free(dataset->skips[i].path);
        free(dataset->skips[i].reason);
    }
    for (int i = 0; i < dataset->note_count; i++)
        free(dataset->notes[i]);
    for (int i = 0; i < dataset->block_count; i++)
        free(dataset->blocks[i]);
    for (int i = 0; i < dataset->container_count; i++)
        free(dataset->containers[i]);
    free(dataset->containers);
    free(dataset->classes);
    free(dataset->label_starts);
    free(dataset->label_classes);
    free(dataset->notes);
    free(dataset->skips);
    dataset->containers = dataset->classes = dataset->notes = NULL;
    dataset->label_starts = NULL;
    dataset->label_classes = NULL;
    dataset->skips = NULL;
    dataset->container_count = dataset->class_count = dataset->note_count = 0;
    dataset->skip_count = dataset->skip_room = dataset->block_count = 0;
    dataset->label_count = dataset->label_room = 0;
    dataset->label_class_room = dataset->turned = 0;
    dataset->deep = 0;
    dataset->test_part = dataset->valid_part = dataset->classless = NULL;
}

void dataset_free(Dataset *dataset)
{
    if (!dataset)
        return;
    dataset_empty(dataset);
    dataset_forget_folders(dataset);
    free(dataset->description);
    free(dataset->own_order);
    free(dataset->folder);
    free(dataset->root);
    free(dataset);
}

// ---- opening ---------------------------------------------------------------

// 1234567 -> "1,234,567".
static const char *group_digits(int64_t number, char text[32])
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%lld", (long long)number);
    int used = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = 0;
    return text;
}

static int64_t count_unlabelled(const Dataset *dataset)
{
    int64_t count = 0;
    for (int64_t i = 0; i < dataset->splits[SPLIT_TRAIN].count; i++)
        count += dataset->splits[SPLIT_TRAIN].items[i].label < 0;
    return count;
}

static Status describe(Dataset *dataset, const DataOptions *options)
{
    char train[32], test[32], part[32], extra[64] = "", skips[64] = "";
    char classes[96] = "no classes", held[96] = "", where[128] = "";
    char valid[400] = "";
    if (dataset->class_count > 0)
        snprintf(classes, sizeof classes, "%d class%s%s", dataset->class_count,
                 dataset->class_count == 1 ? "" : "es",
                 dataset->several ? ", several to an image" : "");
    else if (dataset->classless)
        snprintf(classes, sizeof classes, "no classes (%s)",
                 dataset->classless);
    int64_t unlabelled = count_unlabelled(dataset);
    if (dataset->class_count > 0 && unlabelled > 0)
        snprintf(extra, sizeof extra, ", %s of them without a label",
                 group_digits(unlabelled, part));
    if (!dataset->test_part && options->test_fraction > 0)
        snprintf(held, sizeof held, "held out, %g%%%s, by seed %llu",
                 100 * options->test_fraction,
                 dataset->class_count > 0 ? " of each class" : "",
                 (unsigned long long)options->seed);
    if (dataset->splits[SPLIT_TEST].count > 0)
        snprintf(where, sizeof where, " (%s)",
                 dataset->test_part ? dataset->test_part : held);
    if (dataset->splits[SPLIT_VALID].count > 0)
        snprintf(valid, sizeof valid, ", %s for validation (%s)",
                 group_digits(dataset->splits[SPLIT_VALID].count, part),
                 dataset->valid_part ? dataset->valid_part : "set aside");
    if (dataset->skip_count > 0)
        snprintf(skips, sizeof skips, ", %s left out",
                 group_digits(dataset->skip_count, part));
    char text[1024];
    group_digits(dataset->splits[SPLIT_TRAIN].count, train);
    group_digits(dataset->splits[SPLIT_TEST].count, test);
    snprintf(text, sizeof text,
             "%s with %s, %s training image%s%s and %s test image%s%s%s%s",
             dataset->kind, classes, train,
             dataset->splits[SPLIT_TRAIN].count == 1 ? "" : "s", extra, test,
             dataset->splits[SPLIT_TEST].count == 1 ? "" : "s", where, valid,
             skips);
    dataset->description = strdup(text);
    return dataset->description ? status_ok() : out_of_memory(dataset);
}

Status dataset_check_found(const Dataset *dataset)
{
    if (dataset->splits[SPLIT_TRAIN].count > 0)
        return status_ok();
    int64_t others =
        dataset->splits[SPLIT_TEST].count + dataset->splits[SPLIT_VALID].count;
    if (dataset->skip_count == 0 && others > 0)
        return status_error(STATUS_DATA,
                            "%s: all of its %lld images are for testing or "
                            "validation, and none to train on; where no part "
                            "is named they are a set of their own",
                            dataset->root, (long long)others);
    if (dataset->skip_count == 0)
        return status_error(STATUS_DATA,
                            "%s: no PNG or JPEG images, IDX files, CIFAR or "
                            "STL-10 batches or tar shards to train on in it",
                            dataset->root);
    return status_error(STATUS_DATA,
                        "%s: no readable training image in it; %d left out, "
                        "the first is %s: %s",
                        dataset->root, dataset->skip_count,
                        dataset->skips[0].path, dataset->skips[0].reason);
}

// An archive that would have to be unpacked as a whole.
static bool is_packed_name(const char *path)
{
    static const char *const ends[] = {".tar.gz",  ".tgz", ".tar.xz",
                                       ".tar.bz2", ".zip", ".tar.zst"};
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t end = strlen(ends[i]);
        if (length > end && strcasecmp(path + length - end, ends[i]) == 0)
            return true;
    }
    return false;
}

static Status check_root(const char *path, bool *folder)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return status_error(STATUS_DATA, "%s: %s", path, strerror(errno));
    *folder = S_ISDIR(info.st_mode);
    if (!*folder && !S_ISREG(info.st_mode))
        return status_error(STATUS_DATA, "%s: neither a folder nor a file",
                            path);
    if (!*folder && dataset_is_image_name(path))
        return status_error(STATUS_DATA,
                            "%s is one image: give the folder it is in, or a "
                            "list that names it",
                            path);
    if (!*folder && is_packed_name(path))
        return status_error(STATUS_DATA,
                            "%s is a compressed archive: unpack it first (a "
                            ".tar is read as it is)",
                            path);
    return status_ok();
}

static bool is_archive_name(const char *path)
{
    size_t length = strlen(path);
    return length > 4 && strcasecmp(path + length - 4, ".tar") == 0;
}

static Status read_folder(Dataset *dataset)
{
    bool found = false;
    TRY(dataset_read_idx(dataset, &found));
    if (!found)
        TRY(dataset_read_cifar(dataset, &found));
    if (!found)
        TRY(dataset_read_stl(dataset, &found));
    if (!found)
        TRY(dataset_read_shards(dataset, &found));
    return found ? status_ok() : dataset_read_folder(dataset);
}

// A part for testing of the training images, where there is none.
static Status hold_out(Dataset *dataset, const DataOptions *options)
{
    if (!dataset->test_part) {
        dataset->held_out = options->test_fraction;
        return dataset_hold_out(dataset, SPLIT_TEST, "held out",
                                options->test_fraction, options->seed);
    }
    if (!options->test_asked)
        return status_ok();
    return dataset_add_note(dataset,
                            "the set has a test part (%s), so none of its "
                            "training images are held out: --held-out has no "
                            "effect",
                            dataset->test_part);
}

// A part for validation of the training images, where there is none.
static Status set_aside(Dataset *dataset, const DataOptions *options)
{
    if (dataset->valid_part && options->valid_where)
        return status_ok();
    if (dataset->valid_part)
        return status_error(STATUS_USAGE,
                            "%s has a validation part (%s), and --validate "
                            "sets aside training images where there is none: "
                            "leave it out, --validate-every is enough",
                            dataset->root, dataset->valid_part);
    TRY(dataset_hold_out(dataset, SPLIT_VALID, "validation",
                         options->valid_fraction, options->seed));
    if (dataset->splits[SPLIT_VALID].count == 0 && options->valid_where)
        return status_ok();
    dataset->set_aside = options->valid_fraction;
    if (dataset->splits[SPLIT_VALID].count == 0)
        return status_error(STATUS_DATA,
                            "%s: no class has two training images, so none is "
                            "set aside for validation",
                            dataset->root);
    return dataset_add_note(
        dataset,
        "%lld of the training images %s set aside for validation, %g%%%s by "
        "seed %llu: no phase trains on %s, pretraining included",
        (long long)dataset->splits[SPLIT_VALID].count,
        dataset->splits[SPLIT_VALID].count == 1 ? "is" : "are",
        100 * options->valid_fraction,
        dataset->class_count > 0 ? " of each class" : "",
        (unsigned long long)options->seed,
        dataset->splits[SPLIT_VALID].count == 1 ? "it" : "them");
}

// As an index has it, or by looking at each file.
static Status read_indexed(Dataset *dataset, const DataOptions *options,
                           bool folder)
{
    bool found = false;
    dataset->indexes = options->index != NULL;
    if (options->index)
        TRY(dataset_index_read(dataset, options->index, &found));
    if (found)
        return status_ok();
    TRY(folder                           ? read_folder(dataset)
        : is_archive_name(dataset->root) ? dataset_read_archive(dataset)
                                         : dataset_read_list(dataset));
    // The other formats are a few files of images of one size, read as fast. A
    // set without training images is none for those who train.
    if (options->index && !dataset->shape.width && !dataset->only_tests)
        TRY(dataset_index_write(dataset, options->index));
    dataset_forget_folders(dataset);
    return status_ok();
}

// What was read as training images are those of the test part.
static Status restore_tests(Dataset *dataset)
{
    SampleList tests = dataset->splits[SPLIT_TRAIN];
    dataset->splits[SPLIT_TRAIN] = dataset->splits[SPLIT_TEST];
    dataset->splits[SPLIT_TEST] = tests;
    return dataset_add_note(dataset, "there is no training part: its images "
                                     "are to evaluate alone");
}

static Status fill(Dataset *dataset, const DataOptions *options, bool folder)
{
    TRY(read_indexed(dataset, options, folder));
    TRY(dataset_tell_classes(dataset));
    if (dataset->turned > 0)
        TRY(dataset_add_note(dataset,
                             "%lld photo%s stored turned or mirrored: taken "
                             "upright, as EXIF says",
                             (long long)dataset->turned,
                             dataset->turned == 1 ? " is" : "s are"));
    if (dataset->deep > 0 && (!options->channels || options->channels == 3))
        TRY(dataset_add_note(dataset,
                             "%lld PNG file%s 16 bits a channel: a program "
                             "of RGB images reads them as 8",
                             (long long)dataset->deep,
                             dataset->deep == 1 ? " has" : "s have"));
    TRY(dataset_tell_dark(dataset));
    if (dataset->only_tests)
        TRY(restore_tests(dataset));
    if (options->test_fraction > 0)
        TRY(hold_out(dataset, options));
    if (options->valid_fraction > 0)
        TRY(set_aside(dataset, options));
    dataset->held_seed = options->seed;
    return describe(dataset, options);
}

// The folder itself, or the one a file lies in; malloc'ed.
static char *folder_of(const char *path, bool folder)
{
    const char *slash = strrchr(path, '/');
    if (folder)
        return strdup(path);
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static void set_reading(Dataset *dataset, const DataOptions *options)
{
    dataset->min_side = options->min_side;
    dataset->tests_alone = options->tests_alone;
    dataset->channels = options->channels;
    atomic_init(&dataset->cache_left, options->cache_bytes == 0
                                          ? default_cache
                                          : options->cache_bytes);
}

Status dataset_open_files(int64_t count, const char *const *names,
                          const DataOptions *options, Dataset **dataset)
{
    Status status = status_ok();
    Dataset *opened = *dataset = calloc(1, sizeof *opened);
    if (!opened || !(opened->root = strdup(".")) ||
        !(opened->folder = strdup(".")) || !(opened->description = strdup("")))
        status = status_error(STATUS_MEMORY, "no memory for a list of images");
    else
        set_reading(opened, options);
    for (int64_t i = 0; i < count && status.code == STATUS_OK; i++)
        status = dataset_add_sample(opened, SPLIT_TRAIN, names[i], -1, NULL);
    if (status.code == STATUS_OK)
        return status;
    dataset_free(opened);
    *dataset = NULL;
    return status;
}

// A set of another number of channels than the program's is refused at once,
// not image by image. Damaged files are not what is looked for.
static Status check_channels(const Dataset *dataset)
{
    DataSplit split = dataset->only_tests ? SPLIT_TEST : SPLIT_TRAIN;
    int64_t count = dataset->splits[split].count;
    for (int64_t i = 0; dataset->channels && i < count && i < 4; i++) {
        Image image;
        Status status = dataset_read(dataset, split, i, &image);
        if (status.code == STATUS_OK) {
            image_free(&image);
            break;
        }
        if (strstr(status.text, "and the program takes"))
            return status;
    }
    return status_ok();
}

Status dataset_open(const char *path, const DataOptions *options,
                    Dataset **dataset)
{
    bool folder = false;
    *dataset = NULL;
    TRY(check_root(path, &folder));
    if (!(options->test_fraction >= 0 && options->test_fraction < 1))
        return status_error(STATUS_USAGE,
                            "the test fraction must be at least 0 and below 1");
    if (!(options->valid_fraction >= 0 && options->valid_fraction < 1))
        return status_error(
            STATUS_USAGE,
            "the share for validation must be at least 0 and below 1");
    Dataset *opened = calloc(1, sizeof *opened);
    if (opened) {
        opened->root = strdup(path);
        opened->folder = folder_of(path, folder);
    }
    if (!opened || !opened->root || !opened->folder) {
        dataset_free(opened);
        return status_error(STATUS_MEMORY, "%s: no memory to open it", path);
    }
    set_reading(opened, options);
    Status status = fill(opened, options, folder);
    if (status.code == STATUS_OK)
        status = check_channels(opened);
    if (status.code != STATUS_OK) {
        dataset_free(opened);
        return status;
    }
    *dataset = opened;
    return status;
}

// ---- questions -------------------------------------------------------------

int64_t dataset_count(const Dataset *dataset, DataSplit split)
{
    return dataset->splits[split].count;
}

int dataset_classes(const Dataset *dataset)
{
    return dataset->class_count;
}

const char *dataset_class_name(const Dataset *dataset, int label)
{
    return label >= 0 && label < dataset->class_count ? dataset->classes[label]
                                                      : "";
}

int dataset_label(const Dataset *dataset, DataSplit split, int64_t index)
{
    return dataset->several ? -1 : dataset->splits[split].items[index].label;
}

double dataset_held_out(const Dataset *dataset, uint64_t *seed)
{
    *seed = dataset->held_seed;
    return dataset->held_out;
}

double dataset_set_aside(const Dataset *dataset, uint64_t *seed)
{
    *seed = dataset->held_seed;
    return dataset->set_aside;
}

const char *dataset_description(const Dataset *dataset)
{
    return dataset->description;
}

const char *dataset_sample_name(const Dataset *dataset, DataSplit split,
                                int64_t index)
{
    return dataset->splits[split].items[index].name;
}

int dataset_skips(const Dataset *dataset, const DataSkip **skips)
{
    *skips = dataset->skips;
    return dataset->skip_count;
}

int dataset_notes(const Dataset *dataset, char *const **notes)
{
    *notes = dataset->notes;
    return dataset->note_count;
}
