#include "runtime/exec/tiles.h"

#include <stdlib.h>
#include <string.h>

bool tiles_fit(const PlanTensor *tensor, int32_t tile)
{
    if (tile == 0)
        return true;
    return tile > 0 && tensor->dtype == PLAN_F32 && tensor->rank == 4 &&
           tensor->dims[0] % tile == 0 && tensor->dims[1] % tile == 0;
}

int64_t tiles_index(const PlanParam *param, int64_t row)
{
    if (!param->tile)
        return row;
    const int64_t *dims = param->tensor.dims;
    int64_t tile = param->tile, window = dims[2] * dims[3];
    int64_t o = row / window / dims[1], c = row / window % dims[1];
    int64_t pair = o / tile * (dims[1] / tile) + c / tile;
    return ((pair * window + row % window) * tile + c % tile) * tile + o % tile;
}

// Copies one way or the other, in the order the elements are stored.
static void copy_tiles(const PlanParam *param, const float *from, float *to,
                       bool store)
{
    const int64_t *dims = param->tensor.dims;
    int64_t tile = param->tile, window = dims[2] * dims[3];
    int64_t to_o = dims[1] * window, stored = 0;
    for (int64_t o = 0; o < dims[0]; o += tile)
        for (int64_t c = 0; c < dims[1]; c += tile)
            for (int64_t place = 0; place < window; place++)
                for (int64_t i = 0; i < tile * tile; i++, stored++) {
                    int64_t row =
                        (o + i % tile) * to_o + (c + i / tile) * window + place;
                    to[store ? stored : row] = from[store ? row : stored];
                }
}

void tiles_store(const PlanParam *param, const void *rows, void *stored)
{
    if (param->tile)
        copy_tiles(param, rows, stored, true);
    else
        memcpy(stored, rows, (size_t)param->tensor.bytes);
}

void tiles_load(const PlanParam *param, const void *stored, void *rows)
{
    if (param->tile)
        copy_tiles(param, stored, rows, false);
    else
        memcpy(rows, stored, (size_t)param->tensor.bytes);
}

Status tiles_settle(const PlanParam *param, void *data)
{
    if (!param->tile)
        return status_ok();
    void *rows = malloc((size_t)param->tensor.bytes + 1);
    if (!rows)
        return status_error(STATUS_MEMORY, "no memory to arrange %s",
                            param->tensor.name);
    memcpy(rows, data, (size_t)param->tensor.bytes);
    tiles_store(param, rows, data);
    free(rows);
    return status_ok();
}
