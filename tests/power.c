#include "tests/power.h"

#include <stdlib.h>

#include "runtime/base/file.h"
#include "runtime/data/augment.h"
#include "runtime/data/synth.h"
#include "tests/harness.h"

enum { SIDE = POWER_SIDE, PIXELS = 3 * SIDE * SIDE };

// ---- the program ------------------------------------------------------------

static void *copy(const void *items, size_t size)
{
    return memcpy(malloc(size), items, size);
}

static PlanTensor tensor(const char *name, int32_t dtype, int64_t rows,
                         int64_t columns)
{
    PlanTensor made = {.name = strdup(name), .dtype = dtype, .rank = 1};
    made.dims[0] = rows;
    if (columns) {
        made.rank = 2;
        made.dims[1] = columns;
    }
    made.bytes = rows * (columns ? columns : 1) * (dtype == PLAN_F64 ? 8 : 4);
    return made;
}

enum { MATMUL_IMMS = sizeof(CallMatmul) / sizeof(int64_t) };

// [m, n], of a [k, m] and b [k, n] where a is transposed, else of a [m, k] and
// b [n, k].
static CallMatmul product(int64_t m, int64_t n, int64_t k, bool trans_a)
{
    return (CallMatmul){.m = m,
                        .n = n,
                        .k = k,
                        .trans_a = trans_a,
                        .trans_b = !trans_a,
                        .lda = trans_a ? m : k,
                        .ldb = trans_a ? n : k,
                        .ldc = n,
                        .rows_per_task = m,
                        .cols_per_task = n};
}

static PlanStep step(int32_t dtype, int first, const char *label)
{
    int call = dtype == PLAN_F64 ? PLAN_CALL_MATMUL_F64 : PLAN_CALL_MATMUL_F32;
    return (PlanStep){.symbol = -1,
                      .call = call,
                      .task_count = 1,
                      .first_arg = 3 * first,
                      .arg_count = 3,
                      .first_imm = MATMUL_IMMS * first,
                      .imm_count = MATMUL_IMMS,
                      .label = strdup(label)};
}

// score = images w; loss = score . score; w = score' images (training only).
static void fill_plan(Plan *plan, int32_t dtype, int rows, bool training)
{
    enum { SCORE = 1 << 20, LOSS = 1 << 21 };
    PlanParam params[] = {
        {tensor("w", dtype, 1, PIXELS), PLAN_WEIGHT, PLAN_INIT_NORMAL, 1e-3}};
    PlanPort inputs[] = {{tensor("images", dtype, rows, 0), 0}};
    PlanTensor *images = &inputs[0].tensor;
    images->rank = 4;
    images->dims[1] = 3;
    images->dims[2] = images->dims[3] = SIDE;
    images->bytes *= PIXELS;
    PlanPort outputs[] = {{tensor("loss", dtype, 1, 0), LOSS},
                          {tensor("score", dtype, rows, 0), SCORE}};
    PlanRef w = {PLAN_PARAM, 0, 0}, x = {PLAN_SLAB, 0, 0};
    PlanRef score = {PLAN_SLAB, 0, SCORE}, loss = {PLAN_SLAB, 0, LOSS};
    PlanRef refs[] = {x, w, score, score, score, loss, score, x, w};
    CallMatmul imms[] = {product(rows, 1, PIXELS, false),
                         product(1, 1, rows, true),
                         product(1, PIXELS, rows, true)};
    PlanStep steps[] = {step(dtype, 0, "score"), step(dtype, 1, "loss"),
                        training ? step(dtype, 2, "update") : (PlanStep){0}};
    *plan = (Plan){.name = strdup(training ? "p.train" : "p.eval"),
                   .param_count = 1,
                   .input_count = 1,
                   .output_count = 2,
                   .step_count = training ? 3 : 2,
                   .ref_count = 9,
                   .imm_count = 3 * MATMUL_IMMS,
                   .params = copy(params, sizeof params),
                   .inputs = copy(inputs, sizeof inputs),
                   .outputs = copy(outputs, sizeof outputs),
                   .steps = copy(steps, sizeof steps),
                   .refs = copy(refs, sizeof refs),
                   .imms = copy(imms, sizeof imms),
                   .slab_bytes = 1 << 22};
}

Program *power_program(int32_t dtype, int batch, int64_t steps)
{
    AugmentStep augment[] = {{AUGMENT_RANDOM_CROP, {SIDE, 0.3, 1, 0.75, 1.33}},
                             {AUGMENT_FLIP, {0.5}}};
    AugmentStep evaluate[] = {{AUGMENT_CENTER_CROP, {SIDE, 1}}};
    Program *program = calloc(1, sizeof *program);
    *program = (Program){.name = strdup("power"),
                         .source = strdup("power iteration"),
                         .target = strdup(""),
                         .dtype = dtype,
                         .phase_count = 1,
                         .phases = calloc(1, sizeof *program->phases)};
    program->phases[0] = (ProgramPhase){
        .name = strdup("p"),
        .says = 1,
        .batch = batch,
        .steps = steps,
        .source = SOURCE_UNLABELED,
        .channels = 3,
        .group_count = 1,
        .groups = {{.views = 2,
                    .height = SIDE,
                    .width = SIDE,
                    .augment_count = 2,
                    .augment = copy(augment, sizeof augment),
                    .evaluate_count = 1,
                    .evaluate = copy(evaluate, sizeof evaluate)}},
    };
    fill_plan(&program->phases[0].train, dtype, 2 * batch, true);
    fill_plan(&program->phases[0].eval, dtype, batch, false);
    return program;
}

// ---- data -------------------------------------------------------------------

const char *power_path(const char *file)
{
    static char paths[4][600];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", test_folder(), file);
    return path;
}

Dataset *power_data(void)
{
    SynthOptions synth = {.classes = 2, .size = 16, .train = 5, .test = 3};
    DataOptions options = {0};
    Dataset *data = NULL;
    if (!file_exists(power_path("data")))
        CHECK_INT(synth_write(power_path("data"), &synth).code, STATUS_OK);
    CHECK_INT(dataset_open(power_path("data"), &options, &data).code,
              STATUS_OK);
    return data;
}
