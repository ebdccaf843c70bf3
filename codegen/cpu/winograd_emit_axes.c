// Winograd's transforms along one axis (winograd.h), for all forms of tiles.
#include "codegen/cpu/winograd_emit.h"

static const double A = WINOGRAD_A, A2 = WINOGRAD_A * WINOGRAD_A;
static const double B = WINOGRAD_B, B2 = WINOGRAD_B * WINOGRAD_B;

// x * factor + y; without y the product alone.
static LLVMValueRef scale(const Emit *e, LLVMValueRef x, double factor,
                          LLVMValueRef y)
{
    LLVMValueRef by = emit_const(e, DT_F32, CPU_BLOCK, factor);
    return y ? taps_fused(e, x, by, y) : LLVMBuildFMul(e->builder, x, by, "");
}

static LLVMValueRef sum(const Emit *e, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildFAdd(e->builder, x, y, "");
}

static LLVMValueRef difference(const Emit *e, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildFSub(e->builder, x, y, "");
}

// ---- tiles of 4 results -----------------------------------------------------

// G g: the polynomial g at each point p, over N(p) = the product of p's
// distances from the other points: N(0) = a^2 b^2, N(+-a) = 2 a^2 (a^2 - b^2),
// N(+-b) = 2 b^2 (b^2 - a^2).
static void large_weights(const Emit *e, LLVMValueRef *const g, LLVMValueRef *u)
{
    double na = 1 / (2 * A2 * (A2 - B2)), nb = 1 / (2 * B2 * (B2 - A2));
    LLVMValueRef even_a = scale(e, g[2], na * A2, scale(e, g[0], na, NULL));
    LLVMValueRef even_b = scale(e, g[2], nb * B2, scale(e, g[0], nb, NULL));
    u[0] = scale(e, g[0], 1 / (A2 * B2), NULL);
    u[1] = scale(e, g[1], na * A, even_a);
    u[2] = scale(e, g[1], -na * A, even_a);
    u[3] = scale(e, g[1], nb * B, even_b);
    u[4] = scale(e, g[1], -nb * B, even_b);
    u[5] = g[2];
}

// B' d: row p holds the coefficients of M(x) / (x - p), the last row those of
// M(x) = x (x^2 - a^2) (x^2 - b^2).
static void large_input(const Emit *e, LLVMValueRef *const d, LLVMValueRef *v)
{
    LLVMValueRef even_a = scale(e, d[2], -B2, d[4]);
    LLVMValueRef even_b = scale(e, d[2], -A2, d[4]);
    LLVMValueRef odd_a = scale(e, d[1], -B2, d[3]);
    LLVMValueRef odd_b = scale(e, d[1], -A2, d[3]);
    v[0] = scale(e, d[0], A2 * B2, scale(e, d[2], -(A2 + B2), d[4]));
    v[1] = scale(e, odd_a, A, even_a);
    v[2] = scale(e, odd_a, -A, even_a);
    v[3] = scale(e, odd_b, B, even_b);
    v[4] = scale(e, odd_b, -B, even_b);
    v[5] = scale(e, d[1], A2 * B2, scale(e, d[3], -(A2 + B2), d[5]));
}

// A' m: the powers 0 to 3 of the points; infinity has the last one only.
static void large_result(const Emit *e, LLVMValueRef *const m, LLVMValueRef *y)
{
    LLVMValueRef even_a = sum(e, m[1], m[2]), odd_a = difference(e, m[1], m[2]);
    LLVMValueRef even_b = sum(e, m[3], m[4]), odd_b = difference(e, m[3], m[4]);
    y[0] = sum(e, m[0], sum(e, even_a, even_b));
    y[1] = scale(e, odd_a, A, scale(e, odd_b, B, NULL));
    y[2] = scale(e, even_a, A2, scale(e, even_b, B2, NULL));
    y[3] = scale(e, odd_a, A * A2, scale(e, odd_b, B * B2, m[5]));
}

// A dy: the polynomial dy at each point; at infinity its last coefficient.
static void large_result_gradient(const Emit *e, LLVMValueRef *const dy,
                                  LLVMValueRef *w)
{
    LLVMValueRef even_a = scale(e, dy[2], A2, dy[0]);
    LLVMValueRef even_b = scale(e, dy[2], B2, dy[0]);
    LLVMValueRef odd_a = scale(e, dy[3], A2, dy[1]);
    LLVMValueRef odd_b = scale(e, dy[3], B2, dy[1]);
    w[0] = dy[0];
    w[1] = scale(e, odd_a, A, even_a);
    w[2] = scale(e, odd_a, -A, even_a);
    w[3] = scale(e, odd_b, B, even_b);
    w[4] = scale(e, odd_b, -B, even_b);
    w[5] = dy[3];
}

// G' m, with the distances N as for the weights themselves.
static void large_weights_gradient(const Emit *e, LLVMValueRef *const m,
                                   LLVMValueRef *g)
{
    double na = 1 / (2 * A2 * (A2 - B2)), nb = 1 / (2 * B2 * (B2 - A2));
    LLVMValueRef even_a = sum(e, m[1], m[2]);
    LLVMValueRef even_b = sum(e, m[3], m[4]);
    LLVMValueRef odd_a = difference(e, m[1], m[2]);
    LLVMValueRef odd_b = difference(e, m[3], m[4]);
    g[0] = scale(e, m[0], 1 / (A2 * B2), NULL);
    g[0] = scale(e, even_a, na, g[0]);
    g[0] = scale(e, even_b, nb, g[0]);
    g[1] = scale(e, odd_a, na * A, NULL);
    g[1] = scale(e, odd_b, nb * B, g[1]);
    g[2] = scale(e, even_a, na * A2, m[5]);
    g[2] = scale(e, even_b, nb * B2, g[2]);
}

// ---- tiles of 2 results -----------------------------------------------------
//
// The points 0, 1, -1 and infinity. The sign of N(0) = -1 is put into the
// input's transform, for nothing but additions to be left there.

static void small_weights(const Emit *e, LLVMValueRef *const g, LLVMValueRef *u)
{
    LLVMValueRef even = scale(e, sum(e, g[0], g[2]), 0.5, NULL);
    u[0] = g[0];
    u[1] = scale(e, g[1], 0.5, even);
    u[2] = scale(e, g[1], -0.5, even);
    u[3] = g[2];
}

static void small_input(const Emit *e, LLVMValueRef *const d, LLVMValueRef *v)
{
    v[0] = difference(e, d[0], d[2]);
    v[1] = sum(e, d[1], d[2]);
    v[2] = difference(e, d[2], d[1]);
    v[3] = difference(e, d[3], d[1]);
}

static void small_result(const Emit *e, LLVMValueRef *const m, LLVMValueRef *y)
{
    y[0] = sum(e, m[0], sum(e, m[1], m[2]));
    y[1] = sum(e, difference(e, m[1], m[2]), m[3]);
}

static void small_result_gradient(const Emit *e, LLVMValueRef *const dy,
                                  LLVMValueRef *w)
{
    w[0] = dy[0];
    w[1] = sum(e, dy[0], dy[1]);
    w[2] = difference(e, dy[0], dy[1]);
    w[3] = dy[1];
}

static void small_weights_gradient(const Emit *e, LLVMValueRef *const m,
                                   LLVMValueRef *g)
{
    LLVMValueRef even = sum(e, m[1], m[2]);
    g[0] = scale(e, even, 0.5, m[0]);
    g[1] = scale(e, difference(e, m[1], m[2]), 0.5, NULL);
    g[2] = scale(e, even, 0.5, m[3]);
}

// ---- 4 results at stride 2 --------------------------------------------------
//
// Two taps at the points 0, +-a and +-b, as above but without infinity, which
// three taps need: what meets it is zero. One tap at 4 points of its own.

enum { PAIR_POINTS = 5, STRIDED_RESULTS = 4 };

static LLVMValueRef zero(const Emit *e)
{
    return emit_const(e, DT_F32, CPU_BLOCK, 0);
}

static void strided_weights(const Emit *e, LLVMValueRef *const g,
                            LLVMValueRef *u)
{
    LLVMValueRef pair[] = {g[0], g[2], zero(e)};
    large_weights(e, pair, u);
    u[PAIR_POINTS] = g[1];
}

// The points of numbers 0 to 4 of those with two taps, and the others.
static void strided_points(const Emit *e, LLVMValueRef *const pair,
                           LLVMValueRef *const others, LLVMValueRef *v)
{
    LLVMValueRef d[PAIR_POINTS + 1], points[PAIR_POINTS + 1];
    for (int i = 0; i < PAIR_POINTS; i++)
        d[i] = pair[i];
    d[PAIR_POINTS] = zero(e);
    large_input(e, d, points);
    for (int i = 0; i < PAIR_POINTS; i++)
        v[i] = points[i];
    for (int i = 0; i < STRIDED_RESULTS; i++)
        v[PAIR_POINTS + i] = others[i];
}

static void strided_input(const Emit *e, LLVMValueRef *const d, LLVMValueRef *v)
{
    LLVMValueRef even[] = {d[0], d[2], d[4], d[6], d[8]};
    LLVMValueRef odd[] = {d[1], d[3], d[5], d[7]};
    strided_points(e, even, odd, v);
}

// Of the sums of two taps.
static void pair_result(const Emit *e, LLVMValueRef *const m, LLVMValueRef *y)
{
    LLVMValueRef points[] = {m[0], m[1], m[2], m[3], m[4], zero(e)};
    large_result(e, points, y);
}

static void strided_result(const Emit *e, LLVMValueRef *const m,
                           LLVMValueRef *y)
{
    pair_result(e, m, y);
    for (int i = 0; i < STRIDED_RESULTS; i++)
        y[i] = sum(e, y[i], m[PAIR_POINTS + i]);
}

// By weights: A dy, and G' m of the different weights, the sums of the last
// points being one.
static void strided_result_gradient(const Emit *e, LLVMValueRef *const dy,
                                    LLVMValueRef *w)
{
    large_result_gradient(e, dy, w);
    for (int i = 0; i < STRIDED_RESULTS; i++)
        w[PAIR_POINTS + i] = dy[i];
}

static void strided_weights_gradient(const Emit *e, LLVMValueRef *const m,
                                     LLVMValueRef *g)
{
    LLVMValueRef pair[PAIR_POINTS + 1], taps[3];
    for (int i = 0; i < PAIR_POINTS; i++)
        pair[i] = m[i];
    pair[PAIR_POINTS] = zero(e);
    large_weights_gradient(e, pair, taps);
    g[0] = taps[0];
    g[1] = m[PAIR_POINTS];
    g[2] = taps[1];
}

// By data: 5 numbers of dy to 8 of dx. Those with two taps lie between the
// numbers of dy, and those with one on the first four, or on the last four.

static void one_first_input(const Emit *e, LLVMValueRef *const d,
                            LLVMValueRef *v)
{
    strided_points(e, d, d, v);
}

static void two_first_input(const Emit *e, LLVMValueRef *const d,
                            LLVMValueRef *v)
{
    strided_points(e, d, d + 1, v);
}

static void one_first_result(const Emit *e, LLVMValueRef *const m,
                             LLVMValueRef *y)
{
    LLVMValueRef two[STRIDED_RESULTS];
    pair_result(e, m, two);
    for (int i = 0; i < STRIDED_RESULTS; i++) {
        y[2 * i] = m[PAIR_POINTS + i];
        y[2 * i + 1] = two[i];
    }
}

static void two_first_result(const Emit *e, LLVMValueRef *const m,
                             LLVMValueRef *y)
{
    LLVMValueRef two[STRIDED_RESULTS];
    pair_result(e, m, two);
    for (int i = 0; i < STRIDED_RESULTS; i++) {
        y[2 * i] = two[i];
        y[2 * i + 1] = m[PAIR_POINTS + i];
    }
}

const WinogradAxes *winograd_axes(WinogradForm form)
{
    static const WinogradAxes axes[WINOGRAD_FORMS] = {
        [WINOGRAD_SMALL] = {small_weights, small_input, small_result,
                            small_result_gradient, small_weights_gradient},
        [WINOGRAD_LARGE] = {large_weights, large_input, large_result,
                            large_result_gradient, large_weights_gradient},
        [WINOGRAD_STRIDED] = {strided_weights, strided_input, strided_result,
                              strided_result_gradient,
                              strided_weights_gradient},
        [WINOGRAD_STRIDED_ONE_FIRST] = {strided_weights, one_first_input,
                                        one_first_result},
        [WINOGRAD_STRIDED_TWO_FIRST] = {strided_weights, two_first_input,
                                        two_first_result}};
    return &axes[form];
}
