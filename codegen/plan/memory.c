// Lifetimes -> offsets: every buffer gets its place in one slab before the
// first step runs.
//
// In place first: a result may take over the memory of an operand that is read
// for the last time, element by element, by the kernel that makes the result.
// Then greedily by size (Pisarchyk and Lee, 2020): the largest buffer first,
// each into the smallest gap between the buffers alive at the same time.
#include <stdlib.h>

#include "codegen/integers.h"
#include "codegen/plan/lower.h"
#include "ir/base/diag.h"

// A buffer placed in the slab, with the lifetime of all it hosts.
typedef struct Placed {
    int64_t offset, end;
    int first, last;
} Placed;

// ---- lifetimes --------------------------------------------------------------

static void find_lifetimes(Lowering *lower)
{
    int end = lower->steps.count;
    for (int i = 0; i < lower->buffers.count; i++) {
        SlabBuffer *buffer = &lower->buffers.at[i];
        buffer->first = buffer->pinned ? -1 : end;
        buffer->last = buffer->pinned ? end : -1;
        buffer->host = -1;
    }
    for (int s = 0; s < lower->steps.count; s++) {
        const LowerStep *step = &lower->steps.at[s];
        for (int i = 0; i < step->args.count; i++) {
            if (step->args.at[i].place.kind != PLACE_SLAB)
                continue;
            SlabBuffer *buffer =
                &lower->buffers.at[step->args.at[i].place.index];
            if (step->time < buffer->first)
                buffer->first = step->time;
            if (step->time > buffer->last)
                buffer->last = step->time;
        }
    }
}

// ---- in place ---------------------------------------------------------------

static int host_of(const Lowering *lower, int buffer)
{
    while (lower->buffers.at[buffer].host >= 0)
        buffer = lower->buffers.at[buffer].host;
    return buffer;
}

// Whether other steps of s's time forbid that it writes where the buffer is:
// one before it reads the buffer, for its other tasks may still do so, unless
// each task has its own share; or one behind it looks for what was there.
static bool is_read_by_chain(const Lowering *lower, int s, int buffer)
{
    int time = lower->steps.at[s].time, first = s;
    while (first > 0 && lower->steps.at[first - 1].time == time)
        first--;
    for (int t = first;
         t < lower->steps.count && lower->steps.at[t].time == time; t++) {
        const LowerStep *step = &lower->steps.at[t];
        for (int i = 0; i < step->args.count && t != s; i++) {
            const StepArg *arg = &step->args.at[i];
            if (arg->place.kind != PLACE_SLAB)
                continue;
            if (t < s ? arg->place.index == buffer && !arg->write && !arg->own
                      : host_of(lower, arg->place.index) ==
                            host_of(lower, buffer))
                return true;
        }
    }
    return false;
}

static bool can_take_over(const Lowering *lower, int s, const StepArg *from,
                          const SlabBuffer *into)
{
    if (from->write || !from->pointwise || from->place.kind != PLACE_SLAB)
        return false;
    const SlabBuffer *buffer = &lower->buffers.at[from->place.index];
    int host = host_of(lower, from->place.index);
    return !lower->buffers.at[host].pinned && !buffer->shared &&
           buffer->bytes == into->bytes &&
           buffer->last == lower->steps.at[s].time &&
           lower->buffers.at[host].last == lower->steps.at[s].time &&
           !is_read_by_chain(lower, s, from->place.index);
}

// The buffer's memory becomes its host's, which lives as long as both.
static void take_over(Lowering *lower, int from, int into)
{
    int host = host_of(lower, from);
    lower->buffers.at[into].host = host;
    if (lower->buffers.at[host].last < lower->buffers.at[into].last)
        lower->buffers.at[host].last = lower->buffers.at[into].last;
}

static void place_in_place(Lowering *lower, int s)
{
    const LowerStep *step = &lower->steps.at[s];
    for (int i = 0; i < step->args.count; i++) {
        const StepArg *out = &step->args.at[i];
        if (!out->write || !out->pointwise || out->place.kind != PLACE_SLAB)
            continue;
        SlabBuffer *into = &lower->buffers.at[out->place.index];
        if (into->pinned || into->shared || into->host >= 0 ||
            into->first != step->time)
            continue;
        for (int j = 0; j < step->args.count; j++)
            if (can_take_over(lower, s, &step->args.at[j], into)) {
                take_over(lower, step->args.at[j].place.index,
                          out->place.index);
                break;
            }
    }
}

// ---- offsets ----------------------------------------------------------------

// The smallest gap that fits among those placed, sorted by offset; the end of
// all when there is none.
static int64_t find_gap(const Placed *placed, int count, const Placed *want)
{
    int64_t bytes = want->end, cursor = 0, best = -1, best_room = 0;
    for (int i = 0; i < count; i++) {
        const Placed *p = &placed[i];
        if (p->last < want->first || p->first > want->last)
            continue;
        int64_t room = p->offset - cursor;
        if (room >= bytes && (best < 0 || room < best_room)) {
            best = cursor;
            best_room = room;
        }
        if (p->end > cursor)
            cursor = p->end;
    }
    return best >= 0 ? best : cursor;
}

typedef struct BySize {
    int64_t bytes;
    int buffer;
    bool first; // before all others
} BySize;

static int compare_by_size(const void *a, const void *b)
{
    const BySize *x = a, *y = b;
    if (x->first != y->first)
        return x->first ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x->buffer > y->buffer) - (x->buffer < y->buffer);
}

static void insert_placed(Placed *placed, int count, Placed item)
{
    int at = count;
    while (at > 0 && placed[at - 1].offset > item.offset)
        at--;
    memmove(placed + at + 1, placed + at,
            (size_t)(count - at) * sizeof *placed);
    placed[at] = item;
}

int64_t memory_plan(Lowering *lower)
{
    find_lifetimes(lower);
    for (int s = 0; s < lower->steps.count; s++)
        place_in_place(lower, s);
    int total = lower->buffers.count, count = 0;
    BySize *order = ARENA_ARRAY(lower->arena, BySize, total);
    for (int i = 0; i < total; i++) {
        const SlabBuffer *buffer = &lower->buffers.at[i];
        if (buffer->host < 0 && buffer->first <= buffer->last)
            order[count++] = (BySize){align_up(buffer->bytes, PLAN_ALIGN), i,
                                      lower->ports_first && buffer->pinned};
    }
    if (count)
        qsort(order, (size_t)count, sizeof *order, compare_by_size);
    Placed *placed = ARENA_ARRAY(lower->arena, Placed, count);
    int64_t slab = 0;
    for (int i = 0; i < count; i++) {
        SlabBuffer *buffer = &lower->buffers.at[order[i].buffer];
        Placed item = {0, order[i].bytes, buffer->first, buffer->last};
        item.offset = find_gap(placed, i, &item);
        item.end = item.offset + order[i].bytes;
        buffer->offset = item.offset;
        slab = item.end > slab ? item.end : slab;
        insert_placed(placed, i, item);
    }
    for (int i = 0; i < total; i++)
        lower->buffers.at[i].offset =
            lower->buffers.at[host_of(lower, i)].offset;
    return slab;
}
