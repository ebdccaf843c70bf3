// What a large set consists of, kept from one command to the next.
#ifndef SIMCC_RUNTIME_DATASET_INDEX_H
#define SIMCC_RUNTIME_DATASET_INDEX_H

#include "runtime/data/dataset_inside.h"

// Smaller sets are read as fast.
enum { DATASET_INDEX_LEAST = 5000 };

// Notes the state of a folder, by its path below the root, that is open for
// reading its entries.
void dataset_note_folder(Dataset *dataset, const char *relative,
                         int descriptor);
// The same of a file or a folder, by its path below the set's folder or from /
// on; that it is not there is a state, too. Before it is read.
void dataset_note_path(Dataset *dataset, const char *relative);
void dataset_forget_folders(Dataset *dataset);

// Fills an empty set of dataset->root from the index in `folder`, if there is
// one and nothing that was noted has changed. Fails for lack of memory only.
Status dataset_index_read(Dataset *dataset, const char *folder, bool *found);
// Keeps what was read, where it is large and nothing that was noted changed in
// the tick in which it was read. That it cannot be written is noted, and no
// error.
Status dataset_index_write(Dataset *dataset, const char *folder);

#endif
