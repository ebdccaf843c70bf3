// TensorFlow's checkpoints, damaged and hostile.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/base/crc32c.h"
#include "tests/bytes.h"
#include "tests/foreign.h"
#include "tests/harness.h"

TEST(tensors_checkpoints_damaged_anywhere)
{
    char *bytes;
    int64_t size;
    copy_file("tests/weights/tf1/model.ckpt-7.data-00000-of-00001",
              "m.data-00000-of-00001", &bytes, &size);
    damage("tests/weights/tf1/model.ckpt-7.index", "m.index", "m", 211);
    // Every byte of the index is summed; so are those of the tensors.
    bytes[size / 2] ^= 4;
    write_foreign("m.data-00000-of-00001", bytes, (size_t)size);
    refuses(in_folder("m"), "is damaged: its checksum is another");
    write_foreign("m.data-00000-of-00001", bytes, (size_t)size - 1);
    refuses(in_folder("m"), "is cut off, or claims more than it has");
    unlink(in_folder("m.data-00000-of-00001"));
    refuses(in_folder("m"), "copy all of its files");
    free(bytes);
}

// ---- checkpoints that lie ---------------------------------------------------

static Bytes block, table;

static void begin_block(void)
{
    block.size = table.size = 0;
}

static void entry(const char *key, const void *value, size_t size)
{
    put_number(&block, 0, 1);
    put_number(&block, strlen(key), 1);
    put_number(&block, size, 1);
    put_text(&block, key);
    put(&block, value, size);
}

static void put_block(const Bytes *of)
{
    size_t start = table.size;
    put(&table, of->at, of->size);
    put_number(&table, 0, 1);
    put_number(&table, crc32c_masked(table.at + start, of->size + 1), 4);
}

// A varint of two bytes.
static void put_place(Bytes *to, size_t place)
{
    put_number(to, (place & 127) | 128, 1);
    put_number(to, place >> 7, 1);
}

// Writes the table with `times` handles of its one block.
static const char *end_table(int times)
{
    Bytes places = {.size = 0};
    put_number(&block, 0, 4);
    put_block(&block);
    for (int i = 0; i < times; i++) {
        put(&places, "\x00\x01\x04~", 4);
        put_place(&places, 0);
        put_place(&places, block.size);
    }
    put_number(&places, 0, 4);
    size_t start = table.size;
    put_block(&places);
    size_t footer = table.size;
    put_number(&table, 0, 2);
    put_place(&table, start);
    put_place(&table, places.size);
    put_number(&table, 0, (int)(footer + 40 - table.size));
    put_number(&table, 0xdb4775248b80fb57u, 8);
    write_foreign("m.index", table.at, table.size);
    write_foreign("m.data-00000-of-00001", "0123456789abcdef", 16);
    return in_folder("m");
}

#define ENTRY(key, value) entry(key, value, sizeof(value) - 1)

TEST(tensors_checkpoints_that_lie)
{
    begin_block();
    ENTRY("", "\x08\x01");
    ENTRY("a", "\x08\x01\x12\x04\x12\x02\x08\x02\x20\x00\x28\x08");
    refuses(end_table(1), "its checksum is another");
    begin_block();
    ENTRY("a", "\x08\x01");
    refuses(end_table(1), "it has no header");
    begin_block();
    ENTRY("", "\x08\xff\xff\xff\xff\x0f");
    refuses(end_table(1), "its header is malformed");
    begin_block();
    ENTRY("", "\x08\x01");
    ENTRY("a", "\x08\x01\x12\x04\x12\x02\x08\x02\x28\x09");
    refuses(end_table(1), "has another size than its shape");
    begin_block();
    ENTRY("", "\x08\x01");
    ENTRY("a", "\x08\x01\x12\x0c\x12\x0a\x08"
               "\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x28\x04");
    refuses(end_table(1), "has another size than its shape");
    begin_block();
    ENTRY("", "\x08\x01");
    ENTRY("a", "\x08\x01\x20\x0d\x28\x04");
    refuses(end_table(1), "is cut off, or claims more than it has");
    begin_block();
    ENTRY("", "\x08\x01");
    ENTRY("a", "\x08\x01\x20\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x28\x04");
    refuses(end_table(1), "reaches beyond its shard");
    begin_block();
    ENTRY("", "\x08\x01");
    ENTRY("a", "\x08\x01\x18\x07\x28\x04");
    refuses(end_table(1), "is in a shard that there is not");
    begin_block();
    ENTRY("", "\x08\x01");
    ENTRY("a", "\x08\x01\x28\x04\x3a\x00");
    refuses(end_table(1), "is stored in slices");
    begin_block();
    ENTRY("", "\x08\x01");
    ENTRY("a", "\x08\x01\x20\x00\x28\x08\x12\x04\x12\x02\x08\x02");
    ENTRY("b", "\x08\x01\x20\x04\x28\x04");
    refuses(end_table(1), "two tensors share their bytes");
    begin_block();
    ENTRY("", "\x08\x01");
    ENTRY("b", "\x08\x01\x28\x04");
    ENTRY("a", "\x08\x01\x20\x04\x28\x04");
    refuses(end_table(1), "its names are not in order");
    // The same block again and again.
    begin_block();
    ENTRY("", "\x08\x01");
    refuses(end_table(3), "a block's place is malformed");
    begin_block();
    put(&block, "\x7f\x01\x01", 3);
    refuses(end_table(1), "an entry of a block is malformed");
    begin_block();
    ENTRY("", "\x08\x01");
    ENTRY("_CHECKPOINTABLE_OBJECT_GRAPH", "\x08\x07\x28\xff\xff\xff\xff\x0f");
    refuses(end_table(1), "its object graph does not fit into it");
}

TEST(tensors_of_checkpoints_when_calls_fail)
{
    begin_block();
    uint8_t value[] = "\x08\x01\x20\x00\x28\x04\x35....";
    uint32_t sum = crc32c_masked("0123", 4);
    memcpy(value + 7, &sum, 4);
    ENTRY("", "\x08\x01");
    ENTRY("a", value);
    char kept[600];
    strcpy(kept, end_table(1));
    inject(FAULT_MEMORY, kept);
    inject(FAULT_FILE, kept);
}
