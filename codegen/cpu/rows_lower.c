// Products of rows with rows that are reduced as they are made: runtime calls,
// cut into tasks by rows of the result.
#include "codegen/integers.h"
#include "codegen/plan/lower.h"
#include "ir/base/diag.h"

enum {
    MIN_TASK_ROWS = 8,
    MAX_TASKS = 64,
    TASK_FLOPS = 1 << 20, // multiply-adds worth a task
};

// Rows of the result that a task makes, of `rows` rows of `work` multiply-adds
// each. BLAS packs b anew in every task, so tasks are not made thin without
// need.
static int64_t rows_per_task(int64_t rows, int64_t work)
{
    int64_t tasks = max_i64(1, min_i64(rows * work / TASK_FLOPS, MAX_TASKS));
    int64_t per_task = max_i64(ceil_div(rows, tasks), MIN_TASK_ROWS);
    return min_i64(per_task, PLAN_ROWS_TILE);
}

static PlanRows what_of(Op op)
{
    return op == OP_MATMUL_LSE   ? PLAN_ROWS_LSE
           : op == OP_MATMUL_MAX ? PLAN_ROWS_MAX
                                 : PLAN_ROWS_ENTROPY;
}

static PlanCall call_of(const Node *node)
{
    DType dtype = node->type.dtype;
    bool single = dtype == DT_F32;
    if (!single && dtype != DT_F64)
        INTERNAL_ERROR("no %s on %s", op_info(node->op)->text,
                       dtype_name(dtype));
    if (node->op == OP_MATMUL_SOFTMAX)
        return single ? PLAN_CALL_MATMUL_SOFTMAX_F32
                      : PLAN_CALL_MATMUL_SOFTMAX_F64;
    return single ? PLAN_CALL_MATMUL_ROWS_F32 : PLAN_CALL_MATMUL_ROWS_F64;
}

void lower_rows(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const TensorType *a = graph_type(lower->graph, node->inputs[0]);
    const TensorType *b = graph_type(lower->graph, node->inputs[1]);
    bool softmax = node->op == OP_MATMUL_SOFTMAX;
    int64_t m = a->dims[0], k = b->dims[0], d = a->dims[1];
    int64_t rows = node->type.dims[0];
    int64_t width = d + (softmax ? node->type.dims[1] : 0);
    int64_t per_task = rows_per_task(rows, m * k / rows * width);
    int64_t scratch = (int64_t)PLAN_ROWS_TILE * PLAN_ROWS_TILE_LONG *
                      dtype_size(node->type.dtype);
    lower->scratch_bytes = max_i64(lower->scratch_bytes, scratch);
    LowerStep step = step_call(call_of(node), ceil_div(rows, per_task),
                               value_label(lower, value));
    CallRows product = {.m = m, .k = k, .d = d, .rows_per_task = per_task};
    if (softmax) {
        CallMatmulSoftmax imms = {product, .trans = node->attrs[TRANS_TRANS].i,
                                  .e = node->type.dims[1]};
        step_call_imms(lower, &step, &imms, sizeof imms);
    } else {
        CallMatmulRows imms = {product, .what = what_of(node->op)};
        if (node->op == OP_MATMUL_ENTROPY)
            imms.guard = node->attrs[GUARD_GUARD].f;
        step_call_imms(lower, &step, &imms, sizeof imms);
    }
    for (int i = 0; i < node->input_count; i++)
        step_arg(lower, &step, value_place(lower, node->inputs[i]), 0, false,
                 false);
    step_arg(lower, &step, value_new_buffer(lower, value), 0, true, false);
    step_push(lower, &step);
}
