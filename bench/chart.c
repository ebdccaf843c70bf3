#include "bench/chart.h"

#include <stdio.h>
#include <string.h>

#include "runtime/data/image.h"
#include "runtime/monitor/plot_font.h"

enum {
    WIDTH = 1100,
    LEFT = 560, // where bars begin
    RIGHT = 90,
    TOP = 60,
    ROW = 22,
    BAR = 15,
    SCALE = 2, // dots of a letter to pixels
    MARGIN = 14,
};

typedef struct Ink {
    uint8_t rgb[3];
} Ink;
static const Ink black = {{30, 30, 30}}, grey = {{150, 150, 150}},
                 ahead = {{40, 130, 180}}, behind = {{205, 60, 50}};

static void fill(Image *image, int x, int y, int width, int height, Ink ink)
{
    for (int row = y; row < y + height && row < image->height; row++)
        for (int column = x; column < x + width && column < image->width;
             column++)
            memcpy(image->pixels + 3 * (row * image->width + column), ink.rgb,
                   3);
}

static void write_text(Image *image, int x, int y, const char *text, Ink ink)
{
    for (; *text; text++, x += SCALE * FONT_ADVANCE)
        for (int dot = 0; dot < FONT_HEIGHT * FONT_WIDTH; dot++)
            if (font_dot(*text, dot / FONT_WIDTH, dot % FONT_WIDTH))
                fill(image, x + SCALE * (dot % FONT_WIDTH),
                     y + SCALE * (dot / FONT_WIDTH), SCALE, SCALE, ink);
}

static void draw_bar(Image *image, int y, const ChartBar *bar, double unit)
{
    char number[32];
    int length = (int)(bar->ratio * unit);
    int text = (BAR - SCALE * FONT_HEIGHT) / 2;
    write_text(image, MARGIN, y + text, bar->label, black);
    if (!(bar->ratio > 0))
        return;
    fill(image, LEFT, y, length, BAR, bar->ratio < 1 ? behind : ahead);
    snprintf(number, sizeof number, "%.2f", bar->ratio);
    write_text(image, LEFT + length + MARGIN / 2, y + text, number, black);
}

Status chart_write(const char *path, const char *title, const ChartBar *bars,
                   int count)
{
    Image image;
    double most = 1;
    TRY(image_new(WIDTH, TOP + ROW * count + MARGIN, &image));
    memset(image.pixels, 255, 3 * (size_t)image.width * (size_t)image.height);
    for (int i = 0; i < count; i++)
        most = bars[i].ratio > most ? bars[i].ratio : most;
    double unit = (WIDTH - LEFT - RIGHT) / most;
    write_text(&image, MARGIN, MARGIN, title, black);
    for (int i = 0; i < count; i++)
        draw_bar(&image, TOP + ROW * i, &bars[i], unit);
    fill(&image, LEFT + (int)unit, TOP - MARGIN, 1, ROW * count + MARGIN, grey);
    Status status = image_write_png(path, &image);
    image_free(&image);
    return status;
}
