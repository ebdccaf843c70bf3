// Convolutions and pools of channel-blocked tensors against the oracle: random
// shapes in all directions, with the machine's own vectors and with narrower
// ones, and the same bits for any number of threads.
#include <stdlib.h>

#include "codegen/codegen.h"
#include "ir/build.h"
#include "ir/eval.h"
#include "ir/image.h"
#include "runtime/exec/exec.h"
#include "tests/compiled.h"
#include "tests/harness.h"

#define L(...) ((const int64_t[]){__VA_ARGS__})

// ---- random shapes ----------------------------------------------------------

typedef struct Random {
    uint64_t state;
} Random;

// A whole number in [low, high].
static int64_t draw(Random *random, int64_t low, int64_t high)
{
    random->state = random->state * 6364136223846793005u + 1442695040888963407u;
    return low + (int64_t)((random->state >> 33) % (uint64_t)(high - low + 1));
}

// x[n, c, h, w] and windows of it.
typedef struct Shape {
    int64_t n, c, h, w, o, kh, kw, sh, sw;
    int64_t pad[4]; // top, left, bottom, right
    int64_t oh, ow;
} Shape;

static Shape draw_shape(Random *random, int64_t blocks)
{
    Shape s = {.n = draw(random, 1, 3),
               .c = 16 * draw(random, 1, blocks),
               .h = draw(random, 1, 17),
               .w = draw(random, 1, 19),
               .o = 16 * draw(random, 1, blocks),
               .kh = draw(random, 1, 7),
               .kw = draw(random, 1, 7),
               .sh = draw(random, 1, 3),
               .sw = draw(random, 1, 3)};
    int64_t kind = draw(random, 0, 5);
    if (kind < 2)
        s.kh = s.kw = 1; // with strides, or
    if (kind == 0)
        s.sh = s.sw = 1;
    for (int i = 0; i < 4; i++)
        s.pad[i] = draw(random, 0, (i % 2 ? s.kw : s.kh) - 1);
    s.oh = shape_windows(s.h, s.kh, s.sh, s.pad[0], s.pad[2]);
    s.ow = shape_windows(s.w, s.kw, s.sw, s.pad[1], s.pad[3]);
    return s.oh > 0 && s.ow > 0 ? s : draw_shape(random, blocks);
}

// ---- graphs -----------------------------------------------------------------

// In planes where the channels fill no block.
static TensorType blocked(int64_t n, int64_t c, int64_t h, int64_t w)
{
    int64_t block = c % 16 ? 1 : 16;
    return type_make_form(DT_F32, 5, L(n, c / block, h, w, block),
                          block == 1 ? FORM_PLANES : FORM_BLOCKED);
}

static Value add_node(Graph *g, Op op, int count, const Value *inputs,
                      const Attr *attrs)
{
    Value value = graph_add(g, op, count, inputs, attrs, NULL);
    if (value == NO_VALUE) {
        test_fail(__FILE__, __LINE__, "%s", g->error);
        exit(1);
    }
    graph_add_output(g, op_info(op)->text, value);
    return value;
}

// A convolution and its gradients as outputs, without that of planes.
static Graph *directions_graph(Arena *arena, const Shape *s)
{
    Graph *g = graph_new(arena, "conv");
    TensorType wt = type_make(DT_F32, 4, L(s->o, s->c, s->kh, s->kw));
    if (s->c % 16 == 0)
        wt = weights_tiled_type(&wt, 16);
    Value x = build_input(g, blocked(s->n, s->c, s->h, s->w), "x");
    Value w = build_param(g, wt, "w", "weight", "constant", 0);
    Value dy = build_input(g, blocked(s->n, s->o, s->oh, s->ow), "dy");
    Attr attrs[MAX_ATTRS] = {[CONV_STRIDE].ints = {2, L(s->sh, s->sw)},
                             [CONV_PAD].ints = {4, s->pad},
                             [CONV_BLOCK].i = s->c % 16 ? 16 : 0};
    add_node(g, OP_CONV2D, 2, (Value[]){x, w}, attrs);
    attrs[CONV_DIMS].ints = (IntList){5, L(s->n, s->c / 16, s->h, s->w, 16)};
    attrs[CONV_FORM].i = FORM_BLOCKED;
    if (s->c % 16 == 0)
        add_node(g, OP_CONV2D_GRAD_X, 2, (Value[]){w, dy}, attrs);
    attrs[CONV_DIMS].ints = (IntList){wt.rank, wt.dims};
    attrs[CONV_FORM].i = wt.form;
    add_node(g, OP_CONV2D_GRAD_W, 2, (Value[]){x, dy}, attrs);
    return g;
}

// All four pools as outputs.
static Graph *pool_graph(Arena *arena, const Shape *s)
{
    Graph *g = graph_new(arena, "pool");
    Value x = build_input(g, blocked(s->n, s->c, s->h, s->w), "x");
    Value dy = build_input(g, blocked(s->n, s->c, s->oh, s->ow), "dy");
    Attr attrs[MAX_ATTRS] = {
        [POOL_KERNEL].ints = {2, L(s->kh, s->kw)},
        [POOL_STRIDE].ints = {2, L(s->sh, s->sw)},
        [POOL_PAD].ints = {4, s->pad},
        [POOL_DIMS].ints = {5, L(s->n, s->c / 16, s->h, s->w, 16)},
        [POOL_FORM].i = FORM_BLOCKED};
    add_node(g, OP_MAX_POOL, 1, &x, attrs);
    add_node(g, OP_MAX_POOL_GRAD, 2, (Value[]){x, dy}, attrs);
    add_node(g, OP_SUM_POOL, 1, &x, attrs);
    add_node(g, OP_SUM_POOL_GRAD, 1, &dy, attrs);
    return g;
}

// Numbers in (-1, 1) that floats hold exactly.
static EvalBinding *bind(const Graph *g, Arena *arena, Random *random,
                         int *count)
{
    EvalBinding *bindings = ARENA_ARRAY(arena, EvalBinding, g->nodes.count);
    *count = 0;
    for (Value v = 0; v < g->nodes.count; v++) {
        Op op = graph_node(g, v)->op;
        if (op != OP_INPUT && op != OP_PARAM)
            continue;
        int64_t elements = type_elements(graph_type(g, v));
        double *data = ARENA_ARRAY(arena, double, elements);
        for (int64_t i = 0; i < elements; i++)
            data[i] = (double)draw(random, -65535, 65535) / 65536;
        bindings[(*count)++] = (EvalBinding){v, data};
    }
    return bindings;
}

// ---- running ----------------------------------------------------------------

static void fill(const TensorType *type, const double *from, float *to)
{
    for (int64_t i = 0; i < type_elements(type); i++)
        to[i] = (float)from[i];
}

// The outputs, one after the other, of one step on so many threads.
static float *run(const Compiled *build, Arena *arena, int threads, int count,
                  const EvalBinding *bindings, int64_t *total)
{
    Pool *pool = pool_new(threads);
    Store store = {0};
    Executor *executor;
    must(store_add_plan(&store, &build->plan));
    must(executor_new(&build->plan, build->image, &store, pool, &executor));
    for (int i = 0; i < count; i++) {
        const Node *node = graph_node(build->graph, bindings[i].value);
        const char *name = node->attrs[0].text;
        fill(&node->type, bindings[i].data,
             node->op == OP_INPUT ? executor_input(executor, name)
                                  : store_find(&store, name)->data);
    }
    // Twice: what a step leaves in its memory must not matter.
    executor_run(executor);
    executor_run(executor);
    *total = 0;
    for (int i = 0; i < build->graph->outputs.count; i++)
        *total += type_elements(
            graph_type(build->graph, build->graph->outputs.at[i].value));
    float *all = ARENA_ARRAY(arena, float, *total), *at = all;
    for (int i = 0; i < build->graph->outputs.count; i++) {
        const Output *output = &build->graph->outputs.at[i];
        int64_t elements =
            type_elements(graph_type(build->graph, output->value));
        memcpy(at, executor_output(executor, output->name),
               (size_t)elements * sizeof *at);
        at += elements;
    }
    executor_free(executor);
    store_free(&store);
    pool_free(pool);
    return all;
}

// Relative root mean square error of each output.
static void compare(const Compiled *build, const char *what, const float *got,
                    double **want, double tolerance)
{
    for (int i = 0; i < build->graph->outputs.count; i++) {
        const Output *output = &build->graph->outputs.at[i];
        int64_t count = type_elements(graph_type(build->graph, output->value));
        double error = 0, size = 0;
        for (int64_t j = 0; j < count; j++) {
            double exact = want[output->value][j], x = got[j];
            if (isinf(exact) && x == exact)
                continue;
            error += (x - exact) * (x - exact);
            size += exact * exact;
        }
        if (!(sqrt(error) <= tolerance * sqrt(size)))
            test_fail(__FILE__, __LINE__, "%s, %s: relative error %g", what,
                      output->name, sqrt(error / size));
        got += count;
    }
}

typedef Graph *GraphOf(Arena *arena, const Shape *shape);

static const char *shape_string(Arena *arena, const Shape *s, const char *cpu)
{
    return arena_printf(arena,
                        "%s: x[%d,%d,%d,%d] -> %d, kernel %dx%d, stride %dx%d, "
                        "pad %d,%d,%d,%d",
                        cpu, (int)s->n, (int)s->c, (int)s->h, (int)s->w,
                        (int)s->o, (int)s->kh, (int)s->kw, (int)s->sh,
                        (int)s->sw, (int)s->pad[0], (int)s->pad[1],
                        (int)s->pad[2], (int)s->pad[3]);
}

// Returns the bytes of scratch memory per thread.
static int64_t check_sums(const Shape *s, GraphOf *graph_of, const char *cpu,
                          PlanSums sums, Random *random)
{
    Arena *arena = arena_new();
    Graph *graph = graph_of(arena, s);
    int count;
    int64_t total;
    EvalBinding *bindings = bind(graph, arena, random, &count);
    double **want = eval_graph(graph, arena, count, bindings);
    Compiled build = compiled_by_sums(arena, graph, cpu, sums);
    const char *what = shape_string(arena, s, cpu);
    float *one = run(&build, arena, 1, count, bindings, &total);
    float *two = run(&build, arena, 2, count, bindings, &total);
    compare(&build, what, one, want, 2e-6);
    if (memcmp(one, two, (size_t)total * sizeof *one) != 0)
        test_fail(__FILE__, __LINE__, "%s: two threads give other bits", what);
    int64_t scratch = build.plan.scratch_bytes;
    compiled_free(&build);
    arena_free(arena);
    return scratch;
}

static int64_t check_shape(const Shape *s, GraphOf *graph_of, const char *cpu,
                           Random *random)
{
    return check_sums(s, graph_of, cpu, PLAN_SUMS_FAST, random);
}

static void check_random(GraphOf *graph_of, const char *cpu, uint64_t seed,
                         int count, int64_t blocks)
{
    Random random = {seed};
    for (int i = 0; i < count; i++) {
        Shape shape = draw_shape(&random, blocks);
        check_shape(&shape, graph_of, cpu, &random);
    }
}

// Pictures of few channels.
static void check_stems(const char *cpu, uint64_t seed, int count)
{
    Random random = {seed};
    for (int i = 0; i < count; i++) {
        Shape shape = draw_shape(&random, 5);
        shape.c = draw(&random, 1, i % 4 ? 4 : 15);
        check_shape(&shape, directions_graph, cpu, &random);
    }
}

// 3x3 windows at stride 1 on maps of many tiles: Winograd's algorithm, which
// has scratch memory.
static Shape draw_winograd_shape(Random *random, int64_t least_blocks)
{
    Shape s = {.n = draw(random, 2, 3),
               .c = 16 * draw(random, least_blocks, 5),
               .h = draw(random, 21, 33),
               .w = draw(random, 21, 33),
               .o = 16 * draw(random, least_blocks, 5),
               .kh = 3,
               .kw = 3,
               .sh = 1,
               .sw = 1};
    for (int i = 0; i < 4; i++)
        s.pad[i] = draw(random, 0, 2);
    s.oh = shape_windows(s.h, 3, 1, s.pad[0], s.pad[2]);
    s.ow = shape_windows(s.w, 3, 1, s.pad[1], s.pad[3]);
    return s;
}

// By tiles of either size; small ones pay from some channels on.
static void check_winograd(const char *cpu, uint64_t seed, int count)
{
    Random random = {seed};
    for (int i = 0; i < count; i++) {
        Shape large = draw_winograd_shape(&random, 1);
        Shape small = draw_winograd_shape(&random, 3);
        CHECK(check_shape(&large, directions_graph, cpu, &random) > 0);
        CHECK(check_sums(&small, directions_graph, cpu, PLAN_SUMS_STRICT,
                         &random) > 0);
    }
}

// ---- tests ------------------------------------------------------------------

TEST(blocked_convolutions)
{
    check_random(directions_graph, "native", 1, 24, 3);
}

TEST(blocked_convolutions_with_256_bit_vectors)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("x86-64-v3"))
        test_skip("needs AVX2");
    check_random(directions_graph, "x86-64-v3", 2, 16, 3);
}

TEST(blocked_convolutions_with_128_bit_vectors)
{
    check_random(directions_graph, "x86-64", 3, 8, 2);
}

TEST(blocked_convolutions_of_networks)
{
    // Shapes as they occur: five blocks, an odd map, a strided step down, a
    // pointwise one, a stem; a kernel with no taps for some phases; pointwise
    // ones of more pixels than a task makes.
    static const Shape shapes[] = {
        {2, 80, 7, 7, 48, 3, 3, 1, 1, {1, 1, 1, 1}, 7, 7},
        {1, 32, 14, 14, 64, 3, 3, 2, 2, {0, 0, 1, 1}, 7, 7},
        {3, 64, 8, 8, 32, 1, 1, 1, 1, {0, 0, 0, 0}, 8, 8},
        {1, 16, 21, 21, 32, 7, 7, 2, 2, {3, 3, 3, 3}, 11, 11},
        {2, 32, 9, 9, 16, 1, 1, 2, 2, {0, 0, 0, 0}, 5, 5},
        {2, 16, 6, 7, 32, 1, 1, 2, 2, {0, 0, 2, 1}, 4, 4},
        {3, 48, 18, 35, 16, 3, 3, 2, 2, {1, 1, 1, 1}, 9, 18},
        {1, 16, 40, 33, 32, 3, 3, 1, 1, {1, 1, 1, 1}, 40, 33},
        {8, 32, 14, 14, 48, 1, 1, 1, 1, {0, 0, 0, 0}, 14, 14},
        {2, 32, 39, 36, 48, 1, 1, 2, 2, {0, 0, 0, 0}, 20, 18},
    };
    Random random = {4};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(&shapes[i], directions_graph, "native", &random);
}

TEST(stem_convolutions)
{
    check_stems("native", 11, 24);
}

TEST(stem_convolutions_with_256_bit_vectors)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("x86-64-v3"))
        test_skip("needs AVX2");
    check_stems("x86-64-v3", 12, 12);
}

TEST(stem_convolutions_with_128_bit_vectors)
{
    check_stems("x86-64", 13, 8);
}

TEST(stem_convolutions_of_networks)
{
    static const Shape shapes[] = {
        {2, 3, 64, 64, 64, 7, 7, 2, 2, {3, 3, 3, 3}, 32, 32},
        {3, 3, 32, 32, 64, 3, 3, 1, 1, {1, 1, 1, 1}, 32, 32},
        {1, 3, 33, 47, 32, 3, 3, 2, 2, {1, 1, 1, 1}, 17, 24},
        {5, 1, 28, 28, 16, 5, 5, 1, 1, {2, 2, 2, 2}, 28, 28},
    };
    Random random = {14};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(&shapes[i], directions_graph, "native", &random);
}

TEST(winograd_convolutions)
{
    check_winograd("native", 7, 3);
}

TEST(winograd_convolutions_shared_out)
{
    // Nine blocks of channels: more than one task takes.
    static const Shape shapes[] = {
        {2, 144, 21, 22, 16, 3, 3, 1, 1, {1, 1, 1, 1}, 21, 22},
        {2, 32, 22, 21, 144, 3, 3, 1, 1, {1, 1, 1, 1}, 22, 21},
    };
    Random random = {10};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        CHECK(check_shape(&shapes[i], directions_graph, "native", &random) > 0);
}

static Shape draw_small_shape(Random *random)
{
    Shape s = draw_shape(random, 3);
    s.n = draw(random, 4, 24);
    s.h = draw(random, 1, 5);
    s.w = draw(random, 1, 5);
    s.oh = shape_windows(s.h, s.kh, s.sh, s.pad[0], s.pad[2]);
    s.ow = shape_windows(s.w, s.kw, s.sw, s.pad[1], s.pad[3]);
    return s.oh > 0 && s.ow > 0 ? s : draw_small_shape(random);
}

static void check_small(const char *cpu, uint64_t seed, int count)
{
    Random random = {seed};
    for (int i = 0; i < count; i++) {
        Shape shape = draw_small_shape(&random);
        check_shape(&shape, directions_graph, cpu, &random);
    }
}

TEST(convolutions_of_small_maps)
{
    check_small("native", 13, 24);
}

TEST(convolutions_of_small_maps_with_256_bit_vectors)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("x86-64-v3"))
        test_skip("needs AVX2");
    check_small("x86-64-v3", 14, 6);
}

TEST(convolutions_across_images)
{
    // By data such a kernel turns its weights in scratch memory: the last step
    // of a net, strided and not, one of a prime number of images, and phases of
    // which some have no taps.
    static const Shape shapes[] = {
        {32, 64, 2, 2, 32, 3, 3, 1, 1, {1, 1, 1, 1}, 2, 2},
        {16, 32, 4, 4, 64, 3, 3, 2, 2, {0, 0, 1, 1}, 2, 2},
        {13, 48, 3, 2, 32, 3, 2, 1, 1, {1, 0, 1, 1}, 3, 2},
        {40, 32, 3, 3, 32, 1, 1, 2, 2, {0, 0, 0, 0}, 2, 2},
    };
    Random random = {15};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        CHECK(check_shape(&shapes[i], directions_graph, "native", &random) > 0);
}

// ---- accuracy ---------------------------------------------------------------

// Elements of a blocked image and of weights in tiles.
static float *pixel_of(float *image, int64_t channels, int64_t h, int64_t w,
                       int64_t n, int64_t c)
{
    return image + ((n * channels + c) / 16 * h * w) * 16 + c % 16;
}

// Each term of a convolution and its gradients, added in order to floats.
static void add_plane(const Shape *s, float *const at[6], int64_t a, int64_t b)
{
    for (int64_t i = 0; i < s->oh; i++)
        for (int64_t j = 0; j < s->ow; j++) {
            int64_t y = i * s->sh + a - s->pad[0];
            int64_t x = j * s->sw + b - s->pad[1];
            if (y < 0 || y >= s->h || x < 0 || x >= s->w)
                continue;
            int64_t in = (y * s->w + x) * 16, out = (i * s->ow + j) * 16;
            int64_t tap = (a * s->kw + b) * 256;
            at[3][out] += at[0][in] * at[1][tap];
            at[4][in] += at[1][tap] * at[2][out];
            at[5][tap] += at[0][in] * at[2][out];
        }
}

// data and sums: x, w, dy and y, dx, dw.
static void plain_sums(const Shape *s, float *const data[3],
                       float *const sums[3])
{
    TensorType plain = type_make(DT_F32, 4, L(s->o, s->c, s->kh, s->kw));
    TensorType wt = weights_tiled_type(&plain, 16);
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t o = 0; o < s->o; o++)
            for (int64_t c = 0; c < s->c; c++) {
                int64_t at = weights_offset(&wt, o, c);
                float *const planes[] = {
                    pixel_of(data[0], s->c, s->h, s->w, n, c),
                    data[1] + at,
                    pixel_of(data[2], s->o, s->oh, s->ow, n, o),
                    pixel_of(sums[0], s->o, s->oh, s->ow, n, o),
                    pixel_of(sums[1], s->c, s->h, s->w, n, c),
                    sums[2] + at};
                for (int64_t a = 0; a < s->kh; a++)
                    for (int64_t b = 0; b < s->kw; b++)
                        add_plane(s, planes, a, b);
            }
}

static double error_of(const float *got, const double *want, int64_t count)
{
    double error = 0;
    for (int64_t i = 0; i < count; i++)
        error += (got[i] - want[i]) * (got[i] - want[i]);
    return sqrt(error);
}

// Against the exact result, at most so many times the error of the sum of
// floats.
static void check_accuracy(const Shape *s, PlanSums sums_kind, double times,
                           Random *random)
{
    Arena *arena = arena_new();
    Graph *graph = directions_graph(arena, s);
    int count;
    int64_t total;
    EvalBinding *bindings = bind(graph, arena, random, &count);
    double **want = eval_graph(graph, arena, count, bindings);
    Compiled build = compiled_by_sums(arena, graph, "native", sums_kind);
    float *got = run(&build, arena, 1, count, bindings, &total);
    float *data[3], *sums[3];
    for (int i = 0; i < 3; i++) {
        const TensorType *type = graph_type(graph, bindings[i].value);
        data[i] = ARENA_ARRAY(arena, float, type_elements(type));
        fill(type, bindings[i].data, data[i]);
        sums[i] = ARENA_ARRAY(
            arena, float,
            type_elements(graph_type(graph, graph->outputs.at[i].value)));
    }
    plain_sums(s, data, sums);
    for (int i = 0; i < 3; i++) {
        Value value = graph->outputs.at[i].value;
        int64_t elements = type_elements(graph_type(graph, value));
        double ours = error_of(got, want[value], elements);
        double plain = error_of(sums[i], want[value], elements);
        if (!(ours <= times * plain))
            test_fail(__FILE__, __LINE__, "%s, %s: error %g, of a plain sum %g",
                      shape_string(arena, s, "native"),
                      graph->outputs.at[i].name, ours, plain);
        got += elements;
    }
    compiled_free(&build);
    arena_free(arena);
}

TEST(convolutions_are_as_accurate_as_sums_of_floats)
{
    // Winograd's algorithm on a wide map and on many small ones; sums by taps,
    // by rows and across images; a pointwise one.
    static const Shape shapes[] = {
        {2, 64, 22, 21, 48, 3, 3, 1, 1, {1, 1, 1, 1}, 22, 21},
        {24, 128, 4, 4, 64, 3, 3, 1, 1, {1, 1, 1, 1}, 4, 4},
        {20, 64, 4, 4, 80, 3, 3, 1, 1, {1, 1, 1, 1}, 4, 4},
        {16, 64, 2, 2, 128, 3, 3, 1, 1, {1, 1, 1, 1}, 2, 2},
        {8, 80, 7, 7, 64, 3, 3, 1, 1, {1, 1, 1, 1}, 7, 7},
        {2, 96, 13, 12, 64, 3, 3, 2, 2, {1, 1, 1, 1}, 7, 6},
        {2, 256, 9, 9, 32, 1, 1, 1, 1, {0, 0, 0, 0}, 9, 9},
    };
    Random random = {16};
    // Twice, but with --strict no more than sums in other orders differ.
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        check_accuracy(&shapes[i], PLAN_SUMS_FAST, 2, &random);
        check_accuracy(&shapes[i], PLAN_SUMS_STRICT, 1.05, &random);
    }
}

// ---- what plans say ---------------------------------------------------------

// Each direction multiplies as often as the others, in however many kernels.
TEST(plans_count_the_arithmetic_of_convolutions)
{
    static const Shape shapes[] = {
        {2, 32, 21, 22, 48, 3, 3, 1, 1, {1, 1, 1, 1}, 21, 22},
        {1, 32, 14, 14, 64, 3, 3, 2, 2, {0, 0, 1, 1}, 7, 7},
        {3, 64, 8, 8, 32, 1, 1, 1, 1, {0, 0, 0, 0}, 8, 8},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const Shape *s = &shapes[i];
        Arena *arena = arena_new();
        Compiled build =
            compiled_new(arena, directions_graph(arena, s), "native");
        int64_t flops = 0, macs = s->n * s->o * s->oh * s->ow * s->c;
        for (int k = 0; k < build.plan.step_count; k++) {
            const PlanStep *step = &build.plan.steps[k];
            CHECK(step->bytes > 0);
            if (strncmp(step->label, "conv2d", 6) == 0 &&
                !strchr(step->label, ':'))
                flops += step->flops;
        }
        CHECK(llabs(flops - 3 * 2 * macs * s->kh * s->kw) <= 4);
        compiled_free(&build);
        arena_free(arena);
    }
}

// Tiles of 4x4 results, of 2x2, and plain sums: each its own kernel.
TEST(sums_decide_the_kernels_of_convolutions)
{
    Random random = {12};
    Arena *arena = arena_new();
    Shape shape = draw_winograd_shape(&random, 3);
    Graph *graph = directions_graph(arena, &shape);
    Text printed[3];
    for (int sums = PLAN_SUMS_FAST; sums <= PLAN_SUMS_PLAIN; sums++) {
        CodegenOptions options = {.cpu = "native", .sums = (PlanSums)sums};
        Codegen *codegen = codegen_new(&options);
        Plan plan;
        codegen_lower(codegen, graph, &plan);
        CHECK((plan.scratch_bytes == 0) == (sums == PLAN_SUMS_PLAIN));
        printed[sums] = text_new(arena);
        codegen_print_llvm(codegen, &printed[sums]);
        plan_free(&plan);
        codegen_free(codegen);
    }
    CHECK(strstr(text_string(&printed[0]), "results 4 x 4") &&
          !strstr(text_string(&printed[0]), "results 2 x 2"));
    CHECK(strstr(text_string(&printed[1]), "results 2 x 2") &&
          !strstr(text_string(&printed[1]), "results 4 x 4"));
    CHECK(!strstr(text_string(&printed[2]), "winograd"));
    arena_free(arena);
}

TEST(winograd_convolutions_with_256_bit_vectors)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("x86-64-v3"))
        test_skip("needs AVX2");
    check_winograd("x86-64-v3", 8, 1);
}

TEST(winograd_convolutions_with_128_bit_vectors)
{
    check_winograd("x86-64", 9, 1);
}

TEST(blocked_pools)
{
    check_random(pool_graph, "native", 5, 16, 3);
}

TEST(blocked_pools_with_128_bit_vectors)
{
    check_random(pool_graph, "x86-64", 6, 6, 2);
}
