// In steps, each for what the one before leaves. What the pictures look like
// from far, 8 x 8 colors without their mean, is compared for all pairs, as one
// matrix product by tiles: copies that moved by a twentieth of the width are
// still alike. Then details of 16 x 16 and of 32 x 32 grey cells are laid over
// each other at every shift of a few cells, and last with one of them stretched
// as a crop would. Scenes of one kind, ships on a horizon, agree from far and
// along one axis of their details; only copies agree along both.
#include "runtime/data/pictures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/simd.h"
#include "runtime/exec/calls.h"

enum {
    FAR = 8,               // cells of a side
    LOOK = 3 * FAR * FAR,  // numbers of a look
    SIDE = 32,             // cells of the details
    DETAILS = SIDE * SIDE, //
    HALF = SIDE / 2,       // cells of the rough details
    ROUGH = HALF * HALF,   //
    MOST_SHIFT = 4,        // of the fine cells
    STRETCHES = 5,         // of a side
    TILE = 512,            // images at a time
    SHARPEST = 127,        // the largest detail, as stored
};

// Judged by eye: of 80 of the 927 pairs these find in CIFAR-10, 79 are one
// photo, or two of one moment; so are 29 of 30 in TrashNet.
static const double least_look = 0.8;
// Where more pairs are alike, as digits are, a look tells nothing.
static const int64_t most_alike = 5000000;
static const double least_rough = 0.35;   // at the best shift
static const double least_shifted = 0.55; // worth a stretch
static const double least_details = 0.8;  // in the end, along both axes
// A stretch makes round things alike, too.
static const double least_stretched = 0.85;
// Of few details, a bottle's neck from above, in how many cells; and what these
// need to be a copy.
static const double least_spread = 180, least_simple = 0.9;
// Root mean square below which details are what JPEG leaves of a flat area.
static const double least_contrast = 2.0;
static const double stretches[STRETCHES] = {1, 0.95, 1.05, 0.9, 1.1};

struct Pictures {
    int64_t count;
    float *looks;    // [count, LOOK], of length 1, or 0
    int8_t *details; // [count, SIDE, SIDE]
    int8_t *rough;   // [count, HALF, HALF]
    float *spread;   // [count]: in how many cells they are; 0 = has none
};

Status pictures_new(int64_t count, Pictures **result)
{
    size_t room = (size_t)count + 1;
    Pictures *pictures = calloc(1, sizeof *pictures);
    if (pictures) {
        *pictures = (Pictures){
            .count = count,
            .looks = calloc(room * LOOK, sizeof *pictures->looks),
            .details = calloc(room * DETAILS, sizeof *pictures->details),
            .rough = calloc(room * ROUGH, sizeof *pictures->rough),
            .spread = calloc(room, sizeof *pictures->spread)};
        if (pictures->looks && pictures->details && pictures->rough &&
            pictures->spread) {
            *result = pictures;
            return status_ok();
        }
    }
    pictures_free(pictures);
    return status_error(STATUS_MEMORY, "no memory to compare %lld images",
                        (long long)count);
}

void pictures_free(Pictures *pictures)
{
    if (!pictures)
        return;
    free(pictures->looks);
    free(pictures->details);
    free(pictures->rough);
    free(pictures->spread);
    free(pictures);
}

// ---- one picture ------------------------------------------------------------

void image_shrink(const Image *image, int columns, int rows, double *cells)
{
    for (int cell = 0; cell < columns * rows; cell++) {
        int column = cell % columns, row = cell / columns;
        int left = (int)((int64_t)column * image->width / columns);
        int right = (int)((int64_t)(column + 1) * image->width / columns);
        int top = (int)((int64_t)row * image->height / rows);
        int bottom = (int)((int64_t)(row + 1) * image->height / rows);
        right += right == left;
        bottom += bottom == top;
        int64_t sums[3] = {0};
        for (int y = top; y < bottom; y++)
            for (int x = left; x < right; x++)
                for (int c = 0; c < 3; c++)
                    sums[c] +=
                        image->pixels[3 * ((int64_t)y * image->width + x) + c];
        double area = (double)(right - left) * (bottom - top);
        for (int c = 0; c < 3; c++)
            cells[3 * cell + c] = (double)sums[c] / area;
    }
}

// Each color's difference from its mean, all together of length 1.
static void take_look(const Image *image, float *look)
{
    double cells[LOOK], means[3] = {0}, squares = 0;
    image_shrink(image, FAR, FAR, cells);
    for (int i = 0; i < LOOK; i++)
        means[i % 3] += cells[i] / (FAR * FAR);
    for (int i = 0; i < LOOK; i++) {
        cells[i] -= means[i % 3];
        squares += cells[i] * cells[i];
    }
    double length = sqrt(squares);
    for (int i = 0; i < LOOK; i++)
        look[i] = length >= 1 ? (float)(cells[i] / length) : 0;
}

// Means over squares of 2 * reach + 1 cells; beyond the edge it is repeated.
static void blur(const double *grey, int reach, double *to)
{
    int size = 2 * reach + 1;
    for (int at = 0; at < DETAILS; at++) {
        double sum = 0;
        for (int dy = -reach; dy <= reach; dy++)
            for (int dx = -reach; dx <= reach; dx++) {
                int y = at / SIDE + dy, x = at % SIDE + dx;
                y = y < 0 ? 0 : y >= SIDE ? SIDE - 1 : y;
                x = x < 0 ? 0 : x >= SIDE ? SIDE - 1 : x;
                sum += grey[SIDE * y + x];
            }
        to[at] = sum / (size * size);
    }
}

// What two blurs differ in: neither the light nor single pixels. Scaled to use
// all of int8. Returns in how many cells it is, as (sum e)^2 / sum e^2 of the
// squares e; 0 when there is nothing to see.
static float take_details(const Image *image, int8_t *details)
{
    double cells[3 * DETAILS], grey[DETAILS], fine[DETAILS], coarse[DETAILS];
    double most = 0, squares = 0, fourths = 0;
    image_shrink(image, SIDE, SIDE, cells);
    for (int i = 0; i < DETAILS; i++)
        grey[i] = (cells[3 * i] + 2 * cells[3 * i + 1] + cells[3 * i + 2]) / 4;
    blur(grey, 1, fine);
    blur(grey, 3, coarse);
    for (int i = 0; i < DETAILS; i++) {
        fine[i] -= coarse[i];
        double square = fine[i] * fine[i];
        most = fmax(most, fabs(fine[i]));
        squares += square;
        fourths += square * square;
    }
    if (sqrt(squares / DETAILS) < least_contrast)
        return 0;
    for (int i = 0; i < DETAILS; i++)
        details[i] = (int8_t)lrint(fine[i] * SHARPEST / most);
    return (float)(squares * squares / fourths);
}

// Means of four cells.
static void take_rough(const int8_t *details, int8_t *rough)
{
    for (int y = 0; y < HALF; y++)
        for (int x = 0; x < HALF; x++) {
            const int8_t *at = details + 2 * SIDE * y + 2 * x;
            rough[HALF * y + x] =
                (int8_t)((at[0] + at[1] + at[SIDE] + at[SIDE + 1]) / 4);
        }
}

void pictures_add(Pictures *pictures, int64_t index, const Image *image)
{
    int8_t *details = pictures->details + index * DETAILS;
    take_look(image, pictures->looks + index * LOOK);
    pictures->spread[index] = take_details(image, details);
    take_rough(details, pictures->rough + index * ROUGH);
}

// ---- two pictures -----------------------------------------------------------

// The rows and columns of a, of so many cells a side, that lie over cells of b
// moved by (dy, dx).
typedef struct Overlap {
    int side, top, bottom, left, right, dy, dx;
} Overlap;

static Overlap overlap_of(int side, int dy, int dx)
{
    return (Overlap){.side = side,
                     .top = dy > 0 ? dy : 0,
                     .bottom = dy < 0 ? side + dy : side,
                     .left = dx > 0 ? dx : 0,
                     .right = dx < 0 ? side + dx : side,
                     .dy = dy,
                     .dx = dx};
}

SIMD_BODY void dot_loop(const int8_t *a, const int8_t *b, Overlap at,
                        int32_t *result)
{
    int32_t sum = 0;
    for (int y = at.top; y < at.bottom; y++) {
        const int8_t *p = a + at.side * y;
        const int8_t *q = b + at.side * (y - at.dy) - at.dx;
        for (int x = at.left; x < at.right; x++)
            sum += p[x] * q[x];
    }
    *result = sum;
}
SIMD_LOOP(dot, (a, b, at, result), const int8_t *a, const int8_t *b, Overlap at,
          int32_t *result)

// The shift of up to so many cells at which details agree best; how well, in
// *best: their correlation as if the cells beyond were like the rest.
static Overlap find_shift(SimdLevel level, const int8_t *a, const int8_t *b,
                          int side, int most, double *best)
{
    int32_t sum, aa, bb;
    Overlap found = overlap_of(side, 0, 0);
    dot(level, a, a, found, &aa);
    dot(level, b, b, found, &bb);
    double lengths = sqrt((double)aa * bb) + 1;
    *best = -1;
    for (int dy = -most; dy <= most; dy++)
        for (int dx = -most; dx <= most; dx++) {
            Overlap at = overlap_of(side, dy, dx);
            dot(level, a, b, at, &sum);
            double cells = (double)(at.bottom - at.top) * (at.right - at.left);
            double agreement = sum * (side * side / cells) / lengths;
            if (agreement > *best) {
                *best = agreement;
                found = at;
            }
        }
    return found;
}

// Correlation of the slopes along one axis, `step` cells apart.
static double slope_correlation(const int8_t *a, const int8_t *b, Overlap at,
                                int step)
{
    double ab = 0, aa = 0, bb = 0;
    for (int y = at.top; y < at.bottom - (step > 1); y++)
        for (int x = at.left; x < at.right - (step == 1); x++) {
            const int8_t *p = a + SIDE * y + x;
            const int8_t *q = b + SIDE * (y - at.dy) + x - at.dx;
            double left = p[step] - p[0], right = q[step] - q[0];
            ab += left * right;
            aa += left * left;
            bb += right * right;
        }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static double agreement(SimdLevel level, const int8_t *a, const int8_t *b)
{
    double best;
    Overlap at = find_shift(level, a, b, SIDE, MOST_SHIFT, &best);
    return fmin(slope_correlation(a, b, at, 1),
                slope_correlation(a, b, at, SIDE));
}

static double clamped(double x)
{
    return x < 0 ? 0 : x > SIDE - 1.001 ? SIDE - 1.001 : x;
}

// Details about the middle, stretched by so much along each axis.
static void stretch(const int8_t *from, double down, double across, int8_t *to)
{
    const double middle = (SIDE - 1) / 2.0;
    for (int i = 0; i < DETAILS; i++) {
        double y = clamped(middle + (i / SIDE - middle) / down);
        double x = clamped(middle + (i % SIDE - middle) / across);
        const int8_t *at = from + SIDE * (int)y + (int)x;
        double v = y - (int)y, u = x - (int)x;
        to[i] = (int8_t)lrint((1 - v) * ((1 - u) * at[0] + u * at[1]) +
                              v * ((1 - u) * at[SIDE] + u * at[SIDE + 1]));
    }
}

static bool is_same_picture(const Pictures *pictures, SimdLevel level,
                            int64_t i, int64_t k)
{
    double rough, spread = fmin(pictures->spread[i], pictures->spread[k]);
    double least = spread < least_spread ? least_simple : least_details;
    const int8_t *a = pictures->details + i * DETAILS;
    const int8_t *b = pictures->details + k * DETAILS;
    int8_t other[DETAILS];
    if (!(spread > 0))
        return false;
    find_shift(level, pictures->rough + i * ROUGH, pictures->rough + k * ROUGH,
               HALF, MOST_SHIFT / 2, &rough);
    double found = rough < least_rough ? 0 : agreement(level, a, b);
    if (found >= least || spread < least_spread)
        return found >= least;
    least = least_stretched;
    for (int s = 1;
         found >= least_shifted && found < least && s < STRETCHES * STRETCHES;
         s++) {
        stretch(b, stretches[s / STRETCHES], stretches[s % STRETCHES], other);
        found = fmax(found, agreement(level, a, other));
    }
    return found >= least;
}

// ---- all pairs --------------------------------------------------------------

// likeness[r][c] of images row + r and column + c.
static void compare_looks(const Pictures *pictures, int64_t row, int64_t column,
                          int64_t rows, int64_t columns, float *likeness)
{
    void *args[] = {pictures->looks + row * LOOK,
                    pictures->looks + column * LOOK, likeness};
    CallMatmul product = {.m = rows,
                          .n = columns,
                          .k = LOOK,
                          .trans_b = 1,
                          .lda = LOOK,
                          .ldb = LOOK,
                          .ldc = TILE,
                          .rows_per_task = TILE,
                          .cols_per_task = TILE};
    call_matmul_f32(args, (int64_t *)&product, 0, NULL);
}

// As far as the pairs of TILE images, evenly chosen, with all others tell.
static bool most_are_alike(const Pictures *pictures, float *likeness)
{
    int64_t count = pictures->count, alike = 0;
    int64_t some = count < TILE ? count : TILE;
    for (int64_t i = 0; i < some; i++)
        for (int64_t column = 0; column < count; column += TILE) {
            int64_t columns = count - column < TILE ? count - column : TILE;
            compare_looks(pictures, i * count / some, column, 1, columns,
                          likeness);
            for (int64_t c = 0; c < columns; c++)
                alike += likeness[c] >= least_look;
        }
    // Every pair is seen from both sides, and an image is like itself.
    return some > 0 && (alike - some) / 2 > most_alike / (count / some);
}

Status pictures_compare(const Pictures *pictures,
                        void (*found)(void *context, int64_t i, int64_t k),
                        void *context)
{
    int64_t count = pictures->count;
    SimdLevel level = simd_level();
    float *likeness = malloc(sizeof *likeness * TILE * TILE);
    if (!likeness)
        return status_error(STATUS_MEMORY, "no memory to compare %lld images",
                            (long long)count);
    calls_init();
    if (most_are_alike(pictures, likeness))
        count = 0;
    for (int64_t row = 0; row < count; row += TILE)
        for (int64_t column = row; column < count; column += TILE) {
            int64_t rows = count - row < TILE ? count - row : TILE;
            int64_t columns = count - column < TILE ? count - column : TILE;
            compare_looks(pictures, row, column, rows, columns, likeness);
            for (int64_t r = 0; r < rows; r++)
                for (int64_t c = 0; c < columns; c++)
                    if (likeness[r * TILE + c] >= least_look &&
                        row + r < column + c &&
                        is_same_picture(pictures, level, row + r, column + c))
                        found(context, row + r, column + c);
        }
    free(likeness);
    return status_ok();
}
