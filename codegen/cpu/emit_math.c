// exp, log and tanh in single precision, for all lanes at once, to 2 ulp.
// Denormal inputs and results count as 0, as everywhere in the runtime.
#include <math.h>

#include "codegen/cpu/emit.h"

typedef struct F32 {
    const Emit *e;
    LLVMBuilderRef b;
    int lanes;
} F32;

static F32 f32_at(const Emit *emit, int lanes)
{
    return (F32){emit, emit->builder, lanes};
}

static LLVMValueRef real(const F32 *f, double value)
{
    return emit_const(f->e, DT_F32, f->lanes, value);
}

static LLVMValueRef integer(const F32 *f, int64_t value)
{
    return emit_int(f->e, 32, f->lanes, value);
}

static LLVMValueRef add(const F32 *f, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildFAdd(f->b, x, y, "");
}

static LLVMValueRef sub(const F32 *f, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildFSub(f->b, x, y, "");
}

static LLVMValueRef mul(const F32 *f, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildFMul(f->b, x, y, "");
}

// x * y + z, in one rounding where the CPU can.
static LLVMValueRef mul_add(const F32 *f, LLVMValueRef x, LLVMValueRef y,
                            LLVMValueRef z)
{
    LLVMValueRef args[] = {x, y, z};
    if (f->e->target->fma)
        return emit_intrinsic(f->e, "llvm.fma", 3, args);
    return add(f, mul(f, x, y), z);
}

static LLVMValueRef where(const F32 *f, LLVMRealPredicate predicate,
                          LLVMValueRef x, LLVMValueRef y, LLVMValueRef yes,
                          LLVMValueRef no)
{
    LLVMValueRef condition = LLVMBuildFCmp(f->b, predicate, x, y, "");
    return LLVMBuildSelect(f->b, condition, yes, no, "");
}

static LLVMValueRef bits_of(const F32 *f, LLVMValueRef x)
{
    return LLVMBuildBitCast(f->b, x, emit_int_type(f->e, 32, f->lanes), "");
}

static LLVMValueRef real_of_bits(const F32 *f, LLVMValueRef bits)
{
    return LLVMBuildBitCast(f->b, bits, emit_type(f->e, DT_F32, f->lanes), "");
}

// c[0] + c[1] x + ... by Horner's rule.
static LLVMValueRef polynomial(const F32 *f, LLVMValueRef x, int count,
                               const double *c)
{
    LLVMValueRef sum = real(f, c[count - 1]);
    for (int i = count - 2; i >= 0; i--)
        sum = mul_add(f, sum, x, real(f, c[i]));
    return sum;
}

// 2^n for integers n in [-126, 127]: the exponent field alone.
static LLVMValueRef power_of_two(const F32 *f, LLVMValueRef n)
{
    LLVMValueRef biased = LLVMBuildAdd(f->b, n, integer(f, 127), "");
    return real_of_bits(f, LLVMBuildShl(f->b, biased, integer(f, 23), ""));
}

// ln 2 in two parts (Cody and Waite, 1980). The high part has 9 significant
// bits, so its product with an exponent of up to 8 bits is exact, fused or not.
static const double LN2_HIGH = 0x1.63p-1;
static const double LN2_LOW = -0x1.bd0105c610ca8p-13;

// e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln(2) / 2. The Taylor series
// up to r^7 / 7! leaves r^8 / 8! < 5.3e-9, a tenth of an ulp.
LLVMValueRef emit_exp_f32(const Emit *emit, LLVMValueRef x, int lanes)
{
    static const double taylor[] = {1,       1,        1. / 2,   1. / 6,
                                    1. / 24, 1. / 120, 1. / 720, 1. / 5040};
    F32 f = f32_at(emit, lanes);
    // From here on e^x overflows, or is below the normal numbers.
    LLVMValueRef high = real(&f, 0x1.62e42ep+6), low = real(&f, -0x1.5d589ep+6);
    LLVMValueRef safe = where(&f, LLVMRealOGT, x, high, high, x);
    safe = where(&f, LLVMRealOLT, safe, low, low, safe);
    // Adding 1.5 * 2^23 rounds to a whole number, kept in the low bits.
    LLVMValueRef magic = real(&f, 0x1.8p+23);
    LLVMValueRef shifted = mul_add(&f, safe, real(&f, 1.0 / M_LN2), magic);
    LLVMValueRef n = sub(&f, shifted, magic);
    LLVMValueRef r = mul_add(&f, n, real(&f, -LN2_HIGH), safe);
    r = mul_add(&f, n, real(&f, -LN2_LOW), r);
    LLVMValueRef p = polynomial(&f, r, sizeof taylor / sizeof *taylor, taylor);
    // In two factors, for 2^128 is no float though 2^128 e^r may be.
    LLVMValueRef whole =
        LLVMBuildSub(f.b, bits_of(&f, shifted), bits_of(&f, magic), "");
    LLVMValueRef half = LLVMBuildAShr(f.b, whole, integer(&f, 1), "");
    LLVMValueRef rest = LLVMBuildSub(f.b, whole, half, "");
    LLVMValueRef y =
        mul(&f, mul(&f, p, power_of_two(&f, half)), power_of_two(&f, rest));
    y = where(&f, LLVMRealOGT, x, high, real(&f, INFINITY), y);
    y = where(&f, LLVMRealOLT, x, low, real(&f, 0), y);
    return where(&f, LLVMRealUNO, x, x, x, y);
}

// x = 2^k m with m in [sqrt(1/2), sqrt(2)), f = m - 1, s = f / (2 + f):
// ln(1 + f) = 2 artanh(s) = f - (f^2/2 - s (f^2/2 + R)),
// R = s^2 (2/3 + 2/5 s^2 + 2/7 s^4 + 2/9 s^6); |s| < 0.172 makes the next term
// 2/11 s^10 negligible. Written this way the large f is exact and added last.
LLVMValueRef emit_log_f32(const Emit *emit, LLVMValueRef x, int lanes)
{
    static const double artanh[] = {2. / 3, 2. / 5, 2. / 7, 2. / 9};
    F32 f = f32_at(emit, lanes);
    // Shifts the exponent so that m begins at sqrt(1/2), not at 1.
    LLVMValueRef root = bits_of(&f, real(&f, M_SQRT1_2));
    LLVMValueRef offset = LLVMBuildSub(f.b, bits_of(&f, x), root, "");
    LLVMValueRef k = LLVMBuildAShr(f.b, offset, integer(&f, 23), "");
    LLVMValueRef mantissa = LLVMBuildSub(
        f.b, bits_of(&f, x), LLVMBuildShl(f.b, k, integer(&f, 23), ""), "");
    LLVMValueRef g = sub(&f, real_of_bits(&f, mantissa), real(&f, 1));
    LLVMValueRef exponent =
        LLVMBuildSIToFP(f.b, k, emit_type(emit, DT_F32, lanes), "");
    LLVMValueRef s = LLVMBuildFDiv(f.b, g, add(&f, real(&f, 2), g), "");
    LLVMValueRef s2 = mul(&f, s, s);
    LLVMValueRef r =
        mul(&f, s2, polynomial(&f, s2, sizeof artanh / sizeof *artanh, artanh));
    LLVMValueRef half = mul(&f, mul(&f, g, g), real(&f, 0.5));
    LLVMValueRef tail =
        mul_add(&f, exponent, real(&f, LN2_LOW), mul(&f, s, add(&f, half, r)));
    LLVMValueRef small = sub(&f, g, sub(&f, half, tail));
    LLVMValueRef y = mul_add(&f, exponent, real(&f, LN2_HIGH), small);
    LLVMValueRef infinity = real(&f, INFINITY);
    y = where(&f, LLVMRealOEQ, x, infinity, infinity, y);
    y = where(&f, LLVMRealOLT, x, real(&f, 0x1p-126), real(&f, -INFINITY), y);
    // Below zero, and for NaN.
    return where(&f, LLVMRealUGE, x, real(&f, 0),
                 where(&f, LLVMRealUNO, x, x, x, y), real(&f, NAN));
}

// Near 0 Lambert's continued fraction x / (1 + x^2 / (3 + x^2 / (5 + ...))),
// cut after 11; elsewhere 1 - 2 / (e^2|x| + 1) with the sign of x.
LLVMValueRef emit_tanh_f32(const Emit *emit, LLVMValueRef x, int lanes)
{
    static const double upper[] = {10395, 1260, 21};
    static const double lower[] = {10395, 4725, 210, 1};
    F32 f = f32_at(emit, lanes);
    LLVMValueRef magnitude = emit_intrinsic(emit, "llvm.fabs", 1, &x);
    LLVMValueRef x2 = mul(&f, x, x);
    LLVMValueRef near = mul(&f, x,
                            LLVMBuildFDiv(f.b, polynomial(&f, x2, 3, upper),
                                          polynomial(&f, x2, 4, lower), ""));
    LLVMValueRef e2x = emit_exp_f32(emit, add(&f, magnitude, magnitude), lanes);
    LLVMValueRef far =
        sub(&f, real(&f, 1),
            LLVMBuildFDiv(f.b, real(&f, 2), add(&f, e2x, real(&f, 1)), ""));
    LLVMValueRef args[] = {far, x};
    LLVMValueRef far_signed = emit_intrinsic(emit, "llvm.copysign", 2, args);
    return where(&f, LLVMRealOLT, magnitude, real(&f, 0.625), near, far_signed);
}

// Below 1 the series 2 / sqrt(pi) x sum (-1)^n x^2n / (n! (2n + 1)), whose term
// of n = 11 is below 2e-9. From 1 on 1 - e^(-x^2) q(x), where q interpolates
// e^(x^2) erfc(x) on [1, 4] at the 11 Chebyshev points, as a polynomial in
// (x - 5/2) / (3/2): its relative error, 1.8e-7, is of at most 0.157. Beyond 4
// the result is 1 to the last bit.
LLVMValueRef emit_erf_f32(const Emit *emit, LLVMValueRef x, int lanes)
{
    enum { TERMS = 11 };
    static const double q[TERMS] = {
        0x1.afbb3f3b73439p-3,   -0x1.c8caa752fda7ep-4,  0x1.cba88406383afp-5,
        -0x1.ba558e9162000p-6,  0x1.992a07494fb0fp-7,   -0x1.6fbce0f5a07bfp-8,
        0x1.3cfb82590952fp-9,   -0x1.e06406e6676c7p-11, 0x1.8ac3d95011cbap-12,
        -0x1.0118bca6b717dp-12, 0x1.85dc06d1847e2p-14};
    double series[TERMS], factor = M_2_SQRTPI;
    for (int n = 0; n < TERMS; n++) {
        series[n] = factor / (2 * n + 1);
        factor /= -(n + 1);
    }
    F32 f = f32_at(emit, lanes);
    LLVMValueRef near =
        mul(&f, x, polynomial(&f, mul(&f, x, x), TERMS, series));
    LLVMValueRef magnitude = emit_intrinsic(emit, "llvm.fabs", 1, &x);
    LLVMValueRef four = real(&f, 4);
    LLVMValueRef m = where(&f, LLVMRealOLT, magnitude, four, magnitude, four);
    LLVMValueRef s = mul_add(&f, m, real(&f, 2. / 3), real(&f, -5. / 3));
    LLVMValueRef square = LLVMBuildFNeg(f.b, mul(&f, m, m), "");
    LLVMValueRef rest =
        mul(&f, emit_exp_f32(emit, square, lanes), polynomial(&f, s, TERMS, q));
    LLVMValueRef args[] = {sub(&f, real(&f, 1), rest), x};
    LLVMValueRef far = emit_intrinsic(emit, "llvm.copysign", 2, args);
    LLVMValueRef y = where(&f, LLVMRealOLT, magnitude, real(&f, 1), near, far);
    return where(&f, LLVMRealUNO, x, x, x, y);
}
