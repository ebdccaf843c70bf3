// simcc run: trains phases.
#include "frontend/cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/cli/record.h"
#include "frontend/cli/together.h"
#include "frontend/cli/trained.h"
#include "runtime/base/file.h"
#include "runtime/exec/ranks.h"
#include "runtime/files/keep.h"

// ---- signals ----------------------------------------------------------------

static volatile sig_atomic_t caught_signal, wanted_save;

// The first lets the step finish and saves; a second SIGINT or SIGTERM ends the
// process at once. The others come again by themselves: SIGXCPU every second,
// SIGHUP from shell and terminal.
static void catch_end(int number)
{
    if (caught_signal && number != SIGINT && number != SIGTERM)
        return;
    if (caught_signal) {
        signal(number, SIG_DFL);
        raise(number);
    }
    caught_signal = number;
}

static void catch_save(int number)
{
    wanted_save = number;
}

static void watch(int number, void (*handler)(int number))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(number, &action, NULL);
}

// Before there is anything to save, the first signal ends the process as ever.
static void watch_signals(Job *job)
{
    job->options.stop = &caught_signal;
    job->options.save = &wanted_save;
    watch(SIGINT, catch_end);
    watch(SIGTERM, catch_end);
    watch(SIGXCPU, catch_end);
    struct sigaction now;
    // nohup has it ignored, and means it.
    if (sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
        watch(SIGHUP, catch_end);
    watch(SIGUSR1, catch_save);
}

// ---- the run directory ------------------------------------------------------

// Opens OUT/command, whose lock this process then holds until it ends: two runs
// in one folder would write each other's checkpoints.
static Status lock_folder(const Job *job, int *file)
{
    char path[RUNDIR_PATH];
    TRY(rundir_create(job->options.out, NULL));
    TRY(rundir_path(job->options.out, NULL, "command", path));
    *file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (*file < 0)
        return status_error(STATUS_FAILED, "cannot write %s: %s", path,
                            strerror(errno));
    if (flock(*file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return status_ok();
    close(*file);
    return status_error(STATUS_FAILED,
                        "another simcc is at work in %s; wait for it, or use "
                        "another --out",
                        job->options.out);
}

static Status note_command(const Job *job, int file)
{
    const Cli *cli = job->cli;
    Text text = text_new(cli->arena);
    for (int i = 0; i < cli->argc; i++) {
        text_add(&text, i ? " " : "");
        cli_add_quoted(&text, cli->argv[i]);
    }
    text_add(&text, "\n");
    if (write(file, text.at, text.length) == (ssize_t)text.length)
        return status_ok();
    return status_error(STATUS_FAILED, "cannot write %s/command: %s",
                        job->options.out, strerror(errno));
}

// The path without links, as far as it is there; malloc'ed, NULL without
// memory.
static char *nearest_folder(const char *path)
{
    char *folder = strdup(path), *real = NULL;
    while (folder && !(real = realpath(folder, NULL))) {
        char *slash = strrchr(folder, '/');
        if (!slash || slash == folder) {
            real = realpath(slash ? "/" : ".", NULL);
            break;
        }
        *slash = '\0';
    }
    free(folder);
    return real;
}

// A run inside the data would be a class of it the next time.
static Status check_place(const Job *job)
{
    char *data = realpath(job->data_path, NULL);
    char *out = nearest_folder(job->options.out);
    size_t length = data ? strlen(data) : 0;
    bool inside = out && data && strncmp(out, data, length) == 0 &&
                  (out[length] == '/' || !out[length]);
    free(data);
    free(out);
    if (!inside)
        return status_ok();
    return status_error(STATUS_USAGE,
                        "--out %s is in the data, of which it would become a "
                        "class: put it elsewhere",
                        job->options.out);
}

// A run writes files of these names, but not over others than a run's: the
// program that it reads, somebody's notes. OUT/about, which simcc begins, tells
// whose they are. Empty ones lose nothing: OUT/command is one before OUT/about
// is there, and a log may be that the shell has made for what is said.
static Status check_own(const Job *job)
{
    static const char *const written[] = {
        "about",         "model.net",  "card.md",    "log",
        "metrics.jsonl", "curves.png", "curves.svg", "command"};
    char path[RUNDIR_PATH];
    struct stat info;
    TRY(rundir_path(job->options.out, NULL, "about", path));
    if (record_is_about(path))
        return status_ok();
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        TRY(rundir_path(job->options.out, NULL, written[i], path));
        bool empty = stat(path, &info) == 0 && info.st_size == 0;
        if (file_exists(path) && !empty)
            return status_error(STATUS_USAGE,
                                "--out %s would write over %s, which is not of "
                                "a run: use another --out",
                                job->options.out, path);
    }
    return status_ok();
}

// Hours of training are not overwritten by accident.
static Status check_not_there(const Job *job, const char *phase)
{
    Keep keep;
    const Cli *cli = job->cli;
    TRY(keep_open(&keep, job->options.out, phase, 0));
    if (cli_has(cli, OPT_resume) || cli_has(cli, OPT_force) ||
        !keep_exists(&keep))
        return status_ok();
    return status_error(STATUS_FAILED,
                        "%s holds phase %s already: --resume goes on with it, "
                        "--force starts over",
                        job->options.out, phase);
}

// ---- run --------------------------------------------------------------------

typedef struct PhaseList {
    int count;
    int *at; // places in the program
} PhaseList;

// The phases named, or all, in order.
static PhaseList chosen_phases(const Job *job)
{
    const Cli *cli = job->cli;
    int named = cli->word_count - 1;
    PhaseList list = {named ? named : job->program->phase_count, NULL};
    list.at = ARENA_ARRAY(cli->arena, int, list.count + 1);
    for (int i = 0; i < list.count; i++)
        list.at[i] = named ? job_phase(job, cli->words[1 + i]) : i;
    return list;
}

// Says how to go on from here; returns the exit code.
static int tell_stopped(Job *job, const TrainResult *result)
{
    cli_note(job->cli,
             "stopped after step %lld of %s; the same command with --resume "
             "goes on",
             (long long)result->steps, result->phase);
    return caught_signal ? 128 + caught_signal : STATUS_OK;
}

// A phase of the program that starts from or is taught by one just trained.
static const ProgramPhase *next_phase(const Job *job, const PhaseList *done)
{
    const ProgramPhase *phases = job->program->phases;
    for (int i = 0; i < job->program->phase_count; i++) {
        bool fits = false;
        for (int d = 0; d < done->count; d++) {
            const char *name = phases[done->at[d]].name;
            if (done->at[d] == i) {
                fits = false;
                break;
            }
            fits = fits ||
                   (phases[i].from && strcmp(phases[i].from, name) == 0) ||
                   (phases[i].teacher && strcmp(phases[i].teacher, name) == 0);
        }
        if (fits)
            return &phases[i];
    }
    return NULL;
}

// With what decides which images the next phase sees, what it computes and
// what shapes its weights have. Not --best, a number of the phases that ran,
// which the next need not have.
static void tell_next(const Job *job, const PhaseList *done)
{
    static const OptionId kept[] = {
        OPT_data,           OPT_out,       OPT_labels,   OPT_seed,
        OPT_dtype,          OPT_precision, OPT_held_out, OPT_validate,
        OPT_validate_every, OPT_strict,    OPT_patience, OPT_plain_sums,
        OPT_tune,           OPT_target,    OPT_memory,   OPT_set};
    const Cli *cli = job->cli;
    const ProgramPhase *next = next_phase(job, done);
    const char *last = job->program->phases[done->at[done->count - 1]].name;
    cli_note(cli, "weights: %s/%s/model.safetensors   curves: %s/curves.png",
             job->options.out, last, job->options.out);
    if (!next || (phase_is_labeled(next) && dataset_classes(job->data) < 2))
        return;
    Text line = text_new(cli->arena);
    text_add(&line, "next: simcc run ");
    cli_add_quoted(&line, cli->words[0]);
    text_addf(&line, " %s", next->name);
    cli_add_given(cli, kept, sizeof kept / sizeof *kept, &line);
    cli_note(cli, "%s", text_string(&line));
}

// All that can be wrong before the folder is made.
static Status check(Job *job, const PhaseList *list)
{
    TRY(check_place(job));
    TRY(check_own(job));
    for (int i = 0; i < list->count; i++)
        TRY(check_not_there(job, job->program->phases[list->at[i]].name));
    if (!job->fed)
        TRY(job_check_sets(job, job->program, list->count, list->at));
    return train_check(job->program, list->count, list->at, job->data,
                       &job->options);
}

Status run_check(Job *job)
{
    PhaseList list = chosen_phases(job);
    return check(job, &list);
}

// Does one of the phases go on that the command before trained?
static bool goes_on(const Job *job, const PhaseList *list, const char *before)
{
    for (int i = 0; before && i < list->count; i++) {
        Keep keep;
        const char *name = job->program->phases[list->at[i]].name;
        size_t length = strlen(name);
        for (const char *at = before; (at = strstr(at, name)); at += length)
            if ((at == before || at[-1] == ' ') &&
                (at[length] == ' ' || at[length] == '\0') &&
                keep_open(&keep, job->options.out, name, 0).code == STATUS_OK &&
                keep_exists(&keep))
                return true;
    }
    return false;
}

// Images are known by their names: under the same ones there may be others.
static void warn_other_images(const Job *job, const PhaseList *list)
{
    char path[RUNDIR_PATH];
    Notes about;
    int noted = 0;
    if (rundir_path(job->options.out, NULL, "about", path).code != STATUS_OK ||
        notes_read(path, &about).code != STATUS_OK)
        return;
    const char *marks = notes_get(&about, "training_marks");
    int found =
        marks && goes_on(job, list, notes_get(&about, "phases"))
            ? dataset_count_marked(job->data, 1u << SPLIT_TRAIN, marks, &noted)
            : 0;
    if (found < noted)
        cli_warn(job->cli,
                 arena_printf(job->cli->arena,
                              "of %d training images that the run in %s noted, "
                              "%d %s not among those of now, byte for byte: "
                              "it goes on with other pictures",
                              noted, job->options.out, noted - found,
                              noted - found == 1 ? "is" : "are"));
    notes_free(&about);
}

static void tell_unused_labels(const Job *job, const PhaseList *list)
{
    for (int i = 0; i < list->count; i++)
        if (phase_is_labeled(&job->program->phases[list->at[i]]))
            return;
    if (job->options.labels)
        cli_note(job->cli, "--labels has no effect: %s no labels",
                 list->count == 1 ? "the phase sees" : "these phases see");
}

// What rank 0 alone does before the training: its are the folder and the words.
static Status open_run(Job *job, const PhaseList *list)
{
    if (ranks_index() > 0)
        return status_ok();
    if (cli_has(job->cli, OPT_resume) && cli_has(job->cli, OPT_force))
        return status_error(STATUS_USAGE, "--resume goes on and --force starts "
                                          "over: one of them");
    TRY(check(job, list));
    if (cli_has(job->cli, OPT_resume))
        warn_other_images(job, list);
    tell_unused_labels(job, list);
    TRY(trained_sources(job, list->count, list->at));
    int file; // stays open: it is locked
    TRY(lock_folder(job, &file));
    TRY(record_begin(job, list->count, list->at));
    return note_command(job, file);
}

static Status note_phase(Job *job, const TrainResult *result)
{
    if (ranks_index() > 0)
        return status_ok();
    TRY(record_card(job->options.out));
    job_print_result(job, result, NULL);
    return status_ok();
}

static int run_phases(Job *job, const PhaseList *list)
{
    for (int i = 0; i < list->count; i++) {
        TrainResult result;
        Status status = train_phase(job->program, list->at[i], job->data,
                                    &job->options, &result);
        job_clear_line(job);
        CLI_TRY(job->cli, status);
        CLI_TRY(job->cli, note_phase(job, &result));
        job->options.init = NULL; // it was for the first phase
        bool caught = ranks_any(caught_signal != 0);
        if (result.stopped || (caught && i + 1 < list->count))
            return tell_stopped(job, &result);
    }
    if (ranks_index() == 0)
        tell_next(job, list);
    return STATUS_OK;
}

// Opens all that can be wrong before the first step, in stages: none goes on to
// the next before all have come through the one before.
static int begin(Job *job, Cli *cli, PhaseList *list)
{
    int code = job_open(job, cli);
    watch_signals(job);
    if ((code = together_agree(cli, code)) != STATUS_OK)
        return code;
    Status status = job_join_data(job);
    code = status.code == STATUS_OK ? STATUS_OK : cli_fail(cli, &status);
    if ((code = together_agree(cli, code)) != STATUS_OK)
        return code;
    *list = chosen_phases(job);
    status = open_run(job, list);
    code = status.code == STATUS_OK ? STATUS_OK : cli_fail(cli, &status);
    return together_agree(cli, code);
}

int command_run(Cli *cli)
{
    Job job = {0};
    PhaseList list = {0};
    if (!cli_has(cli, OPT_out)) {
        Status status =
            status_error(STATUS_USAGE, "say where the results go: --out DIR");
        return cli_fail(cli, &status);
    }
    cli_outlive_readers(cli);
    CLI_TRY(cli, together_begin(cli));
    if (ranks_index() == 0)
        cli_begin_log(cli);
    int code = begin(&job, cli, &list);
    if (code == STATUS_OK)
        code = together_end(run_phases(&job, &list));
    else
        ranks_close();
    job_close(&job);
    cli_close_log(cli);
    return code;
}
