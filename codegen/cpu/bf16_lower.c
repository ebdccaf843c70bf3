// Convolutions with products of bf16 as steps.
#include "codegen/cpu/conv.h"
#include "codegen/integers.h"

enum {
    // Lines of one image in a task's scratch memory; larger images get other
    // kernels.
    MAX_LINE_BYTES = 1 << 20,
};

static bool is_blocked(const ConvShape *s)
{
    return s->block == CPU_BLOCK && s->out_block == CPU_BLOCK &&
           s->tile == CPU_BLOCK && s->dtype == DT_F32 && s->groups == 1 &&
           s->way.method == WAY_RULE;
}

// ---- forward and by data ----------------------------------------------------

bool conv_bf16_takes_data(const ConvShape *s)
{
    int64_t written =
        s->op == OP_CONV2D ? s->o * s->oh * s->ow : s->c * s->h * s->w;
    return is_blocked(s) && s->op != OP_CONV2D_GRAD_W && s->in[0] == DT_BF16 &&
           s->in[1] == DT_BF16 && written <= INT32_MAX;
}

static Bf16Kernel data_kernel(const ConvShape *s)
{
    bool forward = s->op == OP_CONV2D;
    Bf16Axis (*axis)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t) =
        forward ? bf16_forward : bf16_backward;
    Bf16Kernel kernel = {.types = conv_types(s),
                         .rows = axis(s->h, s->oh, s->kh, s->sh, s->top, s->dh),
                         .cols =
                             axis(s->w, s->ow, s->kw, s->sw, s->left, s->dw),
                         .in_blocks = (forward ? s->c : s->o) / CPU_BLOCK,
                         .out_blocks = (forward ? s->o : s->c) / CPU_BLOCK};
    bf16_choose(&kernel, s->n);
    return kernel;
}

// Of weights that the graph rounds for it (value_is_rounded_weights), the
// kernel reads what they were.
static Place pack_weights(Lowering *lower, const Bf16Kernel *data,
                          const ConvShape *s, Value weights, const char *label)
{
    DType in = DT_BF16;
    if (value_is_rounded_weights(lower, weights)) {
        weights = graph_node(lower->graph, weights)->inputs[0];
        in = graph_type(lower->graph, weights)->dtype;
    }
    CpuKernel kernel = {
        .kind = CPU_BF16_PACK_KERNEL,
        .bf16_pack = {.in = in,
                      .by_data = s->op != OP_CONV2D,
                      .in_blocks = data->in_blocks,
                      .out_blocks = data->out_blocks,
                      .window = data->rows.taps * data->cols.taps}};
    Place out = {PLACE_SLAB,
                 buffer_new(lower, bf16_pack_bytes(&kernel.bf16_pack))};
    LowerStep step = cpu_step(lower, &kernel, 2, data->out_blocks, label);
    step.role = STEP_WEIGHTS;
    step_arg(lower, &step, value_place(lower, weights), 0, false, false);
    step_arg(lower, &step, out, 0, true, false);
    step_push(lower, &step);
    return out;
}

int64_t conv_bf16_data(Lowering *lower, const ConvShape *s, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    int weights = conv_weights_input(s->op);
    CpuKernel kernel = {.kind = CPU_BF16_KERNEL, .bf16 = data_kernel(s)};
    Place packed =
        pack_weights(lower, &kernel.bf16, s, node->inputs[weights],
                     arena_printf(lower->arena, "%s: weights", label));
    Place args[3] = {value_place(lower, node->inputs[1 - weights]), packed,
                     value_new_buffer(lower, value)};
    int64_t tasks = bf16_tasks(&kernel.bf16, s->n);
    cpu_want_scratch(lower, bf16_scratch(&kernel.bf16).total);
    LowerStep step = conv_step(lower, s, &kernel, tasks, label, args);
    step_push(lower, &step);
    return tasks == s->n / kernel.bf16.images ? kernel.bf16.images : 0;
}

// ---- by weights -------------------------------------------------------------

// One block of each side and one image at a time.
static Bf16WeightsKernel least_kernel(const ConvShape *s)
{
    return (Bf16WeightsKernel){
        .rows = bf16_forward(s->h, s->oh, s->kh, s->sh, s->top, s->dh),
        .cols = bf16_forward(s->w, s->ow, s->kw, s->sw, s->left, s->dw),
        .in_blocks = s->c / CPU_BLOCK,
        .out_blocks = s->o / CPU_BLOCK,
        .reads = 1,
        .writes = 1,
        .images = 1};
}

bool conv_bf16_takes_weights(const ConvShape *s)
{
    if (!is_blocked(s) || s->op != OP_CONV2D_GRAD_W || !s->multiplies_bf16 ||
        s->in[0] != DT_BF16 || s->in[1] != DT_BF16)
        return false;
    Bf16WeightsKernel kernel = least_kernel(s);
    return bf16_weights_scratch(&kernel).dy <= MAX_LINE_BYTES;
}

int64_t conv_bf16_weights(Lowering *lower, const ConvShape *s, Value value)
{
    CpuKernel kernel = {.kind = CPU_BF16_WEIGHTS_KERNEL,
                        .bf16_weights = least_kernel(s)};
    bf16_weights_choose(&kernel.bf16_weights, s->n);
    cpu_want_scratch(lower, bf16_weights_scratch(&kernel.bf16_weights).total);
    ConvGradient gradient = {
        value_place(lower, graph_node(lower->graph, value)->inputs[0]),
        value_new_buffer(lower, value),
        bf16_weights_tasks(&kernel.bf16_weights)};
    conv_push_weights(lower, s, value, &kernel, &gradient);
    return 0;
}
