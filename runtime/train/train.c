#include "runtime/train/train_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/philox.h"
#include "runtime/base/rundir.h"
#include "runtime/data/sampler.h"
#include "runtime/exec/random_key.h"
#include "runtime/exec/ranks.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/shares.h"
#include "runtime/train/valid_scores.h"
#include "runtime/train/weights.h"

// Seconds between two calls of the progress callback.
static const double progress_seconds = 0.2;

void train_say(const TrainOptions *options, const char *format, ...)
{
    char text[STATUS_TEXT_SIZE];
    va_list args;
    if (!options->message)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    options->message(options->context, text);
}

Status train_new(const Program *program, int phase, Dataset *data,
                 const TrainOptions *options, TrainResult *result, Run **out)
{
    Run *run = *out = calloc(1, sizeof *run);
    if (!run)
        return status_error(STATUS_MEMORY, "no memory to train");
    run->program = program;
    run->phase = &program->phases[phase];
    run->data = data;
    run->options = options;
    run->result = result;
    run->writes = ranks_index() == 0;
    return status_ok();
}

double train_seconds(const Run *run)
{
    return run->started > 0 ? clock_seconds() - run->started : 0;
}

// ---- the training set -------------------------------------------------------

Status train_select(Run *run)
{
    const ProgramPhase *phase = run->phase;
    TRY(trainset_select(phase, run->data, run->options->labels,
                        run->options->seed, &run->set));
    run->image_count = run->set.count;
    run->total_steps = sampler_total_steps(phase->steps, phase->epochs,
                                           run->image_count, phase->batch);
    return status_ok();
}

// ---- preparing --------------------------------------------------------------

// What rank 0 found to go on from, or that there is nothing left to do.
static void share_start(Run *run, bool *finished)
{
    int64_t start[] = {run->step, *finished};
    ranks_broadcast(start, sizeof start);
    run->step = start[0];
    *finished = start[1];
}

// All begin with what rank 0 has: others need not see its files.
static void share_store(Run *run)
{
    for (int i = 0; i < run->store.count; i++)
        ranks_broadcast(run->store.tensors[i].data,
                        run->store.tensors[i].param.tensor.bytes);
}

Status train_fill_store(Run *run)
{
    TRY(store_add_plan(&run->store, &run->phase->train));
    if (run->phase->eval.step_count)
        TRY(store_add_plan(&run->store, &run->phase->eval));
    if (!run->writes) {
        share_store(run);
        return status_ok();
    }
    if (run->step > 0)
        TRY(checkpoint_load(run->checkpoint_path, &run->store));
    else
        TRY(weights_load_start(run->program, run->phase, run->options,
                               &run->store));
    TRY(weights_load_teacher(run->program, run->phase, run->options,
                             &run->store));
    if (!run->checkpoint_path[0])
        TRY(weights_origin(run->program, run->phase, run->options,
                           &run->origin));
    store_initialize(&run->store, run->options->seed);
    share_store(run);
    return status_ok();
}

static void feed(const Run *run, const char *name, int count,
                 const double *values)
{
    void *at = executor_input(run->executor, name);
    for (int i = 0; at && i < count; i++)
        if (run->dtype == PLAN_F64)
            ((double *)at)[i] = values[i];
        else
            ((float *)at)[i] = (float)values[i];
}

static void feed_counts(const Run *run)
{
    double images = (double)run->image_count;
    void *at = executor_input(run->executor, "class_counts");
    feed(run, "image_count", 1, &images);
    for (int i = 0; at && i < run->phase->classes; i++)
        if (run->dtype == PLAN_F64)
            ((double *)at)[i] = (double)run->set.counts[i];
        else
            ((float *)at)[i] = (float)run->set.counts[i];
}

// Finds the element type of the inputs and holds images to the phase's groups.
static Status check_images(const ProgramPhase *phase, int32_t *dtype)
{
    bool any = false, fit = true;
    for (int i = 0; i < phase->group_count; i++) {
        const PlanPort *images = plan_input(&phase->train, phase_images(i));
        const ViewGroup *group = &phase->groups[i];
        const int64_t dims[] = {(int64_t)phase_rows(phase) * group->views,
                                phase->channels, group->height, group->width};
        if (!images)
            continue; // nothing reads these
        any = true;
        *dtype = images->tensor.dtype;
        fit = fit && images->tensor.rank == 4 &&
              memcmp(images->tensor.dims, dims, sizeof dims) == 0;
    }
    return any && fit ? status_ok()
                      : status_error(STATUS_INTERNAL,
                                     "the images input of phase %s does not "
                                     "fit its batch",
                                     phase->name);
}

// Which classes a balanced phase repeats, and how much.
static void tell_balance(const Run *run)
{
    const Strata *strata = &run->set.strata;
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < strata->count; i++) {
        int64_t images = strata->starts[i + 1] - strata->starts[i];
        least = images < least ? images : least;
        most = images > most ? images : most;
    }
    if (strata->count)
        train_say(run->options,
                  "%s: balanced: each class comes as often, an image of the "
                  "smallest (%" PRId64
                  " image%s) %.1f times as often as one of "
                  "the largest (%" PRId64 ")",
                  run->phase->name, least, status_s(least),
                  (double)most / (double)least, most);
}

static Status start_executor(Run *run)
{
    const ProgramPhase *phase = run->phase;
    TRY(check_images(phase, &run->dtype));
    run->pool = pool_new(run->options->threads);
    if (!run->pool)
        return status_error(STATUS_MEMORY, "no memory to start threads");
    TRY(code_load(run->program, &run->code));
    TRY(executor_new(&phase->train, run->code, &run->store, run->pool,
                     &run->executor));
    TRY(reports_bind(&run->reports, &phase->train, run->executor));
    if (!run->reports.count || strcmp(run->reports.names[0], "loss") != 0)
        return status_error(STATUS_INTERNAL, "phase %s has no loss",
                            phase->name);
    run->tally.count = run->reports.count;
    char chunks[64] = "", shares[64] = "";
    if (phase->chunk)
        snprintf(chunks, sizeof chunks, " in chunks of %d", phase->chunk);
    if (ranks_count() > 1)
        snprintf(shares, sizeof shares, ", %d to each of %d processes",
                 phase_rows(phase), ranks_count());
    train_say(run->options,
              "%s: %" PRId64 " step%s of %d%s%s from %" PRId64
              " image%s; %.1f MB of weights and optimizer, %.1f MB for a step",
              phase->name, run->total_steps, status_s(run->total_steps),
              phase->batch, chunks, shares, run->image_count,
              status_s(run->image_count),
              1e-6 * (double)store_bytes(&run->store),
              1e-6 * (double)executor_bytes(run->executor));
    tell_balance(run);
    for (int i = 0; i < phase->group_count; i++)
        run->images[i] = executor_input(run->executor, phase_images(i));
    run->labels = executor_input(run->executor, "labels");
    return status_ok();
}

Status train_start_input(Run *run)
{
    const ProgramPhase *phase = run->phase;
    InputSpec spec = {
        .data = run->data,
        .split = SPLIT_TRAIN,
        .indices = run->set.indices,
        .seen = run->set.seen,
        .strata = run->set.strata.count ? &run->set.strata : NULL,
        .count = run->image_count,
        .batch = phase_rows(phase),
        .chunks = phase->train.chunks.count,
        .passes = plan_passes(&phase->train),
        .seed = run->options->seed,
        .phase = random_name(phase->name),
        .training = true,
        .threads = pool_threads(run->pool),
        .message = train_unreadable(run->options),
        .context = run->options->context,
    };
    char order[RUNDIR_PATH];
    input_set_groups(&spec, phase, false, run->images);
    shares_set_input(&spec);
    if (dataset_starts(run->data, SPLIT_TRAIN)) {
        snprintf(order, sizeof order, "%s, part %d", phase->name,
                 ranks_index());
        spec.order = random_name(order);
        if (spec.count == 0)
            return status_error(STATUS_DATA,
                                "none of the images that phase %s trains on "
                                "are in the part of process %d",
                                phase->name, ranks_index());
        if (spec.strata)
            trainset_cut_strata(&run->set, spec.indices - run->set.indices,
                                spec.count);
    }
    return input_new(&spec, run->step, &run->input);
}

// Steps between two lines of metrics: about 500 lines a phase, and no fewer
// than one in 50 steps.
static int64_t metrics_interval(const Run *run)
{
    int64_t interval = run->total_steps / 500;
    return interval < 1 ? 1 : interval > 50 ? 50 : interval;
}

static Status start_watch(Run *run)
{
    char validation[VALIDATION_TEXT];
    train_validation_text(run, validation);
    WatchSpec spec = {
        .options = run->options,
        .reports = &run->reports,
        .probe = {run->phase, run->data, run->code, &run->store, run->pool,
                  run->options->seed, 0, false},
        .probes = !run->valid.votes,
        .validation = validation,
        .total_steps = run->total_steps,
        .images = run->image_count,
        .step = run->step,
        .interval = metrics_interval(run),
        .step_bytes = executor_bytes(run->executor),
        .silent = !run->writes,
    };
    return watch_open(&spec, &run->watch);
}

// ---- the loop ---------------------------------------------------------------

static double epoch_at(const Run *run, int64_t step)
{
    return (double)step * run->phase->batch / (double)run->image_count;
}

static Status write_metrics(Run *run)
{
    double values[REPORT_MAX];
    Tally *tally = &run->tally;
    for (int i = 0; i < run->reports.count; i++) {
        values[i] = tally->interval[i] / (double)tally->interval_steps;
        tally->interval[i] = 0;
    }
    tally->interval_steps = 0;
    if (!run->watch)
        return status_ok();
    double seconds = train_seconds(run);
    WatchLine line = {
        .step = run->step,
        .epoch = epoch_at(run, run->step),
        .images_per_second = (double)(run->step - run->started_step) *
                             run->phase->batch / seconds,
        .values = values,
        .seconds = seconds,
        .waited = input_wait_seconds(run->input),
    };
    return watch_line(run->watch, &line);
}

static void tell_progress(Run *run, const double *values)
{
    double now = clock_seconds(), waited = input_wait_seconds(run->input);
    double passed = now - run->told;
    bool last = run->step == run->total_steps;
    run->told_loss += values[0];
    if (!run->options->progress || (passed < progress_seconds && !last))
        return;
    double steps = (double)(run->step - run->told_step);
    double pace = train_seconds(run) / (double)(run->step - run->started_step);
    TrainProgress progress = {
        .phase = run->phase->name,
        .step = run->step,
        .total_steps = run->total_steps,
        .epoch = epoch_at(run, run->step),
        .loss = run->told_loss / steps,
        .images_per_second = steps * run->phase->batch / passed,
        .seconds_left = pace * (double)(run->total_steps - run->step),
        .input_wait = (waited - run->told_waited) / passed,
        .report_count = run->reports.count - 1,
        .report_names = run->reports.names + 1,
        .report_values = values + 1,
    };
    run->options->progress(run->options->context, &progress);
    run->told = now;
    run->told_step = run->step;
    run->told_loss = 0;
    run->told_waited = waited;
}

Status train_feed(void *context, int pass, int chunk)
{
    Run *run = context;
    char *labels = pass == 0 ? run->labels : NULL;
    if (labels)
        labels += (size_t)chunk * (size_t)phase_rows(run->phase) *
                  (size_t)phase_label_width(run->phase) *
                  (size_t)plan_dtype_bytes(run->dtype);
    TRY(input_take(run->input, run->dtype, run->images, labels, NULL));
    double step = (double)run->step, total = (double)run->total_steps;
    double epoch = (double)run->image_count / run->phase->batch;
    feed(run, "step", 1, &step);
    feed(run, "total_steps", 1, &total);
    feed(run, "epoch_steps", 1, &epoch);
    feed_counts(run);
    double key[PLAN_RANDOM_KEY];
    int64_t rows = phase_rows(run->phase), here = rows * ranks_index();
    random_key(run->options->seed, run->phase->name, run->step,
               rows * ranks_count() * chunk + here, key);
    feed(run, "random", PLAN_RANDOM_KEY, key);
    key[PLAN_RANDOM_KEY - 1] = (double)here;
    feed(run, "random.batch", PLAN_RANDOM_KEY, key);
    return status_ok();
}

static Status run_step(Run *run)
{
    double values[REPORT_MAX];
    TRY(executor_run_fed(run->executor, train_feed, run, NULL, NULL));
    for (int i = 0; i < run->reports.count; i++)
        values[i] = reports_mean(&run->reports, i, NULL);
    if (!isfinite(values[0]))
        return train_diverged(run, values[0]);
    run->saved_loss += values[0];
    tally_add(&run->tally, run->step, run->total_steps, values);
    run->step++;
    if (run->step % metrics_interval(run) == 0 || run->step == run->total_steps)
        TRY(write_metrics(run));
    tell_progress(run, values);
    return status_ok();
}

static bool has_taken_all(const Run *run)
{
    int64_t most = run->options->stop_after;
    return most > 0 && run->step >= most;
}

static bool must_stop(const Run *run)
{
    const TrainOptions *options = run->options;
    return (options->stop && *options->stop) || has_taken_all(run);
}

// A signal asks for a checkpoint once.
static bool save_is_wanted(const Run *run)
{
    volatile sig_atomic_t *save = run->options->save;
    bool wanted = save && *save;
    if (wanted)
        *save = 0;
    return wanted;
}

// A step may leave a bad weight behind a good loss: no checkpoint gets it.
static Status check_and_save(Run *run)
{
    if (store_unbounded(&run->store)) {
        run->step--; // the last one taken
        return train_diverged(run, 0);
    }
    return train_save(run, false);
}

// Whether this step's validation found a better checkpoint, which is saved.
static Status validate(Run *run, bool *better)
{
    *better = false;
    if (!train_validation_due(run))
        return status_ok();
    TRY(train_validate(run));
    *better = run->writes && keep_improves(&run->keep, run->valid.score);
    return status_ok();
}

// A phase that ends before its last step has a line of that step, too.
static Status end_early(Run *run)
{
    return run->tally.interval_steps ? write_metrics(run) : status_ok();
}

static Status run_steps(Run *run)
{
    bool better, early = ranks_any(run->writes && train_validation_ends(run));
    double interval = run->options->checkpoint_seconds > 0
                          ? run->options->checkpoint_seconds
                          : 60;
    run->started = run->saved = run->told = clock_seconds();
    run->started_step = run->told_step = run->saved_step = run->step;
    // A step that was asked for before, and taken, is not taken again.
    run->result->stopped =
        run->step < run->total_steps && ranks_any(has_taken_all(run));
    while (run->step < run->total_steps && !run->result->stopped && !early) {
        TRY(run_step(run));
        TRY(validate(run, &better));
        early = ranks_any(run->writes && !better && train_validation_ends(run));
        if (early)
            TRY(end_early(run));
        bool stop = ranks_any(must_stop(run));
        run->result->stopped = run->step < run->total_steps && stop && !early;
        if (run->writes &&
            (better || early || run->result->stopped ||
             run->step == run->total_steps || save_is_wanted(run) ||
             clock_seconds() - run->saved >= interval))
            TRY(check_and_save(run));
    }
    return status_ok();
}

// ---- the end ----------------------------------------------------------------

static void fill_result(Run *run)
{
    TrainResult *result = run->result;
    const Tally *tally = &run->tally;
    snprintf(result->phase, sizeof result->phase, "%s", run->phase->name);
    result->steps = run->step;
    result->first_loss = tally_first_loss(tally);
    result->last_loss = tally_last_loss(tally, run->step < run->total_steps);
    result->seconds = tally->seconds + train_seconds(run);
    train_validation_result(run, result);
}

void train_data_lines(const Run *run, char lines[TRAIN_DATA_LINES])
{
    uint64_t seed;
    size_t used = 0;
    double held_out = dataset_held_out(run->data, &seed);
    double set_aside = dataset_set_aside(run->data, &seed);
    lines[0] = '\0';
    if (held_out > 0)
        used += (size_t)snprintf(lines, TRAIN_DATA_LINES, "held_out = %.17g\n",
                                 held_out);
    if (set_aside > 0)
        used += (size_t)snprintf(lines + used, TRAIN_DATA_LINES - used,
                                 "validate = %.17g\n", set_aside);
    if (used)
        snprintf(lines + used, TRAIN_DATA_LINES - used, "seed = %" PRIu64,
                 seed);
}

// With the classes' names, so that predictions of other images have them too.
static Status save_model(const Run *run, const char *path)
{
    char data[TRAIN_DATA_LINES];
    ModelInfo info = {
        .program = run->program->name,
        .phase = run->phase->name,
        .parameters = run->program->parameters,
        .step = run->step,
        .classes = run->classes,
        .data = data,
    };
    train_data_lines(run, data);
    return model_save(path, &run->store, &info);
}

static Status finish(Run *run)
{
    char path[RUNDIR_PATH];
    fill_result(run);
    // The training slab goes before the evaluation's comes.
    input_free(run->input);
    run->input = NULL;
    executor_free(run->executor);
    run->executor = NULL;
    train_tell_best(run);
    TRY(evaluate_plan(run->phase, run->data, SPLIT_TEST, run->code, &run->store,
                      run->pool, run->options, NULL, run->result));
    if (!run->writes)
        return status_ok();
    if (run->result->test_count)
        TRY(watch_evaluation(run->watch, run->result));
    TRY(rundir_path(run->options->out, run->phase->name, "model.safetensors",
                    path));
    TRY(save_model(run, path));
    return train_save(run, true);
}

static Status write_text(const char *path, const char *text)
{
    return file_write(path, text, (int64_t)strlen(text));
}

// What a resumed run computes its convolutions by: PHASE/ways.
static Status keep_ways(const Run *run)
{
    char path[RUNDIR_PATH];
    TRY(rundir_path(run->options->out, run->phase->name, "ways", path));
    if (run->phase->ways)
        return write_text(path, run->phase->ways);
    unlink(path); // of a run that was started over
    return status_ok();
}

// The run directory, and what there is in it to go on from.
static Status open_folder(Run *run, bool *finished)
{
    const TrainOptions *options = run->options;
    char path[RUNDIR_PATH];
    TRY(rundir_create(options->out, run->phase->name));
    TRY(keep_open(&run->keep, options->out, run->phase->name, options->keep));
    TRY(train_resume(run, finished));
    if (*finished)
        return status_ok();
    TRY(rundir_path(options->out, NULL, "model.net", path));
    TRY(write_text(path, run->program->source));
    TRY(rundir_path(options->out, run->phase->name, "model.net", path));
    if (!run->checkpoint_path[0])
        TRY(write_text(path, run->program->source));
    return keep_ways(run);
}

// Rank 0 has the files that say it.
static Status order_classes(Run *run)
{
    bool by_place;
    if (run->writes)
        TRY(train_order_classes(run, true));
    int64_t size = run->classes ? (int64_t)strlen(run->classes) + 1 : 0;
    ranks_broadcast(&size, sizeof size);
    if (!size || ranks_count() == 1)
        return status_ok();
    if (!run->classes)
        run->classes = malloc((size_t)size);
    if (!run->classes)
        return status_error(STATUS_MEMORY, "no memory to train");
    ranks_broadcast(run->classes, size);
    return run->writes ? status_ok()
                       : dataset_take_classes(run->data, "rank 0", run->classes,
                                              &by_place);
}

static Status run_phase(Run *run)
{
    bool finished = false;
    TRY(train_check_ranks(run));
    TRY(train_select(run));
    TRY(train_choose_validation(run));
    if (run->writes)
        TRY(open_folder(run, &finished));
    share_start(run, &finished);
    if (finished) {
        fill_result(run);
        return status_ok();
    }
    TRY(order_classes(run));
    TRY(trainset_count_classes(run->phase, run->data, &run->set));
    TRY(train_fill_store(run));
    TRY(start_executor(run));
    TRY(train_start_validation(run));
    TRY(start_watch(run));
    TRY(train_start_input(run));
    TRY(run_steps(run));
    if (run->result->stopped) {
        fill_result(run);
        return status_ok();
    }
    return finish(run);
}

static void end_watch(Run *run, const Status *status)
{
    if (!run->watch)
        return;
    fill_result(run);
    watch_end(run->watch,
              status->code == STATUS_DIVERGED ? "diverged"
              : status->code != STATUS_OK     ? "failed"
              : run->result->stopped          ? "stopped"
                                              : "finished",
              run->result);
}

static void close_run(Run *run)
{
    input_free(run->input);
    executor_free(run->executor);
    code_free(run->code);
    pool_free(run->pool);
    store_free(&run->store);
    watch_close(run->watch);
    probe_free(run->valid.probe);
    valid_scores_free(run->valid.scores);
    trainset_free(&run->set);
    free(run->classes);
}

Status train_phase(const Program *program, int phase, Dataset *data,
                   const TrainOptions *options, TrainResult *result)
{
    Run *run;
    *result = (TrainResult){0};
    TRY(train_new(program, phase, data, options, result, &run));
    Status status = run_phase(run);
    end_watch(run, &status);
    close_run(run);
    free(run);
    return status;
}
