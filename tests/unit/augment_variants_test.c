// Samplers, resizers and colour operations of several libraries, against
// numbers computed by these; and the same bits for every vector width.
#include <stdlib.h>

#include "runtime/base/philox.h"
#include "runtime/data/augment.h"
#include "runtime/data/augment_blur.h"
#include "runtime/data/augment_color.h"
#include "runtime/data/augment_resize.h"
#include "tests/harness.h"

static float *new_floats(int64_t count)
{
    float *floats = malloc((size_t)count * sizeof *floats);
    CHECK(floats != NULL);
    return floats;
}

// ---- boxes -----------------------------------------------------------------

TEST(torch_boxes_are_uniform_in_area)
{
    // Few of these boxes fall outside a square image, so that the mean area is
    // near that of a uniform draw, 0.54; aspects a and 1/a are as likely.
    RandomStream stream = random_stream(5, 4, 3, 2, 1);
    CropRange range = {0.08, 1, 0.999, 1.001};
    double area = 0, aspect = 0;
    int last = 0, count = 20000;
    for (int i = 0; i < count; i++) {
        CropBox box = crop_random_box(&stream, SAMPLER_TORCH, 300, 300, range);
        area += box.width * box.height / 90000.0 / count;
        last += box.width < 300 && box.x == 300 - box.width;
    }
    CHECK_NEAR(area, 0.54, 0.008);
    CHECK(last > 100); // unlike TensorFlow's, this sampler takes it
    range = (CropRange){0.08, 0.3, 0.75, 4.0 / 3};
    for (int i = 0; i < count; i++) {
        CropBox box = crop_random_box(&stream, SAMPLER_TORCH, 300, 300, range);
        aspect += log((double)box.width / box.height) / count;
        CHECK(box.x >= 0 && box.x + box.width <= 300);
        CHECK(box.y >= 0 && box.y + box.height <= 300);
    }
    CHECK_NEAR(aspect, 0, 0.008);
}

static void check_box(CropBox box, int x, int y, int width, int height)
{
    CHECK_INT(box.x, x);
    CHECK_INT(box.y, y);
    CHECK_INT(box.width, width);
    CHECK_INT(box.height, height);
}

TEST(torch_boxes_fall_back_to_the_centre)
{
    RandomStream stream = random_stream(1, 1, 1, 1, 1);
    CropRange range = {0.5, 1, 0.75, 4.0 / 3};
    check_box(crop_random_box(&stream, SAMPLER_TORCH, 1000, 30, range), 480, 0,
              40, 30);
    check_box(crop_random_box(&stream, SAMPLER_TORCH, 30, 1001, range), 0, 480,
              30, 40);
    check_box(crop_random_box(&stream, SAMPLER_TORCH, 1, 1, range), 0, 0, 1, 1);
}

// ---- resizing --------------------------------------------------------------

enum { WIDE = 7, HIGH = 5 };

// Red of pixel (x, y) is (37 x + 91 y + 13 x y) mod 256; green and blue are
// constant.
static void fill_source(uint8_t bytes[HIGH * WIDE * 3])
{
    for (int y = 0; y < HIGH; y++)
        for (int x = 0; x < WIDE; x++) {
            uint8_t *pixel = bytes + 3 * (y * WIDE + x);
            pixel[0] = (uint8_t)(37 * x + 91 * y + 13 * x * y);
            pixel[1] = 51;
            pixel[2] = 204;
        }
}

// From bytes and from planes.
static void check_resize(ResizeKind kind, int height, int width,
                         const double *want)
{
    uint8_t bytes[HIGH * WIDE * 3];
    float planes[3 * HIGH * WIDE];
    fill_source(bytes);
    for (int i = 0; i < HIGH * WIDE; i++)
        for (int c = 0; c < 3; c++)
            planes[c * HIGH * WIDE + i] = (float)bytes[3 * i + c] / 255;
    CropBox box = {0, 0, WIDE, HIGH};
    int count = height * width;
    float *scratch =
        new_floats(resize_scratch_floats(kind, box, height, width));
    float *out = new_floats(3 * count);
    for (int from = 0; from < 2; from++) {
        ResizeSource source = {WIDE, HIGH, from ? NULL : bytes,
                               from ? planes : NULL};
        resize_box(simd_level(), &source, box, kind, height, width, scratch,
                   out);
        for (int i = 0; i < count; i++) {
            CHECK_NEAR(out[i], want[i], 2e-6);
            CHECK_NEAR(out[count + i], 0.2, 1e-6);
            CHECK_NEAR(out[2 * count + i], 0.8, 1e-6);
        }
    }
    free(scratch);
    free(out);
}

TEST(tf2_bicubic_is_keys_cubic)
{
    // jax.image.resize without antialiasing: the same kernel and the same rule
    // at the edges. These fractions are in TensorFlow's table.
    const double want[] = {0.301494, 0.716674, 0.245607, 0.555190,
                           0.195444, 0.611181, 0.391573, 0.701712};
    check_resize(RESIZE_TF2, 2, 4, want);
}

TEST(tf1_bicubic_begins_at_the_corner)
{
    // 5 -> 2 rows: places 0 and 2.5, the latter between rows 2 and 3 with
    // weights -3/32 19/32 19/32 -3/32; 7 -> 1 columns: place 0.
    const double p[] = {0, 91, 182, 17, 108};
    const double want[] = {0,
                           (19 * (p[2] + p[3]) - 3 * (p[1] + p[4])) / 32 / 255};
    check_resize(RESIZE_TF1, 2, 1, want);
}

TEST(torch_bicubic)
{
    // torch.nn.functional.interpolate, mode bicubic.
    const double smaller[] = {0.135457, 0.499022, 0.422301, 0.715424,
                              0.852644, 0.172878, 0.657024, 0.477258,
                              0.415774, 0.328933, 0.647002, 0.489718};
    const double taller[] = {0.145528, 0.727037, 0.310471, 0.502092, 0.559403,
                             0.231925, 0.769322, 0.562290, 0.806679, 0.977635,
                             0.603846, 0.744764, 0.447881, 0.379769, 0.567520,
                             0.299655, 0.668427, 0.270046};
    check_resize(RESIZE_TORCH, 3, 4, smaller);
    check_resize(RESIZE_TORCH, 9, 2, taller);
}

TEST(pillow_bicubic)
{
    // Image.resize, BICUBIC, of an image of mode F.
    const double smaller[] = {0.222397, 0.513574, 0.494517, 0.637774,
                              0.608126, 0.582609, 0.582459, 0.542874,
                              0.404871, 0.497546, 0.562188, 0.506944};
    const double taller[] = {0.171308, 0.683987, 0.315604, 0.602110, 0.576860,
                             0.461048, 0.645917, 0.489986, 0.611939, 0.582992,
                             0.525746, 0.627586, 0.456198, 0.616891, 0.465927,
                             0.506959, 0.475722, 0.444872};
    check_resize(RESIZE_PILLOW, 3, 4, smaller);
    check_resize(RESIZE_PILLOW, 9, 2, taller);
}

TEST(weights_of_any_size_sum_to_one)
{
    const int sizes[] = {1, 2, 3, 4, 5, 17, 100};
    for (int kind = 0; kind < RESIZE_KINDS; kind++)
        for (int i = 0; i < 49; i++) {
            int in = sizes[i / 7], out = sizes[i % 7];
            int count = resize_tap_count(kind, in, out), first[100];
            CHECK(count <= in);
            float *weights = new_floats((int64_t)out * count);
            ResizeTaps taps = {count, first, weights};
            resize_find_taps(kind, in, out, &taps);
            for (int x = 0; x < out; x++) {
                double sum = 0;
                for (int k = 0; k < count; k++)
                    sum += weights[x * count + k];
                CHECK_NEAR(sum, 1, 1e-6);
                CHECK(first[x] >= 0 && first[x] + count <= in);
            }
            free(weights);
        }
}

// ---- colours ---------------------------------------------------------------

static void check_two(ColorKind kind, double factor, const double want[6])
{
    float pixels[] = {0.2f, 0.6f, 0, 1, 0.3f, 0.4f};
    ColorStep step = {kind, (float)factor};
    color_run(simd_level(), (ColorPlanes){pixels, pixels + 2, pixels + 4, 2},
              &step, 1);
    for (int i = 0; i < 6; i++)
        CHECK_NEAR(pixels[i], want[i], 1e-4);
}

TEST(torchvision_colors)
{
    // torchvision.transforms.functional of the same two pixels.
    check_two(COLOR_SCALE, 1.3, (double[]){0.26, 0.78, 0, 1, 0.39, 0.52});
    check_two(COLOR_LUMA_CONTRAST, 1.5,
              (double[]){0.0735, 0.6735, 0, 1, 0.2235, 0.3735});
    check_two(COLOR_BLEND, 1.8,
              (double[]){0.2848, 0.4304, 0, 1, 0.4648, 0.0704});
    check_two(COLOR_BLEND, 0.4,
              (double[]){0.1364, 0.7272, 0.0564, 0.8872, 0.1764, 0.6472});
    check_two(COLOR_HUE, 0.13, (double[]){0.3, 0.4, 0, 1, 0.166, 0.668});
    check_two(COLOR_ADD, -0.25, (double[]){0, 0.35, 0, 0.75, 0.05, 0.15});
}

enum { PIXELS = 3001 }; // parts of an image, and a rest of no vector's width

static void fill_noise(float *at, int64_t count)
{
    RandomStream stream = random_stream(8, 1, 2, 3, 4);
    for (int64_t i = 0; i < count; i++)
        at[i] = (float)random_range(&stream, -0.1, 1.1);
}

static const ColorStep all_steps[] = {
    {COLOR_SATURATION, 1.4f}, {COLOR_CONTRAST, 0.7f},
    {COLOR_CONTRAST, 1.6f},   {COLOR_HUE, -0.07f},
    {COLOR_ADD, 0.1f},        {COLOR_LUMA_CONTRAST, 1.2f},
    {COLOR_SCALE, 1.1f},      {COLOR_BLEND, 0.6f},
    {COLOR_GRAY, 0},
};
enum { ALL_STEPS = sizeof all_steps / sizeof *all_steps, GROUPED = 8 };

// All but the last step, so many at a time.
static void run_colors(SimdLevel level, float *at, int together)
{
    ColorPlanes planes = {at, at + PIXELS, at + 2 * PIXELS, PIXELS};
    fill_noise(at, 3 * PIXELS);
    for (int i = 0; i < GROUPED; i += together)
        color_run(level, planes, all_steps + i, together);
}

TEST(colors_do_not_depend_on_how_they_are_grouped)
{
    float *one = new_floats(3 * PIXELS), *many = new_floats(3 * PIXELS);
    run_colors(simd_level(), one, 1);
    for (int together = 2; together <= GROUPED; together *= 2) {
        run_colors(simd_level(), many, together);
        CHECK(memcmp(one, many, 3 * PIXELS * sizeof *one) == 0);
    }
    free(one);
    free(many);
}

TEST(colors_stay_in_range)
{
    float *pixels = new_floats(3 * PIXELS);
    for (int i = 0; i < ALL_STEPS; i++) {
        ColorPlanes planes = {pixels, pixels + PIXELS, pixels + 2 * PIXELS,
                              PIXELS};
        fill_noise(pixels, 3 * PIXELS);
        color_run(simd_level(), planes, &all_steps[i], 1);
        int outside = 0;
        for (int k = 0; k < 3 * PIXELS; k++)
            outside += !(pixels[k] >= 0 && pixels[k] <= 1);
        CHECK_INT(outside, 0);
    }
    free(pixels);
}

// ---- vector widths ---------------------------------------------------------

TEST(every_vector_width_has_the_same_bits)
{
    enum { SIDE = 77, FLOATS = 3 * SIDE * SIDE };
    uint8_t bytes[60 * 50 * 3];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7919 >> 3);
    ResizeSource source = {60, 50, bytes, NULL};
    CropBox box = {3, 2, 55, 45};
    float *colors[2] = {new_floats(3 * PIXELS), new_floats(3 * PIXELS)};
    float *views[2] = {new_floats(FLOATS), new_floats(FLOATS)};
    float *blurs = new_floats(blur_scratch_floats(SIDE, SIDE));
    for (int kind = 0; kind < RESIZE_KINDS; kind++) {
        float *scratch =
            new_floats(resize_scratch_floats(kind, box, SIDE, SIDE));
        for (int level = 0; level <= (int)simd_level(); level++) {
            float *view = views[level > 0];
            resize_box(level, &source, box, kind, SIDE, SIDE, scratch, view);
            blur_plane(level, view, blurs, SIDE, SIDE, 1.7);
            CHECK(memcmp(view, views[0], FLOATS * sizeof *view) == 0);
            run_colors(level, colors[level > 0], 4);
            CHECK(memcmp(colors[level > 0], colors[0],
                         3 * PIXELS * sizeof(float)) == 0);
        }
        free(scratch);
    }
    for (int i = 0; i < 2; i++) {
        free(colors[i]);
        free(views[i]);
    }
    free(blurs);
}

// ---- pipelines -------------------------------------------------------------

TEST(what_was_drawn_is_told)
{
    const AugmentStep steps[] = {
        {AUGMENT_CENTER_CROP, {24, 0.5}},
        {AUGMENT_FLIP, {1}},
        {AUGMENT_COLOR_JITTER, {1, 1, 0.1, 0, 0, 0, 1}},
        {AUGMENT_GRAYSCALE, {1}},
        {AUGMENT_BLUR, {1, 2, 2}},
    };
    char told[AUGMENT_TOLD];
    AugmentScratch scratch = {.told = told};
    float *out = new_floats(3 * 24 * 24);
    Image image;
    CHECK(image_new(80, 60, &image).code == STATUS_OK);
    memset(image.pixels, 100, 80 * 60 * 3);
    AugmentKey key = {1, 2, 3, 4, 5, 6};
    Status status =
        augment_image(steps, 5, &image, &key, &scratch, 24, 24, out);
    CHECK_TEXT(status.text, "");
    float factor;
    CHECK_INT(sscanf(told,
                     "center_crop 30 x 30 at 25, 15; flip; brightness %f; "
                     "grayscale; blur 2",
                     &factor),
              1);
    CHECK(fabsf(factor) <= 0.1f);
    augment_scratch_free(&scratch);
    image_free(&image);
    free(out);
}

TEST(a_flip_comes_before_the_crop_after_it)
{
    // The left column of the mirrored image is the right one of the image.
    const AugmentStep steps[] = {{AUGMENT_CENTER_CROP, {8, 1}},
                                 {AUGMENT_FLIP, {1}},
                                 {AUGMENT_PAD_CROP, {8, 0}}};
    AugmentScratch scratch = {0};
    float *out = new_floats(3 * 64);
    Image image;
    CHECK(image_new(8, 8, &image).code == STATUS_OK);
    for (int i = 0; i < 8 * 8 * 3; i++)
        image.pixels[i] = (uint8_t)(i / 3 % 8 * 30);
    AugmentKey key = {0};
    Status status = augment_image(steps, 3, &image, &key, &scratch, 8, 8, out);
    CHECK_TEXT(status.text, "");
    for (int x = 0; x < 8; x++)
        CHECK_NEAR(out[x], (7 - x) * 30 / 255.0, 1e-6);
    augment_scratch_free(&scratch);
    image_free(&image);
    free(out);
}

TEST(choices_out_of_range_are_refused)
{
    const AugmentStep bad[] = {
        {AUGMENT_RANDOM_CROP, {24, 0.08, 1, 0.75, 1.33, 2, 0}},
        {AUGMENT_RANDOM_CROP, {24, 0.08, 1, 0.75, 1.33, 0, 4}},
        {AUGMENT_CENTER_CROP, {24, 1, 0.5}},
        {AUGMENT_CENTER_CROP, {24, 1, NAN}},
        {AUGMENT_COLOR_JITTER, {1, 1, 0.8, 0.8, 0.8, 0.2, 0, -1}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(augment_check(&bad[i], 1, 3, 24, 24).code, STATUS_FAILED);
}
