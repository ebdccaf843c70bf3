#include "runtime/train/probe.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/base/philox.h"
#include "runtime/data/augment.h"
#include "runtime/train/knn.h"
#include "runtime/train/shares.h"

enum { PROBE_LEAST = 64, PROBE_MOST = 4000, PROBE_TIMES = 10 };
static const double probe_share = 0.05; // of the images trained on, all probes

struct Probe {
    ProbeSpec spec;
    AugmentStep whole; // the pipeline of a phase that has none
    int64_t *indices, count;
    int times;
};

static Status choose(Probe *probe, double wanted)
{
    const Dataset *data = probe->spec.data;
    double share = wanted / (double)dataset_count(data, SPLIT_TRAIN);
    TRY(dataset_select(data, SOURCE_LABELED, LABELS_FRACTION, fmin(share, 1),
                       probe->spec.seed, &probe->indices, &probe->count));
    return status_ok();
}

Status probe_new(const ProbeSpec *spec, Probe **result)
{
    double budget = probe_share * (double)spec->trained; // images, in all
    int classes = dataset_classes(spec->data);
    double wanted = fmin(fmax(budget / PROBE_TIMES, PROBE_LEAST), PROBE_MOST);
    *result = NULL;
    if (!spec->phase->features.step_count ||
        !plan_input(&spec->phase->features, "images") || classes < 2 ||
        dataset_several(spec->data))
        return status_ok();
    if (spec->validates)
        wanted = PROBE_MOST;
    else if (budget < wanted || wanted < 4 * classes)
        return status_ok();
    Probe *probe = calloc(1, sizeof *probe);
    if (!probe)
        return status_error(STATUS_MEMORY, "no memory for the probe");
    probe->spec = *spec;
    probe->times = (int)fmin(budget / wanted, PROBE_TIMES);
    // What lib/augment.net's eval_crop does.
    double side =
        (double)plan_input(&spec->phase->features, "images")->tensor.dims[2];
    probe->whole =
        (AugmentStep){AUGMENT_CENTER_CROP, {side, side <= 32 ? 1.0 : 0.875}};
    Status status = choose(probe, wanted);
    if (status.code == STATUS_OK)
        *result = probe;
    else
        probe_free(probe);
    return status;
}

void probe_free(Probe *probe)
{
    if (probe)
        free(probe->indices);
    free(probe);
}

int probe_times(const Probe *probe)
{
    return probe->times;
}

// Half of a class's share: more would be outvoted by other classes.
int probe_neighbours(const Probe *probe)
{
    int64_t half = probe->count / (2 * dataset_classes(probe->spec.data));
    return half < 1 ? 1 : half < KNN_K ? (int)half : KNN_K;
}

// ---- features ---------------------------------------------------------------

// Some images of a part of the data.
typedef struct Rows {
    DataSplit split;
    const int64_t *indices; // NULL = all of it
    int64_t count;
    float *features; // [count, width]
    int32_t *labels; // [count]; -1: the image could not be read
    bool *valid;     // [batch]
    int64_t width;
    int batch;
    Division division;
} Rows;

static void take_rows(const Probe *probe, Rows *rows, const Shares *all,
                      int32_t dtype, int64_t round)
{
    const void *values = all->rows;
    for (int64_t i = 0; i < all->count; i++) {
        int64_t row = division_row(&rows->division, round, i);
        if (row < 0)
            continue;
        float *to = rows->features + row * rows->width;
        for (int64_t c = 0; c < rows->width; c++) {
            int64_t at = i * rows->width + c;
            to[c] = dtype == PLAN_F64 ? (float)((const double *)values)[at]
                                      : ((const float *)values)[at];
        }
        rows->labels[row] =
            all->valid[i]
                ? dataset_label(probe->spec.data, rows->split,
                                rows->indices ? rows->indices[row] : row)
                : -1;
    }
}

static Status fill_rows(const Probe *probe, Rows *rows, Executor *executor,
                        Input *input, Shares *all)
{
    const Plan *plan = &probe->spec.phase->features;
    int32_t dtype = plan_input(plan, "images")->tensor.dtype;
    void *images[] = {executor_input(executor, "images")};
    void *labels = executor_input(executor, "labels");
    const char *name = plan->outputs[0].tensor.name;
    int64_t rounds = division_rounds(&rows->division);
    for (int64_t round = 0; round < rounds; round++) {
        TRY(input_take(input, dtype, images, labels, rows->valid));
        executor_run(executor);
        shares_gather(all, executor_output(executor, name), rows->valid);
        take_rows(probe, rows, all, plan->outputs[0].tensor.dtype, round);
    }
    return status_ok();
}

static Status start_input(const Probe *probe, const Rows *rows, Input **input)
{
    const ProbeSpec *spec = &probe->spec;
    const ProgramPhase *phase = spec->phase;
    const int64_t *dims = plan_input(&phase->features, "images")->tensor.dims;
    const ViewGroup *group = phase_group_of(phase, dims[2]);
    bool plain = !group->evaluate_count;
    InputSpec input_spec = {
        .data = spec->data,
        .split = rows->split,
        .indices = rows->indices,
        .count = rows->count,
        .group_count = 1,
        .groups = {{.augment = plain ? &probe->whole : group->evaluate,
                    .augment_count = plain ? 1 : group->evaluate_count,
                    .views = 1,
                    .height = (int)dims[2],
                    .width = (int)dims[3]}},
        .batch = rows->batch,
        .channels = (int)dims[1],
        .label_width = phase_label_width(phase),
        .seed = spec->seed,
        .phase = random_name(phase->name),
        .threads = pool_threads(spec->pool),
    };
    shares_set_input(&input_spec);
    return input_new(&input_spec, 0, input);
}

// Fills `rows`, whose arrays are then to be freed.
static Status find_features(const Probe *probe, Rows *rows)
{
    const ProbeSpec *spec = &probe->spec;
    const PlanTensor *value = &spec->phase->features.outputs[0].tensor;
    Executor *executor = NULL;
    Input *input = NULL;
    Shares all = {0};
    rows->batch = (int)value->dims[0];
    rows->width = plan_elements(value) / rows->batch;
    rows->features =
        calloc((size_t)rows->count * (size_t)rows->width, sizeof(float));
    rows->labels = calloc((size_t)rows->count, sizeof *rows->labels);
    rows->valid = calloc((size_t)rows->batch, sizeof *rows->valid);
    if (!rows->features || !rows->labels || !rows->valid)
        return status_error(STATUS_MEMORY, "no memory for the probe");
    shares_divide(&rows->division, spec->data, rows->split, rows->indices,
                  rows->count, rows->batch);
    shares_states(&spec->phase->features, spec->store);
    Status status = shares_open(&all, rows->batch, value->bytes / rows->batch);
    if (status.code == STATUS_OK)
        status = executor_new(&spec->phase->features, spec->code, spec->store,
                              spec->pool, &executor);
    if (status.code == STATUS_OK)
        status = start_input(probe, rows, &input);
    if (status.code == STATUS_OK)
        status = fill_rows(probe, rows, executor, input, &all);
    shares_close(&all);
    input_free(input);
    executor_free(executor);
    return status;
}

// ---- neighbours -------------------------------------------------------------

static void free_rows(Rows *rows)
{
    free(rows->features);
    free(rows->labels);
    free(rows->valid);
}

static int64_t readable(const Rows *rows)
{
    int64_t count = 0;
    for (int64_t i = 0; i < rows->count; i++)
        count += rows->labels[i] >= 0;
    return count;
}

// Without `queries` each row of the bank is one to the others.
static Status vote(const Probe *probe, const Rows *bank, const Rows *queries,
                   double *accuracy)
{
    const Rows *tried = queries ? queries : bank;
    KnnProblem problem = {
        .bank = {bank->features, bank->labels, bank->count},
        .queries = {tried->features, tried->labels, tried->count},
        .width = bank->width,
        .classes = dataset_classes(probe->spec.data),
        .k = probe_neighbours(probe),
        .tau = KNN_TAU,
        .leave_one_out = !queries,
    };
    KnnResult result;
    *accuracy = NAN;
    if (readable(bank) < 2 || readable(tried) < 1)
        return status_ok();
    TRY(knn_classify(&problem, probe->spec.pool, NULL, &result));
    *accuracy = result.weighted;
    return status_ok();
}

Status probe_run(const Probe *probe, double *accuracy)
{
    bool validates = probe->spec.validates;
    Rows bank = {
        .split = SPLIT_TRAIN, .indices = probe->indices, .count = probe->count};
    Rows valid = {.split = SPLIT_VALID,
                  .count = dataset_count(probe->spec.data, SPLIT_VALID)};
    Status status = find_features(probe, &bank);
    if (status.code == STATUS_OK && validates)
        status = find_features(probe, &valid);
    if (status.code == STATUS_OK)
        status = vote(probe, &bank, validates ? &valid : NULL, accuracy);
    free_rows(&bank);
    free_rows(&valid);
    return status;
}
