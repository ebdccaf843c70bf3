// Products of pixels with weights: pixels that come to scratch, side by side
// and as floats, before they are multiplied, and results that leave it.
#include "codegen/cpu/pointwise_emit.h"

LLVMValueRef point_scratch(const PointTask *task, int64_t elements)
{
    return taps_at(task->emit, LLVMGetParam(task->emit->function, 3), elements);
}

LLVMValueRef point_place(const PointTask *task, LLVMValueRef index)
{
    return LLVMBuildGEP2(task->emit->builder, emit_int_type(task->emit, 64, 1),
                         point_scratch(task, task->scratch.places), &index, 1,
                         "");
}

// ---- pixels -----------------------------------------------------------------

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

void point_list_places(const PointTask *task)
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
    LLVMBuildStore(b, place, point_place(task, index));
    emit_loop_end(e, &col);
    emit_loop_end(e, &row);
    EmitLoop behind = taps_loop(e, task->line, task->line + CPU_BLOCK, 1);
    LLVMBuildStore(b, emit_i64(e, 0), point_place(task, behind.index));
    emit_loop_end(e, &behind);
}

void point_pack(PointTask *task)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    const TapAxis *rows = &taps->rows, *cols = &taps->cols;
    DType dtype = taps->types.in[0];
    int64_t own = task->tile->rows * cols->count * CPU_BLOCK;
    int64_t line = task->line * CPU_BLOCK, map = block_map(rows->in, cols->in);
    LLVMValueRef scratch = point_scratch(task, task->scratch.pixels);
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

void point_spread(const PointTask *task, LLVMValueRef count, LLVMValueRef from,
                  LLVMValueRef y)
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

void point_part(const PointTask *task, LLVMValueRef y)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    DType out = taps->types.out;
    int64_t own = task->tile->rows * taps->cols.count;
    LLVMValueRef from = point_scratch(task, task->scratch.results);
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
