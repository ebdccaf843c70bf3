// DOTS: a product of few rows with the rows of a matrix of weights, without
// BLAS. Every sum has 16 parts, of every sixteenth product, which are added up
// at the end in pairs: the same bits for every width of vectors and every
// number of threads.
#include <string.h>

#include "runtime/base/simd.h"
#include "runtime/exec/calls.h"

// These loops must become vectors; order and rounding stay as written.
#pragma GCC optimize("O3")

enum { LANES = 16, ROWS = 4, COLS = 4 };

typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));

SIMD_BODY float add_lanes(const Lanes *lanes)
{
    float parts[LANES];
    memcpy(parts, lanes, sizeof parts);
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            parts[i] += parts[i + width];
    return parts[0];
}

// Adds the products of `count` numbers from place i on, as those of 16 of which
// the last are zeros.
SIMD_BODY void dot_step(const CallMatmul *p, const float *a, const float *b,
                        int64_t i, int64_t count, int rows, int cols,
                        Lanes sums[ROWS][COLS])
{
    size_t size = (size_t)count * sizeof *a;
    Lanes x[ROWS], w[COLS];
    if (count < LANES) {
        memset(x, 0, sizeof x);
        memset(w, 0, sizeof w);
    }
    for (int r = 0; r < rows; r++)
        memcpy(&x[r], a + r * p->lda + i, size);
    for (int c = 0; c < cols; c++)
        memcpy(&w[c], b + c * p->ldb + i, size);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++)
            sums[r][c] += x[r] * w[c];
}

// sums[r][c] of rows of a and rows of b. The step of 16 is compiled for that.
SIMD_BODY void dot_tile(const CallMatmul *p, const float *a, const float *b,
                        int rows, int cols, float *to)
{
    Lanes sums[ROWS][COLS] = {0};
    int64_t i = 0;
    for (; i + LANES <= p->k; i += LANES)
        dot_step(p, a, b, i, LANES, rows, cols, sums);
    if (i < p->k)
        dot_step(p, a, b, i, p->k - i, rows, cols, sums);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++)
            to[r * p->ldc + c] = add_lanes(&sums[r][c]);
}

// Columns first .. end-1 of c. Tiles of one size are compiled for it.
SIMD_BODY void dot_columns_loop(const CallMatmul *p, const float *a,
                                const float *b, float *c, int64_t first,
                                int64_t end)
{
    for (int64_t col = first; col < end; col += COLS) {
        int cols = (int)(end - col < COLS ? end - col : COLS);
        const float *w = b + col * p->ldb;
        for (int64_t row = 0; row < p->m; row += ROWS) {
            int rows = (int)(p->m - row < ROWS ? p->m - row : ROWS);
            const float *x = a + row * p->lda;
            float *to = c + row * p->ldc + col;
            if (rows == ROWS && cols == COLS)
                dot_tile(p, x, w, ROWS, COLS, to);
            else if (rows == 1 && cols == COLS)
                dot_tile(p, x, w, 1, COLS, to);
            else
                dot_tile(p, x, w, rows, cols, to);
        }
    }
}

SIMD_LOOP(dot_columns, (p, a, b, c, first, end), const CallMatmul *p,
          const float *a, const float *b, float *c, int64_t first, int64_t end)

void call_dots_f32(void *const *args, const int64_t *imm, int64_t task,
                   void *scratch)
{
    (void)scratch;
    CallMatmul p;
    memcpy(&p, imm, sizeof p);
    int64_t first = task * p.cols_per_task, end = first + p.cols_per_task;
    dot_columns(simd_level(), &p, args[0], args[1], args[2], first,
                end < p.n ? end : p.n);
}
