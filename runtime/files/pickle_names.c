#include "runtime/files/pickle_names.h"

#include <stdlib.h>
#include <string.h>

bool pickle_known(const char *name, PickleKind *makes)
{
    static const struct {
        const char *name;
        PickleKind makes;
    } names[] = {
#define NAME(name, makes) {name, PICKLE_##makes},
#include "runtime/files/pickle_names.def"
#undef NAME
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i].name);
        if (names[i].name[length - 1] == '.'
                ? strncmp(name, names[i].name, length) == 0
                : strcmp(name, names[i].name) == 0) {
            *makes = names[i].makes;
            return true;
        }
    }
    return false;
}

void pickle_free(Pickle *pickle)
{
    if (!pickle)
        return;
    for (Block *block = pickle->blocks; block;) {
        Block *next = block->next;
        free(block);
        block = next;
    }
    free(pickle);
}

PickleValue *pickle_root(const Pickle *pickle)
{
    return pickle->root;
}

bool pickle_is(const PickleValue *value, PickleKind kind, const char *text)
{
    return value && value->kind == kind &&
           value->size == (int64_t)strlen(text) &&
           memcmp(value->text, text, (size_t)value->size) == 0;
}

PickleValue *pickle_get(const PickleValue *dict, const char *key)
{
    if (!dict || dict->kind != PICKLE_DICT)
        return NULL;
    for (int i = 0; i + 1 < dict->count; i += 2)
        if (pickle_is(dict->items[i], PICKLE_TEXT, key))
            return dict->items[i + 1];
    return NULL;
}
