#include "runtime/files/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/exec/program.h"
#include "runtime/exec/tiles.h"
#include "runtime/files/store_file.h"

// ---- writing ----------------------------------------------------------------

Status checkpoint_save(const char *path, const Store *store,
                       const CheckpointInfo *info)
{
    char step[32], images[32], seed[32], program[32], ways[32], names[32];
    char known[32], says[32], labels[32], from[32], init[32], teacher[32];
    snprintf(step, sizeof step, "%" PRId64, info->step);
    snprintf(images, sizeof images, "%" PRId64, info->images);
    snprintf(names, sizeof names, "%016" PRIx64, info->names);
    snprintf(known, sizeof known, "%016" PRIx64, info->known);
    snprintf(seed, sizeof seed, "%" PRIu64, info->seed);
    snprintf(program, sizeof program, "%016" PRIx64, info->program);
    snprintf(says, sizeof says, "%016" PRIx64, info->says);
    snprintf(labels, sizeof labels, "%016" PRIx64, info->labels);
    snprintf(from, sizeof from, "%016" PRIx64, info->origin.from);
    snprintf(init, sizeof init, "%016" PRIx64, info->origin.init);
    snprintf(teacher, sizeof teacher, "%016" PRIx64, info->origin.teacher);
    snprintf(ways, sizeof ways, "%016" PRIx64, info->ways);
    SafeMeta metas[] = {
        {SAFE_CHECKSUM_KEY, SAFE_NO_CHECKSUM},
        {"phase", info->phase},
        {"step", step},
        {"images", images},
        {"names", names},
        {"known", known},
        {"seed", seed},
        {"program", program},
        {"says", says},
        {"labels", labels},
        {"dtype", info->dtype == PLAN_F64 ? "f64" : "f32"},
        {"from", from},
        {"init", init},
        {"teacher", teacher},
        {"target", info->target},
        {"sums", plan_sums_word(info->sums)},
        {"precision", info->precision == PLAN_BF16 ? "bf16" : "f32"},
        {"ways_hash", ways},
        {"ways", info->ways_text ? info->ways_text : ""},
        {"finished", info->finished ? "true" : "false"},
        {"tally", info->tally},
        {"result", info->result},
        {"best", info->best},
        {"validation", info->validation},
        {"parameters", info->parameters ? info->parameters : ""},
        {"classes", info->classes ? info->classes : ""},
        {"data", info->data ? info->data : ""},
    };
    return store_save(path, store, true, sizeof metas / sizeof *metas, metas);
}

// ---- reading a checkpoint ---------------------------------------------------

static bool copy_meta(const SafeFile *file, const char *key, char *to,
                      size_t size)
{
    const char *value = safetensors_meta(file, key);
    if (!value || strlen(value) >= size)
        return false;
    strcpy(to, value);
    return true;
}

static bool number_meta(const SafeFile *file, const char *key, int base,
                        uint64_t *number)
{
    const char *value = safetensors_meta(file, key);
    char *end;
    if (!value || !*value)
        return false;
    *number = strtoull(value, &end, base);
    return *end == '\0';
}

static bool read_info(const SafeFile *file, CheckpointInfo *info)
{
    char finished[8];
    uint64_t step, images;
    *info = (CheckpointInfo){0};
    if (!copy_meta(file, "phase", info->phase, sizeof info->phase) ||
        !copy_meta(file, "tally", info->tally, sizeof info->tally) ||
        !copy_meta(file, "result", info->result, sizeof info->result) ||
        !copy_meta(file, "best", info->best, sizeof info->best) ||
        !copy_meta(file, "finished", finished, sizeof finished) ||
        !number_meta(file, "step", 10, &step) || step > INT64_MAX ||
        !number_meta(file, "images", 10, &images) || images > INT64_MAX ||
        !number_meta(file, "seed", 10, &info->seed) ||
        !number_meta(file, "program", 16, &info->program) ||
        !number_meta(file, "ways_hash", 16, &info->ways))
        return false;
    // Checkpoints of before there was any do not say so.
    if (safetensors_meta(file, "names") &&
        !number_meta(file, "names", 16, &info->names))
        return false;
    if (safetensors_meta(file, "known") &&
        !number_meta(file, "known", 16, &info->known))
        return false;
    if (safetensors_meta(file, "says") &&
        (!number_meta(file, "says", 16, &info->says) ||
         !number_meta(file, "labels", 16, &info->labels) ||
         !number_meta(file, "from", 16, &info->origin.from) ||
         !number_meta(file, "init", 16, &info->origin.init) ||
         !number_meta(file, "teacher", 16, &info->origin.teacher)))
        return false;
    const char *target = safetensors_meta(file, "target");
    snprintf(info->target, sizeof info->target, "%s", target ? target : "");
    const char *dtype = safetensors_meta(file, "dtype");
    info->dtype = dtype && strcmp(dtype, "f64") == 0 ? PLAN_F64 : PLAN_F32;
    if (safetensors_meta(file, "validation") &&
        !copy_meta(file, "validation", info->validation,
                   sizeof info->validation))
        return false;
    const char *precision = safetensors_meta(file, "precision");
    info->precision =
        precision && strcmp(precision, "bf16") == 0 ? PLAN_BF16 : PLAN_F32;
    info->step = (int64_t)step;
    info->images = (int64_t)images;
    info->finished = strcmp(finished, "true") == 0;
    return plan_sums_by_word(safetensors_meta(file, "sums"), &info->sums);
}

Status checkpoint_info(const char *path, CheckpointInfo *info)
{
    SafeFile *file;
    TRY(safetensors_open(path, &file));
    Status status = status_ok();
    if (!safetensors_meta(file, SAFE_CHECKSUM_KEY) || !read_info(file, info))
        status =
            status_error(STATUS_DATA, "%s is not a checkpoint of simcc", path);
    else
        status = safetensors_verify(file);
    safetensors_close(file);
    return status;
}

// ---- tensors ----------------------------------------------------------------

static Status shape_error(const char *path, const PlanTensor *want,
                          const SafeTensor *have)
{
    char wanted[96], found[128];
    plan_shape_text(want->rank, want->dims, wanted, sizeof wanted);
    plan_shape_text(have->rank, have->dims, found, sizeof found);
    return status_error(STATUS_DATA,
                        "%s: %s is %s there, but %s in the program", path,
                        want->name, found, wanted);
}

static Status load_all(const SafeFile *file, const char *path, Store *store)
{
    for (int i = 0; i < store->count; i++) {
        StoreTensor *tensor = &store->tensors[i];
        const PlanTensor *want = &tensor->param.tensor;
        if (tensor->param.role == PLAN_FROZEN || tensor->param.role == PLAN_SUM)
            continue;
        const SafeTensor *have = safetensors_find(file, want->name);
        if (!have)
            return status_error(STATUS_DATA, "%s lacks %s", path, want->name);
        if (!store_same_shape(want, have->rank, have->dims))
            return shape_error(path, want, have);
        if ((int32_t)have->dtype != want->dtype)
            return status_error(STATUS_DATA, "%s: %s has another element type",
                                path, want->name);
        TRY(safetensors_read(file, have, tensor->data));
        TRY(tiles_settle(&tensor->param, tensor->data));
        tensor->loaded = true;
    }
    return status_ok();
}

Status checkpoint_load(const char *path, Store *store)
{
    SafeFile *file;
    TRY(safetensors_open(path, &file));
    Status status = load_all(file, path, store);
    safetensors_close(file);
    return status;
}
