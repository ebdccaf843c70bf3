#include "runtime/train/weights.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/rundir.h"
#include "runtime/files/tensors.h"
#include "runtime/train/diverge.h"

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
        return status_error(STATUS_DATA,
                            "phase %s needs the result of phase %s, but %s is "
                            "not there: run %s first, with the same --out",
                            phase->name, source, path, source);
    return status_ok();
}

// ---- telling ----------------------------------------------------------------

static void show_table(const ModelReport *report, const TrainOptions *options,
                       void (*show)(void *context, const char *text))
{
    char table[MODEL_TEXT];
    model_report_table(report, table);
    if (show)
        show(options->context, table);
}

static Status refuse(const char *path, const ProgramPhase *phase,
                     const ModelReport *report, const TrainOptions *options)
{
    char text[640];
    show_table(report, options, options->explain);
    model_report_sentence(report, text, sizeof text);
    return status_error(STATUS_DATA, "%s holds other weights than phase %s: %s",
                        path, phase->name, text);
}

// Whose names the file has, and what besides them is other there.
static void tell_names(const TrainOptions *options, const char *path,
                       const ModelReport *report)
{
    if (*report->names)
        train_say(options, "%s: %s", path, report->names);
    for (int i = 0; i < 2; i++)
        if (report->notes[i])
            train_say(options, "%s: %s", path, report->notes[i]);
}

static void tell_loaded(const TrainOptions *options, const char *path,
                        const ModelReport *report)
{
    int missing = report->counts[MODEL_MISSING];
    char names[600] = "";
    tell_names(options, path, report);
    train_say(options, "loaded %d tensor%s from %s", report->matched,
              status_s(report->matched), path);
    if (!missing)
        return;
    for (int i = 0, used = 0; i < missing && i < MODEL_SHOWN; i++) {
        const char *line = report->lines[MODEL_MISSING][i];
        used += snprintf(names + used, sizeof names - (size_t)used, "%s%.*s",
                         i ? ", " : "", (int)strcspn(line, " "), line);
        if ((size_t)used >= sizeof names)
            break;
    }
    train_say(options, "%d tensor%s not in that file and start%s fresh: %s%s",
              missing, missing == 1 ? " is" : "s are", missing == 1 ? "s" : "",
              names, missing > MODEL_SHOWN ? ", ..." : "");
}

// ---- comparing --------------------------------------------------------------

Status weights_check(const Program *program, const ProgramPhase *phase,
                     const char *path, const TrainOptions *options)
{
    ModelReport report;
    if (!phase->train.param_count)
        return status_ok();
    TRY(model_compare(path, &phase->train, program->parameters, &report));
    if (model_agrees(&report))
        return status_ok();
    return refuse(path, phase, &report, options);
}

// ---- loading ----------------------------------------------------------------

// A NaN that training starts from would be blamed on its rate.
static Status check_numbers(const char *path, const Store *store)
{
    for (int i = 0; i < store->count; i++) {
        const StoreTensor *tensor = &store->tensors[i];
        const PlanTensor *plan = &tensor->param.tensor;
        int64_t at = tensor->loaded ? first_unbounded(tensor->data, plan->dtype,
                                                      plan_elements(plan))
                                    : -1;
        if (at >= 0)
            return status_error(
                STATUS_DATA,
                "%s holds %s in %s: it was saved after its "
                "training had diverged, or is damaged; take an "
                "earlier one",
                path,
                is_nan_at(tensor->data, plan->dtype, at) ? "NaN" : "infinity",
                plan->name);
    }
    return status_ok();
}

// model_load; other shapes are told with the table.
static Status load(const char *path, const ProgramPhase *phase, Store *store,
                   const ModelFilter *filter, const TrainOptions *options,
                   ModelReport *report)
{
    Status status = model_load(path, store, filter, report);
    if (report->counts[MODEL_SHAPE])
        return refuse(path, phase, report, options);
    return status.code == STATUS_OK ? check_numbers(path, store) : status;
}

static Status load_from(const Program *program, const ProgramPhase *phase,
                        const TrainOptions *options, Store *store)
{
    char path[RUNDIR_PATH];
    ModelFilter filter = {
        .only = phase->from_only,
        .except = phase->from_except,
        .role = PLAN_WEIGHT,
        .parameters = program->parameters,
    };
    ModelReport report;
    const ProgramPhase *source = program_phase(program, phase->from);
    if (source) {
        TRY(phase_model(phase, phase->from, options, path));
        TRY(weights_check(program, source, path, options));
    } else {
        snprintf(path, sizeof path, "%s", phase->from);
        if (!file_exists(path))
            return status_error(STATUS_DATA,
                                "phase %s starts from %s, which is not there",
                                phase->name, path);
    }
    TRY(load(path, phase, store, &filter, options, &report));
    if (!report.matched)
        return status_error(STATUS_DATA,
                            "no tensor in %s is one of phase %s, or the "
                            "phase's only/except leave all of them out",
                            path, phase->name);
    tell_loaded(options, path, &report);
    return status_ok();
}

// Weights from elsewhere: everything that fits by name, told in full.
static Status load_init(const Program *program, const ProgramPhase *phase,
                        const TrainOptions *options, Store *store)
{
    Renames renames = {0};
    ModelFilter filter = {.role = PLAN_WEIGHT,
                          .renames = options->init_map ? &renames : NULL,
                          .parameters = program->parameters,
                          .new_classes = true};
    ModelReport report;
    if (options->init_map)
        TRY(renames_read(options->init_map, &renames));
    Status status =
        load(options->init, phase, store, &filter, options, &report);
    renames_free(&renames);
    TRY(status);
    // Nets of one family share some names: where less fits than is missing, and
    // the file has other layers of the program's modules, it is another net's.
    if (!report.matched ||
        (report.strange && report.counts[MODEL_MISSING] > report.matched))
        return refuse(options->init, phase, &report, options);
    train_say(options, "%s: starts from %s%s%s", phase->name, options->init,
              phase->from ? " instead of " : "",
              phase->from ? phase->from : "");
    tell_names(options, options->init, &report);
    show_table(&report, options, options->message);
    return status_ok();
}

Status weights_load_start(const Program *program, const ProgramPhase *phase,
                          const TrainOptions *options, Store *store)
{
    if (options->init)
        return load_init(program, phase, options, store);
    if (phase->from)
        return load_from(program, phase, options, store);
    return status_ok();
}

Status weights_load_teacher(const Program *program, const ProgramPhase *phase,
                            const TrainOptions *options, Store *store)
{
    char path[RUNDIR_PATH];
    ModelFilter filter = {.prefix = "teacher.",
                          .role = PLAN_FROZEN,
                          .parameters = program->parameters};
    ModelReport report;
    bool wanted = false;
    for (int i = 0; i < store->count; i++)
        wanted = wanted || store->tensors[i].param.role == PLAN_FROZEN;
    if (!wanted || !phase->teacher)
        return status_ok();
    const ProgramPhase *teacher = program_phase(program, phase->teacher);
    TRY(phase_model(phase, phase->teacher, options, path));
    if (teacher)
        TRY(weights_check(program, teacher, path, options));
    TRY(load(path, phase, store, &filter, options, &report));
    if (report.counts[MODEL_MISSING])
        return refuse(path, teacher ? teacher : phase, &report, options);
    return status_ok();
}

// ---- which they are ---------------------------------------------------------

static Status hash_file(const char *path, uint64_t *hash)
{
    TensorFile *file;
    if (!file_exists(path))
        return status_ok();
    TRY(tensors_open(path, &file));
    Status status = tensors_hash(file, hash);
    tensors_close(file);
    return status;
}

// `source` is a phase, a file or NULL.
static Status hash_source(const Program *program, const char *source,
                          const TrainOptions *options, uint64_t *hash)
{
    char path[RUNDIR_PATH];
    if (!source)
        return status_ok();
    if (!program_phase(program, source))
        return hash_file(source, hash);
    TRY(rundir_path(options->out, source, "model.safetensors", path));
    return hash_file(path, hash);
}

Status weights_origin(const Program *program, const ProgramPhase *phase,
                      const TrainOptions *options, WeightsOrigin *origin)
{
    *origin = (WeightsOrigin){0};
    if (options->init)
        TRY(hash_file(options->init, &origin->init));
    else
        TRY(hash_source(program, phase->from, options, &origin->from));
    return hash_source(program, phase->teacher, options, &origin->teacher);
}

// A phase's result is compared with the program by names and shapes alone.
static Status check_source(const Program *program, const ProgramPhase *phase,
                           const char *name, const bool *made,
                           const TrainOptions *options)
{
    char path[RUNDIR_PATH];
    const ProgramPhase *source = name ? program_phase(program, name) : NULL;
    if (!source || made[source - program->phases])
        return status_ok();
    TRY(phase_model(phase, name, options, path));
    return weights_check(program, source, path, options);
}

Status weights_check_sources(const Program *program, const ProgramPhase *phase,
                             const bool *made, const TrainOptions *options)
{
    if (!options->init)
        TRY(check_source(program, phase, phase->from, made, options));
    return check_source(program, phase, phase->teacher, made, options);
}

Status weights_check_file(const Program *program, const ProgramPhase *phase,
                          const TrainOptions *options)
{
    Store store = {0};
    if (options->init || !phase->from || program_phase(program, phase->from))
        return status_ok();
    Status status = store_add_plan(&store, &phase->train);
    if (status.code == STATUS_OK)
        status = load_from(program, phase, options, &store);
    store_free(&store);
    return status;
}

Status weights_load_all(const Program *program, const ProgramPhase *phase,
                        const char *path, const TrainOptions *options,
                        Store *store)
{
    ModelFilter filter = {.role = PLAN_WEIGHT,
                          .known = &phase->train,
                          .parameters = program->parameters};
    ModelReport report;
    TRY(load(path, phase, store, &filter, options, &report));
    if (report.counts[MODEL_MISSING] || report.strange)
        return refuse(path, phase, &report, options);
    tell_names(options, path, &report);
    return status_ok();
}
