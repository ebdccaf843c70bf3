// Images in memory and their files.
#ifndef SIMCC_RUNTIME_IMAGE_H
#define SIMCC_RUNTIME_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

// Larger files are refused before their pixels are allocated.
enum { IMAGE_MAX_PIXELS = 64 << 20 };

// 8-bit RGB, rows top to bottom, interleaved. Freed by image_free.
typedef struct Image {
    int width, height;
    uint8_t *pixels; // height * width * 3
} Image;

// An image of undefined pixels. Fails for lack of memory or a bad size.
Status image_new(int width, int height, Image *image);
void image_free(Image *image);

// Reads PNG (any depth and color type: 16-bit reduced, palette expanded, grey
// copied to three channels, alpha over black) or JPEG (grey, YCbCr, CMYK and
// YCCK converted), told apart by content. Truncated or corrupt files fail with
// path and reason. EXIF's orientation is applied. `min_side` > 0 lets the JPEG
// decoder scale down by 2, 4 or 8 as long as both sides stay at least that
// long.
Status image_read(const char *path, int min_side, Image *image);
// The same from memory; `name` is for messages.
Status image_decode(const uint8_t *bytes, int64_t size, const char *name,
                    int min_side, Image *image);
// Looks at the first bytes only: NULL when they begin a PNG or JPEG of a size
// image_decode would accept (as far as those bytes tell), otherwise the reason
// in `reason`, which has `room` bytes.
const char *image_probe(const uint8_t *bytes, int64_t size, char *reason,
                        int room);
// Does a file that begins like this hold a picture of image_write_png?
bool image_is_drawn(const uint8_t *bytes, int64_t size);
// Writes an RGB PNG, atomically. It says that simcc drew it: lying among images
// it is none of them.
Status image_write_png(const char *path, const Image *image);

#endif
