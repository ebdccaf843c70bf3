// Notes: files of `name = value` lines that people read and programs, too.
#ifndef SIMCC_RUNTIME_NOTES_H
#define SIMCC_RUNTIME_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

// Names and values are the notes' own. Zeroed notes are empty.
typedef struct Notes {
    int count, capacity;
    char **names, **values;
    bool failed; // memory ran out
} Notes;

// Adds a line, or gives the name another value. Line ends become spaces.
void notes_set(Notes *notes, const char *name, const char *value);
__attribute__((format(printf, 3, 4))) void
notes_setf(Notes *notes, const char *name, const char *format, ...);
// The shortest decimals that read back as the same number.
void notes_set_number(Notes *notes, const char *name, double value);
void notes_free(Notes *notes);

// NULL when the name is not there.
const char *notes_get(const Notes *notes, const char *name);
// NaN when the name is not there or no number.
double notes_number(const Notes *notes, const char *name);

// STATUS_FAILED when the file cannot be read; a line without " = " is passed
// over.
Status notes_read(const char *path, Notes *notes);
// Atomically. STATUS_MEMORY when a line could not be kept.
Status notes_write(const char *path, const Notes *notes);

#endif
