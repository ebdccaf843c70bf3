// Exponentials of rows of numbers, many at a time: what the runtime's own
// functions need beside generated code. The bits are the same on every
// processor.
#ifndef SIMCC_RUNTIME_EXP_ROWS_H
#define SIMCC_RUNTIME_EXP_ROWS_H

#include <stdint.h>

// The largest of x, -infinity of none; NaN when one of them is.
float row_max_f32(const float *x, int64_t count);
double row_max_f64(const double *x, int64_t count);

// The sum of e^(x - shift); in f32 each term to 2 ulp, 0 below 2^-126 and
// infinite from e^88.37 on. NaN stays NaN.
float row_sum_exp_f32(const float *x, int64_t count, float shift);
double row_sum_exp_f64(const double *x, int64_t count, double shift);

// x = e^(x - shift), in place; returns the sum.
float row_exp_f32(float *x, int64_t count, float shift);
double row_exp_f64(double *x, int64_t count, double shift);

// x = scale * p * (x - shift), in place.
void row_weigh_f32(float *x, int64_t count, const float *p, float shift,
                   float scale);
void row_weigh_f64(double *x, int64_t count, const double *p, double shift,
                   double scale);

#endif
