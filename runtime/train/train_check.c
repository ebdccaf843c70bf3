// What can be said before a run begins: hours later is too late.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static Status check_checkpoint(Run *run, bool *finished)
{
    TRY(keep_open(&run->keep, run->options->out, run->phase->name,
                  run->options->keep));
    return train_resume(run, finished);
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

// How the phases will be validated.
typedef struct Validated {
    int phases;
    int asked;         // of which by the number that --best names
    char numbers[512]; // "pretrain has knn; finetune has loss, top1"
} Validated;

static void add_validated(const Run *run, Validated *validated)
{
    char numbers[256], *text = validated->numbers;
    size_t used = strlen(text), size = sizeof validated->numbers - used;
    if (!run->valid.on)
        return;
    train_validation_numbers(run, numbers, sizeof numbers);
    snprintf(text + used, size, "%s%s has %s", used ? "; " : "",
             run->phase->name, numbers);
    validated->phases++;
    validated->asked += run->valid.asked;
}

// `made`: the phases that this run will have trained by then; it becomes one.
static Status check_phase(const Program *program, int phase, bool *made,
                          Dataset *data, const TrainOptions *options,
                          Validated *validated)
{
    TrainResult result = {0};
    Run *run;
    bool finished = false;
    bool there = are_there(program, &program->phases[phase], made);
    TRY(train_new(program, phase, data, options, &result, &run));
    Status status = train_check_ranks(run);
    if (status.code == STATUS_OK)
        status = train_select(run);
    if (status.code == STATUS_OK)
        status = train_choose_validation(run);
    if (status.code == STATUS_OK)
        add_validated(run, validated);
    // What a phase made of other weights is not gone on with, whatever it says.
    if (status.code == STATUS_OK && there)
        status = check_checkpoint(run, &finished);
    if (status.code == STATUS_OK)
        status = train_order_classes(run, there);
    if (status.code == STATUS_OK && !finished)
        status = weights_check_sources(program, run->phase, made, options);
    made[phase] = !finished;
    trainset_free(&run->set);
    free(run->classes);
    free(run);
    return status;
}

// As check_phase, of settings alone.
static Status check_settings(const Program *program, int phase, bool *made,
                             Dataset *data, const TrainOptions *options)
{
    TrainResult result = {0};
    Run *run;
    bool finished = false;
    bool there = are_there(program, &program->phases[phase], made);
    TRY(train_new(program, phase, data, options, &result, &run));
    Status status = status_ok();
    if (there)
        status = keep_open(&run->keep, options->out, run->phase->name,
                           options->keep);
    if (there && status.code == STATUS_OK)
        status = train_compare_settings(run, &finished);
    made[phase] = !finished;
    free(run);
    return status;
}

Status train_check_settings(const Program *program, int count,
                            const int *phases, Dataset *data,
                            const TrainOptions *options)
{
    Status status = status_ok();
    TrainOptions quiet = *options;
    quiet.message = NULL;
    quiet.warn = NULL;
    if (!options->resume)
        return status;
    bool *made = calloc((size_t)program->phase_count + 1, sizeof *made);
    if (!made)
        return status_error(STATUS_MEMORY, "no memory to train");
    for (int i = 0; i < count && status.code == STATUS_OK; i++) {
        status = check_settings(program, phases[i], made, data, &quiet);
        quiet.init = NULL; // it is for the first
    }
    free(made);
    return status;
}

Status train_check(const Program *program, int count, const int *phases,
                   Dataset *data, const TrainOptions *options)
{
    Validated validated = {0};
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
        quiet.init = NULL; // it is for the first
    }
    free(made);
    if (status.code == STATUS_OK && !validated.phases &&
        (validate->every_steps || validate->every_epochs > 0))
        return status_error(STATUS_USAGE,
                            "no phase of this run can be validated: that takes "
                            "an `evaluate` pipeline and what it asks of the "
                            "data, or two classes for whose labels the "
                            "neighbours of `h` vote");
    if (status.code == STATUS_OK && validate->best && !validated.asked)
        return status_error(STATUS_USAGE,
                            "--best %s: no validation of this run has a number "
                            "of that name: %s",
                            validate->best, validated.numbers);
    return status;
}
