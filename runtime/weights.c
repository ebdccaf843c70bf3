#include "runtime/weights.h"

#include <stdio.h>
#include <string.h>

#include "runtime/checkpoint.h"
#include "runtime/file.h"
#include "runtime/rundir.h"

static bool is_phase(const Program *program, const char *name)
{
    for (int i = 0; i < program->phase_count; i++)
        if (strcmp(program->phases[i].name, name) == 0)
            return true;
    return false;
}

// The model an earlier phase left in the run directory.
static Status phase_model(const ProgramPhase *phase, const char *source,
                          const TrainOptions *options, char path[RUNDIR_PATH])
{
    if (!options->out)
        return status_error(STATUS_USAGE,
                            "phase %s needs the result of phase %s: give the "
                            "run directory with --out",
                            phase->name, source);
    TRY(rundir_path(options->out, source, "model.safetensors", path));
    if (!file_exists(path))
        return status_error(STATUS_FAILED,
                            "phase %s needs the result of phase %s, but %s is "
                            "not there: run %s first, with the same --out",
                            phase->name, source, path, source);
    return status_ok();
}

static void tell_loaded(const TrainOptions *options, const char *path,
                        const ModelReport *report)
{
    char text[RUNDIR_PATH + 640];
    if (!options->message)
        return;
    snprintf(text, sizeof text, "loaded %d tensors from %s", report->loaded,
             path);
    options->message(options->context, text);
    if (!report->missing)
        return;
    snprintf(text, sizeof text,
             "%d tensors are not in that file and start fresh: %s",
             report->missing, report->names);
    options->message(options->context, text);
}

Status weights_load_from(const Program *program, const ProgramPhase *phase,
                         const TrainOptions *options, Store *store)
{
    char path[RUNDIR_PATH];
    ModelFilter filter = {
        .only = phase->from_only,
        .except = phase->from_except,
        .role = PLAN_WEIGHT,
    };
    ModelReport report;
    if (!phase->from)
        return status_ok();
    if (is_phase(program, phase->from))
        TRY(phase_model(phase, phase->from, options, path));
    else
        snprintf(path, sizeof path, "%s", phase->from);
    TRY(model_load(path, store, &filter, &report));
    if (!report.loaded)
        return status_error(STATUS_DATA,
                            "no tensor in %s is one of phase %s, or the "
                            "phase's only/except leave all of them out",
                            path, phase->name);
    tell_loaded(options, path, &report);
    return status_ok();
}

Status weights_load_teacher(const ProgramPhase *phase,
                            const TrainOptions *options, Store *store)
{
    char path[RUNDIR_PATH];
    ModelFilter filter = {.prefix = "teacher.", .role = PLAN_FROZEN};
    ModelReport report;
    bool wanted = false;
    for (int i = 0; i < store->count; i++)
        wanted = wanted || store->tensors[i].param.role == PLAN_FROZEN;
    if (!wanted || !phase->teacher)
        return status_ok();
    TRY(phase_model(phase, phase->teacher, options, path));
    TRY(model_load(path, store, &filter, &report));
    if (report.missing)
        return status_error(STATUS_DATA,
                            "%s lacks %d tensors of the teacher: %s", path,
                            report.missing, report.names);
    return status_ok();
}

Status weights_load_all(const char *path, Store *store)
{
    ModelFilter filter = {.role = PLAN_WEIGHT};
    ModelReport report;
    TRY(model_load(path, store, &filter, &report));
    if (report.missing)
        return status_error(STATUS_DATA,
                            "%s lacks %d tensors of the program: %s", path,
                            report.missing, report.names);
    return status_ok();
}
