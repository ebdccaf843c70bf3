// ATTENTION and its gradients for one element type. Included by calls.c as
// calls_body.h is; the functions of exp_rows.h come by NAME(row_...). Products
// of queries and keys stand in tiles of at most PLAN_ROWS_TILE by
// PLAN_ROWS_TILE_LONG, of which scratch holds two.

#define Head          NAME(Head)
#define head_of       NAME(head_of)
#define score_tile    NAME(score_tile)
#define attend_rows   NAME(attend_rows)
#define row_shifts    NAME(row_shifts)
#define gradient_tile NAME(gradient_tile)
#define grad_q_rows   NAME(grad_q_rows)
#define grad_kv_rows  NAME(grad_kv_rows)

// The matrices of one place of the leading axes, and tiles.
typedef struct Head {
    const CallAttention *in;
    const T *q, *k, *v, *y, *dy;
    T *out, *tile, *other;
} Head;

static Head head_of(const CallAttention *in, void *const *args, int64_t n,
                    bool gradient, int64_t out_size, void *scratch)
{
    int64_t y_size = in->m * (in->e + 1);
    Head h = {.in = in,
              .q = (const T *)args[0] + n * in->m * in->d,
              .k = (const T *)args[1] + n * in->s * in->d,
              .v = (const T *)args[2] + n * in->s * in->e,
              .out = (T *)args[gradient ? 5 : 3] + n * out_size,
              .tile = scratch,
              .other = (T *)scratch + PLAN_ROWS_TILE * PLAN_ROWS_TILE_LONG};
    if (gradient) {
        h.y = (const T *)args[3] + n * y_size;
        h.dy = (const T *)args[4] + n * y_size;
    }
    return h;
}

// tile[rows, cols] = scale q[row ..] k[col ..]'
static void score_tile(const Head *h, int64_t row, int64_t rows, int64_t col,
                       int64_t cols)
{
    int64_t d = h->in->d;
    gemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)cols, (int)d,
         (T)h->in->scale, h->q + row * d, (int)d, h->k + col * d, (int)d, 0,
         h->tile, (int)cols);
}

// Rows of the result, by a running maximum and sum (Milakov and Gimelshein,
// 1805.02867; Dao et al., 2205.14135), and log sum e^score behind each.
static void attend_rows(const Head *h, int64_t row, int64_t rows)
{
    const CallAttention *in = h->in;
    int64_t width = in->e + 1;
    T *out = h->out + row * width, top[PLAN_ROWS_TILE];
    double sum[PLAN_ROWS_TILE];
    for (int64_t col = 0; col < in->s; col += PLAN_ROWS_TILE_LONG) {
        int64_t cols = part_of(in->s, col, PLAN_ROWS_TILE_LONG);
        score_tile(h, row, rows, col, cols);
        for (int64_t i = 0; i < rows; i++) {
            T *x = h->tile + i * cols, most = NAME(row_max)(x, cols);
            if (col > 0 && !(most > top[i]) && !isnan(most))
                most = top[i];
            if (col > 0 && most != top[i]) { // also where it is NaN
                T less = (T)exp((double)top[i] - (double)most);
                sum[i] *= (double)less;
                for (int64_t c = 0; c < in->e; c++)
                    out[i * width + c] *= less;
            }
            top[i] = most;
            sum[i] = (col ? sum[i] : 0) + (double)NAME(row_exp)(x, cols, most);
        }
        gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)in->e,
             (int)cols, 1, h->tile, (int)cols, h->v + col * in->e, (int)in->e,
             col ? 1 : 0, out, (int)width);
    }
    for (int64_t i = 0; i < rows; i++, out += width) {
        T share = (T)(1 / sum[i]);
        for (int64_t c = 0; c < in->e; c++)
            out[c] *= share;
        out[in->e] = (T)(log(sum[i]) + (double)top[i]);
    }
}

void NAME(call_attention)(void *const *args, const int64_t *imm, int64_t task,
                          void *scratch)
{
    CallAttention in;
    memcpy(&in, imm, sizeof in);
    AttentionTask t = attention_task(&in, in.m, task);
    for (int64_t n = t.first; n < t.end; n++) {
        Head h = head_of(&in, args, n, false, in.m * (in.e + 1), scratch);
        for (int64_t row = t.row; row < t.row_end; row += PLAN_ROWS_TILE)
            attend_rows(&h, row, part_of(t.row_end, row, PLAN_ROWS_TILE));
    }
}

// D_i = dO_i . O_i - dl_i
static void row_shifts(const Head *h, int64_t row, int64_t rows, T *shifts)
{
    int64_t e = h->in->e;
    const T *y = h->y + row * (e + 1), *dy = h->dy + row * (e + 1);
    for (int64_t i = 0; i < rows; i++, y += e + 1, dy += e + 1) {
        double sum = -(double)dy[e];
        for (int64_t c = 0; c < e; c++)
            sum += (double)y[c] * (double)dy[c];
        shifts[i] = (T)sum;
    }
}

// tile = P, other = scale P (dO v' - D), [rows, cols] both.
static void gradient_tile(const Head *h, int64_t row, int64_t rows, int64_t col,
                          int64_t cols, const T *shifts)
{
    int64_t e = h->in->e;
    score_tile(h, row, rows, col, cols);
    gemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)cols, (int)e,
         1, h->dy + row * (e + 1), (int)(e + 1), h->v + col * e, (int)e, 0,
         h->other, (int)cols);
    for (int64_t i = 0; i < rows; i++) {
        NAME(row_exp)(h->tile + i * cols, cols, h->y[(row + i) * (e + 1) + e]);
        NAME(row_weigh)
        (h->other + i * cols, cols, h->tile + i * cols, shifts[i],
         (T)h->in->scale);
    }
}

static void grad_q_rows(const Head *h, int64_t row, int64_t rows)
{
    int64_t d = h->in->d;
    T shifts[PLAN_ROWS_TILE];
    row_shifts(h, row, rows, shifts);
    for (int64_t col = 0; col < h->in->s; col += PLAN_ROWS_TILE_LONG) {
        int64_t cols = part_of(h->in->s, col, PLAN_ROWS_TILE_LONG);
        gradient_tile(h, row, rows, col, cols, shifts);
        gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)d,
             (int)cols, 1, h->other, (int)cols, h->k + col * d, (int)d,
             col ? 1 : 0, h->out + row * d, (int)d);
    }
}

void NAME(call_attention_grad_q)(void *const *args, const int64_t *imm,
                                 int64_t task, void *scratch)
{
    CallAttention in;
    memcpy(&in, imm, sizeof in);
    AttentionTask t = attention_task(&in, in.m, task);
    for (int64_t n = t.first; n < t.end; n++) {
        Head h = head_of(&in, args, n, true, in.m * in.d, scratch);
        for (int64_t row = t.row; row < t.row_end; row += PLAN_ROWS_TILE)
            grad_q_rows(&h, row, part_of(t.row_end, row, PLAN_ROWS_TILE));
    }
}

// That of the keys beside that of the values, over all queries in their order.
static void grad_kv_rows(const Head *h, int64_t col, int64_t cols)
{
    const CallAttention *in = h->in;
    int64_t width = in->d + in->e;
    T *out = h->out + col * width, shifts[PLAN_ROWS_TILE_LONG];
    for (int64_t row = 0; row < in->m; row += PLAN_ROWS_TILE_LONG) {
        int64_t rows = part_of(in->m, row, PLAN_ROWS_TILE_LONG);
        row_shifts(h, row, rows, shifts);
        gradient_tile(h, row, rows, col, cols, shifts);
        gemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)cols, (int)in->d,
             (int)rows, 1, h->other, (int)cols, h->q + row * in->d, (int)in->d,
             row ? 1 : 0, out, (int)width);
        gemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)cols, (int)in->e,
             (int)rows, 1, h->tile, (int)cols, h->dy + row * (in->e + 1),
             (int)(in->e + 1), row ? 1 : 0, out + in->d, (int)width);
    }
}

void NAME(call_attention_grad_kv)(void *const *args, const int64_t *imm,
                                  int64_t task, void *scratch)
{
    CallAttention in;
    memcpy(&in, imm, sizeof in);
    AttentionTask t = attention_task(&in, in.s, task);
    for (int64_t n = t.first; n < t.end; n++) {
        Head h = head_of(&in, args, n, true, in.s * (in.d + in.e), scratch);
        for (int64_t row = t.row; row < t.row_end; row += PLAN_ROWS_TILE)
            grad_kv_rows(&h, row, part_of(t.row_end, row, PLAN_ROWS_TILE));
    }
}

#undef Head
#undef head_of
#undef score_tile
#undef attend_rows
#undef row_shifts
#undef gradient_tile
#undef grad_q_rows
#undef grad_kv_rows
