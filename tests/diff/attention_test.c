// Attention, compiled, on matrices of one tile and of several: the oracle's
// numbers, the same bits on any number of threads, and nothing of the size of
// the products in the plan.
#include "ir/autodiff.h"
#include "tests/diff/against_oracle.h"
#include "tests/harness.h"
#include "tests/passes.h"

// `heads` of q[m,d], k[s,d] and v[s,e], and the gradients of the squares of
// what attention gives: of the part that is read, or with `logs` of all.
static Graph *attention_step(DType dtype, int64_t heads, const int64_t *sizes,
                             bool logs)
{
    int64_t m = sizes[0], s = sizes[1], d = sizes[2], e = sizes[3];
    Graph *g = graph_new(arena_new(), "attention");
    Value in[3];
    const int64_t rows[] = {m, s, s}, columns[] = {d, d, e};
    for (int i = 0; i < 3; i++)
        in[i] = build_param(
            g, type_make(dtype, 3, L(heads, rows[i], columns[i])),
            arena_printf(g->arena, "%c", "qkv"[i]), "weight", "constant", 0);
    Attr attrs[MAX_ATTRS] = {[SCALE_SCALE].f = 0.125};
    Value y = graph_add(g, OP_ATTENTION, 3, in, attrs, NULL);
    if (!logs)
        y = build_slice(g, y, L(0, 0, 0), L(heads, m, e));
    Value gradients[3], culprit;
    Value loss = build_reduce(g, OP_REDUCE_SUM, build_binary(g, OP_MUL, y, y),
                              3, L(0, 1, 2));
    CHECK(autodiff(g, loss, 3, in, gradients, &culprit));
    graph_add_output(g, "y", y);
    graph_add_output(g, "dq", gradients[0]);
    graph_add_output(g, "dk", gradients[1]);
    graph_add_output(g, "dv", gradients[2]);
    return g;
}

TEST(compiled_attention_agrees)
{
    static const int64_t cases[][5] = {
        {6, 65, 65, 16, 16},  // heads to the tasks whole
        {1, 300, 1100, 8, 5}, // several tiles both ways
        {2, 1100, 70, 3, 9},
        {40, 3, 2, 1, 1},
    };
    for (int i = 0; i < 4; i++)
        for (int dtype = DT_F32; dtype <= DT_F64; dtype++)
            check_graph("attention",
                        attention_step((DType)dtype, cases[i][0], cases[i] + 1,
                                       dtype == DT_F64));
}

// 8 heads of 1024 tokens: 32 MB of products, each time that they are stored.
TEST(attention_never_stores_its_products)
{
    Graph *g = attention_step(DT_F32, 8, L(1024, 1024, 32, 32), false);
    CHECK(run_passes(g, NULL, false) == NULL);
    Compiled compiled = compiled_new(g->arena, g, "native");
    CHECK(compiled.plan.slab_bytes < 12 << 20);
    CHECK(compiled.plan.scratch_bytes <= 1 << 20);
    compiled_free(&compiled);
    arena_free(g->arena);
}
