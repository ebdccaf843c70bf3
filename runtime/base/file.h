// Files: whole reads with a bound, and writes that are all or nothing.
#ifndef SIMCC_RUNTIME_FILE_H
#define SIMCC_RUNTIME_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

// A file being written beside its final place as "<path>.tmp". Readers see the
// old file or the complete new one, also after a crash or power cut. One
// writer per path at a time; a leftover .tmp of a killed one is overwritten.
// The file that a symbolic link leads to is replaced, not the link; a new file
// keeps the rights of the old. What is no regular file (a pipe, a device), and
// standard output under any name, is written where it is, as it comes.
typedef struct FileWriter {
    int descriptor;
    char *path;      // as given
    char *target;    // behind all links; NULL or unused when written in place
    char *temporary; // NULL = written in place
    unsigned char *buffer; // small writes collect here
    int64_t used;
    Status failure; // the first one; later calls do nothing
} FileWriter;

Status file_begin(FileWriter *writer, const char *path);
// Errors are kept for file_commit, so that a row of puts needs one check.
void file_put(FileWriter *writer, const void *bytes, int64_t size);
// Hands on what was put so far.
void file_flush(FileWriter *writer);
// Flushes, syncs and renames; on failure removes the temporary file and leaves
// the old file as it was. Ends the writer either way.
Status file_commit(FileWriter *writer);
// Ends the writer without touching the old file.
void file_abandon(FileWriter *writer);

// Gives the file at `from` the name `to` as well, in place of what had it, all
// or nothing. STATUS_FAILED, too, where files cannot have two names.
Status file_link(const char *from, const char *to);

// Begin, put and commit in one.
Status file_write(const char *path, const void *bytes, int64_t size);

// Reads a regular file of at most `limit` bytes. *bytes is malloc'ed with a
// zero after its *size bytes.
Status file_read(const char *path, int64_t limit, char **bytes, int64_t *size);

// Reads `size` bytes from `offset` on. Returns how many there were, fewer at
// the end of the file only; -1, with errno, when reading fails.
int64_t file_read_at(int descriptor, int64_t offset, int64_t size, void *bytes);

// Also when it cannot be told, for want of permission to look.
bool file_exists(const char *path);
// Do both paths lead to one regular file, under whatever names and behind
// links?
bool file_is_same(const char *path, const char *other);
// Something is there that is written in place: no regular file or link to one,
// or standard output or error.
bool file_is_special(const char *path);
// STATUS_FAILED, with one of the names in it, when a folder that is to be
// filled holds something already; one that is not there will do. `advice` ends
// the sentence.
Status file_check_empty(const char *folder, const char *advice);
// Makes a folder and those above it that are missing.
Status file_make_folder(const char *path);
// Makes the folder a file at `path` would lie in.
Status file_make_parent(const char *path);

#endif
