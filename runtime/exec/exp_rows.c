#include "runtime/exec/exp_rows.h"

#include <math.h>
#include <string.h>

enum { SIXTEEN = 16 }; // numbers taken at a time, whatever the processor

#define INLINE static inline __attribute__((always_inline))

// The numbers that are left of a row, and `padding` in the place of others.
INLINE void copy_rest(const float *x, int64_t count, float padding,
                      float to[SIXTEEN])
{
    for (int i = 0; i < SIXTEEN; i++)
        to[i] = i < count ? x[i] : padding;
}

// The same arithmetic for registers of every width. Products and sums are not
// fused where the processor could (the build says so), for the bits' sake.
#define LANES   4
#define NAME(x) x##_4
#define TARGET
#include "runtime/exec/exp_rows_body.h"
#undef LANES
#undef NAME
#undef TARGET

#if defined(__x86_64__)

#define LANES   8
#define NAME(x) x##_8
#define TARGET  __attribute__((target("avx2")))
#include "runtime/exec/exp_rows_body.h"
#undef LANES
#undef NAME
#undef TARGET

#define LANES   16
#define NAME(x) x##_16
#define TARGET  __attribute__((target("avx512f")))
#include "runtime/exec/exp_rows_body.h"
#undef LANES
#undef NAME
#undef TARGET

#define RETURN_FASTEST(body, ...)                                              \
    do {                                                                       \
        if (__builtin_cpu_supports("avx512f"))                                 \
            return body##_16(__VA_ARGS__);                                     \
        if (__builtin_cpu_supports("avx2"))                                    \
            return body##_8(__VA_ARGS__);                                      \
        return body##_4(__VA_ARGS__);                                          \
    } while (0)

#else

#define RETURN_FASTEST(body, ...) return body##_4(__VA_ARGS__)

#endif

float row_max_f32(const float *x, int64_t count)
{
    RETURN_FASTEST(max, x, count);
}

float row_sum_exp_f32(const float *x, int64_t count, float shift)
{
    RETURN_FASTEST(sum, x, count, shift);
}

float row_exp_f32(float *x, int64_t count, float shift)
{
    RETURN_FASTEST(exp, x, count, shift);
}

void row_weigh_f32(float *x, int64_t count, const float *p, float shift,
                   float scale)
{
    RETURN_FASTEST(weigh_row, x, count, p, shift, scale);
}

// ---- double precision: for checks, one number at a time ---------------------

double row_max_f64(const double *x, int64_t count)
{
    double top = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        if (isnan(x[i]))
            return NAN;
        top = x[i] > top ? x[i] : top;
    }
    return top;
}

double row_sum_exp_f64(const double *x, int64_t count, double shift)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += exp(x[i] - shift);
    return sum;
}

double row_exp_f64(double *x, int64_t count, double shift)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += x[i] = exp(x[i] - shift);
    return sum;
}

void row_weigh_f64(double *x, int64_t count, const double *p, double shift,
                   double scale)
{
    for (int64_t i = 0; i < count; i++)
        x[i] = p[i] * (x[i] - shift) * scale;
}
