// Images in memory and their files.
#ifndef SIMCC_RUNTIME_IMAGE_H
#define SIMCC_RUNTIME_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

// Larger files are refused before their pixels are allocated.
enum { IMAGE_MAX_PIXELS = 64 << 20 };

// A picture is 8-bit RGB, rows top to bottom, interleaved; an image of another
// number of channels, or of more bits, is planes of floats in [0,1]. Freed by
// image_free.
enum { IMAGE_MAX_CHANNELS = 64 };
typedef struct Image {
    int width, height, channels;
    uint8_t *pixels; // height * width * 3, or NULL
    float *planes;   // channels * height * width, or NULL
} Image;

// An image of undefined pixels. Fails for lack of memory or a bad size.
Status image_new(int width, int height, Image *image);
Status image_new_planes(int width, int height, int channels, Image *image);
void image_free(Image *image);
// Makes planes a picture to look at: the first three channels, or the first as
// grey where there are fewer.
Status image_to_picture(Image *image);

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
// Reads what a net of so many channels takes. 0 makes a picture of any file. Of
// PNG and JPEG 3 is what image_decode makes of it; other numbers are planes, of
// PNG with all of its bits: 1 is grey (over black, luma of colours), 2 is that
// and alpha, 4 red, green, blue and alpha. .npy files of uint8, uint16 or
// float32, [h, w, c], must have that many channels. Others fail and say what
// the file has.
Status image_decode_channels(const uint8_t *bytes, int64_t size,
                             const char *name, int min_side, int channels,
                             Image *image);
// Planes of a picture: as above, of the pixels.
Status image_take_channels(Image *image, int channels, const char *name);
// Looks at the first bytes only: NULL when they begin a PNG, JPEG or .npy of a
// size image_decode would accept (as far as those bytes tell), otherwise the
// reason in `reason`, which has `room` bytes.
const char *image_probe(const uint8_t *bytes, int64_t size, char *reason,
                        int room);
// Does a file that begins like this hold a picture of image_write_png?
bool image_is_drawn(const uint8_t *bytes, int64_t size);
// Writes an RGB PNG, atomically. It says that simcc drew it: lying among images
// it is none of them.
Status image_write_png(const char *path, const Image *image);

#endif
