#include "runtime/exec/peak.h"

#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum {
    CHAINS = 12, // more than latency times throughput of any core so far
    ROUNDS = 5,
};
static const int64_t turns = 4 << 20;

// ---- the loops --------------------------------------------------------------

typedef struct PeakKernel {
    const char *name;
    int lanes;
    float (*run)(int64_t turns);
} PeakKernel;

#ifdef __x86_64__
// The chains are x <- x * a + b with |a| < 1, so that they stay finite.
#define PEAK_LOOP(Vector, set1, fmadd, add, first)                             \
    Vector sum[CHAINS];                                                        \
    Vector a = set1(0.5f), b = set1(0.25f);                                    \
    for (int i = 0; i < CHAINS; i++)                                           \
        sum[i] = set1((float)i);                                               \
    for (int64_t t = 0; t < count; t++)                                        \
        _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) sum[i] =     \
            fmadd(sum[i], a, b);                                               \
    for (int i = 1; i < CHAINS; i++)                                           \
        sum[0] = add(sum[0], sum[i]);                                          \
    return first(sum[0]);

__attribute__((target("avx512f"))) static float run_avx512(int64_t count)
{
    PEAK_LOOP(__m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps,
              _mm512_cvtss_f32)
}

__attribute__((target("avx2,fma"))) static float run_avx2(int64_t count)
{
    PEAK_LOOP(__m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps,
              _mm256_cvtss_f32)
}
#endif

static PeakKernel choose_kernel(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return (PeakKernel){"AVX-512", 16, run_avx512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (PeakKernel){"AVX2", 8, run_avx2};
#endif
    return (PeakKernel){"none", 0, NULL};
}

// ---- measuring --------------------------------------------------------------

typedef struct PeakThread {
    _Alignas(64) double seconds;
    float sink; // so that the work is not taken away
} PeakThread;

typedef struct Peak {
    PeakKernel kernel;
    PeakThread *threads;
} Peak;

static double thread_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void measure_thread(void *context, int thread)
{
    const Peak *peak = context;
    PeakThread *self = &peak->threads[thread];
    self->sink = peak->kernel.run(turns / 8); // to full clock
    double start = thread_seconds();
    self->sink += peak->kernel.run(turns);
    self->seconds = thread_seconds() - start;
}

const char *peak_vectors(void)
{
    return choose_kernel().name;
}

double peak_flops(Pool *pool)
{
    Peak peak = {.kernel = choose_kernel()};
    int count = pool_threads(pool);
    double best = 0;
    if (!peak.kernel.run)
        return 0;
    peak.threads = aligned_alloc(64, (size_t)count * sizeof *peak.threads);
    for (int i = 0; i < ROUNDS && peak.threads; i++) {
        double rate = 0;
        pool_each(pool, measure_thread, &peak);
        for (int t = 0; t < count; t++)
            rate += 2.0 * peak.kernel.lanes * CHAINS * (double)turns /
                    peak.threads[t].seconds;
        best = rate > best ? rate : best; // others only make it slower
    }
    free(peak.threads);
    return best;
}
