// How convolutions along rows and across images are cut into tasks and register
// tiles.
#include "codegen/cpu/direct.h"

#include "codegen/integers.h"
#include "ir/base/diag.h"

enum {
    // Multiplications and additions per task: 34 million, a few tenths of a
    // millisecond of a core that does 100 GFLOP/s. Starting a task costs about
    // a microsecond.
    FLOPS_PER_TASK = 1 << 25,
    MAX_TILE_PIXELS = 16,
    MAX_TILE_BLOCKS = 4,
    // A flat map is cut into rows of at most so many pixels.
    MAX_FLAT_ROW = 256,
    // Tiles across images: for maps at most so wide, for wider ones fill tiles
    // along their rows. By data at a stride (the maps are those of a phase)
    // rows take an eighth longer than their tiles say, it seems because each
    // phase reads a tap here and there of the weights that a step before has
    // turned; a task across images turns its own, side by side. (Zen 3, 8
    // images, phases of
    // 14x14: 0.86 and 0.93 of the time of rows; forward on such maps 1.09.)
    MAX_IMAGE_COLS = 8,
    MAX_PHASE_COLS = 16,
    PHASE_COST = 8, // 1 + 1 / PHASE_COST times as long
    // The weights of a task, which all its images meet, stay in a second-level
    // cache of 1 MiB with room for what streams by. All tasks read the same
    // images, in a third-level cache of 8 MiB or more: some 13 GB/s for a core
    // that does 100 GFLOP/s in 3x3 windows. (Zen 3, 8 images of 1.6 and 3.2 MB:
    // 0.68 to 0.92 of the time of rows.)
    GROUP_BYTES = 640 << 10,
    IMAGES_BYTES = 4 << 20,
    // Of a first-level cache of 8 ways and 32 KiB, a way's bytes and the ways:
    // addresses a page apart fall into one set.
    PAGE_BYTES = 4096,
    CACHE_WAYS = 8,
    // Fewer tasks share the images out, and each share transposes the weights
    // again: half of what is enough elsewhere.
    ENOUGH_IMAGE_TASKS = 8,
};

// ---- axes -------------------------------------------------------------------

TapAxis taps_forward(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                     int64_t pad, int64_t dilation)
{
    return (TapAxis){.in = in,
                     .out = out,
                     .count = out,
                     .out_step = 1,
                     .in_first = -pad,
                     .in_step = stride,
                     .taps = kernel,
                     .tap_step = dilation,
                     .kernel = kernel,
                     .weight_step = 1};
}

TapAxis taps_backward(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                      int64_t pad, int64_t dilation, int64_t phase)
{
    INTERNAL_CHECK(stride == 1 || dilation == 1);
    int64_t first = (phase + pad) % stride; // the first tap that gets there
    return (TapAxis){.in = out,
                     .out = in,
                     .count = phase < in ? ceil_div(in - phase, stride) : 0,
                     .out_first = phase,
                     .out_step = stride,
                     .in_first = (phase + pad - first) / stride,
                     .in_step = 1,
                     .taps =
                         first < kernel ? ceil_div(kernel - first, stride) : 0,
                     .tap_step = -dilation,
                     .kernel = kernel,
                     .weight_first = first,
                     .weight_step = stride};
}

bool tap_inside(const TapAxis *axis, int64_t pixel, int64_t tap)
{
    int64_t at = axis->in_step * pixel + axis->in_first + tap * axis->tap_step;
    return at >= 0 && at < axis->in;
}

bool taps_inside(const TapAxis *axis, int64_t first, int64_t count)
{
    for (int64_t t = 0; t < axis->taps; t++)
        if (!tap_inside(axis, first, t) ||
            !tap_inside(axis, first + count - 1, t))
            return false;
    return true;
}

static bool is_pointwise(const TapAxis *axis)
{
    return axis->taps == 1 && axis->kernel == 1 && axis->in == axis->out &&
           axis->count == axis->out && axis->in_step == 1 &&
           axis->out_step == 1 && axis->in_first == 0;
}

// ---- register tiles ---------------------------------------------------------

enum { FEW_REGISTERS = 16 }; // where they are of less than 64 bytes

static int64_t block_vectors(int vector_bytes)
{
    return CPU_BLOCK * (int)sizeof(float) / vector_bytes;
}

bool taps_fit_registers(int64_t pixels, int64_t blocks, int vector_bytes)
{
    int registers = vector_bytes == 64 ? 2 * FEW_REGISTERS : FEW_REGISTERS;
    return (pixels + 1) * blocks * block_vectors(vector_bytes) + 1 <= registers;
}

bool taps_suit_wide_tile(int64_t in_blocks, int64_t out_blocks,
                         const CpuTarget *target, const ConvWay *way)
{
    // One register is left for weights. A product that is not added at once
    // would want another.
    int64_t vectors = block_vectors(target->vector_bytes);
    bool fits =
        WIDE_PIXELS * WIDE_BLOCKS * vectors + WIDE_PIXELS + 1 == FEW_REGISTERS;
    return fits && target->fma && in_blocks >= WIDE_READS &&
           out_blocks % WIDE_BLOCKS == 0 &&
           (!way->blocks || way->blocks == WIDE_BLOCKS);
}

// What a tile costs per read channel, in eighths of a multiply-add: its
// products, its loads, of which those of weights come from the second-level
// cache, and the loop itself.
static int64_t tile_cost(int64_t pixels, int64_t blocks)
{
    return 8 * pixels * blocks + pixels + 4 * blocks + 4;
}

// Of a row of `count` pixels.
static int64_t row_cost(int64_t count, int64_t pixels, int64_t blocks)
{
    int64_t cost = count / pixels * tile_cost(pixels, blocks);
    return cost + (count % pixels ? tile_cost(count % pixels, blocks) : 0);
}

// The bounds of a register tile.
typedef struct TileBounds {
    int vector_bytes;
    int64_t pixels, blocks; // at most
} TileBounds;

static void choose_tile(int64_t count, int64_t out_blocks,
                        const TileBounds *most, const ConvWay *way,
                        int *tile_pixels, int *tile_blocks)
{
    int64_t best = 0;
    int only = way->blocks && out_blocks % way->blocks == 0 &&
                       way->blocks <= most->blocks &&
                       taps_fit_registers(1, way->blocks, most->vector_bytes)
                   ? way->blocks
                   : 0;
    *tile_pixels = *tile_blocks = 1;
    for (int blocks = 1; blocks <= min_i64(most->blocks, MAX_TILE_BLOCKS);
         blocks++)
        for (int pixels = 1;
             pixels <= min_i64(count, most->pixels) &&
             taps_fit_registers(pixels, blocks, most->vector_bytes);
             pixels++) {
            if (out_blocks % blocks || (only && blocks != only))
                continue;
            int64_t cost =
                row_cost(count, pixels, blocks) * (out_blocks / blocks);
            if (best && cost >= best)
                continue;
            best = cost;
            *tile_pixels = pixels;
            *tile_blocks = blocks;
        }
}

void taps_choose_register_tile(int64_t count, int64_t out_blocks,
                               int vector_bytes, const ConvWay *way,
                               int *tile_pixels, int *tile_blocks)
{
    TileBounds most = {vector_bytes, MAX_TILE_PIXELS, MAX_TILE_BLOCKS};
    choose_tile(count, out_blocks, &most, way, tile_pixels, tile_blocks);
}

DirectTile direct_choose_tile(const ConvTaps *taps, int vector_bytes,
                              const ConvWay *way)
{
    DirectTile tile;
    taps_choose_register_tile(max_i64(1, taps->cols.count), taps->out_blocks,
                              vector_bytes, way, &tile.pixels, &tile.blocks);
    int64_t group = tile.blocks * CPU_BLOCK; // written channels per task
    int64_t flops = 2 * taps->cols.count * taps->rows.taps * taps->cols.taps *
                    taps->in_blocks * CPU_BLOCK * group;
    int64_t rows = max_i64(1, taps->rows.count);
    int64_t blocks = ceil_div(rows * flops, way_scale(way, FLOPS_PER_TASK));
    blocks = max_i64(1, min_i64(blocks, rows));
    tile.rows = ceil_div(rows, blocks);
    // Whichever is larger, the weights of a group or an image, should be read
    // by tasks that follow each other.
    tile.weights_outside = taps->rows.kernel * taps->cols.kernel * group >
                           taps->rows.in * taps->cols.in;
    if (way->order)
        tile.weights_outside = way->order == ORDER_WEIGHTS;
    return tile;
}

// A kernel across images reads `pixels` lines of x, an image apart, again and
// again: they must not be more than a set of the first-level cache has, into
// which they all fall when images are pages apart.
static int most_image_pixels(const ConvTaps *taps)
{
    int64_t image = taps_image_in(taps) * (int64_t)sizeof(float);
    return image % (PAGE_BYTES / 2) == 0 ? CACHE_WAYS : MAX_TILE_PIXELS;
}

// Whether these are the pixels of one phase of a stride, by data.
static bool is_phase(const ConvTaps *taps)
{
    return taps->rows.out_step > 1 || taps->cols.out_step > 1;
}

// Eighths of a multiply-add per read channel and result, of a row and of a tile
// of one pixel, both of the blocks they take best.
static bool suits_images(const ConvTaps *flat, const DirectTile *rows,
                         const ImagesTile *across)
{
    int64_t count = flat->cols.count;
    int64_t row = row_cost(count, rows->pixels, rows->blocks);
    if (is_phase(flat))
        row += row / PHASE_COST;
    int64_t image = row_cost(across->images, across->pixels, across->blocks);
    return image * count * rows->blocks <=
           row * across->images * across->blocks;
}

bool images_choose_tile(const ConvTaps *taps, const ConvTaps *flat,
                        const DirectTile *along, int vector_bytes,
                        int64_t images, bool by_data, const ConvWay *way,
                        ImagesTile *tile)
{
    const TapAxis *rows = &taps->rows, *cols = &taps->cols;
    ImagesTile across = {.transposes = by_data};
    int64_t taps_bytes = rows->taps * cols->taps * CPU_TILE *
                         (int64_t)sizeof(float) * taps->in_blocks;
    int64_t widest = is_phase(taps) ? MAX_PHASE_COLS : MAX_IMAGE_COLS;
    if (way->method == WAY_ROWS || way->method == WAY_PIXELS ||
        rows->count < 1 || cols->count < 1 || cols->count > widest ||
        taps_bytes == 0)
        return false;
    int64_t shares = 1; // as many as the tasks need, of equal size
    TileBounds most = {vector_bytes, most_image_pixels(taps),
                       GROUP_BYTES / taps_bytes};
    choose_tile(images, taps->out_blocks, &most, way, &across.pixels,
                &across.blocks);
    while (shares * taps->groups * taps->out_blocks / across.blocks <
               ENOUGH_IMAGE_TASKS &&
           images / shares >= 2 * across.pixels && images % (2 * shares) == 0)
        shares *= 2;
    across.images = images / shares;
    // Each pixel reads lines of all images, so these should be in the cache,
    // too.
    int64_t map_bytes = rows->in * cols->in * taps->in_blocks * CPU_BLOCK *
                        (int64_t)sizeof(float);
    if (across.blocks * taps_bytes > GROUP_BYTES ||
        images * map_bytes > IMAGES_BYTES)
        return false;
    if (way->method != WAY_IMAGES && !suits_images(flat, along, &across))
        return false;
    *tile = across;
    return true;
}

int64_t images_scratch(const ImagesKernel *kernel)
{
    const ConvTaps *taps = &kernel->taps;
    if (!kernel->tile.transposes)
        return 0;
    return kernel->tile.blocks * taps->in_blocks * taps->rows.taps *
           taps->cols.taps * CPU_TILE;
}

int taps_weight_channels(int vector_bytes)
{
    int channels = CPU_BLOCK;
    while (channels > 1 && !taps_fit_registers(channels, 1, vector_bytes))
        channels /= 2;
    return channels;
}

void taps_reshape_pointwise(ConvTaps *taps)
{
    if (!is_pointwise(&taps->rows) || !is_pointwise(&taps->cols))
        return;
    int64_t pixels = taps->rows.in * taps->cols.in, row = 1;
    for (int64_t d = 2; d <= min_i64(pixels, MAX_FLAT_ROW); d++)
        if (pixels % d == 0)
            row = d;
    // A prime number of pixels would leave rows of one.
    if (row < taps->cols.in)
        return;
    taps->rows = taps_forward(pixels / row, pixels / row, 1, 1, 0, 1);
    taps->cols = taps_forward(row, row, 1, 1, 0, 1);
}

// ---- sizes ------------------------------------------------------------------

int64_t direct_row_blocks(const ConvTaps *taps, const DirectTile *tile)
{
    return max_i64(1, ceil_div(taps->rows.count, tile->rows));
}

int64_t direct_image_tasks(const DirectKernel *kernel)
{
    return kernel->taps.groups * kernel->taps.out_blocks / kernel->tile.blocks *
           direct_row_blocks(&kernel->taps, &kernel->tile);
}

int64_t images_group_tasks(const ImagesKernel *kernel)
{
    return kernel->taps.groups * kernel->taps.out_blocks / kernel->tile.blocks;
}

// ---- descriptions in words --------------------------------------------------

void kernel_types_text(Text *text, const KernelTypes *types)
{
    text_addf(text, "%s %s > %s sum %s", dtype_name(types->in[0]),
              dtype_name(types->in[1]), dtype_name(types->out),
              dtype_name(types->sum));
    if (types->epilogue)
        epilogue_text(text, types->epilogue);
}

void taps_axis_text(Text *text, const char *name, const TapAxis *axis)
{
    const int64_t numbers[] = {
        axis->in,       axis->out,      axis->count,        axis->out_first,
        axis->out_step, axis->in_first, axis->in_step,      axis->taps,
        axis->tap_step, axis->kernel,   axis->weight_first, axis->weight_step};
    text_addf(text, "  %s", name);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        text_addf(text, " %lld", (long long)numbers[i]);
    text_add(text, "\n");
}

void taps_text(Text *text, const ConvTaps *taps)
{
    text_add(text, "  ");
    kernel_types_text(text, &taps->types);
    text_addf(text, ", blocks %lld -> %lld\n", (long long)taps->in_blocks,
              (long long)taps->out_blocks);
    if (taps->groups > 1)
        text_addf(text, "  groups %lld\n", (long long)taps->groups);
    text_add(text, "  in out count out_first out_step in_first in_step taps "
                   "tap_step kernel weight_first weight_step\n");
    taps_axis_text(text, "rows", &taps->rows);
    taps_axis_text(text, "cols", &taps->cols);
}

void direct_text(Text *text, const DirectKernel *kernel)
{
    const DirectTile *tile = &kernel->tile;
    text_addf(text, "direct: tile %d x %d, rows %lld%s\n", tile->pixels,
              tile->blocks, (long long)tile->rows,
              tile->weights_outside ? ", weights outside" : "");
    taps_text(text, &kernel->taps);
}

void images_text(Text *text, const ImagesKernel *kernel)
{
    const ImagesTile *tile = &kernel->tile;
    text_addf(text, "direct across images: tile %d x %d, images %lld%s\n",
              tile->pixels, tile->blocks, (long long)tile->images,
              tile->transposes ? ", transposes" : "");
    taps_text(text, &kernel->taps);
}

void transpose_text(Text *text, const TransposeKernel *kernel)
{
    text_add(text, "transpose weights: ");
    kernel_types_text(text, &kernel->types);
    text_addf(text, ", window %lld%s\n", (long long)kernel->window,
              kernel->grouped ? ", in groups" : "");
}
