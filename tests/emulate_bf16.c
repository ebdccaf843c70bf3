#include "tests/emulate_bf16.h"

#include <stdint.h>

#include "runtime/exec/cpu.h"
#include "tests/harness.h"

#if defined __x86_64__ && defined __linux__

#include <cpuid.h>
#include <immintrin.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    LANES = 16, // of 32 bits in the widest vector
    VECTOR_BYTES = 64,
    TILES = 8,
    TILE_ROWS = 16,
    TILE_ROW_BYTES = 64,
    // Bytes that begin no instruction in 64-bit mode (push es, pop es), in
    // place of those that begin EVEX and VEX prefixes: emulate_mark.
    EVEX = 0x62,
    MARKED_EVEX = 0x06,
    VEX = 0xc4,
    MARKED_VEX = 0x07,
};

// Of the calling thread.
static _Thread_local struct {
    bool configured;
    int rows[TILES], row_bytes[TILES];
    uint8_t data[TILES][TILE_ROWS][TILE_ROW_BYTES]; // zeros beyond
} tiles;

static atomic_long counts[EMULATED_KINDS];
static struct sigaction before;
static bool has_vectors, has_tiles, marks_code;

// ---- the registers of a signal ----------------------------------------------

// Parts of XSAVE's area, by their bits in XCR0. Their places are CPUID's leaf
// 0xd, for signals save in the standard form (Intel's manual, volume 1, 13.4).
enum {
    PART_XMM = 1, // in the area's old part, at 160
    PART_YMM = 2, // upper halves of ymm0 to 15
    PART_MASKS = 5,
    PART_ZMM = 6,    // upper halves of zmm0 to 15
    PART_ZMM_16 = 7, // zmm16 to 31
    PART_XMM_AT = 160,
    HEADER_AT = 512, // whose first word has the bits of parts that are not 0
    PARTS = 8,
};

static struct {
    uint32_t at, size;
} parts[PARTS];

static void find_parts(void)
{
    parts[PART_XMM].at = PART_XMM_AT;
    parts[PART_XMM].size = 16 * 16;
    for (uint32_t i = PART_YMM; i < PARTS; i++) {
        uint32_t ecx, edx;
        __cpuid_count(0xd, i, parts[i].size, parts[i].at, ecx, edx);
    }
}

// A part of the saved area; one that was all zeros is not there until now.
static uint8_t *part_of(uint8_t *area, int part)
{
    uint64_t bits;
    memcpy(&bits, area + HEADER_AT, sizeof bits);
    if (!(bits >> part & 1)) {
        memset(area + parts[part].at, 0, parts[part].size);
        bits |= (uint64_t)1 << part;
        memcpy(area + HEADER_AT, &bits, sizeof bits);
    }
    return area + parts[part].at;
}

static void copy_bytes(uint8_t *saved, void *value, int bytes, bool write)
{
    if (write)
        memcpy(saved, value, (size_t)bytes);
    else
        memcpy(value, saved, (size_t)bytes);
}

// All 64 bytes of zmm `number` from the saved area or, to write, to it.
static void move_vector(uint8_t *area, int number, void *value, bool write)
{
    uint8_t *bytes = value;
    if (number >= 16) {
        copy_bytes(part_of(area, PART_ZMM_16) + VECTOR_BYTES * (number - 16),
                   bytes, 64, write);
        return;
    }
    copy_bytes(part_of(area, PART_XMM) + 16 * number, bytes, 16, write);
    copy_bytes(part_of(area, PART_YMM) + 16 * number, bytes + 16, 16, write);
    copy_bytes(part_of(area, PART_ZMM) + 32 * number, bytes + 32, 32, write);
}

// ---- instructions taken apart -----------------------------------------------

typedef struct Instruction {
    greg_t *general;
    uint8_t *area;       // XSAVE's
    const uint8_t *next; // byte to be read
    bool evex;
    int prefix;             // 0: none, 1: 66, 2: f3, 3: f2
    int opcode;             // of the map 0f 38
    int reg, rm, third;     // registers: of ModRM, and of the prefix
    bool memory, sib;       // rm is an operand in memory, by a SIB byte
    uintptr_t address;      // of it,
    int64_t stride;         // and what its index register adds
    int bytes;              // of the vectors
    bool broadcast, zeroes; // one number from memory; where the mask is not set
    int mask;               // register; 0: none
} Instruction;

static uint64_t general(const Instruction *in, int number)
{
    static const int registers[] = {
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
        REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)in->general[registers[number]];
}

static int64_t read_signed(Instruction *in, int bytes)
{
    int8_t one;
    int32_t four;
    memcpy(bytes == 1 ? (void *)&one : &four, in->next, (size_t)bytes);
    in->next += bytes;
    return bytes == 1 ? one : four;
}

// ModRM, SIB and displacement. The extensions are upper bits of the numbers.
static void read_operands(Instruction *in, int reg_high, int index_high,
                          int base_high)
{
    int modrm = *in->next++, mod = modrm >> 6, low = modrm & 7;
    in->reg = (modrm >> 3 & 7) | reg_high;
    in->rm = low | base_high;
    in->memory = mod != 3;
    in->sib = in->memory && low == 4;
    if (!in->memory)
        return;
    int base = in->rm;
    bool has_base = true;
    if (in->sib) {
        int sib = *in->next++, index = (sib >> 3 & 7) | index_high;
        base = (sib & 7) | base_high;
        has_base = !((sib & 7) == 5 && mod == 0);
        // Number 4, the stack's register, is no index.
        in->stride =
            index == 4 ? 0 : (int64_t)(general(in, index) << (sib >> 6));
    }
    int64_t displacement = 0;
    bool relative = mod == 0 && low == 5; // to the next instruction
    if (mod == 2 || relative || !has_base)
        displacement = read_signed(in, 4);
    else if (mod == 1)
        displacement =
            read_signed(in, 1) * (!in->evex       ? 1
                                  : in->broadcast ? (int)sizeof(uint32_t)
                                                  : in->bytes);
    uint64_t from = relative   ? (uint64_t)(uintptr_t)in->next
                    : has_base ? general(in, base)
                               : 0;
    in->address = (uintptr_t)(from + (uint64_t)displacement);
}

// Prefix, opcode and operands. False: none of the kind. Intel's manual, volume
// 2A, 2.3.5 (VEX) and 2.7 (EVEX): bits that extend register numbers and the
// third register are stored inverted.
static bool read_instruction(Instruction *in)
{
    int first = *in->next++;
    in->evex = first == EVEX || first == MARKED_EVEX;
    if (!in->evex && first != VEX && first != MARKED_VEX)
        return false;
    int p0 = *in->next++, p1 = *in->next++, p2 = in->evex ? *in->next++ : 0;
    int reg_high = p0 & 0x80 ? 0 : 8, index_high = p0 & 0x40 ? 0 : 8;
    int base_high = p0 & 0x20 ? 0 : 8;
    in->prefix = p1 & 3;
    in->third = ~p1 >> 3 & 15;
    in->opcode = *in->next++;
    if (p1 & 0x80) // W: 64-bit numbers
        return false;
    if (!in->evex) {
        if ((p0 & 0x1f) != 2 || (p1 & 4)) // map 0f 38, 128 bits
            return false;
        read_operands(in, reg_high, index_high, base_high);
        return true;
    }
    int width = p2 >> 5 & 3;
    if ((p0 & 0xf) != 2 || !(p1 & 4) || width == 3)
        return false;
    in->bytes = 16 << width;
    in->broadcast = p2 >> 4 & 1;
    in->zeroes = p2 >> 7;
    in->mask = p2 & 7;
    in->third |= p2 & 8 ? 0 : 16;
    reg_high |= p0 & 0x10 ? 0 : 16;
    read_operands(in, reg_high, index_high, base_high);
    if (in->memory)
        in->address += (uint64_t)in->stride;
    else
        in->rm |= index_high << 1;
    // In registers, the bit would be a rounding mode; these have none.
    return in->memory || !in->broadcast;
}

// ---- vectors ----------------------------------------------------------------

// Intrinsics follow, whose arithmetic treats denormals as zeros by MXCSR, which
// the handler sets.
#define WIDE __attribute__((target("avx512f")))

WIDE static __m512 quiet_where_nan(__m512 value, __m512 source)
{
    __m512i quiet = _mm512_or_si512(_mm512_castps_si512(source),
                                    _mm512_set1_epi32(0x400000));
    return _mm512_mask_mov_ps(value,
                              _mm512_cmp_ps_mask(source, source, _CMP_UNORD_Q),
                              _mm512_castsi512_ps(quiet));
}

// a * b + sum, rounded once. Of several NaNs the first of a, b, sum comes out.
WIDE static __m512 multiply_add(__m512 a, __m512 b, __m512 sum)
{
    __m512 made = _mm512_fmadd_ps(a, b, sum);
    if (_mm512_cmp_ps_mask(made, made, _CMP_UNORD_Q) == 0)
        return made;
    return quiet_where_nan(quiet_where_nan(quiet_where_nan(made, sum), b), a);
}

// A number of bf16 is the upper half of its f32.
WIDE static __m512 even_of(__m512i pairs)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}

WIDE static __m512 odd_of(__m512i pairs)
{
    return _mm512_castsi512_ps(
        _mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000)));
}

// VDPBF16PS, volume 2C: two fused multiply-adds, that of the odd numbers first.
WIDE static __attribute__((noinline)) void add_pairs(uint32_t sums[LANES],
                                                     const uint32_t a[LANES],
                                                     const uint32_t b[LANES])
{
    __m512i x = _mm512_loadu_si512(a), y = _mm512_loadu_si512(b);
    __m512 sum = _mm512_castsi512_ps(_mm512_loadu_si512(sums));
    sum = multiply_add(odd_of(x), odd_of(y), sum);
    sum = multiply_add(even_of(x), even_of(y), sum);
    _mm512_storeu_si512(sums, _mm512_castps_si512(sum));
}

// convert_fp32_to_bfloat16 of VCVTNEPS2BF16, volume 2C.
static uint16_t to_bf16(uint32_t bits)
{
    uint32_t exponent = bits >> 23 & 0xff, sign = bits & 0x80000000;
    if (exponent == 0) // zeros and denormals
        bits = sign;
    else if (exponent < 0xff)
        bits += 0x7fff + (bits >> 16 & 1);
    else if (bits & 0x7fffff) // a NaN
        bits |= 0x400000;
    return (uint16_t)(bits >> 16);
}

// The operand of ModRM, as lanes of 32 bits; from memory all, whatever the
// mask.
static void read_operand(const Instruction *in, uint32_t value[LANES])
{
    const void *from = (const void *)in->address;
    memset(value, 0, VECTOR_BYTES);
    if (!in->memory) {
        move_vector(in->area, in->rm, value, false);
    } else if (!in->broadcast) {
        memcpy(value, from, (size_t)in->bytes);
    } else {
        memcpy(value, from, sizeof *value);
        for (int i = 1; i < LANES; i++)
            value[i] = value[0];
    }
}

// Writes `made`, elements of so many bytes, where the mask says; what is
// beyond them becomes zero.
static void write_masked(const Instruction *in, const void *made, int elements,
                         int size)
{
    uint8_t value[VECTOR_BYTES];
    uint64_t mask = ~(uint64_t)0;
    if (in->mask)
        memcpy(&mask, part_of(in->area, PART_MASKS) + 8 * in->mask,
               sizeof mask);
    move_vector(in->area, in->reg, value, false);
    for (int i = 0; i < elements; i++) {
        if (mask >> i & 1)
            memcpy(value + i * size, (const uint8_t *)made + i * size,
                   (size_t)size);
        else if (in->zeroes)
            memset(value + i * size, 0, (size_t)size);
    }
    memset(value + elements * size, 0,
           (size_t)(VECTOR_BYTES - elements * size));
    move_vector(in->area, in->reg, value, true);
}

// Returns which it was, or EMULATED_KINDS.
static Emulated run_vectors(const Instruction *in)
{
    enum { F3 = 2, F2 = 3, PAIRS = 0x52, CONVERT = 0x72 };
    uint32_t a[LANES], b[LANES], sums[LANES];
    uint16_t narrow[2 * LANES];
    int lanes = in->bytes / (int)sizeof *a;
    if (in->opcode == PAIRS && in->prefix == F3) {
        read_operand(in, b);
        move_vector(in->area, in->third, a, false);
        move_vector(in->area, in->reg, sums, false);
        add_pairs(sums, a, b);
        write_masked(in, sums, lanes, sizeof *sums);
        return EMULATED_VDPBF16PS;
    }
    if (in->opcode != CONVERT || (in->prefix != F3 && in->prefix != F2))
        return EMULATED_KINDS;
    // One vector to half of one, or two, that of ModRM below, to a whole one.
    bool two = in->prefix == F2;
    if (!two && in->third != 0)
        return EMULATED_KINDS;
    read_operand(in, b);
    move_vector(in->area, in->third, a, false);
    for (int i = 0; i < lanes; i++) {
        narrow[i] = to_bf16(b[i]);
        narrow[lanes + i] = to_bf16(a[i]);
    }
    write_masked(in, narrow, two ? 2 * lanes : lanes, sizeof *narrow);
    return two ? EMULATED_VCVTNE2PS2BF16 : EMULATED_VCVTNEPS2BF16;
}

// ---- tiles ------------------------------------------------------------------

// LDTILECFG, volume 2A: palette 1 has 8 tiles of up to 16 rows of 64 bytes.
static const char *configure(const uint8_t *from)
{
    enum { PALETTE, ROW_BYTES_AT = 16, ROWS_AT = 48 };
    memset(&tiles, 0, sizeof tiles);
    if (from[PALETTE] == 0)
        return NULL;
    if (from[PALETTE] != 1)
        return "a palette of tiles that is not 1";
    for (int i = 1; i < 64; i++) // start_row, and what is reserved
        if (from[i] && (i < ROW_BYTES_AT ||
                        (i >= ROW_BYTES_AT + 2 * TILES && i < ROWS_AT) ||
                        i >= ROWS_AT + TILES))
            return "a configuration of tiles with reserved bytes that are not "
                   "0, or that starts behind row 0";
    for (int i = 0; i < TILES; i++) {
        const uint8_t *bytes = from + ROW_BYTES_AT + 2 * i;
        tiles.row_bytes[i] = bytes[0] | bytes[1] << 8;
        tiles.rows[i] = from[ROWS_AT + i];
        if (tiles.rows[i] > TILE_ROWS || tiles.row_bytes[i] > TILE_ROW_BYTES ||
            (tiles.rows[i] == 0) != (tiles.row_bytes[i] == 0))
            return "a configuration with tiles too large, or with rows of none";
    }
    tiles.configured = true;
    return NULL;
}

// NULL, or why AMX would refuse the tile.
static const char *tile_problem(int tile)
{
    return !tiles.configured       ? "tiles that are not configured"
           : tile >= TILES         ? "no such tile"
           : tiles.rows[tile] == 0 ? "a tile that has no rows"
                                   : NULL;
}

static void move_rows(const Instruction *in, bool write)
{
    for (int i = 0; i < tiles.rows[in->reg]; i++) {
        uint64_t row = (uint64_t)in->address + (uint64_t)(i * in->stride);
        copy_bytes((uint8_t *)(uintptr_t)row, tiles.data[in->reg][i],
                   tiles.row_bytes[in->reg], write);
    }
}

// TDPBF16PS, volume 2D: for each number of the result, products of even numbers
// and products of odd ones are summed apart, then these two sums added, then
// the result of that to what was there.
WIDE static __attribute__((noinline)) void multiply_tiles(int sums, int a,
                                                          int b)
{
    for (int m = 0; m < tiles.rows[sums]; m++) {
        __m512 even = _mm512_setzero_ps(), odd = even;
        for (int k = 0; k < tiles.row_bytes[a] / 4; k++) {
            int pair;
            memcpy(&pair, &tiles.data[a][m][4 * k], sizeof pair);
            __m512i x = _mm512_set1_epi32(pair);
            __m512i y = _mm512_loadu_si512(tiles.data[b][k]);
            even = multiply_add(even_of(x), even_of(y), even);
            odd = multiply_add(odd_of(x), odd_of(y), odd);
        }
        float *to = (float *)(void *)tiles.data[sums][m];
        __m512 sum =
            _mm512_add_ps(_mm512_loadu_ps(to), _mm512_add_ps(even, odd));
        uint32_t lanes = (1u << tiles.row_bytes[sums] / 4) - 1;
        _mm512_storeu_ps(to, _mm512_maskz_mov_ps((__mmask16)lanes, sum));
    }
}

static const char *multiply_problem(int sums, int a, int b)
{
    const char *problem = tile_problem(sums);
    problem = problem ? problem : tile_problem(a);
    problem = problem ? problem : tile_problem(b);
    if (problem)
        return problem;
    if (sums == a || a == b || sums == b)
        return "tdpbf16ps of a tile with itself";
    if (tiles.row_bytes[sums] % 4 || tiles.row_bytes[a] % 4 ||
        tiles.row_bytes[b] % 4 || tiles.rows[sums] != tiles.rows[a] ||
        tiles.row_bytes[sums] != tiles.row_bytes[b] ||
        tiles.row_bytes[a] / 4 != tiles.rows[b])
        return "tdpbf16ps of tiles that do not fit each other";
    return NULL;
}

// Which it is, or EMULATED_KINDS.
static Emulated tile_kind(const Instruction *in)
{
    enum { NONE, X66, F3, F2 };
    enum { CONFIGURE = 0x49, MOVE = 0x4b, MULTIPLY = 0x5c };
    if (in->opcode == MULTIPLY && in->prefix == F3 && !in->memory)
        return EMULATED_TDPBF16PS;
    if (in->third != 0)
        return EMULATED_KINDS;
    if (in->opcode == MOVE && in->sib)
        return in->prefix == NONE ? EMULATED_KINDS
               : in->prefix == F3 ? EMULATED_TILESTORED
                                  : EMULATED_TILELOADD;
    if (in->opcode != CONFIGURE)
        return EMULATED_KINDS;
    if (in->prefix == F2 && !in->memory && in->rm == 0)
        return EMULATED_TILEZERO;
    if (in->prefix != NONE || in->reg != 0 || (!in->memory && in->rm != 0))
        return EMULATED_KINDS;
    return in->memory ? EMULATED_LDTILECFG : EMULATED_TILERELEASE;
}

static const char *run_tiles(const Instruction *in, Emulated kind)
{
    const char *problem = NULL;
    if (kind == EMULATED_LDTILECFG)
        return configure((const uint8_t *)(in->address + (uint64_t)in->stride));
    if (kind == EMULATED_TILERELEASE) {
        memset(&tiles, 0, sizeof tiles);
        return NULL;
    }
    if (kind == EMULATED_TDPBF16PS) {
        problem = multiply_problem(in->reg, in->rm, in->third);
        if (!problem)
            multiply_tiles(in->reg, in->rm, in->third);
        return problem;
    }
    problem = tile_problem(in->reg);
    if (problem)
        return problem;
    if (kind != EMULATED_TILESTORED)
        memset(tiles.data[in->reg], 0, sizeof tiles.data[in->reg]);
    if (kind != EMULATED_TILEZERO)
        move_rows(in, kind == EMULATED_TILESTORED);
    return NULL;
}

// ---- the signal -------------------------------------------------------------

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        _exit(1);
}

// Lets the signal end the process, when the instruction is run again.
static void give_up(const uint8_t *code, const char *problem)
{
    char byte[] = " 00";
    say("illegal instruction, which is not emulated:");
    for (int i = 0; i < 8; i++) {
        byte[1] = "0123456789abcdef"[code[i] >> 4];
        byte[2] = "0123456789abcdef"[code[i] & 15];
        say(byte);
    }
    say(": ");
    say(problem);
    say("\n");
    signal(SIGILL, SIG_DFL);
}

// NULL: one instruction was run, and *code moved behind it.
static const char *run_one(mcontext_t *machine, const uint8_t **code)
{
    Instruction in = {.general = machine->gregs,
                      .area = (uint8_t *)machine->fpregs,
                      .next = *code};
    Emulated kind = EMULATED_KINDS;
    const char *problem = NULL;
    if (read_instruction(&in))
        kind = in.evex ? run_vectors(&in) : tile_kind(&in);
    if (kind == EMULATED_KINDS)
        return "not one that is known";
    if (!in.evex)
        problem = run_tiles(&in, kind);
    if (problem)
        return problem;
    atomic_fetch_add_explicit(&counts[kind], 1, memory_order_relaxed);
    *code = in.next;
    return NULL;
}

// A signal takes some microseconds, so that what follows is run at once as long
// as it is of the kind.
static void handle(int number, siginfo_t *info, void *of)
{
    // Denormals are zeros, rounding to nearest even, no exceptions. The
    // process's own MXCSR comes back with the registers.
    _mm_setcsr(0x9fc0);
    (void)number;
    (void)info;
    mcontext_t *machine = &((ucontext_t *)of)->uc_mcontext;
    const uint8_t *begin = (const uint8_t *)machine->gregs[REG_RIP];
    const uint8_t *code = begin;
    const char *problem;
    do
        problem = run_one(machine, &code);
    while (!problem);
    if (code == begin)
        give_up(code, problem);
    machine->gregs[REG_RIP] = (greg_t)code;
}

// ---- beginning and end ------------------------------------------------------

static void pretend_cpuid(uint32_t leaf, uint32_t subleaf,
                          uint32_t words[CPU_WORDS])
{
    enum { AVX512BF16 = 1 << 5, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };
    uint32_t subleaves = 0, other;
    words[CPU_EAX] = words[CPU_EBX] = words[CPU_ECX] = words[CPU_EDX] = 0;
    __get_cpuid_count(7, 0, &subleaves, &other, &other, &other);
    if (leaf != 7 || subleaf <= subleaves)
        __get_cpuid_count(leaf, subleaf, &words[CPU_EAX], &words[CPU_EBX],
                          &words[CPU_ECX], &words[CPU_EDX]);
    if (leaf == 7 && subleaf == 0) {
        words[CPU_EDX] |= AMX_BF16 | AMX_TILE;
        if (subleaves == 0)
            words[CPU_EAX] = 1;
    } else if (leaf == 7 && subleaf == 1) {
        words[CPU_EAX] |= AVX512BF16;
    }
}

static uint64_t pretend_xcr0(void)
{
    enum { TILES_STATE = 3 << 17 };
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low | TILES_STATE;
}

void emulate_begin(bool marks)
{
    static const CpuProbe pretended = {pretend_cpuid, pretend_xcr0};
    CpuSet here = cpu_here();
    if ((cpu_level(4) & ~here) != 0)
        test_skip("needs AVX-512, on whose registers AVX512-BF16 works");
    find_parts();
    for (int i = 0; i < EMULATED_KINDS; i++)
        atomic_store(&counts[i], 0);
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    if (sigaction(SIGILL, &action, &before) != 0)
        abort();
    __asm__ volatile("vdpbf16ps %%zmm0, %%zmm0, %%zmm0" ::: "xmm0");
    has_vectors = atomic_exchange(&counts[EMULATED_VDPBF16PS], 0) == 0;
    has_tiles = (here & CPU_BIT(AMXTILE)) && (here & CPU_BIT(AMXBF16));
    marks_code = marks;
    cpu_pretend(&pretended);
}

void emulate_end(void)
{
    marks_code = false;
    cpu_pretend(NULL);
    sigaction(SIGILL, &before, NULL);
}

bool emulate_marks(void)
{
    return marks_code;
}

bool emulate_has_vectors(void)
{
    return has_vectors;
}

bool emulate_has_tiles(void)
{
    return has_tiles;
}

long emulate_count(Emulated kind)
{
    return atomic_load(&counts[kind]);
}

void emulate_mark(void *code, size_t size)
{
    uint8_t *at = code;
    for (size_t i = 0; i + 5 < size; i++) {
        const uint8_t *b = at + i;
        bool pairs = (b[4] == 0x52 && (b[2] & 3) == 2) ||
                     (b[4] == 0x72 && (b[2] & 2) == 2);
        bool of_tiles = b[3] == 0x49 || b[3] == 0x4b || b[3] == 0x5c;
        if (b[0] == EVEX && (b[1] & 0xf) == 2 && (b[2] & 0x84) == 4 && pairs)
            at[i] = MARKED_EVEX;
        else if (b[0] == VEX && (b[1] & 0x1f) == 2 && (b[2] & 0x84) == 0 &&
                 of_tiles)
            at[i] = MARKED_VEX;
    }
}

#else

void emulate_begin(bool marks)
{
    (void)marks;
    test_skip("AVX512-BF16 and AMX are emulated on x86-64 Linux alone");
}

void emulate_end(void)
{
}

bool emulate_marks(void)
{
    return false;
}

bool emulate_has_vectors(void)
{
    return false;
}

bool emulate_has_tiles(void)
{
    return false;
}

long emulate_count(Emulated kind)
{
    (void)kind;
    return 0;
}

void emulate_mark(void *code, size_t size)
{
    (void)code;
    (void)size;
}

#endif
