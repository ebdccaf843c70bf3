// Whole-number arithmetic of shapes and of their cutting into tasks.
#ifndef SIMCC_CODEGEN_INTEGERS_H
#define SIMCC_CODEGEN_INTEGERS_H

#include <stdint.h>

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

// a / b rounded up, for a >= 0 and b > 0: how many shares of at most b make a.
static inline int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

// The next multiple of `unit`, for a >= 0.
static inline int64_t align_up(int64_t a, int64_t unit)
{
    return ceil_div(a, unit) * unit;
}

#endif
