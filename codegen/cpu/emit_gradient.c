#include "codegen/cpu/emit_gradient.h"

GradientRange gradient_pixels(const Emit *e, const TapAxis *axis,
                              LLVMValueRef base, GradientRange among)
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
    return (GradientRange){taps_max(e, among.low, before),
                           emit_min_i64(e, among.high, after)};
}

GradientRange gradient_images(const Emit *e, LLVMValueRef chunk)
{
    LLVMValueRef size = taps_imm(e, GRADIENT_CHUNK);
    LLVMValueRef low = LLVMBuildMul(e->builder, chunk, size, "");
    LLVMValueRef high = LLVMBuildAdd(e->builder, low, size, "");
    return (GradientRange){low,
                           emit_min_i64(e, high, taps_imm(e, GRADIENT_IMAGES))};
}

EmitLoop gradient_parts(const Emit *e, GradientRange whole, int64_t step,
                        GradientRange *part)
{
    EmitLoop loop =
        emit_loop_begin(e, whole.low, taps_add(e, whole.high, step - 1), step);
    *part = (GradientRange){loop.index, emit_min_i64(e, loop.next, whole.high)};
    return loop;
}

void gradient_resume(const Emit *e, LLVMValueRef is_first, LLVMValueRef at,
                     LLVMValueRef variable)
{
    LLVMValueRef zero = emit_const(e, DT_F32, CPU_BLOCK, 0);
    taps_set(e, variable,
             LLVMBuildSelect(e->builder, is_first, zero, taps_load(e, at), ""));
}
