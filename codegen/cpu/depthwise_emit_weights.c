// The gradient of a depthwise convolution by its weights (depthwise.h).
//
// A register tile holds the sums of some taps while a task goes through all
// pixels of its images, row after row, each from left to right: the order of
// every sum. Each number of dy is loaded once for all taps of the tile. Columns
// at the rim, where taps leave the input, are unrolled with the taps they have.
// So are not rows: where a row of dy lacks a row of taps, each row of taps of
// the tile goes through it by itself, or not.
#include "codegen/cpu/emit_gradient.h"

typedef struct DepthwiseGradient {
    const Emit *emit;
    const DepthwiseWeightsKernel *kernel;
    int64_t first, end; // taps of the tile
    LLVMValueRef *sums; // by tap, from `first` on
    LLVMValueRef x, dy; // of the current plane, at its row of dy: x at the
                        // column and row of tap (0, 0) of pixel 0
} DepthwiseGradient;

// Taps [first, end) of the tile, for the `count` pixels from column `at` on, or
// from where `column` says, if that is not NULL: a column whose taps are valid
// alike.
static void add_pixels(const DepthwiseGradient *g, int64_t first, int64_t end,
                       int64_t at, int count, LLVMValueRef column)
{
    const Emit *e = g->emit;
    const TapAxis *rows = &g->kernel->rows, *cols = &g->kernel->cols;
    LLVMValueRef index = column ? column : emit_i64(e, at);
    DType x_type = g->kernel->types.in[0], y_type = g->kernel->types.in[1];
    LLVMValueRef x =
        image_step(e, x_type, g->x, index, cols->in_step * CPU_BLOCK);
    LLVMValueRef y = image_step(e, y_type, g->dy, index, CPU_BLOCK);
    for (int p = 0; p < count; p++) {
        LLVMValueRef dy = NULL;
        for (int64_t t = first; t < end; t++) {
            int64_t a = t / cols->taps, b = t % cols->taps;
            if (!tap_inside(cols, at + p, b))
                continue;
            if (!dy)
                dy = image_load(e, y_type,
                                image_at(e, y_type, y, p * CPU_BLOCK));
            int64_t place = a * rows->tap_step * cols->in + b * cols->tap_step +
                            p * cols->in_step;
            taps_add_product(
                e, g->sums[t - g->first],
                image_load(e, x_type,
                           image_at(e, x_type, x, place * CPU_BLOCK)),
                dy);
        }
    }
}

// A row of dy, for taps whose rows are inside.
static void add_row(const DepthwiseGradient *g, int64_t first, int64_t end)
{
    const Emit *e = g->emit;
    const TapAxis *cols = &g->kernel->cols;
    int64_t at = 0, inner = cols->count, round = g->kernel->pixels;
    while (at < inner && !taps_inside(cols, at, 1))
        at++;
    while (inner > at && !taps_inside(cols, inner - 1, 1))
        inner--;
    for (int64_t i = 0; i < at; i++)
        add_pixels(g, first, end, i, 1, NULL);
    int64_t rounds = (inner - at) / round;
    if (rounds > 0) {
        EmitLoop column = taps_loop(e, at, at + rounds * round, round);
        add_pixels(g, first, end, at, (int)round, column.index);
        emit_loop_end(e, &column);
        at += rounds * round;
    }
    for (; at < cols->count; at++)
        add_pixels(g, first, end, at, 1, NULL);
}

// Rows [low, high) of dy, of one plane. `all`: every row of taps is inside.
static void add_rows(DepthwiseGradient *g, int64_t low, int64_t high,
                     LLVMValueRef x, LLVMValueRef dy, bool all)
{
    const Emit *e = g->emit;
    LLVMBuilderRef b = e->builder;
    const TapAxis *rows = &g->kernel->rows, *cols = &g->kernel->cols;
    if (low >= high)
        return;
    EmitLoop row = taps_loop(e, low, high, 1);
    LLVMValueRef from =
        taps_affine(e, row.index, rows->in_step, rows->in_first);
    DType x_type = g->kernel->types.in[0], y_type = g->kernel->types.in[1];
    g->x = image_step(e, x_type, x, from, cols->in * CPU_BLOCK);
    g->x = image_at(e, x_type, g->x, cols->in_first * CPU_BLOCK);
    g->dy = image_step(e, y_type, dy, row.index, cols->out * CPU_BLOCK);
    if (all) {
        add_row(g, g->first, g->end);
        emit_loop_end(e, &row);
        return;
    }
    for (int64_t first = g->first, end; first < g->end; first = end) {
        int64_t a = first / cols->taps;
        end = (a + 1) * cols->taps < g->end ? (a + 1) * cols->taps : g->end;
        LLVMValueRef at = taps_add(e, from, a * rows->tap_step);
        LLVMValueRef inside =
            LLVMBuildICmp(b, LLVMIntULT, at, emit_i64(e, rows->in), "");
        LLVMBasicBlockRef yes = emit_block(e), then = emit_block(e);
        LLVMBuildCondBr(b, inside, yes, then);
        LLVMPositionBuilderAtEnd(b, yes);
        add_row(g, first, end);
        LLVMBuildBr(b, then);
        LLVMPositionBuilderAtEnd(b, then);
    }
    emit_loop_end(e, &row);
}

// Whether every row of taps of the tile is inside, for a row of dy.
static bool has_all_rows(const DepthwiseGradient *g, int64_t row)
{
    const TapAxis *rows = &g->kernel->rows;
    int64_t across = g->kernel->cols.taps;
    return tap_inside(rows, row, g->first / across) &&
           tap_inside(rows, row, (g->end - 1) / across);
}

void emit_depthwise_weights(Emit *e)
{
    const DepthwiseWeightsKernel *kernel = &cpu_kernel(e)->depthwise_weights;
    const TapAxis *rows = &kernel->rows, *cols = &kernel->cols;
    LLVMBuilderRef b = e->builder;
    DepthwiseGradient g = {
        .emit = e, .kernel = kernel, .sums = taps_variables(e, kernel->taps)};
    int64_t window = rows->taps * cols->taps;
    LLVMValueRef blocks = emit_i64(e, kernel->blocks);
    LLVMValueRef block = LLVMBuildURem(b, e->task, blocks, "");
    LLVMValueRef dw = taps_step(e, e->args[2], e->task, window * CPU_BLOCK);
    GradientRange images =
        gradient_images(e, LLVMBuildUDiv(b, e->task, blocks, ""));
    for (g.first = 0; g.first < window; g.first = g.end) {
        g.end =
            g.first + kernel->taps < window ? g.first + kernel->taps : window;
        for (int64_t t = g.first; t < g.end; t++)
            taps_set_zero(e, g.sums[t - g.first]);
        EmitLoop image = emit_loop_begin(e, images.low, images.high, 1);
        LLVMValueRef plane = LLVMBuildAdd(
            b, LLVMBuildMul(b, image.index, blocks, ""), block, "");
        LLVMValueRef x = image_step(e, kernel->types.in[0], e->args[0], plane,
                                    block_map(rows->in, cols->in));
        LLVMValueRef dy = image_step(e, kernel->types.in[1], e->args[1], plane,
                                     block_map(rows->out, cols->out));
        int64_t low = 0, high = rows->count;
        while (low < high && !has_all_rows(&g, low))
            low++;
        while (high > low && !has_all_rows(&g, high - 1))
            high--;
        add_rows(&g, 0, low, x, dy, false);
        add_rows(&g, low, high, x, dy, true);
        add_rows(&g, high, rows->count, x, dy, false);
        emit_loop_end(e, &image);
        for (int64_t t = g.first; t < g.end; t++)
            taps_store(e, taps_get(e, g.sums[t - g.first]),
                       taps_at(e, dw, t * CPU_BLOCK));
    }
}
