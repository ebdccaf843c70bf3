// Products of matrices of bf16: by the tiles of AMX, or by vectors of
// AVX512_BF16. Where a processor has neither, f32 computes what the vectors do,
// to the bit, so that these kernels can be tested anywhere; the tests emulate
// the other two (tests/emulate_bf16.h).
#include <string.h>

#include "codegen/cpu/bf16_emit.h"

enum {
    VECTOR_ROWS = 8, // of a matrix at a time, by two blocks: 16 vectors of sums
};

// ---- tiles ------------------------------------------------------------------

// Registers: four of sums, then two of a and two of b.
enum { TILE_A = 4, TILE_B = 6 };

static LLVMValueRef tile_number(const Emit *e, int tile)
{
    return emit_int(e, 8, 1, tile);
}

static int sums_tile(int a, int b)
{
    return BF16_SIDE * a + b;
}

static void tile_load(const Emit *e, int tile, LLVMValueRef from, int64_t row)
{
    LLVMValueRef args[] = {tile_number(e, tile), from, emit_i64(e, row)};
    emit_instruction(e, "llvm.x86.tileloadd64", 3, args);
}

// All eight with 16 rows of 64 bytes: palette 1 of Intel's manual, volume 1,
// "Intel AMX": a byte of the palette, at 16 the bytes of a row of each tile in
// 16 bits, at 48 its rows in 8 bits.
static void configure_tiles(const Emit *e)
{
    static const uint64_t words[] = {
        1, 0, 0x0040004000400040, 0x0040004000400040,
        0, 0, 0x1010101010101010, 0};
    enum { WORDS = sizeof words / sizeof *words };
    LLVMTypeRef word = emit_int_type(e, 64, 1);
    LLVMValueRef config =
        LLVMBuildAlloca(e->builder, LLVMArrayType2(word, WORDS), "");
    LLVMSetAlignment(config, BF16_ROW_BYTES);
    for (int i = 0; i < WORDS; i++)
        LLVMBuildStore(e->builder, emit_i64(e, (int64_t)words[i]),
                       bf16_bytes(e, config, i * (int64_t)sizeof *words));
    emit_instruction(e, "llvm.x86.ldtilecfg", 1, &config);
}

static void tile_step(const Emit *e, const Bf16Products *p, LLVMValueRef a[],
                      LLVMValueRef b[])
{
    for (int j = 0; j < p->b_count; j++)
        tile_load(e, TILE_B + j, b[j], BF16_ROW_BYTES);
    for (int i = 0; i < p->a_count; i++)
        tile_load(e, TILE_A + i, a[i], p->a_row);
    for (int i = 0; i < p->a_count; i++)
        for (int j = 0; j < p->b_count; j++) {
            LLVMValueRef args[] = {tile_number(e, sums_tile(i, j)),
                                   tile_number(e, TILE_A + i),
                                   tile_number(e, TILE_B + j)};
            emit_instruction(e, "llvm.x86.tdpbf16ps", 3, args);
        }
}

static void tiles_begin(const Emit *e, const Bf16Products *p)
{
    LLVMBuilderRef b = e->builder;
    LLVMBasicBlockRef yes = NULL, no = NULL, then = NULL;
    if (p->resumes) {
        yes = emit_block(e), no = emit_block(e), then = emit_block(e);
        LLVMBuildCondBr(b, p->resumes, yes, no);
        LLVMPositionBuilderAtEnd(b, yes);
        for (int i = 0; i < p->a_count; i++)
            for (int j = 0; j < p->b_count; j++)
                tile_load(e, sums_tile(i, j), p->sums[i][j], BF16_ROW_BYTES);
        LLVMBuildBr(b, then);
        LLVMPositionBuilderAtEnd(b, no);
    }
    for (int i = 0; i < p->a_count; i++)
        for (int j = 0; j < p->b_count; j++) {
            LLVMValueRef tile = tile_number(e, sums_tile(i, j));
            emit_instruction(e, "llvm.x86.tilezero", 1, &tile);
        }
    if (p->resumes) {
        LLVMBuildBr(b, then);
        LLVMPositionBuilderAtEnd(b, then);
    }
}

static void tiles_end(const Emit *e, const Bf16Products *p)
{
    for (int i = 0; i < p->a_count; i++)
        for (int j = 0; j < p->b_count; j++) {
            LLVMValueRef args[] = {tile_number(e, sums_tile(i, j)),
                                   p->sums[i][j], emit_i64(e, BF16_ROW_BYTES)};
            emit_instruction(e, "llvm.x86.tilestored64", 3, args);
        }
}

// ---- vectors ----------------------------------------------------------------

// The numbers of one place of pairs, as f32: a number of bf16 is the upper half
// of its f32.
static LLVMValueRef lower_half(const Emit *e, LLVMValueRef pairs)
{
    LLVMValueRef up =
        LLVMBuildShl(e->builder, pairs, emit_int(e, 32, CPU_BLOCK, 16), "");
    return LLVMBuildBitCast(e->builder, up, emit_type(e, DT_F32, CPU_BLOCK),
                            "");
}

static LLVMValueRef upper_half(const Emit *e, LLVMValueRef pairs)
{
    LLVMValueRef up = LLVMBuildAnd(
        e->builder, pairs, emit_int(e, 32, CPU_BLOCK, (int64_t)0xffff0000), "");
    return LLVMBuildBitCast(e->builder, up, emit_type(e, DT_F32, CPU_BLOCK),
                            "");
}

// sum + the products of both numbers of each pair, the second one first, as the
// instruction does. It takes denormals for zeros, as threads that run kernels
// do (runtime/exec/pool.c).
static LLVMValueRef dot_pairs(const Emit *e, LLVMValueRef sum, LLVMValueRef a,
                              LLVMValueRef b)
{
    if (e->target->bf16 == CPU_BF16_NONE) {
        sum = taps_fused(e, upper_half(e, a), upper_half(e, b), sum);
        return taps_fused(e, lower_half(e, a), lower_half(e, b), sum);
    }
    LLVMTypeRef narrow =
        LLVMVectorType(LLVMBFloatTypeInContext(e->context), 2 * CPU_BLOCK);
    LLVMValueRef args[] = {sum, LLVMBuildBitCast(e->builder, a, narrow, ""),
                           LLVMBuildBitCast(e->builder, b, narrow, "")};
    return emit_instruction(e, "llvm.x86.avx512bf16.dpbf16ps.512", 3, args);
}

static LLVMValueRef load_pairs(const Emit *e, LLVMValueRef from)
{
    LLVMValueRef pairs =
        LLVMBuildLoad2(e->builder, emit_int_type(e, 32, BF16_PAIRS), from, "");
    LLVMSetAlignment(pairs, BF16_ROW_BYTES);
    return pairs;
}

// One pair in every lane. Lines of x begin at any number.
static LLVMValueRef load_pair(const Emit *e, LLVMValueRef from)
{
    LLVMValueRef pair =
        LLVMBuildLoad2(e->builder, emit_int_type(e, 32, 1), from, "");
    LLVMSetAlignment(pair, sizeof(uint16_t));
    return emit_splat(e, pair, BF16_PAIRS);
}

// VECTOR_ROWS rows from a on with all of b.
static void vector_step(const Emit *e, const Bf16Frame *frame,
                        const Bf16Products *p, LLVMValueRef a, LLVMValueRef b[])
{
    EmitLoop pair = taps_loop(e, 0, BF16_PAIRS, 1);
    LLVMValueRef at = bf16_step(e, a, pair.index, sizeof(uint32_t));
    LLVMValueRef columns[BF16_SIDE];
    for (int j = 0; j < p->b_count; j++)
        columns[j] =
            load_pairs(e, bf16_step(e, b[j], pair.index, BF16_ROW_BYTES));
    for (int r = 0; r < VECTOR_ROWS; r++) {
        LLVMValueRef one = load_pair(e, bf16_bytes(e, at, r * p->a_row));
        for (int j = 0; j < p->b_count; j++) {
            LLVMValueRef sum = frame->sums[r * BF16_SIDE + j];
            taps_set(e, sum, dot_pairs(e, taps_get(e, sum), one, columns[j]));
        }
    }
    emit_loop_end(e, &pair);
}

static LLVMValueRef sum_place(const Emit *e, const Bf16Products *p, int i,
                              int j, int row)
{
    return bf16_bytes(e, p->sums[i][j], row * BF16_ROW_BYTES);
}

static void vectors_begin(const Emit *e, const Bf16Frame *frame,
                          const Bf16Products *p, int i, int first)
{
    LLVMValueRef zero = emit_const(e, DT_F32, CPU_BLOCK, 0);
    for (int r = 0; r < VECTOR_ROWS; r++)
        for (int j = 0; j < p->b_count; j++) {
            LLVMValueRef sum = zero;
            if (p->resumes)
                sum = LLVMBuildSelect(
                    e->builder, p->resumes,
                    taps_load(e, sum_place(e, p, i, j, first + r)), zero, "");
            taps_set(e, frame->sums[r * BF16_SIDE + j], sum);
        }
}

static void vectors_end(const Emit *e, const Bf16Frame *frame,
                        const Bf16Products *p, int i, int first)
{
    for (int r = 0; r < VECTOR_ROWS; r++)
        for (int j = 0; j < p->b_count; j++)
            taps_store(e, taps_get(e, frame->sums[r * BF16_SIDE + j]),
                       sum_place(e, p, i, j, first + r));
}

// ---- both -------------------------------------------------------------------

// Moves the matrices of a step on, by so many bytes times the index.
static void move_on(const Emit *e, int a_count, LLVMValueRef a[],
                    int64_t a_step, int b_count, LLVMValueRef b[],
                    int64_t b_step, LLVMValueRef index)
{
    for (int i = 0; i < a_count; i++)
        a[i] = bf16_step(e, a[i], index, a_step);
    for (int j = 0; j < b_count; j++)
        b[j] = bf16_step(e, b[j], index, b_step);
}

// The steps of all outer and inner places and taps. `row` is the matrix of a
// that vectors take, from `first` on; tiles take all.
static void each_step(const Emit *e, const Bf16Frame *frame,
                      const Bf16Products *p, int row, int first)
{
    LLVMValueRef a[BF16_SIDE], b[BF16_SIDE], zero = emit_i64(e, 0);
    EmitLoop outer = {0}, inner = {0}, tap = {0};
    int a_count = frame->sums ? 1 : p->a_count;
    memcpy(a, p->a, sizeof a);
    memcpy(b, p->b, sizeof b);
    if (frame->sums)
        a[0] = bf16_bytes(e, p->a[row], first * p->a_row);
    if (p->outer) {
        outer = emit_loop_begin(e, zero, p->outer, 1);
        move_on(e, a_count, a, p->a_outer, p->b_count, b, p->b_outer,
                outer.index);
    }
    if (p->inner) {
        inner = emit_loop_begin(e, zero, p->inner, 1);
        move_on(e, a_count, a, p->a_inner, p->b_count, b, p->b_inner,
                inner.index);
    }
    if (p->tap_count) {
        tap = taps_loop(e, 0, p->tap_count, 1);
        move_on(e, a_count, a, 1, 0, b, 0, bf16_tap_a(e, frame, tap.index));
        move_on(e, 0, a, 0, p->b_count, b, 1, bf16_tap_b(e, frame, tap.index));
    }
    if (frame->sums)
        vector_step(e, frame, p, a[0], b);
    else
        tile_step(e, p, a, b);
    if (p->tap_count)
        emit_loop_end(e, &tap);
    if (p->inner)
        emit_loop_end(e, &inner);
    if (p->outer)
        emit_loop_end(e, &outer);
}

static LLVMValueRef tap_at(const Emit *e, const Bf16Frame *frame,
                           LLVMValueRef tap, int which)
{
    enum { BYTES = sizeof(int64_t) };
    return bf16_step(e, bf16_bytes(e, frame->taps, which * (int64_t)BYTES), tap,
                     2 * (int64_t)BYTES);
}

void bf16_set_tap(const Emit *e, const Bf16Frame *frame, int tap, int64_t a,
                  int64_t b)
{
    LLVMValueRef number = emit_i64(e, tap);
    LLVMBuildStore(e->builder, emit_i64(e, a), tap_at(e, frame, number, 0));
    LLVMBuildStore(e->builder, emit_i64(e, b), tap_at(e, frame, number, 1));
}

LLVMValueRef bf16_tap_a(const Emit *e, const Bf16Frame *frame, LLVMValueRef tap)
{
    return LLVMBuildLoad2(e->builder, emit_int_type(e, 64, 1),
                          tap_at(e, frame, tap, 0), "");
}

LLVMValueRef bf16_tap_b(const Emit *e, const Bf16Frame *frame, LLVMValueRef tap)
{
    return LLVMBuildLoad2(e->builder, emit_int_type(e, 64, 1),
                          tap_at(e, frame, tap, 1), "");
}

Bf16Frame bf16_begin(const Emit *e)
{
    LLVMTypeRef table =
        LLVMArrayType2(emit_int_type(e, 64, 1), 2 * (uint64_t)BF16_MAX_TAPS);
    Bf16Frame frame = {.taps = LLVMBuildAlloca(e->builder, table, "")};
    if (e->target->bf16 == CPU_BF16_TILES)
        configure_tiles(e);
    else
        frame.sums = taps_variables(e, VECTOR_ROWS * BF16_SIDE);
    return frame;
}

void bf16_products(const Emit *e, const Bf16Frame *frame, const Bf16Products *p)
{
    if (!frame->sums) {
        tiles_begin(e, p);
        each_step(e, frame, p, 0, 0);
        tiles_end(e, p);
        return;
    }
    for (int i = 0; i < p->a_count; i++)
        for (int first = 0; first < BF16_ROWS; first += VECTOR_ROWS) {
            vectors_begin(e, frame, p, i, first);
            each_step(e, frame, p, i, first);
            vectors_end(e, frame, p, i, first);
        }
}

void bf16_end(const Emit *e)
{
    if (e->target->bf16 == CPU_BF16_TILES)
        emit_instruction(e, "llvm.x86.tilerelease", 0, NULL);
}
