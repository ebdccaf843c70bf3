// Depthwise convolutions, forward and by data (depthwise.h).
//
// A register tile holds `pixels` neighbours of a row of the result through all
// taps. For each row of taps its weights are loaded, and then each number of x
// that the tile reads, once, from left to right: it goes into the sums of all
// pixels that have it under a tap. So the order of a sum is by rows of x, and
// in a row from left to right, for any tile, task and thread.
#include "codegen/cpu/emit_block.h"

typedef struct Depthwise {
    const Emit *emit;
    const DepthwiseKernel *kernel;
    const TapAxis *rows, *cols; // of the current phases
    LLVMValueRef *sums;
    LLVMValueRef x, w, y;           // of the plane
    LLVMValueRef block;             // that it is of its image
    LLVMValueRef row;               // of the sub-grid
    LLVMValueRef input_row;         // of tap 0
    LLVMValueRef low_tap, high_tap; // those inside
} Depthwise;

// One row of taps: x points at the pixel of column 0, w at the row's weights,
// and pixel 0 of the tile is a column whose taps are as valid as those of
// `first`.
static void add_tap_row(const Depthwise *d, int64_t first, int pixels,
                        LLVMValueRef x, LLVMValueRef w)
{
    const Emit *e = d->emit;
    const TapAxis *cols = d->cols;
    LLVMValueRef *weights = ARENA_ARRAY(e->arena, LLVMValueRef, cols->taps);
    for (int64_t t = 0; t < cols->taps; t++)
        weights[t] =
            taps_load(e, taps_at(e, w,
                                 (cols->weight_first + t * cols->weight_step) *
                                     CPU_BLOCK));
    // Columns of x, past that of tap 0 of pixel 0.
    int64_t last_tap = (cols->taps - 1) * cols->tap_step;
    int64_t low = last_tap < 0 ? last_tap : 0;
    int64_t high = (pixels - 1) * cols->in_step + (last_tap > 0 ? last_tap : 0);
    for (int64_t at = low; at <= high; at++) {
        LLVMValueRef number = NULL;
        for (int p = 0; p < pixels; p++) {
            int64_t tap = (at - p * cols->in_step) / cols->tap_step;
            if (p * cols->in_step + tap * cols->tap_step != at || tap < 0 ||
                tap >= cols->taps || !tap_inside(cols, first + p, tap))
                continue;
            if (!number)
                number = image_load(
                    e, d->kernel->types.in[0],
                    image_at(e, d->kernel->types.in[0], x, at * CPU_BLOCK));
            taps_add_product(e, d->sums[p], number, weights[tap]);
        }
    }
}

static void make_tile(const void *of, int64_t first, int pixels,
                      LLVMValueRef column)
{
    const Depthwise *d = of;
    const Emit *e = d->emit;
    const TapAxis *rows = d->rows, *cols = d->cols;
    DType in = d->kernel->types.in[0], out = d->kernel->types.out;
    for (int p = 0; p < pixels; p++)
        taps_set_zero(e, d->sums[p]);
    if (rows->taps > 0 && cols->taps > 0) {
        LLVMValueRef from =
            image_step(e, in, d->x, column, cols->in_step * CPU_BLOCK);
        from = image_at(e, in, from, cols->in_first * CPU_BLOCK);
        EmitLoop tap = emit_loop_begin(e, d->low_tap, d->high_tap, 1);
        LLVMValueRef row = LLVMBuildAdd(
            e->builder, taps_affine(e, tap.index, rows->tap_step, 0),
            d->input_row, "");
        LLVMValueRef weight =
            taps_affine(e, tap.index, rows->weight_step, rows->weight_first);
        add_tap_row(d, first, pixels,
                    image_step(e, in, from, row, cols->in * CPU_BLOCK),
                    taps_step(e, d->w, weight, cols->kernel * CPU_BLOCK));
        emit_loop_end(e, &tap);
    }
    LLVMValueRef to = image_step(
        e, out, d->y, taps_affine(e, d->row, rows->out_step, rows->out_first),
        cols->out * CPU_BLOCK);
    to = image_step(e, out, to,
                    taps_affine(e, column, cols->out_step, cols->out_first),
                    CPU_BLOCK);
    BlockResults results = results_begin(e, &d->kernel->types, d->block);
    for (int p = 0; p < pixels; p++)
        results_store(&results, taps_get(e, d->sums[p]),
                      image_at(e, out, to, p * cols->out_step * CPU_BLOCK),
                      NULL, NULL);
}

// Rows [low, high) of every sub-grid, as far as it has them.
static void make_plane(Depthwise *d, LLVMValueRef low, LLVMValueRef high)
{
    const Emit *e = d->emit;
    const DepthwiseKernel *kernel = d->kernel;
    for (int i = 0; i < kernel->row_phases; i++) {
        d->rows = &kernel->rows[i];
        EmitLoop row = emit_loop_begin(
            e, low, emit_min_i64(e, high, emit_i64(e, d->rows->count)), 1);
        d->row = row.index;
        d->input_row =
            taps_affine(e, row.index, d->rows->in_step, d->rows->in_first);
        taps_find_inside(e, d->rows, d->input_row, &d->low_tap, &d->high_tap);
        for (int j = 0; j < kernel->col_phases; j++) {
            d->cols = &kernel->cols[j];
            taps_each_tile(e, d->cols, kernel->pixels, make_tile, d);
        }
        emit_loop_end(e, &row);
    }
}

// A task's number is that of its planes, then of its part of them.
void emit_depthwise(Emit *e)
{
    const DepthwiseKernel *kernel = &cpu_kernel(e)->depthwise;
    const TapAxis *rows = &kernel->rows[0], *cols = &kernel->cols[0];
    LLVMBuilderRef b = e->builder;
    Depthwise d = {
        .emit = e, .kernel = kernel, .sums = taps_variables(e, kernel->pixels)};
    LLVMValueRef parts = emit_i64(e, kernel->parts);
    LLVMValueRef part = LLVMBuildURem(b, e->task, parts, "");
    LLVMValueRef first =
        taps_affine(e, LLVMBuildUDiv(b, e->task, parts, ""), kernel->planes, 0);
    EmitLoop plane = emit_loop_begin(
        e, first,
        emit_min_i64(e, taps_add(e, first, kernel->planes), taps_imm(e, 0)), 1);
    LLVMValueRef block =
        LLVMBuildURem(b, plane.index, emit_i64(e, kernel->blocks), "");
    d.block = block;
    d.x = image_step(e, kernel->types.in[0], e->args[0], plane.index,
                     block_map(rows->in, cols->in));
    d.w = taps_step(e, e->args[1], block,
                    rows->kernel * cols->kernel * CPU_BLOCK);
    d.y = image_step(e, kernel->types.out, e->args[2], plane.index,
                     block_map(rows->out, cols->out));
    LLVMValueRef low = taps_affine(e, part, kernel->part_rows, 0);
    make_plane(&d, low, taps_add(e, low, kernel->part_rows));
    emit_loop_end(e, &plane);
}
