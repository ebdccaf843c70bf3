// Kernels -> objects: backend.h's functions for machine code.
#ifndef SIMCC_CODEGEN_CPU_COMPILE_H
#define SIMCC_CODEGEN_CPU_COMPILE_H

#include "codegen/backend.h"

void *cpu_worker_new(const Target *target);
void cpu_worker_free(void *worker);
void cpu_compile(void *worker, const Kernel *kernel, CodeObject *object);
void cpu_print_ir(void *worker, const Kernel *kernel, Text *out);
void cpu_print_asm(void *worker, const Kernel *kernel, Text *out);

#endif
