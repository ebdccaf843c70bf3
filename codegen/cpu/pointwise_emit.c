// Convolutions of 1x1 windows that read no rim, forward and by data, at any
// stride: products of pixels with weights.
//
// A task makes some written blocks of some rows of some images, whose pixels
// lie in a line. Groups of written blocks pass over them one after the other,
// so that pixels and the weights of a group are found in the second-level
// cache. A register tile asks for the pixels of the next one, and for its own
// results before it knows them. Where pixels of many channels would not stay in
// that cache, all groups go through a part of the channels, then the next, and
// so they do where a group's weights would not stay in the first-level cache.
// Results hold the sums in between. Those of bf16 would round them: there each
// group goes through the parts of its own weights by itself, and its sums wait
// in scratch, as those of all groups do where it is for the pixels. With a
// stride, pixels are read into scratch first, forward, small images one after
// the other, whose results are then parted; by data results are made there, a
// group's or, in parts of the channels, all of the task's, and then put among
// the zeros of pixels that were never read. By data a task may transpose its
// weights for itself. The order of the sum is that of the channels, for any
// tile, task and thread.
#include "codegen/integers.h"
#include "codegen/cpu/pointwise_emit.h"

// ---- tiles ------------------------------------------------------------------

// Where the current group is the first: the tile's pixels of block `index`, if
// there is such a block, from where they come to x, as floats.
static void pack_tile(const PointTask *task, int pixels, PointLine at,
                      LLVMValueRef index)
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
        image_step(e, dtype, at.from, index, block_map(rows->in, cols->in));
    LLVMValueRef to = taps_step(e, at.x, index, task->x_map);
    for (int p = 0; p < pixels; p++)
        taps_store(
            e, image_load(e, dtype, image_at(e, dtype, source, p * CPU_BLOCK)),
            taps_at(e, to, p * CPU_BLOCK));
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, then);
}

// The tile's sums, to what follows in that form `map` elements from block to
// block: as they are, or what is made of them when they are whole.
static void store_tile(const PointTask *task, const TapsTile *tile,
                       LLVMValueRef to, DType dtype, int64_t map, bool whole)
{
    const Emit *e = task->emit;
    KernelTypes types = task->taps->types;
    types.out = dtype;
    if (!whole)
        types.epilogue = NULL;
    for (int b = 0; b < tile->blocks; b++) {
        BlockResults results =
            results_begin(e, &types, taps_add(e, task->block, b));
        for (int p = 0; p < tile->pixels; p++)
            results_store(
                &results, taps_get(e, tile->sums[p * tile->blocks + b]),
                image_at(e, dtype, to, p * CPU_BLOCK + b * map), NULL, NULL);
    }
}

// An epilogue waits for the last part of the channels, as rounding does, or for
// results to leave the scratch memory.
static void finish_tile(const PointTask *task, const TapsTile *tile,
                        PointLine at)
{
    const Emit *e = task->emit;
    LLVMBuilderRef b = e->builder;
    bool differs = task->taps->types.epilogue || task->waiting;
    if (task->tile->joins || !task->is_last || !differs) {
        store_tile(task, tile, at.y, task->stored, task->y_map,
                   !task->tile->joins);
        return;
    }
    LLVMBasicBlockRef last = emit_block(e), other = emit_block(e);
    LLVMBasicBlockRef then = emit_block(e);
    LLVMBuildCondBr(b, task->is_last, last, other);
    LLVMPositionBuilderAtEnd(b, last);
    store_tile(task, tile, at.y, task->stored, task->y_map, true);
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, other);
    store_tile(task, tile, at.sums, DT_F32, task->sums_map, false);
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
    asking.ahead_at = point_place(task, first);
    taps_multiply(e, &asking, NULL, pixels, weights);
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, no);
    taps_multiply(e, tile, NULL, pixels, weights);
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, then);
}

// The tile's pixels, of which `first` is the line's first, begin at `at`.
static void pointwise_make_tile(const PointTask *task, int pixels,
                                LLVMValueRef first, PointLine at)
{
    const Emit *e = task->emit;
    TapsTile tile = {.pixels = pixels,
                     .blocks = task->tile->blocks,
                     .sums = task->sums,
                     .pixel_step = CPU_BLOCK,
                     .block_step = task->w_block,
                     .x_ahead = pixels * CPU_BLOCK};
    for (int i = 0; i < pixels * tile.blocks; i++) {
        int64_t pixel = i / tile.blocks * CPU_BLOCK, block = i % tile.blocks;
        LLVMValueRef y =
            image_at(e, task->stored, at.y, pixel + block * task->y_map);
        if (!task->tile->joins)
            results_prefetch(e, &task->taps->types, y);
        if (task->is_first) {
            gradient_resume(e, task->is_first,
                            taps_at(e, at.sums, pixel + block * task->sums_map),
                            tile.sums[i]);
            continue;
        }
        taps_set_zero(e, tile.sums[i]);
        taps_prefetch(e, y, PREFETCH_WRITE);
    }
    // A block ahead, that what was stored can be read.
    if (task->packs)
        pack_tile(task, pixels, at, task->part.low);
    EmitLoop block = emit_loop_begin(e, task->part.low, task->part.high, 1);
    if (task->packs)
        pack_tile(task, pixels, at, block.next);
    multiply_block(task, &tile, first, block.index, at.x);
    emit_loop_end(e, &block);
    finish_tile(task, &tile, at);
}

// Tiles of so many pixels each from the line's pixel `low` to `high`.
static void pointwise_make_tiles(const PointTask *task, int64_t low,
                                 int64_t high, int pixels, PointLine line)
{
    const Emit *e = task->emit;
    DType in = task->taps->types.in[0];
    EmitLoop pixel = taps_loop(e, low, high, pixels);
    PointLine at = {
        .from = image_step(e, in, line.from, pixel.index, CPU_BLOCK),
        .x = taps_step(e, line.x, pixel.index, CPU_BLOCK),
        .sums = taps_step(e, line.sums, pixel.index, CPU_BLOCK),
        .y = image_step(e, task->stored, line.y, pixel.index, CPU_BLOCK)};
    pointwise_make_tile(task, pixels, pixel.index, at);
    emit_loop_end(e, &pixel);
}

static void pointwise_make_line(const PointTask *task, PointLine line)
{
    int pixels = task->tile->pixels;
    TapsCut cut = taps_cut(task->line, pixels);
    if (cut.whole > 0)
        pointwise_make_tiles(task, 0, cut.whole, pixels, line);
    if (cut.whole < task->line)
        pointwise_make_tiles(task, cut.whole, task->line, cut.rest, line);
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
    task->w = taps_step(e, point_scratch(task, task->scratch.weights), before,
                        CPU_TILE);
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

// Where tiles put their sums: into y, or floats into scratch, where they wait
// for the next part, [images][blocks of a group or of the task][line], or to be
// put among zeros.
static void find_waiting(PointTask *task, const PointwiseKernel *kernel)
{
    const Emit *e = task->emit;
    int64_t map = task->line * CPU_BLOCK;
    int64_t blocks = pointwise_waiting_blocks(kernel);
    task->spreads_sums = blocks > 0 && pointwise_spreads(task->taps);
    if (task->by_group || task->spreads_sums) {
        task->stored = DT_F32;
        task->y_map = map;
    }
    task->sums_map = blocks > 0 ? map : task->y_map;
    if (blocks == 0)
        return;
    task->sums_image = blocks * map;
    LLVMValueRef before = LLVMBuildNeg(e->builder, task->images.low, "");
    LLVMValueRef at = taps_step(e, point_scratch(task, task->scratch.sums),
                                before, task->sums_image);
    if (task->spreads_sums) {
        task->y = at;
        task->y_image = task->sums_image;
    } else {
        task->waiting = at;
    }
}

// All sums of the task's groups, which are whole now, from scratch to y among
// zeros.
static void spread_sums(const PointTask *task, LLVMValueRef y,
                        GradientRange groups)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    int64_t blocks = task->tile->blocks;
    int64_t map = block_map(taps->rows.out, taps->cols.out);
    DType out = taps->types.out;
    LLVMValueRef low = taps_affine(e, groups.low, blocks, 0);
    LLVMValueRef high = taps_affine(e, groups.high, blocks, 0);
    EmitLoop image = emit_loop_begin(e, task->images.low, task->images.high, 1);
    LLVMValueRef from = taps_step(e, task->y, image.index, task->y_image);
    LLVMValueRef to =
        image_step(e, out, y, image.index, taps->out_blocks * map);
    point_spread(task, LLVMBuildSub(e->builder, high, low, ""), from,
                 image_step(e, out, to, low, map));
    emit_loop_end(e, &image);
}

// The group's sums of a part of the channels, or all, of all images' lines. y
// is the group's, of image 0.
static void pointwise_make_lines(PointTask *task, LLVMValueRef y)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    int64_t in_map = block_map(taps->rows.in, taps->cols.in);
    DType out = task->by_group ? taps->types.out : task->stored;
    LLVMValueRef next = task->next;
    EmitLoop image = emit_loop_begin(e, task->images.low, task->images.high, 1);
    if (next) // each image asks for the one in its place
        task->next = taps_step(
            e, next,
            LLVMBuildSub(e->builder, image.index, task->images.low, ""),
            taps->in_blocks * in_map);
    PointLine line = {.from = image_step(e, taps->types.in[0], task->source,
                                         image.index, taps->in_blocks * in_map),
                      .x = taps_step(e, task->x, image.index, task->x_image),
                      .y = image_step(e, out, y, image.index, task->y_image)};
    LLVMValueRef spread = line.y;
    if (task->by_group)
        line.y = point_scratch(task, task->scratch.results);
    line.sums = line.y;
    if (task->waiting)
        line.sums = taps_step(e, task->waiting, image.index, task->sums_image);
    pointwise_make_line(task, line);
    if (task->by_group)
        point_spread(task, emit_i64(e, task->tile->blocks), line.y, spread);
    emit_loop_end(e, &image);
    task->next = next;
}

static void pointwise_make_part(PointTask *task, LLVMValueRef group,
                                LLVMValueRef y)
{
    const Emit *e = task->emit;
    if (task->tile->transposes)
        pointwise_transpose_group(task, group);
    else
        task->w =
            taps_step(e, e->args[1], group, task->tile->blocks * task->w_block);
    if (!task->tile->joins) {
        pointwise_make_lines(task, y);
        return;
    }
    LLVMValueRef results = point_scratch(task, task->scratch.results);
    pointwise_make_line(
        task, (PointLine){.from = task->source,
                          .x = point_scratch(task, task->scratch.pixels),
                          .sums = results,
                          .y = results});
    point_part(task, y);
}

// Whether the part is the first of all channels, and the last.
static void find_ends(PointTask *task)
{
    LLVMBuilderRef b = task->emit->builder;
    LLVMValueRef all = emit_i64(task->emit, task->taps->in_blocks);
    LLVMValueRef none = emit_i64(task->emit, 0);
    task->is_first = LLVMBuildICmp(b, LLVMIntEQ, task->part.low, none, "");
    task->is_last = LLVMBuildICmp(b, LLVMIntEQ, task->part.high, all, "");
}

// The group's sums of the channels of the task's current part.
static void pointwise_make_group(PointTask *task, LLVMValueRef group)
{
    const Emit *e = task->emit;
    const TapAxis *rows = &task->taps->rows, *cols = &task->taps->cols;
    int64_t blocks = task->tile->blocks;
    LLVMValueRef nth = LLVMBuildSub(e->builder, group, task->first_group, "");
    LLVMValueRef y = task->y, waiting = task->waiting;
    task->block = taps_affine(e, group, blocks, 0);
    if (task->by_group)
        y = image_step(e, task->taps->types.out, y, task->block,
                       block_map(rows->out, cols->out));
    else if (task->spreads_sums)
        y = taps_step(e, y, nth, blocks * task->y_map);
    else
        y = image_step(e, task->stored, y, task->block, task->y_map);
    if (waiting && task->sums_image > blocks * task->sums_map)
        task->waiting = taps_step(e, waiting, nth, blocks * task->sums_map);
    GradientRange whole = task->part;
    if (task->tile->group_reads < task->tile->reads) {
        EmitLoop part =
            gradient_parts(e, whole, task->tile->group_reads, &task->part);
        find_ends(task);
        pointwise_make_part(task, group, y);
        emit_loop_end(e, &part);
    } else {
        pointwise_make_part(task, group, y);
    }
    task->part = whole;
    task->waiting = waiting;
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
    PointTask task = {
        .emit = e,
        .taps = taps,
        .tile = tile,
        .line = pointwise_line(taps, tile),
        .scratch = pointwise_scratch(kernel),
        .x_map = block_map(taps->rows.in, taps->cols.in),
        .y_map = block_map(taps->rows.out, taps->cols.out),
        .w_block =
            (tile->transposes ? tile->group_reads : taps->in_blocks) * CPU_TILE,
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
    task.first_group = low;
    find_waiting(&task, kernel);
    GradientRange all = {emit_i64(e, 0), emit_i64(e, taps->in_blocks)};
    EmitLoop part = gradient_parts(e, all, tile->reads, &task.part);
    if (tile->reads < taps->in_blocks)
        find_ends(&task);
    bool dense = taps->rows.in_step == 1 && taps->cols.in_step == 1 &&
                 taps->cols.in == taps->cols.count;
    if (pointwise_packs(taps) && dense)
        task.packs = low; // until the groups are counted
    if (pointwise_packs(taps))
        point_pack(&task);
    if (pointwise_asks(taps, tile)) {
        point_list_places(&task);
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
    if (task.spreads_sums)
        spread_sums(&task, y, (GradientRange){low, high});
    if (tile->past)
        emit_fence_past(e);
}
