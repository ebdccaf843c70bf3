// Image files of every kind, good and bad, for tests.
#ifndef SIMCC_TESTS_IMAGES_H
#define SIMCC_TESTS_IMAGES_H

#include <stdbool.h>
#include <stdint.h>

// A path in the test's folder, its parents made. Valid until the test ends.
const char *test_path(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

void write_bytes(const char *path, const void *bytes, int64_t size);
// The caller frees.
uint8_t *read_bytes(const char *path, int64_t *size);

// The numbers PNG itself uses.
typedef enum PngKind {
    PNG_KIND_GREY = 0,
    PNG_KIND_RGB = 2,
    PNG_KIND_PALETTE = 3, // color i is (7 i, 5 i, 3 i) modulo 256
    PNG_KIND_GREY_ALPHA = 4,
    PNG_KIND_RGBA = 6,
} PngKind;

// `rows` holds height rows of `stride` bytes as PNG packs them.
void make_png(const char *path, PngKind kind, int depth, bool interlaced,
              int width, int height, const uint8_t *rows, int stride);

typedef enum JpegKind {
    JPEG_KIND_GREY,
    JPEG_KIND_RGB,
    JPEG_KIND_PROGRESSIVE,
    JPEG_KIND_CMYK,  // without the Adobe marker: 255 = full ink
    JPEG_KIND_ADOBE, // CMYK with it: 255 = no ink
    JPEG_KIND_YCCK,  // likewise, stored as YCC and K
} JpegKind;

// A side x side image of one color: as many components as the kind has.
void make_jpeg(const char *path, JpegKind kind, int side,
               const uint8_t color[4]);

// A valid size x size PNG, all three channels `value`.
void make_plain(const char *path, int size, int value);

// Opening the data set fails with STATUS_DATA, naming path and reason.
void check_set_refused(const char *path, const char *reason);

#endif
