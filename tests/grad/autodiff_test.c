// Autodiff as a whole: ties, second derivatives, a small network, and what it
// promises about the nodes it makes.
#include "tests/grad/problem.h"

#include <string.h>
#include <time.h>

// Checks d loss / d param 0 with weights of 1 against values known by hand.
static void check_first(Problem *p, Value y, const double *want)
{
    TensorType type = *graph_type(p->graph, y);
    int64_t axes[MAX_RANK] = {0, 1, 2, 3, 4, 5};
    Value loss = type.rank
                     ? build_reduce(p->graph, OP_REDUCE_SUM, y, type.rank, axes)
                     : y;
    Value gradients[PROBLEM_LEAVES];
    problem_gradients(p, loss, gradients);
    const double *got = problem_eval(p, gradients[0]);
    int64_t count = type_elements(graph_type(p->graph, gradients[0]));
    for (int64_t i = 0; i < count; i++)
        CHECK_NEAR(got[i], want[i], 1e-15);
    problem_free(p);
}

#define V(...) ((const double[]){__VA_ARGS__})

TEST(kinks_follow_the_table)
{
    Problem p = problem_new();
    Value x = problem_param_values(&p, 1, L(3), V(-1, 0, 2));
    check_first(&p, build_unary(p.graph, OP_RELU, x), V(0, 0, 1));

    p = problem_new();
    x = problem_param_values(&p, 1, L(3), V(-1, 0, 2));
    check_first(&p, build_unary(p.graph, OP_ABS, x), V(-1, 0, 1));

    const Op ops[] = {OP_MAX, OP_MIN};
    for (int i = 0; i < 2; i++) {
        p = problem_new();
        x = problem_param_values(&p, 1, L(2), V(3, 3));
        Value y = build_const_like(p.graph, x, 3);
        check_first(&p, build_binary(p.graph, ops[i], x, y), V(1, 1));
        p = problem_new();
        x = problem_param_values(&p, 1, L(2), V(3, 3));
        y = build_const_like(p.graph, x, 3);
        check_first(&p, build_binary(p.graph, ops[i], y, x), V(0, 0));
    }

    p = problem_new();
    x = problem_param_values(&p, 2, L(2, 4), V(5, 1, 5, 5, 0, 2, 1, 2));
    check_first(&p, build_reduce(p.graph, OP_REDUCE_MAX, x, 1, L(1)),
                V(1. / 3, 0, 1. / 3, 1. / 3, 0, 0.5, 0, 0.5));

    p = problem_new();
    x = problem_param_values(&p, 4, L(1, 1, 2, 2), V(1, 7, 7, 7));
    Attr pool[MAX_ATTRS] = {{.ints = {2, L(2, 2)}},
                            {.ints = {2, L(2, 2)}},
                            {.ints = {4, L(0, 0, 0, 0)}}};
    check_first(&p, graph_add(p.graph, OP_MAX_POOL, 1, &x, pool, NULL),
                V(0, 1, 0, 0));
}

// Also when the constant exponent is behind a broadcast and a reshape.
TEST(whole_powers_at_zero)
{
    const double slopes[] = {0, 1, 0, 0};
    for (int c = 0; c < 4; c++) {
        Problem p = problem_new();
        Value x = problem_param_values(&p, 1, L(1), V(0));
        Value y = build_const_like(p.graph, x, c);
        check_first(&p, build_binary(p.graph, OP_POW, x, y), &slopes[c]);

        p = problem_new();
        x = problem_param_values(&p, 2, L(1, 1), V(0));
        y = build_scalar(p.graph, DT_F64, c);
        y = build_broadcast(p.graph, y, 1, L(1), NULL);
        y = build_reshape(p.graph, y, 2, L(1, 1));
        check_first(&p, build_binary(p.graph, OP_POW, x, y), &slopes[c]);
    }
}

// ---- second derivatives ----------------------------------------------------

// Checks the gradient of a weighted sum of the gradients of a loss.
static void check_second(Problem *p, Value loss, const char *what)
{
    Value gradients[PROBLEM_LEAVES], sum = NO_VALUE;
    problem_gradients(p, loss, gradients);
    for (int i = 0; i < p->param_count; i++) {
        Value part = problem_weighted_sum(p, gradients[i]);
        sum = i ? build_binary(p->graph, OP_ADD, sum, part) : part;
    }
    problem_check(p, sum, what);
    problem_free(p);
}

TEST(second_derivatives_of_maps)
{
    Problem p = problem_new();
    Value x = problem_param(&p, 2, L(2, 3), 0.5, 1.5);
    Value y = problem_param(&p, 2, L(2, 3), -1, 1);
    Value e = build_unary(p.graph, OP_EXP, build_binary(p.graph, OP_MUL, x, y));
    check_second(&p,
                 problem_weighted_sum(&p, build_binary(p.graph, OP_MUL, e, x)),
                 "x exp(x y)");

    const Op ops[] = {OP_LOG, OP_SQRT,    OP_RSQRT, OP_SIN,
                      OP_COS, OP_SIGMOID, OP_TANH,  OP_RELU};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        p = problem_new();
        x = problem_param(&p, 2, L(2, 3), 0.5, 1.5);
        y = build_unary(p.graph, ops[i], x);
        y = build_binary(p.graph, OP_MUL, y, y);
        check_second(&p, problem_weighted_sum(&p, y), op_info(ops[i])->text);
    }

    const Op pairs[] = {OP_DIV, OP_POW, OP_MAX, OP_MIN};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        p = problem_new();
        x = problem_param(&p, 2, L(2, 3), 0.5, 1.5);
        y = problem_param(&p, 2, L(2, 3), 0.5, 1.5);
        y = build_binary(p.graph, pairs[i], x, y);
        y = build_binary(p.graph, OP_MUL, y, x);
        check_second(&p, problem_weighted_sum(&p, y), op_info(pairs[i])->text);
    }
}

static Value conv(Graph *graph, Value x, Value w, const int64_t *stride,
                  const int64_t *pad)
{
    Attr attrs[MAX_ATTRS] = {{.ints = {2, stride}}, {.ints = {4, pad}}};
    return graph_add(graph, OP_CONV2D, 2, (Value[]){x, w}, attrs, NULL);
}

TEST(second_derivatives_of_convolution)
{
    Problem p = problem_new();
    Value x = problem_param(&p, 4, L(1, 2, 5, 4), -1, 1);
    Value w = problem_param(&p, 4, L(2, 2, 3, 2), -1, 1);
    Value y = conv(p.graph, x, w, L(2, 1), L(1, 0, 1, 1));
    y = build_unary(p.graph, OP_SIN, y);
    check_second(&p, problem_weighted_sum(&p, y), "sin(conv2d)");
}

TEST(second_derivatives_of_matmul)
{
    for (int trans = 0; trans < 4; trans++) {
        Problem p = problem_new();
        bool ta = trans & 1, tb = trans & 2;
        Value a = problem_param(&p, 2, ta ? L(3, 2) : L(2, 3), -1, 1);
        Value b = problem_param(&p, 2, tb ? L(4, 3) : L(3, 4), -1, 1);
        Value c = build_matmul(p.graph, a, b, ta, tb);
        c = build_unary(p.graph, OP_TANH, c);
        check_second(&p, problem_weighted_sum(&p, c), "tanh(matmul)");
    }
}

// ---- a network -------------------------------------------------------------

// Normalizes x[n,c,h,w] over n, h and w with the biased variance.
static Value batch_norm(Problem *p, Value x)
{
    Graph *g = p->graph;
    TensorType type = *graph_type(g, x);
    const int64_t *dims = type.dims, *axes = L(0, 2, 3);
    double count = (double)(dims[0] * dims[2] * dims[3]);
    Value sum = build_reduce(g, OP_REDUCE_SUM, x, 3, axes);
    Value scale = build_const_like(g, sum, 1 / count);
    Value mean = build_binary(g, OP_MUL, sum, scale);
    Value centred =
        build_binary(g, OP_SUB, x, build_broadcast(g, mean, 4, dims, L(1)));
    Value square = build_binary(g, OP_MUL, centred, centred);
    Value variance = build_binary(
        g, OP_MUL, build_reduce(g, OP_REDUCE_SUM, square, 3, axes), scale);
    Value epsilon = build_const_like(g, variance, 1e-5);
    Value inverse =
        build_unary(g, OP_RSQRT, build_binary(g, OP_ADD, variance, epsilon));
    Value gamma = problem_param(p, 1, &dims[1], 0.5, 1.5);
    Value beta = problem_param(p, 1, &dims[1], -0.5, 0.5);
    Value factor = build_binary(g, OP_MUL, gamma, inverse);
    Value normal = build_binary(g, OP_MUL, centred,
                                build_broadcast(g, factor, 4, dims, L(1)));
    return build_binary(g, OP_ADD, normal,
                        build_broadcast(g, beta, 4, dims, L(1)));
}

// The mean of -log softmax(logits[n,k]) at each row's label.
static Value cross_entropy(Problem *p, Value logits)
{
    Graph *g = p->graph;
    TensorType type = *graph_type(g, logits);
    const int64_t *dims = type.dims;
    Value labels = problem_input(p, 1, dims, 0, (double)dims[1]);
    Value label =
        build_broadcast(g, build_unary(g, OP_FLOOR, labels), 2, dims, L(0));
    Value hit = build_binary(g, OP_EQ, label, build_iota(g, type, 1));
    Value top = build_reduce(g, OP_REDUCE_MAX, logits, 1, L(1));
    top = build_unary(g, OP_STOP_GRADIENT, top);
    Value shifted =
        build_binary(g, OP_SUB, logits, build_broadcast(g, top, 2, dims, L(0)));
    Value total = build_reduce(g, OP_REDUCE_SUM,
                               build_unary(g, OP_EXP, shifted), 1, L(1));
    Value log_total =
        build_broadcast(g, build_unary(g, OP_LOG, total), 2, dims, L(0));
    Value loss = build_binary(g, OP_SUB, log_total, shifted);
    loss = build_select(g, hit, loss, build_const_like(g, loss, 0));
    loss = build_reduce(g, OP_REDUCE_SUM, loss, 2, L(0, 1));
    return build_binary(g, OP_DIV, loss,
                        build_scalar(g, DT_F64, (double)dims[0]));
}

TEST(a_small_network)
{
    Problem p = problem_new();
    Value x = problem_param(&p, 4, L(3, 2, 6, 5), -1, 1);
    Value w1 = problem_param(&p, 4, L(4, 2, 3, 3), -1, 1);
    Value y = conv(p.graph, x, w1, L(2, 2), L(1, 1, 1, 1));
    y = build_unary(p.graph, OP_RELU, batch_norm(&p, y));
    Value w2 = problem_param(&p, 4, L(4, 4, 1, 1), -1, 1);
    Value z = conv(p.graph, y, w2, L(1, 1), L(0, 0, 0, 0));
    y = build_binary(p.graph, OP_ADD, y, batch_norm(&p, z));
    y = build_unary(p.graph, OP_RELU, y);
    Value features = build_reduce(p.graph, OP_REDUCE_SUM, y, 2, L(2, 3));
    Value w3 = problem_param(&p, 2, L(5, 4), -0.3, 0.3);
    Value logits = build_matmul(p.graph, features, w3, false, true);
    problem_check(&p, cross_entropy(&p, logits), "network");
    problem_free(&p);
}

// ---- what autodiff promises ------------------------------------------------

TEST(sums_pass_the_adjoint_on)
{
    Problem p = problem_new();
    Value a = problem_param(&p, 0, NULL, 1, 2);
    Value b = problem_param(&p, 0, NULL, 1, 2);
    Value loss = build_binary(p.graph, OP_ADD, a, b);
    int before = p.graph->nodes.count;
    Value gradients[PROBLEM_LEAVES];
    problem_gradients(&p, loss, gradients);
    CHECK_INT(p.graph->nodes.count, before + 1); // the seed
    CHECK_INT(gradients[0], gradients[1]);
    problem_free(&p);
}

// What no wrt flows through costs nothing.
TEST(unwanted_inputs_cost_nothing)
{
    Problem p = problem_new();
    Value x = problem_input(&p, 4, L(1, 2, 4, 4), -1, 1);
    Value w = problem_param(&p, 4, L(2, 2, 3, 3), -1, 1);
    Value y = conv(p.graph, x, w, L(1, 1), L(0, 0, 0, 0));
    Value loss = problem_weighted_sum(&p, y);
    Value gradients[PROBLEM_LEAVES];
    problem_gradients(&p, loss, gradients);
    for (Value v = loss; v < p.graph->nodes.count; v++)
        CHECK(graph_node(p.graph, v)->op != OP_CONV2D_GRAD_X);
    problem_free(&p);
}

TEST(gradients_of_inner_and_unrelated_values)
{
    Problem p = problem_new();
    Value a = problem_param_values(&p, 0, NULL, V(3));
    Value unrelated = problem_input(&p, 2, L(2, 3), 0, 1);
    Value square = build_binary(p.graph, OP_MUL, a, a);
    Value loss = build_binary(p.graph, OP_MUL, square, a);
    Value after = build_unary(p.graph, OP_EXP, loss);
    Value wrt[] = {a, square, loss, unrelated, after}, grads[5], culprit;
    CHECK(autodiff(p.graph, loss, 5, wrt, grads, &culprit));
    CHECK_NEAR(problem_eval(&p, grads[0])[0], 27, 0);
    CHECK_NEAR(problem_eval(&p, grads[1])[0], 3, 0);
    CHECK_NEAR(problem_eval(&p, grads[2])[0], 1, 0);
    CHECK(type_equal(graph_type(p.graph, grads[3]),
                     graph_type(p.graph, unrelated)));
    CHECK_NEAR(problem_eval(&p, grads[3])[5], 0, 0);
    CHECK_NEAR(problem_eval(&p, grads[4])[0], 0, 0);
    problem_free(&p);
}

TEST(assignments_are_passed_by)
{
    Problem p = problem_new();
    Value a = problem_param_values(&p, 0, NULL, V(3));
    Value twice = build_binary(p.graph, OP_ADD, a, a);
    build_assign(p.graph, a, twice);
    Value loss = build_binary(p.graph, OP_MUL, twice, a);
    Value gradient, culprit;
    CHECK(autodiff(p.graph, loss, 1, &a, &gradient, &culprit));
    CHECK_NEAR(problem_eval(&p, gradient)[0], 12, 0);
    problem_free(&p);
}

TEST(the_culprit_is_named)
{
    Problem p = problem_new();
    Value x = problem_param(&p, 4, L(1, 1, 4, 4), -1, 1);
    Attr pool[MAX_ATTRS] = {{.ints = {2, L(2, 2)}},
                            {.ints = {2, L(2, 2)}},
                            {.ints = {4, L(0, 0, 0, 0)}}};
    Value y = graph_add(p.graph, OP_MAX_POOL, 1, &x, pool, NULL);
    y = build_binary(p.graph, OP_MUL, y, y);
    Value first = build_reduce(p.graph, OP_REDUCE_SUM, y, 4, L(0, 1, 2, 3));
    Value gradient, second, culprit = NO_VALUE;
    CHECK(autodiff(p.graph, first, 1, &x, &gradient, &culprit));
    Value loss =
        build_reduce(p.graph, OP_REDUCE_SUM, gradient, 4, L(0, 1, 2, 3));
    CHECK(!autodiff(p.graph, loss, 1, &x, &second, &culprit));
    CHECK_INT(culprit, gradient);
    // Stopping at the node itself needs no rule of it.
    CHECK(autodiff(p.graph, loss, 1, &gradient, &second, &culprit));
    problem_free(&p);
}

TEST(gradients_keep_the_forward_origin)
{
    Problem p = problem_new();
    Value x = problem_param(&p, 1, L(4), -1, 1);
    p.graph->origin = (NodeOrigin){"a.net", 7, "layer1"};
    Value y = build_unary(p.graph, OP_TANH, x);
    p.graph->origin = (NodeOrigin){"a.net", 9, "loss"};
    Value loss = build_reduce(p.graph, OP_REDUCE_SUM, y, 1, L(0));
    p.graph->origin = (NodeOrigin){"a.net", 20, "train"};
    Value gradients[PROBLEM_LEAVES];
    problem_gradients(&p, loss, gradients);
    CHECK_INT(graph_node(p.graph, gradients[0])->origin.line, 7);
    CHECK_TEXT(graph_node(p.graph, gradients[0])->origin.scope, "layer1");
    CHECK_INT(p.graph->origin.line, 20);
    problem_free(&p);
}

// Over several ranks the rules can be built, though not evaluated here.
TEST(collectives_transpose_each_other)
{
    const Op pairs[][2] = {{OP_ALL_SUM, OP_ALL_SUM},
                           {OP_ALL_GATHER, OP_REDUCE_SCATTER},
                           {OP_REDUCE_SCATTER, OP_ALL_GATHER}};
    for (int i = 0; i < 3; i++) {
        Problem p = problem_new();
        Value x = problem_param(&p, 2, L(8, 3), -1, 1);
        Attr ranks = {.i = 4};
        Value y = graph_add(p.graph, pairs[i][0], 1, &x, &ranks, NULL);
        Value gradients[PROBLEM_LEAVES];
        problem_gradients(&p, problem_weighted_sum(&p, y), gradients);
        const Node *node = graph_node(p.graph, gradients[0]);
        CHECK_INT(node->op, pairs[i][1]);
        CHECK_INT(node->attrs[RANKS_RANKS].i, 4);
        CHECK(type_equal(&node->type, graph_type(p.graph, x)));
        problem_free(&p);
    }
}

// 60,000 nodes: linear in time and nodes. The bound is loose enough for a busy
// machine under sanitizers; anything quadratic is far beyond it.
TEST(large_graphs_stay_linear)
{
    Problem p = problem_new();
    Value w = problem_param(&p, 1, L(4), -1, 1), x = w;
    while (p.graph->nodes.count < 60000)
        x = build_binary(p.graph, OP_ADD, build_binary(p.graph, OP_MUL, x, w),
                         x);
    Value loss = build_reduce(p.graph, OP_REDUCE_SUM, x, 1, L(0));
    int before = p.graph->nodes.count;
    Value gradients[PROBLEM_LEAVES];
    clock_t start = clock();
    problem_gradients(&p, loss, gradients);
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 5);
    CHECK(p.graph->nodes.count < 4 * before);
    problem_free(&p);
}
