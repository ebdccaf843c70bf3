#include "runtime/data/image.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/pretender.h"
#include "runtime/data/image_exif.h"
#include "runtime/data/image_jpeg.h"
#include "runtime/data/image_npy.h"
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
    image->channels = 3;
    return status_ok();
}

Status image_new_planes(int width, int height, int channels, Image *image)
{
    *image = (Image){0};
    if (width <= 0 || height <= 0 || channels <= 0 ||
        channels > IMAGE_MAX_CHANNELS ||
        (int64_t)width * height * channels > 3 * (int64_t)IMAGE_MAX_PIXELS)
        return status_error(STATUS_DATA,
                            "bad image size %dx%d of %d channels: 1 to 64 "
                            "channels, 192 million numbers in all",
                            width, height, channels);
    image->planes = malloc((size_t)width * (size_t)height * (size_t)channels *
                           sizeof *image->planes);
    if (!image->planes)
        return status_error(STATUS_MEMORY, "no memory for a %dx%d image", width,
                            height);
    image->width = width;
    image->height = height;
    image->channels = channels;
    return status_ok();
}

Status image_to_picture(Image *image)
{
    Image picture;
    if (!image->planes)
        return status_ok();
    TRY(image_new(image->width, image->height, &picture));
    int64_t area = (int64_t)image->width * image->height;
    for (int64_t i = 0; i < area; i++)
        for (int c = 0; c < 3; c++) {
            int from = image->channels < 3 ? 0 : c;
            picture.pixels[3 * i + c] =
                (uint8_t)(image->planes[from * area + i] * 255 + 0.5f);
        }
    image_free(image);
    *image = picture;
    return status_ok();
}

// Luma, to which a grey pixel adds up exactly.
static float grey_of(float red, float green, float blue)
{
    return red == green && green == blue
               ? red
               : 0.2989f * red + 0.5870f * green + 0.1140f * blue;
}

static Status refuse_channels(const char *name, int has, int wanted)
{
    return status_error(STATUS_DATA,
                        "%s: it has %d channel%s, and the program takes %d: "
                        "param channels = %d",
                        name, has, has == 1 ? "" : "s", wanted, has);
}

// Planes of red, green, blue and maybe alpha to `channels` of them.
static Status choose_channels(Image *image, int channels, const char *name)
{
    bool alpha = image->channels == 4;
    int64_t area = (int64_t)image->width * image->height;
    Image chosen;
    if (image->channels == channels)
        return status_ok();
    if (channels != 1 && channels != 2 && channels != 4)
        return status_error(STATUS_DATA,
                            "%s: pictures are read as 1 to 4 channels, and the "
                            "program takes %d; more are in .npy files",
                            name, channels);
    TRY(image_new_planes(image->width, image->height, channels, &chosen));
    const float *from = image->planes;
    for (int64_t i = 0; i < area; i++) {
        float opacity = alpha ? from[3 * area + i] : 1;
        float grey = grey_of(from[i], from[area + i], from[2 * area + i]);
        if (channels == 4)
            for (int c = 0; c < 3; c++)
                chosen.planes[c * area + i] = from[c * area + i];
        else
            chosen.planes[i] = channels == 1 ? grey * opacity : grey;
        if (channels > 1)
            chosen.planes[(channels - 1) * area + i] = opacity;
    }
    image_free(image);
    *image = chosen;
    return status_ok();
}

Status image_take_channels(Image *image, int channels, const char *name)
{
    Image planes;
    if (image->pixels && (channels == 0 || channels == 3))
        return status_ok();
    if (image->pixels) {
        int64_t area = (int64_t)image->width * image->height;
        TRY(image_new_planes(image->width, image->height, 3, &planes));
        for (int64_t i = 0; i < 3 * area; i++)
            planes.planes[i % 3 * area + i / 3] =
                (float)image->pixels[i] * (1.0f / 255);
        image_free(image);
        *image = planes;
    }
    return choose_channels(image, channels, name);
}

void image_free(Image *image)
{
    free(image->pixels);
    free(image->planes);
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

static bool is_npy(const uint8_t *bytes, int64_t size)
{
    return size >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0;
}

static const char *no_image(const uint8_t *bytes, int64_t size)
{
    const char *pretender = pretender_name(bytes, size);
    return size == 0   ? "the file is empty"
           : pretender ? pretender
                       : "neither a PNG nor a JPEG file, nor .npy";
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

Status image_decode_channels(const uint8_t *bytes, int64_t size,
                             const char *name, int min_side, int channels,
                             Image *image)
{
    *image = (Image){0};
    Status status;
    if (is_npy(bytes, size)) {
        status = npy_decode(bytes, size, name, image);
        if (status.code == STATUS_OK && channels == 0)
            status = image_to_picture(image);
        else if (status.code == STATUS_OK && image->channels != channels)
            status = refuse_channels(name, image->channels, channels);
    } else if (is_png(bytes, size) && channels != 0 && channels != 3) {
        status = png_decode_planes(bytes, size, name, image);
        if (status.code == STATUS_OK)
            status = choose_channels(image, channels, name);
        if (status.code == STATUS_OK)
            status = exif_turn(image, exif_orientation(bytes, size));
    } else {
        status = image_decode(bytes, size, name, min_side, image);
        if (status.code == STATUS_OK)
            status = image_take_channels(image, channels, name);
    }
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
    } else if (is_npy(bytes, size)) {
        return npy_probe(bytes, size, reason, room);
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
