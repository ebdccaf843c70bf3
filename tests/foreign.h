// Files of weights for the tests that damage them.
#ifndef SIMCC_TESTS_FOREIGN_H
#define SIMCC_TESTS_FOREIGN_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "tests/faults.h"

// The path of a file in the test's folder; valid until the next call.
const char *in_folder(const char *name);
void write_foreign(const char *name, const void *bytes, size_t size);
// Copies a file into the test's folder; *bytes is malloc'ed.
void copy_file(const char *from, const char *to, char **bytes, int64_t *size);
// Opens the file, reads all it claims to hold, and verifies it.
Status read_all(const char *file_path);
// Refused, with the file's name and what is wrong.
void refuses(const char *file_path, const char *reason);
// Every beginning of the file is refused, and with any byte changed it is
// refused or read; every `step`-th of them.
void damage(const char *from, const char *to, const char *open_as,
            int64_t step);
// Each allocation and each call for a file fails once: that is said, nothing
// leaks, nothing crashes.
void inject(FaultKind kind, const char *from);

#endif
