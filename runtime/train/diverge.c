#include "runtime/train/diverge.h"

#include <math.h>
#include <stdlib.h>

struct Diverge {
    const ProgramPhase *phase;
    const Plan *plan; // of its training
    Executor *executor;
    const Store *store;
    bool *now, *usual; // by value: unbounded in this step; in good ones
    int next;          // the first value not looked at in this step
    int first;         // suspect of this step, or -1
    int chunk;         // it was seen in
    int64_t row;
    bool nan;
};

// ---- numbers ----------------------------------------------------------------

// All exponent bits are set in NaN and infinity alone.
static bool is_unbounded(const void *data, int32_t dtype, int64_t i)
{
    switch (dtype) {
    case PLAN_F32:
        return !isfinite(((const float *)data)[i]);
    case PLAN_F64:
        return !isfinite(((const double *)data)[i]);
    case PLAN_BF16:
        return (((const uint16_t *)data)[i] & 0x7f80) == 0x7f80;
    default:
        return false;
    }
}

int64_t first_unbounded(const void *data, int32_t dtype, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (is_unbounded(data, dtype, i))
            return i;
    return -1;
}

bool is_nan_at(const void *data, int32_t dtype, int64_t i)
{
    if (dtype == PLAN_F32)
        return isnan(((const float *)data)[i]);
    if (dtype == PLAN_F64)
        return isnan(((const double *)data)[i]);
    return (((const uint16_t *)data)[i] & 0x7f) != 0;
}

const StoreTensor *store_unbounded(const Store *store)
{
    for (int i = 0; i < store->count; i++) {
        const StoreTensor *tensor = &store->tensors[i];
        const PlanTensor *plan = &tensor->param.tensor;
        if (tensor->param.role != PLAN_FROZEN &&
            tensor->param.role != PLAN_SUM &&
            first_unbounded(tensor->data, plan->dtype, plan_elements(plan)) >=
                0)
            return tensor;
    }
    return NULL;
}

// ---- watching ---------------------------------------------------------------

Diverge *diverge_new(const ProgramPhase *phase, Executor *executor,
                     const Store *store)
{
    const Plan *plan = &phase->train;
    Diverge *diverge = calloc(1, sizeof *diverge);
    if (!diverge)
        return NULL;
    size_t count = (size_t)plan->value_count + 1;
    *diverge = (Diverge){.phase = phase,
                         .plan = plan,
                         .executor = executor,
                         .store = store,
                         .now = calloc(count, sizeof(bool)),
                         .usual = calloc(count, sizeof(bool)),
                         .first = -1};
    if (diverge->now && diverge->usual)
        return diverge;
    diverge_free(diverge);
    return NULL;
}

void diverge_free(Diverge *diverge)
{
    if (!diverge)
        return;
    free(diverge->now);
    free(diverge->usual);
    free(diverge);
}

static const void *data_of(const Diverge *diverge, const PlanValue *value)
{
    if (value->at.space == PLAN_SLAB)
        return executor_value(diverge->executor, value);
    const PlanParam *param = &diverge->plan->params[value->at.param];
    const StoreTensor *tensor = store_find(diverge->store, param->tensor.name);
    return (const char *)tensor->data + value->at.offset;
}

// How many images the rows of a value are of: each has a row, or one in each
// view, all first views coming first.
static int64_t images_of(const Diverge *diverge, const PlanValue *value)
{
    const ProgramPhase *phase = diverge->phase;
    const int64_t counts[] = {phase_rows(phase), phase->batch};
    for (int i = 0; i < 2; i++)
        if (phase_has_rows(phase, value->rows, counts[i]))
            return counts[i];
    return value->rows;
}

// The first row with unbounded numbers, of which `at` is the first, when all
// such rows are of one image; else -1.
static int64_t only_row(const Diverge *diverge, const PlanValue *value,
                        const void *data, int64_t at)
{
    if (value->rows < 2 || value->elements % value->rows)
        return -1;
    int64_t size = value->elements / value->rows, row = at / size;
    int64_t images = images_of(diverge, value);
    for (int64_t i = (row + 1) * size; i < value->elements; i++)
        if (is_unbounded(data, value->dtype, i) &&
            (i / size - row) % images != 0)
            return -1;
    return row;
}

static void look_at(Diverge *diverge, int index, int chunk)
{
    const PlanValue *value = &diverge->plan->values[index];
    const void *data = data_of(diverge, value);
    int64_t at = first_unbounded(data, value->dtype, value->elements);
    diverge->now[index] = diverge->now[index] || at >= 0;
    if (at < 0 || diverge->usual[index] || diverge->first >= 0)
        return;
    diverge->first = index;
    diverge->chunk = chunk;
    diverge->row = only_row(diverge, value, data, at);
    diverge->nan = is_nan_at(data, value->dtype, at);
}

// A chunk begins again with the steps of the one before.
static void after_steps(void *context, int first, int end, int chunk)
{
    Diverge *diverge = context;
    while (diverge->next > 0 &&
           diverge->plan->values[diverge->next - 1].step >= first)
        diverge->next--;
    while (diverge->next < diverge->plan->value_count &&
           diverge->plan->values[diverge->next].step < end)
        look_at(diverge, diverge->next++, chunk);
}

Status diverge_run(Diverge *diverge, ExecutorFeed *feed, void *context)
{
    diverge->next = 0;
    diverge->first = -1;
    for (int i = 0; i < diverge->plan->value_count; i++)
        diverge->now[i] = false;
    return executor_run_fed(diverge->executor, feed, context, after_steps,
                            diverge);
}

void diverge_went_well(Diverge *diverge)
{
    for (int i = 0; i < diverge->plan->value_count; i++)
        diverge->usual[i] = diverge->usual[i] || diverge->now[i];
}

const PlanValue *diverge_suspect(const Diverge *diverge, int64_t *row,
                                 bool *nan, int *chunk)
{
    if (diverge->first < 0)
        return NULL;
    *row = diverge->row;
    *chunk = diverge->chunk;
    *nan = diverge->nan;
    return &diverge->plan->values[diverge->first];
}
