#include "runtime/monitor/monitor.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

// A rule wants that many points in a row.
enum { IN_A_ROW = 3, MONITOR_TEXT = 512 };

// Shares of all steps, and bounds of what is normal. Features of a net with
// rectified outputs begin with a spread of about a half; contrastive training
// seldom brings it below a fifth.
static const double stuck_from = 0.2, stuck_within = 0.01, stuck_fall = 0.03;
enum { STUCK_STEPS = 30 };
static const double collapse_from = 0.02, collapse_spread = 0.03,
                    collapse_rank = 1.02;
static const double climb_share = 0.6, fall_least = 0.1;
static const double gradient_jump = 50;
static const double easy_until = 0.1, easy_accuracy = 0.995;
static const double wait_from = 20, wait_share = 0.3;

typedef struct Hearer {
    void (*warn)(void *context, const char *text);
    void *context;
} Hearer;

__attribute__((format(printf, 4, 5))) static void say(Monitor *monitor,
                                                      MonitorRule rule,
                                                      const Hearer *hearer,
                                                      const char *format, ...)
{
    char text[MONITOR_TEXT];
    va_list args;
    if (monitor->said[rule])
        return;
    monitor->said[rule] = true;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hearer->warn(hearer->context, text);
}

static double share_done(const MonitorPoint *point)
{
    return (double)point->step / (double)point->total_steps;
}

// The loss smoothed with a weight of a tenth, once there are ten points.
static void smooth(Monitor *monitor, double loss)
{
    double weight =
        monitor->points < 10 ? 1.0 / (double)(monitor->points + 1) : 0.1;
    monitor->smooth_loss += weight * (loss - monitor->smooth_loss);
    monitor->points++;
    if (monitor->points <= 10)
        monitor->first_loss = monitor->best_loss = monitor->smooth_loss;
    else
        monitor->best_loss = fmin(monitor->best_loss, monitor->smooth_loss);
}

// Without a reported chance nothing is known of where the loss should be. It
// may begin above that: a net that is falling from there is learning.
static void check_stuck(Monitor *monitor, const MonitorPoint *point,
                        const Hearer *hearer)
{
    if (!(point->chance > 0) || share_done(point) < stuck_from ||
        monitor->points < 10 || point->step < STUCK_STEPS ||
        monitor->smooth_loss < (1 - stuck_within) * point->chance ||
        monitor->smooth_loss < (1 - stuck_fall) * monitor->first_loss)
        return;
    say(monitor, MONITOR_STUCK, hearer,
        "after %" PRId64 " steps the loss of %.4g is no better than blind "
        "guessing (%.4g): nothing is learnt. Try another rate (first 10 times "
        "lower, then higher), a longer warm-up, or gentler augmentation; "
        "`simcc augment` shows the views",
        point->step, monitor->smooth_loss, point->chance);
}

static void check_collapse(Monitor *monitor, const MonitorPoint *point,
                           const Hearer *hearer)
{
    bool flat = point->spread < collapse_spread || point->rank < collapse_rank;
    monitor->flat = flat ? monitor->flat + 1 : 0;
    if (monitor->flat < IN_A_ROW || share_done(point) < collapse_from)
        return;
    if (point->spread < collapse_spread)
        say(monitor, MONITOR_COLLAPSE, hearer,
            "the features have collapsed: all images are nearly one point "
            "(spread %.2g, 1 is well spread). Try a lower rate, a longer "
            "warm-up, a larger batch or a higher temperature, from the start "
            "or from a checkpoint before step %" PRId64,
            point->spread, point->step);
    else
        say(monitor, MONITOR_COLLAPSE, hearer,
            "the features have collapsed to a line (effective rank %.2g). Try "
            "a lower rate, a longer warm-up or stronger augmentation",
            point->rank);
}

// It had fallen, and most of that is lost again.
static void check_climbed(Monitor *monitor, const MonitorPoint *point,
                          const Hearer *hearer)
{
    double fallen = monitor->first_loss - monitor->best_loss;
    double climbed = monitor->smooth_loss - monitor->best_loss;
    bool had_fallen = fallen > fall_least * fabs(monitor->first_loss);
    bool above_start =
        climbed > 0.5 * fabs(monitor->first_loss) + fmax(fallen, 0);
    if (monitor->points <= 10 ||
        !((had_fallen && climbed > climb_share * fallen) || above_start))
        return;
    say(monitor, MONITOR_CLIMBED, hearer,
        "the loss was down to %.4g and has climbed back to %.4g (it began at "
        "%.4g): the rate is too high. Try a third of it, or a longer warm-up",
        monitor->best_loss, monitor->smooth_loss, monitor->first_loss);
    (void)point;
}

// Against the geometric mean of all before it.
static void check_gradient(Monitor *monitor, const MonitorPoint *point,
                           const Hearer *hearer)
{
    if (!(point->gradient > 0))
        return;
    double usual = exp(monitor->log_gradient);
    if (monitor->gradients >= 10 && point->gradient > gradient_jump * usual)
        say(monitor, MONITOR_EXPLODING, hearer,
            "the gradient's norm in step %" PRId64 " is %.3g, and was about "
            "%.3g before: it explodes. Try a lower rate or a longer warm-up; "
            "if it comes again, look for damaged images (`simcc data check`)",
            point->step, point->gradient, usual);
    monitor->gradients++;
    monitor->log_gradient += (log(point->gradient) - monitor->log_gradient) /
                             (double)monitor->gradients;
}

static void check_easy(Monitor *monitor, const MonitorPoint *point,
                       const Hearer *hearer)
{
    monitor->easy = point->accuracy >= easy_accuracy ? monitor->easy + 1 : 0;
    if (monitor->easy < IN_A_ROW || share_done(point) > easy_until)
        return;
    say(monitor, MONITOR_EASY, hearer,
        "after %" PRId64 " steps the net already finds %.0f%% of the partners "
        "among the views: they are too much alike to learn from. Make the "
        "augmentation stronger (smaller crops, more colour jitter; `simcc "
        "augment` shows the views) or the batch larger",
        point->step, 100 * point->accuracy);
}

static void check_input(Monitor *monitor, const MonitorPoint *point,
                        const Hearer *hearer)
{
    if (point->seconds < wait_from || !(point->input_wait > wait_share))
        return;
    say(monitor, MONITOR_INPUT, hearer,
        "%.0f%% of the time goes by waiting for images: reading and "
        "augmenting them is slower than the net. Try images stored smaller "
        "(about the size the net sees), a local disk, or more --threads",
        100 * point->input_wait);
}

void monitor_watch(Monitor *monitor, const MonitorPoint *point,
                   void (*warn)(void *context, const char *text), void *context)
{
    Hearer hearer = {warn, context};
    smooth(monitor, point->loss);
    check_stuck(monitor, point, &hearer);
    check_collapse(monitor, point, &hearer);
    check_climbed(monitor, point, &hearer);
    check_gradient(monitor, point, &hearer);
    check_easy(monitor, point, &hearer);
    check_input(monitor, point, &hearer);
}
