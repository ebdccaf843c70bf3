// A phase's checkpoints: what they say, and whether a run may go on from one.
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/philox.h"
#include "runtime/files/model.h"
#include "runtime/train/train_run.h"
#include "runtime/train/weights.h"

// A phase's own rule is in the source; a list is not. 0 = no list.
static uint64_t labels_hash(const Run *run, uint64_t hash)
{
    bool listed =
        run->options->labels && run->phase->source != SOURCE_UNLABELED;
    for (int64_t i = 0; listed && i < run->image_count; i++)
        if (!run->set.seen || run->set.seen[i])
            hash = hash * 31 + (uint64_t)run->set.indices[i];
    return hash;
}

// What had to be equal before CheckpointInfo.says.
static uint64_t program_hash(const Run *run)
{
    return labels_hash(run, random_name(run->program->source) * 31 +
                                (uint64_t)run->program->dtype);
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

// Of the classes of all training images, in the images' order, by the classes'
// names: how these are numbered is no matter. 0 for a phase without labels.
static uint64_t known_hash(const Run *run)
{
    if (run->phase->source == SOURCE_UNLABELED || !dataset_classes(run->data))
        return 0;
    uint64_t hash = 1;
    int64_t images = dataset_count(run->data, SPLIT_TRAIN);
    for (int64_t i = 0; i < images; i++) {
        const int32_t *classes;
        uint64_t all = 0;
        int count = dataset_labels(run->data, SPLIT_TRAIN, i, &classes);
        for (int c = 0; c < count; c++)
            all += random_name(dataset_class_name(run->data, classes[c]));
        hash = hash * 31 + all;
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
        .known = known_hash(run),
        .seed = run->options->seed,
        .program = program_hash(run),
        .says = run->phase->says,
        .labels = labels_hash(run, 0),
        .dtype = run->program->dtype,
        .origin = run->origin,
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
    snprintf(info.target, sizeof info.target, "%s", run->program->target);
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

// ---- may it go on from there ------------------------------------------------

// What the checkpoint has otherwise, one behind the other.
typedef struct Differences {
    char text[640];
    size_t used;
    int count;
} Differences;

static void __attribute__((format(printf, 2, 3)))
differ(Differences *list, const char *format, ...)
{
    va_list args;
    size_t room = sizeof list->text - list->used;
    if (list->count++ && room > 2)
        list->used += (size_t)snprintf(list->text + list->used, room, "; ");
    room = sizeof list->text - list->used;
    va_start(args, format);
    int length = vsnprintf(list->text + list->used, room, format, args);
    va_end(args);
    list->used += (size_t)length < room ? (size_t)length : room - 1;
}

// Parameters of the program and settings of this phase; other phases' are
// nothing to it. `ours`: the lines are this program's, and the others the
// file's, of which those that both have are compared once.
static void compare_lines(const Run *run, const char *lines, const char *others,
                          bool ours, Differences *list)
{
    char name[128], value[160], other[160];
    const char *phase = run->phase->name, *line = lines ? lines : "";
    for (; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t length = strcspn(line, " \n"), owner = strcspn(line, ".\n");
        if (length >= sizeof name ||
            (owner < length &&
             (strlen(phase) != owner || strncmp(line, phase, owner) != 0)))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)length, line);
        model_parameter(line, name, value, sizeof value);
        model_parameter(others, name, other, sizeof other);
        if (!other[0])
            differ(list, "%s = %s %s", name, value,
                   ours ? "here, and not in the file"
                        : "in the file, and not here");
        else if (ours && strcmp(value, other) != 0)
            differ(list, "%s = %s in the file, %s here", name, other, value);
    }
}

static Status compare_settings(const Run *run, Differences *list)
{
    char *theirs;
    const char *ours = run->program->parameters;
    TRY(model_parameters(run->checkpoint_path, &theirs));
    compare_lines(run, ours, theirs, true, list);
    compare_lines(run, theirs, ours, false, list);
    free(theirs);
    return status_ok();
}

static const char *sums_text(int32_t sums)
{
    switch (sums) {
    case PLAN_SUMS_STRICT:
        return "with --strict";
    case PLAN_SUMS_PLAIN:
        return "with --plain-sums";
    default:
        return "without --strict and --plain-sums";
    }
}

static void compare_options(const Run *run, const CheckpointInfo *info,
                            Differences *list)
{
    static const char *const types[] = {
        [PLAN_F32] = "f32", [PLAN_F64] = "f64", [PLAN_BF16] = "bf16"};
    if (info->seed != run->options->seed)
        differ(list, "--seed %" PRIu64 " in the file, %" PRIu64 " here",
               info->seed, run->options->seed);
    if (info->says && info->dtype != run->program->dtype)
        differ(list, "--dtype %s in the file, %s here", types[info->dtype],
               types[run->program->dtype]);
    if (info->precision != run->phase->precision)
        differ(list, "--precision %s in the file, %s here",
               types[info->precision], types[run->phase->precision]);
    if (info->sums != run->program->sums)
        differ(list, "convolved %s in the file, %s here", sums_text(info->sums),
               sums_text(run->program->sums));
    if (info->ways != ways_hash(run))
        differ(list, "--tune chose other ways to convolve");
    if (info->says && info->labels != labels_hash(run, 0))
        differ(list, "--labels names other images, or is there in one alone");
}

static Status refuse(const Run *run, const char *why)
{
    const char *start_over = run->options->start_over;
    return status_error(STATUS_FAILED,
                        "%s cannot be resumed: %s; use what it was trained "
                        "with, or another --out, or %s to start over",
                        run->checkpoint_path, why,
                        start_over ? start_over : "--force");
}

// STATUS_FAILED with what the program says otherwise than PHASE/model.net,
// where that is known.
static Status refuse_text(const Run *run, const CheckpointInfo *info)
{
    char path[RUNDIR_PATH], change[600], why[640];
    const TrainOptions *options = run->options;
    if (!info->says)
        return refuse(run, "the program, its path, --dtype or --labels is "
                           "another, and which of them was not kept then");
    TRY(rundir_path(options->out, run->phase->name, "model.net", path));
    if (!options->program_change || !file_exists(path) ||
        !options->program_change(options->context, path, run->program,
                                 run->phase, change, sizeof change))
        return refuse(run, "the program has changed");
    snprintf(why, sizeof why, "the program has changed: %s", change);
    return refuse(run, why);
}

// Does the checkpoint's program say what this one does?
static bool same_program(const Run *run, const CheckpointInfo *info)
{
    return info->says ? info->says == run->phase->says
                      : info->program == program_hash(run);
}

static Status check_same_run(Run *run, const CheckpointInfo *info)
{
    char validation[VALIDATION_TEXT], why[640];
    Differences list = {0};
    train_validation_text(run, validation);
    if (strcmp(info->phase, run->phase->name) != 0)
        differ(&list, "it is of phase %s", info->phase);
    bool same = same_program(run, info);
    if (!same)
        TRY(compare_settings(run, &list));
    compare_options(run, info, &list);
    if (list.count)
        return refuse(run, list.text);
    if (!same)
        return refuse_text(run, info);
    if (strcmp(info->validation, validation) != 0)
        return status_error(
            STATUS_FAILED,
            "%s cannot be resumed: it was %s%s, and is now %s%s; "
            "use another --out, or the same --validate, "
            "--validate-every, --best and --patience",
            run->checkpoint_path,
            *info->validation ? "validated " : "not validated",
            info->validation, *validation ? "validated " : "not validated",
            validation);
    snprintf(why, sizeof why,
             "it was trained on %" PRId64 " images, and here are %" PRId64,
             info->images, run->image_count);
    if (info->images != run->image_count)
        return refuse(run, why);
    if (info->step > run->total_steps)
        return refuse(run, "it has taken more steps than the phase has");
    if (!info->names || info->names == names_hash(run)) {
        if (info->known && info->known != known_hash(run))
            return refuse(run, "the training images have other labels than "
                               "they had");
        return status_ok();
    }
    TRY(train_order_classes(run, true)); // says so where these are others
    return status_error(STATUS_FAILED,
                        "%s cannot be resumed: the training images have other "
                        "names, or others of them are held out; use another "
                        "--out, or the same --data, --held-out and --validate",
                        run->checkpoint_path);
}

// Is one known to be another than the other?
static bool is_other(uint64_t then, uint64_t now)
{
    return then && now && then != now;
}

// What a phase has made of weights that are gone is no part of this run's
// result: it begins again.
static Status check_origin(const Run *run, const CheckpointInfo *info,
                           bool *other)
{
    WeightsOrigin now;
    char text[STATUS_TEXT_SIZE];
    const ProgramPhase *phase = run->phase;
    const WeightsOrigin *then = &info->origin;
    TRY(weights_origin(run->program, phase, run->options, &now));
    if (info->says && now.init && now.init != then->init)
        return refuse(run, "it did not start from the weights of --init");
    bool from = is_other(then->from, now.from);
    *other = from || is_other(then->teacher, now.teacher);
    if (!*other || !run->options->warn)
        return status_ok();
    snprintf(text, sizeof text,
             "phase %s is trained anew: the weights of %s are others than "
             "those %s",
             phase->name, from ? phase->from : phase->teacher,
             from ? "it started from" : "that taught it");
    run->options->warn(run->options->context, text);
    return status_ok();
}

// Goes on from the checkpoint. Code for another processor may: its sums round
// otherwise, which is said.
static void go_on(Run *run, const CheckpointInfo *info)
{
    char text[STATUS_TEXT_SIZE];
    const TrainOptions *options = run->options;
    size_t cut = sizeof info->target - 1;
    train_say(options, "%s: resuming at step %" PRId64 " of %" PRId64,
              run->phase->name, run->step, run->total_steps);
    if (!options->warn || !info->target[0] ||
        strncmp(info->target, run->program->target, cut) == 0)
        return;
    snprintf(text, sizeof text,
             "phase %s goes on with code for %s, and was begun with code for "
             "%s: its low bits will be those of neither alone",
             run->phase->name, run->program->target, info->target);
    options->warn(options->context, text);
}

// run->checkpoint_path is "" where there is none to go on from.
static Status find_checkpoint(Run *run, CheckpointInfo *info)
{
    bool other = false;
    if (!run->options->resume)
        return status_ok();
    TRY(keep_find(&run->keep, run->checkpoint_path, info, run->options->warn,
                  run->options->context));
    if (!run->checkpoint_path[0])
        return status_ok();
    TRY(check_origin(run, info, &other));
    if (!other)
        return status_ok();
    run->checkpoint_path[0] = '\0';
    return keep_open(&run->keep, run->options->out, run->phase->name,
                     run->options->keep);
}

Status train_compare_settings(Run *run, bool *finished)
{
    CheckpointInfo info;
    Differences list = {0};
    *finished = false;
    TRY(find_checkpoint(run, &info));
    if (!run->checkpoint_path[0] || strcmp(info.phase, run->phase->name) != 0)
        return status_ok();
    *finished = info.finished;
    if (info.says && info.says == run->phase->says)
        return status_ok();
    TRY(compare_settings(run, &list));
    return list.count ? refuse(run, list.text) : status_ok();
}

Status train_resume(Run *run, bool *finished)
{
    CheckpointInfo info;
    *finished = false;
    TRY(find_checkpoint(run, &info));
    if (!run->checkpoint_path[0])
        return status_ok();
    TRY(check_same_run(run, &info));
    if (!tally_parse(&run->tally, info.tally))
        return status_error(STATUS_DATA, "%s is damaged: unreadable sums",
                            run->checkpoint_path);
    run->step = info.step;
    run->origin = info.origin;
    *finished = info.finished;
    if (info.finished)
        parse_result(run->result, info.result);
    else
        go_on(run, &info);
    return status_ok();
}
