#include "runtime/exec/pool.h"

#include <stdlib.h>

#include "tests/harness.h"

typedef struct Marks {
    int thread[1000];
    int times[1000];
} Marks;

typedef struct MarkWork {
    Pool *pool;
    int count;
    Marks *marks;
} MarkWork;

static void mark_part(void *context, int thread)
{
    const MarkWork *work = context;
    int threads = pool_threads(work->pool);
    int64_t end = pool_split(work->count, threads, thread + 1);
    for (int64_t task = pool_split(work->count, threads, thread); task < end;
         task++) {
        work->marks->thread[task] = thread;
        work->marks->times[task]++;
    }
}

static void mark(Pool *pool, int count, Marks *marks)
{
    pool_each(pool, mark_part, &(MarkWork){pool, count, marks});
}

TEST(pool_runs_every_task_once)
{
    for (int threads = 1; threads <= 5; threads++) {
        Pool *pool = pool_new(threads);
        CHECK_INT(pool_threads(pool), threads);
        for (int count = 0; count <= 1000; count += count < 12 ? 1 : 329) {
            Marks *marks = calloc(1, sizeof *marks);
            mark(pool, count, marks);
            for (int i = 0; i < 1000; i++) {
                CHECK_INT(marks->times[i], i < count);
                CHECK(marks->thread[i] >= 0 && marks->thread[i] < threads);
            }
            free(marks);
        }
        pool_free(pool);
    }
}

TEST(pool_split_covers_and_favours_thread_0)
{
    for (int threads = 1; threads < 9; threads++)
        for (int count = 0; count < 40; count++) {
            CHECK_INT(pool_split(count, threads, 0), 0);
            CHECK_INT(pool_split(count, threads, threads), count);
            int64_t largest = pool_split(count, threads, 1);
            for (int t = 0; t < threads; t++) {
                int64_t part = pool_split(count, threads, t + 1) -
                               pool_split(count, threads, t);
                CHECK(part >= 0 && part <= largest);
            }
        }
}

enum { ROUNDS = 3000 };

typedef struct Relay {
    Pool *pool;
    int values[8];
    int wrong;
} Relay;

// In every round each thread reads what its neighbour wrote in the last one.
static void relay_body(void *context, int thread)
{
    Relay *relay = context;
    int threads = pool_threads(relay->pool);
    int next = (thread + 1) % threads;
    for (int round = 1; round <= ROUNDS; round++) {
        int seen = relay->values[next];
        pool_barrier(relay->pool);
        if (seen != round - 1)
            relay->wrong = 1;
        relay->values[thread] = round;
        pool_barrier(relay->pool);
    }
}

TEST(pool_barrier_orders_writes)
{
    for (int threads = 1; threads <= 4; threads++) {
        Relay relay = {.pool = pool_new(threads)};
        pool_each(relay.pool, relay_body, &relay);
        CHECK_INT(relay.wrong, 0);
        for (int t = 0; t < threads; t++)
            CHECK_INT(relay.values[t], ROUNDS);
        pool_free(relay.pool);
    }
}

static void halve_smallest(void *context, int thread)
{
    volatile float smallest = 1.17549435e-38f; // the least normal number
    volatile float denormal = 1e-40f;
    float *out = context;
    out[2 * thread] = smallest * 0.5f;      // result flushed
    out[2 * thread + 1] = denormal * 1e10f; // input flushed
}

TEST(pool_flushes_denormals_in_every_thread)
{
#ifndef __x86_64__
    test_skip("flushing is set on x86-64 only");
#endif
    Pool *pool = pool_new(4);
    float out[8];
    memset(out, 1, sizeof out);
    pool_each(pool, halve_smallest, out);
    for (int i = 0; i < 8; i++)
        CHECK(out[i] == 0);
    pool_free(pool);
}

TEST(pool_default_size_and_reuse)
{
    Pool *pool = pool_new(0);
    CHECK(pool_threads(pool) >= 1);
    Marks *marks = calloc(1, sizeof *marks);
    for (int i = 0; i < 2000; i++)
        mark(pool, 3, marks);
    for (int i = 0; i < 3; i++)
        CHECK_INT(marks->times[i], 2000);
    free(marks);
    pool_free(pool);
    pool_free(NULL);
}
