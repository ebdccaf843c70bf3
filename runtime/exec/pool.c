#include "runtime/exec/pool.h"

#include <linux/futex.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "runtime/base/cgroup.h"

enum {
    MAX_THREADS = 256,
    // Longer than the imbalance of a good split, shorter than would be missed
    // by another process that wants the core.
    SPIN_NANOSECONDS = 40000,
    SPINS_PER_LOOK = 32, // at the clock, which costs some 25 ns
};

struct Pool {
    int threads;
    bool spin; // there is a core for every thread
    bool stop;
    void (*body)(void *context, int thread);
    void *context;
    // Threads of the caller's; NULL: pthreads.
    void (*join)(void *join_context, void *thread);
    void *join_context;
    // The barrier. `round` changes when all have arrived; waiters watch it,
    // and sleep on it when that takes long. Apart, lest arrivals disturb them.
    atomic_int members; // threads that meet there
    _Alignas(64) atomic_int arrived;
    _Alignas(64) atomic_uint round;
    atomic_int sleepers;
    struct Worker {
        pthread_t id;
        void *handle; // of a thread of the caller's
        Pool *pool;
        int thread;
    } workers[];
};

// Denormals cost up to a hundred times the work of a normal number and mean
// nothing to a network: results flush to zero, inputs are read as zero.
static void flush_denormals(void)
{
#ifdef __x86_64__
    _mm_setcsr(_mm_getcsr() | 0x8040); // FTZ | DAZ
#endif
}

static void relax(void)
{
#ifdef __x86_64__
    _mm_pause();
#endif
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void futex(atomic_uint *word, int operation, unsigned value)
{
    syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL,
            0);
}

// True when the round ended while looking for it.
static bool spin_for_round(Pool *pool, unsigned round)
{
    if (!pool->spin) {
        sched_yield();
        return atomic_load_explicit(&pool->round, memory_order_acquire) !=
               round;
    }
    int64_t end = now() + SPIN_NANOSECONDS;
    do {
        for (int i = 0; i < SPINS_PER_LOOK; i++) {
            if (atomic_load_explicit(&pool->round, memory_order_acquire) !=
                round)
                return true;
            relax();
        }
    } while (now() < end);
    return false;
}

// The last to arrive changes the round before it looks for sleepers; a waiter
// counts itself a sleeper before it looks at the round (the kernel looks again
// on its behalf). Both in sequential order, so no wake-up is lost.
void pool_barrier(Pool *pool)
{
    if (atomic_load_explicit(&pool->members, memory_order_relaxed) == 1)
        return;
    unsigned round = atomic_load_explicit(&pool->round, memory_order_relaxed);
    int before = atomic_fetch_add(&pool->arrived, 1);
    if (before == atomic_load(&pool->members) - 1) {
        atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
        atomic_store(&pool->round, round + 1);
        if (atomic_load(&pool->sleepers) > 0)
            futex(&pool->round, FUTEX_WAKE, MAX_THREADS);
        return;
    }
    if (spin_for_round(pool, round))
        return;
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->round) == round)
        futex(&pool->round, FUTEX_WAIT, round);
    atomic_fetch_sub(&pool->sleepers, 1);
}

static void serve(void *argument)
{
    struct Worker *worker = argument;
    Pool *pool = worker->pool;
    flush_denormals();
    for (;;) {
        pool_barrier(pool); // work is ready
        if (pool->stop)
            return;
        pool->body(pool->context, worker->thread);
        pool_barrier(pool); // work is done
    }
}

static void *worker_main(void *argument)
{
    serve(argument);
    return NULL;
}

static int count_cores(void)
{
    cpu_set_t set;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = CPU_COUNT(&set);
    // More threads than a quota has processors would all be held up together.
    double quota = ceil(cgroup_processors(""));
    if (quota < (double)cores)
        cores = (long)quota;
    return cores < 1 ? 1 : (int)cores;
}

int pool_cores(void)
{
    static atomic_int known; // files are looked at once
    if (!atomic_load(&known))
        atomic_store(&known, count_cores());
    return atomic_load(&known);
}

// Workers started so far wait at a barrier of `threads`; with fewer than that
// they would wait for ever, so the barrier is told the smaller number first.
static void stop_workers(Pool *pool, int started)
{
    pool->stop = true;
    atomic_store(&pool->members, started);
    pool_barrier(pool);
    for (int i = 1; i < started; i++)
        if (pool->join)
            pool->join(pool->join_context, pool->workers[i].handle);
        else
            pthread_join(pool->workers[i].id, NULL);
}

Pool *pool_new(int threads)
{
    return pool_new_on(threads, NULL, NULL, NULL);
}

Pool *pool_new_on(int threads, PoolStart *start, PoolJoin *join, void *context)
{
    int cores = pool_cores();
    if (threads <= 0)
        threads = cores;
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    size_t size = sizeof(Pool) + (size_t)threads * sizeof(struct Worker);
    Pool *pool = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!pool)
        return NULL;
    *pool = (Pool){.threads = threads,
                   .members = threads,
                   .spin = threads <= cores,
                   .join = join,
                   .join_context = context};
    flush_denormals();
    for (int i = 1; i < threads; i++) {
        struct Worker *worker = &pool->workers[i];
        *worker = (struct Worker){.pool = pool, .thread = i};
        if (start)
            worker->handle = start(context, serve, worker);
        if (start ? !worker->handle
                  : pthread_create(&worker->id, NULL, worker_main, worker)) {
            stop_workers(pool, i);
            free(pool);
            return NULL;
        }
    }
    return pool;
}

void pool_free(Pool *pool)
{
    if (!pool)
        return;
    stop_workers(pool, pool->threads);
    free(pool);
}

int pool_threads(const Pool *pool)
{
    return pool->threads;
}

void pool_each(Pool *pool, void (*body)(void *context, int thread),
               void *context)
{
    flush_denormals(); // the caller need not be the thread that made the pool
    pool->body = body;
    pool->context = context;
    pool_barrier(pool);
    body(context, 0);
    pool_barrier(pool);
}
