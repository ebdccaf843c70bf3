#include "codegen/cpu/lower.h"

#include "codegen/integers.h"
#include "ir/base/diag.h"

int cpu_vector_bytes(const Lowering *lower)
{
    return cpu_target(&lower->codegen->target)->vector_bytes;
}

const char *cpu_kernel_text(Arena *arena, const CpuKernel *kernel)
{
    Text text = text_new(arena);
    switch (kernel->kind) {
#define KIND(id, type, member, emit, print)                                    \
    case CPU_##id##_KERNEL:                                                    \
        print(&text, &kernel->member);                                         \
        break;
#include "codegen/cpu/kinds.def"
#undef KIND
    case CPU_KINDS:
        break;
    }
    return text_string(&text);
}

LowerStep cpu_step(Lowering *lower, const CpuKernel *kernel, int arg_count,
                   int64_t task_count, const char *label)
{
    CpuKernel *own = ARENA_NEW(lower->codegen->arena, CpuKernel);
    *own = *kernel;
    Kernel described = {.text = cpu_kernel_text(lower->arena, kernel),
                        .arg_count = arg_count,
                        .own = own};
    return step_kernel(codegen_intern(lower->codegen, described), task_count,
                       label);
}

void cpu_want_scratch(Lowering *lower, int64_t bytes)
{
    lower->scratch_bytes = max_i64(lower->scratch_bytes, bytes);
}

PlanCall cpu_call_of(const Node *node, PlanCall f32, PlanCall f64)
{
    if (node->type.dtype != DT_F32 && node->type.dtype != DT_F64)
        INTERNAL_ERROR("no %s on %s", op_info(node->op)->text,
                       dtype_name(node->type.dtype));
    return node->type.dtype == DT_F32 ? f32 : f64;
}

void cpu_push_call(Lowering *lower, LowerStep *step, const Node *node,
                   Place out)
{
    for (int i = 0; i < node->input_count; i++)
        step_arg(lower, step, value_place(lower, node->inputs[i]), 0, false,
                 false);
    step_arg(lower, step, out, 0, true, false);
    step_push(lower, step);
}
