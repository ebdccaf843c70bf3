// Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst of Linux: the files,
// and that a group is held to the limits of those around it as well.
#include "runtime/base/cgroup.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_ROOM = 4096 };

// The first words of a file; false when it cannot be read.
static bool read_words(const char *folder, const char *name, char *text,
                       int size)
{
    char path[PATH_ROOM];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= PATH_ROOM)
        return false;
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool read = fgets(text, size, file) != NULL;
    fclose(file);
    return read;
}

// ---- limits of one group ----------------------------------------------------

// Of version 1 "none" is a number near the largest.
static double memory_of(const char *folder)
{
    char text[64];
    if (!read_words(folder, "memory.max", text, sizeof text) &&
        !read_words(folder, "memory.limit_in_bytes", text, sizeof text))
        return HUGE_VAL;
    char *end;
    double bytes = strtod(text, &end);
    return end == text || bytes >= 0x1p62 ? HUGE_VAL : bytes;
}

// "max 100000" or "150000 100000" in version 2; two files in version 1, where
// -1 is none.
static double processors_of(const char *folder)
{
    char text[64], period[64];
    double quota = -1, each = 0;
    if (read_words(folder, "cpu.max", text, sizeof text)) {
        if (sscanf(text, "%lf %lf", &quota, &each) != 2)
            return HUGE_VAL;
    } else if (read_words(folder, "cpu.cfs_quota_us", text, sizeof text) &&
               read_words(folder, "cpu.cfs_period_us", period, sizeof period)) {
        quota = strtod(text, NULL);
        each = strtod(period, NULL);
    }
    return quota > 0 && each > 0 ? quota / each : HUGE_VAL;
}

// ---- groups -----------------------------------------------------------------

// The least of the group and all around it, up to where the files are mounted.
static double least_around(const char *mount, const char *group,
                           double (*limit)(const char *folder))
{
    char folder[PATH_ROOM];
    size_t least = strlen(mount);
    double found = HUGE_VAL;
    if (snprintf(folder, sizeof folder, "%s%s", mount, group) >= PATH_ROOM)
        return HUGE_VAL;
    for (;;) {
        found = fmin(found, limit(folder));
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < least ||
            strlen(folder) <= least)
            return found;
        *slash = '\0';
    }
}

// Is `name` among those that commas part?
static bool has_controller(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (; *list; list += strcspn(list, ",") + (list[strcspn(list, ",")] != 0))
        if (strcspn(list, ",") == length && strncmp(list, name, length) == 0)
            return true;
    return false;
}

// A line of /proc/self/cgroup: "0::/group" of version 2, "4:cpu,cpuacct:/group"
// of version 1, whose files are in a folder of the controller's name. A group
// that is not seen from inside a container is the mount itself.
static double limit_of_line(const char *root, char *line,
                            const char *controller,
                            double (*limit)(const char *folder))
{
    char mount[PATH_ROOM];
    double found = HUGE_VAL;
    line[strcspn(line, "\n")] = '\0';
    char *list = strchr(line, ':');
    char *group = list ? strchr(list + 1, ':') : NULL;
    if (!group)
        return HUGE_VAL;
    *group++ = '\0';
    list++;
    if (*list && !has_controller(list, controller))
        return HUGE_VAL;
    // With both versions mounted, version 2 is in a folder of its own.
    const char *const folders[] = {*list ? list : "",
                                   *list ? controller : "unified"};
    for (int i = 0; i < 2; i++) {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s%s", root,
                 *folders[i] ? "/" : "", folders[i]);
        found = fmin(found, least_around(mount, group, limit));
        found = fmin(found, limit(mount));
    }
    return found;
}

static double limit_of_process(const char *root, const char *controller,
                               double (*limit)(const char *folder))
{
    char path[PATH_ROOM], line[PATH_ROOM];
    double found = HUGE_VAL;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        found = fmin(found, limit_of_line(root, line, controller, limit));
    if (file)
        fclose(file);
    return found;
}

int64_t cgroup_memory(const char *root)
{
    double bytes = limit_of_process(root, "memory", memory_of);
    return bytes < 0x1p62 ? (int64_t)bytes : INT64_MAX;
}

double cgroup_processors(const char *root)
{
    return limit_of_process(root, "cpu", processors_of);
}
