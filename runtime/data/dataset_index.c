// What a large set consists of, kept so that the next command need not look at
// each file. It holds as long as nothing has changed that says which there are:
// the folders they lie in, for adding, removing and renaming a file changes its
// folder's time of change (ctime, which nobody can set back); of a list, the
// list too; of shards, each shard. Files that were left out are looked at
// again.
#include "runtime/data/dataset_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "runtime/base/checksum.h"
#include "runtime/base/file.h"
#include "runtime/exec/ranks.h"

// Another number when readers begin to find something else in the same files.
static const char magic[8] = "SIMCCDI2";

static const char *const kinds[] = {"folder", "list", "tar shards"};

// A folder that changed so shortly before it was read may change again within
// the same tick of the file system's clock: of 10 ms, or, where times are whole
// seconds, of up to two.
static const double quiet_fine = 0.05, quiet_coarse = 2.5;

// ---- folders that were read
// ---------------------------------------------------

static FolderStamp stamp_of(const struct stat *info, char *path)
{
    return (FolderStamp){.path = path,
                         .device = (int64_t)info->st_dev,
                         .inode = (int64_t)info->st_ino,
                         .seconds = info->st_ctim.tv_sec,
                         .nanoseconds = info->st_ctim.tv_nsec,
                         .size = info->st_size};
}

// A path below the set's folder, or an absolute one.
static bool look(const Dataset *dataset, const char *relative,
                 struct stat *info)
{
    char path[DATASET_PATH];
    return dataset_path(dataset, relative, path) && stat(path, info) == 0;
}

// Most are noted two or three times, one soon after the other.
static bool is_noted(const FolderSeen *seen, const char *relative)
{
    for (int64_t i = seen->count; i-- > 0 && i >= seen->count - 4;)
        if (strcmp(seen->at[i].path, relative) == 0)
            return true;
    return false;
}

static void note(Dataset *dataset, const char *relative,
                 const struct stat *info)
{
    FolderSeen *seen = &dataset->seen;
    if (seen->count == seen->room) {
        int64_t room = seen->room ? 2 * seen->room : 64;
        FolderStamp *grown = realloc(seen->at, (size_t)room * sizeof *grown);
        if (!grown) {
            dataset->indexes = false; // goes without
            return;
        }
        seen->at = grown;
        seen->room = room;
    }
    char *path = strdup(relative);
    if (path)
        seen->at[seen->count++] = stamp_of(info, path);
    else
        dataset->indexes = false;
}

void dataset_note_folder(Dataset *dataset, const char *relative, int descriptor)
{
    struct stat info;
    if (dataset->indexes && !is_noted(&dataset->seen, relative) &&
        fstat(descriptor, &info) == 0)
        note(dataset, relative, &info);
}

void dataset_note_path(Dataset *dataset, const char *relative)
{
    struct stat info = {0};
    if (!dataset->indexes || is_noted(&dataset->seen, relative))
        return;
    if (!look(dataset, relative, &info))
        info = (struct stat){0};
    note(dataset, relative, &info);
}

void dataset_forget_folders(Dataset *dataset)
{
    for (int64_t i = 0; i < dataset->seen.count; i++)
        free(dataset->seen.at[i].path);
    free(dataset->seen.at);
    dataset->seen = (FolderSeen){0};
}

// What was not there then is not to be there now.
static bool is_as_it_was(const Dataset *dataset, const FolderStamp *stamp)
{
    struct stat info;
    if (!look(dataset, stamp->path, &info))
        return stamp->inode == 0;
    return (int64_t)info.st_dev == stamp->device &&
           (int64_t)info.st_ino == stamp->inode &&
           info.st_ctim.tv_sec == stamp->seconds &&
           info.st_ctim.tv_nsec == stamp->nanoseconds &&
           info.st_size == stamp->size;
}

// FOLDER/HASH of the set's real path; malloc'ed, NULL when there is none.
static char *index_path(const Dataset *dataset, const char *folder, char **real)
{
    Checksum sum = checksum_new();
    size_t size = strlen(folder) + 64;
    char *path = malloc(size);
    *real = realpath(dataset->root, NULL);
    if (!path || !*real) {
        free(path);
        return NULL;
    }
    checksum_add(&sum, *real, (int64_t)strlen(*real));
    snprintf(path, size, "%s/%016llx.index", folder,
             (unsigned long long)checksum_value(&sum));
    return path;
}

// ---- writing
// --------------------------------------------------------------------

typedef struct Out {
    char *at;
    size_t used, room;
    bool failed;
} Out;

static void put(Out *out, const void *bytes, size_t size)
{
    if (out->failed)
        return;
    if (out->used + size > out->room) {
        size_t room = out->room ? 2 * out->room : 1 << 16;
        while (room < out->used + size)
            room *= 2;
        char *grown = realloc(out->at, room);
        if (!grown) {
            out->failed = true;
            return;
        }
        out->at = grown;
        out->room = room;
    }
    memcpy(out->at + out->used, bytes, size);
    out->used += size;
}

// Seven bits a byte, the lowest first.
static void put_whole(Out *out, int64_t number)
{
    uint64_t rest = (uint64_t)number;
    do {
        unsigned char byte = rest & 127;
        rest >>= 7;
        byte |= rest ? 128 : 0;
        put(out, &byte, 1);
    } while (rest);
}

static void put_text(Out *out, const char *text)
{
    size_t length = strlen(text);
    put_whole(out, (int64_t)length);
    put(out, text, length);
}

static void put_stamp(Out *out, const FolderStamp *stamp)
{
    put_text(out, stamp->path);
    put_whole(out, stamp->device);
    put_whole(out, stamp->inode);
    put_whole(out, stamp->seconds);
    put_whole(out, stamp->nanoseconds);
    put_whole(out, stamp->size);
}

// Names that follow each other begin alike: what they share is counted.
static void put_samples(Out *out, const SampleList *list)
{
    const char *before = "";
    put_whole(out, list->count);
    for (int64_t i = 0; i < list->count; i++) {
        const char *name = list->items[i].name;
        size_t shared = 0;
        while (name[shared] && name[shared] == before[shared])
            shared++;
        put_whole(out, (int64_t)shared);
        put_text(out, name + shared);
        put_whole(out, list->items[i].label + 1);
        put_whole(out, list->items[i].container + 1);
        if (list->items[i].container >= 0) {
            put_whole(out, list->items[i].offset);
            put_whole(out, list->items[i].size);
        }
        before = name;
    }
}

// Below the set's folder, where it is: the set may be called by another path
// next time.
static const char *below_folder(const Dataset *dataset, const char *path)
{
    size_t length = strlen(dataset->folder);
    return strncmp(path, dataset->folder, length) == 0 && path[length] == '/'
               ? path + length + 1
               : path;
}

// A list's are followed by the line that names them.
static void put_skips(Out *out, const Dataset *dataset)
{
    put_whole(out, dataset->skip_count);
    for (int i = 0; i < dataset->skip_count; i++) {
        char path[DATASET_PATH + 64];
        struct stat info = {0};
        const char *text = below_folder(dataset, dataset->skips[i].path);
        snprintf(path, sizeof path, "%s", text);
        char *line = strrchr(path, '(');
        if (line > path && strncmp(line - 1, " (line ", 7) == 0)
            line[-1] = 0;
        if (!look(dataset, path, &info))
            info = (struct stat){0};
        FolderStamp stamp = stamp_of(&info, path);
        put_stamp(out, &stamp);
        put_text(out, text);
        put_text(out, dataset->skips[i].reason);
    }
}

static void put_several(Out *out, const Dataset *dataset)
{
    put_whole(out, dataset->several);
    put_whole(out, dataset->label_count);
    for (int i = 0; i < dataset->label_count; i++) {
        int64_t from = dataset->label_starts[i];
        put_whole(out, dataset->label_starts[i + 1] - from);
        for (; from < dataset->label_starts[i + 1]; from++)
            put_whole(out, dataset->label_classes[from]);
    }
}

static void put_set(Out *out, const Dataset *dataset, const char *real)
{
    put_text(out, real);
    put_text(out, dataset->kind);
    put_whole(out, dataset->seen.count);
    for (int64_t i = 0; i < dataset->seen.count; i++)
        put_stamp(out, &dataset->seen.at[i]);
    put_skips(out, dataset);
    put_text(out, dataset->test_part ? dataset->test_part : "");
    put_text(out, dataset->valid_part ? dataset->valid_part : "");
    put_text(out, dataset->classless ? dataset->classless : "");
    put_whole(out, dataset->turned);
    put_whole(out, dataset->class_count);
    for (int i = 0; i < dataset->class_count; i++)
        put_text(out, dataset->classes[i]);
    put_whole(out, dataset->numbered);
    put_several(out, dataset);
    put_whole(out, dataset->container_count);
    for (int i = 0; i < dataset->container_count; i++)
        put_text(out, below_folder(dataset, dataset->containers[i]));
    put_whole(out, dataset->note_count);
    for (int i = 0; i < dataset->note_count; i++)
        put_text(out, dataset->notes[i]);
    for (int split = 0; split < SPLIT_COUNT; split++)
        put_samples(out, &dataset->splits[split]);
}

// Have all folders been still for a while?
static bool is_quiet(const Dataset *dataset)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (int64_t i = 0; i < dataset->seen.count; i++) {
        const FolderStamp *stamp = &dataset->seen.at[i];
        double age = (double)(now.tv_sec - stamp->seconds) +
                     1e-9 * (double)(now.tv_nsec - stamp->nanoseconds);
        if (age < (stamp->nanoseconds ? quiet_fine : quiet_coarse))
            return false;
    }
    return true;
}

static Status write_set(const Dataset *dataset, const char *path,
                        const char *real)
{
    Out out = {0};
    uint64_t value = 0;
    put(&out, magic, sizeof magic);
    put(&out, &value, sizeof value);
    put_set(&out, dataset, real);
    Status status = status_ok();
    if (out.failed) {
        status = status_error(STATUS_MEMORY, "no memory");
    } else {
        size_t head = sizeof magic + sizeof value;
        Checksum sum = checksum_new();
        checksum_add(&sum, out.at + head, (int64_t)(out.used - head));
        value = checksum_value(&sum);
        memcpy(out.at + sizeof magic, &value, sizeof value);
        status = file_make_parent(path);
    }
    if (status.code == STATUS_OK)
        status = file_write(path, out.at, (int64_t)out.used);
    free(out.at);
    return status;
}

Status dataset_index_write(Dataset *dataset, const char *folder)
{
    char *real, *path;
    int64_t images = 0;
    for (int split = 0; split < SPLIT_COUNT; split++)
        images += dataset->splits[split].count;
    if (!dataset->indexes || images < DATASET_INDEX_LEAST ||
        !is_quiet(dataset) || ranks_index() > 0)
        return status_ok();
    path = index_path(dataset, folder, &real);
    Status status = path ? write_set(dataset, path, real) : status_ok();
    // The set is good without it.
    if (status.code != STATUS_OK)
        status = dataset_add_note(dataset,
                                  "the list of files is not kept, and the next "
                                  "command looks at each again: %s",
                                  status.text);
    free(path);
    free(real);
    return status;
}

// ---- reading
// --------------------------------------------------------------------

typedef struct In {
    const char *at, *end;
    bool failed; // damaged, or out of memory
} In;

static int64_t take_whole(In *in)
{
    uint64_t number = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (in->at == in->end)
            break;
        unsigned char byte = (unsigned char)*in->at++;
        number |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            return (int64_t)number;
    }
    in->failed = true;
    return 0;
}

// A count of things that take a byte each at least.
static int64_t take_count(In *in)
{
    int64_t count = take_whole(in);
    if (count < 0 || count > in->end - in->at)
        in->failed = true;
    return in->failed ? 0 : count;
}

// Behind `shared` bytes of what is in `text` already.
static void take_behind(In *in, int64_t shared, char text[DATASET_PATH])
{
    int64_t length = take_count(in);
    if (shared < 0 || shared + length >= DATASET_PATH ||
        shared > (int64_t)strnlen(text, DATASET_PATH - 1))
        in->failed = true;
    if (in->failed)
        return;
    memcpy(text + shared, in->at, (size_t)length);
    text[shared + length] = 0;
    in->at += length;
    if ((int64_t)strlen(text) != shared + length)
        in->failed = true; // a zero byte
}

static void take_text(In *in, char text[DATASET_PATH])
{
    text[0] = 0;
    take_behind(in, 0, text);
}

static void take_stamp(In *in, char text[DATASET_PATH], FolderStamp *stamp)
{
    take_text(in, text);
    stamp->path = text;
    stamp->device = take_whole(in);
    stamp->inode = take_whole(in);
    stamp->seconds = take_whole(in);
    stamp->nanoseconds = take_whole(in);
    stamp->size = take_whole(in);
}

static void keep(In *in, Status status)
{
    in->failed = in->failed || status.code != STATUS_OK;
}

static void take_skips(In *in, Dataset *dataset, bool *same)
{
    char path[DATASET_PATH], text[DATASET_PATH], reason[DATASET_PATH];
    char full[2 * DATASET_PATH];
    int64_t count = take_count(in);
    for (int64_t i = 0; i < count && !in->failed && *same; i++) {
        FolderStamp stamp;
        take_stamp(in, path, &stamp);
        take_text(in, text);
        take_text(in, reason);
        *same = !in->failed && is_as_it_was(dataset, &stamp);
        bool absolute = text[0] == '/';
        snprintf(full, sizeof full, "%s%s%s", absolute ? "" : dataset->folder,
                 absolute ? "" : "/", text);
        keep(in, dataset_add_skip(dataset, full, reason));
    }
}

// What images of several classes have.
static void take_several(In *in, Dataset *dataset)
{
    dataset->several = take_whole(in) != 0;
    int64_t count = take_count(in);
    for (int64_t i = 0; i < count && !in->failed; i++) {
        int label;
        int64_t classes = take_count(in);
        keep(in, dataset_begin_labels(dataset, &label));
        for (int64_t k = 0; k < classes && !in->failed; k++) {
            int64_t class = take_whole(in);
            in->failed =
                in->failed || class < 0 || class >= dataset->class_count;
            if (!in->failed)
                keep(in, dataset_add_label(dataset, (int)class));
        }
    }
}

static void take_containers(In *in, Dataset *dataset)
{
    char name[DATASET_PATH], path[DATASET_PATH];
    int64_t count = take_count(in);
    for (int64_t i = 0; i < count && !in->failed; i++) {
        int container;
        take_text(in, name);
        in->failed = in->failed || !dataset_path(dataset, name, path);
        if (!in->failed)
            keep(in, dataset_add_container(dataset, path, &container));
    }
}

static void take_sample(In *in, Dataset *dataset, DataSplit split,
                        const char *name)
{
    int64_t labels =
        dataset->several ? dataset->label_count : dataset->class_count;
    int64_t label = take_whole(in) - 1, container = take_whole(in) - 1;
    int64_t offset = 0, size = 0;
    if (container >= 0) {
        offset = take_whole(in);
        size = take_whole(in);
    }
    if (label < -1 || label >= labels || container < -1 ||
        container >= dataset->container_count || offset < 0 || size < 0)
        in->failed = true;
    if (in->failed)
        return;
    keep(in, container < 0
                 ? dataset_add_sample(dataset, split, name, (int)label, NULL)
                 : dataset_add_part(dataset, split, name, (int)label,
                                    (int)container, offset, size));
}

static void take_samples(In *in, Dataset *dataset, DataSplit split)
{
    char name[DATASET_PATH] = "";
    int64_t count = take_count(in);
    for (int64_t i = 0; i < count && !in->failed; i++) {
        take_behind(in, take_whole(in), name);
        take_sample(in, dataset, split, name);
    }
}

// Fills an empty set; what is in it when that fails is to be dropped.
static void take_set(In *in, Dataset *dataset, const char *real, bool *same)
{
    char text[DATASET_PATH];
    FolderStamp stamp;
    take_text(in, text);
    *same = strcmp(text, real) == 0;
    take_text(in, text);
    dataset->kind = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(text, kinds[i]) == 0)
            dataset->kind = kinds[i];
    in->failed = in->failed || !dataset->kind;
    int64_t folders = take_count(in);
    for (int64_t i = 0; i < folders && !in->failed && *same; i++) {
        take_stamp(in, text, &stamp);
        *same = !in->failed && is_as_it_was(dataset, &stamp);
    }
    if (in->failed || !*same)
        return;
    take_skips(in, dataset, same);
    take_text(in, text);
    snprintf(dataset->part_name, sizeof dataset->part_name, "%.255s", text);
    dataset->test_part = *text ? dataset->part_name : NULL;
    take_text(in, text);
    snprintf(dataset->valid_name, sizeof dataset->valid_name, "%.255s", text);
    dataset->valid_part = *text ? dataset->valid_name : NULL;
    take_text(in, text);
    if (*text && !in->failed) {
        char *kept = strdup(text);
        in->failed = !kept;
        dataset->classless = kept;
        if (kept)
            dataset_keep_block(dataset, (uint8_t *)kept);
    }
    dataset->turned = take_whole(in);
    int64_t classes = take_count(in);
    for (int64_t i = 0; i < classes && !in->failed; i++) {
        take_text(in, text);
        keep(in, dataset_add_class(dataset, text));
    }
    dataset->numbered = take_whole(in) != 0;
    take_several(in, dataset);
    take_containers(in, dataset);
    int64_t notes = take_count(in);
    for (int64_t i = 0; i < notes && !in->failed; i++) {
        take_text(in, text);
        keep(in, dataset_add_note(dataset, "%s", text));
    }
    for (int split = 0; split < SPLIT_COUNT; split++)
        take_samples(in, dataset, (DataSplit)split);
}

static bool is_whole(const char *bytes, int64_t size)
{
    uint64_t value;
    size_t head = sizeof magic + sizeof value;
    Checksum sum = checksum_new();
    if (size < (int64_t)head || memcmp(bytes, magic, sizeof magic) != 0)
        return false;
    memcpy(&value, bytes + sizeof magic, sizeof value);
    checksum_add(&sum, bytes + head, size - (int64_t)head);
    return checksum_value(&sum) == value;
}

Status dataset_index_read(Dataset *dataset, const char *folder, bool *found)
{
    char *real, *bytes, *path = index_path(dataset, folder, &real);
    int64_t size;
    bool same = false;
    *found = false;
    Status status = status_ok();
    if (path && file_exists(path) &&
        file_read(path, 1 << 30, &bytes, &size).code == STATUS_OK) {
        In in = {bytes + sizeof magic + 8, bytes + size, false};
        if (is_whole(bytes, size))
            take_set(&in, dataset, real, &same);
        free(bytes);
        *found = same && !in.failed && in.at == in.end;
        if (!*found)
            dataset_empty(dataset);
    }
    free(path);
    free(real);
    if (*found)
        status = dataset_add_note(
            dataset,
            "files as an earlier command found them, for no %s has "
            "changed since; --no-cache looks at each again",
            strcmp(dataset->kind, "tar shards") == 0 ? "shard" : "folder");
    return status;
}
