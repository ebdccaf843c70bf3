#include "runtime/monitor/curves.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/rundir.h"
#include "runtime/monitor/plot_axis.h"
#include "runtime/monitor/series.h"

// The report of what the loss is while nothing is learnt.
static const char chance_name[] = "loss_at_chance";

// ---- SVG --------------------------------------------------------------------

enum {
    PANEL_WIDTH = 480,
    PANEL_HEIGHT = 280,
    PANEL_LEFT = 70,
    PANEL_RIGHT = 16,
    PANEL_TOP = 40,
    PANEL_BOTTOM = 36,
    PAGE_TOP = 40,
    COLUMNS = 2
};

__attribute__((format(printf, 2, 3))) static void put(FileWriter *to,
                                                      const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length >= (int)sizeof text)
        length = (int)sizeof text - 1;
    file_put(to, text, length);
}

// Text with what XML reserves written as entities.
static void put_escaped(FileWriter *to, const char *text)
{
    for (; *text; text++) {
        const char *entity = *text == '&'   ? "&amp;"
                             : *text == '<' ? "&lt;"
                             : *text == '>' ? "&gt;"
                                            : NULL;
        file_put(to, entity ? entity : text,
                 entity ? (int64_t)strlen(entity) : 1);
    }
}

static void put_label(FileWriter *to, double x, double y, const char *anchor,
                      const char *class, const char *text)
{
    put(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x,
        y, anchor, class);
    put_escaped(to, text);
    put(to, "</text>\n");
}

static void put_axes(FileWriter *to, const Axis *x, const Axis *y)
{
    char text[32];
    for (int i = 0; i <= axis_ticks(x); i++) {
        double at = axis_pixel(x, x->low + i * x->step);
        put(to, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>\n", at, y->from,
            y->to);
        axis_tick_text(x, i, text);
        put_label(to, at, y->from + 16, "middle", "tick", text);
    }
    for (int i = 0; i <= axis_ticks(y); i++) {
        double at = axis_pixel(y, y->low + i * y->step);
        put(to, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", x->from, at,
            x->to);
        axis_tick_text(y, i, text);
        put_label(to, x->from - 6, at + 4, "end", "tick", text);
    }
}

static void put_line(FileWriter *to, const PlotSeries *series, const Axis *x,
                     const Axis *y, int index)
{
    PlotColor color = plot_line_color(index);
    bool joined = false;
    put(to, "<path class=\"line\" stroke=\"#%02x%02x%02x\" d=\"", color.red,
        color.green, color.blue);
    for (int i = 0; i < series->count; i++) {
        bool drawn = axis_can_plot(series->x[i]) && axis_can_plot(series->y[i]);
        if (drawn)
            put(to, "%s%.1f %.1f", joined ? "L" : "M",
                axis_pixel(x, series->x[i]), axis_pixel(y, series->y[i]));
        // A lone point is a line of no length, which round ends show.
        if (drawn && series->count == 1)
            put(to, "h0");
        joined = drawn;
    }
    put(to, "\"><title>");
    put_escaped(to, series->name);
    put(to, "</title></path>\n");
}

// Names over the plot, each in its line's color.
static void put_names(FileWriter *to, const CurvePanel *panel, const Axis *x,
                      int top)
{
    put(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" class=\"tick\">",
        x->to, top + 28);
    for (int s = 0; s < panel->count; s++) {
        PlotColor color = plot_line_color(s);
        put(to, "%s<tspan fill=\"#%02x%02x%02x\">", s ? " &#160; " : "",
            color.red, color.green, color.blue);
        put_escaped(to, panel->series[s].name);
        put(to, "</tspan>");
    }
    put(to, "</text>\n");
}

static void put_panel(FileWriter *to, const CurvePanel *panel, int left,
                      int top)
{
    Axis x = {.from = left + PANEL_LEFT,
              .to = left + PANEL_WIDTH - PANEL_RIGHT};
    Axis y = {.from = top + PANEL_HEIGHT - PANEL_BOTTOM, .to = top + PANEL_TOP};
    put_label(to, x.from, top + 28, "start", "name", panel->title);
    if (!axis_find_range(panel->series, panel->count, &x, &y)) {
        put_label(to, x.from, (y.from + y.to) / 2, "start", "tick",
                  "nothing to plot");
        return;
    }
    axis_round(&x);
    axis_round(&y);
    put_axes(to, &x, &y);
    for (int s = 0; s < panel->count; s++)
        put_line(to, &panel->series[s], &x, &y, s);
    put_names(to, panel, &x, top);
}

Status curves_write_svg(const char *path, const char *title, int count,
                        const CurvePanel *panels)
{
    FileWriter to;
    int rows = (count + COLUMNS - 1) / COLUMNS;
    int width = COLUMNS * PANEL_WIDTH, height = PAGE_TOP + rows * PANEL_HEIGHT;
    TRY(file_begin(&to, path));
    put(&to,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
        "viewBox=\"0 0 %d %d\">\n",
        width, height, width, height);
    put(&to, "<style>text{font-family:sans-serif;fill:#1e1e1e}"
             ".head{font-size:18px}.name{font-size:14px}.tick{font-size:11px}"
             ".grid{stroke:#e1e1e1;fill:none}"
             ".line{fill:none;stroke-width:1.8;stroke-linejoin:round;"
             "stroke-linecap:round}</style>\n"
             "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n");
    put_label(&to, width / 2.0, 26, "middle", "head", title);
    for (int i = 0; i < count; i++)
        put_panel(&to, &panels[i], i % COLUMNS * PANEL_WIDTH,
                  PAGE_TOP + i / COLUMNS * PANEL_HEIGHT);
    put(&to, "</svg>\n");
    return file_commit(&to);
}

// ---- a run's curves ---------------------------------------------------------

// Room for what is drawn: at most every series of the table once a picture.
typedef struct Drawing {
    const SeriesTable *table;
    PlotSeries *lines; // [table count]
    CurvePanel *panels;
    char (*names)[2 * SERIES_NAME];
    int line_count, panel_count;
} Drawing;

static void add_line(Drawing *drawing, const Series *series, const char *name)
{
    drawing->lines[drawing->line_count++] =
        (PlotSeries){name, series->count, series->steps, series->values};
}

// "pretrain, blind guessing" for the loss of chance, "finetune, validation".
static const char *name_of_line(Drawing *drawing, int index)
{
    const Series *series = &drawing->table->at[index];
    bool chance = strcmp(series->name, chance_name) == 0;
    if (!chance && series->part == SERIES_TRAIN)
        return series->phase;
    snprintf(drawing->names[index], sizeof drawing->names[index], "%s, %s",
             series->phase, chance ? "blind guessing" : "validation");
    return drawing->names[index];
}

// The evaluation at the end is one point. Of a validation's numbers some tell
// of it, not of the net.
static bool is_drawn(const Series *series)
{
    static const char *const about[] = {"valid_images", "best", "best_step",
                                        "since_best", "ended_early"};
    bool drawn = series->part != SERIES_TEST;
    for (int i = 0; i < 5 && series->part == SERIES_VALID; i++)
        drawn = drawn && strcmp(series->name, about[i]) != 0;
    return drawn;
}

// The lines of one panel: the number of that name in every phase.
static void add_lines(Drawing *drawing, const char *name)
{
    for (int i = 0; i < drawing->table->count; i++) {
        const Series *series = &drawing->table->at[i];
        bool chance =
            strcmp(name, "loss") == 0 && strcmp(series->name, chance_name) == 0;
        if (is_drawn(series) && (chance || strcmp(series->name, name) == 0))
            add_line(drawing, series, name_of_line(drawing, i));
    }
}

static bool has_panel(const Drawing *drawing, const char *name)
{
    for (int i = 0; i < drawing->panel_count; i++)
        if (strcmp(drawing->panels[i].title, name) == 0)
            return true;
    return false;
}

static void add_panels(Drawing *drawing)
{
    for (int i = 0; i < drawing->table->count; i++) {
        const Series *series = &drawing->table->at[i];
        if (!is_drawn(series) || strcmp(series->name, "epoch") == 0 ||
            strcmp(series->name, chance_name) == 0 ||
            has_panel(drawing, series->name))
            continue;
        int first = drawing->line_count;
        add_lines(drawing, series->name);
        drawing->panels[drawing->panel_count++] = (CurvePanel){
            series->name, drawing->line_count - first, drawing->lines + first};
    }
}

static Status draw(const char *out, Drawing *drawing)
{
    char path[RUNDIR_PATH];
    add_lines(drawing, "loss");
    TRY(rundir_path(out, NULL, "curves.png", path));
    TRY(plot_curves(path, "loss", drawing->lines, drawing->line_count, "step",
                    "loss"));
    drawing->line_count = 0;
    add_panels(drawing);
    TRY(rundir_path(out, NULL, "curves.svg", path));
    return curves_write_svg(path, out, drawing->panel_count, drawing->panels);
}

Status curves_draw(const char *out)
{
    SeriesTable table;
    TRY(series_read(out, &table));
    size_t count = (size_t)table.count + 1;
    Drawing drawing = {.table = &table,
                       .lines = calloc(count, sizeof *drawing.lines),
                       .panels = calloc(count, sizeof *drawing.panels),
                       .names = calloc(count, sizeof *drawing.names)};
    Status status = status_error(STATUS_MEMORY, "no memory for curves");
    if (drawing.lines && drawing.panels && drawing.names)
        status = draw(out, &drawing);
    free(drawing.lines);
    free(drawing.panels);
    free(drawing.names);
    series_free(&table);
    return status;
}
