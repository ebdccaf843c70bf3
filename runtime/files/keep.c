#include "runtime/files/keep.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/file.h"

// ---- names ------------------------------------------------------------------

void keep_newest_path(const Keep *keep, char path[RUNDIR_PATH])
{
    snprintf(path, RUNDIR_PATH, "%s/checkpoint.safetensors", keep->folder);
}

static void path_best(const Keep *keep, char path[RUNDIR_PATH])
{
    snprintf(path, RUNDIR_PATH, "%s/best.safetensors", keep->folder);
}

static void path_step(const Keep *keep, int64_t step, char path[RUNDIR_PATH])
{
    snprintf(path, RUNDIR_PATH, "%s/checkpoint-%" PRId64 ".safetensors",
             keep->folder, step);
}

Status keep_open(Keep *keep, const char *out, const char *phase, int count)
{
    char folder[RUNDIR_PATH];
    *keep = (Keep){.count = count < 1 ? KEEP_DEFAULT : count,
                   .newest = -1,
                   .best_step = -1};
    TRY(rundir_path(out, NULL, phase, folder));
    if (strlen(folder) >= sizeof keep->folder)
        return status_error(STATUS_FAILED, "the path %.60s... is too long",
                            out);
    strcpy(keep->folder, folder);
    return status_ok();
}

// ---- those before the newest ------------------------------------------------

// The step in the name of a checkpoint before the newest; -1 for other names.
static int64_t step_of(const char *name)
{
    int64_t step;
    int end = 0;
    if (sscanf(name, "checkpoint-%" SCNd64 ".safetensors%n", &step, &end) !=
            1 ||
        end == 0 || name[end] || step < 0)
        return -1;
    return step;
}

// The largest step below `below`, or -1.
static int64_t step_below(const Keep *keep, int64_t below)
{
    DIR *folder = opendir(keep->folder);
    int64_t best = -1;
    if (!folder)
        return -1;
    for (struct dirent *entry; (entry = readdir(folder));) {
        int64_t step = step_of(entry->d_name);
        if (step > best && step < below)
            best = step;
    }
    closedir(folder);
    return best;
}

// Removes all but the `count` latest before step `now`. Later ones are of a
// run that went on from a checkpoint since given up.
static void drop_old(const Keep *keep, int64_t now, int count)
{
    char path[RUNDIR_PATH];
    for (int64_t step = INT64_MAX; (step = step_below(keep, step)) >= 0;)
        if (step >= now || count-- <= 0) {
            path_step(keep, step, path);
            unlink(path);
        }
}

// ---- finding ----------------------------------------------------------------

bool keep_exists(const Keep *keep)
{
    char path[RUNDIR_PATH];
    keep_newest_path(keep, path);
    return file_exists(path) || step_below(keep, INT64_MAX) >= 0;
}

static void read_best(Keep *keep, const CheckpointInfo *info)
{
    if (sscanf(info->best, "%" SCNd64 " %la", &keep->best_step,
               &keep->best_score) != 2)
        keep->best_step = -1;
}

// Gives the checkpoint at `path` the name of the best as well.
static Status name_best(const Keep *keep, const char *path)
{
    char best[RUNDIR_PATH];
    path_best(keep, best);
    return file_link(path, best);
}

static Status take(Keep *keep, const char *path, const CheckpointInfo *info,
                   bool newest)
{
    keep->resumes = true;
    keep->newest = newest ? info->step : -1;
    read_best(keep, info);
    // A kill may have come between the two names.
    if (newest && keep->best_step == info->step && !info->finished)
        return name_best(keep, path);
    return status_ok();
}

Status keep_find(Keep *keep, char path[RUNDIR_PATH], CheckpointInfo *info,
                 void (*warn)(void *context, const char *text), void *context)
{
    Status first = status_ok(), status;
    keep_newest_path(keep, path);
    bool newest = file_exists(path);
    int64_t step = newest ? INT64_MAX : step_below(keep, INT64_MAX);
    while (newest || step >= 0) {
        if (!newest)
            path_step(keep, step, path);
        status = checkpoint_info(path, info);
        if (status.code == STATUS_OK)
            return take(keep, path, info, newest);
        if (status.code != STATUS_DATA && status.code != STATUS_FAILED)
            return status;
        if (first.code == STATUS_OK)
            first = status;
        step = step_below(keep, step);
        newest = false;
        if (warn && step >= 0)
            warn(context, status.text);
    }
    path[0] = '\0';
    if (first.code == STATUS_OK)
        return first;
    return status_error(first.code,
                        "no checkpoint in %s can be read: %.400s; --force "
                        "starts over",
                        keep->folder, first.text);
}

// ---- saving -----------------------------------------------------------------

// The newest keeps a name when the next takes its own. Where a file cannot
// have two names, it changes it.
static Status keep_newest(const Keep *keep)
{
    char from[RUNDIR_PATH], to[RUNDIR_PATH];
    keep_newest_path(keep, from);
    path_step(keep, keep->newest, to);
    if (file_link(from, to).code == STATUS_OK || rename(from, to) == 0)
        return status_ok();
    return status_error(STATUS_FAILED, "cannot keep '%s' as '%s': %s", from, to,
                        strerror(errno));
}

static Status save_best(const Keep *keep, const Store *store,
                        const CheckpointInfo *info, const char *path)
{
    char best[RUNDIR_PATH];
    if (name_best(keep, path).code == STATUS_OK)
        return status_ok();
    path_best(keep, best);
    return checkpoint_save(best, store, info);
}

bool keep_improves(const Keep *keep, double score)
{
    return isfinite(score) && (keep->best_step < 0 || score < keep->best_score);
}

Status keep_save(Keep *keep, const Store *store, CheckpointInfo *info,
                 double score)
{
    char path[RUNDIR_PATH];
    Keep next = *keep;
    bool best = keep_improves(keep, score);
    if (best) {
        next.best_step = info->step;
        next.best_score = score;
    }
    if (next.best_step >= 0)
        snprintf(info->best, sizeof info->best, "%" PRId64 " %a",
                 next.best_step, next.best_score);
    keep_newest_path(keep, path);
    if (!keep->resumes) {
        char other[RUNDIR_PATH];
        drop_old(keep, 0, 0);
        path_best(keep, other);
        unlink(other);
    }
    if (keep->newest >= 0 && keep->newest != info->step && keep->count > 1)
        TRY(keep_newest(keep));
    TRY(checkpoint_save(path, store, info));
    next.newest = info->step;
    next.resumes = true;
    *keep = next;
    drop_old(keep, info->step, keep->count - 1);
    return best ? save_best(keep, store, info, path) : status_ok();
}
