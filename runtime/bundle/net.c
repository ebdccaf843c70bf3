// The functions of simcc.h over the runtime that simcc itself runs nets by.
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "runtime/base/checksum.h"
#include "runtime/bundle/model.h"
#include "runtime/data/augment.h"
#include "runtime/exec/exec.h"
#include "runtime/exec/tiles.h"
#include "runtime/train/class_metrics.h"

#include "runtime/bundle/blas/cblas.h"

enum { DEFAULT_SIDE = 4096, MOST_THREADS = 256 };

// Kernels are linked: the loader of objects (loader.c) has no part in it.
struct CodeImage {
    const Plan *plan;
    PlanKernel *const *kernels;
};

struct SimccNet {
    const SimccModel *model;
    const ModelVariant *variant;
    Program *program;
    const ProgramPhase *phase;
    struct CodeImage code;
    Store store;        // names are the plan's, data the model's or in `own`
    unsigned char *own; // weights that this target stores in another order
    int64_t own_bytes;
    void *file; // mapped weights
    size_t file_bytes;
    Pool *pool;
    Executor *executor;
    AugmentScratch scratch;
    int side;
    const char **classes; // [width], or NULL
    char *class_text;
    float *input;
    const float *output;
    const PlanTensor *in, *out;
};

void (*simcc_sgemm)(int, int, int, int, int, int, float, const float *, int,
                    const float *, int, float, float *, int);
void (*simcc_dgemm)(int, int, int, int, int, int, double, const double *, int,
                    const double *, int, double, double *, int);

PlanKernel *code_find(const CodeImage *image, const char *symbol)
{
    for (int i = 0; i < image->plan->symbol_count; i++)
        if (strcmp(image->plan->symbols[i], symbol) == 0)
            return image->kernels[i];
    return NULL;
}

static int give(const Status *status, char *error)
{
    if (status->code != STATUS_OK && error)
        snprintf(error, SIMCC_ERROR, "%s", status->text);
    return status->code == STATUS_INTERNAL ? SIMCC_FAILED : (int)status->code;
}

// ---- floating point ---------------------------------------------------------

// Nets compute with denormals flushed to zero (pool.c); the caller's thread
// gets its own setting back.
static unsigned enter(void)
{
#ifdef __x86_64__
    unsigned kept = _mm_getcsr();
    _mm_setcsr(kept | 0x8040); // FTZ | DAZ
    return kept;
#else
    return 0;
#endif
}

static void leave(unsigned kept)
{
#ifdef __x86_64__
    _mm_setcsr(kept);
#else
    (void)kept;
#endif
}

// ---- what to run ------------------------------------------------------------

static int count_bits(CpuSet set)
{
    int count = 0;
    for (; set; set &= set - 1)
        count++;
    return count;
}

// Of this batch and target the one that asks most of the processor and gets it.
static Status choose_variant(SimccNet *net, const SimccOptions *options)
{
    const SimccModel *model = net->model;
    CpuSet here = cpu_here();
    int64_t batch = options->batch ? options->batch : model->variants[0].batch;
    const ModelVariant *refused = NULL;
    for (int64_t i = 0; i < model->variant_count; i++) {
        const ModelVariant *variant = &model->variants[i];
        if (variant->batch != batch ||
            (options->target && strcmp(variant->target, options->target) != 0))
            continue;
        if (variant->needs & ~here)
            refused = variant;
        else if (!net->variant ||
                 count_bits(variant->needs) > count_bits(net->variant->needs))
            net->variant = variant;
    }
    if (net->variant)
        return status_ok();
    if (refused)
        return cpu_check(refused->needs, here, refused->target);
    char known[256] = "";
    for (int64_t i = 0; i < model->variant_count; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s with batch %lld",
                 i ? ", " : "", model->variants[i].target,
                 (long long)model->variants[i].batch);
    }
    return status_error(STATUS_USAGE,
                        "the library was not made for this target or batch: "
                        "it has %s",
                        known);
}

// ---- weights ----------------------------------------------------------------

static Status map_weights(SimccNet *net, const char *path,
                          const unsigned char **weights)
{
    const SimccModel *model = net->model;
    struct stat found;
    if (!path)
        return status_error(STATUS_USAGE, "this library has its weights in a "
                                          "file beside it: say which in "
                                          "SimccOptions.weights");
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &found) != 0) {
        if (descriptor >= 0)
            close(descriptor);
        return status_error(STATUS_DATA, "cannot read the weights in %s", path);
    }
    net->file_bytes = (size_t)found.st_size;
    net->file = found.st_size ? mmap(NULL, net->file_bytes, PROT_READ,
                                     MAP_PRIVATE, descriptor, 0)
                              : MAP_FAILED;
    close(descriptor);
    if (net->file == MAP_FAILED) {
        net->file = NULL;
        return status_error(STATUS_DATA, "cannot map the weights in %s", path);
    }
    const ModelFile *head = net->file;
    Checksum sum = checksum_new();
    *weights = (const unsigned char *)(head + 1);
    if (net->file_bytes < sizeof *head ||
        memcmp(head->magic, MODEL_MAGIC, sizeof head->magic) != 0 ||
        head->bytes != model->weights_bytes ||
        net->file_bytes != sizeof *head + (size_t)head->bytes ||
        head->checksum != model->weights_checksum)
        return status_error(STATUS_DATA, "%s is not this library's weights",
                            path);
    checksum_add(&sum, *weights, head->bytes);
    if (checksum_value(&sum) != head->checksum)
        return status_error(STATUS_DATA, "%s is damaged", path);
    return status_ok();
}

static int64_t round_up(int64_t bytes)
{
    return (bytes + MODEL_ALIGN - 1) / MODEL_ALIGN * MODEL_ALIGN;
}

// Is the param stored in another order than the model's?
static bool is_moved(const SimccNet *net, const PlanParam *param)
{
    return net->model->in_rows && param->tile;
}

// Where each param lies: in the model, or, arranged for this target, in memory
// of the net's own.
static Status place_weights(SimccNet *net, const unsigned char *weights)
{
    const Plan *plan = &net->phase->eval;
    Store *store = &net->store;
    int64_t used = 0;
    for (int i = 0; i < plan->param_count; i++)
        if (is_moved(net, &plan->params[i]))
            net->own_bytes += round_up(plan->params[i].tensor.bytes);
    net->own = aligned_alloc(MODEL_ALIGN, (size_t)net->own_bytes + MODEL_ALIGN);
    store->tensors =
        calloc((size_t)plan->param_count + 1, sizeof *store->tensors);
    if (!net->own || !store->tensors)
        return status_error(STATUS_MEMORY, "no memory for the weights");
    for (int i = 0; i < plan->param_count; i++) {
        const PlanParam *param = &plan->params[i];
        unsigned char *data =
            (unsigned char *)weights + net->variant->places[i];
        if (is_moved(net, param)) {
            tiles_store(param, data, net->own + used);
            data = net->own + used;
            used += round_up(param->tensor.bytes);
        }
        store->tensors[store->count++] =
            (StoreTensor){.param = *param, .data = data};
    }
    return status_ok();
}

static Status open_weights(SimccNet *net, const SimccOptions *options)
{
    const unsigned char *weights = net->model->weights;
    if (!weights)
        TRY(map_weights(net, options->weights, &weights));
    return place_weights(net, weights);
}

static Status name_classes(SimccNet *net)
{
    int count = 0, width = simcc_width(net);
    if (!net->model->classes)
        return status_ok();
    net->class_text = strdup(net->model->classes);
    net->classes = calloc((size_t)width + 1, sizeof *net->classes);
    if (!net->class_text || !net->classes)
        return status_error(STATUS_MEMORY, "no memory for names");
    for (char *line = net->class_text; line && count < width; count++) {
        char *end = strchr(line, '\n');
        net->classes[count] = line;
        if (end)
            *end++ = '\0';
        line = end;
    }
    return status_ok();
}

// ---- life -------------------------------------------------------------------

// Has the largest picture put, so that later ones find all memory there. More
// than once, for the rooms of the scratch take turns (augment.c).
static Status reserve_scratch(SimccNet *net)
{
    SimccPicture blank = {
        .width = net->side, .height = net->side, .channels = 3};
    size_t area = (size_t)net->side * (size_t)net->side;
    if (net->phase->channels == 3) {
        blank.pixels = calloc(area, 3);
    } else {
        blank.channels = net->phase->channels;
        blank.planes = calloc(area * (size_t)blank.channels, sizeof(float));
    }
    char error[SIMCC_ERROR] = "no memory for pictures of that side";
    int code = SIMCC_MEMORY;
    for (int turn = 0; turn < 3 && (blank.pixels || blank.planes); turn++)
        if ((code = simcc_put(net, 0, &blank, error)) != SIMCC_OK)
            break;
    free(blank.pixels);
    free(blank.planes);
    memset(net->input, 0, (size_t)net->in->bytes);
    return code == SIMCC_OK ? status_ok()
                            : status_error((StatusCode)code, "%s", error);
}

static Status open_net(SimccNet *net, const SimccOptions *options)
{
    const SimccModel *model = net->model;
    if (model->version != MODEL_VERSION)
        return status_error(STATUS_FAILED, "the library's parts were made by "
                                           "different versions of simcc");
    if (options->threads < 0 || options->threads > MOST_THREADS ||
        options->batch < 0 || options->side < 0 || options->side > 1 << 15)
        return status_error(STATUS_USAGE,
                            "threads, batch or side is out of range");
    TRY(choose_variant(net, options));
    TRY(program_decode("the library", net->variant->program,
                       net->variant->program_bytes, &net->program));
    net->phase = &net->program->phases[0];
    const Plan *plan = &net->phase->eval;
    net->code = (struct CodeImage){plan, net->variant->kernels};
    net->in = &plan_input(plan, "images")->tensor;
    net->out = &plan->outputs[0].tensor;
    TRY(open_weights(net, options));
    TRY(name_classes(net));
    if (model->sgemm) {
        memcpy(&simcc_sgemm, &model->sgemm, sizeof simcc_sgemm);
        memcpy(&simcc_dgemm, &model->dgemm, sizeof simcc_dgemm);
        void (*limit)(int);
        memcpy(&limit, &model->blas_threads, sizeof limit);
        limit(1);
    }
    const SimccThreads *start = options->start;
    int threads = options->threads ? options->threads : 1;
    net->pool =
        start ? pool_new_on(threads, start->start, start->join, start->context)
              : pool_new(threads);
    if (!net->pool)
        return status_error(STATUS_MEMORY, "cannot start %d threads", threads);
    TRY(executor_new(plan, &net->code, &net->store, net->pool, &net->executor));
    net->input = executor_input(net->executor, net->in->name);
    net->output = executor_output(net->executor, net->out->name);
    net->side = options->side ? options->side : DEFAULT_SIDE;
    return reserve_scratch(net);
}

int simcc_init(const SimccModel *model, const SimccOptions *options,
               SimccNet **out, char *error)
{
    static const SimccOptions defaults;
    unsigned kept = enter();
    SimccNet *net = calloc(1, sizeof *net);
    Status status;
    if (net) {
        net->model = model;
        status = open_net(net, options ? options : &defaults);
    } else {
        status = status_error(STATUS_MEMORY, "no memory for a net");
    }
    if (status.code != STATUS_OK) {
        simcc_free(net);
        net = NULL;
    }
    leave(kept);
    *out = net;
    return give(&status, error);
}

void simcc_free(SimccNet *net)
{
    if (!net)
        return;
    executor_free(net->executor);
    pool_free(net->pool);
    augment_scratch_free(&net->scratch);
    free(net->store.tensors);
    free(net->own);
    if (net->file)
        munmap(net->file, net->file_bytes);
    free(net->classes);
    free(net->class_text);
    program_free(net->program);
    free(net);
}

// ---- use --------------------------------------------------------------------

int simcc_put(SimccNet *net, int row, const SimccPicture *picture, char *error)
{
    const ProgramPhase *phase = net->phase;
    const ViewGroup *group = phase_group_of(phase, net->in->dims[2]);
    int64_t width = net->in->dims[3], height = net->in->dims[2];
    Image image = {.width = picture->width,
                   .height = picture->height,
                   .channels = picture->channels,
                   .pixels = picture->pixels,
                   .planes = picture->planes};
    Status status = status_ok();
    if (row < 0 || row >= net->out->dims[0])
        status = status_error(STATUS_USAGE,
                              "row %d is none of the %lld of a "
                              "batch",
                              row, (long long)net->out->dims[0]);
    else if (image.width < 1 || image.height < 1 || image.width > net->side ||
             image.height > net->side)
        status = status_error(STATUS_DATA,
                              "a picture of %d x %d pixels: 1 to %d a side "
                              "(SimccOptions.side)",
                              image.width, image.height, net->side);
    else if (image.channels != phase->channels ||
             !(image.channels == 3 ? image.pixels || image.planes
                                   : image.planes != NULL))
        status = status_error(STATUS_DATA, "the net takes %d channel%s, as %s",
                              phase->channels, status_s(phase->channels),
                              phase->channels == 3 ? "pixels" : "planes");
    if (status.code == STATUS_OK) {
        unsigned kept = enter();
        AugmentKey key = {0};
        status =
            augment_image(group->evaluate, group->evaluate_count, &image, &key,
                          &net->scratch, (int)height, (int)width,
                          net->input + row * net->in->dims[1] * height * width);
        leave(kept);
    }
    return give(&status, error);
}

float *simcc_input(SimccNet *net)
{
    return net->input;
}

void simcc_input_size(const SimccNet *net, int *channels, int *height,
                      int *width)
{
    *channels = (int)net->in->dims[1];
    *height = (int)net->in->dims[2];
    *width = (int)net->in->dims[3];
}

void simcc_run(SimccNet *net)
{
    unsigned kept = enter();
    executor_run(net->executor);
    leave(kept);
}

const float *simcc_output(const SimccNet *net, int row)
{
    return net->output + (int64_t)row * simcc_width(net);
}

int simcc_width(const SimccNet *net)
{
    int64_t width = 1;
    for (int i = 1; i < net->out->rank; i++)
        width *= net->out->dims[i];
    return (int)width;
}

int simcc_batch(const SimccNet *net)
{
    return (int)net->out->dims[0];
}

int simcc_classify(const SimccNet *net, int row, double *probabilities)
{
    const float *scores = simcc_output(net, row);
    int best = 0, width = simcc_width(net);
    for (int i = 0; i < width; i++) {
        if (probabilities)
            probabilities[i] = scores[i];
        if (scores[i] != scores[i])
            best = -1;
        if (best >= 0 && scores[i] > scores[best])
            best = i;
    }
    if (!probabilities || best < 0)
        return best;
    if (net->phase->source == SOURCE_MULTI_LABELED)
        return class_sigmoid(probabilities, width) ? best : -1;
    return class_softmax(probabilities, width);
}

const char *simcc_class(const SimccNet *net, int index)
{
    return net->classes && index >= 0 && index < simcc_width(net)
               ? net->classes[index]
               : NULL;
}

const char *simcc_target(const SimccNet *net)
{
    return net->variant->target;
}

long long simcc_bytes(const SimccNet *net)
{
    const AugmentScratch *s = &net->scratch;
    return executor_bytes(net->executor) + net->own_bytes +
           (s->planes.floats + s->spare.floats + s->work.floats) *
               (long long)sizeof(float);
}
