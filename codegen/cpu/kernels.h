// The kernels that this back end describes itself, as one tagged union.
#ifndef SIMCC_CODEGEN_KERNELS_H
#define SIMCC_CODEGEN_KERNELS_H

#include "codegen/cpu/bf16.h"
#include "codegen/cpu/depthwise.h"
#include "codegen/cpu/pointwise.h"
#include "codegen/cpu/pool.h"
#include "codegen/cpu/product.h"
#include "codegen/cpu/stem.h"
#include "codegen/cpu/winograd.h"
#include "codegen/plan/kernel.h"

typedef enum CpuKind {
#define KIND(id, type, member, emit, print) CPU_##id##_KERNEL,
#include "codegen/cpu/kinds.def"
#undef KIND
    CPU_KINDS
} CpuKind;

typedef struct CpuKernel {
    CpuKind kind;
    union {
#define KIND(id, type, member, emit, print) type member;
#include "codegen/cpu/kinds.def"
#undef KIND
    };
} CpuKernel;

// The description in words: the key by which machine code is kept.
const char *cpu_kernel_text(Arena *arena, const CpuKernel *kernel);

#endif
