// The kernels of winograd.h: one that transforms weights, and one that
// transforms tiles of x, multiplies and transforms back, on blocks of tiles
// small enough that what lies between stays in the cache.
#include "codegen/integers.h"
#include "codegen/cpu/winograd_emit.h"

// ---- weights ----------------------------------------------------------------

// Where the taps of one read channel of a pair of blocks lie, [3][3] tiles
// apart, and where one row of their points goes.
typedef struct TapTransform {
    WinogradForm form;
    bool flip;
    LLVMValueRef taps;   // its tap (0, 0)
    LLVMValueRef points; // its point (i, 0)
    LLVMValueRef point;  // elements between two of them
} TapTransform;

static void transform_taps(const Emit *e, const TapTransform *t, int i)
{
    WinogradAxis *axis = winograd_axes(t->form)->weights;
    int side = winograd_side(t->form)->weights;
    LLVMValueRef half[3], row[WINOGRAD_MOST];
    for (int s = 0; s < 3; s++) {
        LLVMValueRef taps[3], column[WINOGRAD_MOST];
        for (int r = 0; r < 3; r++) {
            int from = t->flip ? 2 - r : r, col = t->flip ? 2 - s : s;
            taps[r] =
                taps_load(e, taps_at(e, t->taps, (from * 3 + col) * CPU_TILE));
        }
        axis(e, taps, column);
        half[s] = column[i];
    }
    axis(e, half, row);
    for (int j = 0; j < side; j++)
        taps_store(e, row[j],
                   taps_steps(e, t->points, emit_i64(e, j), t->point));
}

// Of a pair of blocks that is stored the other way round, to
// [3][3][16 read][16 written].
static void turn_pair(const Emit *e, LLVMValueRef stored, LLVMValueRef to)
{
    EmitLoop place = taps_loop(e, 0, 9, 1);
    taps_transpose(e, taps_step(e, stored, place.index, CPU_TILE), CPU_BLOCK,
                   taps_step(e, to, place.index, CPU_TILE));
    emit_loop_end(e, &place);
}

// The stored weights of a pair of blocks, of which a row has so many pairs.
static LLVMValueRef stored_pair(const Emit *e, LLVMValueRef weights,
                                LLVMValueRef row, LLVMValueRef pairs,
                                LLVMValueRef pair)
{
    LLVMValueRef at =
        taps_steps(e, weights, row, taps_affine(e, pairs, 9 * CPU_TILE, 0));
    return taps_step(e, at, pair, 9 * CPU_TILE);
}

// A task is a pair of a written and a read block.
void emit_winograd_weights(Emit *e)
{
    const WinogradWeightsKernel *k = &cpu_kernel(e)->winograd_weights;
    LLVMValueRef reads = taps_imm(e, WINOGRAD_IN_BLOCKS);
    LLVMValueRef writes = taps_imm(e, WINOGRAD_OUT_BLOCKS);
    LLVMValueRef out = LLVMBuildUDiv(e->builder, e->task, reads, "");
    LLVMValueRef in = LLVMBuildURem(e->builder, e->task, reads, "");
    LLVMValueRef g = k->flip ? stored_pair(e, e->args[0], in, writes, out)
                             : stored_pair(e, e->args[0], out, reads, in);
    if (k->flip) {
        LLVMValueRef scratch = LLVMGetParam(e->function, 3);
        turn_pair(e, g, scratch);
        g = scratch;
    }
    int side = winograd_side(k->form)->weights;
    TapTransform t = {k->form, k->flip,
                      .point = taps_affine(e, reads, CPU_TILE, 0)};
    LLVMValueRef u =
        taps_steps(e, e->args[1], out, taps_affine(e, t.point, side * side, 0));
    u = taps_step(e, u, in, CPU_TILE);
    // Row by row: points lie far apart, often by a power of two, and few
    // streams of stores at a time spare the sets of the cache.
    for (int i = 0; i < side; i++) {
        EmitLoop channel = taps_loop(e, 0, CPU_BLOCK, 1);
        t.taps = taps_step(e, g, channel.index, CPU_BLOCK);
        t.points = taps_steps(e, u, emit_i64(e, i * side), t.point);
        t.points = taps_step(e, t.points, channel.index, CPU_BLOCK);
        transform_taps(e, &t, i);
        emit_loop_end(e, &channel);
    }
}

// ---- forward and by data ----------------------------------------------------

// Read blocks [first, past), all or some that follow each other; whether their
// products are the first.
typedef struct ReadPart {
    LLVMValueRef first, past, is_first;
    // What is asked for while they are multiplied: what is transformed next,
    // and where the products of the written blocks at work will go.
    WinogradAhead input, result;
    LLVMValueRef next; // of the input: image 0, the first block wanted
    LLVMValueRef low;  // the task's first written block
} ReadPart;

// Where block 0 would be, the part's first being at `at`.
static LLVMValueRef part_origin(const Emit *e, const ReadPart *part,
                                LLVMValueRef at, int64_t block_elements)
{
    LLVMValueRef before = LLVMBuildNeg(e->builder, part->first, "");
    return taps_step(e, at, before, block_elements);
}

// The blocks that weights are there for, side by side.
static int64_t weights_blocks(const WinogradKernel *k)
{
    return k->stored_weights ? k->part_blocks : k->in_blocks;
}

// Between read blocks of transformed tiles, and between their points.
static int64_t tiles_block(const WinogradKernel *k)
{
    return k->room ? winograd_area(k->form) * winograd_point_elements(k)
                   : k->tiles * CPU_BLOCK;
}

static int64_t tiles_point(const WinogradWork *work)
{
    return work->k->room ? winograd_point_elements(work->k)
                         : work->at.input_point;
}

// Where read block 0 of the task's transformed tiles would be.
static LLVMValueRef tiles_origin(const WinogradWork *work, const ReadPart *part)
{
    const Emit *e = work->emit;
    if (work->k->room)
        return taps_step(e, e->args[0], work->first, CPU_BLOCK);
    return part_origin(e, part, taps_at(e, work->scratch, work->at.input),
                       tiles_block(work->k));
}

// The sums of `pixels` tiles over the read blocks [first, past). `call` counts
// what a round has added before, were there a block 0.
static void add_blocks(const WinogradWork *work, const ReadPart *part,
                       LLVMValueRef first, LLVMValueRef past, LLVMValueRef call,
                       LLVMValueRef v, LLVMValueRef u)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    TapsTile tile = {.pixels = k->pixels,
                     .blocks = k->blocks,
                     .sums = work->sums,
                     .pixel_step = CPU_BLOCK,
                     .block_step =
                         work->side->weights * weights_blocks(k) * CPU_TILE *
                         (k->stored_weights ? 1 : work->side->weights),
                     .x_ahead = tiles_block(k),
                     .w_ahead = CPU_TILE};
    for (int i = 0; i < k->pixels * k->blocks; i++)
        taps_set_zero(e, work->sums[i]);
    EmitLoop block = emit_loop_begin(e, first, past, 1);
    call = LLVMBuildNSWAdd(e->builder, call, block.index, "");
    winograd_ahead_strips(work, &part->input, call, &tile);
    winograd_ahead_strips(work, &part->result, call, &tile);
    taps_multiply(e, &tile, NULL, taps_step(e, v, block.index, tiles_block(k)),
                  taps_step(e, u, block.index, CPU_TILE));
    emit_loop_end(e, &block);
}

// One point's product of `pixels` tiles: sums over the part's channels,
// sum_blocks blocks at a time, for the rounding error of a sum grows with its
// length. v and u point where read block 0 would be.
static void multiply_tiles(const WinogradWork *work, const ReadPart *part,
                           LLVMValueRef call, LLVMValueRef v, LLVMValueRef u,
                           LLVMValueRef product)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    LLVMValueRef nothing = emit_const(e, DT_F32, CPU_BLOCK, 0);
    EmitLoop some = emit_loop_begin(e, part->first,
                                    taps_add(e, part->past, k->sum_blocks - 1),
                                    k->sum_blocks);
    LLVMValueRef is_first =
        LLVMBuildICmp(e->builder, LLVMIntEQ, some.index, part->first, "");
    is_first = LLVMBuildAnd(e->builder, is_first, part->is_first, "");
    add_blocks(work, part, some.index, emit_min_i64(e, some.next, part->past),
               call, v, u);
    for (int p = 0; p < k->pixels; p++)
        for (int b = 0; b < k->blocks; b++) {
            LLVMValueRef to =
                taps_at(e, product, (b * k->tiles + p) * CPU_BLOCK);
            LLVMValueRef sum = taps_get(e, work->sums[p * k->blocks + b]);
            if (k->in_blocks > k->sum_blocks) {
                LLVMValueRef before = LLVMBuildSelect(
                    e->builder, is_first, nothing, taps_load(e, to), "");
                sum = LLVMBuildFAdd(e->builder, sum, before, "");
            }
            taps_store(e, sum, to);
        }
    emit_loop_end(e, &some);
}

// The part's pairs of the written blocks from `block` on, stored the other way
// round, to [blocks][part_blocks][3][3][16 read][16 written].
static void turn_pairs(const WinogradWork *work, const ReadPart *part,
                       LLVMValueRef block)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    LLVMValueRef to = part_origin(
        e, part, taps_at(e, work->scratch, work->at.taps), 9 * CPU_TILE);
    EmitLoop out = taps_loop(e, 0, k->blocks, 1);
    EmitLoop in = emit_loop_begin(e, part->first, part->past, 1);
    LLVMValueRef stored =
        stored_pair(e, e->args[1], in.index, emit_i64(e, k->out_blocks),
                    LLVMBuildNSWAdd(e->builder, block, out.index, ""));
    LLVMValueRef turned =
        taps_step(e, to, out.index, 9 * k->part_blocks * CPU_TILE);
    turn_pair(e, stored, taps_step(e, turned, in.index, 9 * CPU_TILE));
    emit_loop_end(e, &in);
    emit_loop_end(e, &out);
}

// Row i of the points of the part's weights of the written blocks from `block`
// on, to [blocks][weights][part_blocks][16 read][16 written]. A row of points
// beyond the last weight meets those that are there.
static void transform_row(const WinogradWork *work, const ReadPart *part,
                          LLVMValueRef block, LLVMValueRef row)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    int64_t pairs = k->part_blocks * CPU_TILE;
    int64_t stored = (k->flip ? k->part_blocks : k->in_blocks) * CPU_TILE;
    LLVMValueRef taps = taps_at(e, work->scratch, work->at.taps);
    if (!k->flip) {
        taps = taps_step(e, e->args[1], block, 9 * stored);
        taps = taps_step(e, taps, part->first, 9 * CPU_TILE);
    }
    LLVMValueRef channels = taps_affine(
        e, LLVMBuildSub(e->builder, part->past, part->first, ""), CPU_BLOCK, 0);
    LLVMValueRef points = taps_at(e, work->scratch, work->at.weights);
    TapTransform t = {k->form, k->flip, .point = emit_i64(e, pairs)};
    // The code differs by row: of these loops, one has rounds.
    for (int i = 0; i < work->side->weights; i++) {
        LLVMValueRef chosen =
            LLVMBuildICmp(e->builder, LLVMIntEQ, row, emit_i64(e, i), "");
        LLVMValueRef past = LLVMBuildSelect(
            e->builder, chosen, emit_i64(e, k->blocks), emit_i64(e, 0), "");
        EmitLoop out = emit_loop_begin(e, emit_i64(e, 0), past, 1);
        EmitLoop channel = emit_loop_begin(e, emit_i64(e, 0), channels, 1);
        LLVMValueRef in = LLVMBuildUDiv(e->builder, channel.index,
                                        emit_i64(e, CPU_BLOCK), "");
        LLVMValueRef inside = LLVMBuildURem(e->builder, channel.index,
                                            emit_i64(e, CPU_BLOCK), "");
        t.taps = taps_step(e, taps, out.index, 9 * stored);
        t.taps = taps_step(e, t.taps, in, 9 * CPU_TILE);
        t.taps = taps_step(e, t.taps, inside, CPU_BLOCK);
        t.points = taps_step(e, points, out.index, work->side->weights * pairs);
        t.points = taps_step(e, t.points, channel.index, CPU_BLOCK);
        transform_taps(e, &t, i);
        emit_loop_end(e, &channel);
        emit_loop_end(e, &out);
    }
}

// A round, the point (i, j) of the written blocks from `block` on, begins. All
// rounds of the part share the input.
static void ahead_round(const WinogradWork *work, const ReadPart *part,
                        LLVMValueRef block, LLVMValueRef i, LLVMValueRef j)
{
    const Emit *e = work->emit;
    LLVMBuilderRef b = e->builder;
    const WinogradKernel *k = work->k;
    LLVMValueRef point =
        LLVMBuildNSWAdd(b, taps_affine(e, i, work->side->points, 0), j, "");
    LLVMValueRef before = LLVMBuildUDiv(
        b, LLVMBuildSub(b, block, part->low, ""), emit_i64(e, k->blocks), "");
    before = taps_affine(e, before, winograd_area(k->form), 0);
    winograd_ahead_round(work, &part->input, part->next,
                         LLVMBuildNSWAdd(b, before, point, ""));
    winograd_ahead_round(work, &part->result,
                         image_step(e, k->types.out, e->args[2], block,
                                    k->oh * k->ow * CPU_BLOCK),
                         point);
}

// The points of row i of the written blocks from `block` on, whose weights
// begin at u, [j][read], the read block being that which u points at. Tiles
// beyond the last are multiplied, too, and never looked at.
static void multiply_row(const WinogradWork *work, const ReadPart *part,
                         LLVMValueRef block, LLVMValueRef i, LLVMValueRef u,
                         LLVMValueRef products)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    LLVMValueRef v = taps_step(e, tiles_origin(work, part), i,
                               work->side->points * tiles_point(work));
    LLVMValueRef m =
        taps_step(e, products, i, work->side->points * work->at.product_point);
    EmitLoop j = taps_loop(e, 0, work->side->points, 1);
    ahead_round(work, part, block, i, j.index);
    LLVMValueRef weights = taps_step(e, u, winograd_weight(work, j.index),
                                     weights_blocks(k) * CPU_TILE);
    LLVMValueRef x = taps_step(e, v, j.index, tiles_point(work));
    LLVMValueRef product = taps_step(e, m, j.index, work->at.product_point);
    EmitLoop tile = taps_loop(e, 0, k->tiles, k->pixels);
    LLVMValueRef call =
        LLVMBuildUDiv(e->builder, tile.index, emit_i64(e, k->pixels), "");
    call = LLVMBuildSub(e->builder, taps_affine(e, call, k->part_blocks, 0),
                        part->first, "");
    multiply_tiles(work, part, call, taps_step(e, x, tile.index, CPU_BLOCK),
                   weights, taps_step(e, product, tile.index, CPU_BLOCK));
    emit_loop_end(e, &tile);
    emit_loop_end(e, &j);
}

// All points of the written blocks from `block` on, of the part.
static void multiply(const WinogradWork *work, const ReadPart *part,
                     LLVMValueRef block, LLVMValueRef products)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    int64_t row = work->side->weights * k->in_blocks * CPU_TILE;
    LLVMValueRef ready =
        taps_step(e, e->args[1], block, work->side->weights * row);
    LLVMValueRef made = part_origin(
        e, part, taps_at(e, work->scratch, work->at.weights), CPU_TILE);
    if (k->stored_weights && k->flip)
        turn_pairs(work, part, block);
    EmitLoop i = taps_loop(e, 0, work->side->points, 1);
    if (k->stored_weights)
        transform_row(work, part, block, i.index);
    multiply_row(work, part, block, i.index,
                 k->stored_weights
                     ? made
                     : taps_step(e, ready, winograd_weight(work, i.index), row),
                 products);
    emit_loop_end(e, &i);
}

// A block of a tile: of a column of its points, the first at `from`, the sums
// for each row.
static void result_column(const WinogradWork *work, LLVMValueRef from,
                          LLVMValueRef *column)
{
    const Emit *e = work->emit;
    LLVMValueRef m[WINOGRAD_MOST];
    int points = work->side->points;
    for (int i = 0; i < points; i++)
        m[i] =
            taps_load(e, taps_at(e, from, i * points * work->at.product_point));
    work->axes->result(e, m, column);
}

// Row i of the results, of such sums; `to` is where its first goes.
static void result_row(const WinogradWork *work, const BlockResults *results,
                       const WinogradCorner *corner, LLVMValueRef i,
                       LLVMValueRef *sums, LLVMValueRef to)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    int count = work->side->results;
    LLVMValueRef y[WINOGRAD_MOST];
    LLVMValueRef row =
        LLVMBuildAdd(e->builder, taps_affine(e, corner->row, count, 0), i, "");
    LLVMValueRef row_inside = winograd_is_inside(e, row, k->oh);
    work->axes->result(e, sums, y);
    for (int n = 0; n < count; n++) {
        LLVMValueRef col = taps_affine(e, corner->col, count, n);
        LLVMValueRef both = LLVMBuildAnd(
            e->builder, winograd_is_inside(e, col, k->ow), row_inside, "");
        results_store(results, y[n],
                      image_at(e, k->types.out, to, n * CPU_BLOCK), both,
                      work->waste);
    }
}

// One block of one tile; map points at the pixel (0, 0) of `block`.
static void transform_result(const WinogradWork *work,
                             const WinogradCorner *corner, LLVMValueRef block,
                             LLVMValueRef product, LLVMValueRef map)
{
    const Emit *e = work->emit;
    BlockResults results = results_begin(e, &work->k->types, block);
    int points = work->side->points, count = work->side->results;
    DType dtype = work->k->types.out;
    int64_t row = work->k->ow * CPU_BLOCK;
    LLVMValueRef to = image_step(e, dtype, map, corner->row, count * row);
    to = image_step(e, dtype, to, corner->col, count * CPU_BLOCK);
    LLVMValueRef column[WINOGRAD_MOST];
    LLVMValueRef rows[WINOGRAD_MOST][WINOGRAD_MOST] = {{NULL}};
    if (winograd_in_registers(work, count)) {
        for (int j = 0; j < points; j++) {
            result_column(work, taps_at(e, product, j * work->at.product_point),
                          column);
            for (int i = 0; i < count; i++)
                rows[i][j] = column[i];
        }
        for (int i = 0; i < count; i++)
            result_row(work, &results, corner, emit_i64(e, i), rows[i],
                       image_at(e, dtype, to, i * row));
        return;
    }
    EmitLoop j = taps_loop(e, 0, points, 1);
    result_column(
        work, emit_loop_walk(e, &j, DT_F32, product, work->at.product_point),
        column);
    winograd_store_column(work, &j, count, column);
    emit_loop_end(e, &j);
    EmitLoop i = taps_loop(e, 0, count, 1);
    winograd_load_line(work, &i, points, rows[0]);
    result_row(work, &results, corner, i.index, rows[0],
               emit_loop_walk(e, &i, dtype, to, row));
    emit_loop_end(e, &i);
}

// Of the written blocks from `first` on.
static void transform_results(const WinogradWork *work, LLVMValueRef first,
                              LLVMValueRef products)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    int64_t map = k->oh * k->ow * CPU_BLOCK;
    EmitLoop tile = emit_loop_begin(e, emit_i64(e, 0), work->count, 1);
    WinogradCorner corner = winograd_corner(work, tile.index);
    LLVMValueRef y = image_step(e, k->types.out, e->args[2], corner.image,
                                k->out_blocks * map);
    y = image_step(e, k->types.out, y, first, map);
    LLVMValueRef product = taps_step(e, products, tile.index, CPU_BLOCK);
    EmitLoop block = taps_loop(e, 0, k->blocks, 1);
    transform_result(work, &corner,
                     LLVMBuildAdd(e->builder, first, block.index, ""),
                     taps_step(e, product, block.index, k->tiles * CPU_BLOCK),
                     image_step(e, k->types.out, y, block.index, map));
    emit_loop_end(e, &block);
    emit_loop_end(e, &tile);
}

static void transform_inputs(const WinogradWork *work, const ReadPart *part)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    if (k->room)
        return; // they were before
    DType dtype = k->types.in[0];
    WinogradSource source = {
        .axis = work->axes->input,
        .side = work->side->numbers,
        .step = work->side->step,
        .dtype = dtype,
        .h = k->h,
        .w = k->w,
        .top = k->top,
        .left = k->left,
        .map = image_step(e, dtype, e->args[0], part->first,
                          k->h * k->w * CPU_BLOCK),
        .blocks = k->in_blocks,
        .count = LLVMBuildSub(e->builder, part->past, part->first, ""),
        .out = taps_at(e, work->scratch, work->at.input),
        .point = work->at.input_point};
    winograd_transform_tiles(work, &source);
}

// All read blocks; `next` is the first tile of the next task.
static ReadPart all_blocks(const WinogradWork *work, LLVMValueRef next,
                           LLVMValueRef low)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    ReadPart all = {.first = emit_i64(e, 0),
                    .past = emit_i64(e, k->in_blocks),
                    .is_first = emit_int(e, 1, 1, 1),
                    .input = {.what = PREFETCH_LATER,
                              .dtype = k->types.in[0],
                              .h = k->h,
                              .w = k->w,
                              .step = work->side->step,
                              .blocks = k->in_blocks,
                              .count = k->part_blocks,
                              .first = next},
                    .result = {.what = PREFETCH_WRITE,
                               .dtype = k->types.out,
                               .h = k->oh,
                               .w = k->ow,
                               .step = work->side->results,
                               .blocks = k->out_blocks,
                               .count = k->blocks,
                               .first = work->first},
                    .next = e->args[0],
                    .low = low};
    // Where several tasks read the same tiles, the next one's are in the cache
    // as a rule, and the more products a number meets, the less there is to
    // wait for. Of parts, what is written goes out at the task's end.
    if (k->room || k->task_blocks < k->out_blocks)
        return all;
    int64_t rounds = winograd_area(k->form);
    int64_t calls = k->tiles / k->pixels * k->part_blocks;
    winograd_ahead_begin(work, &all.input,
                         rounds * ceil_div(k->task_blocks, k->blocks), calls);
    if (!winograd_adds_parts(k))
        winograd_ahead_begin(work, &all.result, rounds, calls);
    return all;
}

// Of all read blocks at once: [blocks] products at a time, transformed back.
static void make_whole(const WinogradWork *work, LLVMValueRef next,
                       LLVMValueRef low, LLVMValueRef high)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    LLVMValueRef products = taps_at(e, work->scratch, work->at.product);
    ReadPart all = all_blocks(work, next, low);
    transform_inputs(work, &all);
    EmitLoop block = emit_loop_begin(e, low, high, k->blocks);
    multiply(work, &all, block.index, products);
    transform_results(work, block.index, products);
    emit_loop_end(e, &block);
}

// Part by part, for which all products are kept.
static void make_of_parts(const WinogradWork *work, LLVMValueRef next,
                          LLVMValueRef low, LLVMValueRef high)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    ReadPart part = all_blocks(work, next, low);
    LLVMValueRef products =
        taps_step(e, taps_at(e, work->scratch, work->at.product),
                  LLVMBuildNeg(e->builder, low, ""), k->tiles * CPU_BLOCK);
    EmitLoop read = emit_loop_begin(e, part.first,
                                    taps_add(e, part.past, k->part_blocks - 1),
                                    k->part_blocks);
    part.is_first =
        LLVMBuildICmp(e->builder, LLVMIntEQ, read.index, part.first, "");
    part.past = emit_min_i64(e, read.next, part.past);
    part.first = read.index;
    // The next part of these tiles, or the first one of the next.
    LLVMValueRef more = LLVMBuildICmp(e->builder, LLVMIntSLT, part.past,
                                      emit_i64(e, k->in_blocks), "");
    part.input.first = LLVMBuildSelect(e->builder, more, work->first, next, "");
    LLVMValueRef from =
        LLVMBuildSelect(e->builder, more, part.past, emit_i64(e, 0), "");
    part.next = image_step(e, k->types.in[0], e->args[0], from,
                           k->h * k->w * CPU_BLOCK);
    transform_inputs(work, &part);
    EmitLoop block = emit_loop_begin(e, low, high, k->blocks);
    multiply(work, &part, block.index,
             taps_step(e, products, block.index, k->tiles * CPU_BLOCK));
    emit_loop_end(e, &block);
    emit_loop_end(e, &read);
    block = emit_loop_begin(e, low, high, k->blocks);
    transform_results(
        work, block.index,
        taps_step(e, products, block.index, k->tiles * CPU_BLOCK));
    emit_loop_end(e, &block);
}

// A task: some tiles, some written blocks. imm[0]: images.
void emit_winograd(Emit *e)
{
    const WinogradKernel *k = &cpu_kernel(e)->winograd;
    LLVMBuilderRef b = e->builder;
    WinogradWork work = winograd_begin(e, k, winograd_scratch(k));
    LLVMValueRef shares = emit_i64(e, ceil_div(k->out_blocks, k->task_blocks));
    LLVMValueRef share = LLVMBuildURem(b, e->task, shares, "");
    LLVMValueRef part = LLVMBuildUDiv(b, e->task, shares, "");
    LLVMValueRef total = taps_affine(e, taps_imm(e, 0), winograd_tiles(k), 0);
    work.first = taps_affine(e, part, k->tiles, 0);
    work.count = emit_min_i64(e, LLVMBuildSub(b, total, work.first, ""),
                              emit_i64(e, k->tiles));
    LLVMValueRef low = taps_affine(e, share, k->task_blocks, 0);
    LLVMValueRef high = emit_min_i64(e, taps_add(e, low, k->task_blocks),
                                     emit_i64(e, k->out_blocks));
    // Of the task after this one, which the same thread does, if any.
    LLVMValueRef next = LLVMBuildUDiv(b, taps_add(e, e->task, 1), shares, "");
    next = taps_affine(e, next, k->tiles, 0);
    if (winograd_adds_parts(k))
        make_of_parts(&work, next, low, high);
    else
        make_whole(&work, next, low, high);
}
