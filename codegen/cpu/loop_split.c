// How loop nests are cut into tasks.
#include "codegen/cpu/lower.h"

#include "codegen/integers.h"

enum {
    // A task should take tens of microseconds: long against a barrier, short
    // against the imbalance of unequal cores.
    ELEMENTS_PER_TASK = 16384,
    // Blocks of the innermost dim start on cache lines of bytes, too.
    CHUNK_ALIGN = 64,
    // Fewer outputs than this keep too few cores busy: sum in parts.
    ENOUGH_OUTPUTS = 16,
    // Sums over the rows of a matrix are made a row at a time, in parts, where
    // a row is longer than what a walk in columns would take of it, and all
    // sums of a part stay in a first-level cache of 32 KiB beside what is read.
    LEAST_COLUMNS = 128,
    SUM_BYTES = 16 << 10,
    ROW_LANES = 16,  // whole vectors of any target
    LEAST_ROWS = 32, // more than parts, which are added up in turn
};

static int64_t wanted_tasks(const LoopKernel *loop)
{
    int64_t tasks = loop_elements(loop) / ELEMENTS_PER_TASK;
    return tasks < 1 ? 1 : min_i64(tasks, MAX_TASKS);
}

static void set_split(LoopKernel *loop, int dim, int64_t before, int64_t blocks)
{
    LoopSplit *split = &loop->split;
    int64_t size = loop->dims[dim];
    int64_t chunk = ceil_div(size, min_i64(blocks, size));
    if (dim == loop->rank - 1)
        chunk = ceil_div(chunk, CHUNK_ALIGN) * CHUNK_ALIGN;
    split->dim = dim;
    split->chunk = chunk;
    split->blocks = ceil_div(size, chunk);
    split->task_count = before * split->blocks;
}

// The first kept dim at which the tasks are many enough.
static void split_kept(LoopKernel *loop, int64_t wanted)
{
    int64_t before = 1;
    int last = -1;
    int64_t before_last = 1;
    for (int d = 0; d < loop->rank; d++) {
        if (loop_is_reduced(loop, d))
            continue;
        last = d;
        before_last = before;
        before *= loop->dims[d];
        if (before >= wanted)
            break;
    }
    if (last >= 0)
        set_split(loop, last, before_last, ceil_div(wanted, before_last));
}

static int largest_reduced_dim(const LoopKernel *loop)
{
    int largest = -1;
    for (int d = 0; d < loop->rank; d++)
        if (loop_is_reduced(loop, d) &&
            (largest < 0 || loop->dims[d] > loop->dims[largest]))
            largest = d;
    return largest;
}

// Whether the loop sums over the rows of a matrix, [rows][columns], and the
// columns' sums are few enough.
static bool sums_rows(const LoopKernel *loop)
{
    int64_t bytes = 0;
    if (loop->rank != 2 || !loop_is_reduced(loop, 0) ||
        loop_is_reduced(loop, 1) || loop->dims[0] < LEAST_ROWS ||
        loop->dims[1] < LEAST_COLUMNS || loop->dims[1] % ROW_LANES != 0)
        return false;
    for (int i = 0; i < loop->stores.count; i++)
        if (loop->stores.at[i].kind != STORE_MAP)
            bytes += loop->dims[1] * dtype_size(loop->stores.at[i].dtype);
    return bytes <= SUM_BYTES;
}

int64_t cpu_split_loop(LoopKernel *loop)
{
    loop->split = (LoopSplit){-1, 0, 1, 1, 0, false};
    int64_t wanted = wanted_tasks(loop);
    if (wanted == 1)
        return 1;
    if (sums_rows(loop)) {
        set_split(loop, 0, 1, min_i64(wanted, ENOUGH_TASKS));
        loop->split.partial_stride = loop->dims[1];
        loop->split.by_rows = true;
        return loop->split.blocks;
    }
    int64_t kept = loop_kept_elements(loop);
    int dim = largest_reduced_dim(loop);
    if (dim < 0 || kept >= min_i64(wanted, ENOUGH_OUTPUTS)) {
        split_kept(loop, wanted);
        return 1;
    }
    set_split(loop, dim, 1, wanted);
    loop->split.partial_stride = kept;
    return loop->split.blocks;
}
