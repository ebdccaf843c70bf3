// Images of other than three channels, or more than eight bits: what files
// become, and what augmentation makes of them.
#include <stdlib.h>

#include "runtime/data/augment.h"
#include "runtime/data/data.h"
#include "tests/harness.h"
#include "tests/images.h"

static Status decode(const char *path, int channels, Image *image)
{
    int64_t size;
    uint8_t *bytes = read_bytes(path, &size);
    Status status = image_decode_channels(bytes, size, "x", 0, channels, image);
    free(bytes);
    return status;
}

static Image decode_good(const char *path, int channels, int has)
{
    Image image;
    CHECK_TEXT(decode(path, channels, &image).text, "");
    CHECK_INT(image.channels, has);
    CHECK((image.planes != NULL) != (image.pixels != NULL));
    return image;
}

static void check_values(const char *path, int channels, int count,
                         const double *want)
{
    Image image = decode_good(path, channels, channels);
    CHECK_INT(image.width * image.height * channels, count);
    for (int i = 0; i < count; i++)
        CHECK_NEAR(image.planes[i], want[i], 1e-7);
    image_free(&image);
}

TEST(png_channels_keep_their_bits)
{
    const uint8_t deep[4] = {0x12, 0x34, 0xff, 0xff};
    const char *path = test_path("deep.png");
    make_png(path, PNG_KIND_GREY, 16, false, 2, 1, deep, 4);
    check_values(path, 1, 2, (double[]){0x1234 / 65535.0, 1});
    check_values(path, 2, 4, (double[]){0x1234 / 65535.0, 1, 1, 1});
    const uint8_t rgba[8] = {10, 20, 30, 0, 255, 100, 50, 128};
    path = test_path("rgba.png");
    make_png(path, PNG_KIND_RGBA, 8, false, 2, 1, rgba, 8);
    check_values(path, 4, 8,
                 (double[]){10 / 255.0, 1, 20 / 255.0, 100 / 255.0, 30 / 255.0,
                            50 / 255.0, 0, 128 / 255.0});
    double grey = (0.2989 * 255 + 0.5870 * 100 + 0.1140 * 50) / 255;
    check_values(path, 1, 2, (double[]){0, grey * 128 / 255});
    // Three channels and pictures to look at are as ever.
    Image image = decode_good(path, 3, 3);
    CHECK_INT(image.pixels[3], 128);
    image_free(&image);
    CHECK(strstr(decode(path, 5, &image).text,
                 "pictures are read as 1 to 4 channels, and the program takes "
                 "5"));
}

TEST(jpeg_has_channels_of_a_picture)
{
    const uint8_t color[4] = {90};
    const char *path = test_path("grey.jpg");
    make_jpeg(path, JPEG_KIND_GREY, 8, color);
    Image image = decode_good(path, 1, 1);
    CHECK_NEAR(image.planes[5], 90 / 255.0, 1e-6);
    image_free(&image);
    image = decode_good(path, 4, 4);
    CHECK_NEAR(image.planes[2 * 64 + 5], 90 / 255.0, 1e-6);
    CHECK_NEAR(image.planes[3 * 64 + 5], 1, 0);
    image_free(&image);
}

// Writes a file as numpy.save does.
static const char *make_npy(const char *name, const char *type,
                            const char *order, const char *shape,
                            const void *numbers, int size)
{
    char file[512] = "\x93NUMPY\1\0v\0";
    snprintf(file + 10, sizeof file - 10,
             "{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }", type,
             order, shape);
    size_t used = 10 + strlen(file + 10);
    memset(file + used, ' ', 128 - used);
    file[127] = '\n';
    memcpy(file + 128, numbers, (size_t)size);
    const char *path = test_path("%s.npy", name);
    write_bytes(path, file, 128 + size);
    return path;
}

TEST(npy_of_every_type)
{
    // Two rows of one pixel with three channels.
    const uint8_t bytes[] = {0, 51, 255, 102, 1, 2};
    const double want[] = {0, 102 / 255.0, 51 / 255.0, 1 / 255.0, 1, 2 / 255.0};
    check_values(make_npy("u1", "|u1", "False", "2, 1, 3", bytes, 6), 3, 6,
                 want);
    const uint8_t words[] = {0, 0, 0x34, 0x12, 0xff, 0xff, 1, 0};
    check_values(make_npy("u2", "<u2", "False", "1, 2, 2", words, 8), 2, 4,
                 (double[]){0, 1, 0x1234 / 65535.0, 1 / 65535.0});
    const float floats[] = {0.25f, 1, 0, 0.5f};
    const char *path = make_npy("f4", "<f4", "False", "2, 2, 1", floats, 16);
    check_values(path, 1, 4, (double[]){0.25, 1, 0, 0.5});
    // To look at: grey.
    Image image = decode_good(path, 0, 3);
    CHECK_INT(image.pixels[0], 64);
    CHECK_INT(image.pixels[2], 64);
    image_free(&image);
}

TEST(npy_that_is_no_image)
{
    const float floats[] = {0.25f, 1, 0, 1.5f};
    const struct {
        const char *type, *order, *shape, *problem;
    } bad[] = {
        {"<f4", "False", "2, 2, 1", "holds 1.5, and pixels are from 0 to 1"},
        {"<f8", "False", "2, 1, 1", "none of uint8, uint16 and float32"},
        {">u2", "False", "2, 2, 1", "none of uint8"},
        {"|u1", "True", "2, 2, 1", "Fortran's order"},
        {"|u1", "False", "4,", "it is no image"},
        {"|u1", "False", "4, 4", "it is no image"},
        {"|u1", "False", "1, 1, 1, 1", "it is no image"},
        {"|u1", "False", "0, 2, 1", "its size"},
        {"|u1", "False", "1, 1, 65", "more than 64 channels"},
        {"|u1", "False", "60, 60, 1", "cut short"},
        {"|u1", "False", "4, 4, 1",
         "has 1 channel, and the program takes 3: "
         "param channels = 1"},
    };
    Image image;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *path = make_npy("bad", bad[i].type, bad[i].order,
                                    bad[i].shape, floats, 16);
        Status status = decode(path, i < 10 ? 1 : 3, &image);
        CHECK_INT(status.code, STATUS_DATA);
        if (!strstr(status.text, bad[i].problem))
            test_fail(__FILE__, __LINE__, "%s", status.text);
        CHECK(!image.planes && !image.pixels);
    }
    // Any prefix of a good file is refused, or read where nothing is missing.
    const char *path =
        make_npy("whole", "<f4", "False", "2, 2, 1", (float[4]){0}, 16);
    int64_t size;
    uint8_t *bytes = read_bytes(path, &size);
    for (int64_t cut = 0; cut < size; cut++)
        CHECK_INT(image_decode_channels(bytes, cut, "x", 0, 1, &image).code,
                  STATUS_DATA);
    free(bytes);
}

TEST(every_channel_is_augmented_alike)
{
    // Seven channels, of which each is the first: so must be what comes out.
    enum { SIDE = 12, CHANNELS = 7, AREA = SIDE * SIDE };
    const AugmentStep steps[] = {
        {AUGMENT_RANDOM_CROP, {20, 0.3, 1, 0.75, 1.3}},
        {AUGMENT_FLIP, {0.5}},
        {AUGMENT_ENHANCE, {1, 1, -0.5, 0.5}},
        {AUGMENT_ENHANCE, {0, 1, -0.5, 2}},
        {AUGMENT_BLUR, {0.5, 0.1, 2}},
        {AUGMENT_ROTATE, {1, -30, 30}},
        {AUGMENT_QUARTER_TURN, {0.75}},
        {AUGMENT_SOLARIZE, {0.5, 0.3, 0.8}},
        {AUGMENT_EQUALIZE, {0.5}},
        {AUGMENT_ERASE, {1, 0.02, 0.33, 0.3, 3.3, 0, 0.5}},
        {AUGMENT_CENTER_CROP, {SIDE, 0.9}}};
    const int count = sizeof steps / sizeof *steps;
    Image image, picture;
    CHECK(image_new_planes(30, 26, CHANNELS, &image).code == STATUS_OK);
    CHECK(image_new(30, 26, &picture).code == STATUS_OK);
    for (int i = 0; i < CHANNELS * 30 * 26; i++)
        image.planes[i] = (float)(i % (30 * 26) * 37 % 256) * (1.0f / 255);
    for (int i = 0; i < 3 * 30 * 26; i++)
        picture.pixels[i] = (uint8_t)(i / 3 * 37 % 256);
    static float out[CHANNELS * AREA], want[3 * AREA];
    AugmentScratch scratch = {0};
    for (uint64_t i = 0; i < 60; i++) {
        AugmentKey key = {i, 2, 3, 4, 5, 6};
        CHECK_TEXT(
            augment_image(steps, count, &image, &key, &scratch, SIDE, SIDE, out)
                .text,
            "");
        for (int c = 1; c < CHANNELS; c++)
            CHECK(memcmp(out, out + c * AREA, AREA * sizeof *out) == 0);
        CHECK_TEXT(augment_image(steps, count, &picture, &key, &scratch, SIDE,
                                 SIDE, want)
                       .text,
                   "");
        int apart = 0; // equalize may move a rounding error over a step
        for (int k = 0; k < AREA; k++)
            apart += !(fabsf(out[k] - want[k]) <= 1e-4f);
        CHECK(apart <= AREA / 10);
    }
    augment_scratch_free(&scratch);
    image_free(&image);
    image_free(&picture);
}

TEST(colours_need_three_channels)
{
    const AugmentStep crop = {AUGMENT_CENTER_CROP, {24, 1}};
    const AugmentStep bad[] = {{AUGMENT_GRAYSCALE, {1}},
                               {AUGMENT_COLOR_JITTER, {1, 1, 0.1, 0.1}},
                               {AUGMENT_ENHANCE, {2, 1, 1, 1}},
                               {AUGMENT_ENHANCE, {3, 1, 1, 1}}};
    for (int i = 0; i < 4; i++) {
        const AugmentStep steps[] = {crop, bad[i]};
        CHECK_INT(augment_check(steps, 2, 3, 24, 24).code, STATUS_OK);
        CHECK(strstr(augment_check(steps, 2, 4, 24, 24).text,
                     "needs three channels"));
    }
}
