#include "frontend/cli/onnx.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codegen/codegen.h"
#include "frontend/cli/onnx_graph.h"
#include "passes/pass.h"
#include "runtime/base/file.h"
#include "runtime/files/model.h"
#include "runtime/files/safetensors.h"
#include "runtime/files/tensors.h"
#include "runtime/train/weights.h"

// What simplifies a graph and knows no target.
static const char passes[] = "ranks,fold,simplify,cse,dce";

bool onnx_is_wanted(const Cli *cli)
{
    const char *path = cli->values[OPT_output];
    size_t length = strlen(path);
    return length >= 5 && strcasecmp(path + length - 5, ".onnx") == 0;
}

// ---- weights ----------------------------------------------------------------

static Status take_average(const SafeFile *file, StoreTensor *tensor)
{
    char name[512];
    const PlanTensor *wanted = &tensor->param.tensor;
    snprintf(name, sizeof name, "ema.%s", wanted->name);
    const SafeTensor *from = safetensors_find(file, name);
    if (!from || from->bytes != wanted->bytes)
        return status_error(STATUS_DATA,
                            "there is no moving average of %s: give the "
                            "checkpoint of a run with one, or leave --ema away",
                            wanted->name);
    return safetensors_read(file, from, tensor->data);
}

// The moving averages of a checkpoint in place of what they follow.
static Status take_averages(const char *path, Store *store)
{
    SafeFile *file;
    TRY(safetensors_open(path, &file));
    Status status = status_ok();
    for (int i = 0; i < store->count && status.code == STATUS_OK; i++)
        if (store->tensors[i].param.role != PLAN_FROZEN)
            status = take_average(file, &store->tensors[i]);
    safetensors_close(file);
    return status;
}

static Status load_weights(const Job *job, const Graph *graph, const char *path,
                           Store *store)
{
    const Cli *cli = job->cli;
    const ProgramPhase *phase =
        &job->program->phases[job_phase(job, cli->words[1])];
    Plan plan = {0};
    codegen_list_params(graph, &plan);
    Status status = store_add_plan(store, &plan);
    plan_free(&plan);
    TRY(status);
    TRY(weights_load_all(job->program, phase, path, &job->options, store));
    TRY(weights_load_teacher(job->program, phase, &job->options, store));
    return cli_has(cli, OPT_ema) ? take_averages(path, store) : status_ok();
}

// ---- what it says about itself ----------------------------------------------

// "center_crop(size = 32, proportion = 1, bicubic = tf2), then RGB planes, 0 to
// 1", as the evaluation pipeline prepares images, or what stands for one.
static const char *preparation(const Cli *cli, const ExperimentPhase *phase)
{
    Text text = text_new(cli->arena);
    const ExperimentViews *group = &phase->groups[0];
    for (int i = 0; i < group->evaluate.count; i++)
        if (group->evaluate.at[i].printed)
            text_addf(&text, "%s, then ", group->evaluate.at[i].printed);
    if (!group->evaluate.count)
        text_addf(&text, "center_crop(size = %d, proportion = %g), then ",
                  group->size, group->size <= 32 ? 1 : 0.875);
    bool bytes = cli_has(cli, OPT_uint8);
    if (phase->channels == 3)
        text_add(&text, bytes ? "RGB pixels" : "RGB planes");
    else if (phase->channels == 1)
        text_add(&text, bytes ? "grey pixels" : "a grey plane");
    else
        text_addf(&text,
                  bytes ? "pixels of %d channels" : "planes of %d channels",
                  phase->channels);
    text_add(&text, bytes ? ", 0 to 255" : ", 0 to 1");
    return text_string(&text);
}

static void add_meta(const Job *job, OnnxModel *model, OnnxMeta *metas,
                     const char *key, const char *value)
{
    if (value && *value)
        metas[model->meta_count++] =
            (OnnxMeta){key, arena_strdup(job->cli->arena, value)};
    model->metas = metas;
}

enum { METAS = 9 };

static Status add_metas(const Job *job, const ExperimentPhase *phase,
                        const char *weights, OnnxModel *model,
                        OnnxMeta metas[METAS])
{
    char *classes = NULL, *data = NULL;
    TensorFile *file;
    TRY(model_classes(weights, &classes));
    Status status = model_data(weights, &data);
    add_meta(job, model, metas, "program", job->program->name);
    add_meta(job, model, metas, "phase", phase->name);
    add_meta(job, model, metas, "value", model->output.name);
    add_meta(job, model, metas, "parameters", job->program->parameters);
    add_meta(job, model, metas, "preparation", preparation(job->cli, phase));
    add_meta(job, model, metas, "classes", classes);
    add_meta(job, model, metas, "data", data);
    free(classes);
    free(data);
    TRY(status);
    TRY(tensors_open(weights, &file));
    add_meta(job, model, metas, "step", tensors_meta(file, "step"));
    // Of a net that was exported before, that of the weights it came from.
    const char *sum = tensors_meta(file, SAFE_CHECKSUM_KEY);
    add_meta(job, model, metas, "weights_checksum",
             sum ? sum : tensors_meta(file, "weights_checksum"));
    tensors_close(file);
    return status_ok();
}

// ---- the command ------------------------------------------------------------

static const char *shape_text(Arena *arena, const OnnxValue *value)
{
    Text text = text_new(arena);
    text_addf(&text, "%s [", value->name);
    for (int i = 0; i < value->rank; i++) {
        text_add(&text, i ? ", " : "");
        if (value->dims[i] < 0)
            text_add(&text, "N");
        else
            text_addf(&text, "%" PRId64, value->dims[i]);
    }
    text_add(&text, "]");
    return text_string(&text);
}

static Status write_net(const Job *job, const ExperimentPhase *phase,
                        const char *weights, Store *store)
{
    const Cli *cli = job->cli;
    Graph *graph = phase->value;
    const char *path = cli->values[OPT_output];
    OnnxOptions options = {.fold = cli_has(cli, OPT_fold),
                           .bytes = cli_has(cli, OPT_uint8)};
    OnnxModel model = {.name = graph->name, .producer_version = SIMCC_VERSION};
    OnnxMeta metas[METAS];
    passes_run(graph, &(PassOptions){.names = passes});
    TRY(load_weights(job, graph, weights, store));
    TRY(onnx_from_graph(graph, store, &options, &model));
    TRY(add_metas(job, phase, weights, &model, metas));
    bool apart = cli_has(cli, OPT_external) || onnx_needs_data_file(&model);
    if (apart && file_is_special(path))
        return status_error(STATUS_USAGE,
                            "the weights go to a file beside %s, which is no "
                            "file: give -o a name",
                            path);
    TRY(onnx_write(path, &model, apart));
    cli_note(cli,
             "%s: %s of %s, %s; %d operations of ONNX's opset %d, %.1f MB of "
             "weights%s%s%s",
             path, shape_text(cli->arena, &model.output),
             shape_text(cli->arena, &model.input), preparation(cli, phase),
             model.node_count, ONNX_OPSET,
             1e-6 * (double)onnx_tensor_bytes(&model), apart ? " in " : "",
             apart ? path : "", apart ? ".data" : "");
    return status_ok();
}

static Status export_net(const Job *job, const ExperimentPhase *phase)
{
    char weights[RUNDIR_PATH];
    const Cli *cli = job->cli;
    Store store = {0};
    TRY(job_weights(job, weights));
    // The model has no averages; the checkpoint beside it has.
    if (cli_has(cli, OPT_ema) && !cli_has(cli, OPT_weights))
        TRY(rundir_path(cli->values[OPT_out], cli->words[1],
                        "checkpoint.safetensors", weights));
    Status status = write_net(job, phase, weights, &store);
    store_free(&store);
    return status;
}

int onnx_export(Cli *cli)
{
    Job job = {0};
    const ExperimentPhase *phase = NULL;
    const char *value =
        cli_has(cli, OPT_value) ? cli->values[OPT_value] : "logits";
    int code = job_open_graph(&job, cli, value, &phase);
    if (code == STATUS_OK) {
        Status status = export_net(&job, phase);
        if (status.code != STATUS_OK)
            code = cli_fail(cli, &status);
    }
    job_close(&job);
    return code;
}
