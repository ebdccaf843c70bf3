// How products of pixels with weights are cut into tasks and register tiles.
#include "codegen/cpu/pointwise.h"
#include "codegen/integers.h"

enum {
    MIN_PIXELS = 4, // of an image, for a register tile has those of one
    // Each share of the written blocks packs the pixels for itself: rather
    // shorter lines, down to so many pixels, than more shares.
    MAX_PACKED = 2,
    PACKED_PIXELS = 64,
    // Where pixels are packed anyway, images of so few are one line: tiles are
    // full, and each reads the weights of a group once for more pixels.
    MAX_JOINED = 32,
    LINE_PIXELS = 256, // of a task, with those of other images
    // Where that makes so few tasks, each may as well transpose the weights.
    MAX_TRANSPOSED = 3,
    TRANSPOSED_PIXELS = 512, // then
    // and where it sums these at once or in so few parts: in more, results wait
    // longer than a step before takes (one thread, 2048 channels to 512: 9%
    // longer).
    TRANSPOSED_PARTS = 4,
    // All groups of a task pass over the same pixels, which stay in a
    // second-level cache of 1 MiB beside a group's weights: more blocks of them
    // are summed one part after the other. A core takes some 4 bytes a cycle
    // from the third level, and a tile of two blocks would want just as many.
    PIXEL_BYTES = 640 << 10,
    // Pixels that lie apart are there twice, those that are multiplied and
    // those that are asked for meanwhile: of so many bytes, both and the
    // weights stay in a cache of 512 KiB as well. Lines are not made shorter
    // than so many pixels for it, or weights would come from the third level
    // too often; the rest is done in parts. (Zen 3, 512 channels to 1024 from
    // 28x28 at a stride of 2: 0.82 of the time with lines of 98 pixels for
    // 196.)
    APART_BYTES = 200 << 10,
    SHORT_LINE_PIXELS = 128,
    // By data at a stride a task's sums, which wait in scratch, are there
    // beside. (Zen 3, 2048 channels to 1024 on 7x7: 0.87 of the time of all
    // channels at once, for which pixels came from the third level with each
    // group.)
    SPREAD_BYTES = 320 << 10,
    // Shorter lines have too many tiles of two pixels: 1.08 of the time.
    WIDE_LINE = 32,
    // The weights of a group that are summed at a time: half of a first-level
    // cache of 32 KiB, where all tiles of a line find them. (Zen 3, 512
    // channels to 256 on 28x28: 0.95 of the time of all channels at once, 0.90
    // on a core that is slowed.) Results of f32 hold the sums of all groups
    // between the parts; in bf16 they would round them, so each group goes
    // through all of its parts while its own sums, some 25 kB, wait in scratch
    // (0.95 to 0.98 of the time of all channels at once). With registers of 64
    // bytes there are twice as many results to store and to read again for each
    // part, and no such processor was at hand to time it.
    WEIGHT_BYTES = 16 << 10,
};

static bool is_pointwise(const TapAxis *axis)
{
    return axis->kernel == 1 && axis->taps == 1 && axis->in_first == 0 &&
           axis->out_first == 0 && axis->count > 0 &&
           (axis->count - 1) * axis->in_step < axis->in &&
           (axis->count - 1) * axis->out_step < axis->out;
}

bool pointwise_takes(const ConvTaps *taps, const ConvWay *way)
{
    if (!is_pointwise(&taps->rows) || !is_pointwise(&taps->cols) ||
        taps->groups > 1 || way->method == WAY_ROWS ||
        way->method == WAY_IMAGES)
        return false;
    return way->method == WAY_PIXELS ||
           taps->rows.count * taps->cols.count >= MIN_PIXELS;
}

// The largest divisor of `count` that is at most `most`, or 1.
static int64_t share_evenly(int64_t count, int64_t most)
{
    int64_t best = 1;
    for (int64_t d = 2; d <= min_i64(count, most); d++)
        if (count % d == 0)
            best = d;
    return best;
}

// Tasks of one share of the written blocks.
static int64_t choose_line(const ConvTaps *taps, int64_t images, int64_t pixels,
                           PointwiseTile *tile)
{
    int64_t rows = taps->rows.count, cols = taps->cols.count;
    tile->rows = share_evenly(rows, pixels / cols);
    tile->images =
        tile->rows == rows ? share_evenly(images, pixels / (rows * cols)) : 1;
    return images / tile->images * (rows / tile->rows);
}

int64_t pointwise_line(const ConvTaps *taps, const PointwiseTile *tile)
{
    return tile->rows * taps->cols.count * (tile->joins ? tile->images : 1);
}

// Of all channels that a task reads.
static int64_t pixel_bytes(const ConvTaps *taps, const PointwiseTile *tile)
{
    return tile->images * tile->rows * taps->cols.count * taps->in_blocks *
           CPU_BLOCK * (int64_t)sizeof(float);
}

// How many parts so many read blocks are cut into, for the weights of a group
// to have at most WEIGHT_BYTES of each.
static int64_t weight_parts(const PointwiseTile *tile, int64_t reads)
{
    int64_t pair = CPU_TILE * (int64_t)sizeof(float);
    return min_i64(ceil_div(tile->blocks * reads * pair, WEIGHT_BYTES), reads);
}

static bool skips_pixels(const ConvTaps *taps)
{
    return taps->rows.in_step > 1 || taps->cols.in_step > 1;
}

static bool is_dense(const ConvTaps *taps)
{
    return !skips_pixels(taps) && !pointwise_spreads(taps);
}

PointwiseTile pointwise_choose_tile(const ConvTaps *taps,
                                    const CpuTarget *target, int64_t images,
                                    bool by_data, const ConvWay *way)
{
    PointwiseTile tile = {0};
    int64_t pixels = way_scale(way, LINE_PIXELS);
    if (by_data) {
        int64_t transposed = way_scale(way, TRANSPOSED_PIXELS);
        bool few =
            choose_line(taps, images, transposed, &tile) <= MAX_TRANSPOSED;
        tile.transposes =
            few && (pointwise_spreads(taps) ||
                    pixel_bytes(taps, &tile) <= TRANSPOSED_PARTS * PIXEL_BYTES);
        if (tile.transposes)
            pixels = transposed;
        else if (few) // shorter lines, that each task has several groups
            pixels /= 2;
    }
    int64_t tasks = choose_line(taps, images, pixels, &tile);
    bool skips = skips_pixels(taps);
    while (skips && tasks * MAX_PACKED < ENOUGH_TASKS && pixels > PACKED_PIXELS)
        tasks = choose_line(taps, images, pixels /= 2, &tile);
    if ((skips || (pointwise_spreads(taps) && !tile.transposes)) &&
        pixels > SHORT_LINE_PIXELS && pixel_bytes(taps, &tile) > APART_BYTES)
        tasks = choose_line(taps, images, SHORT_LINE_PIXELS, &tile);
    tile.joins =
        skips && tile.images > 1 && pointwise_line(taps, &tile) <= MAX_JOINED;
    int64_t line = pointwise_line(taps, &tile);
    taps_choose_register_tile(line, taps->out_blocks, target->vector_bytes, way,
                              &tile.pixels, &tile.blocks);
    if (is_dense(taps) && line >= WIDE_LINE &&
        taps_suit_wide_tile(taps->in_blocks, taps->out_blocks, target, way)) {
        tile.pixels = WIDE_PIXELS;
        tile.blocks = WIDE_BLOCKS;
    }
    int64_t groups = taps->out_blocks / tile.blocks;
    int64_t shares = min_i64(groups, ceil_div(ENOUGH_TASKS, tasks));
    tile.writes = ceil_div(groups, shares) * tile.blocks;
    int64_t most = pointwise_asks(taps, &tile) ? APART_BYTES
                   : pointwise_spreads(taps)   ? SPREAD_BYTES
                                               : PIXEL_BYTES;
    // One group alone reads its pixels once whatever the parts are.
    int64_t parts = tile.writes == tile.blocks
                        ? 1
                        : ceil_div(pixel_bytes(taps, &tile), most);
    bool near = target->vector_bytes < 64 && is_dense(taps);
    if (near && taps->types.out == DT_F32)
        parts = max_i64(parts, weight_parts(&tile, taps->in_blocks));
    if (tile.joins) // results go by way of scratch, a group's at once
        parts = 1;
    tile.reads = ceil_div(taps->in_blocks, min_i64(parts, taps->in_blocks));
    tile.group_reads = tile.reads;
    if (near && taps->types.out == DT_BF16)
        tile.group_reads =
            ceil_div(tile.reads, weight_parts(&tile, tile.reads));
    return tile;
}

int64_t pointwise_row_blocks(const ConvTaps *taps, const PointwiseTile *tile)
{
    return max_i64(1, ceil_div(taps->rows.count, tile->rows));
}

int64_t pointwise_tasks(const PointwiseKernel *kernel, int64_t images)
{
    const PointwiseTile *tile = &kernel->tile;
    return images / tile->images * pointwise_row_blocks(&kernel->taps, tile) *
           ceil_div(kernel->taps.out_blocks, tile->writes);
}

bool pointwise_spreads(const ConvTaps *taps)
{
    return taps->rows.out_step > 1 || taps->cols.out_step > 1;
}

bool pointwise_packs(const ConvTaps *taps)
{
    return skips_pixels(taps) || taps->types.in[0] == DT_BF16;
}

bool pointwise_asks(const ConvTaps *taps, const PointwiseTile *tile)
{
    return skips_pixels(taps) && !tile->joins && taps->types.in[0] == DT_F32;
}

int64_t pointwise_waiting_blocks(const PointwiseKernel *kernel)
{
    const PointwiseTile *tile = &kernel->tile;
    if (kernel->taps.types.out == DT_F32 && !pointwise_spreads(&kernel->taps))
        return 0;
    if (tile->reads < kernel->taps.in_blocks)
        return tile->writes;
    return tile->group_reads < tile->reads ? tile->blocks : 0;
}

bool pointwise_by_group(const PointwiseKernel *kernel)
{
    return kernel->tile.joins || (pointwise_spreads(&kernel->taps) &&
                                  pointwise_waiting_blocks(kernel) == 0);
}

PointwiseScratch pointwise_scratch(const PointwiseKernel *kernel)
{
    const ConvTaps *taps = &kernel->taps;
    const PointwiseTile *tile = &kernel->tile;
    int64_t image = tile->rows * taps->cols.count * CPU_BLOCK;
    PointwiseScratch s = {0};
    if (pointwise_packs(taps))
        s.sums = tile->images * tile->reads * image;
    s.results = s.sums;
    s.results += tile->images * pointwise_waiting_blocks(kernel) * image;
    s.weights = s.results;
    if (pointwise_by_group(kernel))
        s.weights += tile->blocks * pointwise_line(taps, tile) * CPU_BLOCK;
    s.places = s.weights;
    if (tile->transposes)
        s.places += tile->blocks * tile->group_reads * CPU_TILE;
    s.total = s.places;
    // A tile asks with each channel, even where it has fewer pixels.
    if (pointwise_asks(taps, tile))
        s.total += (pointwise_line(taps, tile) + CPU_BLOCK) *
                   (int64_t)(sizeof(int64_t) / sizeof(float));
    return s;
}

void pointwise_text(Text *text, const PointwiseKernel *kernel)
{
    const PointwiseTile *tile = &kernel->tile;
    text_addf(text,
              "pointwise: tile %d x %d, rows %lld, images %lld, writes "
              "%lld, reads %lld by %lld%s%s%s\n",
              tile->pixels, tile->blocks, (long long)tile->rows,
              (long long)tile->images, (long long)tile->writes,
              (long long)tile->reads, (long long)tile->group_reads,
              tile->transposes ? ", transposes" : "",
              tile->joins ? ", joins" : "", tile->past ? ", past" : "");
    taps_text(text, &kernel->taps);
}
