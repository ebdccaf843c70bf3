// The gradient by weights of a convolution from planes to blocks:
//
//   dw[ob, r, c, s, o] = sum over n, row, col of
//       x[n, c, rows(row, r), cols(col, s)] * dy[n, ob, row, col, o]
//
// A register tile holds `pixels` of the pairs (c, s) times `blocks` blocks of o
// while the sum runs over the pixels of some rows; dw keeps it between them.
// Pairs outside the image are known when the code is made: pixels at the rim
// skip them. The order of the sum is that of the loops. A task takes `blocks`
// blocks and a chunk of the images, of which it makes a partial result.
#include "codegen/cpu/emit_gradient.h"

typedef struct StemGradient {
    const Emit *emit;
    const ConvTaps *taps;
    const StemWeightsTile *tile;
    LLVMValueRef *sums;
    LLVMValueRef x, dy; // of the image
    LLVMValueRef dw;
    LLVMValueRef is_first; // nothing is in dw yet
} StemGradient;

static int64_t pairs(const ConvTaps *taps)
{
    return taps->in_blocks * taps->cols.taps;
}

// Elements of dw.
static int64_t weight_block(const ConvTaps *taps)
{
    return taps->rows.taps * pairs(taps) * CPU_BLOCK;
}

// ---- a tile -----------------------------------------------------------------

// sums[i][block] += x[pair first + i] * dy[block] for one pixel, whose taps are
// as valid as those of `column`. x is where its tap 0 of channel 0 is. Asks for
// dy of the same pixel of the next part.
static void stem_weights_add_pixel(const StemGradient *g, int64_t first,
                                   int count, int64_t column, LLVMValueRef x,
                                   LLVMValueRef dy)
{
    const Emit *e = g->emit;
    const ConvTaps *taps = g->taps;
    const TapAxis *cols = &taps->cols;
    int blocks = g->tile->blocks;
    LLVMValueRef y[TAPS_MAX_TILE];
    DType dtype = taps->types.in[1];
    int64_t part = g->tile->rows * cols->out * CPU_BLOCK;
    for (int b = 0; b < blocks; b++) {
        LLVMValueRef at = image_at(
            e, dtype, dy, b * block_map(taps->rows.out, taps->cols.out));
        taps_prefetch(e, image_at(e, dtype, at, part), PREFETCH_LATER);
        y[b] = image_load(e, dtype, at);
    }
    for (int i = 0; i < count; i++) {
        int64_t c = (first + i) / cols->taps, tap = (first + i) % cols->taps;
        if (!tap_inside(cols, column, tap))
            continue;
        LLVMValueRef one = taps_load_splat(
            e, taps_at(e, x, c * taps->rows.in * cols->in + tap));
        for (int b = 0; b < blocks; b++)
            taps_add_product(e, g->sums[i * blocks + b], one, y[b]);
    }
}

// One row of pixels: a loop over those with all taps inside, the others each by
// itself.
static void stem_weights_add_row(const StemGradient *g, int64_t first,
                                 int count, LLVMValueRef x, LLVMValueRef dy)
{
    const Emit *e = g->emit;
    const TapAxis *cols = &g->taps->cols;
    DType dtype = g->taps->types.in[1];
    int64_t column = 0;
    while (column < cols->count) {
        int64_t end = column;
        while (end < cols->count && taps_inside(cols, end, 1))
            end++;
        if (end <= column + 1) {
            stem_weights_add_pixel(g, first, count, column,
                                   taps_at(e, x, column * cols->in_step),
                                   image_at(e, dtype, dy, column * CPU_BLOCK));
            column++;
            continue;
        }
        EmitLoop inner = taps_loop(e, column, end, 1);
        stem_weights_add_pixel(
            g, first, count, column,
            taps_step(e, x, inner.index, cols->in_step),
            image_step(e, dtype, dy, inner.index, CPU_BLOCK));
        emit_loop_end(e, &inner);
        column = end;
    }
}

// Pairs [first, first + count) of a row of taps, which reads from row `base` of
// x on, and the rows of pixels that have it inside.
static void stem_weights_make_tile(const StemGradient *g, int64_t first,
                                   int count, LLVMValueRef base,
                                   GradientRange rows, LLVMValueRef dw)
{
    const Emit *e = g->emit;
    const ConvTaps *taps = g->taps;
    const TapAxis *cols = &taps->cols;
    int blocks = g->tile->blocks;
    LLVMValueRef at[TAPS_MAX_TILE];
    for (int i = 0; i < count * blocks; i++) {
        at[i] = taps_at(e, dw,
                        (first + i / blocks) * CPU_BLOCK +
                            i % blocks * weight_block(taps));
        gradient_resume(e, g->is_first, at[i], g->sums[i]);
    }
    EmitLoop row = emit_loop_begin(e, rows.low, rows.high, 1);
    LLVMValueRef from = LLVMBuildAdd(
        e->builder, base, taps_affine(e, row.index, taps->rows.in_step, 0), "");
    LLVMValueRef x =
        taps_at(e, taps_step(e, g->x, from, cols->in), cols->in_first);
    LLVMValueRef dy = image_step(e, taps->types.in[1], g->dy, row.index,
                                 cols->out * CPU_BLOCK);
    stem_weights_add_row(g, first, count, x, dy);
    emit_loop_end(e, &row);
    for (int i = 0; i < count * blocks; i++)
        taps_store(e, taps_get(e, g->sums[i]), at[i]);
}

// ---- parts and tasks --------------------------------------------------------

// All of dw, for some rows of an image.
static void stem_weights_make_part(const StemGradient *g, GradientRange part)
{
    const Emit *e = g->emit;
    const ConvTaps *taps = g->taps;
    EmitLoop tap = taps_loop(e, 0, taps->rows.taps, 1);
    LLVMValueRef base = taps_add(e, tap.index, taps->rows.in_first);
    GradientRange rows = gradient_pixels(e, &taps->rows, base, part);
    LLVMValueRef dw = taps_step(e, g->dw, tap.index, pairs(taps) * CPU_BLOCK);
    for (int64_t i = 0; i < pairs(taps); i += g->tile->pairs) {
        int64_t left = pairs(taps) - i;
        stem_weights_make_tile(
            g, i, left < g->tile->pairs ? (int)left : g->tile->pairs, base,
            rows, dw);
    }
    emit_loop_end(e, &tap);
}

// The task's number is, from first to last factor: chunk, group of blocks.
void emit_stem_weights(Emit *e)
{
    const StemWeightsKernel *kernel = &cpu_kernel(e)->stem_weights;
    const ConvTaps *taps = &kernel->taps;
    LLVMBuilderRef b = e->builder;
    int blocks = kernel->tile.blocks;
    StemGradient g = {.emit = e, .taps = taps, .tile = &kernel->tile};
    LLVMValueRef groups = emit_i64(e, taps->out_blocks / blocks);
    LLVMValueRef group = LLVMBuildURem(b, e->task, groups, "");
    LLVMValueRef chunk = LLVMBuildUDiv(b, e->task, groups, "");
    GradientRange images = gradient_images(e, chunk), part;
    g.sums = taps_variables(e, kernel->tile.pairs * blocks);
    g.dw =
        taps_step(e, e->args[2], chunk, taps->out_blocks * weight_block(taps));
    g.dw = taps_step(e, g.dw, group, blocks * weight_block(taps));
    LLVMValueRef dy =
        image_step(e, taps->types.in[1], e->args[1], group,
                   blocks * block_map(taps->rows.out, taps->cols.out));
    EmitLoop image = emit_loop_begin(e, images.low, images.high, 1);
    g.x = taps_step(e, e->args[0], image.index,
                    taps->in_blocks * taps->rows.in * taps->cols.in);
    g.dy = image_step(e, taps->types.in[1], dy, image.index,
                      taps->out_blocks *
                          block_map(taps->rows.out, taps->cols.out));
    LLVMValueRef first_image =
        LLVMBuildICmp(b, LLVMIntEQ, image.index, images.low, "");
    GradientRange whole = {emit_i64(e, 0), emit_i64(e, taps->rows.count)};
    EmitLoop parts = gradient_parts(e, whole, kernel->tile.rows, &part);
    LLVMValueRef first_part =
        LLVMBuildICmp(b, LLVMIntEQ, part.low, whole.low, "");
    g.is_first = LLVMBuildAnd(b, first_image, first_part, "");
    stem_weights_make_part(&g, part);
    emit_loop_end(e, &parts);
    emit_loop_end(e, &image);
}
