// The training loop on a program made by hand, of BLAS calls alone: one step
// of the power iteration w <- (X w) X on the batch's images, whose numbers
// depend on every image, its augmentation and the order of batches.
#include "runtime/train.h"
#include "runtime/augment.h"
#include "runtime/evaluate.h"
#include "runtime/file.h"
#include "runtime/input.h"
#include "runtime/synth.h"
#include "tests/harness.h"

#include <stdlib.h>

enum { SIDE = 8, PIXELS = 3 * SIDE * SIDE };

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

static PlanStep step(int32_t dtype, int first, const char *label)
{
    int call = dtype == PLAN_F64 ? PLAN_CALL_MATMUL_F64 : PLAN_CALL_MATMUL_F32;
    return (PlanStep){.symbol = -1,
                      .call = call,
                      .task_count = 1,
                      .first_arg = 3 * first,
                      .arg_count = 3,
                      .first_imm = 10 * first,
                      .imm_count = 10,
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
    int64_t imms[] = {
        rows, 1,      PIXELS, 0, 1, PIXELS, PIXELS, 1,      rows, 1, //
        1,    1,      rows,   1, 0, 1,      1,      1,      1,    1, //
        1,    PIXELS, rows,   1, 0, 1,      PIXELS, PIXELS, 1,    PIXELS};
    PlanStep steps[] = {step(dtype, 0, "score"), step(dtype, 1, "loss"),
                        training ? step(dtype, 2, "update") : (PlanStep){0}};
    *plan = (Plan){.name = strdup(training ? "p.train" : "p.eval"),
                   .param_count = 1,
                   .input_count = 1,
                   .output_count = 2,
                   .step_count = training ? 3 : 2,
                   .ref_count = 9,
                   .imm_count = 30,
                   .params = copy(params, sizeof params),
                   .inputs = copy(inputs, sizeof inputs),
                   .outputs = copy(outputs, sizeof outputs),
                   .steps = copy(steps, sizeof steps),
                   .refs = copy(refs, sizeof refs),
                   .imms = copy(imms, sizeof imms),
                   .slab_bytes = 1 << 22};
}

static Program *new_program(int32_t dtype, int batch, int64_t steps)
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
        .batch = batch,
        .views = 2,
        .steps = steps,
        .source = SOURCE_UNLABELED,
        .augment_count = 2,
        .augment = copy(augment, sizeof augment),
        .evaluate_count = 1,
        .evaluate = copy(evaluate, sizeof evaluate),
        .image_height = SIDE,
        .image_width = SIDE,
    };
    fill_plan(&program->phases[0].train, dtype, 2 * batch, true);
    fill_plan(&program->phases[0].eval, dtype, batch, false);
    return program;
}

// ---- data and runs ----------------------------------------------------------

static const char *path_of(const char *file)
{
    static char paths[4][600];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", test_folder(), file);
    return path;
}

// Two classes of five training and three test images.
static Dataset *new_data(void)
{
    SynthOptions synth = {.classes = 2, .size = 16, .train = 5, .test = 3};
    DataOptions options = {0};
    Dataset *data = NULL;
    if (!file_exists(path_of("data")))
        CHECK_INT(synth_write(path_of("data"), &synth).code, STATUS_OK);
    CHECK_INT(dataset_open(path_of("data"), &options, &data).code, STATUS_OK);
    return data;
}

static char said[4096];

static void hear(void *context, const char *text)
{
    (void)context;
    size_t used = strlen(said);
    snprintf(said + used, sizeof said - used, "%s\n", text);
}

static TrainOptions run_options(const char *out)
{
    said[0] = '\0';
    return (TrainOptions){.out = path_of(out), .threads = 1, .message = hear};
}

static bool same_files(const char *a, const char *b)
{
    char *bytes[2];
    int64_t sizes[2];
    CHECK_INT(file_read(path_of(a), 1 << 24, &bytes[0], &sizes[0]).code,
              STATUS_OK);
    CHECK_INT(file_read(path_of(b), 1 << 24, &bytes[1], &sizes[1]).code,
              STATUS_OK);
    bool same = sizes[0] == sizes[1] &&
                memcmp(bytes[0], bytes[1], (size_t)sizes[0]) == 0;
    free(bytes[0]);
    free(bytes[1]);
    return same;
}

static void train(const char *out, const TrainOptions *options,
                  TrainResult *result)
{
    Program *program = new_program(PLAN_F64, 4, 12);
    Dataset *data = new_data();
    TrainOptions with_out = *options;
    with_out.out = path_of(out);
    Status status = train_phase(program, 0, data, &with_out, result);
    CHECK_TEXT(status.text, "");
    dataset_free(data);
    program_free(program);
}

// ---- tests ------------------------------------------------------------------

TEST(train_gives_the_same_bits_however_it_is_run)
{
    TrainOptions options = run_options("");
    TrainResult whole, threads, stopped, resumed;
    train("whole", &options, &whole);
    CHECK_INT(whole.steps, 12);
    CHECK(!whole.stopped && whole.last_loss > whole.first_loss);

    options.threads = 3;
    train("threads", &options, &threads);
    CHECK(
        same_files("whole/p/model.safetensors", "threads/p/model.safetensors"));

    options.stop_after = 5;
    train("resumed", &options, &stopped);
    CHECK(stopped.stopped);
    CHECK_INT(stopped.steps, 5);
    CHECK(!file_exists(path_of("resumed/p/model.safetensors")));
    options.stop_after = 0;
    options.resume = true;
    options.threads = 1;
    train("resumed", &options, &resumed);
    CHECK(
        same_files("whole/p/model.safetensors", "resumed/p/model.safetensors"));
    CHECK(resumed.first_loss == whole.first_loss);
    CHECK(resumed.last_loss == whole.last_loss);
    CHECK_INT(resumed.test_count, 6);
    CHECK(resumed.report_values[1] == whole.report_values[1]);

    options = run_options("");
    options.seed = 1;
    train("seed", &options, &whole);
    CHECK(!same_files("whole/p/model.safetensors", "seed/p/model.safetensors"));
}

TEST(train_skips_what_is_finished_and_refuses_another_run)
{
    TrainOptions options = run_options("");
    TrainResult first, again;
    train("run", &options, &first);
    options.resume = true;
    train("run", &options, &again);
    CHECK_TEXT(again.phase, "p");
    CHECK_INT(again.test_count, first.test_count);
    CHECK_INT(again.report_count, 2);
    CHECK_TEXT(again.report_names[1], "score");
    CHECK(again.report_values[1] == first.report_values[1]);
    CHECK(again.last_loss == first.last_loss);

    Program *program = new_program(PLAN_F64, 4, 12);
    Dataset *data = new_data();
    options.out = path_of("run");
    options.seed = 9;
    Status status = train_phase(program, 0, data, &options, &again);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(strstr(status.text, "its seed is another") != NULL);
    options.seed = 0;
    program->strict = 1;
    status = train_phase(program, 0, data, &options, &again);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(strstr(status.text, "(without --strict) is another") != NULL);
    dataset_free(data);
    program_free(program);
}

TEST(train_stops_on_request)
{
    volatile sig_atomic_t stop = 15;
    TrainOptions options = run_options("");
    TrainResult result;
    options.stop = &stop;
    train("run", &options, &result);
    CHECK(result.stopped);
    CHECK_INT(result.steps, 1);
    CHECK(file_exists(path_of("run/p/checkpoint.safetensors")));
}

TEST(train_says_when_it_diverges)
{
    Program *program = new_program(PLAN_F32, 4, 400);
    Dataset *data = new_data();
    TrainOptions options = run_options("run");
    TrainResult result;
    Status status = train_phase(program, 0, data, &options, &result);
    CHECK_INT(status.code, STATUS_DIVERGED);
    CHECK(strstr(status.text, "in step ") != NULL);
    CHECK(!file_exists(path_of("run/p/model.safetensors")));
    dataset_free(data);
    program_free(program);
}

// A damaged file is named once, and another takes its place in any number of
// threads.
TEST(train_goes_on_without_a_bad_file)
{
    char *names[2];
    TrainOptions options = run_options("");
    TrainResult result;
    for (int i = 0; i < 2; i++) {
        Program *program = new_program(PLAN_F64, 4, 12);
        Dataset *data = new_data();
        names[i] = strdup(path_of(i ? "two" : "one"));
        const char *bad = dataset_sample_name(data, SPLIT_TRAIN, 3);
        char file[64 + sizeof "data/"];
        snprintf(file, sizeof file, "data/%s", bad);
        if (!file_exists(path_of(file)))
            snprintf(file, sizeof file, "data/train/%s", bad);
        CHECK(file_exists(path_of(file)));
        CHECK_INT(file_write(path_of(file), "no image", 8).code, STATUS_OK);
        options.out = names[i];
        options.threads = 1 + 2 * i;
        said[0] = '\0';
        Status status = train_phase(program, 0, data, &options, &result);
        CHECK_TEXT(status.text, "");
        char *once = strstr(said, "left out: ");
        CHECK(once && !strstr(once + 1, "left out: "));
        dataset_free(data);
        program_free(program);
        if (i == 0) // the set is drawn afresh, then damaged while open
            CHECK_INT(rename(path_of("data"), path_of("old")), 0);
    }
    CHECK(same_files("one/p/model.safetensors", "two/p/model.safetensors"));
    free(names[0]);
    free(names[1]);
}

// Six test images in batches of four or three: the same mean.
TEST(evaluate_counts_every_image_once)
{
    double scores[2];
    TrainOptions options = run_options("");
    TrainResult result;
    train("run", &options, &result);
    for (int i = 0; i < 2; i++) {
        Program *program = new_program(PLAN_F64, 4 - i, 12);
        Dataset *data = new_data();
        Status status =
            evaluate_phase(program, 0, data, path_of("run/p/model.safetensors"),
                           &options, &result);
        CHECK_TEXT(status.text, "");
        CHECK_INT(result.test_count, 6);
        CHECK_INT(result.report_count, 2);
        scores[i] = result.report_values[1];
        dataset_free(data);
        program_free(program);
    }
    CHECK_NEAR(scores[0] / scores[1], 1, 1e-12);
}

TEST(train_checks_classes_and_labels)
{
    Program *program = new_program(PLAN_F64, 4, 12);
    ProgramPhase *phase = &program->phases[0];
    Dataset *data = new_data();
    TrainOptions options = run_options("run");
    TrainResult result;
    phase->classes = 7;
    Status status = train_phase(program, 0, data, &options, &result);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "--set classes=2") != NULL);
    phase->classes = 2;
    phase->source = SOURCE_LABELED;
    phase->label_rule = LABELS_PER_CLASS;
    phase->label_amount = 6;
    status = train_phase(program, 0, data, &options, &result);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, dataset_class_name(data, 0)) != NULL);
    dataset_free(data);
    program_free(program);
}

// The decoder may shrink only as far as the smallest crop allows.
TEST(input_min_side_fits_the_smallest_crop)
{
    Program *program = new_program(PLAN_F32, 4, 1);
    program->phases[0].augment[0].args[1] = 0.25;
    program->phases[0].augment[0].args[3] = 1;
    CHECK_INT(input_min_side(program), 2 * SIDE);
    program_free(program);
}
