// Walking the folders of a set: what is an image there, and what is below.
#ifndef SIMCC_RUNTIME_DATASET_WALK_H
#define SIMCC_RUNTIME_DATASET_WALK_H

#include "runtime/data/dataset_inside.h"

typedef struct NameList {
    char **items;
    int64_t count, room;
} NameList;

bool names_add(NameList *list, const char *name);
void names_free(NameList *list);

// folder/name below the root; "" is the root itself. False when too long.
bool walk_join(char path[DATASET_PATH], const char *folder, const char *name);
bool walk_is_folder(const Dataset *dataset, const char *relative);
// Names in a folder in byte order, without those that begin with a dot. A
// folder that cannot be opened is named among the skips.
Status walk_list(Dataset *dataset, const char *relative, NameList *names);
// By its extension, or without one by its first bytes. A picture that simcc
// drew itself is none.
bool walk_is_image(const Dataset *dataset, const char *folder,
                   const char *name);
// Does the folder hold images, itself or, if not, in folders below?
Status walk_holds(Dataset *dataset, const char *relative, bool *directly,
                  bool *below);
// Adds every image in and below a folder, by path bytes, but for the folders
// `without` (paths below the root; may be NULL). What cannot be read is named
// among the skips. Where `tests` is not NULL, folders with images that are test
// or validation parts by their names are not entered but listed there.
Status walk_add_images(Dataset *dataset, DataSplit split, const char *relative,
                       const NameList *without, NameList *tests, int label);

#endif
