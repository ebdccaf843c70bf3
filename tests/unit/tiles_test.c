// Weights stored in tiles: the same numbers by index as in row-major order, in
// files and at the start, so that a program can go on with either.
#include <stdlib.h>

#include "runtime/exec/tiles.h"
#include "runtime/files/checkpoint.h"
#include "runtime/files/model.h"
#include "tests/harness.h"

enum { OUTPUTS = 32, INPUTS = 48, WINDOW = 6, TILE = 16 };
enum { ELEMENTS = OUTPUTS * INPUTS * WINDOW };

static PlanParam weights(int32_t tile)
{
    return (PlanParam){.tensor = {.name = (char *)"conv.weight",
                                  .dtype = PLAN_F32,
                                  .rank = 4,
                                  .dims = {OUTPUTS, INPUTS, 3, 2},
                                  .bytes = ELEMENTS * sizeof(float)},
                       .role = PLAN_WEIGHT,
                       .init = PLAN_INIT_NORMAL,
                       .scale = 1,
                       .tile = tile};
}

static Store new_store(int32_t tile)
{
    PlanParam param = weights(tile);
    Plan plan = {.name = (char *)"p", .params = &param, .param_count = 1};
    Store store = {0};
    CHECK_INT(store_add_plan(&store, &plan).code, STATUS_OK);
    return store;
}

// Whether the two, stored in tiles and in rows, hold the same.
static bool is_same(const Store *tiled, const Store *rows)
{
    const StoreTensor *a = &tiled->tensors[0];
    static float copy[ELEMENTS];
    tiles_load(&a->param, a->data, copy);
    return memcmp(copy, rows->tensors[0].data, sizeof copy) == 0;
}

TEST(tiles_have_their_place)
{
    PlanParam tiled = weights(TILE), plain = weights(0);
    // Output 17, input 35, place 4: the pair of blocks (1, 2).
    int64_t row = (17 * INPUTS + 35) * WINDOW + 4;
    int64_t pair = 1 * (INPUTS / TILE) + 2;
    CHECK_INT(tiles_index(&tiled, row),
              ((pair * WINDOW + 4) * TILE + 35 % TILE) * TILE + 17 % TILE);
    CHECK_INT(tiles_index(&plain, row), row);
}

TEST(tiles_need_channels_that_fill_them)
{
    PlanTensor tensor = weights(0).tensor;
    CHECK(tiles_fit(&tensor, TILE) && tiles_fit(&tensor, 0));
    CHECK(!tiles_fit(&tensor, -1) && !tiles_fit(&tensor, 32));
    tensor.dtype = PLAN_F64;
    CHECK(!tiles_fit(&tensor, TILE));
    tensor.dtype = PLAN_F32;
    tensor.rank = 3;
    CHECK(!tiles_fit(&tensor, TILE));
}

TEST(initial_values_go_by_index_whatever_the_order)
{
    Store tiled = new_store(TILE), rows = new_store(0);
    store_initialize(&tiled, 5);
    store_initialize(&rows, 5);
    CHECK(is_same(&tiled, &rows));
    CHECK(memcmp(tiled.tensors[0].data, rows.tensors[0].data,
                 ELEMENTS * sizeof(float)) != 0);
    store_free(&tiled);
    store_free(&rows);
}

TEST(files_go_from_one_order_to_the_other)
{
    char path[600];
    CheckpointInfo info = {.phase = "p"};
    ModelInfo model = {.program = "p", .phase = "p"};
    ModelFilter filter = {.role = PLAN_WEIGHT};
    ModelReport report;
    snprintf(path, sizeof path, "%s/c.safetensors", test_folder());
    for (int way = 0; way < 4; way++) {
        bool from_tiles = way & 1, as_model = way & 2;
        Store from = new_store(from_tiles ? TILE : 0);
        Store to = new_store(from_tiles ? 0 : TILE);
        store_initialize(&from, 7);
        Status saved = as_model ? model_save(path, &from, &model)
                                : checkpoint_save(path, &from, &info);
        Status loaded = as_model ? model_load(path, &to, &filter, &report)
                                 : checkpoint_load(path, &to);
        CHECK_TEXT(saved.text, "");
        CHECK_TEXT(loaded.text, "");
        CHECK(is_same(from_tiles ? &from : &to, from_tiles ? &to : &from));
        store_free(&from);
        store_free(&to);
    }
}

TEST(a_store_keeps_one_order)
{
    Store store = new_store(TILE);
    PlanParam param = weights(0);
    Plan plan = {.name = (char *)"p", .params = &param, .param_count = 1};
    CHECK_INT(store_add_plan(&store, &plan).code, STATUS_FAILED);
    store_free(&store);
}
