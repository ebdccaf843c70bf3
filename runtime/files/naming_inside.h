// What the files of naming.h share.
#ifndef SIMCC_RUNTIME_NAMING_INSIDE_H
#define SIMCC_RUNTIME_NAMING_INSIDE_H

#include "runtime/files/naming.h"

// How PyTorch code names the parts of a ResNet; its own modules' names where
// nothing is said.
typedef struct TorchStyle {
    const char *stem, *stem_norm; // "conv1", "bn1"
    int first;            // of the groups, numbers in a Sequential; -1 = names
    const char *shortcut; // "downsample"
} TorchStyle;

// A way of naming. Names are put together after a root, which is looked for.
typedef struct NamingRow {
    const char *title, *note;
    const char *encoder; // before the encoder's names
    const TorchStyle *style;
    const char *head; // before the head's numbers in a Sequential; NULL = none
    const char *classifier; // "fc"; NULL = none
    bool (*theirs)(const struct NamingRow *row, const NamingNet *net,
                   bool head_norms, const char *ours, char out[NAMING_NAME],
                   RenameAxes *axes);
    const char *small; // a note on its stem of 3x3 windows
} NamingRow;

const NamingRow *naming_rows(int *count);
// The row of torchvision's own names.
const NamingRow *naming_torchvision(void);

// Does a root say that what is below it is an average of the net, or another
// program's idea of a teacher?
bool naming_is_copy(const char *root);

// "bn1" and "weight" of "bn1.weight"; false when there is no dot or no room.
bool naming_split(const char *name, char layer[64], const char **leaf);

// Every way of naming under which all of some wants are there, one after
// another.
typedef struct NamingCover {
    const TensorFile *file;
    NamingNet net;
    const NamingRow *row; // the one found
    char root[NAMING_ROOT];
    bool torch, head_norms;
    int at; // of the rows
} NamingCover;

Status naming_cover_new(NamingCover *cover, const TensorFile *file, int count,
                        const NamingWant *wants);
bool naming_cover_next(NamingCover *cover);
void naming_cover_free(NamingCover *cover);
// Does the file have a head where this way of naming has one?
bool naming_cover_head(const NamingCover *cover);
// Where a tensor of ours is, wanted or not.
NamingPlace naming_cover_find(const NamingCover *cover, const char *ours);

#endif
