// The oracle against values worked out by hand.
#include "tests/grad/problem.h"

#define V(...) ((const double[]){__VA_ARGS__})

static void check_values(Problem *p, Value y, int line, int64_t count,
                         const double *want)
{
    const double *got = problem_eval(p, y);
    if (type_elements(graph_type(p->graph, y)) != count)
        test_fail(__FILE__, line, "another number of elements");
    else
        for (int64_t i = 0; i < count; i++)
            if (got[i] != want[i] && !(fabs(got[i] - want[i]) <= 1e-12))
                test_fail(__FILE__, line, "[%lld] is %.17g, not %.17g",
                          (long long)i, got[i], want[i]);
}

#define VALUES(p, y, ...)                                                      \
    check_values(p, y, __LINE__, sizeof V(__VA_ARGS__) / sizeof(double),       \
                 V(__VA_ARGS__))

static Value vector(Problem *p, int64_t count, const double *values)
{
    return problem_param_values(p, 1, &count, values);
}

static Value add_node(Problem *p, Op op, int count, const Value *inputs,
                      const Attr *attrs)
{
    Value value = graph_add(p->graph, op, count, inputs, attrs, NULL);
    if (value == NO_VALUE)
        test_fail(__FILE__, __LINE__, "%s", p->graph->error);
    return value;
}

TEST(eval_unary_maps)
{
    Problem p = problem_new();
    Graph *g = p.graph;
    Value x = vector(&p, 3, V(-1.5, 0, 2.25));
    VALUES(&p, build_unary(g, OP_NEG, x), 1.5, 0, -2.25);
    VALUES(&p, build_unary(g, OP_ABS, x), 1.5, 0, 2.25);
    VALUES(&p, build_unary(g, OP_EXP, x), 0.22313016014842982, 1,
           9.487735836358526);
    VALUES(&p, build_unary(g, OP_SIN, x), -0.9974949866040544, 0,
           0.7780731968879212);
    VALUES(&p, build_unary(g, OP_COS, x), 0.0707372016677029, 1,
           -0.6281736227227391);
    VALUES(&p, build_unary(g, OP_TANH, x), -0.9051482536448664, 0,
           0.9780261147388136);
    VALUES(&p, build_unary(g, OP_SIGMOID, x), 0.18242552380635635, 0.5,
           0.9046505351008906);
    VALUES(&p, build_unary(g, OP_RELU, x), 0, 0, 2.25);
    VALUES(&p, build_unary(g, OP_FLOOR, x), -2, 0, 2);
    VALUES(&p, build_unary(g, OP_SIGN, x), -1, 0, 1);
    VALUES(&p, build_unary(g, OP_STOP_GRADIENT, x), -1.5, 0, 2.25);
    Value y = vector(&p, 3, V(0.25, 1, 4));
    VALUES(&p, build_unary(g, OP_LOG, y), -1.3862943611198906, 0,
           1.3862943611198906);
    VALUES(&p, build_unary(g, OP_SQRT, y), 0.5, 1, 2);
    VALUES(&p, build_unary(g, OP_RSQRT, y), 2, 1, 0.5);
    VALUES(&p, build_cast(g, x, DT_BOOL), 1, 0, 1);
    // The oracle is exact but for bf16: the nearest of 8 bits, ties to even.
    Value thirds = vector(&p, 4, V(1. / 3, 1 + 1. / 256, 1 + 3. / 256, 3e38));
    VALUES(&p, build_cast(g, thirds, DT_F32), 1. / 3, 1 + 1. / 256,
           1 + 3. / 256, 3e38);
    VALUES(&p, build_cast(g, thirds, DT_BF16), 171. / 512, 1, 1 + 1. / 64,
           0xe2p120);
    problem_free(&p);
}

TEST(eval_binary_maps)
{
    Problem p = problem_new();
    Graph *g = p.graph;
    Value x = vector(&p, 3, V(1, 2, -3)), y = vector(&p, 3, V(2, 2, 2));
    VALUES(&p, build_binary(g, OP_ADD, x, y), 3, 4, -1);
    VALUES(&p, build_binary(g, OP_SUB, x, y), -1, 0, -5);
    VALUES(&p, build_binary(g, OP_MUL, x, y), 2, 4, -6);
    VALUES(&p, build_binary(g, OP_DIV, x, y), 0.5, 1, -1.5);
    VALUES(&p, build_binary(g, OP_MAX, x, y), 2, 2, 2);
    VALUES(&p, build_binary(g, OP_MIN, x, y), 1, 2, -3);
    VALUES(&p, build_binary(g, OP_POW, x, y), 1, 4, 9);
    Value less = build_binary(g, OP_LT, x, y);
    Value not_more = build_binary(g, OP_LE, x, y);
    VALUES(&p, less, 1, 0, 1);
    VALUES(&p, not_more, 1, 1, 1);
    Value equal = build_binary(g, OP_EQ, x, y);
    VALUES(&p, equal, 0, 1, 0);
    VALUES(&p, build_binary(g, OP_NE, x, y), 1, 0, 1);
    VALUES(&p, build_unary(g, OP_NOT, equal), 1, 0, 1);
    VALUES(&p, build_binary(g, OP_AND, equal, not_more), 0, 1, 0);
    VALUES(&p, build_binary(g, OP_AND, equal, less), 0, 0, 0);
    VALUES(&p, build_binary(g, OP_OR, equal, less), 1, 1, 1);
    VALUES(&p, build_select(g, equal, x, y), 2, 2, 2);
    VALUES(&p, build_select(g, less, x, y), 1, 2, -3);
    problem_free(&p);
}

TEST(eval_leaves)
{
    Problem p = problem_new();
    Graph *g = p.graph;
    TensorType type = type_make(DT_F64, 2, L(2, 3));
    VALUES(&p, build_const(g, type, 2.5), 2.5, 2.5, 2.5, 2.5, 2.5, 2.5);
    VALUES(&p, build_iota(g, type, 0), 0, 0, 0, 1, 1, 1);
    VALUES(&p, build_iota(g, type, 1), 0, 1, 2, 0, 1, 2);
    TensorType scalar = type_scalar(DT_F32);
    VALUES(&p, graph_add(g, OP_RANK, 0, NULL, NULL, &scalar), 0);
    problem_free(&p);
}

TEST(eval_shapes)
{
    Problem p = problem_new();
    Graph *g = p.graph;
    Value x = problem_param_values(&p, 2, L(2, 3), V(1, 2, 3, 4, 5, 6));
    VALUES(&p, build_reshape(g, x, 2, L(3, 2)), 1, 2, 3, 4, 5, 6);
    VALUES(&p, build_transpose(g, x, L(1, 0)), 1, 4, 2, 5, 3, 6);
    VALUES(&p, build_slice(g, x, L(0, 1), L(2, 2)), 2, 3, 5, 6);
    VALUES(&p, build_pad(g, x, L(0, 1), L(1, 0), 9), 9, 1, 2, 3, 9, 4, 5, 6, 9,
           9, 9, 9);
    Value y = problem_param_values(&p, 2, L(2, 1), V(7, 8));
    VALUES(&p, build_concat(g, 2, (Value[]){x, y}, 1), 1, 2, 3, 7, 4, 5, 6, 8);
    VALUES(&p, build_concat(g, 2, (Value[]){x, x}, 0), 1, 2, 3, 4, 5, 6, 1, 2,
           3, 4, 5, 6);
    VALUES(&p, build_broadcast(g, y, 2, L(2, 3), L(0, 1)), 7, 7, 7, 8, 8, 8);
    VALUES(&p, build_broadcast(g, y, 3, L(2, 2, 2), L(1, 2)), 7, 7, 8, 8, 7, 7,
           8, 8);
    Value z = problem_param_values(&p, 3, L(1, 2, 3), V(1, 2, 3, 4, 5, 6));
    VALUES(&p, build_transpose(g, z, L(2, 0, 1)), 1, 4, 2, 5, 3, 6);
    problem_free(&p);
}

TEST(eval_reductions)
{
    Problem p = problem_new();
    Graph *g = p.graph;
    Value x = problem_param_values(&p, 3, L(2, 2, 3),
                                   V(1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6));
    VALUES(&p, build_reduce(g, OP_REDUCE_SUM, x, 1, L(1)), 5, 7, 9, -5, -7, -9);
    VALUES(&p, build_reduce(g, OP_REDUCE_SUM, x, 2, L(0, 2)), 0, 0);
    VALUES(&p, build_reduce(g, OP_REDUCE_MAX, x, 2, L(1, 2)), 6, -1);
    VALUES(&p, build_reduce(g, OP_REDUCE_MAX, x, 1, L(0)), 1, 2, 3, 4, 5, 6);
    VALUES(&p, build_reduce(g, OP_REDUCE_SUM, x, 3, L(0, 1, 2)), 0);
    problem_free(&p);
}

TEST(eval_matmul_with_all_transposes)
{
    Problem p = problem_new();
    Graph *g = p.graph;
    Value a = problem_param_values(&p, 2, L(2, 3), V(1, 2, 3, 4, 5, 6));
    Value b = problem_param_values(&p, 2, L(3, 2), V(1, 0, 2, 1, 0, 3));
    VALUES(&p, build_matmul(g, a, b, false, false), 5, 11, 14, 23);
    Value at = build_transpose(g, a, L(1, 0)),
          bt = build_transpose(g, b, L(1, 0));
    VALUES(&p, build_matmul(g, at, b, true, false), 5, 11, 14, 23);
    VALUES(&p, build_matmul(g, a, bt, false, true), 5, 11, 14, 23);
    VALUES(&p, build_matmul(g, at, bt, true, true), 5, 11, 14, 23);
    problem_free(&p);
}

// [[1 2] [3 4]] and [[5 6] [7 8]] times one column, and a column for each.
TEST(eval_matmul_of_more_axes)
{
    Problem p = problem_new();
    Graph *g = p.graph;
    Value a =
        problem_param_values(&p, 3, L(2, 2, 2), V(1, 2, 3, 4, 5, 6, 7, 8));
    Value one = problem_param_values(&p, 2, L(2, 1), V(1, 10));
    Value each = problem_param_values(&p, 3, L(2, 2, 1), V(1, 10, 100, 1000));
    VALUES(&p, build_matmul(g, a, one, false, false), 21, 43, 65, 87);
    VALUES(&p, build_matmul(g, a, one, true, false), 31, 42, 75, 86);
    VALUES(&p, build_matmul(g, one, a, true, true), 21, 43, 65, 87);
    VALUES(&p, build_matmul(g, a, each, false, false), 21, 43, 6500, 8700);
    Value wide = build_reshape(g, each, 4, L(2, 1, 2, 1));
    VALUES(&p, build_matmul(g, a, wide, false, false), 21, 43, 65, 87, 2100,
           4300, 6500, 8700);
    problem_free(&p);
}

// Rows (0, 0), (ln 2, ln 3) with (0, 0), (1, 0), (0, 1): products 0 0 0 and
// 0 ln 2 ln 3.
TEST(eval_rows_of_products)
{
    Problem p = problem_new();
    Graph *g = p.graph;
    Value a = problem_param_values(&p, 2, L(2, 2), V(0, 0, log(2), log(3)));
    Value b = problem_param_values(&p, 2, L(3, 2), V(0, 0, 1, 0, 0, 1));
    Value none = problem_param_values(&p, 1, L(2), V(-1, 3));
    Value one = problem_param_values(&p, 1, L(2), V(1, 2));
    Value all[] = {a, b, none}, less[] = {a, b, one};
    Attr guard[MAX_ATTRS] = {[GUARD_GUARD].f = 0};
    Value lse = graph_add(g, OP_MATMUL_LSE, 3, less, NULL, NULL);
    VALUES(&p, graph_add(g, OP_MATMUL_LSE, 3, all, NULL, NULL), log(3), log(6));
    VALUES(&p, lse, log(2), log(3));
    VALUES(&p, graph_add(g, OP_MATMUL_MAX, 3, all, NULL, NULL), 0, log(3));
    VALUES(&p, graph_add(g, OP_MATMUL_MAX, 3, less, NULL, NULL), 0, log(2));
    VALUES(&p, graph_add(g, OP_MATMUL_ENTROPY, 3, all, guard, NULL), log(3),
           log(6) / 6 + log(3) / 3 + log(2) / 2);
    // P = 1/2 0 1/2 / 1/3 2/3 0
    Value v = problem_param_values(&p, 2, L(3, 1), V(6, 12, 60));
    Value u = problem_param_values(&p, 2, L(2, 1), V(6, 12));
    Attr trans[MAX_ATTRS] = {[TRANS_TRANS].i = 1};
    Attr straight[MAX_ATTRS] = {[TRANS_TRANS].i = 0};
    Value rows[] = {a, b, one, lse, v}, columns[] = {a, b, one, lse, u};
    VALUES(&p, graph_add(g, OP_MATMUL_SOFTMAX, 5, rows, straight, NULL), 33,
           10);
    VALUES(&p, graph_add(g, OP_MATMUL_SOFTMAX, 5, columns, trans, NULL), 7, 8,
           3);
    problem_free(&p);
}

// x is 1..9 on 3 x 3, the kernel 2 x 2 of 1 10 / 100 1000.
TEST(eval_convolution)
{
    Problem p = problem_new();
    Value x = problem_param_values(&p, 4, L(1, 1, 3, 3),
                                   V(1, 2, 3, 4, 5, 6, 7, 8, 9));
    Value w = problem_param_values(&p, 4, L(1, 1, 2, 2), V(1, 10, 100, 1000));
    Attr plain[MAX_ATTRS] = {{.ints = {2, L(1, 1)}},
                             {.ints = {4, L(0, 0, 0, 0)}}};
    VALUES(&p, add_node(&p, OP_CONV2D, 2, (Value[]){x, w}, plain), 5421, 6532,
           8754, 9865);
    // One row above, two columns to the right, every second column.
    Attr uneven[MAX_ATTRS] = {{.ints = {2, L(1, 2)}},
                              {.ints = {4, L(1, 0, 0, 2)}}};
    Value y = add_node(&p, OP_CONV2D, 2, (Value[]){x, w}, uneven);
    VALUES(&p, y, 2100, 300, 5421, 603, 8754, 906);

    // dy = 1 everywhere: data gets the sum of the weights that touch it.
    Value dy = build_const_like(p.graph, y, 1);
    uneven[CONV_DIMS] = (Attr){.ints = {4, L(1, 1, 3, 3)}};
    VALUES(&p, add_node(&p, OP_CONV2D_GRAD_X, 2, (Value[]){w, dy}, uneven), 101,
           1010, 101, 101, 1010, 101, 100, 1000, 100);
    // And weights the sum of the data under them.
    uneven[CONV_DIMS] = (Attr){.ints = {4, L(1, 1, 2, 2)}};
    VALUES(&p, add_node(&p, OP_CONV2D_GRAD_W, 2, (Value[]){x, dy}, uneven),
           1 + 3 + 4 + 6, 2 + 5, 1 + 3 + 4 + 6 + 7 + 9, 2 + 5 + 8);
    problem_free(&p);
}

// Channels add up, outputs and images stay apart.
TEST(eval_convolution_over_channels)
{
    Problem p = problem_new();
    Value x =
        problem_param_values(&p, 4, L(2, 2, 1, 2), V(1, 2, 3, 4, 5, 6, 7, 8));
    Value w = problem_param_values(&p, 4, L(3, 2, 1, 1), V(1, 10, 2, 0, 0, 3));
    Attr attrs[MAX_ATTRS] = {{.ints = {2, L(1, 1)}},
                             {.ints = {4, L(0, 0, 0, 0)}}};
    VALUES(&p, add_node(&p, OP_CONV2D, 2, (Value[]){x, w}, attrs), 31, 42, 2, 4,
           9, 12, 75, 86, 10, 12, 21, 24);
    problem_free(&p);
}

TEST(eval_pools)
{
    Problem p = problem_new();
    Value x = problem_param_values(&p, 4, L(1, 1, 3, 3),
                                   V(-1, -2, -3, -4, -5, -6, -7, -8, -9));
    Attr attrs[MAX_ATTRS] = {{.ints = {2, L(2, 2)}},
                             {.ints = {2, L(2, 2)}},
                             {.ints = {4, L(1, 0, 0, 1)}}};
    // Padding is below every number: no zero may win.
    Value y = add_node(&p, OP_MAX_POOL, 1, &x, attrs);
    VALUES(&p, y, -1, -3, -4, -6);
    Value dy = problem_param_values(&p, 4, L(1, 1, 2, 2), V(1, 2, 3, 4));
    VALUES(&p, add_node(&p, OP_MAX_POOL_GRAD, 2, (Value[]){x, dy}, attrs), 1, 0,
           2, 3, 0, 4, 0, 0, 0);
    VALUES(&p, add_node(&p, OP_SUM_POOL, 1, &x, attrs), -3, -3, -24, -15);
    attrs[POOL_DIMS] = (Attr){.ints = {4, L(1, 1, 3, 3)}};
    VALUES(&p, add_node(&p, OP_SUM_POOL_GRAD, 1, &dy, attrs), 1, 1, 2, 3, 3, 4,
           3, 3, 4);
    // Overlapping windows give each of their shares.
    Attr dense[MAX_ATTRS] = {{.ints = {2, L(2, 2)}},
                             {.ints = {2, L(1, 1)}},
                             {.ints = {4, L(0, 0, 0, 0)}},
                             {.ints = {4, L(1, 1, 3, 3)}}};
    VALUES(&p, add_node(&p, OP_SUM_POOL_GRAD, 1, &dy, dense), 1, 3, 2, 4, 10, 6,
           3, 7, 4);
    problem_free(&p);
}

TEST(eval_one_rank_and_assign)
{
    Problem p = problem_new();
    Value x = problem_param_values(&p, 2, L(2, 1), V(3, 4));
    const Op ops[] = {OP_ALL_SUM, OP_ALL_GATHER, OP_REDUCE_SCATTER};
    for (int i = 0; i < 3; i++)
        VALUES(&p, add_node(&p, ops[i], 1, &x, &(Attr){.i = 1}), 3, 4);
    Value twice = build_binary(p.graph, OP_ADD, x, x);
    Value set = build_assign(p.graph, x, twice);
    VALUES(&p, set, 6, 8);
    VALUES(&p, x, 3, 4); // reads see the old content
    problem_free(&p);
}
