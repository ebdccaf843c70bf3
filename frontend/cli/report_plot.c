// The plots of a report: SVG, with the numbers that hovering shows.
#include <math.h>
#include <string.h>

#include "frontend/cli/report.h"
#include "runtime/monitor/plot_axis.h"

enum {
    WIDTH = 400,
    HEIGHT = 190,
    LEFT = 52,
    RIGHT = 10,
    TOP = 8,
    BOTTOM = 24,
    MOST_POINTS = 300, // of a line: more than a screen shows apart
    MOST_ALONE = 2000  // of the few plots that stand alone, with corners to see
};

static void add_axes(Text *text, const Axis *x, const Axis *y)
{
    char tick[32];
    for (int i = 0; i <= axis_ticks(y); i++) {
        double at = axis_pixel(y, y->low + i * y->step);
        axis_tick_text(y, i, tick);
        text_addf(text,
                  "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" "
                  "y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                  x->from, at, x->to, x->from - 5, at + 4, tick);
    }
    // Every second step, so that large numbers do not touch.
    double step = 2 * x->step, from = step * ceil(x->low / step - 1e-9);
    for (int i = 0; from + i * step <= x->high + 1e-9 * step; i++)
        text_addf(text,
                  "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.6g</text>"
                  "\n",
                  axis_pixel(x, from + i * step), y->from + 16,
                  from + i * step);
}

// At most so many points are drawn, evenly, with the last.
static void add_line(Text *text, const ReportLine *line, int most,
                     const Axis *x, const Axis *y)
{
    bool joined = false;
    int stride = (line->count + most - 1) / most;
    text_addf(text, "<path class=\"l c%d %s\" data-n=\"", line->color,
              line->kind);
    report_add(text, line->name);
    text_add(text, "\" d=\"");
    for (int i = (line->count - 1) % stride; i < line->count; i += stride) {
        bool drawn = axis_can_plot(line->x[i]) && axis_can_plot(line->y[i]);
        if (drawn)
            text_addf(text, "%s%.1f %.1f%s", joined ? "L" : "M",
                      axis_pixel(x, line->x[i]), axis_pixel(y, line->y[i]),
                      line->count == 1 ? "h0" : "");
        joined = drawn;
    }
    text_add(text, "\" data-v=\"");
    bool any = false;
    for (int i = (line->count - 1) % stride; i < line->count; i += stride)
        if (axis_can_plot(line->x[i]) && axis_can_plot(line->y[i])) {
            text_addf(text, "%s%.6g %.5g", any ? " " : "", line->x[i],
                      line->y[i]);
            any = true;
        }
    text_add(text, "\"/>\n");
}

// The names, and behind each the last number of what goes on from step to step.
static void add_last(Text *text, bool last, int count, const ReportLine *lines)
{
    text_add(text, "<span class=\"now\">");
    for (int i = 0; i < count; i++) {
        int at = lines[i].count - 1;
        while (at >= 0 && !axis_can_plot(lines[i].y[at]))
            at--;
        if (at < 0)
            continue;
        text_addf(text, "<span class=\"c%d\">", lines[i].color);
        report_add(text, lines[i].name);
        if (last)
            text_addf(text, " %.4g", lines[i].y[at]);
        text_add(text, " </span>");
    }
    text_add(text, "</span>");
}

void report_plot(Report *report, const char *title, const char *group,
                 const char *unit, int count, const ReportLine *lines)
{
    Text *text = &report->text;
    PlotSeries series[REPORT_LINES];
    Axis x = {.from = LEFT, .to = WIDTH - RIGHT};
    Axis y = {.from = HEIGHT - BOTTOM, .to = TOP};
    for (int i = 0; i < count; i++)
        series[i] =
            (PlotSeries){lines[i].name, lines[i].count, lines[i].x, lines[i].y};
    if (!axis_find_range(series, count, &x, &y))
        return;
    // The x axis ends where the lines do: a phone has no room for more.
    double first = x.low, last = x.high;
    axis_round(&x);
    axis_round(&y);
    if (first < last) {
        x.low = first > 0 && first < 0.1 * last ? 0 : first;
        x.high = last;
    }
    text_add(text, "<figure><figcaption><b>");
    report_add(text, title);
    text_add(text, "</b> ");
    add_last(text, strcmp(unit, "step") == 0, count, lines);
    text_addf(text,
              "</figcaption><svg class=\"plot\" viewBox=\"0 0 %d %d\" "
              "data-x=\"%d %d %.9g %.9g\" data-u=\"",
              WIDTH, HEIGHT, x.from, x.to, x.low, x.high);
    report_add(text, unit);
    text_add(text, "\" data-g=\"");
    report_add(text, group ? group : "");
    text_add(text, "\" role=\"img\" aria-label=\"");
    report_add(text, title);
    text_add(text, "\">\n");
    add_axes(text, &x, &y);
    for (int i = 0; i < count; i++)
        add_line(text, &lines[i], group ? MOST_POINTS : MOST_ALONE, &x, &y);
    text_addf(text,
              "<line class=\"cursor\" x1=\"0\" x2=\"0\" y1=\"%d\" "
              "y2=\"%d\"/></svg></figure>\n",
              y.to, y.from);
}
