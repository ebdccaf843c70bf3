// EXIF orientations: eight files of one photo are eight equal images.
#include "runtime/data/image_exif.h"

#include <stdlib.h>
#include <zlib.h>

#include "runtime/data/data.h"
#include "tests/harness.h"
#include "tests/images.h"

// A picture whose pixels all differ, 4 x 3, and how it is stored under each
// orientation: EXIF 2.3 says what the first row and column of the file show.
enum { WIDTH = 4, HEIGHT = 3 };

static const struct {
    int width;
    const char *rows; // the letter of each stored pixel
} stored[9] = {
    {0, ""},
    {4, "abcdefghijkl"}, // 1: first row top, first column left
    {4, "dcbahgfelkji"}, // 2: top, right
    {4, "lkjihgfedcba"}, // 3: bottom, right
    {4, "ijklefghabcd"}, // 4: bottom, left
    {3, "aeibfjcgkdhl"}, // 5: left, top
    {3, "dhlcgkbfjaei"}, // 6: right, top
    {3, "lhdkgcjfbiea"}, // 7: right, bottom
    {3, "ieajfbkgclhd"}, // 8: left, bottom
};

// A TIFF header, a first directory with the orientation behind another tag, and
// a second one, the thumbnail's, with another orientation.
static int64_t put_exif(uint8_t *out, bool little, int orientation, int other)
{
    uint8_t *at = out;
#define PUT(value, count)                                                      \
    for (int i_ = 0; i_ < (count); i_++)                                       \
    *at++ = (uint8_t)((value) >> 8 * (little ? i_ : (count)-1 - i_))
    memcpy(at, little ? "II" : "MM", 2);
    at += 2;
    PUT(42, 2);
    PUT(8, 4);
    for (int directory = 0; directory < 2; directory++) {
        PUT(2, 2);
        PUT(0x010e, 2);
        PUT(2, 2);
        PUT(3, 4);
        PUT(0, 4);
        PUT(0x0112, 2);
        PUT(3, 2);
        PUT(1, 4);
        PUT(directory ? other : orientation, 2);
        PUT(0, 2);
        PUT(directory ? 0 : 38, 4);
    }
#undef PUT
    return at - out;
}

static void insert(const char *path, int64_t where, const uint8_t *part,
                   int64_t length)
{
    int64_t size;
    uint8_t *bytes = read_bytes(path, &size);
    uint8_t *grown = malloc((size_t)(size + length));
    memcpy(grown, bytes, (size_t)where);
    memcpy(grown + where, part, (size_t)length);
    memcpy(grown + where + length, bytes + where, (size_t)(size - where));
    write_bytes(path, grown, size + length);
    free(bytes);
    free(grown);
}

// The stored picture as a PNG, with the chunk eXIf behind its header.
static const char *make_turned(int orientation, bool little)
{
    uint8_t rows[3 * WIDTH * HEIGHT], chunk[256] = {0};
    const char *path = test_path("turned/%d%d.png", orientation, little);
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        memset(rows + 3 * i, stored[orientation].rows[i], 3);
    int width = stored[orientation].width;
    make_png(path, PNG_KIND_RGB, 8, false, width, WIDTH * HEIGHT / width, rows,
             3 * width);
    memcpy(chunk + 4, "eXIf", 4);
    int64_t length = put_exif(chunk + 8, little, orientation, 3);
    chunk[3] = (uint8_t)length;
    uint32_t sum = (uint32_t)crc32(0, chunk + 4, (uInt)length + 4);
    for (int i = 0; i < 4; i++)
        chunk[8 + length + i] = (uint8_t)(sum >> (24 - 8 * i));
    insert(path, 33, chunk, length + 12);
    return path;
}

TEST(exif_turns_all_eight_upright)
{
    for (int orientation = 1; orientation <= 8; orientation++)
        for (int little = 0; little < 2; little++) {
            Image image;
            char got[WIDTH * HEIGHT + 1] = "";
            CHECK_TEXT(
                image_read(make_turned(orientation, little), 0, &image).text,
                "");
            CHECK_INT(image.width, WIDTH);
            CHECK_INT(image.height, HEIGHT);
            for (int i = 0; i < WIDTH * HEIGHT; i++)
                got[i] = (char)image.pixels[3 * i + 1];
            CHECK_TEXT(got, stored[1].rows);
            image_free(&image);
        }
}

// A JPEG: APP0, an APP1 of XMP, then EXIF's.
TEST(exif_of_a_jpeg)
{
    uint8_t segment[300] = {0xff, 0xe1, 0, 34, 'h', 't', 't', 'p'};
    const uint8_t grey[4] = {90, 90, 90};
    for (int orientation = 1; orientation <= 8; orientation++) {
        int64_t size;
        const char *path = test_path("jpeg/%d.jpg", orientation);
        make_jpeg(path, JPEG_KIND_RGB, 8, grey);
        uint8_t *exif = segment + 36;
        memcpy(exif, "\xff\xe1\0\0Exif\0\0", 10);
        int64_t length = put_exif(exif + 10, orientation % 2, orientation, 6);
        exif[3] = (uint8_t)(length + 8);
        insert(path, 20, segment, 36 + 10 + length);
        uint8_t *bytes = read_bytes(path, &size);
        CHECK_INT(exif_orientation(bytes, size), orientation);
        Image image;
        CHECK_TEXT(image_read(path, 0, &image).text, "");
        image_free(&image);
        free(bytes);
    }
}

// Cut off and damaged anywhere: no crash, and an orientation that there is.
TEST(exif_of_any_bytes)
{
    uint8_t bytes[400] = {0xff, 0xd8, 0xff, 0xe1, 0, 200};
    memcpy(bytes + 6, "Exif\0\0", 6);
    int64_t size = 12 + put_exif(bytes + 12, true, 6, 3);
    for (int64_t cut = 0; cut <= size; cut++) {
        uint8_t *part = malloc((size_t)cut + 1);
        memcpy(part, bytes, (size_t)cut);
        int got = exif_orientation(part, cut);
        CHECK(got == 1 || got == 6);
        free(part);
    }
    CHECK_INT(exif_orientation(bytes, size), 6);
    for (int64_t i = 0; i < size; i++)
        for (int value = 0; value < 256; value += 51) {
            uint8_t kept = bytes[i];
            bytes[i] = (uint8_t)value;
            int got = exif_orientation(bytes, size);
            CHECK(got >= EXIF_UPRIGHT && got <= EXIF_LAST);
            bytes[i] = kept;
        }
}

TEST(exif_is_counted)
{
    DataOptions options = {0};
    Dataset *set = NULL;
    char *const *notes;
    for (int i = 1; i <= 8; i++)
        make_turned(i, true);
    CHECK_TEXT(dataset_open(test_path("turned"), &options, &set).text, "");
    CHECK_INT(dataset_notes(set, &notes), 1);
    CHECK_TEXT(notes[0], "7 photos are stored turned or mirrored: taken "
                         "upright, as EXIF says");
    dataset_free(set);
}
