#include "runtime/exec/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/base/philox.h"
#include "runtime/exec/program.h"
#include "runtime/exec/tiles.h"

enum { HUGE_PAGE = 2 << 20 };

StoreTensor *store_find(const Store *store, const char *name)
{
    for (int i = 0; i < store->count; i++)
        if (strcmp(store->tensors[i].param.tensor.name, name) == 0)
            return &store->tensors[i];
    return NULL;
}

// Large tensors start on a huge page: fewer misses in the address cache.
static void *allocate_tensor(int64_t bytes)
{
    size_t unit = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : PLAN_ALIGN;
    size_t size = ((size_t)bytes + unit) / unit * unit; // never 0
    void *data = aligned_alloc(unit, size);
    if (!data)
        return NULL;
    if (unit == HUGE_PAGE)
        madvise(data, size, MADV_HUGEPAGE); // a wish; may be refused
    return memset(data, 0, size);
}

static Status add_param(Store *store, const PlanParam *param)
{
    const PlanTensor *tensor = &param->tensor;
    const StoreTensor *found = store_find(store, tensor->name);
    if (found && plan_params_alike(&found->param, param))
        return status_ok();
    if (found)
        return status_error(STATUS_FAILED,
                            "tensor '%s' has one shape, type or order in one "
                            "plan and another in the next",
                            tensor->name);
    if (store->count == store->capacity) {
        int capacity = store->capacity ? store->capacity * 2 : 64;
        StoreTensor *grown =
            realloc(store->tensors, (size_t)capacity * sizeof *grown);
        if (!grown)
            return status_error(STATUS_MEMORY, "no memory for the weights");
        store->tensors = grown;
        store->capacity = capacity;
    }
    StoreTensor added = {.param = *param,
                         .data = allocate_tensor(tensor->bytes)};
    added.param.tensor.name = strdup(tensor->name);
    if (!added.data || !added.param.tensor.name) {
        free(added.data);
        free(added.param.tensor.name);
        return status_error(STATUS_MEMORY, "no memory for tensor '%s'",
                            tensor->name);
    }
    store->tensors[store->count++] = added;
    return status_ok();
}

Status store_add_plan(Store *store, const Plan *plan)
{
    for (int i = 0; i < plan->param_count; i++)
        TRY(add_param(store, &plan->params[i]));
    return status_ok();
}

static double draw(const PlanParam *param, RandomStream *stream)
{
    double normal;
    switch ((PlanInit)param->init) {
    case PLAN_INIT_CONSTANT:
        return param->scale;
    case PLAN_INIT_NORMAL:
        return param->scale * random_normal(stream);
    case PLAN_INIT_TRUNCATED_NORMAL:
        do
            normal = random_normal(stream);
        while (fabs(normal) > 2);
        return param->scale * normal;
    case PLAN_INIT_UNIFORM:
        return random_range(stream, -param->scale, param->scale);
    case PLAN_INIT_COPY:
        break; // by copy_original
    }
    return 0;
}

// Rounds to nearest, ties to even; NaN stays NaN.
static uint16_t bf16_round(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value)
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// One stream per tensor, named by it, read in the order of the rows.
static void initialize(StoreTensor *tensor, uint64_t seed)
{
    const PlanParam *param = &tensor->param;
    RandomStream stream = random_stream(seed, random_name("initialize"),
                                        random_name(param->tensor.name), 0, 0);
    int64_t count = plan_elements(&param->tensor);
    for (int64_t row = 0; row < count; row++) {
        double value = draw(param, &stream);
        int64_t i = tiles_index(param, row);
        switch ((PlanDType)param->tensor.dtype) {
        case PLAN_F32:
            ((float *)tensor->data)[i] = (float)value;
            break;
        case PLAN_F64:
            ((double *)tensor->data)[i] = value;
            break;
        case PLAN_BF16:
            ((uint16_t *)tensor->data)[i] = bf16_round((float)value);
            break;
        case PLAN_BOOL:
            ((uint8_t *)tensor->data)[i] = value != 0;
            break;
        }
    }
}

// The original is in the plan, and alike: plan_check.
static void copy_original(const Store *store, const StoreTensor *tensor)
{
    const StoreTensor *original =
        store_find(store, plan_copied(&tensor->param));
    if (original)
        memcpy(tensor->data, original->data,
               (size_t)tensor->param.tensor.bytes);
}

void store_initialize(Store *store, uint64_t seed)
{
    for (int i = 0; i < store->count; i++)
        if (!store->tensors[i].loaded)
            initialize(&store->tensors[i], seed);
    for (int i = 0; i < store->count; i++)
        if (!store->tensors[i].loaded &&
            store->tensors[i].param.init == PLAN_INIT_COPY)
            copy_original(store, &store->tensors[i]);
}

int64_t store_bytes(const Store *store)
{
    int64_t bytes = 0;
    for (int i = 0; i < store->count; i++)
        bytes += store->tensors[i].param.tensor.bytes;
    return bytes;
}

void store_free(Store *store)
{
    for (int i = 0; i < store->count; i++) {
        free(store->tensors[i].param.tensor.name);
        free(store->tensors[i].data);
    }
    free(store->tensors);
    *store = (Store){0};
}
