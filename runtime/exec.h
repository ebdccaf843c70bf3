// Executes plans: binds buffers once, then runs steps without allocating.
#ifndef SIMCC_RUNTIME_EXEC_H
#define SIMCC_RUNTIME_EXEC_H

#include "runtime/pool.h"
#include "runtime/program.h"
#include "runtime/store.h"

// Machine code of a program's objects, mapped read-execute.
typedef struct CodeImage CodeImage;
// Loads every object (x86-64 ELF relocatable, leaf functions; references only
// inside the object or to the C math functions listed in loader.c).
Status code_load(const Program *program, CodeImage **image);
void code_free(CodeImage *image);
// NULL when the symbol is not there.
PlanKernel *code_find(const CodeImage *image, const char *symbol);

typedef struct Executor Executor;
// The slab is allocated here, once, and zero. The plan, image, store and pool
// must outlive the executor; the store must hold the plan's params already
// (store_add_plan). `image` may be NULL for a plan without generated kernels.
Status executor_new(const Plan *plan, const CodeImage *image, Store *store,
                    Pool *pool, Executor **executor);
void executor_free(Executor *executor);
// Pointer to a named input or output in the slab; NULL when not there.
void *executor_input(Executor *executor, const char *name);
const void *executor_output(const Executor *executor, const char *name);
// Runs every step once. Allocates nothing and cannot fail.
void executor_run(Executor *executor);
// The same, and calls `after` on thread 0, all others at rest, whenever steps
// first .. end-1 have run to their end.
void executor_run_watched(Executor *executor,
                          void (*after)(void *context, int first, int end),
                          void *context);
// Where a value of the plan lies in the slab; NULL for one that lies in a
// param.
const void *executor_value(const Executor *executor, const PlanValue *value);
// Seconds spent in each step so far, when timing is on (for profiles).
void executor_set_timing(Executor *executor, bool on);
const double *executor_step_seconds(const Executor *executor);
// What one thread did in each step of the last timed run; start is of
// clock_seconds.
typedef struct StepSpan {
    double start, seconds;
} StepSpan;
const StepSpan *executor_spans(const Executor *executor, int thread);
// slab + scratch of all threads, in bytes.
int64_t executor_bytes(const Executor *executor);

#endif
