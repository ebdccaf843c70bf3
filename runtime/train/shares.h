// Images without training, by several processes: they take batches in turn or,
// of a joined set, each takes those of its own part; and all get what comes
// out, and know of which image.
#ifndef SIMCC_RUNTIME_SHARES_H
#define SIMCC_RUNTIME_SHARES_H

#include "runtime/data/input.h"
#include "runtime/exec/ranks.h"
#include "runtime/exec/store.h"

// What the processes' batches of one round gave: of one process its own.
typedef struct Shares {
    int64_t count;     // images in a round: a batch of each process
    int64_t row_bytes; // of what comes out of an image
    const char *rows;  // [count * row_bytes], as last gathered
    const bool *valid; // [count]: is there an image, and can it be read?
    char *gathered_rows;
    bool *gathered_valid;
} Shares;

// For batches of so many images. STATUS_MEMORY; shares_close in any case.
Status shares_open(Shares *shares, int batch, int64_t row_bytes);
void shares_close(Shares *shares);
// Has an input read this process's batches of the images that `spec` describes.
void shares_set_input(InputSpec *spec);
// Of these images in batches of so many: how many rounds all of them take, and
// which of them, counted from 0, is row i of all in a round; -1 = none.
typedef struct Division {
    int64_t count, batch;
    bool joined;
    int64_t starts[RANKS_MAX + 1]; // of a joined set: of each process's
} Division;
void shares_divide(Division *division, const Dataset *data, DataSplit split,
                   const int64_t *indices, int64_t count, int batch);
int64_t division_rounds(const Division *division);
int64_t division_row(const Division *division, int64_t round, int64_t i);
// All processes' rows and flags of a round, which each calls with its own.
// These last until the next round, on one process as long as what is given.
void shares_gather(Shares *shares, const void *rows, const bool *valid);

// Gives all processes the running states of process 0 that the plan reads:
// norms that see the images of one process alone have others on each.
void shares_states(const Plan *plan, Store *store);

#endif
