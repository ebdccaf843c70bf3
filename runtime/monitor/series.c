#include "runtime/monitor/series.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/rundir.h"

static Series *find(const SeriesTable *table, const char *phase,
                    const char *name, SeriesPart part)
{
    for (int i = 0; i < table->count; i++)
        if (table->at[i].part == part && strcmp(table->at[i].name, name) == 0 &&
            strcmp(table->at[i].phase, phase) == 0)
            return &table->at[i];
    return NULL;
}

const Series *series_find(const SeriesTable *table, const char *phase,
                          const char *name, SeriesPart part)
{
    return find(table, phase, name, part);
}

static Series *find_or_add(SeriesTable *table, const char *phase,
                           const char *name, SeriesPart part)
{
    Series *series = find(table, phase, name, part);
    if (series)
        return series;
    if (table->count == table->capacity) {
        int capacity = table->capacity ? 2 * table->capacity : 16;
        Series *more = realloc(table->at, (size_t)capacity * sizeof *table->at);
        if (!more)
            return NULL;
        table->at = more;
        table->capacity = capacity;
    }
    series = &table->at[table->count++];
    *series = (Series){.part = part};
    snprintf(series->phase, SERIES_NAME, "%s", phase);
    snprintf(series->name, SERIES_NAME, "%s", name);
    return series;
}

static bool add_point(Series *series, double step, double value)
{
    if (series->count == series->capacity) {
        int capacity = series->capacity ? 2 * series->capacity : 64;
        size_t size = (size_t)capacity * sizeof(double);
        double *steps = realloc(series->steps, size);
        series->steps = steps ? steps : series->steps;
        double *values = realloc(series->values, size);
        series->values = values ? values : series->values;
        if (!steps || !values)
            return false;
        series->capacity = capacity;
    }
    series->steps[series->count] = step;
    series->values[series->count++] = value;
    return true;
}

// "name":number with a comma before it, as metrics.c writes it; *line moves
// behind it. False at the end of the line.
static bool take_number(const char **line, char name[SERIES_NAME],
                        double *value)
{
    int length = 0;
    char *end;
    if (sscanf(*line, ",\"%63[^\"]\":%n", name, &length) != 1 || !length)
        return false;
    const char *at = *line + length;
    *value = strtod(at, &end);
    if (end == at) {
        if (strncmp(at, "null", 4) != 0)
            return false;
        end += 4;
        *value = NAN;
    }
    *line = end;
    return true;
}

// False when memory ran out.
static bool add_line(SeriesTable *table, const char *line)
{
    char phase[SERIES_NAME], name[SERIES_NAME];
    double step, value;
    int length = 0;
    if (sscanf(line, "{\"phase\":\"%63[^\"]\"%n", phase, &length) != 1)
        return true;
    line += length;
    if (!length || !take_number(&line, name, &step) ||
        strcmp(name, "step") != 0)
        return true;
    SeriesPart part = strncmp(line, ",\"test_images\":", 15) == 0 ? SERIES_TEST
                      : strncmp(line, ",\"valid_images\":", 16) == 0
                          ? SERIES_VALID
                          : SERIES_TRAIN;
    while (take_number(&line, name, &value)) {
        Series *series = find_or_add(table, phase, name, part);
        if (!series || !add_point(series, step, value))
            return false;
    }
    return true;
}

Status series_read(const char *out, SeriesTable *table)
{
    char path[RUNDIR_PATH], *text;
    int64_t size;
    *table = (SeriesTable){0};
    TRY(rundir_path(out, NULL, "metrics.jsonl", path));
    if (!file_exists(path))
        return status_ok();
    TRY(file_read(path, INT64_MAX - 1, &text, &size));
    bool kept = true;
    for (char *line = text, *end; kept && (end = strchr(line, '\n'));
         line = end + 1) {
        *end = '\0';
        kept = add_line(table, line);
    }
    free(text);
    if (kept)
        return status_ok();
    series_free(table);
    return status_error(STATUS_MEMORY, "no memory to read %s", path);
}

void series_free(SeriesTable *table)
{
    for (int i = 0; i < table->count; i++) {
        free(table->at[i].steps);
        free(table->at[i].values);
    }
    free(table->at);
    *table = (SeriesTable){0};
}
