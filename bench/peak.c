// How fast this machine multiplies and adds, on one thread and on all.
//   peak  ->  lines "peak THREADS VECTOR GFLOPS"
#include <stdlib.h>

#include "bench/bench.h"
#include "runtime/exec/peak.h"

int main(void)
{
    int cores = bench_cores();
    for (int threads = 1;; threads = cores) {
        Pool *pool = pool_new(threads);
        if (!pool) {
            fprintf(stderr, "peak: cannot start threads\n");
            return STATUS_MEMORY;
        }
        double rate = peak_flops(pool);
        pool_free(pool);
        if (rate > 0)
            printf("peak\t%d\t%s\t%.2f\n", threads, peak_vectors(),
                   1e-9 * rate);
        if (threads == cores)
            return 0;
    }
}
