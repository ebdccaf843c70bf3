// Kernels that go over the same values one after another
// (codegen/plan/chain.c): norms and their gradients, run task by task, against
// the oracle, and on two threads to the bit what they are on one.
#include "ir/autodiff.h"
#include "ir/conv.h"
#include "tests/diff/against_oracle.h"
#include "tests/graphs.h"
#include "tests/harness.h"
#include "tests/passes.h"

typedef struct Norm {
    const char *what;
    int rank;
    int64_t dims[4];
    int axis_count;
    int64_t axes[3]; // that statistics go over
    int kept;        // the axis of gain and bias
    bool image;      // of a convolution, in blocks
    int chained;     // steps that join one before them, at least; 0: none
} Norm;

static Value stretch(Graph *g, Value v, const Norm *n, const int64_t *axes)
{
    return build_broadcast(g, v, n->rank, n->dims, axes);
}

// (x - mean) / sqrt(variance + 1e-3) * gain + bias, rectified; what is output
// are these numbers and the gradient of a sum over them by x, and gain and bias
// are updated.
static Graph *norm_graph(const Norm *n)
{
    Graph *g = graph_new(arena_new(), "norm");
    TensorType type = type_make(DT_F32, n->rank, n->dims);
    Value x = build_input(g, type, "x"), given = x;
    if (n->image) {
        static const ConvGeometry one = {.stride = {1, 1}};
        Attr attrs[MAX_ATTRS] = {{0}};
        conv_set_attrs(&one, attrs);
        Value w = build_param(
            g, type_make(DT_F32, 4, L(n->dims[1], n->dims[1], 1, 1)), "w",
            "weight", "uniform", 0.1);
        x = graph_add(g, OP_CONV2D, 2, (Value[]){x, w}, attrs, NULL);
        CHECK(x != NO_VALUE);
    }
    int64_t over = 1, rest[4];
    int rest_count = 0;
    for (int i = 0; i < n->rank; i++) {
        bool reduced = false;
        for (int j = 0; j < n->axis_count; j++)
            reduced |= n->axes[j] == i;
        if (reduced)
            over *= n->dims[i];
        else
            rest[rest_count++] = i;
    }
    Value mean = build_reduce(g, OP_REDUCE_SUM, x, n->axis_count, n->axes);
    Value share = build_const_like(g, mean, 1.0 / (double)over);
    mean = build_binary(g, OP_MUL, mean, share);
    Value away = build_binary(g, OP_SUB, x, stretch(g, mean, n, rest));
    Value variance =
        build_reduce(g, OP_REDUCE_SUM, build_binary(g, OP_MUL, away, away),
                     n->axis_count, n->axes);
    variance = build_binary(g, OP_MUL, variance, share);
    variance =
        build_binary(g, OP_ADD, variance, build_const_like(g, variance, 1e-3));
    Value scale = build_unary(g, OP_RSQRT, variance);
    Value y = build_binary(g, OP_MUL, away, stretch(g, scale, n, rest));
    Value params[2], kept[2];
    for (int i = 0; i < 2; i++) {
        params[i] = build_param(g, type_make(DT_F32, 1, &n->dims[n->kept]),
                                i ? "bias" : "gain", "weight", "uniform", 1);
        kept[i] = stretch(g, params[i], n, L(n->kept));
    }
    y = build_binary(g, OP_ADD, build_binary(g, OP_MUL, y, kept[0]), kept[1]);
    y = build_unary(g, OP_RELU, y);
    Value loss =
        build_reduce(g, OP_REDUCE_SUM, build_binary(g, OP_MUL, y, given),
                     n->rank, L(0, 1, 2, 3));
    Value by[3] = {x, params[0], params[1]}, gradients[3], culprit;
    CHECK(autodiff(g, loss, 3, by, gradients, &culprit));
    for (int i = 0; i < 2; i++)
        build_assign(g, params[i],
                     build_binary(g, OP_SUB, params[i], gradients[i + 1]));
    graph_add_output(g, "y", y);
    graph_add_output(g, "by x", gradients[0]);
    return g;
}

TEST(norms_and_their_gradients_run_task_by_task)
{
    static const Norm norms[] = {
        {"images", 4, {4, 24, 32, 32}, 3, {0, 2, 3}, 1, false, 6},
        {"blocks", 4, {4, 128, 16, 20}, 3, {0, 2, 3}, 1, true, 9},
        {"rows", 2, {640, 512}, 1, {1}, 1, false, 6},
        {"prime channels", 4, {3, 37, 60, 31}, 3, {0, 2, 3}, 1, false, 0},
        {"few channels", 4, {4, 3, 64, 64}, 3, {0, 2, 3}, 1, false, 0},
        {"small", 4, {2, 24, 8, 8}, 3, {0, 2, 3}, 1, false, 0},
    };
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++) {
        Graph *g = norm_graph(&norms[i]);
        Arena *arena = arena_new();
        Graph *passed = copy_graph(arena, g);
        run_passes(passed, NULL, false);
        Run run = run_new(arena, passed, "native");
        int chained = 0;
        for (int s = 0; s < run.compiled.plan.step_count; s++)
            chained +=
                (run.compiled.plan.steps[s].flags & PLAN_STEP_CHAINED) != 0;
        if (norms[i].chained ? chained < norms[i].chained : chained > 0)
            test_fail(__FILE__, __LINE__, "%s: %d steps join another, not %d",
                      norms[i].what, chained, norms[i].chained);
        run_free(&run);
        arena_free(arena);
        check_graph(norms[i].what, g);
    }
}
