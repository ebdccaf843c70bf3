// Gradients of products at every arrangement of the axes before the last two:
// equal, stretched, missing, on either side.
#include "ir/matmul.h"
#include "tests/grad/samples.h"

// ---- matrices, for the table of gradients_test.c ----------------------------

static Value product(Problem *p, bool trans_a, bool trans_b)
{
    Value a = problem_param(p, 2, trans_a ? L(4, 3) : L(3, 4), -1, 1);
    Value b = problem_param(p, 2, trans_b ? L(5, 4) : L(4, 5), -1, 1);
    return build_matmul(p->graph, a, b, trans_a, trans_b);
}

Value sample_MATMUL(Problem *p)
{
    return product(p, false, false);
}

Value sample_matmul_ta(Problem *p)
{
    return product(p, true, false);
}

Value sample_matmul_tb(Problem *p)
{
    return product(p, false, true);
}

Value sample_matmul_ta_tb(Problem *p)
{
    return product(p, true, true);
}

// Every row leaves one out.
Value sample_MATMUL_LSE(Problem *p)
{
    Value a = problem_param(p, 2, L(3, 4), -2, 2);
    Value b = problem_param(p, 2, L(5, 4), -2, 2);
    Value skip = build_iota(p->graph, type_make(DT_F64, 1, L(3)), 0);
    return add_node(p, OP_MATMUL_LSE, 3, (Value[]){a, b, skip}, NULL);
}

// Each row with all others, as contrastive losses have it.
Value sample_lse_of_itself(Problem *p)
{
    Value a = problem_param(p, 2, L(5, 3), -2, 2);
    Value skip = build_iota(p->graph, type_make(DT_F64, 1, L(5)), 0);
    return add_node(p, OP_MATMUL_LSE, 3, (Value[]){a, a, skip}, NULL);
}

Value sample_lse_of_all(Problem *p)
{
    Value a = problem_param(p, 2, L(3, 4), -2, 2);
    Value b = problem_param(p, 2, L(2, 4), -2, 2);
    Value none = build_const(p->graph, type_make(DT_F64, 1, L(3)), -1);
    return add_node(p, OP_MATMUL_LSE, 3, (Value[]){a, b, none}, NULL);
}

// ---- any rank ---------------------------------------------------------------

// Sizes of the leading axes; the matrices are 2 by 3 and 3 by 4.
typedef struct Arrangement {
    int a_rank;
    int64_t a[MAX_LEADING];
    int b_rank;
    int64_t b[MAX_LEADING];
} Arrangement;

static const Arrangement arrangements[] = {
    {1, {3}, 1, {3}},
    {1, {3}, 0, {0}},
    {0, {0}, 1, {3}},
    {1, {3}, 1, {1}},
    {1, {1}, 1, {3}},
    {1, {1}, 1, {1}},
    {2, {2, 3}, 2, {2, 3}},
    {2, {2, 3}, 0, {0}},
    {2, {2, 3}, 1, {3}},
    {1, {3}, 2, {2, 3}},
    {2, {2, 3}, 2, {2, 1}},
    {2, {2, 3}, 2, {1, 3}},
    {2, {2, 1}, 2, {1, 3}},
    {2, {1, 3}, 1, {1}},
    {3, {2, 1, 3}, 3, {2, 2, 1}},
    {3, {2, 2, 2}, 2, {2, 1}},
    {4, {2, 1, 2, 1}, 4, {1, 2, 1, 2}},
    {4, {1, 2, 1, 3}, 0, {0}},
};
enum { ARRANGEMENTS = sizeof arrangements / sizeof arrangements[0] };

static Value matrices(Problem *p, int leading, const int64_t *sizes,
                      int64_t rows, int64_t columns)
{
    int64_t dims[MAX_RANK];
    for (int i = 0; i < leading; i++)
        dims[i] = sizes[i];
    dims[leading] = rows;
    dims[leading + 1] = columns;
    return problem_param(p, leading + 2, dims, -1, 1);
}

static Value product_of(Problem *p, const Arrangement *at, int flags)
{
    bool trans_a = flags & 1, trans_b = flags & 2;
    Value a = matrices(p, at->a_rank, at->a, trans_a ? 3 : 2, trans_a ? 2 : 3);
    Value b = matrices(p, at->b_rank, at->b, trans_b ? 4 : 3, trans_b ? 3 : 4);
    return build_matmul(p->graph, a, b, trans_a, trans_b);
}

TEST(gradients_of_products_of_any_rank)
{
    for (int i = 0; i < ARRANGEMENTS; i++)
        for (int flags = 0; flags < 4; flags++) {
            Problem p = problem_new();
            Value y = product_of(&p, &arrangements[i], flags);
            problem_check(
                &p, problem_weighted_sum(&p, y),
                arena_printf(p.arena, "arrangement %d, flags %d", i, flags));
            problem_free(&p);
        }
}

// The same product of each pair of slices, multiplied as matrices.
TEST(products_of_any_rank_are_products_of_their_matrices)
{
    for (int i = 0; i < ARRANGEMENTS; i++) {
        Problem p = problem_new();
        Value y = product_of(&p, &arrangements[i], 0), operands[2];
        TensorType type = *graph_type(p.graph, y);
        for (int k = 0; k < 2; k++)
            operands[k] = graph_node(p.graph, y)->inputs[k];
        int64_t count = type_elements(&type) / 8;
        Value *each = ARENA_ARRAY(p.arena, Value, count);
        for (int64_t c = 0; c < count; c++) {
            Value matrix[2];
            for (int k = 0; k < 2; k++) {
                TensorType from = *graph_type(p.graph, operands[k]);
                int64_t start[MAX_RANK] = {0}, size[MAX_RANK], left = c;
                for (int axis = 0; axis < from.rank; axis++)
                    size[axis] = axis < from.rank - 2 ? 1 : from.dims[axis];
                for (int axis = type.rank - 3; axis >= 0; axis--) {
                    int own = axis - (type.rank - from.rank);
                    int64_t place = left % type.dims[axis];
                    left /= type.dims[axis];
                    if (own >= 0)
                        start[own] = from.dims[own] == 1 ? 0 : place;
                }
                Value slice = build_slice(p.graph, operands[k], start, size);
                matrix[k] =
                    build_reshape(p.graph, slice, 2, from.dims + from.rank - 2);
            }
            each[c] = build_reshape(
                p.graph,
                build_matmul(p.graph, matrix[0], matrix[1], false, false), 1,
                L(8));
        }
        const double *want =
            problem_eval(&p, build_concat(p.graph, (int)count, each, 0));
        const double *got = problem_eval(&p, y);
        for (int64_t k = 0; k < 8 * count; k++)
            CHECK(got[k] == want[k]);
        problem_free(&p);
    }
}

// Tokens times a weight: one product, forward and by the weight, whose gradient
// no sum over images follows.
TEST(a_weight_of_tokens_gets_its_gradient_by_one_product)
{
    Problem p = problem_new();
    Value x = problem_input(&p, 3, L(2, 5, 3), -1, 1);
    Value w = problem_param(&p, 2, L(3, 4), -1, 1);
    Value y = build_matmul(p.graph, x, w, false, false), gradient;
    MatmulGeometry forward = matmul_geometry(p.graph, graph_node(p.graph, y));
    CHECK_INT(forward.rank, 0);
    CHECK_INT(forward.m, 10);
    problem_gradients(&p, problem_weighted_sum(&p, y), &gradient);
    const Node *node = graph_node(p.graph, gradient);
    CHECK_INT(node->op, OP_MATMUL);
    MatmulGeometry backward = matmul_geometry(p.graph, node);
    CHECK_INT(backward.rank, 0);
    CHECK_INT(backward.k, 10);
    problem_free(&p);
}

TEST(geometry_joins_axes_that_go_on_alike)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(arena, "geometry");
    Value a = build_input(g, type_make(DT_F32, 5, L(2, 3, 1, 5, 7)), "a");
    Value b = build_input(g, type_make(DT_F32, 5, L(2, 3, 4, 7, 6)), "b");
    Value c = build_matmul(g, a, b, false, false);
    MatmulGeometry joined = matmul_geometry(g, graph_node(g, c));
    CHECK_INT(joined.rank, 2);
    CHECK_INT(joined.dims[0], 6);
    CHECK_INT(joined.a_steps[0], 35);
    CHECK_INT(joined.b_steps[0], 4 * 42);
    CHECK_INT(joined.dims[1], 4);
    CHECK_INT(joined.a_steps[1], 0);
    CHECK_INT(joined.b_steps[1], 42);
    CHECK_INT(matmul_count(&joined), 24);
    CHECK_INT(matmul_macs(&joined), 24 * 5 * 7 * 6);
    arena_free(arena);
}
