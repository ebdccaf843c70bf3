// MATMUL_ROWS and MATMUL_SOFTMAX for one element type. Included by calls.c
// as calls_body.h is; the functions of exp_rows.h come by NAME(row_...).

#define rows_tile     NAME(rows_tile)
#define lse_task      NAME(lse_task)
#define max_task      NAME(max_task)
#define entropy_task  NAME(entropy_task)
#define weights_tile  NAME(weights_tile)
#define softmax_rows  NAME(softmax_rows)
#define softmax_trans NAME(softmax_trans)
#define RowState      NAME(RowState)

// tile[rows, cols] = a[row ..] b[col ..]^T, -infinity where left out.
static void rows_tile(const CallRows *r, void *const *args, int64_t row,
                      int64_t rows, int64_t col, int64_t cols, T *tile)
{
    const T *a = (const T *)args[0] + row * r->d;
    const T *b = (const T *)args[1] + col * r->d;
    const T *skip = (const T *)args[2] + row;
    gemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)cols,
         (int)r->d, 1, a, (int)r->d, b, (int)r->d, 0, tile, (int)cols);
    for (int64_t i = 0; i < rows; i++) {
        int64_t j = skipped((double)skip[i], col, cols);
        if (j >= 0)
            tile[i * cols + j] = (T)-INFINITY;
    }
}

// A row's largest number so far and the sum of e^(x - largest).
typedef struct RowState {
    T top;
    double sum;
} RowState;

// out = log sum e^x, by a running maximum (Milakov and Gimelshein, 1805.02867).
static void lse_task(const CallRows *r, void *const *args, int64_t row,
                     int64_t rows, T *tile, T *out)
{
    RowState state[PLAN_ROWS_TILE];
    for (int64_t i = 0; i < rows; i++)
        state[i] = (RowState){(T)-INFINITY, 0};
    for (int64_t col = 0; col < r->k; col += PLAN_ROWS_TILE_LONG) {
        int64_t cols = part_of(r->k, col, PLAN_ROWS_TILE_LONG);
        rows_tile(r, args, row, rows, col, cols, tile);
        for (int64_t i = 0; i < rows; i++) {
            const T *x = tile + i * cols;
            T top = NAME(row_max)(x, cols), before = state[i].top;
            top = top > before ? top : before;
            // With nothing but -infinity and NaN yet, any shift will do.
            T shift = isinf(top) && top < 0 ? 0 : top;
            if (top > before)
                state[i].sum *= exp((double)before - (double)shift);
            state[i].sum += (double)NAME(row_sum_exp)(x, cols, shift);
            state[i].top = top;
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        double top = (double)state[i].top;
        double base = isinf(top) && top < 0 ? 0 : top;
        out[i] = (T)(log(state[i].sum) + base);
    }
}

static void max_task(const CallRows *r, void *const *args, int64_t row,
                     int64_t rows, T *tile, T *out)
{
    for (int64_t i = 0; i < rows; i++)
        out[i] = (T)-INFINITY;
    for (int64_t col = 0; col < r->k; col += PLAN_ROWS_TILE_LONG) {
        int64_t cols = part_of(r->k, col, PLAN_ROWS_TILE_LONG);
        rows_tile(r, args, row, rows, col, cols, tile);
        for (int64_t i = 0; i < rows; i++) {
            T top = NAME(row_max)(tile + i * cols, cols);
            out[i] = isnan(out[i]) || top <= out[i] ? out[i] : top;
        }
    }
}

// Two rounds over the columns: the guard needs p itself, not its multiple.
static void entropy_task(const CallRows *r, void *const *args, int64_t row,
                         int64_t rows, T *tile, T *out, T guard)
{
    T lse[PLAN_ROWS_TILE];
    double sums[PLAN_ROWS_TILE] = {0};
    lse_task(r, args, row, rows, tile, lse);
    for (int64_t col = 0; col < r->k; col += PLAN_ROWS_TILE_LONG) {
        int64_t cols = part_of(r->k, col, PLAN_ROWS_TILE_LONG);
        rows_tile(r, args, row, rows, col, cols, tile);
        for (int64_t i = 0; i < rows; i++) {
            T *p = tile + i * cols;
            NAME(row_exp)(p, cols, lse[i]);
            for (int64_t j = 0; j < cols; j++)
                if (p[j] != 0) // also where it is NaN
                    sums[i] += (double)(p[j] * LOG(p[j] + guard));
        }
    }
    for (int64_t i = 0; i < rows; i++)
        out[i] = (T)-sums[i];
}

void NAME(call_matmul_rows)(void *const *args, const int64_t *imm, int64_t task,
                            void *scratch)
{
    CallMatmulRows in;
    memcpy(&in, imm, sizeof in);
    const CallRows *r = &in.rows;
    int64_t row = task * r->rows_per_task;
    int64_t rows = part_of(r->m, row, r->rows_per_task);
    T *out = (T *)args[3] + row;
    if (rows <= 0)
        return;
    if (in.what == PLAN_ROWS_LSE)
        lse_task(r, args, row, rows, scratch, out);
    else if (in.what == PLAN_ROWS_MAX)
        max_task(r, args, row, rows, scratch, out);
    else
        entropy_task(r, args, row, rows, scratch, out, (T)in.guard);
}

// tile = e^(a b^T - lse), 0 where left out.
static void weights_tile(const CallRows *r, void *const *args, int64_t row,
                         int64_t rows, int64_t col, int64_t cols, T *tile)
{
    const T *skip = (const T *)args[2] + row, *lse = (const T *)args[3] + row;
    rows_tile(r, args, row, rows, col, cols, tile);
    for (int64_t i = 0; i < rows; i++) {
        int64_t j = skipped((double)skip[i], col, cols);
        NAME(row_exp)(tile + i * cols, cols, lse[i]);
        if (j >= 0)
            tile[i * cols + j] = 0;
    }
}

// out[rows of a] = P v
static void softmax_rows(const CallMatmulSoftmax *in, void *const *args,
                         int64_t row, int64_t rows, T *tile)
{
    const CallRows *r = &in->rows;
    const T *v = (const T *)args[4];
    for (int64_t col = 0; col < r->k; col += PLAN_ROWS_TILE_LONG) {
        int64_t cols = part_of(r->k, col, PLAN_ROWS_TILE_LONG);
        weights_tile(r, args, row, rows, col, cols, tile);
        gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)in->e,
             (int)cols, 1, tile, (int)cols, v + col * in->e, (int)in->e,
             col ? 1 : 0, (T *)args[5] + row * in->e, (int)in->e);
    }
}

// out[rows of b] = P^T v
static void softmax_trans(const CallMatmulSoftmax *in, void *const *args,
                          int64_t col, int64_t cols, T *tile)
{
    const CallRows *r = &in->rows;
    const T *v = (const T *)args[4];
    for (int64_t row = 0; row < r->m; row += PLAN_ROWS_TILE_LONG) {
        int64_t rows = part_of(r->m, row, PLAN_ROWS_TILE_LONG);
        weights_tile(r, args, row, rows, col, cols, tile);
        gemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)cols, (int)in->e,
             (int)rows, 1, tile, (int)cols, v + row * in->e, (int)in->e,
             row ? 1 : 0, (T *)args[5] + col * in->e, (int)in->e);
    }
}

void NAME(call_matmul_softmax)(void *const *args, const int64_t *imm,
                               int64_t task, void *scratch)
{
    CallMatmulSoftmax in;
    memcpy(&in, imm, sizeof in);
    int64_t first = task * in.rows.rows_per_task;
    int64_t count =
        part_of(in.trans ? in.rows.k : in.rows.m, first, in.rows.rows_per_task);
    if (count > 0 && in.trans)
        softmax_trans(&in, args, first, count, scratch);
    else if (count > 0)
        softmax_rows(&in, args, first, count, scratch);
}

#undef rows_tile
#undef lse_task
#undef max_task
#undef entropy_task
#undef weights_tile
#undef softmax_rows
#undef softmax_trans
#undef RowState
