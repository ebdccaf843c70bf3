// What the command line says of a job.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/job.h"
#include "frontend/cli/program.h"
#include "frontend/cli/progress.h"
#include "runtime/files/keep.h"

// --validate-every: 200, 1epoch, 0.5epochs, 2 epochs.
static Status read_clock(const Cli *cli, ValidateOptions *validate)
{
    const char *text = cli->values[OPT_validate_every];
    char *end;
    double number = strtod(text, &end);
    bool good = end != text && number > 0 && number < 1e15;
    end += strspn(end, " ");
    if (good && !*end && number == floor(number)) {
        validate->every_steps = (int64_t)number;
        return status_ok();
    }
    if (good && (strcmp(end, "epoch") == 0 || strcmp(end, "epochs") == 0)) {
        validate->every_epochs = number;
        return status_ok();
    }
    return status_error(STATUS_USAGE,
                        "--validate-every wants a number of steps or epochs, "
                        "such as 200 or 1epoch, and got '%s'",
                        text);
}

// What says nothing without a validation is an error.
static Status read_validation(const Cli *cli, ValidateOptions *validate)
{
    static const OptionId of_it[] = {OPT_best, OPT_patience};
    bool asked =
        cli_has(cli, OPT_validate_every) ||
        (cli_has(cli, OPT_validate) && cli->command->run == command_run);
    for (int i = 0; i < 2 && !asked; i++)
        if (cli_has(cli, of_it[i]))
            return status_error(STATUS_USAGE,
                                "--%s goes with a validation: --validate-every "
                                "1epoch, where the data has a part for it, or "
                                "--validate 10%%, which sets one aside",
                                option_table[of_it[i]].name);
    if (!asked)
        return status_ok();
    TRY(cli_whole(cli, OPT_patience, 0, 1, INT64_MAX, &validate->patience));
    validate->best = cli->values[OPT_best];
    if (cli_has(cli, OPT_validate_every))
        return read_clock(cli, validate);
    validate->every_epochs = 1;
    return status_ok();
}

Status job_read_options(Job *job)
{
    const Cli *cli = job->cli;
    TrainOptions *options = &job->options;
    int64_t seed, threads, keep;
    TRY(cli_whole(cli, OPT_seed, 0, 0, INT64_MAX, &seed));
    TRY(cli_whole(cli, OPT_threads, 0, 1, 1024, &threads));
    TRY(cli_whole(cli, OPT_stop_after, 0, 1, INT64_MAX, &options->stop_after));
    TRY(cli_number(cli, OPT_save_every, 60, 0.001, 1e9,
                   &options->checkpoint_seconds));
    TRY(cli_whole(cli, OPT_keep, KEEP_DEFAULT, 1, 1000, &keep));
    options->seed = (uint64_t)seed;
    options->keep = (int)keep;
    options->threads = (int)threads;
    options->out = cli->values[OPT_out];
    options->labels = cli->values[OPT_labels];
    options->resume = cli_has(cli, OPT_resume);
    options->init = cli->values[OPT_init];
    options->init_map = cli->values[OPT_init_map];
    if (options->init_map && !options->init)
        return status_error(STATUS_USAGE,
                            "--init-map renames the weights of --init");
    TRY(read_validation(cli, &options->validate));
    options->progress = progress_tell;
    options->message = progress_message;
    options->unreadable = progress_unreadable;
    options->warn = progress_warn;
    options->explain = progress_explain;
    options->program_change = program_change;
    options->context = job;
    return status_ok();
}
