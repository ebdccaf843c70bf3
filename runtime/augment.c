#include "runtime/augment.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/augment_blur.h"
#include "runtime/augment_color.h"
#include "runtime/augment_crop.h"
#include "runtime/philox.h"

enum { MAX_SIZE = 4096 };

static const char *const op_names[] = {
#define AUGMENT(id, name, doc, params) #name,
#include "runtime/augment.def"
#undef AUGMENT
};

// The image between two operations: first the caller's bytes, after the first
// operation planes of our own. `spare` is as large as `planes`.
typedef struct AugmentFrame {
    int width, height;
    const uint8_t *bytes;
    float *planes, *spare;
    int64_t room; // floats in each of planes and spare
} AugmentFrame;

static bool reserve_planes(AugmentFrame *frame, int width, int height)
{
    int64_t need = 3 * (int64_t)width * height;
    if (need <= frame->room)
        return true;
    float *spare = malloc((size_t)need * sizeof *spare);
    float *planes = malloc((size_t)need * sizeof *planes);
    if (!spare || !planes) {
        free(spare);
        free(planes);
        return false;
    }
    if (frame->room)
        memcpy(planes, frame->planes, (size_t)frame->room * sizeof *planes);
    free(frame->planes);
    free(frame->spare);
    frame->planes = planes;
    frame->spare = spare;
    frame->room = need;
    return true;
}

static void swap_planes(AugmentFrame *frame)
{
    float *planes = frame->planes;
    frame->planes = frame->spare;
    frame->spare = planes;
}

static ColorPlanes color_planes(const AugmentFrame *frame)
{
    int64_t count = (int64_t)frame->width * frame->height;
    return (ColorPlanes){frame->planes, frame->planes + count,
                         frame->planes + 2 * count, count};
}

static bool resize_frame(AugmentFrame *frame, CropBox box, int size)
{
    CropSource source = {frame->width, frame->height, frame->bytes, NULL};
    if (!reserve_planes(frame, size, size))
        return false;
    if (!source.bytes)
        source.planes = frame->planes;
    if (!crop_resize(&source, box, size, size, frame->spare))
        return false;
    swap_planes(frame);
    frame->bytes = NULL;
    frame->width = frame->height = size;
    return true;
}

// Operations that change pixels in place need planes.
static bool unpack_bytes(AugmentFrame *frame)
{
    if (!frame->bytes)
        return true;
    if (!reserve_planes(frame, frame->width, frame->height))
        return false;
    int64_t count = (int64_t)frame->width * frame->height;
    for (int64_t i = 0; i < count; i++)
        for (int c = 0; c < 3; c++)
            frame->planes[c * count + i] =
                (float)frame->bytes[3 * i + c] * (1.0f / 255);
    frame->bytes = NULL;
    return true;
}

static bool run_random_crop(AugmentFrame *frame, const double *args,
                            RandomStream *stream)
{
    CropRange range = {args[1], args[2], args[3], args[4]};
    CropBox box = crop_random_box(stream, frame->width, frame->height, range);
    return resize_frame(frame, box, (int)args[0]);
}

static bool run_center_crop(AugmentFrame *frame, const double *args)
{
    CropBox box = crop_center_box(frame->width, frame->height, args[1]);
    return resize_frame(frame, box, (int)args[0]);
}

// The padded image is never made: the shifted copy reads zeros outside.
static bool run_pad_crop(AugmentFrame *frame, const double *args,
                         RandomStream *stream)
{
    int size = (int)args[0], pad = (int)args[1];
    CropBox whole = {0, 0, frame->width, frame->height};
    if (!resize_frame(frame, whole, size))
        return false;
    int dy = (int)random_below(stream, 2 * pad + 1) - pad;
    int dx = (int)random_below(stream, 2 * pad + 1) - pad;
    int from = dx > 0 ? dx : 0, to = dx > 0 ? 0 : -dx;
    int count = size - abs(dx);
    memset(frame->spare, 0, (size_t)size * size * 3 * sizeof(float));
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < size; y++) {
            if (y + dy < 0 || y + dy >= size || count <= 0)
                continue;
            int64_t row = (int64_t)c * size + y;
            memcpy(frame->spare + row * size + to,
                   frame->planes + (row + dy) * size + from,
                   (size_t)count * sizeof(float));
        }
    swap_planes(frame);
    return true;
}

static void run_flip(AugmentFrame *frame, const double *args,
                     RandomStream *stream)
{
    if (random_uniform(stream) >= args[0])
        return;
    for (int64_t row = 0; row < 3 * (int64_t)frame->height; row++) {
        float *left = frame->planes + row * frame->width;
        for (float *right = left + frame->width - 1; left < right;
             left++, right--) {
            float kept = *left;
            *left = *right;
            *right = kept;
        }
    }
}

enum { JITTER_BRIGHTNESS, JITTER_CONTRAST, JITTER_SATURATION, JITTER_HUE };

static void run_jitter_part(ColorPlanes planes, int part, double factor)
{
    if (part == JITTER_BRIGHTNESS)
        color_brightness(planes, (float)factor);
    if (part == JITTER_CONTRAST)
        color_contrast(planes, (float)factor);
    if (part == JITTER_SATURATION)
        color_saturation(planes, (float)factor);
    if (part == JITTER_HUE)
        color_hue(planes, (float)factor);
}

// Every draw is made whether used or not, so that one range at zero leaves
// the others' factors alone.
static void run_color_jitter(AugmentFrame *frame, const double *args,
                             RandomStream *stream)
{
    bool apply = random_uniform(stream) < args[1];
    int order[4] = {0, 1, 2, 3};
    for (int i = 3; i > 0; i--) {
        int j = (int)random_below(stream, i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    double factor[4], range[4];
    for (int part = 0; part < 4; part++) {
        double middle = part == JITTER_HUE ? 0 : 1;
        range[part] = args[2 + part] * args[0];
        double low = middle - range[part];
        if (part == JITTER_BRIGHTNESS && low < 0)
            low = 0;
        factor[part] = random_range(stream, low, middle + range[part]);
    }
    for (int i = 0; apply && i < 4; i++)
        if (range[order[i]] > 0)
            run_jitter_part(color_planes(frame), order[i], factor[order[i]]);
}

static void run_grayscale(AugmentFrame *frame, const double *args,
                          RandomStream *stream)
{
    if (random_uniform(stream) < args[0])
        color_grayscale(color_planes(frame));
}

static void run_blur(AugmentFrame *frame, const double *args,
                     RandomStream *stream, RandomStream *batch_stream)
{
    if (random_uniform(stream) >= args[0])
        return;
    double sigma = random_range(batch_stream, args[1], args[2]);
    int64_t count = (int64_t)frame->width * frame->height;
    color_clip(color_planes(frame));
    for (int c = 0; c < 3; c++)
        blur_plane(frame->planes + c * count, frame->spare, frame->width,
                   frame->height, sigma);
}

// The coordinate of an operation: the phase, its name, and how many of that
// name went before.
static uint64_t step_name(const AugmentStep *steps, int at, uint64_t phase,
                          const char *prefix)
{
    uint64_t before = 0;
    for (int i = 0; i < at; i++)
        before += steps[i].op == steps[at].op;
    return phase ^ (random_name(op_names[steps[at].op]) +
                    random_name(prefix) * (before + 1));
}

static bool run_step(AugmentFrame *frame, const AugmentStep *steps, int at,
                     const AugmentKey *key)
{
    const double *args = steps[at].args;
    uint64_t name = step_name(steps, at, key->phase, "augment");
    RandomStream stream =
        random_stream(key->seed, name, key->epoch, key->sample, key->view);
    switch ((AugmentOp)steps[at].op) {
    case AUGMENT_RANDOM_CROP:
        return run_random_crop(frame, args, &stream);
    case AUGMENT_CENTER_CROP:
        return run_center_crop(frame, args);
    case AUGMENT_PAD_CROP:
        return run_pad_crop(frame, args, &stream);
    default:
        break;
    }
    if (!unpack_bytes(frame))
        return false;
    if (steps[at].op == AUGMENT_FLIP)
        run_flip(frame, args, &stream);
    if (steps[at].op == AUGMENT_COLOR_JITTER)
        run_color_jitter(frame, args, &stream);
    if (steps[at].op == AUGMENT_GRAYSCALE)
        run_grayscale(frame, args, &stream);
    if (steps[at].op == AUGMENT_BLUR) {
        uint64_t batch = step_name(steps, at, key->phase, "augment batch");
        RandomStream of_batch =
            random_stream(key->seed, batch, key->step, key->view, 0);
        run_blur(frame, args, &stream, &of_batch);
    }
    return true;
}

Status augment_image(const AugmentStep *steps, int count, const Image *image,
                     const AugmentKey *key, int height, int width, float *out)
{
    TRY(augment_check(steps, count, height, width));
    AugmentFrame frame = {image->width, image->height, image->pixels};
    bool done = true;
    for (int i = 0; i < count && done; i++)
        done = run_step(&frame, steps, i, key);
    if (done) {
        color_clip(color_planes(&frame));
        memcpy(out, frame.planes,
               3 * (size_t)height * (size_t)width * sizeof *out);
    }
    free(frame.planes);
    free(frame.spare);
    return done ? status_ok()
                : status_error(STATUS_MEMORY,
                               "no memory to augment a %dx%d image",
                               image->width, image->height);
}

static bool is_crop(int op)
{
    return op == AUGMENT_RANDOM_CROP || op == AUGMENT_CENTER_CROP ||
           op == AUGMENT_PAD_CROP;
}

static bool in_range(double value, double low, double high)
{
    return value >= low && value <= high;
}

// What is wrong with an operation's parameters, or NULL.
static const char *find_fault(const AugmentStep *step)
{
    const double *args = step->args;
    if (is_crop(step->op) &&
        !(in_range(args[0], 1, MAX_SIZE) && args[0] == floor(args[0])))
        return "size must be a whole number from 1 to 4096";
    switch ((AugmentOp)step->op) {
    case AUGMENT_RANDOM_CROP:
        if (!in_range(args[1], 0, 1) || !in_range(args[2], args[1], 1))
            return "areas must satisfy 0 <= area_min <= area_max <= 1";
        if (!in_range(args[3], 0.01, 100) || !in_range(args[4], args[3], 100))
            return "aspects must satisfy 0.01 <= aspect_min <= aspect_max "
                   "<= 100";
        return NULL;
    case AUGMENT_CENTER_CROP:
        return args[1] > 0 && args[1] <= 1 ? NULL
                                           : "proportion must be in (0, 1]";
    case AUGMENT_PAD_CROP:
        return in_range(args[1], 0, MAX_SIZE) && args[1] == floor(args[1])
                   ? NULL
                   : "pad must be a whole number from 0 to 4096";
    case AUGMENT_COLOR_JITTER:
        for (int i = 0; i < AUGMENT_MAX_ARGS; i++)
            if (!(args[i] >= 0))
                return "parameters must not be negative";
        if (args[0] * args[3] > 1 || args[0] * args[4] > 1)
            return "strength times contrast and strength times saturation "
                   "must not exceed 1";
        if (args[0] * args[5] > 0.5)
            return "strength times hue must not exceed 0.5";
        return args[1] <= 1 ? NULL : "p must be in [0, 1]";
    case AUGMENT_BLUR:
        if (!(args[1] > 0) || !in_range(args[2], args[1], 1e6))
            return "sigmas must satisfy 0 < sigma_min <= sigma_max";
        return in_range(args[0], 0, 1) ? NULL : "p must be in [0, 1]";
    case AUGMENT_FLIP:
    case AUGMENT_GRAYSCALE:
        return in_range(args[0], 0, 1) ? NULL : "p must be in [0, 1]";
    case AUGMENT_COUNT:
        break;
    }
    return "no such operation";
}

Status augment_check(const AugmentStep *steps, int count, int height, int width)
{
    int size = 0;
    for (int i = 0; i < count; i++) {
        int op = steps[i].op;
        if (op < 0 || op >= AUGMENT_COUNT)
            return status_error(STATUS_FAILED, "augmentation %d is unknown",
                                op);
        const char *fault = find_fault(&steps[i]);
        if (fault)
            return status_error(STATUS_FAILED, "augmentation %s: %s",
                                op_names[op], fault);
        if (is_crop(op))
            size = (int)steps[i].args[0];
    }
    if (size == 0)
        return status_error(STATUS_FAILED,
                            "the augmentation has no crop to give images "
                            "their size of %dx%d",
                            width, height);
    if (size != height || size != width)
        return status_error(STATUS_FAILED,
                            "the augmentation makes %dx%d images where the "
                            "net takes %dx%d",
                            size, size, width, height);
    return status_ok();
}
