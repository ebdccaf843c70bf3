// Loop nests of many sizes: the kernels that they share, and what those give.
#include "ir/build.h"
#include "tests/diff/against_oracle.h"
#include "tests/harness.h"

static Graph *new_graph(const char *name)
{
    return graph_new(arena_new(), name);
}

static Value input(Graph *g, const char *name, DType dtype, int rank,
                   const int64_t *dims)
{
    return build_input(g, type_make(dtype, rank, dims), name);
}

// Of a tensor of those dims, whose channels are the last dim and, of four, the
// second: a map with numbers by channel, and the sums by channel.
static void add_normalization(Graph *g, int index, int rank,
                              const int64_t *dims)
{
    static const int64_t of_four[] = {1, 3};
    bool four = rank == 4;
    int64_t channels[] = {four ? dims[1] : dims[rank - 1], four ? dims[3] : 0};
    char *name = arena_printf(g->arena, "x%d", index);
    Value x = input(g, name, DT_F32, rank, dims);
    Value shift = input(g, arena_printf(g->arena, "shift%d", index), DT_F32,
                        four ? 2 : 1, channels);
    Value wide =
        build_broadcast(g, shift, rank, dims, four ? of_four : L(rank - 1));
    Value y = build_binary(g, OP_SUB, x, wide);
    graph_add_output(g, arena_printf(g->arena, "y%d", index), y);
    graph_add_output(g, arena_printf(g->arena, "sum%d", index),
                     rank == 1 ? build_reduce(g, OP_REDUCE_SUM, y, 1, L(0))
                     : four    ? build_reduce(g, OP_REDUCE_SUM, y, 2, L(0, 2))
                               : build_reduce(g, OP_REDUCE_MAX, y, 1, L(0)));
}

static int count_kernels(const Graph *graph)
{
    CodegenOptions options = {.cpu = "native"};
    Codegen *codegen = codegen_new(&options);
    Plan plan;
    codegen_lower(codegen, graph, &plan);
    int count = codegen_stats(codegen).kernels;
    plan_free(&plan);
    codegen_free(codegen);
    return count;
}

// Sizes of one unit (64, 16 and 1 for a single dim), of maps with a block of
// channels, with few pixels, and of matrices; the first alone is all kernels.
TEST(loops_of_all_sizes_share_kernels)
{
    enum { SIZES = 3 };
    static const struct {
        int rank;
        int64_t dims[SIZES][4];
    } alike[] = {
        {1, {{192}, {64}, {8256}}},
        {1, {{48}, {16}, {4112}}},
        {1, {{3}, {17}, {4001}}},
        {2, {{5, 128}, {2, 192}, {30, 256}}},
        {2, {{5, 100}, {2, 67}, {30, 331}}},
        {2, {{5, 24}, {2, 24}, {30, 24}}},
        {4, {{2, 5, 132, 16}, {2, 3, 200, 16}, {3, 2, 157, 16}}},
        {4, {{2, 5, 49, 16}, {2, 7, 49, 16}, {3, 2, 49, 16}}},
    };
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
        Graph *one = new_graph("one"), *all = new_graph("all");
        add_normalization(one, 0, alike[i].rank, alike[i].dims[0]);
        for (int j = 0; j < SIZES; j++)
            add_normalization(all, j, alike[i].rank, alike[i].dims[j]);
        CHECK_INT(count_kernels(all), count_kernels(one));
        check_graph_seed("all", all->arena, all, 1, "x86-64");
        check_graph("all", all);
        arena_free(one->arena);
    }
}

// A share of a task is a multiple of 64, the last one what is left.
TEST(loops_of_many_tasks_agree)
{
    static const int64_t sizes[] = {300000, 262144, 100001, 98304 + 16};
    Graph *g = new_graph("tasks");
    for (int i = 0; i < 4; i++)
        add_normalization(g, i, 1, &sizes[i]);
    add_normalization(g, 4, 2, L(4000, 192));
    add_normalization(g, 5, 4, L(9, 8, 300, 16));
    check_graph_seed("tasks", g->arena, g, 1, "x86-64");
    check_graph("tasks", g);
}
