// Rows of numbers in registers of LANES floats, for one of exp_rows.c's
// processors: it defines LANES, NAME(x) and TARGET, the functions' attribute.
// Compilers take wider vectors than the processor has, and compare those number
// by number.
//
// Numbers are taken sixteen at a time, in as many registers as that needs. Sums
// are kept by place among the sixteen, so that their order is the same whatever
// the width of a register.

#define Floats           NAME(Floats)
#define Ints             NAME(Ints)
#define choose           NAME(choose)
#define exponential      NAME(exponential)
#define max_of           NAME(max_of)
#define add_exponentials NAME(add_exponentials)
#define row_exponentials NAME(row_exponentials)
#define weigh            NAME(weigh)
#define sum_of           NAME(sum_of)

#define REGISTERS (SIXTEEN / LANES)

typedef float Floats __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t Ints __attribute__((vector_size(LANES * sizeof(int32_t))));

// The vectors pass by pointer: how they would pass by value depends on the
// processor.
INLINE void choose(const Ints *mask, const Floats *yes, Floats *no)
{
    *no = (Floats)((*mask & (Ints)*yes) | (~*mask & (Ints)*no));
}

// x = e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln(2) / 2, the logarithm
// in two parts so that r is exact (Cody and Waite, 1980). The Taylor series up
// to r^7 / 7! leaves r^8 / 8! < 5.3e-9, a tenth of an ulp.
INLINE void exponential(Floats *x)
{
    const float ln2_high = 0x1.63p-1f, ln2_low = -0x1.bd0105c610ca8p-13f;
    const float magic = 0x1.8p+23f; // rounds to a whole number, in the low bits
    const Floats low = (Floats){0} - 0x1.5d589ep+6f;  // below: no normal number
    const Floats high = (Floats){0} + 0x1.61814ep+6f; // above: n would be 128
    Ints below = *x<low, above = *x> high;
    Floats safe = *x;
    choose(&below, &low, &safe);
    choose(&above, &high, &safe);
    Floats shifted = safe * 0x1.715476p+0f + magic;
    Floats n = shifted - magic;
    Floats r = safe - n * ln2_high - n * ln2_low;
    Floats p = r * (1.f / 5040) + 1.f / 720;
    p = p * r + 1.f / 120;
    p = p * r + 1.f / 24;
    p = p * r + 1.f / 6;
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    Ints exponent = (Ints)shifted - (Ints)((Floats){0} + magic) + 127;
    Floats y = p * (Floats)(exponent << 23);
    Floats zero = {0}, infinite = zero + INFINITY;
    choose(&below, &zero, &y);
    choose(&above, &infinite, &y);
    *x = y;
}

// ---- sixteen at a time ------------------------------------------------------

INLINE void max_of(const float *x, Floats *top, Ints *strange)
{
    for (int i = 0; i < REGISTERS; i++) {
        Floats next;
        memcpy(&next, x + i * LANES, sizeof next);
        Ints larger = next > top[i];
        choose(&larger, &next, &top[i]);
        strange[i] |= next != next;
    }
}

// sums += e^(x - shift), which is also stored where `to` is not NULL.
INLINE void add_exponentials(const float *x, float shift, Floats *sums,
                             float *to)
{
    for (int i = 0; i < REGISTERS; i++) {
        Floats next;
        memcpy(&next, x + i * LANES, sizeof next);
        next -= shift;
        exponential(&next);
        sums[i] += next;
        if (to)
            memcpy(to + i * LANES, &next, sizeof next);
    }
}

INLINE void weigh(const float *x, const float *p, float shift, float scale,
                  float *to)
{
    for (int i = 0; i < REGISTERS; i++) {
        Floats next, factor;
        memcpy(&next, x + i * LANES, sizeof next);
        memcpy(&factor, p + i * LANES, sizeof factor);
        next = factor * (next - shift) * scale;
        memcpy(to + i * LANES, &next, sizeof next);
    }
}

INLINE float sum_of(const Floats *sums)
{
    float sum = 0;
    for (int i = 0; i < SIXTEEN; i++)
        sum += sums[i / LANES][i % LANES];
    return sum;
}

// ---- rows -------------------------------------------------------------------

TARGET static float NAME(max)(const float *x, int64_t count)
{
    Floats top[REGISTERS];
    Ints strange[REGISTERS];
    for (int i = 0; i < REGISTERS; i++) {
        top[i] = (Floats){0} - INFINITY;
        strange[i] = (Ints){0};
    }
    for (; count >= SIXTEEN; count -= SIXTEEN, x += SIXTEEN)
        max_of(x, top, strange);
    if (count > 0) {
        float rest[SIXTEEN];
        copy_rest(x, count, -INFINITY, rest);
        max_of(rest, top, strange);
    }
    float best = -INFINITY;
    for (int i = 0; i < SIXTEEN; i++) {
        if (strange[i / LANES][i % LANES])
            return NAN;
        float one = top[i / LANES][i % LANES];
        best = one > best ? one : best;
    }
    return best;
}

// The sum of e^(x - shift); they are stored, too, where `to` is not NULL, which
// may be x.
INLINE float row_exponentials(const float *x, int64_t count, float shift,
                              float *to)
{
    Floats sums[REGISTERS] = {{0}};
    for (; count >= SIXTEEN; count -= SIXTEEN, x += SIXTEEN) {
        add_exponentials(x, shift, sums, to);
        if (to)
            to += SIXTEEN;
    }
    if (count > 0) {
        float rest[SIXTEEN];
        copy_rest(x, count, -INFINITY, rest);
        add_exponentials(rest, shift, sums, rest);
        if (to)
            memcpy(to, rest, (size_t)count * sizeof *to);
    }
    return sum_of(sums);
}

TARGET static float NAME(sum)(const float *x, int64_t count, float shift)
{
    return row_exponentials(x, count, shift, NULL);
}

TARGET static float NAME(exp)(float *x, int64_t count, float shift)
{
    return row_exponentials(x, count, shift, x);
}

TARGET static void NAME(weigh_row)(float *x, int64_t count, const float *p,
                                   float shift, float scale)
{
    for (; count >= SIXTEEN; count -= SIXTEEN, x += SIXTEEN, p += SIXTEEN)
        weigh(x, p, shift, scale, x);
    if (count > 0) {
        float rest[SIXTEEN], factors[SIXTEEN];
        copy_rest(x, count, 0, rest);
        copy_rest(p, count, 0, factors);
        weigh(rest, factors, shift, scale, rest);
        memcpy(x, rest, (size_t)count * sizeof *x);
    }
}

#undef Floats
#undef Ints
#undef choose
#undef exponential
#undef max_of
#undef add_exponentials
#undef row_exponentials
#undef weigh
#undef sum_of
#undef REGISTERS
