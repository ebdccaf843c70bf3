#include "runtime/train/watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/base/rundir.h"
#include "runtime/monitor/curves.h"
#include "runtime/monitor/metrics.h"
#include "runtime/monitor/monitor.h"
#include "runtime/monitor/notes.h"
#include "runtime/monitor/tensorboard.h"

enum {
    LINE_MOST = REPORT_MAX + 3 * WEIGHT_REPORT_MAX + 8, // numbers of a line
    LINE_NAME = 80,
    WEIGHT_STEPS = 50 // steps between two norms of all weights, at least
};

// Seconds between two drawings of the curves.
static const double draw_seconds = 15;

struct Watch {
    WatchSpec spec;
    Metrics metrics;
    Events events;
    Probe *probe;
    WeightReports weight_reports;
    Monitor monitor;
    Notes state;
    int64_t weight_every, probe_every;
    double drawn; // seconds on the clock; 0 = never
};

// The numbers of a line as they come together.
typedef struct Line {
    int count;
    const char *names[LINE_MOST];
    double values[LINE_MOST];
    char made[LINE_MOST][LINE_NAME]; // names that are nobody else's
} Line;

static const char *phase_name(const Watch *watch)
{
    return watch->spec.probe.phase->name;
}

static void tell(const Watch *watch, const char *text)
{
    const TrainOptions *options = watch->spec.options;
    if (options->message)
        options->message(options->context, text);
}

// With the phase's name before it.
static void warn(void *context, const char *text)
{
    const Watch *watch = context;
    const TrainOptions *options = watch->spec.options;
    char line[STATUS_TEXT_SIZE];
    void (*say)(void *, const char *) =
        options->warn ? options->warn : options->message;
    snprintf(line, sizeof line, "%s: %s", phase_name(watch), text);
    if (say)
        say(options->context, line);
}

static void add(Line *line, const char *name, double value)
{
    line->names[line->count] = name;
    line->values[line->count++] = value;
}

static void add_made(Line *line, const char *name, const char *suffix,
                     double value)
{
    char *made = line->made[line->count];
    snprintf(made, LINE_NAME, "%s%s", name, suffix);
    add(line, made, value);
}

// ---- monitors ---------------------------------------------------------------

double watch_weight_norm(const Store *store)
{
    double sum = 0;
    for (int t = 0; t < store->count; t++) {
        const StoreTensor *tensor = &store->tensors[t];
        int64_t count = plan_elements(&tensor->param.tensor);
        if (tensor->param.role != PLAN_WEIGHT)
            continue;
        double part = 0;
        const float *single = tensor->data;
        const double *precise = tensor->data;
        if (tensor->param.tensor.dtype == PLAN_F64)
            for (int64_t i = 0; i < count; i++)
                part += precise[i] * precise[i];
        else if (tensor->param.tensor.dtype == PLAN_F32)
            for (int64_t i = 0; i < count; i++)
                part += (double)single[i] * (double)single[i];
        sum += part;
    }
    return sqrt(sum);
}

// The least multiple of the line interval that is not below `steps`.
static int64_t round_up(const Watch *watch, double steps)
{
    int64_t interval = watch->spec.interval;
    int64_t times = (int64_t)ceil(steps / (double)interval);
    return interval * (times < 1 ? 1 : times);
}

// At the first line too, where that is a small share of all: there must be
// something to compare with.
static bool is_due(const Watch *watch, int64_t step, int64_t every)
{
    int64_t total = watch->spec.total_steps;
    return step % every == 0 || step == total ||
           (step == watch->spec.interval && every <= total / 4);
}

static Status add_monitors(Watch *watch, int64_t step, Line *line)
{
    double accuracy;
    if (is_due(watch, step, watch->weight_every))
        add(line, "weight_norm", watch_weight_norm(watch->spec.probe.store));
    if (!watch->probe || !is_due(watch, step, watch->probe_every))
        return status_ok();
    TRY(probe_run(watch->probe, &accuracy));
    add(line, "knn", accuracy);
    return status_ok();
}

static double number_of(const Line *line, const char *name)
{
    for (int i = 0; i < line->count; i++)
        if (strcmp(line->names[i], name) == 0)
            return line->values[i];
    return NAN;
}

static void run_monitor(Watch *watch, const WatchLine *from, const Line *line)
{
    const ProgramPhase *phase = watch->spec.probe.phase;
    MonitorPoint point = {
        .step = from->step,
        .total_steps = watch->spec.total_steps,
        .loss = number_of(line, "loss"),
        .chance = number_of(line, "loss_at_chance"),
        .accuracy = number_of(line, "contrastive_accuracy"),
        .spread = number_of(line, "spread"),
        .rank = number_of(line, "effective_rank"),
        .gradient = number_of(line, "gradient_norm"),
        .input_wait = from->waited / from->seconds,
        .seconds = from->seconds,
    };
    // Cross-entropy of labels, by the way programs say how well they guess.
    if (isnan(point.chance) && phase->classes > 1 && !phase->teacher &&
        isfinite(number_of(line, "top1")))
        point.chance = log((double)phase->classes);
    monitor_watch(&watch->monitor, &point, warn, watch);
}

// ---- state and curves -------------------------------------------------------

static void note_time(Notes *notes, const char *name)
{
    char text[32];
    time_t now = time(NULL);
    struct tm parts;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    notes_set(notes, name, text);
}

static void write_state(Watch *watch)
{
    char path[RUNDIR_PATH];
    note_time(&watch->state, "written");
    Status status =
        rundir_path(watch->spec.options->out, phase_name(watch), "state", path);
    if (status.code == STATUS_OK)
        status = notes_write(path, &watch->state);
    if (status.code != STATUS_OK)
        tell(watch, status.text);
}

// A picture that cannot be drawn is no failure of the run.
static void draw(Watch *watch)
{
    Status status = curves_draw(watch->spec.options->out);
    if (status.code != STATUS_OK)
        tell(watch, status.text);
    watch->drawn = clock_seconds();
}

static void begin_state(Watch *watch)
{
    const WatchSpec *spec = &watch->spec;
    const ProgramPhase *phase = spec->probe.phase;
    const Store *store = spec->probe.store;
    Notes *state = &watch->state;
    int64_t weights = 0;
    for (int i = 0; i < store->count; i++)
        if (store->tensors[i].param.role == PLAN_WEIGHT)
            weights += plan_elements(&store->tensors[i].param.tensor);
    notes_set(state, "phase", phase->name);
    notes_set(state, "state", "running");
    notes_setf(state, "step", "%" PRId64, spec->step);
    notes_setf(state, "total_steps", "%" PRId64, spec->total_steps);
    notes_setf(state, "batch", "%d", phase->batch);
    notes_setf(state, "images", "%" PRId64, spec->images);
    notes_setf(state, "weights", "%" PRId64, weights);
    notes_setf(state, "weight_bytes", "%" PRId64, store_bytes(store));
    notes_setf(state, "step_bytes", "%" PRId64, spec->step_bytes);
    notes_setf(state, "step_kernels", "%d", phase->train.step_count);
    if (*spec->validation)
        notes_set(state, "validation", spec->validation);
    write_state(watch);
}

static void note_line(Watch *watch, int64_t step, const Line *line)
{
    notes_setf(&watch->state, "step", "%" PRId64, step);
    for (int i = 0; i < line->count; i++)
        notes_set_number(&watch->state, line->names[i], line->values[i]);
}

// ---- lines ------------------------------------------------------------------

// The median of a number, or, of the gradient's norm, the norm over all
// weights; then its least and most.
static void add_weight_report(const WeightReport *report, Line *line)
{
    ReportRange range = weight_report_range(report);
    bool norm = strcmp(report->name, "gradient_norm") == 0;
    add(line, report->name, norm ? range.norm : range.median);
    add_made(line, report->name, "_least", range.least);
    add_made(line, report->name, "_most", range.most);
}

static void gather(const Watch *watch, const WatchLine *from, Line *line)
{
    const Reports *reports = watch->spec.reports;
    add(line, "epoch", from->epoch);
    for (int i = 0; i < reports->count; i++)
        add(line, reports->names[i], from->values[i]);
    for (int i = 0; i < watch->weight_reports.count; i++)
        add_weight_report(&watch->weight_reports.at[i], line);
}

Status watch_line(Watch *watch, const WatchLine *from)
{
    Line line;
    line.count = 0;
    if (watch->spec.silent)
        return add_monitors(watch, from->step, &line);
    gather(watch, from, &line);
    TRY(add_monitors(watch, from->step, &line));
    add(&line, "images_per_second", from->images_per_second);
    add(&line, "input_wait", from->waited / from->seconds);
    TRY(metrics_write(&watch->metrics, from->step, line.count, line.names,
                      line.values));
    TRY(events_write(&watch->events, from->step, line.count, line.names,
                     line.values));
    run_monitor(watch, from, &line);
    note_line(watch, from->step, &line);
    if (clock_seconds() - watch->drawn < draw_seconds)
        return status_ok();
    draw(watch);
    write_state(watch);
    return status_ok();
}

// A line of the reports on another part of the data, which the state knows as
// PART.NAME and TensorBoard as PART/NAME. The first number is how many images.
static Status write_part(Watch *watch, const char *part, int64_t step,
                         Line *line)
{
    TRY(metrics_write(&watch->metrics, step, line->count, line->names,
                      line->values));
    for (int i = 1; i < line->count; i++) {
        snprintf(line->made[i], LINE_NAME, "%s.%s", part, line->names[i]);
        line->names[i] = line->made[i];
    }
    note_line(watch, step, line);
    for (int i = 1; i < line->count; i++)
        line->made[i][strlen(part)] = '/'; // it groups by what is before it
    return events_write(&watch->events, step, line->count - 1, line->names + 1,
                        line->values + 1);
}

static void add_reports(Line *line, const TrainResult *result)
{
    for (int i = 0; i < result->report_count; i++)
        add(line, result->report_names[i], result->report_values[i]);
}

Status watch_validation(Watch *watch, const WatchValidation *from)
{
    Line line;
    if (watch->spec.silent)
        return status_ok();
    line.count = 0;
    add(&line, "valid_images", (double)from->numbers->test_count);
    add_reports(&line, from->numbers);
    add(&line, "best", from->best);
    add(&line, "best_step", (double)from->best_step);
    add(&line, "since_best", (double)from->since);
    if (from->ends)
        add(&line, "ended_early", 1);
    return write_part(watch, "valid", from->numbers->steps, &line);
}

Status watch_evaluation(Watch *watch, const TrainResult *result)
{
    Line line;
    if (watch->spec.silent)
        return status_ok();
    line.count = 0;
    add(&line, "test_images", (double)result->test_count);
    add_reports(&line, result);
    return write_part(watch, "test", result->steps, &line);
}

void watch_end(Watch *watch, const char *state, const TrainResult *result)
{
    if (watch->spec.silent)
        return;
    notes_set(&watch->state, "state", state);
    // Of the end, not of the last line of metrics before it.
    notes_setf(&watch->state, "step", "%" PRId64, result->steps);
    notes_set_number(&watch->state, "seconds", result->seconds);
    notes_set_number(&watch->state, "first_loss", result->first_loss);
    notes_set_number(&watch->state, "last_loss", result->last_loss);
    draw(watch);
    write_state(watch);
}

// ---- opening ----------------------------------------------------------------

static Status open_files(Watch *watch)
{
    char path[RUNDIR_PATH];
    const WatchSpec *spec = &watch->spec;
    int64_t keep = spec->step ? spec->step : -1;
    TRY(metrics_open(&watch->metrics, spec->options->out, phase_name(watch),
                     keep));
    if (spec->reports->ports[0]->tensor.dtype == PLAN_F64)
        watch->metrics.digits = 17;
    TRY(rundir_path(spec->options->out, phase_name(watch),
                    "events.out.tfevents.simcc", path));
    return events_open(&watch->events, path, keep);
}

static Status start(Watch *watch)
{
    if (!watch->spec.silent)
        TRY(open_files(watch));
    watch->spec.probe.trained =
        watch->spec.total_steps * watch->spec.probe.phase->batch;
    TRY(weight_reports_find(watch->spec.probe.store, &watch->weight_reports));
    if (watch->spec.probes)
        TRY(probe_new(&watch->spec.probe, &watch->probe));
    watch->weight_every = round_up(watch, WEIGHT_STEPS);
    if (watch->probe)
        watch->probe_every = round_up(watch, (double)watch->spec.total_steps /
                                                 probe_times(watch->probe));
    if (!watch->spec.silent)
        begin_state(watch);
    return status_ok();
}

Status watch_open(const WatchSpec *spec, Watch **result)
{
    *result = NULL;
    Watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return status_error(STATUS_MEMORY, "no memory to watch the training");
    watch->spec = *spec;
    Status status = start(watch);
    if (status.code == STATUS_OK)
        *result = watch;
    else
        watch_close(watch);
    return status;
}

void watch_close(Watch *watch)
{
    if (!watch)
        return;
    metrics_close(&watch->metrics);
    events_close(&watch->events);
    probe_free(watch->probe);
    weight_reports_free(&watch->weight_reports);
    notes_free(&watch->state);
    free(watch);
}
