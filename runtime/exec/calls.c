// Runtime functions of abi.def. Tensors are NCHW, weights OIHW, matrices row
// by row. What each takes, with a step's task count in brackets:
//
// MATMUL   imm m n k trans_a trans_b lda ldb ldc rows_per_task cols_per_task
//          args a b c        [row blocks * column blocks, each rounded up]
//          c = op(a) op(b); task t computes block t / column blocks of the
//          rows and block t % column blocks of the columns of c.
// MATMUL_ROWS  imm m k d rows_per_task what guard
//          args a[m,d] b[k,d] skip[m] out[m]   [m / rows_per_task, rounded up]
//          out_i = what (PlanRows) of a_i . b_j over all j but skip_i; -1 skips
//          none. guard has the bits of a double, for the entropy
//          -sum p log(p + guard).
// MATMUL_SOFTMAX  imm m k d rows_per_task trans e
//          args a b skip lse[m] v out  [rows of out / rows_per_task, rounded
//          up] P_ij = e^(a_i . b_j - lse_i), 0 for j = skip_i; out[m,e] = P
//          v[k,e], or with trans out[k,e] = P^T v[m,e].
// CONV     imm n c h w o kh kw oh ow sh sw pt pl
//          args x w y                       [n]: a task is an image
// CONV_GX  imm as CONV; args w dy dx        [as CONV]
// CONV_GW  imm as CONV, then o_blocks image_chunks
//          args x dy out                    [o_blocks * image_chunks]
//          out has one dw per chunk, the sum over its images in their order;
//          task t is block t % o_blocks of the chunk t / o_blocks.
//
// pt and pl are the zero rows above and zero columns left of the image; those
// below and right follow from oh and ow. Scratch, in elements: c*kh*kw * oh*ow
// (none at all for 1x1 with stride 1 and no padding). MATMUL_ROWS and _SOFTMAX:
// a tile of PLAN_ROWS_TILE * PLAN_ROWS_TILE_LONG, so rows_per_task <=
// PLAN_ROWS_TILE.
#include "runtime/exec/calls.h"

#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/exec/exp_rows.h"

typedef struct Conv {
    int64_t n, c, h, w, o, kh, kw, oh, ow, sh, sw, pt, pl;
    int64_t taps, area;        // rows and columns of the column matrix
    int64_t in_size, out_size; // of one image
    bool direct;               // the image is its own column matrix
} Conv;

static Conv conv_read(const int64_t *imm)
{
    Conv conv = {.n = imm[0],
                 .c = imm[1],
                 .h = imm[2],
                 .w = imm[3],
                 .o = imm[4],
                 .kh = imm[5],
                 .kw = imm[6],
                 .oh = imm[7],
                 .ow = imm[8],
                 .sh = imm[9],
                 .sw = imm[10],
                 .pt = imm[11],
                 .pl = imm[12]};
    conv.taps = conv.c * conv.kh * conv.kw;
    conv.area = conv.oh * conv.ow;
    conv.in_size = conv.c * conv.h * conv.w;
    conv.out_size = conv.o * conv.area;
    conv.direct = conv.kh == 1 && conv.kw == 1 && conv.sh == 1 &&
                  conv.sw == 1 && conv.pt == 0 && conv.pl == 0 &&
                  conv.oh == conv.h && conv.ow == conv.w;
    return conv;
}

// Output rows per gemm: as many as keep the columns within a core's cache, but
// enough columns for gemm to be worth its packing of the weights. A function
// of the shape alone, for it decides the order of sums.
static int64_t conv_block_rows(const Conv *conv, int64_t element)
{
    enum { CACHE_BYTES = 1 << 20, MIN_COLUMNS = 512 };
    if (conv->direct || conv->ow == 0)
        return conv->oh ? conv->oh : 1;
    int64_t row_bytes = conv->taps * conv->ow * element;
    int64_t rows = CACHE_BYTES / (row_bytes ? row_bytes : 1);
    int64_t least = (MIN_COLUMNS + conv->ow - 1) / conv->ow;
    if (rows < least)
        rows = least;
    int64_t blocks = (conv->oh + rows - 1) / rows;
    return blocks ? (conv->oh + blocks - 1) / blocks : 1; // of like size
}

// The outputs x in [first, end) whose tap start + x * stride is inside a row.
typedef struct TapRange {
    int64_t first, end;
} TapRange;

static TapRange tap_range(int64_t width, int64_t ow, int64_t stride,
                          int64_t start)
{
    TapRange range = {0, 0};
    if (start < 0)
        range.first = (-start + stride - 1) / stride;
    if (width > start)
        range.end = (width - start + stride - 1) / stride;
    if (range.first > ow)
        range.first = ow;
    if (range.end > ow)
        range.end = ow;
    if (range.end < range.first)
        range.end = range.first;
    return range;
}

typedef struct Rows {
    int64_t m, k, d, per_task, trans, e;
    double guard;
} Rows;

static Rows rows_read(const int64_t *imm)
{
    Rows rows = {.m = imm[0],
                 .k = imm[1],
                 .d = imm[2],
                 .per_task = imm[3],
                 .trans = imm[4],
                 .e = imm[5]};
    memcpy(&rows.guard, &imm[5], sizeof rows.guard);
    return rows;
}

// How many of `size` there are at most from `first` to the end.
static int64_t rows_part(int64_t end, int64_t first, int64_t size)
{
    return end - first < size ? end - first : size;
}

// Which column of a tile is left out; -1 of none.
static int64_t skipped(double skip, int64_t col, int64_t cols)
{
    if (!(skip >= (double)col && skip < (double)(col + cols)))
        return -1;
    int64_t at = (int64_t)skip;
    return (double)at == skip ? at - col : -1;
}

#define T       float
#define NAME(x) x##_f32
#define gemm    cblas_sgemm
#define LOG     logf
#include "runtime/exec/calls_body.h"
#include "runtime/exec/calls_rows_body.h"
#undef T
#undef NAME
#undef gemm
#undef LOG

#define T       double
#define NAME(x) x##_f64
#define gemm    cblas_dgemm
#define LOG     log
#include "runtime/exec/calls_body.h"
#include "runtime/exec/calls_rows_body.h"
#undef T
#undef NAME
#undef gemm
#undef LOG

static void limit_threads(void)
{
    openblas_set_num_threads(1);
}

const char *calls_blas(void)
{
    return openblas_get_config();
}

void calls_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, limit_threads);
}

static const struct CallRow {
    PlanKernel *function;
    const char *name;
    int imms, args;
} calls[] = {
#define CALL(id, function, imms, args, doc) {function, #function, imms, args},
#include "runtime/exec/abi.def"
#undef CALL
};

PlanKernel *call_function(PlanCall call)
{
    return calls[call].function;
}

const char *call_name(PlanCall call)
{
    return calls[call].name;
}

int call_imm_count(PlanCall call)
{
    return calls[call].imms;
}

int call_arg_count(PlanCall call)
{
    return calls[call].args;
}
