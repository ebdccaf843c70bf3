// Monitors on series made for them: each rule fires where it should, once, and
// a training as it should be is left in peace.
#include "runtime/monitor/monitor.h"
#include "tests/harness.h"

typedef struct Heard {
    int count;
    char last[512];
} Heard;

static void hear(void *context, const char *text)
{
    Heard *heard = context;
    heard->count++;
    snprintf(heard->last, sizeof heard->last, "%s", text);
}

// Nothing reported but a loss of 5 out of a chance of 10.
static MonitorPoint plain(int64_t step, int64_t total)
{
    return (MonitorPoint){.step = step,
                          .total_steps = total,
                          .loss = 5,
                          .chance = 10,
                          .accuracy = NAN,
                          .spread = NAN,
                          .rank = NAN,
                          .gradient = NAN,
                          .input_wait = 0,
                          .seconds = (double)step};
}

// A curve as of a training that goes well: 0 to 1 over its steps.
static MonitorPoint healthy(int64_t step, int64_t total)
{
    MonitorPoint point = plain(step, total);
    double done = (double)step / (double)total;
    point.loss = 4 + 7 * exp(-4 * done) + 0.2 * sin(0.7 * (double)step);
    point.accuracy = 0.05 + 0.9 * done;
    point.spread = 0.5 - 0.3 * done;
    point.rank = 3 + 5 * done;
    point.gradient = 6 * exp(sin(1.3 * (double)step));
    point.input_wait = 0.05;
    return point;
}

// Watches 100 steps that `change` has altered.
static Heard watch(void (*change)(MonitorPoint *point))
{
    Monitor monitor = {0};
    Heard heard = {0};
    for (int64_t step = 1; step <= 100; step++) {
        MonitorPoint point = healthy(step, 100);
        if (change)
            change(&point);
        monitor_watch(&monitor, &point, hear, &heard);
    }
    return heard;
}

static void check_says(void (*change)(MonitorPoint *point), const char *text)
{
    Heard heard = watch(change);
    CHECK_INT(heard.count, 1);
    if (!strstr(heard.last, text))
        test_fail(__FILE__, __LINE__, "%s\nwithout: %s", heard.last, text);
}

static void stay_at_chance(MonitorPoint *point)
{
    point->loss = point->chance + 0.01 * sin((double)point->step);
}

static void begin_above_and_fall(MonitorPoint *point)
{
    point->loss = 14 - 0.03 * (double)point->step;
}

static void collapse(MonitorPoint *point)
{
    point->spread = point->step < 40 ? 0.4 : 0.001;
}

static void shrink_to_a_line(MonitorPoint *point)
{
    point->rank = point->step < 40 ? 4 : 1.001;
}

static void touch_zero_once(MonitorPoint *point)
{
    point->spread = point->step == 50 ? 0 : 0.4;
}

static void climb_back(MonitorPoint *point)
{
    point->loss = point->step < 50 ? 9 - 0.1 * (double)point->step
                                   : 4 + 0.1 * (double)(point->step - 50);
}

static void explode(MonitorPoint *point)
{
    point->gradient = point->step == 60 ? 1e5 : 6;
}

static void know_at_once(MonitorPoint *point)
{
    point->accuracy = 1;
}

static void know_in_the_end(MonitorPoint *point)
{
    point->accuracy = point->step < 50 ? 0.5 : 1;
}

static void wait_for_images(MonitorPoint *point)
{
    point->input_wait = 0.43;
}

static void wait_at_the_start(MonitorPoint *point)
{
    point->input_wait = point->step < 15 ? 0.9 : 0.1;
}

static void report_nothing(MonitorPoint *point)
{
    MonitorPoint bare = plain(point->step, point->total_steps);
    bare.chance = NAN;
    bare.loss = point->loss;
    *point = bare;
}

TEST(monitor_leaves_a_good_training_in_peace)
{
    CHECK_INT(watch(NULL).count, 0);
    CHECK_INT(watch(report_nothing).count, 0);
    CHECK_INT(watch(touch_zero_once).count, 0);
    CHECK_INT(watch(know_in_the_end).count, 0);
    CHECK_INT(watch(wait_at_the_start).count, 0);
}

TEST(monitor_says_once_what_is_wrong)
{
    check_says(stay_at_chance, "no better than blind guessing (10)");
    check_says(collapse, "all images are nearly one point");
    check_says(shrink_to_a_line, "collapsed to a line");
    check_says(climb_back, "the rate is too high");
    check_says(explode, "in step 60 is 1e+05, and was about 6");
    check_says(know_at_once, "finds 100% of the partners");
    check_says(wait_for_images, "43% of the time");
}

// A loss above guessing is one that begins badly, if it falls.
TEST(monitor_waits_for_a_loss_that_falls)
{
    CHECK_INT(watch(begin_above_and_fall).count, 0);
}
