// The functions of abi.def for one element type. Included by calls.c once per
// type, with T (the type), NAME(x) (x with the type's suffix) and gemm (the
// cblas function of that type) defined; no include guard for that reason.

#define product_block NAME(product_block)
#define copy_taps     NAME(copy_taps)
#define im2col        NAME(im2col)
#define col2im        NAME(col2im)
#define conv_image    NAME(conv_image)
#define conv_gx_image NAME(conv_gx_image)
#define conv_gw_image NAME(conv_gw_image)
#define conv_gw_rows  NAME(conv_gw_rows)

// Block `block` of c = op(a) op(b), of blocks numbered row by row.
static void product_block(const CallMatmul *p, int64_t block, const T *a,
                          const T *b, T *c)
{
    int64_t blocks = (p->n + p->cols_per_task - 1) / p->cols_per_task;
    int64_t row = block / blocks * p->rows_per_task;
    int64_t col = block % blocks * p->cols_per_task;
    int64_t rows = part_of(p->m, row, p->rows_per_task);
    int64_t cols = part_of(p->n, col, p->cols_per_task);
    if (rows > 0)
        gemm(CblasRowMajor, p->trans_a ? CblasTrans : CblasNoTrans,
             p->trans_b ? CblasTrans : CblasNoTrans, (int)rows, (int)cols,
             (int)p->k, 1, a + row * (p->trans_a ? 1 : p->lda), (int)p->lda,
             b + col * (p->trans_b ? p->ldb : 1), (int)p->ldb, 0,
             c + row * p->ldc + col, (int)p->ldc);
}

void NAME(call_matmul)(void *const *args, const int64_t *imm, int64_t task,
                       void *scratch)
{
    (void)scratch;
    CallMatmul p;
    memcpy(&p, imm, sizeof p);
    product_block(&p, task, args[0], args[1], args[2]);
}

void NAME(call_matmuls)(void *const *args, const int64_t *imm, int64_t task,
                        void *scratch)
{
    (void)scratch;
    CallMatmuls in;
    memcpy(&in, imm, sizeof in);
    const CallMatmul *p = &in.product;
    int64_t blocks = ((p->m + p->rows_per_task - 1) / p->rows_per_task) *
                     ((p->n + p->cols_per_task - 1) / p->cols_per_task);
    int64_t first = task / blocks * in.per_task;
    int64_t end = in.dims[0] * in.dims[1] * in.dims[2] * in.dims[3];
    end = first + part_of(end, first, in.per_task);
    for (int64_t i = first; i < end; i++) {
        const T *a = args[0], *b = args[1];
        int64_t left = i;
        for (int axis = 3; axis >= 0; left /= in.dims[axis--]) {
            a += left % in.dims[axis] * in.a_steps[axis];
            b += left % in.dims[axis] * in.b_steps[axis];
        }
        product_block(p, task % blocks, a, b, (T *)args[2] + i * p->m * p->n);
    }
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
static void im2col(const CallConv *s, const T *image, int64_t first,
                   int64_t rows, T *columns)
{
    T *to = columns;
    for (int64_t c = 0; c < s->c; c++, image += s->h * s->w)
        for (int64_t tap = 0; tap < s->kh * s->kw; tap++) {
            int64_t start = tap % s->kw * s->dw - s->pl;
            int64_t y = first * s->sh + tap / s->kw * s->dh - s->pt;
            for (int64_t r = 0; r < rows; r++, y += s->sh, to += s->ow)
                if (y < 0 || y >= s->h)
                    memset(to, 0, (size_t)s->ow * sizeof *to);
                else
                    copy_taps(to, image + y * s->w, s->w, s->ow, s->sw, start);
        }
}

// The transpose of im2col: adds every column to the pixels it was read from.
static void col2im(const CallConv *s, const T *columns, int64_t first,
                   int64_t rows, T *image)
{
    const T *from = columns;
    for (int64_t c = 0; c < s->c; c++, image += s->h * s->w)
        for (int64_t tap = 0; tap < s->kh * s->kw; tap++) {
            int64_t start = tap % s->kw * s->dw - s->pl;
            int64_t y = first * s->sh + tap / s->kw * s->dh - s->pt;
            TapRange range = tap_range(s->w, s->ow, s->sw, start);
            for (int64_t r = 0; r < rows; r++, y += s->sh, from += s->ow) {
                if (y < 0 || y >= s->h)
                    continue;
                T *to = image + y * s->w;
                for (int64_t x = range.first; x < range.end; x++)
                    to[start + x * s->sw] += from[x];
            }
        }
}

// y = W * columns(x), a block of output rows at a time so that the columns are
// still in cache when gemm reads them.
static void conv_image(const CallConv *s, const T *x, const T *w, T *y,
                       T *columns)
{
    int64_t step = conv_block_rows(s, sizeof(T));
    for (int64_t first = 0; first < s->oh; first += step) {
        int64_t rows = s->oh - first < step ? s->oh - first : step;
        int64_t size = rows * s->ow;
        const T *b = x;
        if (!conv_is_direct(s)) {
            im2col(s, x, first, rows, columns);
            b = columns;
        }
        gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)s->o, (int)size,
             (int)conv_taps(s), 1, w, (int)conv_taps(s), b, (int)size, 0,
             y + first * s->ow, (int)conv_area(s));
    }
}

void NAME(call_conv)(void *const *args, const int64_t *imm, int64_t task,
                     void *scratch)
{
    CallConv conv;
    memcpy(&conv, imm, sizeof conv);
    const T *x = (const T *)args[0] + task * conv_in_size(&conv);
    T *y = (T *)args[2] + task * conv_out_size(&conv);
    CallConv group = conv_group(&conv);
    for (int64_t g = 0; task < conv.n && g < conv.groups; g++)
        conv_image(&group, x + g * conv_in_size(&group),
                   (const T *)args[1] + g * conv_weights(&group),
                   y + g * conv_out_size(&group), scratch);
}

// dx = im2col^T(W^T dy): every tap's share of the gradient, added where the
// tap was read.
static void conv_gx_image(const CallConv *s, const T *w, const T *dy, T *dx,
                          T *columns)
{
    int64_t step = conv_block_rows(s, sizeof(T));
    if (!conv_is_direct(s))
        memset(dx, 0, (size_t)conv_in_size(s) * sizeof *dx);
    for (int64_t first = 0; first < s->oh; first += step) {
        int64_t rows = s->oh - first < step ? s->oh - first : step;
        int64_t size = rows * s->ow;
        gemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)conv_taps(s),
             (int)size, (int)s->o, 1, w, (int)conv_taps(s), dy + first * s->ow,
             (int)conv_area(s), 0, conv_is_direct(s) ? dx : columns, (int)size);
        if (!conv_is_direct(s))
            col2im(s, columns, first, rows, dx);
    }
}

void NAME(call_conv_gx)(void *const *args, const int64_t *imm, int64_t task,
                        void *scratch)
{
    CallConv conv;
    memcpy(&conv, imm, sizeof conv);
    const T *dy = (const T *)args[1] + task * conv_out_size(&conv);
    T *dx = (T *)args[2] + task * conv_in_size(&conv);
    CallConv group = conv_group(&conv);
    for (int64_t g = 0; task < conv.n && g < conv.groups; g++)
        conv_gx_image(&group, (const T *)args[0] + g * conv_weights(&group),
                      dy + g * conv_out_size(&group),
                      dx + g * conv_in_size(&group), scratch);
}

// dw[rows of o] += dy columns(x)^T for one image; `beta` 0 starts the sum.
static void conv_gw_image(const CallConv *s, const T *x, const T *dy,
                          int64_t o_rows, T *dw, T *columns, T beta)
{
    int64_t step = conv_block_rows(s, sizeof(T));
    for (int64_t first = 0; first < s->oh; first += step, beta = 1) {
        int64_t rows = s->oh - first < step ? s->oh - first : step;
        int64_t size = rows * s->ow;
        const T *b = x;
        if (!conv_is_direct(s)) {
            im2col(s, x, first, rows, columns);
            b = columns;
        }
        gemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)o_rows,
             (int)conv_taps(s), (int)size, 1, dy + first * s->ow,
             (int)conv_area(s), b, (int)size, beta, dw, (int)conv_taps(s));
    }
}

// dw[rows of o] of one group, over images [begin, end). x and dy point at image
// 0: the group's first channel, and the first of the rows.
static void conv_gw_rows(const CallConv *conv, const CallConv *group,
                         const T *x, const T *dy, int64_t begin, int64_t end,
                         int64_t o_rows, T *dw, T *columns)
{
    if (begin == end || conv_area(group) == 0)
        memset(dw, 0, (size_t)(o_rows * conv_taps(group)) * sizeof *dw);
    for (int64_t i = begin; i < end; i++)
        conv_gw_image(group, x + i * conv_in_size(conv),
                      dy + i * conv_out_size(conv), o_rows, dw, columns,
                      i > begin);
}

// A task is a chunk of the images and a block: of the outputs of the one group,
// or of the groups.
void NAME(call_conv_gw)(void *const *args, const int64_t *imm, int64_t task,
                        void *scratch)
{
    CallConvGw in;
    memcpy(&in, imm, sizeof in);
    CallConv conv = in.conv, group = conv_group(&conv);
    int64_t chunk = task / in.o_blocks, block = task % in.o_blocks;
    int64_t begin = chunk * conv.n / in.image_chunks;
    int64_t end = (chunk + 1) * conv.n / in.image_chunks;
    int64_t units = conv.groups > 1 ? conv.groups : conv.o;
    int64_t first = block * units / in.o_blocks;
    int64_t count = (block + 1) * units / in.o_blocks - first;
    const T *x = args[0], *dy = args[1];
    T *dw = (T *)args[2] + chunk * conv.o * conv_taps(&group);
    if (conv.groups == 1) {
        if (count > 0)
            conv_gw_rows(&conv, &group, x, dy + first * conv_area(&conv), begin,
                         end, count, dw + first * conv_taps(&group), scratch);
        return;
    }
    for (int64_t g = first; g < first + count; g++)
        conv_gw_rows(&conv, &group, x + g * conv_in_size(&group),
                     dy + g * conv_out_size(&group), begin, end, group.o,
                     dw + g * conv_weights(&group), scratch);
}

#undef product_block
#undef copy_taps
#undef im2col
#undef col2im
#undef conv_image
#undef conv_gx_image
#undef conv_gw_image
#undef conv_gw_rows
