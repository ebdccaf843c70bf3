#include "runtime/data/augment_blur.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Every pixel is visited once per tap: these loops must become vectors. Order
// and rounding of the additions stay as written.
#pragma GCC optimize("O3")

// Pixels whose sums stay in registers while the taps go by.
enum { BLOCK = 64 };

// Taps that weigh less than this together change no float in [0, 1] by more
// than half of its last bit.
static const double negligible = 0x1p-25;

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

// The radius without the negligible taps at both ends.
static int needed_radius(const float *weights, int radius)
{
    int needed = radius;
    for (double rest = 0; needed > 0; needed--) {
        rest += 2.0 * weights[radius - needed];
        if (rest > negligible)
            break;
    }
    return needed;
}

// The middle tap and then pairs of equal weight, for `count` <= BLOCK pixels.
// `below` and `above` are the neighbours at distance 1, `step` floats apart.
SIMD_BODY void blur_block(float *restrict out, const float *restrict middle,
                          int64_t step, const float *restrict half, int radius,
                          int count)
{
    float sums[BLOCK];
    for (int i = 0; i < count; i++)
        sums[i] = half[0] * middle[i];
    for (int k = 1; k <= radius; k++) {
        const float *below = middle - k * step, *above = middle + k * step;
        for (int i = 0; i < count; i++)
            sums[i] += half[k] * (below[i] + above[i]);
    }
    for (int i = 0; i < count; i++)
        out[i] = sums[i];
}

SIMD_BODY void blur_row_loop(float *restrict out, const float *restrict middle,
                             int64_t step, const float *restrict half,
                             int radius, int width)
{
    int x = 0;
    for (; x + BLOCK <= width; x += BLOCK)
        blur_block(out + x, middle + x, step, half, radius, BLOCK);
    for (; x + 16 <= width; x += 16)
        blur_block(out + x, middle + x, step, half, radius, 16);
    for (; x < width; x++)
        blur_block(out + x, middle + x, step, half, radius, 1);
}

SIMD_LOOP(blur_row, (out, middle, step, half, radius, width), float *out,
          const float *middle, int64_t step, const float *half, int radius,
          int width)

int64_t blur_scratch_floats(int width, int height)
{
    int64_t widest = width + 2 * BLUR_MAX_RADIUS;
    return widest + (int64_t)width * (height + 2 * BLUR_MAX_RADIUS);
}

// Rows first, from a copy with zeros on both sides, to a plane with zeros above
// and below; then columns.
void blur_plane(SimdLevel level, float *plane, float *scratch, int width,
                int height, double sigma)
{
    float weights[2 * BLUR_MAX_RADIUS + 1];
    int full = blur_weights(height, sigma, weights);
    int radius = needed_radius(weights, full);
    const float *half = weights + full;
    size_t row = (size_t)width * sizeof *plane;
    float *line = scratch, *across = line + width + 2 * radius;
    memset(line, 0, (size_t)(width + 2 * radius) * sizeof *line);
    memset(across, 0, (size_t)radius * row);
    memset(across + (int64_t)(radius + height) * width, 0,
           (size_t)radius * row);
    across += (int64_t)radius * width;
    for (int64_t y = 0; y < height; y++) {
        memcpy(line + radius, plane + y * width, row);
        blur_row(level, across + y * width, line + radius, 1, half, radius,
                 width);
    }
    for (int64_t y = 0; y < height; y++)
        blur_row(level, plane + y * width, across + y * width, width, half,
                 radius, width);
}
