// Which augmentation pipelines can run.
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "runtime/data/augment.h"

// Of steps in steps; the language allows fewer.
enum { MAX_DEPTH = 16 };

typedef enum ParamKind {
    ARG_NONE, // an operation has fewer
    ARG_NUMBER,
    ARG_WHOLE,
    ARG_WORD,
    ARG_STEPS,
} ParamKind;

static const struct {
    const char *name;
    struct {
        ParamKind kind;
        const char *name;
        const char *words; // that an argument chooses from; else NULL
        double low, high;
    } params[AUGMENT_MAX_ARGS];
} rows[] = {
#define PARAM(name, value, low, high)  {ARG_NUMBER, #name, NULL, low, high},
#define WHOLE(name, value, low, high)  {ARG_WHOLE, #name, NULL, low, high},
#define CHOICE(name, words)            {ARG_WORD, #name, words, 0, 0},
#define STEPS(name)                    {ARG_STEPS, #name, NULL, 0, INT32_MAX},
#define AUGMENT(id, name, doc, params) {#name, {params}},
#include "runtime/data/augment.def"
#undef AUGMENT
#undef STEPS
#undef CHOICE
#undef WHOLE
#undef PARAM
};

const char *augment_name(int op)
{
    return rows[op].name;
}

static bool is_crop(int op)
{
    return op == AUGMENT_RANDOM_CROP || op == AUGMENT_CENTER_CROP ||
           op == AUGMENT_PAD_CROP;
}

static bool has_steps(int op)
{
    return rows[op].params[0].kind == ARG_STEPS;
}

int augment_next(const AugmentStep *steps, int at)
{
    return at + 1 + (has_steps(steps[at].op) ? (int)steps[at].args[0] : 0);
}

// Random_apply and random_choice within each other: `depth` more.
static bool is_sound(const AugmentStep *steps, int count, int depth)
{
    for (int i = 0; i < count; i++) {
        if (steps[i].op < 0 || steps[i].op >= AUGMENT_COUNT)
            return false;
        if (!has_steps(steps[i].op))
            continue;
        double belong = steps[i].args[0];
        if (!(belong >= 0 && belong < count - i) || belong != floor(belong))
            return false;
        if (depth == 0 || !is_sound(steps + i + 1, (int)belong, depth - 1))
            return false;
        i += (int)belong;
    }
    return true;
}

bool augment_is_sound(const AugmentStep *steps, int count)
{
    return is_sound(steps, count, MAX_DEPTH);
}

// One argument that is not in its range.
static Status check_argument(const AugmentStep *step, int i)
{
    const char *name = augment_name(step->op);
    const char *param = rows[step->op].params[i].name;
    const char *words = rows[step->op].params[i].words;
    double value = step->args[i], low = rows[step->op].params[i].low;
    double high = rows[step->op].params[i].high;
    ParamKind kind = rows[step->op].params[i].kind;
    for (; words && *words; words++)
        high += *words == '|';
    bool whole = kind != ARG_NUMBER;
    if (!(value >= low && value <= high) || (whole && value != floor(value)))
        return status_error(STATUS_FAILED,
                            words ? "augmentation %s: %s is none of its words"
                                  : "augmentation %s: %s must be a %snumber "
                                    "from %g to %g",
                            name, param, whole ? "whole " : "", low, high);
    size_t length = strlen(param);
    if (length > 4 && strcmp(param + length - 4, "_max") == 0 &&
        value < step->args[i - 1])
        return status_error(STATUS_FAILED,
                            "augmentation %s: %s is less than %s", name, param,
                            rows[step->op].params[i - 1].name);
    return status_ok();
}

static Status check_jitter(const double *args)
{
    bool torch = args[7] != 0;
    if (!torch && (args[0] * args[3] > 1 || args[0] * args[4] > 1))
        return status_error(STATUS_FAILED,
                            "augmentation color_jitter: strength times "
                            "contrast and strength times saturation must not "
                            "exceed 1");
    if (args[0] * args[5] > 0.5)
        return status_error(STATUS_FAILED,
                            "augmentation color_jitter: strength times hue "
                            "must not exceed 0.5");
    return status_ok();
}

// Red, green and blue.
static bool needs_colors(const AugmentStep *step)
{
    // Of enhance's words sharpness and brightness are of each channel.
    return step->op == AUGMENT_COLOR_JITTER || step->op == AUGMENT_GRAYSCALE ||
           (step->op == AUGMENT_ENHANCE && step->args[0] >= 2);
}

Status augment_check(const AugmentStep *steps, int count, int channels,
                     int height, int width)
{
    int size = 0, top = 0;
    if (!augment_is_sound(steps, count))
        return status_error(STATUS_FAILED,
                            "the augmentation has unknown operations");
    for (int i = 0; i < count; i++) {
        int op = steps[i].op;
        for (int k = 0; k < AUGMENT_MAX_ARGS; k++)
            if (rows[op].params[k].kind != ARG_NONE)
                TRY(check_argument(&steps[i], k));
        if (channels != 3 && needs_colors(&steps[i]))
            return status_error(STATUS_FAILED,
                                "augmentation %s needs three channels, red, "
                                "green and blue; the images have %d",
                                augment_name(op), channels);
        if (op == AUGMENT_COLOR_JITTER)
            TRY(check_jitter(steps[i].args));
        if (op == AUGMENT_RANDOM_CHOICE && steps[i].args[0] == 0)
            return status_error(STATUS_FAILED,
                                "augmentation random_choice: there is "
                                "nothing to choose from");
        if (is_crop(op) && i != top)
            return status_error(STATUS_FAILED,
                                "augmentation %s: a crop may not be left to "
                                "chance",
                                augment_name(op));
        if (is_crop(op))
            size = (int)steps[i].args[0];
        if (i == top)
            top = augment_next(steps, top);
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
