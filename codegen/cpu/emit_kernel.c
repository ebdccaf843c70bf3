// A kernel as a function of a module: its frame, and what its kind emits.
#include <string.h>

#include "codegen/cpu/emit.h"

static void add_attribute(const Emit *emit, const char *name)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAttributeRef attribute =
        LLVMCreateEnumAttribute(emit->context, kind, 0);
    LLVMAddAttributeAtIndex(emit->function,
                            (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            attribute);
}

// Without target-cpu LLVM would fall back on SSE2; without both widths it
// would split 512-bit vectors.
static void add_target_attributes(const Emit *emit)
{
    LLVMValueRef f = emit->function;
    LLVMAddTargetDependentFunctionAttr(f, "target-cpu", emit->target->cpu);
    if (*emit->target->features)
        LLVMAddTargetDependentFunctionAttr(f, "target-features",
                                           emit->target->features);
    if (emit->target->vector_bytes == 64) {
        LLVMAddTargetDependentFunctionAttr(f, "prefer-vector-width", "512");
        LLVMAddTargetDependentFunctionAttr(f, "min-legal-vector-width", "512");
    }
    // LLVM may not turn pow into exp2 and the like: the loader has no exp2.
    LLVMAddTargetDependentFunctionAttr(f, "no-builtins", "");
    add_attribute(emit, "nounwind");
}

// void k(void *const *args, const int64_t *imm, int64_t task, void *scratch).
// The pointers carry no promise about aliasing: results may lie in place of
// operands.
static void begin_function(Emit *emit)
{
    LLVMTypeRef pointer = LLVMPointerTypeInContext(emit->context, 0);
    LLVMTypeRef params[] = {pointer, pointer, emit_int_type(emit, 64, 1),
                            pointer};
    LLVMTypeRef type =
        LLVMFunctionType(LLVMVoidTypeInContext(emit->context), params, 4, 0);
    emit->function = LLVMAddFunction(emit->module, emit->kernel->symbol, type);
    add_target_attributes(emit);
    LLVMPositionBuilderAtEnd(emit->builder, emit_block(emit));
    emit->task = LLVMGetParam(emit->function, 2);
    int count = emit->kernel->arg_count;
    emit->args = ARENA_ARRAY(emit->arena, LLVMValueRef, count);
    for (int i = 0; i < count; i++) {
        LLVMValueRef index = emit_i64(emit, i);
        LLVMValueRef slot = LLVMBuildInBoundsGEP2(
            emit->builder, pointer, LLVMGetParam(emit->function, 0), &index, 1,
            "");
        emit->args[i] = LLVMBuildLoad2(emit->builder, pointer, slot, "");
    }
}

static void (*const emitters[CPU_KINDS])(Emit *emit) = {
#define KIND(id, type, member, emit, print) emit,
#include "codegen/cpu/kinds.def"
#undef KIND
};

LLVMModuleRef emit_kernel(LLVMContextRef context, const CpuTarget *target,
                          const Kernel *kernel, Arena *arena)
{
    Emit emit = {
        .arena = arena, .target = target, .kernel = kernel, .context = context};
    // The module's name becomes a symbol, too: not the kernel's.
    emit.module = LLVMModuleCreateWithNameInContext("simcc", context);
    LLVMSetTarget(emit.module, target->triple);
    emit.builder = LLVMCreateBuilderInContext(context);
    begin_function(&emit);
    if (kernel->loop)
        emit_loops(&emit);
    else
        emitters[cpu_kernel(&emit)->kind](&emit);
    LLVMBuildRetVoid(emit.builder);
    LLVMDisposeBuilder(emit.builder);
    return emit.module;
}
