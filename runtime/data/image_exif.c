#include "runtime/data/image_exif.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };

// ---- finding it -------------------------------------------------------------

typedef struct Bytes {
    const uint8_t *at;
    int64_t size;
} Bytes;

static uint32_t number(const uint8_t *at, int count, bool little)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++)
        value = value << 8 | at[little ? count - 1 - i : i];
    return value;
}

// Of a TIFF header and its first directory. The second is the thumbnail's.
static int tiff_orientation(Bytes tiff)
{
    if (tiff.size < 8)
        return EXIF_UPRIGHT;
    bool little = memcmp(tiff.at, "II*\0", 4) == 0;
    if (!little && memcmp(tiff.at, "MM\0*", 4) != 0)
        return EXIF_UPRIGHT;
    int64_t at = number(tiff.at + 4, 4, little);
    if (at > tiff.size - 2)
        return EXIF_UPRIGHT;
    uint32_t count = number(tiff.at + at, 2, little);
    const uint8_t *entry = tiff.at + at + 2;
    for (uint32_t i = 0; i < count; i++, entry += 12) {
        if (entry + 12 > tiff.at + tiff.size)
            return EXIF_UPRIGHT;
        if (number(entry, 2, little) != TAG_ORIENTATION)
            continue;
        uint32_t value = number(entry + 8, 2, little);
        bool fits = number(entry + 2, 2, little) == TYPE_SHORT &&
                    value >= EXIF_UPRIGHT && value <= EXIF_LAST;
        return fits ? (int)value : EXIF_UPRIGHT;
    }
    return EXIF_UPRIGHT;
}

// The first APP1 segment that is EXIF's (others are XMP's), before the scans.
static Bytes find_in_jpeg(Bytes file)
{
    static const char mark[] = "Exif\0"; // and the zero behind it
    int64_t at = 2;
    while (at + 4 <= file.size && file.at[at] == 0xff) {
        int marker = file.at[at + 1];
        if (marker == 0xff) {
            at++;
            continue;
        }
        int64_t length = number(file.at + at + 2, 2, false);
        int64_t end = at + 2 + length;
        if (marker == 0xda || length < 2)
            break;
        if (marker == 0xe1 && length >= 8 && at + 10 <= file.size &&
            memcmp(file.at + at + 4, mark, 6) == 0)
            return (Bytes){file.at + at + 10,
                           (end < file.size ? end : file.size) - at - 10};
        at = end;
    }
    return (Bytes){0};
}

// The chunk eXIf: a TIFF header and directories without a mark.
static Bytes find_in_png(Bytes file)
{
    int64_t at = 8;
    while (at + 12 <= file.size) {
        int64_t length = number(file.at + at, 4, false), start = at + 8;
        if (memcmp(file.at + at + 4, "eXIf", 4) == 0)
            return (Bytes){file.at + start, start + length <= file.size
                                                ? length
                                                : file.size - start};
        at += 12 + length;
    }
    return (Bytes){0};
}

int exif_orientation(const uint8_t *bytes, int64_t size)
{
    Bytes file = {bytes, size}, exif = {0};
    if (size >= 4 && bytes[0] == 0xff && bytes[1] == 0xd8)
        exif = find_in_jpeg(file);
    else if (size >= 8 && bytes[0] == 0x89)
        exif = find_in_png(file);
    return exif.size > 0 ? tiff_orientation(exif) : EXIF_UPRIGHT;
}

// ---- turning ----------------------------------------------------------------

Status exif_turn(Image *image, int orientation)
{
    if (orientation == EXIF_UPRIGHT)
        return status_ok();
    // 5 to 8: rows are stored as columns. Then which of the two axes of the
    // upright picture runs backwards in the stored one.
    bool swapped = orientation >= 5;
    bool right_to_left = orientation == 2 || orientation == 3 ||
                         orientation == 6 || orientation == 7;
    bool bottom_up = orientation == 3 || orientation == 4 || orientation == 7 ||
                     orientation == 8;
    Image upright;
    int width = swapped ? image->height : image->width;
    int height = swapped ? image->width : image->height;
    TRY(image->planes
            ? image_new_planes(width, height, image->channels, &upright)
            : image_new(width, height, &upright));
    int64_t area = (int64_t)width * height, at = 0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, at++) {
            int across = right_to_left ? width - 1 - x : x;
            int down = bottom_up ? height - 1 - y : y;
            int64_t column = swapped ? down : across;
            int64_t row = swapped ? across : down;
            int64_t from = row * image->width + column;
            if (image->pixels)
                memcpy(upright.pixels + 3 * at, image->pixels + 3 * from, 3);
            for (int c = 0; image->planes && c < image->channels; c++)
                upright.planes[c * area + at] = image->planes[c * area + from];
        }
    image_free(image);
    *image = upright;
    return status_ok();
}
