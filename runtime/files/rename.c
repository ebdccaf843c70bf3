#include "runtime/files/rename.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"

// Without the spaces around it; the text is changed.
static char *trimmed(char *text)
{
    static const char spaces[] = " \t\r";
    text += strspn(text, spaces);
    size_t length = strlen(text);
    while (length && strchr(spaces, text[length - 1]))
        text[--length] = '\0';
    return text;
}

// Takes `: hwio` off the end of a line. False when it is no order known.
static bool take_axes(char *text, RenameAxes *axes)
{
    static const char *const names[AXES_COUNT] = {"", "hwio", "io"};
    char *colon = strrchr(text, ':');
    *axes = AXES_OURS;
    if (!colon)
        return true;
    *colon = '\0';
    const char *name = trimmed(colon + 1);
    for (int i = 1; i < AXES_COUNT; i++)
        if (strcmp(name, names[i]) == 0)
            *axes = (RenameAxes)i;
    return *axes != AXES_OURS;
}

static Status add_line(Renames *renames, const char *path, int number,
                       char *line)
{
    line[strcspn(line, "#")] = '\0';
    line = trimmed(line);
    if (!*line)
        return status_ok();
    char *arrow = strstr(line, "->");
    RenameAxes axes;
    if (arrow && !take_axes(arrow, &axes))
        return status_error(STATUS_DATA,
                            "%s:%d: behind the colon stands the order of their "
                            "axes, hwio or io",
                            path, number);
    if (!arrow || strpbrk(arrow + 2, ">"))
        return status_error(STATUS_DATA,
                            "%s:%d: a line is `theirs -> ours`, two beginnings "
                            "of names",
                            path, number);
    *arrow = '\0';
    Rename *grown = realloc(renames->at,
                            ((size_t)renames->count + 1) * sizeof *renames->at);
    if (!grown)
        return status_error(STATUS_MEMORY, "no memory to read %s", path);
    renames->at = grown;
    Rename *rename = &renames->at[renames->count++];
    rename->theirs = strdup(trimmed(line));
    rename->ours = strdup(trimmed(arrow + 2));
    rename->axes = axes;
    if (!rename->theirs || !rename->ours)
        return status_error(STATUS_MEMORY, "no memory to read %s", path);
    return status_ok();
}

Status renames_read(const char *path, Renames *renames)
{
    char *text;
    int64_t size;
    int number = 0;
    *renames = (Renames){0};
    TRY(file_read(path, 1 << 20, &text, &size));
    Status status = status_ok();
    for (char *line = text; line && status.code == STATUS_OK;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        status = add_line(renames, path, ++number, line);
        line = end ? end + 1 : NULL;
    }
    free(text);
    if (status.code != STATUS_OK)
        renames_free(renames);
    return status;
}

void renames_free(Renames *renames)
{
    for (int i = 0; i < renames->count; i++) {
        free(renames->at[i].theirs);
        free(renames->at[i].ours);
    }
    free(renames->at);
    *renames = (Renames){0};
}

char *renames_apply(const Renames *renames, const char *name, RenameAxes *axes)
{
    if (axes)
        *axes = AXES_OURS;
    for (int i = 0; i < renames->count; i++) {
        const Rename *rename = &renames->at[i];
        size_t theirs = strlen(rename->theirs), ours = strlen(rename->ours);
        if (strncmp(name, rename->theirs, theirs) != 0)
            continue;
        if (axes)
            *axes = rename->axes;
        char *made = malloc(ours + strlen(name + theirs) + 1);
        if (made) {
            memcpy(made, rename->ours, ours);
            strcpy(made + ours, name + theirs);
        }
        return made;
    }
    return strdup(name);
}

// ---- order of axes ----------------------------------------------------------

// axis[i]: which of their axes is our axis i. False when nothing moves.
static bool axes_of(RenameAxes axes, int rank, int axis[4])
{
    static const int orders[AXES_COUNT][4] = {{0}, {3, 2, 0, 1}, {1, 0}};
    if (axes == AXES_OURS || rank != (axes == AXES_HWIO ? 4 : 2))
        return false;
    memcpy(axis, orders[axes], sizeof orders[axes]);
    return true;
}

void axes_dims(RenameAxes axes, int rank, const int64_t *dims, int64_t *ours)
{
    int axis[4];
    bool moves = axes_of(axes, rank, axis);
    for (int i = 0; i < rank; i++)
        ours[i] = dims[moves ? axis[i] : i];
}

void axes_copy(RenameAxes axes, int rank, const int64_t *dims, int bytes,
               const void *theirs, void *ours)
{
    int axis[4];
    int64_t strides[4], sizes[4] = {1, 1, 1, 1}, steps[4] = {0}, count = 1;
    bool moves = axes_of(axes, rank, axis);
    for (int i = rank - 1; i >= 0; i--) {
        if (moves)
            strides[i] = count;
        count *= dims[i];
    }
    if (!moves) {
        memcpy(ours, theirs, (size_t)(count * bytes));
        return;
    }
    for (int i = 0; i < rank; i++) {
        sizes[4 - rank + i] = dims[axis[i]];
        steps[4 - rank + i] = strides[axis[i]] * bytes;
    }
    char *to = ours;
    for (int64_t a = 0; a < sizes[0]; a++)
        for (int64_t b = 0; b < sizes[1]; b++)
            for (int64_t c = 0; c < sizes[2]; c++)
                for (int64_t d = 0; d < sizes[3]; d++, to += bytes)
                    memcpy(to,
                           (const char *)theirs + a * steps[0] + b * steps[1] +
                               c * steps[2] + d * steps[3],
                           (size_t)bytes);
}
