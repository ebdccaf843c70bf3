// OUT/metrics.jsonl read back: one series for each number of each phase.
#ifndef SIMCC_RUNTIME_SERIES_H
#define SIMCC_RUNTIME_SERIES_H

#include <stdbool.h>

#include "runtime/base/status.h"

enum { SERIES_NAME = 64 };

// What a number was measured on.
typedef enum SeriesPart { SERIES_TRAIN, SERIES_TEST, SERIES_VALID } SeriesPart;

typedef struct Series {
    char phase[SERIES_NAME], name[SERIES_NAME];
    SeriesPart part;
    int count, capacity;
    double *steps, *values; // NaN where the file says null
} Series;

// In the order in which names first appear.
typedef struct SeriesTable {
    int count, capacity;
    Series *at;
} SeriesTable;

// A file that is not there has no series; a line cut short is passed over.
Status series_read(const char *out, SeriesTable *table);
void series_free(SeriesTable *table);

// NULL when there is none.
const Series *series_find(const SeriesTable *table, const char *phase,
                          const char *name, SeriesPart part);

#endif
