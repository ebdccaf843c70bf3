#include "runtime/files/convert.h"

#include <math.h>
#include <string.h>

bool convert_can(SafeDType from, int32_t to)
{
    return (from == SAFE_F16 || from == SAFE_BF16 || from == SAFE_F32 ||
            from == SAFE_F64) &&
           (to == PLAN_F32 || to == PLAN_F64);
}

// IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 mantissa bits.
static double half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double size = exponent == 31 ? (mantissa ? NAN : INFINITY)
                  : exponent     ? ldexp(1024 + mantissa, exponent - 25)
                                 : ldexp(mantissa, -24);
    return bits & 0x8000 ? -size : size;
}

// The upper half of a float.
static double bf16_value(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static double element(SafeDType type, const void *source, int64_t i)
{
    switch (type) {
    case SAFE_F16:
        return half_value(((const uint16_t *)source)[i]);
    case SAFE_BF16:
        return bf16_value(((const uint16_t *)source)[i]);
    case SAFE_F64:
        return ((const double *)source)[i];
    default:
        return ((const float *)source)[i];
    }
}

void convert_elements(SafeDType from, const void *source, int32_t to,
                      void *target, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double value = element(from, source, i);
        if (to == PLAN_F64)
            ((double *)target)[i] = value;
        else
            ((float *)target)[i] = (float)value;
    }
}
