// The gradient by weights through Winograd's transforms. From
// y = A' [(G g G') * (B' x B)] A follows
//
//   dg = G' [sum over tiles of (A dy A') * (B' x B)] G
//
// A task takes some written and some read blocks and a chunk of the images. It
// transforms blocks of tiles of x and dy, adds their products up over all
// tiles, and transforms the sums back once.
#include "codegen/emit_winograd.h"

// imms of the step
enum { IMM_IMAGES = 0, IMM_CHUNK = 1 };

// ---- a task -----------------------------------------------------------------

typedef struct Gradient {
    WinogradWork work;
    LLVMValueRef chunk;          // of images
    LLVMValueRef out, out_count; // written blocks: the first, how many
    LLVMValueRef in, in_count;   // read blocks
    LLVMValueRef tiles;          // end of the task's tiles
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
static Gradient begin_task(const Emit *e)
{
    const KernelWinograd *k = &e->kernel->winograd;
    LLVMBuilderRef b = e->builder;
    Gradient g = {.work = winograd_begin(e, winograd_gradient_scratch(k))};
    LLVMValueRef ins =
        emit_i64(e, winograd_shares(k->in_blocks, k->task_reads));
    LLVMValueRef outs =
        emit_i64(e, winograd_shares(k->out_blocks, k->task_blocks));
    LLVMValueRef rest = LLVMBuildUDiv(b, e->task, ins, "");
    find_share(e, LLVMBuildURem(b, e->task, ins, ""), k->in_blocks,
               k->task_reads, &g.in, &g.in_count);
    find_share(e, LLVMBuildURem(b, rest, outs, ""), k->out_blocks,
               k->task_blocks, &g.out, &g.out_count);
    g.chunk = LLVMBuildUDiv(b, rest, outs, "");
    LLVMValueRef size = taps_imm(e, IMM_CHUNK);
    LLVMValueRef low = LLVMBuildMul(b, g.chunk, size, "");
    LLVMValueRef high = emit_min_i64(e, LLVMBuildAdd(b, low, size, ""),
                                     taps_imm(e, IMM_IMAGES));
    g.work.first = taps_affine(e, low, winograd_tiles(k), 0);
    g.tiles = taps_affine(e, high, winograd_tiles(k), 0);
    return g;
}

// Sums lie [area][written][read][16 read][16 written], in shares.
static LLVMValueRef sums_at(const Gradient *g, LLVMValueRef point,
                            LLVMValueRef out, LLVMValueRef in)
{
    const Emit *e = g->work.emit;
    const KernelWinograd *k = g->work.k;
    LLVMValueRef at = taps_at(e, g->work.scratch, g->work.at.sums);
    at =
        taps_step(e, at, point, k->task_blocks * k->task_reads * WINOGRAD_PAIR);
    at = taps_step(e, at, out, k->task_reads * WINOGRAD_PAIR);
    return taps_step(e, at, in, WINOGRAD_PAIR);
}

static void clear_sums(const Gradient *g)
{
    const Emit *e = g->work.emit;
    const KernelWinograd *k = g->work.k;
    EmitLoop i = taps_loop(
        e, 0, winograd_area(k) * k->task_blocks * k->task_reads * TAPS_BLOCK,
        1);
    LLVMValueRef at = taps_at(e, g->work.scratch, g->work.at.sums);
    taps_store(e, emit_const(e, DT_F32, TAPS_BLOCK, 0),
               taps_step(e, at, i.index, TAPS_BLOCK));
    emit_loop_end(e, &i);
}

static void transform(const Gradient *g)
{
    const Emit *e = g->work.emit;
    const KernelWinograd *k = g->work.k;
    WinogradSource x = {
        .axis = g->work.axes->input,
        .side = g->work.side,
        .h = k->h,
        .w = k->w,
        .top = k->top,
        .left = k->left,
        .map = taps_step(e, e->args[0], g->in, k->h * k->w * TAPS_BLOCK),
        .blocks = k->in_blocks,
        .count = g->in_count,
        .out = taps_at(e, g->work.scratch, g->work.at.input),
        .point = g->work.at.input_point};
    WinogradSource dy = {
        .axis = g->work.axes->result_gradient,
        .side = k->out,
        .h = k->oh,
        .w = k->ow,
        .map = taps_step(e, e->args[1], g->out, k->oh * k->ow * TAPS_BLOCK),
        .blocks = k->out_blocks,
        .count = g->out_count,
        .out = taps_at(e, g->work.scratch, g->work.at.product),
        .point = g->work.at.product_point};
    winograd_transform_tiles(&g->work, &x);
    winograd_transform_tiles(&g->work, &dy);
}

// sums[c][o] += v[tile][c] * w[tile][o] over the tiles, for some channels c of
// one pair of blocks.
static void add_tiles(const Gradient *g, LLVMValueRef v, LLVMValueRef w,
                      LLVMValueRef sums)
{
    const Emit *e = g->work.emit;
    const KernelWinograd *k = g->work.k;
    TapsTile tile = {k->pixels, 1, g->work.sums, 1, 0};
    for (int c = 0; c < k->pixels; c++)
        taps_set(e, tile.sums[c],
                 taps_load(e, taps_at(e, sums, c * TAPS_BLOCK)));
    EmitLoop tiles = emit_loop_begin(e, emit_i64(e, 0), g->work.count, 1);
    taps_multiply_one(e, &tile, NULL, taps_step(e, v, tiles.index, TAPS_BLOCK),
                      taps_step(e, w, tiles.index, TAPS_BLOCK));
    emit_loop_end(e, &tiles);
    for (int c = 0; c < k->pixels; c++)
        taps_store(e, taps_get(e, tile.sums[c]),
                   taps_at(e, sums, c * TAPS_BLOCK));
}

static void add_products(const Gradient *g)
{
    const Emit *e = g->work.emit;
    int64_t block = g->work.k->tiles * TAPS_BLOCK;
    LLVMValueRef zero = emit_i64(e, 0);
    EmitLoop point = taps_loop(e, 0, winograd_area(g->work.k), 1);
    LLVMValueRef v = taps_step(e, taps_at(e, g->work.scratch, g->work.at.input),
                               point.index, g->work.at.input_point);
    LLVMValueRef w =
        taps_step(e, taps_at(e, g->work.scratch, g->work.at.product),
                  point.index, g->work.at.product_point);
    EmitLoop out = emit_loop_begin(e, zero, g->out_count, 1);
    EmitLoop in = emit_loop_begin(e, zero, g->in_count, 1);
    LLVMValueRef sums = sums_at(g, point.index, out.index, in.index);
    EmitLoop c = taps_loop(e, 0, TAPS_BLOCK, g->work.k->pixels);
    LLVMValueRef vc =
        taps_step(e, taps_step(e, v, in.index, block), c.index, 1);
    add_tiles(g, taps_opaque(e, vc),
              taps_opaque(e, taps_step(e, w, out.index, block)),
              taps_opaque(e, taps_step(e, sums, c.index, TAPS_BLOCK)));
    emit_loop_end(e, &c);
    emit_loop_end(e, &in);
    emit_loop_end(e, &out);
    emit_loop_end(e, &point);
}

// One read channel of a pair of blocks, to taps [3][3] of dw.
static void transform_sums(const Gradient *g, LLVMValueRef sums,
                           LLVMValueRef dw)
{
    const Emit *e = g->work.emit;
    const KernelWinograd *k = g->work.k;
    int64_t point = k->task_blocks * k->task_reads * WINOGRAD_PAIR;
    WinogradAxis *axis = g->work.axes->weights_gradient;
    int side = g->work.side;
    LLVMValueRef m[WINOGRAD_MOST], taps[3];
    EmitLoop j = taps_loop(e, 0, side, 1);
    LLVMValueRef from = taps_step(e, sums, j.index, point);
    for (int i = 0; i < side; i++)
        m[i] = taps_load(e, taps_at(e, from, i * side * point));
    axis(e, m, taps);
    winograd_store_column(&g->work, j.index, 3, taps);
    emit_loop_end(e, &j);
    EmitLoop i = taps_loop(e, 0, 3, 1);
    winograd_load_line(&g->work, i.index, side, m);
    axis(e, m, taps);
    for (int s = 0; s < 3; s++)
        taps_store(e, taps[s],
                   taps_at(e, taps_step(e, dw, i.index, 3 * WINOGRAD_PAIR),
                           s * WINOGRAD_PAIR));
    emit_loop_end(e, &i);
}

// dw is packed [chunk][written/16][read/16][3][3][16 read][16 written].
static void store_gradient(const Gradient *g)
{
    const Emit *e = g->work.emit;
    const KernelWinograd *k = g->work.k;
    int64_t pair = 9 * WINOGRAD_PAIR;
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
    EmitLoop c = taps_loop(e, 0, TAPS_BLOCK, 1);
    transform_sums(g, taps_opaque(e, taps_step(e, from, c.index, TAPS_BLOCK)),
                   taps_opaque(e, taps_step(e, to, c.index, TAPS_BLOCK)));
    emit_loop_end(e, &c);
    emit_loop_end(e, &in);
    emit_loop_end(e, &out);
}

void emit_winograd_gradient(Emit *e)
{
    Gradient g = begin_task(e);
    int64_t tiles = g.work.k->tiles;
    clear_sums(&g);
    EmitLoop part = emit_loop_begin(e, g.work.first,
                                    taps_add(e, g.tiles, tiles - 1), tiles);
    g.work.first = part.index;
    g.work.count =
        emit_min_i64(e, LLVMBuildSub(e->builder, g.tiles, part.index, ""),
                     emit_i64(e, tiles));
    transform(&g);
    add_products(&g);
    emit_loop_end(e, &part);
    store_gradient(&g);
}
