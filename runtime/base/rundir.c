#include "runtime/base/rundir.h"

#include <stdio.h>

#include "runtime/base/file.h"

Status rundir_path(const char *out, const char *phase, const char *file,
                   char path[RUNDIR_PATH])
{
    int length = phase
                     ? snprintf(path, RUNDIR_PATH, "%s/%s/%s", out, phase, file)
                     : snprintf(path, RUNDIR_PATH, "%s/%s", out, file);
    if (length < 0 || length >= RUNDIR_PATH)
        return status_error(STATUS_FAILED,
                            "the path %.60s... has more than 4095 bytes", out);
    return status_ok();
}

Status rundir_create(const char *out, const char *phase)
{
    char path[RUNDIR_PATH];
    if (!phase)
        return file_make_folder(out);
    TRY(rundir_path(out, NULL, phase, path));
    return file_make_folder(path);
}
