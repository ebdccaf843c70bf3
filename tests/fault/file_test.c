#include "runtime/base/file.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness.h"

static char path[200], temporary[220];

static void name_path(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
}

static void check_content(const char *want)
{
    char *bytes;
    int64_t size;
    CHECK_TEXT(file_read(path, 1 << 20, &bytes, &size).text, "");
    if (bytes)
        CHECK_TEXT(bytes, want);
    free(bytes);
}

TEST(file_round_trip)
{
    name_path("a");
    CHECK_TEXT(file_write(path, "one", 3).text, "");
    check_content("one");
    CHECK_TEXT(file_write(path, "", 0).text, "");
    check_content("");
    CHECK(file_exists(path) && !file_exists(temporary));
}

// Sizes around the writer's buffer, in pieces of every kind.
TEST(file_many_puts)
{
    enum { SIZE = 400000 };
    name_path("a");
    char *data = malloc(SIZE), *bytes;
    for (int i = 0; i < SIZE; i++)
        data[i] = (char)(i * 7 + i / 256);
    FileWriter writer;
    CHECK_TEXT(file_begin(&writer, path).text, "");
    int at = 0;
    for (int piece = 1; at < SIZE; piece = piece * 3 % 200003) {
        int size = SIZE - at < piece ? SIZE - at : piece;
        file_put(&writer, data + at, size);
        at += size;
    }
    CHECK_TEXT(file_commit(&writer).text, "");
    int64_t size;
    CHECK_TEXT(file_read(path, SIZE, &bytes, &size).text, "");
    CHECK(size == SIZE && memcmp(bytes, data, SIZE) == 0);
    free(bytes);
    free(data);
}

TEST(file_limit_is_kept)
{
    name_path("a");
    char *bytes;
    int64_t size;
    CHECK_TEXT(file_write(path, "12345", 5).text, "");
    CHECK_INT(file_read(path, 4, &bytes, &size).code, STATUS_DATA);
    CHECK(bytes == NULL);
    CHECK_INT(file_read(path, 5, &bytes, &size).code, STATUS_OK);
    free(bytes);
}

// A disk that fills up: the write fails, the old file stays, nothing is left
// behind. RLIMIT_FSIZE holds for root as well.
TEST(file_old_content_survives_a_failed_write)
{
    name_path("a");
    CHECK_TEXT(file_write(path, "old", 3).text, "");
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {100000, 100000}, before;
    getrlimit(RLIMIT_FSIZE, &before);
    limit.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    char *large = calloc(1, 300000);
    Status status = file_write(path, large, 300000);
    setrlimit(RLIMIT_FSIZE, &before);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(strstr(status.text, path) != NULL);
    CHECK(strstr(status.text, strerror(EFBIG)) != NULL);
    check_content("old");
    CHECK(!file_exists(temporary));
    free(large);
}

TEST(file_abandoned_write_leaves_the_old_file)
{
    name_path("a");
    CHECK_TEXT(file_write(path, "old", 3).text, "");
    FileWriter writer;
    CHECK_TEXT(file_begin(&writer, path).text, "");
    file_put(&writer, "new", 3);
    file_abandon(&writer);
    check_content("old");
    CHECK(!file_exists(temporary));
}

// Killed at any moment of many writes, the file is one of the whole ones.
TEST(file_is_whole_after_a_kill)
{
    name_path("a");
    CHECK_TEXT(file_write(path, "aaaaaaaa", 8).text, "");
    for (int round = 0; round < 20; round++) {
        pid_t child = fork();
        if (child == 0) {
            char text[9] = "bbbbbbbb";
            for (;;) {
                memset(text, 'a' + (text[0] - 'a' + 1) % 26, 8);
                FileWriter writer;
                if (file_begin(&writer, path).code != STATUS_OK)
                    _exit(1);
                for (int i = 0; i < 8; i++)
                    file_put(&writer, &text[i], 1);
                file_commit(&writer);
            }
        }
        usleep(1000 + 500 * (useconds_t)round);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        char *bytes;
        int64_t size;
        CHECK_TEXT(file_read(path, 100, &bytes, &size).text, "");
        CHECK_INT(size, 8);
        for (int i = 1; bytes && i < 8; i++)
            CHECK(bytes[i] == bytes[0]);
        free(bytes);
    }
    CHECK_TEXT(file_write(path, "end", 3).text, ""); // over any leftover
    check_content("end");
    CHECK(!file_exists(temporary));
}

TEST(file_errors_name_the_path_and_reason)
{
    char *bytes;
    int64_t size;
    FileWriter writer;
    name_path("missing/a");
    Status status = file_begin(&writer, path);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(strstr(status.text, path) && strstr(status.text, strerror(ENOENT)));
    status = file_read(path, 10, &bytes, &size);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(strstr(status.text, path) && strstr(status.text, strerror(ENOENT)));
    CHECK_INT(file_read(test_folder(), 10, &bytes, &size).code, STATUS_DATA);
    name_path("pipe");
    CHECK_INT(mkfifo(path, 0600), 0);
    CHECK_INT(file_read(path, 10, &bytes, &size).code, STATUS_DATA);
}

TEST(file_folders_are_made)
{
    struct stat info;
    name_path("one/two//three/");
    CHECK_TEXT(file_make_folder(path).text, "");
    CHECK(stat(path, &info) == 0 && S_ISDIR(info.st_mode));
    CHECK_TEXT(file_make_folder(path).text, "");
    name_path("four/five/file");
    CHECK_TEXT(file_make_parent(path).text, "");
    CHECK_TEXT(file_write(path, "x", 1).text, "");
    CHECK_TEXT(file_make_parent("no_folder").text, "");
    name_path("four/five/file/six");
    Status status = file_make_folder(path);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(strstr(status.text, "file") != NULL);
}
