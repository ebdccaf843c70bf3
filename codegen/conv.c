// Products, convolutions and windows: which implementation, cut how.
#include "codegen/conv.h"

#include "codegen/codegen_impl.h"
#include "codegen/integers.h"
#include "ir/base/diag.h"
#include "ir/image.h"

enum {
    MAX_TASKS = 64,
    PRODUCT_FLOPS_PER_TASK = 1 << 20,
    MIN_BLOCK_ROWS = 64,
    MIN_BLOCK_COLS = 128,
    POOL_ELEMENTS_PER_TASK = 16384,
    MAX_POOL_BLOCK = 64, // lanes that a window kernel can have
    // Weight gradients are summed per chunk of images, then over the chunks.
    MAX_IMAGE_CHUNKS = 16,
    MAX_PARTIAL_ELEMENTS = 8 << 20,
    WANTED_GW_TASKS = 8,
    MIN_BLOCK_CHANNELS = 8, // of a weight gradient's block of outputs
};

// The f32 or f64 variant of a call.
static PlanCall call_of(const Node *node, PlanCall f32, PlanCall f64)
{
    if (node->type.dtype != DT_F32 && node->type.dtype != DT_F64)
        INTERNAL_ERROR("no %s on %s", op_info(node->op)->text,
                       dtype_name(node->type.dtype));
    return node->type.dtype == DT_F32 ? f32 : f64;
}

// The arguments of a node's call: its inputs, then `out`.
static void push_call(Lowering *lower, LowerStep *step, const Node *node,
                      Place out)
{
    for (int i = 0; i < node->input_count; i++)
        step_arg(lower, step, value_place(lower, node->inputs[i]), 0, false,
                 false);
    step_arg(lower, step, out, 0, true, false);
    step_push(lower, step);
}

// ---- matrix products --------------------------------------------------------

// A product cut into blocks of rows, and of columns where the rows are few.
// BLAS packs its operands anew in every block, so blocks are not made thin.
typedef struct ProductBlocks {
    int64_t rows, cols; // of one block
    int64_t row_blocks, col_blocks;
} ProductBlocks;

static ProductBlocks product_blocks(int64_t m, int64_t n, int64_t k)
{
    int64_t wanted =
        max_i64(1, min_i64(m * n * k / PRODUCT_FLOPS_PER_TASK, MAX_TASKS));
    int64_t row_blocks = max_i64(1, min_i64(wanted, m / MIN_BLOCK_ROWS));
    int64_t col_blocks =
        max_i64(1, min_i64(wanted / row_blocks, n / MIN_BLOCK_COLS));
    ProductBlocks blocks = {ceil_div(m, row_blocks), ceil_div(n, col_blocks), 0,
                            0};
    blocks.row_blocks = ceil_div(m, blocks.rows);
    blocks.col_blocks = ceil_div(n, blocks.cols);
    return blocks;
}

int64_t lower_matmul(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const TensorType *a = graph_type(lower->graph, node->inputs[0]);
    const TensorType *b = graph_type(lower->graph, node->inputs[1]);
    int64_t trans_a = node->attrs[MATMUL_TRANS_A].i;
    int64_t trans_b = node->attrs[MATMUL_TRANS_B].i;
    int64_t m = node->type.dims[0], n = node->type.dims[1];
    int64_t k = a->dims[trans_a ? 0 : 1];
    ProductBlocks blocks = product_blocks(m, n, k);
    CallMatmul imms = {.m = m,
                       .n = n,
                       .k = k,
                       .trans_a = trans_a,
                       .trans_b = trans_b,
                       .lda = a->dims[1],
                       .ldb = b->dims[1],
                       .ldc = n,
                       .rows_per_task = blocks.rows,
                       .cols_per_task = blocks.cols};
    LowerStep step = step_call(
        call_of(node, PLAN_CALL_MATMUL_F32, PLAN_CALL_MATMUL_F64),
        blocks.row_blocks * blocks.col_blocks, value_label(lower, value));
    step_call_imms(lower, &step, &imms, sizeof imms);
    push_call(lower, &step, node, value_new_buffer(lower, value));
    return blocks.col_blocks == 1 ? blocks.rows : 0;
}

// ---- convolutions -----------------------------------------------------------

// Of Winograd's tiles, by PlanSums.
static const int tile_results[] = {[PLAN_SUMS_FAST] = WINOGRAD_LARGE,
                                   [PLAN_SUMS_STRICT] = WINOGRAD_SMALL,
                                   [PLAN_SUMS_PLAIN] = 0};
_Static_assert(sizeof tile_results / sizeof *tile_results == PLAN_SUMS,
               "tiles for each");

static ConvShape conv_shape(const Codegen *codegen, const Graph *graph,
                            const Node *node)
{
    const TensorType *in0 = graph_type(graph, node->inputs[0]);
    const TensorType *in1 = graph_type(graph, node->inputs[1]);
    const TensorType *x = in0, *w = in1, *y = &node->type;
    if (node->op == OP_CONV2D_GRAD_X)
        x = &node->type, w = in0, y = in1;
    else if (node->op == OP_CONV2D_GRAD_W)
        x = in0, w = &node->type, y = in1;
    IntList stride = node->attrs[CONV_STRIDE].ints;
    IntList pad = node->attrs[CONV_PAD].ints;
    TensorType plain = weights_plain_type(w);
    return (ConvShape){.op = node->op,
                       .dtype = node->type.dtype,
                       .n = x->dims[0],
                       .c = plain.dims[1],
                       .h = x->dims[2],
                       .w = x->dims[3],
                       .o = plain.dims[0],
                       .kh = w->dims[2],
                       .kw = w->dims[3],
                       .oh = y->dims[2],
                       .ow = y->dims[3],
                       .sh = stride.at[0],
                       .sw = stride.at[1],
                       .top = pad.at[0],
                       .left = pad.at[1],
                       .block = image_block(x),
                       .out_block = image_block(y),
                       .tile = weights_tile(w),
                       .winograd = tile_results[codegen->options.sums]};
}

// What a way is chosen for.
static const char *shape_text(Arena *arena, const ConvShape *s)
{
    return arena_printf(
        arena,
        "%s %s %lldx%lldx%lldx%lld > %lldx%lldx%lld window %lldx%lld/%lld,%lld "
        "pad %lld,%lld blocks %lld,%lld,%lld",
        op_info(s->op)->text, dtype_name(s->dtype), (long long)s->n,
        (long long)s->c, (long long)s->h, (long long)s->w, (long long)s->o,
        (long long)s->oh, (long long)s->ow, (long long)s->kh, (long long)s->kw,
        (long long)s->sh, (long long)s->sw, (long long)s->top,
        (long long)s->left, (long long)s->block, (long long)s->out_block,
        (long long)s->tile);
}

static bool is_pointwise_conv(const ConvShape *s)
{
    return s->kh == 1 && s->kw == 1 && s->sh == 1 && s->sw == 1 &&
           s->top == 0 && s->left == 0 && s->oh == s->h && s->ow == s->w;
}

// The column matrix of one image: c*kh*kw rows of oh*ow.
static int64_t column_bytes(const ConvShape *s)
{
    if (is_pointwise_conv(s))
        return 0;
    return s->c * s->kh * s->kw * s->oh * s->ow * dtype_size(s->dtype);
}

static CallConv conv_imms(const ConvShape *s)
{
    return (CallConv){.n = s->n,
                      .c = s->c,
                      .h = s->h,
                      .w = s->w,
                      .o = s->o,
                      .kh = s->kh,
                      .kw = s->kw,
                      .oh = s->oh,
                      .ow = s->ow,
                      .sh = s->sh,
                      .sw = s->sw,
                      .pt = s->top,
                      .pl = s->left};
}

// im2col and BLAS, an image per task: forward and by data.
static int64_t blas_images(Lowering *lower, const ConvShape *s, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    PlanCall call =
        s->op == OP_CONV2D
            ? call_of(node, PLAN_CALL_CONV_F32, PLAN_CALL_CONV_F64)
            : call_of(node, PLAN_CALL_CONV_GX_F32, PLAN_CALL_CONV_GX_F64);
    LowerStep step = step_call(call, s->n, value_label(lower, value));
    CallConv imms = conv_imms(s);
    step_call_imms(lower, &step, &imms, sizeof imms);
    lower->scratch_bytes = max_i64(lower->scratch_bytes, column_bytes(s));
    push_call(lower, &step, node, value_new_buffer(lower, value));
    return 1;
}

// im2col and BLAS by weights: sums per chunk of images, added up afterwards.
static int64_t blas_weights(Lowering *lower, const ConvShape *s, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    int64_t elements = type_elements(&node->type);
    int64_t chunks = min_i64(MAX_IMAGE_CHUNKS, MAX_PARTIAL_ELEMENTS / elements);
    chunks = max_i64(1, min_i64(chunks, s->n));
    int64_t blocks = min_i64(ceil_div(WANTED_GW_TASKS, chunks),
                             max_i64(1, s->o / MIN_BLOCK_CHANNELS));
    LowerStep step =
        step_call(call_of(node, PLAN_CALL_CONV_GW_F32, PLAN_CALL_CONV_GW_F64),
                  blocks * chunks, label);
    CallConvGw imms = {conv_imms(s), .o_blocks = blocks,
                       .image_chunks = chunks};
    step_call_imms(lower, &step, &imms, sizeof imms);
    lower->scratch_bytes = max_i64(lower->scratch_bytes, column_bytes(s));
    if (chunks == 1) {
        push_call(lower, &step, node, value_new_buffer(lower, value));
        return 0;
    }
    Place parts = {PLACE_SLAB,
                   buffer_new(lower, chunks * type_bytes(&node->type))};
    push_call(lower, &step, node, parts);
    lower_sum_parts(lower, parts, value_new_buffer(lower, value), chunks,
                    elements, s->dtype, label);
    return 0;
}

static bool is_by_image(const ConvShape *s)
{
    return s->out_block == 1 && s->tile == 1 &&
           (s->op == OP_CONV2D || s->op == OP_CONV2D_GRAD_X);
}

static bool is_by_weight(const ConvShape *s)
{
    return s->out_block == 1 && s->tile == 1 && s->op == OP_CONV2D_GRAD_W;
}

static bool takes_tiles(const ConvShape *s)
{
    return conv_winograd_takes(s) || conv_winograd_takes_weights(s);
}

// Implementations, best first; the first that supports the shape, and pays
// there, is taken. A rule of the shape alone: results must not depend on the
// machine's load.
typedef struct ConvKernel {
    const char *name;
    bool plain; // a sum of products
    bool (*supports)(const ConvShape *shape);
    bool (*pays)(const ConvShape *shape); // NULL: wherever it is supported
    int64_t (*lower)(Lowering *lower, const ConvShape *shape, Value value);
} ConvKernel;

static const ConvKernel conv_kernels[] = {
    {"blocked, Winograd", false, conv_winograd_takes, conv_winograd_pays,
     conv_winograd},
    {"blocked, Winograd, weights", false, conv_winograd_takes_weights,
     conv_winograd_pays, conv_winograd_weights},
    {"blocked, by taps", true, conv_taps_takes_data, NULL, conv_taps_data},
    {"blocked, by taps, weights", true, conv_taps_takes_weights, NULL,
     conv_taps_weights},
    {"planes to blocks", true, conv_stem_takes, NULL, conv_stem},
    {"planes to blocks, weights", true, conv_stem_takes_weights, NULL,
     conv_stem_weights},
    {"im2col and BLAS by image", true, is_by_image, NULL, blas_images},
    {"im2col and BLAS by weight", true, is_by_weight, NULL, blas_weights},
};

static bool is_taken(const ConvKernel *kernel, const ConvShape *s)
{
    if (!kernel->supports(s))
        return false;
    bool plain = s->way.method >= WAY_ROWS;
    return kernel->plain || s->way.method == WAY_WINOGRAD ||
           (!plain && (!kernel->pays || kernel->pays(s)));
}

int64_t lower_conv(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const Codegen *codegen = lower->codegen;
    ConvShape shape = conv_shape(codegen, lower->graph, node);
    int count = sizeof conv_kernels / sizeof *conv_kernels;
    if (codegen->ways)
        shape.way = way_find(codegen->ways, shape_text(lower->arena, &shape));
    for (int i = 0; i < count; i++)
        if (is_taken(&conv_kernels[i], &shape))
            return conv_kernels[i].lower(lower, &shape, value);
    INTERNAL_ERROR("no kernel for %s with blocks of %lld and tiles of %lld",
                   op_info(node->op)->text, (long long)shape.block,
                   (long long)shape.tile);
}

// ---- ways to choose among ---------------------------------------------------

static void add_way(Text *text, Arena *arena, ConvWay way)
{
    text_addf(text, "%s\n", way_text(arena, &way));
}

// The register tile's blocks, and the order of tasks.
static void add_tiles(Text *text, Arena *arena, const ConvShape *s,
                      WayMethod method)
{
    int64_t channels = s->op == OP_CONV2D ? s->o : s->c;
    for (int blocks = 1; blocks <= 4; blocks *= 2)
        for (int order = ORDER_IMAGES; order <= ORDER_WEIGHTS; order++) {
            bool ordered = method == WAY_ROWS;
            if (channels / TAPS_BLOCK % blocks ||
                (!ordered && order == ORDER_WEIGHTS))
                continue;
            add_way(text, arena,
                    (ConvWay){method, blocks, ordered ? order : ORDER_RULE, 0});
        }
}

void codegen_set_ways(Codegen *codegen, const char *ways)
{
    codegen->ways = ways;
}

const char *codegen_conv_ways(const Codegen *codegen, const Graph *graph,
                              Value value, Arena *arena, const char **shape)
{
    ConvShape s = conv_shape(codegen, graph, graph_node(graph, value));
    bool by_data = conv_taps_takes_data(&s);
    Text text = text_new(arena);
    *shape = shape_text(arena, &s);
    add_way(&text, arena, (ConvWay){WAY_RULE});
    if (!by_data && !conv_taps_takes_weights(&s))
        return text_string(&text);
    for (int scale = -1; scale <= 1; scale++) {
        if (takes_tiles(&s))
            add_way(&text, arena, (ConvWay){WAY_WINOGRAD, .scale = scale});
        add_way(&text, arena, (ConvWay){WAY_ROWS, .scale = scale});
        if (by_data && s.kh == 1 && s.kw == 1)
            add_way(&text, arena, (ConvWay){WAY_PIXELS, .scale = scale});
    }
    if (by_data) {
        add_tiles(&text, arena, &s, WAY_ROWS);
        add_tiles(&text, arena, &s, WAY_IMAGES);
        if (s.kh == 1 && s.kw == 1)
            add_tiles(&text, arena, &s, WAY_PIXELS);
        if (takes_tiles(&s))
            add_tiles(&text, arena, &s, WAY_WINOGRAD);
    }
    return text_string(&text);
}

// ---- windows ----------------------------------------------------------------

void lower_pool(Lowering *lower, Value value)
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
    Kernel kernel = {.kind = KERNEL_POOL, .arg_count = node->input_count + 1};
    int64_t planes = x->dims[0] * x->dims[1];
    INTERNAL_CHECK(image_block(x) <= MAX_POOL_BLOCK);
    kernel.pool = (KernelPool){.op = node->op,
                               .dtype = node->type.dtype,
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
    int64_t blocks = ceil_div(planes, chunk);
    kernel.split = (KernelSplit){0, chunk, blocks, blocks, 0};
    LowerStep step = step_kernel(lower, &kernel, value_label(lower, value));
    push_call(lower, &step, node, value_new_buffer(lower, value));
}
