// Convolutions of 1x1 windows that read no rim, forward and by data, at any
// stride: products of pixels with weights.
//
// A task makes some written blocks of some rows of some images, whose pixels
// lie in a line. Groups of written blocks pass over them one after the other,
// so that pixels and the weights of a group are found in the second-level
// cache. A register tile asks for the pixels of the next one, and for its own
// results before it knows them. Where pixels of many channels would not stay in
// that cache, or a group's weights in the first-level cache, all groups go
// through a part of the channels, then the next, and results hold the sums in
// between. With a stride, pixels are read into scratch
// first, forward, small images one after the other, whose results are then
// parted; by data results are made there, a group's or, in parts of the
// channels, all of the task's, and then put among the zeros of pixels that were
// never read. By data a task may transpose its
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
    LLVMValueRef source;   // x, of image 0: the line's first pixel
    LLVMValueRef x;        // the same of what is multiplied: x or scratch
    LLVMValueRef y;        // of image 0: the line's first pixel, or the whole
                           // map where results are spread
    LLVMValueRef w;        // of the current group and part
    GradientRange part;    // blocks that are read
    LLVMValueRef is_first; // part: nothing is in y yet
    LLVMValueRef is_last;  // part: sums are whole; NULL as is_first: always
    LLVMValueRef block;    // the current group's first, of an image
    int64_t x_image, x_map, y_image, y_map, w_block; // elements to the next
    DType stored;  // of what tiles write: y or scratch
    bool by_group; // pointwise_by_group
    // Whether the current group is the task's first, whose tiles bring their
    // pixels to scratch as they come to them; NULL: pixels are there already.
    LLVMValueRef packs;
    // Where pixels are asked for: those that are packed next, of block 0;
    // whether the current group is the one that asks.
    LLVMValueRef next, asks;
} PointTask;

static LLVMValueRef scratch_at(const PointTask *task, int64_t elements)
{
    return taps_at(task->emit, LLVMGetParam(task->emit->function, 3), elements);
}

// How far the line's pixel `index` lies behind the first, in memory.
static LLVMValueRef place_at(const PointTask *task, LLVMValueRef index)
{
    return LLVMBuildGEP2(task->emit->builder, emit_int_type(task->emit, 64, 1),
                         scratch_at(task, task->scratch.places), &index, 1, "");
}

// ---- tiles ------------------------------------------------------------------

// Where the current group is the first: the tile's pixels of block `index`, if
// there is such a block, from where they come to x, as floats.
static void pack_tile(const PointTask *task, int pixels, LLVMValueRef from,
                      LLVMValueRef x, LLVMValueRef index)
{
    const Emit *e = task->emit;
    LLVMBuilderRef b = e->builder;
    DType dtype = task->taps->types.in[0];
    const TapAxis *rows = &task->taps->rows, *cols = &task->taps->cols;
    LLVMBasicBlockRef yes = emit_block(e), then = emit_block(e);
    LLVMValueRef there =
        LLVMBuildICmp(b, LLVMIntSLT, index, task->part.high, "");
    LLVMBuildCondBr(b, LLVMBuildAnd(b, there, task->packs, ""), yes, then);
    LLVMPositionBuilderAtEnd(b, yes);
    LLVMValueRef source =
        image_step(e, dtype, from, index, block_map(rows->in, cols->in));
    LLVMValueRef to = taps_step(e, x, index, task->x_map);
    for (int p = 0; p < pixels; p++)
        taps_store(
            e, image_load(e, dtype, image_at(e, dtype, source, p * CPU_BLOCK)),
            taps_at(e, to, p * CPU_BLOCK));
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, then);
}

// Results of the tile from y on: sums, or what is made of these.
static void store_tile(const PointTask *task, const TapsTile *tile,
                       LLVMValueRef y, bool whole)
{
    const Emit *e = task->emit;
    KernelTypes types = task->taps->types;
    types.out = task->stored;
    if (!whole)
        types.epilogue = NULL;
    for (int b = 0; b < tile->blocks; b++) {
        BlockResults results =
            results_begin(e, &types, taps_add(e, task->block, b));
        for (int p = 0; p < tile->pixels; p++)
            results_store(
                &results, taps_get(e, tile->sums[p * tile->blocks + b]),
                image_at(e, task->stored, y, p * CPU_BLOCK + b * task->y_map),
                NULL, NULL);
    }
}

// An epilogue waits for the last part of the channels, or for results to leave
// the scratch memory.
static void finish_tile(const PointTask *task, const TapsTile *tile,
                        LLVMValueRef y)
{
    const Emit *e = task->emit;
    LLVMBuilderRef b = e->builder;
    if (task->tile->joins || !task->is_last || !task->taps->types.epilogue) {
        store_tile(task, tile, y, !task->tile->joins);
        return;
    }
    LLVMBasicBlockRef last = emit_block(e), other = emit_block(e);
    LLVMBasicBlockRef then = emit_block(e);
    LLVMBuildCondBr(b, task->is_last, last, other);
    LLVMPositionBuilderAtEnd(b, last);
    store_tile(task, tile, y, true);
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, other);
    store_tile(task, tile, y, false);
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, then);
}

// The products of one block of the tile's pixels, of which `first` is the
// line's first. In the group that asks, with the same pixels of what is next.
static void multiply_block(const PointTask *task, const TapsTile *tile,
                           LLVMValueRef first, LLVMValueRef block,
                           LLVMValueRef x)
{
    const Emit *e = task->emit;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef pixels = taps_step(e, x, block, task->x_map);
    LLVMValueRef weights = taps_step(e, task->w, block, CPU_TILE);
    if (!task->asks) {
        taps_multiply(e, tile, NULL, pixels, weights);
        return;
    }
    TapsTile asking = *tile;
    LLVMBasicBlockRef yes = emit_block(e), no = emit_block(e);
    LLVMBasicBlockRef then = emit_block(e);
    LLVMBuildCondBr(b, task->asks, yes, no);
    LLVMPositionBuilderAtEnd(b, yes);
    asking.ahead =
        taps_step(e, task->next, block,
                  block_map(task->taps->rows.in, task->taps->cols.in));
    asking.ahead_at = place_at(task, first);
    taps_multiply(e, &asking, NULL, pixels, weights);
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, no);
    taps_multiply(e, tile, NULL, pixels, weights);
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, then);
}

// The tile's pixels, of which `first` is the line's first, lie from x on, or
// are to and come from `from`; its results lie from y on.
static void pointwise_make_tile(const PointTask *task, int pixels,
                                LLVMValueRef first, LLVMValueRef from,
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
        LLVMValueRef at = image_at(e, task->stored, y,
                                   i / tile.blocks * CPU_BLOCK +
                                       i % tile.blocks * task->y_map);
        if (!task->tile->joins)
            results_prefetch(e, &task->taps->types, at);
        if (task->is_first) {
            gradient_resume(e, task->is_first, at, tile.sums[i]);
            continue;
        }
        taps_set_zero(e, tile.sums[i]);
        taps_prefetch(e, at, PREFETCH_WRITE);
    }
    // A block ahead, that what was stored can be read.
    if (task->packs)
        pack_tile(task, pixels, from, x, task->part.low);
    EmitLoop block = emit_loop_begin(e, task->part.low, task->part.high, 1);
    if (task->packs)
        pack_tile(task, pixels, from, x, block.next);
    multiply_block(task, &tile, first, block.index, x);
    emit_loop_end(e, &block);
    finish_tile(task, &tile, y);
}

// Tiles of so many pixels each from the line's pixel `low` to `high`.
static void pointwise_make_tiles(const PointTask *task, int64_t low,
                                 int64_t high, int pixels, LLVMValueRef from,
                                 LLVMValueRef x, LLVMValueRef y)
{
    const Emit *e = task->emit;
    DType in = task->taps->types.in[0];
    EmitLoop pixel = taps_loop(e, low, high, pixels);
    pointwise_make_tile(task, pixels, pixel.index,
                        image_step(e, in, from, pixel.index, CPU_BLOCK),
                        taps_step(e, x, pixel.index, CPU_BLOCK),
                        image_step(e, task->stored, y, pixel.index, CPU_BLOCK));
    emit_loop_end(e, &pixel);
}

static void pointwise_make_line(const PointTask *task, LLVMValueRef from,
                                LLVMValueRef x, LLVMValueRef y)
{
    int pixels = task->tile->pixels;
    TapsCut cut = taps_cut(task->line, pixels);
    if (cut.whole > 0)
        pointwise_make_tiles(task, 0, cut.whole, pixels, from, x, y);
    if (cut.whole < task->line)
        pointwise_make_tiles(task, cut.whole, task->line, cut.rest, from, x, y);
}

// ---- pixels in scratch ------------------------------------------------------

// A row of `count` pixels, `step` apart and of that type, side by side as
// floats.
static void pack_row(const Emit *e, DType dtype, int64_t count,
                     LLVMValueRef from, int64_t step, LLVMValueRef to)
{
    EmitLoop col = taps_loop(e, 0, count, 1);
    taps_store(
        e,
        image_load(e, dtype,
                   image_step(e, dtype, from, col.index, step * CPU_BLOCK)),
        taps_step(e, to, col.index, CPU_BLOCK));
    emit_loop_end(e, &col);
}

// Places of the line's pixels, which are an image's; those behind its end are
// the first's.
static void list_places(const PointTask *task)
{
    const Emit *e = task->emit;
    LLVMBuilderRef b = e->builder;
    const TapAxis *rows = &task->taps->rows, *cols = &task->taps->cols;
    EmitLoop row = taps_loop(e, 0, task->tile->rows, 1);
    EmitLoop col = taps_loop(e, 0, cols->count, 1);
    LLVMValueRef index = LLVMBuildAdd(
        b, taps_affine(e, row.index, cols->count, 0), col.index, "");
    LLVMValueRef place = LLVMBuildAdd(
        b, taps_affine(e, row.index, rows->in_step * cols->in * CPU_BLOCK, 0),
        taps_affine(e, col.index, cols->in_step * CPU_BLOCK, 0), "");
    LLVMBuildStore(b, place, place_at(task, index));
    emit_loop_end(e, &col);
    emit_loop_end(e, &row);
    EmitLoop behind = taps_loop(e, task->line, task->line + CPU_BLOCK, 1);
    LLVMBuildStore(b, emit_i64(e, 0), place_at(task, behind.index));
    emit_loop_end(e, &behind);
}

// The task's pixels of the current part's channels: [images][reads][an
// image's], or joined, [reads][images][an image's]. A line of bf16 without gaps
// is left to the tiles of the first group.
static void pack_pixels(PointTask *task)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    const TapAxis *rows = &taps->rows, *cols = &taps->cols;
    DType dtype = taps->types.in[0];
    int64_t own = task->tile->rows * cols->count * CPU_BLOCK;
    int64_t line = task->line * CPU_BLOCK, map = block_map(rows->in, cols->in);
    LLVMValueRef scratch = scratch_at(task, task->scratch.pixels);
    task->x_map = line;
    task->x_image = task->tile->joins ? own : task->tile->reads * own;
    // So that images and blocks are found by their numbers.
    LLVMValueRef before = LLVMBuildNeg(e->builder, task->images.low, "");
    task->x = taps_step(e, scratch, before, task->x_image);
    before = LLVMBuildNeg(e->builder, task->part.low, "");
    task->x = taps_step(e, task->x, before, line);
    if (task->packs)
        return;
    EmitLoop image = emit_loop_begin(e, task->images.low, task->images.high, 1);
    EmitLoop block = emit_loop_begin(e, task->part.low, task->part.high, 1);
    LLVMValueRef from =
        image_step(e, dtype, task->source, image.index, taps->in_blocks * map);
    from = image_step(e, dtype, from, block.index, map);
    LLVMValueRef to = taps_step(e, task->x, image.index, task->x_image);
    to = taps_step(e, to, block.index, line);
    EmitLoop row = taps_loop(e, 0, task->tile->rows, 1);
    pack_row(e, dtype, cols->count,
             image_step(e, dtype, from, row.index,
                        rows->in_step * cols->in * CPU_BLOCK),
             cols->in_step,
             taps_step(e, to, row.index, cols->count * CPU_BLOCK));
    emit_loop_end(e, &row);
    emit_loop_end(e, &block);
    emit_loop_end(e, &image);
}

// Of the results, which no task reads again.
static void spread_store(const PointTask *task, LLVMValueRef value,
                         LLVMValueRef to)
{
    const Emit *e = task->emit;
    if (task->tile->past)
        emit_store_past(e, value, to, CPU_BLOCK * sizeof(float));
    else
        image_store(e, task->taps->types.out, value, to);
}

// `count` pixels of zeros.
static void clear_pixels(const PointTask *task, LLVMValueRef count,
                         LLVMValueRef at)
{
    const Emit *e = task->emit;
    EmitLoop pixel = emit_loop_begin(e, emit_i64(e, 0), count, 1);
    spread_store(
        task, emit_const(e, DT_F32, CPU_BLOCK, 0),
        image_step(e, task->taps->types.out, at, pixel.index, CPU_BLOCK));
    emit_loop_end(e, &pixel);
}

// A pixel of the product and what is right of it, `width` pixels in all.
static void spread_pixel(const PointTask *task, int64_t width,
                         LLVMValueRef from, LLVMValueRef to)
{
    const Emit *e = task->emit;
    spread_store(task, taps_load(e, from), to);
    for (int64_t i = 1; i < width; i++)
        spread_store(task, emit_const(e, DT_F32, CPU_BLOCK, 0),
                     image_at(e, task->taps->types.out, to, i * CPU_BLOCK));
}

// A row of the product and the rows below it, up to the next.
static void spread_row(const PointTask *task, LLVMValueRef row,
                       LLVMValueRef from, LLVMValueRef y)
{
    const Emit *e = task->emit;
    const TapAxis *rows = &task->taps->rows, *cols = &task->taps->cols;
    DType out = task->taps->types.out;
    int64_t last = cols->count - 1, step = cols->out_step;
    LLVMValueRef at = taps_affine(e, row, rows->out_step, 0);
    LLVMValueRef left =
        LLVMBuildSub(e->builder, emit_i64(e, rows->out), at, "");
    LLVMValueRef to = image_step(e, out, y, at, cols->out * CPU_BLOCK);
    EmitLoop col = taps_loop(e, 0, last, 1);
    spread_pixel(task, step, taps_step(e, from, col.index, CPU_BLOCK),
                 image_step(e, out, to, col.index, step * CPU_BLOCK));
    emit_loop_end(e, &col);
    spread_pixel(task, cols->out - last * step,
                 taps_at(e, from, last * CPU_BLOCK),
                 image_at(e, out, to, last * step * CPU_BLOCK));
    left = emit_min_i64(e, left, emit_i64(e, rows->out_step));
    clear_pixels(task, taps_affine(e, left, cols->out, -cols->out),
                 image_at(e, out, to, cols->out * CPU_BLOCK));
}

// An image's results of `count` blocks, from scratch. y points at its first
// row.
static void spread_results(const PointTask *task, LLVMValueRef count,
                           LLVMValueRef from, LLVMValueRef y)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    EmitLoop block = emit_loop_begin(e, emit_i64(e, 0), count, 1);
    LLVMValueRef results =
        taps_step(e, from, block.index, task->line * CPU_BLOCK);
    LLVMValueRef to = image_step(e, taps->types.out, y, block.index,
                                 block_map(taps->rows.out, taps->cols.out));
    EmitLoop row = taps_loop(e, 0, task->tile->rows, 1);
    LLVMValueRef at = LLVMBuildAdd(e->builder, task->first_row, row.index, "");
    spread_row(task, at,
               taps_step(e, results, row.index, taps->cols.count * CPU_BLOCK),
               to);
    emit_loop_end(e, &row);
    emit_loop_end(e, &block);
}

// `count` pixels of scratch, in a line, as they are stored in y.
static void round_line(const Emit *e, DType dtype, int64_t count,
                       LLVMValueRef from, LLVMValueRef to)
{
    EmitLoop pixel = taps_loop(e, 0, count, 1);
    image_store(e, dtype,
                taps_load(e, taps_step(e, from, pixel.index, CPU_BLOCK)),
                image_step(e, dtype, to, pixel.index, CPU_BLOCK));
    emit_loop_end(e, &pixel);
}

// The joined images' results of the group, from scratch. y points at image 0's
// first row.
static void part_results(const PointTask *task, LLVMValueRef y)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    DType out = taps->types.out;
    int64_t own = task->tile->rows * taps->cols.count;
    LLVMValueRef from = scratch_at(task, task->scratch.results);
    EmitLoop block = taps_loop(e, 0, task->tile->blocks, 1);
    LLVMValueRef results = taps_step(e, from, block.index, task->y_map);
    LLVMValueRef to = image_step(e, out, y, block.index,
                                 block_map(taps->rows.out, taps->cols.out));
    EmitLoop image = emit_loop_begin(e, task->images.low, task->images.high, 1);
    LLVMValueRef nth =
        LLVMBuildSub(e->builder, image.index, task->images.low, "");
    LLVMValueRef mine = taps_step(e, results, nth, own * CPU_BLOCK);
    LLVMValueRef theirs =
        image_step(e, out, to, image.index, taps_image_out(taps));
    BlockResults made =
        results_begin(e, &taps->types,
                      LLVMBuildAdd(e->builder, task->block, block.index, ""));
    EmitLoop pixel = taps_loop(e, 0, own, 1);
    results_store(
        &made, taps_load(e, taps_step(e, mine, pixel.index, CPU_BLOCK)),
        image_step(e, out, theirs, pixel.index, CPU_BLOCK), NULL, NULL);
    emit_loop_end(e, &pixel);
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
    taps_transpose(e, source, CPU_BLOCK,
                   taps_step(e, target, block.index, task->w_block));
    emit_loop_end(e, &block);
    emit_loop_end(e, &read);
}

// ---- tasks ------------------------------------------------------------------

// Sums apart, [images][writes][line], of the task's groups from `low` on: where
// image 0 and group 0 would be.
static LLVMValueRef sums_apart(const PointTask *task, LLVMValueRef low)
{
    const Emit *e = task->emit;
    int64_t line = task->line * CPU_BLOCK;
    LLVMValueRef before = LLVMBuildNeg(e->builder, task->images.low, "");
    LLVMValueRef at = taps_step(e, scratch_at(task, task->scratch.sums), before,
                                task->tile->writes * line);
    before = LLVMBuildNeg(e->builder, low, "");
    return taps_step(e, at, before, task->tile->blocks * line);
}

// What is whole now, from scratch to y: rounded, or put among zeros.
static void store_sums(const PointTask *task, LLVMValueRef y,
                       GradientRange groups)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    int64_t line = task->line * CPU_BLOCK, blocks = task->tile->blocks;
    int64_t map = block_map(taps->rows.out, taps->cols.out);
    DType out = taps->types.out;
    LLVMValueRef low = taps_affine(e, groups.low, blocks, 0);
    LLVMValueRef high = taps_affine(e, groups.high, blocks, 0);
    EmitLoop image = emit_loop_begin(e, task->images.low, task->images.high, 1);
    LLVMValueRef from =
        taps_step(e, task->y, image.index, task->tile->writes * line);
    LLVMValueRef to =
        image_step(e, out, y, image.index, taps->out_blocks * map);
    if (pointwise_spreads(taps)) {
        spread_results(task, LLVMBuildSub(e->builder, high, low, ""),
                       taps_step(e, from, low, line),
                       image_step(e, out, to, low, map));
    } else {
        EmitLoop block = emit_loop_begin(e, low, high, 1);
        round_line(e, out, task->line, taps_step(e, from, block.index, line),
                   image_step(e, out, to, block.index, map));
        emit_loop_end(e, &block);
    }
    emit_loop_end(e, &image);
}

static void pointwise_make_group(PointTask *task, LLVMValueRef group)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    int64_t in_map = block_map(taps->rows.in, taps->cols.in);
    int64_t blocks = task->tile->blocks;
    int64_t out_map = task->by_group ? block_map(taps->rows.out, taps->cols.out)
                                     : task->y_map;
    DType out = task->by_group ? taps->types.out : task->stored;
    LLVMValueRef y = image_step(e, out, task->y, group, blocks * out_map);
    task->block = taps_affine(e, group, blocks, 0);
    if (task->tile->transposes)
        pointwise_transpose_group(task, group);
    else
        task->w = taps_step(e, e->args[1], group, blocks * task->w_block);
    if (task->tile->joins) {
        pointwise_make_line(task, task->source,
                            scratch_at(task, task->scratch.pixels),
                            scratch_at(task, task->scratch.results));
        part_results(task, y);
        return;
    }
    LLVMValueRef next = task->next;
    EmitLoop image = emit_loop_begin(e, task->images.low, task->images.high, 1);
    if (next) // each image asks for the one in its place
        task->next = taps_step(
            e, next,
            LLVMBuildSub(e->builder, image.index, task->images.low, ""),
            taps->in_blocks * in_map);
    LLVMValueRef x = taps_step(e, task->x, image.index, task->x_image);
    LLVMValueRef from = image_step(e, taps->types.in[0], task->source,
                                   image.index, taps->in_blocks * in_map);
    LLVMValueRef yi = image_step(e, out, y, image.index, task->y_image);
    if (task->by_group) {
        LLVMValueRef results = scratch_at(task, task->scratch.results);
        pointwise_make_line(task, from, x, results);
        spread_results(task, emit_i64(e, blocks), results, yi);
    } else {
        pointwise_make_line(task, from, x, yi);
    }
    emit_loop_end(e, &image);
    task->next = next;
}

// The first row and image of a task's pixels. Its number is, from first to last
// factor: images, rows, share of the written blocks.
static void find_pixels(const PointTask *task, LLVMValueRef number,
                        int64_t shares, LLVMValueRef *row, LLVMValueRef *image)
{
    const Emit *e = task->emit;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef blocks =
        emit_i64(e, pointwise_row_blocks(task->taps, task->tile));
    LLVMValueRef rest = LLVMBuildUDiv(b, number, emit_i64(e, shares), "");
    *row =
        taps_affine(e, LLVMBuildURem(b, rest, blocks, ""), task->tile->rows, 0);
    *image = taps_affine(e, LLVMBuildUDiv(b, rest, blocks, ""),
                         task->tile->images, 0);
}

// Of image 0, the line's first pixel.
static LLVMValueRef source_of(const PointTask *task, LLVMValueRef row)
{
    const ConvTaps *taps = task->taps;
    return image_step(task->emit, taps->types.in[0], task->emit->args[0], row,
                      taps->rows.in_step * taps->cols.in * CPU_BLOCK);
}

// What is packed after the current part: the next one, or the first of the task
// after this one, which the same thread does, if any.
static void find_next(PointTask *task, int64_t shares, LLVMValueRef part_next)
{
    const Emit *e = task->emit;
    LLVMBuilderRef b = e->builder;
    const ConvTaps *taps = task->taps;
    LLVMValueRef row, image;
    int64_t map = block_map(taps->rows.in, taps->cols.in);
    find_pixels(task, taps_add(e, e->task, 1), shares, &row, &image);
    task->next =
        taps_step(e, source_of(task, row), image, taps->in_blocks * map);
    if (!task->is_last)
        return;
    LLVMValueRef own =
        taps_step(e, task->source, task->images.low, taps->in_blocks * map);
    own = taps_step(e, own, part_next, map);
    task->next = LLVMBuildSelect(b, task->is_last, task->next, own, "");
    // Blocks are counted from the part's first on.
    task->next =
        taps_step(e, task->next, LLVMBuildNeg(b, task->part.low, ""), map);
}

// Returns the task's share of the written blocks.
static LLVMValueRef pointwise_decode_task(PointTask *task, int64_t shares)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    const TapAxis *cols = &taps->cols;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef count = emit_i64(e, shares);
    find_pixels(task, e->task, shares, &task->first_row, &task->images.low);
    task->images.high = taps_add(e, task->images.low, task->tile->images);
    task->source = source_of(task, task->first_row);
    task->x = task->source;
    task->y = e->args[2];
    if (!pointwise_spreads(taps))
        task->y = image_step(e, taps->types.out, task->y, task->first_row,
                             cols->out * CPU_BLOCK);
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
                          CPU_TILE,
                      .stored = taps->types.out,
                      .by_group = pointwise_by_group(kernel)};
    task.x_image = taps->in_blocks * task.x_map;
    task.y_image = taps->out_blocks * task.y_map;
    task.sums = taps_variables(e, tile->pixels * tile->blocks);
    int64_t groups = taps->out_blocks / tile->blocks;
    int64_t share = tile->writes / tile->blocks;
    int64_t shares = ceil_div(groups, share);
    LLVMValueRef index = pointwise_decode_task(&task, shares);
    LLVMValueRef low = taps_affine(e, index, share, 0);
    LLVMValueRef high =
        emit_min_i64(e, taps_add(e, low, share), emit_i64(e, groups));
    LLVMValueRef y = task.y;
    if (pointwise_sums_apart(kernel))
        task.y = sums_apart(&task, low);
    if (task.by_group || pointwise_sums_apart(kernel)) {
        task.stored = DT_F32;
        task.y_map = task.line * CPU_BLOCK;
    }
    if (pointwise_sums_apart(kernel))
        task.y_image = tile->writes * task.y_map;
    GradientRange all = {emit_i64(e, 0), emit_i64(e, taps->in_blocks)};
    EmitLoop part = gradient_parts(e, all, tile->reads, &task.part);
    if (tile->reads < taps->in_blocks) {
        task.is_first =
            LLVMBuildICmp(e->builder, LLVMIntEQ, part.index, all.low, "");
        task.is_last =
            LLVMBuildICmp(e->builder, LLVMIntEQ, task.part.high, all.high, "");
    }
    bool dense = taps->rows.in_step == 1 && taps->cols.in_step == 1 &&
                 taps->cols.in == taps->cols.count;
    if (pointwise_packs(taps) && dense)
        task.packs = low; // until the groups are counted
    if (pointwise_packs(taps))
        pack_pixels(&task);
    if (pointwise_asks(taps, tile)) {
        list_places(&task);
        find_next(&task, shares, part.next);
    }
    EmitLoop group = emit_loop_begin(e, low, high, 1);
    if (pointwise_asks(taps, tile))
        task.asks = LLVMBuildICmp(e->builder, LLVMIntEQ, group.index, low, "");
    if (task.packs)
        task.packs = LLVMBuildICmp(e->builder, LLVMIntEQ, group.index, low, "");
    pointwise_make_group(&task, group.index);
    emit_loop_end(e, &group);
    emit_loop_end(e, &part);
    if (pointwise_sums_apart(kernel))
        store_sums(&task, y, (GradientRange){low, high});
    if (tile->past)
        emit_fence_past(e);
}
