#include "runtime/train/evaluate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/philox.h"
#include "runtime/exec/ranks.h"
#include "runtime/train/reports.h"
#include "runtime/train/shares.h"
#include "runtime/train/train_run.h"
#include "runtime/train/weights.h"

// What a batch gave: how many of its images there are, and the means over them
// or, of what is no number of each, the batch's own.
typedef struct BatchNumbers {
    int64_t valid;
    double means[REPORT_MAX];
} BatchNumbers;

typedef struct Evaluation {
    DataSplit split;
    Executor *executor;
    Input *input;
    Reports reports;
    int batch;
    int32_t dtype;                    // of images and labels
    bool *valid;                      // [batch]
    void *images_at[MAX_VIEW_GROUPS]; // of the executor's inputs; may be NULL
    BatchNumbers *batches;            // [ranks]: of one round
    Shares scores_of_all;
    int64_t images;
    double sums[REPORT_MAX];
    int64_t counts[REPORT_MAX]; // what each sum is divided by
    const InferSink *scores;    // NULL = nobody wants them
} Evaluation;

static Status open_evaluation(Evaluation *evaluation, const ProgramPhase *phase,
                              const Dataset *data, const CodeImage *code,
                              Store *store, Pool *pool,
                              const TrainOptions *options)
{
    InputSpec spec = {
        .data = data,
        .split = evaluation->split,
        .count = dataset_count(data, evaluation->split),
        .batch = phase_rows(phase),
        .seed = options->seed,
        .phase = random_name(phase->name),
        .threads = pool_threads(pool),
        .message = train_unreadable(options),
        .context = options->context,
    };
    evaluation->batch = spec.batch;
    shares_set_input(&spec);
    shares_states(&phase->eval, store);
    evaluation->valid = calloc((size_t)spec.batch, sizeof *evaluation->valid);
    evaluation->batches =
        calloc((size_t)ranks_count(), sizeof *evaluation->batches);
    if (!evaluation->valid || !evaluation->batches)
        return status_error(STATUS_MEMORY, "no memory to evaluate");
    TRY(executor_new(&phase->eval, code, store, pool, &evaluation->executor));
    TRY(reports_bind(&evaluation->reports, &phase->eval, evaluation->executor));
    for (int i = 0; i < phase->group_count; i++)
        evaluation->images_at[i] =
            executor_input(evaluation->executor, phase_images(i));
    input_set_groups(&spec, phase, true, evaluation->images_at);
    for (int i = 0; i < phase->group_count; i++) {
        const PlanPort *images = plan_input(&phase->eval, phase_images(i));
        if (!images)
            continue; // nothing reads these
        evaluation->dtype = images->tensor.dtype;
        spec.groups[i].views = (int)(images->tensor.dims[0] / spec.batch);
        if (images->tensor.dims[0] % spec.batch != 0)
            return status_error(STATUS_INTERNAL,
                                "the images input of phase %s does not fit its "
                                "evaluation",
                                phase->name);
    }
    return input_new(&spec, 0, &evaluation->input);
}

static BatchNumbers batch_numbers(const Evaluation *evaluation)
{
    const Reports *reports = &evaluation->reports;
    BatchNumbers numbers = {0};
    for (int i = 0; i < evaluation->batch; i++)
        numbers.valid += evaluation->valid[i];
    for (int i = 0; i < reports->count && numbers.valid; i++) {
        bool each = reports_per_example(reports, i, evaluation->batch);
        numbers.means[i] =
            reports_mean(reports, i, each ? evaluation->valid : NULL);
    }
    return numbers;
}

static void add_batch(Evaluation *evaluation, const BatchNumbers *numbers)
{
    const Reports *reports = &evaluation->reports;
    evaluation->images += numbers->valid;
    for (int i = 0; i < reports->count; i++) {
        bool each = reports_per_example(reports, i, evaluation->batch);
        int64_t weight =
            each ? numbers->valid : numbers->valid == evaluation->batch;
        if (!weight)
            continue;
        evaluation->sums[i] += (double)weight * numbers->means[i];
        evaluation->counts[i] += weight;
    }
}

static Status hand_on_scores(const Evaluation *evaluation,
                             const Division *division, int64_t round)
{
    const InferSink *sink = evaluation->scores;
    const Shares *all = &evaluation->scores_of_all;
    for (int64_t i = 0; i < all->count; i++) {
        int64_t row = division_row(division, round, i);
        if (row >= 0)
            TRY(sink->row(sink->context, evaluation->split, row,
                          all->valid[i] ? all->rows + i * all->row_bytes
                                        : NULL));
    }
    return status_ok();
}

// In rounds: a batch of each process, which are added up in their order.
static Status run_batches(Evaluation *evaluation, const Plan *plan,
                          const Dataset *data)
{
    const PlanPort *scores = evaluation->scores ? plan_scores(plan) : NULL;
    void *labels = executor_input(evaluation->executor, "labels");
    Shares *all = &evaluation->scores_of_all;
    Division division;
    shares_divide(&division, data, evaluation->split, NULL,
                  dataset_count(data, evaluation->split), evaluation->batch);
    int64_t rounds = division_rounds(&division);
    if (scores)
        TRY(shares_open(all, evaluation->batch,
                        scores->tensor.bytes / scores->tensor.dims[0]));
    for (int64_t round = 0; round < rounds; round++) {
        TRY(input_take(evaluation->input, evaluation->dtype,
                       evaluation->images_at, labels, evaluation->valid));
        executor_run(evaluation->executor);
        BatchNumbers numbers = batch_numbers(evaluation);
        ranks_gather(&numbers, evaluation->batches, sizeof numbers);
        for (int r = 0; r < ranks_count(); r++)
            add_batch(evaluation, &evaluation->batches[r]);
        if (!scores)
            continue;
        shares_gather(
            all, executor_output(evaluation->executor, scores->tensor.name),
            evaluation->valid);
        TRY(hand_on_scores(evaluation, &division, round));
    }
    return status_ok();
}

// A scalar is of whole batches: where these are not all images, says which
// numbers speak of how many.
static void tell_partial(const Evaluation *evaluation,
                         const TrainOptions *options)
{
    const Reports *reports = &evaluation->reports;
    char names[STATUS_TEXT_SIZE / 2] = "";
    int64_t images = 0;
    for (int i = 0; i < reports->count; i++) {
        int64_t seen = evaluation->counts[i] * evaluation->batch;
        size_t length = strlen(names);
        if (reports_per_example(reports, i, evaluation->batch) || !seen ||
            seen >= evaluation->images)
            continue;
        images = seen; // whole batches are the same of all scalars
        snprintf(names + length, sizeof names - length, "%s%s",
                 length ? ", " : "", reports->names[i]);
    }
    if (images)
        train_say(options,
                  "%s: means over whole batches of %d alone, %" PRId64
                  " of the %" PRId64 " %s images; a number for each image, "
                  "[batch], is averaged over all",
                  names, evaluation->batch, images, evaluation->images,
                  data_split_word(evaluation->split));
}

static void collect(const Evaluation *evaluation, const TrainOptions *options,
                    TrainResult *result)
{
    const Reports *reports = &evaluation->reports;
    result->split = evaluation->split;
    result->test_count = evaluation->images;
    result->report_count = 0;
    tell_partial(evaluation, options);
    for (int i = 0; i < reports->count; i++) {
        if (!evaluation->counts[i]) {
            train_say(options,
                      "%s is a value of whole batches, and the %s images do "
                      "not fill one of %d: left out",
                      reports->names[i], data_split_word(evaluation->split),
                      evaluation->batch);
            continue;
        }
        int at = result->report_count++;
        snprintf(result->report_names[at], sizeof result->report_names[at],
                 "%s", reports->names[i]);
        result->report_values[at] =
            evaluation->sums[i] / (double)evaluation->counts[i];
    }
}

// Is there something to evaluate, and something to evaluate it with?
static bool can_evaluate(const ProgramPhase *phase, const Dataset *data,
                         DataSplit split, const TrainOptions *options)
{
    const char *word = data_split_word(split);
    bool reads = false;
    for (int i = 0; i < phase->group_count; i++)
        reads = reads || plan_input(&phase->eval, phase_images(i));
    if (phase->eval.step_count == 0 || !reads)
        return false;
    if (dataset_count(data, split) == 0) {
        train_say(options, "no %s images: nothing is evaluated", word);
        return false;
    }
    if (plan_input(&phase->eval, "labels") && dataset_classes(data) == 0) {
        train_say(options, "the %s images have no labels: nothing is evaluated",
                  word);
        return false;
    }
    return true;
}

Status evaluate_plan(const ProgramPhase *phase, const Dataset *data,
                     DataSplit split, const CodeImage *code, Store *store,
                     Pool *pool, const TrainOptions *options,
                     const InferSink *scores, TrainResult *result)
{
    result->test_count = 0;
    result->report_count = 0;
    if (!can_evaluate(phase, data, split, options))
        return status_ok();
    Evaluation evaluation = {.split = split, .scores = scores};
    Status status =
        open_evaluation(&evaluation, phase, data, code, store, pool, options);
    if (status.code == STATUS_OK)
        status = run_batches(&evaluation, &phase->eval, data);
    if (status.code == STATUS_OK)
        collect(&evaluation, options, result);
    input_free(evaluation.input);
    executor_free(evaluation.executor);
    shares_close(&evaluation.scores_of_all);
    free(evaluation.batches);
    free(evaluation.valid);
    return status;
}

// ---- evaluation alone -------------------------------------------------------

static Status evaluate_weights(const Program *program,
                               const ProgramPhase *phase, const Dataset *data,
                               DataSplit split, const char *weights,
                               const TrainOptions *options,
                               const InferSink *scores, TrainResult *result)
{
    Store store = {0};
    Pool *pool = NULL;
    CodeImage *code = NULL;
    Status status = store_add_plan(&store, &phase->eval);
    if (status.code == STATUS_OK)
        status = weights_load_all(program, phase, weights, options, &store);
    if (status.code == STATUS_OK)
        status = weights_load_teacher(program, phase, options, &store);
    if (status.code == STATUS_OK) {
        store_initialize(&store, options->seed);
        pool = pool_new(options->threads);
        status =
            pool ? code_load(program, &code)
                 : status_error(STATUS_MEMORY, "no memory to start threads");
    }
    if (status.code == STATUS_OK)
        status = evaluate_plan(phase, data, split, code, &store, pool, options,
                               scores, result);
    code_free(code);
    pool_free(pool);
    store_free(&store);
    return status;
}

// Weights of elsewhere have classes by their places alone.
static Status tell_unnamed(const ProgramPhase *phase, const Dataset *data,
                           const char *weights, const TrainOptions *options)
{
    char *lines;
    if (!phase->classes || !dataset_classes(data))
        return status_ok();
    TRY(model_classes(weights, &lines));
    if (!lines)
        train_say(options,
                  "%s does not name its classes: they are taken to be the "
                  "data's, in this order",
                  weights);
    free(lines);
    return status_ok();
}

Status evaluate_phase(const Program *program, int phase, Dataset *data,
                      DataSplit split, const char *weights,
                      const TrainOptions *options, const InferSink *scores,
                      TrainResult *result)
{
    const ProgramPhase *chosen = &program->phases[phase];
    double start = clock_seconds();
    *result = (TrainResult){0};
    snprintf(result->phase, sizeof result->phase, "%s", chosen->name);
    if (chosen->eval.step_count == 0)
        return status_error(STATUS_FAILED,
                            "phase %s has nothing to evaluate: its input has "
                            "no labels or no `evaluate` pipeline; --knn tries "
                            "its features",
                            chosen->name);
    TRY(trainset_check_classes(chosen, data));
    TRY(train_check_teacher(program, chosen, weights, options));
    TRY(tell_unnamed(chosen, data, weights, options));
    TRY(evaluate_weights(program, chosen, data, split, weights, options, scores,
                         result));
    result->seconds = clock_seconds() - start;
    return status_ok();
}
