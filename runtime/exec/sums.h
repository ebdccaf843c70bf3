// Sums over processes behind the work: a thread of their own makes them, one
// after the other in the order in which they are begun, while the executor goes
// on. Where MPI does not let two threads speak at once they are made when they
// are begun.
#ifndef SIMCC_RUNTIME_SUMS_H
#define SIMCC_RUNTIME_SUMS_H

#include "runtime/exec/calls.h"

// Ready for the sums of a plan, of which there is one at a time; nothing where
// it has none. STATUS_MEMORY; STATUS_FAILED where no thread can be started.
Status sums_open(SumsNeed need);
// When all that were begun have been waited for.
void sums_close(void);

// When the sum of that number (CallSumStart) was last made, by clock_seconds,
// and how long a processor was at it.
typedef struct SumSpan {
    double start, seconds, worked;
} SumSpan;
SumSpan sums_span(int number);

#endif
