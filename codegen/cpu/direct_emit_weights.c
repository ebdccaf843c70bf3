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
// parts. Meanwhile it asks for what is read later: the next part
// (weights_ask_ahead), or else the next blocks of this one. The order of the
// sum is that of the loops. Tasks may share the images out in chunks of imm[1];
// each makes a partial result.
#include <string.h>

#include "codegen/integers.h"
#include "codegen/cpu/emit_gradient.h"

enum { UNROLLED_PIXELS = 8 };

// Elements of x or dy to the next image, block, row and pixel, of the pixels
// that one tap reads.
enum { BY_IMAGE, BY_BLOCK, BY_ROW, BY_PIXEL, STEPS };

// A pixel of x and one of dy (inputs 0 and 1), and, where the next part is
// asked for, the pixels of that in their place, in memory.
typedef struct PixelPair {
    LLVMValueRef of[2], ahead[2];
} PixelPair;

typedef struct WeightTask {
    const Emit *emit;
    const ConvTaps *taps;
    const WeightsTile *tile;
    LLVMValueRef *sums;
    LLVMValueRef sources[2]; // of the task's group of channels, in memory
    int64_t source_steps[2][STEPS];
    bool packs[2];            // goes to scratch, a part at a time
    bool joins;               // there images are one row
    LLVMValueRef operands[2]; // what is multiplied: there, or in memory
    int64_t steps[2][STEPS];
    WeightsScratch scratch;
    PixelPair pair;        // the first pixels of the current pair of blocks
    LLVMValueRef dw;       // of that pair
    int channels, blocks;  // read and written, of the current tile
    GradientRange in, out; // blocks of the task
    GradientRange images, rows; // of the current part
    LLVMValueRef next[2];       // the sources for the next part, or NULL
    LLVMValueRef is_first;      // nothing is in dw yet
} WeightTask;

static void find_source_steps(const ConvTaps *taps, int64_t steps[2][STEPS])
{
    const TapAxis *rows = &taps->rows, *cols = &taps->cols;
    steps[0][BY_IMAGE] = taps_image_in(taps);
    steps[0][BY_BLOCK] = block_map(rows->in, cols->in);
    steps[0][BY_ROW] = rows->in_step * cols->in * CPU_BLOCK;
    steps[0][BY_PIXEL] = cols->in_step * CPU_BLOCK;
    steps[1][BY_IMAGE] = taps_image_out(taps);
    steps[1][BY_BLOCK] = block_map(rows->out, cols->out);
    steps[1][BY_ROW] = cols->out * CPU_BLOCK;
    steps[1][BY_PIXEL] = CPU_BLOCK;
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

static PixelPair pair_step(const WeightTask *task, const PixelPair *pair,
                           LLVMValueRef index, int by)
{
    const Emit *e = task->emit;
    PixelPair to = {{NULL}, {NULL}};
    for (int k = 0; k < 2; k++) {
        to.of[k] = taps_step(e, pair->of[k], index, task->steps[k][by]);
        if (pair->ahead[k])
            to.ahead[k] = image_step(e, task->taps->types.in[k], pair->ahead[k],
                                     index, task->source_steps[k][by]);
    }
    return to;
}

// Asks for what is read after pixel i of those from `pair` on: the same pixel
// of the next part, where there is one, or else of the next blocks.
static void ask_for_pixel(const WeightTask *task, const PixelPair *pair,
                          int64_t i)
{
    enum { LINE_BYTES = 64 };
    const Emit *e = task->emit;
    for (int k = 0; k < 2; k++) {
        DType dtype = task->taps->types.in[k];
        int64_t source = i * task->source_steps[k][BY_PIXEL];
        int64_t next = task->steps[k][BY_BLOCK] * (k == 1 ? task->blocks : 1);
        if (!pair->ahead[k])
            taps_prefetch(
                e, taps_at(e, pair->of[k], i * task->steps[k][BY_PIXEL] + next),
                PREFETCH_LATER);
        else if (source * (int64_t)dtype_size(dtype) % LINE_BYTES == 0)
            taps_prefetch(e, image_at(e, dtype, pair->ahead[k], source),
                          PREFETCH_LATER);
    }
}

// The pixels [low, high) of those from `pair` on. A tile that is narrow asks
// for none, for it would ask again and again.
static void weights_add_pixels(const WeightTask *task, const PixelPair *pair,
                               int64_t low, int64_t high)
{
    const Emit *e = task->emit;
    TapsTile tile = {.pixels = task->channels,
                     .blocks = task->blocks,
                     .sums = task->sums,
                     .pixel_step = 1,
                     .block_step = task->steps[1][BY_BLOCK]};
    for (int64_t i = low; i < high; i++) {
        if (tile.pixels * tile.blocks >= CPU_BLOCK)
            ask_for_pixel(task, pair, i);
        taps_multiply_one(
            e, &tile, NULL,
            taps_at(e, pair->of[0], i * task->steps[0][BY_PIXEL]),
            taps_at(e, pair->of[1], i * task->steps[1][BY_PIXEL]));
    }
}

// The columns of the row at `pair`, several to a round: the end of a loop of
// few rounds is foreseen by the processor.
static void weights_add_row(const WeightTask *task, Columns cols,
                            const PixelPair *pair)
{
    const Emit *e = task->emit;
    int64_t count = cols.high - cols.low, low = cols.low;
    if (count >= UNROLLED_PIXELS) {
        int64_t high = cols.high - count % UNROLLED_PIXELS;
        EmitLoop col = taps_loop(e, low, high, UNROLLED_PIXELS);
        PixelPair at = pair_step(task, pair, col.index, BY_PIXEL);
        weights_add_pixels(task, &at, 0, UNROLLED_PIXELS);
        emit_loop_end(e, &col);
        low = high;
    }
    weights_add_pixels(task, pair, low, cols.high);
}

// The pixels of a part whose images are joined. How many there are is known
// when the code runs, for the last part may have fewer.
static void weights_add_joined(const WeightTask *task, const PixelPair *pair)
{
    const Emit *e = task->emit;
    LLVMBuilderRef b = e->builder;
    int64_t map = task->taps->rows.count * task->taps->cols.count;
    LLVMValueRef low = taps_affine(e, task->images.low, map, 0);
    LLVMValueRef high = taps_affine(e, task->images.high, map, 0);
    LLVMValueRef rest = LLVMBuildURem(b, LLVMBuildSub(b, high, low, ""),
                                      emit_i64(e, UNROLLED_PIXELS), "");
    LLVMValueRef whole = LLVMBuildSub(b, high, rest, "");
    EmitLoop pixels = emit_loop_begin(e, low, whole, UNROLLED_PIXELS);
    PixelPair at = pair_step(task, pair, pixels.index, BY_PIXEL);
    weights_add_pixels(task, &at, 0, UNROLLED_PIXELS);
    emit_loop_end(e, &pixels);
    if (map % UNROLLED_PIXELS == 0)
        return;
    pixels = emit_loop_begin(e, whole, high, 1);
    at = pair_step(task, pair, pixels.index, BY_PIXEL);
    weights_add_pixels(task, &at, 0, 1);
    emit_loop_end(e, &pixels);
}

// The images, rows and columns of the current part. `pair` is image 0's pixel
// (0, 0), of x the tile's first channel of tap (r, s).
static void weights_add_part(const WeightTask *task, const PixelPair *pair,
                             GradientRange rows, Columns cols)
{
    const Emit *e = task->emit;
    if (task->joins) {
        weights_add_joined(task, pair);
        return;
    }
    EmitLoop images =
        emit_loop_begin(e, task->images.low, task->images.high, 1);
    PixelPair image = pair_step(task, pair, images.index, BY_IMAGE);
    EmitLoop row = emit_loop_begin(e, rows.low, rows.high, 1);
    PixelPair at = pair_step(task, &image, row.index, BY_ROW);
    weights_add_row(task, cols, &at);
    emit_loop_end(e, &row);
    emit_loop_end(e, &images);
}

// Some channels of one tap: the tile's life in registers.
static void weights_make_tile(const WeightTask *task, LLVMValueRef x,
                              LLVMValueRef dw, GradientRange rows, Columns cols)
{
    const Emit *e = task->emit;
    int64_t next = task->taps->in_blocks * weight_pair(task->taps);
    int count = task->channels * task->blocks;
    LLVMValueRef *at = ARENA_ARRAY(e->arena, LLVMValueRef, count);
    for (int i = 0; i < count; i++) {
        int c = i / task->blocks, b = i % task->blocks;
        at[i] = taps_at(e, dw, c * CPU_BLOCK + b * next);
        gradient_resume(e, task->is_first, at[i], task->sums[i]);
    }
    PixelPair pair = task->pair;
    pair.of[0] = x;
    weights_add_part(task, &pair, rows, cols);
    for (int i = 0; i < count; i++)
        taps_store(e, taps_get(e, task->sums[i]), at[i]);
}

// Tiles of so many channels each from `low` to `high`; x and dw are of channel
// 0.
static void weights_make_tiles(WeightTask *task, int64_t low, int64_t high,
                               int channels, LLVMValueRef x, LLVMValueRef dw,
                               GradientRange rows, Columns cols)
{
    if (low == high)
        return;
    const Emit *e = task->emit;
    task->channels = channels;
    EmitLoop channel = taps_loop(e, low, high, channels);
    weights_make_tile(task, taps_step(e, x, channel.index, 1),
                      taps_step(e, dw, channel.index, CPU_BLOCK), rows, cols);
    emit_loop_end(e, &channel);
}

// All taps and channels of a read block with the tile's written ones.
static void weights_make_pair(WeightTask *task)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    const TapAxis *r = &taps->rows, *c = &taps->cols;
    EmitLoop row = taps_loop(e, 0, r->taps, 1);
    LLVMValueRef base = taps_affine(e, row.index, r->tap_step, r->in_first);
    GradientRange rows = gradient_pixels(e, r, base, task->rows);
    LLVMValueRef x = taps_step(e, task->pair.of[0], base, c->in * CPU_BLOCK);
    LLVMValueRef dw = taps_step(e, task->dw, row.index, c->taps * CPU_TILE);
    for (int64_t s = 0; s < c->taps; s++) {
        LLVMValueRef xs =
            taps_at(e, x, (c->in_first + s * c->tap_step) * CPU_BLOCK);
        LLVMValueRef dws = taps_at(e, dw, s * CPU_TILE);
        TapsCut cut = taps_cut(CPU_BLOCK, task->tile->channels);
        weights_make_tiles(task, 0, cut.whole, task->tile->channels, xs, dws,
                           rows, valid_columns(c, s));
        weights_make_tiles(task, cut.whole, CPU_BLOCK, cut.rest, xs, dws, rows,
                           valid_columns(c, s));
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

// The current part of a block of x (input 0) or dy (1), as floats to `to`, its
// place in scratch. Of x the pixels that are read, side by side.
static void pack_block(const WeightTask *task, int input, LLVMValueRef block,
                       LLVMValueRef to)
{
    const Emit *e = task->emit;
    const TapAxis *cols = &task->taps->cols;
    DType dtype = task->taps->types.in[input];
    const int64_t *source_steps = task->source_steps[input];
    int64_t row = task->steps[input][BY_ROW];
    LLVMValueRef from = image_step(e, dtype, task->sources[input], block,
                                   source_steps[BY_BLOCK]);
    from = image_step(e, dtype, from, task->rows.low, source_steps[BY_ROW]);
    to = taps_step(e, to, task->rows.low, row);
    LLVMValueRef count =
        LLVMBuildSub(e->builder, task->rows.high, task->rows.low, "");
    EmitLoop image = emit_loop_begin(e, task->images.low, task->images.high, 1);
    LLVMValueRef source =
        image_step(e, dtype, from, image.index, source_steps[BY_IMAGE]);
    LLVMValueRef target = taps_step(e, to, image.index, task->scratch.image);
    // Rows that follow each other without a gap are one.
    bool dense = source_steps[BY_ROW] == row;
    EmitLoop rest = dense ? taps_loop(e, 0, 1, 1)
                          : emit_loop_begin(e, emit_i64(e, 0), count, 1);
    source = image_step(e, dtype, source, rest.index, source_steps[BY_ROW]);
    target = taps_step(e, target, rest.index, row);
    LLVMValueRef pixels = dense ? taps_affine(e, count, cols->count, 0)
                                : emit_i64(e, cols->count);
    EmitLoop pixel = emit_loop_begin(e, emit_i64(e, 0), pixels, 1);
    taps_store(e,
               image_load(e, dtype,
                          image_step(e, dtype, source, pixel.index,
                                     source_steps[BY_PIXEL])),
               taps_step(e, target, pixel.index, CPU_BLOCK));
    emit_loop_end(e, &pixel);
    emit_loop_end(e, &rest);
    emit_loop_end(e, &image);
}

// ---- parts and tasks --------------------------------------------------------

// Where the sources of the next part are: pointers from which the steps to an
// image, row and pixel of the current part lead to that in its place. That part
// is the next rows of the images, or else the first rows of the next ones;
// after the last part it is the last one once more.
static void find_next_part(WeightTask *task, GradientRange all_rows,
                           GradientRange all_images)
{
    const Emit *e = task->emit;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef zero = emit_i64(e, 0);
    LLVMValueRef more_rows =
        LLVMBuildICmp(b, LLVMIntSLT, task->rows.high, all_rows.high, "");
    LLVMValueRef more_images =
        LLVMBuildICmp(b, LLVMIntSLT, task->images.high, all_images.high, "");
    LLVMValueRef wraps =
        LLVMBuildAnd(b, LLVMBuildNot(b, more_rows, ""), more_images, "");
    LLVMValueRef rows = LLVMBuildSub(b, task->rows.high, task->rows.low, "");
    LLVMValueRef images =
        LLVMBuildSub(b, task->images.high, task->images.low, "");
    LLVMValueRef back = LLVMBuildNeg(b, task->rows.low, "");
    rows = LLVMBuildSelect(b, more_rows, rows,
                           LLVMBuildSelect(b, wraps, back, zero, ""), "");
    images = LLVMBuildSelect(b, wraps, images, zero, "");
    for (int k = 0; k < 2; k++) {
        DType dtype = task->taps->types.in[k];
        LLVMValueRef at = image_step(e, dtype, task->sources[k], images,
                                     task->source_steps[k][BY_IMAGE]);
        task->next[k] =
            image_step(e, dtype, at, rows, task->source_steps[k][BY_ROW]);
    }
}

// What the pair of blocks asks for, so that each block of the next part is
// asked for once: those of x with the task's first written blocks, those of dy
// with the first read ones, one with each. At other times it is the next block,
// or of what is packed, this one, which is at hand. To ask for the very line
// that is being loaded delays the load: kernels took 5% longer.
static void find_ahead(WeightTask *task, LLVMValueRef in, LLVMValueRef out,
                       LLVMValueRef is_first)
{
    const Emit *e = task->emit;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef nth = LLVMBuildSub(b, in, task->in.low, "");
    LLVMValueRef of_tile =
        LLVMBuildICmp(b, LLVMIntULT, nth, emit_i64(e, task->blocks), "");
    nth = LLVMBuildSelect(b, of_tile, nth, emit_i64(e, 0), "");
    LLVMValueRef block[2] = {in, LLVMBuildAdd(b, out, nth, "")};
    LLVMValueRef wanted[2] = {is_first, of_tile};
    int64_t blocks[2] = {1, task->blocks};
    for (int k = 0; k < 2; k++) {
        DType dtype = task->taps->types.in[k];
        int64_t step = task->source_steps[k][BY_BLOCK];
        LLVMValueRef other = image_at(e, dtype, task->sources[k],
                                      task->packs[k] ? 0 : blocks[k] * step);
        LLVMValueRef from =
            LLVMBuildSelect(b, wanted[k], task->next[k], other, "");
        task->pair.ahead[k] = image_step(e, dtype, from, block[k], step);
    }
}

// The task's read blocks with `blocks` written ones from `out` on. Blocks that
// are packed come to scratch when they are first met: those of dy here, those
// of x with the task's first of dy.
static void weights_make_column(WeightTask *task, LLVMValueRef dw,
                                LLVMValueRef out, int blocks)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    task->blocks = blocks;
    task->pair.of[1] =
        taps_step(e, task->operands[1], out, task->steps[1][BY_BLOCK]);
    LLVMValueRef dwo =
        taps_step(e, dw, out, taps->in_blocks * weight_pair(taps));
    LLVMBuilderRef b = e->builder;
    LLVMValueRef is_first = LLVMBuildICmp(b, LLVMIntEQ, out, task->out.low, "");
    if (task->packs[1]) {
        EmitLoop block = emit_loop_begin(e, out, taps_add(e, out, blocks), 1);
        pack_block(task, 1, block.index,
                   taps_step(e, task->operands[1], block.index,
                             task->steps[1][BY_BLOCK]));
        emit_loop_end(e, &block);
    }
    EmitLoop in = emit_loop_begin(e, task->in.low, task->in.high, 1);
    task->pair.of[0] =
        taps_step(e, task->operands[0], in.index, task->steps[0][BY_BLOCK]);
    if (task->packs[0]) {
        LLVMBasicBlockRef yes = emit_block(e), then = emit_block(e);
        LLVMBuildCondBr(b, is_first, yes, then);
        LLVMPositionBuilderAtEnd(b, yes);
        pack_block(task, 0, in.index, task->pair.of[0]);
        LLVMBuildBr(b, then);
        LLVMPositionBuilderAtEnd(b, then);
    }
    if (task->next[0])
        find_ahead(task, in.index, out, is_first);
    task->dw = taps_step(e, dwo, in.index, weight_pair(taps));
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
    const WeightsTile *tile = &kernel->tile;
    WeightTask task = {.emit = e,
                       .taps = taps,
                       .tile = tile,
                       .joins = weights_joins_images(kernel),
                       .scratch = weights_scratch(kernel)};
    find_source_steps(taps, task.source_steps);
    memcpy(task.steps, task.source_steps, sizeof task.steps);
    for (int k = 0; k < 2; k++) {
        if (!(task.packs[k] = weights_packs(kernel, k)))
            continue;
        task.steps[k][BY_IMAGE] = task.scratch.image;
        task.steps[k][BY_BLOCK] = tile->images * task.scratch.image;
        task.steps[k][BY_ROW] = taps->cols.count * CPU_BLOCK;
        task.steps[k][BY_PIXEL] = CPU_BLOCK;
    }
    task.sums = taps_variables(e, tile->channels * tile->blocks);
    LLVMValueRef chunk = weights_decode_task(&task);
    LLVMValueRef dw =
        taps_step(e, e->args[2], chunk,
                  taps->out_blocks * taps->in_blocks * weight_pair(taps));
    task.sources[0] = e->args[0];
    task.sources[1] = e->args[1];
    if (taps->groups > 1) {
        LLVMValueRef groups = emit_i64(e, taps->groups);
        LLVMValueRef group = LLVMBuildURem(e->builder, chunk, groups, "");
        chunk = LLVMBuildUDiv(e->builder, chunk, groups, "");
        int64_t blocks[2] = {taps->in_blocks, taps->out_blocks};
        for (int k = 0; k < 2; k++)
            task.sources[k] =
                image_step(e, taps->types.in[k], task.sources[k], group,
                           blocks[k] * task.source_steps[k][BY_BLOCK]);
    }
    GradientRange whole = gradient_images(e, chunk);
    GradientRange all_rows = {emit_i64(e, 0), emit_i64(e, taps->rows.count)};
    EmitLoop images = gradient_parts(e, whole, tile->images, &task.images);
    LLVMValueRef first_image =
        LLVMBuildICmp(e->builder, LLVMIntEQ, images.index, whole.low, "");
    EmitLoop rows = gradient_parts(e, all_rows, tile->rows, &task.rows);
    LLVMValueRef first_row =
        LLVMBuildICmp(e->builder, LLVMIntEQ, rows.index, all_rows.low, "");
    task.is_first = LLVMBuildAnd(e->builder, first_image, first_row, "");
    LLVMValueRef scratch = LLVMGetParam(e->function, 3);
    LLVMValueRef places[2] = {scratch, taps_at(e, scratch, task.scratch.dy)};
    LLVMValueRef first_blocks[2] = {task.in.low, task.out.low};
    for (int k = 0; k < 2; k++)
        task.operands[k] = task.packs[k]
                               ? part_origin(&task, places[k], first_blocks[k])
                               : task.sources[k];
    if (weights_ask_ahead(kernel))
        find_next_part(&task, all_rows, whole);
    weights_make_part(&task, dw);
    emit_loop_end(e, &rows);
    emit_loop_end(e, &images);
}
