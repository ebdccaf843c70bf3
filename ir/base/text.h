// A string builder in an arena, and the few string helpers everyone needs.
#ifndef SIMCC_IR_BASE_TEXT_H
#define SIMCC_IR_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"

typedef struct Text {
    Arena *arena;
    char *at; // NUL-terminated once anything was added; NULL before
    size_t length, capacity;
} Text;

Text text_new(Arena *arena);
void text_add(Text *text, const char *piece);
void text_add_n(Text *text, const char *piece, size_t length);
void text_addf(Text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// In decimal; several times faster than text_addf, for texts of many numbers.
void text_add_int(Text *text, int64_t value);
// The finished string, "" if nothing was added.
const char *text_string(const Text *text);

// The shortest decimal form that reads back as the same double;
// "inf", "-inf" and "nan" for the rest.
void text_add_double(Text *text, double value);
// `piece` as a JSON string with its quotes; bytes that are not UTF-8 become
// U+FFFD.
void text_add_json(Text *text, const char *piece);

// Bytes in the UTF-8 sequence at `at` (NUL-terminated): 1 to 4, or 0 when it is
// not valid UTF-8.
int text_utf8_length(const char *at);

// Shell-like match of a whole name: `*` is any run of characters (dots
// included), `?` one character.
bool text_glob(const char *pattern, const char *name);

// The candidate closest to `word` by edit distance, or NULL when none is close
// enough to be what was meant.
const char *text_closest(const char *word, const char *const *candidates,
                         int count);

// FNV-1a, 64 bits; chain by passing the previous hash.
#define TEXT_HASH_SEED 0xcbf29ce484222325ull
uint64_t text_hash(uint64_t hash, const void *bytes, size_t length);

// What a word gets behind a number of things: "" or "s".
static inline const char *text_s(int64_t count)
{
    return count == 1 ? "" : "s";
}

#endif
