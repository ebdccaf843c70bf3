// Weights as the kernel by data reads them, of stored ones: pairs of blocks
// change places, and each of their tiles is transposed.
#include "codegen/cpu/emit_block.h"

// A task: a written block and some read blocks.
void emit_transpose(Emit *e)
{
    const TransposeKernel *kernel = &cpu_kernel(e)->transpose;
    LLVMBuilderRef b = e->builder;
    int64_t tile = CPU_TILE;
    int64_t window = kernel->window;
    int64_t pair = window * tile;
    LLVMValueRef in_blocks = taps_imm(e, TRANSPOSE_IN_BLOCKS);
    LLVMValueRef out_blocks = taps_imm(e, TRANSPOSE_OUT_BLOCKS);
    LLVMValueRef shares =
        LLVMBuildUDiv(b, taps_add(e, in_blocks, TRANSPOSE_BLOCKS - 1),
                      emit_i64(e, TRANSPOSE_BLOCKS), "");
    LLVMValueRef written = LLVMBuildUDiv(b, e->task, shares, "");
    LLVMValueRef low = taps_affine(e, LLVMBuildURem(b, e->task, shares, ""),
                                   TRANSPOSE_BLOCKS, 0);
    LLVMValueRef high =
        emit_min_i64(e, taps_add(e, low, TRANSPOSE_BLOCKS), in_blocks);
    // Of all pairs of blocks of a row, made and stored.
    LLVMValueRef made_row = taps_affine(e, in_blocks, pair, 0);
    LLVMValueRef stored_row = taps_affine(e, out_blocks, pair, 0);
    LLVMValueRef to = taps_steps(e, e->args[1], written, made_row);
    LLVMValueRef from = e->args[0];
    if (kernel->grouped) {
        LLVMValueRef group = LLVMBuildUDiv(b, written, out_blocks, "");
        from = taps_steps(e, from, LLVMBuildNSWMul(b, group, in_blocks, ""),
                          stored_row);
        written = LLVMBuildURem(b, written, out_blocks, "");
    }
    from = taps_step(e, from, written, pair);
    EmitLoop block = emit_loop_begin(e, low, high, 1);
    LLVMValueRef source = taps_steps(e, from, block.index, stored_row);
    LLVMValueRef target = taps_step(e, to, block.index, pair);
    EmitLoop place = taps_loop(e, 0, window, 1);
    taps_transpose(e, taps_step(e, source, place.index, tile), CPU_BLOCK,
                   taps_step(e, target, place.index, tile));
    emit_loop_end(e, &place);
    emit_loop_end(e, &block);
}
