// What can be said before a run begins: hours later is too late.
#include <stdlib.h>

#include "runtime/exec/ranks.h"
#include "runtime/train/train_run.h"
#include "runtime/train/weights.h"

Status train_check_ranks(const Run *run)
{
    int made = phase_ranks(run->phase), here = ranks_count();
    if (made == here)
        return status_ok();
    return status_error(STATUS_USAGE,
                        "compiled for %d process%s and started as %d: "
                        "`simcc compile --ranks %d`",
                        made, made == 1 ? "" : "es", here, here);
}

static Status check_checkpoint(Run *run)
{
    bool finished;
    TRY(keep_open(&run->keep, run->options->out, run->phase->name,
                  run->options->keep));
    return train_resume(run, &finished);
}

// Is nothing that the phase builds on still to be made by this run? What lies
// in its place now is of another time.
static bool are_there(const Program *program, const ProgramPhase *phase,
                      const bool *made)
{
    const char *names[] = {phase->from, phase->teacher};
    for (int i = 0; i < 2; i++) {
        const ProgramPhase *source =
            names[i] ? program_phase(program, names[i]) : NULL;
        if (source && made[source - program->phases])
            return false;
    }
    return true;
}

// *validated is counted up where the phase will be validated.
static Status check_phase(const Program *program, int phase, const bool *made,
                          Dataset *data, const TrainOptions *options,
                          int *validated)
{
    TrainResult result = {0};
    Run *run;
    TRY(train_new(program, phase, data, options, &result, &run));
    Status status = train_check_ranks(run);
    if (status.code == STATUS_OK)
        status = train_select(run);
    if (status.code == STATUS_OK)
        status = train_choose_validation(run);
    *validated += run->valid.on;
    if (status.code == STATUS_OK)
        status = check_checkpoint(run);
    if (status.code == STATUS_OK)
        status = train_order_classes(run, are_there(program, run->phase, made));
    if (status.code == STATUS_OK)
        status = weights_check_sources(program, run->phase, made, options);
    trainset_free(&run->set);
    free(run->classes);
    free(run);
    return status;
}

Status train_check(const Program *program, int count, const int *phases,
                   Dataset *data, const TrainOptions *options)
{
    int validated = 0;
    Status status = status_ok();
    const ValidateOptions *validate = &options->validate;
    TrainOptions quiet = *options; // it is all said again when it happens
    quiet.message = NULL;
    quiet.warn = NULL;
    bool *made = calloc((size_t)program->phase_count + 1, sizeof *made);
    if (!made)
        return status_error(STATUS_MEMORY, "no memory to train");
    for (int i = 0; i < count && status.code == STATUS_OK; i++) {
        status =
            check_phase(program, phases[i], made, data, &quiet, &validated);
        made[phases[i]] = true;
        quiet.init = NULL; // it is for the first
    }
    free(made);
    if (status.code == STATUS_OK && !validated &&
        (validate->every_steps || validate->every_epochs > 0))
        return status_error(STATUS_USAGE,
                            "no phase of this run can be validated: that takes "
                            "an `evaluate` pipeline and what it asks of the "
                            "data, or two classes for whose labels the "
                            "neighbours of `h` vote");
    return status;
}
