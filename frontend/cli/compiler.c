#include "frontend/cli/compiler.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/cli/program.h"
#include "frontend/cli/reuse.h"
#include "ir/text_form.h"
#include "passes/pass.h"
#include "runtime/base/clock.h"
#include "runtime/exec/pool.h"
#include "runtime/exec/ranks.h"
#include "runtime/files/model.h"

// ---- time -------------------------------------------------------------------

// Adds what passed since *start to the time called `name`, and starts again.
static void add_time(Compiler *compiler, const char *name, double *start)
{
    double now = clock_seconds(), passed = now - *start;
    *start = now;
    for (int i = 0; i < compiler->times.count; i++)
        if (strcmp(compiler->times.at[i].name, name) == 0) {
            compiler->times.at[i].seconds += passed;
            return;
        }
    CompilerTime time = {name, passed};
    vec_push(compiler->arena, &compiler->times, time);
}

typedef struct PassClock {
    Compiler *compiler;
    double start;
} PassClock;

static void time_pass(void *context, const Pass *pass, Graph *graph)
{
    PassClock *clock = context;
    (void)graph;
    add_time(clock->compiler, pass->name, &clock->start);
}

// ---- opening ----------------------------------------------------------------

static const char *cache_folder(Arena *arena)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache)
        return arena_printf(arena, "%s/simcc", cache);
    if (home && *home)
        return arena_printf(arena, "%s/.cache/simcc", home);
    return NULL;
}

Status compiler_open(Compiler *compiler, const Cli *cli)
{
    int64_t threads, ranks;
    *compiler = (Compiler){.arena = cli->arena, .path = cli->words[0]};
    compiler->diags = diag_list_new(cli->arena);
    compiler->dump = text_new(cli->arena);
    TRY(cli_dtype(cli, &compiler->lang.dtype));
    TRY(cli_whole(cli, OPT_threads, 0, 1, 1024, &threads));
    TRY(cli_whole(cli, OPT_ranks, ranks_count(), 1, RANKS_MAX, &ranks));
    compiler->lang.ranks = (int)ranks;
    compiler->lang.setting_count = cli->settings.count;
    compiler->lang.settings = cli->settings.at;
    compiler->codegen.cpu =
        cli_has(cli, OPT_target) ? cli->values[OPT_target] : "native";
    const char *problem =
        codegen_cpu_problem(cli->arena, compiler->codegen.cpu);
    if (problem)
        return status_error(STATUS_USAGE, "--target: %s", problem);
    compiler->codegen.sums = cli_has(cli, OPT_plain_sums) ? PLAN_SUMS_PLAIN
                             : cli_has(cli, OPT_strict)   ? PLAN_SUMS_STRICT
                                                          : PLAN_SUMS_FAST;
    compiler->tune = cli_has(cli, OPT_tune);
    compiler->codegen.threads = (int)threads;
    if (!cli_has(cli, OPT_no_cache))
        compiler->codegen.cache_dir = cache_folder(cli->arena);
    compiler->passes = cli->values[OPT_passes];
    compiler->verify = cli_has(cli, OPT_verify);
    if (cli_has(cli, OPT_phase)) {
        compiler->phase_count = 1;
        compiler->phases = &cli->values[OPT_phase];
    }
    return status_ok();
}

// ---- phases of the program --------------------------------------------------

bool compiler_wants(const Compiler *compiler, const char *phase)
{
    for (int i = 0; i < compiler->phase_count; i++)
        if (strcmp(compiler->phases[i], phase) == 0)
            return true;
    return compiler->phase_count == 0;
}

static const char *list_names(Arena *arena, int count, const char *const *names)
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
        const char *hint = close
                               ? arena_printf(arena, "did you mean %s?", close)
                               : arena_printf(arena, "there are: %s",
                                              list_names(arena, count, names));
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

// ---- the steps --------------------------------------------------------------

static Status source_errors(const Compiler *compiler)
{
    int count = compiler->diags.error_count;
    return status_error(STATUS_SOURCE, "%d error%s in %s", count,
                        count == 1 ? "" : "s", compiler->path);
}

bool compiler_load(Compiler *compiler)
{
    double start = clock_seconds();
    compiler->diags = diag_list_new(compiler->arena);
    compiler->lang.phase_count = compiler->phase_count;
    compiler->lang.phases = compiler->phases;
    compiler->experiment = lang_load(compiler->arena, compiler->path,
                                     &compiler->lang, &compiler->diags);
    add_time(compiler, "read and elaborate", &start);
    return compiler->experiment != NULL;
}

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

Status compiler_fit_classes(Compiler *compiler, Cli *cli, int classes)
{
    const Experiment *experiment = compiler->experiment;
    for (int i = 0; classes > 0 && i < experiment->params.count; i++) {
        const ExperimentParam *param = &experiment->params.at[i];
        if (strcmp(param->name, "classes") != 0 || param->from_command_line ||
            strtol(param->value, NULL, 10) == classes)
            continue;
        Setting setting = {"classes", arena_printf(cli->arena, "%d", classes),
                           false};
        return load_with(compiler, cli, 1, &setting, "data");
    }
    return status_ok();
}

// Parameters of the program that weights have at other values, but for those
// that the command line sets, and `except`, which may be NULL.
static Status fit_lines(Compiler *compiler, Cli *cli, const char *lines,
                        const char *except)
{
    char value[256];
    const Experiment *experiment = compiler->experiment;
    int count = 0;
    Setting *settings =
        ARENA_ARRAY(cli->arena, Setting, experiment->params.count + 1);
    for (int i = 0; i < experiment->params.count; i++) {
        const ExperimentParam *param = &experiment->params.at[i];
        model_parameter(lines, param->name, value, sizeof value);
        if (*value && !param->from_command_line &&
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

static Status run_passes(Compiler *compiler, Graph *graph)
{
    PassClock clock = {compiler, clock_seconds()};
    if (compiler->passes && strcmp(compiler->passes, "none") == 0)
        return status_ok();
    const char *unknown = passes_run(graph, compiler->passes, compiler->verify,
                                     time_pass, &clock);
    if (!unknown)
        return status_ok();
    int count;
    const Pass *table = pass_table(&count);
    const char **names = ARENA_ARRAY(compiler->arena, const char *, count);
    for (int i = 0; i < count; i++)
        names[i] = table[i].name;
    return status_error(STATUS_USAGE, "there is no pass '%s'; there are: %s",
                        unknown, list_names(compiler->arena, count, names));
}

static void dump_graph(Compiler *compiler, const Graph *graph)
{
    if (compiler->emit == EMIT_DOT)
        graph_print_dot(graph, &compiler->dump);
    else
        graph_print(graph, &compiler->dump);
}

void compiler_train_graphs(const ExperimentPhase *phase,
                           Graph *graphs[PLAN_PARTS])
{
    graphs[PLAN_EMBED] = phase->embed;
    graphs[PLAN_LOSS] = phase->train;
    graphs[PLAN_BACKWARD] = phase->backward;
    graphs[PLAN_UPDATE] = phase->update;
}

// Graph to graph, for every graph of the wanted phases.
static Status optimize(Compiler *compiler)
{
    const Experiment *experiment = compiler->experiment;
    for (int i = 0; i < experiment->phases.count; i++) {
        const ExperimentPhase *phase = &experiment->phases.at[i];
        if (!compiler_wants(compiler, phase->name))
            continue;
        bool value = compiler->lang.value_name != NULL;
        Graph *graphs[PLAN_PARTS + 2];
        compiler_train_graphs(phase, graphs);
        graphs[PLAN_PARTS] = phase->eval;
        graphs[PLAN_PARTS + 1] = phase->value;
        for (int g = 0; g < PLAN_PARTS + 2; g++) {
            if (!graphs[g] || (value && graphs[g] != phase->value))
                continue;
            TRY(run_passes(compiler, graphs[g]));
            if (compiler->emit == EMIT_GRAPH || compiler->emit == EMIT_DOT)
                dump_graph(compiler, graphs[g]);
        }
    }
    return status_ok();
}

void compiler_lower_train(Codegen *codegen, const ExperimentPhase *phase,
                          Plan *plan)
{
    Graph *graphs[PLAN_PARTS];
    compiler_train_graphs(phase, graphs);
    if (phase->chunk)
        codegen_lower_parts(codegen, (const Graph *const *)graphs,
                            phase->batch / phase->chunk, phase->chunk, plan);
    else
        codegen_lower(codegen, phase->train, plan);
}

static Status check_plan(Compiler *compiler, const Plan *plan)
{
    const char *wrong = NULL;
    if (compiler->verify)
        wrong = codegen_verify_plan(plan, compiler->arena);
    if (wrong)
        return status_error(STATUS_INTERNAL, "plan of %s: %s", plan->name,
                            wrong);
    if (compiler->emit == EMIT_PLAN)
        codegen_print_plan(plan, &compiler->dump);
    return status_ok();
}

static Status lower_graph(Compiler *compiler, Codegen *codegen,
                          const Graph *graph, Plan *plan)
{
    codegen_lower(codegen, graph, plan);
    return check_plan(compiler, plan);
}

void compiler_list_params(const Compiler *compiler, Program *program)
{
    const Experiment *experiment = compiler->experiment;
    for (int i = 0; i < experiment->phases.count; i++) {
        Plan *plan = &program->phases[i].train;
        Graph *graphs[PLAN_PARTS];
        if (plan->params)
            continue;
        compiler_train_graphs(&experiment->phases.at[i], graphs);
        for (int g = 0; g < PLAN_PARTS; g++)
            if (graphs[g]) {
                passes_run(graphs[g], "dce", false, NULL, NULL);
                codegen_list_params(graphs[g], plan);
            }
    }
}

// How the phase's convolutions are computed.
static Status choose_ways(Compiler *compiler, Codegen *codegen, int index,
                          ProgramPhase *to)
{
    const char *ways = compiler->ways ? compiler->ways[index] : NULL;
    const Graph *graph = compiler->experiment->phases.at[index].train;
    if (!ways && compiler->tune && !compiler->lang.value_name)
        TRY(tune_convs(&compiler->codegen, compiler_threads(compiler), graph,
                       compiler->arena, &ways, &compiler->tuned));
    codegen_set_ways(codegen, ways);
    if (ways && *ways && !(to->ways = strdup(ways)))
        arena_out_of_memory(strlen(ways));
    return status_ok();
}

static Status lower_phase(Compiler *compiler, Codegen *codegen, int index,
                          ProgramPhase *to)
{
    const ExperimentPhase *phase = &compiler->experiment->phases.at[index];
    TRY(choose_ways(compiler, codegen, index, to));
    if (compiler->lang.value_name)
        return lower_graph(compiler, codegen, phase->value, &to->eval);
    compiler_lower_train(codegen, phase, &to->train);
    TRY(check_plan(compiler, &to->train));
    if (phase->eval)
        TRY(lower_graph(compiler, codegen, phase->eval, &to->eval));
    if (phase->value)
        TRY(lower_graph(compiler, codegen, phase->value, &to->features));
    return status_ok();
}

// Graph to plan, for every graph of the wanted phases. Plans that are not made
// still get a name and params: weights are compared with them.
static Status lower(Compiler *compiler, Codegen *codegen, Program *program)
{
    const Experiment *experiment = compiler->experiment;
    double start = clock_seconds();
    for (int i = 0; i < experiment->phases.count; i++) {
        const ExperimentPhase *phase = &experiment->phases.at[i];
        ProgramPhase *to = &program->phases[i];
        if (compiler_wants(compiler, phase->name))
            TRY(lower_phase(compiler, codegen, i, to));
        if (!to->train.name)
            to->train.name = strdup("");
        if (!to->eval.name)
            to->eval.name = strdup("");
        if (!to->features.name)
            to->features.name = strdup("");
        if (!to->train.name || !to->eval.name || !to->features.name)
            arena_out_of_memory(1);
    }
    compiler_list_params(compiler, program);
    add_time(compiler, "lower", &start);
    return status_ok();
}

// Kernels to machine code.
static Status generate(Compiler *compiler, Codegen *codegen, Program *program)
{
    double start = clock_seconds();
    if (compiler->emit == EMIT_LLVM)
        codegen_print_llvm(codegen, &compiler->dump);
    if (compiler->emit == EMIT_ASM)
        codegen_print_asm(codegen, &compiler->dump);
    if (compiler->emit != EMIT_NOTHING)
        return status_ok();
    const char *wrong =
        codegen_compile(codegen, &program->objects, &program->object_count);
    add_time(compiler, "machine code", &start);
    compiler->stats = codegen_stats(codegen);
    if (wrong)
        return status_error(STATUS_FAILED, "cannot make machine code: %s",
                            wrong);
    return status_ok();
}

static Status dump_ast(Compiler *compiler)
{
    const char *tree =
        lang_dump_ast(compiler->arena, compiler->path, &compiler->diags);
    if (!tree)
        return source_errors(compiler);
    text_add(&compiler->dump, tree);
    return status_ok();
}

// ---- the whole compiler -----------------------------------------------------

// Graphs to a program, by one codegen.
static Status make_program(Compiler *compiler, Codegen *codegen,
                           Program **result)
{
    // Graph to graph: simplify, fuse, schedule.
    TRY(optimize(compiler));
    if (compiler->emit == EMIT_GRAPH || compiler->emit == EMIT_DOT)
        return status_ok();
    // Graph to plan: kernels, buffers, order. Plan to machine code.
    Program *program = program_from_experiment(
        compiler->experiment, compiler->lang.dtype, codegen_target(codegen));
    program->cpu = (int32_t)codegen_needs(codegen);
    program->sums = compiler->codegen.sums;
    Status status = lower(compiler, codegen, program);
    if (status.code == STATUS_OK)
        status = generate(compiler, codegen, program);
    if (status.code == STATUS_OK && compiler->emit == EMIT_NOTHING)
        *result = program;
    else
        program_free(program);
    return status;
}

// Text to a program, or to an earlier form.
static Status load_and_make(Compiler *compiler, Codegen *codegen,
                            Program **result)
{
    // Text to graphs: parse, elaborate, differentiate.
    if (!compiler->experiment && !compiler_load(compiler))
        return source_errors(compiler);
    TRY(compiler_check_names(compiler));
    return make_program(compiler, codegen, result);
}

static void count_reused(Compiler *compiler, const Program *program,
                         double *start)
{
    add_time(compiler, "the whole, from the cache", start);
    compiler->stats.kernels = program->object_count;
    compiler->stats.cache_hits = program->object_count;
}

Status compiler_run(Compiler *compiler, Program **result)
{
    double start = clock_seconds();
    const char *key = NULL;
    *result = NULL;
    if (compiler->emit == EMIT_AST)
        return dump_ast(compiler);
    Codegen *codegen = codegen_new(&compiler->codegen);
    // What was loaded may be older than the sources are.
    if (!compiler->experiment)
        key = reuse_key(compiler, codegen);
    Status status = status_ok();
    *result = reuse_find(compiler, key);
    if (*result)
        count_reused(compiler, *result, &start);
    else
        status = load_and_make(compiler, codegen, result);
    if (*result && compiler->experiment)
        reuse_keep(compiler, codegen, key, *result);
    codegen_free(codegen);
    return status;
}

// ---- graphs from a file -----------------------------------------------------

Status compiler_run_graphs(Compiler *compiler)
{
    const char *error;
    Source *source = source_read(compiler->arena, compiler->path, &error);
    if (!source)
        return status_error(STATUS_FAILED, "%s", error);
    GraphList *list = graph_parse(compiler->arena, source, &compiler->diags);
    if (!list)
        return source_errors(compiler);
    Codegen *codegen = codegen_new(&compiler->codegen);
    Status status = status_ok();
    for (int i = 0; i < list->graphs.count && status.code == STATUS_OK; i++) {
        Graph *graph = list->graphs.at[i];
        Plan plan = {0};
        status = run_passes(compiler, graph);
        if (status.code != STATUS_OK)
            break;
        if (compiler->emit == EMIT_GRAPH || compiler->emit == EMIT_DOT) {
            dump_graph(compiler, graph);
            continue;
        }
        status = lower_graph(compiler, codegen, graph, &plan);
        plan_free(&plan);
    }
    if (compiler->emit == EMIT_LLVM)
        codegen_print_llvm(codegen, &compiler->dump);
    if (compiler->emit == EMIT_ASM)
        codegen_print_asm(codegen, &compiler->dump);
    codegen_free(codegen);
    return status;
}

// ---- reporting --------------------------------------------------------------

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
