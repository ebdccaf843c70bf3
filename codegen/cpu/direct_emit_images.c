// Convolutions of small maps, forward and by data: the sums of emit_taps.c, but
// a register tile holds one pixel of many images. Such tiles are full whatever
// the map, no product with the rim is made, and the weights of some blocks,
// which are larger than the maps, stay in the cache for all images. By data a
// task transposes its weights for itself, into scratch.
#include "codegen/cpu/emit_block.h"

// A task: `images` images and a group of written blocks.
typedef struct ImageTask {
    const Emit *emit;
    const ConvTaps *taps;
    const ImagesTile *tile;
    LLVMValueRef *sums;
    LLVMValueRef x, w, y;
    LLVMValueRef block; // the first of those written, of an image
    int64_t w_block, w_pair, w_row, w_col; // elements from one to the next
} ImageTask;

// The taps of one pixel along an axis that are inside.
typedef struct TapRange {
    LLVMValueRef base, low, high; // what tap 0 reads; taps [low, high)
} TapRange;

// The task's weights, transposed, as [blocks][in_blocks][taps][taps][16][16].
static void images_transpose_group(ImageTask *task, LLVMValueRef group,
                                   LLVMValueRef own)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    const TapAxis *rows = &taps->rows, *cols = &taps->cols;
    int64_t stored = rows->kernel * cols->kernel * CPU_TILE;
    LLVMValueRef scratch = LLVMGetParam(e->function, 3);
    LLVMValueRef from = e->args[1];
    if (taps->groups > 1) {
        from = taps_step(e, from, LLVMBuildUDiv(e->builder, group, own, ""),
                         taps->in_blocks * taps->out_blocks * stored);
        group = LLVMBuildURem(e->builder, group, own, "");
    }
    from = taps_step(e, from, group, task->tile->blocks * stored);
    EmitLoop read = taps_loop(e, 0, taps->in_blocks, 1);
    EmitLoop block = taps_loop(e, 0, task->tile->blocks, 1);
    LLVMValueRef source =
        taps_step(e, from, read.index, taps->out_blocks * stored);
    source = taps_step(e, source, block.index, stored);
    source = taps_at(e, source,
                     (rows->weight_first * cols->kernel + cols->weight_first) *
                         CPU_TILE);
    LLVMValueRef target = taps_step(e, scratch, block.index, task->w_block);
    target = taps_step(e, target, read.index, task->w_pair);
    EmitLoop row = taps_loop(e, 0, rows->taps, 1);
    EmitLoop col = taps_loop(e, 0, cols->taps, 1);
    LLVMValueRef line = taps_step(e, source, row.index,
                                  rows->weight_step * cols->kernel * CPU_TILE);
    LLVMValueRef to = taps_step(e, target, row.index, task->w_row);
    line = taps_step(e, line, col.index, cols->weight_step * CPU_TILE);
    for (int i = 0; i < CPU_BLOCK; i++)
        taps_prefetch(
            e, taps_at(e, line, taps->out_blocks * stored + i * CPU_BLOCK),
            PREFETCH_READ);
    taps_transpose(e, line, CPU_BLOCK,
                   taps_step(e, to, col.index, task->w_col));
    emit_loop_end(e, &col);
    emit_loop_end(e, &row);
    emit_loop_end(e, &block);
    emit_loop_end(e, &read);
    task->w = scratch;
}

// `group` is the task's tile of written blocks, of which each group of channels
// has `own`.
static void find_weights(ImageTask *task, LLVMValueRef group, LLVMValueRef own)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    const TapAxis *rows = &taps->rows, *cols = &taps->cols;
    if (task->tile->transposes) {
        task->w_col = CPU_TILE;
        task->w_row = cols->taps * CPU_TILE;
        task->w_pair = rows->taps * task->w_row;
        task->w_block = taps->in_blocks * task->w_pair;
        images_transpose_group(task, group, own);
        return;
    }
    task->w_col = cols->weight_step * CPU_TILE;
    task->w_row = rows->weight_step * cols->kernel * CPU_TILE;
    task->w_pair = rows->kernel * cols->kernel * CPU_TILE;
    task->w_block = taps->in_blocks * task->w_pair;
    LLVMValueRef w =
        taps_step(e, e->args[1], group, task->tile->blocks * task->w_block);
    task->w = taps_at(e, w,
                      (rows->weight_first * cols->kernel + cols->weight_first) *
                          CPU_TILE);
}

static TapRange find_taps(const Emit *e, const TapAxis *axis,
                          LLVMValueRef pixel)
{
    TapRange range = {taps_affine(e, pixel, axis->in_step, axis->in_first),
                      NULL, NULL};
    taps_find_inside(e, axis, range.base, &range.low, &range.high);
    return range;
}

// sum over one block of read channels and the taps inside
static void images_add_taps(const ImageTask *task, const TapsTile *tile,
                            const TapRange *row, const TapRange *col,
                            LLVMValueRef x, LLVMValueRef w)
{
    const Emit *e = task->emit;
    const TapAxis *rows = &task->taps->rows, *cols = &task->taps->cols;
    EmitLoop r = emit_loop_begin(e, row->low, row->high, 1);
    LLVMValueRef from = taps_affine(e, r.index, rows->tap_step, 0);
    from = LLVMBuildAdd(e->builder, from, row->base, "");
    LLVMValueRef xr = taps_step(e, x, from, cols->in * CPU_BLOCK);
    LLVMValueRef wr = taps_step(e, w, r.index, task->w_row);
    EmitLoop c = emit_loop_begin(e, col->low, col->high, 1);
    from = taps_affine(e, c.index, cols->tap_step, 0);
    from = LLVMBuildAdd(e->builder, from, col->base, "");
    taps_multiply(e, tile, NULL, taps_step(e, xr, from, CPU_BLOCK),
                  taps_step(e, wr, c.index, task->w_col));
    emit_loop_end(e, &c);
    emit_loop_end(e, &r);
}

// `count` images from x and y on, at one pixel.
static void images_make_tile(const ImageTask *task, int count,
                             const TapRange *row, const TapRange *col,
                             LLVMValueRef x, LLVMValueRef y)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    int64_t in_map = block_map(taps->rows.in, taps->cols.in);
    int64_t out_map = block_map(taps->rows.out, taps->cols.out);
    TapsTile tile = {.pixels = count,
                     .blocks = task->tile->blocks,
                     .sums = task->sums,
                     .pixel_step = taps_image_in(taps),
                     .block_step = task->w_block,
                     .x_ahead = in_map};
    for (int i = 0; i < count * tile.blocks; i++)
        taps_set_zero(e, task->sums[i]);
    EmitLoop block = taps_loop(e, 0, taps->in_blocks, 1);
    images_add_taps(task, &tile, row, col, taps_step(e, x, block.index, in_map),
                    taps_step(e, task->w, block.index, task->w_pair));
    emit_loop_end(e, &block);
    for (int b = 0; b < tile.blocks; b++) {
        BlockResults results =
            results_begin(e, &taps->types, taps_add(e, task->block, b));
        for (int p = 0; p < count; p++)
            results_store(&results,
                          taps_get(e, task->sums[p * tile.blocks + b]),
                          image_at(e, taps->types.out, y,
                                   p * taps_image_out(taps) + b * out_map),
                          NULL, NULL);
    }
}

static void images_make_pixel(const ImageTask *task, const TapRange *row,
                              const TapRange *col, LLVMValueRef y)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    int64_t x_step = taps_image_in(taps), y_step = taps_image_out(taps);
    int pixels = task->tile->pixels, rest = (int)(task->tile->images % pixels);
    int64_t whole = task->tile->images - rest;
    EmitLoop image = taps_loop(e, 0, whole, pixels);
    images_make_tile(task, pixels, row, col,
                     taps_step(e, task->x, image.index, x_step),
                     image_step(e, taps->types.out, y, image.index, y_step));
    emit_loop_end(e, &image);
    if (rest)
        images_make_tile(task, rest, row, col,
                         taps_at(e, task->x, whole * x_step),
                         image_at(e, taps->types.out, y, whole * y_step));
}

// Tasks count groups first, then shares of the images.
void emit_images(Emit *e)
{
    const ImagesKernel *kernel = &cpu_kernel(e)->images;
    const ConvTaps *taps = &kernel->taps;
    const TapAxis *rows = &taps->rows, *cols = &taps->cols;
    const ImagesTile *tile = &kernel->tile;
    LLVMBuilderRef b = e->builder;
    ImageTask task = {.emit = e, .taps = taps, .tile = tile};
    int64_t in_map = block_map(rows->in, cols->in);
    int64_t out_map = block_map(rows->out, cols->out);
    // Tiles of written blocks: all of them, and those of a group of channels.
    LLVMValueRef tiles = emit_i64(e, images_group_tasks(kernel));
    LLVMValueRef own = emit_i64(e, taps->out_blocks / tile->blocks);
    LLVMValueRef group = LLVMBuildURem(b, e->task, tiles, "");
    LLVMValueRef share = LLVMBuildUDiv(b, e->task, tiles, "");
    task.sums = taps_variables(e, tile->pixels * tile->blocks);
    task.x =
        taps_step(e, e->args[0], share, tile->images * taps_image_in(taps));
    if (taps->groups > 1)
        task.x = taps_step(e, task.x, LLVMBuildUDiv(b, group, own, ""),
                           taps->in_blocks * in_map);
    task.y = image_step(e, taps->types.out, e->args[2], share,
                        tile->images * taps_image_out(taps));
    task.y =
        image_step(e, taps->types.out, task.y, group, tile->blocks * out_map);
    task.block = taps_affine(e, group, tile->blocks, 0);
    find_weights(&task, group, own);
    EmitLoop row = taps_loop(e, 0, rows->count, 1);
    TapRange row_taps = find_taps(e, rows, row.index);
    EmitLoop col = taps_loop(e, 0, cols->count, 1);
    TapRange col_taps = find_taps(e, cols, col.index);
    LLVMValueRef y =
        image_step(e, taps->types.out, task.y,
                   taps_affine(e, row.index, rows->out_step, rows->out_first),
                   cols->out * CPU_BLOCK);
    y = image_step(e, taps->types.out, y,
                   taps_affine(e, col.index, cols->out_step, cols->out_first),
                   CPU_BLOCK);
    images_make_pixel(&task, &row_taps, &col_taps, y);
    emit_loop_end(e, &col);
    emit_loop_end(e, &row);
}
