// Convolutions of images of few channels, read in planes as they come, written
// in blocks; and their gradients by weights.
#include "codegen/cpu/conv.h"
#include "codegen/integers.h"

enum {
    STEM_FLOPS_PER_TASK = 1 << 24,
    STEM_TILE_PIXELS = 8,  // with registers of a whole block
    NARROW_REGISTERS = 16, // of which there are that many else
    // Of a part of a gradient: two blocks of dy and the rows of x that they
    // meet stay in the first-level cache for all rows of taps.
    STEM_PART_PIXELS = 128,
    STEM_TILE_VECTORS = 28,  // accumulators of 32 registers
    NARROW_TILE_VECTORS = 12 // of 16
};

static bool is_stem(const ConvShape *s)
{
    return s->block == 1 && s->out_block == CPU_BLOCK && s->tile == 1 &&
           s->dtype == DT_F32;
}

bool conv_stem_takes(const ConvShape *s)
{
    return is_stem(s) && s->op == OP_CONV2D;
}

bool conv_stem_takes_weights(const ConvShape *s)
{
    return is_stem(s) && s->op == OP_CONV2D_GRAD_W;
}

static ConvTaps stem_taps(const ConvShape *s)
{
    return (ConvTaps){
        .types = conv_types(s),
        .groups = 1,
        .in_blocks = s->c,
        .out_blocks = s->o / CPU_BLOCK,
        .rows = taps_forward(s->h, s->oh, s->kh, s->sh, s->top, 1),
        .cols = taps_forward(s->w, s->ow, s->kw, s->sw, s->left, 1)};
}

// ---- weights ----------------------------------------------------------------

// The value [o, c, kh, kw], and the order [o/16, kh, c, kw, 16] as strides over
// [o/16, 16, kh, c, kw].
typedef struct StemWeights {
    TensorType space;
    int64_t plain[MAX_RANK], packed[MAX_RANK];
} StemWeights;

static StemWeights stem_weights(const ConvShape *s)
{
    int64_t kernel = s->kh * s->kw, row = s->c * s->kw * CPU_BLOCK;
    StemWeights w = {
        .space = type_make(
            DT_F32, 5,
            (int64_t[]){s->o / CPU_BLOCK, CPU_BLOCK, s->kh, s->c, s->kw}),
        .plain = {CPU_BLOCK * s->c * kernel, s->c * kernel, s->kw, kernel, 1},
        .packed = {s->kh * row, 1, row, s->kw * CPU_BLOCK, CPU_BLOCK}};
    return w;
}

static void reorder(Lowering *lower, const StemWeights *w, Place from,
                    const int64_t *from_strides, Place to,
                    const int64_t *to_strides, const char *label)
{
    Access access = {.kind = EXPR_LOAD, .dtype = DT_F32, .place = from};
    memcpy(access.strides, from_strides, sizeof access.strides);
    lower_copy_access(lower, &w->space, &access, to, 0, to_strides, label);
}

// ---- forward ----------------------------------------------------------------

// Narrow registers hold the sums of one block beside a tap's weights, a number
// of x and, where nothing is fused, a product: on AVX2 6 pixels, 12 sums, of
// which 8 keep two units of four cycles busy.
static StemTile choose_tile(const ConvTaps *taps, int vector_bytes)
{
    int vectors = CPU_BLOCK * (int)sizeof(float) / vector_bytes;
    int64_t count = taps->cols.count;
    StemTile tile;
    tile.blocks = vectors == 1 && taps->out_blocks % 2 == 0 ? 2 : 1;
    int64_t pixels = vectors == 1 ? STEM_TILE_PIXELS
                                  : (NARROW_REGISTERS - vectors - 2) / vectors;
    tile.pixels = (int)ceil_div(count, ceil_div(count, pixels));
    int64_t row = 2 * count * taps->rows.taps * taps->cols.taps *
                  taps->in_blocks * tile.blocks * CPU_BLOCK;
    int64_t blocks = ceil_div(taps->rows.count * row, STEM_FLOPS_PER_TASK);
    tile.rows = ceil_div(taps->rows.count, min_i64(blocks, taps->rows.count));
    return tile;
}

int64_t stem_row_blocks(const StemKernel *kernel)
{
    return max_i64(1, ceil_div(kernel->taps.rows.count, kernel->tile.rows));
}

void stem_text(Text *text, const StemKernel *kernel)
{
    const StemTile *tile = &kernel->tile;
    text_addf(text, "stem: tile %d x %d, rows %lld\n", tile->pixels,
              tile->blocks, (long long)tile->rows);
    taps_text(text, &kernel->taps);
}

int64_t conv_stem(Lowering *lower, const ConvShape *s, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    StemWeights w = stem_weights(s);
    Place packed = {PLACE_SLAB, buffer_new(lower, type_bytes(&w.space))};
    reorder(lower, &w, value_place(lower, node->inputs[1]), w.plain, packed,
            w.packed, arena_printf(lower->arena, "%s: weights", label));
    CpuKernel kernel = {.kind = CPU_STEM_KERNEL};
    StemKernel *stem = &kernel.stem;
    stem->taps = stem_taps(s);
    stem->tile = choose_tile(&stem->taps, cpu_vector_bytes(lower));
    int64_t tasks =
        stem->taps.out_blocks / stem->tile.blocks * stem_row_blocks(stem);
    Place args[3] = {value_place(lower, node->inputs[0]), packed,
                     value_new_buffer(lower, value)};
    LowerStep step = conv_step(lower, s, &kernel, s->n * tasks, label, args);
    step_push(lower, &step);
    return tasks == 1 ? 1 : 0;
}

// ---- by weights -------------------------------------------------------------

// As many blocks as leave registers for all pairs of a channel and a tap; else
// the pairs in equal shares.
static StemWeightsTile choose_gradient_tile(const ConvTaps *taps,
                                            int vector_bytes)
{
    StemWeightsTile tile;
    int vectors = CPU_BLOCK * (int)sizeof(float) / vector_bytes;
    int64_t fit =
        (vector_bytes == 64 ? STEM_TILE_VECTORS : NARROW_TILE_VECTORS) /
        vectors;
    int64_t pairs = taps->in_blocks * taps->cols.taps;
    tile.blocks = 1;
    for (int blocks = 2; blocks <= 4; blocks++)
        if (taps->out_blocks % blocks == 0 && pairs * blocks <= fit)
            tile.blocks = blocks;
    tile.pairs = (int)ceil_div(pairs, ceil_div(pairs, fit));
    tile.rows = max_i64(1, STEM_PART_PIXELS / taps->cols.count);
    tile.rows = min_i64(tile.rows, taps->rows.count);
    return tile;
}

void stem_weights_text(Text *text, const StemWeightsKernel *kernel)
{
    const StemWeightsTile *tile = &kernel->tile;
    text_addf(text, "stem, weights: tile %d x %d, rows %lld\n", tile->pairs,
              tile->blocks, (long long)tile->rows);
    taps_text(text, &kernel->taps);
}

int64_t conv_stem_weights(Lowering *lower, const ConvShape *s, Value value)
{
    CpuKernel kernel = {.kind = CPU_STEM_WEIGHTS_KERNEL};
    StemWeightsKernel *stem = &kernel.stem_weights;
    stem->taps = stem_taps(s);
    stem->tile = choose_gradient_tile(&stem->taps, cpu_vector_bytes(lower));
    const char *rest =
        arena_printf(lower->arena, "%s: weights", value_label(lower, value));
    StemWeights w = stem_weights(s);
    ConvGradient gradient = {
        value_place(lower, graph_node(lower->graph, value)->inputs[0]),
        {PLACE_SLAB, buffer_new(lower, type_bytes(&w.space))},
        stem->taps.out_blocks / stem->tile.blocks};
    conv_push_weights(lower, s, value, &kernel, &gradient);
    reorder(lower, &w, gradient.out, w.packed, value_new_buffer(lower, value),
            w.plain, rest);
    return 0;
}
