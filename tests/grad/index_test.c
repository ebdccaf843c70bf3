// Rows by their numbers and images of other sizes: by hand, and their
// gradients.
#include "tests/grad/samples.h"

// ---- rows -------------------------------------------------------------------

// 0 1 2 3, 1 2 3 4 and so on, less one: every row of three is named, some
// twice, and -1 and 3 and above name none.
static Value numbers_of(Problem *p)
{
    TensorType type = type_make(DT_F64, 2, L(3, 4));
    Value sum = build_binary(p->graph, OP_ADD, build_iota(p->graph, type, 0),
                             build_iota(p->graph, type, 1));
    return build_binary(p->graph, OP_SUB, sum,
                        build_const_like(p->graph, sum, 1));
}

Value sample_TAKE(Problem *p)
{
    Value x = problem_param(p, 3, L(3, 2, 2), -1, 1);
    return add_node(p, OP_TAKE, 2, (Value[]){x, numbers_of(p)}, NULL);
}

Value sample_TAKE_GRAD(Problem *p)
{
    Value dy = problem_param(p, 3, L(3, 4, 2), -1, 1);
    Attr attrs[MAX_ATTRS] = {[COUNT_COUNT].i = 3};
    return add_node(p, OP_TAKE_GRAD, 2, (Value[]){dy, numbers_of(p)}, attrs);
}

// A number names a row only where it is that of one.
TEST(rows_that_are_not_there_are_zeros)
{
    Problem p = problem_new();
    double numbers[] = {2, -1, 0, 3, 1.5, -0.0, NAN, INFINITY, 2};
    double rows[] = {1, 2, 10, 20, 100, 200};
    Value x = problem_param_values(&p, 2, L(3, 2), rows);
    Value n = problem_param_values(&p, 1, L(9), numbers);
    const double want[] = {100, 200, 0, 0, 1, 2, 0, 0,   0,
                           0,   1,   2, 0, 0, 0, 0, 100, 200};
    Value taken = add_node(&p, OP_TAKE, 2, (Value[]){x, n}, NULL);
    const double *got = problem_eval(&p, taken);
    for (int i = 0; i < 18; i++)
        CHECK(got[i] == want[i]);
    Attr attrs[MAX_ATTRS] = {[COUNT_COUNT].i = 3};
    Value back = add_node(&p, OP_TAKE_GRAD, 2, (Value[]){taken, n}, attrs);
    const double sums[] = {2, 4, 0, 0, 200, 400};
    got = problem_eval(&p, back);
    for (int i = 0; i < 6; i++)
        CHECK(got[i] == sums[i]);
    problem_free(&p);
}

// Nothing flows to the numbers.
TEST(numbers_of_rows_have_no_gradient)
{
    Problem p = problem_new();
    Value x = problem_param(&p, 2, L(3, 2), -1, 1);
    Value n = problem_param_values(&p, 1, L(2), (const double[]){2, 0});
    Value y = add_node(&p, OP_TAKE, 2, (Value[]){x, n}, NULL), gradients[2];
    problem_gradients(&p, problem_weighted_sum(&p, y), gradients);
    CHECK_INT(graph_node(p.graph, gradients[0])->op, OP_TAKE_GRAD);
    CHECK_INT(graph_node(p.graph, gradients[1])->op, OP_CONST);
    problem_free(&p);
}

// ---- images -----------------------------------------------------------------

static Value resized(Problem *p, Op op, Value x, int64_t height, int64_t width,
                     const char *mode)
{
    int64_t size[] = {height, width};
    Attr attrs[MAX_ATTRS] = {
        [RESIZE_SIZE].ints = {2, size}, [RESIZE_MODE].text = mode};
    return add_node(p, op, 1, &x, attrs);
}

Value sample_RESIZE(Problem *p)
{
    Value x = problem_param(p, 4, L(2, 1, 3, 4), -1, 1);
    return resized(p, OP_RESIZE, x, 5, 3, "bilinear");
}

Value sample_RESIZE_GRAD(Problem *p)
{
    Value x = problem_param(p, 4, L(1, 2, 3, 4), -1, 1);
    return resized(p, OP_RESIZE_GRAD, x, 5, 3, "bilinear");
}

TEST(gradients_of_images_of_other_sizes)
{
    static const char *const modes[] = {"nearest", "bilinear"};
    static const int64_t sizes[][2] = {{3, 4}, {7, 9}, {2, 2},
                                       {1, 1}, {6, 1}, {1, 13}};
    for (int i = 0; i < 24; i++) {
        Problem p = problem_new();
        const int64_t *size = sizes[i % 6];
        Op op = i < 12 ? OP_RESIZE : OP_RESIZE_GRAD;
        Value x = problem_param(&p, 4, L(1, 2, 3, 4), -1, 1);
        Value y = resized(&p, op, x, size[0], size[1], modes[i / 6 % 2]);
        problem_check(&p, problem_weighted_sum(&p, y),
                      arena_printf(p.arena, "size %d", i));
        problem_free(&p);
    }
}

// 0 and 4, twice as wide: a quarter of the way from each center to the next.
TEST(images_are_resized_between_the_centers_of_pixels)
{
    Problem p = problem_new();
    Value x = problem_param_values(&p, 4, L(1, 1, 1, 2), (double[]){0, 4});
    const double *got =
        problem_eval(&p, resized(&p, OP_RESIZE, x, 2, 4, "bilinear"));
    static const double between[] = {0, 1, 3, 4, 0, 1, 3, 4};
    for (int i = 0; i < 8; i++)
        CHECK_NEAR(got[i], between[i], 1e-15);
    got = problem_eval(&p, resized(&p, OP_RESIZE, x, 1, 5, "nearest"));
    static const double nearest[] = {0, 0, 0, 4, 4};
    for (int i = 0; i < 5; i++)
        CHECK(got[i] == nearest[i]);
    problem_free(&p);
}
