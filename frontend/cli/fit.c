#include "frontend/cli/fit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/cli/need.h"
#include "runtime/base/cgroup.h"

enum { MOST_LEAST = 16, LEAST_SIDE = 8, ROUNDED_FROM = 16, ROUND = 8 };
enum { SLACK_BYTES = 4 << 20 }; // of sizes that are searched
static const double MIB = 1 << 20;
// What the process takes besides what is counted here: the libraries' code,
// machine code being made, images being decoded.
static const int64_t reserve_bytes = (int64_t)96 << 20;
static const int64_t most_cache_bytes = (int64_t)512 << 20;

Status fit_memory(const Cli *cli, int64_t *bytes)
{
    TRY(cli_bytes(cli, OPT_memory, 0, bytes));
    if (!cli_has(cli, OPT_memory) || *bytes > 0)
        return status_ok();
    return status_error(STATUS_USAGE,
                        "--memory wants room for something, and "
                        "got '%s'",
                        cli->values[OPT_memory]);
}

int64_t fit_cache(int64_t memory)
{
    return memory / 8 < most_cache_bytes ? memory / 8 : most_cache_bytes;
}

// ---- choosing ---------------------------------------------------------------

// A phase that is to fit.
typedef struct Fit {
    const Compiler *compiler;
    Cli *cli;
    const char *phase;
    int64_t batch;
    int64_t memory, besides; // bytes: in all, and for what is no phase's
} Fit;

// What the program sets otherwise; 0 = as it is.
typedef struct Sizes {
    int64_t batch, chunk, side;
} Sizes;

static Setting number_setting(const Fit *fit, const char *name, int64_t number)
{
    return (Setting){
        name, arena_printf(fit->cli->arena, "%lld", (long long)number), false};
}

static const char *of_phase(const Fit *fit, const char *name)
{
    return arena_printf(fit->cli->arena, "%s.%s", fit->phase, name);
}

static int64_t need(const Fit *fit, Sizes sizes)
{
    Setting more[3];
    int count = 0;
    if (sizes.batch)
        more[count++] =
            number_setting(fit, of_phase(fit, "batch"), sizes.batch);
    if (sizes.chunk)
        more[count++] =
            number_setting(fit, of_phase(fit, "chunk"), sizes.chunk);
    if (sizes.side)
        more[count++] = number_setting(fit, "image_size", sizes.side);
    return need_with(fit->compiler, fit->phase, count, more);
}

static int64_t room(const Fit *fit)
{
    return fit->memory - fit->besides;
}

// For sizes that are searched: once set, they are part of a program of its own,
// and the compiler then holds a little more or less itself.
static int64_t sure_room(const Fit *fit)
{
    return room(fit) - SLACK_BYTES;
}

static int64_t rounded(int64_t batch)
{
    return batch >= ROUNDED_FROM ? batch / ROUND * ROUND : batch;
}

// The largest batch that fits, below the program's; 0 = none. Needs grow with
// it; one too small to be compiled needs nothing.
static int64_t largest_batch(const Fit *fit)
{
    int64_t low = 0, high = fit->batch, low_need = -1;
    while (high - low > 1) {
        int64_t middle = rounded((low + high) / 2);
        if (middle <= low)
            break;
        int64_t bytes = need(fit, (Sizes){.batch = middle});
        if (bytes > sure_room(fit)) {
            high = middle;
        } else {
            low = middle;
            low_need = bytes;
        }
    }
    return low_need >= 0 ? low : 0;
}

// Is it a number of images that a step can take at a time?
static bool is_chunk(const Fit *fit, int64_t images)
{
    return fit->batch % images == 0 && images % fit->compiler->lang.ranks == 0;
}

// The largest chunk that fits, of those below `most` that divide the batch;
// 0 = none.
static int64_t largest_chunk(const Fit *fit, int64_t most)
{
    int count = 0, low = -1;
    int64_t low_need = -1;
    int64_t *divisors = ARENA_ARRAY(fit->cli->arena, int64_t, (size_t)most);
    for (int64_t d = 1; d < most; d++)
        if (is_chunk(fit, d))
            divisors[count++] = d;
    for (int high = count; high - low > 1;) {
        int middle = (low + high) / 2;
        int64_t bytes = need(fit, (Sizes){.chunk = divisors[middle]});
        if (bytes > sure_room(fit)) {
            high = middle;
        } else {
            low = middle;
            low_need = bytes;
        }
    }
    return low_need >= 0 ? divisors[low] : 0;
}

// The smallest batch that compiles: a loss may want two images or more.
static int64_t least_batch(const Fit *fit, int64_t *bytes)
{
    for (int64_t batch = 1; batch <= MOST_LEAST; batch *= 2) {
        *bytes = need(fit, (Sizes){.batch = batch});
        if (*bytes >= 0)
            return batch;
    }
    *bytes = need(fit, (Sizes){0});
    return fit->batch;
}

static int64_t image_size(const Fit *fit)
{
    const Experiment *experiment = fit->compiler->experiment;
    for (int i = 0; i < experiment->params.count; i++)
        if (strcmp(experiment->params.at[i].name, "image_size") == 0)
            return strtoll(experiment->params.at[i].value, NULL, 10);
    return 0;
}

// The program's image size halved until such a batch fits; 0 = never.
static int64_t smaller_images(const Fit *fit, int64_t batch)
{
    for (int64_t side = image_size(fit) / 2; side >= LEAST_SIDE; side /= 2) {
        int64_t bytes = need(fit, (Sizes){.batch = batch, .side = side});
        if (bytes >= 0 && bytes <= sure_room(fit))
            return side;
    }
    return 0;
}

// ---- saying -----------------------------------------------------------------

static bool is_set(const Cli *cli, const char *name)
{
    for (int i = 0; i < cli->settings.count; i++)
        if (strcmp(cli->settings.at[i].name, name) == 0)
            return true;
    return false;
}

static Status too_large(const Fit *fit, int64_t batch, int64_t bytes,
                        const char *advice)
{
    return status_error(STATUS_MEMORY,
                        "phase %s with a batch of %lld takes %.0f MiB, and "
                        "--memory leaves %.0f MiB: %s",
                        fit->phase, (long long)batch,
                        (double)(bytes + fit->besides) / MIB,
                        (double)fit->memory / MIB, advice);
}

static Status no_chunk_fits(const Fit *fit)
{
    int64_t chunk = 1, bytes = -1;
    for (; bytes < 0 && chunk < fit->batch; chunk++)
        if (is_chunk(fit, chunk))
            bytes = need(fit, (Sizes){.chunk = chunk});
    return too_large(fit, fit->batch, bytes,
                     arena_printf(fit->cli->arena,
                                  "that is in chunks of %lld; a smaller batch, "
                                  "smaller images or a smaller net take less",
                                  (long long)chunk - 1));
}

static Status nothing_fits(const Fit *fit)
{
    char advice[160];
    int64_t bytes, batch = least_batch(fit, &bytes);
    int64_t side = room(fit) > 0 ? smaller_images(fit, batch) : 0;
    if (side)
        snprintf(advice, sizeof advice,
                 "no batch fits; with --set image_size=%lld one would",
                 (long long)side);
    else
        snprintf(advice, sizeof advice,
                 "no batch fits: smaller images or a smaller net take less");
    return too_large(fit, batch, bytes, advice);
}

// What keeps the whole batch, or "".
static const char *chunk_advice(const Fit *fit)
{
    int64_t chunk = largest_chunk(fit, fit->batch);
    if (!chunk)
        return "";
    return arena_printf(fit->cli->arena,
                        "; --set %s.chunk=%lld takes all %lld in chunks",
                        fit->phase, (long long)chunk, (long long)fit->batch);
}

// Where the phase takes its batch in chunks, these become smaller, else the
// batch.
static Status fit_phase(const Fit *fit, Compiler *compiler, int64_t chunk)
{
    Cli *cli = fit->cli;
    const char *name = of_phase(fit, chunk ? "chunk" : "batch");
    int64_t bytes = need(fit, (Sizes){0});
    if (bytes >= 0 && bytes <= room(fit))
        return status_ok();
    int64_t fitting = chunk ? largest_chunk(fit, chunk) : largest_batch(fit);
    if (!fitting)
        return chunk ? no_chunk_fits(fit) : nothing_fits(fit);
    const char *more = chunk ? "" : chunk_advice(fit);
    if (is_set(cli, name))
        return too_large(fit, fit->batch, bytes,
                         arena_printf(cli->arena, "--set %s=%lld would fit%s",
                                      name, (long long)fitting, more));
    cli_note(cli,
             "%s = %lld, the largest that fits into --memory (the program has "
             "%lld)%s",
             name, (long long)fitting, (long long)(chunk ? chunk : fit->batch),
             more);
    vec_push(cli->arena, &cli->settings, number_setting(fit, name, fitting));
    compiler->lang.settings = cli->settings.at;
    compiler->lang.setting_count = cli->settings.count;
    return status_ok();
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

Status fit_batches(Compiler *compiler, Cli *cli, int64_t memory)
{
    int64_t besides = resident_bytes() + reserve_bytes + fit_cache(memory);
    int settings = cli->settings.count;
    for (int i = 0; i < compiler->experiment->phases.count; i++) {
        const ExperimentPhase *phase = &compiler->experiment->phases.at[i];
        Fit fit = {compiler, cli, phase->name, phase->batch, memory, besides};
        if (compiler_wants(compiler, phase->name))
            TRY(fit_phase(&fit, compiler, phase->chunk));
    }
    if (cli->settings.count != settings && !compiler_load(compiler))
        return status_error(STATUS_SOURCE, "no program");
    return status_ok();
}

// ---- the machine ------------------------------------------------------------

static int64_t machine_bytes(void)
{
    int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    int64_t allowed = cgroup_memory("");
    return allowed < bytes ? allowed : bytes;
}

Status fit_machine(const Program *program, int threads, bool validates)
{
    int64_t memory = machine_bytes();
    for (int i = 0; memory > 0 && i < program->phase_count; i++) {
        const ProgramPhase *phase = &program->phases[i];
        if (!phase->train.step_count)
            continue;
        int64_t need = plans_need(&phase->train, &phase->eval, &phase->features,
                                  threads, validates);
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
