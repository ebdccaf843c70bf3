// Activations in bf16 against the oracle, which rounds where the graph's casts
// do: every kind of convolution and pool, to the bit where sums are exact, and
// random graphs; the same bits on any number of threads. Rounding itself, of
// numbers of every class. Products of bf16 by f32, and by the instructions for
// them, which are emulated where the processor has none.
#include <math.h>

#include "passes/pass.h"
#include "tests/diff/against_oracle.h"
#include "tests/diff/conv_shapes.h"
#include "tests/diff/generator.h"
#include "tests/emulate_bf16.h"
#include "tests/harness.h"
#include "tests/passes.h"

enum {
    // A number near the middle of two of bf16 becomes the one or the other; of
    // some hundred such a few meet in a sum.
    FLIPS = 200, // times 1e-4
    SEEDS = 60,
    NODES = 40,
};

// Inputs are rounded, and so are images that come out; and weights, for these
// products.
static Graph *narrow(Graph *graph, ConvBf16 products)
{
    CHECK(!passes_run(graph, &(PassOptions){.names = "precision",
                                            .paranoid = true,
                                            .bf16 = true,
                                            .products = products}));
    return graph;
}

static Graph *narrow_directions(Arena *arena, const Shape *shape)
{
    return narrow(directions_graph(arena, shape), CONV_BF16_NONE);
}

// Multiples of 1/16 below 2 in size, of which bf16 holds all: products are
// multiples of 2^-8, and sums of fewer than 2^14 of them exact in f32.
// Weights that are to be rounded are such numbers afterwards.
static EvalBinding *bind_coarse(const Graph *graph, Arena *arena,
                                Random *random, bool rounds, int *count)
{
    EvalBinding *bindings = bind_random(graph, arena, random, count);
    for (int i = 0; i < *count; i++) {
        double *data = (double *)(uintptr_t)bindings[i].data;
        int64_t elements = type_elements(graph_type(graph, bindings[i].value));
        bool finer =
            rounds && graph_node(graph, bindings[i].value)->op == OP_PARAM;
        for (int64_t k = 0; k < elements; k++) {
            data[k] = (double)draw(random, -31, 31) / 16;
            // On either side: cut off, some would be others.
            data[k] *= !finer ? 1 : k % 2 ? 1 + 0x1p-10 : 1 - 0x1p-10;
        }
    }
    return bindings;
}

static int count_bf16(const Graph *graph)
{
    int count = 0;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        LowerClass class = op_info(node->op)->lower;
        bool images = class == LOWER_CONV || class == LOWER_POOL;
        for (int i = 0; i < node->input_count; i++)
            count +=
                images && graph_type(graph, node->inputs[i])->dtype == DT_BF16;
    }
    return count;
}

// All of the graph's convolutions as sums along rows.
static const char *ways_by_rows(Arena *arena, const Graph *graph)
{
    Text text = text_new(arena);
    Codegen *codegen = codegen_new(&(CodegenOptions){.cpu = "native"});
    for (Value v = 0; v < graph->nodes.count; v++) {
        const char *shape;
        if (op_info(graph_node(graph, v)->op)->lower != LOWER_CONV)
            continue;
        codegen_conv_ways(codegen, graph, v, arena, &shape);
        text_addf(&text, "%s: rows\n", shape);
    }
    codegen_free(codegen);
    return text_string(&text);
}

// Plain sums of such numbers are the oracle's to the bit.
static void check_exact_by(const Shape *shape, GraphOf *graph_of,
                           const char *cpu, Random *random, ConvBf16 products,
                           bool by_rows)
{
    Arena *arena = arena_new();
    Graph *graph = graph_of(arena, shape);
    int count;
    int64_t total;
    CHECK(count_bf16(graph) > 0);
    EvalBinding *bindings =
        bind_coarse(graph, arena, random, products != CONV_BF16_NONE, &count);
    double **want = eval_graph(graph, arena, count, bindings);
    Compiled build =
        compiled_in_bf16(arena, graph, cpu, products,
                         by_rows ? ways_by_rows(arena, graph) : NULL);
    const char *what = shape_string(arena, shape, cpu);
    const float *one = run_convs(&build, arena, 1, count, bindings, &total);
    const float *two = run_convs(&build, arena, 2, count, bindings, &total);
    if (memcmp(one, two, (size_t)total * sizeof *one) != 0)
        test_fail(__FILE__, __LINE__, "%s: two threads give other bits", what);
    for (int i = 0; i < graph->outputs.count; i++) {
        const Output *output = &graph->outputs.at[i];
        int64_t elements = type_elements(graph_type(graph, output->value));
        for (int64_t k = 0; k < elements; k++)
            if ((double)one[k] != want[output->value][k]) {
                test_fail(__FILE__, __LINE__, "%s, %s[%lld] is %g, not %g",
                          what, output->name, (long long)k, one[k],
                          want[output->value][k]);
                break;
            }
        one += elements;
    }
    compiled_free(&build);
    arena_free(arena);
}

static void check_exact(const Shape *shape, GraphOf *graph_of, const char *cpu,
                        Random *random)
{
    check_exact_by(shape, graph_of, cpu, random, CONV_BF16_NONE, false);
}

static void check_drawn(Shape draw_one(Random *random), const char *cpu,
                        uint64_t seed, int count)
{
    Random random = {seed};
    for (int i = 0; i < count; i++) {
        Shape shape = draw_one(&random);
        check_exact(&shape, narrow_directions, cpu, &random);
    }
}

static Shape draw_any(Random *random)
{
    return draw_shape(random, 3);
}

static Shape draw_stem(Random *random)
{
    Shape shape = draw_shape(random, 5);
    shape.c = draw(random, 1, 4);
    return shape;
}

static Shape draw_pointwise(Random *random)
{
    Shape s = {.n = draw(random, 1, 9),
               .c = 16 * draw(random, 1, 9),
               .h = draw(random, 2, 20),
               .w = draw(random, 2, 20),
               .o = 16 * draw(random, 1, 9),
               .kh = 1,
               .kw = 1};
    s.sh = s.sw = draw(random, 1, 2);
    count_windows(&s);
    return s;
}

TEST(bf16_convolutions_are_exact_where_sums_are)
{
    check_drawn(draw_any, "native", 1, 24);
    check_drawn(draw_pointwise, "native", 2, 24);
    check_drawn(draw_grouped_shape, "native", 3, 10);
    check_drawn(draw_depthwise_shape, "native", 4, 12);
    check_drawn(draw_stem, "native", 5, 8);
    check_drawn(draw_small_shape, "native", 6, 12);
}

TEST(bf16_convolutions_with_128_bit_vectors)
{
    check_drawn(draw_any, "x86-64", 11, 6);
    check_drawn(draw_pointwise, "x86-64", 12, 6);
    check_drawn(draw_depthwise_shape, "x86-64", 13, 4);
}

TEST(bf16_convolutions_with_256_bit_vectors)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("x86-64-v3"))
        test_skip("needs AVX2");
    check_drawn(draw_pointwise, "x86-64-v3", 14, 6);
}

// Whose channels are summed in parts, forward and by data; a stride; weights
// that the task transposes; more images than a task's; both a stride and parts
// by data; parts of a group's weights that are not even; parts of a task's.
static void check_pointwise_networks(const char *cpu)
{
    static const Shape shapes[] = {
        {2, 1024, 14, 14, 64, 1, 1, 1, 1, {0, 0, 0, 0}, 14, 14},
        {2, 64, 14, 14, 1024, 1, 1, 1, 1, {0, 0, 0, 0}, 14, 14},
        {4, 1024, 8, 8, 128, 1, 1, 2, 2, {0, 0, 0, 0}, 4, 4},
        {4, 1024, 14, 14, 512, 1, 1, 2, 2, {0, 0, 0, 0}, 7, 7},
        {32, 64, 2, 2, 256, 1, 1, 1, 1, {0, 0, 0, 0}, 2, 2},
        {4, 2048, 4, 4, 512, 1, 1, 1, 1, {0, 0, 0, 0}, 4, 4},
        {2, 176, 6, 5, 176, 1, 1, 1, 1, {0, 0, 0, 0}, 6, 5},
        {3, 272, 7, 7, 128, 1, 1, 1, 1, {0, 0, 0, 0}, 7, 7},
        {3, 656, 16, 16, 384, 1, 1, 1, 1, {0, 0, 0, 0}, 16, 16},
    };
    Random random = {21};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_exact(&shapes[i], narrow_directions, cpu, &random);
}

TEST(bf16_pointwise_convolutions_of_networks)
{
    check_pointwise_networks("native");
}

TEST(bf16_pointwise_convolutions_of_networks_with_256_bit_vectors)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("x86-64-v3"))
        test_skip("needs AVX2");
    check_pointwise_networks("x86-64-v3");
}

// ---- rounding ---------------------------------------------------------------

// The nearest number of bf16, of two as near the even one; a NaN stays one,
// with its sign and the upper half of what it says, and becomes quiet.
static uint16_t rounded(uint32_t bits)
{
    float x, low;
    uint32_t low_bits = bits & 0xffff0000;
    uint16_t below = (uint16_t)(bits >> 16);
    memcpy(&x, &bits, sizeof x);
    memcpy(&low, &low_bits, sizeof low);
    if (isnan(x))
        return below | 0x40;
    if (isinf(x) || x == 0)
        return below;
    // To the next one: the last place of 8 bits.
    double step = ldexp(1, ilogb(low) - 7);
    double over = fabs((double)x) - fabs((double)low);
    bool up = over > step / 2 || (over == step / 2 && below % 2);
    return (uint16_t)(below + up);
}

static void check_rounding(const char *cpu)
{
    enum { COUNT = 16 * 37 + 5 }; // whole vectors and a rest
    static const uint32_t special[] = {
        0x00000000, 0x80000000, 0x7f800000, 0xff800000, // 0, infinity
        0x7f800001, 0xff800001, 0x7fc00000, 0xffffffff, // NaNs of either kind
        0x7fffffff, 0x7fbfffff, 0xffa00000, 0x7f80ffff, // and with every bit
        0x3f808000, 0x3f818000, 0xbf808000, 0xbf818000, // in the middle
        0x3f807fff, 0x3f808001, 0x3fff8000, 0x00800000, // beside it; a carry
        0x7f7fffff, 0xff7fffff, 0x7f7f8000, 0x7f7f7fff, // to infinity or not
    };
    enum { SPECIAL = sizeof special / sizeof *special };
    Arena *arena = arena_new();
    Graph *graph = graph_new(arena, "rounding");
    Value x = build_input(graph, type_make(DT_F32, 1, L(COUNT)), "x");
    graph_add_output(graph, "low", build_cast(graph, x, DT_BF16));
    Run run = run_new(arena, graph, cpu);
    Pool *pool = pool_new(1);
    Executor *executor = run_once(&run, pool, 0, NULL);
    uint32_t *in = executor_input(executor, "x");
    Random random = {7};
    for (int i = 0; i < COUNT; i++) {
        uint32_t drawn = (uint32_t)draw(&random, 1, 254) << 23 |
                         (uint32_t)draw(&random, 0, 0x7fffff) |
                         (uint32_t)(i % 2) << 31;
        in[i] = i % 3 ? drawn : special[i / 3 % SPECIAL];
    }
    executor_run(executor);
    const uint16_t *out = executor_output(executor, "low");
    for (int i = 0; i < COUNT; i++)
        if (out[i] != rounded(in[i]))
            test_fail(__FILE__, __LINE__, "%s: %08x becomes %04x, not %04x",
                      cpu, in[i], out[i], rounded(in[i]));
    executor_free(executor);
    pool_free(pool);
    run_free(&run);
    arena_free(arena);
}

TEST(bf16_rounds_numbers_of_every_class)
{
    check_rounding("native");
    check_rounding("x86-64");
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v3"))
        check_rounding("x86-64-v3");
}

// ---- products in bf16 -------------------------------------------------------

static Graph *narrow_products(Arena *arena, const Shape *shape)
{
    Graph *graph = narrow(directions_graph(arena, shape), CONV_BF16_ALL);
    int rounded = 0;
    for (Value v = 0; v < graph->nodes.count; v++)
        rounded += graph_node(graph, v)->op == OP_CAST &&
                   graph_node(graph, v)->type.form == FORM_TILED;
    // The weights, forward and by data.
    CHECK_INT(rounded, 2);
    return graph;
}

static void check_products(const Shape *shape, const char *cpu, Random *random)
{
    check_exact_by(shape, narrow_products, cpu, random, CONV_BF16_ALL, false);
}

static void check_drawn_products(Shape draw_one(Random *random),
                                 const char *cpu, uint64_t seed, int count)
{
    Random random = {seed};
    for (int i = 0; i < count; i++) {
        Shape shape = draw_one(&random);
        check_products(&shape, cpu, &random);
    }
}

static Shape draw_dilated(Random *random)
{
    Shape shape;
    do {
        shape = draw_shape(random, 3);
        shape.gap = draw(random, 2, 3);
        count_windows(&shape);
    } while (shape.oh < 1 || shape.ow < 1);
    return shape;
}

TEST(bf16_products_are_exact_where_sums_are)
{
    check_drawn_products(draw_any, "native", 51, 24);
    check_drawn_products(draw_pointwise, "native", 52, 24);
    check_drawn_products(draw_small_shape, "native", 53, 12);
    check_drawn_products(draw_dilated, "native", 54, 8);
    check_drawn_products(draw_any, "x86-64", 55, 4);
}

// How many kernels multiply in bf16, with those that pack their weights.
static int count_kernels(const Compiled *build, Arena *arena)
{
    static const char *const kinds[] = {"; bf16: ", "; bf16, weights packed",
                                        "; bf16, by weights"};
    Text text = text_new(arena);
    int count = 0;
    codegen_print_llvm(build->codegen, &text);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (const char *at = text_string(&text);
             (at = strstr(at, kinds[i])) != NULL; at++)
            count++;
    return count;
}

// Forward, by data, the weights of both, and by weights; none in other ways.
TEST(bf16_products_have_kernels_of_their_own)
{
    static const Shape shape = {2, 32,           9, 9, 48, 3, 3, 1,
                                1, {1, 1, 1, 1}, 9, 9};
    Arena *arena = arena_new();
    Graph *graph = narrow_products(arena, &shape);
    for (int by_rows = 0; by_rows < 2; by_rows++) {
        Compiled build =
            compiled_in_bf16(arena, graph, "native", CONV_BF16_ALL,
                             by_rows ? ways_by_rows(arena, graph) : NULL);
        CHECK_INT(count_kernels(&build, arena), by_rows ? 0 : 5);
        compiled_free(&build);
    }
    arena_free(arena);
}

// Computed in another way, as --tune may have it, weights are rounded all the
// same.
TEST(bf16_products_in_other_ways)
{
    static const Shape shapes[] = {
        {2, 32, 9, 9, 48, 3, 3, 1, 1, {1, 1, 1, 1}, 9, 9},
        {2, 48, 8, 8, 32, 1, 1, 2, 2, {0, 0, 0, 0}, 4, 4},
    };
    Random random = {71};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_exact_by(&shapes[i], narrow_products, "native", &random,
                       CONV_BF16_ALL, true);
}

// A map in rows, forward and by data; a stride, whose phases are lines; odd
// blocks; small maps of many images, by weights as one line and apart; a
// stride that leaves some results without a tap.
static const Shape network_shapes[] = {
    {1, 32, 100, 100, 16, 3, 3, 1, 1, {1, 1, 1, 1}, 100, 100},
    {2, 64, 28, 28, 128, 3, 3, 2, 2, {1, 1, 1, 1}, 14, 14},
    {3, 48, 14, 14, 80, 3, 3, 1, 1, {1, 1, 1, 1}, 14, 14},
    {32, 64, 2, 2, 64, 3, 3, 1, 1, {1, 1, 1, 1}, 2, 2},
    {8, 256, 7, 7, 64, 1, 1, 1, 1, {0, 0, 0, 0}, 7, 7},
    {4, 64, 15, 15, 32, 1, 1, 2, 2, {0, 0, 0, 0}, 8, 8},
    {5, 512, 4, 4, 32, 3, 3, 1, 1, {1, 1, 1, 1}, 4, 4},
};

static void check_networks(const char *cpu, uint64_t seed)
{
    Random random = {seed};
    for (size_t i = 0; i < sizeof network_shapes / sizeof *network_shapes; i++)
        check_products(&network_shapes[i], cpu, &random);
}

TEST(bf16_products_of_networks)
{
    check_networks("native", 61);
}

// ---- by the instructions for them -------------------------------------------

// What runs anywhere with AVX-512, for whatever the processor lacks of the rest
// is emulated.
#define BY_VECTORS "x86-64-v4,+avx512bf16"
#define BY_TILES   "x86-64-v4,+avx512bf16,+amx-tile,+amx-bf16"

// The code of a processor itself, less what kernels make nothing of but this
// one may lack, if it has all the rest.
static const char *code_of(const char *cpu, const char *otherwise)
{
    Codegen *codegen = codegen_new(&(CodegenOptions){.cpu = cpu});
    bool runs = (codegen_needs(codegen) & ~cpu_here()) == 0;
    codegen_free(codegen);
    return runs ? cpu : otherwise;
}

// By the instruction: no sum of a convolution is in between.
TEST(bf16_rounds_numbers_of_every_class_by_instruction)
{
    emulate_begin(true);
    check_rounding(BY_VECTORS);
    CHECK(emulate_count(EMULATED_VCVTNEPS2BF16) > 0);
}

static void begin_with_vectors(void)
{
    emulate_begin(false);
    if (!emulate_has_vectors())
        test_skip("this processor lacks AVX512-BF16, which takes too long to "
                  "emulate for so many products");
}

TEST(bf16_products_by_vectors)
{
    begin_with_vectors();
    check_drawn_products(draw_any, BY_VECTORS, 81, 4);
    check_drawn_products(draw_pointwise, BY_VECTORS, 82, 4);
    check_drawn_products(draw_small_shape, BY_VECTORS, 83, 3);
    check_drawn_products(draw_dilated, BY_VECTORS, 84, 3);
}

TEST(bf16_products_by_vectors_of_networks)
{
    begin_with_vectors();
    check_networks(code_of("znver4,-sse4a", BY_VECTORS), 85);
}

// The same anywhere, of few pixels: a signal for every other product.
TEST(bf16_products_by_emulated_vectors)
{
    // Blocks that have a partner and such that have none, on either side; a
    // stride; gaps between taps; one tap; small maps of many images.
    static const Shape shapes[] = {
        {1, 48, 2, 2, 32, 2, 2, 1, 1, {0, 1, 1, 0}, 2, 2},
        {2, 16, 5, 4, 16, 3, 3, 2, 2, {1, 1, 1, 1}, 3, 2},
        {1, 16, 4, 3, 16, 2, 2, 1, 1, {1, 1, 1, 1}, 4, 3, .gap = 2},
        {1, 32, 3, 3, 48, 1, 1, 2, 2, {0, 0, 0, 0}, 2, 2},
        {9, 16, 1, 2, 16, 1, 1, 1, 1, {0, 0, 0, 0}, 1, 2},
    };
    Random random = {86};
    emulate_begin(true);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_products(&shapes[i], BY_VECTORS, &random);
    CHECK(emulate_count(EMULATED_VDPBF16PS) > 0);
    CHECK_INT(emulate_count(EMULATED_TDPBF16PS), 0);
}

// Where the processor has no tiles, they were in fact emulated: each kernel
// that configured them gave them back.
static void check_tiles_were_used(void)
{
    if (emulate_has_tiles())
        return;
    CHECK(emulate_count(EMULATED_LDTILECFG) > 0);
    CHECK_INT(emulate_count(EMULATED_TILERELEASE),
              emulate_count(EMULATED_LDTILECFG));
    CHECK(emulate_count(EMULATED_TILEZERO) > 0);
    CHECK(emulate_count(EMULATED_TILELOADD) > 0);
    CHECK(emulate_count(EMULATED_TDPBF16PS) > 0);
    CHECK(emulate_count(EMULATED_TILESTORED) > 0);
    CHECK_INT(emulate_count(EMULATED_VDPBF16PS), 0);
}

TEST(bf16_products_by_tiles)
{
    emulate_begin(false);
    check_drawn_products(draw_any, BY_TILES, 91, 4);
    check_drawn_products(draw_pointwise, BY_TILES, 92, 3);
    check_drawn_products(draw_small_shape, BY_TILES, 93, 3);
    check_drawn_products(draw_dilated, BY_TILES, 94, 3);
    check_tiles_were_used();
}

TEST(bf16_products_by_tiles_of_networks)
{
    emulate_begin(false);
    check_networks(code_of("sapphirerapids,-avx512fp16,-avxvnni", BY_TILES),
                   95);
    check_tiles_were_used();
}

// What such a processor multiplies in bf16 by its own choice, on numbers whose
// sums are not exact.
TEST(bf16_products_by_choice)
{
    static const struct {
        const char *cpu;
        ConvBf16 products;
        Shape shape;
    } rows[] = {
        {BY_VECTORS,
         CONV_BF16_PLAIN,
         {1, 32, 3, 4, 16, 1, 1, 1, 1, {0, 0, 0, 0}, 3, 4}},
        {BY_TILES,
         CONV_BF16_ALL,
         {3, 48, 9, 9, 32, 3, 3, 1, 1, {1, 1, 1, 1}, 9, 9}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Arena *arena = arena_new();
        CHECK_INT(codegen_bf16_products(&(CodegenOptions){.cpu = rows[i].cpu}),
                  rows[i].products);
        emulate_begin(true);
        check_graph_loosely(
            shape_string(arena, &rows[i].shape, rows[i].cpu), arena,
            narrow(directions_graph(arena, &rows[i].shape), rows[i].products),
            96, rows[i].cpu, FLIPS);
        CHECK(emulate_count(i == 0 ? EMULATED_VDPBF16PS : EMULATED_TDPBF16PS) >
              0);
        emulate_end();
        arena_free(arena);
    }
}

// Numbers of all sizes down to where products are denormals, which become
// zeros: the loop of f32 gives what vectors give, to the bit, for it adds in
// their order. (Tiles do not: theirs is another.)
TEST(bf16_products_in_f32_are_those_of_vectors)
{
    static const Shape shape = {1, 48,           4, 3, 16, 2, 2, 1,
                                1, {0, 1, 1, 0}, 4, 3};
    Arena *arena = arena_new();
    Graph *graph = narrow_products(arena, &shape);
    Random random = {97};
    int count;
    int64_t total;
    const float *results[2];
    EvalBinding *bindings = bind_random(graph, arena, &random, &count);
    for (int i = 0; i < count; i++) {
        double *data = (double *)(uintptr_t)bindings[i].data;
        for (int64_t k = 0;
             k < type_elements(graph_type(graph, bindings[i].value)); k++)
            data[k] = ldexp(data[k], -(int)draw(&random, 0, 4) * 16);
    }
    emulate_begin(true);
    for (int i = 0; i < 2; i++) {
        Compiled build =
            compiled_in_bf16(arena, graph, i == 0 ? BY_VECTORS : "x86-64-v4",
                             CONV_BF16_ALL, NULL);
        results[i] = run_convs(&build, arena, 1, count, bindings, &total);
        compiled_free(&build);
    }
    CHECK(emulate_count(EMULATED_VDPBF16PS) > 0);
    CHECK(memcmp(results[0], results[1], (size_t)total * sizeof(float)) == 0);
    arena_free(arena);
}

TEST(bf16_pools_are_exact)
{
    Random random = {31};
    for (int i = 0; i < 12; i++) {
        Shape shape = draw_shape(&random, 3);
        check_exact(&shape, bf16_pool_graph, "native", &random);
    }
}

TEST(bf16_winograd_convolutions)
{
    Random random = {41};
    for (int i = 0; i < 12; i++) {
        Shape shape = i % 6 == 5 ? draw_strided_winograd_shape(&random)
                                 : draw_winograd_shape(&random, 1 + i % 3);
        Arena *arena = arena_new();
        Graph *graph = narrow_directions(arena, &shape);
        CHECK(count_bf16(graph) == 4);
        check_graph_loosely(shape_string(arena, &shape, "bf16"), arena, graph,
                            (uint64_t)i, "native", FLIPS);
        arena_free(arena);
    }
}

// ---- whole graphs -----------------------------------------------------------

static void check_random(uint64_t seed, const char *cpu)
{
    Arena *arena = arena_new();
    Graph *graph = generate_graph(arena, seed, DT_F32, NODES);
    CHECK(!passes_run(
        graph,
        &(PassOptions){.block = TEST_BLOCK, .paranoid = true, .bf16 = true}));
    check_graph_loosely(
        arena_printf(arena, "seed %llu", (unsigned long long)seed), arena,
        graph, seed, cpu, FLIPS);
    arena_free(arena);
}

TEST(bf16_random_graphs_agree)
{
    for (uint64_t seed = 500; seed < 500 + SEEDS; seed++)
        check_random(seed, "native");
    for (uint64_t seed = 600; seed < 600 + SEEDS / 4; seed++)
        check_random(seed, "x86-64");
}
