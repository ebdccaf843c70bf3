// The layout pass on the published models: no image is converted.
#include "frontend/lang/experiment.h"
#include "ir/base/diag.h"
#include "tests/harness.h"
#include "tests/passes.h"

typedef struct ModelCase {
    const char *depth, *sk_ratio, *size;
} ModelCase;

static Graph *load_step(Arena *arena, const ModelCase *at)
{
    Setting settings[] = {{"depth", at->depth, false},
                          {"sk_ratio", at->sk_ratio, false},
                          {"image_size", at->size, false},
                          {"pretrain.batch", "4", false}};
    LangOptions options = {
        .dtype = DT_F32, .ranks = 1, .setting_count = 4, .settings = settings};
    DiagList diags = diag_list_new(arena);
    Experiment *read =
        lang_load(arena, "models/simclrv2.net", &options, &diags);
    if (!read) {
        diag_print(&diags, stderr, false);
        return NULL;
    }
    return read->phases.at[0].train;
}

// Nodes whose input `i` has that rank.
static int count_op(const Graph *graph, Op op, int i, int rank)
{
    int count = 0;
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        count +=
            node->op == op && graph_type(graph, node->inputs[i])->rank == rank;
    }
    return count;
}

TEST(models_need_no_conversions)
{
    static const ModelCase cases[] = {
        {"18", "0", "32"},
        {"50", "0", "224"},
        {"50", "0.0625", "224"},
        {"152", "0.0625", "64"},
    };
    for (int i = 0; i < 4; i++) {
        Arena *arena = arena_new();
        Graph *graph = load_step(arena, &cases[i]);
        CHECK(graph);
        if (!graph)
            return;
        CHECK(!run_passes(graph, "ranks,fold,simplify,cse,dce,layout", false));
        // Nor does a convolution read or make a plain one.
        CHECK_INT(count_op(graph, OP_TRANSPOSE, 0, 5), 0);
        CHECK_INT(count_op(graph, OP_TRANSPOSE, 0, 6), 0); // weights
        CHECK_INT(count_op(graph, OP_CONV2D, 0, 4) +
                      count_op(graph, OP_CONV2D_GRAD_X, 1, 4) +
                      count_op(graph, OP_CONV2D_GRAD_W, 0, 4),
                  0);
        CHECK_INT(count_op(graph, OP_RELU, 0, 4), 0);
        arena_free(arena);
    }
}
