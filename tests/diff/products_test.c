// Products of any rank, compiled: the oracle's numbers, the same bits on any
// number of threads, and how they are cut into tasks.
#include "ir/autodiff.h"
#include "ir/matmul.h"
#include "runtime/exec/plan.h"
#include "tests/diff/against_oracle.h"
#include "tests/harness.h"
#include "tests/passes.h"

static Value param(Graph *g, const char *name, DType dtype, int rank,
                   const int64_t *dims)
{
    return build_param(g, type_make(dtype, rank, dims), name, "weight",
                       "constant", 0);
}

// tanh(a b + 1) and the gradients of its squares.
static Graph *product_step(DType dtype, int a_rank, const int64_t *a_dims,
                           int b_rank, const int64_t *b_dims, int flags)
{
    Graph *g = graph_new(arena_new(), "product");
    Value wrt[] = {param(g, "a", dtype, a_rank, a_dims),
                   param(g, "b", dtype, b_rank, b_dims)};
    Value y = build_matmul(g, wrt[0], wrt[1], flags & 1, flags & 2);
    Value scaled = build_binary(g, OP_MUL, y, build_const_like(g, y, 0.015625));
    Value bent = build_unary(g, OP_TANH, scaled), gradients[2], culprit;
    int64_t axes[] = {0, 1, 2, 3, 4, 5};
    Value loss =
        build_reduce(g, OP_REDUCE_SUM, build_binary(g, OP_MUL, bent, bent),
                     graph_type(g, y)->rank, axes);
    CHECK(autodiff(g, loss, 2, wrt, gradients, &culprit));
    graph_add_output(g, "bent", bent);
    graph_add_output(g, "da", gradients[0]);
    graph_add_output(g, "db", gradients[1]);
    return g;
}

// Many small matrices, few large ones that are cut, one for all, and mixtures.
TEST(compiled_products_of_any_rank_agree)
{
    static const struct {
        int a_rank;
        int64_t a[MAX_RANK];
        int b_rank;
        int64_t b[MAX_RANK];
    } cases[] = {
        {4, {6, 4, 33, 16}, 4, {6, 4, 16, 33}},
        {3, {300, 7, 9}, 3, {300, 9, 5}},
        {3, {2, 197, 160}, 3, {2, 160, 150}},
        {3, {16, 65, 96}, 2, {96, 70}},
        {2, {40, 33}, 3, {25, 33, 37}},
        {4, {5, 1, 24, 20}, 4, {1, 7, 20, 24}},
        {5, {2, 3, 2, 11, 8}, 4, {3, 1, 8, 13}},
        {6, {2, 1, 3, 1, 9, 8}, 6, {1, 2, 1, 3, 8, 9}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int flags = 0; flags < 4; flags++) {
            int64_t a[MAX_RANK], b[MAX_RANK];
            int a_rank = cases[i].a_rank, b_rank = cases[i].b_rank;
            memcpy(a, cases[i].a, sizeof a);
            memcpy(b, cases[i].b, sizeof b);
            if (flags & 1) {
                a[a_rank - 2] = cases[i].a[a_rank - 1];
                a[a_rank - 1] = cases[i].a[a_rank - 2];
            }
            if (flags & 2) {
                b[b_rank - 2] = cases[i].b[b_rank - 1];
                b[b_rank - 1] = cases[i].b[b_rank - 2];
            }
            Graph *g = product_step(flags & 1 ? DT_F64 : DT_F32, a_rank, a,
                                    b_rank, b, flags);
            check_graph(arena_printf(g->arena, "case %zu, flags %d", i, flags),
                        g);
        }
}

// Products of two matrices by kernels of our own: rows, columns and numbers of
// k that leave tiles, panels and blocks unfilled; tasks of which the last is
// smaller; k that goes through in parts; operands that are packed for where
// their rows lie, or for how.
TEST(compiled_products_of_matrices_agree)
{
    static const struct {
        int64_t m, n, k;
    } cases[] = {{32, 16, 16},    {33, 17, 19},   {61, 48, 64},
                 {300, 31, 100},  {257, 113, 47}, {65, 500, 96},
                 {260, 20, 1024}, {40, 20, 4100}, {300, 33, 301},
                 {600, 20, 200},  {33, 1024, 200}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int flags = 0; flags < 4; flags++) {
            int64_t m = cases[i].m, n = cases[i].n, k = cases[i].k;
            Graph *g = product_step(DT_F32, 2, flags & 1 ? L(k, m) : L(m, k), 2,
                                    flags & 2 ? L(n, k) : L(k, n), flags);
            check_graph(arena_printf(g->arena, "%lld x %lld x %lld, flags %d",
                                     (long long)m, (long long)n, (long long)k,
                                     flags),
                        g);
        }
}

// Registers of 128 and 256 bits: smaller tiles of the same panels.
static void check_target(const char *cpu)
{
    for (int flags = 0; flags < 4; flags++) {
        Graph *g = product_step(DT_F32, 2, flags & 1 ? L(83, 150) : L(150, 83),
                                2, flags & 2 ? L(37, 83) : L(83, 37), flags);
        check_graph_seed(cpu, g->arena, g, 7, cpu);
        arena_free(g->arena);
    }
}

TEST(compiled_products_of_matrices_agree_on_sse2)
{
    check_target("x86-64");
}

TEST(compiled_products_of_matrices_agree_on_avx2)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("x86-64-v3"))
        test_skip("needs AVX2");
    check_target("x86-64-v3");
}

// The plan's product and, where it has one, the epilogue that is chained to it.
static void first_steps(int a_rank, const int64_t *a, int b_rank,
                        const int64_t *b, int *tasks, bool *chained)
{
    Graph *g = graph_new(arena_new(), "tasks");
    Value x = build_input(g, type_make(DT_F32, a_rank, a), "x");
    Value w = build_input(g, type_make(DT_F32, b_rank, b), "w");
    Value y = build_matmul(g, x, w, false, false);
    graph_add_output(g, "y", build_unary(g, OP_RELU, y));
    CHECK(run_passes(g, NULL, false) == NULL);
    Compiled compiled = compiled_new(g->arena, g, "native");
    // What packs the operands comes before.
    const PlanStep *epilogue =
        &compiled.plan.steps[compiled.plan.step_count - 1];
    *tasks = epilogue[-1].task_count;
    *chained = epilogue->flags & PLAN_STEP_CHAINED;
    compiled_free(&compiled);
    arena_free(g->arena);
}

TEST(products_are_shared_over_tasks_by_their_shapes)
{
    int tasks;
    bool chained;
    // 24 heads of few operations: in as many tasks as these are worth, which
    // are of whole images, and an epilogue follows them.
    first_steps(4, L(8, 3, 65, 64), 4, L(8, 3, 64, 65), &tasks, &chained);
    CHECK_INT(tasks, 4);
    CHECK(chained);
    // Tiny ones are one task.
    first_steps(3, L(8, 4, 4), 3, L(8, 4, 4), &tasks, &chained);
    CHECK_INT(tasks, 1);
    CHECK(chained);
    // Two large ones: each in blocks of rows, of which none is an image.
    first_steps(3, L(2, 512, 256), 3, L(2, 256, 256), &tasks, &chained);
    CHECK_INT(tasks, 32);
    CHECK(!chained);
    // Tokens and a weight: rows of whole images.
    first_steps(3, L(64, 65, 192), 2, L(192, 192), &tasks, &chained);
    CHECK_INT(tasks, 16);
    CHECK(chained);
    // A weight that no core's cache holds: tasks share its columns out, too.
    first_steps(2, L(256, 1024), 2, L(1024, 1024), &tasks, &chained);
    CHECK_INT(tasks, 16);
    CHECK(!chained);
}

// Nothing is trained: a layer of few rows is dot products, and calls no BLAS.
TEST(dense_layers_of_inference_are_dot_products)
{
    static const int64_t rows[] = {1, 3, 8, 256, 257};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Graph *g = graph_new(arena_new(), "dense");
        Value x = build_input(g, type_make(DT_F32, 2, L(rows[i], 40)), "x");
        Value w = build_input(g, type_make(DT_F32, 2, L(70, 40)), "w");
        graph_add_output(g, "y", build_matmul(g, x, w, false, true));
        CHECK(run_passes(g, NULL, false) == NULL);
        Compiled compiled = compiled_for_inference(g->arena, g, "native");
        // More rows are a product like others.
        const PlanStep *first = &compiled.plan.steps[0];
        bool dots = first->symbol < 0 && first->call == PLAN_CALL_DOTS_F32;
        CHECK(dots == (rows[i] <= 256));
        CHECK_INT(compiled.plan.step_count, dots ? 1 : 2);
        if (dots)
            CHECK_INT(first->task_count, 2);
        compiled_free(&compiled);
        arena_free(g->arena);
    }
}
