// Convolutions of blocked tensors as generated kernels. Weights are read as
// they are stored, forward; by data their tiles are transposed in each step.
#include "codegen/cpu/conv.h"
#include "codegen/integers.h"

// A chunk of images of its own, whose sum is added to the others' afterwards,
// has so many multiply-adds: some 3 microseconds.
enum { CHUNK_MACS = 1 << 18 };

static bool is_blocked(const ConvShape *s)
{
    return s->block == CPU_BLOCK && s->tile == CPU_BLOCK && s->dtype == DT_F32;
}

// Blocks of a group of channels.
static int64_t read_blocks(const ConvShape *s)
{
    return s->c / s->groups / CPU_BLOCK;
}

static int64_t written_blocks(const ConvShape *s)
{
    return s->o / s->groups / CPU_BLOCK;
}

static ConvTaps forward_taps(const ConvShape *s)
{
    return (ConvTaps){
        .types = conv_types(s),
        .groups = s->groups,
        .in_blocks = read_blocks(s),
        .out_blocks = written_blocks(s),
        .rows = taps_forward(s->h, s->oh, s->kh, s->sh, s->top, s->dh),
        .cols = taps_forward(s->w, s->ow, s->kw, s->sw, s->left, s->dw)};
}

// ---- weights ----------------------------------------------------------------

// Stored weights, [o/16, c/16, kh, kw, 16 c, 16 o] for each group of channels,
// as the kernel by data reads them: [c/16, o/16, kh, kw, 16 o, 16 c].
static Place transpose_weights(Lowering *lower, const ConvShape *s,
                               Place weights, const char *label)
{
    CpuKernel kernel = {.kind = CPU_TRANSPOSE_KERNEL};
    kernel.transpose = (TransposeKernel){.types = kernel_types(s->dtype),
                                         .window = s->kh * s->kw,
                                         .grouped = s->groups > 1};
    const int64_t imms[TRANSPOSE_IMMS] = {
        [TRANSPOSE_IN_BLOCKS] = written_blocks(s),
        [TRANSPOSE_OUT_BLOCKS] = read_blocks(s)};
    int64_t rows = s->groups * imms[TRANSPOSE_OUT_BLOCKS];
    int64_t pairs = rows * imms[TRANSPOSE_IN_BLOCKS];
    int64_t bytes = pairs * s->kh * s->kw * CPU_TILE * dtype_size(s->dtype);
    Place out = {PLACE_SLAB, buffer_new(lower, bytes)};
    int64_t shares = ceil_div(imms[TRANSPOSE_IN_BLOCKS], TRANSPOSE_BLOCKS);
    LowerStep step = cpu_step(lower, &kernel, 2, rows * shares, label);
    step_imms(lower, &step, TRANSPOSE_IMMS, imms);
    step.role = STEP_WEIGHTS;
    step_arg(lower, &step, weights, 0, false, false);
    step_arg(lower, &step, out, 0, true, false);
    step_push(lower, &step);
    return out;
}

// ---- forward and by data ----------------------------------------------------

// A kernel that makes a sub-grid of the result, and its tasks. Forward there is
// one, of phase (0, 0).
typedef struct DataKernel {
    CpuKernel kernel;
    int64_t tasks;
    int64_t images;  // that a task makes whole; 0: none
    int64_t scratch; // elements
    bool as_stored;  // reads the weights as they are stored
} DataKernel;

static ConvTaps data_taps(const ConvShape *s, int64_t row_phase,
                          int64_t col_phase)
{
    if (s->op == OP_CONV2D)
        return forward_taps(s);
    return (ConvTaps){.types = conv_types(s),
                      .groups = s->groups,
                      .in_blocks = written_blocks(s),
                      .out_blocks = read_blocks(s),
                      .rows = taps_backward(s->h, s->oh, s->kh, s->sh, s->top,
                                            s->dh, row_phase),
                      .cols = taps_backward(s->w, s->ow, s->kw, s->sw, s->left,
                                            s->dw, col_phase)};
}

static DataKernel data_kernel(const Lowering *lower, const ConvShape *s,
                              int64_t row_phase, int64_t col_phase)
{
    int vector_bytes = cpu_vector_bytes(lower);
    bool forward = s->op == OP_CONV2D;
    ConvTaps taps = data_taps(s, row_phase, col_phase), flat = taps;
    taps_reshape_pointwise(&flat);
    DirectTile rows = direct_choose_tile(&flat, vector_bytes, &s->way);
    DataKernel made = {.as_stored = forward};
    CpuKernel *kernel = &made.kernel;
    if (pointwise_takes(&flat, &s->way)) {
        kernel->kind = CPU_POINTWISE_KERNEL;
        PointwiseKernel *p = &kernel->pointwise;
        p->taps = flat;
        p->tile =
            pointwise_choose_tile(&flat, cpu_target(&lower->codegen->target),
                                  s->n, !forward, &s->way);
        made.as_stored = forward || p->tile.transposes;
        made.tasks = pointwise_tasks(p, s->n);
        made.images = made.tasks == s->n / p->tile.images ? p->tile.images : 0;
        made.scratch = pointwise_scratch(p).total;
        return made;
    }
    ImagesTile across;
    if (images_choose_tile(&taps, &flat, &rows, vector_bytes, s->n, !forward,
                           &s->way, &across)) {
        kernel->kind = CPU_IMAGES_KERNEL;
        kernel->images = (ImagesKernel){taps, across};
        int64_t groups = images_group_tasks(&kernel->images);
        made.as_stored = forward || across.transposes;
        made.tasks = s->n / across.images * groups;
        made.images = groups == 1 ? across.images : 0;
        made.scratch = images_scratch(&kernel->images);
        return made;
    }
    kernel->kind = CPU_DIRECT_KERNEL;
    kernel->direct = (DirectKernel){flat, rows};
    int64_t each = direct_image_tasks(&kernel->direct);
    made.tasks = s->n * each;
    made.images = each == 1 ? 1 : 0;
    return made;
}

enum {
    // A task brings a block of pixels to f32 in a third of the time that a copy
    // of it takes, which goes to memory and back.
    MOST_WIDENED = 3,
};

unsigned conv_pointwise_widened(const Lowering *lower, const ConvShape *s)
{
    DataKernel made = data_kernel(lower, s, 0, 0);
    const PointwiseKernel *p = &made.kernel.pointwise;
    return ceil_div(p->taps.out_blocks, p->tile.writes) > MOST_WIDENED
               ? CONV_IN_0 | CONV_IN_1
               : 0;
}

// What a phase of a stride does, against the others: products per pair of
// channels. (Results do not depend on it; work.c shares the arithmetic out.)
static int64_t phase_share(const CpuKernel *kernel)
{
    const ConvTaps *taps = kernel->kind == CPU_DIRECT_KERNEL
                               ? &kernel->direct.taps
                               : &kernel->images.taps;
    if (kernel->kind == CPU_POINTWISE_KERNEL)
        return 1; // it makes them all
    return taps->rows.count * taps->rows.taps * taps->cols.count *
           taps->cols.taps;
}

bool conv_has_lines(const ConvShape *s)
{
    return s->op != OP_CONV2D_GRAD_X ||
           ((s->sh == 1 || s->dh == 1) && (s->sw == 1 || s->dw == 1));
}

bool conv_pointwise_takes_data(const ConvShape *s)
{
    if (!conv_direct_takes_data(s))
        return false;
    ConvTaps taps = data_taps(s, 0, 0);
    taps_reshape_pointwise(&taps);
    return pointwise_takes(&taps, &s->way);
}

bool conv_direct_takes_data(const ConvShape *s)
{
    return is_blocked(s) && s->op != OP_CONV2D_GRAD_W && conv_has_lines(s);
}

// Whether results that are spread are stored past the caches: large ones, of
// whole lines, that no pass behind the tasks reads.
static bool goes_past(const Lowering *lower, const ConvShape *s, Value value,
                      const ConvTaps *taps)
{
    const Node *node = graph_node(lower->graph, value);
    return pointwise_spreads(taps) && node->group == 0 &&
           taps->types.out == DT_F32 &&
           s->n * s->c * s->h * s->w >= STREAM_BYTES / (int64_t)sizeof(float);
}

int64_t conv_direct_data(Lowering *lower, const ConvShape *s, Value value)
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
        DataKernel made = data_kernel(lower, s, i / col_phases, i % col_phases);
        if (made.kernel.kind == CPU_POINTWISE_KERNEL) {
            row_phases = col_phases = 1; // it makes them all
            made.kernel.pointwise.tile.past =
                goes_past(lower, s, value, &made.kernel.pointwise.taps);
        }
        if (!made.as_stored && turned.kind == PLACE_NONE)
            turned = transpose_weights(lower, s, stored, rest);
        args[1] = made.as_stored ? stored : turned;
        images = made.images;
        cpu_want_scratch(lower, made.scratch * dtype_size(DT_F32));
        LowerStep step =
            conv_step(lower, s, &made.kernel, made.tasks, label, args);
        step.share = phase_share(&made.kernel);
        step_imms(lower, &step, 1, &s->n);
        step_push(lower, &step);
    }
    return row_phases * col_phases == 1 ? images : 0;
}

// ---- by weights -------------------------------------------------------------

bool conv_direct_takes_weights(const ConvShape *s)
{
    return is_blocked(s) && s->op == OP_CONV2D_GRAD_W;
}

static WeightsKernel weights_kernel(const Lowering *lower, const ConvShape *s)
{
    WeightsKernel kernel = {.taps = forward_taps(s)};
    taps_reshape_pointwise(&kernel.taps);
    kernel.tile =
        weights_choose_tile(&kernel.taps, cpu_vector_bytes(lower), s->n);
    return kernel;
}

void conv_push_weights(Lowering *lower, const ConvShape *s, Value value,
                       const CpuKernel *kernel, const ConvGradient *gradient)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    int64_t elements = s->o * s->c / s->groups * s->kh * s->kw;
    // Gradients by weights: fewer tasks than enough share the images out.
    // Large tasks are few.
    ConvWay fewer = {.scale = -s->way.scale};
    int64_t enough = way_scale(&fewer, ENOUGH_TASKS);
    int64_t wanted = min_i64(s->n, ceil_div(enough, gradient->tasks));
    int64_t macs = s->n * s->oh * s->ow * elements;
    wanted = min_i64(wanted, macs / CHUNK_MACS + 1);
    int64_t chunk = ceil_div(s->n, wanted), chunks = ceil_div(s->n, chunk);
    Place parts = gradient->out;
    if (chunks > 1)
        parts = (Place){
            PLACE_SLAB,
            buffer_new(lower, chunks * elements * dtype_size(s->dtype)), 0};
    LowerStep step =
        cpu_step(lower, kernel, 3, chunks * gradient->tasks, label);
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

static bool skips_pixels(const ConvShape *s)
{
    ConvTaps taps = forward_taps(s);
    return weights_skip_pixels(&taps);
}

// The pixels that are read, side by side. Every block of dy meets each of them
// again, and read in steps they arrive too slowly for the products.
static Place compact_pixels(Lowering *lower, const ConvShape *s, Value value)
{
    Value x = graph_node(lower->graph, value)->inputs[0];
    int64_t map = s->h * s->w * CPU_BLOCK, strides[MAX_RANK] = {0};
    TensorType read =
        type_make(s->in[0], 5,
                  (int64_t[]){s->n, s->c / CPU_BLOCK, s->oh, s->ow, CPU_BLOCK});
    Access access = {.kind = EXPR_LOAD,
                     .dtype = s->in[0],
                     .place = value_place(lower, x),
                     .strides = {s->c / CPU_BLOCK * map, map,
                                 s->sh * s->w * CPU_BLOCK, s->sw * CPU_BLOCK,
                                 1}};
    Place out = {PLACE_SLAB, buffer_new(lower, type_bytes(&read))};
    strides_row_major(read.rank, read.dims, strides);
    lower_copy_access(lower, &read, &access, out, 0, strides,
                      arena_printf(lower->arena, "%s: pixels read",
                                   value_label(lower, value)));
    return out;
}

bool conv_pointwise_takes_weights(const ConvShape *s)
{
    return conv_direct_takes_weights(s) && s->kh == 1 && s->kw == 1 &&
           s->top == 0 && s->left == 0 &&
           (skips_pixels(s) || (s->oh == s->h && s->ow == s->w));
}

unsigned conv_weights_widened(const Lowering *lower, const ConvShape *s)
{
    ConvShape dense = *s;
    if (skips_pixels(s)) {
        dense.h = s->oh;
        dense.w = s->ow;
        dense.sh = dense.sw = 1;
    }
    WeightsKernel kernel = weights_kernel(lower, &dense);
    const ConvTaps *taps = &kernel.taps;
    bool x = ceil_div(taps->out_blocks, kernel.tile.writes) > MOST_WIDENED;
    bool dy = ceil_div(taps->in_blocks, kernel.tile.reads) > MOST_WIDENED;
    return (x ? CONV_IN_0 : 0) | (dy ? CONV_IN_1 : 0);
}

// Whether tasks bring the pixels that are read to scratch, rather than a step
// before: where they are read by one share of the written blocks alone. Two
// take as long either way; more wait for pixels in steps longer than a copy
// takes.
static bool packs_pixels(const Lowering *lower, const ConvShape *s)
{
    WeightsKernel kernel = weights_kernel(lower, s);
    return ceil_div(kernel.taps.out_blocks, kernel.tile.writes) == 1;
}

int64_t conv_direct_weights(Lowering *lower, const ConvShape *s, Value value)
{
    ConvShape dense = *s;
    ConvGradient gradient = {0};
    if (skips_pixels(s) && !packs_pixels(lower, s)) {
        gradient.x = compact_pixels(lower, s, value);
        dense.h = s->oh;
        dense.w = s->ow;
        dense.sh = dense.sw = 1;
    } else {
        gradient.x =
            value_place(lower, graph_node(lower->graph, value)->inputs[0]);
    }
    CpuKernel kernel = {.kind = CPU_WEIGHTS_KERNEL,
                        .weights = weights_kernel(lower, &dense)};
    const ConvTaps *taps = &kernel.weights.taps;
    const WeightsTile *tile = &kernel.weights.tile;
    cpu_want_scratch(lower, weights_scratch(&kernel.weights).total *
                                dtype_size(DT_F32));
    gradient.tasks = taps->groups * ceil_div(taps->in_blocks, tile->reads) *
                     ceil_div(taps->out_blocks, tile->writes);
    gradient.out = value_new_buffer(lower, value);
    conv_push_weights(lower, &dense, value, &kernel, &gradient);
    return 0;
}
