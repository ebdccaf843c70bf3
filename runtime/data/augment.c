#include "runtime/data/augment.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/philox.h"
#include "runtime/data/augment_blur.h"
#include "runtime/data/augment_color.h"
#include "runtime/data/augment_move.h"
#include "runtime/data/augment_noise.h"
#include "runtime/data/augment_resize.h"
#include "runtime/data/augment_tone.h"

// The last loop of this file turns rows around in vectors.
#pragma GCC optimize("O3", "no-trapping-math")

enum { MAX_PENDING = 16 };

// The image between two operations: first the caller's bytes, after the first
// operation planes. Colour operations wait until something else needs the
// pixels, and a flip until they are written: fewer passes over the image.
typedef struct AugmentFrame {
    int width, height, channels;
    const uint8_t *bytes; // the caller's picture, until an operation wrote
    const float *given;   // or the caller's planes
    float *planes;
    bool mirrored, clipped;
    ColorStep pending[MAX_PENDING];
    int pending_count;
    AugmentScratch *scratch;
    SimdLevel level;
} AugmentFrame;

// Adds to what the caller wants to know about this view.
__attribute__((format(printf, 2, 3))) static void
tell(const AugmentFrame *frame, const char *format, ...)
{
    char *told = frame->scratch->told;
    if (!told)
        return;
    size_t used = strlen(told);
    va_list args;
    va_start(args, format);
    if (used > 0 && used + 2 < AUGMENT_TOLD)
        used += (size_t)snprintf(told + used, AUGMENT_TOLD - used, "; ");
    vsnprintf(told + used, AUGMENT_TOLD - used, format, args);
    va_end(args);
}

// ---- memory ----------------------------------------------------------------

static bool reserve(AugmentRoom *room, int64_t floats)
{
    if (floats <= room->floats)
        return true;
    free(room->at);
    room->at = malloc((size_t)floats * sizeof *room->at);
    room->floats = room->at ? floats : 0;
    return room->at != NULL;
}

void augment_scratch_free(AugmentScratch *scratch)
{
    free(scratch->planes.at);
    free(scratch->spare.at);
    free(scratch->work.at);
    *scratch = (AugmentScratch){0};
}

// What was written to the spare planes is the image now.
static void take_spare(AugmentFrame *frame)
{
    AugmentRoom kept = frame->scratch->planes;
    frame->scratch->planes = frame->scratch->spare;
    frame->scratch->spare = kept;
    frame->planes = frame->scratch->planes.at;
    frame->bytes = NULL;
    frame->given = NULL;
}

// ---- pixels ----------------------------------------------------------------

static int64_t pixel_count(const AugmentFrame *frame)
{
    return (int64_t)frame->width * frame->height;
}

// Of all channels.
static int64_t value_count(const AugmentFrame *frame)
{
    return frame->channels * pixel_count(frame);
}

// Operations that change pixels in place need planes.
static bool unpack_bytes(AugmentFrame *frame)
{
    if (!frame->bytes && !frame->given)
        return true;
    int64_t count = pixel_count(frame);
    if (!reserve(&frame->scratch->planes, value_count(frame)))
        return false;
    frame->planes = frame->scratch->planes.at;
    if (frame->given)
        memcpy(frame->planes, frame->given,
               (size_t)value_count(frame) * sizeof *frame->planes);
    for (int64_t i = 0; frame->bytes && i < count; i++)
        for (int c = 0; c < 3; c++)
            frame->planes[c * count + i] =
                (float)frame->bytes[3 * i + c] * (1.0f / 255);
    frame->bytes = NULL;
    frame->given = NULL;
    frame->clipped = true;
    return true;
}

static void run_pending(AugmentFrame *frame)
{
    int64_t count = pixel_count(frame);
    ColorPlanes planes = {frame->planes, frame->planes + count,
                          frame->planes + 2 * count, count};
    if (frame->pending_count > 0 && frame->channels != 3) {
        // What needs no colours is all that augment_check lets through.
        for (int i = 0; i < frame->pending_count; i++)
            tone_scale(frame->planes, value_count(frame),
                       frame->pending[i].factor);
        frame->clipped = true;
    } else if (frame->pending_count > 0) {
        color_run(frame->level, planes, frame->pending, frame->pending_count);
        frame->clipped = true;
    }
    frame->pending_count = 0;
}

static void add_color(AugmentFrame *frame, ColorKind kind, double factor)
{
    if (frame->pending_count == MAX_PENDING)
        run_pending(frame);
    frame->pending[frame->pending_count++] = (ColorStep){kind, (float)factor};
}

// What waits is done, and values lie in [0, 1].
static void run_clipped(AugmentFrame *frame)
{
    if (!frame->clipped && frame->pending_count == 0)
        add_color(frame, COLOR_SCALE, 1);
    run_pending(frame);
}

SIMD_BODY void write_rows_loop(const float *restrict from, float *restrict out,
                               int64_t rows, int width, bool mirrored)
{
    for (int64_t row = 0; row < rows; row++) {
        const float *read = from + row * width;
        float *write = out + row * width;
        for (int x = 0; x < width; x++) {
            float value = mirrored ? read[width - 1 - x] : read[x];
            value = value < 1 ? value : 1;
            write[x] = value > 0 ? value : 0;
        }
    }
}

SIMD_LOOP(write_rows, (from, out, rows, width, mirrored), const float *from,
          float *out, int64_t rows, int width, bool mirrored)

// Clipped, and turned around where a flip waits.
static void write_planes(AugmentFrame *frame, float *out)
{
    run_pending(frame);
    write_rows(frame->level, frame->planes, out,
               frame->channels * (int64_t)frame->height, frame->width,
               frame->mirrored);
    frame->mirrored = false;
    frame->clipped = true;
}

// Before pixels move: what waits is done.
static bool settle(AugmentFrame *frame)
{
    run_pending(frame);
    if (!frame->mirrored)
        return true;
    if (!reserve(&frame->scratch->spare, value_count(frame)))
        return false;
    write_planes(frame, frame->scratch->spare.at);
    take_spare(frame);
    return true;
}

// ---- crops -----------------------------------------------------------------

static bool resize_frame(AugmentFrame *frame, CropBox box, ResizeKind kind,
                         int size)
{
    AugmentScratch *scratch = frame->scratch;
    if (!reserve(&scratch->spare, frame->channels * (int64_t)size * size) ||
        !reserve(&scratch->work, resize_scratch_floats(kind, box, size, size)))
        return false;
    ResizeSource source = {frame->width, frame->height, frame->bytes,
                           frame->given ? frame->given : frame->planes,
                           frame->channels};
    resize_box(frame->level, &source, box, kind, size, size, scratch->work.at,
               scratch->spare.at);
    take_spare(frame);
    frame->width = frame->height = size;
    frame->clipped = false;
    return true;
}

static bool run_random_crop(AugmentFrame *frame, const double *args,
                            RandomStream *stream)
{
    CropRange range = {args[1], args[2], args[3], args[4]};
    CropBox box = crop_random_box(stream, (CropSampler)args[5], frame->width,
                                  frame->height, range);
    tell(frame, "random_crop %d x %d at %d, %d", box.width, box.height, box.x,
         box.y);
    return resize_frame(frame, box, (ResizeKind)args[6], (int)args[0]);
}

static bool run_center_crop(AugmentFrame *frame, const double *args)
{
    CropBox box = crop_center_box(frame->width, frame->height, args[1]);
    tell(frame, "center_crop %d x %d at %d, %d", box.width, box.height, box.x,
         box.y);
    return resize_frame(frame, box, (ResizeKind)args[2], (int)args[0]);
}

// The padded image is never made: the shifted copy reads zeros outside.
static bool run_pad_crop(AugmentFrame *frame, const double *args,
                         RandomStream *stream)
{
    int size = (int)args[0], pad = (int)args[1];
    CropBox whole = {0, 0, frame->width, frame->height};
    int64_t floats = frame->channels * (int64_t)size * size;
    if (!resize_frame(frame, whole, RESIZE_TF2, size) ||
        !reserve(&frame->scratch->spare, floats))
        return false;
    int dy = (int)random_below(stream, 2 * pad + 1) - pad;
    int dx = (int)random_below(stream, 2 * pad + 1) - pad;
    tell(frame, "pad_crop at %d, %d", dx, dy);
    int from = dx > 0 ? dx : 0, to = dx > 0 ? 0 : -dx;
    int count = size - abs(dx);
    float *moved = frame->scratch->spare.at;
    memset(moved, 0, (size_t)floats * sizeof *moved);
    for (int c = 0; c < frame->channels; c++)
        for (int y = 0; y < size; y++) {
            if (y + dy < 0 || y + dy >= size || count <= 0)
                continue;
            int64_t row = (int64_t)c * size + y;
            memcpy(moved + row * size + to,
                   frame->planes + (row + dy) * size + from,
                   (size_t)count * sizeof(float));
        }
    take_spare(frame);
    return true;
}

// ---- colours and blur ------------------------------------------------------

enum { JITTER_BRIGHTNESS, JITTER_CONTRAST, JITTER_SATURATION, JITTER_HUE };

// Arguments of color_jitter after its four ranges.
enum { JITTER_BY_SHIFT = 6, JITTER_LIKE_TORCH = 7 };

static ColorKind jitter_kind(const double *args, int part)
{
    bool torch = args[JITTER_LIKE_TORCH] != 0;
    switch (part) {
    case JITTER_BRIGHTNESS:
        return args[JITTER_BY_SHIFT] != 0 ? COLOR_ADD : COLOR_SCALE;
    case JITTER_CONTRAST:
        return torch ? COLOR_LUMA_CONTRAST : COLOR_CONTRAST;
    case JITTER_SATURATION:
        return torch ? COLOR_BLEND : COLOR_SATURATION;
    default:
        return COLOR_HUE;
    }
}

// Hue and a brightness that is added vary around 0 and so may be negative.
static bool is_signed(const double *args, int part)
{
    return part == JITTER_HUE ||
           (part == JITTER_BRIGHTNESS && args[JITTER_BY_SHIFT] != 0);
}

// Every draw is made whether used or not, so that one range at zero leaves
// the others' factors alone.
static void run_color_jitter(AugmentFrame *frame, const double *args,
                             RandomStream *stream)
{
    static const char *const parts[] = {"brightness", "contrast", "saturation",
                                        "hue"};
    bool apply = random_uniform(stream) < args[1];
    int order[4] = {0, 1, 2, 3};
    for (int i = 3; i > 0; i--) {
        int j = (int)random_below(stream, i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    double factor[4], range[4];
    for (int part = 0; part < 4; part++) {
        double middle = is_signed(args, part) ? 0 : 1;
        range[part] = args[2 + part] * args[0];
        double low = middle - range[part];
        if (middle > 0 && low < 0)
            low = 0;
        factor[part] = random_range(stream, low, middle + range[part]);
    }
    for (int i = 0; apply && i < 4; i++) {
        int part = order[i];
        if (range[part] == 0)
            continue;
        tell(frame, is_signed(args, part) ? "%s %+.3g" : "%s x %.3g",
             parts[part], factor[part]);
        add_color(frame, jitter_kind(args, part), factor[part]);
    }
}

static bool run_blur(AugmentFrame *frame, const double *args,
                     RandomStream *stream, RandomStream *batch_stream)
{
    if (random_uniform(stream) >= args[0])
        return true;
    double sigma = random_range(batch_stream, args[1], args[2]);
    tell(frame, "blur %.3g", sigma);
    int64_t floats = blur_scratch_floats(frame->width, frame->height);
    if (!reserve(&frame->scratch->work, floats))
        return false;
    run_clipped(frame);
    for (int c = 0; c < frame->channels; c++)
        blur_plane(frame->level, frame->planes + c * pixel_count(frame),
                   frame->scratch->work.at, frame->width, frame->height, sigma);
    frame->clipped = false; // by the rounding of the weights
    return true;
}

// ---- tones, places, noise --------------------------------------------------

// Between args[0] and args[1], one of args[2] values where that is not 0, and
// negated or not where the operation has a sign, args[3], and it is "random".
static double draw_amount(RandomStream *stream, const double *args,
                          bool has_sign)
{
    double low = args[0], high = args[1], levels = args[2];
    double amount = low;
    if (levels == 0)
        amount = random_range(stream, low, high);
    else if (levels > 1)
        amount += (high - low) * (double)random_below(stream, (int64_t)levels) /
                  (levels - 1);
    bool negative = has_sign && args[3] != 0 && random_below(stream, 2) == 1;
    return negative ? -amount : amount;
}

// The channels after each other: solarize, posterize, equalize, autocontrast.
static void run_tone(AugmentFrame *frame, int op, double amount)
{
    int64_t count = pixel_count(frame);
    run_clipped(frame);
    if (op == AUGMENT_SOLARIZE) {
        tell(frame, "solarize %.3g", amount);
        tone_solarize(frame->planes, value_count(frame), (float)amount);
    } else if (op == AUGMENT_POSTERIZE) {
        int bits = (int)rint(amount);
        tell(frame, "posterize %d", bits);
        tone_posterize(frame->planes, value_count(frame), bits);
    } else {
        tell(frame, "%s", augment_name(op));
        for (int c = 0; c < frame->channels; c++)
            (op == AUGMENT_EQUALIZE ? tone_equalize : tone_autocontrast)(
                frame->planes + c * count, count);
    }
}

// In the order of the words in augment.def.
enum { ENHANCE_SHARPNESS };

static bool run_enhance(AugmentFrame *frame, int what, double amount)
{
    static const char *const names[] = {"sharpness", "brightness", "contrast",
                                        "saturation"};
    static const ColorKind kinds[] = {COLOR_SCALE, COLOR_SCALE,
                                      COLOR_LUMA_CONTRAST, COLOR_BLEND};
    double factor = 1 + amount;
    tell(frame, "%s x %.3g", names[what], factor);
    if (what != ENHANCE_SHARPNESS) {
        add_color(frame, kinds[what], factor);
        return true;
    }
    int64_t count = pixel_count(frame);
    run_clipped(frame);
    if (!reserve(&frame->scratch->spare, value_count(frame)))
        return false;
    for (int c = 0; c < frame->channels; c++)
        tone_sharpen(frame->planes + c * count,
                     frame->scratch->spare.at + c * count, frame->width,
                     frame->height, (float)factor);
    take_spare(frame);
    return true;
}

static bool run_move(AugmentFrame *frame, const MoveMap *map, bool nearest)
{
    int64_t count = pixel_count(frame);
    run_clipped(frame);
    if (!settle(frame) || !reserve(&frame->scratch->spare, value_count(frame)))
        return false;
    for (int c = 0; c < frame->channels; c++)
        move_plane(frame->planes + c * count,
                   frame->scratch->spare.at + c * count, frame->width,
                   frame->height, map, nearest);
    take_spare(frame);
    return true;
}

static bool run_quarter_turn(AugmentFrame *frame, RandomStream *stream)
{
    int turns = 1 + (int)random_below(stream, 3);
    int64_t count = pixel_count(frame);
    tell(frame, "turned by %d degrees", 90 * turns);
    if (!settle(frame) || !reserve(&frame->scratch->spare, value_count(frame)))
        return false;
    for (int c = 0; c < frame->channels; c++)
        move_quarter_turns(frame->planes + c * count,
                           frame->scratch->spare.at + c * count, frame->width,
                           frame->height, turns);
    take_spare(frame);
    if (turns != 2) {
        int width = frame->width;
        frame->width = frame->height;
        frame->height = width;
    }
    return true;
}

static bool run_erase(AugmentFrame *frame, const double *args,
                      RandomStream *stream)
{
    CropRange range = {args[1], args[2], args[3], args[4]};
    CropBox box = noise_erased_box(stream, frame->width, frame->height, range);
    if (box.width == 0)
        return true;
    tell(frame, "erase %d x %d at %d, %d", box.width, box.height, box.x, box.y);
    if (!settle(frame))
        return false;
    for (int c = 0; c < frame->channels; c++)
        for (int y = box.y; y < box.y + box.height; y++) {
            float *row =
                frame->planes + c * pixel_count(frame) + y * frame->width;
            for (int x = box.x; x < box.x + box.width; x++)
                row[x] =
                    (float)(args[5] != 0 ? random_uniform(stream) : args[6]);
        }
    return true;
}

static bool run_noise(AugmentFrame *frame, double sigma, RandomStream *stream)
{
    tell(frame, "noise %.3g", sigma);
    run_clipped(frame);
    if (!settle(frame))
        return false;
    noise_add(frame->planes, value_count(frame), sigma, stream);
    return true;
}

// Operations that are kept with probability p and may have an amount. It is
// drawn whether kept or not; what a single operation draws besides follows.
static bool run_with_amount(AugmentFrame *frame, const AugmentStep *step,
                            RandomStream *stream)
{
    const double *args = step->args;
    bool along_y = args[0] != 0; // of shear and translate
    switch ((AugmentOp)step->op) {
    case AUGMENT_SOLARIZE:
    case AUGMENT_POSTERIZE: {
        bool kept = random_uniform(stream) < args[0];
        double amount = draw_amount(stream, args + 1, false);
        if (kept)
            run_tone(frame, step->op, amount);
        return true;
    }
    case AUGMENT_ROTATE: {
        bool kept = random_uniform(stream) < args[0];
        double degrees = draw_amount(stream, args + 1, true);
        if (!kept)
            return true;
        tell(frame, "rotate %.3g", degrees);
        MoveMap map = move_rotation(degrees, frame->width, frame->height);
        return run_move(frame, &map, args[5] != 0);
    }
    case AUGMENT_NOISE: {
        bool kept = random_uniform(stream) < args[0];
        double sigma = random_range(stream, args[1], args[2]);
        return !kept || run_noise(frame, sigma, stream);
    }
    default:
        break;
    }
    bool kept = random_uniform(stream) < args[1];
    double amount = draw_amount(stream, args + 2, true);
    if (!kept)
        return true;
    if (step->op == AUGMENT_ENHANCE)
        return run_enhance(frame, (int)args[0], amount);
    MoveMap map;
    if (step->op == AUGMENT_SHEAR) {
        tell(frame, "shear_%s %.3g", along_y ? "y" : "x", amount);
        map = move_shear(along_y, amount);
    } else {
        tell(frame, "translate_%s %d", along_y ? "y" : "x", (int)amount);
        map = move_translation(along_y, (int)amount);
    }
    return run_move(frame, &map, step->op != AUGMENT_SHEAR || args[6] != 0);
}

// ---- pipelines -------------------------------------------------------------

// The coordinate of an operation: the phase, its name, and how many of that
// name went before.
static uint64_t step_name(const AugmentStep *steps, int at, uint64_t phase,
                          const char *prefix)
{
    uint64_t before = 0;
    for (int i = 0; i < at; i++)
        before += steps[i].op == steps[at].op;
    return phase ^ (random_name(augment_name(steps[at].op)) +
                    random_name(prefix) * (before + 1));
}

static bool run_crop(AugmentFrame *frame, const AugmentStep *step,
                     RandomStream *stream)
{
    if (!settle(frame))
        return false;
    if (step->op == AUGMENT_RANDOM_CROP)
        return run_random_crop(frame, step->args, stream);
    if (step->op == AUGMENT_CENTER_CROP)
        return run_center_crop(frame, step->args);
    return run_pad_crop(frame, step->args, stream);
}

// Operations of which nothing but whether they are kept has been drawn.
static bool run_kept(AugmentFrame *frame, const AugmentStep *step,
                     RandomStream *stream)
{
    switch ((AugmentOp)step->op) {
    case AUGMENT_FLIP:
        tell(frame, "flip");
        frame->mirrored = !frame->mirrored;
        return true;
    case AUGMENT_GRAYSCALE:
        tell(frame, "grayscale");
        add_color(frame, COLOR_GRAY, 0);
        return true;
    case AUGMENT_QUARTER_TURN:
        return run_quarter_turn(frame, stream);
    case AUGMENT_ERASE:
        return run_erase(frame, step->args, stream);
    default:
        run_tone(frame, step->op, 0);
        return true;
    }
}

static bool run_steps(AugmentFrame *frame, const AugmentStep *steps, int from,
                      int to, const AugmentKey *key);

// Steps[at] and what belongs to it.
static bool run_step(AugmentFrame *frame, const AugmentStep *steps, int at,
                     const AugmentKey *key)
{
    const double *args = steps[at].args;
    int next = augment_next(steps, at);
    uint64_t name = step_name(steps, at, key->phase, "augment");
    RandomStream stream =
        random_stream(key->seed, name, key->epoch, key->sample, key->view);
    switch ((AugmentOp)steps[at].op) {
    case AUGMENT_RANDOM_CROP:
    case AUGMENT_CENTER_CROP:
    case AUGMENT_PAD_CROP:
        return run_crop(frame, &steps[at], &stream);
    default:
        break;
    }
    if (!unpack_bytes(frame))
        return false;
    switch ((AugmentOp)steps[at].op) {
    case AUGMENT_RANDOM_APPLY:
        return random_uniform(&stream) >= args[1] ||
               run_steps(frame, steps, at + 1, next, key);
    case AUGMENT_RANDOM_CHOICE: {
        int choices = 0;
        for (int i = at + 1; i < next; i = augment_next(steps, i))
            choices++;
        int chosen = at + 1;
        for (int64_t skip = random_below(&stream, choices); skip > 0; skip--)
            chosen = augment_next(steps, chosen);
        return run_step(frame, steps, chosen, key);
    }
    case AUGMENT_COLOR_JITTER:
        run_color_jitter(frame, args, &stream);
        return true;
    case AUGMENT_BLUR: {
        uint64_t batch = step_name(steps, at, key->phase, "augment batch");
        RandomStream of_batch =
            random_stream(key->seed, batch, key->step, key->view, 0);
        return run_blur(frame, args, &stream, &of_batch);
    }
    case AUGMENT_FLIP:
    case AUGMENT_GRAYSCALE:
    case AUGMENT_EQUALIZE:
    case AUGMENT_AUTOCONTRAST:
    case AUGMENT_QUARTER_TURN:
    case AUGMENT_ERASE:
        return random_uniform(&stream) >= args[0] ||
               run_kept(frame, &steps[at], &stream);
    default:
        return run_with_amount(frame, &steps[at], &stream);
    }
}

static bool run_steps(AugmentFrame *frame, const AugmentStep *steps, int from,
                      int to, const AugmentKey *key)
{
    bool done = true;
    for (int at = from; at < to && done; at = augment_next(steps, at))
        done = run_step(frame, steps, at, key);
    return done;
}

Status augment_image(const AugmentStep *steps, int count, const Image *image,
                     const AugmentKey *key, AugmentScratch *scratch, int height,
                     int width, float *out)
{
    TRY(augment_check(steps, count, image->channels, height, width));
    AugmentFrame frame = {.width = image->width,
                          .height = image->height,
                          .channels = image->channels,
                          .bytes = image->pixels,
                          .given = image->planes,
                          .scratch = scratch,
                          .level = simd_level()};
    if (scratch->told)
        scratch->told[0] = 0;
    bool done = run_steps(&frame, steps, 0, count, key);
    if (done)
        write_planes(&frame, out);
    return done ? status_ok()
                : status_error(STATUS_MEMORY,
                               "no memory to augment a %dx%d image",
                               image->width, image->height);
}
