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
    LLVMValueRef xs, dys;       // of the task's group of channels
    LLVMValueRef x, dy, dw;     // of the current pair of blocks, or the first
    int blocks;                 // written, of the current tile
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
                     .block_step = written_map(task->taps)};
    const TapAxis *cols = &task->taps->cols;
    for (int64_t i = 0; i < count; i++) {
        LLVMValueRef xi = taps_at(e, x, i * cols->in_step * CPU_BLOCK);
        LLVMValueRef yi = taps_at(e, dy, i * CPU_BLOCK);
        if (tile.pixels * tile.blocks >= CPU_BLOCK) {
            taps_prefetch(e, taps_at(e, xi, read_map(task->taps)),
                          PREFETCH_LATER);
            taps_prefetch(e,
                          taps_at(e, yi, tile.blocks * written_map(task->taps)),
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
    int64_t step = task->taps->cols.in_step * CPU_BLOCK;
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
    const TapAxis *r = &taps->rows, *c = &taps->cols;
    EmitLoop images =
        emit_loop_begin(e, task->images.low, task->images.high, 1);
    LLVMValueRef xn = taps_step(e, x, images.index, taps_image_in(taps));
    LLVMValueRef yn =
        taps_step(e, task->dy, images.index, taps_image_out(taps));
    EmitLoop row = emit_loop_begin(e, rows.low, rows.high, 1);
    LLVMValueRef xr =
        taps_step(e, xn, row.index, r->in_step * c->in * CPU_BLOCK);
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

// ---- parts and tasks --------------------------------------------------------

// The task's read blocks with `blocks` written ones from `out` on.
static void weights_make_column(WeightTask *task, LLVMValueRef dw,
                                LLVMValueRef out, int blocks)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    task->blocks = blocks;
    task->dy = taps_opaque(e, taps_step(e, task->dys, out, written_map(taps)));
    LLVMValueRef dwo =
        taps_step(e, dw, out, taps->in_blocks * weight_pair(taps));
    EmitLoop in = emit_loop_begin(e, task->in.low, task->in.high, 1);
    task->x = taps_opaque(e, taps_step(e, task->xs, in.index, read_map(taps)));
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
    WeightTask task = {.emit = e, .taps = taps, .tile = &kernel->tile};
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
        task.xs =
            taps_step(e, task.xs, group, taps->in_blocks * read_map(taps));
        task.dys =
            taps_step(e, task.dys, group, taps->out_blocks * written_map(taps));
    }
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
    weights_make_part(&task, dw);
    emit_loop_end(e, &rows);
    emit_loop_end(e, &images);
}
