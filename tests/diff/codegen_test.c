// Compiled graphs against the oracle.
#include <stdlib.h>
#include <string.h>

#include "ir/autodiff.h"
#include "ir/base/diag.h"
#include "ir/build.h"
#include "ir/conv.h"
#include "ir/image.h"
#include "ir/eval.h"
#include "ir/text_form.h"
#include "tests/passes.h"
#include "tests/diff/against_oracle.h"
#include "tests/diff/generator.h"
#include "tests/harness.h"

// ---- hand-written graphs ----------------------------------------------------

static Graph *new_graph(const char *name)
{
    return graph_new(arena_new(), name);
}

static Value input(Graph *g, const char *name, DType dtype, int rank,
                   const int64_t *dims)
{
    return build_input(g, type_make(dtype, rank, dims), name);
}

static Value param(Graph *g, const char *name, DType dtype, int rank,
                   const int64_t *dims)
{
    return build_param(g, type_make(dtype, rank, dims), name, "weight",
                       "constant", 0);
}

TEST(compiled_elementwise_ops_agree)
{
    static const Op unary[] = {OP_NEG,  OP_ABS,   OP_EXP, OP_SIN,
                               OP_COS,  OP_TANH,  OP_ERF, OP_SIGMOID,
                               OP_RELU, OP_FLOOR, OP_SIGN};
    static const Op positive[] = {OP_LOG, OP_SQRT, OP_RSQRT};
    static const Op binary[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MAX, OP_MIN};
    for (int dtype = DT_F32; dtype <= DT_F64; dtype++) {
        Graph *g = new_graph("elementwise");
        Value x = input(g, "x", dtype, 2, L(7, 37));
        Value y = input(g, "y", dtype, 2, L(7, 37));
        // Away from 0, and exact.
        Value up = build_binary(g, OP_ADD, build_unary(g, OP_ABS, y),
                                build_const_like(g, y, 0.0625));
        int made = 0;
        for (size_t i = 0; i < sizeof unary / sizeof *unary; i++)
            graph_add_output(g, arena_printf(g->arena, "o%d", made++),
                             build_unary(g, unary[i], x));
        for (size_t i = 0; i < sizeof positive / sizeof *positive; i++)
            graph_add_output(g, arena_printf(g->arena, "o%d", made++),
                             build_unary(g, positive[i], up));
        for (size_t i = 0; i < sizeof binary / sizeof *binary; i++)
            graph_add_output(g, arena_printf(g->arena, "o%d", made++),
                             build_binary(g, binary[i], x, up));
        for (int power = -2; power <= 4; power++) {
            Value p = build_const_like(g, up, 0.5 * power);
            graph_add_output(g, arena_printf(g->arena, "o%d", made++),
                             build_binary(g, OP_POW, up, p));
        }
        check_graph(dtype == DT_F32 ? "f32" : "f64", g);
    }
}

TEST(compiled_logic_and_casts_agree)
{
    Graph *g = new_graph("logic");
    Value x = input(g, "x", DT_F32, 2, L(3, 29));
    Value y = input(g, "y", DT_F32, 2, L(3, 29));
    static const Op compares[] = {OP_EQ, OP_NE, OP_LT, OP_LE};
    Value last = NO_VALUE;
    for (int i = 0; i < 4; i++) {
        Value c = build_binary(g, compares[i], x, y);
        last = last == NO_VALUE ? c
                                : build_binary(g, i % 2 ? OP_OR : OP_AND, c,
                                               build_unary(g, OP_NOT, last));
        graph_add_output(g, arena_printf(g->arena, "c%d", i), c);
    }
    graph_add_output(g, "select", build_select(g, last, x, y));
    graph_add_output(g, "f64", build_cast(g, x, DT_F64));
    graph_add_output(g, "number", build_cast(g, last, DT_F32));
    graph_add_output(g, "truth", build_cast(g, x, DT_BOOL));
    Value low = build_cast(g, x, DT_BF16);
    graph_add_output(g, "bf16", low);
    graph_add_output(g, "bf16 sum",
                     build_binary(g, OP_ADD, low, build_cast(g, y, DT_BF16)));
    graph_add_output(g, "back",
                     build_cast(g, build_cast(g, low, DT_F64), DT_F32));
    graph_add_output(g, "iota",
                     build_iota(g, type_make(DT_F32, 2, L(3, 29)), 1));
    check_graph("logic", g);
}

// Views of views, read by maps, reductions and products, or put out.
TEST(compiled_views_agree)
{
    Graph *g = new_graph("views");
    Value x = input(g, "x", DT_F32, 3, L(4, 6, 35));
    Value t = build_transpose(g, x, L(2, 0, 1));          // 35 4 6
    Value s = build_slice(g, t, L(3, 1, 0), L(20, 3, 6)); // 20 3 6
    Value b = build_broadcast(g, s, 4, L(20, 2, 3, 6), L(0, 2, 3));
    Value count = build_iota(g, type_make(DT_F32, 3, L(40, 3, 6)), 0);
    Value some = build_slice(g, count, L(10, 0, 0), L(20, 3, 6));
    graph_add_output(g, "transposed", t);
    graph_add_output(g, "sum", build_binary(g, OP_ADD, s, some));
    graph_add_output(g, "broadcast", build_unary(g, OP_EXP, b));
    graph_add_output(g, "rows", build_reduce(g, OP_REDUCE_SUM, b, 2, L(0, 2)));
    Value flat = build_reshape(g, s, 2, L(20, 18));
    graph_add_output(g, "product", build_matmul(g, flat, flat, true, false));
    graph_add_output(g, "flat", flat);
    graph_add_output(g, "padded", build_pad(g, s, L(1, 0, 2), L(0, 2, 3), 7));
    Value parts[] = {s, some, s};
    graph_add_output(g, "concat", build_concat(g, 3, parts, 1));
    Value fill = build_const(g, type_make(DT_F32, 2, L(5, 5)), 2.5);
    graph_add_output(g, "fill", build_reshape(g, fill, 1, L(25)));
    graph_add_output(g, "input", x);
    graph_add_output(g, "input again", build_reshape(g, x, 1, L(840)));
    check_graph("views", g);
}

// Shapes that take every path: inner and outer dims reduced, parts, tails,
// sizes of one.
TEST(compiled_reductions_agree)
{
    static const struct {
        int rank, axes;
        int64_t dims[4], at[4];
    } cases[] = {
        {1, 1, {5}, {0}},
        {1, 1, {100003}, {0}},
        {2, 1, {300, 257}, {0}},
        {2, 1, {300, 257}, {1}},
        {2, 1, {301, 208}, {0}}, // by rows
        {2, 1, {32, 1536}, {0}}, // by rows, of f32
        {2, 1, {70000, 3}, {0}},
        {2, 1, {3, 70001}, {1}},
        {2, 2, {257, 301}, {0, 1}},
        {4, 3, {5, 33, 7, 7}, {0, 2, 3}},
        {4, 3, {9, 64, 16, 16}, {0, 2, 3}},
        {4, 2, {4, 5, 6, 50}, {1, 3}},
        {4, 2, {4, 5, 6, 50}, {0, 2}},
        {4, 1, {30, 1, 40, 41}, {1}},
        {3, 3, {1, 1, 1}, {0, 1, 2}},
    };
    for (int dtype = DT_F32; dtype <= DT_F64; dtype++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            Graph *g = new_graph("reduce");
            Value x = input(g, "x", dtype, cases[i].rank, cases[i].dims);
            Value square = build_binary(g, OP_MUL, x, x);
            Value e = build_unary(g, OP_EXP, x);
            graph_add_output(g, "sum",
                             build_reduce(g, OP_REDUCE_SUM, square,
                                          cases[i].axes, cases[i].at));
            graph_add_output(
                g, "max",
                build_reduce(g, OP_REDUCE_MAX, e, cases[i].axes, cases[i].at));
            if (i % 2)
                graph_add_output(g, "e", e);
            check_graph(arena_printf(g->arena, "reduce case %zu", i), g);
        }
}

static Value conv(Graph *g, Op op, Value a, Value b,
                  const ConvGeometry *geometry, const int64_t *dims)
{
    Attr attrs[MAX_ATTRS] = {{0}};
    conv_set_attrs(geometry, attrs);
    if (dims)
        attrs[CONV_DIMS].ints = (IntList){4, dims};
    Value v = graph_add(g, op, 2, (Value[]){a, b}, attrs, NULL);
    if (v == NO_VALUE)
        test_fail(__FILE__, __LINE__, "%s", g->error);
    return v;
}

// A convolution and its gradients of one sort: x of 12 channels, w of 24, or as
// many as it says.
typedef struct ConvSort {
    int64_t kernel, stride, pad, dilation, groups, inputs, outputs;
} ConvSort;

// Both ways, with an epilogue that can run in place.
static void check_conv(DType dtype, const ConvSort *sort)
{
    int64_t k = sort->kernel, p = sort->pad, s = sort->stride;
    int64_t inputs = sort->inputs ? sort->inputs : 12;
    int64_t outputs = sort->outputs ? sort->outputs : 24;
    int64_t xd[] = {5, inputs, 11, 10};
    int64_t wd[] = {outputs, inputs / sort->groups, k, k};
    ConvGeometry geometry = {.stride = {s, s},
                             .pad = {p, p, p, p},
                             .dilation = {sort->dilation, sort->dilation},
                             .groups = sort->groups};
    Graph *g = new_graph("conv");
    Value x = input(g, "x", dtype, 4, xd);
    Value w = param(g, "w", dtype, 4, wd);
    Value y = conv(g, OP_CONV2D, x, w, &geometry, NULL);
    Value bias = input(g, "bias", dtype, 1, L(outputs));
    const TensorType *type = graph_type(g, y);
    Value wide = build_broadcast(g, bias, 4, type->dims, L(1));
    Value z = build_unary(g, OP_RELU, build_binary(g, OP_ADD, y, wide));
    graph_add_output(g, "z", z);
    Value gx = conv(g, OP_CONV2D_GRAD_X, w, z, &geometry, xd);
    graph_add_output(g, "gx", build_unary(g, OP_NEG, gx));
    Value gw = conv(g, OP_CONV2D_GRAD_W, x, z, &geometry, wd);
    Value rate = build_const_like(g, gw, 0.125);
    build_assign(g, w,
                 build_binary(g, OP_SUB, w, build_binary(g, OP_MUL, rate, gw)));
    check_graph(arena_printf(g->arena, "conv %dx%d/%d, dilation %d, groups %d",
                             (int)k, (int)k, (int)s, (int)sort->dilation,
                             (int)sort->groups),
                g);
}

TEST(compiled_convolutions_agree)
{
    static const ConvSort sorts[] = {
        {3, 1, 1, 1, 1},  {1, 1, 0, 1, 1}, {3, 2, 1, 1, 1},  {7, 2, 3, 1, 1},
        {1, 2, 0, 1, 1},  {3, 1, 1, 1, 3}, {3, 2, 1, 1, 12}, {1, 1, 0, 1, 4},
        {5, 1, 2, 1, 12}, {3, 1, 2, 2, 1}, {3, 2, 3, 3, 2},  {3, 1, 2, 2, 12}};
    // What the layout pass puts in blocks, groups merged until they fill them,
    // and what it leaves: dilation with a stride, groups that cannot be merged.
    static const ConvSort blocks[] = {
        {3, 1, 1, 1, 8, 32, 64},
        {3, 2, 1, 1, 4, 48, 96},
        {3, 1, 1, 1, 2, 64, 32},
        {1, 1, 0, 1, 16, 64, 64},
        {5, 2, 2, 1, 32, 32, 32},
        {3, 1, 2, 2, 48, 48, 48},
        {3, 1, 2, 2, 4, 32, 32},
        {3, 1, 3, 3, 1, 32, 48},
        {3, 2, 2, 2, 1, 32, 32},
        {3, 1, 1, 1, 16, 16, 32},
        {3, 1, 1, 1, 3, 12, 48},
        {3, 2, 2, 2, 32, 32, 32},
        // Spare lanes: in what is read, in what is made, in both.
        {3, 1, 1, 1, 1, 24, 32},
        {3, 2, 1, 1, 1, 32, 40},
        {1, 1, 0, 1, 1, 17, 72},
        {5, 2, 2, 1, 72, 72, 72},
        {3, 1, 2, 2, 17, 17, 17},
        {3, 2, 1, 1, 1, 3, 24},
        {1, 2, 0, 1, 1, 120, 8},
        {3, 1, 1, 1, 2, 40, 40}};
    for (int dtype = DT_F32; dtype <= DT_F64; dtype++)
        for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++)
            check_conv((DType)dtype, &sorts[i]);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        check_conv(DT_F32, &blocks[i]);
}

static Value pool(Graph *g, Op op, int inputs, Value a, Value b,
                  const int64_t *window, const TensorType *like)
{
    Attr attrs[MAX_ATTRS] = {{.ints = {2, window}},
                             {.ints = {2, window + 2}},
                             {.ints = {4, window + 4}}};
    if (like) {
        attrs[POOL_DIMS].ints = (IntList){like->rank, like->dims};
        attrs[POOL_FORM].i = like->form;
    }
    Value v = graph_add(g, op, inputs, (Value[]){a, b}, attrs, NULL);
    if (v == NO_VALUE)
        test_fail(__FILE__, __LINE__, "%s", g->error);
    return v;
}

static void check_windows(const TensorType *type, const int64_t *window)
{
    Graph *g = new_graph("pool");
    Value x = build_input(g, *type, "x");
    Value most = pool(g, OP_MAX_POOL, 1, x, 0, window, NULL);
    Value sum = pool(g, OP_SUM_POOL, 1, x, 0, window, NULL);
    graph_add_output(g, "max", most);
    graph_add_output(g, "sum", sum);
    graph_add_output(g, "max grad",
                     pool(g, OP_MAX_POOL_GRAD, 2, x, sum, window, NULL));
    graph_add_output(g, "sum grad",
                     pool(g, OP_SUM_POOL_GRAD, 1, most, 0, window, type));
    check_graph("pool", g);
}

TEST(compiled_windows_agree)
{
    static const int64_t windows[][8] = {{2, 2, 2, 2, 0, 0, 0, 0},
                                         {3, 3, 2, 2, 1, 1, 1, 1},
                                         {3, 2, 1, 2, 0, 1, 1, 0},
                                         {2, 2, 3, 3, 0, 0, 0, 0}};
    for (int dtype = DT_F32; dtype <= DT_F64; dtype++)
        for (int i = 0; i < 4; i++) {
            TensorType plain = type_make((DType)dtype, 4, L(3, 16, 9, 8));
            TensorType blocked = image_blocked_type(&plain, 8);
            plain.dims[1] = 5;
            check_windows(&plain, windows[i]);
            check_windows(&blocked, windows[i]);
        }
}

// Reads of a param's old content, before and after the assignment in node
// order, through views and as an output.
TEST(compiled_assignments_keep_the_old_content)
{
    Graph *g = new_graph("assign");
    Value p = param(g, "p", DT_F32, 2, L(6, 6));
    Value q = param(g, "q", DT_F32, 2, L(6, 6));
    Value turned = build_transpose(g, p, L(1, 0));
    Value next = build_assign(g, p, build_binary(g, OP_ADD, p, turned));
    build_assign(g, q, build_binary(g, OP_MUL, q, build_unary(g, OP_NEG, p)));
    graph_add_output(g, "old", p);
    graph_add_output(g, "turned", build_unary(g, OP_NEG, turned));
    graph_add_output(g, "product", build_matmul(g, p, p, false, true));
    graph_add_output(g, "next", next);
    check_graph("assign", g);
}

// softmax cross-entropy over a batch, normalised, with its gradient by the
// weights: sums, broadcasts, products and fusion together.
TEST(compiled_training_step_agrees)
{
    for (int dtype = DT_F32; dtype <= DT_F64; dtype++) {
        Graph *g = new_graph("step");
        Value x = input(g, "x", dtype, 2, L(64, 40));
        Value w = param(g, "w", dtype, 2, L(40, 70));
        Value y = build_matmul(g, x, w, false, false);
        Value most = build_reduce(g, OP_REDUCE_MAX, y, 1, L(1));
        Value shifted = build_binary(
            g, OP_SUB, y, build_broadcast(g, most, 2, L(64, 70), L(0)));
        Value e = build_unary(g, OP_EXP, shifted);
        Value total = build_reduce(g, OP_REDUCE_SUM, e, 1, L(1));
        Value each = build_unary(g, OP_LOG, total);
        Value loss = build_reduce(g, OP_REDUCE_SUM, each, 1, L(0));
        Value gradient, culprit;
        CHECK(autodiff(g, loss, 1, &w, &gradient, &culprit));
        Value step = build_binary(g, OP_MUL, gradient,
                                  build_const_like(g, gradient, 0.01));
        build_assign(g, w, build_binary(g, OP_SUB, w, step));
        graph_add_output(g, "loss", loss);
        check_graph("step", g);
    }
}

// A small net that the passes put into blocks of channels, and its update. The
// pool sees exact numbers only, of which float and double choose the same.
TEST(compiled_net_in_blocks_agrees)
{
    Graph *g = new_graph("blocks");
    const ConvGeometry one = {.stride = {1, 1}, .pad = {1, 1, 1, 1}};
    const ConvGeometry two = {.stride = {2, 2}, .pad = {1, 1, 1, 1}};
    const int64_t window[] = {3, 3, 2, 2, 0, 0, 1, 1};
    Value x = input(g, "x", DT_F32, 4, L(3, 3, 13, 12));
    Value w[] = {param(g, "w0", DT_F32, 4, L(16, 3, 3, 3)),
                 param(g, "w1", DT_F32, 4, L(32, 16, 3, 3)),
                 param(g, "w2", DT_F32, 4, L(32, 32, 3, 3)),
                 param(g, "gain", DT_F32, 1, L(32))};
    Value y = conv(g, OP_CONV2D, x, w[0], &one, NULL);
    y = pool(g, OP_MAX_POOL, 1, build_unary(g, OP_RELU, y), 0, window, NULL);
    y = conv(g, OP_CONV2D, y, w[1], &two, NULL);
    y = build_unary(g, OP_TANH,
                    build_binary(g, OP_MUL, y, build_const_like(g, y, 0.01)));
    Value z = conv(g, OP_CONV2D, y, w[2], &one, NULL);
    TensorType type = *graph_type(g, z);
    Value gain = build_broadcast(g, w[3], 4, type.dims, L(1));
    z = build_binary(g, OP_ADD, y, build_binary(g, OP_MUL, z, gain));
    Value means = build_reduce(g, OP_REDUCE_SUM, z, 2, L(2, 3));
    Value loss = build_reduce(
        g, OP_REDUCE_SUM, build_binary(g, OP_MUL, means, means), 2, L(0, 1));
    Value gradients[4], culprit;
    CHECK(autodiff(g, loss, 4, w, gradients, &culprit));
    for (int i = 0; i < 4; i++)
        build_assign(g, w[i], gradients[i]);
    graph_add_output(g, "means", means);
    graph_add_output(g, "z", z);
    check_graph("blocks", g);
}

// ---- accuracy ---------------------------------------------------------------

static int64_t ulps(float a, float b)
{
    int32_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x = x < 0 ? INT32_MIN - x : x;
    y = y < 0 ? INT32_MIN - y : y;
    return llabs((long long)x - y);
}

static void check_ulps(const char *name, float x, float got, double want,
                       int limit)
{
    bool same = isnan(want) ? isnan(got) : ulps(got, (float)want) <= limit;
    // Below the normal numbers, results may be flushed to 0.
    if (!same && !(fabs(want) < 0x1p-126 && fabs(got) < 0x1p-126))
        test_fail(__FILE__, __LINE__, "%s(%a) is %a, not %a", name, x, got,
                  want);
}

static void check_accuracy(const char *cpu)
{
    enum { COUNT = 40000 };
    Graph *g = new_graph("accuracy");
    Value x = input(g, "x", DT_F32, 1, L(COUNT));
    static const Op ops[] = {OP_EXP, OP_LOG, OP_TANH, OP_SIGMOID, OP_ERF};
    static const char *const names[] = {"exp", "log", "tanh", "sigmoid", "erf"};
    for (int i = 0; i < 5; i++)
        graph_add_output(g, names[i], build_unary(g, ops[i], x));
    double *data = ARENA_ARRAY(g->arena, double, COUNT);
    static const double special[] = {
        0.0,      -0.0,     INFINITY,       -INFINITY,       NAN,     1,
        -1,       0x1p-126, 0x1.fffffep127, -0x1.fffffep127, 88.7228, 88.723,
        -87.3365, -87.34,   0x1p-60,        -0x1p-60};
    int specials = sizeof special / sizeof *special;
    for (int i = 0; i < COUNT; i++) {
        double t = 2.0 * i / COUNT - 1;
        data[i] = i < specials ? (float)special[i]
                  : i % 3 == 0 ? (float)(90 * t)
                  : i % 3 == 1 ? (float)(1 + 0.5 * t)
                               : (float)exp(85 * t);
    }
    Run run = run_new(g->arena, g, cpu);
    EvalBinding binding = {x, data};
    Pool *threads = pool_new(1);
    Executor *executor = run_once(&run, threads, 1, &binding);
    for (int f = 0; f < 5; f++) {
        const float *got = executor_output(executor, names[f]);
        for (int i = 0; i < COUNT; i++) {
            double d = data[i];
            double want = f == 0   ? exp(d)
                          : f == 1 ? log(d)
                          : f == 2 ? tanh(d)
                          : f == 3 ? 1 / (1 + exp(-d))
                                   : erf(d);
            check_ulps(names[f], (float)d, got[i], want, f < 2 ? 2 : 4);
        }
    }
    executor_free(executor);
    pool_free(threads);
    run_free(&run);
    arena_free(g->arena);
}

TEST(exp_log_tanh_are_accurate)
{
    check_accuracy("native");
}

// Any x86-64 runs this: 16-byte vectors, no fused multiply-add.
TEST(exp_log_tanh_are_accurate_on_the_least_cpu)
{
    check_accuracy("x86-64");
}

TEST(nan_is_not_swallowed)
{
    Graph *g = new_graph("nan");
    Value x = input(g, "x", DT_F32, 1, L(50));
    graph_add_output(g, "relu", build_unary(g, OP_RELU, x));
    graph_add_output(g, "sum", build_reduce(g, OP_REDUCE_SUM, x, 1, L(0)));
    graph_add_output(g, "max", build_reduce(g, OP_REDUCE_MAX, x, 1, L(0)));
    double data[50] = {[17] = NAN};
    Pool *threads = pool_new(1);
    Run run = run_new(g->arena, g, "native");
    EvalBinding binding = {x, data};
    Executor *executor = run_once(&run, threads, 1, &binding);
    CHECK(isnan(((const float *)executor_output(executor, "relu"))[17]));
    CHECK(isnan(*(const float *)executor_output(executor, "sum")));
    CHECK(isnan(*(const float *)executor_output(executor, "max")));
    executor_free(executor);
    pool_free(threads);
    run_free(&run);
    arena_free(g->arena);
}

// A maximum of windows with NaN is NaN, and has its gradient at the last one:
// in windows that padding cuts, and in whole ones.
TEST(nan_is_not_swallowed_by_pools)
{
    Graph *g = new_graph("nan");
    Value in[] = {input(g, "x", DT_F32, 4, L(1, 1, 6, 6)),
                  input(g, "dy", DT_F32, 4, L(1, 1, 6, 6))};
    Attr attrs[MAX_ATTRS] = {[POOL_KERNEL].ints = {2, L(3, 3)},
                             [POOL_STRIDE].ints = {2, L(1, 1)},
                             [POOL_PAD].ints = {4, L(1, 1, 1, 1)}};
    Value y[] = {graph_add(g, OP_MAX_POOL, 1, in, attrs, NULL),
                 graph_add(g, OP_MAX_POOL_GRAD, 2, in, attrs, NULL)};
    graph_add_output(g, "y", y[0]);
    graph_add_output(g, "dx", y[1]);
    double x[36] = {[0] = NAN, [14] = NAN, [15] = NAN}, dy[36];
    for (int i = 0; i < 36; i++)
        dy[i] = i + 1, x[i] -= i % 5;
    const EvalBinding bindings[] = {{in[0], x}, {in[1], dy}};
    double **want = eval_graph(g, g->arena, 2, bindings);
    Pool *threads = pool_new(1);
    Run run = run_new(g->arena, g, "native");
    Executor *executor = run_once(&run, threads, 2, bindings);
    const float *got[] = {executor_output(executor, "y"),
                          executor_output(executor, "dx")};
    int nans = 0;
    for (int i = 0; i < 36; i++) {
        nans += isnan(got[0][i]);
        CHECK(isnan(got[0][i]) ? isnan(want[y[0]][i])
                               : got[0][i] == want[y[0]][i]);
        CHECK(got[1][i] == want[y[1]][i]);
    }
    CHECK_INT(nans, 15);
    executor_free(executor);
    pool_free(threads);
    run_free(&run);
    arena_free(g->arena);
}

// Seventeen channels lie in two blocks. Of those that are there the exponents
// are moderate; of spare lanes, where the vector is 0, the power is e^90:
// finite in the oracle's numbers and not in floats, so no convolution may read
// it.
TEST(compiled_spare_lanes_may_overflow)
{
    Graph *g = new_graph("spare");
    const ConvGeometry one = {
        .stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    Value x = input(g, "x", DT_F32, 4, L(2, 17, 5, 4));
    Value v = param(g, "v", DT_F32, 4, L(17, 17, 1, 1));
    Value w = param(g, "w", DT_F32, 4, L(32, 17, 1, 1));
    Value p = param(g, "p", DT_F32, 1, L(17));
    // Of numbers in [-2, 2), in [50, 250).
    p = build_binary(g, OP_ADD, p, build_const_like(g, p, 3));
    p = build_binary(g, OP_MUL, p, build_const_like(g, p, 50));
    p = build_broadcast(g, p, 4, graph_type(g, x)->dims, L(1));
    p = build_binary(g, OP_SUB, build_const_like(g, p, 90), p);
    Value y = conv(g, OP_CONV2D, x, v, &one, NULL);
    y = build_binary(g, OP_MUL, build_unary(g, OP_EXP, p),
                     build_unary(g, OP_SIGMOID, y));
    y = build_binary(g, OP_MUL, y, build_const_like(g, y, 1e-17));
    graph_add_output(g, "z", conv(g, OP_CONV2D, y, w, &one, NULL));
    check_graph("spare", g);
}

// x, made from it a, in a's place b, and b's sum.
static Graph *large_graph(int64_t cols)
{
    Graph *g = new_graph("large");
    Value x = input(g, "x", DT_F32, 2, L(1100, cols));
    Value a = build_unary(g, OP_RELU, x);
    Value b = build_binary(g, OP_MUL, a, build_const_like(g, a, 3));
    graph_add_output(g, "sum", build_reduce(g, OP_REDUCE_SUM, b, 1, L(0)));
    return g;
}

static int count_past(const Graph *graph)
{
    CodegenOptions options = {.cpu = "native"};
    Codegen *codegen = codegen_new(&options);
    Text text = text_new(graph->arena);
    Plan plan;
    codegen_lower(codegen, graph, &plan);
    codegen_print_llvm(codegen, &text);
    int count = 0;
    for (const char *at = text_string(&text);
         (at = strstr(at, "past the caches")); at++)
        count++;
    plan_free(&plan);
    codegen_free(codegen);
    return count;
}

// 4.5 MB. Not what lies in another's place, nor what has no whole vectors.
TEST(compiled_large_results_go_past_the_caches)
{
    Graph *whole = large_graph(1024), *odd = large_graph(1023);
    CHECK_INT(count_past(whole), 1);
    CHECK_INT(count_past(odd), 0);
    check_graph_seed("large", whole->arena, whole, 1, "x86-64");
    check_graph("large", whole);
    check_graph("large, odd", odd);
}

// ---- random graphs ----------------------------------------------------------

enum { SEEDS = 24, NODES = 40 };

static void check_random(uint64_t seed, DType dtype, const char *passes,
                         const char *cpu)
{
    Arena *arena = arena_new();
    Graph *graph = generate_graph(arena, seed, dtype, NODES);
    if (!passes || *passes)
        CHECK(!run_passes(graph, passes, false));
    check_graph_seed(arena_printf(arena, "seed %llu, %s, passes %s",
                                  (unsigned long long)seed, dtype_name(dtype),
                                  passes ? passes : "all"),
                     arena, graph, seed, cpu);
    arena_free(arena);
}

TEST(random_graphs_agree_without_passes)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        check_random(seed, seed % 2 ? DT_F64 : DT_F32, "", "native");
}

TEST(random_graphs_agree_with_all_passes)
{
    for (uint64_t seed = 100; seed < 100 + SEEDS; seed++)
        check_random(seed, seed % 2 ? DT_F64 : DT_F32, NULL, "native");
}

TEST(random_graphs_agree_with_any_pass_dropped)
{
    int count;
    const Pass *table = pass_table(&count);
    for (int dropped = 0; dropped < count; dropped++) {
        char names[256] = "";
        for (int i = 0; i < count; i++)
            if (i != dropped) {
                strcat(names, *names ? "," : "");
                strcat(names, table[i].name);
            }
        for (uint64_t seed = 0; seed < 3; seed++)
            check_random(200 + 10 * (uint64_t)dropped + seed,
                         seed % 2 ? DT_F64 : DT_F32, names, "native");
    }
}

TEST(random_graphs_agree_on_the_least_cpu)
{
    for (uint64_t seed = 300; seed < 300 + SEEDS / 2; seed++)
        check_random(seed, seed % 2 ? DT_F64 : DT_F32, NULL, "x86-64");
}
