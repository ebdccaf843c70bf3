// Samples of ops for the table in gradients_test.c, from files of their own.
#ifndef SIMCC_TESTS_GRAD_SAMPLES_H
#define SIMCC_TESTS_GRAD_SAMPLES_H

#include "tests/grad/problem.h"

// A node, or a failed test.
Value add_node(Problem *p, Op op, int count, const Value *inputs,
               const Attr *attrs);

// Each makes leaves and returns a node with the op under test.
typedef Value SampleOf(Problem *problem);
SampleOf sample_MATMUL, sample_matmul_ta, sample_matmul_tb, sample_matmul_ta_tb;
SampleOf sample_MATMUL_LSE, sample_lse_of_itself, sample_lse_of_all;
SampleOf sample_ATTENTION;
SampleOf sample_TAKE, sample_TAKE_GRAD, sample_RESIZE, sample_RESIZE_GRAD;

#endif
