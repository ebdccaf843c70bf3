#include "runtime/augment_color.h"

#include <math.h>

// Half of the time to make a view goes into these loops, and they vectorise
// only where a comparison with NaN need not raise a flag. Values are the same.
#pragma GCC optimize("O3", "no-trapping-math")

// Written as comparisons, not fminf/fmaxf, so that they become single vector
// instructions.
static inline float lesser(float a, float b)
{
    return a < b ? a : b;
}

static inline float greater(float a, float b)
{
    return a > b ? a : b;
}

static inline float clip(float x)
{
    return greater(0, lesser(1, x));
}

void color_clip(ColorPlanes planes)
{
    color_brightness(planes, 1);
}

static void scale_plane(float *plane, int64_t count, float factor, float shift)
{
    for (int64_t i = 0; i < count; i++)
        plane[i] = clip(plane[i] * factor + shift);
}

void color_brightness(ColorPlanes planes, float factor)
{
    scale_plane(planes.red, planes.count, factor, 0);
    scale_plane(planes.green, planes.count, factor, 0);
    scale_plane(planes.blue, planes.count, factor, 0);
}

// Eight partial sums: a fixed order that does not wait for each addition.
static double plane_mean(const float *plane, int64_t count)
{
    double sums[8] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int k = 0; k < 8; k++)
            sums[k] += plane[i + k];
    for (; i < count; i++)
        sum += plane[i];
    for (int k = 0; k < 8; k++)
        sum += sums[k];
    return sum / (double)count;
}

void color_contrast(ColorPlanes planes, float factor)
{
    float *channels[3] = {planes.red, planes.green, planes.blue};
    for (int c = 0; c < 3; c++) {
        float mean = (float)plane_mean(channels[c], planes.count);
        scale_plane(channels[c], planes.count, factor, mean - mean * factor);
    }
}

// Hue in turns, saturation and value (the largest channel). Grey has hue 0.
static inline void rgb_to_hsv(float r, float g, float b, float *h, float *s,
                              float *v)
{
    float top = greater(r, greater(g, b));
    float range = top - lesser(r, lesser(g, b));
    float norm = 1 / (6 * (range > 0 ? range : 1));
    float from_red = (g - b) * norm;
    float from_green = (b - r) * norm + 1.0f / 3;
    float from_blue = (r - g) * norm + 2.0f / 3;
    float hue = top == r ? from_red : top == g ? from_green : from_blue;
    *h = hue + (hue < 0 ? 1.0f : 0.0f);
    *s = top > 0 ? range / (top > 0 ? top : 1) : 0;
    *v = top;
}

// Each channel is a trapezium over the six sixths of the turn.
static inline void hsv_to_rgb(float h, float s, float v, float *r, float *g,
                              float *b)
{
    float sixth = 6 * h;
    float red = clip(fabsf(sixth - 3) - 1);
    float green = clip(2 - fabsf(sixth - 2));
    float blue = clip(2 - fabsf(sixth - 4));
    *r = clip((1 - s + s * red) * v);
    *g = clip((1 - s + s * green) * v);
    *b = clip((1 - s + s * blue) * v);
}

void color_saturation(ColorPlanes planes, float factor)
{
    for (int64_t i = 0; i < planes.count; i++) {
        float h, s, v;
        rgb_to_hsv(planes.red[i], planes.green[i], planes.blue[i], &h, &s, &v);
        hsv_to_rgb(h, clip(s * factor), v, &planes.red[i], &planes.green[i],
                   &planes.blue[i]);
    }
}

void color_hue(ColorPlanes planes, float shift)
{
    shift -= floorf(shift);
    for (int64_t i = 0; i < planes.count; i++) {
        float h, s, v;
        rgb_to_hsv(planes.red[i], planes.green[i], planes.blue[i], &h, &s, &v);
        h += shift;
        h -= h >= 1 ? 1.0f : 0.0f;
        hsv_to_rgb(h, clip(s), v, &planes.red[i], &planes.green[i],
                   &planes.blue[i]);
    }
}

void color_grayscale(ColorPlanes planes)
{
    for (int64_t i = 0; i < planes.count; i++) {
        float luma = 0.2989f * planes.red[i] + 0.5870f * planes.green[i] +
                     0.1140f * planes.blue[i];
        planes.red[i] = planes.green[i] = planes.blue[i] = luma;
    }
}
