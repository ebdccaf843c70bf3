// Images in NumPy's .npy files: height x width x channels of
// uint8, uint16 (both scaled to [0,1]) or float32 (already there), in C order
// and little-endian. A table of two axes is none: embeddings lie in such files.
#ifndef SIMCC_RUNTIME_IMAGE_NPY_H
#define SIMCC_RUNTIME_IMAGE_NPY_H

#include "runtime/data/image.h"

Status npy_decode(const uint8_t *bytes, int64_t size, const char *name,
                  Image *image);
// By the first bytes: NULL when they begin such a file, else the reason.
const char *npy_probe(const uint8_t *bytes, int64_t size, char *reason,
                      int room);

#endif
