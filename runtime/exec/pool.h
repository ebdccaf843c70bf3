// Threads with a fixed split. Work is cut into tasks by a rule that does not
// know the thread count, so results never depend on it.
#ifndef SIMCC_RUNTIME_POOL_H
#define SIMCC_RUNTIME_POOL_H

#include <stdint.h>

typedef struct Pool Pool;

// Cores that this process may use: all, or those that it was bound to, or as
// many as its control group's quota has.
int pool_cores(void);

// A pool of `threads` (the caller is thread 0); 0 = one per core this process
// may use. Denormals are flushed to zero in every thread, the caller's too.
// NULL when threads cannot be started.
Pool *pool_new(int threads);
// The same on threads that `start` brings: it has another thread run body,
// gives a handle, or NULL where it cannot, and `join` waits for that thread.
// Both NULL: pthreads.
typedef void *PoolStart(void *context, void (*body)(void *argument),
                        void *argument);
typedef void PoolJoin(void *context, void *thread);
Pool *pool_new_on(int threads, PoolStart *start, PoolJoin *join, void *context);
void pool_free(Pool *pool);
int pool_threads(const Pool *pool);

// Where thread's part of tasks 0..count-1 begins; it ends where the next one's
// begins. Parts are consecutive and thread 0 has the largest.
static inline int64_t pool_split(int64_t count, int threads, int thread)
{
    return (count * thread + threads - 1) / threads;
}

// Runs `body` once on every thread and returns when all are done; inside, the
// threads may meet at pool_barrier. Not reentrant.
void pool_each(Pool *pool, void (*body)(void *context, int thread),
               void *context);
void pool_barrier(Pool *pool);

#endif
