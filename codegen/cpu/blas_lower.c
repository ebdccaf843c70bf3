// Products, and convolutions of plain tensors as products of columns (im2col),
// by calls of BLAS.
#include "codegen/cpu/conv.h"
#include "codegen/integers.h"

enum {
    // A task's worth of multiply-adds: some 50 microseconds of one core.
    PRODUCT_FLOPS_PER_TASK = 1 << 20,
    // BLAS packs its operands anew in every block: thin ones are mostly that.
    MIN_BLOCK_ROWS = 64,
    MIN_BLOCK_COLS = 128,
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

static int64_t product_MATMUL(Lowering *lower, Value value)
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
        cpu_call_of(node, PLAN_CALL_MATMUL_F32, PLAN_CALL_MATMUL_F64),
        blocks.row_blocks * blocks.col_blocks, value_label(lower, value));
    step_call_imms(lower, &step, &imms, sizeof imms);
    cpu_push_call(lower, &step, node, value_new_buffer(lower, value));
    return blocks.col_blocks == 1 ? blocks.rows : 0;
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
