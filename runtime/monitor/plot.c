#include "runtime/monitor/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/monitor/plot_axis.h"
#include "runtime/monitor/plot_font.h"

static const PlotColor black = {30, 30, 30}, grey = {225, 225, 225},
                       dark_grey = {120, 120, 120};

static Status new_canvas(int width, int height, Image *canvas)
{
    TRY(image_new(width, height, canvas));
    memset(canvas->pixels, 255, 3 * (size_t)width * (size_t)height);
    return status_ok();
}

// Pixels outside the canvas are dropped.
static void blend(Image *canvas, int x, int y, PlotColor color, double share)
{
    if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height)
        return;
    const uint8_t ink[3] = {color.red, color.green, color.blue};
    uint8_t *pixel = canvas->pixels + 3 * ((int64_t)y * canvas->width + x);
    for (int c = 0; c < 3; c++)
        pixel[c] = (uint8_t)lrint(pixel[c] + (ink[c] - pixel[c]) * share);
}

static void fill_box(Image *canvas, int x, int y, int width, int height,
                     PlotColor color)
{
    for (int row = y; row < y + height; row++)
        for (int column = x; column < x + width; column++)
            blend(canvas, column, row, color, 1);
}

static int text_width(const char *text, int scale)
{
    return (int)strlen(text) * FONT_ADVANCE * scale;
}

static void draw_text(Image *canvas, int x, int y, const char *text, int scale,
                      PlotColor color)
{
    for (; *text; text++, x += FONT_ADVANCE * scale)
        for (int row = 0; row < FONT_HEIGHT; row++)
            for (int column = 0; column < FONT_WIDTH; column++)
                if (font_dot(*text, row, column))
                    fill_box(canvas, x + column * scale, y + row * scale, scale,
                             scale, color);
}

// ---- curves ----------------------------------------------------------------

enum {
    PLOT_WIDTH = 960,
    PLOT_HEIGHT = 600,
    LEFT = 100,
    RIGHT = 30,
    TOP = 70,
    BOTTOM = 70,
    TEXT = 2 // dots to pixels
};

static void draw_axes(Image *canvas, const Axis *x, const Axis *y)
{
    char text[32];
    for (int i = 0; i <= axis_ticks(x); i++) {
        int at = (int)lrint(axis_pixel(x, x->low + i * x->step));
        fill_box(canvas, at, y->to, 1, y->from - y->to, grey);
        axis_tick_text(x, i, text);
        draw_text(canvas, at - text_width(text, TEXT) / 2, y->from + 10, text,
                  TEXT, black);
    }
    for (int i = 0; i <= axis_ticks(y); i++) {
        int at = (int)lrint(axis_pixel(y, y->low + i * y->step));
        fill_box(canvas, x->from, at, x->to - x->from, 1, grey);
        axis_tick_text(y, i, text);
        draw_text(canvas, x->from - 8 - text_width(text, TEXT), at - 7, text,
                  TEXT, black);
    }
    fill_box(canvas, x->from, y->from, x->to - x->from + 1, 1, dark_grey);
    fill_box(canvas, x->from, y->to, 1, y->from - y->to, dark_grey);
}

// Pixels within the half width of the segment, fading over one pixel.
static void draw_line(Image *canvas, double x0, double y0, double x1, double y1,
                      PlotColor color)
{
    const double half = 1.1;
    double dx = x1 - x0, dy = y1 - y0, square = dx * dx + dy * dy;
    for (int y = (int)floor(fmin(y0, y1) - 2); y <= fmax(y0, y1) + 2; y++)
        for (int x = (int)floor(fmin(x0, x1) - 2); x <= fmax(x0, x1) + 2; x++) {
            double along =
                square > 0 ? ((x - x0) * dx + (y - y0) * dy) / square : 0;
            along = fmin(fmax(along, 0), 1);
            double away = hypot(x - x0 - along * dx, y - y0 - along * dy);
            blend(canvas, x, y, color, fmin(fmax(half + 0.5 - away, 0), 1));
        }
}

static void draw_series(Image *canvas, const PlotSeries *series, const Axis *x,
                        const Axis *y, PlotColor color)
{
    bool joined = false;
    double last_x = 0, last_y = 0;
    for (int i = 0; i < series->count; i++) {
        bool drawn = axis_can_plot(series->x[i]) && axis_can_plot(series->y[i]);
        if (drawn) {
            double px = axis_pixel(x, series->x[i]);
            double py = axis_pixel(y, series->y[i]);
            draw_line(canvas, joined ? last_x : px, joined ? last_y : py, px,
                      py, color);
            last_x = px;
            last_y = py;
        }
        joined = drawn;
    }
}

// Upper right corner, on white so that lines below do not disturb it.
static void draw_legend(Image *canvas, const PlotSeries *series, int count)
{
    int widest = 0, line = FONT_HEIGHT * TEXT + 8;
    for (int s = 0; s < count; s++)
        if (text_width(series[s].name, TEXT) > widest)
            widest = text_width(series[s].name, TEXT);
    int width = widest + 52, left = PLOT_WIDTH - RIGHT - width - 8;
    const PlotColor white = {255, 255, 255};
    fill_box(canvas, left, TOP + 6, width, count * line + 8, grey);
    fill_box(canvas, left + 1, TOP + 7, width - 2, count * line + 6, white);
    for (int s = 0; s < count; s++) {
        int y = TOP + 14 + s * line;
        fill_box(canvas, left + 8, y + 5, 26, 3, plot_line_color(s));
        draw_text(canvas, left + 42, y, series[s].name, TEXT, black);
    }
}

typedef void DrawSeries(Image *canvas, const PlotSeries *series, const Axis *x,
                        const Axis *y, PlotColor color);

// Axes up to `right` around the series, and them by `draw_one`. False when
// they hold no point: it says so instead.
static bool draw_framed(Image *canvas, const PlotSeries *series, int count,
                        int right, DrawSeries *draw_one)
{
    Axis x = {.from = LEFT, .to = right};
    Axis y = {.from = PLOT_HEIGHT - BOTTOM, .to = TOP};
    if (!axis_find_range(series, count, &x, &y)) {
        draw_text(canvas, LEFT, PLOT_HEIGHT / 2, "nothing to plot", TEXT,
                  dark_grey);
        return false;
    }
    axis_round(&x);
    axis_round(&y);
    draw_axes(canvas, &x, &y);
    for (int s = 0; s < count; s++)
        draw_one(canvas, &series[s], &x, &y, plot_line_color(s));
    return true;
}

static void draw_plot(Image *canvas, const PlotSeries *series, int count)
{
    if (draw_framed(canvas, series, count, PLOT_WIDTH - RIGHT, draw_series))
        draw_legend(canvas, series, count);
}

// ---- points -----------------------------------------------------------------

enum { POINT_NAMES = 24 };

static void draw_cloud(Image *canvas, const PlotSeries *series, const Axis *x,
                       const Axis *y, PlotColor color)
{
    const double radius = 3;
    for (int i = 0; i < series->count; i++) {
        if (!axis_can_plot(series->x[i]) || !axis_can_plot(series->y[i]))
            continue;
        double px = axis_pixel(x, series->x[i]);
        double py = axis_pixel(y, series->y[i]);
        for (int row = (int)py - 4; row <= (int)py + 4; row++)
            for (int column = (int)px - 4; column <= (int)px + 4; column++) {
                double away = hypot(column - px, row - py);
                blend(canvas, column, row, color,
                      0.8 * fmin(fmax(radius + 0.5 - away, 0), 1));
            }
    }
}

// Right of the points.
static void draw_names(Image *canvas, const PlotSeries *series, int count)
{
    for (int s = 0; s < count && s < POINT_NAMES; s++) {
        int y = TOP + s * 20, left = PLOT_HEIGHT + 50;
        char text[32];
        snprintf(text, sizeof text, "%.21s", series[s].name);
        fill_box(canvas, left, y + 2, 10, 10, plot_line_color(s));
        draw_text(canvas, left + 18, y, text, TEXT, black);
    }
}

static void draw_points(Image *canvas, const PlotSeries *series, int count)
{
    if (draw_framed(canvas, series, count, PLOT_HEIGHT + 30, draw_cloud))
        draw_names(canvas, series, count);
}

static Status write_plot(const char *path, const char *title,
                         void (*draw)(Image *canvas, const PlotSeries *series,
                                      int count),
                         const PlotSeries *series, int count,
                         const char *x_label, const char *y_label)
{
    Image canvas;
    TRY(new_canvas(PLOT_WIDTH, PLOT_HEIGHT, &canvas));
    draw(&canvas, series, count);
    draw_text(&canvas, (PLOT_WIDTH - text_width(title, 3)) / 2, 12, title, 3,
              black);
    draw_text(&canvas, 12, TOP - 26, y_label, TEXT, dark_grey);
    draw_text(&canvas,
              (LEFT + PLOT_WIDTH - RIGHT - text_width(x_label, TEXT)) / 2,
              PLOT_HEIGHT - 28, x_label, TEXT, dark_grey);
    Status status = image_write_png(path, &canvas);
    image_free(&canvas);
    return status;
}

Status plot_curves(const char *path, const char *title,
                   const PlotSeries *series, int count, const char *x_label,
                   const char *y_label)
{
    return write_plot(path, title, draw_plot, series, count, x_label, y_label);
}

Status plot_points(const char *path, const char *title,
                   const PlotSeries *series, int count, const char *x_label,
                   const char *y_label)
{
    return write_plot(path, title, draw_points, series, count, x_label,
                      y_label);
}

// ---- sheets ----------------------------------------------------------------

enum { SHEET_GAP = 6, SHEET_CAPTION = FONT_HEIGHT + 5, SHEET_LEAST = 96 };

typedef struct SheetLayout {
    int columns, width, height; // of one cell, images enlarged
    int factor, caption;        // caption: pixels below each image
} SheetLayout;

static SheetLayout lay_out(const Image *images, int rows, int columns,
                           bool captions)
{
    SheetLayout layout = {columns, 1, 1, 1, captions ? SHEET_CAPTION : 0};
    for (int i = 0; i < rows * columns; i++) {
        if (images[i].width > layout.width)
            layout.width = images[i].width;
        if (images[i].height > layout.height)
            layout.height = images[i].height;
    }
    int larger = layout.width > layout.height ? layout.width : layout.height;
    if (larger < SHEET_LEAST)
        layout.factor = SHEET_LEAST / larger;
    layout.width *= layout.factor;
    layout.height *= layout.factor;
    return layout;
}

static void draw_cell(Image *canvas, const SheetLayout *layout, int index,
                      const Image *image, const char *caption)
{
    int left =
        SHEET_GAP + index % layout->columns * (layout->width + SHEET_GAP);
    int top = SHEET_GAP + index / layout->columns *
                              (layout->height + layout->caption + SHEET_GAP);
    for (int y = 0; y < image->height * layout->factor; y++)
        for (int x = 0; x < image->width * layout->factor; x++) {
            const uint8_t *from =
                image->pixels +
                3 * ((int64_t)(y / layout->factor) * image->width +
                     x / layout->factor);
            int64_t at = (int64_t)(top + y) * canvas->width + left + x;
            memcpy(canvas->pixels + 3 * at, from, 3);
        }
    char text[256];
    int room = layout->width / FONT_ADVANCE;
    snprintf(text, sizeof text, "%.*s", room < 255 ? room : 255,
             caption ? caption : "");
    draw_text(canvas, left, top + layout->height + 3, text, 1, black);
}

Status plot_sheet(const char *path, const Image *images, int rows, int columns,
                  const char *const *captions)
{
    Image canvas;
    if (rows < 1 || columns < 1 || rows > 4096 || columns > 4096)
        return status_error(STATUS_FAILED, "%s: no sheet of %d x %d images",
                            path, rows, columns);
    SheetLayout layout = lay_out(images, rows, columns, captions);
    int64_t width = SHEET_GAP + (int64_t)columns * (layout.width + SHEET_GAP);
    int64_t height = SHEET_GAP + (int64_t)rows * (layout.height +
                                                  layout.caption + SHEET_GAP);
    if (width * height > IMAGE_MAX_PIXELS)
        return status_error(STATUS_FAILED,
                            "%s: the sheet would have %lld x %lld pixels, more "
                            "than 64 megapixels",
                            path, (long long)width, (long long)height);
    TRY(new_canvas((int)width, (int)height, &canvas));
    for (int i = 0; i < rows * columns; i++)
        draw_cell(&canvas, &layout, i, &images[i],
                  captions ? captions[i] : NULL);
    Status status = image_write_png(path, &canvas);
    image_free(&canvas);
    return status;
}

Status plot_image_of_planes(const float *planes, int channels, int height,
                            int width, Image *image)
{
    int64_t area = (int64_t)height * width;
    TRY(image_new(width, height, image));
    for (int64_t i = 0; i < area; i++)
        for (int c = 0; c < 3; c++)
            image->pixels[i * 3 + c] = (uint8_t)lrintf(
                planes[(channels < 3 ? 0 : c) * area + i] * 255.0f);
    return status_ok();
}
