// TensorBoard's event files: records of length, checksum, bytes, checksum,
// whose bytes are Event messages with scalar summaries.
#ifndef SIMCC_RUNTIME_TENSORBOARD_H
#define SIMCC_RUNTIME_TENSORBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/base/status.h"

typedef struct Events {
    FILE *file;
} Events;

// Opens the file to append. Records of steps beyond `keep_step` (-1: all), and
// whatever a kill cut short, are dropped first: they come again.
Status events_open(Events *events, const char *path, int64_t keep_step);
// One event of `count` scalars, now. A tag may not be longer than 200 bytes;
// numbers that are not finite are left out.
Status events_write(Events *events, int64_t step, int count,
                    const char *const *tags, const double *values);
void events_close(Events *events);

// An event read back; tag points into the record.
typedef struct EventScalar {
    int64_t step;
    double seconds; // since 1970
    const char *tag;
    int tag_length;
    float value;
} EventScalar;

// Calls `visit` with each scalar of whole, undamaged records, in order, and
// returns the number of bytes they take from the start of `bytes`. `visit` may
// be NULL. It returns false to stop before the record it was given.
size_t events_parse(const uint8_t *bytes, size_t size,
                    bool (*visit)(void *context, const EventScalar *scalar),
                    void *context);

#endif
