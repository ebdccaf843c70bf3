#include "runtime/data/synth.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/philox.h"
#include "runtime/data/image_png.h"

static const double pi = 3.14159265358979323846;

// ---- figures ---------------------------------------------------------------
// Signed distances (negative inside) of figures that fit the unit disc.

static double box(double x, double y, double half_width, double half_height)
{
    return fmax(fabs(x) - half_width, fabs(y) - half_height);
}

static double disc(double x, double y)
{
    return hypot(x, y) - 0.85;
}

static double ring(double x, double y)
{
    return fabs(hypot(x, y) - 0.7) - 0.19;
}

static double square(double x, double y)
{
    return box(x, y, 0.72, 0.72);
}

// Three half planes at distance 1/2: corners at 1.
static double triangle(double x, double y)
{
    double side = 0.5 * sqrt(3) * fabs(x) + 0.5 * y;
    return fmax(side, -y) - 0.5;
}

static double cross(double x, double y)
{
    return fmin(box(x, y, 0.92, 0.26), box(x, y, 0.26, 0.92));
}

// Folded into one half of a point: tip at (1, 0), notch at 36 degrees.
static double star(double x, double y)
{
    const double fifth = 2 * pi / 5, notch = 0.42;
    double angle = atan2(y, x), radius = hypot(x, y);
    angle = fabs(angle - fifth * rint(angle / fifth));
    double nx = notch * sin(fifth / 2), ny = 1 - notch * cos(fifth / 2);
    double length = hypot(nx, ny);
    return ((radius * cos(angle) - 1) * nx + radius * sin(angle) * ny) / length;
}

static double stripes(double x, double y)
{
    double row = fmin(fmax(rint(y / 0.58), -1), 1);
    return box(x, y - 0.58 * row, 0.82, 0.17);
}

static double crescent(double x, double y)
{
    return fmax(hypot(x + 0.15, y) - 0.85, 0.68 - hypot(x - 0.3, y));
}

static double checker(double x, double y)
{
    return fmin(box(x - 0.38, y - 0.38, 0.36, 0.36),
                box(x + 0.38, y + 0.38, 0.36, 0.36));
}

static double half_disc(double x, double y)
{
    return fmax(hypot(x, y - 0.4) - 0.95, y - 0.4);
}

typedef struct Figure {
    const char *name;
    double (*distance)(double x, double y);
} Figure;

static const Figure figures[SYNTH_MAX_CLASSES] = {
    {"disc", disc},         {"ring", ring},         {"square", square},
    {"triangle", triangle}, {"cross", cross},       {"star", star},
    {"stripes", stripes},   {"crescent", crescent}, {"checker", checker},
    {"half", half_disc},
};

const char *synth_class_name(int label)
{
    return figures[label].name;
}

// ---- drawing ---------------------------------------------------------------

typedef struct Color {
    double channel[3];
} Color;

// Muted colors: a level of grey with a tint. Bright ones would mark an image so
// well that nothing else about it need be learned.
static Color draw_color(RandomStream *stream)
{
    Color color;
    double level = random_uniform(stream);
    for (int c = 0; c < 3; c++)
        color.channel[c] =
            fmin(fmax(level + random_range(stream, -0.2, 0.2), 0), 1);
    return color;
}

static double color_distance(Color a, Color b)
{
    double sum = 0;
    for (int c = 0; c < 3; c++)
        sum += (a.channel[c] - b.channel[c]) * (a.channel[c] - b.channel[c]);
    return sqrt(sum);
}

static Color mix(Color a, Color b, double share)
{
    for (int c = 0; c < 3; c++)
        a.channel[c] += (b.channel[c] - a.channel[c]) * share;
    return a;
}

// A color that differs from `other` by `least` and no more than `most`.
static Color draw_color_apart(RandomStream *stream, Color other, double least,
                              double most)
{
    Color color = draw_color(stream);
    for (int attempt = 0; attempt < 64; attempt++) {
        double apart = color_distance(color, other);
        if (apart >= least && apart <= most)
            break;
        color = draw_color(stream);
    }
    return color;
}

// A color changing along a line: from `low` to `high` over the image.
typedef struct Gradient {
    Color low, high;
    double dx, dy;
} Gradient;

static Gradient draw_gradient(RandomStream *stream, Color color)
{
    double angle = random_range(stream, 0, 2 * pi);
    Color other = draw_color_apart(stream, color, 0, 0.5);
    return (Gradient){color, other, cos(angle), sin(angle)};
}

// x and y in [-1, 1].
static Color gradient_at(const Gradient *gradient, double x, double y)
{
    double place = 0.5 + 0.35 * (x * gradient->dx + y * gradient->dy);
    return mix(gradient->low, gradient->high, fmin(fmax(place, 0), 1));
}

// Coordinates run from -1 to 1 over the image; `pixel` is a pixel's length.
typedef struct Canvas {
    Color *pixels;
    int size;
    double pixel;
} Canvas;

static double place_of(const Canvas *canvas, int index)
{
    return (index + 0.5) * canvas->pixel - 1;
}

// The covered share of a pixel whose centre lies `distance` from the edge.
static double coverage(const Canvas *canvas, double distance)
{
    return fmin(fmax(0.5 - distance / canvas->pixel, 0), 1);
}

static void draw_background(Canvas *canvas, const Gradient *gradient)
{
    for (int i = 0; i < canvas->size * canvas->size; i++)
        canvas->pixels[i] =
            gradient_at(gradient, place_of(canvas, i % canvas->size),
                        place_of(canvas, i / canvas->size));
}

// A capsule: a line with round ends, or a dot when both ends are the same.
typedef struct Stroke {
    double x, y, dx, dy, radius;
    Color color;
} Stroke;

static double stroke_distance(const Stroke *stroke, double x, double y)
{
    double px = x - stroke->x, py = y - stroke->y;
    double square_length = stroke->dx * stroke->dx + stroke->dy * stroke->dy;
    double along = square_length > 0
                       ? (px * stroke->dx + py * stroke->dy) / square_length
                       : 0;
    along = fmin(fmax(along, 0), 1);
    return hypot(px - along * stroke->dx, py - along * stroke->dy) -
           stroke->radius;
}

static void draw_stroke(Canvas *canvas, const Stroke *stroke)
{
    for (int i = 0; i < canvas->size * canvas->size; i++) {
        double x = place_of(canvas, i % canvas->size);
        double y = place_of(canvas, i / canvas->size);
        double share = coverage(canvas, stroke_distance(stroke, x, y));
        canvas->pixels[i] = mix(canvas->pixels[i], stroke->color, share);
    }
}

// `lines` long thin strokes, then `dots`.
static void draw_clutter(Canvas *canvas, RandomStream *stream, int64_t lines,
                         int64_t dots)
{
    for (int64_t i = 0; i < lines + dots; i++) {
        double angle = random_range(stream, 0, 2 * pi);
        double length = random_range(stream, 0.3, 1.6);
        Stroke stroke = {.x = random_range(stream, -1, 1),
                         .y = random_range(stream, -1, 1)};
        if (i < lines) {
            stroke.dx = length * cos(angle);
            stroke.dy = length * sin(angle);
        }
        stroke.radius = i < lines ? random_range(stream, 0.02, 0.06)
                                  : random_range(stream, 0.04, 0.13);
        stroke.color = draw_color(stream);
        draw_stroke(canvas, &stroke);
    }
}

// Where and how the figure stands: image coordinates to its own.
typedef struct Pose {
    double x, y, scale, stretch, cosine, sine;
} Pose;

// What the copies of an image's figure have in common.
typedef struct Flock {
    double spacing, angle, scale, stretch, shift_x, shift_y;
} Flock;

static Flock draw_flock(RandomStream *stream)
{
    Flock flock;
    flock.spacing = random_range(stream, 0.62, 0.95);
    flock.angle = random_range(stream, 0, 2 * pi);
    flock.scale = flock.spacing * random_range(stream, 0.4, 0.52);
    flock.stretch = exp(random_range(stream, -0.15, 0.15));
    flock.shift_x = random_range(stream, -0.5, 0.5) * flock.spacing;
    flock.shift_y = random_range(stream, -0.5, 0.5) * flock.spacing;
    return flock;
}

// The copy at a place of the flock's lattice, a little out of line.
static Pose draw_pose(RandomStream *stream, const Flock *flock, int row,
                      int column)
{
    const double loose = 0.12 * flock->spacing;
    double x = column * flock->spacing + flock->shift_x;
    double y = row * flock->spacing + flock->shift_y;
    double angle = flock->angle + random_range(stream, -0.4, 0.4);
    return (Pose){.x = x + random_range(stream, -loose, loose),
                  .y = y + random_range(stream, -loose, loose),
                  .scale = flock->scale * random_range(stream, 0.85, 1.1),
                  .stretch = flock->stretch,
                  .cosine = cos(angle),
                  .sine = sin(angle)};
}

static void draw_figure(Canvas *canvas, const Figure *figure, Pose pose,
                        const Gradient *fill)
{
    for (int i = 0; i < canvas->size * canvas->size; i++) {
        double x = place_of(canvas, i % canvas->size);
        double y = place_of(canvas, i / canvas->size);
        double px = (x - pose.x) / pose.scale, py = (y - pose.y) / pose.scale;
        double u = (px * pose.cosine + py * pose.sine) * pose.stretch;
        double v = (py * pose.cosine - px * pose.sine) / pose.stretch;
        double share = coverage(canvas, figure->distance(u, v) * pose.scale);
        canvas->pixels[i] =
            mix(canvas->pixels[i], gradient_at(fill, px, py), share);
    }
}

// Copies of one figure over the whole image, so that a crop still shows it.
static void draw_figures(Canvas *canvas, RandomStream *stream,
                         const Figure *figure, const Gradient *fill)
{
    Flock flock = draw_flock(stream);
    int reach = (int)ceil(1.5 / flock.spacing);
    for (int row = -reach; row <= reach; row++)
        for (int column = -reach; column <= reach; column++)
            draw_figure(canvas, figure, draw_pose(stream, &flock, row, column),
                        fill);
}

static void store_noisy(const Canvas *canvas, RandomStream *stream,
                        Image *image)
{
    const double deviation = 0.03; // the same: a level would mark the image
    for (int i = 0; i < canvas->size * canvas->size; i++)
        for (int c = 0; c < 3; c++) {
            double value = canvas->pixels[i].channel[c] +
                           deviation * random_normal(stream);
            image->pixels[3 * i + c] =
                (uint8_t)lrint(255 * fmin(fmax(value, 0), 1));
        }
}

static SynthOptions with_defaults(const SynthOptions *options)
{
    SynthOptions full = *options;
    full.classes = full.classes ? full.classes : 8;
    full.size = full.size ? full.size : 32;
    full.train = full.train ? full.train : 250;
    full.test = full.test ? full.test : 50;
    return full;
}

Status synth_image(const SynthOptions *options, DataSplit split, int label,
                   int64_t index, Image *image)
{
    int size = with_defaults(options).size;
    TRY(image_new(size, size, image));
    Canvas canvas = {.size = size, .pixel = 2.0 / size};
    canvas.pixels = malloc((size_t)size * (size_t)size * sizeof(Color));
    if (!canvas.pixels) {
        image_free(image);
        return status_error(STATUS_MEMORY, "no memory to draw an image");
    }
    RandomStream stream =
        random_stream(options->seed, random_name("synth"), split,
                      (uint64_t)label, (uint64_t)index);
    Color ground = draw_color(&stream);
    Color ink = draw_color_apart(&stream, ground, 0.45, 1.2);
    Gradient background = draw_gradient(&stream, ground);
    Gradient fill = draw_gradient(&stream, ink);
    draw_background(&canvas, &background);
    int64_t lines = random_below(&stream, 3);
    draw_clutter(&canvas, &stream, lines, random_below(&stream, 4));
    draw_figures(&canvas, &stream, &figures[label], &fill);
    draw_clutter(&canvas, &stream, random_below(&stream, 2),
                 random_below(&stream, 3));
    store_noisy(&canvas, &stream, image);
    free(canvas.pixels);
    return status_ok();
}

// ---- writing ---------------------------------------------------------------

// Plainly: a set of thousands of files that are made again in seconds is not
// worth a sync for each.
static Status write_image(const char *path, const Image *image)
{
    uint8_t *bytes = NULL;
    int64_t size = 0;
    TRY(png_encode(image, path, false, &bytes, &size));
    FILE *file = fopen(path, "wb");
    bool written = file && fwrite(bytes, 1, (size_t)size, file) == (size_t)size;
    int reason = errno;
    free(bytes);
    if (file && fclose(file) != 0) {
        reason = errno;
        written = false;
    }
    return written
               ? status_ok()
               : status_error(STATUS_FAILED, "%s: %s", path, strerror(reason));
}

static Status write_class(const char *folder, const SynthOptions *options,
                          DataSplit split, int label)
{
    char path[4096];
    const char *part = split == SPLIT_TRAIN ? "train" : "test";
    int count = split == SPLIT_TRAIN ? options->train : options->test;
    if (snprintf(path, sizeof path - 16, "%s/%s/%s", folder, part,
                 synth_class_name(label)) >= (int)sizeof path - 16)
        return status_error(STATUS_USAGE,
                            "%s: the path has more than 4079 bytes", folder);
    TRY(file_make_folder(path));
    size_t length = strlen(path);
    for (int i = 0; i < count; i++) {
        Image image;
        snprintf(path + length, sizeof path - length, "/%05d.png", i);
        TRY(synth_image(options, split, label, i, &image));
        Status status = write_image(path, &image);
        image_free(&image);
        TRY(status);
    }
    return status_ok();
}

static Status check_options(const char *folder, const SynthOptions *options)
{
    if (options->classes < 2 || options->classes > SYNTH_MAX_CLASSES)
        return status_error(STATUS_USAGE, "drawn sets have 2 to %d classes",
                            SYNTH_MAX_CLASSES);
    if (options->size < 16 || options->size > 512)
        return status_error(STATUS_USAGE,
                            "drawn images are 16 to 512 pixels long");
    if (options->train < 1 || options->train > 99999 || options->test < 1 ||
        options->test > 99999)
        return status_error(STATUS_USAGE,
                            "drawn classes have 1 to 99999 images");
    // Beside other images, drawn ones would be a part of their set.
    return file_check_empty(folder,
                            "drawn images go to a new or an empty folder");
}

Status synth_write(const char *folder, const SynthOptions *options)
{
    SynthOptions full = with_defaults(options);
    TRY(check_options(folder, &full));
    for (int label = 0; label < full.classes; label++) {
        TRY(write_class(folder, &full, SPLIT_TRAIN, label));
        TRY(write_class(folder, &full, SPLIT_TEST, label));
    }
    return status_ok();
}
