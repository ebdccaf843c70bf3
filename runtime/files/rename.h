// Names of other programs' weights: a list of beginnings and what takes their
// place. A file has a line each, `theirs -> ours`; either side may be empty,
// `#` begins a comment. Behind a colon may stand the order of their axes, that
// of TensorFlow: `hwio` for convolutions, `io` for dense layers.
//     module.encoder. ->
//     classifier.     -> fc.
//     base/conv2d/kernel -> conv1.weight : hwio
#ifndef SIMCC_RUNTIME_RENAME_H
#define SIMCC_RUNTIME_RENAME_H

#include <stdint.h>

#include "runtime/base/status.h"

typedef enum RenameAxes {
    AXES_OURS, // [out, in, height, width], [out, in]
    AXES_HWIO, // [height, width, in, out]
    AXES_IO,   // [in, out]
    AXES_COUNT
} RenameAxes;

typedef struct Rename {
    char *theirs, *ours;
    RenameAxes axes;
} Rename;

typedef struct Renames {
    int count;
    Rename *at;
} Renames;

// STATUS_DATA names the line that is no rename.
Status renames_read(const char *path, Renames *renames);
void renames_free(Renames *renames);
// The name after the first line that fits it; malloc'ed, NULL without memory.
// *axes (may be NULL) are those of the line.
char *renames_apply(const Renames *renames, const char *name, RenameAxes *axes);

// The dims a tensor of theirs has in our order. A rank that those axes do not
// have is left as it is.
void axes_dims(RenameAxes axes, int rank, const int64_t *dims, int64_t *ours);
// Copies elements of `bytes` bytes into our order.
void axes_copy(RenameAxes axes, int rank, const int64_t *dims, int bytes,
               const void *theirs, void *ours);

#endif
