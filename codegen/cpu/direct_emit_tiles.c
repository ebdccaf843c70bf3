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
    LLVMValueRef shares = emit_i64(e, transpose_shares(kernel));
    LLVMValueRef written = LLVMBuildUDiv(b, e->task, shares, "");
    LLVMValueRef low = taps_affine(e, LLVMBuildURem(b, e->task, shares, ""),
                                   TRANSPOSE_BLOCKS, 0);
    LLVMValueRef high = emit_min_i64(e, taps_add(e, low, TRANSPOSE_BLOCKS),
                                     emit_i64(e, kernel->in_blocks));
    LLVMValueRef to =
        taps_step(e, e->args[1], written, kernel->in_blocks * pair);
    LLVMValueRef from = e->args[0];
    if (kernel->groups > 1) {
        LLVMValueRef own = emit_i64(e, kernel->out_blocks);
        from = taps_step(e, from, LLVMBuildUDiv(b, written, own, ""),
                         kernel->in_blocks * kernel->out_blocks * pair);
        written = LLVMBuildURem(b, written, own, "");
    }
    from = taps_step(e, from, written, pair);
    EmitLoop block = emit_loop_begin(e, low, high, 1);
    LLVMValueRef source =
        taps_step(e, from, block.index, kernel->out_blocks * pair);
    LLVMValueRef target = taps_step(e, to, block.index, pair);
    EmitLoop place = taps_loop(e, 0, window, 1);
    taps_transpose(e, taps_step(e, source, place.index, tile), CPU_BLOCK,
                   taps_step(e, target, place.index, tile));
    emit_loop_end(e, &place);
    emit_loop_end(e, &block);
}
