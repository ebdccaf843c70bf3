// Every way to compute a convolution gives what the rule's does, and the same
// bits on any number of threads; ways as text.
#include <stdlib.h>

#include "codegen/cpu/way.h"
#include "ir/conv.h"
#include "ir/image.h"
#include "tests/compiled.h"
#include "tests/harness.h"

#define L(...) ((const int64_t[]){__VA_ARGS__})

// ---- graphs -----------------------------------------------------------------

static TensorType blocked(int64_t n, int64_t c, int64_t side)
{
    TensorType plain = type_make(DT_F32, 4, L(n, c, side, side));
    return image_blocked_type(&plain, 16);
}

// k x k windows at that stride, padded to keep the size at stride 1.
static ConvGeometry make_conv(Op op, int64_t n, int64_t c, int64_t side,
                              int64_t o, int64_t k, int64_t stride)
{
    int64_t pad = k / 2, out = (side + 2 * pad - k) / stride + 1;
    TensorType plain = type_make(DT_F32, 4, L(o, c, k, k));
    return (ConvGeometry){.op = op,
                          .x = blocked(n, c, side),
                          .w = weights_tiled_type(&plain, 16),
                          .y = blocked(n, o, out),
                          .stride = {stride, stride},
                          .pad = {pad, pad, pad, pad},
                          .dilation = {1, 1},
                          .groups = 1};
}

// ---- running ----------------------------------------------------------------

// Numbers in (-1, 1), the same in each call.
static void fill(float *data, int64_t bytes)
{
    uint64_t state = 7;
    for (int64_t i = 0; i < bytes / 4; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        data[i] = (float)(int32_t)(state >> 32) / 2147483648.0F;
    }
}

// The result on so many threads: malloc'ed.
static float *run(const Compiled *build, int threads)
{
    Store store = {0};
    Executor *executor;
    Pool *pool = pool_new(threads);
    must(store_add_plan(&store, &build->plan));
    must(executor_new(&build->plan, build->image, &store, pool, &executor));
    StoreTensor *weights = store_find(&store, "w");
    if (weights)
        fill(weights->data, weights->param.tensor.bytes);
    for (int i = 0; i < build->plan.input_count; i++) {
        const PlanTensor *tensor = &build->plan.inputs[i].tensor;
        fill(executor_input(executor, tensor->name), tensor->bytes);
    }
    executor_run(executor);
    size_t bytes = (size_t)build->plan.outputs[0].tensor.bytes;
    float *result = malloc(bytes);
    memcpy(result, executor_output(executor, "out"), bytes);
    executor_free(executor);
    store_free(&store);
    pool_free(pool);
    return result;
}

static double difference(const float *a, const float *b, int64_t count)
{
    double error = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        error += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)a[i] * a[i];
    }
    return sqrt(error / size);
}

static void check_way(Arena *arena, const Graph *graph, const char *ways,
                      const float *wanted)
{
    Compiled build = compiled_by_ways(arena, graph, "native", ways);
    int64_t bytes = build.plan.outputs[0].tensor.bytes;
    float *one = run(&build, 1), *three = run(&build, 3);
    if (!(difference(wanted, one, bytes / 4) < 2e-6))
        test_fail(__FILE__, __LINE__, "%s: relative difference %g", ways,
                  difference(wanted, one, bytes / 4));
    if (memcmp(one, three, (size_t)bytes) != 0)
        test_fail(__FILE__, __LINE__, "%s: other bits on three threads", ways);
    free(one);
    free(three);
    compiled_free(&build);
}

// Returns how many ways there are.
static int check_conv(const ConvGeometry *conv)
{
    Arena *arena = arena_new();
    Graph *graph = conv_graph(arena, conv, "conv");
    Compiled rule = compiled_new(arena, graph, "native");
    float *wanted = run(&rule, 1);
    const char *shape;
    const char *way = codegen_conv_ways(
        rule.codegen, graph, graph->outputs.at[0].value, arena, &shape);
    int count = 0;
    CHECK(strncmp(way, "rule\n", 5) == 0);
    for (; *way; way = strchr(way, '\n') + 1, count++)
        check_way(arena, graph,
                  arena_printf(arena, "%s: %.*s\n", shape,
                               (int)strcspn(way, "\n"), way),
                  wanted);
    free(wanted);
    compiled_free(&rule);
    arena_free(arena);
    return count;
}

// ---- tests ------------------------------------------------------------------

TEST(every_way_to_convolve_gives_the_same)
{
    static const Op ops[] = {OP_CONV2D, OP_CONV2D_GRAD_X, OP_CONV2D_GRAD_W};
    for (int i = 0; i < 3; i++) {
        ConvGeometry window = make_conv(ops[i], 4, 64, 9, 32, 3, 1);
        ConvGeometry strided = make_conv(ops[i], 3, 32, 10, 64, 3, 2);
        ConvGeometry pointwise = make_conv(ops[i], 5, 32, 7, 64, 1, 1);
        ConvGeometry small = make_conv(ops[i], 24, 64, 4, 64, 3, 1);
        // By weights in so many parts that these are added in parts, too.
        ConvGeometry parts = make_conv(ops[i], 32, 64, 23, 64, 1, 1);
        CHECK(check_conv(&window) > 5);
        CHECK(check_conv(&strided) > 2);
        CHECK(check_conv(&pointwise) > 2);
        CHECK(check_conv(&small) > 5);
        CHECK(check_conv(&parts) > 2);
    }
}

// A way is no empty word: its kernels are others.
TEST(a_way_changes_the_kernels)
{
    Arena *arena = arena_new();
    ConvGeometry conv = make_conv(OP_CONV2D, 4, 64, 24, 64, 3, 1);
    Graph *graph = conv_graph(arena, &conv, "conv");
    Compiled rule = compiled_new(arena, graph, "native");
    const char *shape;
    codegen_conv_ways(rule.codegen, graph, graph->outputs.at[0].value, arena,
                      &shape);
    const char *ways = arena_printf(arena, "other: rows\n%s: rows\n", shape);
    Compiled rows = compiled_by_ways(arena, graph, "native", ways);
    CHECK_INT(rule.plan.step_count, 2); // Winograd transforms weights first
    CHECK_INT(rows.plan.step_count, 1);
    compiled_free(&rule);
    compiled_free(&rows);
    arena_free(arena);
}

TEST(ways_as_text)
{
    Arena *arena = arena_new();
    static const char ways[] = "a: winograd tasks=large\n"
                               "ab: rows blocks=4 first=weights\n"
                               "b: images blocks=2 tasks=small\n"
                               "c: rows blocks=4 turbo\n"
                               "d: rows first=images";
    static const struct {
        const char *shape, *way;
    } found[] = {{"a", "winograd tasks=large"},
                 {"ab", "rows blocks=4 first=weights"},
                 {"b", "images blocks=2 tasks=small"},
                 {"c", "rule"}, // of a later version
                 {"d", "rows first=images"},
                 {"", "rule"},
                 {"e", "rule"}};
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        ConvWay way = way_find(ways, found[i].shape);
        CHECK_TEXT(way_text(arena, &way), found[i].way);
    }
    ConvWay none = way_find("", "a");
    CHECK_TEXT(way_text(arena, &none), "rule");
    arena_free(arena);
}
