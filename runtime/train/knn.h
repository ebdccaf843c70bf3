// Classification by nearest neighbours: how good features are, without
// training anything on them.
#ifndef SIMCC_RUNTIME_KNN_H
#define SIMCC_RUNTIME_KNN_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/exec/pool.h"

// Rows of features with their labels. A label below 0 says that there is none:
// such a row is nobody's neighbour, and as a query it is predicted but not
// counted.
typedef struct KnnRows {
    const float *features; // [count, width], row by row; of any length
    const int32_t *labels; // [count]
    int64_t count;
} KnnRows;

typedef struct KnnProblem {
    KnnRows bank, queries;
    int64_t width; // features of a row
    int classes;   // labels are 0 .. classes - 1
    int k;         // neighbours; at most as many as the bank has labels
    double tau;    // temperature of the weighted vote
    // The queries are the bank, row for row, and no row is its own neighbour.
    bool leave_one_out;
} KnnProblem;

// What published evaluations use.
#define KNN_K   200
#define KNN_TAU 0.07

typedef struct KnnResult {
    int64_t counted;        // queries with a label
    double weighted, plain; // share of them predicted right; 0 of none
} KnnResult;

// The k nearest rows of the bank by cosine vote for a query's class: with
// weights exp(cosine / tau) (Wu et al. 2018, 1805.01978), and plainly, one
// each. Of classes with equal votes the one with the nearest row is taken, of
// equally near rows the earlier. Exact, over every row of the bank; the
// results depend neither on the number of threads nor on the batches that
// features were computed in. Features with NaN are near to nothing, and a
// query without neighbours is predicted as -1.
//
// predicted: [queries.count] for the weighted vote; may be NULL. Needs about
// 300 kB a thread and 4 bytes a row beyond what it is given. All processes
// call it with the same, search for a part of the queries each, and get all of
// the result.
// STATUS_DATA when the bank has no label, STATUS_USAGE for k < 1 or a tau that
// is not positive, STATUS_MEMORY.
Status knn_classify(const KnnProblem *problem, Pool *pool, int32_t *predicted,
                    KnnResult *result);

#endif
