// Convolutions with products of bf16, forward and by data, and the packing of
// their weights (bf16.h).
#include "codegen/cpu/bf16_emit.h"

#include "codegen/integers.h"

// ---- bytes ------------------------------------------------------------------

LLVMValueRef bf16_bytes(const Emit *e, LLVMValueRef pointer, int64_t bytes)
{
    LLVMValueRef index = emit_i64(e, bytes);
    return bytes ? LLVMBuildGEP2(e->builder, emit_int_type(e, 8, 1), pointer,
                                 &index, 1, "")
                 : pointer;
}

LLVMValueRef bf16_step(const Emit *e, LLVMValueRef pointer, LLVMValueRef index,
                       int64_t bytes)
{
    LLVMValueRef distance = taps_affine(e, index, bytes, 0);
    return LLVMBuildGEP2(e->builder, emit_int_type(e, 8, 1), pointer, &distance,
                         1, "");
}

LLVMValueRef bf16_scratch_at(const Emit *e, int64_t bytes)
{
    return bf16_bytes(e, LLVMGetParam(e->function, 3), bytes);
}

LLVMValueRef bf16_load_bits(const Emit *e, DType dtype, LLVMValueRef pointer)
{
    LLVMValueRef value = LLVMBuildLoad2(
        e->builder, emit_stored_type(e, dtype, CPU_BLOCK), pointer, "");
    LLVMSetAlignment(value, (unsigned)(CPU_BLOCK * dtype_size(dtype)));
    return dtype == DT_BF16 ? value
                            : emit_to_stored(e, DT_BF16, CPU_BLOCK, value);
}

void bf16_store_bits(const Emit *e, LLVMValueRef bits, LLVMValueRef pointer)
{
    LLVMSetAlignment(LLVMBuildStore(e->builder, bits, pointer),
                     (unsigned)(CPU_BLOCK * sizeof(uint16_t)));
}

LLVMValueRef bf16_pair(const Emit *e, LLVMValueRef first, LLVMValueRef second)
{
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef wide = emit_int_type(e, 32, CPU_BLOCK);
    LLVMValueRef up = LLVMBuildShl(b, LLVMBuildZExt(b, second, wide, ""),
                                   emit_int(e, 32, CPU_BLOCK, 16), "");
    return LLVMBuildOr(b, up, LLVMBuildZExt(b, first, wide, ""), "");
}

// ---- gathering --------------------------------------------------------------

void bf16_clear(const Emit *e, LLVMValueRef at, LLVMValueRef low,
                LLVMValueRef high, int64_t position)
{
    EmitLoop each = emit_loop_begin(e, low, high, 1);
    bf16_store_bits(e, LLVMConstNull(emit_stored_type(e, DT_BF16, CPU_BLOCK)),
                    bf16_step(e, at, each.index, position));
    emit_loop_end(e, &each);
}

// The positions [low, high) of an axis whose pixels of the phase are inside.
static void find_inside(const Bf16Axis *axis, int64_t phase, int64_t width,
                        int64_t *low, int64_t *high)
{
    int64_t first = bf16_low(axis);
    *low = 0;
    while (*low < width && (*low + first) * axis->in_step + phase < 0)
        ++*low;
    *high = *low;
    while (*high < width && (*high + first) * axis->in_step + phase < axis->in)
        ++*high;
}

// Copies pixels of a row, several in each round of a loop.
static void copy_pixels(const Emit *e, int64_t count, LLVMValueRef from,
                        int64_t step, LLVMValueRef to, int64_t position)
{
    enum { ROUND = 4 };
    int64_t whole = count - count % ROUND;
    EmitLoop round = taps_loop(e, 0, whole, ROUND);
    LLVMValueRef source = bf16_step(e, from, round.index, step);
    LLVMValueRef target = bf16_step(e, to, round.index, position);
    for (int i = 0; i < ROUND; i++)
        bf16_store_bits(
            e, bf16_load_bits(e, DT_BF16, bf16_bytes(e, source, i * step)),
            bf16_bytes(e, target, i * position));
    emit_loop_end(e, &round);
    for (int64_t i = whole; i < count; i++)
        bf16_store_bits(
            e, bf16_load_bits(e, DT_BF16, bf16_bytes(e, from, i * step)),
            bf16_bytes(e, to, i * position));
}

void bf16_gather(const Emit *e, const Bf16Gather *g, LLVMValueRef from,
                 LLVMValueRef to)
{
    LLVMBuilderRef b = e->builder;
    int64_t pixel = CPU_BLOCK * (int64_t)sizeof(uint16_t), low, high;
    find_inside(&g->cols, g->col_phase, g->width, &low, &high);
    int64_t first_col =
        (low + bf16_low(&g->cols)) * g->cols.in_step + g->col_phase;
    EmitLoop line = taps_loop(e, 0, g->height, 1);
    LLVMValueRef row = LLVMBuildAdd(b, g->first, line.index, "");
    row = taps_affine(e, taps_add(e, row, bf16_low(&g->rows)), g->rows.in_step,
                      g->row_phase);
    LLVMValueRef target = bf16_step(e, to, line.index, g->width * g->position);
    LLVMBasicBlockRef inside = emit_block(e), outside = emit_block(e);
    LLVMBasicBlockRef then = emit_block(e);
    LLVMBuildCondBr(
        b, LLVMBuildICmp(b, LLVMIntULT, row, emit_i64(e, g->rows.in), ""),
        inside, outside);
    LLVMPositionBuilderAtEnd(b, inside);
    LLVMValueRef source = bf16_step(e, from, row, g->cols.in * pixel);
    bf16_clear(e, target, emit_i64(e, 0), emit_i64(e, low), g->position);
    copy_pixels(e, high - low, bf16_bytes(e, source, first_col * pixel),
                g->cols.in_step * pixel,
                bf16_bytes(e, target, low * g->position), g->position);
    bf16_clear(e, target, emit_i64(e, high), emit_i64(e, g->width),
               g->position);
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, outside);
    bf16_clear(e, target, emit_i64(e, 0), emit_i64(e, g->width), g->position);
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, then);
    emit_loop_end(e, &line);
}

// ---- forward and by data ----------------------------------------------------

typedef struct DataTask {
    const Emit *e;
    const Bf16Kernel *k;
    Bf16Scratch at;
    Bf16Frame frame;
    LLVMValueRef x, y; // of the task's first image
    LLVMValueRef first_row, row_end;
    LLVMValueRef low, high; // written blocks
    Bf16Phases phases;      // read
    int64_t pairs;          // of read blocks
} DataTask;

enum { BLOCK_BYTES = CPU_BLOCK * (int)sizeof(uint16_t) };

// The planes are [phase][pair][line].
static int64_t plane_at(const DataTask *t, int phase)
{
    return phase * t->pairs * t->at.plane;
}

// One of both blocks of each pair, `half`, of `pairs` pairs, for a phase.
static void gather_half(const DataTask *t, Bf16Gather gather, int64_t plane,
                        int half, int64_t pairs)
{
    const Emit *e = t->e;
    const Bf16Kernel *k = t->k;
    int64_t map = block_map(k->rows.in, k->cols.in) * (int64_t)sizeof(uint16_t);
    int64_t image_bytes =
        t->at.joined ? t->at.height * t->at.width * BF16_ROW_BYTES : t->at.line;
    EmitLoop pair = taps_loop(e, 0, pairs, 1);
    EmitLoop image = taps_loop(e, 0, k->images, 1);
    LLVMValueRef from = bf16_step(e, t->x, image.index, k->in_blocks * map);
    from = bf16_step(e, bf16_bytes(e, from, half * map), pair.index, 2 * map);
    LLVMValueRef to = bf16_scratch_at(e, plane + half * (int64_t)BLOCK_BYTES);
    to = bf16_step(e, to, pair.index, t->at.plane);
    to = bf16_step(e, to, image.index, image_bytes);
    bf16_gather(e, &gather, from, to);
    emit_loop_end(e, &image);
    emit_loop_end(e, &pair);
}

static void gather_all(const DataTask *t)
{
    const Emit *e = t->e;
    const Bf16Kernel *k = t->k;
    for (int phase = 0; phase < t->phases.rows * t->phases.cols; phase++) {
        Bf16Gather gather = {.rows = k->rows,
                             .cols = k->cols,
                             .row_phase = t->phases.row[phase / t->phases.cols],
                             .col_phase = t->phases.col[phase % t->phases.cols],
                             .width = t->at.width,
                             .height = t->at.height,
                             .position = BF16_ROW_BYTES,
                             .first = t->first_row};
        int64_t plane = plane_at(t, phase);
        gather_half(t, gather, plane, 0, t->pairs);
        gather_half(t, gather, plane, 1, k->in_blocks / 2);
        if (k->in_blocks % 2 == 0)
            continue;
        // The partner of a last block without one: products with zeros.
        int64_t last = plane + (t->pairs - 1) * t->at.plane + BLOCK_BYTES;
        bf16_clear(e, bf16_scratch_at(e, last), emit_i64(e, 0),
                   emit_i64(e, t->at.plane / BF16_ROW_BYTES), BF16_ROW_BYTES);
    }
}

static LLVMValueRef place_at(const DataTask *t, LLVMValueRef index)
{
    return bf16_step(t->e, bf16_scratch_at(t->e, t->at.table), index,
                     sizeof(int32_t));
}

static void set_place(const DataTask *t, LLVMValueRef index,
                      LLVMValueRef element)
{
    const Emit *e = t->e;
    LLVMBuildStore(
        e->builder,
        LLVMBuildTrunc(e->builder, element, emit_int_type(e, 32, 1), ""),
        place_at(t, index));
}

// Where results of a written phase go, by position: first nowhere, then each
// pixel's place.
static void fill_table(const DataTask *t, int64_t row_phase, int64_t col_phase)
{
    const Emit *e = t->e;
    LLVMBuilderRef b = e->builder;
    const Bf16Kernel *k = t->k;
    int64_t places = (t->at.lines * t->at.matrices + 1) * BF16_ROWS;
    EmitLoop none = taps_loop(e, 0, places, 1);
    set_place(t, none.index, emit_i64(e, -1));
    emit_loop_end(e, &none);
    int64_t line =
        t->at.joined ? t->at.height * t->at.width : t->at.matrices * BF16_ROWS;
    int64_t image_elements = bf16_image_elements(k);
    int64_t cols =
        (k->cols.out - col_phase + k->cols.out_step - 1) / k->cols.out_step;
    EmitLoop image = taps_loop(e, 0, k->images, 1);
    EmitLoop row = emit_loop_begin(e, t->first_row, t->row_end, 1);
    LLVMValueRef pixel_row =
        taps_affine(e, row.index, k->rows.out_step, row_phase);
    LLVMBasicBlockRef inside = emit_block(e), then = emit_block(e);
    LLVMBuildCondBr(
        b,
        LLVMBuildICmp(b, LLVMIntSLT, pixel_row, emit_i64(e, k->rows.out), ""),
        inside, then);
    LLVMPositionBuilderAtEnd(b, inside);
    LLVMValueRef element =
        LLVMBuildAdd(b, taps_affine(e, image.index, image_elements, 0),
                     taps_affine(e, pixel_row, k->cols.out * CPU_BLOCK,
                                 col_phase * CPU_BLOCK),
                     "");
    LLVMValueRef position = LLVMBuildAdd(
        b, taps_affine(e, image.index, line, 0),
        taps_affine(e, LLVMBuildSub(b, row.index, t->first_row, ""),
                    t->at.width, 0),
        "");
    EmitLoop col = taps_loop(e, 0, cols, 1);
    set_place(
        t, LLVMBuildAdd(b, position, col.index, ""),
        LLVMBuildAdd(b, element,
                     taps_affine(e, col.index, k->cols.out_step * CPU_BLOCK, 0),
                     ""));
    emit_loop_end(e, &col);
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, then);
    emit_loop_end(e, &row);
    emit_loop_end(e, &image);
}

// Of the matrix `number`, counted from the first line's first: its pixels.
static LLVMValueRef matrix_at(const DataTask *t, LLVMValueRef number)
{
    const Emit *e = t->e;
    LLVMValueRef per_line = emit_i64(e, t->at.matrices);
    LLVMValueRef line = LLVMBuildUDiv(e->builder, number, per_line, "");
    LLVMValueRef within = LLVMBuildURem(e->builder, number, per_line, "");
    return bf16_step(e, bf16_step(e, bf16_scratch_at(e, 0), line, t->at.line),
                     within, BF16_MATRIX_BYTES);
}

static LLVMValueRef sums_at(const DataTask *t, int matrix, int block)
{
    return bf16_scratch_at(t->e, t->at.sums + (block * BF16_SIDE + matrix) *
                                                  (int64_t)BF16_MATRIX_BYTES);
}

// Stores what has a place among the sums of the matrices from `number` on.
// `zero`: nothing was summed.
static void store_sums(const DataTask *t, LLVMValueRef number, LLVMValueRef y,
                       int blocks, bool zero)
{
    const Emit *e = t->e;
    LLVMBuilderRef b = e->builder;
    const Bf16Kernel *k = t->k;
    int64_t map = block_map(k->rows.out, k->cols.out);
    EmitLoop row = taps_loop(e, 0, BF16_SIDE * BF16_ROWS, 1);
    LLVMValueRef index =
        LLVMBuildAdd(b, taps_affine(e, number, BF16_ROWS, 0), row.index, "");
    LLVMValueRef place =
        LLVMBuildLoad2(b, emit_int_type(e, 32, 1), place_at(t, index), "");
    LLVMBasicBlockRef has = emit_block(e), then = emit_block(e);
    LLVMBuildCondBr(
        b, LLVMBuildICmp(b, LLVMIntSGE, place, emit_int(e, 32, 1, 0), ""), has,
        then);
    LLVMPositionBuilderAtEnd(b, has);
    LLVMValueRef at =
        image_step(e, k->types.out, y,
                   LLVMBuildZExt(b, place, emit_int_type(e, 64, 1), ""), 1);
    for (int j = 0; j < blocks; j++) {
        LLVMValueRef sum =
            zero ? emit_const(e, DT_F32, CPU_BLOCK, 0)
                 : taps_load(e, bf16_step(e, sums_at(t, 0, j), row.index,
                                          BF16_ROW_BYTES));
        image_store(e, k->types.out, sum,
                    image_at(e, k->types.out, at, j * map));
    }
    LLVMBuildBr(b, then);
    LLVMPositionBuilderAtEnd(b, then);
    emit_loop_end(e, &row);
}

// Lists the taps of a written phase: what they read, and which weights. Returns
// how many.
static int list_taps(const DataTask *t, int64_t row_phase, int64_t col_phase)
{
    const Bf16Kernel *k = t->k;
    int count = 0;
    for (int64_t i = 0; i < k->rows.taps; i++)
        for (int64_t j = 0; j < k->cols.taps; j++) {
            Bf16Tap row = bf16_tap(&k->rows, i), col = bf16_tap(&k->cols, j);
            if (row.out_phase != row_phase || col.out_phase != col_phase)
                continue;
            Bf16Place place =
                bf16_tap_place(&k->rows, &k->cols, i, j, t->at.width);
            bf16_set_tap(t->e, &t->frame, count++,
                         plane_at(t, place.phase) +
                             place.position * BF16_ROW_BYTES,
                         (i * k->cols.taps + j) * BF16_MATRIX_BYTES);
        }
    return count;
}

// All positions for `blocks` written blocks from `block` on.
static void make_blocks(const DataTask *t, int tap_count, LLVMValueRef block,
                        int blocks)
{
    const Emit *e = t->e;
    const Bf16Kernel *k = t->k;
    int64_t window = k->rows.taps * k->cols.taps;
    int64_t matrices = t->at.lines * t->at.matrices;
    int64_t weights = t->pairs * window * BF16_MATRIX_BYTES; // of a block
    LLVMValueRef y = image_step(e, k->types.out, t->y, block,
                                block_map(k->rows.out, k->cols.out));
    bool zero = tap_count == 0;
    Bf16Products products = {.a_count = BF16_SIDE,
                             .b_count = blocks,
                             .a_row = BF16_ROW_BYTES,
                             .outer = emit_i64(e, t->pairs),
                             .a_outer = t->at.plane,
                             .b_outer = window * BF16_MATRIX_BYTES,
                             .tap_count = tap_count};
    for (int j = 0; j < blocks; j++) {
        products.b[j] = bf16_step(e, bf16_bytes(e, e->args[1], j * weights),
                                  block, weights);
        for (int i = 0; i < BF16_SIDE; i++)
            products.sums[i][j] = sums_at(t, i, j);
    }
    EmitLoop each = taps_loop(e, 0, matrices + matrices % BF16_SIDE, BF16_SIDE);
    if (!zero) {
        // Without a second matrix the last is taken twice, to no place.
        LLVMValueRef second = emit_min_i64(e, taps_add(e, each.index, 1),
                                           emit_i64(e, matrices - 1));
        products.a[0] = matrix_at(t, each.index);
        products.a[1] = matrix_at(t, second);
        bf16_products(e, &t->frame, &products);
    }
    store_sums(t, each.index, y, blocks, zero);
    emit_loop_end(e, &each);
}

static void make_phase(const DataTask *t, int64_t row_phase, int64_t col_phase)
{
    const Emit *e = t->e;
    const Bf16Kernel *k = t->k;
    fill_table(t, row_phase, col_phase);
    int taps = list_taps(t, row_phase, col_phase);
    EmitLoop pair = emit_loop_begin(e, t->low, t->high, BF16_SIDE);
    if (k->out_blocks > 1)
        make_blocks(t, taps, pair.index, BF16_SIDE);
    emit_loop_end(e, &pair);
    if (k->out_blocks % BF16_SIDE == 0)
        return;
    // The last block may be without a partner.
    LLVMValueRef left = LLVMBuildSub(e->builder, t->high, pair.index, "");
    EmitLoop rest = emit_loop_begin(e, emit_i64(e, 0), left, 1);
    make_blocks(t, taps, pair.index, 1);
    emit_loop_end(e, &rest);
}

void emit_bf16(Emit *e)
{
    LLVMBuilderRef b = e->builder;
    const Bf16Kernel *k = &cpu_kernel(e)->bf16;
    DataTask t = {.e = e,
                  .k = k,
                  .at = bf16_scratch(k),
                  .frame = bf16_begin(e),
                  .phases = bf16_phases(&k->rows, &k->cols),
                  .pairs = ceil_div(k->in_blocks, 2)};
    LLVMValueRef groups = emit_i64(e, ceil_div(k->out_blocks, k->writes));
    LLVMValueRef parts = emit_i64(e, ceil_div(k->rows.count, k->task_rows));
    LLVMValueRef group = LLVMBuildURem(b, e->task, groups, "");
    LLVMValueRef rest = LLVMBuildUDiv(b, e->task, groups, "");
    LLVMValueRef part = LLVMBuildURem(b, rest, parts, "");
    LLVMValueRef images = LLVMBuildUDiv(b, rest, parts, "");
    t.low = taps_affine(e, group, k->writes, 0);
    t.high = emit_min_i64(e, taps_add(e, t.low, k->writes),
                          emit_i64(e, k->out_blocks));
    t.first_row = taps_affine(e, part, k->task_rows, 0);
    t.row_end = emit_min_i64(e, taps_add(e, t.first_row, k->task_rows),
                             emit_i64(e, k->rows.count));
    t.x = image_step(e, DT_BF16, e->args[0], images,
                     k->images * k->in_blocks *
                         block_map(k->rows.in, k->cols.in));
    t.y = image_step(e, k->types.out, e->args[2], images,
                     k->images * bf16_image_elements(k));
    gather_all(&t);
    for (int64_t row = 0; row < min_i64(k->rows.out_step, k->rows.out); row++)
        for (int64_t col = 0; col < min_i64(k->cols.out_step, k->cols.out);
             col++)
            make_phase(&t, row, col);
    bf16_end(e);
}

// ---- weights ----------------------------------------------------------------

// A matrix b of the tap from one or two tiles of weights: forward rows are
// pairs of read channels as they come, by data of written ones, which lie side
// by side in a row of a tile.
static void pack_matrix(const Emit *e, const Bf16PackKernel *k,
                        const LLVMValueRef tiles[2], LLVMValueRef to)
{
    LLVMBuilderRef b = e->builder;
    LLVMValueRef rows[BF16_ROWS];
    LLVMValueRef none = LLVMConstNull(emit_stored_type(e, DT_BF16, CPU_BLOCK));
    for (int i = 0; i < BF16_ROWS; i++) {
        LLVMValueRef part[2];
        for (int h = 0; h < 2; h++) {
            // By data: row i of both tiles; else rows 2 i and 2 i + 1 of one.
            int tile = k->by_data ? h : i / (CPU_BLOCK / 2);
            int row = k->by_data ? i : 2 * i % CPU_BLOCK + h;
            part[h] = tiles[tile]
                          ? bf16_load_bits(e, k->in,
                                           image_at(e, k->in, tiles[tile],
                                                    row * CPU_BLOCK))
                          : none;
        }
        if (!k->by_data) {
            rows[i] = bf16_pair(e, part[0], part[1]);
            continue;
        }
        LLVMValueRef lanes[2 * CPU_BLOCK];
        for (int l = 0; l < 2 * CPU_BLOCK; l++)
            lanes[l] = emit_int(e, 32, 1, l);
        LLVMValueRef both = LLVMBuildShuffleVector(
            b, part[0], part[1], LLVMConstVector(lanes, 2 * CPU_BLOCK), "");
        rows[i] =
            LLVMBuildBitCast(b, both, emit_int_type(e, 32, CPU_BLOCK), "");
    }
    if (k->by_data)
        taps_exchange(e, rows);
    for (int i = 0; i < BF16_ROWS; i++)
        LLVMSetAlignment(
            LLVMBuildStore(b, rows[i], bf16_bytes(e, to, i * BF16_ROW_BYTES)),
            BF16_ROW_BYTES);
}

void emit_bf16_pack(Emit *e)
{
    const Bf16PackKernel *k = &cpu_kernel(e)->bf16_pack;
    int64_t pairs = ceil_div(k->in_blocks, 2), tile = k->window * CPU_TILE;
    // From a read block to the next, and from a written one.
    int64_t read = k->by_data ? k->out_blocks * tile : tile;
    int64_t written = k->by_data ? tile : k->in_blocks * tile;
    LLVMValueRef from = image_step(e, k->in, e->args[0], e->task, written);
    LLVMValueRef out = bf16_step(e, e->args[1], e->task,
                                 pairs * k->window * BF16_MATRIX_BYTES);
    for (int single = 0; single <= (int)(k->in_blocks % 2); single++) {
        EmitLoop pair = single ? taps_loop(e, pairs - 1, pairs, 1)
                               : taps_loop(e, 0, k->in_blocks / 2, 1);
        EmitLoop tap = taps_loop(e, 0, k->window, 1);
        LLVMValueRef tiles[2] = {image_step(
            e, k->in, image_step(e, k->in, from, pair.index, 2 * read),
            tap.index, CPU_TILE)};
        if (!single)
            tiles[1] = image_at(e, k->in, tiles[0], read);
        LLVMValueRef to =
            bf16_step(e, out, pair.index, k->window * BF16_MATRIX_BYTES);
        pack_matrix(e, k, tiles,
                    bf16_step(e, to, tap.index, BF16_MATRIX_BYTES));
        emit_loop_end(e, &tap);
        emit_loop_end(e, &pair);
    }
}
