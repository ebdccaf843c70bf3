#include "frontend/cli/job.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/cli/compiler.h"
#include "frontend/cli/fit.h"
#include "frontend/cli/foresee.h"
#include "frontend/cli/program.h"
#include "frontend/cli/together.h"
#include "frontend/cli/trained.h"
#include "runtime/base/file.h"
#include "runtime/data/input.h"
#include "runtime/exec/cpu.h"
#include "runtime/exec/ranks.h"
#include "runtime/files/keep.h"
#include "runtime/files/model.h"
#include "runtime/train/trainset.h"

enum { MOST_WAYS = 1 << 20 }; // bytes of a phase's ways

// ---- data -------------------------------------------------------------------

void job_tell_notes(const Cli *cli, const char *path, const Dataset *data)
{
    char *const *notes;
    int count = dataset_notes(data, &notes);
    for (int i = 0; i < count; i++)
        cli_note(cli, "%s: %s", path, notes[i]);
}

static void tell_decisions(const Job *job)
{
    enum { SHOWN = 5 };
    const DataSkip *skips;
    int count = dataset_skips(job->data, &skips);
    job_tell_notes(job->cli, job->data_path, job->data);
    for (int i = 0; i < count && i < SHOWN; i++)
        cli_warn(job->cli, arena_printf(job->cli->arena, "left out %s: %s",
                                        skips[i].path, skips[i].reason));
    if (count > SHOWN)
        cli_warn(job->cli,
                 arena_printf(job->cli->arena,
                              "and %d more; `simcc data info` lists them",
                              count - SHOWN));
}

// A mistake in a list shows before the first phase trains, not after it.
static Status check_labels(const Job *job)
{
    int64_t *indices, count;
    const char *labels = job->options.labels;
    if (!labels)
        return status_ok();
    TRY(dataset_select_asked(job->data, labels, job->options.seed, &indices,
                             &count));
    free(indices);
    cli_note(job->cli,
             "--labels %s: those of %lld image%s, in place of what a phase "
             "says",
             labels, (long long)count, text_s(count));
    return status_ok();
}

static bool tries_weights(const Job *job)
{
    return job->value || job->cli->command->run == command_eval;
}

static bool counts_classes(const Job *job)
{
    return job->cli->command->run == command_eval &&
           !cli_has(job->cli, OPT_knn);
}

static bool is_stream(const Cli *cli)
{
    return cli_has(cli, OPT_data) && strcmp(cli->values[OPT_data], "-") == 0;
}

// Of a stream one image at a time, unless the command line says how many: a
// batch of the value alone, for the training step may want another.
static int value_rows(const Cli *cli)
{
    const char *name = arena_printf(cli->arena, "%s.batch", cli->words[1]);
    for (int i = 0; i < cli->settings.count; i++)
        if (strcmp(cli->settings.at[i].name, name) == 0)
            return 0;
    return is_stream(cli) ? 1 : 0;
}

// --data -: the images come later.
static Status open_stream(Job *job, int min_side, int channels)
{
    DataOptions options = {.cache_bytes = -1, .channels = channels};
    if (job->cli->command->run != command_predict)
        return status_error(STATUS_USAGE,
                            "--data -: `simcc predict` alone reads names of "
                            "images from standard input; ./- is a folder of "
                            "that name");
    if (ranks_count() > 1)
        return status_error(STATUS_USAGE,
                            "--data -: names on standard input are for one "
                            "process: leave out the launcher");
    job->streams = true;
    job->min_side = min_side;
    job->channels = channels;
    return dataset_open_files(0, NULL, &options, &job->data);
}

static const char part_word[] = "{rank}";

// What --data names for a process of that number.
static const char *part_path(const Cli *cli, int rank)
{
    const char *path = cli->values[OPT_data], *word;
    Text text = text_new(cli->arena);
    while ((word = strstr(path, part_word))) {
        text_add_n(&text, path, (int)(word - path));
        text_addf(&text, "%d", rank);
        path = word + strlen(part_word);
    }
    text_add(&text, path);
    return text_string(&text);
}

// --data with {rank}: this process's part. One that nobody reads is said.
static Status find_part(Job *job)
{
    const Cli *cli = job->cli;
    const char *next = part_path(cli, ranks_count());
    job->data_path = part_path(cli, ranks_index());
    job->has_part = strstr(cli->values[OPT_data], part_word) != NULL;
    if (!job->has_part)
        return status_ok();
    if (cli->command->run != command_run)
        return status_error(STATUS_USAGE,
                            "--data %s: parts of the processes of `simcc run` "
                            "alone; `simcc %s` takes one path for all",
                            cli->values[OPT_data], cli->command->name);
    if (ranks_index() == 0 && file_exists(next))
        cli_warn(cli,
                 arena_printf(cli->arena,
                              "nobody reads %s: {rank} ends at %d, for "
                              "there %s",
                              next, ranks_count() - 1,
                              ranks_count() == 1 ? "is one process"
                                                 : "are no more processes"));
    return status_ok();
}

Status job_join_data(Job *job)
{
    const Cli *cli = job->cli;
    char *const *notes;
    int told = dataset_notes(job->data, &notes);
    const DataSkip *skips;
    int skipped = dataset_skips(job->data, &skips);
    if (!job->has_part || ranks_count() == 1)
        return status_ok();
    if (ranks_index() > 0 && skipped) // process 0 has said its own
        together_tell(arena_printf(cli->arena,
                                   "left out %d file%s of %s, the first is %s: "
                                   "%s",
                                   skipped, text_s(skipped), job->data_path,
                                   skips[0].path, skips[0].reason));
    TRY(dataset_join(job->data));
    if (!dataset_starts(job->data, SPLIT_TRAIN)) // another is at fault
        return status_ok();
    cli_note(cli, "%s: %s", cli->values[OPT_data],
             dataset_description(job->data));
    for (int i = told; i < dataset_notes(job->data, &notes); i++)
        cli_note(cli, "%s: %s", cli->values[OPT_data], notes[i]);
    return check_labels(job);
}

static Status open_data(Job *job, int min_side, int channels)
{
    const Cli *cli = job->cli;
    int64_t memory;
    if (tries_weights(job))
        TRY(trained_phase(job));
    if (is_stream(cli))
        return open_stream(job, min_side, channels);
    TRY(fit_memory(cli, &memory));
    DataOptions options = {.seed = job->options.seed,
                           .min_side = min_side,
                           .channels = channels,
                           .cache_bytes = fit_cache(memory),
                           .index = compiler_index_folder(cli)};
    options.test_asked = cli_has(cli, OPT_held_out);
    TRY(cli_share(cli, OPT_held_out, 0.2, 0, &options.test_fraction));
    TRY(cli_share(cli, OPT_validate, 0, LEAST_SHARE, &options.valid_fraction));
    TRY(cli_bytes(cli, OPT_cache, 0, &options.cache_bytes));
    if (cli_has(cli, OPT_cache) && options.cache_bytes == 0)
        options.cache_bytes = -1;
    if (!cli_has(cli, OPT_data))
        return status_error(STATUS_USAGE,
                            "say where the images are: --data DIR (`simcc "
                            "data synth DIR` draws some)");
    options.tests_alone = tries_weights(job);
    job->whole = cli->command->run == command_eval && cli_has(cli, OPT_split) &&
                 strcmp(cli->values[OPT_split], "all") == 0;
    if (job->whole)
        options.test_fraction = options.valid_fraction = 0;
    else if (tries_weights(job))
        TRY(trained_held_out(job, &options));
    TRY(find_part(job));
    TRY(dataset_open(job->data_path, &options, &job->data));
    cli_note(cli, "%s: %s", job->data_path, dataset_description(job->data));
    if (!job->checks)
        tell_decisions(job);
    if (counts_classes(job))
        TRY(trained_classes(job));
    return job->has_part && ranks_count() > 1 ? status_ok() : check_labels(job);
}

// ---- program ----------------------------------------------------------------

// What an old processor makes of generated code.
static void tell_cpu(const Job *job)
{
    const char *advice = cpu_advice(cpu_here());
    if (advice)
        cli_note(job->cli, "%s", advice);
}

static Status check_artifact(const Job *job)
{
    const Cli *cli = job->cli;
    const Program *program = job->program;
    int wanted = cli->word_count - 1, count = program->phase_count;
    const char **names = ARENA_ARRAY(cli->arena, const char *, count + 1);
    for (int i = 0; i < count; i++)
        names[i] = program->phases[i].name;
    TRY(compiler_check_phases(cli->arena, wanted, cli->words + 1, count,
                              names));
    for (int i = 0; i < count; i++) {
        bool used = wanted == 0;
        for (int w = 1; w <= wanted; w++)
            used = used || strcmp(cli->words[w], names[i]) == 0;
        if (used && program->phases[i].train.step_count == 0)
            return status_error(STATUS_FAILED,
                                "%s was compiled without phase %s",
                                cli->words[0], names[i]);
    }
    return status_ok();
}

static Status open_artifact(Job *job)
{
    const Cli *cli = job->cli;
    if (cli->settings.count || cli_has(cli, OPT_dtype) ||
        cli_has(cli, OPT_precision) || cli_has(cli, OPT_target) ||
        cli_has(cli, OPT_strict) || cli_has(cli, OPT_plain_sums) ||
        cli_has(cli, OPT_tune) || cli_has(cli, OPT_memory))
        return status_error(STATUS_USAGE,
                            "%s is compiled: --set, --dtype, --precision, "
                            "--target, --strict, --plain-sums, --tune and "
                            "--memory need the .net "
                            "file",
                            cli->words[0]);
    TRY(program_read(cli->words[0], &job->program));
    TRY(check_artifact(job));
    TRY(cpu_check(job->program->needs, cpu_here(), job->program->target));
    tell_cpu(job);
    return open_data(job, input_min_side(job->program),
                     job->program->phases[0].channels);
}

// How small images may be decoded, known before anything is compiled.
static int experiment_min_side(const Experiment *experiment)
{
    Program *program = program_from_experiment(experiment, DT_F32, "");
    int side = input_min_side(program);
    program_free(program);
    return side;
}

// Weights want the program that they were trained with; those of other
// programs a net of their size.
static Status fit_weights(Job *job, Compiler *compiler)
{
    char weights[RUNDIR_PATH];
    const TrainOptions *options = &job->options;
    if (options->init && !options->init_map)
        return compiler_fit_init(compiler, job->cli, options->init);
    if (!tries_weights(job))
        return status_ok();
    TRY(job_weights(job, weights));
    return compiler_fit_weights(compiler, job->cli, weights);
}

// A program that nobody told how many classes there are asks the data, but for
// a single folder, which names no classes to tell apart; and where the data has
// none, the teacher.
static Status fit_classes(const Job *job, Compiler *compiler)
{
    int classes = dataset_classes(job->data);
    const char *whence = "data";
    if (job->value || (classes == 1 && !dataset_several(job->data)))
        return status_ok();
    if (classes == 0 && job->options.out) {
        TRY(trained_teacher(job, compiler->experiment, &classes));
        whence = "teacher";
    }
    return compiler_fit_classes(compiler, job->cli, classes, whence);
}

// A phase that goes on does as it did before.
static Status keep_ways(const Job *job, Compiler *compiler)
{
    const Cli *cli = job->cli;
    const Experiment *experiment = compiler->experiment;
    if (!cli_has(cli, OPT_resume) || ranks_count() > 1)
        return status_ok();
    compiler->ways =
        ARENA_ARRAY(cli->arena, const char *, experiment->phases.count + 1);
    for (int i = 0; i < experiment->phases.count; i++) {
        Keep keep;
        char path[RUNDIR_PATH], *text = NULL;
        int64_t size = 0;
        const char *name = experiment->phases.at[i].name;
        compiler->ways[i] = NULL;
        TRY(keep_open(&keep, job->options.out, name, 0));
        if (!keep_exists(&keep))
            continue;
        compiler->ways[i] = "";
        TRY(rundir_path(job->options.out, name, "ways", path));
        if (!file_exists(path))
            continue;
        TRY(file_read(path, MOST_WAYS, &text, &size));
        compiler->ways[i] = arena_strdup(cli->arena, text);
        free(text);
    }
    return status_ok();
}

// A batch that does not fit may be one that the run was not begun with: that is
// then to be said instead. Process 0 has the folder.
static Status blame_settings(const Job *job, const Program *program, int count,
                             const int *phases, Status fault)
{
    if (fault.code != STATUS_OK && ranks_index() == 0)
        TRY(train_check_settings(program, count, phases, job->data,
                                 &job->options));
    return fault;
}

Status job_check_sets(Job *job, const Program *program, int count,
                      const int *phases)
{
    Status status = trainset_check(program, count, phases, job->data,
                                   job->options.labels, job->options.seed);
    job->fed = status.code == STATUS_OK;
    return blame_settings(job, program, count, phases, status);
}

// The places of the phases to compile.
static int wanted_phases(const Job *job, const Compiler *compiler, int **phases)
{
    const Experiment *experiment = compiler->experiment;
    int count = 0;
    *phases = ARENA_ARRAY(job->cli->arena, int, experiment->phases.count + 1);
    for (int i = 0; i < experiment->phases.count; i++)
        if (compiler_wants(compiler, experiment->phases.at[i].name))
            (*phases)[count++] = i;
    return count;
}

// Before minutes of compiling, which change neither program nor data. Parts of
// several processes are counted when they are one set, and for an artifact
// there is nothing to be spared: then run.c checks.
static Status check_phases(Job *job, const Compiler *compiler)
{
    int *phases, count = wanted_phases(job, compiler, &phases);
    if (job->cli->command->run != command_run ||
        (job->has_part && ranks_count() > 1))
        return status_ok();
    Program *program =
        program_from_experiment(compiler->experiment, compiler->lang.dtype, "");
    Status status = job_check_sets(job, program, count, phases);
    program_free(program);
    return status;
}

static Status check_memory(const Job *job, const Compiler *compiler)
{
    int *phases, count = wanted_phases(job, compiler, &phases);
    Status status = fit_machine(job->program, compiler_threads(compiler),
                                compiler->validates);
    return blame_settings(job, job->program, count, phases, status);
}

static Status compile_for_data(Job *job, Compiler *compiler)
{
    int64_t memory;
    if (!compiler_load(compiler))
        return status_error(STATUS_SOURCE, "no program");
    TRY(compiler_check_names(compiler)); // before thousands of files are read
    TRY(fit_weights(job, compiler));
    TRY(open_data(job, experiment_min_side(compiler->experiment),
                  compiler->experiment->phases.at[0].channels));
    TRY(fit_classes(job, compiler));
    TRY(fit_memory(job->cli, &memory));
    if (memory > 0)
        TRY(fit_batches(compiler, job->cli, memory));
    TRY(check_phases(job, compiler));
    TRY(keep_ways(job, compiler));
    if (job->checks) {
        compiler->codeless = true;
        TRY(compiler_run(compiler, &job->program));
        return check_memory(job, compiler);
    }
    if (job->cli->command->run == command_run)
        foresee(job, compiler);
    tell_cpu(job);
    TRY(compiler_run(compiler, &job->program));
    tune_tell(&compiler->tuned, job->cli);
    compiler_tell_precision(job->program, job->cli);
    TRY(check_memory(job, compiler));
    double seconds = 0;
    for (int i = 0; i < compiler->times.count; i++)
        seconds += compiler->times.at[i].seconds;
    cli_note(job->cli, "compiled %s in %.1f s: %d kernel%s, %d from the cache",
             compiler->path, seconds, compiler->stats.kernels,
             text_s(compiler->stats.kernels), compiler->stats.cache_hits);
    return status_ok();
}

static int open_source(Job *job)
{
    Compiler compiler;
    CLI_TRY(job->cli, compiler_open(&compiler, job->cli));
    compiler.phase_count = job->cli->word_count - 1;
    compiler.phases = job->cli->words + 1;
    compiler.lang.value_phase = job->cli->words[1];
    compiler.lang.value_name = job->value;
    compiler.codegen.inference = job->value != NULL;
    if (job->value)
        compiler.lang.value_rows = value_rows(job->cli);
    // Evaluations are shared by batches, each as one process has it.
    if (tries_weights(job))
        compiler.lang.ranks = 1;
    if (job->cli->command->run == command_run)
        compiler.lang.features_name = PROBED_VALUE;
    compiler.validates = job->options.validate.every_steps ||
                         job->options.validate.every_epochs > 0;
    if (job->cli->command->run == command_eval && !job->value)
        compiler.lang.scores_name = cli_has(job->cli, OPT_value)
                                        ? job->cli->values[OPT_value]
                                        : SCORED_VALUE;
    else if (compiler.validates)
        compiler.lang.scores_name = SCORED_VALUE;
    Status status = compile_for_data(job, &compiler);
    if (job->checks && status.code == STATUS_OK)
        return STATUS_OK; // warnings are said where it is compiled
    return compiler_report(&compiler, job->cli, &status);
}

// ---- job --------------------------------------------------------------------

static Status start(Job *job, Cli *cli)
{
    const char *term = getenv("TERM");
    *job = (Job){.cli = cli};
    job->live = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    return job_read_options(job);
}

int job_open(Job *job, Cli *cli)
{
    CLI_TRY(cli, start(job, cli));
    if (!program_is_artifact(cli->words[0]))
        return open_source(job);
    CLI_TRY(cli, open_artifact(job));
    return STATUS_OK;
}

int job_check(Job *job, Cli *cli)
{
    CLI_TRY(cli, start(job, cli));
    job->checks = true;
    job->options.start_over = "remove that folder";
    if (!program_is_artifact(cli->words[0]))
        return open_source(job);
    CLI_TRY(cli, open_artifact(job));
    return STATUS_OK;
}

int job_check_again(Job *job)
{
    const Program *program = job->program;
    dataset_free(job->data);
    job->data = NULL;
    job->fed = false;
    CLI_TRY(job->cli, job_read_options(job));
    CLI_TRY(job->cli, open_data(job, input_min_side(program),
                                program->phases[0].channels));
    return STATUS_OK;
}

// An artifact has training and evaluation alone. `what` follows the command's
// name.
static Status refuse_artifact(const Cli *cli, const char *what)
{
    if (!program_is_artifact(cli->words[0]))
        return status_ok();
    return status_error(STATUS_USAGE,
                        "%s is compiled, for training and evaluation alone: "
                        "`simcc %s`%s needs the .net file",
                        cli->words[0], cli->command->name, what);
}

int job_open_value(Job *job, Cli *cli, const char *value)
{
    CLI_TRY(cli, start(job, cli));
    job->value = value;
    CLI_TRY(cli, refuse_artifact(cli, ""));
    return open_source(job);
}

// The program and its weights' shapes.
static Status read_program(Job *job, Compiler *compiler)
{
    char weights[RUNDIR_PATH];
    if (!compiler_load(compiler))
        return status_error(STATUS_SOURCE, "no program");
    TRY(compiler_check_names(compiler));
    TRY(job_weights(job, weights));
    TRY(trained_phase(job));
    TRY(compiler_fit_weights(compiler, job->cli, weights));
    job->program =
        program_from_experiment(compiler->experiment, compiler->lang.dtype, "");
    compiler_list_params(compiler, job->program);
    return status_ok();
}

int job_open_program(Job *job, Cli *cli)
{
    Compiler compiler;
    CLI_TRY(cli, start(job, cli));
    if (program_is_artifact(cli->words[0])) {
        CLI_TRY(cli, program_read(cli->words[0], &job->program));
        CLI_TRY(cli, check_artifact(job));
        return STATUS_OK;
    }
    CLI_TRY(cli, compiler_open(&compiler, cli));
    compiler.phase_count = cli->word_count - 1;
    compiler.phases = cli->words + 1;
    Status status = read_program(job, &compiler);
    return compiler_report(&compiler, cli, &status);
}

// Opens the program, which is source, to be read for `value` of the phase that
// the command names. `what` is said of the command where it is compiled.
static int open_for_value(Job *job, Cli *cli, const char *value,
                          const char *what, Compiler *compiler)
{
    CLI_TRY(cli, start(job, cli));
    CLI_TRY(cli, refuse_artifact(cli, what));
    CLI_TRY(cli, compiler_open(compiler, cli));
    compiler->phase_count = cli->word_count - 1;
    compiler->phases = cli->words + 1;
    compiler->lang.value_phase = cli->words[1];
    compiler->lang.value_name = value;
    return STATUS_OK;
}

int job_open_graph(Job *job, Cli *cli, const char *value,
                   const ExperimentPhase **phase)
{
    Compiler compiler;
    int code = open_for_value(job, cli, value, " to ONNX", &compiler);
    if (code != STATUS_OK)
        return code;
    Status status = read_program(job, &compiler);
    if (status.code == STATUS_OK)
        *phase = &compiler.experiment->phases.at[job_phase(job, cli->words[1])];
    return compiler_report(&compiler, cli, &status);
}

// A library is given images, and nothing else.
static Status check_inputs(const Compiler *compiler, const char *name)
{
    const Graph *graph = NULL;
    for (int i = 0; i < compiler->experiment->phases.count; i++)
        if (strcmp(compiler->experiment->phases.at[i].name, name) == 0)
            graph = compiler->experiment->phases.at[i].value;
    bool *read = ARENA_ARRAY(compiler->arena, bool, graph->nodes.count + 1);
    for (int i = 0; i < graph->outputs.count; i++)
        read[graph->outputs.at[i].value] = true;
    for (Value v = graph->nodes.count - 1; v >= 0; v--) {
        const Node *node = graph_node(graph, v);
        for (int i = 0; read[v] && i < node->input_count; i++)
            read[node->inputs[i]] = true;
        if (read[v] && node->op == OP_INPUT &&
            strcmp(node->attrs[INPUT_NAME].text, "images") != 0)
            return status_error(STATUS_USAGE,
                                "`%s` depends on the %s, and a library is "
                                "given images alone: --value NAME takes "
                                "another value",
                                compiler->lang.value_name,
                                node->attrs[INPUT_NAME].text);
    }
    return status_ok();
}

static Status compile_alone(Job *job, Compiler *compiler, int *min_side)
{
    char weights[RUNDIR_PATH];
    if (!compiler_load(compiler))
        return status_error(STATUS_SOURCE, "no program");
    TRY(compiler_check_names(compiler));
    TRY(job_weights(job, weights));
    TRY(compiler_fit_weights(compiler, job->cli, weights));
    TRY(check_inputs(compiler, job->cli->words[1]));
    *min_side = experiment_min_side(compiler->experiment);
    return compiler_run(compiler, &job->program);
}

int job_open_code(Job *job, Cli *cli, const char *value, const char *target,
                  int rows, int *min_side)
{
    Compiler compiler;
    cli->values[OPT_target] = target;
    int code = open_for_value(job, cli, value, "", &compiler);
    if (code != STATUS_OK)
        return code;
    compiler.lang.value_rows = rows;
    compiler.codegen.inference = true;
    Status status = compile_alone(job, &compiler, min_side);
    return compiler_report(&compiler, cli, &status);
}

void job_close(Job *job)
{
    program_free(job->program);
    dataset_free(job->data);
}

int job_phase(const Job *job, const char *name)
{
    for (int i = 0; i < job->program->phase_count; i++)
        if (strcmp(job->program->phases[i].name, name) == 0)
            return i;
    INTERNAL_ERROR("phase '%s' is lost", name);
}

Status job_weights(const Job *job, char path[RUNDIR_PATH])
{
    const Cli *cli = job->cli;
    if (cli_has(cli, OPT_weights)) {
        snprintf(path, RUNDIR_PATH, "%s", cli->values[OPT_weights]);
        return status_ok();
    }
    if (!cli_has(cli, OPT_out))
        return status_error(STATUS_USAGE,
                            "say which weights: --weights FILE, or the run "
                            "directory: --out DIR");
    TRY(rundir_path(cli->values[OPT_out], cli->words[1], "model.safetensors",
                    path));
    if (file_exists(path))
        return status_ok();
    return status_error(STATUS_DATA,
                        "there is no %s: `simcc run %s %s` trains the phase, "
                        "--weights FILE names other weights",
                        path, cli->words[0], cli->words[1]);
}

Status job_splits(const Cli *cli, unsigned *splits)
{
    static const char *const names[] = {"train", "test", "valid", "all"};
    static const unsigned bits[] = {1 << SPLIT_TRAIN, 1 << SPLIT_TEST,
                                    1 << SPLIT_VALID, (1 << SPLIT_COUNT) - 1};
    const char *given =
        cli_has(cli, OPT_split) ? cli->values[OPT_split] : "all";
    for (unsigned i = 0; i < 4; i++)
        if (strcmp(given, names[i]) == 0) {
            *splits = bits[i];
            return status_ok();
        }
    return status_error(STATUS_USAGE, "--split is train, test, valid or all");
}

int64_t job_count_images(const Job *job, unsigned splits)
{
    int64_t count = 0;
    for (int split = 0; split < SPLIT_COUNT; split++)
        if (splits >> split & 1)
            count += dataset_count(job->data, (DataSplit)split);
    return count;
}
