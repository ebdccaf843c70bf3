// Loops compiled for several vector widths, one of which a processor runs. No
// product and sum are contracted and no sum is reordered, so every width gives
// the same bits.
#ifndef SIMCC_RUNTIME_SIMD_H
#define SIMCC_RUNTIME_SIMD_H

typedef enum SimdLevel { SIMD_128, SIMD_256, SIMD_512, SIMD_LEVELS } SimdLevel;

#if defined(__x86_64__)
#define SIMD_TARGET_256 __attribute__((target("avx2")))
#define SIMD_TARGET_512                                                        \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,"                \
                          "prefer-vector-width=512")))
#else
#define SIMD_TARGET_256
#define SIMD_TARGET_512
#endif

// The widest that this processor has.
static inline SimdLevel simd_level(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return SIMD_512;
    if (__builtin_cpu_supports("avx2"))
        return SIMD_256;
#endif
    return SIMD_128;
}

// Written before a function `NAME_loop`, which SIMD_LOOP makes callable.
#define SIMD_BODY static inline __attribute__((always_inline))

// Defines `NAME(level, parameters)`, which runs `NAME_loop` with `args` for
// the width asked for.
#define SIMD_LOOP(name, args, ...)                                             \
    SIMD_TARGET_512 static void name##_512(__VA_ARGS__)                        \
    {                                                                          \
        name##_loop args;                                                      \
    }                                                                          \
    SIMD_TARGET_256 static void name##_256(__VA_ARGS__)                        \
    {                                                                          \
        name##_loop args;                                                      \
    }                                                                          \
    static void name##_128(__VA_ARGS__)                                        \
    {                                                                          \
        name##_loop args;                                                      \
    }                                                                          \
    static void name(SimdLevel level, __VA_ARGS__)                             \
    {                                                                          \
        if (level == SIMD_512)                                                 \
            name##_512 args;                                                   \
        else if (level == SIMD_256)                                            \
            name##_256 args;                                                   \
        else                                                                   \
            name##_128 args;                                                   \
    }

#endif
