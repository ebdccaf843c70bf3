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

// A phase as it will be when its turn comes: what it asks for, and `made`, the
// phases that this run will have trained by then. `there`: a checkpoint of it
// is gone on with. *finished: nothing would be left to do.
typedef Status CheckPhase(Run *run, const bool *made, bool there,
                          bool *finished, Validated *validated);

static Status check_phase(Run *run, const bool *made, bool there,
                          bool *finished, Validated *validated)
{
    TRY(train_check_ranks(run));
    TRY(train_select(run));
    TRY(train_choose_validation(run));
    add_validated(run, validated);
    // What a phase made of other weights is not gone on with, whatever it says.
    if (there)
        TRY(check_checkpoint(run, finished));
    TRY(train_order_classes(run, there));
    if (*finished)
        return status_ok();
    if (!run->checkpoint_path[0]) // else it has read it already
        TRY(weights_check_file(run->program, run->phase, run->options));
    return weights_check_sources(run->program, run->phase, made, run->options);
}

static Status check_settings(Run *run, const bool *made, bool there,
                             bool *finished, Validated *validated)
{
    (void)made;
    (void)validated;
    if (!there)
        return status_ok();
    TRY(keep_open(&run->keep, run->options->out, run->phase->name,
                  run->options->keep));
    return train_compare_settings(run, finished);
}

static Status check_each(const Program *program, int count, const int *phases,
                         Dataset *data, const TrainOptions *options,
                         CheckPhase *check, Validated *validated)
{
    Status status = status_ok();
    TrainOptions quiet = *options; // it is all said again when it happens
    quiet.message = NULL;
    quiet.warn = NULL;
    bool *made = calloc((size_t)program->phase_count + 1, sizeof *made);
    if (!made)
        return status_error(STATUS_MEMORY, "no memory to train");
    for (int i = 0; i < count && status.code == STATUS_OK; i++) {
        TrainResult result = {0};
        Run *run;
        bool finished = false;
        bool there = are_there(program, &program->phases[phases[i]], made);
        status = train_new(program, phases[i], data, &quiet, &result, &run);
        if (status.code != STATUS_OK)
            break;
        status = check(run, made, there, &finished, validated);
        made[phases[i]] = !finished;
        quiet.init = NULL; // it is for the first
        trainset_free(&run->set);
        free(run->classes);
        free(run);
    }
    free(made);
    return status;
}

Status train_check_settings(const Program *program, int count,
                            const int *phases, Dataset *data,
                            const TrainOptions *options)
{
    if (!options->resume)
        return status_ok();
    return check_each(program, count, phases, data, options, check_settings,
                      NULL);
}

Status train_check(const Program *program, int count, const int *phases,
                   Dataset *data, const TrainOptions *options)
{
    Validated validated = {0};
    const ValidateOptions *validate = &options->validate;
    TRY(check_each(program, count, phases, data, options, check_phase,
                   &validated));
    if (!validated.phases &&
        (validate->every_steps || validate->every_epochs > 0))
        return status_error(STATUS_USAGE,
                            "no phase of this run can be validated: that takes "
                            "an `evaluate` pipeline and what it asks of the "
                            "data, or two classes for whose labels the "
                            "neighbours of `h` vote");
    if (validate->best && !validated.asked)
        return status_error(STATUS_USAGE,
                            "--best %s: no validation of this run has a number "
                            "of that name: %s",
                            validate->best, validated.numbers);
    return status_ok();
}
