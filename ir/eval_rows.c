// The oracle's products of rows with rows, straight from their definitions.
#include <math.h>

#include "ir/eval_rules.h"

typedef struct Rows {
    const double *a, *b, *skip;
    int64_t m, k, d;
} Rows;

static Rows rows_of(const EvalContext *context, Value self)
{
    const TensorType *a = eval_input_type(context, self, 0);
    const TensorType *b = eval_input_type(context, self, 1);
    return (Rows){eval_input(context, self, 0),
                  eval_input(context, self, 1),
                  eval_input(context, self, 2),
                  a->dims[0],
                  b->dims[0],
                  a->dims[1]};
}

static bool is_left_out(const Rows *rows, int64_t i, int64_t j)
{
    return (double)j == rows->skip[i];
}

static double product(const Rows *rows, int64_t i, int64_t j)
{
    double sum = 0;
    for (int64_t c = 0; c < rows->d; c++)
        sum += rows->a[i * rows->d + c] * rows->b[j * rows->d + c];
    return sum;
}

static double row_max(const Rows *rows, int64_t i)
{
    double top = -INFINITY;
    for (int64_t j = 0; j < rows->k; j++) {
        double x = is_left_out(rows, i, j) ? -INFINITY : product(rows, i, j);
        top = isnan(top) || x <= top ? top : x;
    }
    return top;
}

static double row_lse(const Rows *rows, int64_t i)
{
    double top = row_max(rows, i), sum = 0;
    for (int64_t j = 0; j < rows->k; j++)
        if (!is_left_out(rows, i, j))
            sum += exp(product(rows, i, j) - top);
    return log(sum) + top;
}

void eval_matmul_max(const EvalContext *context, Value self, double *out)
{
    Rows rows = rows_of(context, self);
    for (int64_t i = 0; i < rows.m; i++)
        out[i] = row_max(&rows, i);
}

void eval_matmul_lse(const EvalContext *context, Value self, double *out)
{
    Rows rows = rows_of(context, self);
    for (int64_t i = 0; i < rows.m; i++)
        out[i] = row_lse(&rows, i);
}

void eval_matmul_entropy(const EvalContext *context, Value self, double *out)
{
    Rows rows = rows_of(context, self);
    double guard = eval_node(context, self)->attrs[GUARD_GUARD].f;
    for (int64_t i = 0; i < rows.m; i++) {
        double lse = row_lse(&rows, i);
        for (int64_t j = 0; j < rows.k; j++) {
            if (is_left_out(&rows, i, j))
                continue;
            double p = exp(product(&rows, i, j) - lse);
            out[i] -= p > 0 ? p * log(p + guard) : 0;
        }
    }
}

void eval_matmul_softmax(const EvalContext *context, Value self, double *out)
{
    Rows rows = rows_of(context, self);
    const double *lse = eval_input(context, self, 3);
    const double *v = eval_input(context, self, 4);
    bool trans = eval_node(context, self)->attrs[TRANS_TRANS].i;
    int64_t width = eval_node(context, self)->type.dims[1];
    for (int64_t i = 0; i < rows.m; i++)
        for (int64_t j = 0; j < rows.k; j++) {
            if (is_left_out(&rows, i, j))
                continue;
            double p = exp(product(&rows, i, j) - lse[i]);
            int64_t to = trans ? j : i, from = trans ? i : j;
            for (int64_t c = 0; c < width; c++)
                out[to * width + c] += p * v[from * width + c];
        }
}
