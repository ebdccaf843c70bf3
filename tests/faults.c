#include "tests/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

static atomic_int armed, left, calls;
static atomic_bool fired;

void fault_arm(FaultKind kind, int n)
{
    fired = false;
    left = n;
    calls = 0;
    armed = (int)kind;
}

bool fault_disarm(void)
{
    armed = FAULT_NONE;
    return fired;
}

// Is this the call that must fail?
static bool fails(FaultKind kind)
{
    if (atomic_load(&armed) != (int)kind)
        return false;
    int now = atomic_fetch_sub(&left, 1) - 1;
    bool hit = kind == FAULT_DISK_FULL ? now <= 0 : now == 0;
    if (hit)
        fired = true;
    return hit;
}

static bool file_fails(int error)
{
    if (!fails(FAULT_FILE))
        return false;
    errno = error;
    return true;
}

static bool disk_fails(int error)
{
    if (file_fails(error))
        return true;
    if (!fails(FAULT_DISK_FULL))
        return false;
    errno = ENOSPC;
    return true;
}

// How much of a read or write is done; -1 = a signal came first.
static ssize_t piece(size_t size)
{
    if (atomic_load(&armed) != FAULT_PIECES)
        return (ssize_t)size;
    if (atomic_fetch_add(&calls, 1) % 2) {
        errno = EINTR;
        return -1;
    }
    size_t most = (size_t)atomic_load(&left);
    return (ssize_t)(size < most ? size : most);
}

// What the linker calls instead of NAME, and NAME itself.
#define WRAP(type, name, ...)                                                  \
    type __real_##name(__VA_ARGS__);                                           \
    type __wrap_##name(__VA_ARGS__);                                           \
    type __wrap_##name(__VA_ARGS__)

// ---- memory -----------------------------------------------------------------

WRAP(void *, malloc, size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_malloc(size);
}

WRAP(void *, calloc, size_t count, size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_calloc(count, size);
}

WRAP(void *, realloc, void *old, size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_realloc(old, size);
}

WRAP(void *, aligned_alloc, size_t align, size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_aligned_alloc(align, size);
}

WRAP(char *, strdup, const char *text)
{
    return fails(FAULT_MEMORY) ? NULL : __real_strdup(text);
}

WRAP(char *, strndup, const char *text, size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_strndup(text, size);
}

WRAP(FILE *, open_memstream, char **text, size_t *size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_open_memstream(text, size);
}

WRAP(void *, mmap, void *at, size_t size, int protection, int flags, int file,
     off_t offset)
{
    if (!fails(FAULT_MEMORY))
        return __real_mmap(at, size, protection, flags, file, offset);
    errno = ENOMEM;
    return (void *)-1;
}

// ---- files ------------------------------------------------------------------

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    bool bad = flags & O_CREAT ? disk_fails(EROFS) : file_fails(EMFILE);
    return bad ? -1 : __real_open(path, flags, mode);
}

WRAP(FILE *, fopen, const char *path, const char *mode)
{
    return file_fails(EMFILE) ? NULL : __real_fopen(path, mode);
}

WRAP(ssize_t, read, int file, void *bytes, size_t size)
{
    ssize_t part = file_fails(EIO) ? -1 : piece(size);
    return part < 0 ? -1 : __real_read(file, bytes, (size_t)part);
}

WRAP(ssize_t, pread, int file, void *bytes, size_t size, off_t offset)
{
    ssize_t part = file_fails(EIO) ? -1 : piece(size);
    return part < 0 ? -1 : __real_pread(file, bytes, (size_t)part, offset);
}

// Half of it is on the disk when that is full.
WRAP(ssize_t, write, int file, const void *bytes, size_t size)
{
    if (disk_fails(EIO)) {
        int error = errno;
        if (size > 1)
            __real_write(file, bytes, size / 2);
        errno = error;
        return -1;
    }
    ssize_t part = piece(size);
    return part < 0 ? -1 : __real_write(file, bytes, (size_t)part);
}

// Not synced when it succeeds: the tests pull no plug, and it takes long.
WRAP(int, fsync, int file)
{
    (void)file;
    (void)__real_fsync;
    return disk_fails(EIO) ? -1 : 0;
}

WRAP(int, fflush, FILE *file)
{
    int done = __real_fflush(file);
    return file != stdout && file != stderr && disk_fails(EIO) ? EOF : done;
}

WRAP(int, close, int file)
{
    int done = __real_close(file);
    return disk_fails(EIO) ? -1 : done;
}

WRAP(int, rename, const char *from, const char *to)
{
    return disk_fails(EIO) ? -1 : __real_rename(from, to);
}

WRAP(int, link, const char *from, const char *to)
{
    return disk_fails(EPERM) ? -1 : __real_link(from, to);
}

WRAP(int, unlink, const char *path)
{
    return file_fails(EACCES) ? -1 : __real_unlink(path);
}

WRAP(int, mkdir, const char *path, mode_t mode)
{
    return disk_fails(EROFS) ? -1 : __real_mkdir(path, mode);
}

WRAP(int, fstat, int file, struct stat *info)
{
    return file_fails(EIO) ? -1 : __real_fstat(file, info);
}
