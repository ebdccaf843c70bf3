// Weights of convolutions in the order kernels read them (PlanParam.tile), and
// as everybody else sees them, in files and by the index of initial values.
#ifndef SIMCC_RUNTIME_TILES_H
#define SIMCC_RUNTIME_TILES_H

#include <stdbool.h>

#include "runtime/base/status.h"
#include "runtime/exec/plan.h"

// Whether a param may be stored in tiles of that side (0 = it is not).
bool tiles_fit(const PlanTensor *tensor, int32_t tile);

// Where the element `row` of row-major order is stored.
int64_t tiles_index(const PlanParam *param, int64_t row);

// Copies a param's elements, tensor.bytes, between row-major order and the one
// it is stored in, which may be the same. No overlap.
void tiles_store(const PlanParam *param, const void *rows, void *stored);
void tiles_load(const PlanParam *param, const void *stored, void *rows);

// Puts elements that lie in row-major order where the param is stored. Needs
// memory for a copy when the orders differ.
Status tiles_settle(const PlanParam *param, void *data);

#endif
