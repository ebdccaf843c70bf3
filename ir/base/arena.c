#include "ir/base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Under AddressSanitizer the unused part of every chunk is poisoned and each
// allocation is followed by a gap, so an overrun is caught as with malloc. A
// search for leaks follows pointers through a mapped chunk, as through
// malloc's.
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
enum { GAP = 16 };
#else
#define __lsan_register_root_region(at, size)   ((void)(at), (void)(size))
#define __lsan_unregister_root_region(at, size) ((void)(at), (void)(size))
#define ASAN_POISON_MEMORY_REGION(at, size)     ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
enum { GAP = 0 };
#endif

enum {
    ALIGNMENT = 16,
    FIRST_CHUNK = 64 << 10,
    LAST_CHUNK = 4 << 20, // chunks double up to this size
    HUGE_PAGE = 2 << 20,
    EXIT_MEMORY = 6,
};

typedef struct Chunk {
    struct Chunk *next; // the one filled before this
    size_t size;        // of `bytes`
    void *mapping;      // of a chunk of huge pages; NULL = malloc'ed
    size_t mapped;      // bytes of that
    _Alignas(ALIGNMENT) unsigned char bytes[];
} Chunk;

struct Arena {
    Chunk *chunks;     // the first is the one being filled
    size_t used;       // of the first chunk
    size_t next_chunk; // the size the next chunk gets
    size_t total;      // bytes handed out
};

void arena_out_of_memory(size_t size)
{
    fflush(stdout);
    fprintf(stderr,
            "simcc: error: out of memory (%zu bytes asked for): close other "
            "programs, or try a smaller net\n",
            size);
    exit(EXIT_MEMORY);
}

// Zeroed. Large nets need hundreds of megabytes; in pages of 4 KiB the system
// would spend as long on handing them out as the compiler on filling them.
static Chunk *map_chunk(size_t bytes)
{
    size_t mapped = bytes + HUGE_PAGE;
    void *mapping = mmap(NULL, mapped, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return NULL;
    size_t offset = (HUGE_PAGE - (uintptr_t)mapping % HUGE_PAGE) % HUGE_PAGE;
    Chunk *chunk = (Chunk *)((unsigned char *)mapping + offset);
    // Whole huge pages only: the rest of the last would be wasted memory.
    madvise(chunk, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    chunk->mapping = mapping;
    chunk->mapped = mapped;
    __lsan_register_root_region(mapping, mapped);
    return chunk;
}

static Chunk *chunk_new(size_t size)
{
    size_t bytes = sizeof(Chunk) + size;
    // calloc, so that what is handed out is zero without touching it here.
    Chunk *chunk = bytes >= HUGE_PAGE ? map_chunk(bytes) : calloc(1, bytes);
    if (!chunk)
        arena_out_of_memory(size);
    chunk->size = size;
    ASAN_POISON_MEMORY_REGION(chunk->bytes, size);
    return chunk;
}

Arena *arena_new(void)
{
    Arena *arena = calloc(1, sizeof(Arena));
    if (!arena)
        arena_out_of_memory(sizeof(Arena));
    arena->next_chunk = FIRST_CHUNK;
    return arena;
}

void arena_free(Arena *arena)
{
    if (!arena)
        return;
    for (Chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        ASAN_UNPOISON_MEMORY_REGION(chunk->bytes, chunk->size);
        if (chunk->mapping) {
            __lsan_unregister_root_region(chunk->mapping, chunk->mapped);
            munmap(chunk->mapping, chunk->mapped);
        } else {
            free(chunk);
        }
    }
    free(arena);
}

// A chunk of its own, put behind the one being filled: that one stays current.
static void *alloc_large(Arena *arena, size_t size)
{
    Chunk *chunk = chunk_new(size);
    if (arena->chunks) {
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        arena->chunks = chunk;
        arena->used = size;
    }
    return chunk->bytes;
}

static void *alloc_small(Arena *arena, size_t size)
{
    Chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - arena->used < size) {
        chunk = chunk_new(arena->next_chunk);
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        arena->used = 0;
        if (arena->next_chunk < LAST_CHUNK)
            arena->next_chunk *= 2;
    }
    void *at = chunk->bytes + arena->used;
    arena->used += size;
    return at;
}

void *arena_alloc(Arena *arena, size_t size)
{
    if (size > PTRDIFF_MAX / 2)
        arena_out_of_memory(size);
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + GAP;
    if (rounded == 0)
        rounded = ALIGNMENT;
    arena->total += rounded;
    // A quarter of a chunk at most is left unused.
    void *at = rounded > arena->next_chunk / 4 ? alloc_large(arena, rounded)
                                               : alloc_small(arena, rounded);
    ASAN_UNPOISON_MEMORY_REGION(at, size);
    return at;
}

char *arena_strndup(Arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    if (length)
        memcpy(copy, text, length);
    return copy;
}

char *arena_strdup(Arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_concat(Arena *arena, const char *a, const char *b, const char *c)
{
    size_t first = strlen(a), second = strlen(b), third = strlen(c);
    char *text = arena_alloc(arena, first + second + third + 1);
    memcpy(text, a, first);
    memcpy(text + first, b, second);
    memcpy(text + first + second, c, third);
    return text;
}

char *arena_vprintf(Arena *arena, const char *format, va_list args)
{
    char short_text[256]; // most are: they are formatted once
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(short_text, sizeof short_text, format, args);
    if (length < 0)
        length = 0; // an encoding error: nothing sensible to print
    char *text = arena_alloc(arena, (size_t)length + 1);
    if ((size_t)length < sizeof short_text)
        memcpy(text, short_text, (size_t)length);
    else
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *arena_printf(Arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

size_t arena_bytes(const Arena *arena)
{
    return arena->total;
}
