// The functions of abi.def for one element type. Included by calls.c once per
// type, with T (the type), NAME(x) (x with the type's suffix) and BLAS(x) (the
// cblas function of that type) defined; no include guard for that reason.

// c[rows] = op(a)[rows] op(b); see calls.c for the layout of imm.
void NAME(call_matmul)(void *const *args, const int64_t *imm, int64_t task,
                       void *scratch)
{
    (void)scratch;
    int64_t m = imm[0], n = imm[1], k = imm[2], lda = imm[5];
    int64_t first = task * imm[8];
    int64_t rows = m - first < imm[8] ? m - first : imm[8];
    if (rows <= 0)
        return;
    const T *a = (const T *)args[0] + first * (imm[3] ? 1 : lda);
    BLAS(gemm)
    (CblasRowMajor, imm[3] ? CblasTrans : CblasNoTrans,
     imm[4] ? CblasTrans : CblasNoTrans, (int)rows, (int)n, (int)k, 1, a,
     (int)lda, args[1], (int)imm[6], 0, (T *)args[2] + first * imm[7],
     (int)imm[7]);
}

// One row of the column matrix: the input row seen by one tap, from output
// column 0 to ow. `start` is the input column under output column 0.
static void NAME(copy_taps)(T *to, const T *row, int64_t width, int64_t ow,
                            int64_t stride, int64_t start)
{
    TapRange range = tap_range(width, ow, stride, start);
    memset(to, 0, (size_t)range.first * sizeof *to);
    const T *from = row + start + range.first * stride;
    if (stride == 1)
        memcpy(to + range.first, from,
               (size_t)(range.end - range.first) * sizeof *to);
    else
        for (int64_t x = range.first; x < range.end; x++, from += stride)
            to[x] = *from;
    memset(to + range.end, 0, (size_t)(ow - range.end) * sizeof *to);
}

// columns[(channel, ky, kx)][(oy, ox)] for output rows first .. first+rows-1.
static void NAME(im2col)(const Conv *conv, const T *image, int64_t first,
                         int64_t rows, T *columns)
{
    for (int64_t c = 0; c < conv->c; c++, image += conv->h * conv->w)
        for (int64_t tap = 0; tap < conv->kh * conv->kw; tap++) {
            int64_t start = tap % conv->kw - conv->pl;
            int64_t y = first * conv->sh + tap / conv->kw - conv->pt;
            for (int64_t r = 0; r < rows; r++, y += conv->sh) {
                if (y < 0 || y >= conv->h)
                    memset(columns, 0, (size_t)conv->ow * sizeof *columns);
                else
                    NAME(copy_taps)
                    (columns, image + y * conv->w, conv->w, conv->ow, conv->sw,
                     start);
                columns += conv->ow;
            }
        }
}

// The transpose of im2col: adds every column to the pixels it was read from.
static void NAME(col2im)(const Conv *conv, const T *columns, int64_t first,
                         int64_t rows, T *image)
{
    for (int64_t c = 0; c < conv->c; c++, image += conv->h * conv->w)
        for (int64_t tap = 0; tap < conv->kh * conv->kw; tap++) {
            int64_t start = tap % conv->kw - conv->pl;
            int64_t y = first * conv->sh + tap / conv->kw - conv->pt;
            TapRange range = tap_range(conv->w, conv->ow, conv->sw, start);
            for (int64_t r = 0; r < rows; r++, y += conv->sh) {
                if (y >= 0 && y < conv->h) {
                    T *to = image + y * conv->w;
                    for (int64_t x = range.first; x < range.end; x++)
                        to[start + x * conv->sw] += columns[x];
                }
                columns += conv->ow;
            }
        }
}

// y = W * columns(x), a block of output rows at a time so that the columns are
// still in cache when gemm reads them.
static void NAME(conv_image)(const Conv *conv, const T *x, const T *w, T *y,
                             T *columns)
{
    int64_t taps = conv->c * conv->kh * conv->kw, area = conv->oh * conv->ow;
    int64_t step = conv_block_rows(conv, sizeof(T));
    for (int64_t first = 0; first < conv->oh; first += step) {
        int64_t rows = conv->oh - first < step ? conv->oh - first : step;
        const T *b = x;
        if (!conv->direct) {
            NAME(im2col)(conv, x, first, rows, columns);
            b = columns;
        }
        int size = (int)(rows * conv->ow);
        BLAS(gemm)
        (CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)conv->o, size,
         (int)taps, 1, w, (int)taps, b, size, 0, y + first * conv->ow,
         (int)area);
    }
}

void NAME(call_conv)(void *const *args, const int64_t *imm, int64_t task,
                     void *scratch)
{
    Conv conv = conv_read(imm);
    int64_t in = conv.c * conv.h * conv.w, out = conv.o * conv.oh * conv.ow;
    const T *x = args[0];
    T *y = args[2];
    for (int64_t i = conv_first(&conv, task); i < conv_first(&conv, task + 1);
         i++)
        NAME(conv_image)(&conv, x + i * in, args[1], y + i * out, scratch);
}

// dx = im2col^T(W^T dy): every tap's share of the gradient, added where the
// tap was read.
static void NAME(conv_gx_image)(const Conv *conv, const T *w, const T *dy,
                                T *dx, T *columns)
{
    int64_t taps = conv->c * conv->kh * conv->kw, area = conv->oh * conv->ow;
    int64_t step = conv_block_rows(conv, sizeof(T));
    if (!conv->direct)
        memset(dx, 0, (size_t)(conv->c * conv->h * conv->w) * sizeof *dx);
    for (int64_t first = 0; first < conv->oh; first += step) {
        int64_t rows = conv->oh - first < step ? conv->oh - first : step;
        int size = (int)(rows * conv->ow);
        BLAS(gemm)
        (CblasRowMajor, CblasTrans, CblasNoTrans, (int)taps, size, (int)conv->o,
         1, w, (int)taps, dy + first * conv->ow, (int)area, 0,
         conv->direct ? dx : columns, size);
        if (!conv->direct)
            NAME(col2im)(conv, columns, first, rows, dx);
    }
}

void NAME(call_conv_gx)(void *const *args, const int64_t *imm, int64_t task,
                        void *scratch)
{
    Conv conv = conv_read(imm);
    int64_t in = conv.c * conv.h * conv.w, out = conv.o * conv.oh * conv.ow;
    const T *dy = args[1];
    T *dx = args[2];
    for (int64_t i = conv_first(&conv, task); i < conv_first(&conv, task + 1);
         i++)
        NAME(conv_gx_image)(&conv, args[0], dy + i * out, dx + i * in, scratch);
}

// dw[rows of o] += dy columns(x)^T for one image; `beta` 0 starts the sum.
static void NAME(conv_gw_image)(const Conv *conv, const T *x, const T *dy,
                                int64_t o_rows, T *dw, T *columns, T beta)
{
    int64_t taps = conv->c * conv->kh * conv->kw, area = conv->oh * conv->ow;
    int64_t step = conv_block_rows(conv, sizeof(T));
    for (int64_t first = 0; first < conv->oh; first += step, beta = 1) {
        int64_t rows = conv->oh - first < step ? conv->oh - first : step;
        const T *b = x;
        if (!conv->direct) {
            NAME(im2col)(conv, x, first, rows, columns);
            b = columns;
        }
        int size = (int)(rows * conv->ow);
        BLAS(gemm)
        (CblasRowMajor, CblasNoTrans, CblasTrans, (int)o_rows, (int)taps, size,
         1, dy + first * conv->ow, (int)area, b, size, beta, dw, (int)taps);
    }
}

void NAME(call_conv_gw)(void *const *args, const int64_t *imm, int64_t task,
                        void *scratch)
{
    Conv conv = conv_read(imm);
    int64_t o_blocks = imm[14], chunks = imm[15];
    int64_t chunk = task / o_blocks, block = task % o_blocks;
    int64_t in = conv.c * conv.h * conv.w, area = conv.oh * conv.ow;
    int64_t taps = conv.c * conv.kh * conv.kw;
    int64_t o_first = block * conv.o / o_blocks;
    int64_t o_rows = (block + 1) * conv.o / o_blocks - o_first;
    int64_t first = chunk * conv.n / chunks,
            end = (chunk + 1) * conv.n / chunks;
    const T *x = args[0], *dy = args[1];
    T *dw = (T *)args[2] + (chunk * conv.o + o_first) * taps;
    if (o_rows <= 0)
        return;
    if (first == end || area == 0)
        memset(dw, 0, (size_t)(o_rows * taps) * sizeof *dw);
    for (int64_t i = first; i < end; i++)
        NAME(conv_gw_image)
        (&conv, x + i * in, dy + (i * conv.o + o_first) * area, o_rows, dw,
         scratch, i > first);
}
