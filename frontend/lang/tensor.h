// Operations on tensors, with limits, origins and diagnostics.
#ifndef SIMCC_FRONTEND_LANG_TENSOR_H
#define SIMCC_FRONTEND_LANG_TENSOR_H

#include "frontend/lang/phase.h"

enum { MAX_SITE = 8 }; // operands worth a note each

// Where an operation is added, and what it is applied to, for its diagnostics.
typedef struct Site {
    const Build *build;
    SourcePos pos;
    const char *what; // "`+`", "`conv2d`"
    int count;
    const Datum *values;
    const Expr *const *exprs; // may hold NULLs
} Site;

// graph_add with limits, origin and diagnostics.
Datum tensor_add(Sema *s, const Site *site, Op op, int count,
                 const Value *inputs, const Attr *attrs,
                 const TensorType *type);
Datum tensor_unary(Sema *s, const Site *site, Op op, Value x);
// Elementwise with broadcasting; operands are tensors or numbers, at least
// one a tensor.
Datum tensor_binary(Sema *s, const Site *site, Op op, Datum a, Datum b);
Datum tensor_select(Sema *s, const Site *site, Datum condition, Datum yes,
                    Datum no);
// x over axes (count 0 = all of them).
Datum tensor_reduce(Sema *s, const Site *site, Op op, Value x, int count,
                    const int64_t *axes, bool keep);
Datum tensor_mean(Sema *s, const Site *site, Value x, int count,
                  const int64_t *axes, bool keep);
// Of what each rank has in the place of x; on one rank, x itself.
Datum tensor_rank_mean(Sema *s, const Site *site, Value x);
Datum tensor_matmul(Sema *s, const Site *site, Datum a, Datum b);
Datum tensor_constant(Sema *s, const Site *site, int rank, const int64_t *dims,
                      double number);
// A bool tensor as numbers; others as they are.
Datum tensor_as_numbers(Sema *s, const Site *site, Value x);
// A number or tensor stretched to exactly these dims, or poison.
Datum tensor_fit(Sema *s, const Site *site, Datum x, int rank,
                 const int64_t *dims);
// Notes that say where each operand of a site came from.
void site_notes(Sema *s, const Site *site);

// A tensor, or all in a list, without gradients.
Datum tensor_stop_gradients(Sema *s, const Site *site, Datum x);

#endif
