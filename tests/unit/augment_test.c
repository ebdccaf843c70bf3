// Augmentations against hand computation and published numbers.
#include <stdlib.h>

#include "runtime/base/philox.h"
#include "runtime/data/augment.h"
#include "runtime/data/augment_blur.h"
#include "runtime/data/augment_color.h"
#include "runtime/data/augment_resize.h"
#include "tests/harness.h"

static void check_box(CropBox box, int x, int y, int width, int height)
{
    CHECK_INT(box.x, x);
    CHECK_INT(box.y, y);
    CHECK_INT(box.width, width);
    CHECK_INT(box.height, height);
}

TEST(center_crop_boxes)
{
    check_box(crop_center_box(500, 375, 0.875), 86, 24, 328, 328);
    check_box(crop_center_box(256, 256, 0.875), 16, 16, 224, 224);
    check_box(crop_center_box(500, 333, 0.875), 105, 21, 291, 291);
    check_box(crop_center_box(12, 12, 0.875), 1, 1, 10, 10); // rint(10.5)
    check_box(crop_center_box(4, 4, 0.875), 0, 0, 4, 4);     // rint(3.5)
    check_box(crop_center_box(50, 40, 1), 0, 0, 50, 40);
    check_box(crop_center_box(1, 1, 0.1), 0, 0, 1, 1);
}

TEST(random_crop_statistics)
{
    // At aspect 1 the side is uniform on sqrt(0.1)..1 of the image's, so the
    // mean area is (1 - 0.1^1.5) / (3 (1 - 0.1^0.5)) = 0.472.
    RandomStream stream = random_stream(1, 2, 3, 4, 5);
    CropRange range = {0.08, 1, 1, 1};
    double sum = 0;
    int count = 20000, least = 200, last = 0, first = 0;
    for (int i = 0; i < count; i++) {
        CropBox box = crop_random_box(&stream, SAMPLER_TF, 200, 200, range);
        sum += box.width * box.height / 40000.0;
        least = box.width < least ? box.width : least;
        CHECK_INT(box.width, box.height);
        if (box.width < 200) {
            last += box.x == 200 - box.width || box.y == 200 - box.height;
            first += box.x == 0;
        }
    }
    CHECK_NEAR(sum / count, 0.472, 0.006);
    CHECK_INT(least, 64);    // 63^2 is less than a tenth
    CHECK_INT(last > 60, 0); // only where there is one place: side 199
    CHECK(first > 100);
}

TEST(random_crop_ranges)
{
    RandomStream stream = random_stream(9, 2, 3, 4, 5);
    CropRange range = {0.08, 1, 0.75, 4.0 / 3};
    const int sizes[][2] = {{500, 375}, {31, 640}, {3, 2}, {1, 1}, {1, 900}};
    double aspects = 0;
    for (int s = 0; s < 5; s++)
        for (int i = 0; i < 2000; i++) {
            int width = sizes[s][0], height = sizes[s][1];
            CropBox box =
                crop_random_box(&stream, SAMPLER_TF, width, height, range);
            CHECK(box.x >= 0 && box.y >= 0 && box.width > 0 && box.height > 0);
            CHECK(box.x + box.width <= width && box.y + box.height <= height);
            if (s == 0) {
                double aspect = (double)box.width / box.height;
                aspects += aspect / 2000;
                CHECK(aspect > 0.73 && aspect < 1.36);
                CHECK(box.width * box.height >= 0.1 * width * height);
            }
        }
    CHECK_NEAR(aspects, (0.75 + 4.0 / 3) / 2, 0.03);
    range = (CropRange){0.01, 0.05, 1, 1};
    check_box(crop_random_box(&stream, SAMPLER_TF, 40, 30, range), 0, 0, 40,
              30);
}

static void resize(const ResizeSource *source, CropBox box, ResizeKind kind,
                   int height, int width, float *out)
{
    int64_t floats = resize_scratch_floats(kind, box, height, width);
    float *scratch = malloc((size_t)floats * sizeof *scratch);
    CHECK(scratch != NULL);
    resize_box(simd_level(), source, box, kind, height, width, scratch, out);
    free(scratch);
}

TEST(bicubic_downscale_by_hand)
{
    // 4 -> 2: the first output lies at 1/2 between pixels 0 and 1, with Keys
    // weights -1/16 9/16 9/16 -1/16, the first of which falls outside.
    const uint8_t row[12] = {0, 0, 0, 51, 0, 0, 102, 0, 0, 153, 0, 0};
    ResizeSource source = {4, 1, row, NULL};
    float out[6];
    resize(&source, (CropBox){0, 0, 4, 1}, RESIZE_TF2, 1, 2, out);
    double first = (0.2 * 9 - 0.4 * 1) / 17, second = (0.4 + 0.6) * 9 / 17;
    CHECK_NEAR(out[0], first, 1e-6);
    CHECK_NEAR(out[1], second - 0.2 / 17, 1e-6);
    CHECK_NEAR(out[2], 0, 0);
}

TEST(bicubic_upscale_by_hand)
{
    // 2 -> 4: the first output lies at -1/4: weights of pixels 0 and 1 are
    // k(1/4) = 0.8671875 and k(5/4) = -0.0703125, scaled to sum 1.
    const uint8_t column[6] = {255, 0, 51, 0, 0, 255};
    ResizeSource source = {1, 2, column, NULL};
    float out[12];
    resize(&source, (CropBox){0, 0, 1, 2}, RESIZE_TF2, 4, 1, out);
    double sum = 0.8671875 - 0.0703125;
    CHECK_NEAR(out[0], 0.8671875 / sum, 1e-6); // overshoots 1: clipped later
    CHECK_NEAR(out[3], -0.0703125 / sum, 1e-6);
    CHECK_NEAR(out[8], (0.2 * 0.8671875 - 0.0703125) / sum, 1e-6);
}

TEST(resize_stays_in_its_box)
{
    uint8_t bytes[20 * 20 * 3];
    float planes[3 * 400], from_bytes[3 * 169], from_planes[3 * 169];
    for (int i = 0; i < 400; i++)
        for (int c = 0; c < 3; c++) {
            int x = i % 20, y = i / 20;
            bool inside = x >= 4 && x < 15 && y >= 6 && y < 13;
            bytes[3 * i + c] = inside ? (uint8_t)(100 + c) : 255;
            planes[400 * c + i] = bytes[3 * i + c] / 255.0f;
        }
    CropBox box = {4, 6, 11, 7};
    ResizeSource source = {20, 20, bytes, NULL};
    resize(&source, box, RESIZE_TF2, 13, 13, from_bytes);
    source = (ResizeSource){20, 20, NULL, planes};
    resize(&source, box, RESIZE_TF2, 13, 13, from_planes);
    for (int i = 0; i < 3 * 169; i++) {
        CHECK_NEAR(from_bytes[i], (100 + i / 169) / 255.0, 1e-6);
        CHECK_NEAR(from_planes[i], from_bytes[i], 1e-6);
    }
}

TEST(resize_to_own_size_copies)
{
    uint8_t bytes[6 * 5 * 3];
    float out[3 * 30];
    for (int i = 0; i < 90; i++)
        bytes[i] = (uint8_t)(i * 53);
    ResizeSource source = {6, 5, bytes, NULL};
    resize(&source, (CropBox){0, 0, 6, 5}, RESIZE_TF2, 5, 6, out);
    for (int i = 0; i < 90; i++)
        CHECK_NEAR(out[i % 3 * 30 + i / 3], bytes[i] / 255.0, 1e-7);
}

// One pixel, or two with the second black, run through a color function.
typedef struct Pixels {
    float red[2], green[2], blue[2];
} Pixels;

static ColorPlanes planes_of(Pixels *pixels, int count)
{
    return (ColorPlanes){pixels->red, pixels->green, pixels->blue, count};
}

static void run_color(Pixels *pixels, int count, ColorKind kind, double factor)
{
    ColorStep step = {kind, (float)factor};
    color_run(simd_level(), planes_of(pixels, count), &step, 1);
}

static void check_color(const Pixels *pixels, double r, double g, double b)
{
    CHECK_NEAR(pixels->red[0], r, 1e-6);
    CHECK_NEAR(pixels->green[0], g, 1e-6);
    CHECK_NEAR(pixels->blue[0], b, 1e-6);
}

TEST(brightness_and_contrast)
{
    Pixels pixels = {{0.5f}, {0.9f}, {0}};
    run_color(&pixels, 1, COLOR_SCALE, 1.6f);
    check_color(&pixels, 0.8, 1, 0);
    pixels = (Pixels){{0.2f, 0.6f}, {0, 1}, {0.3f, 0.3f}};
    run_color(&pixels, 2, COLOR_CONTRAST, 0.5f);
    check_color(&pixels, 0.3, 0.25, 0.3);
    pixels = (Pixels){{0.2f, 0.6f}, {0, 1}, {0.3f, 0.3f}};
    run_color(&pixels, 2, COLOR_CONTRAST, 1.5f);
    check_color(&pixels, 0.1, 0, 0.3);
    CHECK_NEAR(pixels.green[1], 1, 0);
}

TEST(saturation_and_hue)
{
    const Pixels orange = {{0.8f}, {0.4f}, {0.2f}}; // hue 20 degrees
    Pixels pixels = orange;
    run_color(&pixels, 1, COLOR_SATURATION, 0.5f);
    check_color(&pixels, 0.8, 0.6, 0.5);
    pixels = orange;
    run_color(&pixels, 1, COLOR_SATURATION, 0);
    check_color(&pixels, 0.8, 0.8, 0.8);
    pixels = orange;
    run_color(&pixels, 1, COLOR_SATURATION, 1.8f); // saturation stops at 1
    check_color(&pixels, 0.8, 0.8 / 3, 0);
    pixels = orange;
    run_color(&pixels, 1, COLOR_HUE, 0);
    check_color(&pixels, 0.8, 0.4, 0.2);
    run_color(&pixels, 1, COLOR_HUE, 1.0f / 3);
    check_color(&pixels, 0.2, 0.8, 0.4);
    run_color(&pixels, 1, COLOR_HUE, -1.0f / 3);
    check_color(&pixels, 0.8, 0.4, 0.2);
    run_color(&pixels, 1, COLOR_HUE, 0.5f);
    check_color(&pixels, 0.2, 0.6, 0.8);
    pixels = (Pixels){{0.3f}, {0.3f}, {0.3f}};
    run_color(&pixels, 1, COLOR_HUE, 0.4f);
    check_color(&pixels, 0.3, 0.3, 0.3);
}

TEST(hsv_round_trips_over_the_cube)
{
    for (int i = 0; i < 11 * 11 * 11; i++) {
        float r = (float)(i % 11) / 10, g = (float)(i / 11 % 11) / 10;
        float b = (float)(i / 121) / 10;
        Pixels pixels = {{r}, {g}, {b}};
        run_color(&pixels, 1, COLOR_SATURATION, 1);
        check_color(&pixels, r, g, b);
        run_color(&pixels, 1, COLOR_HUE, -0.17f);
        run_color(&pixels, 1, COLOR_HUE, 0.17f);
        CHECK_NEAR(pixels.red[0], r, 3e-6);
    }
}

TEST(grayscale_weights)
{
    Pixels pixels = {{0.8f}, {0.4f}, {0.2f}};
    run_color(&pixels, 1, COLOR_GRAY, 0);
    double luma = 0.2989 * 0.8 + 0.5870 * 0.4 + 0.1140 * 0.2;
    check_color(&pixels, luma, luma, luma);
}

TEST(blur_taps)
{
    float weights[2 * BLUR_MAX_RADIUS + 1];
    CHECK_INT(blur_weights(224, 1, weights), 11);
    CHECK_NEAR(weights[11], 0.3989423, 1e-7);
    CHECK_NEAR(weights[12], 0.2419707, 1e-7);
    CHECK_INT(blur_weights(224, 2, weights), 11);
    CHECK_NEAR(weights[11], 0.1994711, 1e-7);
    CHECK_NEAR(weights[10], 0.1760327, 1e-7);
    CHECK_INT(blur_weights(224, 0.1, weights), 11);
    CHECK_NEAR(weights[11], 1, 1e-7);
    CHECK_NEAR(weights[12], 0, 1e-7);
    CHECK_INT(blur_weights(32, 1, weights), 1);
    CHECK_NEAR(weights[1], 0.4518628, 1e-7);
    CHECK_NEAR(weights[0], 0.2740686, 1e-7);
    CHECK_INT(blur_weights(9, 1, weights), 0);
    CHECK_NEAR(weights[0], 1, 0);
    CHECK_INT(blur_weights(1 << 20, 1, weights), BLUR_MAX_RADIUS);
}

TEST(blur_darkens_borders)
{
    float plane[32 * 32];
    float *scratch =
        malloc((size_t)blur_scratch_floats(32, 32) * sizeof *scratch);
    CHECK(scratch != NULL);
    for (int i = 0; i < 32 * 32; i++)
        plane[i] = 1;
    blur_plane(simd_level(), plane, scratch, 32, 32, 1);
    free(scratch);
    double edge = 0.4518628 + 0.2740686;
    CHECK_NEAR(plane[5 * 32 + 9], 1, 1e-6);
    CHECK_NEAR(plane[9], edge, 1e-6);
    CHECK_NEAR(plane[5 * 32 + 31], edge, 1e-6);
    CHECK_NEAR(plane[32 * 32 - 1], edge * edge, 1e-6);
}

// ---- pipelines -------------------------------------------------------------

enum { SIDE = 24, VALUES = 3 * SIDE * SIDE };

static const AugmentStep crop = {AUGMENT_RANDOM_CROP,
                                 {SIDE, 0.08, 1, 0.75, 4.0 / 3}};
static const AugmentStep whole = {AUGMENT_CENTER_CROP, {SIDE, 1}};
static const AugmentStep flip = {AUGMENT_FLIP, {0.5}};
static const AugmentStep jitter = {AUGMENT_COLOR_JITTER,
                                   {1, 0.8, 0.8, 0.8, 0.8, 0.2}};
static const AugmentStep gray = {AUGMENT_GRAYSCALE, {0.2}};
static const AugmentStep blur = {AUGMENT_BLUR, {0.5, 0.1, 2}};

static Image make_image(int width, int height)
{
    Image image;
    CHECK(image_new(width, height, &image).code == STATUS_OK);
    for (int i = 0; i < width * height * 3; i++)
        image.pixels[i] = (uint8_t)(i * 37 + i / 11 * 5);
    return image;
}

static void augment(const AugmentStep *steps, int count, const Image *image,
                    AugmentKey key, float *out)
{
    AugmentScratch scratch = {0};
    Status status =
        augment_image(steps, count, image, &key, &scratch, SIDE, SIDE, out);
    augment_scratch_free(&scratch);
    CHECK_TEXT(status.text, "");
}

static bool same(const float *a, const float *b)
{
    return memcmp(a, b, VALUES * sizeof *a) == 0;
}

TEST(equal_keys_equal_views)
{
    const AugmentStep steps[] = {crop, flip, jitter, gray, blur};
    Image image = make_image(50, 37);
    float first[VALUES], again[VALUES];
    const AugmentKey key = {7, 8, 3, 41, 1, 1000};
    augment(steps, 5, &image, key, first);
    augment(steps, 5, &image, key, again);
    CHECK(same(first, again));
    for (int i = 0; i < 5; i++) {
        AugmentKey other = key;
        uint64_t *fields[] = {&other.seed, &other.phase, &other.epoch,
                              &other.sample, &other.view};
        ++*fields[i];
        augment(steps, 5, &image, other, again);
        CHECK(!same(first, again));
    }
    image_free(&image);
}

TEST(an_operation_leaves_others_alone)
{
    const AugmentStep off = {AUGMENT_GRAYSCALE, {0}};
    const AugmentStep plain[] = {crop, flip, jitter};
    const AugmentStep more[] = {off, crop, off, flip, jitter};
    Image image = make_image(40, 40);
    float a[VALUES], b[VALUES];
    for (uint64_t i = 0; i < 10; i++) {
        AugmentKey key = {1, 2, 0, i, 0, 0};
        augment(plain, 3, &image, key, a);
        augment(more, 5, &image, key, b);
        for (int k = 0; k < VALUES; k++)
            CHECK_NEAR(a[k], b[k], 1e-5);
    }
    image_free(&image);
}

TEST(values_stay_in_range_for_any_shape)
{
    const AugmentStep steps[] = {crop, flip, jitter, gray, blur};
    const int sizes[][2] = {{1, 1}, {3, 200}, {200, 3}, {24, 24}, {97, 61}};
    float out[VALUES];
    for (int s = 0; s < 5; s++) {
        Image image = make_image(sizes[s][0], sizes[s][1]);
        for (uint64_t i = 0; i < 40; i++) {
            augment(steps, 5, &image, (AugmentKey){i, 1, 2, 3, 4, 5}, out);
            for (int k = 0; k < VALUES; k++)
                if (!(out[k] >= 0 && out[k] <= 1)) {
                    CHECK(!"a value outside [0, 1]");
                    break;
                }
        }
        image_free(&image);
    }
}

TEST(evaluation_keeps_small_images)
{
    Image image = make_image(SIDE, SIDE);
    float out[VALUES];
    augment(&whole, 1, &image, (AugmentKey){0}, out);
    for (int i = 0; i < VALUES; i++)
        CHECK_NEAR(out[i % 3 * SIDE * SIDE + i / 3], image.pixels[i] / 255.0,
                   1e-7);
    image_free(&image);
}

TEST(flip_mirrors)
{
    const AugmentStep always = {AUGMENT_FLIP, {1}};
    const AugmentStep steps[] = {whole, always};
    Image image = make_image(SIDE, SIDE);
    float plain[VALUES], mirrored[VALUES];
    augment(steps, 1, &image, (AugmentKey){0}, plain);
    augment(steps, 2, &image, (AugmentKey){0}, mirrored);
    for (int i = 0; i < VALUES; i++)
        CHECK_NEAR(mirrored[i], plain[i / SIDE * SIDE + SIDE - 1 - i % SIDE],
                   0);
    image_free(&image);
}

// The share of 1000 samples that a pipeline's last step changes.
static double changed_share(const AugmentStep *steps, int count)
{
    Image image = make_image(SIDE, SIDE);
    float plain[VALUES], out[VALUES];
    int changed = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        AugmentKey key = {3, 4, 0, i, 0, i};
        augment(steps, count - 1, &image, key, plain);
        augment(steps, count, &image, key, out);
        changed += !same(plain, out);
    }
    image_free(&image);
    return changed / 1000.0;
}

TEST(probabilities)
{
    // Four standard deviations of 1000 draws are at most 0.064.
    const AugmentStep parts[] = {flip, jitter, gray, blur};
    const double shares[] = {0.5, 0.8, 0.2, 0.5};
    for (int i = 0; i < 4; i++) {
        const AugmentStep steps[] = {whole, parts[i]};
        double share = changed_share(steps, 2);
        // A narrow sigma blurs nothing to float precision: about 5%.
        CHECK_NEAR(share, shares[i], i == 3 ? 0.09 : 0.064);
    }
    const AugmentStep still = {AUGMENT_COLOR_JITTER,
                               {0, 1, 0.8, 0.8, 0.8, 0.2}};
    const AugmentStep steps[] = {whole, still};
    CHECK_NEAR(changed_share(steps, 2), 0, 0);
}

TEST(one_sigma_per_view_batch)
{
    const AugmentStep always = {AUGMENT_BLUR, {1, 0.5, 2}};
    const AugmentStep steps[] = {whole, always};
    Image image = make_image(SIDE, SIDE);
    float a[VALUES], b[VALUES];
    augment(steps, 2, &image, (AugmentKey){1, 2, 3, 10, 0, 77}, a);
    augment(steps, 2, &image, (AugmentKey){1, 2, 4, 11, 0, 77}, b);
    CHECK(same(a, b));
    augment(steps, 2, &image, (AugmentKey){1, 2, 3, 10, 1, 77}, b);
    CHECK(!same(a, b));
    augment(steps, 2, &image, (AugmentKey){1, 2, 3, 10, 0, 78}, b);
    CHECK(!same(a, b));
    image_free(&image);
}

TEST(pad_crop_shifts_with_zeros)
{
    const AugmentStep pad = {AUGMENT_PAD_CROP, {SIDE, 4}};
    Image image = make_image(SIDE, SIDE);
    memset(image.pixels, 255, VALUES);
    float out[VALUES];
    bool rows[9] = {false}, columns[9] = {false};
    for (uint64_t i = 0; i < 300; i++) {
        augment(&pad, 1, &image, (AugmentKey){1, 2, 3, i, 0, 0}, out);
        int top = 0, left = 0, bottom = 0, right = 0;
        const int middle = SIDE / 2, end = SIDE - 1;
        for (int k = 0; k < 5; k++) {
            top += out[k * SIDE + middle] == 0;
            bottom += out[(end - k) * SIDE + middle] == 0;
            left += out[middle * SIDE + k] == 0;
            right += out[middle * SIDE + end - k] == 0;
        }
        CHECK(top <= 4 && bottom <= 4 && (top == 0 || bottom == 0));
        CHECK(left <= 4 && right <= 4 && (left == 0 || right == 0));
        rows[4 + top - bottom] = columns[4 + left - right] = true;
    }
    for (int i = 0; i < 9; i++)
        CHECK(rows[i] && columns[i]);
    image_free(&image);
}

TEST(bad_pipelines_are_refused)
{
    const AugmentStep bad[] = {
        {AUGMENT_COUNT, {0}},
        {-1, {0}},
        {AUGMENT_FLIP, {1.5}},
        {AUGMENT_FLIP, {NAN}},
        {AUGMENT_RANDOM_CROP, {0, 0.08, 1, 0.75, 1.33}},
        {AUGMENT_RANDOM_CROP, {SIDE, 0.5, 0.2, 0.75, 1.33}},
        {AUGMENT_RANDOM_CROP, {SIDE, 0.5, 1, 0, 1.33}},
        {AUGMENT_CENTER_CROP, {SIDE, 0}},
        {AUGMENT_CENTER_CROP, {12.5, 1}},
        {AUGMENT_PAD_CROP, {SIDE, -1}},
        {AUGMENT_COLOR_JITTER, {1.3, 0.8, 0.8, 0.8, 0.8, 0.2}},
        {AUGMENT_COLOR_JITTER, {1, 0.8, 0.8, 0.8, 0.8, 0.6}},
        {AUGMENT_BLUR, {0.5, 0, 2}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const AugmentStep steps[] = {whole, bad[i]};
        Status status = augment_check(steps, 2, 3, SIDE, SIDE);
        CHECK_INT(status.code, STATUS_FAILED);
        CHECK(strstr(status.text, "augmentation") != NULL);
    }
    CHECK_INT(augment_check(&flip, 1, 3, SIDE, SIDE).code, STATUS_FAILED);
    CHECK_INT(augment_check(&crop, 1, 3, SIDE + 1, SIDE).code, STATUS_FAILED);
    CHECK_INT(augment_check(&crop, 1, 3, SIDE, SIDE).code, STATUS_OK);
}
