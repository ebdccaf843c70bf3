// How a photo is to be turned: EXIF's tag Orientation of the picture itself.
#ifndef SIMCC_RUNTIME_IMAGE_EXIF_H
#define SIMCC_RUNTIME_IMAGE_EXIF_H

#include "runtime/data/image.h"

enum { EXIF_UPRIGHT = 1, EXIF_LAST = 8 };

// 1 to 8 as EXIF 2.3, 4.6.4 numbers them, of a JPEG or PNG file or its
// beginning; EXIF_UPRIGHT when it says nothing or nonsense.
int exif_orientation(const uint8_t *bytes, int64_t size);
// Turns an image that is stored under that orientation upright. Fails for lack
// of memory only.
Status exif_turn(Image *image, int orientation);

#endif
