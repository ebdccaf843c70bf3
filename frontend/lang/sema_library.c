// What a program can import besides its own files, and which file defines a
// name that it does not import.
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/lang/module.h"
#include "frontend/lang/parse.h"

// ---- simcc's own models -----------------------------------------------------

static Library *library_of(Sema *s)
{
    if (!s->library)
        s->library = ARENA_NEW(s->arena, Library);
    return s->library;
}

// Installed they are in ../share/simcc of the executable's folder; in a build
// folder, in `models` of one of those above it, where `lib` inside tells it
// from others of that name.
const char *lang_models(Arena *arena)
{
    static const char *const places[] = {"%s/models", "%s/share/simcc/models"};
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        return NULL;
    path[length] = 0;
    for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
        *slash = 0;
        for (int i = 0; i < 2; i++) {
            const char *folder = arena_printf(arena, places[i], path);
            if (access(arena_printf(arena, "%s/lib", folder), X_OK) == 0)
                return folder;
        }
    }
    return NULL;
}

const char *library_folder(Sema *s)
{
    Library *library = library_of(s);
    if (!library->is_sought)
        library->folder = lang_models(s->arena);
    library->is_sought = true;
    return library->folder;
}

// ---- who defines a name -----------------------------------------------------

static int is_net(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".net") == 0;
}

// The first file that defines a name is the one named.
static void add_name(Sema *s, const char *name, const char *file)
{
    if (!map_get(&s->library->files, name))
        map_set(&s->library->files, name, (void *)(uintptr_t)file);
}

// The files of FOLDER/lib, in the order of their names.
static void read_folder(Sema *s, const char *folder)
{
    struct dirent **entries;
    const char *lib = arena_printf(s->arena, "%s/lib", folder);
    int count = scandir(lib, &entries, is_net, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name, *why;
        const char *file = arena_printf(s->arena, "lib/%s", name);
        const Source *source = source_read(
            s->arena, arena_printf(s->arena, "%s/%s", lib, name), &why);
        free(entries[i]); // scandir's, not the arena's
        // Nobody has asked for the file itself: it may be missing or wrong.
        DiagList unheard = diag_list_new(s->arena);
        if (!source)
            continue;
        const Program *program = parse_program(s->arena, source, &unheard);
        for (int k = 0; k < program->defs.count; k++)
            add_name(s, program->defs.at[k]->name.text, file);
        for (int k = 0; k < program->params.count; k++)
            add_name(s, program->params.at[k]->name.text, file);
    }
    if (count >= 0)
        free(entries);
}

// The files are read when the first unknown name is met, and once: a program
// without mistakes pays nothing.
const char *library_file(Sema *s, const char *name)
{
    Library *library = library_of(s);
    if (!library->is_read) {
        library->is_read = true;
        library->files = map_new(s->arena);
        const char *root = s->root ? s->root->path : "";
        const char *slash = strrchr(root, '/');
        read_folder(
            s, slash ? arena_strndup(s->arena, root, (size_t)(slash - root))
                     : ".");
        if (library_folder(s))
            read_folder(s, library_folder(s));
    }
    return map_get(&library->files, name);
}
