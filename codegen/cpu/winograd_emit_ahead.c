// Lines of the cache asked for ahead. A transform waits for memory, of which
// products ask nothing: a processor has a dozen or two lines under way at once,
// and a few tiles have more. So while a task multiplies it asks for what will
// be transformed next, a few lines at a time between the products of register
// tiles, for more at once would be waited for as before.
#include "codegen/integers.h"
#include "codegen/cpu/winograd_emit.h"

// Strips in a row of a piece, and in all of it.
static int64_t row_strips(const WinogradAhead *ahead)
{
    return ceil_div(ahead->step * CPU_BLOCK * dtype_size(ahead->dtype),
                    TAPS_STRIP_BYTES);
}

static int64_t piece_strips(const WinogradAhead *ahead)
{
    return ahead->step * row_strips(ahead);
}

void winograd_ahead_begin(const WinogradWork *work, WinogradAhead *ahead,
                          int64_t rounds, int64_t calls)
{
    const Emit *e = work->emit;
    ahead->pieces = ceil_div(work->k->tiles * ahead->count, rounds);
    ahead->each = min_i64(ceil_div(ahead->pieces * piece_strips(ahead), calls),
                          TAPS_MAX_STRIPS / 2);
    ahead->at = LLVMBuildArrayAlloca(e->builder,
                                     LLVMPointerTypeInContext(e->context, 0),
                                     emit_i64(e, ahead->pieces), "");
}

static LLVMValueRef piece_slot(const Emit *e, const WinogradAhead *ahead,
                               LLVMValueRef piece)
{
    return LLVMBuildGEP2(e->builder, LLVMPointerTypeInContext(e->context, 0),
                         ahead->at, &piece, 1, "");
}

void winograd_ahead_round(const WinogradWork *work, const WinogradAhead *ahead,
                          LLVMValueRef map, LLVMValueRef round)
{
    if (ahead->pieces == 0)
        return;
    const Emit *e = work->emit;
    LLVMBuilderRef b = e->builder;
    DType dtype = ahead->dtype;
    LLVMValueRef tiles = emit_i64(e, work->k->tiles);
    int64_t row = ahead->w * CPU_BLOCK;
    WinogradWork there = *work;
    there.first = ahead->first;
    EmitLoop i = taps_loop(e, 0, ahead->pieces, 1);
    LLVMValueRef piece = LLVMBuildNSWAdd(
        b, taps_affine(e, round, ahead->pieces, 0), i.index, "");
    LLVMValueRef block = LLVMBuildUDiv(b, piece, tiles, "");
    WinogradCorner corner =
        winograd_corner(&there, LLVMBuildURem(b, piece, tiles, ""));
    LLVMValueRef at =
        image_step(e, dtype, map, corner.image, ahead->blocks * ahead->h * row);
    at = image_step(e, dtype, at, block, ahead->h * row);
    at = image_step(e, dtype, at, corner.row, ahead->step * row);
    at = image_step(e, dtype, at, corner.col, ahead->step * CPU_BLOCK);
    LLVMBuildStore(b, at, piece_slot(e, ahead, i.index));
    emit_loop_end(e, &i);
}

void winograd_ahead_strips(const WinogradWork *work, const WinogradAhead *ahead,
                           LLVMValueRef call, TapsTile *tile)
{
    const Emit *e = work->emit;
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef pointer = LLVMPointerTypeInContext(e->context, 0);
    LLVMValueRef strips = emit_i64(e, piece_strips(ahead));
    LLVMValueRef across = emit_i64(e, row_strips(ahead));
    for (int i = 0; i < ahead->each; i++) {
        LLVMValueRef n =
            emit_min_i64(e, taps_affine(e, call, ahead->each, i),
                         emit_i64(e, ahead->pieces * piece_strips(ahead) - 1));
        LLVMValueRef strip = LLVMBuildURem(b, n, strips, "");
        LLVMValueRef at = LLVMBuildLoad2(
            b, pointer, piece_slot(e, ahead, LLVMBuildUDiv(b, n, strips, "")),
            "");
        at =
            image_step(e, ahead->dtype, at, LLVMBuildUDiv(b, strip, across, ""),
                       ahead->w * CPU_BLOCK);
        at = taps_step(e, at, LLVMBuildURem(b, strip, across, ""),
                       TAPS_STRIP_BYTES / (int64_t)sizeof(float));
        taps_strip(tile, at, ahead->what);
        if (ahead->what == PREFETCH_WRITE)
            results_strips(e, &work->k->types, at, tile);
    }
}
