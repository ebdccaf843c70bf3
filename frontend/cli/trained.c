#include "frontend/cli/trained.h"

#include <stdlib.h>
#include <string.h>

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

// The names of the classes, a line each, as "a, b, c".
static const char *join_lines(Arena *arena, const char *lines)
{
    Text text = text_new(arena);
    for (; *lines; lines++) {
        char letter[] = {*lines, '\0'};
        text_add(&text, *lines == '\n' ? ", " : letter);
    }
    return text_string(&text);
}

Status trained_classes(const Job *job)
{
    const Cli *cli = job->cli;
    int classes = dataset_classes(job->data), count = 1;
    char path[RUNDIR_PATH], *lines;
    Text have = text_new(cli->arena);
    TRY(job_weights(job, path));
    TRY(model_classes(path, &lines));
    if (!lines || !classes) {
        free(lines);
        return status_ok();
    }
    const char *known = join_lines(cli->arena, lines);
    for (const char *at = lines; *at; at++)
        count += *at == '\n';
    for (int i = 0; i < classes; i++)
        text_addf(&have, "%s%s", i ? ", " : "",
                  dataset_class_name(job->data, i));
    free(lines);
    if (count != classes)
        return status_error(STATUS_DATA,
                            "the weights tell %d classes apart (%.300s), and "
                            "the data has %d (%.300s)",
                            count, known, classes, text_string(&have));
    if (strcmp(known, text_string(&have)) != 0)
        cli_warn(cli, arena_printf(cli->arena,
                                   "the weights know the classes %s; the data "
                                   "has %s. They are taken to be the same, in "
                                   "this order",
                                   known, text_string(&have)));
    return status_ok();
}
