// The list of a large folder's files, kept from one command to the next.
#ifndef SIMCC_RUNTIME_DATASET_INDEX_H
#define SIMCC_RUNTIME_DATASET_INDEX_H

#include "runtime/data/dataset_inside.h"

// Smaller sets are read as fast.
enum { DATASET_INDEX_LEAST = 5000 };

// Notes the state of a folder, by its path below the root, that is open for
// reading its entries.
void dataset_note_folder(Dataset *dataset, const char *relative,
                         int descriptor);
void dataset_forget_folders(Dataset *dataset);

// Fills an empty set of dataset->root from the index in `folder`, if there is
// one and no folder has changed. Fails for lack of memory only.
Status dataset_index_read(Dataset *dataset, const char *folder, bool *found);
// Keeps what was read of a folder, where it is large and no folder changed in
// the tick in which it was read. That it cannot be written is noted, and no
// error.
Status dataset_index_write(Dataset *dataset, const char *folder);

#endif
