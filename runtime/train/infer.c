#include "runtime/train/infer.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/philox.h"
#include "runtime/data/augment.h"
#include "runtime/train/shares.h"
#include "runtime/train/weights.h"

struct Inference {
    const Program *program;
    const ProgramPhase *phase;
    const Dataset *data;
    const TrainOptions *options;
    const InferSink *sink;
    int batch;
    Store store;
    Pool *pool;
    CodeImage *code;
    Executor *executor;
    bool *valid; // [batch]
    Shares shares;
};

const PlanTensor *infer_value(const ProgramPhase *phase)
{
    return &phase->eval.outputs[0].tensor;
}

static Status open_inference(Inference *run, const char *weights)
{
    const Plan *plan = &run->phase->eval;
    const PlanTensor *value = infer_value(run->phase);
    if (!plan_input(plan, "images"))
        return status_error(STATUS_FAILED, "%s does not depend on the images",
                            value->name);
    run->batch = (int)value->dims[0];
    TRY(shares_open(&run->shares, run->batch, value->bytes / run->batch));
    run->valid = calloc((size_t)run->batch, sizeof *run->valid);
    if (!run->valid)
        return status_error(STATUS_MEMORY, "no memory for a batch");
    TRY(store_add_plan(&run->store, plan));
    TRY(weights_load_all(run->program, run->phase, weights, run->options,
                         &run->store));
    TRY(weights_load_teacher(run->program, run->phase, run->options,
                             &run->store));
    run->pool = pool_new(run->options->threads);
    if (!run->pool)
        return status_error(STATUS_MEMORY, "no memory to start threads");
    TRY(code_load(run->program, &run->code));
    return executor_new(plan, run->code, &run->store, run->pool,
                        &run->executor);
}

static Status hand_on(const Inference *run, DataSplit split,
                      const Division *division, int64_t round)
{
    const Shares *all = &run->shares;
    for (int64_t i = 0; i < all->count; i++) {
        int64_t row = division_row(division, round, i);
        if (row >= 0)
            TRY(run->sink->row(run->sink->context, split, row,
                               all->valid[i] ? all->rows + i * all->row_bytes
                                             : NULL));
    }
    return status_ok();
}

static Status run_batches(Inference *run, DataSplit split, Input *input)
{
    Division division;
    shares_divide(&division, run->data, split, NULL,
                  dataset_count(run->data, split), run->batch);
    int64_t rounds = division_rounds(&division);
    int32_t dtype = plan_input(&run->phase->eval, "images")->tensor.dtype;
    void *images[] = {executor_input(run->executor, "images")};
    void *labels = executor_input(run->executor, "labels");
    const char *value = infer_value(run->phase)->name;
    for (int64_t round = 0; round < rounds; round++) {
        TRY(input_take(input, dtype, images, labels, run->valid));
        executor_run(run->executor);
        shares_gather(&run->shares, executor_output(run->executor, value),
                      run->valid);
        TRY(hand_on(run, split, &division, round));
    }
    return status_ok();
}

void infer_views(const ProgramPhase *phase, InferViews *views)
{
    const int64_t *dims = plan_input(&phase->eval, "images")->tensor.dims;
    const ViewGroup *group = phase_group_of(phase, dims[2]);
    *views =
        (InferViews){.group = group,
                     .steps = group->evaluate,
                     .count = group->evaluate_count,
                     .plain = {AUGMENT_CENTER_CROP,
                               {(double)dims[2], dims[2] <= 32 ? 1.0 : 0.875}}};
    if (views->count == 0) {
        views->steps = &views->plain;
        views->count = 1;
    }
}

Status infer_images(Inference *run, const Dataset *data, DataSplit split,
                    const InferSink *sink)
{
    const ProgramPhase *phase = run->phase;
    const int64_t *dims = plan_input(&phase->eval, "images")->tensor.dims;
    InferViews views;
    Input *input;
    infer_views(phase, &views);
    InputSpec spec = {
        .data = data,
        .split = split,
        .count = dataset_count(data, split),
        .group_count = 1,
        .groups = {{.augment = views.steps,
                    .augment_count = views.count,
                    .views = 1,
                    .height = (int)dims[2],
                    .width = (int)dims[3]}},
        .batch = run->batch,
        .channels = (int)dims[1],
        .label_width = phase_label_width(phase),
        .seed = run->options->seed,
        .phase = random_name(phase->name),
        .threads = pool_threads(run->pool),
        .message = train_unreadable(run->options),
        .context = run->options->context,
    };
    shares_set_input(&spec);
    run->data = data;
    run->sink = sink;
    if (spec.count == 0)
        return status_ok();
    TRY(input_new(&spec, 0, &input));
    Status status = run_batches(run, split, input);
    input_free(input);
    return status;
}

Status infer_open(const Program *program, int phase, const char *weights,
                  const TrainOptions *options, Inference **inference)
{
    Inference *run = *inference = calloc(1, sizeof *run);
    if (!run)
        return status_error(STATUS_MEMORY, "no memory for a batch");
    run->program = program;
    run->phase = &program->phases[phase];
    run->options = options;
    return open_inference(run, weights);
}

void infer_close(Inference *run)
{
    if (!run)
        return;
    executor_free(run->executor);
    code_free(run->code);
    pool_free(run->pool);
    store_free(&run->store);
    shares_close(&run->shares);
    free(run->valid);
    free(run);
}

Status infer_phase(const Program *program, int phase, const Dataset *data,
                   const char *weights, unsigned splits,
                   const TrainOptions *options, const InferSink *sink)
{
    Inference *run;
    Status status = infer_open(program, phase, weights, options, &run);
    for (int split = 0; split < SPLIT_COUNT; split++)
        if (status.code == STATUS_OK && splits >> split & 1)
            status = infer_images(run, data, (DataSplit)split, sink);
    infer_close(run);
    return status;
}
