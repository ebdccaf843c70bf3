#include "runtime/image.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/image_jpeg.h"
#include "runtime/image_png.h"

static const uint8_t png_signature[8] = {0x89, 'P',  'N',  'G',
                                         '\r', '\n', 0x1a, '\n'};

Status image_new(int width, int height, Image *image)
{
    *image = (Image){0};
    if (width <= 0 || height <= 0 || (int64_t)width * height > IMAGE_MAX_PIXELS)
        return status_error(STATUS_DATA, "bad image size %dx%d", width, height);
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

Status image_decode(const uint8_t *bytes, int64_t size, const char *name,
                    int min_side, Image *image)
{
    *image = (Image){0};
    if (is_png(bytes, size))
        return png_decode(bytes, size, name, image);
    if (is_jpeg(bytes, size))
        return jpeg_decode(bytes, size, name, min_side, image);
    return status_error(STATUS_DATA, "%s: %s", name,
                        size == 0 ? "the file is empty"
                                  : "neither a PNG nor a JPEG file");
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
        snprintf(reason, (size_t)room,
                 size == 0 ? "the file is empty"
                           : "neither a PNG nor a JPEG file");
        return reason;
    }
    if (width && height && (uint64_t)width * height <= IMAGE_MAX_PIXELS)
        return NULL;
    snprintf(reason, (size_t)room, "its size of %ux%u is not accepted", width,
             height);
    return reason;
}

static Status read_whole_file(const char *path, uint8_t **bytes, int64_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return status_error(STATUS_DATA, "%s: %s", path, strerror(errno));
    int64_t room = 1 << 16, count = 0;
    uint8_t *data = malloc((size_t)room);
    while (data) {
        count += (int64_t)fread(data + count, 1, (size_t)(room - count), file);
        if (count < room)
            break;
        room *= 2;
        uint8_t *grown = realloc(data, (size_t)room);
        if (!grown)
            free(data);
        data = grown;
    }
    bool failed = ferror(file);
    int reason = errno;
    fclose(file);
    if (!data)
        return status_error(STATUS_MEMORY, "%s: no memory to read it", path);
    if (failed) {
        free(data);
        return status_error(STATUS_DATA, "%s: %s", path, strerror(reason));
    }
    *bytes = data;
    *size = count;
    return status_ok();
}

Status image_read(const char *path, int min_side, Image *image)
{
    *image = (Image){0};
    uint8_t *bytes = NULL;
    int64_t size = 0;
    TRY(read_whole_file(path, &bytes, &size));
    Status status = image_decode(bytes, size, path, min_side, image);
    free(bytes);
    return status;
}

// A neighbour of the target is renamed over it, so that a reader never sees
// half a file.
static Status write_whole_file(const char *path, const uint8_t *bytes,
                               int64_t size)
{
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.%ld.part", path, (long)getpid());
    FILE *file = fopen(temporary, "wb");
    if (!file)
        return status_error(STATUS_FAILED, "%s: %s", path, strerror(errno));
    bool written = fwrite(bytes, 1, (size_t)size, file) == (size_t)size;
    written &= fclose(file) == 0;
    if (written && rename(temporary, path) == 0)
        return status_ok();
    int reason = errno;
    remove(temporary);
    return status_error(STATUS_FAILED, "%s: %s", path, strerror(reason));
}

Status image_write_png(const char *path, const Image *image)
{
    uint8_t *bytes = NULL;
    int64_t size = 0;
    TRY(png_encode(image, path, &bytes, &size));
    Status status = write_whole_file(path, bytes, size);
    free(bytes);
    return status;
}
