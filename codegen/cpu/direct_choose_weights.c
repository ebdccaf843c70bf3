// How gradients by weights are cut into tasks, parts and register tiles.
#include "codegen/cpu/direct.h"
#include "codegen/integers.h"

enum {
    BLOCK_BYTES = CPU_BLOCK * (int)sizeof(float), // of one pixel
    // A part of one pair of blocks, which taps find in the first-level cache.
    PAIR_BYTES = 26 << 10,
    // The tile goes to and from dw once for so many pixels, or more.
    MIN_PIXELS = 64,
    // dw of a task stays in the second-level cache, in tiles of one tap.
    MOST_TILES = 160,
    MOST_SHARE = 8, // blocks
    MIN_SHARE = 2,
    CHUNK_PIXELS = 512, // at least, per chunk of images
    // Images are pages apart, where channels are many, so that the same block
    // of each falls into the same sets of a first-level cache of 8 ways, which
    // hold x and dy of so many. Parts of more images are packed.
    MOST_APART = 4,
    // Pixels of a map from which on a task asks for the next part. x and dy of
    // smaller ones are small enough to be at hand; those of bf16 are waited for
    // sooner, for they are packed all at once. ResNet-50's 1x1 gradients on
    // 56^2, 28^2, 14^2, 8^2 and 7^2 changed by -7, -3, -3, +1 and +2% in f32,
    // in bf16 by -11, -8, -5, -4 and +2% (Intel Emerald Rapids).
    ASK_PIXELS = 128,
    ASK_PIXELS_BF16 = 64,
};

// Equal shares of at most `most`.
static int64_t even_share(int64_t count, int64_t most)
{
    return ceil_div(count, ceil_div(count, most));
}

static int64_t chunks_wanted(const ConvTaps *taps, int64_t share)
{
    return ceil_div(ENOUGH_TASKS, taps->groups *
                                      ceil_div(taps->in_blocks, share) *
                                      ceil_div(taps->out_blocks, share));
}

// How many pixels of the result have so many bytes, with those of x of which
// each has `read`.
static int64_t part_pixels(int64_t read)
{
    return max_i64(MIN_PIXELS, PAIR_BYTES / BLOCK_BYTES / (read + 1));
}

// Whether windows are of 1x1 and all that they read are inside.
static bool is_pointwise(const ConvTaps *taps)
{
    const TapAxis *axes[] = {&taps->rows, &taps->cols};
    for (int i = 0; i < 2; i++)
        if (axes[i]->taps > 1 || axes[i]->in_first != 0 ||
            (axes[i]->count - 1) * axes[i]->in_step >= axes[i]->in)
            return false;
    return true;
}

bool weights_skip_pixels(const ConvTaps *taps)
{
    return is_pointwise(taps) &&
           (taps->rows.in_step > 1 || taps->cols.in_step > 1);
}

static void choose_part(const ConvTaps *taps, WeightsTile *tile)
{
    const TapAxis *rows = &taps->rows, *cols = &taps->cols;
    int64_t map = rows->count * cols->count;
    // A row of taps leaves out the rows of x that the stride skips. That pays
    // for whole maps; the parts of larger ones are better read once.
    // Those that are packed lie side by side.
    bool packed = weights_skip_pixels(taps);
    int64_t pixels = part_pixels(packed ? 1 : cols->in_step);
    if (pixels < map && !packed)
        pixels = part_pixels(rows->in_step * cols->in_step);
    tile->rows = even_share(rows->count, max_i64(1, pixels / cols->count));
    tile->images = max_i64(1, pixels / map);
}

// Small shares make many tasks, but each reads all its blocks of x and dy. The
// other way to have enough are chunks of images, of which each makes a sum of
// its own, to be read again.
static void choose_shares(const ConvTaps *taps, int64_t images,
                          WeightsTile *tile)
{
    int64_t kernel = taps->rows.taps * taps->cols.taps, share = MOST_SHARE;
    int64_t pixels = images * taps->rows.count * taps->cols.count;
    while (share > MIN_SHARE && kernel * share * share > MOST_TILES)
        share /= 2;
    while (share > MIN_SHARE &&
           chunks_wanted(taps, share) > max_i64(1, pixels / CHUNK_PIXELS))
        share /= 2;
    tile->reads = even_share(taps->in_blocks, share);
    tile->writes = even_share(taps->out_blocks, share);
}

// A tile of 16 channels x 1 block loads 17 vectors for 16 products, and two
// loads a cycle feed two products at most; one of 8 x 3 loads 11 for 24. Taken
// where it loads less for a product and fills the share of written blocks.
void weights_choose_register_tile(int64_t writes, int vector_bytes,
                                  int *tile_channels, int *tile_blocks)
{
    int vectors = CPU_BLOCK * (int)sizeof(float) / vector_bytes;
    int channels = taps_weight_channels(vector_bytes), fewer = channels / 2;
    *tile_channels = channels;
    *tile_blocks = 1;
    for (int blocks = 3; blocks > 1; blocks--)
        if (writes % blocks == 0 &&
            taps_fit_registers(fewer, blocks, vector_bytes) &&
            (fewer + blocks * vectors) * channels <
                (channels + vectors) * fewer * blocks) {
            *tile_channels = fewer;
            *tile_blocks = blocks;
            return;
        }
}

WeightsTile weights_choose_tile(const ConvTaps *taps, int vector_bytes,
                                int64_t images)
{
    WeightsTile tile = {0};
    choose_part(taps, &tile);
    choose_shares(taps, images, &tile);
    weights_choose_register_tile(tile.writes, vector_bytes, &tile.channels,
                                 &tile.blocks);
    // The last tiles may have a channel less: on AVX2, 6, 5 and 5 at a time
    // take 22 loads to 32 multiply-adds where 4 at a time take 24, and wait
    // less for their sums (Zen 3: 0.97 to 1.00 of the time, 0.93 to 0.97 on a
    // core that something else slows).
    while (tile.blocks == 1 && tile.channels < CPU_BLOCK &&
           taps_fit_registers(tile.channels + 1, 1, vector_bytes))
        tile.channels++;
    return tile;
}

bool weights_packs(const WeightsKernel *kernel, int input)
{
    const ConvTaps *taps = &kernel->taps;
    return taps->types.in[input] == DT_BF16 ||
           (input == 0 && weights_skip_pixels(taps)) ||
           (kernel->tile.images > MOST_APART && is_pointwise(taps));
}

bool weights_joins_images(const WeightsKernel *kernel)
{
    return weights_packs(kernel, 0) && weights_packs(kernel, 1) &&
           kernel->tile.rows == kernel->taps.rows.count &&
           !weights_ask_ahead(kernel);
}

bool weights_ask_ahead(const WeightsKernel *kernel)
{
    const ConvTaps *taps = &kernel->taps;
    int64_t least = taps->types.in[0] == DT_BF16 ? ASK_PIXELS_BF16 : ASK_PIXELS;
    return taps->rows.taps == 1 && taps->cols.taps == 1 &&
           taps->rows.count * taps->cols.count >= least;
}

WeightsScratch weights_scratch(const WeightsKernel *kernel)
{
    const WeightsTile *tile = &kernel->tile;
    WeightsScratch s = {.image =
                            tile->rows * kernel->taps.cols.count * CPU_BLOCK};
    if (weights_packs(kernel, 0))
        s.dy = tile->reads * tile->images * s.image;
    s.total = s.dy;
    if (weights_packs(kernel, 1))
        s.total += tile->writes * tile->images * s.image;
    return s;
}

void weights_text(Text *text, const WeightsKernel *kernel)
{
    const WeightsTile *tile = &kernel->tile;
    text_addf(text,
              "direct, weights: tile %d x %d, rows %lld, images %lld, shares "
              "%lld %lld\n",
              tile->channels, tile->blocks, (long long)tile->rows,
              (long long)tile->images, (long long)tile->reads,
              (long long)tile->writes);
    taps_text(text, &kernel->taps);
}
