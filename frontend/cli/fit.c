#include "frontend/cli/fit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "passes/pass.h"

enum { LEAST_BATCH = 1, ROUNDED_FROM = 16, ROUND = 8 };
static const double MIB = 1 << 20;
// What the process takes besides what is counted here: the libraries' code,
// machine code being made, images being decoded.
static const int64_t reserve_bytes = (int64_t)96 << 20;
static const int64_t most_cache_bytes = (int64_t)512 << 20;

Status fit_memory(const Cli *cli, int64_t *bytes)
{
    static const char units[] = "KMGT";
    const char *text = cli->values[OPT_memory];
    char *end;
    *bytes = 0;
    if (!text)
        return status_ok();
    double number = strtod(text, &end);
    const char *unit = *end ? strchr(units, *end) : NULL;
    for (int i = 0; unit && i <= unit - units; i++)
        number *= 1024;
    end += unit != NULL;
    if (!unit || *end || !(number >= 1) || number > 1e18)
        return status_error(STATUS_USAGE,
                            "--memory wants a size such as 8G or 500M, and "
                            "not '%s'",
                            text);
    *bytes = (int64_t)number;
    return status_ok();
}

int64_t fit_cache(int64_t memory)
{
    return memory / 8 < most_cache_bytes ? memory / 8 : most_cache_bytes;
}

// ---- what a phase needs -----------------------------------------------------

static int64_t plan_need(const Plan *plan, int threads)
{
    return plan->slab_bytes + plan->scratch_bytes * threads;
}

// Weights, a step, or an evaluation after the last one, and two batches of
// images in the making.
static int64_t phase_need(const Plan *train, const Plan *eval,
                          const Plan *features, int threads)
{
    const PlanPort *images = plan_input(train, "images");
    int64_t bytes = 0, step = plan_need(train, threads);
    int64_t evaluation = plan_need(eval, threads);
    for (int i = 0; i < train->param_count; i++)
        bytes += train->params[i].tensor.bytes;
    if (images)
        bytes += 2 * plan_elements(&images->tensor) * (int64_t)sizeof(float);
    step += plan_need(features, threads);
    return bytes + (step > evaluation ? step : evaluation);
}

// The compiler's need of the phase with that batch; -1 when the program does
// not compile with it.
static int64_t need_with(const Compiler *compiler, const char *phase,
                         int64_t batch)
{
    Arena *arena = arena_new();
    Compiler probe = {.arena = arena,
                      .path = compiler->path,
                      .lang = compiler->lang,
                      .codegen = compiler->codegen,
                      .phase_count = 1,
                      .phases = &phase};
    int count = compiler->lang.setting_count;
    probe.lang.settings = ARENA_ARRAY(arena, Setting, count + 1);
    for (int i = 0; i < count; i++)
        probe.lang.settings[i] = compiler->lang.settings[i];
    probe.lang.settings[probe.lang.setting_count++] =
        (Setting){arena_printf(arena, "%s.batch", phase),
                  arena_printf(arena, "%lld", (long long)batch), false};
    int64_t bytes = -1;
    for (int i = 0; compiler_load(&probe) && i < 1; i++) {
        const ExperimentPhase *made = NULL;
        for (int p = 0; p < probe.experiment->phases.count; p++)
            if (strcmp(probe.experiment->phases.at[p].name, phase) == 0)
                made = &probe.experiment->phases.at[p];
        Graph *graphs[PLAN_PARTS + 2];
        Plan plans[3] = {{0}};
        Codegen *codegen = codegen_new(&probe.codegen);
        compiler_train_graphs(made, graphs);
        graphs[PLAN_PARTS] = made->eval;
        graphs[PLAN_PARTS + 1] = made->value;
        for (int g = 0; g < PLAN_PARTS + 2; g++)
            if (graphs[g])
                passes_run(graphs[g], NULL, false, NULL, NULL);
        compiler_lower_train(codegen, made, &plans[0]);
        for (int g = 1; g < 3; g++)
            if (graphs[PLAN_PARTS + g - 1])
                codegen_lower(codegen, graphs[PLAN_PARTS + g - 1], &plans[g]);
        bytes = phase_need(&plans[0], &plans[1], &plans[2],
                           compiler_threads(compiler));
        for (int g = 0; g < 3; g++)
            plan_free(&plans[g]);
        codegen_free(codegen);
    }
    arena_free(arena);
    return bytes;
}

// ---- choosing ---------------------------------------------------------------

static int64_t rounded(int64_t batch)
{
    return batch >= ROUNDED_FROM ? batch / ROUND * ROUND : batch;
}

static bool fits(int64_t need, int64_t room)
{
    return need >= 0 && need <= room;
}

// The largest batch up to `most` that fits; 0 = none. Needs grow with it.
static int64_t largest_batch(const Compiler *compiler, const char *phase,
                             int64_t most, int64_t room)
{
    int64_t low = 0, high = most;
    if (fits(need_with(compiler, phase, most), room))
        return most;
    while (high - low > 1) {
        int64_t middle = rounded((low + high) / 2);
        if (middle <= low)
            break;
        if (fits(need_with(compiler, phase, middle), room))
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool is_set(const Cli *cli, const char *name)
{
    for (int i = 0; i < cli->settings.count; i++)
        if (strcmp(cli->settings.at[i].name, name) == 0)
            return true;
    return false;
}

static Status too_large(const Compiler *compiler, const char *phase,
                        int64_t batch, int64_t fitting, int64_t besides,
                        int64_t memory)
{
    char would[160];
    int64_t need = need_with(compiler, phase, fitting ? batch : LEAST_BATCH);
    if (fitting)
        snprintf(would, sizeof would, "--set %s.batch=%lld would fit", phase,
                 (long long)fitting);
    else
        snprintf(would, sizeof would,
                 "no batch fits: smaller images or a smaller net take less");
    return status_error(STATUS_MEMORY,
                        "phase %s with a batch of %lld takes %.0f MiB, and "
                        "--memory leaves %.0f MiB: %s",
                        phase, (long long)(fitting ? batch : LEAST_BATCH),
                        (double)(need + besides) / MIB, (double)memory / MIB,
                        would);
}

// What the process has taken so far.
static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return 0;
    if (fscanf(file, "%*d %lld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static Status fit_phase(Compiler *compiler, Cli *cli, const char *phase,
                        int64_t batch, int64_t besides, int64_t memory)
{
    const char *name = arena_printf(cli->arena, "%s.batch", phase);
    int64_t fitting = largest_batch(compiler, phase, batch, memory - besides);
    if (fitting == batch)
        return status_ok();
    if (!fitting || is_set(cli, name))
        return too_large(compiler, phase, batch, fitting, besides, memory);
    cli_note(cli,
             "%s = %lld, the largest that fits into --memory (the program has "
             "%lld)",
             name, (long long)fitting, (long long)batch);
    Setting setting = {
        name, arena_printf(cli->arena, "%lld", (long long)fitting), false};
    vec_push(cli->arena, &cli->settings, setting);
    compiler->lang.settings = cli->settings.at;
    compiler->lang.setting_count = cli->settings.count;
    return status_ok();
}

Status fit_batches(Compiler *compiler, Cli *cli, int64_t memory)
{
    int64_t besides = resident_bytes() + reserve_bytes + fit_cache(memory);
    int settings = cli->settings.count;
    for (int i = 0; i < compiler->experiment->phases.count; i++) {
        const ExperimentPhase *phase = &compiler->experiment->phases.at[i];
        if (compiler_wants(compiler, phase->name))
            TRY(fit_phase(compiler, cli, phase->name, phase->batch, besides,
                          memory));
    }
    if (cli->settings.count != settings && !compiler_load(compiler))
        return status_error(STATUS_SOURCE, "no program");
    return status_ok();
}

// ---- the machine ------------------------------------------------------------

static int64_t machine_bytes(void)
{
    int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    long long limit;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "r");
    if (file && fscanf(file, "%lld", &limit) == 1 && limit < bytes)
        bytes = limit;
    if (file)
        fclose(file);
    return bytes;
}

Status fit_machine(const Program *program, int threads)
{
    int64_t memory = machine_bytes();
    for (int i = 0; memory > 0 && i < program->phase_count; i++) {
        const ProgramPhase *phase = &program->phases[i];
        if (!phase->train.step_count)
            continue;
        int64_t need =
            phase_need(&phase->train, &phase->eval, &phase->features, threads);
        if (need > memory)
            return status_error(
                STATUS_MEMORY,
                "phase %s with a batch of %d takes %.0f MiB, and this machine "
                "has %.0f MiB: --memory SIZE finds the batch that fits",
                phase->name, phase->batch, (double)need / MIB,
                (double)memory / MIB);
    }
    return status_ok();
}
