// Convolutions of 1x1 windows that read no rim, forward and by data, at any
// stride: products of pixels with weights.
//
// A task makes some written blocks of some rows of some images, whose pixels
// lie in a line. Groups of written blocks pass over them one after the other,
// so that pixels and the weights of a group are found in the second-level
// cache. A register tile asks for the pixels of the next one, and for its own
// results before it knows them. Where pixels of many channels would not stay in
// that cache, all groups go through a part of the channels, then the next, and
// results hold the sums in between. With a stride, pixels are read into scratch
// first, forward, small images one after the other, whose results are then
// parted; by data a group's results are made there and then put among
// the zeros of pixels that were never read. By data a task may transpose its
// weights for itself. The order of the sum is that of the channels, for any
// tile, task and thread.
#include "codegen/integers.h"
#include "codegen/cpu/emit_gradient.h"

typedef struct PointTask {
    const Emit *emit;
    const ConvTaps *taps;
    const PointwiseTile *tile;
    LLVMValueRef *sums;
    GradientRange images;
    LLVMValueRef first_row; // of the product's
    int64_t line;           // pixels of an image
    PointwiseScratch scratch;
    LLVMValueRef x, y;     // of image 0: the line's first pixel; y's whole map
                           // where results are spread
    LLVMValueRef w;        // of the current group and part
    GradientRange part;    // blocks that are read
    LLVMValueRef is_first; // part: nothing is in y yet
    int64_t x_image, x_map, y_map, w_block; // elements to the next
} PointTask;

static LLVMValueRef scratch_at(const PointTask *task, int64_t elements)
{
    return taps_at(task->emit, LLVMGetParam(task->emit->function, 3), elements);
}

// ---- tiles ------------------------------------------------------------------

// The tile's pixels lie from x on, its results from y on.
static void pointwise_make_tile(const PointTask *task, int pixels,
                                LLVMValueRef x, LLVMValueRef y)
{
    const Emit *e = task->emit;
    TapsTile tile = {.pixels = pixels,
                     .blocks = task->tile->blocks,
                     .sums = task->sums,
                     .pixel_step = CPU_BLOCK,
                     .block_step = task->w_block,
                     .x_ahead = pixels * CPU_BLOCK};
    for (int i = 0; i < pixels * tile.blocks; i++) {
        LLVMValueRef at = taps_at(
            e, y, i / tile.blocks * CPU_BLOCK + i % tile.blocks * task->y_map);
        if (task->is_first) {
            gradient_resume(e, task->is_first, at, tile.sums[i]);
            continue;
        }
        taps_set_zero(e, tile.sums[i]);
        taps_prefetch(e, at, PREFETCH_WRITE);
    }
    EmitLoop block = emit_loop_begin(e, task->part.low, task->part.high, 1);
    taps_multiply(e, &tile, NULL,
                  taps_opaque(e, taps_step(e, x, block.index, task->x_map)),
                  taps_opaque(e, taps_step(e, task->w, block.index, CPU_TILE)));
    emit_loop_end(e, &block);
    for (int i = 0; i < pixels * tile.blocks; i++)
        taps_store(e, taps_get(e, tile.sums[i]),
                   taps_at(e, y,
                           i / tile.blocks * CPU_BLOCK +
                               i % tile.blocks * task->y_map));
}

static void pointwise_make_line(const PointTask *task, LLVMValueRef x,
                                LLVMValueRef y)
{
    const Emit *e = task->emit;
    int pixels = task->tile->pixels;
    int rest = (int)(task->line % pixels);
    int64_t whole = task->line - rest;
    EmitLoop pixel = taps_loop(e, 0, whole, pixels);
    pointwise_make_tile(
        task, pixels, taps_opaque(e, taps_step(e, x, pixel.index, CPU_BLOCK)),
        taps_opaque(e, taps_step(e, y, pixel.index, CPU_BLOCK)));
    emit_loop_end(e, &pixel);
    if (rest)
        pointwise_make_tile(task, rest,
                            taps_opaque(e, taps_at(e, x, whole * CPU_BLOCK)),
                            taps_opaque(e, taps_at(e, y, whole * CPU_BLOCK)));
}

// ---- strides ----------------------------------------------------------------

static bool packs(const ConvTaps *taps)
{
    return taps->rows.in_step > 1 || taps->cols.in_step > 1;
}

static bool spreads(const ConvTaps *taps)
{
    return taps->rows.out_step > 1 || taps->cols.out_step > 1;
}

// A row of `count` pixels, `from_step` apart, to one `to_step` apart.
static void copy_row(const Emit *e, int64_t count, LLVMValueRef from,
                     int64_t from_step, LLVMValueRef to, int64_t to_step)
{
    EmitLoop col = taps_loop(e, 0, count, 1);
    taps_store(
        e, taps_load(e, taps_step(e, from, col.index, from_step * CPU_BLOCK)),
        taps_step(e, to, col.index, to_step * CPU_BLOCK));
    emit_loop_end(e, &col);
}

// The task's pixels, side by side: [images][in_blocks][an image's], or joined,
// [in_blocks][images][an image's].
static void pack_pixels(PointTask *task)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    const TapAxis *rows = &taps->rows, *cols = &taps->cols;
    int64_t own = task->tile->rows * cols->count * CPU_BLOCK;
    int64_t line = task->line * CPU_BLOCK;
    int64_t image_step = task->tile->joins ? own : taps->in_blocks * own;
    LLVMValueRef scratch = scratch_at(task, task->scratch.pixels);
    LLVMValueRef count =
        LLVMBuildSub(e->builder, task->images.high, task->images.low, "");
    LLVMValueRef first = taps_step(e, task->x, task->images.low, task->x_image);
    EmitLoop image = emit_loop_begin(e, emit_i64(e, 0), count, 1);
    EmitLoop block = taps_loop(e, 0, taps->in_blocks, 1);
    EmitLoop row = taps_loop(e, 0, task->tile->rows, 1);
    LLVMValueRef from = taps_step(e, first, image.index, task->x_image);
    from = taps_step(e, from, block.index, task->x_map);
    from = taps_step(e, from, row.index, rows->in_step * cols->in * CPU_BLOCK);
    LLVMValueRef to = taps_step(e, scratch, image.index, image_step);
    to = taps_step(e, to, block.index, line);
    to = taps_step(e, to, row.index, cols->count * CPU_BLOCK);
    copy_row(e, cols->count, from, cols->in_step, to, 1);
    emit_loop_end(e, &row);
    emit_loop_end(e, &block);
    emit_loop_end(e, &image);
    task->x_map = line;
    task->x_image = image_step;
    LLVMValueRef before = LLVMBuildNeg(e->builder, task->images.low, "");
    task->x = taps_step(e, scratch, before, task->x_image);
}

// `count` pixels of zeros.
static void clear_pixels(const Emit *e, LLVMValueRef count, LLVMValueRef at)
{
    EmitLoop pixel = emit_loop_begin(e, emit_i64(e, 0), count, 1);
    taps_store(e, emit_const(e, DT_F32, CPU_BLOCK, 0),
               taps_step(e, at, pixel.index, CPU_BLOCK));
    emit_loop_end(e, &pixel);
}

// A pixel of the product and what is right of it, `width` pixels in all.
static void spread_pixel(const Emit *e, int64_t width, LLVMValueRef from,
                         LLVMValueRef to)
{
    taps_store(e, taps_load(e, from), to);
    for (int64_t i = 1; i < width; i++)
        taps_store(e, emit_const(e, DT_F32, CPU_BLOCK, 0),
                   taps_at(e, to, i * CPU_BLOCK));
}

// A row of the product and the rows below it, up to the next.
static void spread_row(const PointTask *task, LLVMValueRef row,
                       LLVMValueRef from, LLVMValueRef y)
{
    const Emit *e = task->emit;
    const TapAxis *rows = &task->taps->rows, *cols = &task->taps->cols;
    int64_t last = cols->count - 1, step = cols->out_step;
    LLVMValueRef at = taps_affine(e, row, rows->out_step, 0);
    LLVMValueRef left =
        LLVMBuildSub(e->builder, emit_i64(e, rows->out), at, "");
    LLVMValueRef to = taps_step(e, y, at, cols->out * CPU_BLOCK);
    EmitLoop col = taps_loop(e, 0, last, 1);
    spread_pixel(e, step, taps_step(e, from, col.index, CPU_BLOCK),
                 taps_step(e, to, col.index, step * CPU_BLOCK));
    emit_loop_end(e, &col);
    spread_pixel(e, cols->out - last * step, taps_at(e, from, last * CPU_BLOCK),
                 taps_at(e, to, last * step * CPU_BLOCK));
    left = emit_min_i64(e, left, emit_i64(e, rows->out_step));
    clear_pixels(e, taps_affine(e, left, cols->out, -cols->out),
                 taps_at(e, to, cols->out * CPU_BLOCK));
}

// An image's results of the group, from scratch. y points at its first row.
static void spread_results(const PointTask *task, LLVMValueRef y)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    LLVMValueRef from = scratch_at(task, task->scratch.results);
    EmitLoop block = taps_loop(e, 0, task->tile->blocks, 1);
    LLVMValueRef results =
        taps_step(e, from, block.index, task->line * CPU_BLOCK);
    LLVMValueRef to =
        taps_step(e, y, block.index, block_map(taps->rows.out, taps->cols.out));
    EmitLoop row = taps_loop(e, 0, task->tile->rows, 1);
    LLVMValueRef at = LLVMBuildAdd(e->builder, task->first_row, row.index, "");
    spread_row(task, at,
               taps_step(e, results, row.index, taps->cols.count * CPU_BLOCK),
               to);
    emit_loop_end(e, &row);
    emit_loop_end(e, &block);
}

// The joined images' results of the group, from scratch. y points at image 0's
// first row.
static void part_results(const PointTask *task, LLVMValueRef y)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    int64_t own = task->tile->rows * taps->cols.count;
    LLVMValueRef from = scratch_at(task, task->scratch.results);
    EmitLoop block = taps_loop(e, 0, task->tile->blocks, 1);
    LLVMValueRef results = taps_step(e, from, block.index, task->y_map);
    LLVMValueRef to =
        taps_step(e, y, block.index, block_map(taps->rows.out, taps->cols.out));
    EmitLoop image = emit_loop_begin(e, task->images.low, task->images.high, 1);
    LLVMValueRef nth =
        LLVMBuildSub(e->builder, image.index, task->images.low, "");
    copy_row(e, own, taps_step(e, results, nth, own * CPU_BLOCK), 1,
             taps_step(e, to, image.index, taps_image_out(taps)), 1);
    emit_loop_end(e, &image);
    emit_loop_end(e, &block);
}

// ---- weights ----------------------------------------------------------------

// The weights of the group and part, stored as [in_blocks][out_blocks],
// transposed as [blocks][reads]. Tiles are asked for one ahead.
static void pointwise_transpose_group(PointTask *task, LLVMValueRef group)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    int blocks = task->tile->blocks;
    int64_t stored = taps->out_blocks * CPU_TILE;
    LLVMValueRef from = taps_step(e, e->args[1], group, blocks * CPU_TILE);
    LLVMValueRef before = LLVMBuildNeg(e->builder, task->part.low, "");
    task->w =
        taps_step(e, scratch_at(task, task->scratch.weights), before, CPU_TILE);
    EmitLoop read = emit_loop_begin(e, task->part.low, task->part.high, 1);
    EmitLoop block = taps_loop(e, 0, blocks, 1);
    LLVMValueRef source = taps_step(e, from, read.index, stored);
    source = taps_step(e, source, block.index, CPU_TILE);
    LLVMValueRef target = taps_step(e, task->w, read.index, CPU_TILE);
    for (int i = 0; i < CPU_BLOCK; i++)
        taps_prefetch(e, taps_at(e, source, stored + i * CPU_BLOCK),
                      PREFETCH_READ);
    taps_transpose(e, taps_opaque(e, source), CPU_BLOCK,
                   taps_step(e, target, block.index, task->w_block));
    emit_loop_end(e, &block);
    emit_loop_end(e, &read);
}

// ---- tasks ------------------------------------------------------------------

static void pointwise_make_group(PointTask *task, LLVMValueRef group)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    int64_t blocks = task->tile->blocks;
    int64_t out_map = block_map(taps->rows.out, taps->cols.out);
    LLVMValueRef y = taps_step(e, task->y, group, blocks * out_map);
    if (task->tile->transposes)
        pointwise_transpose_group(task, group);
    else
        task->w = taps_step(e, e->args[1], group, blocks * task->w_block);
    if (task->tile->joins) {
        pointwise_make_line(task, scratch_at(task, task->scratch.pixels),
                            scratch_at(task, task->scratch.results));
        part_results(task, y);
        return;
    }
    EmitLoop image = emit_loop_begin(e, task->images.low, task->images.high, 1);
    LLVMValueRef x = taps_step(e, task->x, image.index, task->x_image);
    LLVMValueRef yi = taps_step(e, y, image.index, taps->out_blocks * out_map);
    if (spreads(taps)) {
        pointwise_make_line(task, x, scratch_at(task, task->scratch.results));
        spread_results(task, yi);
    } else {
        pointwise_make_line(task, x, yi);
    }
    emit_loop_end(e, &image);
}

// The task's number is, from first to last factor: images, rows, share of the
// written blocks. Returns the share.
static LLVMValueRef pointwise_decode_task(PointTask *task, int64_t shares)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    const TapAxis *rows = &taps->rows, *cols = &taps->cols;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef row_blocks =
        emit_i64(e, pointwise_row_blocks(taps, task->tile));
    LLVMValueRef count = emit_i64(e, shares);
    LLVMValueRef rest = LLVMBuildUDiv(b, e->task, count, "");
    task->first_row = taps_affine(e, LLVMBuildURem(b, rest, row_blocks, ""),
                                  task->tile->rows, 0);
    task->images.low = taps_affine(e, LLVMBuildUDiv(b, rest, row_blocks, ""),
                                   task->tile->images, 0);
    task->images.high = taps_add(e, task->images.low, task->tile->images);
    task->x = taps_step(e, e->args[0], task->first_row,
                        rows->in_step * cols->in * CPU_BLOCK);
    task->y = e->args[2];
    if (!spreads(taps))
        task->y = taps_step(e, task->y, task->first_row, cols->out * CPU_BLOCK);
    return LLVMBuildURem(b, e->task, count, "");
}

void emit_pointwise(Emit *e)
{
    const PointwiseKernel *kernel = &cpu_kernel(e)->pointwise;
    const ConvTaps *taps = &kernel->taps;
    const PointwiseTile *tile = &kernel->tile;
    PointTask task = {.emit = e,
                      .taps = taps,
                      .tile = tile,
                      .line = pointwise_line(taps, tile),
                      .scratch = pointwise_scratch(kernel),
                      .x_map = block_map(taps->rows.in, taps->cols.in),
                      .y_map = block_map(taps->rows.out, taps->cols.out),
                      .w_block =
                          (tile->transposes ? tile->reads : taps->in_blocks) *
                          CPU_TILE};
    task.x_image = taps->in_blocks * task.x_map;
    if (spreads(taps) || tile->joins)
        task.y_map = task.line * CPU_BLOCK;
    task.sums = taps_variables(e, tile->pixels * tile->blocks);
    int64_t groups = taps->out_blocks / tile->blocks;
    int64_t share = tile->writes / tile->blocks;
    LLVMValueRef index = pointwise_decode_task(&task, ceil_div(groups, share));
    LLVMValueRef low = taps_affine(e, index, share, 0);
    LLVMValueRef high =
        emit_min_i64(e, taps_add(e, low, share), emit_i64(e, groups));
    if (packs(taps))
        pack_pixels(&task);
    GradientRange all = {emit_i64(e, 0), emit_i64(e, taps->in_blocks)};
    EmitLoop part = gradient_parts(e, all, tile->reads, &task.part);
    if (tile->reads < taps->in_blocks)
        task.is_first =
            LLVMBuildICmp(e->builder, LLVMIntEQ, part.index, all.low, "");
    EmitLoop group = emit_loop_begin(e, low, high, 1);
    pointwise_make_group(&task, group.index);
    emit_loop_end(e, &group);
    emit_loop_end(e, &part);
}
