// What a CPU adds to plans: machine code for their kernels. What it needs of
// the processor is a CpuSet (cpu.h).
#ifndef SIMCC_RUNTIME_CODE_H
#define SIMCC_RUNTIME_CODE_H

#include <stdint.h>

// One relocatable object (ELF) with a leaf kernel.
typedef struct CodeObject {
    char *symbol; // the kernel it defines
    int64_t size;
    unsigned char *bytes;
} CodeObject;

#endif
