#include "runtime/rundir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Status rundir_path(const char *out, const char *phase, const char *file,
                   char path[RUNDIR_PATH])
{
    int length = phase
                     ? snprintf(path, RUNDIR_PATH, "%s/%s/%s", out, phase, file)
                     : snprintf(path, RUNDIR_PATH, "%s/%s", out, file);
    if (length < 0 || length >= RUNDIR_PATH)
        return status_error(STATUS_FAILED, "the path %.60s... is too long",
                            out);
    return status_ok();
}

Status rundir_create(const char *path)
{
    char part[RUNDIR_PATH];
    size_t length = strlen(path);
    if (length >= sizeof part)
        return status_error(STATUS_FAILED, "the path %.60s... is too long",
                            path);
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return status_error(STATUS_FAILED, "cannot create folder %s: %s",
                                part, strerror(errno));
        part[i] = path[i];
    }
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return status_error(STATUS_FAILED, "%s is not a folder", path);
    return status_ok();
}

Status rundir_write(const char *path, const char *text)
{
    char temporary[RUNDIR_PATH + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *file = fopen(temporary, "w");
    if (!file)
        return status_error(STATUS_FAILED, "cannot write %s: %s", path,
                            strerror(errno));
    bool good =
        fputs(text, file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    good = fclose(file) == 0 && good;
    if (!good || rename(temporary, path) != 0) {
        int reason = errno;
        unlink(temporary);
        return status_error(STATUS_FAILED, "cannot write %s: %s", path,
                            strerror(reason));
    }
    return status_ok();
}

bool rundir_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
