// Rows by their numbers, images of other sizes and attention: calls of the
// runtime, cut into tasks by rows, planes and matrices.
#include <string.h>

#include "codegen/cpu/lower.h"
#include "codegen/integers.h"
#include "ir/attention.h"

enum {
    // Elements that a task writes: tens of microseconds.
    ELEMENTS_PER_TASK = 16384,
    FLOPS_PER_TASK = 1 << 20, // multiply-adds worth a task
};

// How many of `count` things of `elements` each a task gets.
static int64_t per_task(int64_t count, int64_t elements)
{
    int64_t tasks =
        min_i64(MAX_TASKS, ceil_div(count * elements, ELEMENTS_PER_TASK));
    return ceil_div(count, max_i64(1, min_i64(count, tasks)));
}

// `places` numbers of rows, of which the table has `rows`; tasks are of the
// rows that are written, `made` of them.
static void lower_take(Lowering *lower, Value value, PlanCall call,
                       int64_t places, int64_t rows, int64_t made)
{
    const Node *node = graph_node(lower->graph, value);
    int64_t width = type_elements(&node->type) / made;
    CallTake imms = {.places = places,
                     .rows = rows,
                     .width = width,
                     .rows_per_task = per_task(made, width)};
    LowerStep step = step_call(call, ceil_div(made, imms.rows_per_task),
                               value_label(lower, value));
    step_call_imms(lower, &step, &imms, sizeof imms);
    cpu_push_call(lower, &step, node, value_new_buffer(lower, value));
}

static void call_TAKE(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    int64_t places = type_elements(graph_type(lower->graph, node->inputs[1]));
    lower_take(
        lower, value, cpu_call_of(node, PLAN_CALL_TAKE_F32, PLAN_CALL_TAKE_F64),
        places, graph_type(lower->graph, node->inputs[0])->dims[0], places);
}

static void call_TAKE_GRAD(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    int64_t rows = node->type.dims[0];
    lower_take(
        lower, value,
        cpu_call_of(node, PLAN_CALL_TAKE_GRAD_F32, PLAN_CALL_TAKE_GRAD_F64),
        type_elements(graph_type(lower->graph, node->inputs[1])), rows, rows);
}

// x becomes y, or gets its gradient from it.
static void lower_resize(Lowering *lower, Value value, PlanCall call,
                         const TensorType *x, const TensorType *y)
{
    const Node *node = graph_node(lower->graph, value);
    CallResize imms = {
        .planes = x->dims[0] * x->dims[1],
        .h = x->dims[2],
        .w = x->dims[3],
        .oh = y->dims[2],
        .ow = y->dims[3],
        .bilinear = strcmp(node->attrs[RESIZE_MODE].text, "bilinear") == 0};
    imms.planes_per_task =
        per_task(imms.planes, max_i64(imms.h * imms.w, imms.oh * imms.ow));
    cpu_want_scratch(lower, imms.ow * PLAN_RESIZE_TAP +
                                imms.w * dtype_size(node->type.dtype));
    LowerStep step =
        step_call(call, ceil_div(imms.planes, imms.planes_per_task),
                  value_label(lower, value));
    step_call_imms(lower, &step, &imms, sizeof imms);
    cpu_push_call(lower, &step, node, value_new_buffer(lower, value));
}

static void call_RESIZE(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    lower_resize(lower, value,
                 cpu_call_of(node, PLAN_CALL_RESIZE_F32, PLAN_CALL_RESIZE_F64),
                 graph_type(lower->graph, node->inputs[0]), &node->type);
}

static void call_RESIZE_GRAD(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    lower_resize(
        lower, value,
        cpu_call_of(node, PLAN_CALL_RESIZE_GRAD_F32, PLAN_CALL_RESIZE_GRAD_F64),
        &node->type, graph_type(lower->graph, node->inputs[0]));
}

// ---- attention --------------------------------------------------------------

// Tasks are of whole matrices, where these are enough, else of tiles of the
// result's rows: one for each query, or for each key.
static void lower_attention(Lowering *lower, Value value, PlanCall f32,
                            PlanCall f64, bool by_keys)
{
    const Node *node = graph_node(lower->graph, value);
    AttentionSizes z = attention_sizes(lower->graph, node);
    int64_t work = attention_macs(lower->graph, node);
    int64_t rows = by_keys ? z.s : z.m;
    int64_t wanted = max_i64(1, min_i64(work / FLOPS_PER_TASK, MAX_TASKS));
    int64_t tiles = ceil_div(rows, PLAN_ROWS_TILE);
    int64_t blocks = max_i64(1, min_i64(wanted / z.count, tiles));
    CallAttention imms = {.count = z.count,
                          .m = z.m,
                          .s = z.s,
                          .d = z.d,
                          .e = z.e,
                          .scale = node->attrs[SCALE_SCALE].f,
                          .per_task =
                              blocks > 1 ? 1 : ceil_div(z.count, wanted),
                          .rows_per_task = ceil_div(rows, blocks)};
    cpu_want_scratch(lower, (int64_t)2 * PLAN_ROWS_TILE * PLAN_ROWS_TILE_LONG *
                                dtype_size(node->type.dtype));
    LowerStep step = step_call(cpu_call_of(node, f32, f64),
                               ceil_div(z.count, imms.per_task) *
                                   ceil_div(rows, imms.rows_per_task),
                               value_label(lower, value));
    step_call_imms(lower, &step, &imms, sizeof imms);
    cpu_push_call(lower, &step, node, value_new_buffer(lower, value));
}

static void call_ATTENTION(Lowering *lower, Value value)
{
    lower_attention(lower, value, PLAN_CALL_ATTENTION_F32,
                    PLAN_CALL_ATTENTION_F64, false);
}

static void call_ATTENTION_GRAD_Q(Lowering *lower, Value value)
{
    lower_attention(lower, value, PLAN_CALL_ATTENTION_GRAD_Q_F32,
                    PLAN_CALL_ATTENTION_GRAD_Q_F64, false);
}

static void call_ATTENTION_GRAD_KV(Lowering *lower, Value value)
{
    lower_attention(lower, value, PLAN_CALL_ATTENTION_GRAD_KV_F32,
                    PLAN_CALL_ATTENTION_GRAD_KV_F64, true);
}

void cpu_lower_call(Lowering *lower, Value value)
{
    static void (*const rules[OP_COUNT])(Lowering * lower, Value value) = {
#define PICK_CALL(id) [OP_##id] = call_##id,
#include "ir/ops_of.def"
    };
    rules[graph_node(lower->graph, value)->op](lower, value);
}
