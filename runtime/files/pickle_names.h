// What pickle.c and pickle_names.c share.
#ifndef SIMCC_RUNTIME_PICKLE_NAMES_H
#define SIMCC_RUNTIME_PICKLE_NAMES_H

#include "runtime/files/pickle.h"

typedef struct Block {
    struct Block *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
} Block;

struct Pickle {
    Block *blocks;
    PickleValue *root;
};

// May a pickle name this class or function? *makes is the kind of what a call
// of it makes: a dict or an object.
bool pickle_known(const char *name, PickleKind *makes);

#endif
