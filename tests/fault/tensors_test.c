// Other programs' files of weights, damaged and hostile: refused with a
// sentence, by the file's name, in little memory; nothing in them is executed.
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>

#include "runtime/base/file.h"
#include "tests/bytes.h"
#include "tests/foreign.h"
#include "tests/harness.h"

static const char *path; // of the file written last

// ---- archives ---------------------------------------------------------------

typedef struct Member {
    const char *name;
    const void *bytes;
    size_t size;
    bool deflated;
    uint32_t claims; // bytes unpacked; 0 = as many as there are
    int flags, method;
    size_t same_as; // lists the place of another: that plus 1
} Member;

static Bytes archive, list;
static size_t members;

static void begin_archive(void)
{
    archive.size = list.size = members = 0;
}

static void put_header(Bytes *to, const Member *member, uint32_t crc,
                       size_t packed)
{
    int method = member->method ? member->method : member->deflated ? 8 : 0;
    put_number(to, (uint64_t)member->flags, 2);
    put_number(to, (uint64_t)method, 2);
    put_number(to, 0, 4);
    put_number(to, crc, 4);
    put_number(to, packed, 4);
    put_number(to, member->claims ? member->claims : member->size, 4);
    put_number(to, strlen(member->name), 2);
    put_number(to, 0, 2);
}

static void add(Member member)
{
    static uint8_t room[1 << 16];
    size_t packed = member.size, start = archive.size;
    const void *bytes = member.bytes;
    uint32_t crc = (uint32_t)crc32(0, member.bytes, (uInt)member.size);
    if (member.deflated) {
        z_stream stream = {0};
        CHECK_INT(deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, 0), Z_OK);
        stream.next_in = (uint8_t *)member.bytes;
        stream.avail_in = (uInt)member.size;
        stream.next_out = room;
        stream.avail_out = sizeof room;
        CHECK_INT(deflate(&stream, Z_FINISH), Z_STREAM_END);
        packed = stream.total_out;
        deflateEnd(&stream);
        bytes = room;
    }
    put_number(&archive, 0x04034b50, 4);
    put_number(&archive, 20, 2);
    put_header(&archive, &member, crc, packed);
    put_text(&archive, member.name);
    put(&archive, bytes, packed);
    put_number(&list, 0x02014b50, 4);
    put_number(&list, 20, 4);
    put_header(&list, &member, crc, packed);
    put_number(&list, 0, 10);
    put_number(&list, member.same_as ? member.same_as - 1 : start, 4);
    put_text(&list, member.name);
    members++;
}

static const char *end_archive(void)
{
    size_t start = archive.size;
    put(&archive, list.at, list.size);
    put_number(&archive, 0x06054b50, 4);
    put_number(&archive, 0, 4);
    put_number(&archive, members, 2);
    put_number(&archive, members, 2);
    put_number(&archive, list.size, 4);
    put_number(&archive, start, 4);
    put_number(&archive, 0, 2);
    write_foreign("x.pth", archive.at, archive.size);
    return path = in_folder("x.pth");
}

// ---- pickles ----------------------------------------------------------------

static Bytes pickle;

static void begin_pickle(void)
{
    pickle.size = 0;
    put(&pickle, "\x80\x02", 2);
}

static void name(const char *module, const char *function)
{
    put_text(&pickle, "c");
    put_text(&pickle, module);
    put_text(&pickle, "\n");
    put_text(&pickle, function);
    put_text(&pickle, "\n");
}

static void text(const char *value)
{
    put_text(&pickle, "X");
    put_number(&pickle, strlen(value), 4);
    put_text(&pickle, value);
}

static void whole(int64_t value)
{
    put_text(&pickle, "\x8a\x08");
    put_number(&pickle, (uint64_t)value, 8);
}

// {KEY: a tensor}, with a storage of so many floats, an offset, rank dims and
// strides; leaves the dict on the stack.
static void tensor(const char *key, int64_t count, int64_t offset, int rank,
                   const int64_t *dims, const int64_t *strides)
{
    text(key);
    name("torch._utils", "_rebuild_tensor_v2");
    put_text(&pickle, "((");
    text("storage");
    name("torch", "FloatStorage");
    text("0");
    text("cpu");
    whole(count);
    put_text(&pickle, "tQ");
    whole(offset);
    for (int i = 0; i < 2; i++) {
        put_text(&pickle, "(");
        for (int d = 0; d < rank; d++)
            whole((i ? strides : dims)[d]);
        put_text(&pickle, "t");
    }
    put_text(&pickle, "\x89}tRs");
}

static const char *end_pickle(void)
{
    static const float zeros[4];
    put_text(&pickle, ".");
    begin_archive();
    add((Member){"a/data.pkl", pickle.at, pickle.size});
    add((Member){"a/data/0", zeros, sizeof zeros});
    return end_archive();
}

static void refuses_tensor(int64_t count, int64_t offset, int rank,
                           const int64_t *dims, const int64_t *strides,
                           const char *reason)
{
    begin_pickle();
    put_text(&pickle, "}");
    tensor("w", count, offset, rank, dims, strides);
    refuses(end_pickle(), reason);
}

static void refuses_pickle(const char *reason)
{
    refuses(end_pickle(), reason);
}

// ---- a file as it should be -------------------------------------------------

TEST(tensors_as_they_should_be)
{
    const int64_t dims[] = {2, 2}, strides[] = {1, 2};
    begin_pickle();
    put_text(&pickle, "}");
    tensor("w", 4, 0, 2, dims, strides);
    CHECK_TEXT(read_all(end_pickle()).text, "");
    static const char *const files[] = {"torchvision.pth",
                                        "before16.pth",
                                        "views.pth",
                                        "bigendian.pth",
                                        "arrays.npz",
                                        "lightly.ckpt",
                                        "sololearn.ckpt",
                                        "bolts.ckpt",
                                        "sthalles.pth.tar",
                                        "simclrv2.pth",
                                        "tf1",
                                        "tf2",
                                        "tf1_sk_shards",
                                        "tf2_saved",
                                        "tf1/model.ckpt-7",
                                        "tf2/ckpt-3.index",
                                        "tf2/ckpt-3.data-00000-of-00001"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char at[200];
        snprintf(at, sizeof at, "tests/weights/%s", files[i]);
        CHECK_TEXT(read_all(at).text, "");
    }
}

// ---- pickles that are programs ----------------------------------------------

TEST(tensors_pickles_that_call)
{
    begin_pickle();
    name("posix", "system");
    put_text(&pickle, "(");
    text("touch /tmp/simcc-was-here");
    put_text(&pickle, "tR");
    refuses_pickle("names posix.system, which no state dict needs; nothing of "
                   "it was executed");
    CHECK(!file_exists("/tmp/simcc-was-here"));
    begin_pickle();
    put_text(&pickle, "\x8c\x08"
                      "builtins\x8c\x04"
                      "eval\x93");
    refuses_pickle("names builtins.eval");
    begin_pickle();
    name("torch.storage", "_load_from_bytes");
    refuses_pickle("names torch.storage._load_from_bytes");
    // Beside the state dict, called or not.
    const int64_t one[] = {1};
    begin_pickle();
    put_text(&pickle, "}");
    tensor("w", 4, 0, 1, one, one);
    text("hook");
    name("os", "system");
    put_text(&pickle, "s");
    refuses_pickle("names os.system");
    begin_pickle();
    put_text(&pickle, "(ios\nsystem\n");
    refuses_pickle("opcode 0x69 at byte 3");
    begin_pickle();
    name("torchvision.models.resnet", "ResNet");
    refuses_pickle("torch.save(model.state_dict(), FILE)");
    // A dict is no function.
    begin_pickle();
    put_text(&pickle, "})R");
    refuses_pickle("a call of what is no function");
}

TEST(tensors_pickles_that_grow)
{
    // A list of itself.
    begin_pickle();
    put_text(&pickle, "]q\x01h\x01"
                      "a");
    refuses_pickle("a container holds itself");
    begin_pickle();
    put_text(&pickle, "}q\x01");
    text("a");
    put_text(&pickle, "h\x01s");
    refuses_pickle("a container holds itself");
    // Sixty lists, each twice the one before.
    begin_pickle();
    put_text(&pickle, "]");
    for (int i = 0; i < 60; i++) {
        put_text(&pickle, "q");
        put_number(&pickle, (uint64_t)i + 1, 1);
        put_text(&pickle, "](h");
        put_number(&pickle, (uint64_t)i + 1, 1);
        put_text(&pickle, "h");
        put_number(&pickle, (uint64_t)i + 1, 1);
        put_text(&pickle, "e");
    }
    refuses_pickle("nested beyond any state dict");
    begin_pickle();
    for (int i = 0; i < 1000; i++)
        put_text(&pickle, "]");
    for (int i = 0; i < 999; i++)
        put_text(&pickle, "a");
    refuses_pickle("nested beyond any state dict");
    begin_pickle();
    put_text(&pickle, "]r\xff\xff\xff\xff");
    refuses_pickle("a memo's number is too large");
    begin_pickle();
    put_text(&pickle, "X\xff\xff\xff\xff");
    refuses_pickle("it is cut off");
    begin_pickle();
    put_text(&pickle, "\x8a\xff");
    refuses_pickle("it is cut off");
    begin_pickle();
    put_text(&pickle, "t");
    refuses_pickle("no mark is on the stack");
    begin_pickle();
    refuses_pickle("nothing is on the stack");
    begin_pickle();
    put_text(&pickle, "h\x05");
    refuses_pickle("a memo that was not made");
    begin_pickle();
    put_text(&pickle, "}");
    refuses_pickle("holds no tensor");
}

// A name of 2000 bytes, one with a zero, and the same twice.
TEST(tensors_names_that_are_none)
{
    const int64_t one[] = {1};
    char name_2000[2001];
    memset(name_2000, 'a', 2000);
    name_2000[2000] = 0;
    begin_pickle();
    put_text(&pickle, "}");
    tensor(name_2000, 4, 0, 1, one, one);
    refuses_pickle("a name of 1024 bytes");
    begin_pickle();
    put_text(&pickle, "}");
    tensor("a?b", 4, 0, 1, one, one);
    uint8_t *mark = memchr(pickle.at, '?', pickle.size);
    *mark = 0;
    refuses_pickle("or with a zero");
    begin_pickle();
    put_text(&pickle, "}");
    tensor("w", 4, 0, 1, one, one);
    tensor("w", 4, 0, 1, one, one);
    refuses_pickle("tensor w is there twice");
}

// ---- sizes ------------------------------------------------------------------

TEST(tensors_sizes_that_are_not_there)
{
    const int64_t one[] = {1, 1}, big[] = {INT64_MAX, 1};
    const int64_t wide[] = {(int64_t)1 << 32, (int64_t)1 << 32};
    const int64_t below[] = {-1, -1}, none[] = {0, 0}, two[] = {2, 2};
    refuses_tensor(4, 0, 1, big, one, "has a size that is none");
    refuses_tensor(4, 0, 2, wide, none, "has a size that is none");
    refuses_tensor(4, 0, 1, below, one, "has a size that is none");
    refuses_tensor(4, 0, 1, two, big, "reaches beyond the bytes there are");
    refuses_tensor(4, 0, 1, two, below, "reaches beyond the bytes there are");
    refuses_tensor(4, 3, 1, two, one, "reaches beyond the bytes there are");
    refuses_tensor(4, INT64_MAX, 1, one, one, "begins before its storage");
    refuses_tensor(4, -1, 1, one, one, "begins before its storage");
    refuses_tensor(5, 0, 1, one, one, "its storage claims 5 elements");
    refuses_tensor(INT64_MAX, 0, 1, one, one, "and has fewer bytes");
    refuses_tensor(-1, 0, 1, one, one, "and has fewer bytes");
    // One float shown 2^32 times.
    refuses_tensor(4, 0, 1, wide, none, "shows the same elements many times");
    const int64_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    refuses_tensor(4, 0, 9, nine, nine, "described in another way");
}

// ---- archives that lie ------------------------------------------------------

static void put_sample(void)
{
    const int64_t two[] = {2, 2}, strides[] = {2, 1};
    begin_pickle();
    put_text(&pickle, "}");
    tensor("w", 4, 0, 2, two, strides);
    put_text(&pickle, ".");
    begin_archive();
}

TEST(tensors_archives_that_lie)
{
    static const float zeros[4];
    static const uint8_t many[60000];
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size});
    refuses(end_archive(), "its storage a/data/0 is missing");
    // A bomb: a hundred bytes that would be 4 GB.
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size});
    add((Member){"a/data/0", many, sizeof many, true, .claims = 0xfffffff0});
    refuses(end_archive(), "cannot hold");
    // One that unpacks to more, or less, than it claims.
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size});
    add((Member){"a/data/0", many, sizeof many, true, .claims = 16});
    refuses(end_archive(), "is not as long as the archive says");
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size});
    add((Member){"a/data/0", zeros, sizeof zeros, true, .claims = 17});
    refuses(end_archive(), "is not as long as the archive says");
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size});
    add((Member){"a/data/0", zeros, sizeof zeros});
    add((Member){"a/data/1", zeros, sizeof zeros, .same_as = 1});
    refuses(end_archive(), "overlap");
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size});
    add((Member){"a/data/0", zeros, sizeof zeros});
    add((Member){"a/data/0", zeros, sizeof zeros});
    refuses(end_archive(), "two members are named a/data/0");
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size, .flags = 1});
    refuses(end_archive(), "is encrypted");
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size, .method = 14});
    refuses(end_archive(), "is packed by method 14");
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size});
    add((Member){"a/data/0", zeros, sizeof zeros, .same_as = 1 << 20});
    refuses(end_archive(), "would lie outside of it");
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size});
    add((Member){"a/data/0", zeros, sizeof zeros});
    add((Member){"a/byteorder", "middle", 6});
    refuses(end_archive(), "its byte order is neither");
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size});
    add((Member){"a/constants.pkl", "x", 1});
    refuses(end_archive(), "is TorchScript");
    begin_archive();
    add((Member){"config.json", "{}", 2});
    add((Member){"model.weights.h5", "x", 1});
    refuses(end_archive(), "is a Keras 3 model");
    begin_archive();
    add((Member){"photo.jpg", "x", 1});
    refuses(end_archive(), "is a zip archive without weights");
    begin_archive();
    refuses(end_archive(), "is a zip archive without weights");
    // A flipped bit in the elements shows when the file is verified.
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size});
    add((Member){"a/data/0", zeros, sizeof zeros});
    end_archive();
    uint8_t *data = memmem(archive.at, archive.size, "a/data/0", 8);
    data[8] ^= 1;
    write_foreign("x.pth", archive.at, archive.size);
    refuses(path, "a/data/0 has another checksum");
}

static void refuses_array(const char *header, const char *reason)
{
    Bytes array = {.size = 0};
    put(&array, "\x93NUMPY\x01\x00", 8);
    put_number(&array, strlen(header), 2);
    put_text(&array, header);
    put_number(&array, 0, 16);
    begin_archive();
    add((Member){"w.npy", array.at, array.size});
    refuses(end_archive(), reason);
}

TEST(tensors_arrays_that_lie)
{
    refuses_array("{'descr': '<f4', 'fortran_order': False, 'shape': "
                  "(9223372036854775807,), }",
                  "has a size that is none");
    refuses_array("{'descr': '<f4', 'fortran_order': False, 'shape': "
                  "(99999999999999999999,), }",
                  "is no .npy file of numbers");
    refuses_array("{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }",
                  "reaches beyond the bytes there are");
    refuses_array("{'descr': '<f4', 'fortran_order': True, 'shape': "
                  "(4294967296, 4294967296, 2), }",
                  "is no .npy file of numbers");
    refuses_array("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
                  "is no .npy file of numbers");
    refuses_array("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
                  "is big-endian");
    refuses_array("{'descr': '<f4', 'fortran_order': False, 'shape': (1, ",
                  "is no .npy file of numbers");
    refuses_array("", "is no .npy file of numbers");
}

TEST(tensors_other_files)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *advice;
    } rows[] = {{"\x89HDF\r\n\x1a\n", 8, "tf.train.Checkpoint(model=model)"},
                {"\x1f\x8b\x08", 3, "gunzip it first"},
                {"\x93NUMPY\x01", 7, "one NumPy array"},
                {"\x80\x04}.", 4, "a pickle, but not torch.save's"},
                {"", 0, "not a safetensors file"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_foreign("x", rows[i].bytes, rows[i].size);
        refuses(in_folder("x"), rows[i].advice);
    }
    CHECK_INT(read_all("/nonexistent/x.pth").code, STATUS_DATA);
    refuses(test_folder(), "without a TensorFlow checkpoint");
    CHECK_INT(mkfifo(in_folder("pipe"), 0600), 0);
    refuses(in_folder("pipe"), "not a regular file");
}

// ---- cut off and changed anywhere -------------------------------------------

TEST(tensors_damaged_anywhere)
{
    damage("tests/fuzz/corpus/tensors/zip", "x", "x", 5);
    damage("tests/fuzz/corpus/tensors/legacy", "y", "y", 3);
    damage("tests/fuzz/corpus/tensors/npz_deflated", "z", "z", 2);
}

// ---- memory -----------------------------------------------------------------

// Whatever a file claims, little is asked for: with 64 MB more than there is
// now, none of them ends for want of memory.
TEST(tensors_in_little_memory)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    test_skip("sanitizers reserve address space");
#endif
    struct rlimit limit;
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm && fscanf(statm, "%ld", &pages) == 1);
    fclose(statm);
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = (rlim_t)pages * 4096 + ((rlim_t)64 << 20);
    CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
    const int64_t wide[] = {(int64_t)1 << 32}, none[] = {0};
    refuses_tensor(4, 0, 1, wide, none, "shows the same elements many times");
    static const uint8_t many[60000];
    put_sample();
    add((Member){"a/data.pkl", pickle.at, pickle.size});
    add((Member){"a/data/0", many, sizeof many, true, .claims = 16});
    refuses(end_archive(), "is not as long as the archive says");
    begin_pickle();
    for (int i = 0; i < 60000; i++)
        put_text(&pickle, "}");
    refuses_pickle("holds no tensor");
    CHECK_TEXT(read_all("tests/weights/tf2_saved").text, "");
}

TEST(tensors_when_calls_fail)
{
    static const char *const files[] = {
        "tests/fuzz/corpus/tensors/zip", "tests/fuzz/corpus/tensors/legacy",
        "tests/fuzz/corpus/tensors/npz_deflated"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        inject(FAULT_MEMORY, files[i]);
        inject(FAULT_FILE, files[i]);
    }
}

TEST(tensors_read_in_pieces)
{
    fault_arm(FAULT_PIECES, 7);
    CHECK_TEXT(read_all("tests/weights/torchvision.pth").text, "");
    CHECK_TEXT(read_all("tests/weights/tf2").text, "");
    fault_disarm();
}
