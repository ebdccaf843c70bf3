// Convolutions of blocked tensors as generated kernels. Weights are read as
// they are stored, forward; by data their tiles are transposed in each step.
#include "codegen/codegen_impl.h"
#include "codegen/cpu/conv.h"
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
    int vector_bytes = lower->codegen->target.vector_bytes;
    bool by_data = s->op == OP_CONV2D_GRAD_X;
    KernelTaps flat = *taps;
    taps_reshape_pointwise(&flat);
    taps_choose_tile(&flat, vector_bytes, &s->way);
    bool pointwise = pointwise_takes(&flat, &s->way);
    if (!pointwise && taps_choose_image_tile(taps, &flat, vector_bytes, s->n,
                                             by_data, &s->way)) {
        kernel.kind = KERNEL_TAPS_IMAGES;
        return kernel;
    }
    *taps = flat;
    if (pointwise) {
        kernel.kind = KERNEL_POINTWISE;
        pointwise_choose_tile(taps, vector_bytes, s->n, by_data, &s->way);
    }
    return kernel;
}

// What a kernel's tasks are: how many, how many images a task makes whole (0:
// none), elements of scratch.
typedef struct DataTasks {
    int64_t count, images, scratch;
} DataTasks;

static DataTasks data_tasks(const Kernel *kernel, int64_t images)
{
    const KernelTaps *taps = &kernel->taps;
    int64_t together = taps->tile.images;
    if (kernel->kind == KERNEL_POINTWISE) {
        int64_t count = pointwise_tasks(taps, images);
        return (DataTasks){count, count == images / together ? together : 0,
                           pointwise_scratch(taps).total};
    }
    bool across = kernel->kind == KERNEL_TAPS_IMAGES;
    int64_t each = across ? taps_group_tasks(taps) : taps_image_tasks(taps);
    return (DataTasks){images / together * each, each == 1 ? together : 0,
                       across ? taps_image_scratch(taps) : 0};
}

// Returns how many images a task makes whole, or 0.
static int64_t push_data(Lowering *lower, const ConvShape *s, Kernel *kernel,
                         const Place *args, const char *label)
{
    LowerStep step = step_kernel(lower, kernel, label);
    DataTasks tasks = data_tasks(kernel, s->n);
    lower->scratch_bytes =
        max_i64(lower->scratch_bytes, tasks.scratch * dtype_size(DT_F32));
    step.task_count = tasks.count;
    for (int i = 0; i < 3; i++)
        step_arg(lower, &step, args[i], 0, i == 2, false);
    step_imms(lower, &step, 1, &s->n);
    step_push(lower, &step);
    return tasks.images;
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
    const char *rest = arena_printf(lower->arena, "%s: weights", label);
    Place stored = value_place(lower, weights), turned = {0};
    Place args[3] = {value_place(lower, data), stored,
                     value_new_buffer(lower, value)};
    int64_t row_phases = forward ? 1 : min_i64(s->sh, s->h);
    int64_t col_phases = forward ? 1 : min_i64(s->sw, s->w);
    int64_t images = 0;
    for (int64_t i = 0; i < row_phases * col_phases; i++) {
        Kernel kernel = data_kernel(lower, s, i / col_phases, i % col_phases);
        if (kernel.kind == KERNEL_POINTWISE)
            row_phases = col_phases = 1; // it makes them all
        bool as_stored = forward || kernel.taps.tile.transposes;
        if (!as_stored && turned.kind == PLACE_NONE)
            turned = transpose_weights(lower, s, stored, rest);
        args[1] = as_stored ? stored : turned;
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

void conv_push_weights(Lowering *lower, const ConvShape *s, Value value,
                       Kernel *kernel, const ConvGradient *gradient)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    int64_t elements = s->o * s->c * s->kh * s->kw;
    // Large tasks are few.
    ConvWay fewer = {.scale = -s->way.scale};
    int64_t enough = way_scale(&fewer, ENOUGH_TASKS);
    int64_t wanted = min_i64(s->n, ceil_div(enough, gradient->tasks));
    int64_t chunk = ceil_div(s->n, wanted), chunks = ceil_div(s->n, chunk);
    Place parts = gradient->out;
    if (chunks > 1)
        parts.index = buffer_new(lower, chunks * elements * dtype_size(DT_F32));
    LowerStep step = step_kernel(lower, kernel, label);
    step.task_count = chunks * gradient->tasks;
    step_arg(lower, &step, gradient->x, 0, false, false);
    step_arg(lower, &step, value_place(lower, node->inputs[1]), 0, false,
             false);
    step_arg(lower, &step, parts, 0, true, false);
    step_imms(lower, &step, 2, (int64_t[]){s->n, chunk});
    step_push(lower, &step);
    if (chunks > 1)
        lower_sum_parts(lower, parts, gradient->out, chunks, elements, DT_F32,
                        arena_printf(lower->arena, "%s: weights", label));
}

// Whether a stride skips pixels that no tap reads, and all that are read are
// inside.
static bool skips_pixels(const ConvShape *s)
{
    return s->kh == 1 && s->kw == 1 && s->top == 0 && s->left == 0 &&
           (s->sh > 1 || s->sw > 1) && (s->oh - 1) * s->sh < s->h &&
           (s->ow - 1) * s->sw < s->w;
}

// The pixels that are read, side by side. Every block of dy meets each of them
// again, and read in steps they arrive too slowly for the products.
static Place compact_pixels(Lowering *lower, const ConvShape *s, Value value)
{
    Value x = graph_node(lower->graph, value)->inputs[0];
    int64_t map = s->h * s->w * TAPS_BLOCK, strides[MAX_RANK] = {0};
    TensorType read = type_make(
        DT_F32, 5,
        (int64_t[]){s->n, s->c / TAPS_BLOCK, s->oh, s->ow, TAPS_BLOCK});
    Access access = {.kind = EXPR_LOAD,
                     .dtype = DT_F32,
                     .place = value_place(lower, x),
                     .strides = {s->c / TAPS_BLOCK * map, map,
                                 s->sh * s->w * TAPS_BLOCK, s->sw * TAPS_BLOCK,
                                 1}};
    Place out = {PLACE_SLAB, buffer_new(lower, type_bytes(&read))};
    strides_row_major(read.rank, read.dims, strides);
    lower_copy_access(lower, &read, &access, out, 0, strides,
                      arena_printf(lower->arena, "%s: pixels read",
                                   value_label(lower, value)));
    return out;
}

int64_t conv_taps_weights(Lowering *lower, const ConvShape *s, Value value)
{
    ConvShape dense = *s;
    ConvGradient gradient = {0};
    if (skips_pixels(s)) {
        gradient.x = compact_pixels(lower, s, value);
        dense.h = s->oh;
        dense.w = s->ow;
        dense.sh = dense.sw = 1;
    } else {
        gradient.x =
            value_place(lower, graph_node(lower->graph, value)->inputs[0]);
    }
    Kernel kernel = weights_kernel(lower, &dense);
    const TapTile *tile = &kernel.taps.tile;
    gradient.tasks = taps_shares(kernel.taps.in_blocks, tile->reads) *
                     taps_shares(kernel.taps.out_blocks, tile->writes);
    gradient.out = value_new_buffer(lower, value);
    conv_push_weights(lower, &dense, value, &kernel, &gradient);
    return 0;
}
