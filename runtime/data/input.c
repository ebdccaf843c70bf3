#include "runtime/data/input.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/data/augment.h"

// Two batches in the making: one for the step that is about to be taken, one
// being filled while that step runs.
enum { SLOTS = 2 };

typedef struct Slot {
    int64_t turn;                   // which batch of the run it is
    int64_t step;                   // of the training
    int next, done;                 // rows handed out, rows finished
    StreamSample *samples;          // [batch]
    float *images[MAX_VIEW_GROUPS]; // [views * batch, c, height, width]
    float *labels;                  // [batch, label_width]
    bool *valid;                    // [batch]
} Slot;

struct Input {
    InputSpec spec;
    Sampler sampler;
    Slot slots[SLOTS];
    int64_t turn;     // the next batch to be taken
    atomic_bool *bad; // [count]: found unreadable
    double waited;

    pthread_t *threads;
    int thread_count;
    pthread_mutex_t lock;
    pthread_cond_t work, ready; // rows to hand out; a slot is full
    bool stop;
    Status failure; // first one of any worker
    char **notes;   // unreadable files not yet named
    int note_count;
};

// ---- one row ----------------------------------------------------------------

static int64_t index_at(const InputSpec *spec, int64_t place)
{
    return spec->indices ? spec->indices[place] : spec->first + place;
}

// Remembers that a file cannot be read, to be told by the training thread.
static void note_unreadable(Input *input, int64_t place, const Status *status)
{
    if (atomic_exchange(&input->bad[place], true))
        return;
    pthread_mutex_lock(&input->lock);
    char **grown =
        realloc(input->notes, ((size_t)input->note_count + 1) * sizeof *grown);
    if (grown) {
        input->notes = grown;
        char *text = strdup(status->text);
        if (text)
            input->notes[input->note_count++] = text;
    }
    pthread_mutex_unlock(&input->lock);
}

// Decodes the image at *place, or in training the next readable one, whose
// place is then in *place. *found is false when there is none. Reading is a
// function of the file, so every thread finds the same stand-in.
static Status read_sample(Input *input, int64_t *place, Image *image,
                          bool *found)
{
    const InputSpec *spec = &input->spec;
    int64_t tries = spec->training ? spec->count : 1;
    *found = false;
    for (int64_t i = 0; i < tries; i++) {
        if (!atomic_load(&input->bad[*place])) {
            Status status = dataset_read(spec->data, spec->split,
                                         index_at(spec, *place), image);
            *found = status.code == STATUS_OK;
            if (*found || status.code == STATUS_MEMORY)
                return status;
            note_unreadable(input, *place, &status);
        }
        *place = (*place + 1) % spec->count;
    }
    if (spec->training)
        return status_error(
            STATUS_DATA,
            "the set has %lld training image%s, and none can be "
            "read",
            (long long)spec->count, status_s(spec->count));
    return status_ok();
}

// Floats of one image in one view.
static int64_t row_floats(const InputSpec *spec, int group)
{
    const InputViews *views = &spec->groups[group];
    return spec->channels * (int64_t)views->height * views->width;
}

static float *row_of(const InputSpec *spec, const Slot *slot, int group,
                     int view, int row)
{
    return slot->images[group] +
           ((int64_t)view * spec->batch + row) * row_floats(spec, group);
}

// All views of one decoded image. The key names the sample that was asked
// for: a stand-in for two bad files is augmented in two ways.
static Status augment_views(Input *input, Slot *slot, int row, int64_t asked,
                            const Image *image, AugmentScratch *scratch)
{
    const InputSpec *spec = &input->spec;
    if (image->channels != spec->channels)
        return status_error(
            STATUS_DATA, "%s has %d channel%s where the net takes %d",
            dataset_sample_name(spec->data, spec->split, index_at(spec, asked)),
            image->channels, status_s(image->channels), spec->channels);
    AugmentKey key = {
        .seed = spec->seed,
        .phase = spec->phase,
        .epoch = (uint64_t)slot->samples[row].epoch,
        .sample = (uint64_t)index_at(spec, asked),
        .step = (uint64_t)slot->step,
    };
    for (int i = 0; i < spec->group_count; i++)
        for (int view = 0; view < spec->groups[i].views; view++) {
            const InputViews *group = &spec->groups[i];
            key.view = (uint64_t)(group->first_view + view);
            TRY(augment_image(group->augment, group->augment_count, image, &key,
                              scratch, group->height, group->width,
                              row_of(spec, slot, i, view, row)));
        }
    return status_ok();
}

static void clear_row(Input *input, Slot *slot, int row)
{
    const InputSpec *spec = &input->spec;
    for (int i = 0; i < spec->group_count; i++)
        for (int view = 0; view < spec->groups[i].views; view++)
            memset(row_of(spec, slot, i, view, row), 0,
                   (size_t)row_floats(spec, i) * sizeof(float));
    memset(slot->labels + (int64_t)row * spec->label_width, 0,
           (size_t)spec->label_width * sizeof *slot->labels);
    slot->valid[row] = false;
}

static void fill_labels(const Input *input, Slot *slot, int row, int64_t index)
{
    const InputSpec *spec = &input->spec;
    const int32_t *classes;
    int width = spec->label_width;
    float *labels = slot->labels + (int64_t)row * width;
    bool seen = !spec->seen || spec->seen[index];
    if (width == 1 && !dataset_several(spec->data)) {
        labels[0] =
            seen ? (float)dataset_label(spec->data, spec->split, index) : -1;
        return;
    }
    int count = dataset_labels(spec->data, spec->split, index, &classes);
    for (int c = 0; c < width; c++)
        labels[c] = seen && count >= 0 ? 0 : -1;
    for (int i = 0; seen && i < count; i++)
        if (classes[i] < width)
            labels[classes[i]] = 1;
}

static Status fill_row(Input *input, Slot *slot, int row,
                       AugmentScratch *scratch)
{
    const InputSpec *spec = &input->spec;
    int64_t asked = slot->samples[row].place, place = asked;
    Image image = {0};
    bool found = false;
    if (spec->count > 0)
        TRY(read_sample(input, &place, &image, &found));
    if (!found) {
        clear_row(input, slot, row);
        return status_ok();
    }
    Status status = augment_views(input, slot, row, asked, &image, scratch);
    image_free(&image);
    fill_labels(input, slot, row, index_at(spec, place));
    slot->valid[row] = spec->training || slot->samples[row].epoch == 0;
    return status;
}

// ---- threads ----------------------------------------------------------------

// The oldest slot that still has rows to hand out, or NULL.
static Slot *slot_with_work(Input *input)
{
    Slot *oldest = NULL;
    for (int i = 0; i < SLOTS; i++) {
        Slot *slot = &input->slots[i];
        if (slot->next < input->spec.batch &&
            (!oldest || slot->turn < oldest->turn))
            oldest = slot;
    }
    return oldest;
}

static void *work(void *argument)
{
    Input *input = argument;
    AugmentScratch scratch = {0};
    pthread_mutex_lock(&input->lock);
    while (!input->stop) {
        Slot *slot = slot_with_work(input);
        if (!slot) {
            pthread_cond_wait(&input->work, &input->lock);
            continue;
        }
        int row = slot->next++;
        pthread_mutex_unlock(&input->lock);
        Status status = fill_row(input, slot, row, &scratch);
        pthread_mutex_lock(&input->lock);
        if (status.code != STATUS_OK && input->failure.code == STATUS_OK)
            input->failure = status;
        if (++slot->done == input->spec.batch)
            pthread_cond_signal(&input->ready);
    }
    pthread_mutex_unlock(&input->lock);
    augment_scratch_free(&scratch);
    return NULL;
}

// Lets the workers fill the slot for batch `turn`. Called with the lock held,
// or before there are threads.
static void schedule(Input *input, Slot *slot, int64_t turn)
{
    int batch = input->spec.batch;
    int64_t chunks = input->spec.chunks, passes = input->spec.passes;
    slot->turn = turn;
    slot->step = turn / (chunks * passes);
    int64_t chunk = slot->step * chunks + turn % chunks;
    int64_t first = (chunk * input->spec.ranks + input->spec.rank) * batch;
    for (int row = 0; input->spec.count > 0 && row < batch; row++)
        slot->samples[row] = sampler_at(&input->sampler, first + row);
    slot->next = slot->done = 0;
    pthread_cond_broadcast(&input->work);
}

// ---- life -------------------------------------------------------------------

// Of all views of a batch.
static size_t group_floats(const InputSpec *spec, int group)
{
    const InputViews *views = &spec->groups[group];
    return (size_t)spec->batch * (size_t)views->views *
           (size_t)row_floats(spec, group);
}

static Status allocate(Input *input)
{
    const InputSpec *spec = &input->spec;
    size_t batch = (size_t)spec->batch, all = 0;
    bool complete = true;
    for (int i = 0; i < SLOTS; i++) {
        Slot *slot = &input->slots[i];
        slot->samples = calloc(batch, sizeof *slot->samples);
        for (int k = 0; k < spec->group_count; k++) {
            size_t floats = group_floats(spec, k);
            slot->images[k] = floats ? malloc(floats * sizeof(float)) : NULL;
            complete = complete && (slot->images[k] || !floats);
            all += floats;
        }
        slot->labels =
            calloc(batch * (size_t)spec->label_width, sizeof *slot->labels);
        slot->valid = calloc(batch, sizeof *slot->valid);
        complete = complete && slot->samples && slot->labels && slot->valid;
    }
    input->bad = calloc((size_t)spec->count + 1, sizeof *input->bad);
    input->threads = calloc((size_t)spec->threads, sizeof *input->threads);
    if (!complete || !input->bad || !input->threads)
        return status_error(STATUS_MEMORY,
                            "no memory for input batches of %.1f MB",
                            1e-6 * (double)(all * sizeof(float)));
    return status_ok();
}

static Status start_threads(Input *input)
{
    for (int i = 0; i < input->spec.threads; i++) {
        if (pthread_create(&input->threads[i], NULL, work, input) != 0)
            break;
        input->thread_count++;
    }
    if (!input->thread_count)
        return status_error(STATUS_FAILED, "cannot start a thread for input");
    return status_ok();
}

Status input_new(const InputSpec *spec, int64_t first_step, Input **result)
{
    Input *input = calloc(1, sizeof *input);
    if (!input)
        return status_error(STATUS_MEMORY, "no memory for input");
    input->spec = *spec;
    input->spec.chunks += spec->chunks == 0;
    input->spec.channels += 3 * (spec->channels == 0);
    input->spec.label_width += spec->label_width == 0;
    input->spec.passes += spec->passes == 0;
    input->spec.ranks += spec->ranks == 0;
    input->spec.order += spec->order ? 0 : spec->phase;
    input->turn = first_step * input->spec.chunks * input->spec.passes;
    pthread_mutex_init(&input->lock, NULL);
    pthread_cond_init(&input->work, NULL);
    pthread_cond_init(&input->ready, NULL);
    uint64_t order = input->spec.order;
    Status status =
        spec->strata ? sampler_init_balanced(&input->sampler, spec->seed, order,
                                             spec->strata)
                     : sampler_init(&input->sampler, spec->seed, order,
                                    spec->count, spec->training && spec->count);
    if (status.code == STATUS_OK)
        status = allocate(input);
    if (status.code == STATUS_OK) {
        for (int i = 0; i < SLOTS; i++)
            schedule(input, &input->slots[i], input->turn + i);
        status = start_threads(input);
    }
    if (status.code != STATUS_OK) {
        input_free(input);
        return status;
    }
    *result = input;
    return status_ok();
}

void input_free(Input *input)
{
    if (!input)
        return;
    pthread_mutex_lock(&input->lock);
    input->stop = true;
    pthread_cond_broadcast(&input->work);
    pthread_mutex_unlock(&input->lock);
    for (int i = 0; i < input->thread_count; i++)
        pthread_join(input->threads[i], NULL);
    for (int i = 0; i < SLOTS; i++) {
        free(input->slots[i].samples);
        for (int k = 0; k < MAX_VIEW_GROUPS; k++)
            free(input->slots[i].images[k]);
        free(input->slots[i].labels);
        free(input->slots[i].valid);
    }
    for (int i = 0; i < input->note_count; i++)
        free(input->notes[i]);
    free(input->notes);
    free(input->bad);
    free(input->threads);
    sampler_free(&input->sampler);
    pthread_mutex_destroy(&input->lock);
    pthread_cond_destroy(&input->work);
    pthread_cond_destroy(&input->ready);
    free(input);
}

// ---- taking a batch ---------------------------------------------------------

static void copy_numbers(void *to, int32_t dtype, const float *from, size_t n)
{
    if (dtype != PLAN_F64) {
        memcpy(to, from, n * sizeof *from);
        return;
    }
    double *wide = to;
    for (size_t i = 0; i < n; i++)
        wide[i] = from[i];
}

// Names the unreadable files found so far. Called with the lock held.
static void tell_notes(Input *input)
{
    const InputSpec *spec = &input->spec;
    for (int i = 0; i < input->note_count; i++) {
        char text[STATUS_TEXT_SIZE + 32];
        snprintf(text, sizeof text, "left out: %s", input->notes[i]);
        if (spec->message)
            spec->message(spec->context, text);
        free(input->notes[i]);
    }
    input->note_count = 0;
}

Status input_take(Input *input, int32_t dtype, void *const *images,
                  void *labels, bool *valid)
{
    const InputSpec *spec = &input->spec;
    Slot *slot = &input->slots[0];
    double start = clock_seconds();
    pthread_mutex_lock(&input->lock);
    for (int i = 0; i < SLOTS; i++)
        if (input->slots[i].turn == input->turn)
            slot = &input->slots[i];
    while (slot->done < spec->batch)
        pthread_cond_wait(&input->ready, &input->lock);
    Status failure = input->failure;
    tell_notes(input);
    pthread_mutex_unlock(&input->lock);
    input->waited += clock_seconds() - start;
    if (failure.code != STATUS_OK)
        return failure;

    // A full slot belongs to this thread until it is scheduled again.
    for (int i = 0; i < spec->group_count; i++)
        if (spec->groups[i].views)
            copy_numbers(images[i], dtype, slot->images[i],
                         group_floats(spec, i));
    if (labels)
        copy_numbers(labels, dtype, slot->labels,
                     (size_t)spec->batch * (size_t)spec->label_width);
    if (valid)
        memcpy(valid, slot->valid, (size_t)spec->batch * sizeof *valid);
    pthread_mutex_lock(&input->lock);
    schedule(input, slot, input->turn + SLOTS);
    input->turn++;
    pthread_mutex_unlock(&input->lock);
    return status_ok();
}

double input_wait_seconds(const Input *input)
{
    return input->waited;
}

void input_set_groups(InputSpec *spec, const ProgramPhase *phase,
                      bool evaluation, void *const *images)
{
    int first_view = 0;
    spec->channels = phase->channels;
    spec->label_width = phase_label_width(phase);
    spec->group_count = phase->group_count;
    for (int i = 0; i < phase->group_count; i++) {
        const ViewGroup *group = &phase->groups[i];
        spec->groups[i] = (InputViews){
            .augment = evaluation ? group->evaluate : group->augment,
            .augment_count =
                evaluation ? group->evaluate_count : group->augment_count,
            .views = images[i] ? group->views : 0,
            .first_view = first_view,
            .height = group->height,
            .width = group->width};
        first_view += group->views;
    }
}

// ---- decoding size ----------------------------------------------------------

// The smallest box an operation cuts is, relative to the image's side, the
// root of its least area and aspect: random_crop's args are size, area_min,
// area_max, aspect_min; center_crop's size, proportion; pad_crop's size.
static double needed_side(const AugmentStep *step)
{
    const double *args = step->args;
    switch (step->op) {
    case AUGMENT_RANDOM_CROP:
        return args[0] / sqrt(fmax(args[1] * args[3], 1e-6));
    case AUGMENT_CENTER_CROP:
        return args[0] / fmax(args[1], 1e-3);
    case AUGMENT_PAD_CROP:
        return args[0];
    default:
        return 0;
    }
}

int input_min_side(const Program *program)
{
    double side = 1;
    for (int p = 0; p < program->phase_count; p++) {
        const ProgramPhase *phase = &program->phases[p];
        for (int k = 0; k < phase->group_count; k++) {
            const ViewGroup *group = &phase->groups[k];
            for (int i = 0; i < group->augment_count; i++)
                side = fmax(side, needed_side(&group->augment[i]));
            for (int i = 0; i < group->evaluate_count; i++)
                side = fmax(side, needed_side(&group->evaluate[i]));
        }
    }
    return (int)ceil(fmin(side, 65536));
}
