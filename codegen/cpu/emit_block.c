#include "codegen/cpu/emit_block.h"

#include "codegen/integers.h"

// ---- addresses --------------------------------------------------------------

LLVMValueRef taps_add(const Emit *e, LLVMValueRef a, int64_t b)
{
    return LLVMBuildNSWAdd(e->builder, a, emit_i64(e, b), "");
}

LLVMValueRef taps_affine(const Emit *e, LLVMValueRef index, int64_t step,
                         int64_t first)
{
    LLVMValueRef scaled =
        LLVMBuildNSWMul(e->builder, index, emit_i64(e, step), "");
    return taps_add(e, scaled, first);
}

LLVMValueRef taps_max(const Emit *e, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef more = LLVMBuildICmp(e->builder, LLVMIntSGT, a, b, "");
    return LLVMBuildSelect(e->builder, more, a, b, "");
}

// Not inbounds: the first tap of a row may point before the tensor, though
// nothing is read there.
static LLVMValueRef offset(const Emit *e, DType dtype, LLVMValueRef pointer,
                           LLVMValueRef elements)
{
    return LLVMBuildGEP2(e->builder, emit_stored_type(e, dtype, 1), pointer,
                         &elements, 1, "");
}

LLVMValueRef image_at(const Emit *e, DType dtype, LLVMValueRef pointer,
                      int64_t elements)
{
    return elements ? offset(e, dtype, pointer, emit_i64(e, elements))
                    : pointer;
}

LLVMValueRef image_step(const Emit *e, DType dtype, LLVMValueRef pointer,
                        LLVMValueRef index, int64_t elements)
{
    return offset(e, dtype, pointer, taps_affine(e, index, elements, 0));
}

LLVMValueRef taps_at(const Emit *e, LLVMValueRef pointer, int64_t elements)
{
    return image_at(e, DT_F32, pointer, elements);
}

LLVMValueRef taps_step(const Emit *e, LLVMValueRef pointer, LLVMValueRef index,
                       int64_t elements)
{
    return image_step(e, DT_F32, pointer, index, elements);
}

LLVMValueRef taps_steps(const Emit *e, LLVMValueRef pointer, LLVMValueRef index,
                        LLVMValueRef elements)
{
    LLVMValueRef skip = LLVMBuildNSWMul(e->builder, index, elements, "");
    return emit_offset(e, DT_F32, pointer, skip);
}

void taps_find_inside(const Emit *e, const TapAxis *axis, LLVMValueRef base,
                      LLVMValueRef *low_tap, LLVMValueRef *high_tap)
{
    LLVMValueRef past = emit_i64(e, axis->in), low, high;
    int64_t gap = axis->tap_step;
    if (gap > 0) {
        low = LLVMBuildNeg(e->builder, base, "");
        high = LLVMBuildSub(e->builder, past, base, "");
    } else {
        gap = -gap;
        low = taps_add(e, LLVMBuildSub(e->builder, base, past, ""), 1);
        high = taps_add(e, base, 1);
    }
    low = taps_max(e, low, emit_i64(e, 0));
    if (gap > 1) { // ceilings of what is not negative
        LLVMValueRef gaps = emit_i64(e, gap);
        low = LLVMBuildUDiv(e->builder, taps_add(e, low, gap - 1), gaps, "");
        high = taps_add(e, taps_max(e, high, emit_i64(e, 0)), gap - 1);
        high = LLVMBuildUDiv(e->builder, high, gaps, "");
    }
    *low_tap = low;
    *high_tap = emit_min_i64(e, high, emit_i64(e, axis->taps));
}

EmitLoop taps_loop(const Emit *e, int64_t low, int64_t high, int64_t step)
{
    return emit_loop_begin(e, emit_i64(e, low), emit_i64(e, high), step);
}

void taps_each_tile(const Emit *e, const TapAxis *cols, int pixels,
                    TapsTileBody *body, const void *task)
{
    int64_t first = 0;
    while (first < cols->count) {
        int64_t end = first;
        while (end + pixels <= cols->count && taps_inside(cols, end, pixels))
            end += pixels;
        if (end > first) {
            EmitLoop tiles = taps_loop(e, first, end, pixels);
            body(task, first, pixels, tiles.index);
            emit_loop_end(e, &tiles);
            first = end;
            continue;
        }
        int64_t left = cols->count - first;
        int some = left < pixels ? (int)left : pixels;
        body(task, first, some, emit_i64(e, first));
        first += some;
    }
}

// Where the last tile would be short, several have one less instead: a tile of
// one or two has too few sums to keep the multipliers busy (49 by tiles of 6
// are 4 of 6 and 5 of 5).
TapsCut taps_cut(int64_t count, int size)
{
    int64_t tiles = ceil_div(count, size), less = tiles * size - count;
    if (less <= tiles)
        return (TapsCut){(tiles - less) * size, size - 1};
    return (TapsCut){count - count % size, (int)(count % size)};
}

LLVMValueRef taps_imm(const Emit *e, int index)
{
    LLVMTypeRef type = emit_int_type(e, 64, 1);
    LLVMValueRef at = emit_i64(e, index);
    LLVMValueRef imms = LLVMGetParam(e->function, 1);
    LLVMValueRef slot = LLVMBuildGEP2(e->builder, type, imms, &at, 1, "");
    return LLVMBuildLoad2(e->builder, type, slot, "");
}

// ---- memory -----------------------------------------------------------------

// Blocks of floats start on whole cache lines, for buffers do; those of bf16 on
// halves.
LLVMValueRef image_load(const Emit *e, DType dtype, LLVMValueRef pointer)
{
    LLVMValueRef value = LLVMBuildLoad2(
        e->builder, emit_stored_type(e, dtype, CPU_BLOCK), pointer, "");
    LLVMSetAlignment(value, (unsigned)(CPU_BLOCK * dtype_size(dtype)));
    return emit_from_stored(e, dtype, CPU_BLOCK, value);
}

void image_store(const Emit *e, DType dtype, LLVMValueRef value,
                 LLVMValueRef pointer)
{
    LLVMValueRef store = LLVMBuildStore(
        e->builder, emit_to_stored(e, dtype, CPU_BLOCK, value), pointer);
    LLVMSetAlignment(store, (unsigned)(CPU_BLOCK * dtype_size(dtype)));
}

LLVMValueRef taps_load(const Emit *e, LLVMValueRef pointer)
{
    return image_load(e, DT_F32, pointer);
}

LLVMValueRef taps_load_unaligned(const Emit *e, LLVMValueRef pointer)
{
    LLVMValueRef value = taps_load(e, pointer);
    LLVMSetAlignment(value, sizeof(float));
    return value;
}

LLVMValueRef taps_load_splat(const Emit *e, LLVMValueRef pointer)
{
    LLVMValueRef one =
        LLVMBuildLoad2(e->builder, emit_type(e, DT_F32, 1), pointer, "");
    return emit_splat(e, one, CPU_BLOCK);
}

void taps_store(const Emit *e, LLVMValueRef value, LLVMValueRef pointer)
{
    image_store(e, DT_F32, value, pointer);
}

void taps_prefetch(const Emit *e, LLVMValueRef pointer, TapsPrefetch what)
{
    static const char name[] = "llvm.prefetch";
    enum { SECOND_LEVEL = 2, ALL_LEVELS = 3, DATA = 1 };
    int levels = what == PREFETCH_LATER ? SECOND_LEVEL : ALL_LEVELS;
    unsigned id = LLVMLookupIntrinsicID(name, sizeof name - 1);
    LLVMTypeRef type = LLVMTypeOf(pointer);
    LLVMValueRef function =
        LLVMGetIntrinsicDeclaration(e->module, id, &type, 1);
    LLVMValueRef args[] = {pointer, emit_int(e, 32, 1, what == PREFETCH_WRITE),
                           emit_int(e, 32, 1, levels),
                           emit_int(e, 32, 1, DATA)};
    LLVMBuildCall2(e->builder, LLVMGlobalGetValueType(function), function, args,
                   4, "");
}

// ---- variables --------------------------------------------------------------

LLVMValueRef *taps_variables(const Emit *e, int count)
{
    LLVMValueRef *variables = ARENA_ARRAY(e->arena, LLVMValueRef, count);
    for (int i = 0; i < count; i++)
        variables[i] =
            LLVMBuildAlloca(e->builder, emit_type(e, DT_F32, CPU_BLOCK), "");
    return variables;
}

LLVMValueRef taps_get(const Emit *e, LLVMValueRef variable)
{
    return LLVMBuildLoad2(e->builder, emit_type(e, DT_F32, CPU_BLOCK), variable,
                          "");
}

void taps_set(const Emit *e, LLVMValueRef variable, LLVMValueRef value)
{
    LLVMBuildStore(e->builder, value, variable);
}

void taps_set_zero(const Emit *e, LLVMValueRef variable)
{
    taps_set(e, variable, emit_const(e, DT_F32, CPU_BLOCK, 0));
}

LLVMValueRef taps_fused(const Emit *e, LLVMValueRef a, LLVMValueRef b,
                        LLVMValueRef c)
{
    LLVMValueRef args[] = {a, b, c};
    if (e->target->fma)
        return emit_intrinsic(e, "llvm.fma", 3, args);
    return LLVMBuildFAdd(e->builder, LLVMBuildFMul(e->builder, a, b, ""), c,
                         "");
}

void taps_add_product(const Emit *e, LLVMValueRef variable, LLVMValueRef a,
                      LLVMValueRef b)
{
    taps_set(e, variable, taps_fused(e, a, b, taps_get(e, variable)));
}

// ---- products ---------------------------------------------------------------

// No load moves across it. Left to itself LLVM loads a step's numbers of x all
// at once, which takes a register each.
static void keep_order(const Emit *e)
{
    static const char constraints[] = "~{memory}";
    LLVMTypeRef nothing = LLVMVoidTypeInContext(e->context);
    LLVMTypeRef function = LLVMFunctionType(nothing, NULL, 0, 0);
    LLVMValueRef barrier =
        LLVMGetInlineAsm(function, "", 0, constraints, sizeof constraints - 1,
                         1, 0, LLVMInlineAsmDialectATT, 0);
    LLVMBuildCall2(e->builder, function, barrier, NULL, 0, "");
}

// variable[first + i] += a[i] * b[i], i < width
static void add_to_lanes(const Emit *e, LLVMValueRef variable, LLVMValueRef a,
                         LLVMValueRef b, int first, int width)
{
    LLVMValueRef some[CPU_BLOCK], all[CPU_BLOCK];
    for (int i = 0; i < CPU_BLOCK; i++) {
        bool inside = i >= first && i < first + width;
        all[i] = emit_int(e, 32, 1, inside ? CPU_BLOCK + i - first : i);
        if (i < width)
            some[i] = emit_int(e, 32, 1, first + i);
    }
    LLVMBuilderRef builder = e->builder;
    LLVMValueRef old = taps_get(e, variable);
    LLVMValueRef nothing = LLVMGetPoison(LLVMTypeOf(old));
    LLVMValueRef part = LLVMBuildShuffleVector(
        builder, old, nothing, LLVMConstVector(some, (unsigned)width), "");
    LLVMValueRef sum = taps_fused(e, a, b, part);
    // As long as the variable, to be put in its place.
    for (int i = 0; i < CPU_BLOCK; i++)
        some[i] = emit_int(e, 32, 1, i % width);
    sum = LLVMBuildShuffleVector(builder, sum, LLVMGetPoison(LLVMTypeOf(sum)),
                                 LLVMConstVector(some, CPU_BLOCK), "");
    taps_set(e, variable,
             LLVMBuildShuffleVector(builder, old, sum,
                                    LLVMConstVector(all, CPU_BLOCK), ""));
}

// The numbers of all pixels first, then the weights a register at a time, where
// there is none to keep more of them in. Vectors are taken apart and put
// together again in name alone: LLVM has a register for each part anyway.
static void multiply_numbers_first(const Emit *e, const TapsTile *tile,
                                   const bool *valid, LLVMValueRef x,
                                   LLVMValueRef w)
{
    LLVMBuilderRef b = e->builder;
    int width = e->target->vector_bytes / (int)sizeof(float);
    LLVMTypeRef part = emit_type(e, DT_F32, width);
    LLVMValueRef numbers[TAPS_MAX_TILE];
    for (int p = 0; p < tile->pixels; p++)
        numbers[p] =
            emit_splat(e,
                       LLVMBuildLoad2(b, emit_type(e, DT_F32, 1),
                                      taps_at(e, x, p * tile->pixel_step), ""),
                       width);
    keep_order(e);
    for (int at = 0; at < tile->blocks * CPU_BLOCK; at += width) {
        int block = at / CPU_BLOCK, first = at % CPU_BLOCK;
        LLVMValueRef weights = LLVMBuildLoad2(
            b, part, taps_at(e, w, block * tile->block_step + first), "");
        LLVMSetAlignment(weights, (unsigned)e->target->vector_bytes);
        for (int p = 0; p < tile->pixels; p++) {
            LLVMValueRef sum = tile->sums[p * tile->blocks + block];
            if (!valid || valid[p])
                add_to_lanes(e, sum, numbers[p], weights, first, width);
        }
        keep_order(e);
    }
}

void taps_multiply_one(const Emit *e, const TapsTile *tile, const bool *valid,
                       LLVMValueRef x, LLVMValueRef w)
{
    if (!taps_fit_registers(tile->pixels, tile->blocks,
                            e->target->vector_bytes)) {
        multiply_numbers_first(e, tile, valid, x, w);
        return;
    }
    LLVMValueRef weights[TAPS_MAX_TILE];
    for (int b = 0; b < tile->blocks; b++)
        weights[b] = taps_load(e, taps_at(e, w, b * tile->block_step));
    for (int p = 0; p < tile->pixels; p++) {
        if (valid && !valid[p])
            continue;
        LLVMValueRef one =
            taps_load_splat(e, taps_at(e, x, p * tile->pixel_step));
        for (int b = 0; b < tile->blocks; b++)
            taps_add_product(e, tile->sums[p * tile->blocks + b], one,
                             weights[b]);
        if (tile->blocks > 1 || tile->taps_unrolled)
            keep_order(e);
    }
}

// Channels to a round, so that a tile asks for little more than its pixels,
// each round for one. Rounds are whole where strips part the channels.
static int channels_in_round(const TapsTile *tile)
{
    int channels = 1;
    while (channels < CPU_BLOCK / TAPS_STRIP_LINES &&
           CPU_BLOCK / (2 * channels) >= tile->pixels)
        channels *= 2;
    return channels;
}

// Channels [low, low + count) of the block.
static void multiply_channels(const Emit *e, const TapsTile *tile,
                              const bool *valid, LLVMValueRef x, LLVMValueRef w,
                              LLVMValueRef low, int64_t count)
{
    LLVMBuilderRef b = e->builder;
    int round = channels_in_round(tile);
    LLVMValueRef first_w = taps_step(e, w, low, CPU_BLOCK);
    LLVMValueRef ahead = taps_step(
        e, taps_at(e, x, tile->x_ahead),
        LLVMBuildUDiv(b, low, emit_i64(e, round), ""), tile->pixel_step);
    EmitLoop channels = emit_loop_begin(e, low, taps_add(e, low, count), round);
    LLVMValueRef wc =
        emit_loop_walk(e, &channels, DT_F32, first_w, round * CPU_BLOCK);
    LLVMValueRef xc = taps_step(e, x, channels.index, 1);
    if (tile->x_ahead)
        taps_prefetch(
            e, emit_loop_walk(e, &channels, DT_F32, ahead, tile->pixel_step),
            PREFETCH_READ);
    for (int c = 0; c < round; c++) {
        if (tile->ahead) {
            LLVMTypeRef type = emit_int_type(e, 64, 1);
            LLVMValueRef index = taps_add(e, channels.index, c);
            LLVMValueRef place =
                LLVMBuildGEP2(b, type, tile->ahead_at, &index, 1, "");
            place = LLVMBuildLoad2(b, type, place, "");
            taps_prefetch(e, taps_step(e, tile->ahead, place, 1),
                          PREFETCH_LATER);
        }
        if (tile->w_ahead)
            for (int i = 0; i < tile->blocks; i++)
                taps_prefetch(e,
                              taps_at(e, wc,
                                      c * CPU_BLOCK + tile->w_ahead +
                                          i * tile->block_step),
                              PREFETCH_READ);
        taps_multiply_one(e, tile, valid, taps_at(e, xc, c),
                          taps_at(e, wc, c * CPU_BLOCK));
        if (c < round - 1)
            keep_order(e);
    }
    emit_loop_end(e, &channels);
}

void taps_strip(TapsTile *tile, LLVMValueRef at, TapsPrefetch what)
{
    if (tile->strip_count < TAPS_MAX_STRIPS)
        tile->strips[tile->strip_count++] = (TapsStrip){at, what};
}

void taps_ask(const Emit *e, const TapsTile *tile, LLVMValueRef line)
{
    int64_t floats =
        TAPS_STRIP_BYTES / TAPS_STRIP_LINES / (int64_t)sizeof(float);
    for (int i = 0; i < tile->strip_count; i++)
        taps_prefetch(e, taps_step(e, tile->strips[i].at, line, floats),
                      tile->strips[i].what);
}

void taps_multiply(const Emit *e, const TapsTile *tile, const bool *valid,
                   LLVMValueRef x, LLVMValueRef w)
{
    if (tile->strip_count == 0) {
        multiply_channels(e, tile, valid, x, w, emit_i64(e, 0), CPU_BLOCK);
        return;
    }
    EmitLoop line = taps_loop(e, 0, TAPS_STRIP_LINES, 1);
    taps_ask(e, tile, line.index);
    int64_t channels = CPU_BLOCK / TAPS_STRIP_LINES;
    multiply_channels(e, tile, valid, x, w,
                      taps_affine(e, line.index, channels, 0), channels);
    emit_loop_end(e, &line);
}

// ---- transposition ----------------------------------------------------------

// Lanes of the first operand where the lane number has no `bit` (or has it, for
// the upper of a pair of rows), of the second where it has: what a step of
// Eklundh's transposition (1972) exchanges.
static LLVMValueRef exchange(const Emit *e, LLVMValueRef a, LLVMValueRef b,
                             int width, int bit, bool upper)
{
    LLVMValueRef lanes[CPU_BLOCK];
    for (int i = 0; i < width; i++) {
        int lane =
            i & bit ? width + (upper ? i : i - bit) : (upper ? i + bit : i);
        lanes[i] = emit_int(e, 32, 1, lane);
    }
    return LLVMBuildShuffleVector(e->builder, a, b,
                                  LLVMConstVector(lanes, (unsigned)width), "");
}

// In every four lanes, pieces of `piece` lanes of the lower (or upper) two of a
// and of b by turns: one instruction of every x86, where Eklundh's exchange of
// neighbours would be two.
static LLVMValueRef interleave(const Emit *e, LLVMValueRef a, LLVMValueRef b,
                               int width, int piece, bool upper)
{
    LLVMValueRef lanes[CPU_BLOCK];
    for (int i = 0; i < width; i++) {
        int turn = i % 4 / piece;
        int lane = i / 4 * 4 + turn / 2 * piece + i % piece + (upper ? 2 : 0);
        lanes[i] = emit_int(e, 32, 1, turn % 2 ? width + lane : lane);
    }
    return LLVMBuildShuffleVector(e->builder, a, b,
                                  LLVMConstVector(lanes, (unsigned)width), "");
}

// `width` rows of as many lanes become columns: 4 x 4 numbers first, then those
// squares change places.
static void exchange_rows(const Emit *e, LLVMValueRef *rows, int width)
{
    for (int i = 0; i < width; i += 4) {
        LLVMValueRef *four = &rows[i], pairs[4];
        for (int p = 0; p < 4; p++)
            pairs[p] = interleave(e, four[p / 2 * 2], four[p / 2 * 2 + 1],
                                  width, 1, p % 2);
        for (int p = 0; p < 4; p++)
            four[p] =
                interleave(e, pairs[p / 2], pairs[p / 2 + 2], width, 2, p % 2);
    }
    for (int bit = 4; bit < width; bit *= 2)
        for (int i = 0; i < width; i++) {
            if (i & bit)
                continue;
            LLVMValueRef low = rows[i], high = rows[i + bit];
            rows[i] = exchange(e, low, high, width, bit, false);
            rows[i + bit] = exchange(e, low, high, width, bit, true);
        }
}

void taps_exchange(const Emit *e, LLVMValueRef rows[CPU_BLOCK])
{
    exchange_rows(e, rows, CPU_BLOCK);
}

// The `width` x `width` numbers at `from`, which fill so many registers.
static void transpose_square(const Emit *e, int width, LLVMValueRef from,
                             LLVMValueRef step, bool aligned, LLVMValueRef to)
{
    LLVMTypeRef type = emit_type(e, DT_F32, width);
    unsigned bytes = (unsigned)width * sizeof(float);
    LLVMValueRef rows[CPU_BLOCK];
    for (int i = 0; i < width; i++) {
        LLVMValueRef at = taps_steps(e, from, emit_i64(e, i), step);
        rows[i] = LLVMBuildLoad2(e->builder, type, at, "");
        LLVMSetAlignment(rows[i], aligned ? bytes : sizeof(float));
    }
    exchange_rows(e, rows, width);
    for (int i = 0; i < width; i++) {
        LLVMValueRef at = taps_at(e, to, i * CPU_BLOCK);
        LLVMSetAlignment(LLVMBuildStore(e->builder, rows[i], at), bytes);
    }
}

// By squares as wide as a register: 16 x 16 numbers would fill 32 registers of
// 256 bits, of which there are 16.
void taps_transpose_steps(const Emit *e, LLVMValueRef from, LLVMValueRef step,
                          bool aligned, LLVMValueRef to)
{
    int width = e->target->vector_bytes / (int)sizeof(float);
    if (width == CPU_BLOCK) {
        transpose_square(e, width, from, step, aligned, to);
        return;
    }
    EmitLoop row = taps_loop(e, 0, CPU_BLOCK, width);
    EmitLoop col = taps_loop(e, 0, CPU_BLOCK, width);
    LLVMValueRef read = taps_steps(e, from, row.index, step);
    LLVMValueRef written = taps_step(e, to, col.index, CPU_BLOCK);
    transpose_square(e, width, taps_step(e, read, col.index, 1), step, aligned,
                     taps_step(e, written, row.index, 1));
    emit_loop_end(e, &col);
    emit_loop_end(e, &row);
}

void taps_transpose(const Emit *e, LLVMValueRef from, int64_t step,
                    LLVMValueRef to)
{
    taps_transpose_steps(e, from, emit_i64(e, step), step % CPU_BLOCK == 0, to);
}
