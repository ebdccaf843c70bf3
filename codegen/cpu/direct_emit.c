// Convolutions over blocked tensors, forward and by data:
//
//   y[n, ob, row, col, o] = sum over cb, r, s, c of
//       x[n, cb, rows(row, r), cols(col, s), c] * w[ob, cb, r, s, c, o]
//
// A register tile holds `pixels` neighbours of a row times `blocks` blocks of
// output channels, through the whole sum: each step of c loads a vector of
// weights per block and one number of x per pixel. Rows outside the input
// shorten the loop over r; columns outside are known when the code is made, so
// tiles at the rim skip them. A tile asks for its results before it knows them,
// and for the pixels of the next block of channels. The order of the sum is
// that of the loops, for any tile, task and thread.
#include "codegen/cpu/emit_block.h"

// ---- the sum of one tile ----------------------------------------------------

typedef struct Tile {
    const Emit *emit;
    const ConvTaps *taps;
    int pixels, blocks; // pixels: at most the kernel's
    LLVMValueRef *sums; // variables, pixel by pixel
    LLVMValueRef column;
    int64_t first; // a column whose taps are as valid as those of `column`
} Tile;

// Elements between one block of written channels and the next.
static int64_t weight_block(const ConvTaps *taps)
{
    return taps->rows.kernel * taps->in_blocks * taps->cols.kernel * CPU_TILE;
}

static void direct_add_tap(const Tile *tile, const bool *valid, LLVMValueRef x,
                           LLVMValueRef w)
{
    const ConvTaps *taps = tile->taps;
    TapsTile sums = {.pixels = tile->pixels,
                     .blocks = tile->blocks,
                     .sums = tile->sums,
                     .pixel_step = taps->cols.in_step * CPU_BLOCK,
                     .block_step = weight_block(taps),
                     .x_ahead = block_map(taps->rows.in, taps->cols.in)};
    taps_multiply(tile->emit, &sums, valid, x, w);
}

// All taps of all pixels are inside: a loop over them.
static void add_inner_taps(const Tile *tile, LLVMValueRef x, LLVMValueRef w)
{
    const Emit *e = tile->emit;
    const TapAxis *cols = &tile->taps->cols;
    EmitLoop taps = taps_loop(e, 0, cols->taps, 1);
    direct_add_tap(tile, NULL,
                   taps_step(e, x, taps.index, cols->tap_step * CPU_BLOCK),
                   taps_step(e, w, taps.index, cols->weight_step * CPU_TILE));
    emit_loop_end(e, &taps);
}

// At the rim, taps one by one, each with the pixels that have it.
static void add_rim_taps(const Tile *tile, LLVMValueRef x, LLVMValueRef w)
{
    const TapAxis *cols = &tile->taps->cols;
    for (int64_t t = 0; t < cols->taps; t++) {
        bool valid[TAPS_MAX_TILE], any = false;
        for (int p = 0; p < tile->pixels; p++) {
            valid[p] = tap_inside(cols, tile->first + p, t);
            any |= valid[p];
        }
        if (any)
            direct_add_tap(
                tile, valid,
                taps_at(tile->emit, x, t * cols->tap_step * CPU_BLOCK),
                taps_at(tile->emit, w, t * cols->weight_step * CPU_TILE));
    }
}

// One row of taps. x points at the input row's first pixel, w at the weights of
// that row, both of one block.
static void direct_add_row(const Tile *tile, LLVMValueRef x, LLVMValueRef w)
{
    const Emit *e = tile->emit;
    const TapAxis *cols = &tile->taps->cols;
    LLVMValueRef xt =
        taps_at(e, taps_step(e, x, tile->column, cols->in_step * CPU_BLOCK),
                cols->in_first * CPU_BLOCK);
    LLVMValueRef wt = taps_at(e, w, cols->weight_first * CPU_TILE);
    if (taps_inside(cols, tile->first, tile->pixels))
        add_inner_taps(tile, xt, wt);
    else
        add_rim_taps(tile, xt, wt);
}

// ---- rows -------------------------------------------------------------------

// What a task works on: one image and one group of written blocks.
typedef struct RowTask {
    const Emit *emit;
    const ConvTaps *taps;
    const DirectTile *tile;
    LLVMValueRef *sums;
    LLVMValueRef x, w, y, row;
    LLVMValueRef block;             // the first of those written, of an image
    LLVMValueRef input_row;         // of tap 0
    LLVMValueRef low_tap, high_tap; // those inside
} RowTask;

// Where the tile's results go, from its first on.
static LLVMValueRef tile_results(const RowTask *task, const Tile *tile)
{
    const Emit *e = task->emit;
    const TapAxis *rows = &task->taps->rows, *cols = &task->taps->cols;
    LLVMValueRef row =
        taps_affine(e, task->row, rows->out_step, rows->out_first);
    LLVMValueRef col =
        taps_affine(e, tile->column, cols->out_step, cols->out_first);
    DType out = task->taps->types.out;
    LLVMValueRef y = image_step(e, out, task->y, row, cols->out * CPU_BLOCK);
    return image_step(e, out, y, col, CPU_BLOCK);
}

// Where one of them goes, past the first.
static int64_t result_at(const RowTask *task, int index)
{
    const ConvTaps *taps = task->taps;
    int pixel = index / task->tile->blocks, block = index % task->tile->blocks;
    return pixel * taps->cols.out_step * CPU_BLOCK +
           block * block_map(taps->rows.out, taps->cols.out);
}

static void direct_make_tile(const void *of, int64_t first, int pixels,
                             LLVMValueRef column)
{
    const RowTask *task = of;
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    Tile tile = {.emit = e,
                 .taps = taps,
                 .pixels = pixels,
                 .blocks = task->tile->blocks,
                 .sums = task->sums,
                 .column = column,
                 .first = first};
    DType out = taps->types.out;
    LLVMValueRef y = tile_results(task, &tile);
    for (int i = 0; i < pixels * task->tile->blocks; i++) {
        LLVMValueRef at = image_at(e, out, y, result_at(task, i));
        taps_set_zero(e, task->sums[i]);
        taps_prefetch(e, at, PREFETCH_WRITE);
        results_prefetch(e, &taps->types, at);
    }
    if (taps->rows.taps > 0 && taps->cols.taps > 0) {
        EmitLoop blocks = taps_loop(e, 0, taps->in_blocks, 1);
        LLVMValueRef x = taps_step(e, task->x, blocks.index,
                                   block_map(taps->rows.in, taps->cols.in));
        LLVMValueRef w =
            taps_step(e, task->w, blocks.index,
                      taps->rows.kernel * taps->cols.kernel * CPU_TILE);
        EmitLoop loop = emit_loop_begin(e, task->low_tap, task->high_tap, 1);
        LLVMValueRef from = LLVMBuildMul(e->builder, loop.index,
                                         emit_i64(e, taps->rows.tap_step), "");
        from = LLVMBuildAdd(e->builder, from, task->input_row, "");
        LLVMValueRef weight = taps_affine(e, loop.index, taps->rows.weight_step,
                                          taps->rows.weight_first);
        direct_add_row(&tile, taps_step(e, x, from, taps->cols.in * CPU_BLOCK),
                       taps_step(e, w, weight, taps->cols.kernel * CPU_TILE));
        emit_loop_end(e, &loop);
        emit_loop_end(e, &blocks);
    }
    for (int block = 0; block < tile.blocks; block++) {
        BlockResults results =
            results_begin(e, &taps->types, taps_add(e, task->block, block));
        for (int i = block; i < pixels * tile.blocks; i += tile.blocks)
            results_store(&results, taps_get(e, tile.sums[i]),
                          image_at(e, out, y, result_at(task, i)), NULL, NULL);
    }
}

// Which image, blocks and rows the task number stands for, first to last
// factor: image, group, rows; or group, image, rows.
static LLVMValueRef direct_decode_task(RowTask *task)
{
    const Emit *e = task->emit;
    const ConvTaps *taps = task->taps;
    LLVMBuilderRef b = e->builder;
    // Tiles of written blocks, in a group of channels and in all.
    int64_t tiles = taps->out_blocks / task->tile->blocks;
    int64_t row_blocks = direct_row_blocks(taps, task->tile);
    LLVMValueRef rest = LLVMBuildUDiv(b, e->task, emit_i64(e, row_blocks), "");
    LLVMValueRef minor = task->tile->weights_outside
                             ? taps_imm(e, 0)
                             : emit_i64(e, taps->groups * tiles);
    LLVMValueRef high = LLVMBuildUDiv(b, rest, minor, "");
    LLVMValueRef low = LLVMBuildURem(b, rest, minor, "");
    LLVMValueRef group = task->tile->weights_outside ? high : low;
    LLVMValueRef image = task->tile->weights_outside ? low : high;
    int64_t in_map = block_map(taps->rows.in, taps->cols.in);
    int64_t out_map = block_map(taps->rows.out, taps->cols.out);
    task->x = taps_step(e, e->args[0], image, taps_image_in(taps));
    if (taps->groups > 1)
        task->x = taps_step(e, task->x,
                            LLVMBuildUDiv(b, group, emit_i64(e, tiles), ""),
                            taps->in_blocks * in_map);
    task->w = taps_step(e, e->args[1], group,
                        task->tile->blocks * weight_block(taps));
    task->y =
        image_step(e, taps->types.out, e->args[2], image, taps_image_out(taps));
    task->y = image_step(e, taps->types.out, task->y, group,
                         task->tile->blocks * out_map);
    task->block = taps_affine(e, group, task->tile->blocks, 0);
    return LLVMBuildURem(b, e->task, emit_i64(e, row_blocks), "");
}

void emit_direct(Emit *e)
{
    const DirectKernel *kernel = &cpu_kernel(e)->direct;
    const ConvTaps *taps = &kernel->taps;
    RowTask task = {.emit = e, .taps = taps, .tile = &kernel->tile};
    task.sums = taps_variables(e, kernel->tile.pixels * kernel->tile.blocks);
    LLVMValueRef block = direct_decode_task(&task);
    LLVMValueRef low = taps_affine(e, block, kernel->tile.rows, 0);
    LLVMValueRef high = emit_min_i64(e, taps_add(e, low, kernel->tile.rows),
                                     emit_i64(e, taps->rows.count));
    EmitLoop rows = emit_loop_begin(e, low, high, 1);
    task.row = rows.index;
    task.input_row =
        taps_affine(e, task.row, taps->rows.in_step, taps->rows.in_first);
    taps_find_inside(e, &taps->rows, task.input_row, &task.low_tap,
                     &task.high_tap);
    taps_each_tile(e, &taps->cols, kernel->tile.pixels, direct_make_tile,
                   &task);
    emit_loop_end(e, &rows);
}
