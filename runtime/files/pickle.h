// Python's pickles as data: a closed interpreter of the opcodes that files of
// weights use. A pickle is a program that may call any function by its name.
// Here it calls none: the few names that weights need are known to be data
// (pickle_names.def), any other one is refused, and so is every other opcode.
// What comes out is a tree of values, which may share parts and have cycles.
#ifndef SIMCC_RUNTIME_PICKLE_H
#define SIMCC_RUNTIME_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef enum PickleKind {
    PICKLE_NONE,
    PICKLE_BOOL,   // whole
    PICKLE_INT,    // whole
    PICKLE_LONG,   // text: more than 8 bytes, two's complement
    PICKLE_FLOAT,  // real
    PICKLE_TEXT,   // text: UTF-8
    PICKLE_BYTES,  // text
    PICKLE_TUPLE,  // items
    PICKLE_LIST,   // items; sets, too
    PICKLE_DICT,   // items: key, value, key, value
    PICKLE_NAME,   // text: "module.name", of a class or function
    PICKLE_OBJECT, // what calling `of`, a name, with `items` would be
    PICKLE_STORED, // of: what a persistent id says, a tuple
} PickleKind;

typedef struct PickleValue PickleValue;
struct PickleValue {
    PickleKind kind;
    bool entered; // for who walks the tree: to find cycles
    int count, room;
    union {
        PickleValue **items;
        const char *text; // `size` bytes, no zero behind them
        int64_t whole;
        double real;
    };
    int64_t size;
    PickleValue *of;
};

typedef struct Pickle Pickle;

// The first pickle in `bytes`, which must stay while its values are used.
// *used is its length. `path` is for messages. STATUS_DATA when it is cut off,
// malformed, too large, or names what is not known.
Status pickle_read(const void *bytes, int64_t size, const char *path,
                   Pickle **pickle, int64_t *used);
void pickle_free(Pickle *pickle);
PickleValue *pickle_root(const Pickle *pickle);

// Is it that text, or the name of that class or function?
bool pickle_is(const PickleValue *value, PickleKind kind, const char *text);
// The value of a text key of a dict; NULL when there is none, or no dict.
PickleValue *pickle_get(const PickleValue *dict, const char *key);

#endif
