// Attention against the same of plain operations, and its gradients, those by
// the logarithms among them.
#include "tests/grad/samples.h"

static Value leaf(Problem *p, int leading, int64_t rows, int64_t columns)
{
    int64_t dims[MAX_RANK] = {2, 3};
    dims[leading] = rows;
    dims[leading + 1] = columns;
    return problem_param(p, leading + 2, dims, -2, 2);
}

// q[..,4,3], k[..,5,3] and v[..,5,2].
static Value attention_of(Problem *p, int leading, Value *inputs)
{
    inputs[0] = leaf(p, leading, 4, 3);
    inputs[1] = leaf(p, leading, 5, 3);
    inputs[2] = leaf(p, leading, 5, 2);
    Attr attrs[MAX_ATTRS] = {[SCALE_SCALE].f = 0.7};
    return add_node(p, OP_ATTENTION, 3, inputs, attrs);
}

Value sample_ATTENTION(Problem *p)
{
    Value inputs[3];
    return attention_of(p, 1, inputs);
}

TEST(gradients_of_attention)
{
    for (int leading = 0; leading <= 2; leading++) {
        Problem p = problem_new();
        Value inputs[3], y = attention_of(&p, leading, inputs);
        problem_check(&p, problem_weighted_sum(&p, y), "attention");
        problem_free(&p);
    }
}

// Of one tensor as all three, whose gradients add up.
TEST(gradients_of_attention_of_itself)
{
    Problem p = problem_new();
    Value x = problem_param(&p, 3, L(2, 4, 3), -2, 2);
    Attr attrs[MAX_ATTRS] = {[SCALE_SCALE].f = -0.5};
    Value y = add_node(&p, OP_ATTENTION, 3, (Value[]){x, x, x}, attrs);
    problem_check(&p, problem_weighted_sum(&p, y), "attention of itself");
    problem_free(&p);
}

TEST(attention_is_a_softmax_between_two_products)
{
    Problem p = problem_new();
    Graph *g = p.graph;
    Value in[3], y = attention_of(&p, 1, in);
    const int64_t scores[] = {2, 4, 5}, rows[] = {0, 1};
    Value x = build_matmul(g, in[0], in[1], false, true);
    x = build_unary(g, OP_EXP,
                    build_binary(g, OP_MUL, x, build_const_like(g, x, 0.7)));
    Value sum = build_reduce(g, OP_REDUCE_SUM, x, 1, L(2));
    Value share =
        build_binary(g, OP_DIV, x, build_broadcast(g, sum, 3, scores, rows));
    Value logs = build_reshape(g, build_unary(g, OP_LOG, sum), 3, L(2, 4, 1));
    Value parts[] = {build_matmul(g, share, in[2], false, false), logs};
    const double *want = problem_eval(&p, build_concat(g, 2, parts, 2));
    const double *got = problem_eval(&p, y);
    for (int i = 0; i < 2 * 4 * 3; i++)
        CHECK_NEAR(got[i], want[i], 1e-14);
    problem_free(&p);
}
