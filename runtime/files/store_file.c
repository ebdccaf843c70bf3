#include "runtime/files/store_file.h"

#include <stdlib.h>
#include <string.h>

static SafeTensor describe(const StoreTensor *tensor)
{
    const PlanTensor *plan = &tensor->param.tensor;
    SafeTensor safe = {
        .name = plan->name,
        .dtype = (SafeDType)plan->dtype,
        .rank = plan->rank,
        .bytes = plan->bytes,
        .data = tensor->data,
        .param = &tensor->param,
    };
    memcpy(safe.dims, plan->dims, sizeof plan->dims);
    return safe;
}

Status store_save(const char *path, const Store *store, bool slots,
                  int meta_count, const SafeMeta *metas)
{
    SafeTensor *tensors = calloc((size_t)store->count + 1, sizeof *tensors);
    if (!tensors)
        return status_error(STATUS_MEMORY, "no memory to write %s", path);
    int count = 0;
    for (int i = 0; i < store->count; i++) {
        int32_t role = store->tensors[i].param.role;
        if (role != PLAN_FROZEN && role != PLAN_SUM &&
            (slots || role != PLAN_SLOT))
            tensors[count++] = describe(&store->tensors[i]);
    }
    Status status = safetensors_write(path, count, tensors, meta_count, metas);
    free(tensors);
    return status;
}

bool store_same_shape(const PlanTensor *want, int rank, const int64_t *dims)
{
    if (want->rank != rank)
        return false;
    for (int i = 0; i < rank; i++)
        if (want->dims[i] != dims[i])
            return false;
    return true;
}
