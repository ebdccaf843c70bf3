#include "runtime/train/export.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/files/model.h"
#include "runtime/files/safetensors.h"
#include "runtime/files/tensors.h"
#include "runtime/train/weights.h"

typedef struct Export {
    const SafeFile *file;
    const TrainOptions *options;
    bool backbone, ema, has_head;
    int64_t features;             // of the encoder, 0 = unknown
    const SafeTensor *classifier; // its weights; NULL = there is none
    int count;
    SafeTensor *tensors;
    int left_out;
} Export;

// ---- what is in the file ----------------------------------------------------

// ResNets', and those of models/lib/nets.
static bool is_encoder(const char *name)
{
    return name_matches("conv1.*,bn1.*,layer*,stem.*,trunk_output.*,features.*,"
                        "classifier.0.*,conv_proj.*,class_token,encoder.*",
                        name);
}

// The number of the part of an encoder that a norm, or a last layer before the
// classifier, belongs to; -1 when it is neither.
static int part_of(const char *name)
{
    int part;
    if (name_matches("classifier.0.weight,encoder.ln.weight", name))
        return INT_MAX;
    if (name_matches("*.running_mean", name) &&
        (sscanf(name, "layer%d.", &part) == 1 ||
         sscanf(name, "features.%d.", &part) == 1 ||
         sscanf(name, "trunk_output.block%d.", &part) == 1))
        return part;
    return -1;
}

// The encoder's features are what the norms of its last part put out.
static void look_at(Export *out)
{
    int last = 0;
    for (int i = 0; i < safetensors_count(out->file); i++) {
        const SafeTensor *tensor = safetensors_at(out->file, i);
        int part = part_of(tensor->name);
        out->has_head = out->has_head || name_matches("head.*", tensor->name);
        if (model_is_classifier(tensor->name) &&
            name_matches("*.weight", tensor->name))
            out->classifier = tensor;
        if (part < last)
            continue;
        if (part > last)
            out->features = 0;
        last = part;
        if (tensor->rank > 0 && tensor->dims[0] > out->features)
            out->features = tensor->dims[0];
    }
}

// ---- what is written --------------------------------------------------------

static bool is_written(const Export *out, const SafeTensor *tensor)
{
    if (model_leaves_out(tensor->name))
        return false;
    if (!out->backbone || is_encoder(tensor->name))
        return true;
    const SafeTensor *last = out->classifier;
    return model_is_classifier(tensor->name) && !out->has_head && last &&
           last->rank == 2 && last->dims[1] == out->features;
}

// What is written under the tensor's name: itself, or its moving average.
static const SafeTensor *chosen(const Export *out, const SafeTensor *tensor)
{
    char name[512];
    if (!out->ema)
        return tensor;
    snprintf(name, sizeof name, "ema.%s", tensor->name);
    return safetensors_find(out->file, name);
}

static Status add_tensor(Export *out, const SafeTensor *tensor)
{
    SafeTensor *to = &out->tensors[out->count];
    const SafeTensor *from = chosen(out, tensor);
    if (!from)
        return status_error(STATUS_DATA,
                            "there is no moving average of %s: give the "
                            "checkpoint of a run with one, or leave --ema away",
                            tensor->name);
    void *data = malloc((size_t)from->bytes + 1);
    *to = *from;
    to->name = strdup(tensor->name);
    to->data = data;
    out->count++;
    if (!data || !to->name)
        return status_error(STATUS_MEMORY, "no memory for %s", from->name);
    return safetensors_read(out->file, from, data);
}

// PyTorch's norms count their batches, and want the count when loaded.
static Status add_counter(Export *out, const SafeTensor *mean)
{
    static const char counter[] = "num_batches_tracked";
    size_t stem = strlen(mean->name) - strlen("running_mean");
    char *name = calloc(stem + sizeof counter, 1);
    void *data = calloc(1, 8);
    SafeTensor *to = &out->tensors[out->count++];
    *to =
        (SafeTensor){.name = name, .dtype = SAFE_I64, .bytes = 8, .data = data};
    if (!name || !data)
        return status_error(STATUS_MEMORY, "no memory for %s", mean->name);
    memcpy(name, mean->name, stem);
    strcpy(name + stem, counter);
    return status_ok();
}

static Status collect(Export *out)
{
    int count = safetensors_count(out->file);
    out->tensors = calloc(2 * (size_t)count + 1, sizeof *out->tensors);
    if (!out->tensors)
        return status_error(STATUS_MEMORY, "no memory to export");
    for (int i = 0; i < count; i++) {
        const SafeTensor *tensor = safetensors_at(out->file, i);
        // What was exported, or comes from PyTorch, has the counters already.
        if (name_matches("*.num_batches_tracked", tensor->name))
            continue;
        if (!is_written(out, tensor)) {
            out->left_out++;
            continue;
        }
        TRY(add_tensor(out, tensor));
        if (name_matches("*.running_mean", tensor->name))
            TRY(add_counter(out, tensor));
    }
    return status_ok();
}

// ---- what torchvision would say ---------------------------------------------

static bool has(const Export *out, const char *glob)
{
    for (int i = 0; i < out->count; i++)
        if (name_matches(glob, out->tensors[i].name))
            return true;
    return false;
}

static void tell_stem(const Export *out)
{
    // The other nets are torchvision's as a whole.
    if (!has(out, "layer?.*"))
        return;
    const SafeTensor *stem = safetensors_find(out->file, "conv1.weight");
    if (has(out, "conv1.?.weight"))
        train_say(out->options,
                  "the deep stem of selective kernels is not torchvision's");
    else if (!stem || stem->rank != 4 || stem->dims[2] != 7)
        train_say(out->options,
                  "the stem is not torchvision's 7x7 convolution: use images "
                  "of more than 32 pixels for that");
    if (has(out, "layer?.*.mix.*") || has(out, "layer?.*.se.*"))
        train_say(out->options,
                  "selective kernels and squeeze-and-excitation are not in "
                  "torchvision's ResNets");
    // torchvision's basic blocks project where the shape changes only.
    if (has(out, "layer1.0.downsample.*") && !has(out, "layer?.*.conv3.*"))
        train_say(out->options,
                  "layer1.0.downsample is not in torchvision's ResNet-18 and "
                  "-34, whose first block has no projection");
}

static void tell_classifier(const Export *out)
{
    const char *place = has(out, "layer?.*,trunk_output.*") ? "fc"
                        : has(out, "encoder.*")             ? "heads.head"
                                                            : "classifier[-1]";
    const SafeTensor *last = out->classifier;
    if (last && has(out, last->name))
        return;
    if (!last)
        train_say(out->options,
                  "the phase has no classifier: in PyTorch, model.%s = "
                  "torch.nn.Identity() before loading",
                  place);
    else
        train_say(out->options,
                  "%.*s is left out, for it reads %s, not the encoder's "
                  "features",
                  (int)(strlen(last->name) - strlen(".weight")), last->name,
                  out->has_head ? "the projection head" : "another layer");
}

// ---- all of it --------------------------------------------------------------

static Status write_file(Export *out, const Program *program, const char *phase,
                         const char *to)
{
    const char *classes = safetensors_meta(out->file, "classes");
    const char *data = safetensors_meta(out->file, "data");
    SafeMeta metas[] = {
        {"format", "pt"},
        {"program", program->name},
        {"phase", phase},
        {"parameters", program->parameters ? program->parameters : ""},
        {"classes", classes ? classes : ""},
        {"data", data ? data : ""}, // what was kept from training
    };
    look_at(out);
    TRY(collect(out));
    if (out->count == 0)
        return status_error(STATUS_DATA, "phase %s has no encoder to export",
                            phase);
    TRY(safetensors_write(to, out->count, out->tensors,
                          sizeof metas / sizeof *metas, metas));
    train_say(out->options, "%d tensor%s of phase %s in %s; %d left out",
              out->count, status_s(out->count), phase, to, out->left_out);
    tell_stem(out);
    if (out->backbone)
        tell_classifier(out);
    return status_ok();
}

Status export_model(const Program *program, int phase, const char *weights,
                    const char *to, bool backbone, bool ema,
                    const TrainOptions *options)
{
    const ProgramPhase *chosen = &program->phases[phase];
    SafeFile *file;
    TensorFile *any;
    TRY(tensors_open(weights, &any));
    bool foreign = tensors_foreign(any);
    tensors_close(any);
    if (foreign)
        return status_error(
            STATUS_DATA,
            "%s is not in simcc's own format, from which is "
            "exported: `simcc run FILE %s --init %s` makes it so",
            weights, chosen->name, weights);
    TRY(weights_check(program, chosen, weights, options));
    TRY(safetensors_open(weights, &file));
    Export out = {
        .file = file, .options = options, .backbone = backbone, .ema = ema};
    Status status = write_file(&out, program, chosen->name, to);
    for (int i = 0; i < out.count; i++) {
        free((char *)out.tensors[i].name);
        free((void *)out.tensors[i].data);
    }
    free(out.tensors);
    safetensors_close(file);
    return status;
}
