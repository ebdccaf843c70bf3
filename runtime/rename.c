#include "runtime/rename.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/file.h"

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

static Status add_line(Renames *renames, const char *path, int number,
                       char *line)
{
    line[strcspn(line, "#")] = '\0';
    line = trimmed(line);
    if (!*line)
        return status_ok();
    char *arrow = strstr(line, "->");
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

char *renames_apply(const Renames *renames, const char *name)
{
    for (int i = 0; i < renames->count; i++) {
        const Rename *rename = &renames->at[i];
        size_t theirs = strlen(rename->theirs), ours = strlen(rename->ours);
        if (strncmp(name, rename->theirs, theirs) != 0)
            continue;
        char *made = malloc(ours + strlen(name + theirs) + 1);
        if (made) {
            memcpy(made, rename->ours, ours);
            strcpy(made + ours, name + theirs);
        }
        return made;
    }
    return strdup(name);
}
