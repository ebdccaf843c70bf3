// Before the compiler: what it is told to do, and parameters that data or
// weights decide.
#include "frontend/cli/compiler.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/cli/record.h"
#include "runtime/exec/pool.h"
#include "runtime/exec/ranks.h"
#include "runtime/files/model.h"

// ---- opening ----------------------------------------------------------------

const char *compiler_cache_folder(Arena *arena)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache)
        return arena_printf(arena, "%s/simcc", cache);
    if (home && *home)
        return arena_printf(arena, "%s/.cache/simcc", home);
    return NULL;
}

const char *compiler_index_folder(const Cli *cli)
{
    const char *cache = compiler_cache_folder(cli->arena);
    return cache && !cli_has(cli, OPT_no_cache)
               ? arena_printf(cli->arena, "%s/data", cache)
               : NULL;
}

Status compiler_open(Compiler *compiler, const Cli *cli)
{
    int64_t threads, ranks;
    *compiler = (Compiler){.arena = cli->arena, .path = cli->words[0]};
    compiler->diags = diag_list_new(cli->arena);
    compiler->dump = text_new(cli->arena);
    TRY(cli_dtype(cli, &compiler->lang.dtype));
    TRY(cli_precision(cli, &compiler->lang.precision));
    TRY(cli_whole(cli, OPT_threads, 0, 1, 1024, &threads));
    TRY(cli_whole(cli, OPT_ranks, ranks_count(), 1, RANKS_MAX, &ranks));
    compiler->lang.ranks = (int)ranks;
    compiler->codegen.sums_wait = cli_has(cli, OPT_no_overlap);
    if (compiler->codegen.sums_wait && ranks == 1)
        return status_error(STATUS_USAGE,
                            "--no-overlap is for sums over several processes, "
                            "and there is one");
    compiler->lang.setting_count = cli->settings.count;
    compiler->lang.settings = cli->settings.at;
    compiler->codegen.cpu =
        cli_has(cli, OPT_target) ? cli->values[OPT_target] : "native";
    const char *problem =
        codegen_cpu_problem(cli->arena, compiler->codegen.cpu);
    if (problem)
        return status_error(STATUS_USAGE, "--target: %s", problem);
    if (cli_has(cli, OPT_plain_sums) && cli_has(cli, OPT_strict))
        return status_error(STATUS_USAGE,
                            "--strict takes Winograd's algorithm by small "
                            "tiles, --plain-sums does without it: one of them");
    compiler->codegen.sums = cli_has(cli, OPT_plain_sums) ? PLAN_SUMS_PLAIN
                             : cli_has(cli, OPT_strict)   ? PLAN_SUMS_STRICT
                                                          : PLAN_SUMS_FAST;
    compiler->tune = cli_has(cli, OPT_tune);
    compiler->codegen.threads = (int)threads;
    if (!cli_has(cli, OPT_no_cache))
        compiler->codegen.cache_dir = compiler_cache_folder(cli->arena);
    compiler->passes = cli->values[OPT_passes];
    compiler->verify = cli_has(cli, OPT_verify);
    if (cli_has(cli, OPT_phase)) {
        compiler->phase_count = 1;
        compiler->phases = &cli->values[OPT_phase];
    }
    return status_ok();
}

// "model" says nothing in notes and weights that come of it. RUN/about is
// beside RUN/model.net and above RUN/PHASE/model.net.
const char *compiler_program_name(Arena *arena, const char *path,
                                  const char *name)
{
    static const char *const places[] = {"about", "../about"};
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash + 1 - path) : 0;
    for (int i = 0; strcmp(path + folder, "model.net") == 0 && i < 2; i++) {
        Notes about;
        const char *file =
            arena_printf(arena, "%.*s%s", folder, path, places[i]);
        if (!record_is_about(file) ||
            notes_read(file, &about).code != STATUS_OK)
            continue;
        const char *kept = notes_get(&about, "name");
        name = kept ? arena_strdup(arena, kept) : name;
        notes_free(&about);
        return name;
    }
    return name;
}

// ---- phases of the program --------------------------------------------------

bool compiler_wants(const Compiler *compiler, const char *phase)
{
    for (int i = 0; i < compiler->phase_count; i++)
        if (strcmp(compiler->phases[i], phase) == 0)
            return true;
    return compiler->phase_count == 0;
}

const char *compiler_list_names(Arena *arena, int count,
                                const char *const *names)
{
    Text text = text_new(arena);
    for (int i = 0; i < count; i++)
        text_addf(&text, "%s%s", i ? ", " : "", names[i]);
    return text_string(&text);
}

Status compiler_check_phases(Arena *arena, int wanted_count,
                             const char *const *wanted, int count,
                             const char *const *names)
{
    for (int i = 0; i < wanted_count; i++) {
        bool found = false;
        for (int n = 0; n < count; n++)
            found = found || strcmp(wanted[i], names[n]) == 0;
        if (found)
            continue;
        const char *close = text_closest(wanted[i], names, count);
        const char *hint =
            close ? arena_printf(arena, "did you mean %s?", close)
                  : arena_printf(arena, "there are: %s",
                                 compiler_list_names(arena, count, names));
        return status_error(STATUS_USAGE, "there is no phase '%s': %s",
                            wanted[i], hint);
    }
    return status_ok();
}

Status compiler_check_names(const Compiler *compiler)
{
    const Experiment *experiment = compiler->experiment;
    int count = experiment->phases.count;
    const char **names = ARENA_ARRAY(compiler->arena, const char *, count + 1);
    for (int i = 0; i < count; i++)
        names[i] = experiment->phases.at[i].name;
    return compiler_check_phases(compiler->arena, compiler->phase_count,
                                 compiler->phases, count, names);
}

int compiler_threads(const Compiler *compiler)
{
    int threads = compiler->codegen.threads;
    return threads > 0 ? threads : pool_cores();
}

// ---- parameters that others decide ------------------------------------------

// Loads the program again with further settings, which are told.
static Status load_with(Compiler *compiler, Cli *cli, int count,
                        const Setting *settings, const char *whence)
{
    Text told = text_new(cli->arena);
    for (int i = 0; i < count; i++) {
        text_addf(&told, "%s%s = %s", i ? ", " : "", settings[i].name,
                  settings[i].value);
        vec_push(cli->arena, &cli->settings, settings[i]);
    }
    if (count == 0)
        return status_ok();
    cli_note(cli, "%s, as in the %s", text_string(&told), whence);
    compiler->lang.settings = cli->settings.at;
    compiler->lang.setting_count = cli->settings.count;
    if (!compiler_load(compiler))
        return status_error(STATUS_SOURCE, "no program");
    return status_ok();
}

Status compiler_fit_classes(Compiler *compiler, Cli *cli, int classes,
                            const char *whence)
{
    const Experiment *experiment = compiler->experiment;
    for (int i = 0; classes > 0 && i < experiment->params.count; i++) {
        const ExperimentParam *param = &experiment->params.at[i];
        if (strcmp(param->name, "classes") != 0 || param->from_command_line ||
            strtol(param->value, NULL, 10) == classes)
            continue;
        Setting setting = {"classes", arena_printf(cli->arena, "%d", classes),
                           false};
        return load_with(compiler, cli, 1, &setting, whence);
    }
    return status_ok();
}

// A phase's settings that say how it is trained and not what its net is.
static bool is_length(const char *name)
{
    static const char *const lengths[] = {".batch", ".chunk", ".epochs",
                                          ".steps", ".balanced"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof lengths / sizeof *lengths; i++)
        if (strcmp(dot, lengths[i]) == 0)
            return true;
    return false;
}

// Parameters of the program and settings of its phases that weights have at
// other values, but for those that the command line sets, and `except`, which
// may be NULL.
static Status fit_lines(Compiler *compiler, Cli *cli, const char *lines,
                        const char *except)
{
    char value[256];
    const Experiment *experiment = compiler->experiment;
    int params = experiment->params.count, count = 0;
    int all = params + experiment->settings.count;
    Setting *settings = ARENA_ARRAY(cli->arena, Setting, all + 1);
    for (int i = 0; i < all; i++) {
        const ExperimentParam *param =
            i < params ? &experiment->params.at[i]
                       : &experiment->settings.at[i - params];
        model_parameter(lines, param->name, value, sizeof value);
        if (*value && !param->from_command_line && !is_length(param->name) &&
            strcmp(value, param->value) != 0 &&
            (!except || strcmp(param->name, except) != 0))
            settings[count++] =
                (Setting){param->name, arena_strdup(cli->arena, value), false};
    }
    return load_with(compiler, cli, count, settings, "weights");
}

Status compiler_fit_weights(Compiler *compiler, Cli *cli, const char *path)
{
    char *lines;
    TRY(model_parameters(path, &lines));
    Status status = fit_lines(compiler, cli, lines, NULL);
    free(lines);
    return status;
}

Status compiler_fit_init(Compiler *compiler, Cli *cli, const char *path)
{
    char *lines;
    TRY(model_recognized(path, &lines));
    Status status = fit_lines(compiler, cli, lines, "classes");
    free(lines);
    return status;
}

// ---- reporting --------------------------------------------------------------

void compiler_tell_precision(const Program *program, const Cli *cli)
{
    CpuSet products = CPU_BIT(AVX512BF16) | CPU_BIT(AMXBF16);
    bool multiplies = false;
    for (int i = 0; i < program->phase_count; i++) {
        const ProgramPhase *phase = &program->phases[i];
        const Plan *plan =
            phase->train.step_count ? &phase->train : &phase->eval;
        bool asked = phase->precision == PLAN_BF16 && plan->step_count > 0;
        bool any = false;
        for (int v = 0; v < plan->value_count; v++)
            any = any || plan->values[v].dtype == PLAN_BF16;
        multiplies |= asked && any && (program->needs & products);
        if (asked && !any)
            cli_note(cli,
                     "%s: precision bf16 changes nothing, for the phase has no "
                     "convolution or pool whose results it could store so",
                     phase->name);
    }
    if (multiplies)
        cli_note(cli, "precision bf16: the processor multiplies bf16, so "
                      "convolutions do, with weights rounded to it");
}

int compiler_report(const Compiler *compiler, const Cli *cli,
                    const Status *status)
{
    diag_print(&compiler->diags, stderr, cli->color);
    if (status->code == STATUS_OK)
        return STATUS_OK;
    if (status->code == STATUS_SOURCE && compiler->diags.error_count)
        return STATUS_SOURCE;
    return cli_fail(cli, status);
}
