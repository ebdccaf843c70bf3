// A chart of ratios as lying bars.
#ifndef SIMCC_BENCH_CHART_H
#define SIMCC_BENCH_CHART_H

#include "runtime/base/status.h"

typedef struct ChartBar {
    const char *label; // ASCII
    double ratio;      // above 1 = simcc is ahead
} ChartBar;

// Writes a PNG; a line stands at 1, and bars that stay below it are red. Bars
// with an empty label and ratio 0 are gaps.
Status chart_write(const char *path, const char *title, const ChartBar *bars,
                   int count);

#endif
