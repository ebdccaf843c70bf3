#include "runtime/train/shares.h"

#include <stdlib.h>

#include "runtime/exec/ranks.h"

Status shares_open(Shares *shares, int batch, int64_t row_bytes)
{
    int64_t count = (int64_t)batch * ranks_count();
    *shares = (Shares){.count = count, .row_bytes = row_bytes};
    if (ranks_count() == 1)
        return status_ok();
    shares->gathered_rows = malloc((size_t)(count * row_bytes));
    shares->gathered_valid = malloc((size_t)count * sizeof(bool));
    if (!shares->gathered_rows || !shares->gathered_valid)
        return status_error(STATUS_MEMORY,
                            "no memory for what %d processes make of %lld "
                            "images",
                            ranks_count(), (long long)count);
    return status_ok();
}

void shares_close(Shares *shares)
{
    free(shares->gathered_rows);
    free(shares->gathered_valid);
    *shares = (Shares){0};
}

// How many of the first `end` images of the data are among those `indices`.
static int64_t count_below(const int64_t *indices, int64_t count, int64_t end)
{
    int64_t low = 0, high = count;
    if (!indices)
        return end;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (indices[middle] < end)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void shares_divide(Division *division, const Dataset *data, DataSplit split,
                   const int64_t *indices, int64_t count, int batch)
{
    const int64_t *starts = dataset_starts(data, split);
    *division =
        (Division){.count = count, .batch = batch, .joined = starts != NULL};
    for (int r = 0; starts && r <= ranks_count(); r++)
        division->starts[r] = count_below(indices, count, starts[r]);
}

int64_t division_rounds(const Division *division)
{
    int64_t most = 0;
    if (!division->joined)
        most = (division->count + ranks_count() - 1) / ranks_count();
    for (int r = 0; division->joined && r < ranks_count(); r++) {
        int64_t own = division->starts[r + 1] - division->starts[r];
        most = own > most ? own : most;
    }
    return (most + division->batch - 1) / division->batch;
}

int64_t division_row(const Division *division, int64_t round, int64_t i)
{
    int64_t batch = division->batch, row = round * ranks_count() * batch + i;
    if (!division->joined)
        return row < division->count ? row : -1;
    int64_t rank = i / batch;
    row = division->starts[rank] + round * batch + i % batch;
    return row < division->starts[rank + 1] ? row : -1;
}

void shares_set_input(InputSpec *spec)
{
    Division division;
    shares_divide(&division, spec->data, spec->split, spec->indices,
                  spec->count, spec->batch);
    if (!division.joined) {
        spec->ranks = ranks_count();
        spec->rank = ranks_index();
        return;
    }
    int64_t first = division.starts[ranks_index()];
    spec->count = division.starts[ranks_index() + 1] - first;
    if (spec->indices)
        spec->indices += first;
    else
        spec->first = first;
}

void shares_gather(Shares *shares, const void *rows, const bool *valid)
{
    int64_t batch = shares->count / ranks_count();
    shares->rows = rows;
    shares->valid = valid;
    if (ranks_count() == 1)
        return;
    ranks_gather(rows, shares->gathered_rows, batch * shares->row_bytes);
    ranks_gather(valid, shares->gathered_valid, batch * (int64_t)sizeof *valid);
    shares->rows = shares->gathered_rows;
    shares->valid = shares->gathered_valid;
}

void shares_states(const Plan *plan, Store *store)
{
    for (int i = 0; ranks_count() > 1 && i < plan->param_count; i++) {
        const PlanTensor *tensor = &plan->params[i].tensor;
        if (plan->params[i].role == PLAN_STATE)
            ranks_broadcast(store_find(store, tensor->name)->data,
                            tensor->bytes);
    }
}
