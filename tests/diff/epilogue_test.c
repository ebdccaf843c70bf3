// What a convolution's kernel makes of its sums before it stores them: against
// the oracle, and to the bit what a pass of its own makes of them.
#include <stdlib.h>

#include "tests/diff/conv_shapes.h"
#include "tests/harness.h"

// Steps that work on the image: one where the kernel has taken all of it.
static int count_last_steps(const Plan *plan)
{
    int count = 0;
    for (int i = 0; i < plan->step_count; i++)
        count += strstr(plan->steps[i].label, "select") != NULL;
    return count;
}

// The convolution of epilogue_graph takes its group into its kernel.
static void check_taken(Shape shape, const char *cpu, Random *random)
{
    Arena *arena = arena_new();
    Graph *graph = epilogue_graph(arena, &shape);
    const char *what = shape_string(arena, &shape, cpu);
    int count;
    int64_t total;
    EvalBinding *bindings = bind_random(graph, arena, random, &count);
    Compiled whole = compiled_new(arena, graph, cpu);
    const PlanStep *last = &whole.plan.steps[whole.plan.step_count - 1];
    if (strcmp(last->label, "conv2d .. select") != 0 || last->symbol < 0 ||
        last->flags & PLAN_STEP_CHAINED || count_last_steps(&whole.plan) != 1)
        test_fail(__FILE__, __LINE__, "%s: the last step is %s", what,
                  last->label);
    float *one = run_convs(&whole, arena, 2, count, bindings, &total);
    compiled_free(&whole);
    for (Value v = 0; v < graph->nodes.count; v++)
        graph_node(graph, v)->group = 0;
    Compiled parts = compiled_new(arena, graph, cpu);
    float *two = run_convs(&parts, arena, 2, count, bindings, &total);
    if (memcmp(one, two, (size_t)total * sizeof *one) != 0)
        test_fail(__FILE__, __LINE__, "%s: other bits than those of passes",
                  what);
    compiled_free(&parts);
    arena_free(arena);
    check_shape(&shape, epilogue_graph, cpu, random);
}

static Shape draw_direct(Random *random)
{
    return draw_shape(random, 3);
}

static Shape draw_stem(Random *random)
{
    Shape shape = draw_shape(random, 4);
    shape.c = draw(random, 1, 4);
    return shape;
}

static Shape draw_winograd(Random *random)
{
    return draw_winograd_shape(random, 1);
}

static void check_kinds(const char *cpu, uint64_t seed, int count)
{
    static Shape (*const kinds[])(Random * random) = {
        draw_direct,         draw_stem,        draw_winograd,
        draw_grouped_shape,  draw_small_shape, draw_skipping_shape,
        draw_depthwise_shape};
    Random random = {seed};
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        for (int i = 0; i < count; i++)
            check_taken(kinds[kind](&random), cpu, &random);
}

TEST(epilogues_of_convolutions)
{
    check_kinds("native", 51, 8);
}

TEST(epilogues_with_256_bit_vectors)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("x86-64-v3"))
        test_skip("needs AVX2");
    check_kinds("x86-64-v3", 52, 2);
}

TEST(epilogues_with_128_bit_vectors)
{
    check_kinds("x86-64", 53, 1);
}

// Channels in parts, between which sums wait in the result; many images of few
// pixels side by side.
TEST(epilogues_of_products_of_pixels)
{
    static const Shape shapes[] = {
        {2, 1536, 14, 14, 64, 1, 1, 1, 1, {0, 0, 0, 0}, 14, 14},
        {32, 256, 4, 4, 128, 1, 1, 2, 2, {0, 0, 0, 0}, 2, 2},
        {3, 64, 14, 14, 144, 1, 1, 1, 1, {0, 0, 0, 0}, 14, 14},
    };
    Random random = {54};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_taken(shapes[i], "native", &random);
}

// By Winograd's algorithm at stride 2, and of more channels than are
// transformed at once.
TEST(epilogues_of_other_tiles)
{
    static const Shape parts = {8, 320,          7, 7, 32, 3, 3, 1,
                                1, {1, 1, 1, 1}, 7, 7};
    Random random = {55};
    check_taken(parts, "native", &random);
    for (int i = 0; i < 2; i++)
        check_taken(draw_strided_winograd_shape(&random), "native", &random);
}

// The convolution is stored for another reader: a pass of its own is behind it.
TEST(epilogues_leave_what_others_read)
{
    static const Shape shape = {2, 32,           9, 9, 32, 3, 3, 1,
                                1, {1, 1, 1, 1}, 9, 9};
    Arena *arena = arena_new();
    Graph *graph = epilogue_graph(arena, &shape);
    for (Value v = 0; v < graph->nodes.count; v++)
        if (graph_node(graph, v)->op == OP_CONV2D)
            graph_add_output(graph, "conv", v);
    Compiled build = compiled_new(arena, graph, "native");
    const Plan *plan = &build.plan;
    CHECK(strcmp(plan->steps[plan->step_count - 1].label, "sub .. select") ==
          0);
    compiled_free(&build);
    arena_free(arena);
}
