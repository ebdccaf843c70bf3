// Functions that hand arbitrary bytes to every reader of files. Whatever the
// bytes, they return: no crash, no leak, no endless loop, and no more memory
// than FUZZ_MEMORY. They are called by a coverage-guided fuzzer (`make fuzz`)
// and by the replay of its corpus (`make test`).
#ifndef SIMCC_TESTS_FUZZ_FUZZ_H
#define SIMCC_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>

// Bytes of one allocation at most, in MiB: the largest image that is accepted
// (IMAGE_MAX_PIXELS of three bytes), and as much again for its decoder.
enum { FUZZ_MEMORY = 512 };

#define FUZZ(target, what)                                                     \
    void fuzz_##target(const uint8_t *bytes, int64_t size);
#include "tests/fuzz/targets.def"
#undef FUZZ

// Whether the bytes are an artifact but for its version and checksums.
bool fuzz_reads_artifact(const uint8_t *bytes, int64_t size);

// ---- for the functions ------------------------------------------------------

// Where they write files; set before the first call.
extern const char *fuzz_folder;
// The path of a file in that folder which holds these bytes. Valid until the
// next eight calls.
const char *fuzz_file(const char *name, const uint8_t *bytes, int64_t size);
// Opens the data set at a path and decodes every sample of both parts.
void fuzz_read_set(const char *path);

#endif
