// Gradients by weights with products of bf16 (bf16.h). A task sums some blocks
// of dw over its images, some of them at a time: it brings their pixels to
// scratch memory as the products want them, and adds to what dw holds.
#include "codegen/cpu/bf16_emit.h"

#include "codegen/cpu/emit_gradient.h"
#include "codegen/integers.h"

typedef struct WeightsTask {
    const Emit *e;
    const Bf16WeightsKernel *k;
    Bf16WeightsScratch at;
    Bf16Frame frame;
    LLVMValueRef read_low, read_high, write_low, write_high; // blocks
    LLVMValueRef out;      // dw of the task's chunk of images
    GradientRange images;  // summed at a time
    LLVMValueRef is_first; // whether they are the first
    LLVMValueRef count;    // of these images
    LLVMValueRef steps;    // of a line
    Bf16Phases phases;     // of x
} WeightsTask;

enum { BLOCK_BYTES = CPU_BLOCK * (int)sizeof(uint16_t) };

// One block's pixels of a line's images to where lines are gathered, and zeros
// behind them. `gather` has the axes of the image that is read, its phase and
// rows.
static void gather_line(const WeightsTask *t, Bf16Gather gather,
                        LLVMValueRef from, int64_t image_elements,
                        LLVMValueRef line)
{
    const Emit *e = t->e;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef to = bf16_scratch_at(e, t->at.gathered);
    int64_t image = t->at.height * t->at.width;
    LLVMValueRef first =
        t->at.joined ? t->images.low : LLVMBuildAdd(b, t->images.low, line, "");
    LLVMValueRef count = t->at.joined ? t->count : emit_i64(e, 1);
    gather.first = emit_i64(e, 0);
    gather.width = t->at.width;
    gather.position = BLOCK_BYTES;
    EmitLoop each = emit_loop_begin(e, emit_i64(e, 0), count, 1);
    LLVMValueRef number = LLVMBuildAdd(b, first, each.index, "");
    bf16_gather(e, &gather,
                image_step(e, DT_BF16, from, number, image_elements),
                bf16_step(e, to, each.index, image * BLOCK_BYTES));
    // Rows below dy's last belong to none of its pixels.
    bf16_clear(e, bf16_step(e, to, each.index, image * BLOCK_BYTES),
               emit_i64(e, gather.height * t->at.width), emit_i64(e, image),
               BLOCK_BYTES);
    emit_loop_end(e, &each);
    bf16_clear(e, to, taps_affine(e, count, image, 0),
               emit_i64(e, t->at.x_line), BLOCK_BYTES);
}

// Step `index` of the gathered line as pairs of pixels.
static void load_pairs(const WeightsTask *t, LLVMValueRef index,
                       LLVMValueRef pairs[BF16_PAIRS])
{
    const Emit *e = t->e;
    LLVMValueRef from = bf16_step(e, bf16_scratch_at(e, t->at.gathered), index,
                                  BF16_STEP * (int64_t)BLOCK_BYTES);
    for (int i = 0; i < BF16_PAIRS; i++) {
        LLVMValueRef at = bf16_bytes(e, from, 2 * i * (int64_t)BLOCK_BYTES);
        pairs[i] = bf16_pair(
            e, bf16_load_bits(e, DT_BF16, at),
            bf16_load_bits(e, DT_BF16, bf16_bytes(e, at, BLOCK_BYTES)));
    }
}

static void store_rows(const Emit *e, LLVMValueRef rows[BF16_PAIRS],
                       LLVMValueRef to, int64_t step)
{
    for (int i = 0; i < BF16_PAIRS; i++)
        LLVMSetAlignment(
            LLVMBuildStore(e->builder, rows[i], bf16_bytes(e, to, i * step)),
            BF16_ROW_BYTES);
}

// Lines of x, transposed, of the task's read blocks and of each phase.
static void bring_x(const WeightsTask *t)
{
    const Emit *e = t->e;
    LLVMBuilderRef b = e->builder;
    const Bf16WeightsKernel *k = t->k;
    int64_t map = block_map(k->rows.in, k->cols.in);
    int64_t phases = (int64_t)t->phases.rows * t->phases.cols;
    LLVMValueRef lines = t->at.joined ? emit_i64(e, 1) : t->count;
    EmitLoop block = emit_loop_begin(e, t->read_low, t->read_high, 1);
    LLVMValueRef from = image_step(e, DT_BF16, e->args[0], block.index, map);
    LLVMValueRef rows = bf16_step(e, bf16_scratch_at(e, 0),
                                  LLVMBuildSub(b, block.index, t->read_low, ""),
                                  phases * t->at.phase);
    EmitLoop line = emit_loop_begin(e, emit_i64(e, 0), lines, 1);
    for (int phase = 0; phase < phases; phase++) {
        Bf16Gather gather = {.rows = k->rows,
                             .cols = k->cols,
                             .row_phase = t->phases.row[phase / t->phases.cols],
                             .col_phase = t->phases.col[phase % t->phases.cols],
                             .height = t->at.height};
        gather_line(t, gather, from, k->in_blocks * map, line.index);
        LLVMValueRef to = bf16_bytes(e, rows, phase * t->at.phase);
        to = bf16_step(e, to, line.index,
                       t->at.x_line * (int64_t)sizeof(uint16_t));
        EmitLoop step = taps_loop(e, 0, t->at.x_line / BF16_STEP, 1);
        LLVMValueRef pairs[BF16_PAIRS];
        load_pairs(t, step.index, pairs);
        taps_exchange(e, pairs);
        store_rows(e, pairs, bf16_step(e, to, step.index, BF16_ROW_BYTES),
                   t->at.row);
        emit_loop_end(e, &step);
    }
    emit_loop_end(e, &line);
    emit_loop_end(e, &block);
}

// Matrices b of dy, of the task's written blocks. Its positions are x's, with
// zeros where x has a rim.
static void bring_dy(const WeightsTask *t)
{
    const Emit *e = t->e;
    LLVMBuilderRef b = e->builder;
    const Bf16WeightsKernel *k = t->k;
    int64_t map = block_map(k->rows.out, k->cols.out);
    int64_t matrices = t->at.steps * BF16_MATRIX_BYTES; // of a line
    Bf16Axis rows = {k->rows.out, k->rows.out, 1, 1, k->rows.out, 1, 0, 1};
    Bf16Axis cols = {k->cols.out, k->cols.out, 1, 1, k->cols.out, 1, 0, 1};
    LLVMValueRef lines = t->at.joined ? emit_i64(e, 1) : t->count;
    EmitLoop block = emit_loop_begin(e, t->write_low, t->write_high, 1);
    LLVMValueRef from = image_step(e, DT_BF16, e->args[1], block.index, map);
    LLVMValueRef to = bf16_step(e, bf16_scratch_at(e, t->at.dy),
                                LLVMBuildSub(b, block.index, t->write_low, ""),
                                t->at.lines * matrices);
    EmitLoop line = emit_loop_begin(e, emit_i64(e, 0), lines, 1);
    gather_line(t, (Bf16Gather){rows, cols, .height = k->rows.out}, from,
                k->out_blocks * map, line.index);
    EmitLoop step = emit_loop_begin(e, emit_i64(e, 0), t->steps, 1);
    LLVMValueRef pairs[BF16_PAIRS];
    load_pairs(t, step.index, pairs);
    store_rows(e, pairs,
               bf16_step(e, bf16_step(e, to, line.index, matrices), step.index,
                         BF16_MATRIX_BYTES),
               BF16_ROW_BYTES);
    emit_loop_end(e, &step);
    emit_loop_end(e, &line);
    emit_loop_end(e, &block);
}

// Lists where each tap's line of x begins.
static void list_taps(const WeightsTask *t)
{
    const Bf16WeightsKernel *k = t->k;
    for (int64_t i = 0; i < k->rows.taps * k->cols.taps; i++) {
        Bf16Place place = bf16_tap_place(&k->rows, &k->cols, i / k->cols.taps,
                                         i % k->cols.taps, t->at.width);
        bf16_set_tap(t->e, &t->frame, (int)i,
                     place.phase * t->at.phase +
                         place.position * (int64_t)sizeof(uint16_t),
                     0);
    }
}

// dw of `reads` by `writes` blocks from these on, for every tap.
static void make_blocks(const WeightsTask *t, LLVMValueRef read, int reads,
                        LLVMValueRef write, int writes)
{
    const Emit *e = t->e;
    LLVMBuilderRef b = e->builder;
    const Bf16WeightsKernel *k = t->k;
    int64_t window = k->rows.taps * k->cols.taps;
    int64_t phases = (int64_t)t->phases.rows * t->phases.cols;
    int64_t dy_line = t->at.steps * BF16_MATRIX_BYTES;
    int64_t dy_block = t->at.lines * dy_line;
    Bf16Products p = {.a_count = reads,
                      .b_count = writes,
                      .a_row = t->at.row,
                      .outer = t->at.joined ? NULL : t->count,
                      .inner = t->steps,
                      .a_outer = t->at.x_line * (int64_t)sizeof(uint16_t),
                      .b_outer = dy_line,
                      .a_inner = BF16_ROW_BYTES,
                      .b_inner = BF16_MATRIX_BYTES,
                      .resumes = LLVMBuildNot(b, t->is_first, "")};
    LLVMValueRef x =
        bf16_step(e, bf16_scratch_at(e, 0),
                  LLVMBuildSub(b, read, t->read_low, ""), phases * t->at.phase);
    LLVMValueRef dy =
        bf16_step(e, bf16_scratch_at(e, t->at.dy),
                  LLVMBuildSub(b, write, t->write_low, ""), dy_block);
    LLVMValueRef dw =
        bf16_step(e, t->out, write, k->in_blocks * window * BF16_MATRIX_BYTES);
    dw = bf16_step(e, dw, read, window * BF16_MATRIX_BYTES);
    EmitLoop tap = taps_loop(e, 0, window, 1);
    x = bf16_step(e, x, bf16_tap_a(e, &t->frame, tap.index), 1);
    dw = bf16_step(e, dw, tap.index, BF16_MATRIX_BYTES);
    for (int j = 0; j < writes; j++)
        p.b[j] = bf16_bytes(e, dy, j * dy_block);
    for (int i = 0; i < reads; i++) {
        p.a[i] = bf16_bytes(e, x, i * phases * t->at.phase);
        for (int j = 0; j < writes; j++)
            p.sums[i][j] = bf16_bytes(
                e, dw, (j * k->in_blocks + i) * window * BF16_MATRIX_BYTES);
    }
    bf16_products(e, &t->frame, &p);
    emit_loop_end(e, &tap);
}

// The task's read blocks, in pairs as far as there are any.
static void make_reads(const WeightsTask *t, LLVMValueRef write, int writes)
{
    const Emit *e = t->e;
    const Bf16WeightsKernel *k = t->k;
    LLVMValueRef next = t->read_low;
    if (k->reads > 1) {
        EmitLoop pair =
            emit_loop_begin(e, t->read_low, t->read_high, BF16_SIDE);
        make_blocks(t, pair.index, BF16_SIDE, write, writes);
        emit_loop_end(e, &pair);
        next = pair.index;
    }
    if (k->reads % BF16_SIDE == 0 && k->in_blocks % BF16_SIDE == 0)
        return;
    EmitLoop rest = emit_loop_begin(e, next, t->read_high, 1);
    make_blocks(t, rest.index, 1, write, writes);
    emit_loop_end(e, &rest);
}

static void make_all(const WeightsTask *t)
{
    const Emit *e = t->e;
    const Bf16WeightsKernel *k = t->k;
    LLVMValueRef next = t->write_low;
    if (k->writes > 1) {
        EmitLoop pair =
            emit_loop_begin(e, t->write_low, t->write_high, BF16_SIDE);
        make_reads(t, pair.index, BF16_SIDE);
        emit_loop_end(e, &pair);
        next = pair.index;
    }
    if (k->writes % BF16_SIDE == 0 && k->out_blocks % BF16_SIDE == 0)
        return;
    EmitLoop rest = emit_loop_begin(e, next, t->write_high, 1);
    make_reads(t, rest.index, 1);
    emit_loop_end(e, &rest);
}

void emit_bf16_weights(Emit *e)
{
    LLVMBuilderRef b = e->builder;
    const Bf16WeightsKernel *k = &cpu_kernel(e)->bf16_weights;
    int64_t elements =
        k->in_blocks * k->out_blocks * k->rows.taps * k->cols.taps * CPU_TILE;
    WeightsTask t = {.e = e,
                     .k = k,
                     .at = bf16_weights_scratch(k),
                     .frame = bf16_begin(e),
                     .phases = bf16_phases(&k->rows, &k->cols)};
    list_taps(&t);
    LLVMValueRef tasks = emit_i64(e, bf16_weights_tasks(k));
    LLVMValueRef chunk = LLVMBuildUDiv(b, e->task, tasks, "");
    LLVMValueRef share = LLVMBuildURem(b, e->task, tasks, "");
    LLVMValueRef groups = emit_i64(e, ceil_div(k->out_blocks, k->writes));
    t.read_low =
        taps_affine(e, LLVMBuildUDiv(b, share, groups, ""), k->reads, 0);
    t.read_high = emit_min_i64(e, taps_add(e, t.read_low, k->reads),
                               emit_i64(e, k->in_blocks));
    t.write_low =
        taps_affine(e, LLVMBuildURem(b, share, groups, ""), k->writes, 0);
    t.write_high = emit_min_i64(e, taps_add(e, t.write_low, k->writes),
                                emit_i64(e, k->out_blocks));
    t.out = taps_step(e, e->args[2], chunk, elements);
    GradientRange whole = gradient_images(e, chunk);
    EmitLoop part = gradient_parts(e, whole, k->images, &t.images);
    t.is_first = LLVMBuildICmp(b, LLVMIntEQ, t.images.low, whole.low, "");
    t.count = LLVMBuildSub(b, t.images.high, t.images.low, "");
    t.steps = emit_i64(e, t.at.steps);
    if (t.at.joined) {
        LLVMValueRef pixels =
            taps_affine(e, t.count, t.at.height * t.at.width, BF16_STEP - 1);
        t.steps = LLVMBuildUDiv(b, pixels, emit_i64(e, BF16_STEP), "");
    }
    bring_x(&t);
    bring_dy(&t);
    make_all(&t);
    emit_loop_end(e, &part);
    bf16_end(e);
}
