// The gradient of a convolution by its weights, over blocked tensors:
//
//   dw[ob, cb, r, s, c, o] = sum over n, row, col of
//       x[n, cb, rows(row, r), cols(col, s), c] * dy[n, ob, row, col, o]
//
// A task makes a share of the written and of the read blocks. It goes through
// the pixels in parts of some rows and images, few enough that all its blocks
// of x and dy stay in the cache until each of one has met each of the other. A
// register tile holds some channels c of one tap of a read block with one or
// more written ones while the sum runs over the part; dw keeps the tile between
// parts. The order of the
// sum is that of the loops. Tasks may share the images out in chunks of imm[1];
// each makes a partial result.
#include "codegen/integers.h"
#include "codegen/cpu/emit_gradient.h"

enum { UNROLLED_PIXELS = 8 };

typedef struct WeightTask {
    const Emit *emit;
    const ConvTaps *taps;
    const WeightsTile *tile;
    LLVMValueRef *sums;
    LLVMValueRef xs, dys;    // of the task's group of channels, or scratch
    LLVMValueRef sources[2]; // x and dy of that group, where they are packed
    WeightsScratch scratch;
    int64_t x_image, y_image, x_map, y_map; // elements to the next
    int64_t x_row, x_pixel;
    LLVMValueRef x, dy, dw;     // of the current pair of blocks, or the first
    int blocks;                 // written, of the current tile
    bool packs[2];              // x, dy go to scratch, a part at a time
    GradientRange in, out;      // blocks of the task
    GradientRange images, rows; // of the current part
    LLVMValueRef is_first;      // nothing is in dw yet
} WeightTask;

static int64_t read_map(const ConvTaps *taps)
{
    return block_map(taps->rows.in, taps->cols.in);
}

static int64_t written_map(const ConvTaps *taps)
{
    return block_map(taps->rows.out, taps->cols.out);
}

// Elements of dw for a pair of blocks.
static int64_t weight_pair(const ConvTaps *taps)
{
    return taps->rows.taps * taps->cols.taps * CPU_TILE;
}

// ---- the sum ----------------------------------------------------------------

// Columns [low, high), known when the code is made.
typedef struct Columns {
    int64_t low, high;
} Columns;

// Those for which the tap is inside the input.
static Columns valid_columns(const TapAxis *cols, int64_t tap)
{
    Columns range = {0, cols->count};
    while (range.low < range.high && !tap_inside(cols, range.low, tap))
        range.low++;
    while (range.low < range.high && !tap_inside(cols, range.high - 1, tap))
        range.high--;
    return range;
}

// `count` pixels from where x and dy point. The next blocks' are asked for, but
// where a tile is narrow and would ask for each again and again.
static void weights_add_pixels(const WeightTask *task, int64_t count,
                               LLVMValueRef x, LLVMValueRef dy)
{
    const Emit *e = task->emit;
    TapsTile tile = {.pixels = task->tile->channels,
                     .blocks = task->blocks,
                     .sums = task->sums,
                     .pixel_step = 1,
                     .block_step = task->y_map};
    for (int64_t i = 0; i < count; i++) {
        LLVMValueRef xi = taps_at(e, x, i * task->x_pixel);
        LLVMValueRef yi = taps_at(e, dy, i * CPU_BLOCK);
        if (tile.pixels * tile.blocks >= CPU_BLOCK) {
            taps_prefetch(e, taps_at(e, xi, task->x_map), PREFETCH_LATER);
            taps_prefetch(e, taps_at(e, yi, tile.blocks * task->y_map),
                          PREFETCH_LATER);
        }
        taps_multiply_one(e, &tile, NULL, xi, yi);
    }
}

// The columns of a row, several to a round: the end of a loop of few rounds is
// foreseen by the processor.
static void weights_add_row(const WeightTask *task, Columns cols,
                            LLVMValueRef x, LLVMValueRef dy)
{
    const Emit *e = task->emit;
    int64_t step = task->x_pixel;
    int64_t count = cols.high - cols.low;
    int64_t rest = count % UNROLLED_PIXELS, low = cols.low;
    if (count >= UNROLLED_PIXELS) {
        EmitLoop col = taps_loop(e, low, cols.high - rest, UNROLLED_PIXELS);
        weights_add_pixels(task, UNROLLED_PIXELS,
                           taps_step(e, x, col.index, step),
                           taps_step(e, dy, col.index, CPU_BLOCK));
        emit_loop_end(e, &col);
        low = cols.high - rest;
    }
    weights_add_pixels(task, rest, taps_at(e, x, low * step),
                       taps_at(e, dy, low * CPU_BLOCK));
}

// The images, rows and columns of the current part. x points at image 0, at the
// tile's first channel of tap (r, s) of pixel (0, 0).
static void weights_add_part(const WeightTask *task, LLVMValueRef x,
                             GradientRange rows, Columns cols)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    const TapAxis *c = &taps->cols;
    EmitLoop images =
        emit_loop_begin(e, task->images.low, task->images.high, 1);
    LLVMValueRef xn = taps_step(e, x, images.index, task->x_image);
    LLVMValueRef yn = taps_step(e, task->dy, images.index, task->y_image);
    EmitLoop row = emit_loop_begin(e, rows.low, rows.high, 1);
    LLVMValueRef xr = taps_step(e, xn, row.index, task->x_row);
    LLVMValueRef yr = taps_step(e, yn, row.index, c->out * CPU_BLOCK);
    weights_add_row(task, cols, taps_opaque(e, xr), taps_opaque(e, yr));
    emit_loop_end(e, &row);
    emit_loop_end(e, &images);
}

// Some channels of one tap: the tile's life in registers.
static void weights_make_tile(const WeightTask *task, LLVMValueRef x,
                              LLVMValueRef dw, GradientRange rows, Columns cols)
{
    const Emit *e = task->emit;
    int64_t next = task->taps->in_blocks * weight_pair(task->taps);
    int count = task->tile->channels * task->blocks;
    LLVMValueRef *at = ARENA_ARRAY(e->arena, LLVMValueRef, count);
    for (int i = 0; i < count; i++) {
        int c = i / task->blocks, b = i % task->blocks;
        at[i] = taps_at(e, dw, c * CPU_BLOCK + b * next);
        gradient_resume(e, task->is_first, at[i], task->sums[i]);
    }
    weights_add_part(task, x, rows, cols);
    for (int i = 0; i < count; i++)
        taps_store(e, taps_get(e, task->sums[i]), at[i]);
}

// All taps and channels of a read block with the tile's written ones.
static void weights_make_pair(const WeightTask *task)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    const TapAxis *r = &taps->rows, *c = &taps->cols;
    EmitLoop row = taps_loop(e, 0, r->taps, 1);
    LLVMValueRef base = taps_affine(e, row.index, r->tap_step, r->in_first);
    GradientRange rows = gradient_pixels(e, r, base, task->rows);
    LLVMValueRef x = taps_step(e, task->x, base, c->in * CPU_BLOCK);
    LLVMValueRef dw = taps_step(e, task->dw, row.index, c->taps * CPU_TILE);
    for (int64_t s = 0; s < c->taps; s++) {
        LLVMValueRef xs =
            taps_at(e, x, (c->in_first + s * c->tap_step) * CPU_BLOCK);
        LLVMValueRef dws = taps_at(e, dw, s * CPU_TILE);
        EmitLoop channels = taps_loop(e, 0, CPU_BLOCK, task->tile->channels);
        weights_make_tile(
            task, taps_opaque(e, taps_step(e, xs, channels.index, 1)),
            taps_opaque(e, taps_step(e, dws, channels.index, CPU_BLOCK)), rows,
            valid_columns(c, s));
        emit_loop_end(e, &channels);
    }
    emit_loop_end(e, &row);
}

// ---- parts in scratch -------------------------------------------------------

// Of x or dy in scratch, [blocks][images][pixels] from `at` on: where block,
// image and row 0 would be, the first of the current part being there.
static LLVMValueRef part_origin(const WeightTask *task, LLVMValueRef at,
                                LLVMValueRef block)
{
    const Emit *e = task->emit;
    int64_t row = task->taps->cols.count * CPU_BLOCK;
    LLVMValueRef before = LLVMBuildNeg(e->builder, block, "");
    at = taps_step(e, at, before, task->tile->images * task->scratch.image);
    before = LLVMBuildNeg(e->builder, task->images.low, "");
    at = taps_step(e, at, before, task->scratch.image);
    before = LLVMBuildNeg(e->builder, task->rows.low, "");
    return taps_step(e, at, before, row);
}

// The current part of a block of x (input 0) or dy (1), of which an image has
// `image_elements`, as floats to `to`, its place in scratch. Of x the pixels
// that are read, side by side.
static void pack_block(const WeightTask *task, int input, LLVMValueRef block,
                       int64_t image_elements, LLVMValueRef to)
{
    const Emit *e = task->emit;
    const TapAxis *rows = &task->taps->rows, *cols = &task->taps->cols;
    DType dtype = task->taps->types.in[input];
    int64_t row = cols->count * CPU_BLOCK;
    bool x = input == 0;
    int64_t source_row =
        x ? rows->in_step * cols->in * CPU_BLOCK : cols->out * CPU_BLOCK;
    int64_t source_pixel = x ? cols->in_step * CPU_BLOCK : CPU_BLOCK;
    int64_t map = x ? read_map(task->taps) : written_map(task->taps);
    LLVMValueRef from = image_step(e, dtype, task->sources[input], block, map);
    from = image_step(e, dtype, from, task->rows.low, source_row);
    to = taps_step(e, to, task->rows.low, row);
    LLVMValueRef count =
        LLVMBuildSub(e->builder, task->rows.high, task->rows.low, "");
    EmitLoop image = emit_loop_begin(e, task->images.low, task->images.high, 1);
    LLVMValueRef source =
        taps_opaque(e, image_step(e, dtype, from, image.index, image_elements));
    LLVMValueRef target =
        taps_opaque(e, taps_step(e, to, image.index, task->scratch.image));
    // Rows that follow each other without a gap are one.
    bool dense = source_row == row;
    EmitLoop rest = dense ? taps_loop(e, 0, 1, 1)
                          : emit_loop_begin(e, emit_i64(e, 0), count, 1);
    source = image_step(e, dtype, source, rest.index, source_row);
    target = taps_step(e, target, rest.index, row);
    LLVMValueRef pixels = dense ? taps_affine(e, count, cols->count, 0)
                                : emit_i64(e, cols->count);
    EmitLoop pixel = emit_loop_begin(e, emit_i64(e, 0), pixels, 1);
    taps_store(
        e,
        image_load(e, dtype,
                   image_step(e, dtype, source, pixel.index, source_pixel)),
        taps_step(e, target, pixel.index, CPU_BLOCK));
    emit_loop_end(e, &pixel);
    emit_loop_end(e, &rest);
    emit_loop_end(e, &image);
}

// ---- parts and tasks --------------------------------------------------------

// The task's read blocks with `blocks` written ones from `out` on. Blocks of
// bf16 come to scratch when they are first met: those of dy here, those of x
// with the task's first of dy.
static void weights_make_column(WeightTask *task, LLVMValueRef dw,
                                LLVMValueRef out, int blocks)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    task->blocks = blocks;
    task->dy = taps_opaque(e, taps_step(e, task->dys, out, task->y_map));
    LLVMValueRef dwo =
        taps_step(e, dw, out, taps->in_blocks * weight_pair(taps));
    LLVMBuilderRef b = e->builder;
    LLVMValueRef is_first = LLVMBuildICmp(b, LLVMIntEQ, out, task->out.low, "");
    if (task->packs[1]) {
        EmitLoop block = emit_loop_begin(e, out, taps_add(e, out, blocks), 1);
        pack_block(task, 1, block.index, taps_image_out(taps),
                   taps_step(e, task->dys, block.index, task->y_map));
        emit_loop_end(e, &block);
    }
    EmitLoop in = emit_loop_begin(e, task->in.low, task->in.high, 1);
    task->x = taps_opaque(e, taps_step(e, task->xs, in.index, task->x_map));
    if (task->packs[0]) {
        LLVMBasicBlockRef yes = emit_block(e), then = emit_block(e);
        LLVMBuildCondBr(b, is_first, yes, then);
        LLVMPositionBuilderAtEnd(b, yes);
        pack_block(task, 0, in.index, taps_image_in(taps), task->x);
        LLVMBuildBr(b, then);
        LLVMPositionBuilderAtEnd(b, then);
    }
    task->dw = taps_opaque(e, taps_step(e, dwo, in.index, weight_pair(taps)));
    weights_make_pair(task);
    emit_loop_end(e, &in);
}

// Every pair of the task's blocks, for one part. dw points at the chunk's
// result. Written blocks are made a tile at a time, and one by one where the
// last share has fewer.
static void weights_make_part(WeightTask *task, LLVMValueRef dw)
{
    const Emit *e = task->emit;
    int blocks = task->tile->blocks;
    int64_t last = task->taps->out_blocks % task->tile->writes;
    LLVMValueRef count =
        LLVMBuildSub(e->builder, task->out.high, task->out.low, "");
    LLVMValueRef whole = LLVMBuildSub(
        e->builder, count,
        LLVMBuildURem(e->builder, count, emit_i64(e, blocks), ""), "");
    whole = LLVMBuildAdd(e->builder, task->out.low, whole, "");
    EmitLoop out = emit_loop_begin(e, task->out.low, whole, blocks);
    weights_make_column(task, dw, out.index, blocks);
    emit_loop_end(e, &out);
    if (last % blocks == 0)
        return;
    out = emit_loop_begin(e, whole, task->out.high, 1);
    weights_make_column(task, dw, out.index, 1);
    emit_loop_end(e, &out);
}

// Share `index` of so many blocks.
static GradientRange share_blocks(const Emit *e, LLVMValueRef index,
                                  int64_t blocks, int64_t share)
{
    LLVMValueRef low = taps_affine(e, index, share, 0);
    return (GradientRange){
        low, emit_min_i64(e, taps_add(e, low, share), emit_i64(e, blocks))};
}

// The task's number is, from first to last factor: chunk of images, group of
// channels, written and read share. Returns chunk and group as one number.
static LLVMValueRef weights_decode_task(WeightTask *task)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    const WeightsTile *tile = task->tile;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef ins = emit_i64(e, ceil_div(taps->in_blocks, tile->reads));
    LLVMValueRef outs = emit_i64(e, ceil_div(taps->out_blocks, tile->writes));
    LLVMValueRef rest = LLVMBuildUDiv(b, e->task, ins, "");
    task->in = share_blocks(e, LLVMBuildURem(b, e->task, ins, ""),
                            taps->in_blocks, tile->reads);
    task->out = share_blocks(e, LLVMBuildURem(b, rest, outs, ""),
                             taps->out_blocks, tile->writes);
    return LLVMBuildUDiv(b, rest, outs, "");
}

void emit_weights(Emit *e)
{
    const WeightsKernel *kernel = &cpu_kernel(e)->weights;
    const ConvTaps *taps = &kernel->taps;
    WeightTask task = {.emit = e,
                       .taps = taps,
                       .tile = &kernel->tile,
                       .scratch = weights_scratch(kernel),
                       .x_image = taps_image_in(taps),
                       .y_image = taps_image_out(taps),
                       .x_map = read_map(taps),
                       .y_map = written_map(taps),
                       .x_row = taps->rows.in_step * taps->cols.in * CPU_BLOCK,
                       .x_pixel = taps->cols.in_step * CPU_BLOCK};
    if ((task.packs[0] = weights_packs(kernel, 0))) {
        task.x_image = task.scratch.image;
        task.x_map = kernel->tile.images * task.x_image;
        task.x_row = taps->cols.count * CPU_BLOCK;
        task.x_pixel = CPU_BLOCK;
    }
    if ((task.packs[1] = weights_packs(kernel, 1))) {
        task.y_image = task.scratch.image;
        task.y_map = kernel->tile.images * task.y_image;
    }
    task.sums = taps_variables(e, kernel->tile.channels * kernel->tile.blocks);
    LLVMValueRef chunk = weights_decode_task(&task);
    LLVMValueRef dw =
        taps_step(e, e->args[2], chunk,
                  taps->out_blocks * taps->in_blocks * weight_pair(taps));
    task.xs = e->args[0];
    task.dys = e->args[1];
    if (taps->groups > 1) {
        LLVMValueRef groups = emit_i64(e, taps->groups);
        LLVMValueRef group = LLVMBuildURem(e->builder, chunk, groups, "");
        chunk = LLVMBuildUDiv(e->builder, chunk, groups, "");
        task.xs = image_step(e, taps->types.in[0], task.xs, group,
                             taps->in_blocks * read_map(taps));
        task.dys = image_step(e, taps->types.in[1], task.dys, group,
                              taps->out_blocks * written_map(taps));
    }
    task.sources[0] = task.xs;
    task.sources[1] = task.dys;
    GradientRange whole = gradient_images(e, chunk);
    GradientRange all_rows = {emit_i64(e, 0), emit_i64(e, taps->rows.count)};
    EmitLoop images =
        gradient_parts(e, whole, kernel->tile.images, &task.images);
    LLVMValueRef first_image =
        LLVMBuildICmp(e->builder, LLVMIntEQ, images.index, whole.low, "");
    EmitLoop rows = gradient_parts(e, all_rows, kernel->tile.rows, &task.rows);
    LLVMValueRef first_row =
        LLVMBuildICmp(e->builder, LLVMIntEQ, rows.index, all_rows.low, "");
    task.is_first = LLVMBuildAnd(e->builder, first_image, first_row, "");
    LLVMValueRef scratch = LLVMGetParam(e->function, 3);
    if (task.packs[0])
        task.xs = part_origin(&task, scratch, task.in.low);
    if (task.packs[1])
        task.dys = part_origin(&task, taps_at(e, scratch, task.scratch.dy),
                               task.out.low);
    weights_make_part(&task, dw);
    emit_loop_end(e, &rows);
    emit_loop_end(e, &images);
}
