// Which augmentation pipelines can run.
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime/data/augment.h"

enum { MAX_SIZE = 4096 };

// Names, and the words an argument chooses from; NULL = a number.
static const struct {
    const char *name;
    const char *words[AUGMENT_MAX_ARGS];
} rows[] = {
#define PARAM(name, value)             NULL,
#define CHOICE(name, words)            words,
#define AUGMENT(id, name, doc, params) {#name, {params}},
#include "runtime/data/augment.def"
#undef AUGMENT
#undef CHOICE
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

static bool in_range(double value, double low, double high)
{
    return value >= low && value <= high;
}

static bool is_word(const char *words, double value)
{
    int count = 1;
    for (; *words; words++)
        count += *words == '|';
    return in_range(value, 0, count - 1) && value == floor(value);
}

static const char *jitter_fault(const double *args)
{
    bool torch = args[7] != 0;
    for (int i = 0; i < 6; i++)
        if (!in_range(args[i], 0, 1e6))
            return "parameters must be at least 0";
    if (!torch && (args[0] * args[3] > 1 || args[0] * args[4] > 1))
        return "strength times contrast and strength times saturation "
               "must not exceed 1";
    if (args[0] * args[5] > 0.5)
        return "strength times hue must not exceed 0.5";
    return args[1] <= 1 ? NULL : "p must be in [0, 1]";
}

// What is wrong with an operation's parameters, or NULL.
static const char *find_fault(const AugmentStep *step)
{
    const double *args = step->args;
    for (int i = 0; i < AUGMENT_MAX_ARGS; i++)
        if (rows[step->op].words[i] &&
            !is_word(rows[step->op].words[i], args[i]))
            return "a choice is none of its words";
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
        return jitter_fault(args);
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
                                augment_name(op), fault);
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
