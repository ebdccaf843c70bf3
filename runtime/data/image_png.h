// PNG in memory; the only user of libpng.
#ifndef SIMCC_RUNTIME_IMAGE_PNG_H
#define SIMCC_RUNTIME_IMAGE_PNG_H

#include "runtime/data/image.h"

Status png_decode(const uint8_t *bytes, int64_t size, const char *name,
                  Image *image);
// The encoded file; `*bytes` is the caller's to free.
Status png_encode(const Image *image, const char *name, uint8_t **bytes,
                  int64_t *size);

#endif
