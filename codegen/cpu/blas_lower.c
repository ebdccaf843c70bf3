// Products, and convolutions of plain tensors as products of columns (im2col),
// by calls of BLAS.
#include "codegen/cpu/conv.h"
#include "codegen/integers.h"
#include "ir/matmul.h"

enum {
    // A task's worth of multiply-adds: some 50 microseconds of one core.
    PRODUCT_FLOPS_PER_TASK = 1 << 20,
    // BLAS packs its operands anew in every block: thin ones are mostly that.
    MIN_BLOCK_ROWS = 64,
    MIN_BLOCK_COLS = 128,
    // Most rows that are dotted with the weights one by one: they and a few
    // rows of the weights stay in a core's cache.
    MAX_DOT_ROWS = 256,
    DOT_COLS_PER_TASK = 64,
    // Weight gradients are summed per chunk of images, then over the chunks,
    // whose sums take memory.
    MAX_IMAGE_CHUNKS = 16,
    MAX_PARTIAL_ELEMENTS = 8 << 20,
    // Chunks and blocks of outputs make as many tasks as eight cores keep busy.
    WANTED_GW_TASKS = 8,
    MIN_BLOCK_CHANNELS = 8, // of a weight gradient's block of outputs
};

// ---- products ---------------------------------------------------------------

// A product cut into blocks of rows, and of columns where the rows are few.
typedef struct ProductBlocks {
    int64_t rows, cols; // of one block
    int64_t row_blocks, col_blocks;
} ProductBlocks;

static ProductBlocks product_blocks(int64_t m, int64_t n, int64_t wanted)
{
    int64_t row_blocks = max_i64(1, min_i64(wanted, m / MIN_BLOCK_ROWS));
    int64_t col_blocks =
        max_i64(1, min_i64(wanted / row_blocks, n / MIN_BLOCK_COLS));
    ProductBlocks blocks = {ceil_div(m, row_blocks), ceil_div(n, col_blocks), 0,
                            0};
    blocks.row_blocks = ceil_div(m, blocks.rows);
    blocks.col_blocks = ceil_div(n, blocks.cols);
    return blocks;
}

// Tasks of `size` things, or of a few more: of whole `unit`s, of which each is
// an index of the result's first axis, so that an epilogue can follow task by
// task. A task of less than a unit stays as it is.
static int64_t whole_units(int64_t size, int64_t unit)
{
    return size < unit ? size : ceil_div(size, unit) * unit;
}

// x w' of few rows, as a net ends: the weights are read once, which takes as
// long as it takes, and nothing is to be packed.
static bool is_dots(const Lowering *lower, const Node *node,
                    const MatmulGeometry *g)
{
    return lower->codegen->options.inference && node->type.dtype == DT_F32 &&
           g->rank == 0 && !g->trans_a && g->trans_b && g->m <= MAX_DOT_ROWS;
}

static int64_t lower_dots(Lowering *lower, Value value, const MatmulGeometry *g)
{
    CallMatmul imms = {.m = g->m,
                       .n = g->n,
                       .k = g->k,
                       .trans_b = 1,
                       .lda = g->k,
                       .ldb = g->k,
                       .ldc = g->n,
                       .rows_per_task = g->m,
                       .cols_per_task = min_i64(g->n, DOT_COLS_PER_TASK)};
    LowerStep step =
        step_call(PLAN_CALL_DOTS_F32, ceil_div(g->n, DOT_COLS_PER_TASK),
                  value_label(lower, value));
    step_call_imms(lower, &step, &imms, sizeof imms);
    cpu_push_call(lower, &step, graph_node(lower->graph, value),
                  value_new_buffer(lower, value));
    return 0;
}

static int64_t product_MATMUL(Lowering *lower, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    MatmulGeometry g = matmul_geometry(lower->graph, node);
    if (is_dots(lower, node, &g))
        return lower_dots(lower, value, &g);
    if (product_takes(&g, node->type.dtype))
        return product_lower(lower, &g, value);
    int64_t count = matmul_count(&g);
    int64_t wanted = max_i64(
        1, min_i64(matmul_macs(&g) / PRODUCT_FLOPS_PER_TASK, MAX_TASKS));
    // Rows of all the products that stand at one index of the first axis.
    int64_t unit = count * g.m / node->type.dims[0];
    // Products go to the tasks whole, where there are enough of them: BLAS
    // takes each at once, on the thread that has the task.
    ProductBlocks blocks = product_blocks(g.m, g.n, wanted / count);
    int64_t per_task = 1;
    if (blocks.row_blocks * blocks.col_blocks == 1)
        per_task = whole_units(ceil_div(count, wanted), max_i64(1, unit / g.m));
    else if (blocks.col_blocks == 1 && count == 1) {
        blocks.rows = whole_units(blocks.rows, unit);
        blocks.row_blocks = ceil_div(g.m, blocks.rows);
    }
    CallMatmul product = {.m = g.m,
                          .n = g.n,
                          .k = g.k,
                          .trans_a = g.trans_a,
                          .trans_b = g.trans_b,
                          .lda = g.trans_a ? g.m : g.k,
                          .ldb = g.trans_b ? g.k : g.n,
                          .ldc = g.n,
                          .rows_per_task = blocks.rows,
                          .cols_per_task = blocks.cols};
    LowerStep step = step_call(
        g.rank ? cpu_call_of(node, PLAN_CALL_MATMULS_F32, PLAN_CALL_MATMULS_F64)
               : cpu_call_of(node, PLAN_CALL_MATMUL_F32, PLAN_CALL_MATMUL_F64),
        ceil_div(count, per_task) * blocks.row_blocks * blocks.col_blocks,
        value_label(lower, value));
    if (g.rank == 0) {
        step_call_imms(lower, &step, &product, sizeof product);
    } else {
        CallMatmuls imms = {product, .per_task = per_task};
        _Static_assert(sizeof imms.dims == MAX_LEADING * sizeof *imms.dims,
                       "as many axes as a product can have");
        int unused = MAX_LEADING - g.rank;
        for (int i = 0; i < MAX_LEADING; i++) {
            bool used = i >= unused;
            imms.dims[i] = used ? g.dims[i - unused] : 1;
            imms.a_steps[i] = used ? g.a_steps[i - unused] : 0;
            imms.b_steps[i] = used ? g.b_steps[i - unused] : 0;
        }
        step_call_imms(lower, &step, &imms, sizeof imms);
    }
    cpu_push_call(lower, &step, node, value_new_buffer(lower, value));
    int64_t rows = count == 1 ? blocks.rows : per_task * g.m;
    return blocks.col_blocks == 1 && (count == 1 || blocks.row_blocks == 1) &&
                   rows % unit == 0
               ? rows / unit
               : 0;
}

int64_t cpu_lower_product(Lowering *lower, Value value)
{
    static int64_t (*const rules[OP_COUNT])(Lowering * lower, Value value) = {
#define PICK_MATMUL(id) [OP_##id] = product_##id,
#include "ir/ops_of.def"
    };
    return rules[graph_node(lower->graph, value)->op](lower, value);
}

// ---- convolutions -----------------------------------------------------------

static bool is_pointwise_conv(const ConvShape *s)
{
    return s->kh == 1 && s->kw == 1 && s->sh == 1 && s->sw == 1 &&
           s->top == 0 && s->left == 0 && s->oh == s->h && s->ow == s->w;
}

// The column matrix of one image, or of one group of it: c*kh*kw rows of
// oh*ow.
static int64_t column_bytes(const ConvShape *s)
{
    if (is_pointwise_conv(s))
        return 0;
    return s->c / s->groups * s->kh * s->kw * s->oh * s->ow *
           dtype_size(s->dtype);
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
                      .pl = s->left,
                      .dh = s->dh,
                      .dw = s->dw,
                      .groups = s->groups};
}

// im2col and BLAS, an image per task: forward and by data.
int64_t conv_blas_images(Lowering *lower, const ConvShape *s, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    PlanCall call =
        s->op == OP_CONV2D
            ? cpu_call_of(node, PLAN_CALL_CONV_F32, PLAN_CALL_CONV_F64)
            : cpu_call_of(node, PLAN_CALL_CONV_GX_F32, PLAN_CALL_CONV_GX_F64);
    LowerStep step = step_call(call, s->n, value_label(lower, value));
    CallConv imms = conv_imms(s);
    step_call_imms(lower, &step, &imms, sizeof imms);
    cpu_want_scratch(lower, column_bytes(s));
    cpu_push_call(lower, &step, node, value_new_buffer(lower, value));
    return 1;
}

// im2col and BLAS by weights: sums per chunk of images, added up afterwards.
int64_t conv_blas_weights(Lowering *lower, const ConvShape *s, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    int64_t elements = type_elements(&node->type);
    int64_t chunks = min_i64(MAX_IMAGE_CHUNKS, MAX_PARTIAL_ELEMENTS / elements);
    chunks = max_i64(1, min_i64(chunks, s->n));
    // Of outputs, or of whole groups of them.
    int64_t blocks = min_i64(
        ceil_div(WANTED_GW_TASKS, chunks),
        s->groups > 1 ? s->groups : max_i64(1, s->o / MIN_BLOCK_CHANNELS));
    LowerStep step = step_call(
        cpu_call_of(node, PLAN_CALL_CONV_GW_F32, PLAN_CALL_CONV_GW_F64),
        blocks * chunks, label);
    CallConvGw imms = {conv_imms(s), .o_blocks = blocks,
                       .image_chunks = chunks};
    step_call_imms(lower, &step, &imms, sizeof imms);
    cpu_want_scratch(lower, column_bytes(s));
    if (chunks == 1) {
        cpu_push_call(lower, &step, node, value_new_buffer(lower, value));
        return 0;
    }
    Place parts = {PLACE_SLAB,
                   buffer_new(lower, chunks * type_bytes(&node->type))};
    cpu_push_call(lower, &step, node, parts);
    lower_sum_parts(lower, parts, value_new_buffer(lower, value), chunks,
                    elements, s->dtype, label);
    return 0;
}

bool conv_blas_takes_images(const ConvShape *s)
{
    return s->out_block == 1 && s->tile == 1 &&
           (s->op == OP_CONV2D || s->op == OP_CONV2D_GRAD_X);
}

bool conv_blas_takes_weights(const ConvShape *s)
{
    return s->out_block == 1 && s->tile == 1 && s->op == OP_CONV2D_GRAD_W;
}
