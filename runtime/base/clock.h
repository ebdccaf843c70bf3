// Time that passes: what every rate, interval and profile is measured with.
#ifndef SIMCC_RUNTIME_CLOCK_H
#define SIMCC_RUNTIME_CLOCK_H

#include <time.h>

// Seconds since some fixed moment; never goes back.
static inline double clock_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

#endif
