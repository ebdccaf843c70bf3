#include "codegen/cpu/winograd.h"

#include "codegen/integers.h"
#include "codegen/cpu/direct.h"

enum {
    WANTED_POINTS = 1152, // products of few tiles would wait for weights
    MIN_TASK_BLOCKS = 8,  // for each such task transforms the input again
    MIN_READY_BLOCKS = 4, // where it does not, but reads it
    MIN_SUM_BLOCKS = 4,
    MAX_SUM_BLOCKS = 8,
    MIN_RIM_BLOCKS = 4, // below, no sum on the smallest maps is long enough
    MIN_TILES = 16,     // in all, to fill a register tile
    // A pair of blocks takes some 1300 cycles to transform, and as much again
    // to be turned; to write what becomes of it to memory and to read it again
    // took ten thousand on the machines seen.
    STORED_WEIGHTS_USES = 4,
    // Of a part of the read blocks, transformed: it stays in a second-level
    // cache of 1 MiB while all of a task's written blocks meet it, with the
    // weights that stream by.
    PART_BYTES = 640 << 10,
    MIN_GRADIENT_TILES = 64,
    // By weights: the sums of a task, 36 points of 4 x 4 blocks, are 576 KiB,
    // the tiles of x and dy that are multiplied as much again, and those asked
    // for meanwhile 256 KiB: together they stay in a second-level cache of
    // 2 MiB, and the sums in one of 1 MiB. More blocks would spare transforms
    // of the same tiles, and have the sums come from further away for every
    // part: that took a quarter more.
    GRADIENT_POINTS = 1152,
    MAX_GRADIENT_BLOCKS = 4,
    // All tiles are transformed before where they are so few that going to the
    // last cache and back costs less than transforming them for every task: so
    // many at a time, which by weights are also added up at a time. By weights,
    // pairs of blocks per task.
    READY_BYTES = 20 << 20,
    READY_PART = 64,
    READY_RIM_PART = 16, // on the smallest maps
    READY_PAIRS = 16,
    // Cycles per 9 points: of a tile and block, input or result, and of a pair
    // of blocks of weights.
    TRANSFORM_COST = 75,
    WEIGHTS_COST = 1000,
};

const WinogradSide *winograd_side(WinogradForm form)
{
    static const WinogradSide sides[WINOGRAD_FORMS] = {
        [WINOGRAD_SMALL] = {"2", 2, 4, 2, 4, 4},
        [WINOGRAD_LARGE] = {"4", 4, 6, 4, 6, 6},
        [WINOGRAD_STRIDED] = {"4 at stride 2", 4, 9, 8, 9, 6},
        [WINOGRAD_STRIDED_ONE_FIRST] = {"8, one tap first", 8, 5, 4, 9, 6},
        [WINOGRAD_STRIDED_TWO_FIRST] = {"8, two taps first", 8, 5, 4, 9, 6}};
    return &sides[form];
}

int winograd_area(WinogradForm form)
{
    return winograd_side(form)->points * winograd_side(form)->points;
}

int winograd_weights_area(WinogradForm form)
{
    return winograd_side(form)->weights * winograd_side(form)->weights;
}

static bool is_strided_by_data(const WinogradKernel *k)
{
    return k->form == WINOGRAD_STRIDED_ONE_FIRST ||
           k->form == WINOGRAD_STRIDED_TWO_FIRST;
}

// Transformed at a time: as many as have so many points.
static int64_t tiles_of(const WinogradKernel *k, int64_t points)
{
    return points / winograd_area(k->form);
}

int64_t winograd_rows(const WinogradKernel *k)
{
    return ceil_div(k->oh, winograd_side(k->form)->results);
}

int64_t winograd_cols(const WinogradKernel *k)
{
    return ceil_div(k->ow, winograd_side(k->form)->results);
}

int64_t winograd_tiles(const WinogradKernel *k)
{
    return winograd_rows(k) * winograd_cols(k);
}

static int64_t tile_blocks(const WinogradKernel *k, int64_t images)
{
    return ceil_div(images * winograd_tiles(k), k->tiles);
}

int64_t winograd_tasks(const WinogradKernel *k, int64_t images)
{
    return tile_blocks(k, images) * ceil_div(k->out_blocks, k->task_blocks);
}

bool winograd_adds_parts(const WinogradKernel *k)
{
    return k->part_blocks < k->in_blocks;
}

int64_t winograd_weight_elements(const WinogradKernel *k)
{
    return k->out_blocks * k->in_blocks * winograd_weights_area(k->form) *
           CPU_TILE;
}

int64_t winograd_tap_elements(void)
{
    return 3 * 3 * CPU_TILE;
}

// What follows the transformed tiles and `sums` of so many elements.
static WinogradScratch scratch_of(const WinogradKernel *k, int64_t in_blocks,
                                  int64_t out_blocks, int64_t sums)
{
    WinogradScratch s = {0};
    // One line more per point: a power of two would put all of a tile's points
    // into one set of the cache.
    s.input_point = (in_blocks * k->tiles + 1) * CPU_BLOCK;
    s.product_point = (out_blocks * k->tiles + 1) * CPU_BLOCK;
    s.product = winograd_area(k->form) * s.input_point;
    s.sums = s.product + winograd_area(k->form) * s.product_point;
    s.lines = s.sums + sums;
    s.zeros = s.lines + winograd_area(k->form) * CPU_BLOCK;
    s.waste = s.zeros + CPU_BLOCK;
    s.total = s.waste + CPU_BLOCK;
    return s;
}

WinogradScratch winograd_scratch(const WinogradKernel *k)
{
    WinogradScratch s =
        scratch_of(k, k->room ? 0 : k->part_blocks,
                   winograd_adds_parts(k) ? k->task_blocks : k->blocks, 0);
    if (!k->stored_weights)
        return s;
    int64_t pairs = k->blocks * k->part_blocks;
    s.taps = s.total;
    s.weights = s.taps + (k->flip ? pairs * winograd_tap_elements() : 0);
    s.total = s.weights + pairs * winograd_side(k->form)->weights * CPU_TILE;
    return s;
}

WinogradScratch winograd_gradient_scratch(const WinogradKernel *k)
{
    return scratch_of(k, k->task_reads, k->task_blocks,
                      winograd_weights_area(k->form) * k->task_blocks *
                          k->task_reads * CPU_TILE);
}

// Windows' places inside the map along one axis, over all results, or by data
// over all that is read, as it was a result.
static int64_t places_inside(const WinogradKernel *k, int64_t in, int64_t out,
                             int64_t pad)
{
    int64_t count = 0, stride = k->form >= WINOGRAD_STRIDED ? 2 : 1;
    if (is_strided_by_data(k)) {
        int64_t read = in;
        in = out, out = read;
        pad = 2 * (1 - pad) - (k->form == WINOGRAD_STRIDED_ONE_FIRST);
    }
    for (int64_t i = 0; i < out; i++)
        for (int64_t t = 0; t < 3; t++)
            count += stride * i + t >= pad && stride * i + t - pad < in;
    return count;
}

static int64_t all_places_inside(const WinogradKernel *k)
{
    return places_inside(k, k->h, k->oh, k->top) *
           places_inside(k, k->w, k->ow, k->left);
}

// On the smallest maps the plain sums are short, for much of a window is
// outside, and rounding errors of the transforms stand out.
static bool is_mostly_rim(const WinogradKernel *k)
{
    int64_t results =
        is_strided_by_data(k) ? k->h * k->w : k->oh * k->ow; // of the forward
    return 4 * all_places_inside(k) < 3 * 9 * results;
}

// Longer sums of floats lose more digits; shorter parts cost time.
static int64_t sum_blocks(const WinogradKernel *k)
{
    int64_t half = ceil_div(k->in_blocks, 2);
    int64_t least = is_mostly_rim(k) ? 1 : MIN_SUM_BLOCKS;
    return min_i64(max_i64(half, least), MAX_SUM_BLOCKS);
}

static int64_t part_blocks(const WinogradKernel *k)
{
    int64_t bytes =
        winograd_area(k->form) * k->tiles * CPU_BLOCK * (int64_t)sizeof(float);
    if (bytes * k->in_blocks <= PART_BYTES)
        return k->in_blocks;
    int64_t sums = max_i64(1, PART_BYTES / bytes / k->sum_blocks);
    return min_i64(sums * k->sum_blocks, k->in_blocks);
}

// With all tiles transformed before, in the last cache.
static bool has_ready_tiles(const WinogradKernel *k, int64_t images,
                            int64_t blocks)
{
    WinogradKernel ready = {.form = k->form,
                            .room = images * winograd_tiles(k)};
    return winograd_tile_elements(&ready, blocks) * (int64_t)sizeof(float) <=
           READY_BYTES;
}

void winograd_choose_tile(WinogradKernel *k, const CpuTarget *target,
                          int64_t images, const ConvWay *way)
{
    int64_t total = images * winograd_tiles(k);
    int64_t wanted = way_scale(way, tiles_of(k, WANTED_POINTS));
    // Few tiles: of each, tasks make a few blocks, and each task transforms the
    // weights it reads for as many tiles as it has.
    int64_t few =
        way_scale(way, WANTED_POINTS / winograd_weights_area(k->form));
    k->stored_weights = ceil_div(total, few) <= STORED_WEIGHTS_USES;
    bool ready = k->stored_weights && has_ready_tiles(k, images, k->in_blocks);
    if (k->stored_weights)
        wanted = ready ? 2 * few : few;
    int64_t tiles = ceil_div(total, ceil_div(total, wanted));
    taps_choose_register_tile(tiles, k->out_blocks, target->vector_bytes, way,
                              &k->pixels, &k->blocks);
    if (taps_suit_wide_tile(k->in_blocks, k->out_blocks, target, way)) {
        k->pixels = WIDE_PIXELS;
        k->blocks = WIDE_BLOCKS;
    }
    k->tiles = ceil_div(tiles, k->pixels) * k->pixels;
    k->room = ready ? tile_blocks(k, images) * k->tiles : 0;
    int64_t shares = ceil_div(ENOUGH_TASKS, tile_blocks(k, images));
    int64_t blocks = max_i64(ceil_div(k->out_blocks, shares),
                             ready ? MIN_READY_BLOCKS : MIN_TASK_BLOCKS);
    blocks = ceil_div(blocks, k->blocks) * k->blocks;
    k->task_blocks = min_i64(blocks, k->out_blocks);
    k->sum_blocks = sum_blocks(k);
    k->part_blocks = part_blocks(k);
}

WinogradKernel winograd_ready_tiles(const WinogradKernel *winograd,
                                    int64_t images)
{
    WinogradKernel tiles = *winograd;
    tiles.tiles = images * winograd_tiles(winograd);
    tiles.part = READY_PART;
    return tiles;
}

// The register tile for gradients by weights: channels of a read block x
// written blocks, of which the last share may have fewer.
static void choose_gradient_registers(WinogradKernel *k, int vector_bytes)
{
    int64_t last = k->out_blocks % k->task_blocks, writes = k->task_blocks;
    while (last) { // their greatest common divisor
        int64_t rest = writes % last;
        writes = last, last = rest;
    }
    weights_choose_register_tile(writes, vector_bytes, &k->pixels, &k->blocks);
}

void winograd_choose_gradient_tile(WinogradKernel *k, int vector_bytes,
                                   const ConvWay *way)
{
    k->tiles = way_scale(way, tiles_of(k, GRADIENT_POINTS));
    k->task_blocks = min_i64(k->out_blocks, MAX_GRADIENT_BLOCKS);
    k->task_reads = min_i64(k->in_blocks, MAX_GRADIENT_BLOCKS);
    choose_gradient_registers(k, vector_bytes);
}

bool winograd_choose_ready_tiles(WinogradKernel *k, int vector_bytes,
                                 int64_t images, const ConvWay *way)
{
    if (!has_ready_tiles(k, images, k->in_blocks + k->out_blocks))
        return false;
    k->tiles = k->room = images * winograd_tiles(k);
    k->part = is_mostly_rim(k) ? READY_RIM_PART : way_scale(way, READY_PART);
    k->task_reads = k->in_blocks;
    k->task_blocks = k->out_blocks;
    while (k->task_reads * k->task_blocks > 1 &&
           (k->task_reads * k->task_blocks > READY_PAIRS ||
            ceil_div(k->in_blocks, k->task_reads) *
                    ceil_div(k->out_blocks, k->task_blocks) <
                ENOUGH_TASKS)) {
        int64_t *larger =
            k->task_reads > k->task_blocks ? &k->task_reads : &k->task_blocks;
        *larger = ceil_div(*larger, 2);
    }
    choose_gradient_registers(k, vector_bytes);
    return true;
}

int64_t winograd_point_elements(const WinogradKernel *k)
{
    return (k->room + 1) * CPU_BLOCK;
}

int64_t winograd_tile_elements(const WinogradKernel *k, int64_t blocks)
{
    return blocks * winograd_area(k->form) * winograd_point_elements(k);
}

// Against a product per place, result and pair of channels: one per point of a
// tile and pair, so many blocks transformed for each, and the weights.
static bool is_cheaper(const WinogradKernel *k, int64_t images,
                       int64_t transforms, int64_t weights_cost)
{
    int64_t pairs = k->in_blocks * k->out_blocks;
    int64_t places = all_places_inside(k);
    int64_t area = winograd_area(k->form);
    int64_t tile =
        area * CPU_BLOCK * pairs + area * TRANSFORM_COST * transforms / 9;
    int64_t cost = images * winograd_tiles(k) * tile +
                   winograd_weights_area(k->form) * weights_cost * pairs / 9;
    return 10 * cost <= 8 * (images * places * CPU_BLOCK * pairs);
}

bool winograd_pays(const WinogradKernel *k, int64_t images)
{
    if (is_mostly_rim(k) && k->in_blocks < MIN_RIM_BLOCKS)
        return false;
    return images * winograd_tiles(k) >= MIN_TILES &&
           is_cheaper(k, images, k->in_blocks + k->out_blocks, WEIGHTS_COST);
}

bool winograd_gradient_pays(const WinogradKernel *k, int64_t images)
{
    int64_t tiles = images * winograd_tiles(k);
    if (has_ready_tiles(k, images, k->in_blocks + k->out_blocks))
        return tiles >= MIN_TILES &&
               is_cheaper(k, images, k->in_blocks + k->out_blocks,
                          WEIGHTS_COST);
    int64_t in = ceil_div(k->in_blocks, MAX_GRADIENT_BLOCKS);
    int64_t out = ceil_div(k->out_blocks, MAX_GRADIENT_BLOCKS);
    return images * winograd_tiles(k) >= MIN_GRADIENT_TILES &&
           is_cheaper(k, images, out * k->in_blocks + in * k->out_blocks, 0);
}

// ---- descriptions in words --------------------------------------------------

static void text_kernel(Text *text, const char *name, const WinogradKernel *k)
{
    text_addf(text, "%s: ", name);
    kernel_types_text(text, &k->types);
    text_addf(text, ", blocks %lld -> %lld%s", (long long)k->in_blocks,
              (long long)k->out_blocks, k->flip ? ", flipped" : "");
    text_addf(text, ", map %lld x %lld -> %lld x %lld, pad %lld %lld",
              (long long)k->h, (long long)k->w, (long long)k->oh,
              (long long)k->ow, (long long)k->top, (long long)k->left);
    text_addf(text, ", results %s", winograd_side(k->form)->name);
    text_addf(text,
              ", tile %d x %d, tiles %lld, blocks per task %lld %lld, "
              "sums of %lld, read %lld, room for %lld, parts of %lld%s%s\n",
              k->pixels, k->blocks, (long long)k->tiles,
              (long long)k->task_blocks, (long long)k->task_reads,
              (long long)k->sum_blocks, (long long)k->part_blocks,
              (long long)k->room, (long long)k->part,
              k->of_results ? ", results" : "",
              k->stored_weights ? ", weights as stored" : "");
}

void winograd_text(Text *text, const WinogradKernel *kernel)
{
    text_kernel(text, "winograd", kernel);
}

void winograd_gradient_text(Text *text, const WinogradKernel *kernel)
{
    text_kernel(text, "winograd gradient", kernel);
}

void winograd_tiles_text(Text *text, const WinogradKernel *kernel)
{
    text_kernel(text, "winograd tiles", kernel);
}

void winograd_products_text(Text *text, const WinogradKernel *kernel)
{
    text_kernel(text, "winograd products", kernel);
}

void winograd_weights_text(Text *text, const WinogradWeightsKernel *k)
{
    text_add(text, "winograd weights: ");
    kernel_types_text(text, &k->types);
    text_addf(text, "%s, results %s\n", k->flip ? ", flipped" : "",
              winograd_side(k->form)->name);
}
