// The functions of abi.def for one element type. Included by calls.c once per
// type, with T (the type), NAME(x) (x with the type's suffix) and gemm (the
// cblas function of that type) defined; no include guard for that reason.

#define copy_taps     NAME(copy_taps)
#define im2col        NAME(im2col)
#define col2im        NAME(col2im)
#define conv_image    NAME(conv_image)
#define conv_gx_image NAME(conv_gx_image)
#define conv_gw_image NAME(conv_gw_image)

// c[rows, cols] = op(a)[rows] op(b)[cols]; see calls.c for the layout of imm.
void NAME(call_matmul)(void *const *args, const int64_t *imm, int64_t task,
                       void *scratch)
{
    (void)scratch;
    int64_t m = imm[0], n = imm[1], k = imm[2], lda = imm[5], ldb = imm[6];
    int64_t blocks = (n + imm[9] - 1) / imm[9];
    int64_t row = task / blocks * imm[8], col = task % blocks * imm[9];
    int64_t rows = m - row < imm[8] ? m - row : imm[8];
    int64_t cols = n - col < imm[9] ? n - col : imm[9];
    if (rows <= 0)
        return;
    const T *a = (const T *)args[0] + row * (imm[3] ? 1 : lda);
    const T *b = (const T *)args[1] + col * (imm[4] ? ldb : 1);
    gemm(CblasRowMajor, imm[3] ? CblasTrans : CblasNoTrans,
         imm[4] ? CblasTrans : CblasNoTrans, (int)rows, (int)cols, (int)k, 1, a,
         (int)lda, b, (int)ldb, 0, (T *)args[2] + row * imm[7] + col,
         (int)imm[7]);
}

// One row of the column matrix: the input row seen by one tap, from output
// column 0 to ow. `start` is the input column under output column 0.
static void copy_taps(T *to, const T *row, int64_t width, int64_t ow,
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
static void im2col(const Conv *conv, const T *image, int64_t first,
                   int64_t rows, T *columns)
{
    T *to = columns;
    for (int64_t c = 0; c < conv->c; c++, image += conv->h * conv->w)
        for (int64_t tap = 0; tap < conv->kh * conv->kw; tap++) {
            int64_t start = tap % conv->kw - conv->pl;
            int64_t y = first * conv->sh + tap / conv->kw - conv->pt;
            for (int64_t r = 0; r < rows; r++, y += conv->sh, to += conv->ow)
                if (y < 0 || y >= conv->h)
                    memset(to, 0, (size_t)conv->ow * sizeof *to);
                else
                    copy_taps(to, image + y * conv->w, conv->w, conv->ow,
                              conv->sw, start);
        }
}

// The transpose of im2col: adds every column to the pixels it was read from.
static void col2im(const Conv *conv, const T *columns, int64_t first,
                   int64_t rows, T *image)
{
    const T *from = columns;
    for (int64_t c = 0; c < conv->c; c++, image += conv->h * conv->w)
        for (int64_t tap = 0; tap < conv->kh * conv->kw; tap++) {
            int64_t start = tap % conv->kw - conv->pl;
            int64_t y = first * conv->sh + tap / conv->kw - conv->pt;
            TapRange range = tap_range(conv->w, conv->ow, conv->sw, start);
            for (int64_t r = 0; r < rows;
                 r++, y += conv->sh, from += conv->ow) {
                if (y < 0 || y >= conv->h)
                    continue;
                T *to = image + y * conv->w;
                for (int64_t x = range.first; x < range.end; x++)
                    to[start + x * conv->sw] += from[x];
            }
        }
}

// y = W * columns(x), a block of output rows at a time so that the columns are
// still in cache when gemm reads them.
static void conv_image(const Conv *conv, const T *x, const T *w, T *y,
                       T *columns)
{
    int64_t step = conv_block_rows(conv, sizeof(T));
    for (int64_t first = 0; first < conv->oh; first += step) {
        int64_t rows = conv->oh - first < step ? conv->oh - first : step;
        int64_t size = rows * conv->ow;
        const T *b = x;
        if (!conv->direct) {
            im2col(conv, x, first, rows, columns);
            b = columns;
        }
        gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)conv->o, (int)size,
             (int)conv->taps, 1, w, (int)conv->taps, b, (int)size, 0,
             y + first * conv->ow, (int)conv->area);
    }
}

void NAME(call_conv)(void *const *args, const int64_t *imm, int64_t task,
                     void *scratch)
{
    Conv conv = conv_read(imm);
    const T *x = (const T *)args[0] + task * conv.in_size;
    T *y = (T *)args[2] + task * conv.out_size;
    if (task < conv.n)
        conv_image(&conv, x, args[1], y, scratch);
}

// dx = im2col^T(W^T dy): every tap's share of the gradient, added where the
// tap was read.
static void conv_gx_image(const Conv *conv, const T *w, const T *dy, T *dx,
                          T *columns)
{
    int64_t step = conv_block_rows(conv, sizeof(T));
    if (!conv->direct)
        memset(dx, 0, (size_t)conv->in_size * sizeof *dx);
    for (int64_t first = 0; first < conv->oh; first += step) {
        int64_t rows = conv->oh - first < step ? conv->oh - first : step;
        int64_t size = rows * conv->ow;
        gemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)conv->taps,
             (int)size, (int)conv->o, 1, w, (int)conv->taps,
             dy + first * conv->ow, (int)conv->area, 0,
             conv->direct ? dx : columns, (int)size);
        if (!conv->direct)
            col2im(conv, columns, first, rows, dx);
    }
}

void NAME(call_conv_gx)(void *const *args, const int64_t *imm, int64_t task,
                        void *scratch)
{
    Conv conv = conv_read(imm);
    const T *dy = (const T *)args[1] + task * conv.out_size;
    T *dx = (T *)args[2] + task * conv.in_size;
    if (task < conv.n)
        conv_gx_image(&conv, args[0], dy, dx, scratch);
}

// dw[rows of o] += dy columns(x)^T for one image; `beta` 0 starts the sum.
static void conv_gw_image(const Conv *conv, const T *x, const T *dy,
                          int64_t o_rows, T *dw, T *columns, T beta)
{
    int64_t step = conv_block_rows(conv, sizeof(T));
    for (int64_t first = 0; first < conv->oh; first += step, beta = 1) {
        int64_t rows = conv->oh - first < step ? conv->oh - first : step;
        int64_t size = rows * conv->ow;
        const T *b = x;
        if (!conv->direct) {
            im2col(conv, x, first, rows, columns);
            b = columns;
        }
        gemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)o_rows,
             (int)conv->taps, (int)size, 1, dy + first * conv->ow,
             (int)conv->area, b, (int)size, beta, dw, (int)conv->taps);
    }
}

void NAME(call_conv_gw)(void *const *args, const int64_t *imm, int64_t task,
                        void *scratch)
{
    Conv conv = conv_read(imm);
    int64_t o_blocks = imm[13], chunks = imm[14];
    int64_t chunk = task / o_blocks, block = task % o_blocks;
    int64_t o_first = block * conv.o / o_blocks;
    int64_t o_rows = (block + 1) * conv.o / o_blocks - o_first;
    int64_t begin = chunk * conv.n / chunks;
    int64_t end = (chunk + 1) * conv.n / chunks;
    const T *dy = (const T *)args[1] + o_first * conv.area;
    T *dw = (T *)args[2] + (chunk * conv.o + o_first) * conv.taps;
    if (o_rows <= 0)
        return;
    if (begin == end || conv.area == 0)
        memset(dw, 0, (size_t)(o_rows * conv.taps) * sizeof *dw);
    for (int64_t i = begin; i < end; i++)
        conv_gw_image(&conv, (const T *)args[0] + i * conv.in_size,
                      dy + i * conv.out_size, o_rows, dw, scratch, i > begin);
}

#undef copy_taps
#undef im2col
#undef col2im
#undef conv_image
#undef conv_gx_image
#undef conv_gw_image
