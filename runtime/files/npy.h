// NumPy's .npy files, version 1.0: a header as a Python literal, then the
// elements in C order, little-endian.
#ifndef SIMCC_RUNTIME_NPY_H
#define SIMCC_RUNTIME_NPY_H

#include "runtime/base/file.h"
#include "runtime/exec/plan.h"

// Starts the file of an array of PLAN_F32 or PLAN_F64; the caller puts its
// elements with file_put and commits. At most PLAN_MAX_RANK dims.
Status npy_begin(FileWriter *writer, const char *path, int32_t dtype, int rank,
                 const int64_t *dims);

#endif
