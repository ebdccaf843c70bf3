// The gradient of a convolution by its weights, over blocked tensors:
//
//   dw[ob, cb, r, s, c, o] = sum over n, row, col of
//       x[n, cb, rows(row, r), cols(col, s), c] * dy[n, ob, row, col, o]
//
// A task makes one block of read channels for a group of written blocks. A
// register tile holds `pixels` channels c times `blocks` blocks of o while the
// sum runs over the pixels of some rows and images, few enough that they stay
// in the cache for all taps; dw keeps the tile between them. The order of the
// sum is that of the loops. Tasks may share the images out in chunks of
// imm[1]; each makes a partial result.
#include "codegen/emit_taps.h"

// imms of the step
enum { IMM_IMAGES = 0, IMM_CHUNK = 1 };

typedef struct WeightTask {
    const Emit *emit;
    const KernelTaps *taps;
    LLVMValueRef *sums;
    LLVMValueRef x, dy, dw;
    LLVMValueRef low_image, high_image; // of the task
    LLVMValueRef low_row, high_row;     // of the current part
    LLVMValueRef part_low, part_high;   // images of the current part
    LLVMValueRef is_first;              // nothing is in dw yet
} WeightTask;

static int64_t map_elements(const TapAxis *rows, const TapAxis *cols, bool in)
{
    return (in ? rows->in * cols->in : rows->out * cols->out) * TAPS_BLOCK;
}

// Elements of dw between two written blocks.
static int64_t weight_block(const KernelTaps *taps)
{
    return taps->in_blocks * taps->rows.taps * taps->cols.taps * TAPS_BLOCK *
           TAPS_BLOCK;
}

// ---- ranges -----------------------------------------------------------------

// The pixels i in [low, high) for which 0 <= in_step * i + base < in.
typedef struct Range {
    LLVMValueRef low, high;
} Range;

static Range valid_pixels(const Emit *e, const TapAxis *axis, LLVMValueRef base,
                          LLVMValueRef low, LLVMValueRef high)
{
    LLVMBuilderRef b = e->builder;
    LLVMValueRef zero = emit_i64(e, 0), step = emit_i64(e, axis->in_step);
    // ceil(-base / step), of a number that is not negative
    LLVMValueRef before = taps_max(e, LLVMBuildNeg(b, base, ""), zero);
    before = LLVMBuildUDiv(b, taps_add(e, before, axis->in_step - 1), step, "");
    // floor((in - 1 - base) / step) + 1 = ceil((in - base) / step)
    LLVMValueRef after = LLVMBuildSub(b, emit_i64(e, axis->in), base, "");
    after = taps_max(e, after, zero);
    after = LLVMBuildUDiv(b, taps_add(e, after, axis->in_step - 1), step, "");
    return (Range){taps_max(e, low, before), emit_min_i64(e, high, after)};
}

// ---- the sum ----------------------------------------------------------------

// sums += x[pixel][c] * dy[pixel][block]. x points at the tile's first channel
// of that pixel's tap.
static void add_pixel(const WeightTask *task, LLVMValueRef x, LLVMValueRef dy)
{
    const KernelTaps *taps = task->taps;
    TapsTile tile = {taps->tile.pixels, taps->tile.blocks, task->sums, 1,
                     map_elements(&taps->rows, &taps->cols, false)};
    taps_multiply_one(task->emit, &tile, NULL, x, dy);
}

// The images, rows and columns of the current part. x and dy point at image 0;
// x at the tile's first channel of tap (r, s) of pixel (0, 0).
static void add_part(const WeightTask *task, LLVMValueRef x, Range rows,
                     Range cols)
{
    const Emit *e = task->emit;
    const TapAxis *r = &task->taps->rows, *c = &task->taps->cols;
    EmitLoop images = emit_loop_begin(e, task->part_low, task->part_high, 1);
    LLVMValueRef xn = taps_step(
        e, x, images.index, task->taps->in_blocks * map_elements(r, c, true));
    LLVMValueRef yn =
        taps_step(e, task->dy, images.index,
                  task->taps->out_blocks * map_elements(r, c, false));
    EmitLoop row = emit_loop_begin(e, rows.low, rows.high, 1);
    LLVMValueRef xr =
        taps_step(e, xn, row.index, r->in_step * c->in * TAPS_BLOCK);
    LLVMValueRef yr = taps_step(e, yn, row.index, c->out * TAPS_BLOCK);
    EmitLoop col = emit_loop_begin(e, cols.low, cols.high, 1);
    add_pixel(task, taps_step(e, xr, col.index, c->in_step * TAPS_BLOCK),
              taps_step(e, yr, col.index, TAPS_BLOCK));
    emit_loop_end(e, &col);
    emit_loop_end(e, &row);
    emit_loop_end(e, &images);
}

// Some channels of one tap: the tile's life in registers.
static void make_tile(const WeightTask *task, LLVMValueRef x, LLVMValueRef dw,
                      Range rows, Range cols)
{
    const Emit *e = task->emit;
    const TapTile *tile = &task->taps->tile;
    LLVMValueRef zero = emit_const(e, DT_F32, TAPS_BLOCK, 0);
    LLVMValueRef at[TAPS_MAX_TILE];
    int count = tile->pixels * tile->blocks;
    for (int i = 0; i < count; i++) {
        int c = i / tile->blocks, b = i % tile->blocks;
        at[i] = taps_at(e, dw, c * TAPS_BLOCK + b * weight_block(task->taps));
        taps_set(e, task->sums[i],
                 LLVMBuildSelect(e->builder, task->is_first, zero,
                                 taps_load(e, at[i]), ""));
    }
    add_part(task, x, rows, cols);
    for (int i = 0; i < count; i++)
        taps_store(e, taps_get(e, task->sums[i]), at[i]);
}

// All taps and channels, for the images and rows of one part.
static void make_part(const WeightTask *task)
{
    const Emit *e = task->emit;
    const KernelTaps *taps = task->taps;
    const TapAxis *r = &taps->rows, *c = &taps->cols;
    EmitLoop row = taps_loop(e, 0, r->taps, 1);
    LLVMValueRef row_base = taps_add(e, row.index, r->in_first);
    Range rows = valid_pixels(e, r, row_base, task->low_row, task->high_row);
    EmitLoop col = taps_loop(e, 0, c->taps, 1);
    LLVMValueRef col_base = taps_add(e, col.index, c->in_first);
    Range cols =
        valid_pixels(e, c, col_base, emit_i64(e, 0), emit_i64(e, c->count));
    LLVMValueRef x = taps_step(e, task->x, row_base, c->in * TAPS_BLOCK);
    x = taps_step(e, x, col_base, TAPS_BLOCK);
    LLVMValueRef tap = LLVMBuildAdd(
        e->builder, taps_affine(e, row.index, c->taps, 0), col.index, "");
    LLVMValueRef dw = taps_step(e, task->dw, tap, TAPS_BLOCK * TAPS_BLOCK);
    EmitLoop channels = taps_loop(e, 0, TAPS_BLOCK, taps->tile.pixels);
    make_tile(task, taps_step(e, x, channels.index, 1),
              taps_step(e, dw, channels.index, TAPS_BLOCK), rows, cols);
    emit_loop_end(e, &channels);
    emit_loop_end(e, &col);
    emit_loop_end(e, &row);
}

// A loop over [low, high) in parts of `step`, the last one shorter.
static EmitLoop parts_begin(const Emit *e, LLVMValueRef low, LLVMValueRef high,
                            int64_t step, LLVMValueRef *end)
{
    EmitLoop loop = emit_loop_begin(e, low, taps_add(e, high, step - 1), step);
    *end = emit_min_i64(e, loop.next, high);
    return loop;
}

// Chunk of images, group of written blocks, read block: from first to last
// factor of the task's number.
static void decode_task(WeightTask *task)
{
    const Emit *e = task->emit;
    const KernelTaps *taps = task->taps;
    LLVMBuilderRef b = e->builder;
    int blocks = taps->tile.blocks;
    LLVMValueRef in_blocks = emit_i64(e, taps->in_blocks);
    LLVMValueRef groups = emit_i64(e, taps->out_blocks / blocks);
    LLVMValueRef rest = LLVMBuildUDiv(b, e->task, in_blocks, "");
    LLVMValueRef in = LLVMBuildURem(b, e->task, in_blocks, "");
    LLVMValueRef group = LLVMBuildURem(b, rest, groups, "");
    LLVMValueRef chunk = LLVMBuildUDiv(b, rest, groups, "");
    LLVMValueRef size = taps_imm(e, IMM_CHUNK);
    task->low_image = LLVMBuildMul(b, chunk, size, "");
    task->high_image = emit_min_i64(
        e, LLVMBuildAdd(b, task->low_image, size, ""), taps_imm(e, IMM_IMAGES));
    task->x = taps_step(e, e->args[0], in,
                        map_elements(&taps->rows, &taps->cols, true));
    task->dy =
        taps_step(e, e->args[1], group,
                  blocks * map_elements(&taps->rows, &taps->cols, false));
    task->dw =
        taps_step(e, e->args[2], chunk, taps->out_blocks * weight_block(taps));
    task->dw = taps_step(e, task->dw, group, blocks * weight_block(taps));
    task->dw = taps_step(e, task->dw, in, weight_block(taps) / taps->in_blocks);
}

void emit_taps_weights(Emit *e)
{
    const KernelTaps *taps = &e->kernel->taps;
    WeightTask task = {.emit = e, .taps = taps};
    task.sums = taps_variables(e, taps->tile.pixels * taps->tile.blocks);
    decode_task(&task);
    EmitLoop images = parts_begin(e, task.low_image, task.high_image,
                                  taps->tile.images, &task.part_high);
    task.part_low = images.index;
    LLVMValueRef first_image =
        LLVMBuildICmp(e->builder, LLVMIntEQ, images.index, task.low_image, "");
    EmitLoop rows =
        parts_begin(e, emit_i64(e, 0), emit_i64(e, taps->rows.count),
                    taps->tile.rows, &task.high_row);
    task.low_row = rows.index;
    LLVMValueRef first_row =
        LLVMBuildICmp(e->builder, LLVMIntEQ, rows.index, emit_i64(e, 0), "");
    task.is_first = LLVMBuildAnd(e->builder, first_image, first_row, "");
    make_part(&task);
    emit_loop_end(e, &rows);
    emit_loop_end(e, &images);
}
