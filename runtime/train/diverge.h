// Finding where in a step a number without bounds came from.
#ifndef SIMCC_RUNTIME_DIVERGE_H
#define SIMCC_RUNTIME_DIVERGE_H

#include "runtime/exec/exec.h"

// Index of the first element that is NaN or infinite, or -1. `data` holds
// `count` numbers of a PlanDType.
int64_t first_unbounded(const void *data, int32_t dtype, int64_t count);

// Is element i of such data NaN? It is known to be NaN or infinite.
bool is_nan_at(const void *data, int32_t dtype, int64_t i);

// The first tensor with such a number among those that are saved; NULL = none.
const StoreTensor *store_unbounded(const Store *store);

// Watches the steps of a run that is known to diverge. A value that was
// unbounded in a step that ended well (a mask of -infinity, say) is no
// suspect.
typedef struct Diverge Diverge;

// NULL when there is no memory.
Diverge *diverge_new(const ProgramPhase *phase, Executor *executor,
                     const Store *store);
void diverge_free(Diverge *diverge);
// Runs a step that is fed as executor_run_fed does it.
Status diverge_run(Diverge *diverge, ExecutorFeed *feed, void *context);
// The step has ended well.
void diverge_went_well(Diverge *diverge);

// In the last step run; NULL when no suspect was seen. *row is the first row
// of the value with such numbers, or -1 when they are of several images; *nan
// whether the first one was NaN; *chunk which chunk of the step it was, 0 in
// one without.
const PlanValue *diverge_suspect(const Diverge *diverge, int64_t *row,
                                 bool *nan, int *chunk);

#endif
