// Processes that train together: ranks 0, 1, ... of one job. Without MPI
// (ranks_one.c) there is one. All of them call the functions below in the same
// order, each from one thread, or from two with ranks_work_behind; what they
// give must be the same but for the data. An error of the connection ends all
// processes, with a message.
#ifndef SIMCC_RUNTIME_RANKS_H
#define SIMCC_RUNTIME_RANKS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

enum {
    RANKS_MAX = 1024,
    // That a rank may give or get at once: MPI counts bytes in an int.
    RANKS_MOST_BYTES = INT_MAX,
};

// Joins the others; before anything else. One process that no launcher started
// is rank 0 of one.
Status ranks_open(void);
// Leaves, when all others do.
void ranks_close(void);

int ranks_count(void);
int ranks_index(void);
int ranks_here(void);            // on this machine
const char *ranks_library(void); // for `simcc --version`; NULL without MPI

// Everyone's `bytes` from `from`, one rank after the other, to `to`.
void ranks_gather(const void *from, void *to, int64_t bytes);
// `from` is a piece for each rank, of bytes[r], one after the other; `to`
// becomes what all have for this one, but for its own piece, which is not
// copied.
void ranks_exchange(const void *from, void *to, const int64_t *bytes);
// `data` is a piece of each rank, of bytes[r], one after the other: everyone
// fills in its own and gets the others.
void ranks_collect(void *data, const int64_t *bytes);
// What rank 0 has, for all.
void ranks_broadcast(void *data, int64_t bytes);
// Is it true on any?
bool ranks_any(bool here);

// May a second thread call these functions, too, beside the one that does?
bool ranks_can_work_behind(void);
// From here on the calling thread's calls are of a line of their own: they meet
// those of the other processes' such threads, and sleep while they wait.
void ranks_work_behind(void);

// A process that is gone without a word of its own, and its machine (`silent`:
// which no longer answers): by a thread of its own of one that is left, before
// all of them are ended.
typedef void RanksLost(int rank, const char *machine, bool silent);
void ranks_set_lost(RanksLost *say);
// The first of which nobody would notice that, with its machine; NULL: none.
const char *ranks_unwatched(int *rank);

// Ends all processes at once with that exit code, after what is to be said
// last, if anything.
_Noreturn void ranks_abort(int code);
void ranks_set_last_words(void (*say)(void));

#endif
