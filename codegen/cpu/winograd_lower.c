// Convolutions of 3x3 windows at stride 1 by Winograd's algorithm. Forward and
// by data, weights are transformed in each step.
#include "codegen/codegen_impl.h"
#include "codegen/cpu/conv.h"

// By data, x[j] gets dy[i] * w[t] where i = j + pad - t: the same sum with the
// taps in reverse order, over dy with 2 - pad zeros around.
static KernelWinograd winograd_of(const ConvShape *s)
{
    KernelWinograd k = {.out = s->winograd,
                        .in_blocks = s->c / TAPS_BLOCK,
                        .out_blocks = s->o / TAPS_BLOCK,
                        .h = s->h,
                        .w = s->w,
                        .oh = s->oh,
                        .ow = s->ow,
                        .top = s->top,
                        .left = s->left};
    if (s->op != OP_CONV2D_GRAD_X)
        return k;
    return (KernelWinograd){.out = k.out,
                            .in_blocks = k.out_blocks,
                            .out_blocks = k.in_blocks,
                            .flip = true,
                            .h = k.oh,
                            .w = k.ow,
                            .oh = k.h,
                            .ow = k.w,
                            .top = 2 - k.top,
                            .left = 2 - k.left};
}

static bool has_windows(const ConvShape *s)
{
    return s->winograd && s->kh == 3 && s->kw == 3 && s->sh == 1 && s->sw == 1;
}

bool conv_winograd_takes(const ConvShape *s)
{
    return conv_taps_takes_data(s) && has_windows(s);
}

bool conv_winograd_takes_weights(const ConvShape *s)
{
    return conv_taps_takes_weights(s) && has_windows(s);
}

bool conv_winograd_pays(const ConvShape *s)
{
    KernelWinograd k = winograd_of(s);
    return s->op == OP_CONV2D_GRAD_W ? winograd_gradient_pays(&k, s->n)
                                     : winograd_pays(&k, s->n);
}

static void want_scratch(Lowering *lower, WinogradScratch scratch)
{
    int64_t bytes = scratch.total * dtype_size(DT_F32);
    if (lower->scratch_bytes < bytes)
        lower->scratch_bytes = bytes;
}

// The stored weights, transformed; see winograd.h.
static Place transform_weights(Lowering *lower, const KernelWinograd *winograd,
                               Place weights, const char *label)
{
    Kernel kernel = {.kind = KERNEL_WINOGRAD_WEIGHTS, .arg_count = 2};
    kernel.winograd.out = winograd->out;
    kernel.winograd.in_blocks = winograd->in_blocks;
    kernel.winograd.out_blocks = winograd->out_blocks;
    kernel.winograd.flip = winograd->flip;
    Place out = {PLACE_SLAB,
                 buffer_new(lower, winograd_weight_elements(winograd) *
                                       dtype_size(DT_F32))};
    LowerStep step = step_kernel(lower, &kernel, label);
    step.task_count = winograd->in_blocks * winograd->out_blocks;
    step_arg(lower, &step, weights, 0, false, false);
    step_arg(lower, &step, out, 0, true, false);
    step_push(lower, &step);
    if (winograd->flip)
        want_scratch(lower,
                     (WinogradScratch){.total = winograd_tap_elements()});
    return out;
}

int64_t conv_winograd(Lowering *lower, const ConvShape *s, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    const char *rest = arena_printf(lower->arena, "%s: weights", label);
    bool forward = s->op == OP_CONV2D;
    Kernel kernel = {.kind = KERNEL_WINOGRAD, .arg_count = 3};
    KernelWinograd *winograd = &kernel.winograd;
    *winograd = winograd_of(s);
    winograd_choose_tile(winograd, lower->codegen->target.vector_bytes, s->n,
                         &s->way);
    Place weights = transform_weights(
        lower, winograd, value_place(lower, node->inputs[forward ? 1 : 0]),
        rest);
    LowerStep step = step_kernel(lower, &kernel, label);
    step.task_count = winograd_tasks(winograd, s->n);
    step_arg(lower, &step, value_place(lower, node->inputs[forward ? 0 : 1]), 0,
             false, false);
    step_arg(lower, &step, weights, 0, false, false);
    step_arg(lower, &step, value_new_buffer(lower, value), 0, true, false);
    step_imms(lower, &step, 1, &s->n);
    step_push(lower, &step);
    want_scratch(lower, winograd_scratch(winograd));
    return 0;
}

// The tiles of x or dy, transformed: [blocks][area][tiles][16].
static Place transform_tiles(Lowering *lower, const KernelWinograd *winograd,
                             Place source, bool of_results, const char *label)
{
    Kernel kernel = {.kind = KERNEL_WINOGRAD_TILES, .arg_count = 2};
    kernel.winograd = *winograd;
    kernel.winograd.of_results = of_results;
    kernel.winograd.task_blocks = kernel.winograd.task_reads = 0;
    int64_t blocks = of_results ? winograd->out_blocks : winograd->in_blocks;
    Place out = {PLACE_SLAB,
                 buffer_new(lower, winograd_tile_elements(winograd, blocks) *
                                       dtype_size(DT_F32))};
    LowerStep step = step_kernel(lower, &kernel, label);
    step.task_count = blocks * winograd_shares(winograd->tiles, winograd->part);
    step_arg(lower, &step, source, 0, false, false);
    step_arg(lower, &step, out, 0, true, false);
    step_push(lower, &step);
    want_scratch(lower, winograd_gradient_scratch(&kernel.winograd));
    return out;
}

// Products of tiles that two steps before transform.
static void push_products(Lowering *lower, const ConvShape *s, Value value,
                          Kernel *kernel)
{
    const Node *node = graph_node(lower->graph, value);
    const KernelWinograd *winograd = &kernel->winograd;
    const char *label = value_label(lower, value);
    const char *rest = arena_printf(lower->arena, "%s: tiles", label);
    Place sources[2];
    for (int i = 0; i < 2; i++)
        sources[i] = transform_tiles(
            lower, winograd, value_place(lower, node->inputs[i]), i == 1, rest);
    LowerStep step = step_kernel(lower, kernel, label);
    step.task_count =
        winograd_shares(winograd->out_blocks, winograd->task_blocks) *
        winograd_shares(winograd->in_blocks, winograd->task_reads);
    for (int i = 0; i < 2; i++)
        step_arg(lower, &step, sources[i], 0, false, false);
    step_arg(lower, &step, value_new_buffer(lower, value), 0, true, false);
    step_imms(lower, &step, 2, (int64_t[]){s->n, s->n});
    step_push(lower, &step);
    want_scratch(lower, winograd_gradient_scratch(winograd));
}

int64_t conv_winograd_weights(Lowering *lower, const ConvShape *s, Value value)
{
    Kernel kernel = {.kind = KERNEL_WINOGRAD_GRADIENT, .arg_count = 3};
    KernelWinograd *winograd = &kernel.winograd;
    int vector_bytes = lower->codegen->target.vector_bytes;
    *winograd = winograd_of(s);
    if (winograd_choose_ready_tiles(winograd, vector_bytes, s->n, &s->way)) {
        kernel.kind = KERNEL_WINOGRAD_PRODUCTS;
        push_products(lower, s, value, &kernel);
        return 0;
    }
    winograd_choose_gradient_tile(winograd, vector_bytes, &s->way);
    want_scratch(lower, winograd_gradient_scratch(winograd));
    int64_t tasks =
        winograd_shares(winograd->out_blocks, winograd->task_blocks) *
        winograd_shares(winograd->in_blocks, winograd->task_reads);
    ConvGradient gradient = {
        value_place(lower, graph_node(lower->graph, value)->inputs[0]),
        value_new_buffer(lower, value), tasks};
    conv_push_weights(lower, s, value, &kernel, &gradient);
    return 0;
}
