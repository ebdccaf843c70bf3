// Convolutions of 3x3 windows at strides 1 and 2 by Winograd's algorithm.
// Forward and by data, weights are transformed in each step.
#include "codegen/integers.h"
#include "codegen/cpu/conv.h"

// By data, x[j] gets dy[i] * w[t] where i = j + pad - t: the same sum with the
// taps in reverse order, over dy with 2 - pad zeros around. At stride 2, x[j]
// gets it where 2 i = j + pad - t: x[0] by one tap if pad is odd, else by two,
// of which the earlier number of dy is -1 + pad / 2.
static WinogradKernel winograd_of(const ConvShape *s)
{
    WinogradKernel k = {.types = conv_types(s),
                        .form = s->sh == 2 ? WINOGRAD_STRIDED : s->winograd,
                        .in_blocks = s->c / CPU_BLOCK,
                        .out_blocks = s->o / CPU_BLOCK,
                        .h = s->h,
                        .w = s->w,
                        .oh = s->oh,
                        .ow = s->ow,
                        .top = s->top,
                        .left = s->left};
    if (s->op != OP_CONV2D_GRAD_X)
        return k;
    bool odd = s->top % 2;
    if (s->sh == 2)
        k.form = odd ? WINOGRAD_STRIDED_ONE_FIRST : WINOGRAD_STRIDED_TWO_FIRST;
    return (WinogradKernel){
        .types = k.types,
        .form = k.form,
        .in_blocks = k.out_blocks,
        .out_blocks = k.in_blocks,
        .flip = true,
        .h = k.oh,
        .w = k.ow,
        .oh = k.h,
        .ow = k.w,
        .top = s->sh == 2 ? (2 - odd - k.top) / 2 : 2 - k.top,
        .left = s->sh == 2 ? (2 - odd - k.left) / 2 : 2 - k.left};
}

static bool has_windows(const ConvShape *s)
{
    bool strided = s->winograd == WINOGRAD_LARGE && s->sh == 2 && s->sw == 2 &&
                   s->top % 2 == s->left % 2;
    return s->winograd && s->kh == 3 && s->kw == 3 && s->dh == 1 &&
           s->dw == 1 && s->groups == 1 &&
           (strided || (s->sh == 1 && s->sw == 1));
}

bool conv_winograd_takes(const ConvShape *s)
{
    return conv_direct_takes_data(s) && has_windows(s);
}

bool conv_winograd_takes_weights(const ConvShape *s)
{
    return conv_direct_takes_weights(s) && has_windows(s);
}

bool conv_winograd_pays(const ConvShape *s)
{
    WinogradKernel k = winograd_of(s);
    return s->op == OP_CONV2D_GRAD_W ? winograd_gradient_pays(&k, s->n)
                                     : winograd_pays(&k, s->n);
}

static void want_scratch(Lowering *lower, int64_t elements)
{
    cpu_want_scratch(lower, elements * dtype_size(DT_F32));
}

// The stored weights, transformed; see winograd.h.
static Place transform_weights(Lowering *lower, const WinogradKernel *winograd,
                               Place weights, const char *label)
{
    CpuKernel kernel = {.kind = CPU_WINOGRAD_WEIGHTS_KERNEL,
                        .winograd_weights = {.types = kernel_types(DT_F32),
                                             .form = winograd->form,
                                             .flip = winograd->flip}};
    Place out = {PLACE_SLAB,
                 buffer_new(lower, winograd_weight_elements(winograd) *
                                       dtype_size(DT_F32))};
    LowerStep step = cpu_step(
        lower, &kernel, 2, winograd->in_blocks * winograd->out_blocks, label);
    const int64_t imms[WINOGRAD_WEIGHTS_IMMS] = {
        [WINOGRAD_IN_BLOCKS] = winograd->in_blocks,
        [WINOGRAD_OUT_BLOCKS] = winograd->out_blocks};
    step_imms(lower, &step, WINOGRAD_WEIGHTS_IMMS, imms);
    step.role = STEP_WEIGHTS;
    step_arg(lower, &step, weights, 0, false, false);
    step_arg(lower, &step, out, 0, true, false);
    step_push(lower, &step);
    if (winograd->flip)
        want_scratch(lower, winograd_tap_elements());
    return out;
}

// The tiles of x or dy, transformed: [blocks][area][room][16].
static Place transform_tiles(Lowering *lower, const WinogradKernel *winograd,
                             Place source, bool of_results, const char *label)
{
    CpuKernel kernel = {.kind = CPU_WINOGRAD_TILES_KERNEL,
                        .winograd_tiles = *winograd};
    WinogradKernel *tiles = &kernel.winograd_tiles;
    tiles->of_results = of_results;
    tiles->task_blocks = tiles->task_reads = 0;
    tiles->types.out = DT_F32;
    tiles->types.epilogue = NULL;
    int64_t blocks = of_results ? winograd->out_blocks : winograd->in_blocks;
    Place out = {PLACE_SLAB,
                 buffer_new(lower, winograd_tile_elements(winograd, blocks) *
                                       dtype_size(DT_F32))};
    LowerStep step =
        cpu_step(lower, &kernel, 2,
                 blocks * ceil_div(winograd->tiles, winograd->part), label);
    step.role = STEP_TILES;
    step_arg(lower, &step, source, 0, false, false);
    step_arg(lower, &step, out, 0, true, false);
    step_push(lower, &step);
    want_scratch(lower, winograd_gradient_scratch(tiles).total);
    return out;
}

int64_t conv_winograd(Lowering *lower, const ConvShape *s, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    const char *rest = arena_printf(lower->arena, "%s: weights", label);
    bool forward = s->op == OP_CONV2D;
    CpuKernel kernel = {.kind = CPU_WINOGRAD_KERNEL};
    WinogradKernel *winograd = &kernel.winograd;
    *winograd = winograd_of(s);
    winograd_choose_tile(winograd, cpu_target(&lower->codegen->target), s->n,
                         &s->way);
    Place weights = value_place(lower, node->inputs[forward ? 1 : 0]);
    if (!winograd->stored_weights)
        weights = transform_weights(lower, winograd, weights, rest);
    Place x = value_place(lower, node->inputs[forward ? 0 : 1]);
    if (winograd->room) {
        WinogradKernel tiles = winograd_ready_tiles(winograd, s->n);
        x = transform_tiles(lower, &tiles, x, false,
                            arena_printf(lower->arena, "%s: tiles", label));
        winograd->types.in[0] = DT_F32;
    }
    Place args[3] = {x, weights, value_new_buffer(lower, value)};
    LowerStep step = conv_step(lower, s, &kernel,
                               winograd_tasks(winograd, s->n), label, args);
    step_imms(lower, &step, 1, &s->n);
    step_push(lower, &step);
    want_scratch(lower, winograd_scratch(winograd).total);
    return 0;
}

// Products of tiles that two steps before transform.
static void push_products(Lowering *lower, const ConvShape *s, Value value,
                          const CpuKernel *kernel)
{
    const Node *node = graph_node(lower->graph, value);
    const WinogradKernel *winograd = &kernel->winograd_products;
    const char *label = value_label(lower, value);
    const char *rest = arena_printf(lower->arena, "%s: tiles", label);
    Place sources[2];
    for (int i = 0; i < 2; i++)
        sources[i] = transform_tiles(
            lower, winograd, value_place(lower, node->inputs[i]), i == 1, rest);
    int64_t tasks = ceil_div(winograd->out_blocks, winograd->task_blocks) *
                    ceil_div(winograd->in_blocks, winograd->task_reads);
    CpuKernel products = *kernel;
    products.winograd_products.types = kernel_types(DT_F32);
    LowerStep step = cpu_step(lower, &products, 3, tasks, label);
    for (int i = 0; i < 2; i++)
        step_arg(lower, &step, sources[i], 0, false, false);
    step_arg(lower, &step, value_new_buffer(lower, value), 0, true, false);
    step_imms(lower, &step, 2, (int64_t[]){s->n, s->n});
    step_push(lower, &step);
    want_scratch(lower, winograd_gradient_scratch(winograd).total);
}

int64_t conv_winograd_weights(Lowering *lower, const ConvShape *s, Value value)
{
    int vector_bytes = cpu_vector_bytes(lower);
    WinogradKernel chosen = winograd_of(s), *winograd = &chosen;
    if (winograd_choose_ready_tiles(winograd, vector_bytes, s->n, &s->way)) {
        CpuKernel products = {.kind = CPU_WINOGRAD_PRODUCTS_KERNEL,
                              .winograd_products = chosen};
        push_products(lower, s, value, &products);
        return 0;
    }
    winograd_choose_gradient_tile(winograd, vector_bytes, &s->way);
    CpuKernel kernel = {.kind = CPU_WINOGRAD_GRADIENT_KERNEL,
                        .winograd_gradient = chosen};
    want_scratch(lower, winograd_gradient_scratch(winograd).total);
    int64_t tasks = ceil_div(winograd->out_blocks, winograd->task_blocks) *
                    ceil_div(winograd->in_blocks, winograd->task_reads);
    ConvGradient gradient = {
        value_place(lower, graph_node(lower->graph, value)->inputs[0]),
        value_new_buffer(lower, value), tasks};
    conv_push_weights(lower, s, value, &kernel, &gradient);
    return 0;
}
