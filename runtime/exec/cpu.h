// Whether this processor can run what a program was compiled for.
#ifndef SIMCC_RUNTIME_CPU_H
#define SIMCC_RUNTIME_CPU_H

#include "runtime/base/status.h"
#include "runtime/exec/plan.h"

// What the processor and its system offer.
PlanCpu cpu_here(void);
// "AVX2 and fused multiply-add"
const char *cpu_name(PlanCpu cpu);
// STATUS_FAILED, with what to do, when code that needs `needs` would end the
// process by an illegal instruction on a processor that has `has`. `target` is
// what the program says about its processor.
Status cpu_check(PlanCpu needs, PlanCpu has, const char *target);
// NULL, or what to expect of generated code on such a processor.
const char *cpu_advice(PlanCpu has);

#endif
