#include "runtime/augment_blur.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

// Worth vectorising: every pixel is visited once per tap. Order and rounding
// of the additions stay as written.
#pragma GCC optimize("O3")

int blur_weights(int height, double sigma,
                 float weights[2 * BLUR_MAX_RADIUS + 1])
{
    int radius = height / 10 / 2;
    if (radius > BLUR_MAX_RADIUS)
        radius = BLUR_MAX_RADIUS;
    double sum = 0, raw[2 * BLUR_MAX_RADIUS + 1];
    for (int k = -radius; k <= radius; k++) {
        raw[k + radius] = exp(-k * k / (2 * sigma * sigma));
        sum += raw[k + radius];
    }
    for (int k = 0; k <= 2 * radius; k++)
        weights[k] = (float)(raw[k] / sum);
    return radius;
}

// target[x] += weight * source[x + shift] where source has such a pixel.
static void add_shifted(float *target, const float *source, int64_t count,
                        int64_t shift, float weight)
{
    int64_t from = shift < 0 ? -shift : 0;
    int64_t to = shift > 0 ? count - shift : count;
    for (int64_t x = from; x < to; x++)
        target[x] += weight * source[x + shift];
}

// Rows first, then columns, where whole rows are added.
void blur_plane(float *plane, float *scratch, int width, int height,
                double sigma)
{
    float weights[2 * BLUR_MAX_RADIUS + 1];
    int radius = blur_weights(height, sigma, weights);
    size_t size = (size_t)width * (size_t)height * sizeof *plane;
    memset(scratch, 0, size);
    for (int64_t y = 0; y < height; y++)
        for (int k = -radius; k <= radius; k++)
            add_shifted(scratch + y * width, plane + y * width, width, k,
                        weights[k + radius]);
    memset(plane, 0, size);
    for (int64_t y = 0; y < height; y++)
        for (int k = -radius; k <= radius; k++)
            if (y + k >= 0 && y + k < height)
                add_shifted(plane + y * width, scratch + (y + k) * width, width,
                            0, weights[k + radius]);
}
