// Bump allocation by lifetime: everything in an arena dies together.
// Compiler folders never call free; pointers go only to equal or longer life.
#ifndef SIMCC_IR_BASE_ARENA_H
#define SIMCC_IR_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;

// Ends the process: `size` bytes of memory were not to be had (exit 6). The
// compiler has nothing to save; the runtime returns STATUS_MEMORY instead.
_Noreturn void arena_out_of_memory(size_t size);

// A new empty arena. Never NULL: running out of memory is fatal.
Arena *arena_new(void);

// Frees the arena and everything allocated in it. NULL is allowed.
void arena_free(Arena *arena);

// `size` zeroed bytes, aligned for any type. Never NULL.
void *arena_alloc(Arena *arena, size_t size);

// A copy of the first `length` bytes of `text`, with a final NUL.
char *arena_strndup(Arena *arena, const char *text, size_t length);
char *arena_strdup(Arena *arena, const char *text);

// printf into the arena.
char *arena_printf(Arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Three texts as one; many times as fast as arena_printf, for what is made of
// every node and seldom read.
char *arena_concat(Arena *arena, const char *a, const char *b, const char *c);
char *arena_vprintf(Arena *arena, const char *format, va_list args);

// Bytes handed out so far; used to bound what bad input may cost.
size_t arena_bytes(const Arena *arena);

#define ARENA_NEW(arena, T) ((T *)arena_alloc((arena), sizeof(T)))
#define ARENA_ARRAY(arena, T, n)                                               \
    ((T *)arena_alloc((arena), sizeof(T) * (size_t)(n)))

#endif
