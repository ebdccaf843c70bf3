// Depthwise convolutions: how they are cut into tasks and register tiles, and
// their steps.
#include "codegen/cpu/conv.h"
#include "codegen/integers.h"

enum {
    // Vectors of 16 floats that stay in registers: of 32 registers two are left
    // to numbers on their way, of 16 likewise.
    WIDE_VECTORS = 30,
    NARROW_VECTORS = 14,
    // Longer tiles only make more code.
    MOST_PIXELS = 16,
    // Bytes read and written by a task: some tens of microseconds of a core
    // that moves 10 GB/s. Starting one costs about a microsecond.
    TASK_BYTES = 256 << 10,
    LEAST_PART_ROWS = 4, // of a task that makes a part of a plane
    // A chained epilogue finds a task's images in a second-level cache of this
    // size.
    IMAGE_BYTES = 1 << 20,
    MOST_ROUND_PIXELS = 4, // of gradients by weights
};

static bool is_depthwise(const ConvShape *s)
{
    return s->block == CPU_BLOCK && s->out_block == CPU_BLOCK && s->tile == 1 &&
           s->groups == s->c && s->groups == s->o && s->dtype == DT_F32;
}

bool conv_depthwise_takes(const ConvShape *s)
{
    return is_depthwise(s) && s->op != OP_CONV2D_GRAD_W && conv_has_lines(s);
}

bool conv_depthwise_takes_weights(const ConvShape *s)
{
    return is_depthwise(s) && s->op == OP_CONV2D_GRAD_W;
}

static int vectors_held(const Lowering *lower)
{
    int bytes = cpu_vector_bytes(lower);
    int each = CPU_BLOCK * (int)sizeof(float) / bytes;
    return (bytes == 64 ? WIDE_VECTORS : NARROW_VECTORS) / each;
}

// ---- weights ----------------------------------------------------------------

// Between [blocks, 16, kh, kw], which is how weights lie, and [blocks, kh, kw,
// 16], as the kernels have them.
static void reorder_weights(Lowering *lower, const ConvShape *s, Place from,
                            Place to, bool pack, const char *label)
{
    int64_t window = s->kh * s->kw;
    TensorType space = type_make(
        DT_F32, 4, (int64_t[]){s->c / CPU_BLOCK, CPU_BLOCK, s->kh, s->kw});
    int64_t plain[MAX_RANK] = {CPU_BLOCK * window, window, s->kw, 1};
    int64_t packed[MAX_RANK] = {CPU_BLOCK * window, 1, s->kw * CPU_BLOCK,
                                CPU_BLOCK};
    Access access = {.kind = EXPR_LOAD, .dtype = DT_F32, .place = from};
    memcpy(access.strides, pack ? plain : packed, sizeof access.strides);
    lower_copy_access(lower, &space, &access, to, 0, pack ? packed : plain,
                      label);
}

static Place packed_buffer(Lowering *lower, const ConvShape *s)
{
    int64_t elements = s->c * s->kh * s->kw;
    return (Place){PLACE_SLAB,
                   buffer_new(lower, elements * dtype_size(DT_F32))};
}

// ---- forward and by data ----------------------------------------------------

// Sums of a row's tile, beside the weights of a row of taps and a number of x.
static int tile_pixels(const Lowering *lower, const DepthwiseKernel *kernel)
{
    int64_t taps = 0, count = 1;
    for (int i = 0; i < kernel->col_phases; i++) {
        taps = max_i64(taps, kernel->cols[i].taps);
        count = max_i64(count, kernel->cols[i].count);
    }
    int64_t most = max_i64(2, vectors_held(lower) - 1 - taps);
    most = min_i64(most, MOST_PIXELS);
    return (int)ceil_div(count, ceil_div(count, most));
}

// Tasks of `images` images; returns their number.
static int64_t cut_planes(DepthwiseKernel *kernel, const ConvShape *s)
{
    int64_t planes = s->n * kernel->blocks, rows = 1;
    int64_t bytes = (block_map(s->h, s->w) + block_map(s->oh, s->ow)) *
                    (int64_t)sizeof(float);
    for (int i = 0; i < kernel->row_phases; i++)
        rows = max_i64(rows, kernel->rows[i].count);
    kernel->planes = kernel->parts = 1;
    if (s->n >= ENOUGH_TASKS && kernel->blocks * bytes <= IMAGE_BYTES)
        kernel->planes = kernel->blocks;
    else if (planes >= ENOUGH_TASKS)
        kernel->planes =
            max_i64(1, min_i64(TASK_BYTES / bytes, planes / ENOUGH_TASKS));
    else
        kernel->parts = max_i64(
            1, min_i64(ceil_div(ENOUGH_TASKS, planes), rows / LEAST_PART_ROWS));
    kernel->part_rows = ceil_div(rows, kernel->parts);
    kernel->parts = ceil_div(rows, kernel->part_rows);
    return ceil_div(planes, kernel->planes) * kernel->parts;
}

// A kernel of the phases from (row, col) on, forward of all there is.
static DepthwiseKernel phases_kernel(const Lowering *lower, const ConvShape *s,
                                     int64_t row, int64_t col)
{
    DepthwiseKernel kernel = {.types = conv_types(s),
                              .blocks = s->c / CPU_BLOCK,
                              .row_phases = 1,
                              .col_phases = 1};
    if (s->op == OP_CONV2D) {
        kernel.rows[0] = taps_forward(s->h, s->oh, s->kh, s->sh, s->top, s->dh);
        kernel.cols[0] =
            taps_forward(s->w, s->ow, s->kw, s->sw, s->left, s->dw);
    } else {
        kernel.row_phases =
            (int)min_i64(DEPTHWISE_PHASES, min_i64(s->sh, s->h) - row);
        kernel.col_phases =
            (int)min_i64(DEPTHWISE_PHASES, min_i64(s->sw, s->w) - col);
        for (int i = 0; i < kernel.row_phases; i++)
            kernel.rows[i] = taps_backward(s->h, s->oh, s->kh, s->sh, s->top,
                                           s->dh, row + i);
        for (int i = 0; i < kernel.col_phases; i++)
            kernel.cols[i] = taps_backward(s->w, s->ow, s->kw, s->sw, s->left,
                                           s->dw, col + i);
    }
    kernel.pixels = tile_pixels(lower, &kernel);
    return kernel;
}

int64_t conv_depthwise(Lowering *lower, const ConvShape *s, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    bool forward = s->op == OP_CONV2D;
    Place packed = packed_buffer(lower, s);
    reorder_weights(lower, s, value_place(lower, node->inputs[forward ? 1 : 0]),
                    packed, true,
                    arena_printf(lower->arena, "%s: weights", label));
    Place data = value_place(lower, node->inputs[forward ? 0 : 1]);
    Place out = value_new_buffer(lower, value);
    int64_t rows = forward ? 1 : min_i64(s->sh, s->h);
    int64_t cols = forward ? 1 : min_i64(s->sw, s->w);
    int64_t images = 0, planes = s->n * (s->c / CPU_BLOCK);
    for (int64_t row = 0; row < rows; row += DEPTHWISE_PHASES)
        for (int64_t col = 0; col < cols; col += DEPTHWISE_PHASES) {
            CpuKernel kernel = {.kind = CPU_DEPTHWISE_KERNEL,
                                .depthwise = phases_kernel(lower, s, row, col)};
            DepthwiseKernel *made = &kernel.depthwise;
            int64_t tasks = cut_planes(made, s);
            images = made->planes == made->blocks && made->parts == 1 ? 1 : 0;
            LowerStep step = conv_step(lower, s, &kernel, tasks, label,
                                       (Place[]){data, packed, out});
            step_imms(lower, &step, 1, &planes);
            step_push(lower, &step);
        }
    bool whole = rows <= DEPTHWISE_PHASES && cols <= DEPTHWISE_PHASES;
    return whole ? images : 0;
}

// ---- by weights -------------------------------------------------------------

int64_t conv_depthwise_weights(Lowering *lower, const ConvShape *s, Value value)
{
    CpuKernel kernel = {.kind = CPU_DEPTHWISE_WEIGHTS_KERNEL};
    DepthwiseWeightsKernel *made = &kernel.depthwise_weights;
    *made = (DepthwiseWeightsKernel){
        .types = conv_types(s),
        .blocks = s->c / CPU_BLOCK,
        .rows = taps_forward(s->h, s->oh, s->kh, s->sh, s->top, s->dh),
        .cols = taps_forward(s->w, s->ow, s->kw, s->sw, s->left, s->dw)};
    // Whole rows of taps, where they fit, beside numbers of dy.
    int64_t held = vectors_held(lower) - 1, window = s->kh * s->kw;
    int64_t taps = min_i64(window, held);
    if (taps >= s->kw)
        taps -= taps % s->kw;
    made->taps = (int)taps;
    made->pixels = (int)max_i64(1, min_i64(MOST_ROUND_PIXELS, held - taps));
    const char *label =
        arena_printf(lower->arena, "%s: weights", value_label(lower, value));
    ConvGradient gradient = {
        value_place(lower, graph_node(lower->graph, value)->inputs[0]),
        packed_buffer(lower, s), made->blocks};
    conv_push_weights(lower, s, value, &kernel, &gradient);
    reorder_weights(lower, s, gradient.out, value_new_buffer(lower, value),
                    false, label);
    return 0;
}

// ---- descriptions in words --------------------------------------------------

void depthwise_text(Text *text, const DepthwiseKernel *kernel)
{
    text_addf(text, "depthwise: tile %d, planes %lld, parts %lld of %lld, ",
              kernel->pixels, (long long)kernel->planes,
              (long long)kernel->parts, (long long)kernel->part_rows);
    kernel_types_text(text, &kernel->types);
    text_addf(text, ", blocks %lld\n", (long long)kernel->blocks);
    for (int i = 0; i < kernel->row_phases; i++)
        taps_axis_text(text, "rows", &kernel->rows[i]);
    for (int i = 0; i < kernel->col_phases; i++)
        taps_axis_text(text, "cols", &kernel->cols[i]);
}

void depthwise_weights_text(Text *text, const DepthwiseWeightsKernel *kernel)
{
    text_addf(text, "depthwise, weights: taps %d, pixels %d, ", kernel->taps,
              kernel->pixels);
    kernel_types_text(text, &kernel->types);
    text_addf(text, ", blocks %lld\n", (long long)kernel->blocks);
    taps_axis_text(text, "rows", &kernel->rows);
    taps_axis_text(text, "cols", &kernel->cols);
}
