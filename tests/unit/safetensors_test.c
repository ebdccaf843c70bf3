#include "runtime/files/safetensors.h"

#include <stdlib.h>

#include "runtime/base/file.h"
#include "runtime/files/tensors.h"
#include "tests/harness.h"

static const char *in_folder(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    return path;
}

static void check_bytes(const char *path, const char *want, int64_t size)
{
    char *bytes;
    int64_t got;
    CHECK_TEXT(file_read(path, 1 << 20, &bytes, &got).text, "");
    CHECK_INT(got, size);
    CHECK(got == size && memcmp(bytes, want, (size_t)size) == 0);
    free(bytes);
}

// The bytes the reference writer gives for w = [1, -2].
TEST(safetensors_golden_file)
{
    const char *path = in_folder("golden.safetensors");
    const float w[] = {1, -2};
    SafeTensor tensor = {"w", SAFE_F32, 1, {2}, 8, w};
    SafeMeta meta = {"format", "pt"};
    static const char want[] =
        "\x58\0\0\0\0\0\0\0"
        "{\"__metadata__\":{\"format\":\"pt\"},\"w\":{\"dtype\":\"F32\","
        "\"shape\":[2],\"data_offsets\":[0,8]}}   "
        "\0\0\x80\x3f\0\0\0\xc0";
    CHECK_TEXT(safetensors_write(path, 1, &tensor, 1, &meta).text, "");
    check_bytes(path, want, sizeof want - 1);
}

TEST(safetensors_without_tensors_or_metadata)
{
    const char *path = in_folder("empty.safetensors");
    CHECK_TEXT(safetensors_write(path, 0, NULL, 0, NULL).text, "");
    check_bytes(path, "\x08\0\0\0\0\0\0\0{}      ", 16);
    SafeFile *file;
    CHECK_TEXT(safetensors_open(path, &file).text, "");
    CHECK_INT(safetensors_count(file), 0);
    CHECK(safetensors_find(file, "w") == NULL);
    CHECK(safetensors_meta(file, "format") == NULL);
    safetensors_close(file);
}

// Types, ranks 0 to 3, an empty tensor, names and metadata that need escapes;
// given in an order that the file does not keep.
TEST(safetensors_round_trip)
{
    const char *path = in_folder("all.safetensors");
    const unsigned char flags[3] = {1, 0, 1};
    const uint16_t halves[2] = {0x3f80, 0x7fc0};
    const double wide[1] = {NAN};
    const float cube[6] = {1, 2, 3, 4, 5, INFINITY};
    SafeTensor tensors[] = {
        {"z.flags", SAFE_BOOL, 1, {3}, 3, flags},
        {"b", SAFE_F32, 3, {1, 2, 3}, 24, cube},
        {"half", SAFE_BF16, 2, {2, 1}, 4, halves},
        {"a \"quoted\" \\ \n \xc3\xa9", SAFE_F32, 2, {4, 0}, 0, NULL},
        {"scalar", SAFE_F64, 0, {0}, 8, wide},
    };
    SafeMeta metas[] = {{"step", "12"}, {"note", "tab\t\"\x01"}};
    static const int order[] = {4, 3, 1, 2, 0};
    CHECK_TEXT(safetensors_write(path, 5, tensors, 2, metas).text, "");

    SafeFile *file;
    CHECK_TEXT(safetensors_open(path, &file).text, "");
    if (!file)
        return;
    CHECK_INT(safetensors_count(file), 5);
    for (int i = 0; i < 5; i++) {
        const SafeTensor *want = &tensors[order[i]];
        const SafeTensor *got = safetensors_at(file, i);
        unsigned char data[32];
        CHECK_TEXT(got->name, want->name);
        CHECK(safetensors_find(file, want->name) == got);
        CHECK_INT(got->dtype, want->dtype);
        CHECK_INT(got->rank, want->rank);
        CHECK(memcmp(got->dims, want->dims, sizeof got->dims) == 0);
        CHECK_INT(got->bytes, want->bytes);
        CHECK_TEXT(safetensors_read(file, got, data).text, "");
        CHECK(got->bytes == 0 ||
              memcmp(data, want->data, (size_t)got->bytes) == 0);
        // The data begins on a multiple of 8, so wide types are aligned.
        CHECK_INT(got->offset % safe_dtype_bytes(got->dtype), 0);
    }
    CHECK_INT(safetensors_meta_count(file), 2);
    CHECK_TEXT(safetensors_meta_at(file, 1).key, "step");
    CHECK_TEXT(safetensors_meta(file, "note"), "tab\t\"\x01");
    CHECK_TEXT(safetensors_meta(file, "step"), "12");
    safetensors_close(file);
}

TEST(safetensors_same_bytes_for_any_order)
{
    const float x[] = {1}, y[] = {2};
    SafeTensor forth[] = {{"x", SAFE_F32, 1, {1}, 4, x},
                          {"y", SAFE_F32, 1, {1}, 4, y}};
    SafeTensor back[] = {forth[1], forth[0]};
    const char *path = in_folder("order.safetensors");
    char *bytes;
    int64_t size;
    CHECK_TEXT(safetensors_write(path, 2, forth, 0, NULL).text, "");
    file_read(path, 1 << 20, &bytes, &size);
    CHECK_TEXT(safetensors_write(path, 2, back, 0, NULL).text, "");
    check_bytes(path, bytes, size);
    free(bytes);
}

TEST(safetensors_refuses_to_write_what_the_format_forbids)
{
    const char *path = in_folder("no.safetensors");
    const float x[] = {1, 2};
    SafeTensor good = {"x", SAFE_F32, 1, {2}, 8, x};
    SafeTensor twice[] = {good, good};
    CHECK_INT(safetensors_write(path, 2, twice, 0, NULL).code, STATUS_INTERNAL);
    SafeTensor bad = good;
    bad.bytes = 4;
    CHECK_INT(safetensors_write(path, 1, &bad, 0, NULL).code, STATUS_INTERNAL);
    bad = good;
    bad.name = "__metadata__";
    CHECK_INT(safetensors_write(path, 1, &bad, 0, NULL).code, STATUS_INTERNAL);
    bad.name = "\xff";
    CHECK_INT(safetensors_write(path, 1, &bad, 0, NULL).code, STATUS_INTERNAL);
    CHECK(!file_exists(path));
}

// Types that other programs write are listed, so that a file which also holds
// them can be used.
TEST(safetensors_lists_types_of_others)
{
    const char *path = in_folder("others.safetensors");
    static const char bytes[] =
        "\x4b\0\0\0\0\0\0\0"
        "{\"bn1.num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[],"
        "\"data_offsets\":[0,8]}}\x05\0\0\0\0\0\0\0";
    CHECK_TEXT(file_write(path, bytes, sizeof bytes - 1).text, "");
    SafeFile *file;
    CHECK_TEXT(safetensors_open(path, &file).text, "");
    if (!file)
        return;
    const SafeTensor *tensor = safetensors_at(file, 0);
    CHECK_INT(tensor->dtype, SAFE_I64);
    CHECK_TEXT(safe_dtype_name(tensor->dtype), "I64");
    int64_t number = 0;
    CHECK_TEXT(safetensors_read(file, tensor, &number).text, "");
    CHECK_INT(number, 5);
    safetensors_close(file);
}

// A header's length is the file's beginning: of 640, 896 and 1152 bytes, and of
// 64 KiB more, that is how pickles of protocols 2, 3 and 4 begin.
TEST(safetensors_of_any_length_are_no_pickles)
{
    const char *path = in_folder("long.safetensors");
    const float w[] = {1};
    SafeTensor tensor = {"w", SAFE_F32, 1, {1}, 4, w};
    char note[1200];
    int alike = 0;
    for (int length = 500; length < 1100; length += 8) {
        memset(note, 'x', sizeof note);
        note[length] = '\0';
        SafeMeta meta = {"note", note};
        CHECK_TEXT(safetensors_write(path, 1, &tensor, 1, &meta).text, "");
        char *bytes;
        int64_t size;
        CHECK_TEXT(file_read(path, 1 << 20, &bytes, &size).text, "");
        alike += bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 4;
        free(bytes);
        TensorFile *file;
        CHECK_TEXT(tensors_open(path, &file).text, "");
        CHECK_TEXT(tensors_format(file), "a safetensors file");
        tensors_close(file);
    }
    CHECK_INT(alike, 3);
}
