// Epilogues of convolutions (codegen/plan/epilogue.h) in registers.
#include "codegen/cpu/emit_block.h"

enum { RESULT_ARG = 2, FIRST_OPERAND = 3 };

BlockResults results_begin(const Emit *e, const KernelTypes *types,
                           LLVMValueRef block)
{
    BlockResults results = {.emit = e, .types = types};
    const Epilogue *epilogue = types->epilogue;
    if (!epilogue)
        return results;
    results.channels =
        ARENA_ARRAY(e->arena, LLVMValueRef, epilogue->exprs.count);
    for (int i = 0; i < epilogue->exprs.count; i++) {
        const EpilogueExpr *expr = &epilogue->exprs.at[i];
        if (expr->kind == EPILOGUE_CHANNEL)
            results.channels[i] = taps_load_unaligned(
                e, taps_step(e, e->args[FIRST_OPERAND + expr->operand], block,
                             expr->stride));
    }
    return results;
}

// The operand's element that belongs to a place of the result: as far from its
// own beginning.
static LLVMValueRef each_at(const Emit *e, int operand, LLVMValueRef to)
{
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef i64 = emit_int_type(e, 64, 1), byte = emit_int_type(e, 8, 1);
    LLVMValueRef own = LLVMBuildPtrToInt(b, e->args[RESULT_ARG], i64, "");
    LLVMValueRef other =
        LLVMBuildPtrToInt(b, e->args[FIRST_OPERAND + operand], i64, "");
    LLVMValueRef apart = LLVMBuildSub(b, other, own, "");
    return LLVMBuildGEP2(b, byte, to, &apart, 1, "");
}

void results_prefetch(const Emit *e, const KernelTypes *types, LLVMValueRef to)
{
    const Epilogue *epilogue = types->epilogue;
    for (int i = 0; epilogue && i < epilogue->exprs.count; i++)
        if (epilogue->exprs.at[i].kind == EPILOGUE_EACH)
            taps_prefetch(e, each_at(e, epilogue->exprs.at[i].operand, to),
                          PREFETCH_READ);
}

void results_strips(const Emit *e, const KernelTypes *types, LLVMValueRef to,
                    TapsTile *tile)
{
    const Epilogue *epilogue = types->epilogue;
    for (int i = 0; epilogue && i < epilogue->exprs.count; i++)
        if (epilogue->exprs.at[i].kind == EPILOGUE_EACH)
            taps_strip(tile, each_at(e, epilogue->exprs.at[i].operand, to),
                       PREFETCH_READ);
}

static LLVMValueRef apply(const BlockResults *results, LLVMValueRef sum,
                          LLVMValueRef to, LLVMValueRef inside,
                          LLVMValueRef outside)
{
    const Emit *e = results->emit;
    const Epilogue *epilogue = results->types->epilogue;
    int count = epilogue->exprs.count;
    LLVMValueRef *values = ARENA_ARRAY(e->arena, LLVMValueRef, count);
    for (int i = 0; i < count; i++) {
        const EpilogueExpr *expr = &epilogue->exprs.at[i];
        MapOperands m = {.dtype = expr->dtype, .lanes = CPU_BLOCK};
        LLVMValueRef at;
        switch (expr->kind) {
        case EPILOGUE_SUM:
            values[i] = sum;
            break;
        case EPILOGUE_CONST:
            values[i] = emit_const(e, expr->dtype, CPU_BLOCK, expr->value);
            break;
        case EPILOGUE_EACH:
            at = each_at(e, expr->operand, to);
            if (inside)
                at = LLVMBuildSelect(e->builder, inside, at, outside, "");
            values[i] = taps_load(e, at);
            break;
        case EPILOGUE_CHANNEL:
            values[i] = results->channels[i];
            break;
        case EPILOGUE_OP:
            for (int k = 0; k < op_info(expr->op)->input_count; k++) {
                const EpilogueExpr *in = &epilogue->exprs.at[expr->in[k]];
                m.in[k] = values[expr->in[k]];
                m.constant[k] = in->kind == EPILOGUE_CONST ? &in->value : NULL;
                m.in_dtype = in->dtype;
            }
            values[i] = emit_map(e, expr->op, &m);
            break;
        }
    }
    return values[count - 1];
}

void results_store(const BlockResults *results, LLVMValueRef sum,
                   LLVMValueRef to, LLVMValueRef inside, LLVMValueRef outside)
{
    const Emit *e = results->emit;
    if (results->types->epilogue)
        sum = apply(results, sum, to, inside, outside);
    if (inside)
        to = LLVMBuildSelect(e->builder, inside, to, outside, "");
    image_store(e, results->types->out, sum, to);
}
