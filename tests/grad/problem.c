#include "tests/grad/problem.h"

#include <stdint.h>

Problem problem_new(void)
{
    Arena *arena = arena_new();
    return (Problem){.arena = arena, .graph = graph_new(arena, "problem")};
}

void problem_free(Problem *problem)
{
    arena_free(problem->arena);
}

static double *bind(Problem *problem, Value leaf)
{
    int at = problem->leaf_count++;
    int64_t count = type_elements(graph_type(problem->graph, leaf));
    double *data = ARENA_ARRAY(problem->arena, double, count);
    problem->leaves[at] = (EvalBinding){leaf, data};
    problem->data[at] = data;
    return data;
}

// Uniform over 0..1, by a 64-bit linear congruence (Knuth's constants).
static double next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

static void spread_values(uint64_t seed, int64_t count, double low, double high,
                          double *values)
{
    uint64_t state = seed * 7919;
    for (int64_t i = 0; i < count; i++) {
        double place = (double)i + 0.25 + 0.5 * next_random(&state);
        values[i] = low + (high - low) * place / (double)count;
    }
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = (int64_t)(next_random(&state) * (double)(i + 1));
        double kept = values[i];
        values[i] = values[j];
        values[j] = kept;
    }
}

static const char *leaf_name(Problem *problem)
{
    return arena_printf(problem->arena, "leaf%d", problem->leaf_count);
}

static Value input_of(Problem *problem, const TensorType *type, double low,
                      double high)
{
    Value leaf = build_input(problem->graph, *type, leaf_name(problem));
    double *data = bind(problem, leaf);
    spread_values((uint64_t)problem->leaf_count, type_elements(type), low, high,
                  data);
    return leaf;
}

Value problem_input(Problem *problem, int rank, const int64_t *dims, double low,
                    double high)
{
    TensorType type = type_make(DT_F64, rank, dims);
    return input_of(problem, &type, low, high);
}

static Value new_param(Problem *problem, const TensorType *type)
{
    problem->params[problem->param_count++] = problem->leaf_count;
    return build_param(problem->graph, *type, leaf_name(problem), "weight",
                       "constant", 0);
}

Value problem_param(Problem *problem, int rank, const int64_t *dims, double low,
                    double high)
{
    TensorType type = type_make(DT_F64, rank, dims);
    return problem_param_of(problem, &type, low, high);
}

Value problem_param_of(Problem *problem, const TensorType *type, double low,
                       double high)
{
    Value leaf = new_param(problem, type);
    double *data = bind(problem, leaf);
    spread_values((uint64_t)problem->leaf_count, type_elements(type), low, high,
                  data);
    return leaf;
}

Value problem_param_values(Problem *problem, int rank, const int64_t *dims,
                           const double *values)
{
    TensorType type = type_make(DT_F64, rank, dims);
    Value leaf = new_param(problem, &type);
    memcpy(bind(problem, leaf), values,
           sizeof(double) * (size_t)type_elements(&type));
    return leaf;
}

Value problem_random(Problem *problem)
{
    const int64_t dims[] = {2, 3}, steps[] = {3, 1}, five = 5;
    const double key[] = {1, 2, 3, 4, 0};
    Value from = problem_param_values(problem, 1, &five, key);
    Attr attrs[MAX_ATTRS] = {[RANDOM_DIMS] = {.ints = {2, dims}},
                             [RANDOM_STEPS] = {.ints = {2, steps}},
                             [RANDOM_STREAM] = {.text = "here"}};
    return graph_add(problem->graph, OP_RANDOM, 1, &from, attrs, NULL);
}

Value problem_weighted_sum(Problem *problem, Value y)
{
    Graph *graph = problem->graph;
    TensorType type = *graph_type(graph, y);
    if (type.dtype != DT_F64)
        y = build_cast(graph, y, DT_F64);
    type.dtype = DT_F64;
    Value weights = input_of(problem, &type, 0.5, 1.5);
    Value product = build_binary(graph, OP_MUL, y, weights);
    int64_t axes[MAX_RANK];
    for (int i = 0; i < type.rank; i++)
        axes[i] = i;
    return type.rank
               ? build_reduce(graph, OP_REDUCE_SUM, product, type.rank, axes)
               : product;
}

const double *problem_eval(Problem *problem, Value value)
{
    return eval_graph(problem->graph, problem->arena, problem->leaf_count,
                      problem->leaves)[value];
}

void problem_gradients(Problem *problem, Value loss, Value *gradients)
{
    Value wrt[PROBLEM_LEAVES], culprit = NO_VALUE;
    for (int i = 0; i < problem->param_count; i++)
        wrt[i] = problem->leaves[problem->params[i]].value;
    if (!autodiff(problem->graph, loss, problem->param_count, wrt, gradients,
                  &culprit)) {
        test_fail(__FILE__, __LINE__, "%s has no gradient",
                  op_info(graph_node(problem->graph, culprit)->op)->text);
        for (int i = 0; i < problem->param_count; i++)
            gradients[i] = build_const_like(problem->graph, wrt[i], 0);
    }
}

static double loss_at(const Problem *problem, Value loss)
{
    Arena *scratch = arena_new();
    double value = eval_graph(problem->graph, scratch, problem->leaf_count,
                              problem->leaves)[loss][0];
    arena_free(scratch);
    return value;
}

// (f(x + h) - f(x - h)) / 2h: with h = 1e-5 it is off by h^2 / 6 of the third
// derivative and by about 1e-11 of the loss in rounding.
static double difference(const Problem *problem, Value loss, double *element)
{
    const double h = 1e-5;
    double x = *element;
    *element = x + h;
    double above = loss_at(problem, loss);
    *element = x - h;
    double below = loss_at(problem, loss);
    *element = x;
    return (above - below) / (2 * h);
}

void problem_check(Problem *problem, Value loss, const char *what)
{
    // The differences come first, while the graph has no gradient nodes yet.
    double *want[PROBLEM_LEAVES];
    int64_t counts[PROBLEM_LEAVES];
    for (int p = 0; p < problem->param_count; p++) {
        int leaf = problem->params[p];
        counts[p] = type_elements(
            graph_type(problem->graph, problem->leaves[leaf].value));
        want[p] = ARENA_ARRAY(problem->arena, double, counts[p]);
        for (int64_t i = 0; i < counts[p]; i++)
            want[p][i] = difference(problem, loss, &problem->data[leaf][i]);
    }
    Value gradients[PROBLEM_LEAVES];
    problem_gradients(problem, loss, gradients);
    double **results = eval_graph(problem->graph, problem->arena,
                                  problem->leaf_count, problem->leaves);
    for (int p = 0; p < problem->param_count; p++)
        for (int64_t i = 0; i < counts[p]; i++) {
            double got = results[gradients[p]][i], near = want[p][i];
            double scale = fmax(fabs(got), fabs(near));
            if (!(fabs(got - near) <= 1e-6 * scale + 1e-9))
                test_fail(__FILE__, __LINE__,
                          "%s: gradient %d[%lld] is %.12g, not %.12g", what, p,
                          (long long)i, got, near);
        }
}
