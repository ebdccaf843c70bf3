#include "frontend/cli/trained.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/files/model.h"

Status trained_held_out(Job *job, DataOptions *options)
{
    const Cli *cli = job->cli;
    char path[RUNDIR_PATH], *lines, held_out[64], seed[64];
    TRY(job_weights(job, path));
    TRY(model_data(path, &lines));
    model_parameter(lines, "held_out", held_out, sizeof held_out);
    model_parameter(lines, "seed", seed, sizeof seed);
    free(lines);
    if (!held_out[0])
        return status_ok();
    DataOptions then = {.test_fraction = strtod(held_out, NULL),
                        .seed = strtoull(seed, NULL, 10)};
    if (!cli_has(cli, OPT_held_out))
        options->test_fraction = then.test_fraction;
    if (!cli_has(cli, OPT_seed))
        job->options.seed = options->seed = then.seed;
    if (options->test_fraction != then.test_fraction ||
        options->seed != then.seed)
        cli_warn(cli, arena_printf(cli->arena,
                                   "the weights were trained with --held-out "
                                   "%s --seed %s: others hold out images that "
                                   "were trained on",
                                   held_out, seed));
    return status_ok();
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
