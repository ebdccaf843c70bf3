// Which products are made by kernels of our own, and how they are cut into
// tasks and register tiles.
#include "codegen/cpu/product.h"

#include "codegen/cpu/direct.h"
#include "codegen/integers.h"

enum {
    // Each number of b is packed for so many rows; with fewer, packing is what
    // takes the time, and BLAS has kernels for narrow shapes.
    MIN_ROWS = 32,
    // Some 3 microseconds of one core, as much as a step costs.
    MIN_MACS = 1 << 18,
    // Of a task, at least: some 45 microseconds.
    TASK_MACS = 1 << 22,
    // Rows of a task: so many that b arrives from a cache that all cores share
    // as fast as it is used; or, where all of it stays in a core's own, fewer,
    // for an epilogue can follow tasks of whole rows.
    TASK_ROWS = 256,
    LEAST_TASK_ROWS = 64,
    // All panels of a task pass over its rows of a, which stay in a
    // second-level cache of 1 MiB beside a panel of b: more of k are summed one
    // part after the other.
    ROW_BYTES = 640 << 10,
    // Rows of a tile that lie a multiple of a power of two apart share sets of
    // the first-level cache, of 4 KiB a way and at least 8 ways: so many of
    // them leave room for b and c.
    CACHE_WAY_BYTES = 4096,
    MAX_ROWS_PER_SET = 4,
};

bool product_takes(const MatmulGeometry *g, DType dtype)
{
    return dtype == DT_F32 && g->rank == 0 && g->m >= MIN_ROWS &&
           g->n >= CPU_BLOCK && g->k >= CPU_BLOCK && matmul_macs(g) >= MIN_MACS;
}

// Of `rows` rows so many bytes apart, the most that share a set.
static int64_t rows_per_set(int64_t rows, int64_t bytes)
{
    int64_t step = 64; // a line
    while (step < CACHE_WAY_BYTES && bytes % (2 * step) == 0)
        step *= 2;
    return ceil_div(rows, CACHE_WAY_BYTES / step);
}

ProductKernel product_choose(const MatmulGeometry *g, int vector_bytes,
                             int64_t unit)
{
    static const ConvWay rule = {WAY_RULE};
    ProductKernel kernel = {
        .types = kernel_types(DT_F32), .m = g->m, .n = g->n, .k = g->k};
    ProductTile *tile = &kernel.tile;
    int64_t panels = ceil_div(g->n, CPU_BLOCK);
    int64_t row_blocks = ceil_div(g->m, TASK_ROWS);
    if (g->n * g->k * (int64_t)sizeof(float) <= ROW_BYTES)
        row_blocks =
            max_i64(row_blocks, min_i64(ENOUGH_TASKS, g->m / LEAST_TASK_ROWS));
    int64_t rows = ceil_div(g->m, row_blocks);
    int64_t wanted = min_i64(ENOUGH_TASKS, matmul_macs(g) / TASK_MACS + 1);
    bool whole = row_blocks >= wanted; // tasks have all columns
    if (whole && rows >= unit)
        rows = ceil_div(rows, unit) * unit;
    taps_choose_register_tile(rows, panels, vector_bytes, &rule, &tile->rows,
                              &tile->panels);
    // Whole tiles, where no epilogue has to follow.
    if (!whole && row_blocks > 1)
        rows = ceil_div(rows, tile->rows) * tile->rows;
    tile->task_rows = rows;
    int64_t groups = panels / tile->panels;
    int64_t shares =
        min_i64(groups, ceil_div(wanted, ceil_div(g->m, tile->task_rows)));
    tile->task_panels = ceil_div(groups, whole ? 1 : shares) * tile->panels;
    int64_t parts =
        ceil_div(tile->task_rows * g->k * (int64_t)sizeof(float), ROW_BYTES);
    tile->reads = ceil_div(g->k / CPU_BLOCK, min_i64(parts, g->k / CPU_BLOCK));
    int64_t row_bytes = g->k * (int64_t)sizeof(float);
    kernel.packed =
        g->trans_a || rows_per_set(tile->rows, row_bytes) > MAX_ROWS_PER_SET;
    return kernel;
}

int64_t product_tasks(const ProductKernel *kernel)
{
    const ProductTile *tile = &kernel->tile;
    return ceil_div(kernel->m, tile->task_rows) *
           ceil_div(ceil_div(kernel->n, CPU_BLOCK), tile->task_panels);
}

int64_t product_scratch(const ProductKernel *kernel)
{
    return kernel->n % CPU_BLOCK ? kernel->tile.task_rows * CPU_BLOCK : 0;
}

PackKernel pack_choose(DType dtype, int64_t rows, int64_t cols, bool transposed)
{
    return (PackKernel){.types = kernel_types(dtype),
                        .transposed = transposed,
                        .ragged = transposed && rows % CPU_BLOCK != 0,
                        .edge = cols % CPU_BLOCK};
}

int64_t pack_elements(int64_t rows, int64_t cols)
{
    return ceil_div(cols, CPU_BLOCK) * CPU_BLOCK * rows;
}

int64_t pack_tasks(int64_t rows, int64_t cols)
{
    return ceil_div(cols, PACK_PANELS * CPU_BLOCK) * ceil_div(rows, PACK_ROWS);
}

void pack_text(Text *text, const PackKernel *kernel)
{
    text_addf(text, "pack%s%s", kernel->transposed ? " transposed" : "",
              kernel->ragged ? ", with rows left" : "");
    if (kernel->edge)
        text_addf(text, ", %lld columns left", (long long)kernel->edge);
    text_add(text, ": ");
    kernel_types_text(text, &kernel->types);
    text_add(text, "\n");
}

void product_text(Text *text, const ProductKernel *kernel)
{
    const ProductTile *tile = &kernel->tile;
    text_addf(text,
              "product %lld x %lld x %lld%s: tile %d x %d, rows %lld, panels "
              "%lld, reads %lld ",
              (long long)kernel->m, (long long)kernel->n, (long long)kernel->k,
              kernel->packed ? ", packed" : "", tile->rows, tile->panels,
              (long long)tile->task_rows, (long long)tile->task_panels,
              (long long)tile->reads);
    kernel_types_text(text, &kernel->types);
}
