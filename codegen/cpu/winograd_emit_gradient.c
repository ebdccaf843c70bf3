// The gradient by weights through Winograd's transforms. From
// y = A' [(G g G') * (B' x B)] A follows
//
//   dg = G' [sum over tiles of (A dy A') * (B' x B)] G
//
// A task takes some written and some read blocks and a chunk of the images. It
// transforms blocks of tiles of x and dy, adds their products up over all
// tiles, and transforms the sums back once.
#include "codegen/integers.h"
#include "codegen/cpu/emit_gradient.h"
#include "codegen/cpu/winograd_emit.h"

// ---- a task -----------------------------------------------------------------

typedef struct Gradient {
    WinogradWork work;
    LLVMValueRef chunk;          // of images
    LLVMValueRef out, out_count; // written blocks: the first, how many
    LLVMValueRef in, in_count;   // read blocks
    LLVMValueRef tiles;          // end of the task's tiles
    LLVMValueRef is_first;       // the sums at work hold nothing yet
    // What is asked for while tiles are multiplied, the next ones, unless they
    // were all transformed before.
    bool asks;
    WinogradAhead x, dy;
    LLVMValueRef x_map, dy_map;
} Gradient;

// Share `index` of the blocks.
static void find_share(const Emit *e, LLVMValueRef index, int64_t blocks,
                       int64_t share, LLVMValueRef *first, LLVMValueRef *count)
{
    *first = taps_affine(e, index, share, 0);
    *count = emit_min_i64(
        e, LLVMBuildSub(e->builder, emit_i64(e, blocks), *first, ""),
        emit_i64(e, share));
}

// The task's number is, from first to last factor: chunk, written, read share.
static Gradient begin_task(const Emit *e, const WinogradKernel *k)
{
    LLVMBuilderRef b = e->builder;
    Gradient g = {.work = winograd_begin(e, k, winograd_gradient_scratch(k))};
    LLVMValueRef ins = emit_i64(e, ceil_div(k->in_blocks, k->task_reads));
    LLVMValueRef outs = emit_i64(e, ceil_div(k->out_blocks, k->task_blocks));
    LLVMValueRef rest = LLVMBuildUDiv(b, e->task, ins, "");
    find_share(e, LLVMBuildURem(b, e->task, ins, ""), k->in_blocks,
               k->task_reads, &g.in, &g.in_count);
    find_share(e, LLVMBuildURem(b, rest, outs, ""), k->out_blocks,
               k->task_blocks, &g.out, &g.out_count);
    g.chunk = LLVMBuildUDiv(b, rest, outs, "");
    LLVMValueRef size = taps_imm(e, GRADIENT_CHUNK);
    LLVMValueRef low = LLVMBuildMul(b, g.chunk, size, "");
    LLVMValueRef high = emit_min_i64(e, LLVMBuildAdd(b, low, size, ""),
                                     taps_imm(e, GRADIENT_IMAGES));
    g.work.first = taps_affine(e, low, winograd_tiles(k), 0);
    g.tiles = taps_affine(e, high, winograd_tiles(k), 0);
    return g;
}

// Sums lie [weights^2][written][read][16 read][16 written], in shares.
static LLVMValueRef sums_at(const Gradient *g, LLVMValueRef weight,
                            LLVMValueRef out, LLVMValueRef in)
{
    const Emit *e = g->work.emit;
    const WinogradKernel *k = g->work.k;
    LLVMValueRef at = taps_at(e, g->work.scratch, g->work.at.sums);
    at = taps_step(e, at, weight, k->task_blocks * k->task_reads * CPU_TILE);
    at = taps_step(e, at, out, k->task_reads * CPU_TILE);
    return taps_step(e, at, in, CPU_TILE);
}

// The tiles of blocks of x from `first` on, and of dy.
static WinogradSource x_source(const WinogradWork *work, LLVMValueRef x,
                               LLVMValueRef first)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    return (WinogradSource){
        .axis = work->axes->input,
        .side = work->side->numbers,
        .step = work->side->step,
        .dtype = k->types.in[0],
        .h = k->h,
        .w = k->w,
        .top = k->top,
        .left = k->left,
        .map = image_step(e, k->types.in[0], x, first, k->h * k->w * CPU_BLOCK),
        .blocks = k->in_blocks};
}

static WinogradSource dy_source(const WinogradWork *work, LLVMValueRef dy,
                                LLVMValueRef first)
{
    const Emit *e = work->emit;
    const WinogradKernel *k = work->k;
    return (WinogradSource){.axis = work->axes->result_gradient,
                            .side = work->side->results,
                            .step = work->side->results,
                            .dtype = k->types.in[1],
                            .h = k->oh,
                            .w = k->ow,
                            .map = image_step(e, k->types.in[1], dy, first,
                                              k->oh * k->ow * CPU_BLOCK),
                            .blocks = k->out_blocks};
}

static void transform(const Gradient *g)
{
    const Emit *e = g->work.emit;
    WinogradSource x = x_source(&g->work, e->args[0], g->in);
    WinogradSource dy = dy_source(&g->work, e->args[1], g->out);
    x.count = g->in_count;
    x.out = taps_at(e, g->work.scratch, g->work.at.input);
    x.point = g->work.at.input_point;
    dy.count = g->out_count;
    dy.out = taps_at(e, g->work.scratch, g->work.at.product);
    dy.point = g->work.at.product_point;
    winograd_transform_tiles(&g->work, &x);
    winograd_transform_tiles(&g->work, &dy);
}

// Tiles [low, high).
static void multiply_tiles(const Emit *e, const TapsTile *tile,
                           LLVMValueRef low, LLVMValueRef high, LLVMValueRef v,
                           LLVMValueRef w)
{
    EmitLoop tiles = emit_loop_begin(e, low, high, 1);
    taps_multiply_one(e, tile, NULL, taps_step(e, v, tiles.index, CPU_BLOCK),
                      taps_step(e, w, tiles.index, CPU_BLOCK));
    emit_loop_end(e, &tiles);
}

// The same with the strips' lines asked for in between.
static void multiply_and_ask(const Emit *e, const TapsTile *tile,
                             LLVMValueRef count, LLVMValueRef v, LLVMValueRef w)
{
    LLVMValueRef some =
        LLVMBuildUDiv(e->builder, taps_add(e, count, TAPS_STRIP_LINES - 1),
                      emit_i64(e, TAPS_STRIP_LINES), "");
    EmitLoop line = taps_loop(e, 0, TAPS_STRIP_LINES, 1);
    taps_ask(e, tile, line.index);
    LLVMValueRef low = LLVMBuildMul(e->builder, line.index, some, "");
    LLVMValueRef high = LLVMBuildAdd(e->builder, low, some, "");
    multiply_tiles(e, tile, low, emit_min_i64(e, high, count), v, w);
    emit_loop_end(e, &line);
}

// sums[c][o] += v[tile][c] * w[tile][o] over tiles [0, count), for some
// channels c of a read block with the register tile's written ones, which lie
// w_block apart in w. They are added up apart first, for the rounding error of
// a sum grows with its length. `call` counts those of a point.
static void add_tiles(const Gradient *g, LLVMValueRef count, LLVMValueRef v,
                      LLVMValueRef w, int64_t w_block, LLVMValueRef call,
                      LLVMValueRef sums)
{
    const Emit *e = g->work.emit;
    const WinogradKernel *k = g->work.k;
    TapsTile tile = {k->pixels, k->blocks, g->work.sums, 1, w_block};
    LLVMValueRef nothing = emit_const(e, DT_F32, CPU_BLOCK, 0);
    for (int i = 0; i < k->pixels * k->blocks; i++)
        taps_set_zero(e, tile.sums[i]);
    if (g->asks) {
        winograd_ahead_strips(&g->work, &g->x, call, &tile);
        winograd_ahead_strips(&g->work, &g->dy, call, &tile);
        multiply_and_ask(e, &tile, count, v, w);
    } else {
        multiply_tiles(e, &tile, emit_i64(e, 0), count, v, w);
    }
    for (int i = 0; i < k->pixels * k->blocks; i++) {
        int c = i / k->blocks, b = i % k->blocks;
        LLVMValueRef at =
            taps_at(e, sums, b * k->task_reads * CPU_TILE + c * CPU_BLOCK);
        LLVMValueRef before = LLVMBuildSelect(e->builder, g->is_first, nothing,
                                              taps_load(e, at), "");
        taps_store(
            e, LLVMBuildFAdd(e->builder, taps_get(e, tile.sums[i]), before, ""),
            at);
    }
}

// Transformed tiles of x and dy of one point, and how far apart blocks are.
typedef struct PointTiles {
    LLVMValueRef weight; // that the point meets
    LLVMValueRef count;  // tiles
    LLVMValueRef v, w;
    int64_t v_block, w_block;
} PointTiles;

// The point's place among the different weights. Points that share one go on
// adding to what the first of them has begun, whatever `begins` says.
static LLVMValueRef weight_of(Gradient *g, LLVMValueRef point,
                              LLVMValueRef begins)
{
    const Emit *e = g->work.emit;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef side = emit_i64(e, g->work.side->points);
    LLVMValueRef i = LLVMBuildUDiv(b, point, side, "");
    LLVMValueRef j = LLVMBuildURem(b, point, side, "");
    LLVMValueRef row = winograd_weight(&g->work, i);
    LLVMValueRef col = winograd_weight(&g->work, j);
    LLVMValueRef alone =
        LLVMBuildAnd(b, LLVMBuildICmp(b, LLVMIntEQ, row, i, ""),
                     LLVMBuildICmp(b, LLVMIntEQ, col, j, ""), "");
    g->is_first = LLVMBuildAnd(b, begins, alone, "");
    return LLVMBuildNSWAdd(b, taps_affine(e, row, g->work.side->weights, 0),
                           col, "");
}

// Every pair of the task's blocks.
static void add_point(const Gradient *g, const PointTiles *tiles)
{
    const Emit *e = g->work.emit;
    const WinogradKernel *k = g->work.k;
    LLVMValueRef zero = emit_i64(e, 0);
    EmitLoop out = emit_loop_begin(e, zero, g->out_count, k->blocks);
    EmitLoop in = emit_loop_begin(e, zero, g->in_count, 1);
    LLVMValueRef sums = sums_at(g, tiles->weight, out.index, in.index);
    EmitLoop c = taps_loop(e, 0, CPU_BLOCK, k->pixels);
    LLVMValueRef v = taps_step(
        e, taps_step(e, tiles->v, in.index, tiles->v_block), c.index, 1);
    LLVMValueRef call =
        LLVMBuildUDiv(e->builder, out.index, emit_i64(e, k->blocks), "");
    call = LLVMBuildNSWAdd(e->builder, taps_affine(e, call, k->task_reads, 0),
                           in.index, "");
    call = LLVMBuildNSWAdd(
        e->builder, taps_affine(e, call, CPU_BLOCK / k->pixels, 0),
        LLVMBuildUDiv(e->builder, c.index, emit_i64(e, k->pixels), ""), "");
    add_tiles(g, tiles->count, v,
              taps_step(e, tiles->w, out.index, tiles->w_block), tiles->w_block,
              call, taps_step(e, sums, c.index, CPU_BLOCK));
    emit_loop_end(e, &c);
    emit_loop_end(e, &in);
    emit_loop_end(e, &out);
}

static void add_products(Gradient *g, LLVMValueRef begins)
{
    const Emit *e = g->work.emit;
    int64_t block = g->work.k->tiles * CPU_BLOCK;
    EmitLoop point = taps_loop(e, 0, winograd_area(g->work.k->form), 1);
    winograd_ahead_round(&g->work, &g->x, g->x_map, point.index);
    winograd_ahead_round(&g->work, &g->dy, g->dy_map, point.index);
    LLVMValueRef v = taps_step(e, taps_at(e, g->work.scratch, g->work.at.input),
                               point.index, g->work.at.input_point);
    LLVMValueRef w =
        taps_step(e, taps_at(e, g->work.scratch, g->work.at.product),
                  point.index, g->work.at.product_point);
    LLVMValueRef weight = weight_of(g, point.index, begins);
    add_point(g, &(PointTiles){weight, g->work.count, v, w, block, block});
    emit_loop_end(e, &point);
}

// One read channel of a pair of blocks, to taps [3][3] of dw.
static void transform_sums(const Gradient *g, LLVMValueRef sums,
                           LLVMValueRef dw)
{
    const Emit *e = g->work.emit;
    const WinogradKernel *k = g->work.k;
    int64_t point = k->task_blocks * k->task_reads * CPU_TILE;
    WinogradAxis *axis = g->work.axes->weights_gradient;
    int side = g->work.side->weights;
    LLVMValueRef m[WINOGRAD_MOST], taps[3];
    EmitLoop j = taps_loop(e, 0, side, 1);
    LLVMValueRef from = emit_loop_walk(e, &j, DT_F32, sums, point);
    for (int i = 0; i < side; i++)
        m[i] = taps_load(e, taps_at(e, from, i * side * point));
    axis(e, m, taps);
    winograd_store_column(&g->work, &j, 3, taps);
    emit_loop_end(e, &j);
    EmitLoop i = taps_loop(e, 0, 3, 1);
    winograd_load_line(&g->work, &i, side, m);
    LLVMValueRef to = emit_loop_walk(e, &i, DT_F32, dw, 3 * CPU_TILE);
    axis(e, m, taps);
    for (int s = 0; s < 3; s++)
        taps_store(e, taps[s], taps_at(e, to, s * CPU_TILE));
    emit_loop_end(e, &i);
}

// dw is packed [chunk][written/16][read/16][3][3][16 read][16 written].
static void store_gradient(const Gradient *g)
{
    const Emit *e = g->work.emit;
    const WinogradKernel *k = g->work.k;
    int64_t pair = 9 * CPU_TILE;
    LLVMValueRef zero = emit_i64(e, 0);
    LLVMValueRef dw =
        taps_step(e, e->args[2], g->chunk, k->out_blocks * k->in_blocks * pair);
    dw = taps_step(e, dw, g->out, k->in_blocks * pair);
    dw = taps_step(e, dw, g->in, pair);
    EmitLoop out = emit_loop_begin(e, zero, g->out_count, 1);
    EmitLoop in = emit_loop_begin(e, zero, g->in_count, 1);
    LLVMValueRef to = taps_step(e, dw, out.index, k->in_blocks * pair);
    to = taps_step(e, to, in.index, pair);
    LLVMValueRef from = sums_at(g, zero, out.index, in.index);
    EmitLoop c = taps_loop(e, 0, CPU_BLOCK, 1);
    transform_sums(g, taps_step(e, from, c.index, CPU_BLOCK),
                   taps_step(e, to, c.index, CPU_BLOCK));
    emit_loop_end(e, &c);
    emit_loop_end(e, &in);
    emit_loop_end(e, &out);
}

static WinogradAhead ahead_of(const Gradient *g, const WinogradSource *source,
                              int64_t count)
{
    const WinogradKernel *k = g->work.k;
    WinogradAhead ahead = {.what = PREFETCH_LATER,
                           .dtype = source->dtype,
                           .h = source->h,
                           .w = source->w,
                           .step = source->step,
                           .blocks = source->blocks,
                           .count = count};
    winograd_ahead_begin(&g->work, &ahead, winograd_area(k->form),
                         ceil_div(k->task_blocks, k->blocks) * k->task_reads *
                             (CPU_BLOCK / k->pixels));
    return ahead;
}

static void begin_asking(Gradient *g)
{
    const Emit *e = g->work.emit;
    WinogradSource x = x_source(&g->work, e->args[0], g->in);
    WinogradSource dy = dy_source(&g->work, e->args[1], g->out);
    g->asks = true;
    g->x = ahead_of(g, &x, g->work.k->task_reads);
    g->dy = ahead_of(g, &dy, g->work.k->task_blocks);
    g->x_map = x.map;
    g->dy_map = dy.map;
}

void emit_winograd_gradient(Emit *e)
{
    Gradient g = begin_task(e, &cpu_kernel(e)->winograd_gradient);
    int64_t tiles = g.work.k->tiles;
    begin_asking(&g);
    LLVMValueRef start = g.work.first;
    EmitLoop part = emit_loop_begin(e, g.work.first,
                                    taps_add(e, g.tiles, tiles - 1), tiles);
    g.work.first = part.index;
    LLVMValueRef begins =
        LLVMBuildICmp(e->builder, LLVMIntEQ, part.index, start, "");
    g.work.count =
        emit_min_i64(e, LLVMBuildSub(e->builder, g.tiles, part.index, ""),
                     emit_i64(e, tiles));
    g.x.first = g.dy.first = part.next;
    transform(&g);
    add_products(&g, begins);
    emit_loop_end(e, &part);
    store_gradient(&g);
}

// ---- tiles transformed before -----------------------------------------------

// Tiles as two kernels before this one leave them: [blocks][area][tiles][16],
// with a line more per point, for a power of two would put all of a tile's
// points into one set of the cache.

// A task: a block and some tiles of it. imm[0]: images.
void emit_winograd_tiles(Emit *e)
{
    const WinogradKernel *k = &cpu_kernel(e)->winograd_tiles;
    LLVMBuilderRef b = e->builder;
    WinogradWork work = winograd_begin(e, k, winograd_gradient_scratch(k));
    int64_t tiles = k->tiles;
    LLVMValueRef shares = emit_i64(e, ceil_div(tiles, k->part));
    LLVMValueRef block = LLVMBuildUDiv(b, e->task, shares, "");
    work.first =
        taps_affine(e, LLVMBuildURem(b, e->task, shares, ""), k->part, 0);
    work.count =
        emit_min_i64(e, LLVMBuildSub(b, emit_i64(e, tiles), work.first, ""),
                     emit_i64(e, k->part));
    WinogradSource source = k->of_results ? dy_source(&work, e->args[0], block)
                                          : x_source(&work, e->args[0], block);
    source.count = emit_i64(e, 1);
    source.point = winograd_point_elements(k);
    source.out =
        taps_step(e, e->args[1], block, winograd_area(k->form) * source.point);
    source.out = taps_step(e, source.out, work.first, CPU_BLOCK);
    winograd_transform_tiles(&work, &source);
}

static void add_ready_tiles(Gradient *g)
{
    const Emit *e = g->work.emit;
    const WinogradKernel *k = g->work.k;
    int64_t step = winograd_point_elements(k);
    PointTiles tiles = {.v_block = winograd_area(k->form) * step,
                        .w_block = winograd_area(k->form) * step};
    GradientRange all = {emit_i64(e, 0), emit_i64(e, k->tiles)}, some;
    EmitLoop point = taps_loop(e, 0, winograd_area(g->work.k->form), 1);
    EmitLoop part = gradient_parts(e, all, k->part, &some);
    tiles.count = LLVMBuildSub(e->builder, some.high, some.low, "");
    tiles.v = taps_step(e, e->args[0], g->in, tiles.v_block);
    tiles.v = taps_step(e, tiles.v, point.index, step);
    tiles.v = taps_step(e, tiles.v, some.low, CPU_BLOCK);
    tiles.w = taps_step(e, e->args[1], g->out, tiles.w_block);
    tiles.w = taps_step(e, tiles.w, point.index, step);
    tiles.w = taps_step(e, tiles.w, some.low, CPU_BLOCK);
    tiles.weight =
        weight_of(g, point.index,
                  LLVMBuildICmp(e->builder, LLVMIntEQ, some.low, all.low, ""));
    add_point(g, &tiles);
    emit_loop_end(e, &part);
    emit_loop_end(e, &point);
}

void emit_winograd_products(Emit *e)
{
    Gradient g = begin_task(e, &cpu_kernel(e)->winograd_products);
    add_ready_tiles(&g);
    store_gradient(&g);
}
