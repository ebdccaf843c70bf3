// Loop nests. Kept dims outside, reduced dims inside, both in their order; the
// innermost dim of the iteration space is walked by vectors:
//
//   for kept dims ...             with the last one by vectors, if it is kept
//     accumulators = identity
//     for reduced dims ...        with the last one by vectors, if reduced
//       evaluate, store, accumulate
//     store accumulators
//
// (Sums by rows, LoopSplit.by_rows, go over the reduced dim outside and the
// kept one inside, and their accumulators are where they are stored.)
//
// Where the innermost dim is always one round of vectors, as a block of
// channels is, no loop is made for it.
//
// An expression is evaluated in the outermost loop that fixes its value, once,
// as a scalar if it does not change along the vectors. LLVM could not hoist a
// load itself, for a store might change it.
#include <math.h>

#include "codegen/cpu/emit_loop.h"
#include "ir/base/diag.h"

// A size or a stride.
static LLVMValueRef size_value(const Nest *n, int64_t size)
{
    return loop_is_imm(size) ? n->imms[loop_imm_index(size)]
                             : emit_i64(n->e, size);
}

// ---- expressions ------------------------------------------------------------

static LLVMValueRef iota_value(const Nest *n, const LoopExpr *expr,
                               LLVMValueRef at, int lanes, int round)
{
    int64_t stride = nest_stride(n, expr->strides);
    LLVMValueRef number =
        LLVMBuildTrunc(n->b, at, emit_int_type(n->e, 32, 1), "");
    number = LLVMBuildAdd(n->b, number,
                          emit_int(n->e, 32, 1, round * n->lanes * stride), "");
    number = emit_splat(n->e, number, lanes);
    if (lanes > 1) {
        LLVMValueRef steps =
            LLVMBuildMul(n->b, emit_lane_numbers(n->e, lanes),
                         emit_int(n->e, 32, lanes, stride), "");
        number = LLVMBuildAdd(n->b, number, steps, "");
    }
    return LLVMBuildSIToFP(n->b, number, emit_type(n->e, expr->dtype, lanes),
                           "");
}

// The value of an expression in vector `round`, in every lane when `lanes` > 1.
static LLVMValueRef operand(const Nest *n, int expr, int lanes, int round)
{
    if (n->wide[expr])
        return n->values[expr].at[round];
    return emit_splat(n->e, n->values[expr].at[0], lanes);
}

static LLVMValueRef op_value(const Nest *n, const LoopExpr *expr, int lanes,
                             int round)
{
    const LoopExpr *exprs = n->k->exprs.at;
    int count = op_info(expr->op)->input_count;
    MapOperands m = {.dtype = expr->dtype, .lanes = lanes};
    for (int i = 0; i < count; i++) {
        const LoopExpr *in = &exprs[expr->in[i]];
        m.in[i] = operand(n, expr->in[i], lanes, round);
        m.constant[i] = in->kind == EXPR_CONST ? &in->value : NULL;
        m.in_dtype = in->dtype;
    }
    return emit_map(n->e, expr->op, &m);
}

static LLVMValueRef expr_value(const Nest *n, int index, int round)
{
    const LoopExpr *expr = &n->k->exprs.at[index];
    int lanes = n->wide[index] ? n->lanes : 1;
    switch (expr->kind) {
    case EXPR_CONST:
        return emit_const(n->e, expr->dtype, 1, expr->value);
    case EXPR_IOTA:
        return iota_value(n, expr, n->at[index], lanes, round);
    case EXPR_RANDOM:
        return emit_random(n->e, expr, &n->random[index], n->at[index], lanes,
                           round, nest_stride(n, expr->strides));
    case EXPR_LOAD:
        return n->wide[index] ? nest_load(n, expr->dtype, n->at[index],
                                          nest_stride(n, expr->strides), round)
                              : nest_load_scalar(n, expr->dtype, n->at[index]);
    default:
        return op_value(n, expr, lanes, round);
    }
}

static void evaluate_level(Nest *n, int level)
{
    for (int i = 0; i < n->k->exprs.count; i++)
        if (n->level[i] == level)
            for (int r = 0; r < (n->wide[i] ? n->rounds : 1); r++)
                n->values[i].at[r] = expr_value(n, i, r);
}

// ---- accumulators -----------------------------------------------------------

static bool vector_is_reduced(const Nest *n)
{
    return n->vector >= n->kept && !n->k->split.by_rows;
}

static DType sum_dtype(const LoopStore *store)
{
    return store->dtype == DT_BF16 ? DT_F32 : store->dtype;
}

static LLVMValueRef identity(const Nest *n, const LoopStore *store)
{
    return emit_const(n->e, sum_dtype(store), n->lanes,
                      store->kind == STORE_SUM ? 0 : -INFINITY);
}

static LLVMValueRef combine(const Nest *n, const LoopStore *store,
                            LLVMValueRef x, LLVMValueRef y)
{
    return store->kind == STORE_SUM ? LLVMBuildFAdd(n->b, x, y, "")
                                    : emit_maximum(n->e, x, y);
}

static int sum_slots(const Nest *n)
{
    return vector_is_reduced(n) ? n->unroll : n->rounds;
}

static LLVMValueRef sum_load(const Nest *n, int store, int slot)
{
    DType dtype = sum_dtype(&n->k->stores.at[store]);
    return LLVMBuildLoad2(n->b, emit_type(n->e, dtype, n->lanes),
                          n->sums[store].at[slot], "");
}

// By rows: everything where the sums of the task will be.
static void clear_rows(const Nest *n)
{
    EmitLoop column = emit_loop_begin(n->e, emit_i64(n->e, 0),
                                      size_value(n, n->k->dims[1]), n->lanes);
    for (int i = 0; i < n->k->stores.count; i++) {
        const LoopStore *store = &n->k->stores.at[i];
        if (store->kind != STORE_MAP)
            nest_store(n, store->dtype, n->lanes, identity(n, store),
                       emit_offset(n->e, store->dtype,
                                   n->at[n->k->exprs.count + i], column.index),
                       1, 0);
    }
    emit_loop_end(n->e, &column);
}

static void begin_sums(const Nest *n)
{
    if (n->k->split.by_rows) {
        clear_rows(n);
        return;
    }
    for (int i = 0; i < n->k->stores.count; i++) {
        const LoopStore *store = &n->k->stores.at[i];
        if (store->kind == STORE_MAP)
            continue;
        for (int slot = 0; slot < sum_slots(n); slot++)
            LLVMBuildStore(n->b, identity(n, store), n->sums[i].at[slot]);
    }
}

static void accumulate(const Nest *n, int i, int round)
{
    const LoopStore *store = &n->k->stores.at[i];
    LLVMValueRef value = operand(n, store->expr, n->lanes, round);
    if (n->k->split.by_rows) {
        LLVMValueRef at = n->at[n->k->exprs.count + i];
        LLVMValueRef sum = nest_load(n, store->dtype, at, 1, round);
        nest_store(n, store->dtype, n->lanes, combine(n, store, sum, value), at,
                   1, round);
        return;
    }
    if (n->mask && vector_is_reduced(n))
        value = LLVMBuildSelect(n->b, n->mask, value, identity(n, store), "");
    LLVMValueRef sum = combine(n, store, sum_load(n, i, round), value);
    LLVMBuildStore(n->b, sum, n->sums[i].at[round]);
}

// Halves of the lanes, added until one is left.
static LLVMValueRef across_lanes(const Nest *n, const LoopStore *store,
                                 LLVMValueRef x)
{
    LLVMValueRef low[64], high[64], zero = emit_int(n->e, 32, 1, 0);
    for (int lanes = n->lanes / 2; lanes >= 1; lanes /= 2) {
        for (int i = 0; i < lanes; i++) {
            low[i] = emit_int(n->e, 32, 1, i);
            high[i] = emit_int(n->e, 32, 1, lanes + i);
        }
        LLVMValueRef none = LLVMGetPoison(LLVMTypeOf(x));
        LLVMValueRef a = LLVMBuildShuffleVector(
            n->b, x, none, LLVMConstVector(low, (unsigned)lanes), "");
        LLVMValueRef b = LLVMBuildShuffleVector(
            n->b, x, none, LLVMConstVector(high, (unsigned)lanes), "");
        x = combine(n, store, a, b);
    }
    return n->lanes == 1 ? x : LLVMBuildExtractElement(n->b, x, zero, "");
}

static void finish_sum(const Nest *n, int i)
{
    const LoopStore *store = &n->k->stores.at[i];
    LLVMValueRef at = n->at[n->k->exprs.count + i];
    if (!vector_is_reduced(n)) {
        int64_t stride = nest_stride(n, store->strides);
        for (int slot = 0; slot < sum_slots(n); slot++)
            nest_store(n, store->dtype, n->lanes, sum_load(n, i, slot), at,
                       stride, slot);
        return;
    }
    LLVMValueRef total = sum_load(n, i, 0);
    for (int slot = 1; slot < sum_slots(n); slot++)
        total = combine(n, store, total, sum_load(n, i, slot));
    total = across_lanes(n, store, total);
    LLVMBuildStore(n->b, emit_to_stored(n->e, store->dtype, 1, total), at);
}

static void finish_sums(const Nest *n)
{
    for (int i = 0; i < n->k->stores.count && !n->k->split.by_rows; i++)
        if (n->k->stores.at[i].kind != STORE_MAP)
            finish_sum(n, i);
}

// ---- the nest ---------------------------------------------------------------

static void walk(Nest *n, int loop);

static int access_count(const Nest *n)
{
    return n->k->exprs.count + n->k->stores.count;
}

// Moves one access on by index * stride.
static LLVMValueRef advance(const Nest *n, int i, int dim, LLVMValueRef index)
{
    int exprs = n->k->exprs.count;
    const LoopExpr *expr = i < exprs ? &n->k->exprs.at[i] : NULL;
    const LoopStore *store = expr ? NULL : &n->k->stores.at[i - exprs];
    int64_t stride = expr ? expr->strides[dim] : store->strides[dim];
    if (stride == 0)
        return n->at[i];
    LLVMValueRef skip = LLVMBuildNSWMul(n->b, index, size_value(n, stride), "");
    if (expr && (expr->kind == EXPR_IOTA || expr->kind == EXPR_RANDOM))
        return LLVMBuildNSWAdd(n->b, n->at[i], skip, "");
    return emit_offset(n->e, expr ? expr->dtype : store->dtype, n->at[i], skip);
}

// The body of loop `loop` at an index.
static void enter(Nest *n, int loop, LLVMValueRef index)
{
    LLVMValueRef *outside = n->at;
    n->at = ARENA_ARRAY(n->e->arena, LLVMValueRef, access_count(n));
    memcpy(n->at, outside, sizeof *outside * (size_t)access_count(n));
    for (int i = 0; i < access_count(n); i++)
        n->at[i] = advance(n, i, n->order[loop], index);
    evaluate_level(n, loop + 1);
    walk(n, loop + 1);
    n->at = outside;
}

// What a store takes: of a cast to bf16 what is cast, for the store rounds.
static int stored_expr(const Nest *n, const LoopStore *store)
{
    const LoopExpr *exprs = n->k->exprs.at, *expr = &exprs[store->expr];
    bool rounds = store->dtype == DT_BF16 && expr->kind == EXPR_OP &&
                  expr->op == OP_CAST && exprs[expr->in[0]].dtype == DT_F32;
    return rounds ? expr->in[0] : store->expr;
}

// Two vectors as one.
static LLVMValueRef join_vectors(const Nest *n, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef lanes = emit_lane_numbers(n->e, 2 * n->lanes);
    return LLVMBuildShuffleVector(n->b, a, b, lanes, "");
}

static void store_map(Nest *n, int i)
{
    const LoopStore *store = &n->k->stores.at[i];
    int expr = stored_expr(n, store);
    LLVMValueRef at = n->at[n->k->exprs.count + i];
    int64_t stride = nest_stride(n, store->strides);
    bool plain = stride == 1 && !n->mask && n->lanes > 1;
    // Two vectors of floats are a full one of bf16.
    bool pairs = plain && store->dtype == DT_BF16 && n->rounds % 2 == 0 &&
                 n->e->target->vector_bytes < 64;
    for (int r = 0; r < n->rounds; r += pairs ? 2 : 1) {
        LLVMValueRef value = operand(n, expr, n->lanes, r);
        int lanes = pairs ? 2 * n->lanes : n->lanes;
        if (pairs)
            value = join_vectors(n, value, operand(n, expr, n->lanes, r + 1));
        if (store->streams && plain)
            emit_store_past(
                n->e, emit_to_stored(n->e, store->dtype, lanes, value),
                nest_address(n, store->dtype, at, 1, r),
                (unsigned)lanes * (unsigned)dtype_size(store->dtype));
        else
            nest_store(n, store->dtype, lanes, value, at, stride, r);
    }
}

// Sums over images of small maps read a run of some pixels of each, and the
// next run far from it, where no hardware looks ahead: it stops at a page's
// end. So each pixel asks for its place in the next run; behind the last that
// is some other line. Runs of 512 bytes in bf16 took twice as long without.
static void ask_for_next_run(const Nest *n)
{
    enum { PAGE_BYTES = 4096 };
    int exprs = n->k->exprs.count;
    if (n->vector < 0 || n->vector >= n->kept || n->count < n->kept + 2)
        return;
    if (loop_is_imm(n->k->dims[n->order[n->count - 1]]))
        return; // no short one
    int run = n->order[n->count - 1], next = n->order[n->count - 2];
    for (int i = 0; i < access_count(n); i++) {
        bool reads = i < exprs;
        const LoopExpr *expr = reads ? &n->k->exprs.at[i] : NULL;
        const LoopStore *store = reads ? NULL : &n->k->stores.at[i - exprs];
        const int64_t *strides = reads ? expr->strides : store->strides;
        DType dtype = reads ? expr->dtype : store->dtype;
        int64_t pixel = strides[run] * (int64_t)dtype_size(dtype);
        int64_t bytes = n->k->dims[run] * pixel;
        if ((reads ? expr->kind == EXPR_LOAD
                   : store->kind == STORE_MAP && !store->streams) &&
            nest_stride(n, strides) == 1 && strides[run] == n->lanes &&
            bytes < PAGE_BYTES &&
            (loop_is_imm(strides[next]) ||
             strides[next] * (int64_t)dtype_size(dtype) > bytes))
            taps_prefetch(n->e,
                          emit_offset(n->e, dtype, n->at[i],
                                      size_value(n, strides[next])),
                          reads ? PREFETCH_READ : PREFETCH_WRITE);
    }
}

static void innermost(Nest *n)
{
    ask_for_next_run(n);
    for (int i = 0; i < n->k->stores.count; i++) {
        const LoopStore *store = &n->k->stores.at[i];
        if (store->kind == STORE_MAP) {
            store_map(n, i);
            continue;
        }
        for (int r = 0; r < n->rounds; r++)
            accumulate(n, i, r);
    }
}

// Whole rounds of `rounds` vectors from `low`; returns where they ended.
static LLVMValueRef walk_rounds(Nest *n, int loop, LLVMValueRef low, int rounds)
{
    int dim = n->order[loop];
    EmitLoop l =
        emit_loop_begin(n->e, low, n->high[dim], (int64_t)n->lanes * rounds);
    n->rounds = rounds;
    enter(n, loop, l.index);
    emit_loop_end(n->e, &l);
    return l.index;
}

// The last, incomplete vector, if there is one.
static void walk_tail(Nest *n, int loop, LLVMValueRef low)
{
    LLVMBasicBlockRef body = emit_block(n->e), after = emit_block(n->e);
    LLVMValueRef high = n->high[n->order[loop]];
    LLVMValueRef some = LLVMBuildICmp(n->b, LLVMIntSLT, low, high, "");
    LLVMBuildCondBr(n->b, some, body, after);
    LLVMPositionBuilderAtEnd(n->b, body);
    LLVMValueRef left =
        LLVMBuildTrunc(n->b, LLVMBuildNSWSub(n->b, high, low, ""),
                       emit_int_type(n->e, 32, 1), "");
    n->mask = LLVMBuildICmp(n->b, LLVMIntULT, emit_lane_numbers(n->e, n->lanes),
                            emit_splat(n->e, left, n->lanes), "");
    n->rounds = 1;
    enter(n, loop, low);
    n->mask = NULL;
    LLVMBuildBr(n->b, after);
    LLVMPositionBuilderAtEnd(n->b, after);
}

// Of what every task's range of the last dim is a multiple.
static bool always_multiple_of(const Nest *n, int dim, int64_t unit)
{
    if (n->k->unit)
        return n->k->unit % unit == 0;
    return n->k->dims[dim] % unit == 0 &&
           (n->k->split.dim != dim || n->k->split.chunk % unit == 0);
}

static void walk_vectors(Nest *n, int loop)
{
    int dim = n->order[loop];
    LLVMValueRef at = n->low[dim];
    if (n->one_round) {
        enter(n, loop, at);
        return;
    }
    if (n->k->unit || n->k->dims[dim] >= (int64_t)n->lanes * n->unroll)
        at = walk_rounds(n, loop, at, n->unroll);
    if (n->unroll > 1 &&
        !always_multiple_of(n, dim, (int64_t)n->lanes * n->unroll))
        at = walk_rounds(n, loop, at, 1);
    if (!always_multiple_of(n, dim, n->lanes))
        walk_tail(n, loop, at);
    n->rounds = 1;
}

static void walk_dim(Nest *n, int loop)
{
    int dim = n->order[loop];
    if (loop == n->vector) {
        walk_vectors(n, loop);
    } else if (n->fixed[dim]) {
        enter(n, loop, n->low[dim]);
    } else {
        EmitLoop l = emit_loop_begin(n->e, n->low[dim], n->high[dim], 1);
        enter(n, loop, l.index);
        emit_loop_end(n->e, &l);
    }
}

static void walk(Nest *n, int loop)
{
    bool sums = loop == n->kept; // if the kernel has any
    if (sums)
        begin_sums(n);
    if (loop == n->count)
        innermost(n);
    else
        walk_dim(n, loop);
    if (sums)
        finish_sums(n);
}

// ---- setting up -------------------------------------------------------------

static void order_loops(Nest *n)
{
    if (n->k->split.by_rows) {
        n->order[0] = 0;
        n->order[1] = n->vector = 1;
        n->count = 2;
        return;
    }
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < n->k->rank; d++)
            if ((int)(n->k->reduced >> d & 1) == pass) {
                if (d == n->k->rank - 1)
                    n->vector = n->count;
                n->order[n->count++] = d;
                n->kept += pass == 0;
            }
}

static void find_levels(Nest *n)
{
    const LoopKernel *k = n->k;
    n->level = ARENA_ARRAY(n->e->arena, int, k->exprs.count);
    n->wide = ARENA_ARRAY(n->e->arena, bool, k->exprs.count);
    for (int i = 0; i < k->exprs.count; i++) {
        const LoopExpr *expr = &k->exprs.at[i];
        int inputs = expr->kind == EXPR_OP ? op_info(expr->op)->input_count : 0;
        for (int loop = 0; loop < n->count; loop++)
            if (expr->strides[n->order[loop]] &&
                !(n->one_round && loop == n->vector))
                n->level[i] = loop + 1;
        n->wide[i] = nest_stride(n, expr->strides) != 0;
        for (int j = 0; j < inputs; j++) {
            int in = expr->in[j];
            n->wide[i] |= n->wide[in];
            if (n->level[in] > n->level[i])
                n->level[i] = n->level[in];
        }
    }
}

// Short bodies are unrolled to hide latencies; sums always, for independent
// accumulators are also more accurate ones.
static int wanted_unroll(const LoopKernel *k)
{
    int ops = 0;
    for (int i = 0; i < k->exprs.count; i++)
        ops += k->exprs.at[i].kind == EXPR_OP;
    if (k->reduced)
        return ops <= 24 ? 4 : 2;
    return ops <= 8 ? 4 : ops <= 24 ? 2 : 1;
}

// As many lanes as the widest type allows and the innermost dim can use.
static void choose_lanes(Nest *n)
{
    const LoopKernel *k = n->k;
    int size = 4;
    for (int i = 0; i < k->exprs.count; i++)
        if (k->exprs.at[i].dtype == DT_F64)
            size = 8;
    n->lanes = n->rounds = n->unroll = 1;
    if (n->vector < 0)
        return;
    n->lanes = n->e->target->vector_bytes / size;
    if (k->unit) {
        n->unroll = wanted_unroll(k);
        return;
    }
    int64_t dim = k->dims[n->order[n->vector]];
    while (n->lanes / 2 >= dim)
        n->lanes /= 2;
    n->unroll = wanted_unroll(k);
    while (n->unroll > 1 && (int64_t)n->lanes * n->unroll > dim)
        n->unroll /= 2;
    // Its index is always zero then: what differs along it alone is evaluated
    // outside the others, as a vector.
    n->one_round = n->lanes * n->unroll == dim && !k->split.by_rows &&
                   k->split.dim != n->order[n->vector];
    if (n->one_round)
        n->rounds = n->unroll;
}

// The task number's digits, least significant first: the block of the split
// dim, then the indices of the kept dims outside it.
static void find_ranges(Nest *n)
{
    const LoopSplit *split = &n->k->split;
    for (int d = 0; d < n->k->rank; d++) {
        n->low[d] = emit_i64(n->e, 0);
        n->high[d] = size_value(n, n->k->dims[d]);
    }
    if (split->dim < 0)
        return;
    bool blocks_alone = loop_tasks_are_blocks(split);
    LLVMValueRef block = n->e->task, rest = NULL;
    if (!blocks_alone) {
        LLVMValueRef blocks = size_value(n, split->blocks);
        block = LLVMBuildURem(n->b, n->e->task, blocks, "");
        rest = LLVMBuildUDiv(n->b, n->e->task, blocks, "");
    }
    int d = split->dim;
    LLVMValueRef chunk = size_value(n, split->chunk);
    n->low[d] = LLVMBuildNSWMul(n->b, block, chunk, "");
    LLVMValueRef end = LLVMBuildNSWAdd(n->b, n->low[d], chunk, "");
    n->high[d] = emit_min_i64(n->e, end, n->high[d]);
    for (d--; d >= 0 && !blocks_alone; d--) {
        if (n->k->reduced >> d & 1)
            continue;
        LLVMValueRef size = size_value(n, n->k->dims[d]);
        n->low[d] = LLVMBuildURem(n->b, rest, size, "");
        n->fixed[d] = true;
        rest = LLVMBuildUDiv(n->b, rest, size, "");
    }
    if (!split->partial_stride)
        return;
    LLVMValueRef skip =
        LLVMBuildNSWMul(n->b, block, size_value(n, split->partial_stride), "");
    for (int i = 0; i < n->k->stores.count; i++) {
        const LoopStore *store = &n->k->stores.at[i];
        LLVMValueRef *at = &n->at[n->k->exprs.count + i];
        if (store->kind != STORE_MAP)
            *at = emit_offset(n->e, store->dtype, *at, skip);
    }
}

static void load_imms(Nest *n)
{
    int count = n->k->imm_count;
    n->imms = ARENA_ARRAY(n->e->arena, LLVMValueRef, count);
    for (int i = 0; i < count; i++)
        n->imms[i] = taps_imm(n->e, i);
}

static void place_accesses(Nest *n)
{
    const LoopKernel *k = n->k;
    n->at = ARENA_ARRAY(n->e->arena, LLVMValueRef, access_count(n));
    n->random = ARENA_ARRAY(n->e->arena, EmitRandom, k->exprs.count);
    for (int i = 0; i < k->exprs.count; i++) {
        const LoopExpr *expr = &k->exprs.at[i];
        if (expr->kind == EXPR_LOAD)
            n->at[i] = n->e->args[expr->arg];
        else if (expr->kind == EXPR_IOTA)
            n->at[i] = emit_i64(n->e, (int64_t)expr->value);
        if (expr->kind == EXPR_RANDOM) {
            n->at[i] = emit_i64(n->e, expr->offset);
            n->random[i] = emit_random_key(n->e, expr);
        }
    }
    for (int i = 0; i < k->stores.count; i++)
        n->at[k->exprs.count + i] = n->e->args[k->stores.at[i].arg];
}

static void place_sums(Nest *n)
{
    n->sums = ARENA_ARRAY(n->e->arena, Slots, n->k->stores.count);
    for (int i = 0; i < n->k->stores.count; i++) {
        const LoopStore *store = &n->k->stores.at[i];
        LLVMTypeRef type = emit_type(n->e, sum_dtype(store), n->lanes);
        for (int slot = 0; slot < MAX_UNROLL && store->kind != STORE_MAP;
             slot++)
            n->sums[i].at[slot] = LLVMBuildAlloca(n->b, type, "");
    }
}

// Stores past the caches come in no order; after this all have come.
static void fence_past(const Nest *n)
{
    bool streams = false;
    for (int i = 0; i < n->k->stores.count; i++)
        streams |= n->k->stores.at[i].streams;
    if (streams)
        emit_fence_past(n->e);
}

void emit_loops(Emit *emit)
{
    Nest n = {
        .e = emit, .b = emit->builder, .k = emit->kernel->loop, .vector = -1};
    order_loops(&n);
    choose_lanes(&n);
    find_levels(&n);
    n.values = ARENA_ARRAY(emit->arena, Slots, n.k->exprs.count);
    load_imms(&n);
    place_accesses(&n);
    place_sums(&n);
    find_ranges(&n);
    evaluate_level(&n, 0);
    walk(&n, 0);
    fence_past(&n);
}
