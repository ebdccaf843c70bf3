// Random numbers from a counter: ir/random.c in vectors of 32-bit integers.
#include "codegen/cpu/emit.h"
#include "ir/random.h"

static LLVMValueRef integer(const Emit *e, int lanes, uint32_t value)
{
    return emit_int(e, 32, lanes, (int64_t)value);
}

// Instruction by instruction as threefry2x32; returns the first word, and the
// second by *second.
static LLVMValueRef threefry(const Emit *e, int lanes,
                             const LLVMValueRef key[2],
                             const LLVMValueRef counter[2],
                             LLVMValueRef *second)
{
    LLVMBuilderRef b = e->builder;
    LLVMValueRef parity = LLVMBuildXor(b, LLVMBuildXor(b, key[0], key[1], ""),
                                       integer(e, lanes, THREEFRY_PARITY), "");
    LLVMValueRef schedule[3] = {key[0], key[1], parity};
    LLVMValueRef x = LLVMBuildAdd(b, counter[0], key[0], "");
    LLVMValueRef y = LLVMBuildAdd(b, counter[1], key[1], "");
    for (int round = 0; round < THREEFRY_ROUNDS; round++) {
        uint32_t by = (uint32_t)threefry_rotations[round % 8];
        x = LLVMBuildAdd(b, x, y, "");
        LLVMValueRef rotate[3] = {y, y, integer(e, lanes, by)};
        y = LLVMBuildXor(b, emit_intrinsic(e, "llvm.fshl", 3, rotate), x, "");
        if (round % 4 == 3) {
            uint32_t times = (uint32_t)round / 4 + 1;
            x = LLVMBuildAdd(b, x, schedule[times % 3], "");
            y = LLVMBuildAdd(b, y, schedule[(times + 1) % 3], "");
            y = LLVMBuildAdd(b, y, integer(e, lanes, times), "");
        }
    }
    *second = y;
    return x;
}

// Element `at` of the key, a whole number.
static LLVMValueRef load_key(const Emit *e, const LoopExpr *expr, int at)
{
    LLVMValueRef from =
        emit_offset(e, expr->dtype, e->args[expr->arg], emit_i64(e, at));
    LLVMValueRef number =
        LLVMBuildLoad2(e->builder, emit_type(e, expr->dtype, 1), from, "");
    return LLVMBuildFPToSI(e->builder, number, emit_int_type(e, 32, 1), "");
}

EmitRandom emit_random_key(const Emit *e, const LoopExpr *expr)
{
    LLVMValueRef words[2], stream[2];
    for (int i = 0; i < 2; i++) {
        LLVMValueRef high = LLVMBuildShl(e->builder, load_key(e, expr, 2 * i),
                                         integer(e, 1, 16), "");
        words[i] =
            LLVMBuildOr(e->builder, high, load_key(e, expr, 2 * i + 1), "");
        stream[i] = integer(e, 1, expr->stream[i]);
    }
    EmitRandom random = {.first = load_key(e, expr, RANDOM_KEY_FIRST)};
    random.key[0] = threefry(e, 1, words, stream, &random.key[1]);
    return random;
}

// at + elsewhere for each of the times that `here` goes into it.
static LLVMValueRef skip(const Emit *e, int lanes, LLVMValueRef at,
                         int64_t here, int64_t elsewhere)
{
    LLVMValueRef times =
        LLVMBuildUDiv(e->builder, at, integer(e, lanes, (uint32_t)here), "");
    return LLVMBuildAdd(e->builder, at,
                        LLVMBuildMul(e->builder, times,
                                     integer(e, lanes, (uint32_t)elsewhere),
                                     ""),
                        "");
}

LLVMValueRef emit_random(const Emit *e, const LoopExpr *expr,
                         const EmitRandom *random, LLVMValueRef at, int lanes,
                         int round, int64_t stride)
{
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef ints = emit_int_type(e, 32, lanes);
    LLVMValueRef key[2], counter[2], second;
    at = LLVMBuildAdd(b, at, emit_i64(e, round * lanes * stride), "");
    LLVMValueRef all = emit_splat(e, at, lanes);
    if (lanes > 1) {
        LLVMValueRef numbers = LLVMBuildZExt(b, emit_lane_numbers(e, lanes),
                                             emit_int_type(e, 64, lanes), "");
        all = LLVMBuildAdd(
            b, all,
            LLVMBuildMul(b, numbers, emit_int(e, 64, lanes, stride), ""), "");
    }
    counter[0] = LLVMBuildTrunc(b, all, ints, "");
    counter[1] = LLVMBuildTrunc(
        b, LLVMBuildLShr(b, all, emit_int(e, 64, lanes, 32), ""), ints, "");
    if (expr->images.here < expr->images.batch) {
        // View after view, and in each run after run: those of the batch
        // before this one's, and before this process's or chunk's.
        const RandomImages *images = &expr->images;
        LLVMValueRef at_image = skip(e, lanes, counter[1], images->here,
                                     images->batch - images->here);
        if (images->run < images->here) {
            LLVMValueRef image = LLVMBuildURem(
                b, counter[1], integer(e, lanes, (uint32_t)images->here), "");
            LLVMValueRef moved = skip(e, lanes, image, images->run,
                                      images->stride - images->run);
            at_image = LLVMBuildAdd(b, at_image,
                                    LLVMBuildSub(b, moved, image, ""), "");
        }
        counter[1] =
            LLVMBuildAdd(b, at_image, emit_splat(e, random->first, lanes), "");
    }
    for (int i = 0; i < 2; i++)
        key[i] = emit_splat(e, random->key[i], lanes);
    LLVMValueRef bits = threefry(e, lanes, key, counter, &second);
    bits = LLVMBuildLShr(b, bits, integer(e, lanes, 32 - RANDOM_BITS), "");
    LLVMValueRef number =
        LLVMBuildSIToFP(b, bits, emit_type(e, expr->dtype, lanes), "");
    return LLVMBuildFMul(b, number, emit_const(e, expr->dtype, lanes, 0x1p-24),
                         "");
}
