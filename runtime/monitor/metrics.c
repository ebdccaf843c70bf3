#include "runtime/monitor/metrics.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/rundir.h"

// ---- reading our own lines --------------------------------------------------

// Keys and phase names are identifiers, so a line can be searched as text.
static bool line_is_of_phase(const char *line, const char *phase)
{
    char start[96];
    int length = snprintf(start, sizeof start, "{\"phase\":\"%s\",", phase);
    return strncmp(line, start, (size_t)length) == 0;
}

static bool line_number(const char *line, const char *name, double *value)
{
    char key[96];
    int length = snprintf(key, sizeof key, ",\"%s\":", name);
    if (length >= (int)sizeof key)
        return false;
    const char *at = strstr(line, key);
    if (!at)
        return false;
    char *end;
    *value = strtod(at + length, &end);
    return end != at + length;
}

// The file's bytes with a final NUL; an empty string when there is no file.
static Status read_all(const char *path, char **text)
{
    int64_t size;
    if (file_exists(path))
        return file_read(path, INT64_MAX - 1, text, &size);
    *text = calloc(1, 1);
    if (!*text)
        return status_error(STATUS_MEMORY, "no memory to read %s", path);
    return status_ok();
}

// Calls `visit` with each whole line, its newline included.
static void each_line(char *text,
                      void (*visit)(void *context, char *line, size_t length),
                      void *context)
{
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
        visit(context, line, (size_t)(end - line) + 1);
}

// ---- opening ----------------------------------------------------------------

typedef struct Cut {
    const char *phase;
    int64_t keep_step;
    char *to; // the kept lines move to the front of the same text
} Cut;

static void keep_line(void *context, char *line, size_t length)
{
    Cut *cut = context;
    double step = 0;
    double images;
    line[length - 1] = '\0';
    bool drop =
        line_is_of_phase(line, cut->phase) &&
        (line_number(line, "test_images", &images) ||
         !line_number(line, "step", &step) || step > (double)cut->keep_step);
    line[length - 1] = '\n';
    if (drop)
        return;
    memmove(cut->to, line, length);
    cut->to += length;
}

Status metrics_open(Metrics *metrics, const char *out, const char *phase,
                    int64_t keep_step)
{
    char path[RUNDIR_PATH], *text;
    metrics->file = NULL;
    metrics->digits = 9;
    snprintf(metrics->phase, sizeof metrics->phase, "%s", phase);
    TRY(rundir_path(out, NULL, "metrics.jsonl", path));
    TRY(read_all(path, &text));
    Cut cut = {phase, keep_step, text};
    size_t before = strlen(text);
    each_line(text, keep_line, &cut);
    *cut.to = '\0';
    Status status = status_ok();
    if ((size_t)(cut.to - text) != before)
        status = file_write(path, text, cut.to - text);
    free(text);
    TRY(status);
    metrics->file = fopen(path, "a");
    if (!metrics->file)
        return status_error(STATUS_FAILED, "cannot write %s: %s", path,
                            strerror(errno));
    return status_ok();
}

// ---- writing ----------------------------------------------------------------

Status metrics_write(Metrics *metrics, int64_t step, int count,
                     const char *const *names, const double *values)
{
    FILE *file = metrics->file;
    fprintf(file, "{\"phase\":\"%s\",\"step\":%lld", metrics->phase,
            (long long)step);
    for (int i = 0; i < count; i++) {
        if (isfinite(values[i]))
            fprintf(file, ",\"%s\":%.*g", names[i], metrics->digits, values[i]);
        else
            fprintf(file, ",\"%s\":null", names[i]);
    }
    fputs("}\n", file);
    if (fflush(file) != 0)
        return status_error(STATUS_FAILED, "cannot write metrics.jsonl: %s",
                            strerror(errno));
    return status_ok();
}

void metrics_close(Metrics *metrics)
{
    if (metrics->file)
        fclose(metrics->file);
    metrics->file = NULL;
}
