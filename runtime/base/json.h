// A strict pull reader for JSON as safetensors headers use it: objects,
// arrays, strings and numbers, straight from a buffer. The caller says
// what it expects next; the first surprise is kept and stops all reading.
#ifndef SIMCC_RUNTIME_JSON_H
#define SIMCC_RUNTIME_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct JsonReader {
    const char *at, *end, *start;
    const char *error; // NULL = none so far; else what was wrong
    size_t position;   // of the error, in bytes
    bool no_memory;    // the error is that there was none: nothing is wrong
} JsonReader;

JsonReader json_reader(const char *text, size_t size);

// Notes a failure (the first stays) and returns false.
bool json_fail(JsonReader *reader, const char *error);

// The same, for want of memory.
bool json_out_of_memory(JsonReader *reader);

// Enters an object or array: '{' or '['.
bool json_enter(JsonReader *reader, char open);
// True when another member follows, false at the closing bracket or a failure.
// *first is true before the first member; json_next clears it.
bool json_next(JsonReader *reader, char close, bool *first);
// A member's key and its colon; as json_string.
char *json_key(JsonReader *reader);
// A string with its escapes resolved: UTF-8, malloc'ed, never with a zero byte
// inside. NULL on failure.
char *json_string(JsonReader *reader);
// A whole number from 0 to 2^63 - 1, without sign, fraction or exponent.
bool json_whole(JsonReader *reader, int64_t *number);
// Any number; null is NaN.
bool json_number(JsonReader *reader, double *number);
// A value of any kind, passed over; objects and arrays no more than 64 deep.
bool json_skip(JsonReader *reader);
// Only spaces may be left.
bool json_finish(JsonReader *reader);

// Whether the bytes are well-formed UTF-8.
bool json_is_utf8(const char *text, size_t size);

#endif
