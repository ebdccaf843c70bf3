#include "ir/base/diag.h"

#include <errno.h>

// Largest source accepted: a generous bound on a text one wrote or dumped.
#define MAX_SOURCE ((size_t)256 << 20)

Source *source_from_text(Arena *arena, const char *path, const char *text,
                         size_t length)
{
    Source *source = ARENA_NEW(arena, Source);
    source->path = arena_strdup(arena, path);
    source->text = arena_alloc(arena, length + 2); // zeroed: the two final NULs
    if (length)
        memcpy(source->text, text, length);
    source->length = length;
    return source;
}

// All of `file` in `text`; false on a read error or past MAX_SOURCE.
static bool read_all(FILE *file, Text *text)
{
    char piece[16384];
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, file)) > 0) {
        if (text->length + got > MAX_SOURCE) {
            errno = EFBIG;
            return false;
        }
        text_add_n(text, piece, got);
    }
    return !ferror(file);
}

Source *source_read(Arena *arena, const char *path, const char **error)
{
    *error = NULL;
    FILE *file = fopen(path, "rb");
    if (!file) {
        *error =
            arena_printf(arena, "cannot read '%s': %s", path, strerror(errno));
        return NULL;
    }
    Arena *scratch = arena_new();
    Text text = text_new(scratch);
    Source *source = NULL;
    if (read_all(file, &text))
        source = source_from_text(arena, path, text_string(&text), text.length);
    else
        *error =
            arena_printf(arena, "cannot read '%s': %s", path, strerror(errno));
    arena_free(scratch);
    fclose(file);
    return source;
}
