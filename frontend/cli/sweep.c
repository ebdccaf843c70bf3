// simcc sweep: runs every combination of values and seeds, each in a run
// directory of its own, and prints mean and spread of what they reach.
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/cli/record.h"
#include "frontend/cli/run.h"
#include "runtime/base/file.h"

enum { MOST_VARIANTS = 1000, MOST_WORDS = 512 };

// `--set name=a,b`: one axis of the grid.
typedef struct SweepAxis {
    const char *name, *text; // of all values
    VEC(const char *) values;
    bool read; // by a phase of the sweep, in one variant at least
} SweepAxis;

typedef struct Sweep {
    Cli *cli;
    VEC(SweepAxis) axes;
    int variants;
    int64_t seeds, first_seed;
    const char *self;        // this program's file
    Text text;               // JSON
    bool *ended;             // well, here and now: of each variant, each seed
    const char **parameters; // of each variant: Program.parameters
    int plans;               // made to check the runs
    int failed;
} Sweep;

static volatile sig_atomic_t child, wanted_signal;

// The runs save and stop by themselves; the sweep ends with them.
static void pass_on(int number)
{
    wanted_signal = number;
    if (child > 0)
        kill((pid_t)child, number);
}

// How much of the text is its first value: commas within brackets and strings
// are its own.
static size_t value_length(const char *text)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0;; i++) {
        if (!text[i] || (text[i] == ',' && depth <= 0 && !quoted))
            return i;
        if (text[i] == '\\' && quoted && text[i + 1])
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += (strchr("[(", text[i]) != NULL) -
                     (strchr("])", text[i]) != NULL);
    }
}

static SweepAxis read_axis(Arena *arena, const Setting *setting)
{
    SweepAxis axis = {.name = setting->name, .text = setting->value};
    const char *at = setting->value;
    for (;;) {
        at += strspn(at, " ");
        size_t length = value_length(at);
        vec_push(arena, &axis.values, arena_strndup(arena, at, length));
        if (!at[length])
            return axis;
        at += length + 1;
    }
}

// The value of an axis in a variant, counting the last axis fastest.
static const char *value_in(const Sweep *sweep, int variant, int axis)
{
    for (int i = sweep->axes.count - 1; i > axis; i--)
        variant /= sweep->axes.at[i].values.count;
    const SweepAxis *chosen = &sweep->axes.at[axis];
    return chosen->values.at[variant % chosen->values.count];
}

static bool varies(const SweepAxis *axis)
{
    return axis->values.count > 1;
}

// "width=2 depth=18": what sets it apart.
static const char *variant_name(const Sweep *sweep, int variant)
{
    Text text = text_new(sweep->cli->arena);
    for (int i = 0; i < sweep->axes.count; i++)
        if (varies(&sweep->axes.at[i]))
            text_addf(&text, "%s%s=%s", text.length ? " " : "",
                      sweep->axes.at[i].name, value_in(sweep, variant, i));
    return text.length ? text_string(&text) : "as it is";
}

// OUT/width=2,depth=18/seed-0. Slashes in values would be folders.
static const char *run_folder(const Sweep *sweep, int variant, int64_t seed)
{
    Arena *arena = sweep->cli->arena;
    char *name = arena_strdup(arena, variant_name(sweep, variant));
    for (char *at = name; *at; at++)
        *at = *at == '/' ? '_' : *at == ' ' ? ',' : *at;
    return arena_printf(arena, "%s/%s/seed-%lld", sweep->cli->values[OPT_out],
                        name, (long long)(sweep->first_seed + seed));
}

// Two variants never share a folder: one would go on with the other's runs.
static Status check_folders(const Sweep *sweep)
{
    Arena *arena = sweep->cli->arena;
    const char **folders = ARENA_ARRAY(arena, const char *, sweep->variants);
    for (int v = 0; v < sweep->variants; v++) {
        folders[v] = run_folder(sweep, v, 0);
        for (int u = 0; u < v; u++) {
            if (strcmp(folders[u], folders[v]) != 0)
                continue;
            const char *one = variant_name(sweep, u);
            const char *other = variant_name(sweep, v);
            if (strcmp(one, other) == 0)
                return status_error(STATUS_USAGE, "%s is there twice", one);
            return status_error(STATUS_USAGE,
                                "%s and %s would share the folder %s: sweep "
                                "them one by one, each with its --out",
                                one, other, folders[v]);
        }
    }
    return status_ok();
}

static bool *ended_well(const Sweep *sweep, int variant, int64_t seed)
{
    return &sweep->ended[variant * sweep->seeds + seed];
}

// ---- one run ----------------------------------------------------------------

// The command line of a run: this one's, with its values, seed and directory.
static char **run_words(const Sweep *sweep, int variant, int64_t seed)
{
    static const OptionId handed[] = {
        OPT_data,           OPT_labels,    OPT_threads, OPT_held_out,
        OPT_dtype,          OPT_precision, OPT_target,  OPT_validate,
        OPT_validate_every, OPT_patience,  OPT_best};
    const Cli *cli = sweep->cli;
    Arena *arena = cli->arena;
    char **words = ARENA_ARRAY(arena, char *, MOST_WORDS);
    int count = 0;
    words[count++] = arena_strdup(arena, sweep->self);
    words[count++] = arena_strdup(arena, "run");
    for (int i = 0; i < cli->word_count; i++)
        words[count++] = arena_strdup(arena, cli->words[i]);
    for (size_t i = 0; i < sizeof handed / sizeof *handed; i++)
        if (cli_has(cli, handed[i]))
            words[count++] =
                arena_printf(arena, "--%s=%s", option_table[handed[i]].name,
                             cli->values[handed[i]]);
    words[count++] =
        arena_printf(arena, "--out=%s", run_folder(sweep, variant, seed));
    words[count++] = arena_printf(arena, "--seed=%lld",
                                  (long long)(sweep->first_seed + seed));
    words[count++] = arena_strdup(arena, "--resume");
    if (cli_has(cli, OPT_quiet))
        words[count++] = arena_strdup(arena, "--quiet");
    for (int i = 0; i < sweep->axes.count; i++)
        words[count++] =
            arena_printf(arena, "--set=%s=%s", sweep->axes.at[i].name,
                         value_in(sweep, variant, i));
    words[count] = NULL;
    return words;
}

// Its standard output is ours to print, as a table.
static Status start_run(const Sweep *sweep, char **words)
{
    pid_t started = fork();
    if (started < 0)
        return status_error(STATUS_FAILED, "cannot start a run: %s",
                            strerror(errno));
    if (started == 0) {
        setpgid(0, 0); // a key on the terminal reaches it by pass_on alone
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execv(sweep->self, words);
        _exit(127);
    }
    child = started;
    return status_ok();
}

static Status run_variant(const Sweep *sweep, int variant, int64_t seed,
                          int *code)
{
    int state = 0;
    pid_t ended;
    TRY(start_run(sweep, run_words(sweep, variant, seed)));
    do
        ended = waitpid((pid_t)child, &state, 0);
    while (ended < 0 && errno == EINTR);
    child = 0;
    *code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    return status_ok();
}

// Are all phases of the run finished there?
static bool is_done(const Sweep *sweep, const char *folder)
{
    const Cli *cli = sweep->cli;
    char path[RUNDIR_PATH];
    Notes about = {0};
    if (rundir_path(folder, NULL, "about", path).code != STATUS_OK ||
        !file_exists(path) || notes_read(path, &about).code != STATUS_OK)
        return false;
    const char *names = notes_get(&about, "phases");
    char *wanted = arena_strdup(cli->arena, names ? names : "");
    notes_free(&about);
    bool done = *wanted != '\0';
    for (char *name; done && (name = strsep(&wanted, " "));) {
        Notes state;
        done = record_state(folder, name, &state).code == STATUS_OK;
        if (!done)
            break;
        const char *what = notes_get(&state, "state");
        done = what && strcmp(what, "finished") == 0;
        notes_free(&state);
    }
    return done;
}

// ---- all of them ------------------------------------------------------------

// Ways to convolve that a run in the folder was begun with are in its plan.
static bool has_ways(const Program *program, const char *folder)
{
    char path[RUNDIR_PATH];
    for (int i = 0; i < program->phase_count; i++)
        if (rundir_path(folder, program->phases[i].name, "ways", path).code ==
                STATUS_OK &&
            file_exists(path))
            return true;
    return false;
}

// Whether the runs of a variant could begin: what is wrong with one value is
// known now, and not after the hours of the values before it. Each seed has
// other images held out, and a folder of its own, whose weights a phase may
// start from; the plans are the same.
static int check_variant(Sweep *sweep, int variant)
{
    Job job = {0};
    Cli run = *sweep->cli;
    int code = STATUS_OK;
    bool ways = false; // the plans have
    run.arena = arena_new();
    run.command = command_by_name("run");
    run.values[OPT_quiet] = run.values[OPT_resume] = "";
    memset(&run.settings, 0, sizeof run.settings);
    for (int i = 0; i < sweep->axes.count; i++) {
        Setting setting = sweep->cli->settings.at[i];
        setting.value = value_in(sweep, variant, i);
        vec_push(run.arena, &run.settings, setting);
    }
    for (int64_t s = 0; s < sweep->seeds && code == STATUS_OK; s++) {
        run.values[OPT_out] = run_folder(sweep, variant, s);
        run.values[OPT_seed] =
            arena_printf(run.arena, "%lld", (long long)(sweep->first_seed + s));
        bool known =
            s > 0 && !ways && !has_ways(job.program, run.values[OPT_out]);
        if (!known)
            job_close(&job);
        sweep->plans += !known;
        code = known ? job_check_again(&job) : job_check(&job, &run);
        Status status = code == STATUS_OK ? run_check(&job) : status_ok();
        if (status.code != STATUS_OK)
            code = cli_fail(&run, &status);
        else if (code == STATUS_OK && !known)
            ways = has_ways(job.program, run.values[OPT_out]);
    }
    for (int i = 0; i < sweep->axes.count; i++)
        sweep->axes.at[i].read |= run.settings.at[i].read;
    if (code == STATUS_OK)
        sweep->parameters[variant] =
            arena_strdup(sweep->cli->arena, job.program->parameters);
    job_close(&job);
    arena_free(run.arena);
    return code;
}

// Has the "name = value" line one of that name?
static bool is_listed(const char *lines, const char *name)
{
    size_t length = strlen(name);
    for (; *lines; lines += strcspn(lines, "\n") + 1)
        if (strncmp(lines, name, length) == 0 && lines[length] == ' ')
            return true;
    return false;
}

// Do two variants set the same, in other words (4 and 04, 0.1 and 1e-1)? What
// is no value of the program, a phase to start from or a chunk, is told apart
// by its words.
static bool are_equal(const Sweep *sweep, int one, int other)
{
    const char *lines = sweep->parameters[one];
    if (strcmp(lines, sweep->parameters[other]) != 0)
        return false;
    for (int i = 0; i < sweep->axes.count; i++)
        if (strcmp(value_in(sweep, one, i), value_in(sweep, other, i)) != 0 &&
            !is_listed(lines, sweep->axes.at[i].name))
            return false;
    return true;
}

static int check_all(Sweep *sweep)
{
    Status status;
    for (int v = 0; v < sweep->variants; v++) {
        int code = check_variant(sweep, v), u = 0;
        while (code == STATUS_OK && u < v && !are_equal(sweep, u, v))
            u++;
        if (code == STATUS_OK && u == v)
            continue;
        if (code == STATUS_OK) {
            status =
                status_error(STATUS_USAGE,
                             "%s and %s would be equal runs: leave one "
                             "of them out",
                             variant_name(sweep, u), variant_name(sweep, v));
            return cli_fail(sweep->cli, &status);
        }
        status = status_error((StatusCode)code,
                              "no run was begun, for %s: see above",
                              variant_name(sweep, v));
        return cli_fail(sweep->cli, &status);
    }
    for (int i = 0; i < sweep->axes.count; i++) {
        const SweepAxis *axis = &sweep->axes.at[i];
        if (axis->read || !varies(axis))
            continue;
        status = status_error(STATUS_USAGE,
                              "--set %s=%s: no phase of the sweep reads %s, so "
                              "these would be equal runs",
                              axis->name, axis->text, axis->name);
        return cli_fail(sweep->cli, &status);
    }
    int64_t runs = sweep->variants * sweep->seeds;
    cli_note(sweep->cli, "checked: %d plan%s for %lld run%s", sweep->plans,
             sweep->plans == 1 ? "" : "s", (long long)runs,
             runs == 1 ? "" : "s");
    return STATUS_OK;
}

static Status run_all(Sweep *sweep)
{
    for (int v = 0; v < sweep->variants; v++)
        for (int64_t s = 0; s < sweep->seeds; s++) {
            const char *folder = run_folder(sweep, v, s);
            int code = 0;
            cli_note(sweep->cli, "%s%s", folder,
                     is_done(sweep, folder) ? ": done" : "");
            // A finished one is started, too: it does nothing but to refuse
            // other settings than it was trained with.
            TRY(run_variant(sweep, v, s, &code));
            if (wanted_signal)
                return status_error(STATUS_FAILED,
                                    "stopped; the same command goes on");
            *ended_well(sweep, v, s) = code == 0;
            sweep->failed += code != 0;
        }
    return status_ok();
}

// ---- results ----------------------------------------------------------------

typedef struct Figure {
    int count;
    double mean, deviation; // of a sample: n - 1; one has none
} Figure;

static void add_value(Figure *figure, double *sum, double *square, double value)
{
    figure->count++;
    *sum += value;
    *square += value * value;
    figure->mean = *sum / figure->count;
    double spread = *square - figure->count * figure->mean * figure->mean;
    figure->deviation =
        figure->count > 1 ? sqrt(fmax(spread, 0) / (figure->count - 1)) : 0;
}

// What the phase reached over the seeds; *measure names it, NULL = nothing. A
// run that failed may have found another's results in its folder.
static Figure collect(const Sweep *sweep, int variant, const char *phase,
                      const char **measure)
{
    Figure figure = {0};
    double sum = 0, square = 0, value;
    *measure = NULL;
    for (int64_t s = 0; s < sweep->seeds; s++) {
        Notes state;
        if (!*ended_well(sweep, variant, s) ||
            record_state(run_folder(sweep, variant, s), phase, &state).code !=
                STATUS_OK)
            continue;
        const char *name = record_best_number(&state, &value);
        const char *what = notes_get(&state, "state");
        if (name && what && strcmp(what, "finished") == 0) {
            *measure = name;
            add_value(&figure, &sum, &square, value);
        }
        notes_free(&state);
    }
    return figure;
}

static void tell_figure(Sweep *sweep, const char *variant, const char *phase,
                        const char *measure, const Figure *figure)
{
    Text *text = &sweep->text;
    if (!cli_has(sweep->cli, OPT_json)) {
        printf("%-32s %-12s %6.1f%%", variant, phase, 100 * figure->mean);
        if (figure->count > 1)
            printf(" +- %.1f", 100 * figure->deviation);
        printf("  %s, %d seed%s\n", measure, figure->count,
               figure->count == 1 ? "" : "s");
        return;
    }
    text_addf(text, "%s\n{\"variant\":", text->length ? "," : "");
    text_add_json(text, variant);
    text_add(text, ",\"phase\":");
    text_add_json(text, phase);
    text_add(text, ",\"measure\":");
    text_add_json(text, measure);
    text_add(text, ",\"mean\":");
    text_add_double(text, figure->mean);
    text_add(text, ",\"deviation\":");
    if (figure->count > 1)
        text_add_double(text, figure->deviation);
    else
        text_add(text, "null");
    text_addf(text, ",\"seeds\":%d}", figure->count);
}

// One that the command names, or any where it names none: another may lie in
// the folder since a sweep of other settings.
static bool is_wanted(const Cli *cli, const char *phase)
{
    bool wanted = cli->word_count == 1;
    for (int i = 1; i < cli->word_count; i++)
        wanted = wanted || strcmp(cli->words[i], phase) == 0;
    return wanted;
}

static void tell_results(Sweep *sweep)
{
    for (int v = 0; v < sweep->variants; v++) {
        int64_t first = 0; // the seed whose folder knows the phases
        while (first < sweep->seeds - 1 && !*ended_well(sweep, v, first))
            first++;
        RecordPhases phases =
            record_phases(sweep->cli->arena, run_folder(sweep, v, first));
        for (int i = 0; i < phases.count; i++) {
            const char *measure;
            Figure figure = collect(sweep, v, phases.at[i], &measure);
            if (measure && is_wanted(sweep->cli, phases.at[i]))
                tell_figure(sweep, variant_name(sweep, v), phases.at[i],
                            measure, &figure);
        }
    }
    if (cli_has(sweep->cli, OPT_json))
        printf("[%s]\n", text_string(&sweep->text));
}

static Status open_sweep(Sweep *sweep)
{
    const Cli *cli = sweep->cli;
    char self[RUNDIR_PATH];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        return status_error(STATUS_FAILED, "cannot find simcc's own file: %s",
                            strerror(errno));
    sweep->self = arena_printf(cli->arena, "%.*s", (int)length, self);
    if (!cli_has(cli, OPT_data) || !cli_has(cli, OPT_out))
        return status_error(STATUS_USAGE, "sweep needs --data DIR and --out "
                                          "DIR");
    TRY(cli_whole(cli, OPT_seeds, 1, 1, 1000, &sweep->seeds));
    TRY(cli_whole(cli, OPT_seed, 0, 0, INT64_MAX / 2, &sweep->first_seed));
    sweep->variants = 1;
    for (int i = 0; i < cli->settings.count; i++) {
        SweepAxis axis = read_axis(cli->arena, &cli->settings.at[i]);
        vec_push(cli->arena, &sweep->axes, axis);
        sweep->variants *= axis.values.count;
        if (sweep->variants > MOST_VARIANTS)
            return status_error(STATUS_USAGE, "more than %d variants",
                                MOST_VARIANTS);
    }
    TRY(check_folders(sweep));
    sweep->ended =
        ARENA_ARRAY(cli->arena, bool, sweep->variants *(int)sweep->seeds);
    sweep->parameters = ARENA_ARRAY(cli->arena, const char *, sweep->variants);
    cli_note(cli, "%d variant%s, %lld seed%s each", sweep->variants,
             sweep->variants == 1 ? "" : "s", (long long)sweep->seeds,
             sweep->seeds == 1 ? "" : "s");
    return status_ok();
}

int command_sweep(Cli *cli)
{
    Sweep sweep = {.cli = cli, .text = text_new(cli->arena)};
    struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    CLI_TRY(cli, open_sweep(&sweep));
    int code = check_all(&sweep);
    if (code != STATUS_OK)
        return code;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction now;
    if (sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
    cli_outlive_readers(cli);
    Status status = run_all(&sweep);
    tell_results(&sweep); // of what is finished, whatever else is not
    if (status.code != STATUS_OK) {
        code = cli_fail(cli, &status);
        return wanted_signal ? 128 + wanted_signal : code;
    }
    if (!sweep.failed)
        return STATUS_OK;
    status = status_error(STATUS_FAILED,
                          "%d of the runs failed, as is said above; the same "
                          "command tries them again",
                          sweep.failed);
    return cli_fail(cli, &status);
}
