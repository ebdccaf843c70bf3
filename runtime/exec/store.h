// Params by name: the tensors that live between steps and in checkpoints.
#ifndef SIMCC_RUNTIME_STORE_H
#define SIMCC_RUNTIME_STORE_H

#include <stdbool.h>

#include "runtime/base/status.h"
#include "runtime/exec/plan.h"

typedef struct StoreTensor {
    PlanParam param; // copied; name owned by the store
    void *data;      // tensor.bytes, 64-byte aligned; order: param.tile
    bool loaded;     // came from a file rather than an initializer
} StoreTensor;

typedef struct Store {
    int count, capacity;
    StoreTensor *tensors;
} Store;

// Adds the params of a plan that the store lacks (zeroed). Fails when a name
// is there with another shape or type.
Status store_add_plan(Store *store, const Plan *plan);
StoreTensor *store_find(const Store *store, const char *name);
// Fills every tensor not loaded by its initializer; the numbers depend on
// (seed, name, index in row-major order) alone. Copies come last, of what was
// loaded or filled.
void store_initialize(Store *store, uint64_t seed);
int64_t store_bytes(const Store *store);
void store_free(Store *store);

#endif
