// Every allocation and every call for a file of a class report fails once: it
// says so, or its tables are whole.
#include <stdlib.h>
#include <unistd.h>

#include "frontend/cli/class_report.h"
#include "runtime/base/file.h"
#include "tests/faults.h"
#include "tests/harness.h"
#include "tests/images.h"
#include "tests/power.h"

enum { CLASSES = 2, MOST = 10000 };

static const char *const files[] = {
    "classes.csv",  "confusion.csv", "calibration.csv", "mistakes.csv",
    "metrics.json", "confusion.png", "mistakes.png",    "calibration.png"};
enum { FILES = sizeof files / sizeof *files };

static Cli cli;
static Job job;
static ProgramPhase phase;

// A phase whose evaluation puts out rows of two scores.
static void set_up(void)
{
    static PlanPort port = {.tensor = {.dtype = PLAN_F64,
                                       .rank = 2,
                                       .dims = {4, CLASSES},
                                       .bytes = 4 * CLASSES * 8,
                                       .name = "scores.logits"}};
    cli = (Cli){.arena = arena_new(), .values = {[OPT_quiet] = ""}};
    arena_printf(cli.arena, "room"); // that the report's words find
    job = (Job){.cli = &cli, .data = power_data()};
    phase = (ProgramPhase){
        .name = "p",
        .group_count = 1,
        .groups = {{.height = POWER_SIDE, .width = POWER_SIDE}},
        .eval = {.step_count = 1, .output_count = 1, .outputs = &port}};
}

static Status collect(ClassReport *report)
{
    bool begun;
    TRY(class_report_begin(&job, &phase, report, &begun));
    CHECK(begun);
    InferSink sink = class_report_sink(report);
    for (int64_t i = 0; i < dataset_count(job.data, SPLIT_TEST); i++) {
        double row[] = {(double)i, 2};
        TRY(sink.row(sink.context, SPLIT_TEST, i, row));
    }
    return class_report_finish(report);
}

TEST(class_report_without_memory)
{
    int n = 1;
    bool fired = true;
    set_up();
    for (; fired && n < MOST; n++) {
        ClassReport report;
        fault_arm(FAULT_MEMORY, n);
        Status status = collect(&report);
        fired = fault_disarm();
        // Only the scores to rank can be done without.
        CHECK(status.code == (fired ? STATUS_MEMORY : STATUS_OK) ||
              (status.code == STATUS_OK && !report.probabilities));
        class_report_free(&report);
    }
    CHECK(n > 6);
}

// Folders fresh[FILE] and whole[FILE] have the same bytes, in all files.
static void check_whole(const char *fresh, const char *whole)
{
    for (int i = 0; i < FILES; i++) {
        int64_t size, wanted;
        uint8_t *got = read_bytes(test_path("%s/%s", fresh, files[i]), &size);
        uint8_t *want =
            read_bytes(test_path("%s/%s", whole, files[i]), &wanted);
        CHECK_INT(size, wanted);
        CHECK(size == wanted && memcmp(got, want, (size_t)size) == 0);
        free(got);
        free(want);
    }
}

static void check_writing(FaultKind kind)
{
    ClassReport report;
    int n = 1;
    bool fired = true;
    set_up();
    CHECK_INT(collect(&report).code, STATUS_OK);
    CHECK_INT(report.mistake_count, 5);
    const char *whole = test_path("whole"), *fresh = test_path("fresh");
    CHECK_INT(file_make_folder(whole).code, STATUS_OK);
    CHECK_INT(file_make_folder(fresh).code, STATUS_OK);
    CHECK_INT(class_report_write(&report, whole, "\"a\":1").code, STATUS_OK);
    for (; fired && n < MOST; n++) {
        for (int i = 0; i < FILES; i++)
            unlink(test_path("fresh/%s", files[i]));
        fault_arm(kind, n);
        Status status = class_report_write(&report, fresh, "\"a\":1");
        fired = fault_disarm();
        if (status.code == STATUS_OK)
            check_whole("fresh", "whole");
        else
            CHECK(fired && status.text[0]);
    }
    CHECK(n > FILES);
    class_report_free(&report);
}

TEST(class_report_when_a_file_fails)
{
    check_writing(FAULT_FILE);
}

TEST(class_report_on_a_full_disk)
{
    check_writing(FAULT_DISK_FULL);
}

TEST(class_report_written_without_memory)
{
    check_writing(FAULT_MEMORY);
}
