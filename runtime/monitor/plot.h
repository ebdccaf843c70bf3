// Learning curves and contact sheets as PNG files.
#ifndef SIMCC_RUNTIME_PLOT_H
#define SIMCC_RUNTIME_PLOT_H

#include "runtime/base/status.h"
#include "runtime/data/image.h"

// Points in drawing order. A point that is not finite breaks the line.
typedef struct PlotSeries {
    const char *name;
    int count;
    const double *x, *y;
} PlotSeries;

// Lines over common axes, with ticks and a legend. Text is ASCII; other bytes
// become question marks. A plot without any finite point says so.
Status plot_curves(const char *path, const char *title,
                   const PlotSeries *series, int count, const char *x_label,
                   const char *y_label);

// The series as clouds of points over common axes, names and colors beside them
// (the first 24). Points that are not finite are left out.
Status plot_points(const char *path, const char *title,
                   const PlotSeries *series, int count, const char *x_label,
                   const char *y_label);

// Planes [channels, height, width] of floats in [0, 1], as augmentation makes
// them, as an image; the caller's to free.
Status plot_image_of_planes(const float *planes, int channels, int height,
                            int width, Image *image);

// rows * columns images in reading order; those without pixels leave a gap.
// Small ones are enlarged by whole factors. `captions`, one below each image,
// may be NULL or hold NULLs; they are cut to the image's width.
Status plot_sheet(const char *path, const Image *images, int rows, int columns,
                  const char *const *captions);

#endif
