// Checkpoints, models, the metrics file and the sums that survive a kill.
#include "runtime/base/file.h"
#include "runtime/files/checkpoint.h"
#include "runtime/files/model.h"
#include "runtime/files/store_file.h"
#include "runtime/files/tensors.h"
#include "runtime/monitor/metrics.h"
#include "runtime/train/reports.h"
#include "tests/harness.h"

#include <stdlib.h>

// ---- a store ----------------------------------------------------------------

static PlanParam param(const char *name, int32_t role, int64_t rows,
                       int64_t columns)
{
    PlanParam made = {.role = role};
    made.tensor.name = (char *)name;
    made.tensor.dtype = PLAN_F32;
    made.tensor.rank = 2;
    made.tensor.dims[0] = rows;
    made.tensor.dims[1] = columns;
    made.tensor.bytes = rows * columns * 4;
    return made;
}

static Store new_store(int64_t fc_rows)
{
    PlanParam params[] = {
        param("conv1.weight", PLAN_WEIGHT, 3, 4),
        param("bn1.running_mean", PLAN_STATE, 1, 4),
        param("conv1.weight.v", PLAN_SLOT, 3, 4),
        param("fc.weight", PLAN_WEIGHT, fc_rows, 2),
        param("teacher.fc.weight", PLAN_FROZEN, fc_rows, 2),
    };
    Plan plan = {.name = (char *)"test", .params = params, .param_count = 5};
    Store store = {0};
    CHECK_INT(store_add_plan(&store, &plan).code, STATUS_OK);
    return store;
}

static void fill(Store *store, float start)
{
    for (int i = 0; i < store->count; i++) {
        float *data = store->tensors[i].data;
        int64_t numbers = store->tensors[i].param.tensor.bytes / 4;
        for (int64_t n = 0; n < numbers; n++)
            data[n] = start += 0.3f;
    }
}

static float first_of(const Store *store, const char *name)
{
    return *(const float *)store_find(store, name)->data;
}

static const char *path_of(const char *file)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/%s", test_folder(), file);
    return path;
}

static const ModelInfo model_info = {
    .program = "p", .phase = "x", .parameters = "depth = 18\nwidth = 1\n"};

// ---- checkpoints ------------------------------------------------------------

TEST(checkpoint_gives_back_every_bit)
{
    Store saved = new_store(6), loaded = new_store(6);
    CheckpointInfo info = {.phase = "pretrain",
                           .step = 123,
                           .images = 1000,
                           .names = 0x8edcba9876543210,
                           .known = 0x7edcba9876543211,
                           .seed = UINT64_MAX,
                           .program = 0xfedcba9876543210,
                           .says = 0xabcdef0123456789,
                           .labels = 7,
                           .dtype = PLAN_F64,
                           .origin = {1, 2, UINT64_MAX},
                           .target = "x86-64-v3, 32-byte vectors",
                           .sums = PLAN_SUMS_PLAIN,
                           .tally = "1 2 \"three\"\n"};
    CheckpointInfo back;
    fill(&saved, 1);
    const char *path = path_of("c.safetensors");
    CHECK_INT(checkpoint_save(path, &saved, &info).code, STATUS_OK);
    CHECK_INT(checkpoint_info(path, &back).code, STATUS_OK);
    CHECK_INT(checkpoint_load(path, &loaded).code, STATUS_OK);
    CHECK_TEXT(back.phase, "pretrain");
    CHECK_TEXT(back.tally, info.tally);
    CHECK_INT(back.step, 123);
    CHECK_INT(back.images, 1000);
    CHECK(back.seed == info.seed && back.program == info.program);
    CHECK(back.names == info.names && back.says == info.says);
    CHECK(back.known == info.known);
    CHECK(back.labels == 7 && back.dtype == PLAN_F64);
    CHECK(memcmp(&back.origin, &info.origin, sizeof info.origin) == 0);
    CHECK_TEXT(back.target, info.target);
    CHECK(!back.finished && back.sums == PLAN_SUMS_PLAIN);
    for (int i = 0; i < saved.count; i++) {
        const StoreTensor *a = &saved.tensors[i], *b = &loaded.tensors[i];
        bool frozen = a->param.role == PLAN_FROZEN;
        bool equal =
            memcmp(a->data, b->data, (size_t)a->param.tensor.bytes) == 0;
        CHECK(equal != frozen);
        CHECK(b->loaded != frozen);
    }
    store_free(&saved);
    store_free(&loaded);
}

// As simcc wrote them before it kept what a program says to a phase.
TEST(checkpoint_of_before_is_read)
{
    Store store = new_store(6);
    CheckpointInfo back;
    const char *path = path_of("c.safetensors");
    const SafeMeta metas[] = {{SAFE_CHECKSUM_KEY, SAFE_NO_CHECKSUM},
                              {"phase", "p"},
                              {"step", "12"},
                              {"images", "10"},
                              {"seed", "3"},
                              {"program", "fedcba9876543210"},
                              {"sums", "fast"},
                              {"ways_hash", "0000000000000000"},
                              {"finished", "true"},
                              {"tally", ""},
                              {"result", ""},
                              {"best", ""}};
    Status status =
        store_save(path, &store, true, sizeof metas / sizeof *metas, metas);
    CHECK_TEXT(status.text, "");
    CHECK_TEXT(checkpoint_info(path, &back).text, "");
    CHECK_INT(back.step, 12);
    CHECK(back.program == 0xfedcba9876543210 && !back.says);
    CHECK(!back.origin.from && !back.target[0]);
    store_free(&store);
}

TEST(checkpoint_refuses_other_files)
{
    Store store = new_store(6), other = new_store(7);
    CheckpointInfo info = {.phase = "x", .finished = true}, back;
    const char *path = path_of("c.safetensors");
    CHECK_INT(model_save(path, &store, &model_info).code, STATUS_OK);
    CHECK_INT(checkpoint_info(path, &back).code, STATUS_DATA);
    CHECK_INT(checkpoint_load(path, &store).code, STATUS_DATA); // no slots
    CHECK_INT(checkpoint_save(path, &store, &info).code, STATUS_OK);
    CHECK_INT(checkpoint_info(path, &back).code, STATUS_OK);
    CHECK(back.finished);
    Status status = checkpoint_load(path, &other);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "fc.weight") && strstr(status.text, "[6,2]") &&
          strstr(status.text, "[7,2]"));
    CHECK_INT(file_write(path, "garbage", 7).code, STATUS_OK);
    CHECK(checkpoint_info(path, &back).code != STATUS_OK);
    CHECK(checkpoint_load(path, &store).code != STATUS_OK);
    store_free(&store);
    store_free(&other);
}

// Whose weights they are is told by these alone.
TEST(weights_have_a_hash)
{
    Store store = new_store(6);
    ModelInfo other = model_info;
    uint64_t hashes[3];
    other.parameters = "depth = 50\n";
    fill(&store, 1);
    for (int i = 0; i < 3; i++) {
        TensorFile *file;
        const char *path = path_of("m.safetensors");
        if (i == 2)
            *(float *)store_find(&store, "fc.weight")->data += 1;
        Status saved = model_save(path, &store, i ? &other : &model_info);
        CHECK_TEXT(saved.text, "");
        CHECK_TEXT(tensors_open(path, &file).text, "");
        CHECK_TEXT(tensors_hash(file, &hashes[i]).text, "");
        tensors_close(file);
    }
    CHECK(hashes[0] && hashes[0] == hashes[1] && hashes[1] != hashes[2]);
    store_free(&store);
}

// ---- models -----------------------------------------------------------------

TEST(model_loads_by_name_and_glob)
{
    Store saved = new_store(6), store = new_store(6);
    ModelFilter filter = {.except = "fc.*, head*", .role = PLAN_WEIGHT};
    ModelReport report;
    fill(&saved, 1);
    const char *path = path_of("m.safetensors");
    CHECK_INT(model_save(path, &saved, &model_info).code, STATUS_OK);
    CHECK_INT(model_load(path, &store, &filter, &report).code, STATUS_OK);
    CHECK_INT(report.matched, 2);
    CHECK_INT(report.counts[MODEL_MISSING], 0);
    CHECK(first_of(&store, "conv1.weight") == first_of(&saved, "conv1.weight"));
    CHECK(first_of(&store, "fc.weight") == 0);
    CHECK(first_of(&store, "conv1.weight.v") == 0);
    CHECK(!store_find(&store, "fc.weight")->loaded);

    filter = (ModelFilter){.only = "fc.*", .role = PLAN_WEIGHT};
    CHECK_INT(model_load(path, &store, &filter, &report).code, STATUS_OK);
    CHECK_INT(report.matched, 1);
    CHECK(first_of(&store, "fc.weight") == first_of(&saved, "fc.weight"));
    store_free(&saved);
    store_free(&store);
}

TEST(model_loads_a_teacher)
{
    Store saved = new_store(6), store = new_store(6);
    ModelFilter filter = {.prefix = "teacher.", .role = PLAN_FROZEN};
    ModelReport report;
    fill(&saved, 1);
    const char *path = path_of("m.safetensors");
    CHECK_INT(model_save(path, &saved, &model_info).code, STATUS_OK);
    CHECK_INT(model_load(path, &store, &filter, &report).code, STATUS_OK);
    CHECK_INT(report.matched, 1);
    CHECK(first_of(&store, "teacher.fc.weight") ==
          first_of(&saved, "fc.weight"));
    CHECK(first_of(&store, "fc.weight") == 0);
    store_free(&saved);
    store_free(&store);
}

TEST(model_reports_missing_and_misshapen)
{
    Store saved = new_store(6), store = new_store(7);
    PlanParam extra = param("head.0.weight", PLAN_WEIGHT, 2, 2);
    Plan plan = {.name = (char *)"more", .params = &extra, .param_count = 1};
    ModelFilter filter = {.role = PLAN_WEIGHT};
    ModelReport report;
    const char *path = path_of("m.safetensors");
    CHECK_INT(store_add_plan(&store, &plan).code, STATUS_OK);
    CHECK_INT(model_save(path, &saved, &model_info).code, STATUS_OK);
    Status status = model_load(path, &store, &filter, &report);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "[6,2]") && strstr(status.text, "[7,2]"));
    filter.except = "fc.*";
    CHECK_INT(model_load(path, &store, &filter, &report).code, STATUS_OK);
    CHECK_INT(report.counts[MODEL_MISSING], 1);
    CHECK_TEXT(report.lines[MODEL_MISSING][0], "head.0.weight  [2,2]");
    CHECK_INT(model_load("/nowhere/x", &store, &filter, &report).code,
              STATUS_DATA);
    store_free(&saved);
    store_free(&store);
}

TEST(model_globs_match_whole_names)
{
    CHECK(name_matches("fc.*", "fc.weight"));
    CHECK(name_matches("a, *.bn?.*", "layer1.0.bn2.weight"));
    CHECK(name_matches("*", ""));
    CHECK(name_matches("*a*b", "xaab"));
    CHECK(!name_matches("fc", "fc.weight"));
    CHECK(!name_matches("*.bn?.*", "layer1.bn.weight"));
    CHECK(!name_matches("", "x"));
    CHECK(!name_matches(" , ", "x"));
}

// ---- metrics ----------------------------------------------------------------

static void write_lines(const char *phase, int64_t keep, int from, int to)
{
    Metrics metrics;
    const char *names[] = {"loss", "top1"};
    CHECK_INT(metrics_open(&metrics, test_folder(), phase, keep).code,
              STATUS_OK);
    for (int step = from; step <= to; step++) {
        double values[] = {step + 0.25, step == 2 ? NAN : 1};
        CHECK_INT(metrics_write(&metrics, step, 2, names, values).code,
                  STATUS_OK);
    }
    metrics_close(&metrics);
}

static char *read_metrics(void)
{
    char *text;
    int64_t size;
    CHECK_INT(file_read(path_of("metrics.jsonl"), 1 << 20, &text, &size).code,
              STATUS_OK);
    return text;
}

TEST(metrics_drops_what_comes_again)
{
    write_lines("pretrain", -1, 1, 3);
    write_lines("other", -1, 1, 1);
    FILE *file = fopen(path_of("metrics.jsonl"), "a");
    CHECK(file != NULL);
    fputs("{\"phase\":\"pretrain\",\"step\":4,\"lo", file); // killed here
    fclose(file);
    write_lines("pretrain", 2, 3, 3);
    char *text = read_metrics();
    CHECK_TEXT(text,
               "{\"phase\":\"pretrain\",\"step\":1,\"loss\":1.25,\"top1\":1}\n"
               "{\"phase\":\"pretrain\",\"step\":2,\"loss\":2.25,"
               "\"top1\":null}\n"
               "{\"phase\":\"other\",\"step\":1,\"loss\":1.25,\"top1\":1}\n"
               "{\"phase\":\"pretrain\",\"step\":3,\"loss\":3.25,"
               "\"top1\":1}\n");
    free(text);
    write_lines("pretrain", -1, 1, 1);
    text = read_metrics();
    CHECK_TEXT(text,
               "{\"phase\":\"other\",\"step\":1,\"loss\":1.25,\"top1\":1}\n"
               "{\"phase\":\"pretrain\",\"step\":1,\"loss\":1.25,"
               "\"top1\":1}\n");
    free(text);
}

TEST(metrics_drops_an_evaluation_that_comes_again)
{
    Metrics metrics;
    const char *names[] = {"test_images", "loss"};
    double values[] = {10, 1};
    CHECK_INT(metrics_open(&metrics, test_folder(), "p", -1).code, STATUS_OK);
    CHECK_INT(metrics_write(&metrics, 5, 2, names, values).code, STATUS_OK);
    metrics_close(&metrics);
    CHECK_INT(metrics_open(&metrics, test_folder(), "p", 5).code, STATUS_OK);
    metrics_close(&metrics);
    char *text = read_metrics();
    CHECK_TEXT(text, "");
    free(text);
}

// ---- sums -------------------------------------------------------------------

TEST(tally_survives_as_text)
{
    Tally tally = {.count = 2, .seconds = 1.0 / 3}, back;
    char text[CHECKPOINT_TEXT], again[CHECKPOINT_TEXT];
    for (int step = 0; step < 40; step++) {
        double values[] = {1.0 / (step + 1), 0.1 * step};
        tally_add(&tally, step, 40, values);
    }
    CHECK_INT(tally.first_steps, 2);
    CHECK_INT(tally.last_steps, 2);
    CHECK_NEAR(tally.first_sum, 1.5, 1e-15);
    CHECK_NEAR(tally.last_sum, 1.0 / 39 + 1.0 / 40, 1e-15);
    CHECK(tally_print(&tally, text, sizeof text));
    CHECK(tally_parse(&back, text));
    CHECK(tally_print(&back, again, sizeof again));
    CHECK_TEXT(again, text);
    CHECK(back.interval[1] == tally.interval[1]);
    CHECK(tally_parse(&back, "1 1 1 0 0x1p0 0x0p0 0x0p0 0x1p0")); // of before
    CHECK_INT(back.recent_steps[0], 0);
    CHECK(!tally_parse(&back, "99 1 1 1 0 0 0"));
    CHECK(!tally_parse(&back, "2 1 1 1 0x1p0 0x1p0 0x1p0 0x1p0"));
    CHECK(!tally_parse(&back, "1 1 1 0 0x1p0 0x0p0 0x0p0 0x1p0 3 0x1p0"));
    CHECK(!tally_parse(&back, ""));
}

TEST(tally_of_a_phase_that_ends_early_has_a_last_loss)
{
    Tally tally = {.count = 1}, back;
    char text[CHECKPOINT_TEXT];
    CHECK(isnan(tally_first_loss(&tally)) && isnan(tally_last_loss(&tally, 1)));
    // Blocks of two steps; the 35th is the first of the 18th block.
    for (int step = 0; step < 35; step++)
        tally_add(&tally, step, 40, (double[]){step});
    CHECK_NEAR(tally_first_loss(&tally), 0.5, 0);
    CHECK_NEAR(tally_last_loss(&tally, true), (32 + 33 + 34) / 3.0, 0);
    CHECK(isnan(tally_last_loss(&tally, false)));
    CHECK(tally_print(&tally, text, sizeof text));
    CHECK(tally_parse(&back, text));
    tally_add(&back, 35, 40, (double[]){35});
    CHECK_NEAR(tally_last_loss(&back, true), (32 + 33 + 34 + 35) / 4.0, 0);
    for (int step = 36; step < 40; step++)
        tally_add(&back, step, 40, (double[]){step});
    CHECK_NEAR(tally_last_loss(&back, false), 38.5, 0);
}
