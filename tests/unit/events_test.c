// TensorBoard's event files, notes, and metrics read back as series and drawn.
#include "runtime/base/crc32c.h"
#include "runtime/base/file.h"
#include "runtime/monitor/curves.h"
#include "runtime/monitor/metrics.h"
#include "runtime/monitor/notes.h"
#include "runtime/monitor/series.h"
#include "runtime/monitor/tensorboard.h"
#include "runtime/train/pca.h"
#include "tests/harness.h"
#include "tests/images.h"

#include <stdlib.h>

static char *read_file(const char *path, int64_t *size)
{
    char *bytes = NULL;
    CHECK_INT(file_read(path, 1 << 24, &bytes, size).code, STATUS_OK);
    return bytes;
}

// ---- event files ------------------------------------------------------------

// RFC 3720, appendix B.4, and the usual check string.
TEST(crc32c_of_known_bytes)
{
    unsigned char bytes[32] = {0};
    CHECK_INT(crc32c("123456789", 9), 0xe3069283);
    CHECK_INT(crc32c(bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    CHECK_INT(crc32c(bytes, 32), 0x62a8ab43);
    uint32_t crc = 0xe3069283;
    CHECK_INT(crc32c_masked("123456789", 9),
              (uint32_t)((crc >> 15 | crc << 17) + 0xa282ead8u));
}

typedef struct Seen {
    int count;
    int64_t steps[64];
    char tags[64][32];
    float values[64];
    double seconds;
} Seen;

static bool see(void *context, const EventScalar *scalar)
{
    Seen *seen = context;
    int at = seen->count++;
    seen->steps[at] = scalar->step;
    seen->values[at] = scalar->value;
    seen->seconds = scalar->seconds;
    snprintf(seen->tags[at], sizeof seen->tags[at], "%.*s", scalar->tag_length,
             scalar->tag);
    return true;
}

static size_t parse_file(const char *path, Seen *seen, int64_t *size)
{
    char *bytes = read_file(path, size);
    *seen = (Seen){0};
    size_t used =
        events_parse((const uint8_t *)bytes, (size_t)*size, see, seen);
    free(bytes);
    return used;
}

static void write_steps(const char *path, int64_t keep, int64_t from,
                        int64_t to)
{
    Events events;
    const char *tags[] = {"loss", "top1"};
    CHECK_TEXT(events_open(&events, path, keep).text, "");
    for (int64_t step = from; step <= to; step++) {
        double values[] = {(double)step + 0.5, step == 2 ? NAN : 1};
        CHECK_INT(events_write(&events, step, 2, tags, values).code, STATUS_OK);
    }
    events_close(&events);
}

TEST(events_read_back)
{
    Seen seen;
    int64_t size;
    const char *path = test_path("events");
    write_steps(path, -1, 1, 300);
    char *bytes = read_file(path, &size);
    // The first record names the format: its message is 9 bytes of time and
    // two before the text.
    CHECK(memcmp(bytes + 12 + 9 + 2, "brain.Event:2", 13) == 0);
    free(bytes);
    write_steps(path, -1, 1, 3);
    CHECK_INT(parse_file(path, &seen, &size), size);
    CHECK_INT(seen.count, 5); // what is not finite is left out
    CHECK_TEXT(seen.tags[0], "loss");
    CHECK_TEXT(seen.tags[1], "top1");
    CHECK_INT(seen.steps[4], 3);
    CHECK_NEAR(seen.values[3], 3.5, 0);
    CHECK(seen.seconds > 1.5e9);
}

TEST(events_of_a_resumed_run_come_once)
{
    Seen seen;
    int64_t size;
    const char *path = test_path("events");
    write_steps(path, -1, 1, 6);
    FILE *file = fopen(path, "ab");
    CHECK(file && fwrite("cut short by a kill", 9, 1, file) == 1);
    fclose(file);
    write_steps(path, 4, 5, 5);
    CHECK_INT(parse_file(path, &seen, &size), size);
    CHECK_INT(seen.count, 9);
    CHECK_INT(seen.steps[8], 5);
    CHECK_INT(seen.steps[6], 4);
}

TEST(events_with_any_bit_changed_end_there)
{
    Seen seen;
    int64_t size;
    const char *path = test_path("events");
    write_steps(path, -1, 1, 2);
    char *bytes = read_file(path, &size);
    for (int64_t i = 0; i < size; i++) {
        bytes[i] ^= 4;
        seen = (Seen){0};
        size_t used =
            events_parse((const uint8_t *)bytes, (size_t)size, see, &seen);
        CHECK((int64_t)used <= i);
        CHECK(seen.count < 3);
        bytes[i] ^= 4;
    }
    for (int64_t i = 0; i < size; i++)
        CHECK((int64_t)events_parse((const uint8_t *)bytes, (size_t)i, NULL,
                                    NULL) < size);
    free(bytes);
}

// ---- notes ------------------------------------------------------------------

TEST(notes_read_back)
{
    Notes notes = {0}, back;
    const char *path = test_path("notes");
    notes_set(&notes, "a", "first = 1");
    notes_set(&notes, "b", "two\nlines");
    notes_set_number(&notes, "x", 0.1);
    notes_set_number(&notes, "third", 1.0 / 3);
    notes_setf(&notes, "a", "%d", 7);
    CHECK_TEXT(notes_write(path, &notes).text, "");
    notes_free(&notes);
    CHECK_TEXT(notes_read(path, &back).text, "");
    CHECK_INT(back.count, 4);
    CHECK_TEXT(notes_get(&back, "a"), "7");
    CHECK_TEXT(notes_get(&back, "b"), "two lines");
    CHECK_TEXT(notes_get(&back, "x"), "0.1");
    CHECK(notes_number(&back, "third") == 1.0 / 3);
    CHECK(isnan(notes_number(&back, "b")) && !notes_get(&back, "c"));
    notes_free(&back);
    CHECK_INT(notes_read(test_path("none"), &back).code, STATUS_FAILED);
}

// ---- series and curves ------------------------------------------------------

static void write_metrics(void)
{
    Metrics metrics;
    const char *names[] = {"epoch", "loss", "loss_at_chance", "knn"};
    const char *tests[] = {"test_images", "top1"};
    double evaluation[] = {10, 0.5};
    CHECK_INT(metrics_open(&metrics, test_folder(), "p", -1).code, STATUS_OK);
    for (int step = 1; step <= 5; step++) {
        double values[] = {step, step == 2 ? NAN : 9.0 / step, 7, 0.1 * step};
        CHECK_INT(
            metrics_write(&metrics, step, step == 5 ? 4 : 3, names, values)
                .code,
            STATUS_OK);
    }
    CHECK_INT(metrics_write(&metrics, 5, 2, tests, evaluation).code, STATUS_OK);
    metrics_close(&metrics);
}

TEST(series_are_the_lines_of_metrics)
{
    SeriesTable table;
    write_metrics();
    CHECK_TEXT(series_read(test_folder(), &table).text, "");
    const Series *loss = series_find(&table, "p", "loss", SERIES_TRAIN);
    CHECK(loss && loss->count == 5);
    CHECK_NEAR(loss->steps[2], 3, 0);
    CHECK_NEAR(loss->values[2], 3, 1e-8);
    CHECK(isnan(loss->values[1]));
    const Series *knn = series_find(&table, "p", "knn", SERIES_TRAIN);
    CHECK(knn && knn->count == 1 && knn->steps[0] == 5);
    const Series *top1 = series_find(&table, "p", "top1", SERIES_TEST);
    CHECK(top1 && top1->values[0] == 0.5);
    CHECK(!series_find(&table, "p", "top1", SERIES_TRAIN));
    CHECK(!series_find(&table, "q", "loss", SERIES_TRAIN));
    series_free(&table);
}

TEST(curves_are_drawn_twice)
{
    Image image;
    int64_t size;
    write_metrics();
    CHECK_TEXT(curves_draw(test_folder()).text, "");
    CHECK(image_read(test_path("curves.png"), 0, &image).code == STATUS_OK);
    image_free(&image);
    char *svg = read_file(test_path("curves.svg"), &size);
    CHECK(strncmp(svg, "<svg ", 5) == 0 && strstr(svg, "</svg>"));
    CHECK(strstr(svg, ">loss</text>") && strstr(svg, ">knn</text>"));
    CHECK(strstr(svg, "<title>p, blind guessing</title>") != NULL);
    CHECK(!strstr(svg, ">loss_at_chance</text>") && !strstr(svg, "nan"));
    free(svg);
}

TEST(svg_text_is_escaped)
{
    const double x[] = {1, 2}, y[] = {1, 3};
    int64_t size;
    PlotSeries series = {"a<b>&c", 2, x, y};
    CurvePanel panel = {"x & y", 1, &series};
    const char *path = test_path("panel.svg");
    CHECK_TEXT(curves_write_svg(path, "<t>", 1, &panel).text, "");
    char *svg = read_file(path, &size);
    CHECK(strstr(svg, "a&lt;b&gt;&amp;c") && strstr(svg, "x &amp; y"));
    CHECK(strstr(svg, "&lt;t&gt;") && !strstr(svg, "a<b>"));
    free(svg);
}

// ---- principal axes ---------------------------------------------------------

// Points of a flat ellipse in five dimensions: its axes come back.
TEST(pca_finds_the_axes_of_an_ellipse)
{
    enum { COUNT = 360, WIDTH = 5 };
    static float rows[COUNT * WIDTH];
    static double points[COUNT * PCA_AXES];
    const double u[WIDTH] = {0.8, 0, 0.6, 0, 0}, v[WIDTH] = {0, 1, 0, 0, 0};
    double shares[PCA_AXES];
    for (int i = 0; i < COUNT; i++)
        for (int c = 0; c < WIDTH; c++) {
            double angle = i * 2 * 3.14159265358979 / COUNT;
            rows[i * WIDTH + c] =
                (float)(7 + 3 * cos(angle) * u[c] + sin(angle) * v[c]);
        }
    CHECK_TEXT(pca_project(rows, COUNT, WIDTH, points, shares).text, "");
    CHECK_NEAR(shares[0], 0.9, 1e-5);
    CHECK_NEAR(shares[1], 0.1, 1e-5);
    for (int i = 0; i < COUNT; i += 30) {
        double angle = i * 2 * 3.14159265358979 / COUNT;
        CHECK_NEAR(points[2 * i], 3 * cos(angle), 1e-4);
        CHECK_NEAR(points[2 * i + 1], sin(angle), 1e-4);
    }
}

TEST(pca_of_equal_rows_is_one_point)
{
    float rows[12];
    double points[8], shares[PCA_AXES];
    for (int i = 0; i < 12; i++)
        rows[i] = (float)(i % 3);
    CHECK_TEXT(pca_project(rows, 4, 3, points, shares).text, "");
    for (int i = 0; i < 8; i++)
        CHECK_NEAR(points[i], 0, 1e-6);
    CHECK_NEAR(shares[0] + shares[1], 0, 0);
}
