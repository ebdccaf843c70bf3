#include "runtime/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 16 };

static Status file_error(const char *verb, const char *path)
{
    return status_error(STATUS_FAILED, "cannot %s '%s': %s", verb, path,
                        strerror(errno));
}

static char *join(const char *path, const char *suffix)
{
    size_t size = strlen(path) + strlen(suffix) + 1;
    char *text = malloc(size);
    if (text)
        snprintf(text, size, "%s%s", path, suffix);
    return text;
}

// The name of the folder that holds `path`: all before its last name.
static char *parent_of(const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    while (length > 1 && path[length - 1] == '/')
        length--;
    return length == 0 ? strdup(".") : strndup(path, length);
}

// ---- where a path leads -----------------------------------------------------

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool file_is_same(const char *path, const char *other)
{
    struct stat a, b;
    return stat(path, &a) == 0 && S_ISREG(a.st_mode) && stat(other, &b) == 0 &&
           is_same(&a, &b);
}

// What a symbolic link says, as a path from where the caller stands; NULL with
// errno.
static char *read_link(const char *path)
{
    enum { ROOM = 4096 };
    char words[ROOM];
    ssize_t length = readlink(path, words, sizeof words - 1);
    if (length < 0)
        return NULL;
    words[length] = '\0';
    if (words[0] == '/')
        return strdup(words);
    char *folder = parent_of(path), *slashed = folder ? join(folder, "/") : 0;
    char *target = slashed ? join(slashed, words) : NULL;
    free(folder);
    free(slashed);
    return target;
}

// The place that a path without a file means: links lead to where there is
// nothing yet. *target is malloc'ed.
static Status follow_to_nothing(const char *path, char **target)
{
    enum { MOST_LINKS = 40 }; // as Linux itself follows
    struct stat info;
    char *at = strdup(path);
    for (int i = 0; at && lstat(at, &info) == 0 && S_ISLNK(info.st_mode); i++) {
        errno = i < MOST_LINKS ? 0 : ELOOP;
        char *next = errno ? NULL : read_link(at);
        int reason = errno;
        free(at);
        at = next;
        errno = reason;
        if (!next && reason)
            return file_error("write", path);
    }
    *target = at;
    return at ? status_ok()
              : status_error(STATUS_MEMORY, "no memory to write '%s'", path);
}

// What is at the end of a path. `regular`: a regular file under the name
// *target, malloc'ed, or nothing yet. Otherwise it is what is written where it
// is: a pipe, a device, standard output, a file without a name any more.
typedef struct Place {
    bool there, regular;
    int stream;       // it is this process's standard output or error; or -1
    struct stat info; // when it is there
} Place;

static int find_stream(const struct stat *wanted)
{
    struct stat info;
    for (int stream = STDOUT_FILENO; stream <= STDERR_FILENO; stream++)
        if (fstat(stream, &info) == 0 && is_same(&info, wanted))
            return stream;
    return -1;
}

static Status find_place(const char *path, Place *place, char **target)
{
    struct stat found;
    *place = (Place){.there = true, .stream = -1};
    *target = NULL;
    if (stat(path, &place->info) == 0) {
        place->stream = find_stream(&place->info);
        if (!S_ISREG(place->info.st_mode) || place->stream >= 0)
            return status_ok();
        *target = realpath(path, NULL);
        // /dev/fd/3 may lead to a file that has lost its name.
        place->regular = *target && stat(*target, &found) == 0 &&
                         is_same(&found, &place->info);
        return status_ok();
    }
    if (errno != ENOENT)
        return file_error("write", path);
    *place = (Place){.regular = true, .stream = -1};
    return follow_to_nothing(path, target);
}

bool file_is_special(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 &&
           (!S_ISREG(info.st_mode) || find_stream(&info) >= 0);
}

// ---- writing ----------------------------------------------------------------

static void release(FileWriter *writer)
{
    if (writer->descriptor >= 0)
        close(writer->descriptor);
    free(writer->path);
    free(writer->target);
    free(writer->temporary);
    free(writer->buffer);
    *writer = (FileWriter){.descriptor = -1};
}

// Opens what is written where it is. Standard output and error are shared with
// whoever else writes there, with their position in it; and a socket can be had
// in no other way.
static Status begin_in_place(FileWriter *writer, const Place *place)
{
    if (place->stream == STDOUT_FILENO)
        fflush(stdout); // what was printed before comes first
    writer->descriptor =
        place->stream >= 0
            ? fcntl(place->stream, F_DUPFD_CLOEXEC, 0)
            : open(writer->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return writer->descriptor < 0 ? file_error("write", writer->path)
                                  : status_ok();
}

// The new file gets the owner and the rights of the one it comes after; the
// owner where this process may give files away.
static Status keep_rights(const FileWriter *writer, const Place *place)
{
    if (fchown(writer->descriptor, place->info.st_uid, place->info.st_gid) != 0)
        errno = 0;
    if (fchmod(writer->descriptor, place->info.st_mode & 07777) != 0)
        return file_error("write", writer->path);
    return status_ok();
}

static Status begin_beside(FileWriter *writer, const Place *place)
{
    struct stat info;
    writer->temporary = join(writer->target, ".tmp");
    if (!writer->temporary)
        return status_error(STATUS_MEMORY, "no memory to write '%s'",
                            writer->path);
    // A file that may not be written is not replaced either.
    if (place->there && access(writer->target, W_OK) != 0)
        return file_error("write", writer->path);
    // Without O_NONBLOCK, opening a pipe would wait for its reader.
    writer->descriptor =
        open(writer->temporary,
             O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
             0666);
    if (writer->descriptor < 0)
        return file_error("write", writer->path);
    if (fstat(writer->descriptor, &info) != 0)
        return file_error("write", writer->path);
    if (!S_ISREG(info.st_mode))
        return status_error(STATUS_FAILED,
                            "cannot write '%s': '%s', which it is made as, is "
                            "no regular file",
                            writer->path, writer->temporary);
    Status status = place->there ? keep_rights(writer, place) : status_ok();
    if (status.code != STATUS_OK)
        unlink(writer->temporary);
    return status;
}

Status file_begin(FileWriter *writer, const char *path)
{
    Place place;
    *writer = (FileWriter){
        .descriptor = -1, .path = strdup(path), .buffer = malloc(BUFFER_BYTES)};
    Status status = status_ok();
    if (!writer->path || !writer->buffer)
        status = status_error(STATUS_MEMORY, "no memory to write '%s'", path);
    if (status.code == STATUS_OK)
        status = find_place(path, &place, &writer->target);
    if (status.code == STATUS_OK)
        status = place.regular ? begin_beside(writer, &place)
                               : begin_in_place(writer, &place);
    if (status.code != STATUS_OK)
        release(writer);
    return status;
}

static void write_out(FileWriter *writer, const unsigned char *bytes,
                      int64_t size)
{
    while (size > 0 && writer->failure.code == STATUS_OK) {
        ssize_t done = write(writer->descriptor, bytes, (size_t)size);
        if (done < 0 && errno == EAGAIN) {
            // Standard output may be a pipe that does not wait.
            struct pollfd wait = {writer->descriptor, POLLOUT, 0};
            poll(&wait, 1, -1);
        } else if (done < 0 && errno != EINTR) {
            writer->failure = file_error("write", writer->path);
        } else if (done > 0) {
            bytes += done;
            size -= done;
        }
    }
}

void file_flush(FileWriter *writer)
{
    write_out(writer, writer->buffer, writer->used);
    writer->used = 0;
}

void file_put(FileWriter *writer, const void *bytes, int64_t size)
{
    if (size <= 0)
        return;
    if (size > BUFFER_BYTES - writer->used)
        file_flush(writer);
    if (size >= BUFFER_BYTES) {
        write_out(writer, bytes, size);
    } else {
        memcpy(writer->buffer + writer->used, bytes, (size_t)size);
        writer->used += size;
    }
}

// A rename is safe from power cuts only once its folder is on disk. Some file
// systems cannot sync folders (EINVAL); theirs is to order the rename.
static Status sync_parent(const char *path)
{
    char *folder = parent_of(path);
    if (!folder)
        return status_error(STATUS_MEMORY, "no memory to write '%s'", path);
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    Status status = status_ok();
    if (descriptor < 0 || (fsync(descriptor) != 0 && errno != EINVAL))
        status = file_error("sync folder", folder);
    if (descriptor >= 0)
        close(descriptor);
    free(folder);
    return status;
}

Status file_commit(FileWriter *writer)
{
    bool beside = writer->temporary != NULL;
    file_flush(writer);
    Status status = writer->failure;
    if (status.code == STATUS_OK && beside && fsync(writer->descriptor) != 0)
        status = file_error("write", writer->path);
    if (close(writer->descriptor) != 0 && status.code == STATUS_OK)
        status = file_error("write", writer->path);
    writer->descriptor = -1;
    if (status.code == STATUS_OK && beside &&
        rename(writer->temporary, writer->target) != 0)
        status = file_error("write", writer->path);
    if (status.code != STATUS_OK && beside)
        unlink(writer->temporary);
    else if (beside)
        status = sync_parent(writer->target);
    release(writer);
    return status;
}

void file_abandon(FileWriter *writer)
{
    if (writer->temporary)
        unlink(writer->temporary);
    release(writer);
}

// Both names are ends of links here.
static Status link_files(const char *from, const char *to)
{
    char *temporary = join(to, ".tmp");
    if (!temporary)
        return status_error(STATUS_MEMORY, "no memory to name '%s'", to);
    Status status = status_ok();
    unlink(temporary);
    if (link(from, temporary) != 0 || rename(temporary, to) != 0)
        status = file_error("name", to);
    unlink(temporary); // still there if both names were one file's already
    free(temporary);
    return status.code == STATUS_OK ? sync_parent(to) : status;
}

Status file_link(const char *from, const char *to)
{
    Place source, place;
    char *old = NULL, *new = NULL;
    Status status = find_place(from, &source, &old);
    if (status.code == STATUS_OK)
        status = find_place(to, &place, &new);
    if (status.code == STATUS_OK && source.regular && place.regular)
        status = link_files(old, new);
    else if (status.code == STATUS_OK)
        status = status_error(STATUS_FAILED,
                              "cannot name '%s' '%s' as well: not both are "
                              "regular files",
                              from, to);
    free(old);
    free(new);
    return status;
}

Status file_write(const char *path, const void *bytes, int64_t size)
{
    FileWriter writer;
    TRY(file_begin(&writer, path));
    file_put(&writer, bytes, size);
    return file_commit(&writer);
}

// Reads up to `size` bytes; fewer only at the end of the file or on failure.
static ssize_t read_all(int descriptor, char *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t part = read(descriptor, bytes + done, size - done);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -1;
        if (part == 0)
            break;
        done += (size_t)part;
    }
    return (ssize_t)done;
}

static Status read_open(int descriptor, const char *path, int64_t limit,
                        char **bytes, int64_t *size)
{
    struct stat info;
    if (fstat(descriptor, &info) != 0)
        return file_error("read", path);
    if (!S_ISREG(info.st_mode))
        return status_error(STATUS_DATA, "'%s' is not a regular file", path);
    if (info.st_size > limit)
        return status_error(STATUS_DATA,
                            "'%s' has %lld bytes; at most %lld are read", path,
                            (long long)info.st_size, (long long)limit);
    *bytes = malloc((size_t)info.st_size + 1);
    if (!*bytes)
        return status_error(STATUS_MEMORY,
                            "no memory for the %lld bytes of "
                            "'%s'",
                            (long long)info.st_size, path);
    ssize_t done = read_all(descriptor, *bytes, (size_t)info.st_size);
    if (done < 0) {
        Status status = file_error("read", path);
        free(*bytes);
        *bytes = NULL;
        return status;
    }
    (*bytes)[done] = 0;
    *size = done;
    return status_ok();
}

Status file_read(const char *path, int64_t limit, char **bytes, int64_t *size)
{
    *bytes = NULL;
    *size = 0;
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return file_error("open", path);
    Status status = read_open(descriptor, path, limit, bytes, size);
    close(descriptor);
    return status;
}

int64_t file_read_at(int descriptor, int64_t offset, int64_t size, void *bytes)
{
    int64_t have = 0;
    while (have < size) {
        ssize_t got = pread(descriptor, (char *)bytes + have,
                            (size_t)(size - have), (off_t)(offset + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += got;
    }
    return have;
}

bool file_exists(const char *path)
{
    // What cannot be looked at is not missing: opening it says why.
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

// Leaves errno as it is.
static bool is_folder(const char *path)
{
    struct stat info;
    int reason = errno;
    bool folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    errno = reason;
    return folder;
}

Status file_check_empty(const char *folder, const char *advice)
{
    DIR *open = opendir(folder);
    struct dirent *entry;
    Status status = status_ok();
    if (!open) // what is no folder, or none to look into, is said at making it
        return status;
    while (status.code == STATUS_OK && (entry = readdir(open)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = status_error(STATUS_FAILED, "%s holds %s already: %s",
                                  folder, entry->d_name, advice);
    closedir(open);
    return status;
}

Status file_make_folder(const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return status_error(STATUS_MEMORY, "no memory to make '%s'", path);
    Status status = status_ok();
    for (char *at = copy; *at && status.code == STATUS_OK;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char kept = *at;
        *at = 0;
        if (*copy && mkdir(copy, 0777) != 0 && !is_folder(copy))
            status = file_error("make folder", copy);
        *at = kept;
    }
    free(copy);
    return status;
}

Status file_make_parent(const char *path)
{
    char *folder = parent_of(path);
    if (!folder)
        return status_error(STATUS_MEMORY, "no memory to make '%s'", path);
    Status status = file_make_folder(folder);
    free(folder);
    return status;
}
