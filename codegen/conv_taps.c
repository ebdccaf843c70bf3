// Convolutions of blocked tensors as generated kernels: weights are packed for
// each step, gradients by weights unpacked.
#include "codegen/codegen_impl.h"
#include "codegen/conv.h"
#include "codegen/integers.h"

enum {
    // Gradients by weights: fewer tasks than this share the images out.
    ENOUGH_TASKS = 16,
};

static bool is_blocked(const ConvShape *s)
{
    return s->block == TAPS_BLOCK && s->out_block == TAPS_BLOCK &&
           s->dtype == DT_F32;
}

// ---- weights ----------------------------------------------------------------

// In the packed order [written/16, kh, read/16, kw, 16 read, 16 written],
// copied from a tensor laid out [o, c, kh, kw]. Forward reads c and writes o;
// by data, the other way round.
Place conv_pack_weights(Lowering *lower, const ConvShape *s, Value weights,
                        const char *label)
{
    bool forward = s->op == OP_CONV2D;
    int64_t written = forward ? s->o : s->c, read = forward ? s->c : s->o;
    int64_t kernel = s->kh * s->kw;
    int64_t to_o = s->c * kernel, to_c = kernel;
    int64_t to_written = forward ? to_o : to_c;
    int64_t to_read = forward ? to_c : to_o;
    TensorType packed =
        type_make(DT_F32, 6,
                  (int64_t[]){written / TAPS_BLOCK, s->kh, read / TAPS_BLOCK,
                              s->kw, TAPS_BLOCK, TAPS_BLOCK});
    Access access = {.kind = EXPR_LOAD,
                     .dtype = DT_F32,
                     .place = value_place(lower, weights),
                     .strides = {TAPS_BLOCK * to_written, s->kw,
                                 TAPS_BLOCK * to_read, 1, to_read, to_written}};
    int64_t strides[MAX_RANK] = {0};
    strides_row_major(packed.rank, packed.dims, strides);
    Place out = {PLACE_SLAB, buffer_new(lower, type_bytes(&packed))};
    lower_copy_access(lower, &packed, &access, out, 0, strides, label);
    return out;
}

// From [o/16, c/16, kh, kw, 16 c, 16 o] to the value's [o, c, kh, kw], in an
// order of few cache lines at a time.
static void unpack_weights(Lowering *lower, const ConvShape *s, Place packed,
                           Value value, const char *label)
{
    enum { TILE = TAPS_BLOCK * TAPS_BLOCK };
    int64_t kernel = s->kh * s->kw, blocks = s->c / TAPS_BLOCK;
    int64_t to_o = s->c * kernel;
    TensorType space =
        type_make(DT_F32, 6,
                  (int64_t[]){s->o / TAPS_BLOCK, blocks, TAPS_BLOCK, TAPS_BLOCK,
                              s->kh, s->kw});
    Access access = {.kind = EXPR_LOAD,
                     .dtype = DT_F32,
                     .place = packed,
                     .strides = {blocks * kernel * TILE, kernel * TILE, 1,
                                 TAPS_BLOCK, s->kw * TILE, TILE}};
    int64_t strides[MAX_RANK] = {
        TAPS_BLOCK * to_o, TAPS_BLOCK * kernel, to_o, kernel, s->kw, 1};
    lower_copy_access(lower, &space, &access, value_new_buffer(lower, value), 0,
                      strides, label);
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
    args[1] = conv_pack_weights(
        lower, s, weights, arena_printf(lower->arena, "%s: weights", label));
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
    taps_choose_weight_tile(taps, lower->codegen->target.vector_bytes);
    return kernel;
}

Place conv_push_weights(Lowering *lower, const ConvShape *s, Kernel *kernel,
                        int64_t tasks, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    int64_t elements = s->o * s->c * s->kh * s->kw;
    int64_t wanted = min_i64(s->n, ceil_div(ENOUGH_TASKS, tasks));
    int64_t chunk = ceil_div(s->n, wanted), chunks = ceil_div(s->n, chunk);
    int64_t bytes = elements * dtype_size(DT_F32);
    Place parts = {PLACE_SLAB, buffer_new(lower, chunks * bytes)};
    LowerStep step = step_kernel(lower, kernel, label);
    step.task_count = chunks * tasks;
    step_arg(lower, &step, value_place(lower, node->inputs[0]), 0, false,
             false);
    step_arg(lower, &step, value_place(lower, node->inputs[1]), 0, false,
             false);
    step_arg(lower, &step, parts, 0, true, false);
    step_imms(lower, &step, 2, (int64_t[]){s->n, chunk});
    step_push(lower, &step);
    if (chunks == 1)
        return parts;
    Place packed = {PLACE_SLAB, buffer_new(lower, bytes)};
    lower_sum_parts(lower, parts, packed, chunks, elements, DT_F32,
                    arena_printf(lower->arena, "%s: weights", label));
    return packed;
}

int64_t conv_finish_weights(Lowering *lower, const ConvShape *s, Kernel *kernel,
                            int64_t tasks, Value value)
{
    Place packed = conv_push_weights(lower, s, kernel, tasks, value);
    unpack_weights(
        lower, s, packed, value,
        arena_printf(lower->arena, "%s: weights", value_label(lower, value)));
    return 0;
}

int64_t conv_taps_weights(Lowering *lower, const ConvShape *s, Value value)
{
    Kernel kernel = weights_kernel(lower, s);
    const TapTile *tile = &kernel.taps.tile;
    int64_t tasks = taps_shares(kernel.taps.in_blocks, tile->reads) *
                    taps_shares(kernel.taps.out_blocks, tile->writes);
    return conv_finish_weights(lower, s, &kernel, tasks, value);
}
