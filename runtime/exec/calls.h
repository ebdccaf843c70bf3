// The runtime functions of abi.def, and the only door to BLAS.
#ifndef SIMCC_RUNTIME_CALLS_H
#define SIMCC_RUNTIME_CALLS_H

#include <stdbool.h>

#include "runtime/base/status.h"
#include "runtime/exec/cpu.h"
#include "runtime/exec/plan.h"

#define CALL(id, function, imms, args, doc) PlanKernel function;
#include "runtime/exec/abi.def"

// Limits BLAS to one thread per caller: the pool splits the work, and sums
// must not depend on how many threads a library finds. Idempotent.
void calls_init(void);

// The version and settings of the BLAS library.
const char *calls_blas(void);
// OpenBLAS has kernels for each core it knows, and for newer ones takes those
// of 2004. Here: the name of an older relative of the processor's, where that
// is so, which environment variable BLAS_CORE must hold before the library is
// loaded; else NULL, as when the variable is set.
#define BLAS_CORE "OPENBLAS_CORETYPE"
const char *calls_better_core(void);
// Begins the program anew with it: main's first act. Returns where there is
// nothing to mend, or no way to.
void calls_restart_for_blas(char **argv);
// The same of a library that has chosen `core` on a processor that has `has`.
const char *calls_core_instead(const char *core, CpuSet has);

// The function of a PlanCall and its number of imms and args.
PlanKernel *call_function(PlanCall call);
int call_imm_count(PlanCall call);
int call_arg_count(PlanCall call);
// Does it call BLAS?
bool call_uses_blas(PlanCall call);
// Do processes meet in it? Then it is one task, which thread 0 runs.
bool call_is_collective(PlanCall call);
// What a plan's sums behind the work need (sums.h): how many it begins in a
// step, and bytes of what comes from other processes, of one at a time.
typedef struct SumsNeed {
    int count;
    int64_t room;
} SumsNeed;
// Scratch that collectives of a checked plan need among so many processes: of
// thread 0, beside or beyond Plan.scratch_bytes; and what its sums behind the
// work need. STATUS_FAILED when one is to move more than MPI can count.
Status calls_room(const Plan *plan, int ranks, int64_t *bytes,
                  SumsNeed *behind);
// Sums behind the work are made in pieces of so many bytes: what the work
// itself wants to send meanwhile waits for no more than one of them, 0.4 ms
// between two processes at 10 Gbit/s, which two latencies a piece do not
// lengthen much.
enum { SUM_PIECE = 1 << 20 };
// Sums of so few bytes are made by every rank of all elements: one message
// after the other instead of two.
enum { SUM_SMALL_BYTES = 1 << 12, SUM_SMALL_ROOM = 1 << 17 };
bool sum_is_small(int64_t bytes, int ranks);
// to = the sum of all ranks' `from`, which may be the same; `rows` is of the
// room that calls_room says.
void call_sum(bool single, const void *from, void *to, int64_t elements,
              void *rows);
// "call_conv_f32", for profiles.
const char *call_name(PlanCall call);

#endif
