// Other programs' files of weights. Checksums would keep changed bytes from the
// readers behind them: they are made right here, around what is fuzzed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/crc32c.h"
#include "runtime/files/recognize.h"
#include "tests/fuzz/fuzz.h"

// Reads all that the file claims to hold and looks for a net in it.
static void read_all(const char *path)
{
    static const int64_t dims[] = {4, 3, 7, 7};
    const NamingWant wants[] = {{"conv1.weight", 4, dims},
                                {"layer1.0.conv1.weight", 4, dims},
                                {"head.0.dense.weight", 2, dims},
                                {"fc.bias", 1, dims}};
    TensorFile *file = NULL;
    Recognized net;
    Naming naming;
    if (tensors_open(path, &file).code != STATUS_OK)
        return;
    for (int i = 0; i < tensors_count(file); i++) {
        void *data = malloc((size_t)tensors_at(file, i)->bytes + 1);
        tensors_read(file, i, data);
        free(data);
    }
    tensors_verify(file);
    recognize(file, &net);
    naming_find(file, 4, wants, &naming);
    naming_free(&naming);
    tensors_close(file);
}

void fuzz_tensors(const uint8_t *bytes, int64_t size)
{
    read_all(fuzz_file("file.pth", bytes, size));
}

// ---- files made around the bytes --------------------------------------------

typedef struct Made {
    uint8_t *bytes;
    size_t size;
} Made;

static void put(Made *made, const void *bytes, size_t size)
{
    made->bytes = realloc(made->bytes, made->size + size + 1);
    if (size)
        memcpy(made->bytes + made->size, bytes, size);
    made->size += size;
}

static void put_number(Made *made, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        put(made, (uint8_t[]){i < 8 ? (uint8_t)(number >> 8 * i) : 0}, 1);
}

static void put_varint(Made *made, uint64_t number)
{
    for (; number > 127; number >>= 7)
        put_number(made, (number & 127) | 128, 1);
    put_number(made, number, 1);
}

static const char *write_made(const char *name, Made *made)
{
    const char *path = fuzz_file(name, made->bytes, (int64_t)made->size);
    free(made->bytes);
    *made = (Made){0};
    return path;
}

// Two bytes, the low one first, are the first part's length.
static int64_t split(const uint8_t **bytes, int64_t *size)
{
    if (*size < 2)
        return 0;
    int64_t length = (*bytes)[0] | (*bytes)[1] << 8;
    *bytes += 2;
    *size -= 2;
    return length < *size ? length : *size;
}

// ---- PyTorch's --------------------------------------------------------------

static uint32_t zip_sum(const uint8_t *bytes, int64_t size)
{
    uint32_t sum = 0xffffffff;
    for (int64_t i = 0; i < size; i++) {
        sum ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0xedb88320 : 0);
    }
    return ~sum;
}

// What a member's header and its row in the list have in common.
static void put_member(Made *to, const char *name, uint32_t sum, size_t size)
{
    put_number(to, 0, 2); // flags
    put_number(to, 0, 2); // stored
    put_number(to, 0, 4);
    put_number(to, sum, 4);
    put_number(to, size, 4);
    put_number(to, size, 4);
    put_number(to, strlen(name), 2);
    put_number(to, 0, 2);
}

static void add_member(Made *zip, Made *list, const char *name,
                       const uint8_t *bytes, int64_t size)
{
    uint32_t sum = zip_sum(bytes, size);
    size_t start = zip->size;
    put_number(zip, 0x04034b50, 4);
    put_number(zip, 20, 2);
    put_member(zip, name, sum, (size_t)size);
    put(zip, name, strlen(name));
    put(zip, bytes, (size_t)size);
    put_number(list, 0x02014b50, 4);
    put_number(list, 20, 4);
    put_member(list, name, sum, (size_t)size);
    put_number(list, 0, 10);
    put_number(list, start, 4);
    put(list, name, strlen(name));
}

// A pickle, and storages 0 and 1, which share the rest.
void fuzz_pickle(const uint8_t *bytes, int64_t size)
{
    Made zip = {0}, list = {0};
    int64_t length = split(&bytes, &size), half = (size - length) / 2;
    add_member(&zip, &list, "a/data.pkl", bytes, length);
    add_member(&zip, &list, "a/data/0", bytes + length, half);
    add_member(&zip, &list, "a/data/1", bytes + length + half, half);
    size_t start = zip.size, list_size = list.size;
    put(&zip, list.bytes, list.size);
    free(list.bytes);
    put_number(&zip, 0x06054b50, 4);
    put_number(&zip, 0, 4);
    put_number(&zip, 3, 2);
    put_number(&zip, 3, 2);
    put_number(&zip, list_size, 4);
    put_number(&zip, start, 4);
    put_number(&zip, 0, 2);
    read_all(write_made("pickle.pth", &zip));
}

// ---- ONNX -------------------------------------------------------------------

// A net, and the file `d` in which it may have elements.
void fuzz_onnx(const uint8_t *bytes, int64_t size)
{
    int64_t length = split(&bytes, &size);
    fuzz_file("d", bytes + length, size - length);
    read_all(fuzz_file("net.onnx", bytes, length));
}

// ---- TensorFlow's -----------------------------------------------------------

static void put_block(Made *index, const Made *block)
{
    put(index, block->bytes, block->size);
    put_number(index, 0, 1);
    put_number(index,
               crc32c_masked(index->bytes + index->size - block->size - 1,
                             block->size + 1),
               4);
}

// The block of the blocks' places, and the footer.
static const char *write_index(Made *index, size_t size)
{
    Made places = {0};
    put_number(&places, 0x00, 1); // shares nothing
    put_number(&places, 0x01, 1);
    Made handle = {0};
    put_varint(&handle, 0);
    put_varint(&handle, size);
    put_number(&places, handle.size, 1);
    put(&places, "~", 1);
    put(&places, handle.bytes, handle.size);
    put_number(&places, 0, 4);
    free(handle.bytes);
    size_t start = index->size;
    put_block(index, &places);
    Made footer = {0};
    put_varint(&footer, 0);
    put_varint(&footer, 0);
    put_varint(&footer, start);
    put_varint(&footer, places.size);
    while (footer.size < 40)
        put_number(&footer, 0, 1);
    put_number(&footer, 0xdb4775248b80fb57u, 8);
    put(index, footer.bytes, footer.size);
    free(footer.bytes);
    free(places.bytes);
    return write_made("m.index", index);
}

static void read_bundle(const char *index)
{
    char prefix[4096];
    snprintf(prefix, sizeof prefix, "%.*s", (int)strlen(index) - 6, index);
    read_all(prefix);
}

// A block of the index, and the one shard.
void fuzz_bundle(const uint8_t *bytes, int64_t size)
{
    Made index = {0}, block = {0};
    int64_t length = split(&bytes, &size);
    put(&block, bytes, (size_t)length);
    put_block(&index, &block);
    fuzz_file("m.data-00000-of-00001", bytes + length, size - length);
    read_bundle(write_index(&index, block.size));
    free(block.bytes);
}

static void put_entry(Made *block, const char *key, const Made *value)
{
    put_number(block, 0, 1);
    put_varint(block, strlen(key));
    put_varint(block, value->size);
    put(block, key, strlen(key));
    put(block, value->bytes, value->size);
}

// A float: 1 dtype, 2 shape (of rank 0), 4 offset, 5 size, 6 checksum.
static void put_float(Made *block, const char *key, int offset)
{
    static const uint8_t zeros[4];
    Made value = {0};
    put(&value, "\x08\x01\x12\x00\x20", 5);
    put_varint(&value, (uint64_t)offset);
    put(&value, "\x28\x04\x35", 3);
    put_number(&value, crc32c_masked(zeros, 4), 4);
    put_entry(block, key, &value);
    free(value.bytes);
}

// The graph of objects in a saved model of three variables.
void fuzz_objects(const uint8_t *bytes, int64_t size)
{
    Made shard = {0}, block = {0}, index = {0}, value = {0};
    uint32_t length = (uint32_t)size, sum = crc32c(&length, 4);
    uint32_t masked = crc32c_mask(sum);
    sum = crc32c_more(crc32c_more(sum, &masked, 4), bytes, (size_t)size);
    put_number(&shard, 0, 8);
    put_number(&shard, 0, 4);
    put_varint(&shard, (uint64_t)size);
    put_number(&shard, masked, 4);
    put(&shard, bytes, (size_t)size);
    put(&value, "\x08\x01", 2); // one shard
    put_entry(&block, "", &value);
    value.size = 0;
    put(&value, "\x08\x07\x12\x00\x20\x0c\x28", 7);
    put_varint(&value, shard.size - 12);
    put(&value, "\x35", 1);
    put_number(&value, crc32c_mask(sum), 4);
    put_entry(&block, "_CHECKPOINTABLE_OBJECT_GRAPH", &value);
    put_float(&block, "variables/0/.ATTRIBUTES/VARIABLE_VALUE", 0);
    put_float(&block, "variables/1/.ATTRIBUTES/VARIABLE_VALUE", 4);
    put_float(&block, "variables/2/.ATTRIBUTES/VARIABLE_VALUE", 8);
    put_number(&block, 0, 4);
    put_block(&index, &block);
    write_made("m.data-00000-of-00001", &shard);
    read_bundle(write_index(&index, block.size));
    free(block.bytes);
    free(value.bytes);
}
