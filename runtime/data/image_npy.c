#include "runtime/data/image_npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A header of this format is far shorter; NumPy pads it to 64 bytes.
enum { MAX_HEADER = 1024 };

typedef struct NpyHeader {
    int64_t data; // where the numbers begin
    char type[3]; // "u1", "u2", "f4"
    int dims[3];
} NpyHeader;

// The text behind a key of the header's dictionary, or NULL.
static const char *value_of(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    at = at ? strchr(at, ':') : NULL;
    return at ? at + 1 + strspn(at + 1, " ") : NULL;
}

static const char no_image[] =
    "it is no image: an array of [height, width, channels]";

// NULL, or what is wrong with it.
static const char *read_header(const uint8_t *bytes, int64_t size,
                               NpyHeader *header)
{
    char text[MAX_HEADER + 1];
    if (size < 12)
        return "it is cut short";
    int version = bytes[6], begin = version == 1 ? 10 : 12;
    int64_t length = bytes[8] | bytes[9] << 8;
    if (version > 1)
        length |= (int64_t)bytes[10] << 16 | (int64_t)bytes[11] << 24;
    if (length > MAX_HEADER || begin + length > size)
        return "its header is cut short, or too long";
    memcpy(text, bytes + begin, (size_t)length);
    text[length] = 0;
    header->data = begin + length;
    const char *type = value_of(text, "'descr'");
    const char *order = value_of(text, "'fortran_order'");
    const char *shape = value_of(text, "'shape'");
    if (!type || !order || !shape || *shape != '(')
        return "its header is damaged";
    bool known = (strncmp(type, "'|u1'", 5) == 0) |
                 (strncmp(type, "'<u2'", 5) == 0) |
                 (strncmp(type, "'<f4'", 5) == 0);
    if (!known)
        return "its numbers are none of uint8, uint16 and float32";
    memcpy(header->type, type + 2, 2);
    header->type[2] = 0;
    if (strncmp(order, "False", 5) != 0)
        return "it is in Fortran's order: numpy.ascontiguousarray";
    int rank = 0;
    for (shape++; *shape && *shape != ')'; shape += strspn(shape, " ,")) {
        char *end;
        long long dim = strtoll(shape, &end, 10);
        if (end == shape || rank == 3)
            return no_image;
        if (dim < 1 || dim > IMAGE_MAX_PIXELS)
            return "its size is none of an image";
        header->dims[rank++] = (int)dim;
        shape = end;
    }
    if (rank < 3)
        return no_image;
    if (header->dims[2] > IMAGE_MAX_CHANNELS)
        return "it has more than 64 channels; an image is [height, width, "
               "channels]";
    if ((int64_t)header->dims[0] * header->dims[1] > IMAGE_MAX_PIXELS)
        return "it has more than 64 megapixels";
    return NULL;
}

const char *npy_probe(const uint8_t *bytes, int64_t size, char *reason,
                      int room)
{
    NpyHeader header;
    const char *problem = read_header(bytes, size, &header);
    if (problem)
        snprintf(reason, (size_t)room, ".npy: %s", problem);
    return problem ? reason : NULL;
}

static float number_at(const uint8_t *bytes, char kind, int64_t i)
{
    float value;
    if (kind == '1')
        return (float)bytes[i] * (1.0f / 255);
    if (kind == '2')
        return (float)((bytes[2 * i] | bytes[2 * i + 1] << 8) / 65535.0);
    memcpy(&value, bytes + 4 * i, sizeof value);
    return value;
}

Status npy_decode(const uint8_t *bytes, int64_t size, const char *name,
                  Image *image)
{
    NpyHeader header;
    const char *problem = read_header(bytes, size, &header);
    if (problem)
        return status_error(STATUS_DATA, "%s: %s", name, problem);
    int height = header.dims[0], width = header.dims[1];
    int channels = header.dims[2];
    int64_t area = (int64_t)height * width, count = area * channels;
    char kind = header.type[1];
    if (size - header.data < count * (kind - '0'))
        return status_error(STATUS_DATA, "%s: it is cut short", name);
    TRY(image_new_planes(width, height, channels, image));
    for (int64_t i = 0; i < count; i++) {
        float value = number_at(bytes + header.data, kind, i);
        if (!(value >= 0 && value <= 1)) {
            image_free(image);
            return status_error(STATUS_DATA,
                                "%s: it holds %g, and pixels are from 0 to 1: "
                                "scale float32 images to that",
                                name, (double)value);
        }
        image->planes[i % channels * area + i / channels] = value;
    }
    return status_ok();
}
