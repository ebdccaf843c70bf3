#include "codegen/winograd.h"

#include "codegen/taps.h"

enum {
    WANTED_TILES = 32,    // products of few tiles would wait for weights
    ENOUGH_TASKS = 16,    // fewer share the written channels out
    MIN_TASK_BLOCKS = 8,  // for each such task transforms the input again
    MIN_TILES = 64,       // in all, to make up for transforming the weights
    TRANSFORM_COST = 300, // cycles per tile and block, input or result
};

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

int64_t winograd_rows(const KernelWinograd *k)
{
    return ceil_div(k->oh, WINOGRAD_OUT);
}

int64_t winograd_cols(const KernelWinograd *k)
{
    return ceil_div(k->ow, WINOGRAD_OUT);
}

static int64_t tile_blocks(const KernelWinograd *k, int64_t images)
{
    return ceil_div(images * winograd_rows(k) * winograd_cols(k), k->tiles);
}

int64_t winograd_tasks(const KernelWinograd *k, int64_t images)
{
    return tile_blocks(k, images) * ceil_div(k->out_blocks, k->task_blocks);
}

int64_t winograd_weight_elements(const KernelWinograd *k)
{
    return k->out_blocks * k->in_blocks * WINOGRAD_AREA * TAPS_BLOCK *
           TAPS_BLOCK;
}

WinogradScratch winograd_scratch(const KernelWinograd *k)
{
    WinogradScratch s = {0};
    // One line more per point: a power of two would put all of a tile's points
    // into one set of the cache.
    s.input_point = (k->in_blocks * k->tiles + 1) * TAPS_BLOCK;
    s.product_point = (k->blocks * k->tiles + 1) * TAPS_BLOCK;
    s.product = WINOGRAD_AREA * s.input_point;
    s.lines = s.product + WINOGRAD_AREA * s.product_point;
    s.zeros = s.lines + WINOGRAD_AREA * TAPS_BLOCK;
    s.waste = s.zeros + TAPS_BLOCK;
    s.total = s.waste + TAPS_BLOCK;
    return s;
}

void winograd_choose_tile(KernelWinograd *k, int vector_bytes, int64_t images)
{
    int64_t total = images * winograd_rows(k) * winograd_cols(k);
    int64_t tiles = ceil_div(total, ceil_div(total, WANTED_TILES));
    taps_choose_register_tile(tiles, k->out_blocks, vector_bytes, &k->pixels,
                              &k->blocks);
    k->tiles = ceil_div(tiles, k->pixels) * k->pixels;
    int64_t shares = ceil_div(ENOUGH_TASKS, tile_blocks(k, images));
    int64_t blocks = ceil_div(k->out_blocks, shares);
    if (blocks < MIN_TASK_BLOCKS)
        blocks = MIN_TASK_BLOCKS;
    blocks = ceil_div(blocks, k->blocks) * k->blocks;
    k->task_blocks = min_i64(blocks, k->out_blocks);
}

bool winograd_pays(const KernelWinograd *k, int64_t images)
{
    int64_t tiles = winograd_rows(k) * winograd_cols(k);
    int64_t pairs = k->in_blocks * k->out_blocks * TAPS_BLOCK;
    int64_t cost = tiles * (WINOGRAD_AREA * pairs +
                            TRANSFORM_COST * (k->in_blocks + k->out_blocks));
    return images * tiles >= MIN_TILES &&
           10 * cost <= 8 * (9 * k->oh * k->ow * pairs);
}

void winograd_text(Text *text, const char *name, const KernelWinograd *k)
{
    text_addf(text, "%s: blocks %lld -> %lld%s", name, (long long)k->in_blocks,
              (long long)k->out_blocks, k->flip ? ", flipped" : "");
    text_addf(text, ", map %lld x %lld -> %lld x %lld, pad %lld %lld",
              (long long)k->h, (long long)k->w, (long long)k->oh,
              (long long)k->ow, (long long)k->top, (long long)k->left);
    text_addf(text, ", tile %d x %d, tiles %lld, blocks per task %lld\n",
              k->pixels, k->blocks, (long long)k->tiles,
              (long long)k->task_blocks);
}
