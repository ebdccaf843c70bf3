// Principal components: the directions in which rows differ most.
#ifndef SIMCC_RUNTIME_PCA_H
#define SIMCC_RUNTIME_PCA_H

#include <stdint.h>

#include "runtime/base/status.h"

enum { PCA_AXES = 2 };

// Projects rows, [count, width], less their mean onto their two principal axes:
// points is [count, 2]. shares: of the rows' variance along each axis. The sign
// of an axis is such that its largest weight is positive. Orthogonal iteration
// (Golub and Van Loan, 8.2.4); the same numbers for the same rows.
// STATUS_MEMORY for lack of memory.
Status pca_project(const float *rows, int64_t count, int64_t width,
                   double *points, double shares[PCA_AXES]);

#endif
