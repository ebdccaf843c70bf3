// A matrix product of any rank as the back end and the counters of arithmetic
// see it: products of matrices, one after the other, and where each begins.
#ifndef SIMCC_IR_MATMUL_H
#define SIMCC_IR_MATMUL_H

#include "ir/graph.h"

// The axes before the last two; operands of rank 2 have none.
enum { MAX_LEADING = MAX_RANK - 2 };

// c[m,n] = op(a) op(b), once for each index into `dims`. Leading axes of one
// matrix are left out; neighbours through which both operands step alike are
// one; and those that b lacks, innermost, are rows of a where a is read
// straight: x[batch, tokens, k] @ w[k, n] is one product of batch * tokens
// rows.
typedef struct MatmulGeometry {
    int64_t m, n, k;
    bool trans_a, trans_b; // a is [k,m], b is [n,k]
    int rank;              // of dims
    int64_t dims[MAX_LEADING];
    // Elements from a matrix to the next along each of dims; 0: the same one.
    int64_t a_steps[MAX_LEADING], b_steps[MAX_LEADING];
} MatmulGeometry;

// Of a MATMUL node whose type is known.
MatmulGeometry matmul_geometry(const Graph *graph, const Node *node);

// Of how many matrices the result is.
int64_t matmul_count(const MatmulGeometry *geometry);
// Multiply-adds of all of them.
int64_t matmul_macs(const MatmulGeometry *geometry);

// The size of an operand at axis `axis` of the `leading` ones of the result:
// operands of lower rank lack the first of them, which is as a size of 1.
int64_t matmul_leading(const TensorType *operand, int leading, int axis);

#endif
