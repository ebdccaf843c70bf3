// What the steps of a plan do, for profiles: arithmetic, and bytes moved when
// everything is read or written once.
#include <string.h>

#include "codegen/integers.h"
#include "codegen/plan/lower.h"
#include "ir/conv.h"

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
    const TensorType *in0 = graph_type(graph, node->inputs[0]);
    if (node->op == OP_MATMUL)
        return type_elements(&node->type) *
               in0->dims[node->attrs[MATMUL_TRANS_A].i ? 0 : 1];
    if (op_info(node->op)->lower == LOWER_ROWS)
        return rows_macs(graph, node);
    ConvGeometry conv = conv_geometry(graph, node);
    return conv_macs(&conv);
}

// A convolution by data with a stride has a kernel for each phase of it.
static int64_t share_of(const LowerStep *step)
{
    if (!step->kernel || (step->kernel->kind != KERNEL_TAPS &&
                          step->kernel->kind != KERNEL_TAPS_IMAGES))
        return 1;
    const TapAxis *rows = &step->kernel->taps.rows;
    const TapAxis *cols = &step->kernel->taps.cols;
    return rows->count * rows->taps * cols->count * cols->taps;
}

// The steps of one product, `first` among them, without those about its
// weights, which have a longer label.
static int64_t count_product(const Lowering *lower, int first)
{
    const LowerStep *step = &lower->steps.at[first];
    const Node *node = graph_node(lower->graph, step->node);
    const char *label = value_label(lower, step->node);
    int64_t shares = 0;
    if (strcmp(step->label, label) != 0)
        return 0;
    for (int s = 0; s < lower->steps.count; s++) {
        const LowerStep *other = &lower->steps.at[s];
        if (other->node == step->node && strcmp(other->label, label) == 0)
            shares += share_of(other);
    }
    double macs = (double)product_macs(lower->graph, node);
    return shares
               ? (int64_t)(2 * macs * (double)share_of(step) / (double)shares)
               : 0;
}

static int64_t count_loop(const Kernel *kernel)
{
    int64_t operations = 0;
    for (int i = 0; i < kernel->exprs.count; i++)
        operations += kernel->exprs.at[i].kind == EXPR_OP;
    for (int i = 0; i < kernel->stores.count; i++)
        operations += kernel->stores.at[i].kind != STORE_MAP;
    return operations * kernel_elements(kernel);
}

static int64_t count_flops(const Lowering *lower, int index)
{
    const LowerStep *step = &lower->steps.at[index];
    if (step->kernel && step->kernel->kind == KERNEL_LOOP)
        return count_loop(step->kernel);
    if (step->kernel && step->kernel->kind == KERNEL_POOL) {
        const KernelPool *pool = &step->kernel->pool;
        return pool->planes * pool->block * pool->oh * pool->ow * pool->kh *
               pool->kw;
    }
    if (step->node != NO_VALUE &&
        is_product(graph_node(lower->graph, step->node)->op))
        return count_product(lower, index);
    return 0;
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

static int64_t walked_bytes(const Kernel *kernel, const int64_t *strides,
                            DType dtype)
{
    int64_t bytes = dtype_size(dtype);
    for (int d = 0; d < kernel->rank; d++)
        bytes *= strides[d] ? kernel->dims[d] : 1;
    return bytes;
}

// A loop kernel may read a part of what an argument points to.
static int64_t loop_bytes(const Kernel *kernel, int arg, int64_t most)
{
    int64_t bytes = 0;
    for (int i = 0; i < kernel->exprs.count; i++) {
        const KernelExpr *expr = &kernel->exprs.at[i];
        if (expr->kind == EXPR_LOAD && expr->arg == arg)
            bytes += walked_bytes(kernel, expr->strides, expr->dtype);
    }
    for (int i = 0; i < kernel->stores.count; i++) {
        const KernelStore *store = &kernel->stores.at[i];
        if (store->arg == arg)
            bytes += walked_bytes(kernel, store->strides, store->dtype);
    }
    return min_i64(bytes, most);
}

static int64_t count_bytes(const Lowering *lower, const LowerStep *step,
                           const int64_t *params)
{
    int64_t bytes = 0;
    for (int i = 0; i < step->args.count; i++) {
        const StepArg *arg = &step->args.at[i];
        int64_t most = (arg->place.kind == PLACE_PARAM
                            ? params[arg->place.index]
                            : lower->buffers.at[arg->place.index].bytes) -
                       arg->offset;
        bool loop = step->kernel && step->kernel->kind == KERNEL_LOOP;
        bytes += loop ? loop_bytes(step->kernel, i, most) : most;
    }
    return bytes;
}

void work_count(Lowering *lower)
{
    const int64_t *params = param_sizes(lower);
    for (int s = 0; s < lower->steps.count; s++) {
        LowerStep *step = &lower->steps.at[s];
        step->flops = count_flops(lower, s);
        step->bytes = count_bytes(lower, step, params);
    }
}
