// Convolutions and pools of channel-blocked tensors against the oracle: random
// shapes in all directions, with the machine's own vectors and with narrower
// ones, and the same bits for any number of threads.
#include "tests/diff/conv_shapes.h"
#include "tests/harness.h"

static void check_random(GraphOf *graph_of, const char *cpu, uint64_t seed,
                         int count, int64_t blocks)
{
    Random random = {seed};
    for (int i = 0; i < count; i++) {
        Shape shape = draw_shape(&random, blocks);
        check_shape(&shape, graph_of, cpu, &random);
    }
}

static void check_drawn(Shape draw_one(Random *random), const char *cpu,
                        uint64_t seed, int count)
{
    Random random = {seed};
    for (int i = 0; i < count; i++) {
        Shape shape = draw_one(&random);
        check_shape(&shape, directions_graph, cpu, &random);
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

// By tiles of either size, of which small ones pay from some channels on, and
// at stride 2.
static void check_winograd(const char *cpu, uint64_t seed, int count)
{
    Random random = {seed};
    for (int i = 0; i < count; i++) {
        Shape large = draw_winograd_shape(&random, 1);
        Shape small = draw_winograd_shape(&random, 3);
        CHECK(check_shape(&large, directions_graph, cpu, &random) > 0);
        CHECK(check_sums(&small, directions_graph, cpu, PLAN_SUMS_STRICT,
                         &random) > 0);
        Shape strided = draw_strided_winograd_shape(&random);
        CHECK(check_shape(&strided, directions_graph, cpu, &random) > 0);
    }
}

// ---- tests ------------------------------------------------------------------

TEST(blocked_convolutions)
{
    check_random(directions_graph, "native", 1, 24, 3);
}

TEST(blocked_convolutions_that_skip_pixels)
{
    check_drawn(draw_skipping_shape, "native", 31, 16);
    check_drawn(draw_skipping_shape, "x86-64", 32, 4);
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
        // Eleven written blocks: shares of six and five.
        {2, 32, 6, 5, 176, 1, 1, 1, 1, {0, 0, 0, 0}, 6, 5},
        {2, 32, 6, 5, 176, 3, 3, 2, 2, {1, 1, 1, 1}, 3, 3},
        // Gradients by data of 4.7 MB, put among zeros past the caches.
        {5, 64, 63, 61, 32, 1, 1, 2, 2, {0, 0, 0, 0}, 32, 31},
        // By data in parts, whose sums wait outside the result, with its zeros.
        {4, 1024, 14, 14, 512, 1, 1, 2, 2, {0, 0, 0, 0}, 7, 7},
    };
    Random random = {4};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(&shapes[i], directions_graph, "native", &random);
}

TEST(convolutions_of_wide_tiles)
{
    // Tiles of three pixels by two blocks, and of two where a line has too few:
    // 17 blocks in parts of six; ten in two parts, both ways. Then Winograd's.
    static const Shape shapes[] = {
        {3, 272, 7, 7, 128, 1, 1, 1, 1, {0, 0, 0, 0}, 7, 7},
        {2, 160, 6, 6, 160, 1, 1, 1, 1, {0, 0, 0, 0}, 6, 6},
    };
    Shape winograd = {2, 128, 13, 14, 160, 3, 3, 1, 1, {1, 1, 1, 1}, 13, 14};
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("x86-64-v3"))
        test_skip("needs AVX2");
    Random random = {5};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(&shapes[i], directions_graph, "x86-64-v3", &random);
    CHECK(check_shape(&winograd, directions_graph, "x86-64-v3", &random) > 0);
}

TEST(grouped_convolutions)
{
    check_drawn(draw_grouped_shape, "native", 21, 16);
}

TEST(grouped_convolutions_with_128_bit_vectors)
{
    check_drawn(draw_grouped_shape, "x86-64", 22, 4);
}

TEST(grouped_convolutions_of_networks)
{
    // Across images and along rows.
    static const Shape shapes[] = {
        {2, 96, 14, 14, 96, 3, 3, 1, 1, {1, 1, 1, 1}, 14, 14, 1, 6},
        {1, 64, 15, 15, 128, 3, 3, 2, 2, {1, 1, 1, 1}, 8, 8, 1, 4},
        {16, 128, 4, 4, 128, 3, 3, 2, 2, {1, 1, 1, 1}, 2, 2, 1, 2},
        {32, 64, 2, 2, 64, 3, 3, 1, 1, {1, 1, 1, 1}, 2, 2, 1, 2},
        {2, 64, 9, 9, 32, 1, 1, 1, 1, {0, 0, 0, 0}, 9, 9, 1, 2},
        {2, 64, 20, 17, 64, 3, 3, 1, 1, {2, 2, 2, 2}, 20, 17, 2, 1},
    };
    Random random = {23};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(&shapes[i], directions_graph, "native", &random);
}

TEST(depthwise_convolutions)
{
    check_drawn(draw_depthwise_shape, "native", 24, 24);
}

TEST(depthwise_convolutions_with_256_bit_vectors)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("x86-64-v3"))
        test_skip("needs AVX2");
    check_drawn(draw_depthwise_shape, "x86-64-v3", 25, 8);
}

TEST(depthwise_convolutions_with_128_bit_vectors)
{
    check_drawn(draw_depthwise_shape, "x86-64", 26, 6);
}

TEST(depthwise_convolutions_of_networks)
{
    static const Shape shapes[] = {
        {2, 96, 14, 14, 96, 3, 3, 1, 1, {1, 1, 1, 1}, 14, 14, 1, 96},
        {1, 32, 56, 57, 32, 5, 5, 2, 2, {2, 2, 2, 2}, 28, 29, 1, 32},
        {2, 96, 7, 7, 96, 7, 7, 1, 1, {3, 3, 3, 3}, 7, 7, 1, 96},
        {16, 64, 28, 28, 64, 7, 7, 1, 1, {3, 3, 3, 3}, 28, 28, 1, 64},
        {2, 32, 30, 31, 32, 3, 3, 2, 2, {0, 0, 1, 1}, 15, 15, 1, 32},
    };
    Random random = {27};
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

TEST(winograd_convolutions_of_many_channels)
{
    // 20 blocks of what is read, forward or by data, are transformed in parts;
    // weights by the task, and beforehand.
    static const Shape shapes[] = {
        {8, 320, 7, 7, 32, 3, 3, 1, 1, {1, 1, 1, 1}, 7, 7},
        {8, 32, 7, 7, 320, 3, 3, 1, 1, {1, 1, 1, 1}, 7, 7},
        {34, 320, 7, 7, 32, 3, 3, 1, 1, {1, 1, 1, 1}, 7, 7},
    };
    Random random = {17};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        CHECK(check_shape(&shapes[i], directions_graph, "native", &random) > 0);
}

TEST(winograd_convolutions_of_many_tiles)
{
    // More than four tasks would transform the same weights: a kernel does so
    // beforehand. 216 tiles of 4x4 results, 363 of 2x2.
    static const Shape large = {6, 48, 21, 22,           32, 3,
                                3, 1,  1,  {1, 1, 1, 1}, 21, 22};
    static const Shape small = {3, 32, 21, 22,           48, 3,
                                3, 1,  1,  {1, 1, 1, 1}, 21, 22};
    Random random = {11};
    CHECK(check_shape(&large, directions_graph, "native", &random) > 0);
    CHECK(check_sums(&small, directions_graph, "native", PLAN_SUMS_STRICT,
                     &random) > 0);
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
    // of a net, strided and not, one of a prime number of images, phases of
    // which some have no taps, and phases of 14 and 13 columns.
    static const Shape shapes[] = {
        {32, 64, 2, 2, 32, 3, 3, 1, 1, {1, 1, 1, 1}, 2, 2},
        {16, 32, 4, 4, 64, 3, 3, 2, 2, {0, 0, 1, 1}, 2, 2},
        {13, 48, 3, 2, 32, 3, 2, 1, 1, {1, 0, 1, 1}, 3, 2},
        {40, 32, 3, 3, 32, 1, 1, 2, 2, {0, 0, 0, 0}, 2, 2},
        {8, 32, 27, 27, 32, 3, 3, 2, 2, {1, 1, 1, 1}, 14, 14},
    };
    Random random = {15};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        CHECK(check_shape(&shapes[i], directions_graph, "native", &random) > 0);
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
