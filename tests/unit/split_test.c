// Cutting a step where rows of different images meet.
#include "ir/build.h"
#include "ir/min_cut.h"
#include "ir/split.h"
#include "tests/harness.h"

// ---- the cheapest cut -------------------------------------------------------

static void check_cut(int count, const int64_t *cost, const char *sources,
                      const char *sinks, int edge_count, const CutEdge *edges,
                      const char *wanted)
{
    Arena *arena = arena_new();
    bool source[16], sink[16], cut[16];
    char got[17] = "";
    for (int v = 0; v < count; v++) {
        source[v] = sources[v] == '1';
        sink[v] = sinks[v] == '1';
    }
    CHECK(min_cut(arena, count, cost, source, sink, edge_count, edges, cut));
    for (int v = 0; v < count; v++)
        got[v] = cut[v] ? '1' : '0';
    CHECK_TEXT(got, wanted);
    arena_free(arena);
}

TEST(min_cut_takes_the_narrowest_place)
{
    static const CutEdge chain[] = {{0, 1}, {1, 2}, {2, 3}};
    static const CutEdge fork[] = {{0, 1}, {1, 2}, {1, 3}, {0, 3}};
    check_cut(4, (int64_t[]){9, 4, 5, 6}, "1000", "0001", 3, chain, "0100");
    // Of two as narrow, the one nearer the sink.
    check_cut(4, (int64_t[]){9, 4, 4, 6}, "1000", "0001", 3, chain, "0010");
    check_cut(4, (int64_t[]){3, 2, 2, 9}, "1000", "0011", 4, fork, "1000");
    check_cut(4, (int64_t[]){9, 2, 2, 5}, "1000", "0011", 4, fork, "0011");
    // A vertex that is both is cut itself, and nothing is where no path is.
    check_cut(2, (int64_t[]){7, 1}, "10", "10", 0, NULL, "10");
    check_cut(4, (int64_t[]){1, 1, 1, 1}, "1000", "0001", 2, chain, "0000");
}

TEST(min_cut_says_when_there_is_none)
{
    static const CutEdge edges[] = {{0, 1}};
    static const int64_t cost[] = {CUT_NEVER, CUT_NEVER};
    bool source[] = {true, false}, sink[] = {false, true}, cut[2];
    Arena *arena = arena_new();
    CHECK(!min_cut(arena, 2, cost, source, sink, 1, edges, cut));
    arena_free(arena);
}

// ---- the step ---------------------------------------------------------------

enum { ROWS = 6 };

static TensorType type_of(int rank, int64_t a, int64_t b)
{
    return type_make(DT_F64, rank, (const int64_t[]){a, b});
}

static Value mean_over_rows(Graph *g, Value x)
{
    Value sum = build_reduce(g, OP_REDUCE_SUM, x, 1, (const int64_t[]){0});
    return build_binary(g, OP_MUL, sum, build_const_like(g, sum, 1.0 / ROWS));
}

static Value over_rows(Graph *g, Value x, int64_t channels)
{
    return build_broadcast(g, x, 2, (const int64_t[]){ROWS, channels},
                           (const int64_t[]){1});
}

// images -> x - mean(x) -> w -> z; the loss is a mean over rows of z. With
// `kept` a running state keeps the mean.
static void make_step(Graph *g, bool kept, Split *split, Value *z)
{
    Value images = build_input(g, type_of(2, ROWS, 4), "images");
    Value running =
        build_param(g, type_of(1, 4, 0), "running", "state", "constant", 0);
    Value w = build_param(g, type_of(2, 4, 3), "w", "weight", "constant", 1);
    Value mean = mean_over_rows(g, images);
    Value x = build_binary(g, OP_SUB, images, over_rows(g, mean, 4));
    *z = build_matmul(g, x, w, false, false);
    Value squares = build_binary(g, OP_MUL, *z, *z);
    Value loss = mean_over_rows(g, squares);
    graph_add_output(
        g, "loss",
        build_reduce(g, OP_REDUCE_SUM, loss, 1, (const int64_t[]){0}));
    Value updated = build_binary(g, OP_ADD, running, mean);
    split_find(g, ROWS / 2, kept, &running, &updated, g->arena, split);
}

TEST(split_cuts_at_the_embeddings)
{
    Split split;
    Value z;
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "step");
    make_step(g, true, &split, &z);
    CHECK_INT(split.cut_count, 1);
    CHECK_INT(graph_type(g, split.cut[0])->dims[1], 3);
    CHECK(split.classes[z] == SPLIT_ROWS);
    CHECK_INT(split.statistic, NO_VALUE);
    arena_free(arena);
}

TEST(split_takes_a_mean_that_nothing_keeps_over_all_images)
{
    Split split;
    Value z;
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "step");
    make_step(g, false, &split, &z);
    CHECK_INT(split.cut_count, 1);
    CHECK_INT(split.cut[0], 0); // the images
    CHECK(split.classes[z] == SPLIT_WHOLE);
    arena_free(arena);
}

// What depends on the place in the batch is of no row alone.
TEST(split_knows_what_tells_rows_apart)
{
    Split split;
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "step");
    Value images = build_input(g, type_of(2, ROWS, 4), "images");
    TensorType type = type_of(2, ROWS, 4);
    Value column = build_binary(g, OP_MUL, images, build_iota(g, type, 1));
    Value row = build_binary(g, OP_MUL, column, build_iota(g, type, 0));
    Value flat = build_reshape(g, column, 1, (const int64_t[]){ROWS * 4});
    int64_t perm[] = {1, 0};
    Value turned = build_transpose(g, column, perm);
    Value first = build_slice(g, column, (const int64_t[]){0, 0},
                              (const int64_t[]){1, 4});
    // Three images of two views.
    Value second = build_slice(g, column, (const int64_t[]){ROWS / 2, 0},
                               (const int64_t[]){ROWS / 2, 4});
    Value both = build_concat(g, 2, (const Value[]){second, column}, 0);
    graph_add_output(g, "loss", column);
    split_find(g, ROWS / 2, 0, NULL, NULL, arena, &split);
    CHECK(split.classes[column] == SPLIT_ROWS);
    CHECK(split.classes[row] == SPLIT_WHOLE);
    CHECK(split.classes[flat] == SPLIT_WHOLE);
    CHECK(split.classes[turned] == SPLIT_WHOLE);
    CHECK(split.classes[first] == SPLIT_WHOLE);
    CHECK(split.classes[second] == SPLIT_ROWS);
    CHECK(split.classes[both] == SPLIT_ROWS);
    arena_free(arena);
}

// Matrices of each image with those of the same image, or with one for all; not
// with those of the others, nor where axis 0 is not the images.
TEST(split_knows_products_of_any_rank_and_rows_by_number)
{
    Split split;
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "step");
    const int64_t dims[] = {ROWS, 2, 2};
    Value images = build_input(g, type_of(2, ROWS, 4), "images");
    Value x = build_reshape(g, images, 3, dims);
    Value w = build_param(g, type_of(2, 2, 3), "w", "weight", "constant", 1);
    Value each = build_param(g, type_make(DT_F64, 3, dims), "each", "weight",
                             "constant", 1);
    Value flat = build_reshape(g, images, 2, (const int64_t[]){ROWS * 2, 2});
    Value own = build_matmul(g, x, x, true, false);
    Value shared = build_matmul(g, x, w, false, false);
    Value turned = build_matmul(g, w, x, true, false);
    Value placed = build_matmul(g, x, each, false, false);
    Value same = build_matmul(g, build_const(g, type_make(DT_F64, 3, dims), 2),
                              x, false, false);
    Value mixed = build_matmul(g, x, flat, false, true);
    Value numbers = build_slice(g, images, (const int64_t[]){0, 0},
                                (const int64_t[]){ROWS, 1});
    Value by_image =
        graph_add(g, OP_TAKE, 2, (Value[]){w, numbers}, NULL, NULL);
    Value of_images =
        graph_add(g, OP_TAKE, 2, (Value[]){images, numbers}, NULL, NULL);
    Attr scale[MAX_ATTRS] = {[SCALE_SCALE].f = 1};
    Value attended =
        graph_add(g, OP_ATTENTION, 3, (Value[]){x, x, same}, scale, NULL);
    Value at_all = graph_add(g, OP_ATTENTION, 3,
                             (Value[]){images, images, images}, scale, NULL);
    graph_add_output(g, "loss", own);
    split_find(g, ROWS / 2, 0, NULL, NULL, arena, &split);
    CHECK(split.classes[own] == SPLIT_ROWS);
    CHECK(split.classes[shared] == SPLIT_ROWS);
    CHECK(split.classes[turned] == SPLIT_ROWS);
    CHECK(split.classes[same] == SPLIT_ROWS);
    CHECK(split.classes[placed] == SPLIT_WHOLE);
    CHECK(split.classes[mixed] == SPLIT_WHOLE);
    CHECK(split.classes[by_image] == SPLIT_ROWS);
    CHECK(split.classes[of_images] == SPLIT_WHOLE);
    CHECK(split.classes[attended] == SPLIT_ROWS);
    CHECK(split.classes[at_all] == SPLIT_WHOLE);
    arena_free(arena);
}
