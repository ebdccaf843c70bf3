#include "frontend/lang/map.h"

#include <string.h>

#include "ir/base/text.h"

Map map_new(Arena *arena)
{
    return (Map){.arena = arena};
}

static uint32_t hash_key(const char *key)
{
    uint64_t hash = text_hash(TEXT_HASH_SEED, key, strlen(key));
    return (uint32_t)(hash ^ hash >> 32);
}

// The slot that holds the key, or the free one where it belongs.
static int *find_slot(const Map *map, const char *key, uint32_t hash)
{
    uint32_t mask = (uint32_t)map->slot_count - 1;
    for (uint32_t at = hash & mask;; at = (at + 1) & mask) {
        int index = map->slots[at];
        if (index == 0)
            return &map->slots[at];
        const MapEntry *entry = &map->entries.at[index - 1];
        if (entry->hash == hash && strcmp(entry->key, key) == 0)
            return &map->slots[at];
    }
}

void *map_get(const Map *map, const char *key)
{
    if (map->slot_count == 0)
        return NULL;
    int index = *find_slot(map, key, hash_key(key));
    return index ? map->entries.at[index - 1].value : NULL;
}

static void grow_slots(Map *map)
{
    map->slot_count = map->slot_count ? 2 * map->slot_count : 16;
    map->slots = ARENA_ARRAY(map->arena, int, map->slot_count);
    uint32_t mask = (uint32_t)map->slot_count - 1;
    for (int i = 0; i < map->entries.count; i++) {
        uint32_t at = map->entries.at[i].hash & mask;
        while (map->slots[at])
            at = (at + 1) & mask;
        map->slots[at] = i + 1;
    }
}

void map_set(Map *map, const char *key, void *value)
{
    if (2 * (map->entries.count + 1) > map->slot_count)
        grow_slots(map);
    uint32_t hash = hash_key(key);
    int *slot = find_slot(map, key, hash);
    if (*slot) {
        map->entries.at[*slot - 1].value = value;
        return;
    }
    vec_push(map->arena, &map->entries, ((MapEntry){key, value, hash}));
    *slot = map->entries.count;
}

void map_clear(Map *map)
{
    map->entries.count = 0;
    if (map->slots)
        memset(map->slots, 0, sizeof(int) * (size_t)map->slot_count);
}
