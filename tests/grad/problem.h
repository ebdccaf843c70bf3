// A small graph with bound leaves, and the comparison of its gradients with
// central differences of the oracle. All leaves are f64.
#ifndef SIMCC_TESTS_GRAD_PROBLEM_H
#define SIMCC_TESTS_GRAD_PROBLEM_H

#include "ir/autodiff.h"
#include "ir/build.h"
#include "ir/eval.h"
#include "tests/harness.h"

enum { PROBLEM_LEAVES = 24 };

// A list of sizes, axes or paddings in place.
#define L(...) ((const int64_t[]){__VA_ARGS__})

typedef struct Problem {
    Arena *arena;
    Graph *graph;
    int leaf_count, param_count;
    EvalBinding leaves[PROBLEM_LEAVES];
    double *data[PROBLEM_LEAVES]; // what leaves[i] is bound to, writable
    int params[PROBLEM_LEAVES];   // indices of leaves
} Problem;

Problem problem_new(void);
void problem_free(Problem *problem);

// A leaf with values spread over low..high in a pseudo-random order, no two of
// them closer than half of (high - low) / elements, and none that close to
// either end or to the middle (for an even number of them).
Value problem_input(Problem *problem, int rank, const int64_t *dims, double low,
                    double high);
// The same, and the loss is to be differentiated by it.
Value problem_param(Problem *problem, int rank, const int64_t *dims, double low,
                    double high);
Value problem_param_of(Problem *problem, const TensorType *type, double low,
                       double high);
// A leaf with these values, likewise.
Value problem_param_values(Problem *problem, int rank, const int64_t *dims,
                           const double *values);
// Random numbers [2,3] of a key that is such a leaf.
Value problem_random(Problem *problem);

// The sum of y's elements, each times a pseudo-random weight; y may have any
// element type.
Value problem_weighted_sum(Problem *problem, Value y);

// What `value` holds, in the problem's arena.
const double *problem_eval(Problem *problem, Value value);

// autodiff by all params that must succeed.
void problem_gradients(Problem *problem, Value loss, Value *gradients);

// Compares every element of every param's gradient with a central difference.
void problem_check(Problem *problem, Value loss, const char *what);

#endif
