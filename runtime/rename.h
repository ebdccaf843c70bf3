// Names of other programs' weights: a list of beginnings and what takes their
// place. A file has a line each, `theirs -> ours`; either side may be empty,
// `#` begins a comment.
//     module.encoder. ->
//     classifier.     -> fc.
#ifndef SIMCC_RUNTIME_RENAME_H
#define SIMCC_RUNTIME_RENAME_H

#include "runtime/status.h"

typedef struct Rename {
    char *theirs, *ours;
} Rename;

typedef struct Renames {
    int count;
    Rename *at;
} Renames;

// STATUS_DATA names the line that is no rename.
Status renames_read(const char *path, Renames *renames);
void renames_free(Renames *renames);
// The name after the first line that fits it; malloc'ed, NULL without memory.
char *renames_apply(const Renames *renames, const char *name);

#endif
