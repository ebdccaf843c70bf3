#include "runtime/monitor/notes.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"

enum { NOTES_LIMIT = 16 << 20 };

static int find(const Notes *notes, const char *name)
{
    for (int i = 0; i < notes->count; i++)
        if (strcmp(notes->names[i], name) == 0)
            return i;
    return -1;
}

static bool reserve(Notes *notes)
{
    if (notes->count < notes->capacity)
        return true;
    int capacity = notes->capacity ? 2 * notes->capacity : 32;
    size_t size = (size_t)capacity * sizeof(char *);
    char **names = realloc(notes->names, size);
    notes->names = names ? names : notes->names;
    char **values = realloc(notes->values, size);
    notes->values = values ? values : notes->values;
    if (names && values)
        notes->capacity = capacity;
    return names && values;
}

static char *one_line(const char *value)
{
    char *line = strdup(value);
    for (char *at = line; at && *at; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    return line;
}

void notes_set(Notes *notes, const char *name, const char *value)
{
    int at = find(notes, name);
    char *line = one_line(value);
    if (line && at >= 0) {
        free(notes->values[at]);
        notes->values[at] = line;
        return;
    }
    char *copy = line && reserve(notes) ? strdup(name) : NULL;
    if (!copy) {
        free(line);
        notes->failed = true;
        return;
    }
    notes->names[notes->count] = copy;
    notes->values[notes->count++] = line;
}

void notes_setf(Notes *notes, const char *name, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        notes->failed = true;
        return;
    }
    notes_set(notes, name, text);
    free(text);
}

void notes_set_number(Notes *notes, const char *name, double value)
{
    char text[32];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    notes_set(notes, name, text);
}

void notes_free(Notes *notes)
{
    for (int i = 0; i < notes->count; i++) {
        free(notes->names[i]);
        free(notes->values[i]);
    }
    free(notes->names);
    free(notes->values);
    *notes = (Notes){0};
}

const char *notes_get(const Notes *notes, const char *name)
{
    int at = find(notes, name);
    return at < 0 ? NULL : notes->values[at];
}

double notes_number(const Notes *notes, const char *name)
{
    const char *text = notes_get(notes, name);
    char *end;
    double value = text ? strtod(text, &end) : NAN;
    return text && end != text ? value : NAN;
}

Status notes_read(const char *path, Notes *notes)
{
    char *text;
    int64_t size;
    *notes = (Notes){0};
    TRY(file_read(path, NOTES_LIMIT, &text, &size));
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *gap = strstr(line, " = ");
        if (!gap)
            continue;
        *gap = '\0';
        notes_set(notes, line, gap + 3);
    }
    free(text);
    if (!notes->failed)
        return status_ok();
    notes_free(notes);
    return status_error(STATUS_MEMORY, "no memory to read %s", path);
}

Status notes_write(const char *path, const Notes *notes)
{
    FileWriter writer;
    if (notes->failed)
        return status_error(STATUS_MEMORY, "no memory to write %s", path);
    TRY(file_begin(&writer, path));
    for (int i = 0; i < notes->count; i++) {
        file_put(&writer, notes->names[i], (int64_t)strlen(notes->names[i]));
        file_put(&writer, " = ", 3);
        file_put(&writer, notes->values[i], (int64_t)strlen(notes->values[i]));
        file_put(&writer, "\n", 1);
    }
    return file_commit(&writer);
}
