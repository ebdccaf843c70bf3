// Rounding errors of the kernels of convolutions, and what plans say of them.
#include <stdlib.h>

#include "codegen/codegen.h"
#include "ir/image.h"
#include "tests/diff/conv_shapes.h"
#include "tests/harness.h"

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
    EvalBinding *bindings = bind_random(graph, arena, random, &count);
    double **want = eval_graph(graph, arena, count, bindings);
    Compiled build = compiled_by_sums(arena, graph, "native", sums_kind);
    float *got = run_convs(&build, arena, 1, count, bindings, &total);
    float *data[3], *sums[3];
    for (int i = 0; i < 3; i++) {
        const TensorType *type = graph_type(graph, bindings[i].value);
        data[i] = ARENA_ARRAY(arena, float, type_elements(type));
        fill_floats(type, bindings[i].data, data[i]);
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
    // Winograd's algorithm on a wide map, on many small ones, and at stride 2;
    // sums by taps, by rows and across images; a pointwise one.
    static const Shape shapes[] = {
        {2, 64, 22, 21, 48, 3, 3, 1, 1, {1, 1, 1, 1}, 22, 21},
        {24, 128, 4, 4, 64, 3, 3, 1, 1, {1, 1, 1, 1}, 4, 4},
        {20, 64, 4, 4, 80, 3, 3, 1, 1, {1, 1, 1, 1}, 4, 4},
        {16, 64, 2, 2, 128, 3, 3, 1, 1, {1, 1, 1, 1}, 2, 2},
        {8, 80, 7, 7, 64, 3, 3, 1, 1, {1, 1, 1, 1}, 7, 7},
        {2, 128, 42, 40, 128, 3, 3, 2, 2, {1, 1, 1, 1}, 21, 20},
        {12, 64, 32, 32, 128, 3, 3, 2, 2, {0, 0, 1, 1}, 16, 16},
        {8, 128, 16, 16, 128, 3, 3, 2, 2, {0, 0, 1, 1}, 8, 8},
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
    CHECK(strstr(text_string(&printed[0]), "results 4,") &&
          !strstr(text_string(&printed[0]), "results 2,"));
    CHECK(strstr(text_string(&printed[1]), "results 2,") &&
          !strstr(text_string(&printed[1]), "results 4,"));
    CHECK(!strstr(text_string(&printed[2]), "winograd"));
    arena_free(arena);
}
