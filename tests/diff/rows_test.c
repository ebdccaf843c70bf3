// Reductions of products of rows, compiled, on matrices of several tiles: the
// oracle's numbers, and those of a graph that stores the product; and that
// nothing of the product's size is in the plan.
#include <stdlib.h>

#include "ir/autodiff.h"
#include "ir/build.h"
#include "ir/eval.h"
#include "tests/passes.h"
#include "runtime/exec/exp_rows.h"
#include "tests/compiled.h"
#include "tests/harness.h"

enum { A_ROWS = 301, B_ROWS = 1111, WIDTH = 19 };

static Value new_param(Graph *g, const char *name, DType dtype, int64_t rows,
                       int64_t width)
{
    TensorType type = type_make(dtype, 2, (int64_t[]){rows, width});
    return build_param(g, type, name, "weight", "constant", 0);
}

static Value add_rows(Graph *g, Op op, Value a, Value b, Value skip)
{
    Attr attrs[MAX_ATTRS] = {[GUARD_GUARD].f = 1e-8};
    return graph_add(g, op, 3, (Value[]){a, b, skip}, attrs, NULL);
}

static Value total(Graph *g, Value x)
{
    return build_reduce(g, OP_REDUCE_SUM, x, 1, (int64_t[]){0});
}

// Every op, and the gradients of a sum of squares of log-sums.
static Graph *all_rows(DType dtype)
{
    Graph *g = graph_new(arena_new(), "rows");
    Value a = new_param(g, "a", dtype, A_ROWS, WIDTH);
    Value b = new_param(g, "b", dtype, B_ROWS, WIDTH);
    TensorType type = type_make(dtype, 1, (int64_t[]){A_ROWS});
    Value skip = build_iota(g, type, 0);
    Value lse = add_rows(g, OP_MATMUL_LSE, a, b, skip), culprit;
    Value loss = total(g, build_binary(g, OP_MUL, lse, lse));
    Value wrt[] = {a, b}, gradients[2];
    CHECK(autodiff(g, loss, 2, wrt, gradients, &culprit));
    graph_add_output(g, "lse", lse);
    graph_add_output(g, "max", add_rows(g, OP_MATMUL_MAX, a, b, skip));
    graph_add_output(g, "entropy", add_rows(g, OP_MATMUL_ENTROPY, a, b, skip));
    graph_add_output(g, "da", gradients[0]);
    graph_add_output(g, "db", gradients[1]);
    return g;
}

static double number_at(DType dtype, const void *data, int64_t i)
{
    return dtype == DT_F64 ? ((const double *)data)[i]
                           : (double)((const float *)data)[i];
}

// Numbers in [-1, 1) that are exact in single precision.
static double *fill_numbers(Arena *arena, int64_t count, uint64_t state)
{
    double *data = ARENA_ARRAY(arena, double, count);
    for (int64_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        data[i] = (double)((int)(state >> 40 & 0xffff) - 0x8000) / 0x8000;
    }
    return data;
}

static void set_param(Store *store, DType dtype, const char *name,
                      const double *data, int64_t count)
{
    void *to = store_find(store, name)->data;
    for (int64_t i = 0; i < count; i++)
        if (dtype == DT_F64)
            ((double *)to)[i] = data[i];
        else
            ((float *)to)[i] = (float)data[i];
}

static void check_output(const Graph *g, const Executor *executor,
                         const Output *output, const double *want,
                         double tolerance)
{
    const TensorType *type = graph_type(g, output->value);
    const void *got = executor_output(executor, output->name);
    double scale = 0, worst = 0;
    for (int64_t i = 0; i < type_elements(type); i++) {
        scale = fmax(scale, fabs(want[i]));
        double error = fabs(number_at(type->dtype, got, i) - want[i]);
        worst = error > worst || isnan(error) ? error : worst;
    }
    if (!(worst <= tolerance * scale))
        test_fail(__FILE__, __LINE__, "%s of %s: off by %g of %g", output->name,
                  dtype_name(type->dtype), worst, scale);
}

static void check_rows(DType dtype, double tolerance)
{
    Graph *g = all_rows(dtype);
    double *a = fill_numbers(g->arena, A_ROWS * WIDTH, 1);
    double *b = fill_numbers(g->arena, B_ROWS * WIDTH, 2);
    EvalBinding bindings[] = {{0, a}, {1, b}};
    double **want = eval_graph(g, g->arena, 2, bindings);
    Compiled compiled = compiled_new(g->arena, g, "native");
    double first[A_ROWS];
    for (int threads = 1; threads <= 3; threads += 2) {
        Store store = {0};
        Executor *executor;
        Pool *pool = pool_new(threads);
        must(store_add_plan(&store, &compiled.plan));
        must(executor_new(&compiled.plan, compiled.image, &store, pool,
                          &executor));
        set_param(&store, dtype, "a", a, A_ROWS * WIDTH);
        set_param(&store, dtype, "b", b, B_ROWS * WIDTH);
        executor_run(executor);
        for (int i = 0; i < g->outputs.count; i++)
            check_output(g, executor, &g->outputs.at[i],
                         want[g->outputs.at[i].value], tolerance);
        const void *lse = executor_output(executor, "lse");
        for (int i = 0; i < A_ROWS; i++) {
            double x = number_at(dtype, lse, i);
            CHECK(threads == 1 || x == first[i]);
            first[i] = x;
        }
        executor_free(executor);
        store_free(&store);
        pool_free(pool);
    }
    compiled_free(&compiled);
    arena_free(g->arena);
}

TEST(rows_of_several_tiles_agree)
{
    check_rows(DT_F64, 1e-12);
    check_rows(DT_F32, 2e-6);
}

// A contrastive loss of 4096 pairs in 128 features and its gradient: 16384
// products a row would be 256 MB each time they are stored.
TEST(rows_are_never_stored_as_a_product)
{
    Graph *g = graph_new(arena_new(), "contrast");
    Value z = new_param(g, "z", DT_F32, 8192, 128), gradient, culprit;
    Value skip = build_iota(g, type_make(DT_F32, 1, (int64_t[]){8192}), 0);
    Value loss = total(g, add_rows(g, OP_MATMUL_LSE, z, z, skip));
    CHECK(autodiff(g, loss, 1, &z, &gradient, &culprit));
    graph_add_output(g, "loss", loss);
    graph_add_output(g, "gradient", gradient);
    run_passes(g, NULL, false);
    Compiled compiled = compiled_new(g->arena, g, "native");
    CHECK(compiled.plan.slab_bytes < 32 << 20);
    CHECK(compiled.plan.scratch_bytes <= 1 << 20);
    compiled_free(&compiled);
    arena_free(g->arena);
}

TEST(rows_without_a_term_or_with_nan)
{
    Graph *g = graph_new(arena_new(), "odd");
    Value a = new_param(g, "a", DT_F32, 3, 2),
          b = new_param(g, "b", DT_F32, 1, 2);
    TensorType type = type_make(DT_F32, 1, (int64_t[]){3});
    Value skip = build_iota(g, type, 0);
    graph_add_output(g, "lse", add_rows(g, OP_MATMUL_LSE, a, b, skip));
    graph_add_output(g, "max", add_rows(g, OP_MATMUL_MAX, a, b, skip));
    Compiled compiled = compiled_new(g->arena, g, "native");
    Store store = {0};
    Executor *executor;
    Pool *pool = pool_new(1);
    must(store_add_plan(&store, &compiled.plan));
    must(executor_new(&compiled.plan, compiled.image, &store, pool, &executor));
    set_param(&store, DT_F32, "a", (double[]){1, 2, NAN, 1, 3, 1}, 6);
    set_param(&store, DT_F32, "b", (double[]){1, 1}, 2);
    executor_run(executor);
    const float *lse = executor_output(executor, "lse");
    const float *max = executor_output(executor, "max");
    CHECK(isinf(lse[0]) && lse[0] < 0); // its one term is left out
    CHECK(isinf(max[0]) && max[0] < 0);
    CHECK(isnan(lse[1]) && isnan(max[1]));
    CHECK_NEAR(lse[2], 4, 0);
    CHECK_NEAR(max[2], 4, 0);
    executor_free(executor);
    store_free(&store);
    pool_free(pool);
    compiled_free(&compiled);
    arena_free(g->arena);
}

TEST(exponentials_of_rows)
{
    float x[37], y[37];
    for (float base = -100; base <= 88; base += 0.37f) {
        double sum = 0;
        for (int i = 0; i < 37; i++) {
            x[i] = y[i] = base + (float)i / 128;
            sum += exp((double)x[i] - 1);
        }
        row_exp_f32(y, 37, 1);
        for (int i = 0; i < 37; i++) {
            double want = exp((double)(x[i] - 1));
            if (want < 1.2e-38)
                CHECK(y[i] >= 0 && y[i] < 1.3e-38f);
            else
                CHECK_NEAR((double)y[i] / want, 1, 2.4e-7);
        }
        if (sum > 1e-36 && sum < 1e37)
            CHECK_NEAR((double)row_sum_exp_f32(x, 37, 1) / sum, 1, 4e-6);
        CHECK_NEAR(row_max_f32(x, 37), x[36], 0);
    }
    x[3] = NAN, x[7] = INFINITY;
    row_exp_f32(x, 9, 0);
    CHECK(isnan(x[3]) && isinf(x[7]));
    CHECK(isnan(row_max_f32(x, 9)));
    CHECK(isnan(row_sum_exp_f32(x, 9, 0)));
    CHECK(isinf(row_max_f32(x, 0)));
}
