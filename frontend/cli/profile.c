// simcc profile: where a training step spends its time, or the computation of a
// value, step by step of the plan, on random input.
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/compiler.h"
#include "frontend/cli/profile.h"
#include "frontend/cli/together.h"
#include "runtime/base/clock.h"
#include "runtime/base/philox.h"
#include "runtime/exec/peak.h"
#include "runtime/exec/ranks.h"

enum { ROUNDS = 5 };

// Images are uniform noise; labels and counters small whole numbers.
static void fill_inputs(Profile *profile)
{
    for (int i = 0; i < profile->plan->input_count; i++) {
        const PlanTensor *tensor = &profile->plan->inputs[i].tensor;
        void *data = executor_input(profile->executor, tensor->name);
        bool images = strncmp(tensor->name, "images", 6) == 0;
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

Status profile_open(Profile *profile, const Program *program, int phase,
                    int threads)
{
    const ProgramPhase *of = &program->phases[phase];
    *profile = (Profile){.plan = of->train.step_count ? &of->train : &of->eval};
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

void profile_close(Profile *profile)
{
    executor_free(profile->executor);
    store_free(&profile->store);
    code_free(profile->image);
    pool_free(profile->pool);
}

// One round to warm up, then some for the total, then as many with the clock
// read at every step, which costs a little by itself.
void profile_run(Profile *profile)
{
    profile->peak = peak_flops(profile->pool);
    profile->rounds = ROUNDS;
    executor_run(profile->executor);
    double start = clock_seconds();
    for (int i = 0; i < ROUNDS; i++)
        executor_run(profile->executor);
    profile->seconds = (clock_seconds() - start) / ROUNDS;
    executor_set_timing(profile->executor, true);
    for (int i = 0; i < ROUNDS; i++)
        executor_run(profile->executor);
    profile->step = executor_step_seconds(profile->executor);
}

static Status profile_show(const Profile *profile, const Cli *cli)
{
    if (cli_has(cli, OPT_json))
        profile_print_json(profile);
    else
        profile_print_table(profile);
    if (!cli_has(cli, OPT_trace) || ranks_index() > 0)
        return status_ok();
    cli_check_extension(cli, cli->values[OPT_trace], "JSON", "json");
    return profile_write_trace(profile, cli->values[OPT_trace]);
}

static Status profile_phase(Cli *cli, const Program *program, int phase)
{
    Profile profile;
    int64_t threads;
    TRY(cli_whole(cli, OPT_threads, 0, 1, 1024, &threads));
    Status status = profile_open(&profile, program, phase, (int)threads);
    if (status.code == STATUS_OK) {
        profile.arena = cli->arena;
        profile_run(&profile);
        status = profile_show(&profile, cli);
    }
    profile_close(&profile);
    return status;
}

static Status profile_first(Cli *cli, const Program *program)
{
    for (int i = 0; i < program->phase_count; i++)
        if (program->phases[i].train.step_count ||
            program->phases[i].eval.step_count)
            return profile_phase(cli, program, i);
    return status_ok();
}

// As `predict` and `embed` compute it.
static Status choose_value(Compiler *compiler, const Cli *cli)
{
    if (!cli_has(cli, OPT_value))
        return status_ok();
    if (cli->word_count < 2)
        return status_error(STATUS_USAGE,
                            "--value is one of a phase: say which after %s",
                            cli->words[0]);
    compiler->lang.value_phase = cli->words[1];
    compiler->lang.value_name = cli->values[OPT_value];
    compiler->codegen.inference = true;
    compiler->lang.ranks = 1; // no process needs another for it
    return status_ok();
}

// Compiles what is to be measured; returns an exit code.
static int prepare(Cli *cli, Compiler *compiler, Program **program)
{
    CLI_TRY(cli, compiler_open(compiler, cli));
    CLI_TRY(cli, choose_value(compiler, cli));
    compiler->phase_count = cli->word_count - 1;
    compiler->phases = cli->words + 1;
    Status status = compiler_run(compiler, program);
    tune_tell(&compiler->tuned, cli);
    if (*program)
        compiler_tell_precision(*program, cli);
    return compiler_report(compiler, cli, &status);
}

int command_profile(Cli *cli)
{
    Compiler compiler;
    Program *program = NULL;
    CLI_TRY(cli, together_begin(cli));
    int code = together_agree(cli, prepare(cli, &compiler, &program));
    if (code == STATUS_OK) {
        Status status = profile_first(cli, program);
        code = together_end(status.code == STATUS_OK ? STATUS_OK
                                                     : cli_fail(cli, &status));
    } else {
        ranks_close();
    }
    program_free(program);
    return code;
}
