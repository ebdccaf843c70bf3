// The machine code is made for, and the passage from LLVM IR to an object.
#ifndef SIMCC_CODEGEN_TARGET_H
#define SIMCC_CODEGEN_TARGET_H

#include <stdbool.h>

#include <llvm-c/TargetMachine.h>

#include "codegen/backend.h"
#include "ir/base/arena.h"
#include "runtime/exec/cpu.h"

// What it multiplies bf16 with.
typedef enum CpuBf16 {
    CPU_BF16_NONE,    // f32
    CPU_BF16_VECTORS, // AVX512_BF16: vdpbf16ps
    CPU_BF16_TILES    // AMX-BF16: tdpbf16ps
} CpuBf16;

// The processor that code is made for; Target.self of this back end.
typedef struct CpuTarget {
    const char *triple, *cpu, *features; // as LLVM wants them
    int vector_bytes;                    // of the widest registers
    bool fma;                            // has a fused multiply-add
    CpuBf16 bf16;
    CpuSet needs;     // what its code may use
    const char *text; // "znver4, 64-byte vectors, LLVM 19.1.7"
    const char *key;  // everything that decides the code, for the cache
} CpuTarget;

// NULL, or why the name will not do: it is neither "native" nor a processor
// that LLVM knows. Owned by the arena.
const char *target_problem(Arena *arena, const char *cpu);

// "native" asks the machine this runs on. What the CPU can do is found by
// probes of LLVM, so any name without a target_problem will do. For tests
// alone, as target_problem refuses it, a list of LLVM's of what it has besides
// may follow: "x86-64-v4,+avx512bf16".
CpuTarget target_new(Arena *arena, const char *cpu);

// Of this processor's features, as LLVM lists them, those to be used; the rest
// becomes "-name" behind them. The processor may have tiles that the system
// does not give. And Intel's with tiles (sapphirerapids, emeraldrapids,
// graniterapids) multiply bf16 by vectors at half the rate of f32
// (docs/benchmarks.md): without tiles they go without AVX512-BF16, too.
const char *target_features(Arena *arena, const char *cpu, const char *list,
                            CpuSet here);

// Those of the `asked` features that LLVM takes the target to have, found by
// trying each: what target_new does where target->features says nothing.
CpuSet target_probe(const CpuTarget *target, CpuSet asked, Arena *arena);

// Vectors of bf16 take at best (AMD's) half as long as those of f32, Winograd's
// products in f32 a quarter of the plain ones; tiles take a sixteenth.
// `asked`, unless it is none, overrules this.
ConvBf16 target_bf16_products(const CpuTarget *target, ConvBf16 asked);

static inline const CpuTarget *cpu_target(const Target *target)
{
    return target->self;
}

// A machine of one compile thread. Owned by the caller.
LLVMTargetMachineRef target_machine(const CpuTarget *target);

// Verifies the module and runs the clean-up passes. Returns NULL or what is
// wrong (owned by the arena).
const char *target_optimize(LLVMTargetMachineRef machine, LLVMModuleRef module,
                            Arena *arena);

#endif
