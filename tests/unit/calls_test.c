#include "runtime/exec/calls.h"

#include <stdlib.h>

#include "runtime/base/philox.h"
#include "tests/harness.h"

// Convolutions are compared with their definition, written as plain loops in
// double; shapes cover strides, uneven padding, 1x1 and rows beyond the image.
typedef struct Shape {
    int n, c, h, w, o, kh, kw, oh, ow, sh, sw, pt, pl;
} Shape;

static const Shape shapes[] = {
    {2, 3, 7, 6, 4, 3, 3, 7, 6, 1, 1, 1, 1},
    {2, 3, 8, 7, 5, 3, 3, 4, 4, 2, 2, 0, 1},
    {3, 4, 5, 5, 6, 1, 1, 5, 5, 1, 1, 0, 0},
    {2, 4, 7, 7, 3, 1, 1, 4, 4, 2, 2, 0, 0},
    {1, 2, 9, 11, 3, 7, 7, 5, 6, 2, 2, 3, 3},
    {2, 1, 4, 5, 2, 2, 3, 3, 3, 1, 1, 0, 0},
    {1, 2, 1, 1, 2, 3, 3, 1, 1, 1, 1, 1, 1},
    {1, 1, 3, 3, 1, 3, 3, 2, 2, 3, 3, 2, 2},
    {1, 2, 5, 5, 2, 1, 1, 7, 7, 1, 1, 1, 1},
    {1, 1, 2, 2, 1, 5, 5, 2, 2, 1, 1, 2, 2},
    // 360 taps of 4200 columns: several blocks of output rows.
    {1, 40, 70, 60, 3, 3, 3, 70, 60, 1, 1, 1, 1},
};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

// x[n][c][oy*sh - pt + ky][...] under output (oy, ox) and tap (ky, kx); -1
// where the tap falls outside the image.
static int tap_index(const Shape *s, int n, int c, int oy, int ox, int ky,
                     int kx)
{
    int y = oy * s->sh - s->pt + ky, x = ox * s->sw - s->pl + kx;
    if (y < 0 || y >= s->h || x < 0 || x >= s->w)
        return -1;
    return ((n * s->c + c) * s->h + y) * s->w + x;
}

typedef struct Case {
    Shape s;
    CallConvGw imm; // CallConv is its beginning
    int nx, nw, ny;
    double *x, *w, *y;                // inputs
    double *want_y, *want_x, *want_w; // from the definition
} Case;

static double *numbers(int count, uint64_t name)
{
    double *values = malloc(sizeof *values * (size_t)(count ? count : 1));
    RandomStream stream = random_stream(5, name, 0, 0, 0);
    for (int i = 0; i < count; i++)
        values[i] = (float)random_range(&stream, -1, 1);
    return values;
}

static void define(Case *t)
{
    const Shape *s = &t->s;
    for (int n = 0; n < s->n; n++)
        for (int o = 0; o < s->o; o++)
            for (int p = 0; p < s->oh * s->ow; p++)
                for (int k = 0; k < s->c * s->kh * s->kw; k++) {
                    int area = s->kh * s->kw;
                    int x = tap_index(s, n, k / area, p / s->ow, p % s->ow,
                                      k % area / s->kw, k % s->kw);
                    int y = (n * s->o + o) * s->oh * s->ow + p;
                    int w = o * s->c * area + k;
                    if (x < 0)
                        continue;
                    t->want_y[y] += t->w[w] * t->x[x];
                    t->want_x[x] += t->w[w] * t->y[y];
                    t->want_w[w] += t->x[x] * t->y[y];
                }
}

static Case make_case(const Shape *s)
{
    Case t = {.s = *s};
    t.imm = (CallConvGw){{.n = s->n,
                          .c = s->c,
                          .h = s->h,
                          .w = s->w,
                          .o = s->o,
                          .kh = s->kh,
                          .kw = s->kw,
                          .oh = s->oh,
                          .ow = s->ow,
                          .sh = s->sh,
                          .sw = s->sw,
                          .pt = s->pt,
                          .pl = s->pl,
                          .dh = 1,
                          .dw = 1,
                          .groups = 1},
                         .o_blocks = 1,
                         .image_chunks = 1};
    t.nx = s->n * s->c * s->h * s->w;
    t.nw = s->o * s->c * s->kh * s->kw;
    t.ny = s->n * s->o * s->oh * s->ow;
    t.x = numbers(t.nx, 1);
    t.w = numbers(t.nw, 2);
    t.y = numbers(t.ny, 3);
    t.want_y = calloc((size_t)t.ny, sizeof(double));
    t.want_x = calloc((size_t)t.nx, sizeof(double));
    t.want_w = calloc((size_t)t.nw, sizeof(double));
    define(&t);
    return t;
}

static void free_case(Case *t)
{
    free(t->x);
    free(t->w);
    free(t->y);
    free(t->want_x);
    free(t->want_w);
    free(t->want_y);
}

// Exactly what calls.c asks for, so that a sanitizer sees any more.
static void *scratch_for(const Case *t)
{
    int taps = t->s.c * t->s.kh * t->s.kw;
    return malloc(sizeof(double) * (size_t)(taps * t->s.oh * t->s.ow));
}

static float *to_f32(const double *values, int count)
{
    float *out = malloc(sizeof *out * (size_t)count);
    for (int i = 0; i < count; i++)
        out[i] = (float)values[i];
    return out;
}

// Runs the call in both types and compares with `want`. Outputs start as NaN,
// so that an element nobody writes is seen.
static void check_call(PlanCall f32, const Case *t, const double *a, int na,
                       const double *b, int nb, const double *want, int count,
                       int tasks)
{
    float *a32 = to_f32(a, na), *b32 = to_f32(b, nb);
    float *out32 = malloc(sizeof *out32 * (size_t)count);
    double *out64 = malloc(sizeof *out64 * (size_t)count);
    void *scratch = scratch_for(t);
    const int64_t *imm = (const int64_t *)&t->imm;
    for (int i = 0; i < count; i++)
        out32[i] = out64[i] = NAN;
    for (int task = tasks - 1; task >= 0; task--) {
        call_function(f32)((void *[]){a32, b32, out32}, imm, task, scratch);
        call_function(f32 + 1)((void *[]){(void *)a, (void *)b, out64}, imm,
                               task, scratch);
    }
    double worst32 = 0, worst64 = 0;
    for (int i = 0; i < count; i++) {
        double e32 = fabs(out32[i] - want[i]), e64 = fabs(out64[i] - want[i]);
        worst32 = e32 <= worst32 ? worst32 : e32; // NaN counts as worse
        worst64 = e64 <= worst64 ? worst64 : e64;
    }
    CHECK_NEAR(worst32, 0, 5e-4);
    CHECK_NEAR(worst64, 0, 1e-11);
    free(a32);
    free(b32);
    free(out32);
    free(out64);
    free(scratch);
}

TEST(calls_convolution_agrees_with_its_definition)
{
    calls_init();
    for (int i = 0; i < SHAPES; i++) {
        Case t = make_case(&shapes[i]);
        check_call(PLAN_CALL_CONV_F32, &t, t.x, t.nx, t.w, t.nw, t.want_y, t.ny,
                   t.s.n);
        check_call(PLAN_CALL_CONV_GX_F32, &t, t.w, t.nw, t.y, t.ny, t.want_x,
                   t.nx, t.s.n);
        check_call(PLAN_CALL_CONV_GW_F32, &t, t.x, t.nx, t.y, t.ny, t.want_w,
                   t.nw, 1);
        free_case(&t);
    }
}

// The chunks' sums, added up, are the gradient; a chunk without images is 0.
TEST(calls_weight_gradient_in_blocks_and_chunks)
{
    calls_init();
    for (int chunks = 1; chunks <= 4; chunks++) {
        Case t = make_case(&shapes[1]); // 2 images, 5 output channels
        t.imm.o_blocks = 3;
        t.imm.image_chunks = chunks;
        double *out = malloc(sizeof *out * (size_t)(t.nw * chunks));
        for (int i = 0; i < t.nw * chunks; i++)
            out[i] = NAN;
        void *scratch = scratch_for(&t);
        for (int task = 0; task < 3 * chunks; task++)
            call_conv_gw_f64((void *[]){t.x, t.y, out}, (int64_t *)&t.imm, task,
                             scratch);
        for (int i = 0; i < t.nw; i++) {
            double sum = 0;
            for (int chunk = 0; chunk < chunks; chunk++)
                sum += out[chunk * t.nw + i];
            CHECK_NEAR(sum, t.want_w[i], 1e-12);
        }
        free(scratch);
        free(out);
        free_case(&t);
    }
}

// c = op(a) op(b) with rows longer than the matrices are wide.
static void check_matmul(int m, int n, int k, int trans_a, int trans_b,
                         int rows_per_task, int cols_per_task)
{
    int lda = (trans_a ? m : k) + 2, ldb = (trans_b ? k : n) + 3, ldc = n + 1;
    int na = (trans_a ? k : m) * lda, nb = (trans_b ? n : k) * ldb;
    double *a = numbers(na, 4), *b = numbers(nb, 5);
    double *c = malloc(sizeof *c * (size_t)(m * ldc));
    float *a32 = to_f32(a, na), *b32 = to_f32(b, nb);
    float *c32 = malloc(sizeof *c32 * (size_t)(m * ldc));
    for (int i = 0; i < m * ldc; i++)
        c[i] = c32[i] = NAN;
    CallMatmul product = {.m = m,
                          .n = n,
                          .k = k,
                          .trans_a = trans_a,
                          .trans_b = trans_b,
                          .lda = lda,
                          .ldb = ldb,
                          .ldc = ldc,
                          .rows_per_task = rows_per_task,
                          .cols_per_task = cols_per_task};
    const int64_t *imm = (const int64_t *)&product;
    int tasks = (m + rows_per_task - 1) / rows_per_task *
                ((n + cols_per_task - 1) / cols_per_task);
    for (int task = tasks; task-- > 0;) {
        call_matmul_f64((void *[]){a, b, c}, imm, task, NULL);
        call_matmul_f32((void *[]){a32, b32, c32}, imm, task, NULL);
    }
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            double want = 0;
            for (int p = 0; p < k; p++)
                want += a[trans_a ? p * lda + i : i * lda + p] *
                        b[trans_b ? j * ldb + p : p * ldb + j];
            CHECK_NEAR(c[i * ldc + j], want, 1e-12);
            CHECK_NEAR(c32[i * ldc + j], want, 1e-4);
        }
        CHECK(isnan(c[i * ldc + n])); // what lies between rows is not ours
    }
    free(a);
    free(b);
    free(c);
    free(a32);
    free(b32);
    free(c32);
}

TEST(calls_dots_agree_with_their_definition)
{
    static const int sizes[][3] = {{1, 1, 1},    {1, 10, 2048}, {2, 7, 33},
                                   {4, 4, 16},   {5, 9, 15},    {9, 65, 100},
                                   {32, 70, 48}, {7, 3, 17}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
        int lda = k + 1, ldb = k + 2, ldc = n + 1;
        double *a = numbers(m * lda, 6), *b = numbers(n * ldb, 7);
        float *a32 = to_f32(a, m * lda), *b32 = to_f32(b, n * ldb);
        float *c = malloc(sizeof *c * (size_t)(m * ldc));
        for (int i = 0; i < m * ldc; i++)
            c[i] = NAN;
        CallMatmul product = {.m = m,
                              .n = n,
                              .k = k,
                              .trans_b = 1,
                              .lda = lda,
                              .ldb = ldb,
                              .ldc = ldc,
                              .rows_per_task = m,
                              .cols_per_task = 6};
        for (int task = (n + 5) / 6; task-- > 0;)
            call_dots_f32((void *[]){a32, b32, c}, (const int64_t *)&product,
                          task, NULL);
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                double want = 0;
                for (int p = 0; p < k; p++)
                    want += (double)a32[i * lda + p] * b32[j * ldb + p];
                CHECK_NEAR(c[i * ldc + j], want, 1e-5 * sqrt(k));
            }
            CHECK(isnan(c[i * ldc + n])); // what lies between rows is not ours
        }
        free(a);
        free(b);
        free(c);
        free(a32);
        free(b32);
    }
}

TEST(calls_matmul_agrees_with_its_definition)
{
    calls_init();
    for (int trans = 0; trans < 4; trans++) {
        check_matmul(5, 7, 3, trans & 1, trans >> 1, 2, 7);
        check_matmul(5, 7, 3, trans & 1, trans >> 1, 2, 3);
        check_matmul(64, 10, 33, trans & 1, trans >> 1, 64, 4);
        check_matmul(1, 1, 40, trans & 1, trans >> 1, 8, 1);
    }
}

// Three matrices of a times two of b, in tasks of so many products, or of
// blocks of 2 by 3 of one.
static void check_matmuls(int trans_a, int trans_b, int per_task)
{
    enum { M = 5, N = 4, K = 3, ALL = 6 };
    double *a = numbers(3 * M * K, 4), *b = numbers(2 * K * N, 5);
    double c[ALL * M * N];
    CallMatmuls in = {.product = {.m = M,
                                  .n = N,
                                  .k = K,
                                  .trans_a = trans_a,
                                  .trans_b = trans_b,
                                  .lda = trans_a ? M : K,
                                  .ldb = trans_b ? K : N,
                                  .ldc = N,
                                  .rows_per_task = per_task == 1 ? 2 : M,
                                  .cols_per_task = per_task == 1 ? 3 : N},
                      .per_task = per_task,
                      .dims = {1, 1, 3, 2},
                      .a_steps = {0, 0, M * K, 0},
                      .b_steps = {0, 0, 0, K * N}};
    int tasks = per_task == 1 ? ALL * 6 : (ALL + per_task - 1) / per_task;
    for (int i = 0; i < ALL * M * N; i++)
        c[i] = NAN;
    for (int task = tasks; task-- > 0;)
        call_matmuls_f64((void *[]){a, b, c}, (const int64_t *)&in, task, NULL);
    for (int i = 0; i < ALL * M * N; i++) {
        const double *x = a + i / (2 * M * N) * M * K;
        const double *y = b + i / (M * N) % 2 * K * N;
        int row = i / N % M, column = i % N;
        double want = 0;
        for (int p = 0; p < K; p++)
            want += x[trans_a ? p * M + row : row * K + p] *
                    y[trans_b ? column * K + p : p * N + column];
        CHECK_NEAR(c[i], want, 1e-12);
    }
    free(a);
    free(b);
}

TEST(calls_matmuls_agree_with_their_definition)
{
    calls_init();
    for (int trans = 0; trans < 4; trans++)
        for (int per_task = 1; per_task <= 6; per_task++)
            check_matmuls(trans & 1, trans >> 1, per_task);
}

TEST(calls_are_named_and_counted)
{
    for (int call = 0; call < PLAN_CALL_COUNT; call++) {
        CHECK(call_function(call) != NULL);
        CHECK(strncmp(call_name(call), "call_", 5) == 0);
        CHECK(call_arg_count(call) >= 1);
    }
    // The numbers that artifacts carry.
    CHECK_INT(call_arg_count(PLAN_CALL_CONV_GW_F32), 3);
    CHECK_INT(call_arg_count(PLAN_CALL_MATMUL_ROWS_F32), 4);
    CHECK_INT(call_arg_count(PLAN_CALL_MATMUL_SOFTMAX_F64), 6);
    CHECK_INT(call_imm_count(PLAN_CALL_MATMUL_SOFTMAX_F32), 6);
    CHECK_INT(call_imm_count(PLAN_CALL_MATMUL_F64), 10);
    CHECK_INT(call_imm_count(PLAN_CALL_MATMULS_F32), 23);
    CHECK_INT(call_imm_count(PLAN_CALL_ATTENTION_F32), 8);
    CHECK_INT(call_arg_count(PLAN_CALL_ATTENTION_GRAD_KV_F64), 6);
    CHECK_INT(call_imm_count(PLAN_CALL_TAKE_GRAD_F32), 4);
    CHECK_INT(call_imm_count(PLAN_CALL_RESIZE_F64), 7);
    CHECK_INT(call_imm_count(PLAN_CALL_CONV_GX_F32), 16);
    CHECK_INT(call_imm_count(PLAN_CALL_CONV_GW_F64), 18);
    CHECK_INT(call_imm_count(PLAN_CALL_MATMUL_ROWS_F32), 6);
    CHECK_INT(call_imm_count(PLAN_CALL_ALL_GATHER), 1);
    CHECK_INT(call_imm_count(PLAN_CALL_RANK_F64), 0);
}

// It travels as its bits, sixth; with p = 1/2 twice.
TEST(calls_take_the_guard_of_the_entropy_by_name)
{
    const double a[] = {1, 2}, b[] = {3, 4, 3, 4}, skip[] = {-1};
    double out = 0, guard;
    CallMatmulRows imm = {{.m = 1, .k = 2, .d = 2, .rows_per_task = 1},
                          .what = PLAN_ROWS_ENTROPY,
                          .guard = 0.25};
    memcpy(&guard, (int64_t *)&imm + 5, sizeof guard);
    CHECK(guard == 0.25);
    void *scratch =
        malloc(sizeof(double) * PLAN_ROWS_TILE * PLAN_ROWS_TILE_LONG);
    void *args[] = {(void *)a, (void *)b, (void *)skip, &out};
    calls_init();
    call_matmul_rows_f64(args, (int64_t *)&imm, 0, scratch);
    CHECK_NEAR(out, -log(0.75), 1e-12);
    imm.guard = 0;
    call_matmul_rows_f64(args, (int64_t *)&imm, 0, scratch);
    CHECK_NEAR(out, log(2), 1e-12);
    free(scratch);
}

TEST(calls_ask_for_kernels_of_this_age)
{
    CpuSet v2 = cpu_level(2), v3 = cpu_level(3), v4 = cpu_level(4);
    CHECK_TEXT(calls_core_instead("Prescott", v4), "SkylakeX");
    CHECK_TEXT(calls_core_instead("Prescott", v3), "Haswell");
    CHECK_TEXT(calls_core_instead("Nehalem", v3), "Haswell");
    CHECK(!calls_core_instead("Nehalem", v2));
    CHECK(!calls_core_instead("Haswell", v4));
    CHECK(!calls_core_instead("Zen", v4));
    CHECK(!calls_core_instead("SapphireRapids", v4));
}
