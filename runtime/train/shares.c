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

void shares_set_input(InputSpec *spec)
{
    spec->ranks = ranks_count();
    spec->rank = ranks_index();
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
