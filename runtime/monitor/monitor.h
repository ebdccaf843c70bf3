// Is it learning? Rules that watch the numbers of a phase and say in words
// what looks wrong and what to try.
#ifndef SIMCC_RUNTIME_MONITOR_H
#define SIMCC_RUNTIME_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

// What a rule sees of a phase at one step. NaN = not reported.
typedef struct MonitorPoint {
    int64_t step, total_steps; // steps done, and in all
    double loss;
    double chance;     // the loss of blind guessing
    double accuracy;   // contrastive, 0 to 1
    double spread;     // of the features: 1 = well spread, 0 = one point
    double rank;       // effective rank of the features
    double gradient;   // norm
    double input_wait; // share of this process's time spent waiting for input
    double seconds;    // that this process has trained
} MonitorPoint;

typedef enum MonitorRule {
    MONITOR_STUCK,     // the loss stays what guessing gives
    MONITOR_COLLAPSE,  // the features become one point or a line
    MONITOR_CLIMBED,   // the loss fell and has climbed back
    MONITOR_EXPLODING, // a gradient far above the usual
    MONITOR_EASY,      // views are told apart at once
    MONITOR_INPUT,     // the net waits for images
    MONITOR_RULES
} MonitorRule;

typedef struct Monitor {
    int64_t points;
    double first_loss, smooth_loss, best_loss; // smoothed over ten points
    double log_gradient;                       // mean of its logarithm so far
    int64_t gradients;
    int flat, easy; // points in a row that look so
    bool said[MONITOR_RULES];
} Monitor;

// A zeroed monitor has seen nothing.
//
// Takes the next point; calls `warn` once for each rule that fires for the
// first time. `text` is one or two sentences.
void monitor_watch(Monitor *monitor, const MonitorPoint *point,
                   void (*warn)(void *context, const char *text),
                   void *context);

#endif
