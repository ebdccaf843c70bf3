// simcc profile: where a training step spends its time, step by step of the
// plan, on random input.
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/compiler.h"
#include "runtime/calls.h"
#include "runtime/clock.h"
#include "runtime/exec.h"
#include "runtime/philox.h"

enum { DEFAULT_ROUNDS = 5, DEFAULT_LINES = 30 };

// Steps of the plan that are listed together: same kernel, same label.
typedef struct ProfileRow {
    const char *label, *kernel;
    int count;
    double seconds; // of one round, all of them
} ProfileRow;

typedef struct Profile {
    const Plan *plan;
    Pool *pool;
    CodeImage *image;
    Store store;
    Executor *executor;
    double seconds; // of one round, as a whole
} Profile;

// Images are uniform noise; labels and counters small whole numbers.
static void fill_inputs(Profile *profile)
{
    for (int i = 0; i < profile->plan->input_count; i++) {
        const PlanTensor *tensor = &profile->plan->inputs[i].tensor;
        void *data = executor_input(profile->executor, tensor->name);
        bool images = strcmp(tensor->name, "images") == 0;
        int64_t count = tensor->bytes / plan_dtype_bytes(tensor->dtype);
        RandomStream stream =
            random_stream(0, random_name(tensor->name), 0, 0, 0);
        for (int64_t k = 0; k < count; k++) {
            double value = images ? random_uniform(&stream) : (double)(k % 2);
            if (tensor->dtype == PLAN_F64)
                ((double *)data)[k] = value;
            else
                ((float *)data)[k] = (float)value;
        }
    }
}

static Status profile_open(Profile *profile, const Program *program, int phase,
                           int threads)
{
    *profile = (Profile){.plan = &program->phases[phase].train};
    profile->pool = pool_new(threads);
    if (!profile->pool)
        return status_error(STATUS_MEMORY, "cannot start threads");
    TRY(code_load(program, &profile->image));
    TRY(store_add_plan(&profile->store, profile->plan));
    store_initialize(&profile->store, 0);
    TRY(executor_new(profile->plan, profile->image, &profile->store,
                     profile->pool, &profile->executor));
    fill_inputs(profile);
    return status_ok();
}

static void profile_close(Profile *profile)
{
    executor_free(profile->executor);
    store_free(&profile->store);
    code_free(profile->image);
    pool_free(profile->pool);
}

// One round to warm up, then `rounds` for the total, then as many with the
// clock read at every step, which costs a little by itself.
static void profile_run(Profile *profile, int rounds)
{
    executor_run(profile->executor);
    double start = clock_seconds();
    for (int i = 0; i < rounds; i++)
        executor_run(profile->executor);
    profile->seconds = (clock_seconds() - start) / rounds;
    executor_set_timing(profile->executor, true);
    for (int i = 0; i < rounds; i++)
        executor_run(profile->executor);
}

// What the step really has: weights and optimizer, slab, scratch.
static int64_t memory_used(const Profile *profile)
{
    return store_bytes(&profile->store) + executor_bytes(profile->executor);
}

static const char *step_kernel_name(const Plan *plan, const PlanStep *step)
{
    return step->symbol >= 0 ? plan->symbols[step->symbol]
                             : call_name((PlanCall)step->call);
}

static int compare_rows(const void *a, const void *b)
{
    double x = ((const ProfileRow *)a)->seconds;
    double y = ((const ProfileRow *)b)->seconds;
    return (x < y) - (x > y);
}

static int collect_rows(const Profile *profile, int rounds, ProfileRow *rows)
{
    const double *seconds = executor_step_seconds(profile->executor);
    int count = 0;
    for (int s = 0; s < profile->plan->step_count; s++) {
        const PlanStep *step = &profile->plan->steps[s];
        const char *kernel = step_kernel_name(profile->plan, step);
        int r = 0;
        while (r < count && (strcmp(rows[r].kernel, kernel) != 0 ||
                             strcmp(rows[r].label, step->label) != 0))
            r++;
        if (r == count)
            rows[count++] = (ProfileRow){step->label, kernel, 0, 0};
        rows[r].count++;
        rows[r].seconds += seconds[s] / rounds;
    }
    qsort(rows, (size_t)count, sizeof *rows, compare_rows);
    return count;
}

static void print_table(const Profile *profile, const ProfileRow *rows,
                        int count)
{
    double total = 0;
    for (int i = 0; i < count; i++)
        total += rows[i].seconds;
    printf("%.3f ms a step on %d threads, %d kernels, %.1f MB\n",
           1e3 * profile->seconds, pool_threads(profile->pool),
           profile->plan->step_count, 1e-6 * (double)memory_used(profile));
    printf("with the clock read at every kernel:\n");
    printf("%10s %6s %6s  %-20s  %s\n", "ms", "share", "times", "kernel",
           "operations");
    for (int i = 0; i < count && i < DEFAULT_LINES; i++)
        printf("%10.3f %5.1f%% %6d  %-20s  %s\n", 1e3 * rows[i].seconds,
               100 * rows[i].seconds / total, rows[i].count, rows[i].kernel,
               rows[i].label);
    if (count > DEFAULT_LINES)
        printf("and %d more\n", count - DEFAULT_LINES);
}

static void print_json(const Profile *profile, const ProfileRow *rows,
                       int count, Arena *arena)
{
    Text text = text_new(arena);
    text_addf(&text,
              "{\"seconds\":%.9f,\"threads\":%d,\"memory\":%lld,\"kernels\":[",
              profile->seconds, pool_threads(profile->pool),
              (long long)memory_used(profile));
    for (int i = 0; i < count; i++) {
        text_addf(&text,
                  "%s{\"seconds\":%.9f,\"count\":%d,\"kernel\":", i ? "," : "",
                  rows[i].seconds, rows[i].count);
        text_add_json(&text, rows[i].kernel);
        text_add(&text, ",\"operations\":");
        text_add_json(&text, rows[i].label);
        text_add(&text, "}");
    }
    text_add(&text, "]}");
    puts(text_string(&text));
}

static Status profile_phase(Cli *cli, const Program *program, int phase)
{
    Profile profile;
    int64_t threads;
    TRY(cli_whole(cli, OPT_threads, 0, 1, 1024, &threads));
    Status status = profile_open(&profile, program, phase, (int)threads);
    if (status.code == STATUS_OK) {
        profile_run(&profile, DEFAULT_ROUNDS);
        ProfileRow *rows =
            ARENA_ARRAY(cli->arena, ProfileRow, profile.plan->step_count + 1);
        int count = collect_rows(&profile, DEFAULT_ROUNDS, rows);
        if (cli_has(cli, OPT_json))
            print_json(&profile, rows, count, cli->arena);
        else
            print_table(&profile, rows, count);
    }
    profile_close(&profile);
    return status;
}

int command_profile(Cli *cli)
{
    Compiler compiler;
    Program *program = NULL;
    CLI_TRY(cli, compiler_open(&compiler, cli));
    compiler.phase_count = cli->word_count - 1;
    compiler.phases = cli->words + 1;
    Status status = compiler_run(&compiler, &program);
    for (int i = 0; status.code == STATUS_OK && i < program->phase_count; i++)
        if (program->phases[i].train.step_count) {
            status = profile_phase(cli, program, i);
            break;
        }
    int code = compiler_report(&compiler, cli, &status);
    program_free(program);
    return code;
}
