// JPEG in memory; the only user of libjpeg.
#ifndef SIMCC_RUNTIME_IMAGE_JPEG_H
#define SIMCC_RUNTIME_IMAGE_JPEG_H

#include "runtime/data/image.h"

Status jpeg_decode(const uint8_t *bytes, int64_t size, const char *name,
                   int min_side, Image *image);

// The version of libjpeg-turbo that it was built with.
const char *jpeg_library(void);

#endif
