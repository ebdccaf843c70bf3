// A phase's checkpoints: what they say, and whether a run may go on from one.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/philox.h"
#include "runtime/files/model.h"
#include "runtime/train/train_run.h"
#include "runtime/train/weights.h"

// What must be equal for a checkpoint to be continued: every parameter of the
// program is in its resolved source.
static uint64_t program_hash(const Run *run)
{
    uint64_t hash =
        random_name(run->program->source) * 31 + (uint64_t)run->program->dtype;
    // A phase's own rule is in the source; a list is not.
    bool listed =
        run->options->labels && run->phase->source != SOURCE_UNLABELED;
    for (int64_t i = 0; listed && i < run->image_count; i++)
        if (!run->set.seen || run->set.seen[i])
            hash = hash * 31 + (uint64_t)run->set.indices[i];
    return hash;
}

// Of the names of all training images, in order: other images, and another
// hold-out, are other data. Never 0.
static uint64_t names_hash(const Run *run)
{
    uint64_t hash = 1;
    int64_t count = dataset_count(run->data, SPLIT_TRAIN);
    for (int64_t i = 0; i < count; i++) {
        const char *name = dataset_sample_name(run->data, SPLIT_TRAIN, i);
        hash = hash * 31 + (name ? random_name(name) : 0);
    }
    return hash ? hash : 1;
}

// Ways decide low bits.
static uint64_t ways_hash(const Run *run)
{
    return run->phase->ways ? random_name(run->phase->ways) : 0;
}

// "images name=value ...", values with every bit.
static bool print_result(const TrainResult *result, char *text, size_t size)
{
    int used = snprintf(text, size, "%" PRId64, result->test_count);
    for (int i = 0; i < result->report_count && (size_t)used < size; i++)
        used += snprintf(text + used, size - (size_t)used, " %s=%a",
                         result->report_names[i], result->report_values[i]);
    return (size_t)used < size;
}

static void parse_result(TrainResult *result, const char *text)
{
    char *rest;
    result->split = SPLIT_TEST;
    result->test_count = strtoll(text, &rest, 10);
    result->report_count = 0;
    while (*rest == ' ' && result->report_count < REPORT_MAX) {
        int at = result->report_count, length = 0;
        if (sscanf(rest, " %63[^=]=%la%n", result->report_names[at],
                   &result->report_values[at], &length) != 2)
            return;
        result->report_count++;
        rest += length;
    }
}

Status train_save(Run *run, bool finished)
{
    char data[TRAIN_DATA_LINES];
    double steps = (double)(run->step - run->saved_step);
    double score = run->valid.on ? run->valid.score
                   : steps > 0   ? run->saved_loss / steps
                                 : NAN;
    train_data_lines(run, data);
    CheckpointInfo info = {
        .step = run->step,
        .images = run->image_count,
        .names = names_hash(run),
        .seed = run->options->seed,
        .program = program_hash(run),
        .sums = run->program->sums,
        .precision = run->phase->precision,
        .ways = ways_hash(run),
        .ways_text = run->phase->ways,
        .parameters = run->program->parameters,
        .classes = run->classes,
        .data = data,
        .finished = finished,
    };
    Tally tally = run->tally;
    tally.seconds += train_seconds(run);
    snprintf(info.phase, sizeof info.phase, "%s", run->phase->name);
    train_validation_text(run, info.validation);
    if (!tally_print(&tally, info.tally, sizeof info.tally) ||
        (finished &&
         !print_result(run->result, info.result, sizeof info.result)))
        return status_error(STATUS_INTERNAL, "a checkpoint's notes are too "
                                             "long");
    TRY(keep_save(&run->keep, &run->store, &info, score));
    run->valid.score = NAN;
    run->saved = clock_seconds();
    run->saved_step = run->step;
    run->saved_loss = 0;
    return status_ok();
}

static const char *sums_text(int32_t sums)
{
    switch (sums) {
    case PLAN_SUMS_STRICT:
        return "way to convolve (with --strict)";
    case PLAN_SUMS_PLAIN:
        return "way to convolve (with --plain-sums)";
    default:
        return "way to convolve (without --strict or --plain-sums)";
    }
}

// STATUS_FAILED with the parameters of which the checkpoint has other values.
static Status compare_parameters(const Run *run)
{
    char lines[640] = "";
    size_t used = 0;
    ModelReport report;
    TRY(model_compare(run->checkpoint_path, &run->phase->train,
                      run->program->parameters, &report));
    int count = report.counts[MODEL_PARAMETER];
    for (int i = 0; i < count && i < MODEL_SHOWN && used < sizeof lines; i++)
        used +=
            (size_t)snprintf(lines + used, sizeof lines - used, "%s%s",
                             i ? "; " : "", report.lines[MODEL_PARAMETER][i]);
    if (!count)
        return status_ok();
    return status_error(STATUS_FAILED,
                        "%s cannot be resumed with other settings: %s; use "
                        "those, or another --out",
                        run->checkpoint_path, lines);
}

static Status check_same_run(Run *run, const CheckpointInfo *info)
{
    const char *what = NULL;
    char validation[VALIDATION_TEXT];
    train_validation_text(run, validation);
    bool bf16 = info->precision == PLAN_BF16;
    if (strcmp(info->phase, run->phase->name) != 0)
        what = "phase";
    else if (info->precision != run->phase->precision)
        what = bf16 ? "precision (with --precision bf16)"
                    : "precision (without --precision bf16)";
    else if (info->program != program_hash(run))
        what = "program, or its parameters or labels,";
    else if (info->seed != run->options->seed)
        what = "seed";
    else if (strcmp(info->validation, validation) != 0)
        return status_error(
            STATUS_FAILED,
            "%s cannot be resumed: it was %s%s, and is now %s%s; "
            "use another --out, or the same --validate, "
            "--validate-every, --best and --patience",
            run->checkpoint_path,
            *info->validation ? "validated " : "not validated",
            info->validation, *validation ? "validated " : "not validated",
            validation);
    else if (info->images != run->image_count)
        what = "number of training images";
    else if (info->step > run->total_steps)
        what = "number of steps";
    else if (info->sums != run->program->sums)
        what = sums_text(info->sums);
    else if (info->ways != ways_hash(run))
        what = "way to convolve (chosen by --tune)";
    if (!what && info->names && info->names != names_hash(run)) {
        TRY(train_order_classes(run, true)); // says so where these are others
        return status_error(STATUS_FAILED,
                            "%s cannot be resumed: the training images have "
                            "other names, or others of them are held out; use "
                            "another --out, or the same --data, --held-out and "
                            "--validate",
                            run->checkpoint_path);
    }
    if (!what)
        return status_ok();
    if (info->program != program_hash(run)) {
        TRY(weights_check(run->program, run->phase, run->checkpoint_path,
                          run->options));
        TRY(compare_parameters(run));
    }
    return status_error(STATUS_FAILED,
                        "%s cannot be resumed: its %s is another (%s/model.net "
                        "has every setting of that run); use another --out, or "
                        "the same settings",
                        run->checkpoint_path, what, run->options->out);
}

Status train_resume(Run *run, bool *finished)
{
    CheckpointInfo info;
    *finished = false;
    if (!run->options->resume)
        return status_ok();
    TRY(keep_find(&run->keep, run->checkpoint_path, &info, run->options->warn,
                  run->options->context));
    if (!run->checkpoint_path[0])
        return status_ok();
    TRY(check_same_run(run, &info));
    if (!tally_parse(&run->tally, info.tally))
        return status_error(STATUS_DATA, "%s is damaged: unreadable sums",
                            run->checkpoint_path);
    run->step = info.step;
    *finished = info.finished;
    if (info.finished)
        parse_result(run->result, info.result);
    else
        train_say(run->options, "%s: resuming at step %" PRId64 " of %" PRId64,
                  run->phase->name, run->step, run->total_steps);
    return status_ok();
}
