// Growable arrays in an arena: VEC(int) numbers; vec_push(arena, &numbers, 7).
// Old storage stays in the arena until it dies, so pointers to elements become
// stale (not invalid) when the vector grows: keep indices, not pointers.
#ifndef SIMCC_IR_BASE_VEC_H
#define SIMCC_IR_BASE_VEC_H

#include <string.h>

#include "ir/base/arena.h"

#define VEC(T)                                                                 \
    struct {                                                                   \
        T *at;                                                                 \
        int count, capacity;                                                   \
    }

#define vec_push(arena, v, item)                                               \
    ((v)->count == (v)->capacity                                               \
         ? (void)((v)->at = vec_grow_((arena), (v)->at, (v)->count,            \
                                      &(v)->capacity, sizeof(*(v)->at)))       \
         : (void)0,                                                            \
     (v)->at[(v)->count++] = (item))

static inline void *vec_grow_(Arena *arena, const void *old, int count,
                              int *capacity, size_t item_size)
{
    *capacity = *capacity ? 2 * *capacity : 8;
    void *grown = arena_alloc(arena, (size_t)*capacity * item_size);
    if (count)
        memcpy(grown, old, (size_t)count * item_size);
    return grown;
}

#endif
