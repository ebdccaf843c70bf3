// The emulator of AVX512-BF16 and AMX: held against numbers made by hand, and
// where the processor has the instructions itself, against those.
#include "tests/emulate_bf16.h"

#include "tests/harness.h"

#if defined __x86_64__ && defined __linux__

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xmmintrin.h>

enum { LANES = 16 };

// ---- snippets of machine code -----------------------------------------------

// What they load and store: numbers below are these offsets.
typedef struct State {
    union {
        struct {
            uint32_t sum[LANES], a[LANES], b[LANES]; // 0, 64, 128
            uint32_t low[LANES], high[LANES]; // 192, 256: zmm3, zmm20 then
        };
        uint32_t words[5 * LANES]; // all of these
    };
    uint64_t mask, number;                                    // 320, 328
    _Alignas(64) uint8_t config[64];                          // 384
    uint8_t tile_a[16][64], tile_b[16][64], tile_sum[16][64]; // 448, 1472, 2496
} State;
_Static_assert(offsetof(State, high) == 256 && offsetof(State, mask) == 320 &&
                   offsetof(State, config) == 384 &&
                   offsetof(State, tile_a) == 448 &&
                   offsetof(State, tile_sum) == 2496,
               "as the code below has it");

typedef struct Code {
    const char *begin, *end;
} Code;

// Copies are run, so that code refers to nothing outside but the State in rdi.
#define CODE(name, text)                                                       \
    __asm__(".text\n" #name ":\n" text "\n ret\n" #name "_end:\n");            \
    extern const char name[], name##_end[];                                    \
    static const Code code_##name = {name, name##_end}

// rsi = r9: &b; rcx = r10: number; zmm1 = zmm17: a; zmm2 = zmm30: b;
// zmm3 = zmm20: sum; k1: the mask.
#define VECTORS(name, text)                                                    \
    CODE(name, "vmovups (%rdi), %zmm3\n vmovups (%rdi), %zmm20\n"              \
               "vmovups 64(%rdi), %zmm1\n vmovups 64(%rdi), %zmm17\n"          \
               "vmovups 128(%rdi), %zmm2\n vmovups 128(%rdi), %zmm30\n"        \
               "kmovq 320(%rdi), %k1\n"                                        \
               "leaq 128(%rdi), %rsi\n movq %rsi, %r9\n"                       \
               "movq 328(%rdi), %rcx\n movq %rcx, %r10\n" text "\n"            \
               "vmovups %zmm3, 192(%rdi)\n vmovups %zmm20, 256(%rdi)\n"        \
               "vzeroupper")

// Runs the code; `marked`: emulated in any case.
static void run_code(Code code, State *state, bool marked)
{
    enum { PAGE = 4096 };
    size_t size = (size_t)(code.end - code.begin);
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || size > PAGE)
        abort();
    memcpy(page, code.begin, size);
    if (marked)
        emulate_mark(page, size);
    mprotect(page, PAGE, PROT_READ | PROT_EXEC);
    void (*function)(State *);
    memcpy(&function, &page, sizeof page);
    function(state);
    munmap(page, PAGE);
}

static void check_lanes(const char *what, const uint32_t *got,
                        const uint32_t *want)
{
    for (int i = 0; i < LANES; i++)
        if (got[i] != want[i])
            test_fail(__FILE__, __LINE__, "%s: lane %d is %08x, not %08x", what,
                      i, got[i], want[i]);
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Numbers that bf16 holds.
static uint32_t pair(float odd, float even)
{
    return bits_of(odd) | bits_of(even) >> 16;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 32;
}

// ---- dot products of pairs --------------------------------------------------

VECTORS(pairs_low, "vdpbf16ps %zmm2, %zmm1, %zmm3");
VECTORS(pairs_high, "vdpbf16ps %zmm30, %zmm17, %zmm20{%k1}{z}");
VECTORS(pairs_before, "vdpbf16ps -64(%rsi), %zmm17, %zmm20");
VECTORS(pairs_one, "vdpbf16ps 12(%r9,%r10,4){1to16}, %zmm1, %zmm3{%k1}");
VECTORS(pairs_half, "vdpbf16ps 32(%rsi), %ymm1, %ymm20{%k1}");
VECTORS(pairs_quarter, "vdpbf16ps %xmm30, %xmm17, %xmm3{%k1}{z}");
VECTORS(pairs_far, "vdpbf16ps 100(%rsi), %zmm1, %zmm3");
VECTORS(pairs_r12, "movq %r12, %r11\n movq %rsi, %r12\n"
                   "vdpbf16ps (%r12), %zmm1, %zmm20\n movq %r11, %r12");
VECTORS(pairs_r13, "movq %r13, %r11\n movq %rsi, %r13\n"
                   "vdpbf16ps (%r13), %zmm1, %zmm20\n movq %r11, %r13");
VECTORS(pairs_no_base, "shrq $2, %rsi\n vdpbf16ps (,%rsi,4), %zmm1, %zmm3");
// 3 and 2.
VECTORS(pairs_relative, "vdpbf16ps 9f(%rip){1to16}, %zmm1, %zmm3\n jmp 8f\n"
                        "9: .long 0x40404000\n 8:");
// Upper parts of registers that are zeros need not be saved.
VECTORS(pairs_of_zeros, "vzeroupper\n vdpbf16ps %zmm2, %zmm1, %zmm3");

// Every way to name operands, on whole numbers, whose sums are exact.
TEST(emulated_operands_are_found)
{
    enum { FROM_CODE = 999, NO_MASK = 0xffff };
    static const struct {
        const char *name;
        const Code *code;
        int place, step; // of the operand in lanes of b, and from lane to lane
        int lanes;
        bool high, masked, zeroes;
    } rows[] = {
        {"registers", &code_pairs_low, 0, 1, 16, false, false, false},
        {"high registers", &code_pairs_high, 0, 1, 16, true, true, true},
        {"memory", &code_pairs_before, -16, 1, 16, true, false, false},
        {"one number", &code_pairs_one, 3 + 5, 0, 16, false, true, false},
        {"ymm", &code_pairs_half, 8, 1, 8, true, true, false},
        {"xmm", &code_pairs_quarter, 0, 1, 4, false, true, true},
        {"32 bits", &code_pairs_far, 25, 1, 16, false, false, false},
        {"r12", &code_pairs_r12, 0, 1, 16, true, false, false},
        {"r13", &code_pairs_r13, 0, 1, 16, true, false, false},
        {"no base", &code_pairs_no_base, 0, 1, 16, false, false, false},
        {"rip", &code_pairs_relative, FROM_CODE, 0, 16, false, false, false},
    };
    emulate_begin(false);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (int marked = 0; marked < 2; marked++) {
            State state = {.mask = 0xa5a6, .number = 5};
            uint64_t random = r;
            for (int i = 0; i < LANES; i++)
                state.sum[i] = bits_of((float)(i + 100));
            // a, b and what lies behind b.
            for (int i = LANES; i < 5 * LANES; i++)
                state.words[i] = pair((float)(next_random(&random) % 61) - 30,
                                      (float)(next_random(&random) % 61) - 30);
            uint32_t want[LANES] = {0};
            for (int i = 0; i < rows[r].lanes; i++) {
                uint32_t b = rows[r].place == FROM_CODE
                                 ? 0x40404000
                                 : state.words[2 * LANES + rows[r].place +
                                               rows[r].step * i];
                uint32_t a = state.a[i];
                float sum =
                    float_of(state.sum[i]) +
                    float_of(a & 0xffff0000) * float_of(b & 0xffff0000) +
                    float_of(a << 16) * float_of(b << 16);
                bool kept = rows[r].masked && !(state.mask >> i & 1);
                want[i] = !kept            ? bits_of(sum)
                          : rows[r].zeroes ? 0
                                           : state.sum[i];
            }
            run_code(*rows[r].code, &state, marked);
            check_lanes(rows[r].name, rows[r].high ? state.high : state.low,
                        want);
            // The other one is as it was.
            for (int i = 0; i < LANES; i++)
                CHECK((rows[r].high ? state.low : state.high)[i] ==
                      bits_of((float)(i + 100)));
        }
    CHECK(emulate_count(EMULATED_VDPBF16PS) >=
          (long)(sizeof rows / sizeof *rows));
}

TEST(emulated_registers_may_be_all_zeros)
{
    emulate_begin(false);
    State state = {0};
    uint32_t want[LANES] = {0};
    for (int i = 0; i < LANES; i++) {
        state.sum[i] = bits_of(1);
        state.a[i] = state.b[i] = pair(2, 3);
        want[i] = i < 4 ? bits_of(14) : 0;
    }
    run_code(code_pairs_of_zeros, &state, true);
    check_lanes("zeros", state.low, want);
}

#define INF        0x7f800000
#define INDEFINITE 0xffc00000
#define QUIET      0x7fc00000
#define LOUD       0x7f810000

// By hand: odd numbers first, each product and sum rounded once to the nearest
// even, denormals zeros on either side.
static const struct {
    uint32_t sum, a, b, want;
} by_hand[] = {
#define P(odd, even) (uint32_t)(odd) << 16 | (uint32_t)(even)
    // bf16: 1 is 3f80, 2 is 4000, -1 is bf80; 2^12 4580, -2^12 c580.
    // 1 + 2^24 is halfway, and becomes 2^24; less 2^24 leaves 0. The even one
    // first gives 1, and so does the sum of both.
    {0x3f800000, P(0x4580, 0x4580), P(0x4580, 0xc580), 0},
    // Likewise the other way around: 1 - 2^24 is exact.
    {0x3f800000, P(0x4580, 0x4580), P(0xc580, 0x4580), 0x3f800000},
    // 2^24 + 3 lies halfway between + 2 and + 4: to the even 2^24 + 4.
    {0x4b800000, P(0x4040, 0), P(0x3f80, 0), 0x4b800002},
    // The product 2^128 alone would be infinite: - 2^127 + 2^127 * 2.
    {0xff000000, P(0x7f00, 0), P(0x4000, 0), 0x7f000000},
    // It is with nothing beside it.
    {0, P(0x7f00, 0), P(0x4000, 0), INF},
    // The product 2^-130 alone would be flushed: 2^-126 (1 + 2^-4).
    {0x00800000, P(0x1e00, 0), P(0x2000, 0), 0x00880000},
    // Out: 2^-126 - 2^-127 is a denormal.
    {0x00800000, P(0x2000, 0), P(0x9f80, 0), 0},
    {0x80800000, P(0x2000, 0x8000), P(0x1f80, 0), 0x80000000},
    // In between, too: of these 2^-127 nothing is left for the second step.
    {0x00800000, P(0x2000, 0x2000), P(0x9f80, 0x2000), 0x00800000},
    // 2^-126 - 2^-152 is rounded to 2^-126 before it is seen to be small.
    {0x00800000, P(0x1980, 0), P(0x9980, 0), 0x00800000},
    // In: the greatest denormal of either kind times 2^127, and as a sum.
    {0x3f800000, P(0x007f, 0), P(0x7f00, 0), 0x3f800000},
    {0x007fffff, P(0x3f80, 0), P(0, 0), 0},
    {0x807fffff, P(0x3f80, 0), P(0x8000, 0x8000), 0x80000000},
    {0x80000000, P(0x8000, 0x8000), P(0x3f80, 0x3f80), 0x80000000},
    // No numbers: made quiet, those of a before those of b, even before odd
    // before the sum's.
    {INF, P(0xff80, 0), P(0x3f80, 0), INDEFINITE},
    {0, P(0x7f80, 0), P(0, 0), INDEFINITE},
    {LOUD | 5, P(0x3f80, 0x3f80), P(0x3f80, 0x3f80), QUIET | 0x10005},
    {LOUD | 5, P(0x7f82, 0x3f80), P(0x7f83, 0x3f80), 0x7fc20000},
    {LOUD | 5, P(0x3f80, 0x3f80), P(0xff83, 0x3f80), 0xffc30000},
    {LOUD | 5, P(0x7f82, 0x3f80), P(0x7f83, 0x7f84), 0x7fc40000},
    {LOUD | 5, P(0x7f82, 0x7f85), P(0x7f83, 0x7f84), 0x7fc50000},
#undef P
};

static void check_by_hand(bool marked)
{
    enum { COUNT = sizeof by_hand / sizeof *by_hand };
    for (int first = 0; first < COUNT; first += LANES) {
        State state = {0};
        uint32_t want[LANES] = {0};
        for (int i = 0; i < LANES && first + i < COUNT; i++) {
            state.sum[i] = by_hand[first + i].sum;
            state.a[i] = by_hand[first + i].a;
            state.b[i] = by_hand[first + i].b;
            want[i] = by_hand[first + i].want;
        }
        run_code(code_pairs_low, &state, marked);
        check_lanes(marked ? "emulated" : "as it is here", state.low, want);
    }
}

// Whatever MXCSR says, which stays as it is.
TEST(emulated_pairs_are_what_was_made_by_hand)
{
    enum { UPWARDS = 0x4000, ALL_MASKED = 0x1f80, FLAGS = 0x3f };
    emulate_begin(false);
    for (int marked = 0; marked < 2; marked++) {
        check_by_hand(marked);
        _mm_setcsr(ALL_MASKED | UPWARDS);
        check_by_hand(marked);
        CHECK_INT(_mm_getcsr() & ~(unsigned)FLAGS, ALL_MASKED | UPWARDS);
        _mm_setcsr(ALL_MASKED);
    }
}

// Numbers of all sizes, often those at the borders.
static uint32_t draw_bits(uint64_t *random)
{
    static const uint32_t borders[] = {
        0,          0x80000000, 0x00010001, 0x007f007f, 0x00800080, 0x807f807f,
        0x80808080, 0x7f7f7f7f, 0x7f807f80, 0xff80ff80, 0x7fc17fc2, 0x7f817f83,
        0xffc4ffc5, 0x3f803f80, 0xbf80bf80, 0x4b804580, 0x20001e00, 0x1f809f80};
    uint64_t choice = next_random(random);
    uint32_t bits = (uint32_t)next_random(random);
    if (choice % 4 == 0)
        return borders[choice / 4 % (sizeof borders / sizeof *borders)];
    // Sums near 1, whose products meet them.
    if (choice % 4 == 1)
        return (bits & 0x83ff83ff) | 0x3c003c00;
    return bits;
}

TEST(emulated_pairs_are_the_processors)
{
    enum { ROUNDS = 20000 };
    emulate_begin(false);
    if (!emulate_has_vectors())
        test_skip("this processor lacks AVX512-BF16 to compare with");
    uint64_t random = 7;
    for (int r = 0; r < ROUNDS; r++) {
        State one = {0};
        for (int i = 0; i < 3 * LANES; i++)
            one.words[i] = draw_bits(&random);
        State two = one;
        run_code(code_pairs_low, &one, false);
        run_code(code_pairs_low, &two, true);
        for (int i = 0; i < LANES; i++)
            if (one.low[i] != two.low[i])
                test_fail(__FILE__, __LINE__,
                          "%08x + %08x * %08x: %08x, not %08x", one.sum[i],
                          one.a[i], one.b[i], two.low[i], one.low[i]);
    }
    CHECK_INT(emulate_count(EMULATED_VDPBF16PS), ROUNDS);
}

// ---- conversions ------------------------------------------------------------

VECTORS(narrow_whole, "vcvtneps2bf16 %zmm2, %ymm3");
VECTORS(narrow_one, "vcvtneps2bf16 4(%rsi){1to8}, %xmm20{%k1}");
VECTORS(narrow_two, "vcvtne2ps2bf16 %zmm30, %zmm17, %zmm20{%k1}{z}");
VECTORS(narrow_memory, "vcvtne2ps2bf16 32(%rsi), %ymm1, %ymm3");

// f32 and its bf16: to the nearest even, denormals to zeros, NaNs quiet.
static const struct {
    uint32_t wide;
    uint16_t narrow;
} conversions[LANES] = {
    {0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82},
    {0x3f808001, 0x3f81}, {0xbf817fff, 0xbf81}, {0x7f7fffff, 0x7f80},
    {0x7f7f7fff, 0x7f7f}, {0x00800000, 0x0080}, {0x007fffff, 0x0000},
    {0x80000001, 0x8000}, {0xff800000, 0xff80}, {0x7f800001, 0x7fc0},
    {0xffc1ffff, 0xffc1}, {0x7fffffff, 0x7fff}, {0x80000000, 0x8000},
    {0x4b7fffff, 0x4b80},
};

static uint16_t narrow_of(uint32_t wide)
{
    for (int i = 0; i < LANES; i++)
        if (conversions[i].wide == wide)
            return conversions[i].narrow;
    abort();
}

TEST(emulated_conversions_are_what_was_made_by_hand)
{
    static const struct {
        const char *name;
        const Code *code;
        // Results 0 to below - 1 are of b from `place` on, those above of a.
        int place, step, below, count;
        bool high, masked, zeroes;
    } rows[] = {
        {"a vector", &code_narrow_whole, 0, 1, 16, 16, false, false, false},
        {"a number", &code_narrow_one, 1, 0, 8, 8, true, true, false},
        {"two", &code_narrow_two, 0, 1, 16, 32, true, true, true},
        {"memory", &code_narrow_memory, 8, 1, 8, 16, false, false, false},
    };
    emulate_begin(false);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (int marked = 0; marked < 2; marked++) {
            State state = {.mask = 0x5a6b3c1d};
            uint16_t want[2 * LANES] = {0}, sums[2 * LANES];
            for (int i = 0; i < LANES; i++) {
                state.sum[i] = 0x01010101u * (uint32_t)i;
                state.a[i] = conversions[(i + 5) % LANES].wide;
                state.b[i] = conversions[i].wide;
                state.low[i] = conversions[(i + 3) % LANES].wide;
            }
            memcpy(sums, state.sum, sizeof sums);
            for (int i = 0; i < rows[r].count; i++) {
                const uint32_t *from =
                    i < rows[r].below ? &state.words[2 * LANES + rows[r].place +
                                                     rows[r].step * i]
                                      : &state.a[i - rows[r].below];
                want[i] = !rows[r].masked || state.mask >> i & 1
                              ? narrow_of(*from)
                          : rows[r].zeroes ? 0
                                           : sums[i];
            }
            uint32_t lanes[LANES];
            memcpy(lanes, want, sizeof lanes);
            run_code(*rows[r].code, &state, marked);
            check_lanes(rows[r].name, rows[r].high ? state.high : state.low,
                        lanes);
        }
    CHECK(emulate_count(EMULATED_VCVTNEPS2BF16) >= 2);
    CHECK(emulate_count(EMULATED_VCVTNE2PS2BF16) >= 2);
}

// ---- tiles ------------------------------------------------------------------

// sum += a * b in tiles 5, 6 and 7; rows are 64 bytes apart.
#define TILES(begin)                                                           \
    "ldtilecfg 384(%rdi)\n movl $64, %ecx\n movl $32, %r8d\n"                  \
    "leaq 448(%rdi), %rsi\n leaq 1472(%rdi), %r9\n" begin "\n"                 \
    "tileloadd (%rsi,%rcx), %tmm6\n tileloaddt1 (%r9,%r8,2), %tmm7\n"          \
    "tdpbf16ps %tmm7, %tmm6, %tmm5\n tilestored %tmm5, 2496(%rdi,%rcx)\n"      \
    "tilerelease"
CODE(tiles_resume, TILES("tileloadd 2496(%rdi,%rcx), %tmm5"));
CODE(tiles_begin, TILES("tilezero %tmm5"));

static void set_tile(State *state, int tile, int rows, int row_bytes)
{
    state->config[0] = 1;
    state->config[16 + 2 * tile] = (uint8_t)row_bytes;
    state->config[48 + tile] = (uint8_t)rows;
}

static void put(uint8_t tile[16][64], int row, int lane, uint32_t value)
{
    memcpy(&tile[row][4 * lane], &value, sizeof value);
}

static uint32_t get(uint8_t tile[16][64], int row, int lane)
{
    uint32_t value;
    memcpy(&value, &tile[row][4 * lane], sizeof value);
    return value;
}

// Whole numbers, in tiles of `rows` by `columns` with so many pairs to sum.
static void check_tiles(int rows, int columns, int pairs, bool resumes,
                        bool marked, uint64_t random)
{
    State state = {0};
    float want[16][16];
    set_tile(&state, 5, rows, 4 * columns);
    set_tile(&state, 6, rows, 4 * pairs);
    set_tile(&state, 7, pairs, 4 * columns);
    for (int i = 0; i < 16; i++)
        for (int k = 0; k < 16; k++) {
            float n[4];
            for (int j = 0; j < 4; j++)
                n[j] = (float)(next_random(&random) % 61) - 30;
            put(state.tile_a, i, k, pair(n[0], n[1]));
            put(state.tile_b, i, k, pair(n[2], n[3]));
            want[i][k] = (float)(16 * i + k);
            put(state.tile_sum, i, k, bits_of(want[i][k]));
        }
    for (int i = 0; i < rows; i++)
        for (int n = 0; n < columns; n++) {
            want[i][n] = resumes ? want[i][n] : 0;
            for (int k = 0; k < pairs; k++) {
                uint32_t a = get(state.tile_a, i, k);
                uint32_t b = get(state.tile_b, k, n);
                want[i][n] +=
                    float_of(a << 16) * float_of(b << 16) +
                    float_of(a & 0xffff0000) * float_of(b & 0xffff0000);
            }
        }
    run_code(resumes ? code_tiles_resume : code_tiles_begin, &state, marked);
    for (int i = 0; i < 16; i++)
        for (int n = 0; n < 16; n++)
            if (get(state.tile_sum, i, n) != bits_of(want[i][n]))
                test_fail(__FILE__, __LINE__,
                          "%d by %d, %d: %d %d is %g, not %g", rows, columns,
                          pairs, i, n, float_of(get(state.tile_sum, i, n)),
                          want[i][n]);
}

TEST(emulated_tiles_of_every_size)
{
    emulate_begin(false);
    for (int marked = 0; marked < 2; marked++)
        for (int resumes = 0; resumes < 2; resumes++) {
            check_tiles(16, 16, 16, resumes, marked, 1);
            check_tiles(5, 16, 16, resumes, marked, 2);
            check_tiles(16, 3, 7, resumes, marked, 3);
            check_tiles(1, 1, 1, resumes, marked, 4);
            check_tiles(9, 16, 2, resumes, marked, 5);
        }
    CHECK(emulate_count(EMULATED_LDTILECFG) >= 10);
    CHECK(emulate_count(EMULATED_TILERELEASE) ==
          emulate_count(EMULATED_LDTILECFG));
    CHECK(emulate_count(EMULATED_TILEZERO) >= 5);
    CHECK(emulate_count(EMULATED_TILELOADD) >= 25);
    CHECK(emulate_count(EMULATED_TILESTORED) >= 10);
    CHECK(emulate_count(EMULATED_TDPBF16PS) >= 10);
}

// The order of sums: even and odd numbers apart, over all pairs; then both;
// then what was there. Denormals are zeros in each step.
TEST(emulated_tiles_add_in_the_manuals_order)
{
    enum { ONE = 0x3f80, BIG = 0x4580, MINUS = 0xc580 }; // 1, 2^12, -2^12
    static const struct {
        uint32_t sum, a[3], b[3], want;
    } rows[] = {
#define P(odd, even) (uint32_t)(odd) << 16 | (uint32_t)(even)
        // 1 + (2^24 - 2^24), not (1 + 2^24) - 2^24.
        {0x3f800000, {P(BIG, BIG)}, {P(BIG, MINUS)}, 0x3f800000},
        // 2^24 + 1 - 2^24 along the even ones, rounded on the way: 0.
        {0,
         {P(0, BIG), P(0, ONE), P(0, BIG)},
         {P(0, BIG), P(0, ONE), P(0, MINUS)},
         0},
        // The one odd number beside them is not lost.
        {0,
         {P(0, BIG), P(ONE, 0), P(0, BIG)},
         {P(0, BIG), P(ONE, 0), P(0, MINUS)},
         0x3f800000},
        // 2^-126 and -2^-127 meet when both sums are added.
        {0, {P(0x2000, 0x2000)}, {P(0x9f80, 0x2000)}, 0x00800000},
        // A product of 2^-127 is nothing, but 2^-126 (1 + 2^-4) is.
        {0, {P(0, 0x2000)}, {P(0, 0x1f80)}, 0},
        {0,
         {P(0, 0x2000), P(0, 0x1e00)},
         {P(0, 0x2000), P(0, 0x2000)},
         0x00880000},
        // Denormals going in, and in what was there.
        {0x3f800000, {P(0x007f, 0x007f)}, {P(0x7f00, 0x7f00)}, 0x3f800000},
        {0x007fffff, {0}, {0}, 0},
#undef P
    };
    emulate_begin(false);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        State state = {0};
        set_tile(&state, 5, 1, 4);
        set_tile(&state, 6, 1, 12);
        set_tile(&state, 7, 3, 4);
        put(state.tile_sum, 0, 0, rows[r].sum);
        for (int k = 0; k < 3; k++) {
            put(state.tile_a, 0, k, rows[r].a[k]);
            put(state.tile_b, k, 0, rows[r].b[k]);
        }
        run_code(code_tiles_resume, &state, true);
        if (get(state.tile_sum, 0, 0) != rows[r].want)
            test_fail(__FILE__, __LINE__, "row %zu: %08x, not %08x", r,
                      get(state.tile_sum, 0, 0), rows[r].want);
    }
}

static void *use_tiles(void *of)
{
    uint64_t seed = *(uint64_t *)of;
    for (uint64_t i = 0; i < 200; i++)
        check_tiles(1 + (int)((seed + i) % 16), 16, 8, true, true, seed + i);
    return NULL;
}

TEST(emulated_tiles_are_each_threads_own)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    uint64_t seeds[THREADS];
    emulate_begin(false);
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = 1000 * (uint64_t)i + 3;
        pthread_create(&threads[i], NULL, use_tiles, &seeds[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(emulate_count(EMULATED_TDPBF16PS), THREADS * 200);
}

// ---- refusals ---------------------------------------------------------------

CODE(refused_illegal, "ud2");
CODE(refused_integers, "tdpbssd %tmm1, %tmm2, %tmm3"); // of AMX-INT8
CODE(refused_rounding, ".byte 0x06, 0xf2, 0x76, 0x18, 0x52, 0xc0");
CODE(refused_early, "tilezero %tmm5");
CODE(refused_missing, "ldtilecfg 384(%rdi)\n tilezero %tmm4");
// tdpbf16ps %tmm5, %tmm6, %tmm5: assemblers refuse it, too.
CODE(refused_itself, "ldtilecfg 384(%rdi)\n"
                     ".byte 0xc4, 0xe2, 0x52, 0x5c, 0xee");
CODE(refused_shapes, "ldtilecfg 384(%rdi)\n tdpbf16ps %tmm5, %tmm7, %tmm6");
CODE(refused_palette, "ldtilecfg 448(%rdi)");
CODE(refused_size, "ldtilecfg 1472(%rdi)");
CODE(refused_reserved, "ldtilecfg 2496(%rdi)");

// In a process of its own, which ends by the signal and has said why.
static void check_refused(Code code, const char *word)
{
    int ends[2];
    char text[400] = "";
    if (pipe(ends) != 0)
        abort();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        State state = {0};
        set_tile(&state, 5, 16, 64);
        set_tile(&state, 6, 16, 64);
        set_tile(&state, 7, 8, 64);
        state.tile_a[0][0] = 2;
        state.tile_b[0][0] = state.tile_sum[0][0] = 1;
        state.tile_b[0][16] = 65; // bytes of a row
        state.tile_b[0][48] = 1;
        state.tile_sum[0][40] = 1;
        dup2(ends[1], STDERR_FILENO);
        run_code(code, &state, true);
        _exit(0);
    }
    close(ends[1]);
    for (size_t used = 0; used + 1 < sizeof text;) {
        ssize_t got = read(ends[0], text + used, sizeof text - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL);
    if (!strstr(text, word))
        test_fail(__FILE__, __LINE__, "'%s' does not say '%s'", text, word);
}

TEST(what_is_not_emulated_ends_the_process)
{
    emulate_begin(false);
    check_refused(code_refused_illegal, "0f 0b");
    check_refused(code_refused_rounding, "06 f2 76 18 52 c0");
    if (emulate_has_tiles())
        return; // whose refusals are other signals' where code is not marked
    check_refused(code_refused_integers, "not one that is known");
    check_refused(code_refused_early, "not configured");
    check_refused(code_refused_missing, "no rows");
    check_refused(code_refused_itself, "with itself");
    check_refused(code_refused_shapes, "do not fit");
    check_refused(code_refused_palette, "palette");
    check_refused(code_refused_size, "too large");
    check_refused(code_refused_reserved, "reserved");
}

// Where nothing is emulated, the signal does what it did before.
TEST(emulation_ends)
{
    struct sigaction before, after;
    sigaction(SIGILL, NULL, &before);
    emulate_begin(true);
    CHECK(emulate_marks());
    emulate_end();
    CHECK(!emulate_marks());
    sigaction(SIGILL, NULL, &after);
    CHECK(before.sa_handler == after.sa_handler);
}

#endif
