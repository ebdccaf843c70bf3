#include "runtime/data/augment_color.h"

#include <math.h>
#include <stddef.h>

// Half of the time to make a view goes into these loops, and they vectorise
// only where a comparison with NaN need not raise a flag. Values are the same.
#pragma GCC optimize("O3", "no-trapping-math")

// Pixels of a part: three planes of it are a third of a first-level cache.
enum { TILE = 1024, MEAN_LANES = 16 };

static const float luma_red = 0.2989f, luma_green = 0.5870f,
                   luma_blue = 0.1140f;

// Written as comparisons, not fminf/fmaxf, so that they become single vector
// instructions.
SIMD_BODY float lesser(float a, float b)
{
    return a < b ? a : b;
}

SIMD_BODY float greater(float a, float b)
{
    return a > b ? a : b;
}

SIMD_BODY float clip(float x)
{
    return greater(0, lesser(1, x));
}

// ---- one plane -------------------------------------------------------------

SIMD_BODY void scale_loop(float *plane, int64_t count, float factor,
                          float shift)
{
    for (int64_t i = 0; i < count; i++)
        plane[i] = clip(plane[i] * factor + shift);
}

SIMD_LOOP(scale, (plane, count, factor, shift), float *plane, int64_t count,
          float factor, float shift)

// Partial sums: a fixed order that does not wait for each addition.
SIMD_BODY void add_up_loop(const float *restrict plane, int64_t count,
                           double *restrict sums)
{
    int64_t i = 0;
    for (; i + MEAN_LANES <= count; i += MEAN_LANES)
        for (int k = 0; k < MEAN_LANES; k++)
            sums[k] += (double)plane[i + k];
    for (int k = 0; i + k < count; k++)
        sums[k] += (double)plane[i + k];
}

SIMD_LOOP(add_up, (plane, count, sums), const float *plane, int64_t count,
          double *sums)

// ---- three planes ----------------------------------------------------------

// Hue and value stay, so each channel c lies at the same share of the way from
// the largest, top, to the smallest: top - (top - c) * new S / S.
SIMD_BODY void saturation_loop(float *restrict red, float *restrict green,
                               float *restrict blue, int64_t count,
                               float factor)
{
    for (int64_t i = 0; i < count; i++) {
        float r = red[i], g = green[i], b = blue[i];
        float top = greater(r, greater(g, b));
        float range = top - lesser(r, lesser(g, b));
        float most = top / greater(range, 1e-30f); // S times this is 1
        float ratio = greater(0, lesser(factor, most));
        red[i] = clip(top - (top - r) * ratio);
        green[i] = clip(top - (top - g) * ratio);
        blue[i] = clip(top - (top - b) * ratio);
    }
}

SIMD_LOOP(saturation, (red, green, blue, count, factor), float *red,
          float *green, float *blue, int64_t count, float factor)

// Six sixths of a turn: the hue lies in that of the largest channel, and each
// channel of the result is a trapezium over the turn between the smallest and
// the largest, which stay. Grey has hue 0.
SIMD_BODY void hue_loop(float *restrict red, float *restrict green,
                        float *restrict blue, int64_t count, float sixths)
{
    for (int64_t i = 0; i < count; i++) {
        float r = red[i], g = green[i], b = blue[i];
        float top = greater(r, greater(g, b));
        float low = lesser(r, lesser(g, b));
        float norm = 1 / greater(top - low, 1e-30f);
        float from_red = (g - b) * norm;
        float from_green = (b - r) * norm + 2;
        float from_blue = (r - g) * norm + 4;
        float hue = top == r ? from_red : top == g ? from_green : from_blue;
        hue += sixths;
        hue -= hue >= 6 ? 6.0f : 0.0f;
        hue += hue < 0 ? 6.0f : 0.0f;
        low = greater(0, low);
        float range = top - low;
        red[i] = clip(low + range * clip(fabsf(hue - 3) - 1));
        green[i] = clip(low + range * clip(2 - fabsf(hue - 2)));
        blue[i] = clip(low + range * clip(2 - fabsf(hue - 4)));
    }
}

SIMD_LOOP(hue, (red, green, blue, count, sixths), float *red, float *green,
          float *blue, int64_t count, float sixths)

// Factor 0 is grayscale.
SIMD_BODY void blend_loop(float *restrict red, float *restrict green,
                          float *restrict blue, int64_t count, float factor)
{
    for (int64_t i = 0; i < count; i++) {
        float luma =
            luma_red * red[i] + luma_green * green[i] + luma_blue * blue[i];
        red[i] = clip((red[i] - luma) * factor + luma);
        green[i] = clip((green[i] - luma) * factor + luma);
        blue[i] = clip((blue[i] - luma) * factor + luma);
    }
}

SIMD_LOOP(blend, (red, green, blue, count, factor), float *red, float *green,
          float *blue, int64_t count, float factor)

// ---- parts of the image ----------------------------------------------------

static ColorPlanes cut_tile(ColorPlanes planes, int64_t from)
{
    int64_t rest = planes.count - from;
    return (ColorPlanes){planes.red + from, planes.green + from,
                         planes.blue + from, rest < TILE ? rest : TILE};
}

static void scale_tile(SimdLevel level, ColorPlanes tile, float factor,
                       const float shift[3])
{
    scale(level, tile.red, tile.count, factor, shift[0]);
    scale(level, tile.green, tile.count, factor, shift[1]);
    scale(level, tile.blue, tile.count, factor, shift[2]);
}

// `shift` is what a contrast adds.
static void run_tile(SimdLevel level, ColorPlanes tile, ColorStep step,
                     const float shift[3])
{
    float turn = 6 * (step.factor - floorf(step.factor));
    switch (step.kind) {
    case COLOR_SCALE:
        scale_tile(level, tile, step.factor, (const float[3]){0, 0, 0});
        break;
    case COLOR_ADD:
        scale_tile(level, tile, 1,
                   (const float[3]){step.factor, step.factor, step.factor});
        break;
    case COLOR_CONTRAST:
    case COLOR_LUMA_CONTRAST:
        scale_tile(level, tile, step.factor, shift);
        break;
    case COLOR_SATURATION:
        saturation(level, tile.red, tile.green, tile.blue, tile.count,
                   step.factor);
        break;
    case COLOR_HUE:
        hue(level, tile.red, tile.green, tile.blue, tile.count, turn);
        break;
    case COLOR_GRAY:
        blend(level, tile.red, tile.green, tile.blue, tile.count, 0);
        break;
    case COLOR_BLEND:
        blend(level, tile.red, tile.green, tile.blue, tile.count, step.factor);
        break;
    }
}

static double mean_of(const double sums[MEAN_LANES], int64_t count)
{
    double sum = 0;
    for (int k = 0; k < MEAN_LANES; k++)
        sum += sums[k];
    return sum / (double)count;
}

// mean - mean * factor of each channel, or of the luma in all three.
static void find_shift(ColorStep step, double sums[3][MEAN_LANES],
                       int64_t count, float shift[3])
{
    double means[3];
    for (int c = 0; c < 3; c++)
        means[c] = mean_of(sums[c], count);
    double luma = (double)luma_red * means[0] + (double)luma_green * means[1] +
                  (double)luma_blue * means[2];
    for (int c = 0; c < 3; c++) {
        float mean =
            (float)(step.kind == COLOR_LUMA_CONTRAST ? luma : means[c]);
        shift[c] = mean - mean * step.factor;
    }
}

// Steps[0..count) on every part, and the sums of the channels after that where
// somebody asks.
static void run_round(SimdLevel level, ColorPlanes planes,
                      const ColorStep *steps, int count, const float shift[3],
                      double (*sums)[MEAN_LANES])
{
    for (int64_t from = 0; from < planes.count; from += TILE) {
        ColorPlanes tile = cut_tile(planes, from);
        for (int i = 0; i < count; i++)
            run_tile(level, tile, steps[i], shift);
        if (!sums)
            continue;
        add_up(level, tile.red, tile.count, sums[0]);
        add_up(level, tile.green, tile.count, sums[1]);
        add_up(level, tile.blue, tile.count, sums[2]);
    }
}

static int next_contrast(const ColorStep *steps, int from, int count)
{
    while (from < count && steps[from].kind != COLOR_CONTRAST &&
           steps[from].kind != COLOR_LUMA_CONTRAST)
        from++;
    return from;
}

// A contrast needs the mean of what the steps before it leave: the image is
// gone through once up to each contrast, which is the first step of the next
// round.
void color_run(SimdLevel level, ColorPlanes planes, const ColorStep *steps,
               int count)
{
    float shift[3] = {0, 0, 0};
    int from = 0, to = next_contrast(steps, 0, count);
    while (to < count) {
        double sums[3][MEAN_LANES] = {{0}};
        run_round(level, planes, steps + from, to - from, shift, sums);
        find_shift(steps[to], sums, planes.count, shift);
        from = to;
        to = next_contrast(steps, from + 1, count);
    }
    run_round(level, planes, steps + from, to - from, shift, NULL);
}
