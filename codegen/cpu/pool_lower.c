// Windows: planes of images shared out among tasks.
#include "codegen/cpu/lower.h"
#include "codegen/integers.h"
#include "ir/base/diag.h"
#include "ir/image.h"

enum {
    // Elements that a task looks at: tens of microseconds.
    POOL_ELEMENTS_PER_TASK = 16384,
    MAX_POOL_BLOCK = 64, // lanes that a window kernel can have
};

bool pool_sums_apart(const PoolKernel *p)
{
    return p->types.out == DT_BF16 &&
           (p->op == OP_MAX_POOL_GRAD || p->op == OP_SUM_POOL_GRAD);
}

void pool_text(Text *text, const PoolKernel *p)
{
    const int64_t sizes[] = {p->planes, p->block, p->h,   p->w,
                             p->oh,     p->ow,    p->kh,  p->kw,
                             p->sh,     p->sw,    p->top, p->left};
    text_addf(text, "%s ", op_info(p->op)->text);
    kernel_types_text(text, &p->types);
    text_add(text, " planes,block,h,w,oh,ow,kh,kw,sh,sw,top,left =");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        text_addf(text, " %lld", (long long)sizes[i]);
    text_addf(text, " split by %lld\n", (long long)p->chunk);
}

void cpu_lower_pool(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const TensorType *in = graph_type(lower->graph, node->inputs[0]);
    // x and y are the larger and the smaller side, whoever is the output.
    const TensorType *x = in, *y = &node->type;
    if (node->op == OP_SUM_POOL_GRAD)
        x = &node->type, y = in;
    else if (node->op == OP_MAX_POOL_GRAD)
        y = graph_type(lower->graph, node->inputs[1]);
    IntList window = node->attrs[POOL_KERNEL].ints;
    IntList stride = node->attrs[POOL_STRIDE].ints;
    IntList pad = node->attrs[POOL_PAD].ints;
    int64_t planes = x->dims[0] * x->dims[1];
    INTERNAL_CHECK(image_block(x) <= MAX_POOL_BLOCK);
    CpuKernel kernel = {.kind = CPU_POOL_KERNEL};
    kernel.pool = (PoolKernel){.op = node->op,
                               .types = kernel_types(node->type.dtype),
                               .planes = planes,
                               .block = image_block(x),
                               .h = x->dims[2],
                               .w = x->dims[3],
                               .oh = y->dims[2],
                               .ow = y->dims[3],
                               .kh = window.at[0],
                               .kw = window.at[1],
                               .sh = stride.at[0],
                               .sw = stride.at[1],
                               .top = pad.at[0],
                               .left = pad.at[1]};
    int64_t work =
        max_i64(x->dims[2] * x->dims[3],
                y->dims[2] * y->dims[3] * window.at[0] * window.at[1]);
    int64_t tasks = min_i64(planes * work / POOL_ELEMENTS_PER_TASK, MAX_TASKS);
    int64_t chunk = ceil_div(planes, max_i64(1, min_i64(tasks, planes)));
    kernel.pool.chunk = chunk;
    if (pool_sums_apart(&kernel.pool))
        cpu_want_scratch(lower, x->dims[2] * x->dims[3] * image_block(x) *
                                    dtype_size(DT_F32));
    LowerStep step =
        cpu_step(lower, &kernel, node->input_count + 1, ceil_div(planes, chunk),
                 value_label(lower, value));
    cpu_push_call(lower, &step, node, value_new_buffer(lower, value));
}
