// Curves and sheets: what must be seen is there.
#include <stdlib.h>

#include "runtime/monitor/plot.h"
#include "runtime/monitor/plot_font.h"
#include "tests/harness.h"
#include "tests/images.h"

// Pixels that are much more blue than red: the first line's color.
static int count_blue(const Image *image, int left, int right)
{
    int count = 0;
    for (int y = 0; y < image->height; y++)
        for (int x = left; x < right; x++) {
            const uint8_t *pixel = image->pixels + 3 * (y * image->width + x);
            count += pixel[2] > pixel[0] + 80;
        }
    return count;
}

TEST(a_curve_is_drawn)
{
    double x[50], y[50];
    for (int i = 0; i < 50; i++) {
        x[i] = i;
        y[i] = i < 25 ? NAN : 3.0 - 0.01 * i;
    }
    PlotSeries series = {"loss", 50, x, y};
    const char *path = test_path("curve.png");
    CHECK_TEXT(plot_curves(path, "title", &series, 1, "step", "loss").text, "");
    Image image;
    CHECK(image_read(path, 0, &image).code == STATUS_OK);
    // The finite half spans the whole axis, drawn at least a pixel thick.
    CHECK(count_blue(&image, 150, 500) > 350);
    CHECK(count_blue(&image, 0, 90) == 0);
    image_free(&image);
}

TEST(odd_values_do_no_harm)
{
    const double none[3] = {NAN, INFINITY, -INFINITY};
    const double huge[3] = {-1e299, 1e299, 1e308};
    const double tiny[3] = {1e-310, 2e-310, 0};
    const double flat[3] = {5, 5, 5}, near[3] = {1, 1 + 1e-15, 1};
    const double *all[] = {none, huge, tiny, flat, near};
    const char *path = test_path("odd.png");
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 5; k++) {
            PlotSeries series[2] = {{"caf\xc3\xa9", 3, all[i], all[k]},
                                    {"empty", 0, NULL, NULL}};
            CHECK_TEXT(plot_curves(path, "", series, 2, "", "").text, "");
        }
    CHECK_TEXT(plot_curves(path, "none", NULL, 0, "x", "y").text, "");
    CHECK(plot_curves("/proc/no/plot.png", "", NULL, 0, "", "").code !=
          STATUS_OK);
}

TEST(a_sheet_shows_its_images)
{
    Image images[6] = {{0}};
    const char *captions[6] = {"one", NULL, "a caption longer than its image"};
    for (int i = 0; i < 5; i++) {
        CHECK(image_new(16, 16, &images[i]).code == STATUS_OK);
        memset(images[i].pixels, 10 * i, 16 * 16 * 3);
    }
    const char *path = test_path("sheet.png");
    CHECK_TEXT(plot_sheet(path, images, 2, 3, captions).text, "");
    Image sheet;
    CHECK(image_read(path, 0, &sheet).code == STATUS_OK);
    CHECK_INT(sheet.width, 6 + 3 * (96 + 6)); // enlarged six times
    CHECK_INT(sheet.height, 6 + 2 * (96 + 12 + 6));
    CHECK_INT(sheet.pixels[3 * (50 * sheet.width + 250)], 20);
    CHECK_INT(sheet.pixels[3 * (170 * sheet.width + 150)], 40);
    CHECK_INT(sheet.pixels[3 * (170 * sheet.width + 250)], 255);
    image_free(&sheet);
    for (int i = 0; i < 5; i++)
        image_free(&images[i]);
    CHECK(plot_sheet(path, images, 0, 3, NULL).code == STATUS_FAILED);
}

TEST(letters_differ)
{
    for (int a = ' '; a <= '~'; a++)
        for (int b = ' '; b < a; b++) {
            bool differ = false;
            for (int i = 0; i < FONT_WIDTH * FONT_HEIGHT; i++)
                differ |= font_dot((char)a, i / FONT_WIDTH, i % FONT_WIDTH) !=
                          font_dot((char)b, i / FONT_WIDTH, i % FONT_WIDTH);
            if (!differ)
                test_fail(__FILE__, __LINE__, "%c looks like %c", a, b);
        }
}

// Two clouds in their own colors, each on its side.
TEST(points_are_drawn_where_they_are)
{
    const double x[] = {0, 0.1, 0.2}, far[] = {10, 10.1, 10.2}, y[] = {1, 2, 3};
    PlotSeries series[] = {{"blue", 3, x, y}, {"other", 3, far, y}};
    const char *path = test_path("points.png");
    CHECK_TEXT(plot_points(path, "map", series, 2, "one", "two").text, "");
    Image image;
    CHECK(image_read(path, 0, &image).code == STATUS_OK);
    CHECK(count_blue(&image, 90, 300) > 60); // three dots of seven pixels
    CHECK(count_blue(&image, 320, 625) == 0);
    image_free(&image);
}

TEST(planes_become_an_image)
{
    const float planes[12] = {0, 1, 0.5f, 0.2f, 1, 1, 1, 1, 0, 0, 0, 0};
    Image image;
    CHECK(plot_image_of_planes(planes, 3, 2, 2, &image).code == STATUS_OK);
    CHECK_INT(image.pixels[3], 255);
    CHECK_INT(image.pixels[6], 128);
    CHECK_INT(image.pixels[7], 255);
    CHECK_INT(image.pixels[8], 0);
    image_free(&image);
}
