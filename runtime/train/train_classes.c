// Which class is which: a label is a number, and what it stands for is known
// by the order of the data's classes and by that of the weights.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/data/class_names.h"
#include "runtime/files/model.h"
#include "runtime/train/train_run.h"

static const PlanParam *find_param(const Plan *plan, const char *name)
{
    for (int i = 0; i < plan->param_count; i++)
        if (strcmp(plan->params[i].tensor.name, name) == 0)
            return &plan->params[i];
    return NULL;
}

static bool has_length(const PlanTensor *tensor, int64_t length)
{
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->dims[i] == length)
            return true;
    return false;
}

// A teacher that is asked for features alone has no classes to hand on: the
// tensors of its classifier, as long as its classes, are not in the phase then.
static bool teaches_classes(const Program *program, const ProgramPhase *phase)
{
    char name[512];
    const ProgramPhase *teacher =
        phase->teacher ? program_phase(program, phase->teacher) : NULL;
    if (!teacher || !teacher->classes)
        return false;
    for (int i = 0; i < teacher->train.param_count; i++) {
        const PlanParam *param = &teacher->train.params[i];
        if (param->role != PLAN_WEIGHT ||
            !has_length(&param->tensor, teacher->classes))
            continue;
        snprintf(name, sizeof name, "teacher.%s", param->tensor.name);
        if (!find_param(&phase->train, name) && !find_param(&phase->eval, name))
            return false;
    }
    return true;
}

// The classes that the result of a phase in `out` knows; *lines NULL when it
// is not there or does not say.
static Status result_classes(const char *out, const char *phase, char **lines)
{
    char path[RUNDIR_PATH];
    *lines = NULL;
    if (!out)
        return status_ok();
    TRY(rundir_path(out, phase, "model.safetensors", path));
    return file_exists(path) ? model_classes(path, lines) : status_ok();
}

// ---- training ---------------------------------------------------------------

// The classes of a file, which need not be a model of simcc: whether it can be
// used is said by who loads it.
static Status file_classes(const char *path, char **lines)
{
    Status status = model_classes(path, lines);
    return status.code == STATUS_MEMORY ? status : status_ok();
}

// The classes of the weights that the phase starts from.
static Status start_classes(const Run *run, char **lines)
{
    const TrainOptions *options = run->options;
    const char *from = run->phase->from;
    *lines = NULL;
    if (options->init)
        return file_classes(options->init, lines);
    if (from && program_phase(run->program, from))
        return result_classes(options->out, from, lines);
    return from ? file_classes(from, lines) : status_ok();
}

// The data is of the classes `lines`, or the phase cannot go on.
static Status must_be(Run *run, const char *whose, const char *lines)
{
    bool by_place;
    TRY(dataset_take_classes(run->data, whose, lines, &by_place));
    if (by_place)
        train_say(run->options,
                  "the data has numbers for classes: they are taken to be "
                  "those of %s, in their order",
                  whose);
    run->classes = strdup(lines);
    return run->classes ? status_ok()
                        : status_error(STATUS_MEMORY,
                                       "no memory for the names of classes");
}

static Status follow_checkpoint(Run *run)
{
    char *lines = NULL, whose[RUNDIR_PATH + 64];
    Status status = model_classes(run->checkpoint_path, &lines);
    snprintf(whose, sizeof whose, "the weights in %s", run->checkpoint_path);
    if (status.code == STATUS_OK && lines)
        status = must_be(run, whose, lines);
    free(lines);
    return status;
}

static Status follow_teacher(Run *run)
{
    char *lines, whose[128];
    const ProgramPhase *phase = run->phase;
    TRY(result_classes(run->options->out, phase->teacher, &lines));
    snprintf(whose, sizeof whose, "the teacher (phase %.64s)", phase->teacher);
    Status status = lines ? must_be(run, whose, lines) : status_ok();
    if (!lines && dataset_classes(run->data))
        train_say(run->options,
                  "%s does not name its classes: they are taken to be the "
                  "data's, in this order",
                  whose);
    free(lines);
    return status;
}

// What weights began as need not be what they become.
static Status follow_start(Run *run)
{
    char *lines;
    bool by_place;
    TRY(start_classes(run, &lines));
    if (!lines)
        return status_ok();
    Status status =
        dataset_take_classes(run->data, "the weights", lines, &by_place);
    free(lines);
    if (status.code != STATUS_DATA)
        return status;
    train_say(run->options,
              "%s: starts from weights of other classes than the data's; it "
              "learns those of the data",
              run->phase->name);
    return status_ok();
}

Status train_order_classes(Run *run, bool begun)
{
    bool by_place;
    TRY(dataset_take_classes(run->data, "the data", NULL, &by_place));
    if (!run->phase->classes && !run->phase->teacher)
        return status_ok();
    if (run->checkpoint_path[0])
        TRY(follow_checkpoint(run));
    if (!run->classes && begun && teaches_classes(run->program, run->phase))
        TRY(follow_teacher(run));
    if (!run->classes && begun && run->phase->classes)
        TRY(follow_start(run));
    if (run->classes || !run->phase->classes || !dataset_classes(run->data))
        return status_ok();
    run->classes = dataset_class_lines(run->data);
    return run->classes ? status_ok()
                        : status_error(STATUS_MEMORY,
                                       "no memory for the names of classes");
}

// ---- evaluation -------------------------------------------------------------

Status train_check_teacher(const Program *program, const ProgramPhase *phase,
                           const char *weights, const TrainOptions *options)
{
    char *taught = NULL, *known = NULL;
    if (!teaches_classes(program, phase))
        return status_ok();
    Status status = result_classes(options->out, phase->teacher, &taught);
    if (status.code == STATUS_OK && taught)
        status = model_classes(weights, &known);
    if (status.code == STATUS_OK && taught && known &&
        strcmp(taught, known) != 0)
        status = status_error(STATUS_DATA,
                              "%s has its classes in another order, or others, "
                              "than its teacher, phase %s in %s: distill it "
                              "again",
                              weights, phase->teacher, options->out);
    free(taught);
    free(known);
    return status;
}
