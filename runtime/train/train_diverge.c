// What is said when a run diverges: the steps since the last checkpoint are
// run once more, and every value is looked at when its kernel has run. They
// give the same bits, so the first NaN comes again.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/philox.h"
#include "runtime/data/sampler.h"
#include "runtime/exec/ranks.h"
#include "runtime/train/train_run.h"

// Back to the last checkpoint, or to the start of the phase.
static Status go_back(Run *run)
{
    input_free(run->input);
    run->input = NULL;
    run->step = run->saved_step;
    if (run->keep.newest >= 0 && run->keep.newest == run->saved_step)
        keep_newest_path(&run->keep, run->checkpoint_path);
    for (int i = 0; i < run->store.count; i++)
        run->store.tensors[i].loaded = false;
    TRY(train_fill_store(run));
    return train_start_input(run);
}

// Runs steps up to `last` until one ends badly: run->step is that one.
static Status run_until_bad(Run *run, int64_t last, Diverge *diverge)
{
    for (; run->step <= last; run->step++) {
        TRY(diverge_run(diverge, train_feed, run));
        if (!isfinite(reports_mean(&run->reports, 0, NULL)) ||
            store_unbounded(&run->store))
            break;
        diverge_went_well(diverge);
    }
    return status_ok();
}

// " for the image NAME", when the row is one of a batch; else "".
static void name_image(const Run *run, const PlanValue *value, int64_t row,
                       int chunk, char *text, size_t size)
{
    const ProgramPhase *phase = run->phase;
    Sampler sampler;
    // In a step in chunks, of a chunk or, between the passes, of them all.
    int rows = phase_rows(phase);
    bool part = phase_has_rows(phase, value->rows, rows);
    if (!part)
        rows = phase->batch;
    text[0] = '\0';
    if (row < 0 || rows < 2 || !phase_has_rows(phase, value->rows, rows) ||
        sampler_init(&sampler, run->options->seed, random_name(phase->name),
                     run->image_count, true)
                .code != STATUS_OK)
        return;
    StreamSample sample = sampler_at(
        &sampler, run->step * phase->batch +
                      (part ? (int64_t)chunk * rows : 0) + row % rows);
    int64_t index =
        run->set.indices ? run->set.indices[sample.place] : sample.place;
    snprintf(text, size, " for the image %s",
             dataset_sample_name(run->data, SPLIT_TRAIN, index));
    sampler_free(&sampler);
}

// "; it began in step 5 with log (a.net:3), ..."
static void describe_suspect(const Run *run, const Diverge *diverge, char *text,
                             size_t size)
{
    int64_t row;
    bool nan;
    int chunk;
    char place[300] = "", image[300];
    const PlanValue *value = diverge_suspect(diverge, &row, &nan, &chunk);
    if (!value)
        return;
    if (value->file && value->last_line > value->line)
        snprintf(place, sizeof place, " (%s:%d to %d)", value->file,
                 value->line, value->last_line);
    else if (value->file)
        snprintf(place, sizeof place, " (%s:%d)", value->file, value->line);
    name_image(run, value, row, chunk, image, sizeof image);
    snprintf(text, size,
             "; it began in step %" PRId64 " with %s%s, which gave "
             "%s%s",
             run->step, value->label, place, nan ? "NaN" : "infinity", image);
}

static void find_suspect(Run *run, char *text, size_t size)
{
    TrainOptions quiet = *run->options;
    const TrainOptions *options = run->options;
    int64_t last = run->step;
    Diverge *diverge = diverge_new(run->phase, run->executor, &run->store);
    if (!diverge)
        return;
    if (last > run->saved_step + 1)
        train_say(run->options,
                  "looking for where it began: %" PRId64 " steps once more",
                  last - run->saved_step + 1);
    quiet.message = NULL;
    run->options = &quiet;
    if (go_back(run).code == STATUS_OK &&
        run_until_bad(run, last, diverge).code == STATUS_OK)
        describe_suspect(run, diverge, text, size);
    diverge_free(diverge);
    run->options = options;
    run->step = last;
}

Status train_diverged(Run *run, double loss)
{
    char what[128] = "the loss", origin[800] = "";
    char kept[96] = "no checkpoint was saved before it";
    const StoreTensor *tensor = store_unbounded(&run->store);
    bool nan = isnan(loss);
    if (isfinite(loss) && tensor) {
        const PlanTensor *plan = &tensor->param.tensor;
        snprintf(what, sizeof what, "%.100s", plan->name);
        nan = is_nan_at(
            tensor->data, plan->dtype,
            first_unbounded(tensor->data, plan->dtype, plan_elements(plan)));
    }
    if (run->saved_step > 0)
        snprintf(kept, sizeof kept,
                 "the checkpoint of step %" PRId64 " is kept", run->saved_step);
    // One process alone cannot take the steps again.
    if (ranks_count() == 1)
        find_suspect(run, origin, sizeof origin);
    return status_error(STATUS_DIVERGED,
                        "%s of phase %s became %s in step %" PRId64
                        "%s: try a lower rate or a longer warm-up; %s",
                        what, run->phase->name, nan ? "NaN" : "infinite",
                        run->step, origin, kept);
}
