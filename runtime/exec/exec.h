// Executes plans: binds buffers once, then runs steps without allocating.
#ifndef SIMCC_RUNTIME_EXEC_H
#define SIMCC_RUNTIME_EXEC_H

#include "runtime/exec/pool.h"
#include "runtime/exec/program.h"
#include "runtime/exec/store.h"

// Machine code of a program's objects, mapped read-execute.
typedef struct CodeImage CodeImage;
// Loads every object (x86-64 ELF relocatable, leaf functions; references only
// inside the object or to the C math functions listed in loader.c).
Status code_load(const Program *program, CodeImage **image);
void code_free(CodeImage *image);
// NULL when the symbol is not there.
PlanKernel *code_find(const CodeImage *image, const char *symbol);

typedef struct Executor Executor;
// The slab is allocated here, once, and zero, and so is all scratch. The plan,
// image, store and pool must outlive the executor; the store must hold the
// plan's params already (store_add_plan). `image` may be NULL for a plan
// without generated kernels.
Status executor_new(const Plan *plan, const CodeImage *image, Store *store,
                    Pool *pool, Executor **executor);
void executor_free(Executor *executor);
// Pointer to a named input or output in the slab; NULL when not there.
void *executor_input(Executor *executor, const char *name);
const void *executor_output(const Executor *executor, const char *name);
// Runs every step once, those of chunks once for each. Allocates nothing.
// Nothing in it fails but the connection to other processes, which then ends
// them all with a message (ranks.h).
void executor_run(Executor *executor);
// Fills the inputs of a step, or, in a plan with chunks, those of its chunk:
// once for each in pass 0, and again in pass 1 where there is one
// (plan_passes).
typedef Status ExecutorFeed(void *context, int pass, int chunk);
// Called on thread 0, all others at rest, whenever steps first .. end-1 have
// run to their end.
typedef void ExecutorAfter(void *context, int first, int end, int chunk);
// As executor_run, but everything is fed just before it is needed; `after` may
// be NULL. Ends with the first bad status of `feed`.
Status executor_run_fed(Executor *executor, ExecutorFeed *feed,
                        void *feed_context, ExecutorAfter *after,
                        void *after_context);
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
