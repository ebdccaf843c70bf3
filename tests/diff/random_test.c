// Random numbers inside a step: the generator against its published vectors,
// kernels against the oracle bit by bit, and what the numbers depend on.
#include <stdlib.h>

#include "frontend/cli/compiler.h"
#include "ir/build.h"
#include "ir/conv.h"
#include "ir/eval.h"
#include "ir/random.h"
#include "runtime/exec/random_key.h"
#include "tests/compiled.h"
#include "tests/graphs.h"
#include "tests/harness.h"
#include "tests/passes.h"

#define L(...) ((const int64_t[]){__VA_ARGS__})

// Known answers of Threefry-2x32-20, from the authors' distribution
// (Random123, kat_vectors).
TEST(threefry_gives_the_known_answers)
{
    static const uint32_t known[][6] = {{0, 0, 0, 0, 0x6b200159, 0x99ba4efe},
                                        {0xffffffff, 0xffffffff, 0xffffffff,
                                         0xffffffff, 0x1cb996fc, 0xbb002be7},
                                        {0x243f6a88, 0x85a308d3, 0x13198a2e,
                                         0x03707344, 0xc4923a9c, 0x483df7a0}};
    for (int i = 0; i < 3; i++) {
        uint32_t out[2];
        threefry2x32(known[i] + 2, known[i], out);
        CHECK_INT(out[0], known[i][4]);
        CHECK_INT(out[1], known[i][5]);
    }
}

// ---- graphs -----------------------------------------------------------------

static Value key_of(Graph *g, DType dtype)
{
    return build_input(g, type_make(dtype, 1, L(RANDOM_KEY_ELEMENTS)),
                       RANDOM_KEY_NAME);
}

// Of a plain tensor; images = {0}: axis 0 counts none, {n, batch}: they follow
// one another.
static Value draw(Graph *g, Value key, const char *stream, int rank,
                  const int64_t *dims, const int64_t images[4])
{
    int64_t steps[MAX_RANK];
    random_plain_steps(rank, dims, steps);
    Attr attrs[MAX_ATTRS] = {[RANDOM_DIMS] = {.ints = {rank, dims}},
                             [RANDOM_STEPS] = {.ints = {rank, steps}},
                             [RANDOM_STREAM] = {.text = stream},
                             [RANDOM_IMAGES] = {.ints = {!images[0]  ? 0
                                                         : images[2] ? 4
                                                                     : 2,
                                                         images}}};
    return graph_add(g, OP_RANDOM, 1, &key, attrs, NULL);
}

// The output "u" as the oracle has it.
static const double *by_oracle(const Graph *g, Value key, const double *data)
{
    EvalBinding binding = {key, data};
    return eval_graph(g, g->arena, 1, &binding)[g->outputs.at[0].value];
}

// The output "u", as doubles, of a graph whose other inputs are 0.
static const double *by_kernels(Graph *g, const char *cpu, int threads,
                                const double *key)
{
    Compiled compiled = compiled_new(g->arena, g, cpu);
    Store store = {0};
    Pool *pool = pool_new(threads);
    Executor *executor;
    must(store_add_plan(&store, &compiled.plan));
    store_initialize(&store, 1);
    must(executor_new(&compiled.plan, compiled.image, &store, pool, &executor));
    const PlanTensor *tensor = &compiled.plan.outputs[0].tensor;
    bool wide = tensor->dtype == PLAN_F64;
    void *to = executor_input(executor, RANDOM_KEY_NAME);
    for (int i = 0; i < RANDOM_KEY_ELEMENTS; i++)
        if (wide)
            ((double *)to)[i] = key[i];
        else
            ((float *)to)[i] = (float)key[i];
    executor_run(executor);
    const void *from = executor_output(executor, "u");
    int64_t count = plan_elements(tensor);
    double *numbers = ARENA_ARRAY(g->arena, double, count);
    for (int64_t i = 0; i < count; i++)
        numbers[i] =
            wide ? ((const double *)from)[i] : ((const float *)from)[i];
    executor_free(executor);
    pool_free(pool);
    store_free(&store);
    compiled_free(&compiled);
    return numbers;
}

static void check_equal(const char *what, int64_t count, const double *got,
                        const double *want)
{
    for (int64_t i = 0; i < count; i++)
        if (got[i] != want[i]) {
            test_fail(__FILE__, __LINE__, "%s: element %lld is %a, not %a",
                      what, (long long)i, got[i], want[i]);
            return;
        }
}

// ---- kernels and oracle -----------------------------------------------------

// What is done to the numbers before they are read.
enum { AS_THEY_ARE, TURNED, SLICED, RESHAPED, STRETCHED, SUMMED, VIEWS };

static Value view_of(Graph *g, Value u, int view)
{
    TensorType type = *graph_type(g, u);
    int64_t perm[MAX_RANK], start[MAX_RANK], size[MAX_RANK];
    for (int i = 0; i < type.rank; i++) {
        perm[i] = type.rank - 1 - i;
        start[i] = type.dims[i] / 3;
        size[i] = type.dims[i] - start[i];
    }
    switch (view) {
    case TURNED:
        return build_transpose(g, u, perm);
    case SLICED:
        return build_slice(g, u, start, size);
    case RESHAPED:
        return build_reshape(g, u, 1, L(type_elements(&type)));
    case STRETCHED:
        for (int i = 0; i < type.rank; i++)
            perm[i] = i + 1;
        memmove(type.dims + 1, type.dims, sizeof(int64_t) * 5);
        type.dims[0] = 3;
        return build_broadcast(g, u, type.rank + 1, type.dims, perm);
    default:
        return u;
    }
}

static void check_kernels(DType dtype, int rank, const int64_t *dims,
                          const int64_t images[4], int view, const char *cpu)
{
    double key[RANDOM_KEY_ELEMENTS];
    random_key(7, "p", 3, 2, key);
    Graph *g = graph_new(arena_new(), "kernels");
    Value from = key_of(g, dtype);
    Value u = view_of(g, draw(g, from, "a/0", rank, dims, images), view);
    if (view == SUMMED && rank > 0) {
        // Whole numbers, so that no sum is rounded.
        u = build_binary(g, OP_LT, u, build_const_like(g, u, 0.5));
        u = build_reduce(g, OP_REDUCE_SUM, build_cast(g, u, dtype), 1,
                         L(rank - 1));
    } else {
        u = build_binary(g, OP_ADD, u, build_const_like(g, u, 1));
    }
    graph_add_output(g, "u", u);
    int64_t count = type_elements(graph_type(g, u));
    const double *want = by_oracle(g, from, key);
    const char *what = arena_printf(g->arena, "%s, rank %d, view %d, %s",
                                    dtype_name(dtype), rank, view, cpu);
    // Adding 1 rounds multiples of 2^-24 in single precision.
    double *rounded = ARENA_ARRAY(g->arena, double, count);
    for (int64_t i = 0; i < count; i++)
        rounded[i] = dtype == DT_F32 ? (float)want[i] : want[i];
    for (int threads = 1; threads <= 2; threads++)
        check_equal(what, count, by_kernels(g, cpu, threads, key), rounded);
    arena_free(g->arena);
}

TEST(kernels_draw_the_bits_of_the_oracle)
{
    static const struct {
        int rank;
        int64_t dims[4], images[4];
    } cases[] = {{0, {0}, {0}},
                 {1, {37}, {0}},
                 {1, {6}, {3, 12}},
                 {2, {12, 50}, {4, 16}},
                 {2, {70, 3}, {35, 70}},
                 {3, {5, 7, 9}, {0}},
                 {4, {8, 5, 6, 7}, {2, 5}},
                 {1, {36}, {18, 72, 3, 12}},
                 {3, {12, 5, 7}, {6, 12, 2, 4}},
                 {4, {4, 16, 33, 33}, {4, 4}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int view = 0; view < VIEWS; view++)
            for (int k = 0; k < 4; k++)
                check_kernels(k % 2 ? DT_F64 : DT_F32, cases[i].rank,
                              cases[i].dims, cases[i].images, view,
                              k < 2 ? "native" : "x86-64");
}

// Blocks of channels, as the layout pass makes them around a convolution: the
// element of an image, channel and pixel stays what it was.
TEST(blocks_draw_the_bits_of_the_plain_form)
{
    double key[RANDOM_KEY_ELEMENTS];
    random_key(1, "p", 0, 4, key);
    for (int copies = 1; copies <= 2; copies++) {
        Graph *g = graph_new(arena_new(), "blocks");
        const ConvGeometry one = {.stride = {1, 1}, .pad = {1, 1, 1, 1}};
        Attr attrs[MAX_ATTRS] = {{0}};
        conv_set_attrs(&one, attrs);
        Value from = key_of(g, DT_F32);
        Value x = build_input(g, type_make(DT_F32, 4, L(4, 32, 6, 5)), "x");
        Value w = build_param(g, type_make(DT_F32, 4, L(32, 32, 3, 3)), "w",
                              "weight", "normal", 0.1);
        Value y = graph_add(g, OP_CONV2D, 2, (Value[]){x, w}, attrs, NULL);
        Value u = draw(g, from, "", 4, L(4, 32, 6, 5), L(2, 9, 0, 0));
        Value v = draw(g, from, copies == 2 ? "" : "other", 4, L(4, 32, 6, 5),
                       L(2, 9, 0, 0));
        // y is 0, for x is; twice where both are of one stream.
        y = build_binary(g, OP_ADD, y, u);
        y = build_select(g, build_binary(g, OP_LT, u, v), v, y);
        graph_add_output(g, "u", y);
        Graph *plain = copy_graph(g->arena, g);
        CHECK(!run_passes(g, NULL, true));
        bool blocked = false;
        int draws = 0;
        for (Value i = 0; i < g->nodes.count; i++)
            if (graph_node(g, i)->op == OP_RANDOM) {
                blocked |= graph_type(g, i)->form == FORM_BLOCKED;
                draws++;
            }
        CHECK(blocked);
        CHECK_INT(draws, copies == 2 ? 1 : 2); // equal ones are merged
        int64_t count = (int64_t)4 * 32 * 6 * 5;
        check_equal("blocks", count, by_kernels(g, "native", 2, key),
                    by_kernels(plain, "native", 1, key));
        arena_free(g->arena);
    }
}

// ---- what the numbers depend on ---------------------------------------------

static const double *numbers(Arena *arena, const char *stream, int rank,
                             const int64_t *dims, const int64_t images[4],
                             uint64_t seed, const char *phase, int64_t step,
                             int64_t first)
{
    double key[RANDOM_KEY_ELEMENTS];
    random_key(seed, phase, step, first, key);
    Graph *g = graph_new(arena, "numbers");
    Value from = key_of(g, DT_F64);
    graph_add_output(g, "u", draw(g, from, stream, rank, dims, images));
    return by_oracle(g, from, key);
}

// Two views of a batch of 6, by 3 processes or chunks of 2 images.
TEST(parts_of_a_batch_draw_what_the_whole_draws)
{
    enum { IMAGES = 6, PART = 2, ROW = 5 };
    Arena *arena = arena_new();
    const double *whole = numbers(arena, "s", 2, L(2 * IMAGES, ROW),
                                  L(IMAGES, IMAGES, 0, 0), 1, "p", 4, 0);
    const double *unnamed =
        numbers(arena, "s", 2, L(2 * IMAGES, ROW), L(0, 0, 0, 0), 1, "p", 4, 0);
    check_equal("images or not", (int64_t)2 * IMAGES * ROW, unnamed, whole);
    for (int first = 0; first < IMAGES; first += PART) {
        const double *part = numbers(arena, "s", 2, L(2 * PART, ROW),
                                     L(PART, IMAGES, 0, 0), 1, "p", 4, first);
        for (int view = 0; view < 2; view++)
            check_equal("a part", (int64_t)PART * ROW,
                        part + (ptrdiff_t)view * PART * ROW,
                        whole + (ptrdiff_t)(view * IMAGES + first) * ROW);
        // What is of no image is the same for all.
        const double *shared = numbers(arena, "s", 2, L(2 * PART, ROW),
                                       L(0, 0, 0, 0), 1, "p", 4, first);
        check_equal("no part", (int64_t)2 * PART * ROW, shared, whole);
    }
    // Of each of two chunks of three images the one that a process has.
    for (int first = 0; first < IMAGES / 2; first++) {
        const double *shares = numbers(arena, "s", 2, L(4, ROW),
                                       L(2, IMAGES, 1, 3), 1, "p", 4, first);
        for (int row = 0; row < 4; row++)
            check_equal("a share of each chunk", ROW,
                        shares + (ptrdiff_t)row * ROW,
                        whole + (ptrdiff_t)(3 * row + first) * ROW);
    }
    arena_free(arena);
}

// Correlation of two samples, times the root of their number: about Gaussian,
// of deviation 1, for independent ones.
static double correlation(int64_t count, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (a[i] - 0.5) * (b[i] - 0.5);
    return 12 * sum / sqrt((double)count);
}

// Mean 1/2, variance 1/12, all values of the top four bits as often, and
// nothing in common with what another seed, phase, step, stream or row draws.
TEST(numbers_are_uniform_and_independent)
{
    enum { ROWS = 64, ROW = 1024, COUNT = ROWS * ROW, BINS = 16 };
    Arena *arena = arena_new();
    const int64_t none[4] = {0, 0}, *dims = L(ROWS, ROW);
    const double *u = numbers(arena, "s", 2, dims, none, 1, "p", 4, 0);
    double sum = 0, squares = 0, chi = 0;
    int64_t bins[BINS] = {0};
    for (int i = 0; i < COUNT; i++) {
        CHECK(u[i] >= 0 && u[i] < 1 && u[i] * 0x1p24 == floor(u[i] * 0x1p24));
        sum += u[i];
        squares += (u[i] - 0.5) * (u[i] - 0.5);
        bins[(int)(u[i] * BINS)]++;
    }
    double root = sqrt((double)COUNT);
    CHECK_NEAR(sum / COUNT, 0.5, 4 * sqrt(1. / 12) / root);
    CHECK_NEAR(squares / COUNT, 1. / 12, 4 * sqrt(1. / 180) / root);
    for (int i = 0; i < BINS; i++) {
        double expected = (double)COUNT / BINS;
        chi += (double)(bins[i] - expected) * (double)(bins[i] - expected) /
               expected;
    }
    CHECK(chi < 37.7); // once in a thousand, of 15 degrees of freedom
    const double *others[] = {
        numbers(arena, "s", 2, dims, none, 2, "p", 4, 0),
        numbers(arena, "s", 2, dims, none, 1, "q", 4, 0),
        numbers(arena, "s", 2, dims, none, 1, "p", 5, 0),
        numbers(arena, "t", 2, dims, none, 1, "p", 4, 0),
    };
    for (int i = 0; i < 4; i++)
        CHECK(fabs(correlation(COUNT, u, others[i])) < 4);
    CHECK(fabs(correlation(COUNT - ROW, u, u + ROW)) < 4);
    CHECK(fabs(correlation(COUNT - 1, u, u + 1)) < 4);
    arena_free(arena);
}

// ---- the library ------------------------------------------------------------

// A weight's next value is its gradient, which is what it is multiplied by.
enum { DRAWN = 1 << 16, RARELY = 1 << 12 };
static const char gaussian[] =
    "optimizer keep(w, g) { w <- g }\n"
    "phase p(batch = 2, steps = 1) {\n"
    "    input images = unlabeled, augment [random_crop(8)]\n"
    "    weight gauss[65536] = 0\n"
    "    minimize sum(gauss * random_normal([65536])) + 0 * mean(images)\n"
    "    using keep()\n"
    "}\n";
static const char choices[] =
    "optimizer keep(w, g) { w <- g }\n"
    "phase p(batch = 4, steps = 1) {\n"
    "    input images = unlabeled, augment [random_crop(8)]\n"
    "    weight chosen[4096] = 0\n"
    "    weight never[8] = 0\n"
    "    weight always[8] = 0\n"
    "    weight share = 0\n"
    "    weight dropped[4, 3, 8, 8] = 0\n"
    "    weight paths[4, 3, 8, 8] = 0\n"
    "    weight mixed[4, 3, 8, 8] = 0\n"
    "    weight kept = 0\n"
    "    weight cut[4, 3, 8, 8] = 0\n"
    "    weight uncut = 0\n"
    "    minimize sum(where(random_bernoulli(0.3, [4096]), chosen, 0))\n"
    "    minimize sum(where(random_bernoulli(0, [8]), never, 0))\n"
    "    minimize sum(where(random_bernoulli(1, [8]), always, 0))\n"
    "    minimize share * random_beta(0.4)\n"
    "    minimize sum(dropout(dropped, 0.75)) + sum(drop_path(paths, 0.5))\n"
    "    a = mixup(images, 0.4)\n"
    "    b = cutmix(images)\n"
    "    minimize sum(mixed * a[0]) + kept * a[1]\n"
    "    minimize sum(cut * b[0]) + uncut * b[1]\n"
    "    using keep()\n"
    "}\n";

static Graph *library_graph(Arena *arena, const char *text, DType dtype)
{
    LangOptions options = {.dtype = dtype, .ranks = 1};
    DiagList diags = diag_list_new(arena);
    Experiment *experiment = lang_load(
        arena, write_program(arena, "random", text), &options, &diags);
    diag_print(&diags, stdout, false);
    CHECK(experiment != NULL);
    return experiment ? experiment->phases.at[0].train : NULL;
}

// Pixels of the images: all different.
static double pixel(int64_t i)
{
    return (double)(i + 1) / 1024;
}

// The next values of a weight, by the oracle, after a run of `step`.
static const double *next_value(const Graph *g, Arena *arena, const char *name,
                                int64_t step)
{
    double key[RANDOM_KEY_ELEMENTS];
    EvalBinding *bindings = ARENA_ARRAY(arena, EvalBinding, g->nodes.count);
    int count = 0;
    Value found = NO_VALUE;
    random_key(11, "p", step, 0, key);
    for (Value v = 0; v < g->nodes.count; v++) {
        const Node *node = graph_node(g, v);
        bool is_key = node->op == OP_INPUT &&
                      strcmp(node->attrs[INPUT_NAME].text, "random") == 0;
        double *data = ARENA_ARRAY(arena, double, type_elements(&node->type));
        for (int64_t i = 0; i < type_elements(&node->type); i++)
            data[i] = node->op == OP_INPUT ? pixel(i) : 0;
        if (node->op == OP_PARAM || node->op == OP_INPUT)
            bindings[count++] = (EvalBinding){v, is_key ? key : data};
        if (node->op == OP_ASSIGN &&
            strcmp(graph_node(g, node->inputs[0])->attrs[PARAM_NAME].text,
                   name) == 0)
            found = v;
    }
    CHECK(found != NO_VALUE);
    return eval_graph(g, arena, count, bindings)[found];
}

// Standard scores of the first four moments of `count` Gaussian numbers; of
// x^k, whose variance is E x^2k - (E x^k)^2.
TEST(library_draws_a_gaussian)
{
    static const double means[] = {0, 0, 1, 0, 3, 0, 15, 0, 105};
    Arena *arena = arena_new();
    const double *x =
        next_value(library_graph(arena, gaussian, DT_F64), arena, "gauss", 0);
    for (int k = 1; k <= 4; k++) {
        double sum = 0, variance = means[2 * k] - means[k] * means[k];
        for (int i = 0; i < DRAWN; i++)
            sum += pow(x[i], k) - means[k];
        CHECK(fabs(sum) < 4 * sqrt(variance * DRAWN));
    }
    int beyond[2] = {0}; // 1 and 2 deviations
    for (int i = 0; i < DRAWN; i++) {
        CHECK(fabs(x[i]) < 5.8);
        beyond[0] += fabs(x[i]) > 1;
        beyond[1] += fabs(x[i]) > 2;
    }
    CHECK_NEAR(beyond[0] / (double)DRAWN, erfc(sqrt(0.5)), 0.008);
    CHECK_NEAR(beyond[1] / (double)DRAWN, erfc(sqrt(2)), 0.004);
    arena_free(arena);
}

// Compiled in single precision, against the oracle, which is in double.
TEST(library_gaussian_is_accurate_in_single_precision)
{
    Arena *arena = arena_new();
    Graph *g = library_graph(arena, gaussian, DT_F32);
    const double *want = next_value(g, arena, "gauss", 0);
    double key[RANDOM_KEY_ELEMENTS], most = 0;
    random_key(11, "p", 0, 0, key);
    CHECK(!run_passes(g, NULL, false));
    Compiled compiled = compiled_new(arena, g, "native");
    Store store = {0};
    Pool *pool = pool_new(1);
    Executor *executor;
    must(store_add_plan(&store, &compiled.plan));
    store_initialize(&store, 1);
    must(executor_new(&compiled.plan, compiled.image, &store, pool, &executor));
    float *to = executor_input(executor, RANDOM_KEY_NAME);
    for (int i = 0; i < RANDOM_KEY_ELEMENTS; i++)
        to[i] = (float)key[i];
    executor_run(executor);
    const float *got = store_find(&store, "gauss")->data;
    for (int i = 0; i < DRAWN; i++)
        most = fmax(most, fabs(got[i] - want[i]));
    CHECK(most > 0 && most < 1.5e-6);
    executor_free(executor);
    pool_free(pool);
    store_free(&store);
    compiled_free(&compiled);
    arena_free(arena);
}

TEST(library_chooses_with_the_probability)
{
    Arena *arena = arena_new();
    const Graph *g = library_graph(arena, choices, DT_F64);
    const double *x = next_value(g, arena, "chosen", 2);
    double sum = 0;
    for (int i = 0; i < RARELY; i++) {
        CHECK(x[i] == 0 || x[i] == 1);
        sum += x[i];
    }
    CHECK_NEAR(sum / RARELY, 0.3, 4 * sqrt(0.3 * 0.7 / RARELY));
    for (int i = 0; i < 8; i++) {
        CHECK(next_value(g, arena, "never", 2)[i] == 0);
        CHECK(next_value(g, arena, "always", 2)[i] == 1);
    }
    arena_free(arena);
}

// Dropout's numbers, 768 a step, and whole images: scaled to keep the mean.
TEST(library_drops_and_scales)
{
    enum { IMAGE = 192, IMAGES = 4, STEPS = 60 };
    Arena *arena = arena_new();
    const Graph *g = library_graph(arena, choices, DT_F64);
    int kept = 0, paths = 0;
    for (int step = 0; step < STEPS; step++) {
        Arena *scratch = arena_new();
        const double *x = next_value(g, scratch, "dropped", step);
        const double *y = next_value(g, scratch, "paths", step);
        for (int i = 0; i < IMAGES * IMAGE; i++) {
            CHECK(x[i] == 0 || x[i] == 4);
            CHECK((y[i] == 0 || y[i] == 2) && y[i] == y[i / IMAGE * IMAGE]);
            kept += x[i] > 0;
            paths += i % IMAGE == 0 && y[i] > 0;
        }
        arena_free(scratch);
    }
    double images = STEPS * IMAGES, count = images * IMAGE;
    CHECK_NEAR(kept / count, 0.25, 4 * sqrt(0.25 * 0.75 / count));
    CHECK_NEAR(paths / images, 0.5, 4 * sqrt(0.25 / images));
    arena_free(arena);
}

// Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)), fourth central moment
// 3 / (16 (2 a + 1) (2 a + 3)).
TEST(library_draws_a_beta)
{
    enum { STEPS = 400 };
    const double a = 0.4, variance = 1 / (4 * (2 * a + 1));
    const double fourth = 3 / (16 * (2 * a + 1) * (2 * a + 3));
    double sum = 0, squares = 0;
    Arena *arena = arena_new();
    const Graph *g = library_graph(arena, choices, DT_F64);
    for (int step = 0; step < STEPS; step++) {
        Arena *scratch = arena_new();
        double x = *next_value(g, scratch, "share", step) - 0.5;
        CHECK(fabs(x) <= 0.5);
        sum += x;
        squares += x * x;
        arena_free(scratch);
    }
    CHECK_NEAR(sum / STEPS, 0, 4 * sqrt(variance / STEPS));
    CHECK_NEAR(squares / STEPS, variance,
               4 * sqrt((fourth - variance * variance) / STEPS));
    arena_free(arena);
}

// Which element of the batch of four is mixed with element i: images 0 and 1,
// and 2 and 3, in each other's place.
static int64_t partner(int64_t i)
{
    return i / 192 % 2 ? i - 192 : i + 192;
}

// The share of its own that an image keeps is the one said; the box that is cut
// in is one of rows and columns, the same for all images and channels.
TEST(library_mixes_images_by_the_share_it_says)
{
    enum { ELEMENTS = 4 * 3 * 8 * 8, PIXELS = 64, SIDE = 8 };
    Arena *arena = arena_new();
    const Graph *g = library_graph(arena, choices, DT_F64);
    int boxes = 0;
    for (int step = 0; step < 12; step++) {
        double kept = *next_value(g, arena, "kept", step);
        double uncut = *next_value(g, arena, "uncut", step);
        const double *mixed = next_value(g, arena, "mixed", step);
        const double *cut = next_value(g, arena, "cut", step);
        bool inside[PIXELS], row[SIDE] = {false}, column[SIDE] = {false};
        int area = 0;
        for (int p = 0; p < PIXELS; p++) {
            inside[p] = cut[p] != pixel(p);
            row[p / SIDE] |= inside[p];
            column[p % SIDE] |= inside[p];
            area += inside[p];
        }
        for (int p = 0; p < PIXELS; p++)
            CHECK(inside[p] == (row[p / SIDE] && column[p % SIDE]));
        for (int64_t i = 0; i < ELEMENTS; i++) {
            CHECK_NEAR(mixed[i],
                       kept * pixel(i) + (1 - kept) * pixel(partner(i)), 1e-12);
            CHECK(cut[i] == pixel(inside[i % PIXELS] ? partner(i) : i));
        }
        CHECK_NEAR(uncut, 1 - area / (double)PIXELS, 1e-12);
        boxes += area > 0 && area < PIXELS;
    }
    CHECK(boxes >= 6);
    arena_free(arena);
}
