// Every allocation and every call for a file fails once, in a run that goes on
// from a checkpoint: it says so, or does without; the checkpoints it found are
// as good as before; and the run after it ends in the bits of an unbroken one.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/cli/cli.h"
#include "runtime/base/file.h"
#include "runtime/files/keep.h"
#include "runtime/train/train.h"
#include "tests/faults.h"
#include "tests/harness.h"
#include "tests/power.h"

// Of HEALED failed runs, one is taken to its end.
enum { STEPS = 6, BEGUN = 4, HEALED = 5, MOST = 100000 };

static bool left_out; // a stand-in was taken for an image

static void hear(void *context, const char *text)
{
    (void)context;
    left_out = left_out || strncmp(text, "left out", 8) == 0;
}

static Status open_and_train(Program *program, const TrainOptions *options)
{
    DataOptions data_options = {.valid_fraction = 0.3};
    Dataset *data;
    TrainResult result;
    TRY(dataset_open(power_path("data"), &data_options, &data));
    Status status = train_phase(program, 0, data, options, &result);
    dataset_free(data);
    return status;
}

// Trains in OUT, saving after every step; n-th call of a kind fails.
static Status train(const char *out, int64_t stop_after, FaultKind kind, int n,
                    bool *fired)
{
    char folder[600];
    Program *program = power_program(PLAN_F64, 2, STEPS);
    snprintf(folder, sizeof folder, "%s", power_path(out));
    TrainOptions options = {.out = folder,
                            .threads = 1,
                            .resume = true,
                            .checkpoint_seconds = 1e-9,
                            .stop_after = stop_after,
                            .validate = {.every_steps = 2},
                            .message = hear};
    left_out = false;
    fault_arm(kind, n);
    Status status = open_and_train(program, &options);
    *fired = fault_disarm();
    program_free(program);
    return status;
}

static void command(const char *format, const char *a, const char *b)
{
    char text[1300];
    snprintf(text, sizeof text, format, a, b);
    CHECK_INT(system(text), 0);
}

static void prepare(void)
{
    bool fired;
    dataset_free(power_data());
    CHECK_TEXT(train("whole", 0, FAULT_NONE, 0, &fired).text, "");
    CHECK_TEXT(train("base", BEGUN, FAULT_NONE, 0, &fired).text, "");
}

// As it was before a run was tried.
static void begin_again(void)
{
    char to[600];
    snprintf(to, sizeof to, "%s", power_path("try"));
    command("rm -rf %s%s", to, "");
    command("cp -r %s %s", power_path("base"), to);
}

static void check_same_bits(void)
{
    char *bytes[2] = {NULL, NULL};
    int64_t sizes[2];
    static const char *const names[] = {"whole/p/model.safetensors",
                                        "try/p/model.safetensors"};
    for (int i = 0; i < 2; i++)
        CHECK_TEXT(
            file_read(power_path(names[i]), 1 << 24, &bytes[i], &sizes[i]).text,
            "");
    CHECK(bytes[0] && bytes[1] && sizes[0] == sizes[1] &&
          memcmp(bytes[0], bytes[1], (size_t)sizes[0]) == 0);
    free(bytes[0]);
    free(bytes[1]);
}

static void check_checkpoint(void)
{
    Keep keep;
    char path[RUNDIR_PATH];
    CheckpointInfo info;
    CHECK_TEXT(keep_open(&keep, power_path("try"), "p", 0).text, "");
    CHECK_TEXT(keep_find(&keep, path, &info, NULL, NULL).text, "");
    CHECK(path[0] && info.step >= BEGUN);
}

// The n-th call of a kind fails, for n = 1, 2, ... until there is none.
static void fail_each(FaultKind kind)
{
    bool fired = true, other_images, ignored;
    int failures = 0, n = 1;
    prepare();
    for (; fired && n < MOST; n++) {
        begin_again();
        Status status = train("try", 0, kind, n, &fired);
        other_images = left_out;
        bool failed = status.code != STATUS_OK;
        if (failed) {
            failures++;
            CHECK(fired && strlen(status.text) > 10);
            if (kind == FAULT_MEMORY ? status.code != STATUS_MEMORY
                                     : status.code != STATUS_FAILED &&
                                           status.code != STATUS_DATA)
                test_fail(__FILE__, __LINE__, "call %d: exit code %d: %s", n,
                          (int)status.code, status.text);
            check_checkpoint();
            if (n % HEALED)
                continue;
            CHECK_TEXT(train("try", 0, FAULT_NONE, 0, &ignored).text, "");
        }
        if (!other_images)
            check_same_bits();
    }
    // Looking at what is in a folder, at limits of the machine, and naming a
    // checkpoint twice may fail without harm.
    CHECK(n > 50 && n < MOST && failures > n / 6);
}

TEST(injection_each_allocation_fails)
{
    fail_each(FAULT_MEMORY);
}

TEST(injection_each_file_call_fails)
{
    fail_each(FAULT_FILE);
}

TEST(injection_the_disk_is_full_from_each_call_on)
{
    fail_each(FAULT_DISK_FULL);
}

// Reads and writes of a few bytes, every other one broken off by a signal.
TEST(injection_short_reads_and_writes_change_nothing)
{
    static const int sizes[] = {1, 7, 4096};
    bool fired;
    prepare();
    for (int i = 0; i < 3; i++) {
        begin_again();
        CHECK_TEXT(train("try", 0, FAULT_PIECES, sizes[i], &fired).text, "");
        check_same_bits();
    }
}

// ---- the compiler -----------------------------------------------------------

// Compiles a small net in a process of its own, for the compiler ends where
// memory does. Returns its exit code;
// 100 = nothing failed.
static int compile_in_child(int n)
{
    static char *argv[] = {"simcc",  "compile", "models/tour.net",
                           "--emit", "plan",    NULL};
    pid_t child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        fault_arm(FAULT_MEMORY, n);
        Cli cli = {.arena = arena_new()};
        Status status = cli_parse(&cli, 5, argv);
        int code = (int)status.code;
        if (!code)
            code = cli.command->run(&cli);
        bool fired = fault_disarm();
        _exit(code == 0 && !fired ? 100 : code);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

TEST(injection_the_compiler_says_when_memory_ends)
{
    int n = 1, code = 0;
    for (; n < MOST && code != 100; n++) {
        code = compile_in_child(n);
        if (code != STATUS_MEMORY && code != 100)
            test_fail(__FILE__, __LINE__, "allocation %d: exit code %d", n,
                      code);
    }
    CHECK(n > 10 && n < MOST);
}
