// Runtime functions of abi.def that join processes, one task each:
//
// ALL_SUM         args x y: y = the sum of all ranks' x
// ALL_GATHER      args x y: y = all ranks' x, one after the other
// REDUCE_SCATTER  args x y: x has so many elements for each rank, y = the sum
//                 of what all have for this one
// RANK            args y: y = the number of this process
//
// Sums are made in the order of the ranks: by each rank of its share of the
// elements, which all then get. What has come from others lies in the scratch,
// of calls_room bytes.
#pragma GCC optimize("O3")

#include <stdbool.h>
#include <string.h>

#include "runtime/base/simd.h"
#include "runtime/exec/calls.h"
#include "runtime/exec/ranks.h"

// Elements whose sum stays in the nearest cache until it is whole.
enum { BLOCK = 1 << 10 };

// `to` may be one of the others: element by element.
#define ADD(type)                                                              \
    SIMD_BODY void add_##type##_loop(type *to, const type *a, const type *b,   \
                                     int64_t count)                            \
    {                                                                          \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < count; i++) to[i] =       \
            a[i] + b[i];                                                       \
    }                                                                          \
    SIMD_LOOP(add_##type, (to, a, b, count), type *to, const type *a,          \
              const type *b, int64_t count)
ADD(float)
ADD(double)

// to = the sum of all ranks' `elements`: rows of others lie one after the other
// in `rows`, with a place for this rank's, which is `own`. It may be `to`.
static void add_rows(bool single, const void *rows, const void *own, void *to,
                     int64_t elements)
{
    int count = ranks_count(), here = ranks_index();
    int64_t width = single ? 4 : 8;
    SimdLevel level = simd_level();
    double sum[BLOCK];
    if (count == 1)
        memmove(to, own, (size_t)(elements * width));
    for (int64_t first = 0; count > 1 && first < elements; first += BLOCK) {
        int64_t n = elements - first < BLOCK ? elements - first : BLOCK;
        const void *before = NULL;
        for (int64_t r = 0; r < count; r++) {
            const char *row =
                r == here ? own : (const char *)rows + r * elements * width;
            const void *at = row + first * width;
            void *out =
                r == count - 1 ? (char *)to + first * width : (char *)sum;
            if (r == 0)
                before = at;
            else if (single)
                add_float(level, out, before, at, n);
            else
                add_double(level, out, before, at, n);
            if (r > 0)
                before = out;
        }
    }
}

// The first element of a rank's share.
static int64_t share(int64_t elements, int rank)
{
    return elements / ranks_count() * rank +
           elements % ranks_count() * rank / ranks_count();
}

// As many bytes as come in the time of one message, some 50 us on a network of
// 10 Gbit/s; and no less than that for which many messages were too many.
bool sum_is_small(int64_t bytes, int ranks)
{
    return bytes <= SUM_SMALL_ROOM / ranks || bytes <= SUM_SMALL_BYTES;
}

// Of what is gathered for a small one.
static int64_t small_room(int ranks)
{
    int64_t room = (int64_t)SUM_SMALL_BYTES * ranks;
    return room > SUM_SMALL_ROOM ? room : SUM_SMALL_ROOM;
}

void call_sum(bool single, const void *from, void *to, int64_t elements,
              void *rows)
{
    int count = ranks_count(), here = ranks_index();
    int64_t width = single ? 4 : 8, bytes[RANKS_MAX];
    if (sum_is_small(elements * width, count)) {
        ranks_gather(from, rows, elements * width);
        add_rows(single, rows, from, to, elements);
        return;
    }
    for (int r = 0; r < count; r++)
        bytes[r] = (share(elements, r + 1) - share(elements, r)) * width;
    ranks_exchange(from, rows, bytes);
    int64_t first = share(elements, here) * width;
    add_rows(single, rows, (const char *)from + first, (char *)to + first,
             bytes[here] / width);
    ranks_collect(to, bytes);
}

static void scatter(bool single, const void *from, void *to, int64_t elements,
                    void *rows)
{
    int count = ranks_count();
    int64_t width = single ? 4 : 8, bytes[RANKS_MAX];
    for (int r = 0; r < count; r++)
        bytes[r] = elements * width;
    ranks_exchange(from, rows, bytes);
    add_rows(single, rows,
             (const char *)from + ranks_index() * elements * width, to,
             elements);
}

static int64_t elements_of(const int64_t *imm)
{
    CallElements elements;
    memcpy(&elements, imm, sizeof elements);
    return elements.count;
}

bool call_is_collective(PlanCall call)
{
    return call >= PLAN_CALL_ALL_SUM_F32 && call <= PLAN_CALL_RANK_F64;
}

static bool is_start(PlanCall call)
{
    return call == PLAN_CALL_SUM_START_F32 || call == PLAN_CALL_SUM_START_F64;
}

// Bytes of what comes from others before it is added up, and those that MPI
// counts for that in an int; -1 where there are too many to count at all.
static int64_t room_of(PlanCall call, const int64_t *imm, int ranks,
                       int64_t *moved)
{
    bool single = call == PLAN_CALL_ALL_SUM_F32 ||
                  call == PLAN_CALL_SUM_START_F32 ||
                  call == PLAN_CALL_REDUCE_SCATTER_F32;
    bool sums = call == PLAN_CALL_ALL_SUM_F32 ||
                call == PLAN_CALL_ALL_SUM_F64 || is_start(call);
    int64_t width = single ? 4 : 8, count, room;
    CallBytes gathered;
    *moved = 0;
    if (!call_is_collective(call) || call_imm_count(call) == 0 ||
        call == PLAN_CALL_SUM_FINISH)
        return 0;
    memcpy(&gathered, imm, sizeof gathered);
    count = call == PLAN_CALL_ALL_GATHER ? gathered.count : elements_of(imm);
    if (count < 0 || count > (int64_t)1 << 40) // so that nothing overflows
        return -1;
    if (call == PLAN_CALL_ALL_GATHER) {
        *moved = count;
        return 0;
    }
    if (is_start(call) && count * width > SUM_PIECE) {
        // Its last piece may be small, and then all have all of it.
        *moved = SUM_PIECE;
        room = (SUM_PIECE / ranks + width) * ranks;
        return room > small_room(ranks) ? room : small_room(ranks);
    }
    if (sums && !sum_is_small(count * width, ranks))
        room = (count / ranks + 1) * width * ranks; // of the largest share
    else
        room = count * width * ranks;
    *moved = sums && count * width > room ? count * width : room;
    return room;
}

Status calls_room(const Plan *plan, int ranks, int64_t *bytes, SumsNeed *behind)
{
    *bytes = 0;
    *behind = (SumsNeed){0};
    for (int i = 0; i < plan->step_count; i++) {
        const PlanStep *step = &plan->steps[i];
        int64_t room = 0, moved = 0;
        if (step->symbol < 0)
            room = room_of((PlanCall)step->call, plan->imms + step->first_imm,
                           ranks, &moved);
        if (room < 0 || (ranks > 1 && moved > RANKS_MOST_BYTES))
            return status_error(
                STATUS_FAILED,
                "plan '%s': step '%s' moves more among %d processes than the "
                "%d MB that MPI counts: take fewer processes, or one",
                plan->name, step->label, ranks, RANKS_MOST_BYTES >> 20);
        bool starts = step->symbol < 0 && is_start((PlanCall)step->call);
        int64_t *most = starts ? &behind->room : bytes;
        behind->count += starts;
        if (room > *most)
            *most = room;
    }
    return status_ok();
}

void call_all_sum_f32(void *const *args, const int64_t *imm, int64_t task,
                      void *scratch)
{
    (void)task;
    call_sum(true, args[0], args[1], elements_of(imm), scratch);
}

void call_all_sum_f64(void *const *args, const int64_t *imm, int64_t task,
                      void *scratch)
{
    (void)task;
    call_sum(false, args[0], args[1], elements_of(imm), scratch);
}

void call_all_gather(void *const *args, const int64_t *imm, int64_t task,
                     void *scratch)
{
    (void)task, (void)scratch;
    CallBytes bytes;
    memcpy(&bytes, imm, sizeof bytes);
    ranks_gather(args[0], args[1], bytes.count);
}

void call_reduce_scatter_f32(void *const *args, const int64_t *imm,
                             int64_t task, void *scratch)
{
    (void)task;
    scatter(true, args[0], args[1], elements_of(imm), scratch);
}

void call_reduce_scatter_f64(void *const *args, const int64_t *imm,
                             int64_t task, void *scratch)
{
    (void)task;
    scatter(false, args[0], args[1], elements_of(imm), scratch);
}

void call_rank_f32(void *const *args, const int64_t *imm, int64_t task,
                   void *scratch)
{
    (void)imm, (void)task, (void)scratch;
    *(float *)args[0] = (float)ranks_index();
}

void call_rank_f64(void *const *args, const int64_t *imm, int64_t task,
                   void *scratch)
{
    (void)imm, (void)task, (void)scratch;
    *(double *)args[0] = ranks_index();
}
