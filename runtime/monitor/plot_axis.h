// Axes of plots: from the values of series to round ticks and pixels.
#ifndef SIMCC_RUNTIME_PLOT_AXIS_H
#define SIMCC_RUNTIME_PLOT_AXIS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/monitor/plot.h"

typedef struct PlotColor {
    uint8_t red, green, blue;
} PlotColor;

// The color of line `index`: told apart by hue and by lightness.
PlotColor plot_line_color(int index);

// The values an axis spans and the pixels they fall on.
typedef struct Axis {
    double low, high, step;
    int from, to;
} Axis;

// Can the value be drawn? Not when it is not finite or beyond 1e300, where the
// arithmetic of axes would overflow.
bool axis_can_plot(double value);
// The span of all points that can be drawn; false when there is none.
bool axis_find_range(const PlotSeries *series, int count, Axis *x, Axis *y);
// Steps of 1, 2 or 5 times a power of ten, about six of them; the ends moved
// out to whole steps.
void axis_round(Axis *axis);
double axis_pixel(const Axis *axis, double value);
int axis_ticks(const Axis *axis); // steps between low and high
// The number at tick `index`, printed from the step's own size, so that
// 0.1 * 3 reads 0.3 and 0 reads 0.
void axis_tick_text(const Axis *axis, int index, char text[32]);

#endif
