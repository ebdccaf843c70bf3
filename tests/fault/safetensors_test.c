#include "runtime/files/safetensors.h"

#include <stdlib.h>

#include "runtime/base/file.h"
#include "tests/harness.h"

static char path[200];

// A file of this header, its true length before it, and `data` zero bytes.
static void write_raw(const char *header, uint64_t length, int data)
{
    snprintf(path, sizeof path, "%s/x.safetensors", test_folder());
    FILE *out = fopen(path, "wb");
    for (int i = 0; i < 8; i++)
        fputc((int)(length >> 8 * i & 0xff), out);
    fwrite(header, 1, strlen(header), out);
    for (int i = 0; i < data; i++)
        fputc(0, out);
    fclose(out);
}

static void check_status(const char *header, StatusCode code,
                         const char *reason)
{
    SafeFile *file;
    Status status = safetensors_open(path, &file);
    if (status.code != code || !strstr(status.text, reason))
        test_fail(__FILE__, __LINE__, "%s gives '%s', not '%s'", header,
                  status.text, reason);
    CHECK((file != NULL) == (code == STATUS_OK));
    safetensors_close(file);
}

static void check_header(const char *header, int data, const char *reason)
{
    write_raw(header, strlen(header), data);
    check_status(header, reason ? STATUS_DATA : STATUS_OK,
                 reason ? reason : "");
}

#define T(name, type, shape, begin, end)                                       \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" shape                   \
    "],\"data_offsets\":[" begin "," end "]}"

TEST(safetensors_strange_but_allowed)
{
    check_header("{}", 0, NULL);
    check_header("{ } ", 0, NULL);
    check_header("{" T("a", "F32", "1", "0", "4") "}   ", 4, NULL);
    check_header("{" T("b", "F32", "1", "4", "8") "," //
                 T("a", "F32", "1", "0", "4") "}",
                 8, NULL);
    check_header("{" T("e", "F32", "0", "4", "4") "," //
                 T("a", "F32", "1", "0", "4") ","     //
                 T("f", "F32", "7,0", "0", "0") "}",
                 4, NULL);
    check_header("{\"x\":{\"data_offsets\":[0,1],\"shape\":[],"
                 "\"dtype\":\"U8\"}}",
                 1, NULL);
    check_header("{\"__metadata__\":{}}", 0, NULL);
}

TEST(safetensors_holes_and_overlaps)
{
    check_header("{" T("a", "F32", "1", "4", "8") "}", 8, "a hole");
    check_header("{" T("a", "F32", "1", "0", "4") "," //
                 T("b", "F32", "1", "8", "12") "}",
                 12, "a hole before the data of tensor 'b'");
    check_header("{" T("a", "F32", "2", "0", "8") "," //
                 T("b", "F32", "1", "4", "8") "}",
                 8, "an overlap");
    check_header("{" T("a", "F32", "1", "0", "4") "," //
                 T("b", "F32", "1", "0", "4") "}",
                 4, "an overlap");
    check_header("{" T("a", "F32", "1", "0", "4") "}", 5, "5 bytes of data");
    check_header("{" T("a", "F32", "1", "0", "4") "}", 3, "3 bytes of data");
    check_header("{}", 1, "1 bytes of data");
}

TEST(safetensors_sizes_that_lie)
{
    check_header("{" T("a", "F32", "2", "0", "4") "}", 4, "disagree");
    check_header("{" T("a", "F32", "1", "4", "0") "}", 4, "not a range");
    check_header("{" T("a", "F32", "4611686018427387904", "0", "0") "}", 0,
                 "disagree");
    check_header("{" T("a", "F64", "4294967296,4294967296", "0", "0") "}", 0,
                 "disagree");
    check_header("{" T("a", "F32", "1", "0", "99999999999999999999") "}", 4,
                 "too large");
    check_header("{" T("a", "F32", "-1", "0", "4") "}", 4, "whole number");
    check_header("{" T("a", "F32", "1.0", "0", "4") "}", 4, "whole number");
    check_header("{" T("a", "F32", "1,1,1,1,1,1,1,1,1", "0", "4") "}", 4,
                 "more than 8");
}

TEST(safetensors_keys_twice_unknown_or_missing)
{
    check_header("{" T("a", "F32", "1", "0", "4") "," //
                 T("a", "F32", "1", "4", "8") "}",
                 8, "given twice");
    check_header("{" T("a", "F32", "1", "0", "4") "," //
                 T("\\u0061", "F32", "1", "4", "8") "}",
                 8, "given twice");
    check_header("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice");
    check_header("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "twice");
    check_header("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, "twice");
    check_header("{\"a\":{\"color\":1}}", 0, "unknown key");
    check_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[0]}}", 0, "without");
    check_header("{\"a\":{}}", 0, "without");
    check_header("{" T("a", "Q32", "1", "0", "4") "}", 4, "unknown dtype");
    check_header("{\"a\":{\"data_offsets\":[0]}}", 0, "not a range");
    check_header("{\"a\":{\"data_offsets\":[0,1,2]}}", 0, "not two");
}

TEST(safetensors_malformed_headers)
{
    check_header("", 0, "empty");
    check_header(" {}", 0, "expected '{'");
    check_header("[]", 0, "expected '{'");
    check_header("{", 0, "byte 1");
    check_header("{}x", 0, "after the end");
    check_header("{\"a\":1}", 0, "expected '{'");
    check_header("{\"a\xff\":{}}", 0, "UTF-8");
    check_header("{\"__metadata__\":{\"a\":1}}", 0, "expected a string");
    check_header("{\"__metadata__\":[]}", 0, "expected '{'");
    check_header("{\"__metadata__\":{\"a\"}}", 0, "expected ':'");
}

TEST(safetensors_header_lengths_that_lie)
{
    static const uint64_t lengths[] = {0, 3, 100, 100000000};
    for (int i = 0; i < 4; i++) {
        write_raw("{}", lengths[i], 0);
        check_status("{}", STATUS_DATA, "its header is empty or longer");
    }
    static const uint64_t large[] = {100000001, INT64_MAX, UINT64_MAX};
    for (int i = 0; i < 3; i++) {
        write_raw("{}", large[i], 0);
        check_status("{}", STATUS_DATA, "100,000,000");
    }
    write_raw("{}", 1, 0);
    check_status("{}", STATUS_DATA, "byte 1");
}

static void write_sample(char **bytes, int64_t *size)
{
    snprintf(path, sizeof path, "%s/x.safetensors", test_folder());
    const float w[6] = {1, 2, 3, 4, 5, 6};
    SafeTensor tensors[] = {{"layer.w", SAFE_F32, 2, {2, 3}, 24, w},
                            {"layer.b\n", SAFE_BOOL, 1, {5}, 5, w}};
    SafeMeta meta = {"format", "pt"};
    CHECK_TEXT(safetensors_write(path, 2, tensors, 1, &meta).text, "");
    CHECK_TEXT(file_read(path, 1 << 20, bytes, size).text, "");
}

// Opens the damaged file and reads all it claims to hold.
static StatusCode open_damaged(const char *bytes, int64_t size)
{
    FILE *out = fopen(path, "wb");
    fwrite(bytes, 1, (size_t)size, out);
    fclose(out);
    SafeFile *file;
    Status status = safetensors_open(path, &file);
    for (int i = 0; file && i < safetensors_count(file); i++) {
        const SafeTensor *tensor = safetensors_at(file, i);
        CHECK(tensor->bytes <= size);
        void *data = malloc((size_t)tensor->bytes + 1);
        CHECK_TEXT(safetensors_read(file, tensor, data).text, "");
        free(data);
    }
    safetensors_close(file);
    return status.code;
}

TEST(safetensors_damaged_anywhere)
{
    char *bytes;
    int64_t size;
    write_sample(&bytes, &size);
    for (int64_t length = 0; length < size; length++)
        CHECK_INT(open_damaged(bytes, length), STATUS_DATA);
    for (int64_t at = 0; at < size - 29; at++)
        for (int k = 0; k < 256; k += 5) {
            char kept = bytes[at];
            bytes[at] = (char)k;
            StatusCode code = open_damaged(bytes, size);
            CHECK(code == STATUS_DATA || code == STATUS_OK);
            bytes[at] = kept;
        }
    free(bytes);
}

TEST(safetensors_that_shrink_after_opening)
{
    char *bytes;
    int64_t size;
    write_sample(&bytes, &size);
    SafeFile *file;
    CHECK_TEXT(safetensors_open(path, &file).text, "");
    fclose(fopen(path, "wb"));
    char data[24];
    Status status = safetensors_read(file, safetensors_at(file, 0), data);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "too early") != NULL);
    safetensors_close(file);
    free(bytes);
}

TEST(safetensors_missing_or_a_folder)
{
    SafeFile *file;
    CHECK_INT(safetensors_open("/nonexistent/x", &file).code, STATUS_DATA);
    CHECK_INT(safetensors_open(test_folder(), &file).code, STATUS_DATA);
}
