// Element types of other programs' files, as numbers of this one.
#ifndef SIMCC_RUNTIME_CONVERT_H
#define SIMCC_RUNTIME_CONVERT_H

#include <stdbool.h>

#include "runtime/files/safetensors.h"

// From F16, BF16, F32 and F64 to F32 and F64.
bool convert_can(SafeDType from, int32_t to);
// `to` is a PlanDType; F64 to F32 rounds to nearest, the rest is exact.
void convert_elements(SafeDType from, const void *source, int32_t to,
                      void *target, int64_t count);

#endif
