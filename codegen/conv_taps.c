// Convolutions of blocked tensors as generated kernels. Weights are read as
// they are stored, forward; by data their tiles are transposed in each step.
#include "codegen/codegen_impl.h"
#include "codegen/conv.h"
#include "codegen/integers.h"

enum {
    // Gradients by weights: fewer tasks than this share the images out.
    ENOUGH_TASKS = 16,
};

static bool is_blocked(const ConvShape *s)
{
    return s->block == TAPS_BLOCK && s->tile == TAPS_BLOCK &&
           s->dtype == DT_F32;
}

// ---- weights ----------------------------------------------------------------

// Stored weights, [o/16, c/16, kh, kw, 16 c, 16 o], as the kernel by data reads
// them: [c/16, o/16, kh, kw, 16 o, 16 c].
static Place transpose_weights(Lowering *lower, const ConvShape *s,
                               Place weights, const char *label)
{
    Kernel kernel = {.kind = KERNEL_TILES, .arg_count = 2};
    KernelTaps *taps = &kernel.taps;
    taps->in_blocks = s->o / TAPS_BLOCK;
    taps->out_blocks = s->c / TAPS_BLOCK;
    taps->rows.kernel = s->kh;
    taps->cols.kernel = s->kw;
    int64_t bytes = taps_weight_elements(taps) * dtype_size(DT_F32);
    Place out = {PLACE_SLAB, buffer_new(lower, bytes)};
    LowerStep step = step_kernel(lower, &kernel, label);
    step.task_count = taps->out_blocks * taps_tile_shares(taps);
    step_arg(lower, &step, weights, 0, false, false);
    step_arg(lower, &step, out, 0, true, false);
    step_push(lower, &step);
    return out;
}

// ---- forward and by data ----------------------------------------------------

// What a kernel that makes a sub-grid of the result computes. Forward there
// is one, of phase (0, 0).
static Kernel data_kernel(const Lowering *lower, const ConvShape *s,
                          int64_t row_phase, int64_t col_phase)
{
    Kernel kernel = {.kind = KERNEL_TAPS, .arg_count = 3};
    KernelTaps *taps = &kernel.taps;
    taps->in_blocks = s->c / TAPS_BLOCK;
    taps->out_blocks = s->o / TAPS_BLOCK;
    taps->rows = taps_forward(s->h, s->oh, s->kh, s->sh, s->top);
    taps->cols = taps_forward(s->w, s->ow, s->kw, s->sw, s->left);
    if (s->op == OP_CONV2D_GRAD_X) {
        taps->in_blocks = s->o / TAPS_BLOCK;
        taps->out_blocks = s->c / TAPS_BLOCK;
        taps->rows =
            taps_backward(s->h, s->oh, s->kh, s->sh, s->top, row_phase);
        taps->cols =
            taps_backward(s->w, s->ow, s->kw, s->sw, s->left, col_phase);
    }
    taps_reshape_pointwise(taps);
    taps_choose_tile(taps, lower->codegen->target.vector_bytes);
    return kernel;
}

// Returns how many images a task makes whole, or 0.
static int64_t push_data(Lowering *lower, const ConvShape *s, Kernel *kernel,
                         const Place *args, const char *label)
{
    LowerStep step = step_kernel(lower, kernel, label);
    int64_t tasks = taps_image_tasks(&kernel->taps);
    step.task_count = s->n * tasks;
    for (int i = 0; i < 3; i++)
        step_arg(lower, &step, args[i], 0, i == 2, false);
    step_imms(lower, &step, 1, &s->n);
    step_push(lower, &step);
    return tasks == 1 ? 1 : 0;
}

bool conv_taps_takes_data(const ConvShape *s)
{
    return is_blocked(s) && s->op != OP_CONV2D_GRAD_W;
}

int64_t conv_taps_data(Lowering *lower, const ConvShape *s, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    bool forward = s->op == OP_CONV2D;
    Value data = node->inputs[forward ? 0 : 1];
    Value weights = node->inputs[forward ? 1 : 0];
    Place args[3];
    args[0] = value_place(lower, data);
    args[1] = value_place(lower, weights);
    if (!forward)
        args[1] =
            transpose_weights(lower, s, args[1],
                              arena_printf(lower->arena, "%s: weights", label));
    args[2] = value_new_buffer(lower, value);
    int64_t row_phases = forward ? 1 : min_i64(s->sh, s->h);
    int64_t col_phases = forward ? 1 : min_i64(s->sw, s->w);
    int64_t images = 0;
    for (int64_t i = 0; i < row_phases * col_phases; i++) {
        Kernel kernel = data_kernel(lower, s, i / col_phases, i % col_phases);
        images = push_data(lower, s, &kernel, args, label);
    }
    return row_phases * col_phases == 1 ? images : 0;
}

// ---- by weights -------------------------------------------------------------

bool conv_taps_takes_weights(const ConvShape *s)
{
    return is_blocked(s) && s->op == OP_CONV2D_GRAD_W;
}

static Kernel weights_kernel(const Lowering *lower, const ConvShape *s)
{
    Kernel kernel = {.kind = KERNEL_TAPS_WEIGHTS, .arg_count = 3};
    KernelTaps *taps = &kernel.taps;
    taps->in_blocks = s->c / TAPS_BLOCK;
    taps->out_blocks = s->o / TAPS_BLOCK;
    taps->rows = taps_forward(s->h, s->oh, s->kh, s->sh, s->top);
    taps->cols = taps_forward(s->w, s->ow, s->kw, s->sw, s->left);
    taps_reshape_pointwise(taps);
    taps_choose_weight_tile(taps, lower->codegen->target.vector_bytes, s->n);
    return kernel;
}

void conv_push_weights(Lowering *lower, const ConvShape *s, Kernel *kernel,
                       int64_t tasks, Value value, Place out)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    int64_t elements = s->o * s->c * s->kh * s->kw;
    int64_t wanted = min_i64(s->n, ceil_div(ENOUGH_TASKS, tasks));
    int64_t chunk = ceil_div(s->n, wanted), chunks = ceil_div(s->n, chunk);
    Place parts = out;
    if (chunks > 1)
        parts.index = buffer_new(lower, chunks * elements * dtype_size(DT_F32));
    LowerStep step = step_kernel(lower, kernel, label);
    step.task_count = chunks * tasks;
    step_arg(lower, &step, value_place(lower, node->inputs[0]), 0, false,
             false);
    step_arg(lower, &step, value_place(lower, node->inputs[1]), 0, false,
             false);
    step_arg(lower, &step, parts, 0, true, false);
    step_imms(lower, &step, 2, (int64_t[]){s->n, chunk});
    step_push(lower, &step);
    if (chunks > 1)
        lower_sum_parts(lower, parts, out, chunks, elements, DT_F32,
                        arena_printf(lower->arena, "%s: weights", label));
}

int64_t conv_taps_weights(Lowering *lower, const ConvShape *s, Value value)
{
    Kernel kernel = weights_kernel(lower, s);
    const TapTile *tile = &kernel.taps.tile;
    int64_t tasks = taps_shares(kernel.taps.in_blocks, tile->reads) *
                    taps_shares(kernel.taps.out_blocks, tile->writes);
    conv_push_weights(lower, s, &kernel, tasks, value,
                      value_new_buffer(lower, value));
    return 0;
}
