// What torch.save writes: a pickle in which tensors are calls of
// torch._utils._rebuild_tensor_v2 on storages, and the storages' bytes beside
// it. Since PyTorch 1.6 it is a zip archive, ARCHIVE/data.pkl with a member
// ARCHIVE/data/KEY for each storage. Before, it was five pickles (a magic
// number, the protocol, the writing machine, the object, the storages' keys),
// then each storage: a count of 8 bytes and its elements.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/files/pickle.h"
#include "runtime/files/tensors_inside.h"

enum {
    PICKLE_LIMIT = 32 << 20, // a thousand tensors take 200 kB
    DEPTH_LIMIT = 32,
    STEP_LIMIT = 1 << 22,
    PROTOCOL = 1001
};

// A storage that tensors look at.
typedef struct Storage {
    const char *key; // `size` bytes
    int64_t size;
    int order; // among the keys of the file
    bool used;
    SafeDType dtype;
    int64_t count; // elements
    int blob;
} Storage;

typedef struct Torch {
    TensorFile *file;
    const char *archive; // folder of the members; NULL = the old form
    int *member_blobs;   // of each member of the archive, or -1
    int storage_count;   // the old form's, by key
    Storage *storages;
    bool counting; // the first of two walks of the old form
    char name[TENSOR_NAME];
    int64_t steps;
} Torch;

static Status bad(const Torch *torch, const char *reason)
{
    return status_error(STATUS_DATA,
                        "'%s' is no file that torch.save wrote: "
                        "%s",
                        torch->file->path, reason);
}

// ---- storages ---------------------------------------------------------------

// Storage classes ("torch.FloatStorage", "torch.cuda.FloatStorage") and dtypes.
static bool find_dtype(const PickleValue *name, SafeDType *dtype)
{
    static const struct {
        const char *storage, *dtype;
        SafeDType type;
    } rows[] = {
        {"FloatStorage", "float32", SAFE_F32},
        {"DoubleStorage", "float64", SAFE_F64},
        {"HalfStorage", "float16", SAFE_F16},
        {"BFloat16Storage", "bfloat16", SAFE_BF16},
        {"LongStorage", "int64", SAFE_I64},
        {"IntStorage", "int32", SAFE_I32},
        {"ShortStorage", "int16", SAFE_I16},
        {"CharStorage", "int8", SAFE_I8},
        {"ByteStorage", "uint8", SAFE_U8},
        {"BoolStorage", "bool", SAFE_BOOL},
        {"ComplexFloatStorage", "complex64", SAFE_C64},
        {"UntypedStorage", "uint8", SAFE_U8},
        {"", "uint16", SAFE_U16},
        {"", "uint32", SAFE_U32},
        {"", "uint64", SAFE_U64},
    };
    if (!name || name->kind != PICKLE_NAME)
        return false;
    const char *last = strrchr(name->text, '.') + 1;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(last, rows[i].storage) == 0 ||
            strcmp(last, rows[i].dtype) == 0) {
            *dtype = rows[i].type;
            return true;
        }
    return false;
}

static int compare_storages(const void *a, const void *b)
{
    const Storage *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return memcmp(x->key, y->key, (size_t)x->size);
}

// The member ARCHIVE/data/KEY as a blob.
static Status member_blob(Torch *torch, const Storage *storage, int *blob)
{
    char name[600];
    TensorFile *file = torch->file;
    snprintf(name, sizeof name, "%s/data/%.*s", torch->archive,
             (int)(storage->size < 80 ? storage->size : 80), storage->key);
    const ZipMember *member = zip_find(&file->zip, name);
    if (!member)
        return status_error(STATUS_DATA, "'%s': its storage %.200s is missing",
                            file->path, name);
    int *known = &torch->member_blobs[member - file->zip.members];
    if (*known < 0) {
        TensorBlob added = {.member = member, .bytes = member->bytes};
        TRY(tensors_add_blob(file, &added, known));
    }
    *blob = *known;
    return status_ok();
}

// Of a persistent id: ("storage", class, key, device, elements, view).
static Status find_storage(Torch *torch, const PickleValue *stored,
                           Storage *storage, int64_t *start)
{
    const PickleValue *id = stored->kind == PICKLE_STORED ? stored->of : NULL;
    if (!id || id->kind != PICKLE_TUPLE || id->count < 5 ||
        !pickle_is(id->items[0], PICKLE_TEXT, "storage") ||
        id->items[2]->kind != PICKLE_TEXT || id->items[4]->kind != PICKLE_INT)
        return bad(torch, "a storage is described in another way");
    *storage = (Storage){.key = id->items[2]->text,
                         .size = id->items[2]->size,
                         .count = id->items[4]->whole};
    if (!find_dtype(id->items[1], &storage->dtype))
        return bad(torch, "a storage of elements that are not known");
    // A view of another storage: its key, where it begins, its length.
    const PickleValue *view = id->count > 5 ? id->items[5] : NULL;
    *start = 0;
    if (view && view->kind == PICKLE_TUPLE) {
        if (view->count != 3 || view->items[1]->kind != PICKLE_INT)
            return bad(torch, "a view of a storage is described in another "
                              "way");
        *start = view->items[1]->whole;
    }
    if (torch->archive)
        return member_blob(torch, storage, &storage->blob);
    Storage *found =
        torch->storage_count
            ? bsearch(storage, torch->storages, (size_t)torch->storage_count,
                      sizeof *storage, compare_storages)
            : NULL;
    if (!found)
        return bad(torch, "a storage is not among its keys");
    if (found->used &&
        (found->dtype != storage->dtype || found->count != storage->count))
        return bad(torch, "a storage is described in two ways");
    found->used = true;
    found->dtype = storage->dtype;
    found->count = storage->count;
    storage->blob = found->blob;
    return status_ok();
}

// ---- tensors ----------------------------------------------------------------

// Sizes or strides: a tuple, or torch.Size of one. -1 = neither.
static int take_numbers(const PickleValue *value, int64_t out[SAFE_MAX_RANK])
{
    if (value->kind == PICKLE_OBJECT && value->count == 1)
        value = value->items[0];
    if ((value->kind != PICKLE_TUPLE && value->kind != PICKLE_LIST) ||
        value->count > SAFE_MAX_RANK)
        return -1;
    for (int i = 0; i < value->count; i++) {
        if (value->items[i]->kind != PICKLE_INT)
            return -1;
        out[i] = value->items[i]->whole;
    }
    return value->count;
}

// (storage, offset, size, stride, ...); version 3 has the dtype seventh.
static Status add_tensor(Torch *torch, PickleValue *const *items, int count,
                         bool has_dtype)
{
    TensorEntry entry = {.strided = true};
    SafeTensor *tensor = &entry.tensor;
    Storage storage;
    int64_t view = 0, bytes;
    if (count < 4 || items[1]->kind != PICKLE_INT)
        return bad(torch, "a tensor is described in another way");
    TRY(find_storage(torch, items[0], &storage, &view));
    if (torch->counting)
        return status_ok();
    tensor->dtype = storage.dtype;
    if (has_dtype && (count < 7 || !find_dtype(items[6], &tensor->dtype)))
        return bad(torch, "a tensor of elements that are not known");
    tensor->rank = take_numbers(items[2], tensor->dims);
    if (tensor->rank < 0 ||
        take_numbers(items[3], entry.strides) != tensor->rank)
        return bad(torch, "a tensor is described in another way");
    entry.blob = storage.blob;
    // What a storage claims to hold must be there, and no tensor may reach
    // behind it.
    if (storage.count < 0 ||
        __builtin_mul_overflow(storage.count, safe_dtype_bytes(storage.dtype),
                               &bytes) ||
        bytes > torch->file->blobs[storage.blob].bytes)
        return status_error(STATUS_DATA,
                            "'%s': tensor %.200s: its storage claims %lld "
                            "elements and has fewer bytes",
                            torch->file->path, torch->name,
                            (long long)storage.count);
    if (items[1]->whole < 0 || view < 0 ||
        __builtin_add_overflow(items[1]->whole, view, &entry.start) ||
        __builtin_mul_overflow(entry.start, safe_dtype_bytes(tensor->dtype),
                               &entry.start))
        return bad(torch, "a tensor begins before its storage");
    return tensors_add(torch->file, torch->name, &entry);
}

static Status walk(Torch *torch, PickleValue *value, size_t length, int depth);

// One of the functions that make tensors; other objects hold none.
static Status walk_object(Torch *torch, const PickleValue *object,
                          size_t length, int depth)
{
    const PickleValue *function = object->of;
    PickleValue *const *items = object->items;
    int count = object->count;
    if (!strcmp(function->text, "torch._tensor._rebuild_from_type_v2") &&
        count >= 3 && items[0]->kind == PICKLE_NAME &&
        items[2]->kind == PICKLE_TUPLE) {
        function = items[0];
        count = items[2]->count;
        items = items[2]->items;
    }
    if (strncmp(function->text, "torch._utils._rebuild_", 22) != 0)
        return status_ok();
    const char *what = function->text + 22;
    if (strncmp(what, "parameter", 9) == 0)
        return count ? walk(torch, items[0], length, depth + 1)
                     : bad(torch, "a parameter without a tensor");
    return add_tensor(torch, items, count, strcmp(what, "tensor_v3") == 0);
}

// Adds ".KEY" to the name; false when it becomes too long or is no name.
static bool add_key(Torch *torch, size_t *length, const PickleValue *key,
                    int at)
{
    char number[24];
    const char *text = number;
    int64_t size;
    if (key && key->kind == PICKLE_TEXT) {
        text = key->text;
        size = key->size;
    } else {
        size = snprintf(number, sizeof number, "%lld",
                        key ? (long long)key->whole : (long long)at);
    }
    if (size >= TENSOR_NAME - 2 - (int64_t)*length ||
        memchr(text, '\0', (size_t)size))
        return false;
    if (*length)
        torch->name[(*length)++] = '.';
    memcpy(torch->name + *length, text, (size_t)size);
    *length += (size_t)size;
    torch->name[*length] = '\0';
    return true;
}

static Status walk_items(Torch *torch, PickleValue *value, size_t length,
                         int depth)
{
    bool dict = value->kind == PICKLE_DICT;
    for (int i = 0; i < value->count; i += dict ? 2 : 1) {
        const PickleValue *key = dict ? value->items[i] : NULL;
        PickleValue *item = value->items[i + dict];
        size_t longer = length;
        if (key && key->kind != PICKLE_TEXT && key->kind != PICKLE_INT)
            continue;
        if (item->kind != PICKLE_DICT && item->kind != PICKLE_LIST &&
            item->kind != PICKLE_TUPLE && item->kind != PICKLE_OBJECT)
            continue;
        if (!add_key(torch, &longer, key, i))
            return bad(torch, "a name of 1024 bytes and more, or with a zero");
        TRY(walk(torch, item, longer, depth + 1));
    }
    return status_ok();
}

// Every tensor below a value, named by the keys on the way, dots between.
static Status walk(Torch *torch, PickleValue *value, size_t length, int depth)
{
    if (value->entered)
        return bad(torch, "a container holds itself");
    if (depth > DEPTH_LIMIT || torch->steps++ > STEP_LIMIT)
        return bad(torch, "its containers are nested beyond any state dict");
    value->entered = true;
    Status status = status_ok();
    if (value->kind == PICKLE_OBJECT)
        status = walk_object(torch, value, length, depth);
    else if (value->kind == PICKLE_DICT || value->kind == PICKLE_LIST ||
             value->kind == PICKLE_TUPLE)
        status = walk_items(torch, value, length, depth);
    value->entered = false;
    return status;
}

static Status walk_all(Torch *torch, PickleValue *root)
{
    torch->steps = 0;
    torch->name[0] = '\0';
    TRY(walk(torch, root, 0, 0));
    if (!torch->counting && !torch->file->count)
        return status_error(STATUS_DATA, "'%s' holds no tensor",
                            torch->file->path);
    return status_ok();
}

// ---- who wrote it -----------------------------------------------------------

static void note(TensorFile *file, const PickleValue *root, const char *key,
                 const char *word)
{
    const PickleValue *value = pickle_get(root, key);
    size_t used = strlen(file->writer);
    if (value && value->kind == PICKLE_TEXT && value->size < 60)
        snprintf(file->writer + used, sizeof file->writer - used, ", %s%.*s",
                 word, (int)value->size, value->text);
    else if (value && value->kind == PICKLE_INT)
        snprintf(file->writer + used, sizeof file->writer - used, ", %s%lld",
                 word, (long long)value->whole);
}

static void note_writer(TensorFile *file, const PickleValue *root,
                        const char *version)
{
    snprintf(file->writer, sizeof file->writer, "torch.save of PyTorch %s",
             version);
    note(file, root, "pytorch-lightning_version", "PyTorch Lightning ");
    note(file, root, "arch", "arch ");
    note(file, root, "epoch", "epoch ");
    // It is printed: no control characters.
    for (char *at = file->writer; *at; at++)
        if ((unsigned char)*at < ' ')
            *at = '?';
}

// ---- the archive ------------------------------------------------------------

// Reads a small member; *text is malloc'ed with a zero behind it.
static Status read_member(const TensorFile *file, const ZipMember *member,
                          char **text)
{
    *text = NULL;
    if (member->bytes > PICKLE_LIMIT)
        return status_error(STATUS_DATA,
                            "'%s': its member %.200s is larger than any state "
                            "dict's",
                            file->path, member->name);
    TRY(zip_check(&file->zip, member));
    char *bytes = malloc((size_t)member->bytes + 1);
    if (!bytes)
        return tensors_no_memory(file);
    Status status = zip_read(&file->zip, member, 0, member->bytes, bytes);
    if (status.code != STATUS_OK) {
        free(bytes);
        return status;
    }
    bytes[member->bytes] = '\0';
    *text = bytes;
    return status_ok();
}

static Status read_byte_order(Torch *torch)
{
    char name[600], *text;
    snprintf(name, sizeof name, "%s/byteorder", torch->archive);
    const ZipMember *member = zip_find(&torch->file->zip, name);
    if (!member)
        return status_ok();
    TRY(read_member(torch->file, member, &text));
    bool little = strcmp(text, "little") == 0, big = strcmp(text, "big") == 0;
    free(text);
    torch->file->swapped = big;
    return little || big ? status_ok()
                         : bad(torch, "its byte order is neither");
}

static Status walk_archive(Torch *torch, const ZipMember *member)
{
    Pickle *pickle = NULL;
    char *text;
    int64_t used;
    TRY(read_member(torch->file, member, &text));
    Status status =
        pickle_read(text, member->bytes, torch->file->path, &pickle, &used);
    if (status.code == STATUS_OK)
        status = walk_all(torch, pickle_root(pickle));
    if (status.code == STATUS_OK)
        note_writer(torch->file, pickle_root(pickle), "1.6 or later");
    pickle_free(pickle);
    free(text);
    return status;
}

Status torch_zip_open(TensorFile *file)
{
    static const char end[] = "/data.pkl";
    char archive[500] = "", name[600];
    const ZipMember *member = NULL;
    file->format = "a PyTorch file (zip)";
    for (int i = 0; i < file->zip.count && !member; i++) {
        const char *at = file->zip.members[i].name;
        size_t length = strlen(at);
        if (length < sizeof end || length >= sizeof archive ||
            strcmp(at + length - (sizeof end - 1), end) != 0)
            continue;
        member = &file->zip.members[i];
        snprintf(archive, sizeof archive, "%.*s",
                 (int)(length - (sizeof end - 1)), at);
    }
    Torch torch = {.file = file, .archive = archive};
    if (!member)
        return bad(&torch, "it has no data.pkl of its own");
    snprintf(name, sizeof name, "%s/constants.pkl", archive);
    if (zip_find(&file->zip, name))
        return status_error(STATUS_DATA,
                            "'%s' is TorchScript, a program: "
                            "torch.save(torch.jit.load(FILE).state_dict(), "
                            "OTHER) writes its weights alone",
                            file->path);
    TRY(read_byte_order(&torch));
    size_t count = (size_t)file->zip.count;
    torch.member_blobs = malloc((count + 1) * sizeof *torch.member_blobs);
    if (!torch.member_blobs)
        return tensors_no_memory(file);
    memset(torch.member_blobs, -1, count * sizeof *torch.member_blobs);
    Status status = walk_archive(&torch, member);
    free(torch.member_blobs);
    return status;
}

// ---- the form before --------------------------------------------------------

enum { MAGIC, VERSION, MACHINE, OBJECT, KEYS, PICKLES };

// The storages that the last pickle lists, in their order in the file.
static Status list_storages(Torch *torch, const PickleValue *keys)
{
    if (keys->kind != PICKLE_LIST)
        return bad(torch, "the list of its storages is none");
    torch->storages = calloc((size_t)keys->count + 1, sizeof *torch->storages);
    if (!torch->storages)
        return tensors_no_memory(torch->file);
    for (int i = 0; i < keys->count; i++) {
        const PickleValue *key = keys->items[i];
        if (key->kind != PICKLE_TEXT)
            return bad(torch, "the list of its storages is none");
        torch->storages[torch->storage_count++] =
            (Storage){.key = key->text, .size = key->size, .order = i};
    }
    qsort(torch->storages, (size_t)torch->storage_count,
          sizeof *torch->storages, compare_storages);
    for (int i = 1; i < torch->storage_count; i++)
        if (compare_storages(&torch->storages[i - 1], &torch->storages[i]) == 0)
            return bad(torch, "a storage is there twice");
    return status_ok();
}

// Each storage is a count and so many elements, one behind the other.
static Status place_storages(Torch *torch, int64_t at)
{
    TensorFile *file = torch->file;
    int *places = calloc((size_t)torch->storage_count + 1, sizeof *places);
    Status status = places ? status_ok() : tensors_no_memory(file);
    for (int i = 0; places && i < torch->storage_count; i++)
        places[torch->storages[i].order] = i;
    for (int i = 0; i < torch->storage_count && status.code == STATUS_OK; i++) {
        Storage *storage = &torch->storages[places[i]];
        TensorBlob blob = {.offset = at + 8};
        int64_t count = 0;
        if (!storage->used)
            status = bad(torch, "a storage that no tensor looks at");
        else if (file_read_at(file->descriptors[0], at, 8, &count) != 8)
            status = bad(torch, "it is cut off");
        else if ((file->swapped ? (int64_t)__builtin_bswap64((uint64_t)count)
                                : count) != storage->count ||
                 storage->count < 0 ||
                 __builtin_mul_overflow(storage->count,
                                        safe_dtype_bytes(storage->dtype),
                                        &blob.bytes))
            status = bad(torch, "a storage has another size than it claims");
        else
            status = tensors_add_blob(file, &blob, &storage->blob);
        at += 8 + blob.bytes;
    }
    free(places);
    return status;
}

static Status walk_legacy(Torch *torch, Pickle *const pickles[PICKLES],
                          int64_t end)
{
    const PickleValue *version = pickle_root(pickles[VERSION]);
    const PickleValue *little =
        pickle_get(pickle_root(pickles[MACHINE]), "little_endian");
    if (version->kind != PICKLE_INT || version->whole != PROTOCOL || !little ||
        little->kind != PICKLE_BOOL)
        return bad(torch, "it is of a version that is not known");
    torch->file->swapped = !little->whole;
    TRY(list_storages(torch, pickle_root(pickles[KEYS])));
    torch->counting = true;
    TRY(walk_all(torch, pickle_root(pickles[OBJECT])));
    TRY(place_storages(torch, end));
    torch->counting = false;
    TRY(walk_all(torch, pickle_root(pickles[OBJECT])));
    note_writer(torch->file, pickle_root(pickles[OBJECT]), "before 1.6");
    return status_ok();
}

Status torch_legacy_open(TensorFile *file)
{
    Torch torch = {.file = file};
    Pickle *pickles[PICKLES] = {NULL};
    int64_t size =
        file->file_bytes[0] < PICKLE_LIMIT ? file->file_bytes[0] : PICKLE_LIMIT;
    int64_t at = 0, used;
    file->format = "a PyTorch file (the form before 1.6)";
    char *bytes = malloc((size_t)size + 1);
    if (!bytes)
        return tensors_no_memory(file);
    Status status = status_ok();
    if (file_read_at(file->descriptors[0], 0, size, bytes) != size)
        status = status_error(STATUS_FAILED, "cannot read '%s'", file->path);
    for (int i = 0; i < PICKLES && status.code == STATUS_OK; i++) {
        status =
            pickle_read(bytes + at, size - at, file->path, &pickles[i], &used);
        at += used;
    }
    if (status.code == STATUS_OK)
        status = walk_legacy(&torch, pickles, at);
    for (int i = 0; i < PICKLES; i++)
        pickle_free(pickles[i]);
    free(torch.storages);
    free(bytes);
    return status;
}
