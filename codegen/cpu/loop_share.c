// Which loop nests are one kernel: those that do the same to more or fewer
// elements. Most of a deep net's are the optimizer's and the normalizations',
// alike but for the sizes of its weights and maps.
#include "codegen/cpu/block.h"
#include "codegen/cpu/lower.h"
#include "ir/base/diag.h"

enum {
    // Up to here sizes of the last dim and strides stay numbers: they say which
    // vectors there are (a block of channels), and where an access has its next
    // element. So does every stride along the last dim.
    SHARE_ABOVE = 4 * CPU_BLOCK,
    // So do sizes of the dim before a block of channels below this: such short
    // runs of pixels are walked otherwise (emit_loop.c), of bf16 up to 127.
    SHORT_RUN = 128,
};

typedef VEC(int64_t) Imms;

static int64_t give_to_step(Arena *arena, Imms *imms, int64_t number)
{
    INTERNAL_CHECK(number > 0);
    vec_push(arena, imms, number);
    return loop_imm(imms->count - 1);
}

// Whether an access goes on along `dim` where it ended along the next one, both
// by numbers.
static bool is_contiguous(const LoopKernel *loop, const int64_t *strides,
                          int dim)
{
    return dim + 1 < loop->rank && !loop_is_imm(loop->dims[dim + 1]) &&
           !loop_is_imm(strides[dim + 1]) &&
           strides[dim] == loop->dims[dim + 1] * strides[dim + 1];
}

// One integer for all accesses that have the same stride along the dim, as
// tensors of one shape have.
static void share_strides(Arena *arena, LoopKernel *loop, int dim, Imms *imms)
{
    int first = imms->count;
    for (int i = 0; i < loop_access_count(loop); i++) {
        int64_t *strides = loop_strides(loop, i);
        INTERNAL_CHECK(strides[dim] >= 0); // else it would look like an integer
        if (strides[dim] <= SHARE_ABOVE || is_contiguous(loop, strides, dim))
            continue;
        int same = first;
        while (same < imms->count && imms->at[same] != strides[dim])
            same++;
        strides[dim] = same < imms->count
                           ? loop_imm(same)
                           : give_to_step(arena, imms, strides[dim]);
    }
}

// Four vectors of any target, or one, or any size.
static int64_t unit_of(int64_t size, int64_t chunk)
{
    static const int64_t units[] = {4 * CPU_BLOCK, CPU_BLOCK, 1};
    int i = 0;
    while (size % units[i] != 0 || chunk % units[i] != 0)
        i++;
    return units[i];
}

// A single dim, which is no block of channels: tasks are blocks of it, be it
// one, and partial sums lie side by side.
static void normalize_single(LoopKernel *loop)
{
    LoopSplit *split = &loop->split;
    if (split->dim < 0)
        *split = (LoopSplit){.chunk = loop->dims[0], .blocks = 1};
    split->dim = 0;
    split->partial_stride = loop->reduced ? 1 : 0;
    split->all_before = false;
}

IntList cpu_share_loop(Arena *arena, LoopKernel *loop)
{
    LoopSplit *split = &loop->split;
    Imms imms = {0};
    int last = loop->rank - 1;
    if (last < 0)
        return (IntList){0};
    if (last == 0)
        normalize_single(loop);
    if (last == 0 || loop->dims[last] > SHARE_ABOVE)
        loop->unit =
            unit_of(loop->dims[last], split->dim == last ? split->chunk : 0);
    bool short_run =
        last > 1 && !loop->unit && loop->dims[last - 1] < SHORT_RUN;
    int numbers_from = loop->unit ? loop->rank : last - short_run;
    for (int d = 0; d < numbers_from; d++)
        loop->dims[d] = give_to_step(arena, &imms, loop->dims[d]);
    for (int d = last - 1; d >= 0; d--)
        share_strides(arena, loop, d, &imms);
    if (split->dim >= 0 && split->dim < numbers_from) {
        split->chunk = give_to_step(arena, &imms, split->chunk);
        if (!loop_tasks_are_blocks(split))
            split->blocks = give_to_step(arena, &imms, split->blocks);
    }
    if (split->partial_stride > SHARE_ABOVE)
        split->partial_stride =
            give_to_step(arena, &imms, split->partial_stride);
    loop->imm_count = imms.count;
    return (IntList){imms.count, imms.at};
}
