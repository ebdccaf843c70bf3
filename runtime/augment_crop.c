#include "runtime/augment_crop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CROP_ATTEMPTS = 100, TAPS = 4, WEIGHT_STEPS = 1024 };

// min_object_covered of the SimCLR pipeline: boxes below a tenth of the image
// are drawn again, whatever area_min says.
static const double least_cover = 0.1;

static bool area_allowed(double area, double whole, CropRange range)
{
    return area >= range.area_min * whole && area <= range.area_max * whole;
}

// The largest height whose width, rounded, still fits the image.
static int tallest_fitting(int width, int height, double aspect, double area)
{
    int tallest = (int)lrint(sqrt(area / aspect));
    if (lrint(tallest * aspect) > width) {
        tallest = (int)((width + 0.5) / aspect);
        if (lrint(tallest * aspect) > width)
            tallest--;
    }
    return tallest < height ? tallest : height;
}

static bool draw_size(RandomStream *stream, int width, int height,
                      CropRange range, CropBox *box)
{
    double whole = (double)width * height;
    double aspect = random_range(stream, range.aspect_min, range.aspect_max);
    int low = (int)lrint(sqrt(range.area_min * whole / aspect));
    int high = tallest_fitting(width, height, aspect, range.area_max * whole);
    if (low > high)
        low = high;
    box->height = low + (int)random_below(stream, high - low + 1);
    box->width = (int)lrint(box->height * aspect);
    // Rounding may have left the area range by a hair.
    if ((double)box->width * box->height < range.area_min * whole) {
        box->width++;
        box->height++;
    }
    if ((double)box->width * box->height > range.area_max * whole) {
        box->width--;
        box->height--;
    }
    double area = (double)box->width * box->height;
    return box->width > 0 && box->height > 0 && box->width <= width &&
           box->height <= height && area_allowed(area, whole, range) &&
           area >= least_cover * whole;
}

// Uniform in [0, slack): the last position is never taken, as in TensorFlow.
static int draw_offset(RandomStream *stream, int slack)
{
    return slack > 0 ? (int)random_below(stream, slack) : 0;
}

CropBox crop_random_box(RandomStream *stream, int width, int height,
                        CropRange range)
{
    for (int attempt = 0; attempt < CROP_ATTEMPTS; attempt++) {
        CropBox box;
        if (!draw_size(stream, width, height, range, &box))
            continue;
        box.y = draw_offset(stream, height - box.height);
        box.x = draw_offset(stream, width - box.width);
        return box;
    }
    return (CropBox){0, 0, width, height};
}

CropBox crop_center_box(int width, int height, double proportion)
{
    if (proportion >= 1)
        return (CropBox){0, 0, width, height};
    int shorter = width < height ? width : height;
    int side = (int)rint(proportion * shorter);
    if (side < 1)
        side = 1;
    return (CropBox){(width - side + 1) / 2, (height - side + 1) / 2, side,
                     side};
}

// One output coordinate reads four neighbours of one axis.
typedef struct CropTaps {
    int at[TAPS];
    float weight[TAPS];
} CropTaps;

// Keys' cubic kernel (1981) with a = -1/2.
static double keys_cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2)
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    return 0;
}

// Half-pixel centres: output i lies at (i + 1/2) * in/out - 1/2. The fraction
// is taken to the nearest of 1024 steps, as in TensorFlow's weight table. Taps
// outside weigh nothing and the others are scaled to sum 1.
static void find_taps(int in, int out, CropTaps *taps)
{
    float scale = (float)in / (float)out;
    for (int i = 0; i < out; i++) {
        float place = ((float)i + 0.5f) * scale - 0.5f;
        float base = floorf(place);
        double part =
            (double)lrintf((place - base) * WEIGHT_STEPS) / WEIGHT_STEPS;
        double weights[TAPS], sum = 0;
        for (int k = 0; k < TAPS; k++) {
            int at = (int)base - 1 + k;
            bool inside = at >= 0 && at < in;
            weights[k] = inside ? keys_cubic(part - (k - 1)) : 0;
            sum += weights[k];
            taps[i].at[k] = inside ? at : at < 0 ? 0 : in - 1;
        }
        for (int k = 0; k < TAPS; k++)
            taps[i].weight[k] = (float)(weights[k] / sum);
    }
}

// Resizes one source row to three rows of `width` floats, one per channel.
static void resize_bytes_row(const uint8_t *row, const CropTaps *taps,
                             int width, float *out)
{
    float *red = out, *green = out + width, *blue = out + 2 * width;
    for (int x = 0; x < width; x++) {
        const uint8_t *p[TAPS];
        float w[TAPS];
        for (int k = 0; k < TAPS; k++) {
            p[k] = row + 3 * taps[x].at[k];
            w[k] = taps[x].weight[k] * (1.0f / 255);
        }
        red[x] =
            w[0] * p[0][0] + w[1] * p[1][0] + w[2] * p[2][0] + w[3] * p[3][0];
        green[x] =
            w[0] * p[0][1] + w[1] * p[1][1] + w[2] * p[2][1] + w[3] * p[3][1];
        blue[x] =
            w[0] * p[0][2] + w[1] * p[1][2] + w[2] * p[2][2] + w[3] * p[3][2];
    }
}

static void resize_plane_row(const float *row, const CropTaps *taps, int width,
                             float *out)
{
    for (int x = 0; x < width; x++) {
        const CropTaps *t = &taps[x];
        out[x] = t->weight[0] * row[t->at[0]] + t->weight[1] * row[t->at[1]] +
                 t->weight[2] * row[t->at[2]] + t->weight[3] * row[t->at[3]];
    }
}

static void resize_row(const CropSource *source, CropBox box, int y,
                       const CropTaps *taps, int width, float *out)
{
    int64_t start = (int64_t)(box.y + y) * source->width + box.x;
    if (source->bytes) {
        resize_bytes_row(source->bytes + 3 * start, taps, width, out);
        return;
    }
    int64_t plane = (int64_t)source->width * source->height;
    for (int c = 0; c < 3; c++)
        resize_plane_row(source->planes + c * plane + start, taps, width,
                         out + c * width);
}

// Columns first, and only the source rows that some output row reads: the four
// latest are kept, row r in slot r mod 4, where four neighbours never collide.
static void resize_box(const CropSource *source, CropBox box, int height,
                       int width, const CropTaps *columns,
                       const CropTaps *lines, float *slots, float *out)
{
    int held[TAPS] = {-1, -1, -1, -1};
    int64_t row_size = 3 * (int64_t)width, plane = (int64_t)height * width;
    for (int y = 0; y < height; y++) {
        const float *rows[TAPS];
        for (int k = 0; k < TAPS; k++) {
            int at = lines[y].at[k], slot = at % TAPS;
            rows[k] = slots + slot * row_size;
            if (held[slot] != at) {
                resize_row(source, box, at, columns, width,
                           slots + slot * row_size);
                held[slot] = at;
            }
        }
        const float *w = lines[y].weight;
        for (int c = 0; c < 3; c++) {
            const float *a = rows[0] + c * width, *b = rows[1] + c * width;
            const float *d = rows[2] + c * width, *e = rows[3] + c * width;
            float *target = out + c * plane + (int64_t)y * width;
            for (int x = 0; x < width; x++)
                target[x] =
                    w[0] * a[x] + w[1] * b[x] + w[2] * d[x] + w[3] * e[x];
        }
    }
}

bool crop_resize(const CropSource *source, CropBox box, int height, int width,
                 float *out)
{
    CropTaps *taps = malloc(((size_t)width + (size_t)height) * sizeof *taps);
    float *slots = malloc((size_t)width * 3 * TAPS * sizeof *slots);
    if (taps && slots) {
        find_taps(box.width, width, taps);
        find_taps(box.height, height, taps + width);
        resize_box(source, box, height, width, taps, taps + width, slots, out);
    }
    bool done = taps && slots;
    free(taps);
    free(slots);
    return done;
}
