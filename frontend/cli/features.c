#include "frontend/cli/features.h"

#include <stdlib.h>

#include "runtime/train/infer.h"

static Status take_row(void *context, DataSplit split, int64_t index,
                       const void *values)
{
    Features *features = context;
    if (features->seen++ % features->stride != 0)
        return status_ok();
    if (!values) {
        features->unreadable++;
        return status_ok();
    }
    float *row = features->rows + features->count * features->width;
    for (int64_t c = 0; c < features->width; c++)
        row[c] = features->value->dtype == PLAN_F64
                     ? (float)((const double *)values)[c]
                     : ((const float *)values)[c];
    features->splits[features->count] = split;
    features->indices[features->count++] = index;
    return status_ok();
}

static Status make_room(Features *features, int64_t images, int64_t most)
{
    features->stride = most ? (images + most - 1) / most : 1;
    features->capacity = images / features->stride + 1;
    size_t room = (size_t)features->capacity;
    features->rows = calloc(room * (size_t)features->width, sizeof(float));
    features->splits = calloc(room, sizeof *features->splits);
    features->indices = calloc(room, sizeof *features->indices);
    if (!features->rows || !features->splits || !features->indices)
        return status_error(
            STATUS_MEMORY, "no memory for %lld rows of %lld features",
            (long long)features->capacity, (long long)features->width);
    if (features->stride > 1)
        cli_note(features->job->cli, "one image in %lld is taken",
                 (long long)features->stride);
    return status_ok();
}

Status features_collect(const Job *job, unsigned splits, int64_t most,
                        Features *features)
{
    char weights[RUNDIR_PATH];
    int phase = job_phase(job, job->cli->words[1]);
    InferSink sink = {take_row, features};
    int64_t images = job_count_images(job, splits);
    *features = (Features){.job = job};
    features->value = infer_value(&job->program->phases[phase]);
    features->width = 1;
    for (int i = 1; i < features->value->rank; i++)
        features->width *= features->value->dims[i];
    TRY(job_weights(job, weights));
    if (images < 2)
        return status_error(STATUS_DATA, "there are no such images to compare");
    TRY(make_room(features, images, most));
    TRY(infer_phase(job->program, phase, job->data, weights, splits,
                    &job->options, &sink));
    if (features->count < 2)
        return status_error(STATUS_DATA, "no two images can be read");
    return status_ok();
}

void features_free(Features *features)
{
    free(features->rows);
    free(features->splits);
    free(features->indices);
}

int features_label(const Features *features, int64_t row)
{
    return dataset_label(features->job->data, features->splits[row],
                         features->indices[row]);
}

const char *features_name(const Features *features, int64_t row)
{
    return dataset_sample_name(features->job->data, features->splits[row],
                               features->indices[row]);
}
