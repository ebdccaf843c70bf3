// TensorFlow's checkpoints: tensor bundles. PREFIX.index is a table of keys and
// values in the layout of LevelDB's: blocks of entries whose keys leave out
// what they share with the one before, behind each a byte for its compression
// and a checksum; at the end a block of the blocks' places, and 48 bytes that
// say where that one is. Keys are tensors' names, values messages
// BundleEntryProto; the first, of the empty key, is a BundleHeaderProto. The
// elements are in the shards PREFIX.data-I-of-N.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/crc32c.h"
#include "runtime/base/file.h"
#include "runtime/files/object_graph.h"
#include "runtime/files/proto.h"
#include "runtime/files/tensors_inside.h"

enum {
    FOOTER = 48,
    TRAILER = 5, // of a block: how it is compressed, its masked CRC-32C
    INDEX_LIMIT = 64 << 20,
    SHARD_LIMIT = 10000,
    PATH_ROOM = 4096,
    TEXTS = 7, // the element type of strings: the object graph
    GRAPH_LIMIT = 64 << 20
};

// Element types as tensorflow/core/framework/types.proto numbers them.
static const struct {
    int number;
    SafeDType dtype;
} types[] = {{1, SAFE_F32},   {2, SAFE_F64},   {3, SAFE_I32},  {4, SAFE_U8},
             {5, SAFE_I16},   {6, SAFE_I8},    {8, SAFE_C64},  {9, SAFE_I64},
             {10, SAFE_BOOL}, {14, SAFE_BF16}, {17, SAFE_U16}, {19, SAFE_F16},
             {22, SAFE_U32},  {23, SAFE_U64}};

// BundleEntryProto.
typedef struct Entry {
    uint64_t type, shard, offset, size;
    uint32_t sum;
    bool slices;
    TensorEntry tensor;
} Entry;

typedef struct Bundle {
    TensorFile *file;
    const char *prefix;
    uint8_t *index;
    uint64_t size;
    uint64_t shards;
    bool has_header;
    int *shard_files; // descriptors of the shards, -1 = not yet opened
    char key[TENSOR_NAME], last[TENSOR_NAME]; // keys come in order
    uint64_t end;                             // of the last block
    uint8_t *graph; // the object graph's message, if there is one
    uint64_t graph_size;
} Bundle;

static Status bad(const Bundle *bundle, const char *reason)
{
    return status_error(STATUS_DATA,
                        "'%s.index' is a damaged TensorFlow checkpoint: %s",
                        bundle->prefix, reason);
}

// ---- entries ----------------------------------------------------------------

// TensorShapeProto: 2 dim {1 size}, 3 unknown rank.
static bool read_shape(const ProtoField *shape, SafeTensor *tensor)
{
    ProtoReader reader = proto_inside(shape);
    ProtoField field;
    while (proto_next(&reader, &field)) {
        if (field.number == 3 && field.value)
            return false;
        if (field.number != 2)
            continue;
        ProtoReader dim = proto_inside(&field);
        ProtoField part;
        int64_t size = 0;
        while (proto_next(&dim, &part))
            if (part.number == 1)
                size = (int64_t)part.value;
        if (dim.bad || tensor->rank == SAFE_MAX_RANK || size < 0)
            return false;
        tensor->dims[tensor->rank++] = size;
    }
    return !reader.bad;
}

// 1 dtype, 2 shape, 3 shard, 4 offset, 5 size, 6 masked CRC-32C, 7 slices.
static bool read_entry(const uint8_t *value, uint64_t size, Entry *entry)
{
    ProtoReader reader = proto_reader(value, size);
    ProtoField field;
    *entry = (Entry){.type = 0};
    while (proto_next(&reader, &field))
        switch (field.number) {
        case 1:
            entry->type = field.value;
            break;
        case 2:
            if (!read_shape(&field, &entry->tensor.tensor))
                return false;
            break;
        case 3:
            entry->shard = field.value;
            break;
        case 4:
            entry->offset = field.value;
            break;
        case 5:
            entry->size = field.value;
            break;
        case 6:
            entry->sum = (uint32_t)field.value;
            break;
        case 7:
            entry->slices = true;
            break;
        default:
            break;
        }
    return !reader.bad;
}

static Status open_shard(Bundle *bundle, uint64_t shard, int *file)
{
    char path[PATH_ROOM];
    *file = bundle->shard_files[shard];
    if (*file >= 0)
        return status_ok();
    snprintf(path, sizeof path, "%.4000s.data-%05d-of-%05d", bundle->prefix,
             (int)shard, (int)bundle->shards);
    if (!file_exists(path))
        return status_error(STATUS_DATA,
                            "'%s' is missing, a part of the checkpoint: copy "
                            "all of its files",
                            path);
    TRY(tensors_add_file(bundle->file, path, file));
    bundle->shard_files[shard] = *file;
    return status_ok();
}

// Strings: their lengths as varints, a checksum of these, the bytes. Of
// interest is the object graph alone, one string.
static Status read_graph(Bundle *bundle, const Entry *entry, int file)
{
    int64_t size = (int64_t)entry->size;
    if (entry->size > GRAPH_LIMIT ||
        entry->offset > (uint64_t)bundle->file->file_bytes[file] ||
        size > bundle->file->file_bytes[file] - (int64_t)entry->offset)
        return bad(bundle, "its object graph does not fit into it");
    uint8_t *bytes = malloc((size_t)size + 1);
    if (!bytes)
        return tensors_no_memory(bundle->file);
    free(bundle->graph);
    bundle->graph = bytes;
    if (file_read_at(bundle->file->descriptors[file], (int64_t)entry->offset,
                     size, bytes) != size)
        return bad(bundle, "its object graph cannot be read");
    ProtoReader reader = proto_reader(bytes, (uint64_t)size);
    uint64_t length = proto_varint(&reader);
    if (reader.bad || reader.end - reader.at < 4 ||
        length != (uint64_t)(reader.end - reader.at - 4))
        return bad(bundle, "its object graph is no string");
    // The sum is of the length as four bytes, of that sum, and of the string.
    uint32_t size4 = (uint32_t)length;
    uint32_t sum = crc32c(&size4, 4), masked = crc32c_mask(sum);
    sum = crc32c_more(sum, &masked, 4);
    sum = crc32c_more(sum, reader.at + 4, (size_t)length);
    if (memcmp(reader.at, &masked, 4) != 0 || crc32c_mask(sum) != entry->sum)
        return bad(bundle, "the checksum of its object graph is another");
    memmove(bytes, reader.at + 4, (size_t)length);
    bundle->graph_size = length;
    return status_ok();
}

static Status bad_tensor(const Bundle *bundle, const char *reason)
{
    return status_error(STATUS_DATA, "'%s.index': tensor %.200s %s",
                        bundle->prefix, bundle->key, reason);
}

static Status add_entry(Bundle *bundle, const uint8_t *value, uint64_t size)
{
    Entry entry;
    int file, type = -1;
    if (!read_entry(value, size, &entry))
        return bad_tensor(bundle, "has a malformed entry");
    if (entry.shard >= bundle->shards)
        return bad_tensor(bundle, "is in a shard that there is not");
    TRY(open_shard(bundle, entry.shard, &file));
    if (entry.type == TEXTS)
        return strcmp(bundle->key, "_CHECKPOINTABLE_OBJECT_GRAPH") == 0
                   ? read_graph(bundle, &entry, file)
                   : status_ok();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].number == (int)entry.type)
            type = (int)types[i].dtype;
    if (type < 0)
        return bad_tensor(bundle, "has elements of a type that is not read");
    if (entry.slices)
        return bad_tensor(bundle, "is stored in slices, which are not read");
    entry.tensor.tensor.dtype = (SafeDType)type;
    int64_t bytes;
    if (!safe_tensor_bytes(&entry.tensor.tensor, &bytes) ||
        (uint64_t)bytes != entry.size)
        return bad_tensor(bundle, "has another size than its shape");
    if (entry.offset > INT64_MAX / 2)
        return bad_tensor(bundle, "reaches beyond its shard");
    TensorBlob blob = {.file = file,
                       .offset = (int64_t)entry.offset,
                       .bytes = bytes,
                       .summed = true,
                       .sum = entry.sum};
    TRY(tensors_add_blob(bundle->file, &blob, &entry.tensor.blob));
    return tensors_add(bundle->file, bundle->key, &entry.tensor);
}

// 1 shards, 2 endianness (0 little), 3 version.
static Status read_header(Bundle *bundle, const uint8_t *value, uint64_t size)
{
    ProtoReader reader = proto_reader(value, size);
    ProtoField field;
    uint64_t big = 0;
    while (proto_next(&reader, &field)) {
        if (field.number == 1)
            bundle->shards = field.value;
        if (field.number == 2)
            big = field.value;
    }
    if (reader.bad || bundle->shards < 1 || bundle->shards > SHARD_LIMIT ||
        big > 1)
        return bad(bundle, "its header is malformed");
    bundle->has_header = true;
    bundle->file->swapped = big == 1;
    bundle->shard_files = malloc(bundle->shards * sizeof(int));
    if (!bundle->shard_files)
        return tensors_no_memory(bundle->file);
    memset(bundle->shard_files, -1, bundle->shards * sizeof(int));
    return status_ok();
}

// ---- the table --------------------------------------------------------------

// Where a block is: two varints.
typedef struct Handle {
    uint64_t offset, size;
} Handle;

// Its checksum covers its bytes and the one behind them.
static Status check_block(const Bundle *bundle, Handle block)
{
    uint64_t end = bundle->size - FOOTER;
    if (block.size > end || block.offset > end - block.size ||
        end - block.size - block.offset < TRAILER)
        return bad(bundle, "a block would lie outside of it");
    const uint8_t *at = bundle->index + block.offset;
    uint32_t sum;
    memcpy(&sum, at + block.size + 1, 4);
    if (crc32c_masked(at, (size_t)block.size + 1) != sum)
        return bad(bundle, "the checksum of a block is another");
    if (at[block.size] != 0)
        return bad(bundle, "a block is compressed, as TensorFlow writes none");
    return status_ok();
}

typedef Status BlockEntry(Bundle *bundle, const uint8_t *value, uint64_t size);

// Walks the entries of a block; the key of each is in bundle->key. A block ends
// with places where keys stand whole, and their count.
static Status walk_block(Bundle *bundle, Handle block, BlockEntry *take)
{
    TRY(check_block(bundle, block));
    const uint8_t *start = bundle->index + block.offset;
    uint32_t restarts;
    uint64_t length = 0;
    if (block.size < 4)
        return bad(bundle, "a block is too short");
    memcpy(&restarts, start + block.size - 4, 4);
    if (restarts > (block.size - 4) / 4)
        return bad(bundle, "a block is too short");
    ProtoReader reader =
        proto_reader(start, block.size - 4 - 4 * (uint64_t)restarts);
    bundle->key[0] = '\0';
    while (reader.at < reader.end) {
        uint64_t shared = proto_varint(&reader);
        uint64_t own = proto_varint(&reader), size = proto_varint(&reader);
        uint64_t left = (uint64_t)(reader.end - reader.at);
        if (reader.bad || own > left || size > left - own || shared > length)
            return bad(bundle, "an entry of a block is malformed");
        if (own >= TENSOR_NAME - shared)
            return bad(bundle, "a name of 1024 bytes and more");
        memcpy(bundle->key + shared, reader.at, own);
        length = shared + own;
        bundle->key[length] = '\0';
        TRY(take(bundle, reader.at + own, size));
        reader.at += own + size;
    }
    return status_ok();
}

static Status take_entry(Bundle *bundle, const uint8_t *value, uint64_t size)
{
    if (!bundle->has_header)
        return bundle->key[0] ? bad(bundle, "it has no header")
                              : read_header(bundle, value, size);
    if (strcmp(bundle->key, bundle->last) <= 0)
        return bad(bundle, "its names are not in order");
    strcpy(bundle->last, bundle->key);
    return add_entry(bundle, value, size);
}

// A block of the index: its key is no less than those of the block it names.
static Status take_block(Bundle *bundle, const uint8_t *value, uint64_t size)
{
    ProtoReader reader = proto_reader(value, size);
    Handle block;
    block.offset = proto_varint(&reader);
    block.size = proto_varint(&reader);
    if (reader.bad || block.offset < bundle->end ||
        __builtin_add_overflow(block.offset, block.size, &bundle->end))
        return bad(bundle, "a block's place is malformed");
    // The walk below takes the key for its own.
    char key[TENSOR_NAME];
    memcpy(key, bundle->key, sizeof key);
    Status status = walk_block(bundle, block, take_entry);
    memcpy(bundle->key, key, sizeof key);
    return status;
}

static Status read_index(Bundle *bundle)
{
    char path[PATH_ROOM], *bytes;
    int64_t size;
    snprintf(path, sizeof path, "%.4000s.index", bundle->prefix);
    TRY(file_read(path, INDEX_LIMIT, &bytes, &size));
    bundle->index = (uint8_t *)bytes;
    bundle->size = (uint64_t)size;
    static const uint8_t magic[8] = {0x57, 0xfb, 0x80, 0x8b,
                                     0x24, 0x75, 0x47, 0xdb};
    if (size < FOOTER || memcmp(bytes + size - 8, magic, 8) != 0)
        return bad(bundle, "the mark at its end is missing: it was cut off");
    // Two handles: of a block that is not used, and of the blocks' places.
    ProtoReader reader = proto_reader(bytes + size - FOOTER, FOOTER - 8);
    Handle handles[2];
    for (int i = 0; i < 2; i++) {
        handles[i].offset = proto_varint(&reader);
        handles[i].size = proto_varint(&reader);
    }
    if (reader.bad)
        return bad(bundle, "the places of its blocks are malformed");
    TRY(walk_block(bundle, handles[1], take_block));
    if (!bundle->has_header)
        return bad(bundle, "it has no header");
    return tensors_check_overlaps(bundle->file);
}

Status bundle_open(TensorFile *file, const char *prefix)
{
    Bundle bundle = {.file = file, .prefix = prefix};
    file->format = "a TensorFlow checkpoint";
    Status status = read_index(&bundle);
    if (status.code == STATUS_OK) {
        snprintf(file->writer, sizeof file->writer, "%s, %d shard%s",
                 bundle.graph ? "TensorFlow 2's objects"
                              : "TensorFlow's v1 saver",
                 (int)bundle.shards, bundle.shards == 1 ? "" : "s");
        if (bundle.graph)
            status = object_graph_name(file, bundle.graph, bundle.graph_size);
    }
    free(bundle.index);
    free(bundle.graph);
    free(bundle.shard_files);
    return status;
}
