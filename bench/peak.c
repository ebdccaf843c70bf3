// How fast this machine multiplies and adds: chains of fused multiply-adds in
// registers, on one thread and on all. The measure of what a kernel reaches.
//   peak  ->  lines "peak THREADS VECTOR GFLOPS"
#include <immintrin.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bench/bench.h"

enum {
    CHAINS = 12, // more than latency times throughput of any core so far
    ROUNDS = 5,
    MAX_THREADS = 1024,
};
static const int64_t turns = 4 << 20;

// ---- the loops --------------------------------------------------------------

typedef struct PeakKernel {
    const char *name;
    int lanes;
    float (*run)(int64_t turns);
} PeakKernel;

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

static PeakKernel choose_kernel(void)
{
    if (__builtin_cpu_supports("avx512f"))
        return (PeakKernel){"AVX-512", 16, run_avx512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (PeakKernel){"AVX2", 8, run_avx2};
    return (PeakKernel){"none", 0, NULL};
}

// ---- threads ----------------------------------------------------------------

typedef struct PeakThread {
    pthread_t thread;
    pthread_barrier_t *start;
    const PeakKernel *kernel;
    double seconds;
    float sink; // so that the work is not taken away
} PeakThread;

// Processor time: what else runs on the machine does not lower the peak.
static double thread_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *run_thread(void *context)
{
    PeakThread *self = context;
    self->sink = self->kernel->run(turns / 8); // to full clock
    pthread_barrier_wait(self->start);
    double start = thread_seconds();
    self->sink += self->kernel->run(turns);
    self->seconds = thread_seconds() - start;
    return NULL;
}

// GFLOP/s of all threads together.
static double measure(const PeakKernel *kernel, int threads)
{
    static PeakThread all[MAX_THREADS];
    pthread_barrier_t start;
    double rate = 0;
    double flops = 2.0 * kernel->lanes * CHAINS * (double)turns;
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        all[i] = (PeakThread){.start = &start, .kernel = kernel};
        if (pthread_create(&all[i].thread, NULL, run_thread, &all[i]) != 0) {
            fprintf(stderr, "peak: cannot start threads\n");
            exit(STATUS_MEMORY);
        }
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(all[i].thread, NULL);
        rate += 1e-9 * flops / all[i].seconds;
    }
    pthread_barrier_destroy(&start);
    return rate;
}

int main(void)
{
    PeakKernel kernel = choose_kernel();
    int cores = bench_cores();
    cores = cores < MAX_THREADS ? cores : MAX_THREADS;
    for (int threads = 1; kernel.run; threads = cores) {
        double rates[ROUNDS];
        for (int i = 0; i < ROUNDS; i++)
            rates[i] = measure(&kernel, threads);
        bench_median(rates, ROUNDS); // sorts: others only make it slower
        printf("peak\t%d\t%s\t%.2f\n", threads, kernel.name, rates[ROUNDS - 1]);
        if (threads == cores)
            break;
    }
    return 0;
}
