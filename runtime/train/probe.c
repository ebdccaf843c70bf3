#include "runtime/train/probe.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/base/philox.h"
#include "runtime/data/augment.h"
#include "runtime/data/input.h"
#include "runtime/train/knn.h"

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
        budget < wanted || wanted < 4 * classes)
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

// ---- features ---------------------------------------------------------------

typedef struct Rows {
    float *features; // [count, width]
    int32_t *labels; // -1: the image could not be read
    bool *valid;     // [batch]
    int64_t width;
    int batch;
} Rows;

static void take_rows(const Probe *probe, Rows *rows, const void *values,
                      int32_t dtype, int64_t first)
{
    for (int64_t i = 0; i < rows->batch && first + i < probe->count; i++) {
        float *to = rows->features + (first + i) * rows->width;
        for (int64_t c = 0; c < rows->width; c++) {
            int64_t at = i * rows->width + c;
            to[c] = dtype == PLAN_F64 ? (float)((const double *)values)[at]
                                      : ((const float *)values)[at];
        }
        rows->labels[first + i] =
            rows->valid[i] ? dataset_label(probe->spec.data, SPLIT_TRAIN,
                                           probe->indices[first + i])
                           : -1;
    }
}

static Status fill_rows(const Probe *probe, Rows *rows, Executor *executor,
                        Input *input)
{
    const Plan *plan = &probe->spec.phase->features;
    int32_t dtype = plan_input(plan, "images")->tensor.dtype;
    void *images[] = {executor_input(executor, "images")};
    void *labels = executor_input(executor, "labels");
    const char *name = plan->outputs[0].tensor.name;
    for (int64_t done = 0; done < probe->count; done += rows->batch) {
        TRY(input_take(input, dtype, images, labels, rows->valid));
        executor_run(executor);
        take_rows(probe, rows, executor_output(executor, name),
                  plan->outputs[0].tensor.dtype, done);
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
        .split = SPLIT_TRAIN,
        .indices = probe->indices,
        .count = probe->count,
        .group_count = 1,
        .groups = {{.augment = plain ? &probe->whole : group->evaluate,
                    .augment_count = plain ? 1 : group->evaluate_count,
                    .views = 1,
                    .height = (int)dims[2],
                    .width = (int)dims[3]}},
        .batch = rows->batch,
        .channels = (int)dims[1],
        .seed = spec->seed,
        .phase = random_name(phase->name),
        .threads = pool_threads(spec->pool),
    };
    return input_new(&input_spec, 0, input);
}

static Status find_features(const Probe *probe, Rows *rows)
{
    const ProbeSpec *spec = &probe->spec;
    Executor *executor = NULL;
    Input *input = NULL;
    Status status = executor_new(&spec->phase->features, spec->code,
                                 spec->store, spec->pool, &executor);
    if (status.code == STATUS_OK)
        status = start_input(probe, rows, &input);
    if (status.code == STATUS_OK)
        status = fill_rows(probe, rows, executor, input);
    input_free(input);
    executor_free(executor);
    return status;
}

// ---- neighbours -------------------------------------------------------------

static Status vote(const Probe *probe, const Rows *rows, double *accuracy)
{
    KnnRows all = {rows->features, rows->labels, probe->count};
    int classes = dataset_classes(probe->spec.data);
    KnnProblem problem = {
        .bank = all,
        .queries = all,
        .width = rows->width,
        .classes = classes,
        // Half of a class's share: more would be outvoted by other classes.
        .k = (int)fmin(KNN_K, (double)(probe->count / (2 * classes))),
        .tau = KNN_TAU,
        .leave_one_out = true,
    };
    KnnResult result;
    if (problem.k < 1)
        problem.k = 1;
    *accuracy = NAN;
    int64_t readable = 0;
    for (int64_t i = 0; i < probe->count; i++)
        readable += rows->labels[i] >= 0;
    if (readable < 2)
        return status_ok();
    TRY(knn_classify(&problem, probe->spec.pool, NULL, &result));
    *accuracy = result.weighted;
    return status_ok();
}

Status probe_run(const Probe *probe, double *accuracy)
{
    const PlanTensor *value = &probe->spec.phase->features.outputs[0].tensor;
    int64_t batch = value->dims[0], width = plan_elements(value) / batch;
    size_t count = (size_t)probe->count;
    Rows rows = {calloc(count * (size_t)width, sizeof(float)),
                 calloc(count, sizeof(int32_t)),
                 calloc((size_t)batch, sizeof(bool)), width, (int)batch};
    Status status = status_error(STATUS_MEMORY, "no memory for the probe");
    if (rows.features && rows.labels && rows.valid)
        status = find_features(probe, &rows);
    if (status.code == STATUS_OK)
        status = vote(probe, &rows, accuracy);
    free(rows.features);
    free(rows.labels);
    free(rows.valid);
    return status;
}
