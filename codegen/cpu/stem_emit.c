// Convolutions of images of few channels, which come in planes, to blocks:
//
//   y[n, ob, row, col, o] = sum over r, c, s of
//       x[n, c, rows(row, r), cols(col, s)] * w[ob, r, c, s, o]
//
// As for blocks (emit_taps.c), a register tile holds `pixels` neighbours of a
// row times `blocks` blocks of output channels through the whole sum. Since a
// step of the sum is a single tap of a single channel, a row of taps is
// unrolled.
#include "codegen/cpu/emit_block.h"

typedef struct Stem {
    const Emit *emit;
    const ConvTaps *taps;
    const StemTile *tile;
    LLVMValueRef *sums;   // variables, pixel by pixel
    LLVMValueRef x, w, y; // of the task's image and group of blocks
    LLVMValueRef block;   // the group's first
    LLVMValueRef row, input_row;
    LLVMValueRef low_tap, high_tap; // rows of taps inside the image
} Stem;

// Elements of the packed weights: one row of taps, one block.
static int64_t weight_row(const ConvTaps *taps)
{
    return taps->cols.taps * CPU_BLOCK;
}

static int64_t weight_block(const ConvTaps *taps)
{
    return taps->rows.taps * taps->in_blocks * weight_row(taps);
}

// ---- one tile ---------------------------------------------------------------

// A row of taps of one channel, each with the pixels that have it inside.
static void stem_add_taps(const Stem *stem, int64_t first, int pixels,
                          LLVMValueRef x, LLVMValueRef w)
{
    const Emit *e = stem->emit;
    const TapAxis *cols = &stem->taps->cols;
    TapsTile tile = {.pixels = pixels,
                     .blocks = stem->tile->blocks,
                     .sums = stem->sums,
                     .pixel_step = cols->in_step,
                     .block_step = weight_block(stem->taps),
                     .taps_unrolled = true};
    for (int64_t t = 0; t < cols->taps; t++) {
        bool valid[TAPS_MAX_TILE], any = false;
        for (int p = 0; p < pixels; p++) {
            valid[p] = tap_inside(cols, first + p, t);
            any |= valid[p];
        }
        if (any)
            taps_multiply_one(e, &tile, valid, taps_at(e, x, t),
                              taps_at(e, w, t * CPU_BLOCK));
    }
}

static void stem_add_rows(const Stem *stem, int64_t first, int pixels,
                          LLVMValueRef column)
{
    const Emit *e = stem->emit;
    const ConvTaps *taps = stem->taps;
    const TapAxis *rows = &taps->rows, *cols = &taps->cols;
    EmitLoop row = emit_loop_begin(e, stem->low_tap, stem->high_tap, 1);
    LLVMValueRef from =
        LLVMBuildAdd(e->builder, row.index, stem->input_row, "");
    LLVMValueRef x = taps_step(e, stem->x, from, cols->in);
    x = taps_at(e, taps_step(e, x, column, cols->in_step), cols->in_first);
    LLVMValueRef w =
        taps_step(e, stem->w, row.index, taps->in_blocks * weight_row(taps));
    EmitLoop channel = taps_loop(e, 0, taps->in_blocks, 1);
    LLVMValueRef xc = taps_step(e, x, channel.index, rows->in * cols->in);
    LLVMValueRef wc = taps_step(e, w, channel.index, weight_row(taps));
    stem_add_taps(stem, first, pixels, xc, wc);
    emit_loop_end(e, &channel);
    emit_loop_end(e, &row);
}

// The taps of `column` are as valid as those of column `first`.
static void stem_make_tile(const void *task, int64_t first, int pixels,
                           LLVMValueRef column)
{
    const Stem *stem = task;
    const Emit *e = stem->emit;
    const ConvTaps *taps = stem->taps;
    int blocks = stem->tile->blocks;
    int64_t map = block_map(taps->rows.out, taps->cols.out);
    DType out = taps->types.out;
    LLVMValueRef y =
        image_step(e, out, stem->y, stem->row, taps->cols.out * CPU_BLOCK);
    y = image_step(e, out, y, column, CPU_BLOCK);
    for (int i = 0; i < pixels * blocks; i++) {
        taps_set_zero(e, stem->sums[i]);
        taps_prefetch(
            e, image_at(e, out, y, (i / blocks) * CPU_BLOCK + i % blocks * map),
            PREFETCH_WRITE);
    }
    stem_add_rows(stem, first, pixels, column);
    for (int b = 0; b < blocks; b++) {
        BlockResults results =
            results_begin(e, &taps->types, taps_add(e, stem->block, b));
        for (int p = 0; p < pixels; p++)
            results_store(&results, taps_get(e, stem->sums[p * blocks + b]),
                          image_at(e, out, y, p * CPU_BLOCK + b * map), NULL,
                          NULL);
    }
}

// ---- tasks ------------------------------------------------------------------

// The task's number is, from first to last factor: image, rows, group of
// blocks.
void emit_stem(Emit *e)
{
    const StemKernel *kernel = &cpu_kernel(e)->stem;
    const ConvTaps *taps = &kernel->taps;
    LLVMBuilderRef b = e->builder;
    Stem stem = {.emit = e, .taps = taps, .tile = &kernel->tile};
    int64_t group_count = taps->out_blocks / kernel->tile.blocks;
    LLVMValueRef groups = emit_i64(e, group_count);
    LLVMValueRef row_blocks = emit_i64(e, stem_row_blocks(kernel));
    LLVMValueRef rest = LLVMBuildUDiv(b, e->task, groups, "");
    LLVMValueRef group = LLVMBuildURem(b, e->task, groups, "");
    LLVMValueRef image = LLVMBuildUDiv(b, rest, row_blocks, "");
    LLVMValueRef low = taps_affine(e, LLVMBuildURem(b, rest, row_blocks, ""),
                                   kernel->tile.rows, 0);
    LLVMValueRef high = emit_min_i64(e, taps_add(e, low, kernel->tile.rows),
                                     emit_i64(e, taps->rows.count));
    stem.sums = taps_variables(e, kernel->tile.pixels * kernel->tile.blocks);
    stem.x = taps_step(e, e->args[0], image,
                       taps->in_blocks * taps->rows.in * taps->cols.in);
    stem.w = taps_step(e, e->args[1], group,
                       kernel->tile.blocks * weight_block(taps));
    stem.y = image_step(e, taps->types.out, e->args[2], image,
                        taps->out_blocks *
                            block_map(taps->rows.out, taps->cols.out));
    stem.y = image_step(e, taps->types.out, stem.y, group,
                        kernel->tile.blocks *
                            block_map(taps->rows.out, taps->cols.out));
    stem.block = taps_affine(e, group, kernel->tile.blocks, 0);
    EmitLoop rows = emit_loop_begin(e, low, high, 1);
    stem.row = rows.index;
    stem.input_row =
        taps_affine(e, stem.row, taps->rows.in_step, taps->rows.in_first);
    taps_find_inside(e, &taps->rows, stem.input_row, &stem.low_tap,
                     &stem.high_tap);
    taps_each_tile(e, &taps->cols, stem.tile->pixels, stem_make_tile, &stem);
    emit_loop_end(e, &rows);
}
