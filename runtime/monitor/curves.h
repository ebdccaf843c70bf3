// OUT/curves.png and OUT/curves.svg: a run's numbers as curves.
#ifndef SIMCC_RUNTIME_CURVES_H
#define SIMCC_RUNTIME_CURVES_H

#include "runtime/base/status.h"
#include "runtime/monitor/plot.h"

// Draws what OUT/metrics.jsonl has: the losses of all phases, with the loss of
// blind guessing where it is reported, as a PNG; every number in a panel of its
// own as an SVG. Both atomically.
Status curves_draw(const char *out);

// One panel of an SVG.
typedef struct CurvePanel {
    const char *title;
    int count;
    const PlotSeries *series;
} CurvePanel;

// Panels side by side, two in a row, over common step axes of their own.
Status curves_write_svg(const char *path, const char *title, int count,
                        const CurvePanel *panels);

#endif
