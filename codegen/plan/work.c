// What the steps of a plan do, for profiles: arithmetic, and bytes moved when
// everything is read or written once.
#include <string.h>

#include "codegen/integers.h"
#include "codegen/plan/lower.h"
#include "ir/attention.h"
#include "ir/conv.h"
#include "ir/matmul.h"

static bool is_product(Op op)
{
    LowerClass class = op_info(op)->lower;
    return class == LOWER_MATMUL || class == LOWER_CONV || class == LOWER_ROWS;
}

// A product of all rows of a and b, in the entropy two, and in the softmax one
// with the value.
static int64_t rows_macs(const Graph *graph, const Node *node)
{
    const TensorType *a = graph_type(graph, node->inputs[0]);
    const TensorType *b = graph_type(graph, node->inputs[1]);
    int64_t width = a->dims[1];
    if (node->op == OP_MATMUL_ENTROPY)
        width *= 2;
    else if (node->op == OP_MATMUL_SOFTMAX)
        width += node->type.dims[1];
    return a->dims[0] * b->dims[0] * width;
}

// Multiply-adds of a product or a convolution in any direction.
static int64_t product_macs(const Graph *graph, const Node *node)
{
    if (node->op == OP_MATMUL) {
        MatmulGeometry product = matmul_geometry(graph, node);
        return matmul_macs(&product);
    }
    if (op_info(node->op)->lower == LOWER_ROWS)
        return rows_macs(graph, node);
    ConvGeometry conv = conv_geometry(graph, node);
    return conv_macs(&conv);
}

// A step's share of its product's arithmetic: none, unless it is a main step;
// there are several where a kernel makes only some of the pixels.
static int64_t count_product(const Lowering *lower, const LowerStep *step)
{
    const Node *node = graph_node(lower->graph, step->node);
    int64_t shares = 0;
    if (step->role != STEP_MAIN)
        return 0;
    for (int s = 0; s < lower->steps.count; s++) {
        const LowerStep *other = &lower->steps.at[s];
        bool loop = other->kernel && other->kernel->loop;
        if (other->node == step->node && other->role == STEP_MAIN && !loop)
            shares += other->share;
    }
    if (!shares)
        return 0;
    double macs = (double)product_macs(lower->graph, node);
    return (int64_t)(2 * macs * (double)step->share / (double)shares);
}

// Each place of each window of the smaller side.
static int64_t count_pool(const Graph *graph, const Node *node)
{
    IntList window = node->attrs[POOL_KERNEL].ints;
    int64_t elements = type_elements(&node->type);
    for (int i = 0; i < node->input_count; i++) {
        int64_t input = type_elements(graph_type(graph, node->inputs[i]));
        elements = min_i64(elements, input);
    }
    return elements * window.at[0] * window.at[1];
}

// A multiplication and an addition for each of a pixel's two neighbours down
// and two across.
static int64_t count_resize(const Graph *graph, const Node *node)
{
    int64_t made = type_elements(&node->type);
    int64_t given = type_elements(graph_type(graph, node->inputs[0]));
    bool bilinear = strcmp(node->attrs[RESIZE_MODE].text, "bilinear") == 0;
    return bilinear ? 8 * (node->op == OP_RESIZE ? made : given) : 0;
}

static int64_t count_loop(const LoopKernel *kernel)
{
    int64_t operations = 0;
    for (int i = 0; i < kernel->exprs.count; i++)
        operations += kernel->exprs.at[i].kind == EXPR_OP;
    for (int i = 0; i < kernel->stores.count; i++)
        operations += kernel->stores.at[i].kind != STORE_MAP;
    return operations * loop_elements(kernel);
}

static int64_t count_flops(const Lowering *lower, const LowerStep *step)
{
    if (step->kernel && step->kernel->loop)
        return count_loop(step->kernel->loop);
    if (step->node == NO_VALUE)
        return 0;
    const Node *node = graph_node(lower->graph, step->node);
    if (op_info(node->op)->lower == LOWER_POOL)
        return count_pool(lower->graph, node);
    if (node->op == OP_RESIZE || node->op == OP_RESIZE_GRAD)
        return count_resize(lower->graph, node);
    if (node->op == OP_ATTENTION || node->op == OP_ATTENTION_GRAD_Q ||
        node->op == OP_ATTENTION_GRAD_KV)
        return 2 * attention_macs(lower->graph, node);
    return is_product(node->op) ? count_product(lower, step) : 0;
}

// ---- bytes ------------------------------------------------------------------

// By param, as the plan numbers them.
static int64_t *param_sizes(const Lowering *lower)
{
    const Graph *graph = lower->graph;
    int64_t *bytes = ARENA_ARRAY(lower->arena, int64_t, graph->nodes.count + 1);
    for (Value v = 0; v < graph->nodes.count; v++)
        if (graph_node(graph, v)->op == OP_PARAM)
            bytes[lower->param_index[v]] = type_bytes(graph_type(graph, v));
    return bytes;
}

static int64_t walked_bytes(const LoopKernel *kernel, const int64_t *strides,
                            DType dtype)
{
    int64_t bytes = dtype_size(dtype);
    for (int d = 0; d < kernel->rank; d++)
        bytes *= strides[d] ? kernel->dims[d] : 1;
    return bytes;
}

// By argument of the step, what a loop kernel walks over: it may be a part of
// what the argument points to. One pass over the kernel, for optimizers' steps
// have hundreds of arguments.
static void add_loop_bytes(const LoopKernel *kernel, int64_t *bytes)
{
    for (int i = 0; i < kernel->exprs.count; i++) {
        const LoopExpr *expr = &kernel->exprs.at[i];
        if (expr->kind == EXPR_LOAD)
            bytes[expr->arg] +=
                walked_bytes(kernel, expr->strides, expr->dtype);
    }
    for (int i = 0; i < kernel->stores.count; i++) {
        const LoopStore *store = &kernel->stores.at[i];
        bytes[store->arg] += walked_bytes(kernel, store->strides, store->dtype);
    }
}

static int64_t count_bytes(const Lowering *lower, const LowerStep *step,
                           const int64_t *params)
{
    const LoopKernel *loop = step->kernel ? step->kernel->loop : NULL;
    int64_t *walked = NULL, bytes = 0;
    if (loop) {
        walked = ARENA_ARRAY(lower->arena, int64_t, step->args.count + 1);
        add_loop_bytes(loop, walked);
    }
    for (int i = 0; i < step->args.count; i++) {
        const StepArg *arg = &step->args.at[i];
        int64_t most = (arg->place.kind == PLACE_PARAM
                            ? params[arg->place.index]
                            : lower->buffers.at[arg->place.index].bytes) -
                       arg->place.offset - arg->offset;
        bytes += loop ? min_i64(walked[i], most) : most;
    }
    return bytes;
}

void work_count(Lowering *lower)
{
    const int64_t *params = param_sizes(lower);
    for (int s = 0; s < lower->steps.count; s++) {
        LowerStep *step = &lower->steps.at[s];
        step->flops = count_flops(lower, step);
        step->bytes = count_bytes(lower, step, params);
    }
}
