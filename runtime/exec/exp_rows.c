#include "runtime/exec/exp_rows.h"

#include <math.h>
#include <string.h>

// Sixteen numbers, in as many registers as the processor needs for them. Sums
// are kept by place among the sixteen, so that their order is the same
// whatever the width of a register.
enum { LANES = 16 };
typedef float Floats __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t Ints __attribute__((vector_size(LANES * sizeof(int32_t))));

#define INLINE static inline __attribute__((always_inline))

// The vectors pass by pointer: how they would pass by value depends on the
// processor.
INLINE void choose(const Ints *mask, const Floats *yes, Floats *no)
{
    *no = (Floats)((*mask & (Ints)*yes) | (~*mask & (Ints)*no));
}

// The next numbers; `rest` where the row has ended.
INLINE void load(const float *x, int64_t count, float rest, Floats *to)
{
    if (count >= LANES) {
        memcpy(to, x, sizeof *to);
        return;
    }
    *to = (Floats){0} + rest;
    memcpy(to, x, (size_t)count * sizeof *x);
}

// x = e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln(2) / 2, the logarithm
// in two parts so that r is exact (Cody and Waite, 1980). The Taylor series up
// to r^7 / 7! leaves r^8 / 8! < 5.3e-9, a tenth of an ulp.
INLINE void exponential(Floats *x)
{
    const float ln2_high = 0x1.63p-1f, ln2_low = -0x1.bd0105c610ca8p-13f;
    const float magic = 0x1.8p+23f; // rounds to a whole number, in the low bits
    const Floats low = (Floats){0} - 0x1.5d589ep+6f;  // below: no normal number
    const Floats high = (Floats){0} + 0x1.61814ep+6f; // above: n would be 128
    Ints below = *x<low, above = *x> high;
    Floats safe = *x;
    choose(&below, &low, &safe);
    choose(&above, &high, &safe);
    Floats shifted = safe * 0x1.715476p+0f + magic;
    Floats n = shifted - magic;
    Floats r = safe - n * ln2_high - n * ln2_low;
    Floats p = r * (1.f / 5040) + 1.f / 720;
    p = p * r + 1.f / 120;
    p = p * r + 1.f / 24;
    p = p * r + 1.f / 6;
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    Ints exponent = (Ints)shifted - (Ints)((Floats){0} + magic) + 127;
    Floats y = p * (Floats)(exponent << 23);
    Floats zero = {0}, infinite = zero + INFINITY;
    choose(&below, &zero, &y);
    choose(&above, &infinite, &y);
    *x = y;
}

INLINE float max_body(const float *x, int64_t count)
{
    Floats top = (Floats){0} - INFINITY;
    Ints strange = {0};
    for (; count > 0; count -= LANES, x += LANES) {
        Floats next;
        load(x, count, -INFINITY, &next);
        Ints larger = next > top;
        choose(&larger, &next, &top);
        strange |= next != next;
    }
    float best = -INFINITY;
    for (int i = 0; i < LANES; i++) {
        if (strange[i])
            return NAN;
        best = top[i] > best ? top[i] : best;
    }
    return best;
}

INLINE float sum_of(const Floats *sums)
{
    float sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += (*sums)[i];
    return sum;
}

INLINE float sum_body(const float *x, int64_t count, float shift)
{
    Floats sums = {0};
    for (; count > 0; count -= LANES, x += LANES) {
        Floats next;
        load(x, count, -INFINITY, &next);
        next -= shift;
        exponential(&next);
        sums += next;
    }
    return sum_of(&sums);
}

INLINE float exp_body(float *x, int64_t count, float shift)
{
    Floats sums = {0};
    for (; count > 0; count -= LANES, x += LANES) {
        Floats next;
        load(x, count, -INFINITY, &next);
        next -= shift;
        exponential(&next);
        sums += next;
        memcpy(x, &next, (size_t)(count < LANES ? count : LANES) * sizeof *x);
    }
    return sum_of(&sums);
}

INLINE void weigh_body(float *x, int64_t count, const float *p, float shift,
                       float scale)
{
    for (; count > 0; count -= LANES, x += LANES, p += LANES) {
        Floats next, factor;
        load(x, count, 0, &next);
        load(p, count, 0, &factor);
        next = factor * (next - shift) * scale;
        memcpy(x, &next, (size_t)(count < LANES ? count : LANES) * sizeof *x);
    }
}

// ---- by processor -----------------------------------------------------------

// The same arithmetic compiled for wider registers. Products and sums are not
// fused where the processor could (the build says so), for the bits' sake.
#if defined(__x86_64__)

#define VARIANT(name, isa)                                                     \
    __attribute__((target(isa))) static float max_##name(const float *x,       \
                                                         int64_t count)        \
    {                                                                          \
        return max_body(x, count);                                             \
    }                                                                          \
    __attribute__((target(isa))) static float sum_##name(                      \
        const float *x, int64_t count, float shift)                            \
    {                                                                          \
        return sum_body(x, count, shift);                                      \
    }                                                                          \
    __attribute__((target(isa))) static float exp_##name(                      \
        float *x, int64_t count, float shift)                                  \
    {                                                                          \
        return exp_body(x, count, shift);                                      \
    }                                                                          \
    __attribute__((target(isa))) static void weigh_##name(                     \
        float *x, int64_t count, const float *p, float shift, float scale)     \
    {                                                                          \
        weigh_body(x, count, p, shift, scale);                                 \
    }
VARIANT(avx512, "avx512f")
VARIANT(avx2, "avx2")
#undef VARIANT

#define RETURN_FASTEST(body, ...)                                              \
    do {                                                                       \
        if (__builtin_cpu_supports("avx512f"))                                 \
            return body##_avx512(__VA_ARGS__);                                 \
        if (__builtin_cpu_supports("avx2"))                                    \
            return body##_avx2(__VA_ARGS__);                                   \
        return body##_body(__VA_ARGS__);                                       \
    } while (0)

#else

#define RETURN_FASTEST(body, ...) return body##_body(__VA_ARGS__)

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
    RETURN_FASTEST(weigh, x, count, p, shift, scale);
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
