#include "runtime/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults.h"
#include "tests/harness.h"

static char path[200], temporary[220], target[200];

static void name_path(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
}

static void name_target(const char *name)
{
    snprintf(target, sizeof target, "%s/%s", test_folder(), name);
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

// The reason is that of the call that failed, not of one after it.
TEST(file_reasons_are_the_first)
{
    CHECK_INT(chdir(test_folder()), 0);
    fault_arm(FAULT_FILE, 1);
    Status status = file_make_folder("new/deeper");
    CHECK(fault_disarm());
    CHECK(strstr(status.text, "new'") != NULL);
    CHECK(strstr(status.text, strerror(EROFS)) != NULL);
    if (geteuid() == 0)
        return; // to whom nothing is closed
    name_path("closed");
    CHECK_TEXT(file_make_folder(path).text, "");
    name_path("closed/inside");
    CHECK_TEXT(file_write(path, "x", 1).text, "");
    name_target("closed");
    CHECK_INT(chmod(target, 0), 0);
    char *bytes;
    int64_t size;
    CHECK(file_exists(path));
    status = file_read(path, 10, &bytes, &size);
    CHECK(strstr(status.text, strerror(EACCES)) != NULL);
    name_path("closed/folder");
    status = file_make_folder(path);
    CHECK(strstr(status.text, strerror(EACCES)) != NULL);
    CHECK_INT(chmod(target, 0700), 0);
}

// ---- what is no regular file ------------------------------------------------

static mode_t mode_of(const char *name)
{
    struct stat info = {0};
    CHECK_INT(lstat(name, &info), 0);
    return info.st_mode;
}

static void check_written_through(const char *words)
{
    CHECK_TEXT(file_write(path, words, (int64_t)strlen(words)).text, "");
    CHECK(S_ISLNK(mode_of(path)));
    CHECK(S_ISREG(mode_of(target)));
    check_content(words);
    CHECK(!file_exists(temporary));
}

TEST(file_links_are_followed)
{
    name_target("there/real");
    CHECK_TEXT(file_make_parent(target).text, "");
    CHECK_TEXT(file_write(target, "old", 3).text, "");
    name_path("absolute");
    CHECK_INT(symlink(target, path), 0);
    check_written_through("by an absolute link");
    name_path("relative");
    CHECK_INT(symlink("there/real", path), 0);
    check_written_through("by a relative link");
    name_path("chain");
    CHECK_INT(symlink("relative", path), 0);
    check_written_through("by two links");
    name_target("there/new");
    name_path("to_nothing");
    CHECK_INT(symlink("there/new", path), 0);
    check_written_through("where nothing was");
    name_path("loop");
    CHECK_INT(symlink("loop", path), 0);
    Status status = file_write(path, "x", 1);
    CHECK(strstr(status.text, strerror(ELOOP)) != NULL);
    CHECK(S_ISLNK(mode_of(path)));
}

// What stands at `path` gets the words, and still stands there.
static void check_piped(const char *words)
{
    char got[100] = "";
    pid_t child = fork();
    if (child == 0)
        _exit(file_write(path, words, (int64_t)strlen(words)).code);
    int reader = open(path, O_RDONLY), code = -1;
    size_t used = 0;
    for (ssize_t part; (part = read(reader, got + used, 99 - used)) > 0;)
        used += (size_t)part;
    close(reader);
    waitpid(child, &code, 0);
    CHECK_INT(code, 0);
    CHECK_TEXT(got, words);
    CHECK(!file_exists(temporary));
}

TEST(file_a_pipe_is_written_into)
{
    name_path("pipe");
    CHECK_INT(mkfifo(path, 0600), 0);
    check_piped("words");
    CHECK(S_ISFIFO(mode_of(path)));
    name_target("pipe");
    name_path("link");
    CHECK_INT(symlink(target, path), 0);
    check_piped("more words");
    CHECK(S_ISLNK(mode_of(path)) && S_ISFIFO(mode_of(target)));
    CHECK(file_is_special(path) && file_is_special(test_folder()));
    CHECK_TEXT(file_write(temporary, "", 0).text, "");
    CHECK(!file_is_special(temporary));
    name_path("nothing");
    CHECK(!file_is_special(path));
}

TEST(file_a_folder_is_refused)
{
    name_path("folder");
    CHECK_TEXT(file_make_folder(path).text, "");
    Status status = file_write(path, "x", 1);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(strstr(status.text, strerror(EISDIR)) != NULL);
    CHECK(S_ISDIR(mode_of(path)));
}

// A device of our own: the system's are not for trying this on. Only the
// superuser can make one, and not in every container.
TEST(file_a_device_is_written_into)
{
    name_path("null");
    if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) != 0)
        test_skip("devices cannot be made here");
    int device = open(path, O_WRONLY | O_CLOEXEC);
    if (device < 0)
        test_skip("devices cannot be opened here");
    close(device);
    CHECK_TEXT(file_write(path, "x", 1).text, "");
    CHECK(S_ISCHR(mode_of(path)));
    CHECK(!file_exists(temporary));
}

// Standard output is a regular file when a shell says so, and stays the one
// that the shell opened.
TEST(file_standard_output_is_shared)
{
    name_path("out");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        dup2(file, STDOUT_FILENO);
        printf("before, ");
        if (file_write("/dev/stdout", "in, ", 4).code != STATUS_OK ||
            file_write(path, "by name, ", 9).code != STATUS_OK)
            _exit(1);
        printf("after");
        fflush(stdout);
        _exit(0);
    }
    int code = -1;
    waitpid(child, &code, 0);
    CHECK_INT(code, 0);
    check_content("before, in, by name, after");
}

TEST(file_rights_are_kept)
{
    name_path("private");
    CHECK_TEXT(file_write(path, "old", 3).text, "");
    CHECK_INT(chmod(path, 0640), 0);
    CHECK_TEXT(file_write(path, "new", 3).text, "");
    CHECK_INT(mode_of(path) & 07777, 0640);
    check_content("new");
    CHECK_INT(chmod(path, 0440), 0);
    if (geteuid() == 0)
        return; // who may write everything
    CHECK(strstr(file_write(path, "x", 1).text, strerror(EACCES)) != NULL);
    check_content("new");
}

// Somebody's file may be called like the one that a write is made as.
TEST(file_what_is_in_the_way_is_left_alone)
{
    name_path("a");
    name_target("precious");
    CHECK_TEXT(file_write(target, "precious", 8).text, "");
    CHECK_INT(symlink(target, temporary), 0);
    CHECK_INT(file_write(path, "x", 1).code, STATUS_FAILED);
    CHECK_INT(unlink(temporary), 0);
    CHECK_INT(mkfifo(temporary, 0600), 0);
    CHECK_INT(file_write(path, "x", 1).code, STATUS_FAILED);
    int reader = open(temporary, O_RDONLY | O_NONBLOCK);
    Status status = file_write(path, "x", 1);
    CHECK(strstr(status.text, "no regular file") != NULL);
    close(reader);
    CHECK(S_ISFIFO(mode_of(temporary)));
    CHECK(!file_exists(path));
    name_path("precious");
    check_content("precious");
}

TEST(file_link_goes_to_the_ends_of_links)
{
    name_target("newest");
    CHECK_TEXT(file_write(target, "one", 3).text, "");
    name_path("link");
    CHECK_INT(symlink("newest", path), 0);
    char other[200], best[200];
    snprintf(other, sizeof other, "%s/other", test_folder());
    snprintf(best, sizeof best, "%s/best", test_folder());
    CHECK_TEXT(file_write(other, "old", 3).text, "");
    CHECK_INT(symlink("other", best), 0);
    CHECK_TEXT(file_link(path, best).text, "");
    CHECK(S_ISLNK(mode_of(best)) && S_ISREG(mode_of(other)));
    CHECK_TEXT(file_write(path, "two", 3).text, "");
    CHECK(S_ISLNK(mode_of(path)));
    name_path("other");
    check_content("one"); // what it was named, whatever came after
    name_path("pipe");
    CHECK_INT(mkfifo(path, 0600), 0);
    CHECK_INT(file_link(target, path).code, STATUS_FAILED);
    CHECK(S_ISFIFO(mode_of(path)));
}
