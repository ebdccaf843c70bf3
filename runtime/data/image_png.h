// PNG in memory; the only user of libpng.
#ifndef SIMCC_RUNTIME_IMAGE_PNG_H
#define SIMCC_RUNTIME_IMAGE_PNG_H

#include "runtime/data/image.h"

Status png_decode(const uint8_t *bytes, int64_t size, const char *name,
                  Image *image);
// Planes of red, green, blue and alpha, of all the bits that the file has.
Status png_decode_planes(const uint8_t *bytes, int64_t size, const char *name,
                         Image *image);
// The text chunk of a picture that simcc drew.
#define PNG_SOFTWARE "Software"
#define PNG_DRAWN    "simcc"

// The encoded file, with that chunk if it was `drawn`; `*bytes` is the caller's
// to free.
Status png_encode(const Image *image, const char *name, bool drawn,
                  uint8_t **bytes, int64_t *size);

// The version of libpng that runs.
const char *png_library(void);

#endif
