#include <stdlib.h>

#include "runtime/base/file.h"
#include "tests/harness.h"
#include "tests/program_sample.h"

// A damaged artifact is refused, whatever the damage, and nothing crashes or
// reads outside the file (which a sanitizer build would see).

static char path[200];
static char *bytes;
static int64_t size;

static void write_sample(void)
{
    snprintf(path, sizeof path, "%s/a.simcc", test_folder());
    Program *program = sample_program();
    CHECK_TEXT(program_write(program, path).text, "");
    CHECK_TEXT(file_read(path, 1 << 20, &bytes, &size).text, "");
    program_free(program);
}

// Without the syncs of file_write, which a thousand files need not wait for.
static void check_refused(const char *damaged, int64_t length)
{
    FILE *out = fopen(path, "wb");
    fwrite(damaged, 1, (size_t)length, out);
    fclose(out);
    Program *program;
    Status status = program_read(path, &program);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, path) != NULL);
    CHECK(program == NULL);
}

TEST(artifact_cut_at_every_length_is_refused)
{
    write_sample();
    for (int64_t length = 0; length < size; length++)
        check_refused(bytes, length);
    free(bytes);
}

TEST(artifact_with_any_byte_changed_is_refused)
{
    write_sample();
    for (int64_t at = 0; at < size; at++) {
        char kept = bytes[at];
        bytes[at] = (char)(kept ^ 1 << at % 8);
        check_refused(bytes, size);
        bytes[at] = (char)~kept;
        check_refused(bytes, size);
        bytes[at] = kept;
    }
    free(bytes);
}

TEST(artifact_with_more_bytes_is_refused)
{
    write_sample();
    bytes = realloc(bytes, (size_t)size + 8);
    memset(bytes + size, 0, 8);
    for (int64_t more = 1; more <= 8; more++)
        check_refused(bytes, size + more);
    free(bytes);
}

// The checksum of section `at`, made right again after a change inside it, so
// that the damage reaches the decoder.
static void mend_checksum(char *section)
{
    uint64_t hash = 0xcbf29ce484222325u, length = 0;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | (unsigned char)section[8 + i];
    for (uint64_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)section[24 + i]) * 0x100000001b3u;
    for (int i = 0; i < 8; i++)
        section[16 + i] = (char)(hash >> 8 * i);
}

static int64_t section_length(const char *section)
{
    int64_t length = 0;
    for (int i = 3; i >= 0; i--)
        length = length << 8 | (unsigned char)section[8 + i];
    return length;
}

// Either refused or read as some program that passes every check.
static void check_survived(const char *damaged)
{
    FILE *out = fopen(path, "wb");
    fwrite(damaged, 1, (size_t)size, out);
    fclose(out);
    Program *program;
    Status status = program_read(path, &program);
    CHECK(status.code == STATUS_DATA || status.code == STATUS_OK);
    CHECK((status.code == STATUS_OK) == (program != NULL));
    program_free(program);
}

TEST(artifact_with_changed_bytes_and_right_checksums_is_survived)
{
    static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
    write_sample();
    char *end = bytes + size;
    for (char *section = bytes + 16; section < end;
         section += 24 + section_length(section))
        for (int64_t at = 0; at < section_length(section); at++)
            for (int k = 0; k < 5; k++) {
                char kept = section[24 + at];
                section[24 + at] = (char)values[k];
                mend_checksum(section);
                check_survived(bytes);
                section[24 + at] = kept;
                mend_checksum(section);
            }
    free(bytes);
}

TEST(artifact_missing_or_a_folder)
{
    Program *program;
    CHECK_INT(program_read("/nonexistent/a.simcc", &program).code,
              STATUS_FAILED);
    CHECK_INT(program_read(test_folder(), &program).code, STATUS_DATA);
}
