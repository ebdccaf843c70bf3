#include "runtime/data/image.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/pretender.h"
#include "runtime/data/image_exif.h"
#include "runtime/data/image_jpeg.h"
#include "runtime/data/image_png.h"

// No file of at most IMAGE_MAX_PIXELS is larger, short of padding.
enum { MAX_FILE = 1 << 30 };

static const uint8_t png_signature[8] = {0x89, 'P',  'N',  'G',
                                         '\r', '\n', 0x1a, '\n'};

Status image_new(int width, int height, Image *image)
{
    *image = (Image){0};
    if (width <= 0 || height <= 0 || (int64_t)width * height > IMAGE_MAX_PIXELS)
        return status_error(STATUS_DATA,
                            "bad image size %dx%d: 1 to 64 megapixels", width,
                            height);
    image->pixels = malloc((size_t)width * (size_t)height * 3);
    if (!image->pixels)
        return status_error(STATUS_MEMORY, "no memory for a %dx%d image", width,
                            height);
    image->width = width;
    image->height = height;
    return status_ok();
}

void image_free(Image *image)
{
    free(image->pixels);
    *image = (Image){0};
}

static bool is_png(const uint8_t *bytes, int64_t size)
{
    return size >= 8 && memcmp(bytes, png_signature, 8) == 0;
}

static bool is_jpeg(const uint8_t *bytes, int64_t size)
{
    return size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 &&
           bytes[2] == 0xff;
}

static const char *no_image(const uint8_t *bytes, int64_t size)
{
    const char *pretender = pretender_name(bytes, size);
    return size == 0   ? "the file is empty"
           : pretender ? pretender
                       : "neither a PNG nor a JPEG file";
}

Status image_decode(const uint8_t *bytes, int64_t size, const char *name,
                    int min_side, Image *image)
{
    *image = (Image){0};
    Status status;
    if (is_png(bytes, size))
        status = png_decode(bytes, size, name, image);
    else if (is_jpeg(bytes, size))
        status = jpeg_decode(bytes, size, name, min_side, image);
    else
        status =
            status_error(STATUS_DATA, "%s: %s", name, no_image(bytes, size));
    if (status.code == STATUS_OK)
        status = exif_turn(image, exif_orientation(bytes, size));
    if (status.code != STATUS_OK)
        image_free(image);
    return status;
}

static uint32_t read_big(const uint8_t *bytes, int count)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

// Walks the segments to the frame header (C0-CF without C4, C8, CC), which
// holds the size. False when it lies beyond the bytes given.
static bool find_jpeg_size(const uint8_t *bytes, int64_t size, uint32_t *width,
                           uint32_t *height)
{
    int64_t at = 2;
    while (at + 9 <= size && bytes[at] == 0xff) {
        int marker = bytes[at + 1];
        if (marker == 0xff) {
            at++;
            continue;
        }
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 &&
            marker != 0xc8 && marker != 0xcc) {
            *height = read_big(bytes + at + 5, 2);
            *width = read_big(bytes + at + 7, 2);
            return true;
        }
        at += 2 + read_big(bytes + at + 2, 2);
    }
    return false;
}

const char *image_probe(const uint8_t *bytes, int64_t size, char *reason,
                        int room)
{
    uint32_t width = 1, height = 1;
    if (is_png(bytes, size)) {
        if (size < 24 || memcmp(bytes + 12, "IHDR", 4) != 0) {
            snprintf(reason, (size_t)room, "PNG without a header");
            return reason;
        }
        width = read_big(bytes + 16, 4);
        height = read_big(bytes + 20, 4);
    } else if (is_jpeg(bytes, size)) {
        find_jpeg_size(bytes, size, &width, &height);
    } else {
        snprintf(reason, (size_t)room, "%s", no_image(bytes, size));
        return reason;
    }
    if (width && height && (uint64_t)width * height <= IMAGE_MAX_PIXELS)
        return NULL;
    snprintf(reason, (size_t)room,
             width && height ? "%ux%u pixels are more than 64 megapixels, the "
                               "most that is read"
                             : "its size of %ux%u is none",
             width, height);
    return reason;
}

Status image_read(const char *path, int min_side, Image *image)
{
    *image = (Image){0};
    char *bytes = NULL;
    int64_t size = 0;
    Status status = file_read(path, MAX_FILE, &bytes, &size);
    if (status.code == STATUS_FAILED)
        status.code = STATUS_DATA;
    if (status.code != STATUS_OK)
        return status;
    status = image_decode((const uint8_t *)bytes, size, path, min_side, image);
    free(bytes);
    return status;
}

// Such a PNG's text chunk lies between its header and its pixels.
bool image_is_drawn(const uint8_t *bytes, int64_t size)
{
    static const char text[] = "tEXt" PNG_SOFTWARE "\0" PNG_DRAWN;
    int64_t at = 8, length = (int64_t)sizeof text - 1;
    while (is_png(bytes, size) && at + 4 + length <= size) {
        if (memcmp(bytes + at + 4, text, (size_t)length) == 0 &&
            read_big(bytes + at, 4) == (uint32_t)(length - 4))
            return true;
        if (memcmp(bytes + at + 4, "IDAT", 4) == 0)
            return false;
        at += 12 + (int64_t)read_big(bytes + at, 4);
    }
    return false;
}

Status image_write_png(const char *path, const Image *image)
{
    uint8_t *bytes = NULL;
    int64_t size = 0;
    TRY(png_encode(image, path, true, &bytes, &size));
    Status status = file_write(path, bytes, size);
    free(bytes);
    return status;
}
