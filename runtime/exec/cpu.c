#include "runtime/exec/cpu.h"

#include <stdbool.h>
#include <stddef.h>

static const char *const cpu_names[] = {
    [PLAN_CPU_ANY] = "SSE2",
    [PLAN_CPU_AVX] = "AVX",
    [PLAN_CPU_AVX2] = "AVX2 and fused multiply-add",
    [PLAN_CPU_AVX512] = "AVX-512",
};

// The features of the levels x86-64-v4 and v3 by which processors differ;
// their names of levels are not known to all compilers.
PlanCpu cpu_here(void)
{
#ifdef __x86_64__
    __builtin_cpu_init(); // asks whether the system saves the registers, too
    bool avx2 = __builtin_cpu_supports("avx2") &&
                __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    if (avx2 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512vl"))
        return PLAN_CPU_AVX512;
    if (avx2)
        return PLAN_CPU_AVX2;
    if (__builtin_cpu_supports("avx"))
        return PLAN_CPU_AVX;
#endif
    return PLAN_CPU_ANY;
}

const char *cpu_name(PlanCpu cpu)
{
    return cpu_names[cpu];
}

Status cpu_check(PlanCpu needs, PlanCpu has, const char *target)
{
    if (needs <= has)
        return status_ok();
    return status_error(STATUS_FAILED,
                        "compiled for %s, which has %s; this processor has "
                        "only %s: compile it without --target, or on this "
                        "machine",
                        target, cpu_names[needs], cpu_names[has]);
}

const char *cpu_advice(PlanCpu has)
{
    if (has >= PLAN_CPU_AVX2)
        return NULL;
    return "this processor lacks AVX2 or fused multiply-add: everything works "
           "as elsewhere, at a fraction of the speed";
}
