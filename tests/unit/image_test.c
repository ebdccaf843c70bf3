// Reading every kind of PNG and JPEG, and writing PNG.
#include <stdlib.h>

#include "runtime/data/image.h"
#include "tests/harness.h"
#include "tests/images.h"

static void check_pixel(const Image *image, int x, int y, int r, int g, int b,
                        int tolerance)
{
    const uint8_t *pixel = image->pixels + 3 * (y * image->width + x);
    CHECK_NEAR(pixel[0], r, tolerance);
    CHECK_NEAR(pixel[1], g, tolerance);
    CHECK_NEAR(pixel[2], b, tolerance);
}

static Image read_good(const char *path)
{
    Image image;
    Status status = image_read(path, 0, &image);
    CHECK_TEXT(status.text, "");
    CHECK_INT(status.code, STATUS_OK);
    if (status.code != STATUS_OK)
        exit(1);
    return image;
}

TEST(png_round_trip)
{
    Image image, again;
    CHECK(image_new(37, 21, &image).code == STATUS_OK);
    for (int i = 0; i < 37 * 21 * 3; i++)
        image.pixels[i] = (uint8_t)(i * 31 + i / 7);
    const char *path = test_path("round.png");
    CHECK_TEXT(image_write_png(path, &image).text, "");
    again = read_good(path);
    CHECK_INT(again.width, 37);
    CHECK_INT(again.height, 21);
    CHECK(memcmp(image.pixels, again.pixels, 37 * 21 * 3) == 0);
    image_free(&image);
    image_free(&again);
    CHECK(again.pixels == NULL);
}

TEST(png_grey_of_all_depths)
{
    // Two pixels a row: black-ish and the brightest value.
    const uint8_t rows[5][4] = {
        {0x40}, {0x30}, {0x0f}, {0, 255}, {0, 0, 255, 255}};
    const int depths[5] = {1, 2, 4, 8, 16};
    for (int i = 0; i < 5; i++) {
        const char *path = test_path("grey%d.png", depths[i]);
        make_png(path, PNG_KIND_GREY, depths[i], false, 2, 1, rows[i], 4);
        Image image = read_good(path);
        check_pixel(&image, 0, 0, 0, 0, 0, 0);
        check_pixel(&image, 1, 0, 255, 255, 255, 0);
        image_free(&image);
    }
}

TEST(png_16_bit_is_rounded)
{
    // 0x80ff / 257 = 128.5 -> 128 or 129; 0x1234 / 257 = 18.13.
    const uint8_t row[6] = {0x80, 0xff, 0x12, 0x34, 0xff, 0xff};
    const char *path = test_path("deep.png");
    make_png(path, PNG_KIND_RGB, 16, false, 1, 1, row, 6);
    Image image = read_good(path);
    CHECK_NEAR(image.pixels[0], 128.5, 0.5);
    CHECK_INT(image.pixels[1], 18);
    CHECK_INT(image.pixels[2], 255);
    image_free(&image);
}

TEST(png_palette)
{
    const uint8_t row[3] = {0, 10, 255};
    const char *path = test_path("palette.png");
    make_png(path, PNG_KIND_PALETTE, 8, false, 3, 1, row, 3);
    Image image = read_good(path);
    check_pixel(&image, 0, 0, 0, 0, 0, 0);
    check_pixel(&image, 1, 0, 70, 50, 30, 0);
    check_pixel(&image, 2, 0, 249, 251, 253, 0);
    image_free(&image);
    const uint8_t packed[1] = {0x1b}; // indices 0 1 2 3
    make_png(path, PNG_KIND_PALETTE, 2, false, 4, 1, packed, 1);
    image = read_good(path);
    check_pixel(&image, 3, 0, 21, 15, 9, 0);
    image_free(&image);
}

TEST(png_alpha_over_black)
{
    const uint8_t grey[4] = {200, 255, 200, 51};
    const char *path = test_path("alpha.png");
    make_png(path, PNG_KIND_GREY_ALPHA, 8, false, 2, 1, grey, 4);
    Image image = read_good(path);
    check_pixel(&image, 0, 0, 200, 200, 200, 0);
    check_pixel(&image, 1, 0, 40, 40, 40, 0); // 200 * 51 / 255
    image_free(&image);
    const uint8_t rgba[8] = {10, 20, 30, 0, 255, 100, 50, 128};
    make_png(path, PNG_KIND_RGBA, 8, false, 2, 1, rgba, 8);
    image = read_good(path);
    check_pixel(&image, 0, 0, 0, 0, 0, 0);
    check_pixel(&image, 1, 0, 128, 50, 25, 0);
    image_free(&image);
}

TEST(png_interlaced)
{
    uint8_t rows[19 * 13 * 3];
    for (int i = 0; i < 19 * 13 * 3; i++)
        rows[i] = (uint8_t)(i * 7);
    const char *path = test_path("interlaced.png");
    make_png(path, PNG_KIND_RGB, 8, true, 19, 13, rows, 57);
    Image image = read_good(path);
    CHECK(memcmp(image.pixels, rows, sizeof rows) == 0);
    image_free(&image);
}

TEST(jpeg_of_all_kinds)
{
    // Inks (cyan, magenta, yellow, black) of 20, 40, 60, 80 parts of 255 leave
    // (255 - ink) * 175 / 255.
    const uint8_t grey[4] = {90}, rgb[4] = {200, 100, 50};
    const uint8_t inks[4] = {20, 40, 60, 80}, adobe[4] = {235, 215, 195, 175};
    const struct {
        JpegKind kind;
        const uint8_t *color;
        int red, green, blue;
    } cases[] = {
        {JPEG_KIND_GREY, grey, 90, 90, 90},
        {JPEG_KIND_RGB, rgb, 200, 100, 50},
        {JPEG_KIND_PROGRESSIVE, rgb, 200, 100, 50},
        {JPEG_KIND_CMYK, inks, 161, 148, 134},
        {JPEG_KIND_ADOBE, adobe, 161, 148, 134},
        {JPEG_KIND_YCCK, adobe, 161, 148, 134},
    };
    for (int i = 0; i < 6; i++) {
        const char *path = test_path("kind%d.jpg", i);
        make_jpeg(path, cases[i].kind, 24, cases[i].color);
        Image image = read_good(path);
        CHECK_INT(image.width, 24);
        check_pixel(&image, 11, 13, cases[i].red, cases[i].green, cases[i].blue,
                    2);
        image_free(&image);
    }
}

TEST(jpeg_shrinks_to_min_side)
{
    const uint8_t rgb[4] = {200, 100, 50};
    const char *path = test_path("large.jpg");
    make_jpeg(path, JPEG_KIND_RGB, 100, rgb);
    const int least[] = {0, 101, 51, 50, 26, 25, 13, 1};
    const int sides[] = {100, 100, 100, 50, 50, 25, 13, 13};
    for (int i = 0; i < 8; i++) {
        Image image;
        CHECK(image_read(path, least[i], &image).code == STATUS_OK);
        CHECK_INT(image.width, sides[i]);
        CHECK_INT(image.height, sides[i]);
        check_pixel(&image, 5, 5, 200, 100, 50, 2);
        image_free(&image);
    }
}

TEST(content_decides_not_the_name)
{
    const uint8_t rgb[4] = {1, 2, 3};
    const char *path = test_path("really-a-jpeg.png");
    make_jpeg(path, JPEG_KIND_RGB, 8, rgb);
    Image image = read_good(path);
    CHECK_INT(image.width, 8);
    image_free(&image);
}

// The limit is said, with its number.
TEST(large_images_are_refused_by_number)
{
    uint8_t png[33] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n',
                       0,    0,   0,   13,  'I',  'H',  'D',  'R'};
    const uint8_t sizes[] = {0, 0, 0x40, 0, 0, 0, 0x10, 1};
    char reason[128] = "";
    memcpy(png + 16, sizes, 8);
    const char *told = image_probe(png, sizeof png, reason, sizeof reason);
    CHECK_TEXT(told ? told : "", "16384x4097 pixels are more than 64 "
                                 "megapixels, the most that is read");
    png[23] = 0;
    CHECK(!image_probe(png, sizeof png, reason, sizeof reason));
    memset(png + 16, 0, 4);
    told = image_probe(png, sizeof png, reason, sizeof reason);
    CHECK_TEXT(told ? told : "", "its size of 0x4096 is none");
}

TEST(sizes_are_checked)
{
    Image image;
    CHECK(image_new(0, 5, &image).code == STATUS_DATA);
    CHECK(image_new(5, -1, &image).code == STATUS_DATA);
    CHECK(image_new(1 << 20, 1 << 20, &image).code == STATUS_DATA);
    CHECK(image.pixels == NULL);
    const char *path = test_path("no/such/folder.png");
    CHECK(image_new(2, 2, &image).code == STATUS_OK);
    memset(image.pixels, 0, 12);
    CHECK(image_write_png("/proc/nowhere/x.png", &image).code != STATUS_OK);
    CHECK_TEXT(image_write_png(path, &image).text, "");
    image_free(&image);
}
