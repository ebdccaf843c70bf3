// Which classes the rows of a list have: one each, or several.
#ifndef SIMCC_RUNTIME_LIST_LABELS_H
#define SIMCC_RUNTIME_LIST_LABELS_H

#include "runtime/data/list_text.h"

typedef struct ListLabels {
    // Columns that have them, [count]: one of classes, or, in a list with a
    // header, several of classes or one for each class that holds 0 and 1.
    int *columns;
    int count;
    bool marks; // 0 and 1
    bool several;
    char why[256];      // several: by what that is seen, for people
    char **names;       // of classes, or of marks' columns
    int64_t *starts;    // [rows + 1]: row i has names[starts[i]] up to
                        // names[starts[i + 1]]
    bool *known;        // [rows]: some, or none of the classes; not: unlabelled
    int64_t name_count; // of `names`
} ListLabels;

// Columns of a header whose words are `label1`, `label_2` and so on; false
// when there are not two of them. STATUS_MEMORY alone.
Status list_numbered_columns(const ListText *table, ListLabels *labels,
                             bool *found);
// All columns but those of `taken` [columns] where each holds 0 and 1 (or
// -1 and 1, true and false); false when there are not two, or one holds more.
Status list_marked_columns(const ListText *table, int columns,
                           const bool *taken, ListLabels *labels, bool *found);
// Cuts the cells of these columns into names, in place. Row 0 is a header, or
// not. STATUS_DATA, with the line, for a mark that says nothing.
Status list_labels_read(ListText *table, bool header, ListLabels *labels);
void list_labels_free(ListLabels *labels);

#endif
