// Whether this processor can run what a program was compiled for.
#ifndef SIMCC_RUNTIME_CPU_H
#define SIMCC_RUNTIME_CPU_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

// Rows of cpu.def by number.
typedef enum CpuFeature {
#define FEATURE(id, name, level, leaf, subleaf, word, bit, state) CPU_##id,
#include "runtime/exec/cpu.def"
#undef FEATURE
    CPU_FEATURES
} CpuFeature;

// A set of features: bit 1 << CpuFeature. The empty set is every x86-64.
typedef uint64_t CpuSet;
_Static_assert(CPU_FEATURES <= 64, "a CpuSet has a bit for each");
#define CPU_BIT(id) ((CpuSet)1 << CPU_##id)
#define CPU_ALL     (((CpuSet)1 << CPU_FEATURES) - 1)

// What the processor and its system offer.
CpuSet cpu_here(void);
// "avx2, fma and bmi2", cut off at `size` bytes.
void cpu_names(CpuSet set, char *text, size_t size);
// What the level x86-64-vN of the System V ABI asks for, N = 1 .. 4.
CpuSet cpu_level(int level);
// STATUS_FAILED, with what to do, when code that needs `needs` could end the
// process by an illegal instruction on a processor that has `has`. `target` is
// what the program says about its processor.
Status cpu_check(CpuSet needs, CpuSet has, const char *target);
// NULL, or what to expect of generated code on such a processor.
const char *cpu_advice(CpuSet has);

// How the processor is asked: CPUID's words, which are 0 for a leaf beyond the
// last, and XCR0, the state that the system saves.
enum { CPU_EAX, CPU_EBX, CPU_ECX, CPU_EDX, CPU_WORDS };
typedef struct CpuProbe {
    void (*cpuid)(uint32_t leaf, uint32_t subleaf, uint32_t words[CPU_WORDS]);
    uint64_t (*xcr0)(void); // asked where CPUID says that it may be
} CpuProbe;
// From here on cpu_here asks `probe`; NULL: the processor itself. For tests of
// other processors than theirs.
void cpu_pretend(const CpuProbe *probe);

#endif
