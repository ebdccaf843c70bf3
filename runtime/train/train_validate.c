// Validation while a phase trains: when, by which number, and when it ends the
// phase. What is remembered of it is the best checkpoint's step and score
// (keep.h); the rest follows from the step, so a resumed run has it too.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/train/evaluate.h"
#include "runtime/train/train_run.h"
#include "runtime/train/valid_scores.h"

// ---- what a phase is validated by -------------------------------------------

static bool can_evaluate(const Run *run)
{
    const Plan *plan = &run->phase->eval;
    return plan->step_count && plan_input(plan, "images") &&
           (!plan_input(plan, "labels") || dataset_classes(run->data));
}

static bool can_vote(const Run *run)
{
    const Plan *plan = &run->phase->features;
    return plan->step_count && plan_input(plan, "images") &&
           dataset_classes(run->data) >= 2 && !dataset_several(run->data);
}

// A number of all its scores together; NULL = none.
static const char *scored(const Run *run)
{
    return can_evaluate(run) ? valid_scores_name(run->phase, run->data) : NULL;
}

// The names of what its evaluation reports.
static Reports evaluated(const Run *run)
{
    Reports reports = {0};
    if (can_evaluate(run))
        reports_list(&reports, &run->phase->eval);
    return reports;
}

static bool has_name(const Reports *reports, const char *name)
{
    for (int i = 0; i < reports->count; i++)
        if (strcmp(reports->names[i], name) == 0)
            return true;
    return false;
}

void train_validation_numbers(const Run *run, char *text, size_t size)
{
    size_t used = 0;
    Reports reports = evaluated(run);
    text[0] = '\0';
    for (int i = 0; i < reports.count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%.40s",
                                 i ? ", " : "", reports.names[i]);
    if (scored(run) && used < size)
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 used ? ", " : "", scored(run));
    if (can_vote(run) && used < size)
        snprintf(text + used, size - used, "%sknn", used ? ", " : "");
}

static bool is_loss(const char *name)
{
    size_t length = strlen(name);
    return length >= 4 && strcmp(name + length - 4, "loss") == 0;
}

// The number that --best names, where the phase has it, else that of a run
// without --best.
static void choose_number(Run *run)
{
    Validation *valid = &run->valid;
    Reports reports = evaluated(run);
    const char *asked = run->options->validate.best, *name = asked;
    bool least = asked && asked[0] == '-';
    valid->evaluates = reports.count > 0;
    valid->votes = can_vote(run);
    if (least)
        name++;
    valid->scored = scored(run);
    valid->asked =
        asked && (has_name(&reports, name) ||
                  (valid->scored && strcmp(name, valid->scored) == 0) ||
                  (valid->votes && strcmp(name, "knn") == 0));
    if (!valid->asked) {
        bool several = valid->scored && dataset_several(run->data);
        least = false;
        name = has_name(&reports, "top1")   ? "top1"
               : valid->votes               ? "knn"
               : several                    ? valid->scored
               : has_name(&reports, "loss") ? "loss"
                                            : reports.names[0];
    }
    snprintf(valid->name, sizeof valid->name, "%s", name);
    valid->least = least || is_loss(name);
}

Status train_choose_validation(Run *run)
{
    Validation *valid = &run->valid;
    const ValidateOptions *asked = &run->options->validate;
    *valid = (Validation){.score = NAN};
    if (!asked->every_steps && !(asked->every_epochs > 0))
        return status_ok();
    valid->images = dataset_count(run->data, SPLIT_VALID);
    if (!valid->images)
        return status_error(STATUS_USAGE,
                            "--validate-every: the data has no part for "
                            "validation (a val/ is one beside a test/): "
                            "--validate 10%% sets aside training images");
    if (!can_evaluate(run) && !can_vote(run)) {
        train_say(run->options, "%s: not validated: %s", run->phase->name,
                  run->phase->eval.step_count
                      ? "its evaluation wants labels, and the data has none"
                  : run->phase->features.step_count
                      ? "its features' neighbours vote for classes, and the "
                        "data has less than two"
                      : "it has no `evaluate` pipeline, and no `h` of several "
                        "views for its neighbours to vote");
        return status_ok();
    }
    valid->on = true;
    choose_number(run);
    return status_ok();
}

void train_validation_text(const Run *run, char text[VALIDATION_TEXT])
{
    const Validation *valid = &run->valid;
    const ValidateOptions *asked = &run->options->validate;
    char every[48];
    text[0] = '\0';
    if (!valid->on)
        return;
    if (asked->every_steps > 1)
        snprintf(every, sizeof every, "%" PRId64 " steps", asked->every_steps);
    else if (asked->every_steps || asked->every_epochs == 1)
        snprintf(every, sizeof every, asked->every_steps ? "step" : "epoch");
    else
        snprintf(every, sizeof every, "%.15g epochs", asked->every_epochs);
    snprintf(text, VALIDATION_TEXT,
             "every %s on %" PRId64 " images by the %s %s, patience %" PRId64,
             every, valid->images, valid->least ? "least" : "greatest",
             valid->name, asked->patience);
}

Status train_start_validation(Run *run)
{
    char text[VALIDATION_TEXT], votes[80] = "", patience[96] = "",
                                other[128] = "";
    const char *best = run->options->validate.best;
    Validation *valid = &run->valid;
    int64_t most = run->options->validate.patience;
    if (!valid->on)
        return status_ok();
    if (valid->votes) {
        ProbeSpec spec = {.phase = run->phase,
                          .data = run->data,
                          .code = run->code,
                          .store = &run->store,
                          .pool = run->pool,
                          .seed = run->options->seed,
                          .validates = true};
        TRY(probe_new(&spec, &valid->probe));
        if (!valid->probe)
            return status_error(STATUS_INTERNAL, "phase %s has no features",
                                run->phase->name);
        snprintf(votes, sizeof votes,
                 " (knn: the vote of the %d nearest training images)",
                 probe_neighbours(valid->probe));
    }
    if (valid->scored)
        TRY(valid_scores_new(run->phase, run->data, &valid->scores));
    if (most)
        snprintf(patience, sizeof patience,
                 "; the phase ends after %" PRId64
                 " validation%s without a better one",
                 most, most == 1 ? "" : "s");
    if (best && !valid->asked)
        snprintf(other, sizeof other, "; it has no %.64s, which --best names",
                 best[0] == '-' ? best + 1 : best);
    train_validation_text(run, text);
    text[strcspn(text, ",")] = '\0'; // the patience is said in words
    train_say(run->options,
              "%s: validated %s%s, whose checkpoint is best.safetensors%s%s",
              run->phase->name, text, votes, patience, other);
    return status_ok();
}

// ---- when -------------------------------------------------------------------

// How many are over once a step is done. Epochs' ends need not be steps: one is
// over with the step that passes it.
static int64_t count_by(const Run *run, int64_t step)
{
    const ValidateOptions *asked = &run->options->validate;
    if (asked->every_steps)
        return step / asked->every_steps;
    return (int64_t)floor((double)step * run->phase->batch /
                          (asked->every_epochs * (double)run->image_count));
}

bool train_validation_due(const Run *run)
{
    return run->valid.on &&
           (run->step == run->total_steps ||
            count_by(run, run->step) > count_by(run, run->step - 1));
}

// Validations without a better one, up to this step.
static int64_t count_since(const Run *run, int64_t best_step)
{
    int64_t before = best_step < 0 ? 0 : count_by(run, best_step);
    return count_by(run, run->step) - before;
}

bool train_validation_ends(const Run *run)
{
    int64_t most = run->options->validate.patience;
    return run->valid.on && most && run->step < run->total_steps &&
           count_since(run, run->keep.best_step) >= most;
}

// ---- one validation ---------------------------------------------------------

static void add_number(TrainResult *numbers, const char *name, double value)
{
    // A full table would be of 16 reports of the phase's own.
    if (numbers->report_count == REPORT_MAX)
        numbers->report_count--;
    int at = numbers->report_count++;
    snprintf(numbers->report_names[at], sizeof numbers->report_names[at], "%s",
             name);
    numbers->report_values[at] = value;
}

static Status measure(Run *run, TrainResult *numbers)
{
    double accuracy;
    Validation *valid = &run->valid;
    TrainOptions options = *run->options;
    if (valid->told) // what is to be said of the images was said
        options.message = NULL;
    valid->told = true;
    if (valid->evaluates) {
        InferSink sink = {0};
        if (valid->scores)
            sink = valid_scores_sink(valid->scores);
        TRY(evaluate_plan(run->phase, run->data, SPLIT_VALID, run->code,
                          &run->store, run->pool, &options,
                          valid->scores ? &sink : NULL, numbers));
    }
    if (valid->scores) {
        TRY(valid_scores_number(valid->scores, &accuracy));
        add_number(numbers, valid->scored, accuracy);
    }
    if (valid->votes) {
        TRY(probe_run(valid->probe, &accuracy));
        add_number(numbers, "knn", accuracy);
        if (!valid->evaluates)
            numbers->test_count = valid->images;
    }
    return status_ok();
}

// With the least best.
static Status find_score(const Run *run, const TrainResult *numbers,
                         double *score)
{
    const Validation *valid = &run->valid;
    for (int i = 0; i < numbers->report_count; i++)
        if (strcmp(numbers->report_names[i], valid->name) == 0) {
            *score = numbers->report_values[i] * (valid->least ? 1 : -1);
            return status_ok();
        }
    return status_error(STATUS_DATA,
                        "phase %s cannot be validated by %s: the %" PRId64
                        " images for validation fill no batch of %d, of which "
                        "it is a value",
                        run->phase->name, valid->name, valid->images,
                        run->phase->batch);
}

Status train_validate(Run *run)
{
    Validation *valid = &run->valid;
    TrainResult numbers = {.steps = run->step};
    TRY(measure(run, &numbers));
    if (!run->writes)
        return status_ok();
    TRY(find_score(run, &numbers, &valid->score));
    bool better = keep_improves(&run->keep, valid->score);
    double score = better ? valid->score : run->keep.best_score;
    WatchValidation line = {
        .numbers = &numbers,
        .best_step = better ? run->step : run->keep.best_step,
        .since = better ? 0 : count_since(run, run->keep.best_step),
        .ends = !better && train_validation_ends(run),
    };
    line.best = line.best_step < 0 ? NAN : score * (valid->least ? 1 : -1);
    return watch_validation(run->watch, &line);
}

void train_validation_result(const Run *run, TrainResult *result)
{
    const Validation *valid = &run->valid;
    const Keep *keep = &run->keep;
    if (!valid->on)
        return;
    result->valid_count = valid->images;
    snprintf(result->best_name, sizeof result->best_name, "%s", valid->name);
    result->best_step = keep->best_step;
    result->best_value =
        keep->best_step < 0 ? NAN : keep->best_score * (valid->least ? 1 : -1);
    result->ended_early = !result->stopped && train_validation_ends(run);
}

void train_tell_best(const Run *run)
{
    TrainResult best = {0};
    train_validation_result(run, &best);
    if (!best.valid_count || !run->writes)
        return;
    if (best.ended_early)
        train_say(run->options,
                  "%s: ends at step %" PRId64 " of %" PRId64
                  ", for %s has not become better in %" PRId64 " validations",
                  run->phase->name, run->step, run->total_steps, best.best_name,
                  run->options->validate.patience);
    if (best.best_step >= 0)
        train_say(run->options,
                  "%s: best %s of the validation is %.4g, at step %" PRId64
                  ": %s/%s/best.safetensors; model.safetensors is of the last "
                  "step",
                  run->phase->name, best.best_name, best.best_value,
                  best.best_step, run->options->out, run->phase->name);
}
