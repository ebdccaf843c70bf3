#include "frontend/cli/trained.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/cli/record.h"
#include "runtime/base/file.h"
#include "runtime/files/model.h"

// As ModelInfo.data has it, with 17 digits; "" = none.
static const char *share_text(const Cli *cli, const char *digits)
{
    return digits[0] ? cli_share_text(cli->arena, strtod(digits, NULL)) : "0";
}

Status trained_phase(const Job *job)
{
    const Cli *cli = job->cli;
    char path[RUNDIR_PATH], *phase;
    TRY(job_weights(job, path));
    TRY(model_phase(path, &phase));
    if (phase && strcmp(phase, cli->words[1]) != 0)
        cli_warn(cli, arena_printf(cli->arena,
                                   "%s has the weights of phase %s: what phase "
                                   "%s has not is left out",
                                   path, phase, cli->words[1]));
    free(phase);
    return status_ok();
}

Status trained_held_out(Job *job, DataOptions *options)
{
    const Cli *cli = job->cli;
    char path[RUNDIR_PATH], *lines, held_out[64], aside[64], seed[64];
    TRY(job_weights(job, path));
    TRY(model_data(path, &lines));
    model_parameter(lines, "held_out", held_out, sizeof held_out);
    model_parameter(lines, "validate", aside, sizeof aside);
    model_parameter(lines, "seed", seed, sizeof seed);
    free(lines);
    if (cli_has(cli, OPT_validate) && !aside[0])
        cli_warn(cli, "the weights do not say that images were set aside when "
                      "they were trained: what --validate sets aside now may "
                      "have been trained on");
    if (!held_out[0] && !aside[0])
        return status_ok();
    DataOptions then = {.test_fraction = held_out[0] ? strtod(held_out, NULL)
                                                     : options->test_fraction,
                        .valid_fraction = strtod(aside, NULL),
                        .seed = strtoull(seed, NULL, 10)};
    if (!cli_has(cli, OPT_held_out))
        options->test_fraction = then.test_fraction;
    if (!cli_has(cli, OPT_validate)) {
        options->valid_fraction = then.valid_fraction;
        options->valid_where = true;
    }
    if (!cli_has(cli, OPT_seed))
        job->options.seed = options->seed = then.seed;
    if (options->test_fraction != then.test_fraction ||
        (aside[0] && options->valid_fraction != then.valid_fraction) ||
        options->seed != then.seed)
        cli_warn(cli,
                 arena_printf(cli->arena,
                              "the weights were trained with --held-out %s%s%s "
                              "--seed %s: others hold out images that were "
                              "trained on",
                              share_text(cli, held_out),
                              aside[0] ? " --validate " : "",
                              aside[0] ? share_text(cli, aside) : "", seed));
    return status_ok();
}

// `ours`: the file says so if anything was kept from its training.
static Status compare_source(const Job *job, const char *path, bool ours)
{
    const Cli *cli = job->cli;
    char *lines, held_out[64] = "", aside[64] = "", seed[64] = "";
    uint64_t seed_now, seed_then;
    double held_now = dataset_held_out(job->data, &seed_now);
    double aside_now = dataset_set_aside(job->data, &seed_now);
    TRY(model_data(path, &lines));
    if (lines) {
        model_parameter(lines, "held_out", held_out, sizeof held_out);
        model_parameter(lines, "validate", aside, sizeof aside);
        model_parameter(lines, "seed", seed, sizeof seed);
    }
    ours = ours || seed[0];
    free(lines);
    seed_then = strtoull(seed, NULL, 10);
    bool held_other = held_now > 0 && (strtod(held_out, NULL) != held_now ||
                                       (held_out[0] && seed_then != seed_now));
    bool aside_other =
        aside_now > 0 && (strtod(aside, NULL) != aside_now ||
                          (aside[0] && seed_then != seed_now) || held_other);
    if (!ours || (!held_other && !aside_other))
        return status_ok();
    const char *how =
        seed[0]
            ? arena_printf(cli->arena, "--held-out %s --validate %s --seed %s",
                           share_text(cli, held_out), share_text(cli, aside),
                           seed)
            : "all training images";
    cli_warn(cli, arena_printf(cli->arena,
                               "%s was trained with %s: it may have been "
                               "trained on what is kept for %s now",
                               path, how,
                               !aside_other  ? "testing"
                               : !held_other ? "validation"
                                             : "testing and validation"));
    return status_ok();
}

Status trained_sources(const Job *job, int count, const int *phases)
{
    char path[RUNDIR_PATH];
    const ProgramPhase *all = job->program->phases;
    for (int i = 0; i < count; i++) {
        const char *from = all[phases[i]].from;
        bool made = false;
        for (int k = 0; k < i && from; k++)
            made = made || strcmp(all[phases[k]].name, from) == 0;
        if (i == 0 && job->options.init) {
            TRY(compare_source(job, job->options.init, false));
            continue;
        }
        if (!from || made || !program_phase(job->program, from))
            continue;
        TRY(rundir_path(job->options.out, from, "model.safetensors", path));
        if (file_exists(path))
            TRY(compare_source(job, path, true));
    }
    return status_ok();
}

static bool is_same_place(const char *one, const char *other)
{
    char *real = realpath(one, NULL), *real_other = realpath(other, NULL);
    bool same = real && real_other && strcmp(real, real_other) == 0;
    free(real);
    free(real_other);
    return same;
}

// What the run says of itself in whose directory the weights lie; false when
// they lie elsewhere.
static bool read_about(const Job *job, Notes *about)
{
    char path[RUNDIR_PATH];
    if (job_weights(job, path).code != STATUS_OK)
        return false;
    const char *slash = strrchr(path, '/');
    const char *file = arena_printf(job->cli->arena, "%.*s../about",
                                    slash ? (int)(slash + 1 - path) : 0, path);
    return record_is_about(file) && notes_read(file, about).code == STATUS_OK;
}

int64_t trained_images(const Job *job)
{
    Notes about;
    if (!read_about(job, &about))
        return 0;
    const char *data = notes_get(&about, "data");
    double images = notes_number(&about, "training_images");
    bool same = data && is_same_place(data, job->data_path);
    notes_free(&about);
    return same && images > 0 ? (int64_t)images : 0;
}

int trained_marked(const Job *job, unsigned splits, int *noted)
{
    Notes about;
    int found = *noted = 0;
    if (!read_about(job, &about))
        return 0;
    const char *marks = notes_get(&about, "training_marks");
    if (marks)
        found = dataset_count_marked(job->data, splits, marks, noted);
    notes_free(&about);
    return found;
}

Status trained_classes(const Job *job)
{
    const Cli *cli = job->cli;
    char path[RUNDIR_PATH], *lines;
    bool by_place = false;
    TRY(job_weights(job, path));
    TRY(model_classes(path, &lines));
    if (!lines)
        return status_ok(); // said where it is known to matter
    Status status =
        dataset_take_classes(job->data, "the weights", lines, &by_place);
    free(lines);
    if (by_place)
        cli_warn(cli, "the data has numbers for classes: they are taken to be "
                      "those of the weights, in their order");
    return status;
}

// Is the phase one of those that the command line wants?
static bool is_wanted(const Cli *cli, const char *phase)
{
    for (int i = 1; i < cli->word_count; i++)
        if (strcmp(cli->words[i], phase) == 0)
            return true;
    return cli->word_count == 1;
}

static Status count_classes(const char *path, int *classes)
{
    char *lines, number[32] = "";
    TRY(model_classes(path, &lines));
    for (const char *at = lines; at; at = strchr(at + 1, '\n'))
        ++*classes;
    free(lines);
    if (*classes)
        return status_ok();
    TRY(model_parameters(path, &lines));
    model_parameter(lines, "classes", number, sizeof number);
    free(lines);
    *classes = (int)strtol(number, NULL, 10);
    return status_ok();
}

Status trained_teacher(const Job *job, const Experiment *experiment,
                       int *classes)
{
    char path[RUNDIR_PATH];
    *classes = 0;
    for (int i = 0; i < experiment->phases.count && !*classes; i++) {
        const ExperimentPhase *phase = &experiment->phases.at[i];
        if (!phase->teacher || !is_wanted(job->cli, phase->name))
            continue;
        TRY(rundir_path(job->options.out, phase->teacher, "model.safetensors",
                        path));
        if (file_exists(path))
            TRY(count_classes(path, classes));
    }
    return status_ok();
}
