#include "runtime/monitor/plot_axis.h"

#include <math.h>
#include <stdio.h>

PlotColor plot_line_color(int index)
{
    static const PlotColor colors[] = {
        {31, 110, 180}, {225, 110, 20}, {40, 150, 60}, {200, 40, 50},
        {125, 85, 175}, {125, 80, 60},  {20, 20, 20},  {0, 165, 175},
    };
    int known = sizeof colors / sizeof *colors;
    if (index < known)
        return colors[index];
    // Further hues by the golden angle, which never come close to each other.
    double hue = 6 * fmod(0.618034 * index, 1);
    double rise = fmod(hue, 1);
    double parts[6][3] = {{1, rise, 0},     {1 - rise, 1, 0}, {0, 1, rise},
                          {0, 1 - rise, 1}, {rise, 0, 1},     {1, 0, 1 - rise}};
    const double *part = parts[(int)hue];
    int dark = index / known % 2 ? 150 : 210;
    return (PlotColor){(uint8_t)(dark * part[0]), (uint8_t)(dark * part[1]),
                       (uint8_t)(dark * part[2])};
}

double axis_pixel(const Axis *axis, double value)
{
    return axis->from + (value - axis->low) / (axis->high - axis->low) *
                            (axis->to - axis->from);
}

void axis_round(Axis *axis)
{
    double span = axis->high - axis->low;
    double least = 1e-12 * fmax(fabs(axis->low), fabs(axis->high));
    if (!(span > least)) {
        double room = axis->low == 0 ? 1 : 0.1 * fabs(axis->low);
        axis->low -= room;
        axis->high += room;
        span = axis->high - axis->low;
    }
    double power = pow(10, floor(log10(span / 6)));
    double ratio = span / 6 / power;
    axis->step = power * (ratio <= 1   ? 1
                          : ratio <= 2 ? 2
                          : ratio <= 5 ? 5
                                       : 10);
    axis->low = axis->step * floor(axis->low / axis->step + 1e-9);
    axis->high = axis->step * ceil(axis->high / axis->step - 1e-9);
}

bool axis_can_plot(double value)
{
    return isfinite(value) && fabs(value) < 1e300;
}

bool axis_find_range(const PlotSeries *series, int count, Axis *x, Axis *y)
{
    bool any = false;
    for (int s = 0; s < count; s++)
        for (int i = 0; i < series[s].count; i++) {
            double px = series[s].x[i], py = series[s].y[i];
            if (!axis_can_plot(px) || !axis_can_plot(py))
                continue;
            x->low = any ? fmin(x->low, px) : px;
            x->high = any ? fmax(x->high, px) : px;
            y->low = any ? fmin(y->low, py) : py;
            y->high = any ? fmax(y->high, py) : py;
            any = true;
        }
    return any;
}

int axis_ticks(const Axis *axis)
{
    return (int)lrint((axis->high - axis->low) / axis->step);
}

void axis_tick_text(const Axis *axis, int index, char text[32])
{
    double value = axis->low + index * axis->step;
    if (fabs(value) < axis->step * 1e-6)
        value = 0;
    snprintf(text, 32, "%.6g", value);
}
