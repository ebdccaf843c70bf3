#include "runtime/train/pca.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TURNS = 200 };
static const double turned_enough = 1e-9; // change of an axis in a turn

typedef struct Pca {
    const float *rows;
    int64_t count, width;
    double *mean;          // [width]
    double *axes, *images; // [PCA_AXES, width]: axes, and covariance times them
    double *points;        // [count, PCA_AXES]
} Pca;

static void find_mean(Pca *pca)
{
    for (int64_t i = 0; i < pca->count; i++)
        for (int64_t c = 0; c < pca->width; c++)
            pca->mean[c] += pca->rows[i * pca->width + c];
    for (int64_t c = 0; c < pca->width; c++)
        pca->mean[c] /= (double)pca->count;
}

static double total_variance(const Pca *pca)
{
    double sum = 0;
    for (int64_t i = 0; i < pca->count; i++)
        for (int64_t c = 0; c < pca->width; c++) {
            double away = pca->rows[i * pca->width + c] - pca->mean[c];
            sum += away * away;
        }
    return sum / (double)pca->count;
}

static void project(Pca *pca)
{
    for (int64_t i = 0; i < pca->count; i++)
        for (int a = 0; a < PCA_AXES; a++) {
            const double *axis = pca->axes + a * pca->width;
            double sum = 0;
            for (int64_t c = 0; c < pca->width; c++)
                sum += (pca->rows[i * pca->width + c] - pca->mean[c]) * axis[c];
            pca->points[i * PCA_AXES + a] = sum;
        }
}

static double dot(const double *a, const double *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

// Gram-Schmidt; an axis that vanishes stays zero.
static void orthonormalize(const Pca *pca, double *vectors)
{
    for (int a = 0; a < PCA_AXES; a++) {
        double *axis = vectors + a * pca->width;
        for (int b = 0; b < a; b++) {
            const double *other = vectors + b * pca->width;
            double along = dot(axis, other, pca->width);
            for (int64_t c = 0; c < pca->width; c++)
                axis[c] -= along * other[c];
        }
        double length = sqrt(dot(axis, axis, pca->width));
        for (int64_t c = 0; c < pca->width; c++)
            axis[c] = length > 1e-30 ? axis[c] / length : 0;
    }
}

// Covariance times the axes, by the points; returns how far the axes turned.
static double turn(Pca *pca)
{
    size_t bytes = (size_t)(PCA_AXES * pca->width) * sizeof(double);
    memset(pca->images, 0, bytes);
    project(pca);
    for (int64_t i = 0; i < pca->count; i++)
        for (int a = 0; a < PCA_AXES; a++)
            for (int64_t c = 0; c < pca->width; c++)
                pca->images[a * pca->width + c] +=
                    pca->points[i * PCA_AXES + a] *
                    (pca->rows[i * pca->width + c] - pca->mean[c]);
    orthonormalize(pca, pca->images);
    double change = 0;
    for (int64_t i = 0; i < PCA_AXES * pca->width; i++)
        change = fmax(change, fabs(pca->images[i] - pca->axes[i]));
    memcpy(pca->axes, pca->images, bytes);
    return change;
}

static void fix_signs(Pca *pca)
{
    for (int a = 0; a < PCA_AXES; a++) {
        double *axis = pca->axes + a * pca->width, most = 0;
        for (int64_t c = 0; c < pca->width; c++)
            most = fabs(axis[c]) > fabs(most) ? axis[c] : most;
        for (int64_t c = 0; c < pca->width && most < 0; c++)
            axis[c] = -axis[c];
    }
}

static void find_axes(Pca *pca)
{
    // Two directions no data is likely to be orthogonal to.
    for (int64_t c = 0; c < pca->width; c++) {
        pca->axes[c] = 1 + 0.37 * (double)(c % 7);
        pca->axes[pca->width + c] = c % 2 ? -1 + 0.11 * (double)(c % 5) : 1;
    }
    orthonormalize(pca, pca->axes);
    for (int i = 0; i < MOST_TURNS && turn(pca) > turned_enough; i++)
        continue;
    fix_signs(pca);
    project(pca);
}

Status pca_project(const float *rows, int64_t count, int64_t width,
                   double *points, double shares[PCA_AXES])
{
    size_t size = (size_t)width;
    Pca pca = {.rows = rows,
               .count = count,
               .width = width,
               .mean = calloc(size, sizeof(double)),
               .axes = calloc(PCA_AXES * size, sizeof(double)),
               .images = calloc(PCA_AXES * size, sizeof(double)),
               .points = points};
    bool fits = pca.mean && pca.axes && pca.images;
    if (fits) {
        find_mean(&pca);
        find_axes(&pca);
        double total = total_variance(&pca);
        for (int a = 0; a < PCA_AXES; a++) {
            double sum = 0;
            for (int64_t i = 0; i < count; i++)
                sum += points[i * PCA_AXES + a] * points[i * PCA_AXES + a];
            shares[a] = total > 0 ? sum / (double)count / total : 0;
        }
    }
    free(pca.mean);
    free(pca.axes);
    free(pca.images);
    return fits ? status_ok()
                : status_error(STATUS_MEMORY, "no memory for a map");
}
