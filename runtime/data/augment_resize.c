#include "runtime/data/augment_resize.h"

#include <math.h>
#include <string.h>

// These loops must become vectors; order and rounding stay as written.
#pragma GCC optimize("O3")

enum { CUBIC_TAPS = 4, TABLE_STEPS = 1024 };

// ---- weights ---------------------------------------------------------------

static double keys_cubic(double x, double a)
{
    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2)
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    return 0;
}

// Half the width of the kernel that Pillow uses.
static double pillow_support(int in, int out)
{
    double scale = (double)in / out;
    return 2 * (scale > 1 ? scale : 1);
}

int resize_tap_count(ResizeKind kind, int in, int out)
{
    int count = CUBIC_TAPS;
    if (kind == RESIZE_PILLOW)
        count = 2 * (int)ceil(pillow_support(in, out)) + 1;
    return count < in ? count : in;
}

// Weights of one output coordinate, all zero when this is called. A tap beyond
// an edge counts for the pixel at the edge, or not at all.
static void cubic_taps(ResizeKind kind, float place, int in, int count,
                       int *first, float *out)
{
    const double a = kind == RESIZE_TF2 ? -0.5 : -0.75;
    float base = floorf(place);
    double part = (double)place - (double)base, sum = 0;
    if (kind != RESIZE_TORCH) // both TensorFlows have a table of the kernel
        part = (double)lrintf((place - base) * TABLE_STEPS) / TABLE_STEPS;
    double weights[CUBIC_TAPS] = {0};
    *first = (int)base - 1;
    if (*first > in - count)
        *first = in - count;
    if (*first < 0)
        *first = 0;
    for (int k = 0; k < CUBIC_TAPS; k++) {
        int at = (int)base - 1 + k;
        int inside = at < 0 ? 0 : at >= in ? in - 1 : at;
        if (kind == RESIZE_TF2 && at != inside)
            continue;
        weights[inside - *first] += keys_cubic(part - (k - 1), a);
    }
    for (int k = 0; k < count; k++)
        sum += weights[k];
    for (int k = 0; k < count; k++)
        out[k] = (float)(kind == RESIZE_TF2 ? weights[k] / sum : weights[k]);
}

static void pillow_taps(int in, int out, int i, int count, int *first,
                        float *weights)
{
    double scale = (double)in / out, stretch = scale > 1 ? scale : 1;
    double support = pillow_support(in, out), center = (i + 0.5) * scale;
    int from = (int)(center - support + 0.5);
    int to = (int)(center + support + 0.5);
    from = from < 0 ? 0 : from;
    to = to > in ? in : to;
    *first = from < in - count ? from : in - count;
    double sum = 0;
    for (int at = from; at < to; at++)
        sum += keys_cubic((at - center + 0.5) / stretch, -0.5);
    for (int at = from; at < to; at++)
        weights[at - *first] =
            (float)(keys_cubic((at - center + 0.5) / stretch, -0.5) / sum);
}

void resize_find_taps(ResizeKind kind, int in, int out, ResizeTaps *taps)
{
    float scale = (float)in / (float)out;
    int count = taps->count;
    memset(taps->weights, 0, (size_t)out * (size_t)count * sizeof(float));
    for (int i = 0; i < out; i++) {
        float *weights = taps->weights + (int64_t)i * count;
        float place = kind == RESIZE_TF1 ? (float)i * scale
                                         : ((float)i + 0.5f) * scale - 0.5f;
        if (kind == RESIZE_PILLOW)
            pillow_taps(in, out, i, count, &taps->first[i], weights);
        else
            cubic_taps(kind, place, in, count, &taps->first[i], weights);
    }
}

// ---- lines: the rows one output row needs, added up ------------------------

// line[i] = sum over k of weights[k] * rows[k * stride + i]
SIMD_BODY void mix_four(float *restrict line, const uint8_t *restrict rows,
                        int64_t stride, const float *restrict weights,
                        int64_t count)
{
    const uint8_t *a = rows, *b = a + stride, *c = b + stride, *d = c + stride;
    const float w = weights[0], x = weights[1], y = weights[2], z = weights[3];
    for (int64_t i = 0; i < count; i++)
        line[i] = w * (float)a[i] + x * (float)b[i] + y * (float)c[i] +
                  z * (float)d[i];
}

SIMD_BODY void mix_bytes_loop(float *restrict line,
                              const uint8_t *restrict rows, int64_t stride,
                              const float *restrict weights, int taps,
                              int64_t count)
{
    if (taps == CUBIC_TAPS) {
        mix_four(line, rows, stride, weights, count);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        line[i] = weights[0] * (float)rows[i];
    for (int k = 1; k < taps; k++)
        for (int64_t i = 0; i < count; i++)
            line[i] += weights[k] * (float)rows[k * stride + i];
}

SIMD_LOOP(mix_bytes, (line, rows, stride, weights, taps, count), float *line,
          const uint8_t *rows, int64_t stride, const float *weights, int taps,
          int64_t count)

// The same of planes, which becomes interleaved like the bytes. Rare: a second
// crop in one pipeline.
static void mix_planes(float *line, const ResizeSource *source,
                       const int at_channel[3], CropBox box, int first,
                       const float *weights, int taps)
{
    int64_t plane = (int64_t)source->width * source->height;
    for (int c = 0; c < 3; c++)
        for (int x = 0; x < box.width; x++) {
            const float *at = source->planes + at_channel[c] * plane + box.x +
                              x + (int64_t)(box.y + first) * source->width;
            float sum = 0;
            for (int k = 0; k < taps; k++)
                sum += weights[k] * at[(int64_t)k * source->width];
            line[3 * x + c] = sum;
        }
}

// ---- pixels of a line ------------------------------------------------------

// Red, green, blue, and the next pixel's red, which is not used.
typedef float Pixel __attribute__((vector_size(16)));

SIMD_BODY Pixel read_pixel(const float *at)
{
    Pixel pixel;
    memcpy(&pixel, at, sizeof pixel);
    return pixel;
}

SIMD_BODY Pixel mix_pixel(const float *line, const float *weights, int taps)
{
    Pixel sum = weights[0] * read_pixel(line);
    for (int k = 1; k < taps; k++)
        sum += weights[k] * read_pixel(line + 3 * k);
    return sum;
}

SIMD_BODY void store_plane(float *at, Pixel four)
{
    memcpy(at, &four, sizeof four);
}

// Four pixels at a time become four reds, four greens and four blues.
SIMD_BODY void spread_pixels(const float *line, const int *first,
                             const float *weights, int taps, int width,
                             float *const out[3])
{
    int x = 0;
    for (; x + 4 <= width; x += 4) {
        Pixel p[4];
        for (int i = 0; i < 4; i++)
            p[i] = mix_pixel(line + 3 * (int64_t)first[x + i],
                             weights + (int64_t)(x + i) * taps, taps);
        Pixel rg = __builtin_shufflevector(p[0], p[1], 0, 4, 1, 5);
        Pixel gr = __builtin_shufflevector(p[2], p[3], 0, 4, 1, 5);
        Pixel b0 = __builtin_shufflevector(p[0], p[1], 2, 6, 2, 6);
        Pixel b1 = __builtin_shufflevector(p[2], p[3], 2, 6, 2, 6);
        store_plane(out[0] + x, __builtin_shufflevector(rg, gr, 0, 1, 4, 5));
        store_plane(out[1] + x, __builtin_shufflevector(rg, gr, 2, 3, 6, 7));
        store_plane(out[2] + x, __builtin_shufflevector(b0, b1, 0, 1, 4, 5));
    }
    for (; x < width; x++) {
        Pixel pixel = mix_pixel(line + 3 * (int64_t)first[x],
                                weights + (int64_t)x * taps, taps);
        for (int c = 0; c < 3; c++)
            out[c][x] = pixel[c];
    }
}

SIMD_BODY void spread_line_loop(const float *line, const int *first,
                                const float *weights, int taps, int width,
                                float *const out[3])
{
    if (taps == CUBIC_TAPS)
        spread_pixels(line, first, weights, CUBIC_TAPS, width, out);
    else
        spread_pixels(line, first, weights, taps, width, out);
}

SIMD_LOOP(spread_line, (line, first, weights, taps, width, out),
          const float *line, const int *first, const float *weights, int taps,
          int width, float *const out[3])

// ---- boxes -----------------------------------------------------------------

static int64_t line_floats(CropBox box)
{
    return 3 * (int64_t)box.width + 1; // read_pixel reads one more
}

int64_t resize_scratch_floats(ResizeKind kind, CropBox box, int height,
                              int width)
{
    int64_t across = 1 + resize_tap_count(kind, box.width, width);
    int64_t down = 1 + resize_tap_count(kind, box.height, height);
    return line_floats(box) + across * width + down * height;
}

// The next count floats of the scratch, for places and weights of one axis.
static ResizeTaps take_taps(ResizeKind kind, int in, int out, float **scratch)
{
    ResizeTaps taps = {resize_tap_count(kind, in, out), (int *)*scratch,
                       *scratch + out};
    *scratch += (int64_t)out * (1 + taps.count);
    resize_find_taps(kind, in, out, &taps);
    return taps;
}

// Rows are added up first: bytes of whole rows, of which only those are read
// that an output row needs. What remains is one line of floats for each.
void resize_box(SimdLevel level, const ResizeSource *source, CropBox box,
                ResizeKind kind, int height, int width, float *scratch,
                float *out)
{
    ResizeTaps columns = take_taps(kind, box.width, width, &scratch);
    ResizeTaps rows = take_taps(kind, box.height, height, &scratch);
    float *line = scratch;
    int64_t stride = 3 * (int64_t)source->width,
            plane = (int64_t)height * width;
    if (source->bytes)
        for (int64_t i = 0; i < (int64_t)height * rows.count; i++)
            rows.weights[i] *= 1.0f / 255;
    line[line_floats(box) - 1] = 0;
    for (int64_t y = 0; y < height; y++) {
        const float *weights = rows.weights + y * rows.count;
        const uint8_t *bytes = source->bytes;
        if (bytes)
            mix_bytes(level, line,
                      bytes + (box.y + rows.first[y]) * stride + 3 * box.x,
                      stride, weights, rows.count, 3 * (int64_t)box.width);
        // Three channels at a time; the last ones once more where fewer are
        // left.
        int channels = source->channels ? source->channels : 3;
        for (int from = 0; from < channels; from += 3) {
            int at[3];
            float *to[3];
            for (int c = 0; c < 3; c++) {
                at[c] = from + c < channels ? from + c : channels - 1;
                to[c] = out + at[c] * plane + y * width;
            }
            if (!bytes)
                mix_planes(line, source, at, box, rows.first[y], weights,
                           rows.count);
            spread_line(level, line, columns.first, columns.weights,
                        columns.count, width, to);
        }
    }
}
