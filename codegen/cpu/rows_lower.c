// Products of rows with rows that are reduced as they are made: runtime calls,
// cut into tasks by rows of the result.
#include "codegen/cpu/lower.h"
#include "codegen/integers.h"

enum {
    MIN_TASK_ROWS = 8,
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

// What an op of the class makes of each row of products; the softmax has a call
// of its own.
enum {
    NO_ROWS = -1,
    ROWS_MATMUL_LSE = PLAN_ROWS_LSE,
    ROWS_MATMUL_MAX = PLAN_ROWS_MAX,
    ROWS_MATMUL_ENTROPY = PLAN_ROWS_ENTROPY,
    ROWS_MATMUL_SOFTMAX = NO_ROWS,
};
static const int rows_of[OP_COUNT] = {
#define PICK_ROWS(id) [OP_##id] = ROWS_##id,
#include "ir/ops_of.def"
};

void cpu_lower_rows(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const TensorType *a = graph_type(lower->graph, node->inputs[0]);
    const TensorType *b = graph_type(lower->graph, node->inputs[1]);
    bool softmax = rows_of[node->op] == NO_ROWS;
    int64_t m = a->dims[0], k = b->dims[0], d = a->dims[1];
    int64_t rows = node->type.dims[0];
    int64_t width = d + (softmax ? node->type.dims[1] : 0);
    int64_t per_task = rows_per_task(rows, m * k / rows * width);
    int64_t scratch = (int64_t)PLAN_ROWS_TILE * PLAN_ROWS_TILE_LONG *
                      dtype_size(node->type.dtype);
    cpu_want_scratch(lower, scratch);
    LowerStep step =
        step_call(softmax ? cpu_call_of(node, PLAN_CALL_MATMUL_SOFTMAX_F32,
                                        PLAN_CALL_MATMUL_SOFTMAX_F64)
                          : cpu_call_of(node, PLAN_CALL_MATMUL_ROWS_F32,
                                        PLAN_CALL_MATMUL_ROWS_F64),
                  ceil_div(rows, per_task), value_label(lower, value));
    CallRows product = {.m = m, .k = k, .d = d, .rows_per_task = per_task};
    if (softmax) {
        CallMatmulSoftmax imms = {product, .trans = node->attrs[TRANS_TRANS].i,
                                  .e = node->type.dims[1]};
        step_call_imms(lower, &step, &imms, sizeof imms);
    } else {
        CallMatmulRows imms = {product, .what = rows_of[node->op]};
        if (node->op == OP_MATMUL_ENTROPY)
            imms.guard = node->attrs[GUARD_GUARD].f;
        step_call_imms(lower, &step, &imms, sizeof imms);
    }
    cpu_push_call(lower, &step, node, value_new_buffer(lower, value));
}
