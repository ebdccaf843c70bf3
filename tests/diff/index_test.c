// Rows by number and images of other sizes, compiled, over several tasks: the
// oracle's numbers, and the same bits on any number of threads.
#include <string.h>

#include "ir/autodiff.h"
#include "tests/diff/against_oracle.h"
#include "tests/harness.h"

// y and the gradient of the sum of y^2 by x.
static void check_with_gradient(const char *what, Graph *g, Value x, Value y)
{
    int64_t axes[] = {0, 1, 2, 3, 4, 5};
    Value square = build_binary(g, OP_MUL, y, y), gradient, culprit;
    Value loss =
        build_reduce(g, OP_REDUCE_SUM, square, graph_type(g, y)->rank, axes);
    CHECK(autodiff(g, loss, 1, &x, &gradient, &culprit));
    graph_add_output(g, "y", y);
    graph_add_output(g, "gradient", gradient);
    check_graph(what, g);
}

// 300 numbers of 41 rows, each several times, and of rows that are not there.
TEST(compiled_rows_by_number_agree)
{
    static const int64_t widths[] = {1, 7, 900};
    for (int i = 0; i < 6; i++) {
        DType dtype = i < 3 ? DT_F32 : DT_F64;
        Graph *g = graph_new(arena_new(), "take");
        Value x = build_param(g, type_make(dtype, 2, L(41, widths[i % 3])), "x",
                              "weight", "constant", 0);
        Value n = build_iota(g, type_make(dtype, 2, L(50, 6)), 0);
        n = build_binary(g, OP_SUB, n, build_const_like(g, n, 3));
        Value y = graph_add(g, OP_TAKE, 2, (Value[]){x, n}, NULL, NULL);
        check_with_gradient("take", g, x, y);
    }
}

TEST(compiled_images_of_other_sizes_agree)
{
    static const int64_t sizes[][4] = {
        {19, 23, 38, 46}, {64, 60, 32, 15}, {7, 5, 50, 1}, {1, 1, 9, 9}};
    static const char *const modes[] = {"nearest", "bilinear"};
    for (int i = 0; i < 16; i++) {
        const int64_t *s = sizes[i / 4];
        Graph *g = graph_new(arena_new(), "resize");
        Value x = build_param(
            g, type_make(i & 1 ? DT_F64 : DT_F32, 4, L(5, 7, s[0], s[1])), "x",
            "weight", "constant", 0);
        Attr attrs[MAX_ATTRS] = {[RESIZE_SIZE].ints = {2, s + 2},
                                 [RESIZE_MODE].text = modes[i / 2 % 2]};
        Value y = graph_add(g, OP_RESIZE, 1, &x, attrs, NULL);
        check_with_gradient("resize", g, x, y);
    }
}
