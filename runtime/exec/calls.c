// Runtime functions of abi.def, which names their integers. Tensors are NCHW,
// weights OIHW, matrices row by row. What each takes and gives, with a step's
// task count in brackets:
//
// MATMUL   a b c            [row blocks * column blocks, each rounded up]
//          c = op(a) op(b); task t computes block t / column blocks of the
//          rows and block t % column blocks of the columns of c.
// MATMULS  a b c            [products / per_task, rounded up; of one product
//          each, times its blocks]
//          The same for each index into dims, in row-major order, with
//          matrices of a and b that lie steps apart and of c one after the
//          other.
// DOTS     a[m,k] b[n,k] c[m,n]     [n / cols_per_task, rounded up]
//          c = a b'; task t makes its columns of c. In calls_dots.c.
// MATMUL_ROWS  a[m,d] b[k,d] skip[m] out[m]   [m / rows_per_task, rounded up]
//          out_i = what (PlanRows) of a_i . b_j over all j but skip_i; -1 skips
//          none.
// MATMUL_SOFTMAX  a b skip lse[m] v out  [rows of out / rows_per_task, rounded
//          up] P_ij = e^(a_i . b_j - lse_i), 0 for j = skip_i; out[m,e] = P
//          v[k,e], or with trans out[k,e] = P^T v[m,e].
// ATTENTION  q k v y                          [matrices / per_task, rounded up;
//          of one each, times blocks of rows] y[m,e+1] = softmax(scale q k') v
//          and beside it the logarithm of the sum of each row's exponentials.
// ATTENTION_GRAD_Q  q k v y dy dq             [the same]
// ATTENTION_GRAD_KV  q k v y dy out           [the same, of rows of k]
//          out[s,d+e]: the gradient by k beside that by v.
// TAKE     x numbers y                        [places / rows_per_task, rounded
//          up] y_i = the row of x that numbers_i names, zeros if none.
// TAKE_GRAD  dy numbers dx                    [rows / rows_per_task, rounded
// up]
//          dx_r = sum of the dy_i, by increasing i, whose number is r.
// RESIZE   x y                                [planes / planes_per_task,
// rounded
//          up] y[oh,ow] of each plane of x[h,w], as F.interpolate with
//          align_corners = False: nearest takes floor(i h / oh); bilinear is
//          between the two pixels about (i + 1/2) h / oh - 1/2, inside x.
// RESIZE_GRAD  dy dx                          [the same]
// CONV     x w y                             [n]: a task is an image
// CONV_GX  w dy dx                           [n]
// CONV_GW  x dy out                          [o_blocks * image_chunks]
//          out has one dw per chunk, the sum over its images in their order;
//          task t is block t % o_blocks of the chunk t / o_blocks.
//
// Scratch, in elements: of convolutions c*kh*kw * oh*ow (none at all for 1x1
// with stride 1 and no padding); of MATMUL_ROWS and _SOFTMAX a tile of
// PLAN_ROWS_TILE * PLAN_ROWS_TILE_LONG, so rows_per_task <= PLAN_ROWS_TILE; of
// ATTENTION and its gradients two of them; of RESIZE and _GRAD a row of x, and
// PLAN_RESIZE_TAP bytes for each column of y.
#include "runtime/exec/calls.h"

#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/exec/exp_rows.h"

// Rows and columns of the column matrix of one image.
static int64_t conv_taps(const CallConv *s)
{
    return s->c * s->kh * s->kw;
}

// One group of channels as a convolution by itself.
static CallConv conv_group(const CallConv *s)
{
    CallConv group = *s;
    int64_t groups = s->groups > 0 ? s->groups : 1;
    group.c /= groups;
    group.o /= groups;
    group.groups = 1;
    return group;
}

static int64_t conv_weights(const CallConv *s)
{
    return s->o * conv_taps(s);
}

static int64_t conv_area(const CallConv *s)
{
    return s->oh * s->ow;
}

// Elements of one image.
static int64_t conv_in_size(const CallConv *s)
{
    return s->c * s->h * s->w;
}

static int64_t conv_out_size(const CallConv *s)
{
    return s->o * conv_area(s);
}

// Whether the image is its own column matrix.
static bool conv_is_direct(const CallConv *s)
{
    return s->kh == 1 && s->kw == 1 && s->sh == 1 && s->sw == 1 && s->pt == 0 &&
           s->pl == 0 && s->oh == s->h && s->ow == s->w;
}

// Output rows per gemm: as many as keep the columns within a core's cache, but
// enough columns for gemm to be worth its packing of the weights. A function
// of the shape alone, for it decides the order of sums.
static int64_t conv_block_rows(const CallConv *s, int64_t element)
{
    enum { CACHE_BYTES = 1 << 20, MIN_COLUMNS = 512 };
    if (conv_is_direct(s) || s->ow == 0)
        return s->oh ? s->oh : 1;
    int64_t row_bytes = conv_taps(s) * s->ow * element;
    int64_t rows = CACHE_BYTES / (row_bytes ? row_bytes : 1);
    int64_t least = (MIN_COLUMNS + s->ow - 1) / s->ow;
    if (rows < least)
        rows = least;
    int64_t blocks = (s->oh + rows - 1) / rows;
    return blocks ? (s->oh + blocks - 1) / blocks : 1; // of like size
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

// How many of `size` there are at most from `first` to the end.
static int64_t part_of(int64_t end, int64_t first, int64_t size)
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

// The row of a table that a number names, -1 where there is none.
static int64_t row_of(double number, int64_t rows)
{
    if (!(number >= 0 && number < (double)rows))
        return -1;
    int64_t row = (int64_t)number;
    return (double)row == number ? row : -1;
}

// Which matrices a task has, and of which of their rows.
typedef struct AttentionTask {
    int64_t first, end, row, row_end;
} AttentionTask;

static AttentionTask attention_task(const CallAttention *in, int64_t rows,
                                    int64_t task)
{
    int64_t blocks = (rows + in->rows_per_task - 1) / in->rows_per_task;
    AttentionTask t = {.first = task / blocks * in->per_task,
                       .row = task % blocks * in->rows_per_task};
    t.end = t.first + part_of(in->count, t.first, in->per_task);
    t.row_end = t.row + part_of(rows, t.row, in->rows_per_task);
    return t;
}

#define T       float
#define NAME(x) x##_f32
#define gemm    cblas_sgemm
#define LOG     logf
#include "runtime/exec/calls_body.h"
#include "runtime/exec/calls_rows_body.h"
#include "runtime/exec/calls_index_body.h"
#include "runtime/exec/calls_attention_body.h"
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
#include "runtime/exec/calls_index_body.h"
#include "runtime/exec/calls_attention_body.h"
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

const char *calls_core_instead(const char *core, CpuSet has)
{
    // Its cores without 256-bit vectors, as OpenBLAS 0.3 names them.
    static const char *const old[] = {
        "Katmai", "Coppermine", "Northwood",    "Prescott",   "Banias",
        "Atom",   "Core2",      "Penryn",       "Dunnington", "Nehalem",
        "Athlon", "Opteron",    "Opteron_SSE3", "Barcelona",  "Bobcat",
        "Nano",   "Unknown"};
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
        if (strcmp(core, old[i]) != 0)
            continue;
        if (!(cpu_level(4) & ~has))
            return "SkylakeX";
        return cpu_level(3) & ~has ? NULL : "Haswell";
    }
    return NULL;
}

const char *calls_better_core(void)
{
    return getenv(BLAS_CORE)
               ? NULL
               : calls_core_instead(openblas_get_corename(), cpu_here());
}

void calls_restart_for_blas(char **argv)
{
    const char *core = calls_better_core();
    char path[4096]; // by its own name, which `ps` shows
    ssize_t length = core ? readlink("/proc/self/exe", path, sizeof path) : -1;
    if (length <= 0 || (size_t)length == sizeof path ||
        setenv(BLAS_CORE, core, 1) != 0)
        return;
    path[length] = 0;
    execv(path, argv); // or goes on as it is
}

void calls_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, limit_threads);
}

static const struct CallRow {
    PlanKernel *function;
    const char *name;
    size_t imms;
    int args;
} calls[] = {
#define CALL(id, function, imms, args, doc)                                    \
    {function, #function, (imms) / sizeof(int64_t), args},
#include "runtime/exec/abi.def"
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
    return (int)calls[call].imms;
}

bool call_uses_blas(PlanCall call)
{
    switch (call) {
    case PLAN_CALL_DOTS_F32:
    case PLAN_CALL_TAKE_F32:
    case PLAN_CALL_TAKE_F64:
    case PLAN_CALL_TAKE_GRAD_F32:
    case PLAN_CALL_TAKE_GRAD_F64:
    case PLAN_CALL_RESIZE_F32:
    case PLAN_CALL_RESIZE_F64:
    case PLAN_CALL_RESIZE_GRAD_F32:
    case PLAN_CALL_RESIZE_GRAD_F64:
        return false;
    default:
        return !call_is_collective(call);
    }
}

int call_arg_count(PlanCall call)
{
    return calls[call].args;
}
