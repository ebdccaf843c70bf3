// The machine code is made for, and the passage from LLVM IR to an object.
#ifndef SIMCC_CODEGEN_TARGET_H
#define SIMCC_CODEGEN_TARGET_H

#include <stdbool.h>

#include <llvm-c/TargetMachine.h>

#include "codegen/backend.h"
#include "ir/base/arena.h"
#include "runtime/exec/cpu.h"

// The processor that code is made for; Target.self of this back end.
typedef struct CpuTarget {
    const char *triple, *cpu, *features; // as LLVM wants them
    int vector_bytes;                    // of the widest registers
    bool fma;                            // has a fused multiply-add
    CpuSet needs;                        // what its code may use
    const char *text; // "znver4, 64-byte vectors, LLVM 19.1.7"
    const char *key;  // everything that decides the code, for the cache
} CpuTarget;

// NULL, or why the name will not do: it is neither "native" nor a processor
// that LLVM knows. Owned by the arena.
const char *target_problem(Arena *arena, const char *cpu);

// "native" asks the machine this runs on. What the CPU can do is found by
// probes of LLVM, so any name without a target_problem will do.
CpuTarget target_new(Arena *arena, const char *cpu);

// Those of the `asked` features that LLVM takes the target to have, found by
// trying each: what target_new does where target->features says nothing.
CpuSet target_probe(const CpuTarget *target, CpuSet asked, Arena *arena);

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
