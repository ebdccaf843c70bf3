#include "runtime/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/safetensors.h"

// ---- names ------------------------------------------------------------------

// A glob of `length` bytes against a whole name; after a mismatch, the last
// star swallows one more byte.
static bool glob_matches(const char *glob, size_t length, const char *name)
{
    const char *end = glob + length, *star = NULL, *retry = NULL;
    while (*name) {
        if (glob < end && *glob == '*') {
            star = ++glob;
            retry = name;
        } else if (glob < end && (*glob == '?' || *glob == *name)) {
            glob++;
            name++;
        } else if (star) {
            glob = star;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (glob < end && *glob == '*')
        glob++;
    return glob == end;
}

bool name_matches(const char *globs, const char *name)
{
    while (*globs) {
        globs += strspn(globs, ", ");
        size_t length = strcspn(globs, ", ");
        if (length && glob_matches(globs, length, name))
            return true;
        globs += length;
    }
    return false;
}

// ---- writing ----------------------------------------------------------------

static SafeTensor describe(const StoreTensor *tensor)
{
    const PlanTensor *plan = &tensor->param.tensor;
    SafeTensor safe = {
        .name = plan->name,
        .dtype = (SafeDType)plan->dtype,
        .rank = plan->rank,
        .bytes = plan->bytes,
        .data = tensor->data,
    };
    memcpy(safe.dims, plan->dims, sizeof plan->dims);
    return safe;
}

static Status save(const char *path, const Store *store, bool slots,
                   int meta_count, const SafeMeta *metas)
{
    SafeTensor *tensors = calloc((size_t)store->count + 1, sizeof *tensors);
    if (!tensors)
        return status_error(STATUS_MEMORY, "no memory to write %s", path);
    int count = 0;
    for (int i = 0; i < store->count; i++) {
        int32_t role = store->tensors[i].param.role;
        if (role != PLAN_FROZEN && (slots || role != PLAN_SLOT))
            tensors[count++] = describe(&store->tensors[i]);
    }
    Status status = safetensors_write(path, count, tensors, meta_count, metas);
    free(tensors);
    return status;
}

Status checkpoint_save(const char *path, const Store *store,
                       const CheckpointInfo *info)
{
    char step[32], images[32], seed[32], program[32];
    snprintf(step, sizeof step, "%" PRId64, info->step);
    snprintf(images, sizeof images, "%" PRId64, info->images);
    snprintf(seed, sizeof seed, "%" PRIu64, info->seed);
    snprintf(program, sizeof program, "%016" PRIx64, info->program);
    SafeMeta metas[] = {
        {"phase", info->phase}, {"step", step},
        {"images", images},     {"seed", seed},
        {"program", program},   {"finished", info->finished ? "true" : "false"},
        {"tally", info->tally}, {"result", info->result},
    };
    return save(path, store, true, sizeof metas / sizeof *metas, metas);
}

Status model_save(const char *path, const Store *store, const char *program,
                  const char *phase, int64_t step)
{
    char steps[32];
    snprintf(steps, sizeof steps, "%" PRId64, step);
    SafeMeta metas[] = {{"format", "pt"},
                        {"program", program},
                        {"phase", phase},
                        {"step", steps}};
    return save(path, store, false, sizeof metas / sizeof *metas, metas);
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
        !copy_meta(file, "finished", finished, sizeof finished) ||
        !number_meta(file, "step", 10, &step) || step > INT64_MAX ||
        !number_meta(file, "images", 10, &images) || images > INT64_MAX ||
        !number_meta(file, "seed", 10, &info->seed) ||
        !number_meta(file, "program", 16, &info->program))
        return false;
    info->step = (int64_t)step;
    info->images = (int64_t)images;
    info->finished = strcmp(finished, "true") == 0;
    return true;
}

Status checkpoint_info(const char *path, CheckpointInfo *info)
{
    SafeFile *file;
    TRY(safetensors_open(path, &file));
    bool complete = read_info(file, info);
    safetensors_close(file);
    if (!complete)
        return status_error(STATUS_DATA, "%s is not a checkpoint of simcc",
                            path);
    return status_ok();
}

// ---- tensors ----------------------------------------------------------------

static bool same_shape(const PlanTensor *want, const SafeTensor *have)
{
    if (want->rank != have->rank)
        return false;
    for (int i = 0; i < want->rank; i++)
        if (want->dims[i] != have->dims[i])
            return false;
    return true;
}

static void shape_text(int rank, const int64_t *dims, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId64,
                                 i ? "," : "", dims[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
}

static Status shape_error(const char *path, const PlanTensor *want,
                          const SafeTensor *have, int more)
{
    char wanted[96], found[128], others[48] = "";
    shape_text(want->rank, want->dims, wanted, sizeof wanted);
    shape_text(have->rank, have->dims, found, sizeof found);
    if (more)
        snprintf(others, sizeof others, ", and %d more differ", more);
    return status_error(STATUS_DATA,
                        "%s: %s is %s there, but %s in the program%s", path,
                        want->name, found, wanted, others);
}

// Files of other programs may hold the other float type.
static Status read_tensor(const SafeFile *file, const char *path,
                          const SafeTensor *have, StoreTensor *tensor)
{
    int32_t want = tensor->param.tensor.dtype;
    if ((int32_t)have->dtype == want)
        return safetensors_read(file, have, tensor->data);
    bool widen = want == PLAN_F64 && have->dtype == SAFE_F32;
    bool narrow = want == PLAN_F32 && have->dtype == SAFE_F64;
    if (!widen && !narrow)
        return status_error(STATUS_DATA,
                            "%s: %s has element type %s, which this program "
                            "cannot use",
                            path, have->name, safe_dtype_name(have->dtype));
    void *raw = malloc((size_t)have->bytes + 1);
    if (!raw)
        return status_error(STATUS_MEMORY, "no memory to read %s", path);
    Status status = safetensors_read(file, have, raw);
    int64_t count = have->bytes / safe_dtype_bytes(have->dtype);
    for (int64_t i = 0; status.code == STATUS_OK && i < count; i++) {
        if (widen)
            ((double *)tensor->data)[i] = ((const float *)raw)[i];
        else
            ((float *)tensor->data)[i] = (float)((const double *)raw)[i];
    }
    free(raw);
    return status;
}

static Status load_all(const SafeFile *file, const char *path, Store *store)
{
    for (int i = 0; i < store->count; i++) {
        StoreTensor *tensor = &store->tensors[i];
        const PlanTensor *want = &tensor->param.tensor;
        if (tensor->param.role == PLAN_FROZEN)
            continue;
        const SafeTensor *have = safetensors_find(file, want->name);
        if (!have)
            return status_error(STATUS_DATA, "%s lacks %s", path, want->name);
        if (!same_shape(want, have))
            return shape_error(path, want, have, 0);
        if ((int32_t)have->dtype != want->dtype)
            return status_error(STATUS_DATA, "%s: %s has another element type",
                                path, want->name);
        TRY(safetensors_read(file, have, tensor->data));
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

// ---- models -----------------------------------------------------------------

// The name a store's tensor has in the file, or NULL when the filter leaves it
// out.
static const char *name_in_file(const StoreTensor *tensor,
                                const ModelFilter *filter)
{
    const char *name = tensor->param.tensor.name;
    int32_t role = tensor->param.role;
    if (role == PLAN_SLOT ||
        (role == PLAN_FROZEN) != (filter->role == PLAN_FROZEN))
        return NULL;
    if (filter->prefix) {
        size_t length = strlen(filter->prefix);
        if (strncmp(name, filter->prefix, length) != 0)
            return NULL;
        name += length;
    }
    if (filter->only && !name_matches(filter->only, name))
        return NULL;
    if (filter->except && name_matches(filter->except, name))
        return NULL;
    return name;
}

static void report_missing(ModelReport *report, const char *name)
{
    size_t used = strlen(report->names), room = sizeof report->names - used;
    report->missing++;
    if (strlen(name) + 8 < room)
        snprintf(report->names + used, room, "%s%s", used ? ", " : "", name);
    else if (room > 6 && (used < 3 || strcmp(report->names + used - 3, "...")))
        snprintf(report->names + used, room, ", ...");
}

// Finds every shape that differs before anything is read.
static Status compare_shapes(const SafeFile *file, const char *path,
                             const Store *store, const ModelFilter *filter)
{
    const PlanTensor *first = NULL;
    int differing = 0;
    for (int i = 0; i < store->count; i++) {
        const char *name = name_in_file(&store->tensors[i], filter);
        const SafeTensor *have = name ? safetensors_find(file, name) : NULL;
        const PlanTensor *want = &store->tensors[i].param.tensor;
        if (have && !same_shape(want, have) && differing++ == 0)
            first = want;
    }
    if (!first)
        return status_ok();
    const char *name = first->name;
    if (filter->prefix)
        name += strlen(filter->prefix);
    return shape_error(path, first, safetensors_find(file, name),
                       differing - 1);
}

static Status load_model(const SafeFile *file, const char *path, Store *store,
                         const ModelFilter *filter, ModelReport *report)
{
    TRY(compare_shapes(file, path, store, filter));
    for (int i = 0; i < store->count; i++) {
        StoreTensor *tensor = &store->tensors[i];
        const char *name = name_in_file(tensor, filter);
        if (!name)
            continue;
        const SafeTensor *have = safetensors_find(file, name);
        if (!have) {
            report_missing(report, name);
            continue;
        }
        TRY(read_tensor(file, path, have, tensor));
        tensor->loaded = true;
        report->loaded++;
    }
    return status_ok();
}

Status model_load(const char *path, Store *store, const ModelFilter *filter,
                  ModelReport *report)
{
    SafeFile *file;
    *report = (ModelReport){0};
    TRY(safetensors_open(path, &file));
    Status status = load_model(file, path, store, filter, report);
    safetensors_close(file);
    return status;
}
