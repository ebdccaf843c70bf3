// Runtime functions of abi.def that join processes, one task each:
//
// ALL_SUM         args x y: y = the sum of all ranks' x
// ALL_GATHER      args x y: y = all ranks' x, one after the other
// REDUCE_SCATTER  args x y: x has so many elements for each rank, y = the sum
//                 of what all have for this one
// RANK            args y: y = the number of this process
//
// Sums are made in the order of the ranks: by each rank of its share of the
// elements, which all then get.
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/exec/calls.h"
#include "runtime/exec/ranks.h"

// Sums of fewer bytes are made by every rank of all elements: one meeting
// instead of two.
enum { SMALL_BYTES = 1 << 12 };

// What has come from others, kept for the next time. One thread is here.
static void *room(int64_t bytes)
{
    static void *at;
    static int64_t size;
    if (bytes > size) {
        free(at);
        at = malloc((size_t)bytes);
        size = bytes;
    }
    if (!at)
        ranks_abort(STATUS_MEMORY);
    return at;
}

// to = the sum of `count` rows of `elements`.
static void add_rows(bool single, const void *rows, int count, void *to,
                     int64_t elements)
{
    const float *a = rows;
    const double *b = rows;
    float *x = to;
    double *y = to;
    int64_t bytes = elements * (single ? 4 : 8);
    memcpy(to, rows, (size_t)bytes);
    for (int64_t r = 1; single && r < count; r++)
        for (int64_t i = 0; i < elements; i++)
            x[i] += a[r * elements + i];
    for (int64_t r = 1; !single && r < count; r++)
        for (int64_t i = 0; i < elements; i++)
            y[i] += b[r * elements + i];
}

// The first element of a rank's share.
static int64_t share(int64_t elements, int rank)
{
    return elements / ranks_count() * rank +
           elements % ranks_count() * rank / ranks_count();
}

static void sum(bool single, const void *from, void *to, int64_t elements)
{
    int count = ranks_count(), here = ranks_index();
    int64_t width = single ? 4 : 8, bytes[RANKS_MAX];
    if (elements * width <= SMALL_BYTES) {
        void *rows = room(elements * width * count);
        ranks_gather(from, rows, elements * width);
        add_rows(single, rows, count, to, elements);
        return;
    }
    for (int r = 0; r < count; r++)
        bytes[r] = (share(elements, r + 1) - share(elements, r)) * width;
    void *rows = room(bytes[here] * count);
    ranks_exchange(from, rows, bytes);
    add_rows(single, rows, count, (char *)to + share(elements, here) * width,
             bytes[here] / width);
    ranks_collect(to, bytes);
}

static void scatter(bool single, const void *from, void *to, int64_t elements)
{
    int count = ranks_count();
    int64_t width = single ? 4 : 8, bytes[RANKS_MAX];
    for (int r = 0; r < count; r++)
        bytes[r] = elements * width;
    void *rows = room(elements * width * count);
    ranks_exchange(from, rows, bytes);
    add_rows(single, rows, count, to, elements);
}

static int64_t elements_of(const int64_t *imm)
{
    CallElements elements;
    memcpy(&elements, imm, sizeof elements);
    return elements.count;
}

void call_all_sum_f32(void *const *args, const int64_t *imm, int64_t task,
                      void *scratch)
{
    (void)task, (void)scratch;
    sum(true, args[0], args[1], elements_of(imm));
}

void call_all_sum_f64(void *const *args, const int64_t *imm, int64_t task,
                      void *scratch)
{
    (void)task, (void)scratch;
    sum(false, args[0], args[1], elements_of(imm));
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
    (void)task, (void)scratch;
    scatter(true, args[0], args[1], elements_of(imm));
}

void call_reduce_scatter_f64(void *const *args, const int64_t *imm,
                             int64_t task, void *scratch)
{
    (void)task, (void)scratch;
    scatter(false, args[0], args[1], elements_of(imm));
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
