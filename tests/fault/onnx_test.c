// ONNX nets, damaged and hostile: refused with a sentence, by the file's name.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/files/tensors.h"
#include "tests/bytes.h"
#include "tests/foreign.h"
#include "tests/harness.h"

// ---- nets, byte by byte -----------------------------------------------------
//
// Fields by their numbers in onnx.proto.

enum { FLOAT = 1, FLOAT16 = 10, INT64 = 7, STRING = 8 };
enum {
    DIMS = 1,
    TYPE = 2,
    FLOATS = 4,
    INT32S = 5,
    INT64S = 7,
    NAME = 8,
    RAW = 9,
    EXTERNAL = 13,
    LOCATION = 14
};

static Bytes tensor, graph;

static void varint(Bytes *to, uint64_t value)
{
    for (; value > 127; value >>= 7)
        put_number(to, (value & 127) | 128, 1);
    put_number(to, value, 1);
}

static void add_number(Bytes *to, int field, uint64_t value)
{
    varint(to, (uint64_t)field << 3);
    varint(to, value);
}

static void add_bytes(Bytes *to, int field, const void *bytes, size_t size)
{
    varint(to, (uint64_t)field << 3 | 2);
    varint(to, size);
    put(to, bytes, size);
}

static void add_text(Bytes *to, int field, const char *text)
{
    add_bytes(to, field, text, strlen(text));
}

// A tensor of that name and shape, without elements.
static void begin(const char *name, int type, int rank, const int64_t *dims)
{
    tensor.size = 0;
    for (int i = 0; i < rank; i++)
        add_number(&tensor, DIMS, (uint64_t)dims[i]);
    add_number(&tensor, TYPE, (uint64_t)type);
    add_text(&tensor, NAME, name);
}

static void end(void)
{
    add_bytes(&graph, 5, tensor.at, tensor.size);
}

static void pair(const char *key, const char *value)
{
    static Bytes entry;
    entry.size = 0;
    add_text(&entry, 1, key);
    add_text(&entry, 2, value);
    add_bytes(&tensor, EXTERNAL, entry.at, entry.size);
}

static const char *write_net(int graphs)
{
    static Bytes model;
    model.size = 0;
    add_number(&model, 1, 7);
    add_text(&model, 2, "a test");
    for (int i = 0; i < graphs; i++)
        add_bytes(&model, 7, graph.at, graph.size);
    add_bytes(&model, 8, "\x10\x0d", 2);
    write_foreign("x.onnx", model.at, model.size);
    return in_folder("x.onnx");
}

// What is in the graph; the next begins with an empty one.
static void refuses_net(const char *reason)
{
    refuses(write_net(1), reason);
    graph.size = 0;
}

static void refuses_tensor(const char *reason)
{
    end();
    refuses_net(reason);
}

static const int64_t four[] = {4};
static const float zeros[8];

// ---- nets as they should be -------------------------------------------------

TEST(onnx_weights_as_they_should_be)
{
    static const char *const files[] = {
        "older.onnx", "newer.onnx",        "varied.onnx",
        "apart.onnx", "folded_older.onnx", "folded_newer.onnx"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char at[200];
        snprintf(at, sizeof at, "tests/weights/%s", files[i]);
        CHECK_TEXT(read_all(at).text, "");
    }
    begin("w", FLOAT, 1, four);
    add_bytes(&tensor, RAW, zeros, 16);
    end();
    CHECK_TEXT(read_all(write_net(1)).text, "");
    graph.size = 0;
}

// Results of Identity are tensors where its input is one, not of a result.
TEST(onnx_copies_of_tensors)
{
    static const char *const pairs[][2] = {
        {"w", "a"}, {"a", "b"}, {"none", "c"}, {"w", "zz"}, {"zz", "d"}};
    TensorFile *file = NULL;
    float got[4] = {0};
    begin("w", FLOAT, 1, four);
    add_bytes(&tensor, RAW, (const float[]){1, 2, 3, 4}, 16);
    end();
    for (int i = 0; i < 5; i++) {
        Bytes node = {.size = 0};
        add_text(&node, 1, pairs[i][0]);
        add_text(&node, 2, pairs[i][1]);
        add_text(&node, 4, "Identity");
        add_bytes(&graph, 1, node.at, node.size);
    }
    CHECK_TEXT(tensors_open(write_net(1), &file).text, "");
    graph.size = 0;
    CHECK_INT(tensors_count(file), 3);
    CHECK(tensors_find(file, "a") >= 0 && tensors_find(file, "b") < 0);
    CHECK_TEXT(tensors_read(file, tensors_find(file, "zz"), got).text, "");
    CHECK(got[0] == 1 && got[3] == 4);
    tensors_close(file);
}

// ---- nets that lie ----------------------------------------------------------

TEST(onnx_sizes_that_are_not_there)
{
    const int64_t big[] = {INT64_MAX}, below[] = {-1};
    const int64_t wide[] = {(int64_t)1 << 32, (int64_t)1 << 32};
    const int64_t five[] = {5}, many[] = {(int64_t)1 << 40};
    const int64_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    begin("w", FLOAT, 1, big);
    refuses_tensor("tensor w has a size that is none");
    begin("w", FLOAT, 2, wide);
    refuses_tensor("tensor w has a size that is none");
    begin("w", FLOAT, 1, below);
    refuses_tensor("tensor w has a size that is none");
    begin("w", FLOAT, 9, nine);
    refuses_tensor("more than 8 axes");
    begin("w", FLOAT, 1, five);
    add_bytes(&tensor, RAW, zeros, 16);
    refuses_tensor("tensor w has another size than its shape");
    begin("w", FLOAT, 1, four);
    refuses_tensor("tensor w has another size than its shape");
    begin("w", FLOAT, 1, four);
    add_bytes(&tensor, FLOATS, zeros, 20);
    refuses_tensor("tensor w has another size than its shape");
    // Of varints, fewer and more than there should be, and none at all.
    begin("w", INT64, 1, four);
    add_bytes(&tensor, INT64S, "\x01\x02\x03", 3);
    refuses_tensor("tensor w has another size than its shape");
    begin("w", INT64, 1, four);
    add_bytes(&tensor, INT64S, "\x01\x02\x03\x04\x05", 5);
    refuses_tensor("tensor w has another size than its shape");
    begin("w", FLOAT16, 1, four);
    add_bytes(&tensor, INT32S, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
              11);
    refuses_tensor("tensor w has another size than its shape");
    // A terabyte of them, in eight bytes.
    begin("w", INT64, 1, many);
    add_bytes(&tensor, INT64S, zeros, 8);
    refuses_tensor("tensor w has another size than its shape");
    begin("w", FLOAT, 1, four);
    put_text(&tensor, "\x4a\xff\xff\xff\x7f"); // raw_data of 256 MB
    refuses_tensor("cut off, or claims more than it has");
}

TEST(onnx_tensors_that_are_none)
{
    char long_name[2001];
    memset(long_name, 'a', 2000);
    long_name[2000] = 0;
    begin("w", STRING, 1, four);
    refuses_tensor("tensor w has elements of a type that is not read");
    begin("w", 99, 1, four);
    refuses_tensor("tensor w has elements of a type that is not read");
    begin("w", INT64, 1, four);
    add_bytes(&tensor, INT32S, "\x01\x02\x03\x04", 4);
    refuses_tensor("tensor w has elements of another type");
    begin("w", FLOAT, 1, four);
    add_bytes(&tensor, RAW, zeros, 16);
    add_bytes(&tensor, FLOATS, zeros, 16);
    refuses_tensor("elements in several fields");
    begin("w", INT64, 1, four);
    add_number(&tensor, INT64S, 1);
    refuses_tensor("elements in several fields");
    begin(long_name, FLOAT, 0, NULL);
    refuses_tensor("a name of 1024 bytes and more, or with a zero");
    begin("w?", FLOAT, 0, NULL);
    *(uint8_t *)memchr(tensor.at, '?', tensor.size) = 0;
    refuses_tensor("a name of 1024 bytes and more, or with a zero");
    for (int i = 0; i < 2; i++) {
        begin("w", FLOAT, 1, four);
        add_bytes(&tensor, RAW, zeros, 16);
        end();
    }
    refuses_net("tensor w is there twice");
    // The copy that an operation makes of it, under the name of another.
    for (int i = 0; i < 2; i++) {
        begin(i ? "v" : "w", FLOAT, 1, four);
        add_bytes(&tensor, RAW, zeros, 16);
        end();
    }
    Bytes node = {.size = 0};
    add_text(&node, 1, "w");
    add_text(&node, 2, "v");
    add_text(&node, 4, "Identity");
    add_bytes(&graph, 1, node.at, node.size);
    refuses_net("tensor v is there twice");
}

TEST(onnx_nets_that_are_none)
{
    refuses(write_net(0), "it has no graph, or several");
    refuses(write_net(2), "it has no graph, or several");
    add_bytes(&graph, 15, "", 0);
    refuses_net("sparse weights, which are not read");
    write_foreign("y.onnx", "hello", 5);
    refuses(in_folder("y.onnx"), "cannot be read as an ONNX net");
    write_foreign("y.onnx", "", 0);
    refuses(in_folder("y.onnx"), "it has no graph");
    // Endless metadata of one that says it is ours.
    static Bytes model;
    model.size = 0;
    add_number(&model, 1, 7);
    add_text(&model, 2, "simcc");
    add_bytes(&model, 7, "", 0);
    add_bytes(&model, 8, "\x10\x0d", 2);
    for (int i = 0; i < 65; i++)
        add_bytes(&model, 14, "\x0a\x01k\x12\x01v", 6);
    write_foreign("y.onnx", model.at, model.size);
    refuses(in_folder("y.onnx"), "more than 64 metadata");
}

// ---- elements beside the net ------------------------------------------------

// A tensor of four floats at that place of a file.
static void beside(const char *name, const char *location, const char *offset,
                   const char *length)
{
    begin(name, FLOAT, 1, four);
    pair("location", location);
    pair("offset", offset);
    if (length)
        pair("length", length);
    add_number(&tensor, LOCATION, 1);
    end();
}

static void refuses_place(const char *location, const char *offset,
                          const char *length, const char *reason)
{
    beside("w", location, offset, length);
    refuses_net(reason);
}

TEST(onnx_elements_beside_the_net)
{
    static const char outside[] =
        "tensor w would be read from outside of the net's folder";
    write_foreign("d", zeros, 32);
    mkdir(in_folder("sub"), 0700);
    write_foreign("sub/..d", zeros, 32);
    beside("v", "d", "16", "16");
    beside("w", "d", "0", NULL);
    beside("u", "sub/..d", "16", "16");
    CHECK_TEXT(read_all(write_net(1)).text, "");
    graph.size = 0;
    refuses_place("../d", "0", "16", outside);
    refuses_place("..", "0", "16", outside);
    refuses_place("sub/../../d", "0", "16", outside);
    refuses_place("sub/..", "0", "16", outside);
    refuses_place("/etc/passwd", "0", "16", outside);
    refuses_place("", "0", "16", outside);
    refuses_place("none", "0", "16", "is missing, which has weights of");
    refuses_place("d", "17", "16", "claims more than it has");
    refuses_place("d", "9223372036854775807", "16", "claims more than it has");
    refuses_place("d", "99999999999999999999", "16", "is no number");
    refuses_place("d", "-1", "16", "is no number");
    refuses_place("d", "0x10", "16", "is no number");
    refuses_place("d", "0", "32", "another size than its shape");
    refuses_place("d", "0", "9223372036854775807",
                  "another size than its shape");
    refuses_place("sub", "0", "16", "not a regular file");
    CHECK_INT(mkfifo(in_folder("pipe"), 0600), 0);
    refuses_place("pipe", "0", "16", "not a regular file");
    beside("v", "d", "4", "16");
    refuses_place("d", "0", "16", "two tensors share their bytes");
}

// ---- past 2 GB --------------------------------------------------------------

static float read_one(const char *name)
{
    TensorFile *file = NULL;
    float element = 0;
    CHECK_TEXT(tensors_open(in_folder("x.onnx"), &file).text, "");
    int at = file ? tensors_find(file, name) : -1;
    CHECK(at >= 0);
    if (at >= 0)
        CHECK_TEXT(tensors_read(file, at, &element).text, "");
    tensors_close(file);
    return element;
}

// Files with holes in them, of which little is written and less is read.
TEST(onnx_past_two_gigabytes)
{
    const int64_t hole = 3000000000, large[] = {hole / 4};
    const float half = 0.5f;
    Bytes behind = {.size = 0};
    begin("w", FLOAT, 0, NULL);
    pair("location", "far");
    pair("offset", "3000000000");
    add_number(&tensor, LOCATION, 1);
    end();
    write_net(1);
    graph.size = 0;
    write_foreign("far", "", 0);
    int file = open(in_folder("far"), O_WRONLY);
    CHECK_INT(pwrite(file, &half, 4, hole), 4);
    close(file);
    CHECK_NEAR(read_one("w"), 0.5, 0);
    // The same within the net, behind a tensor of 3 GB.
    begin("v", FLOAT, 0, NULL);
    add_bytes(&tensor, RAW, &half, 4);
    add_bytes(&behind, 5, tensor.at, tensor.size);
    begin("w", FLOAT, 1, large);
    varint(&tensor, RAW << 3 | 2);
    varint(&tensor, (uint64_t)hole);
    Bytes head = {.size = 0}, model = {.size = 0};
    varint(&head, 5 << 3 | 2);
    varint(&head, tensor.size + (uint64_t)hole);
    put(&head, tensor.at, tensor.size);
    add_number(&model, 1, 7);
    varint(&model, 7 << 3 | 2);
    varint(&model, head.size + (uint64_t)hole + behind.size);
    put(&model, head.at, head.size);
    write_foreign("x.onnx", model.at, model.size);
    add_bytes(&behind, 8, "\x10\x0d", 2); // of the model again
    file = open(in_folder("x.onnx"), O_WRONLY);
    CHECK_INT(pwrite(file, behind.at, behind.size, hole + (int64_t)model.size),
              behind.size);
    close(file);
    CHECK_NEAR(read_one("v"), 0.5, 0);
}

// ---- damaged anywhere -------------------------------------------------------

TEST(onnx_damaged_anywhere)
{
    damage("tests/weights/older.onnx", "x.onnx", "x.onnx", 997);
    damage("tests/weights/varied.onnx", "y.onnx", "y.onnx", 1009);
}

TEST(onnx_when_calls_fail)
{
    static const char *const files[] = {"tests/weights/varied.onnx",
                                        "tests/weights/apart.onnx"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        inject(FAULT_MEMORY, files[i]);
        inject(FAULT_FILE, files[i]);
    }
    fault_arm(FAULT_PIECES, 7);
    CHECK_TEXT(read_all("tests/weights/newer.onnx").text, "");
    fault_disarm();
}
