// Shorthands for making nodes. They return the new value; a type error here is
// the caller's bug, so they abort with an internal error: code that handles
// user input calls graph_add and reports graph->error itself.
#ifndef SIMCC_IR_BUILD_H
#define SIMCC_IR_BUILD_H

#include "ir/graph.h"

Value build_param(Graph *g, TensorType type, const char *name, const char *role,
                  const char *init, double scale);
Value build_input(Graph *g, TensorType type, const char *name);
Value build_const(Graph *g, TensorType type, double value);
Value build_scalar(Graph *g, DType dtype, double value);
// A constant with the type of another value.
Value build_const_like(Graph *g, Value like, double value);
Value build_iota(Graph *g, TensorType type, int axis);

Value build_unary(Graph *g, Op op, Value x);
Value build_binary(Graph *g, Op op, Value x, Value y);
Value build_select(Graph *g, Value condition, Value yes, Value no);
Value build_cast(Graph *g, Value x, DType dtype);

// Results of these three are plain, unless a form is given.
Value build_broadcast(Graph *g, Value x, int rank, const int64_t *dims,
                      const int64_t *axes);
Value build_broadcast_to(Graph *g, Value x, const TensorType *type,
                         const int64_t *axes);
// A scalar stretched to the dims of `like`.
Value build_fill(Graph *g, Value scalar, Value like);
Value build_reshape(Graph *g, Value x, int rank, const int64_t *dims);
// To the dims and the form of a type.
Value build_reshape_to(Graph *g, Value x, const TensorType *type);
Value build_transpose(Graph *g, Value x, const int64_t *perm);
Value build_transpose_to(Graph *g, Value x, const int64_t *perm, Form form);
Value build_slice(Graph *g, Value x, const int64_t *start, const int64_t *size);
Value build_pad(Graph *g, Value x, const int64_t *low, const int64_t *high,
                double value);
Value build_concat(Graph *g, int count, const Value *inputs, int axis);
Value build_reduce(Graph *g, Op op, Value x, int count, const int64_t *axes);
Value build_matmul(Graph *g, Value a, Value b, bool trans_a, bool trans_b);
Value build_assign(Graph *g, Value param, Value value);

#endif
