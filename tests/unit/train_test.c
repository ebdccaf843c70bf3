// The training loop on the program of power.h.
#include "runtime/base/file.h"
#include "runtime/data/input.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/train.h"
#include "tests/harness.h"
#include "tests/power.h"

#include <stdlib.h>

// ---- runs -------------------------------------------------------------------

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
    return (TrainOptions){
        .out = power_path(out), .threads = 1, .message = hear};
}

static bool same_files(const char *a, const char *b)
{
    char *bytes[2];
    int64_t sizes[2];
    CHECK_INT(file_read(power_path(a), 1 << 24, &bytes[0], &sizes[0]).code,
              STATUS_OK);
    CHECK_INT(file_read(power_path(b), 1 << 24, &bytes[1], &sizes[1]).code,
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
    Program *program = power_program(PLAN_F64, 4, 12);
    Dataset *data = power_data();
    TrainOptions with_out = *options;
    with_out.out = power_path(out);
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
    CHECK(stopped.last_loss > stopped.first_loss);
    CHECK(!file_exists(power_path("resumed/p/model.safetensors")));
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

    Program *program = power_program(PLAN_F64, 4, 12);
    Dataset *data = power_data();
    options.out = power_path("run");
    options.seed = 9;
    Status status = train_phase(program, 0, data, &options, &again);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(strstr(status.text, "--seed 0 in the file, 9 here") != NULL);
    options.seed = 0;
    program->sums = PLAN_SUMS_STRICT;
    status = train_phase(program, 0, data, &options, &again);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(strstr(status.text,
                 "convolved without --strict and --plain-sums in the file, "
                 "with --strict here") != NULL);
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
    CHECK(file_exists(power_path("run/p/checkpoint.safetensors")));
}

TEST(train_says_when_it_diverges)
{
    Program *program = power_program(PLAN_F32, 4, 400);
    Dataset *data = power_data();
    TrainOptions options = run_options("run");
    TrainResult result;
    Status status = train_phase(program, 0, data, &options, &result);
    CHECK_INT(status.code, STATUS_DIVERGED);
    CHECK(strstr(status.text, "in step ") != NULL);
    CHECK(!file_exists(power_path("run/p/model.safetensors")));
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
        Program *program = power_program(PLAN_F64, 4, 12);
        Dataset *data = power_data();
        names[i] = strdup(power_path(i ? "two" : "one"));
        const char *bad = dataset_sample_name(data, SPLIT_TRAIN, 3);
        char file[64 + sizeof "data/"];
        snprintf(file, sizeof file, "data/%s", bad);
        if (!file_exists(power_path(file)))
            snprintf(file, sizeof file, "data/train/%s", bad);
        CHECK(file_exists(power_path(file)));
        CHECK_INT(file_write(power_path(file), "no image", 8).code, STATUS_OK);
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
            CHECK_INT(rename(power_path("data"), power_path("old")), 0);
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
        Program *program = power_program(PLAN_F64, 4 - i, 12);
        Dataset *data = power_data();
        Status status = evaluate_phase(program, 0, data, SPLIT_TEST,
                                       power_path("run/p/model.safetensors"),
                                       &options, NULL, &result);
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
    Program *program = power_program(PLAN_F64, 4, 12);
    ProgramPhase *phase = &program->phases[0];
    Dataset *data = power_data();
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
    Program *program = power_program(PLAN_F32, 4, 1);
    program->phases[0].groups[0].augment[0].args[1] = 0.25;
    program->phases[0].groups[0].augment[0].args[3] = 1;
    CHECK_INT(input_min_side(program), 2 * POWER_SIDE);
    program_free(program);
}
