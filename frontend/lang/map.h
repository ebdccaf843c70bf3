// A hash map from strings to pointers, in an arena. Keys are not copied.
// Iteration follows insertion order, so nothing depends on hash values.
#ifndef SIMCC_FRONTEND_LANG_MAP_H
#define SIMCC_FRONTEND_LANG_MAP_H

#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/vec.h"

typedef struct MapEntry {
    const char *key;
    void *value;
    uint32_t hash;
} MapEntry;

typedef struct Map {
    Arena *arena;
    VEC(MapEntry) entries; // in insertion order
    int *slots;            // index + 1 into entries, 0 = free
    int slot_count;        // a power of two
} Map;

Map map_new(Arena *arena);
// NULL when the key is absent.
void *map_get(const Map *map, const char *key);
// Adds or replaces.
void map_set(Map *map, const char *key, void *value);
// Forgets everything but keeps the storage.
void map_clear(Map *map);

#endif
