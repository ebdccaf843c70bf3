// What a run says about itself while it goes on: metrics, event files, curves,
// the state of its phase, monitors and their warnings.
#ifndef SIMCC_RUNTIME_WATCH_H
#define SIMCC_RUNTIME_WATCH_H

#include "runtime/train/probe.h"
#include "runtime/train/reports.h"
#include "runtime/train/train.h"

typedef struct WatchSpec {
    const TrainOptions *options; // directory, callbacks
    const Reports *reports;      // of the training step
    ProbeSpec probe;             // phase, data, code, store, pool, seed
    bool probes;                 // else a validation does
    const char *validation;      // how the phase is validated; "" = not
    int64_t total_steps, images; // images in the phase's training set
    int64_t step;                // where it begins: what was written beyond
                                 // that comes again
    int64_t interval;            // steps between two lines
    int64_t step_bytes;          // memory of the training step
    bool silent; // on processes but 0: nothing is written or said, but their
                 // share of the probes is done
} WatchSpec;

typedef struct Watch Watch;

// Opens OUT/metrics.jsonl and OUT/PHASE/events.out.tfevents.simcc and writes
// OUT/PHASE/state.
Status watch_open(const WatchSpec *spec, Watch **watch);

// The numbers since the last line.
typedef struct WatchLine {
    int64_t step; // done
    double epoch, images_per_second;
    const double *values;   // by report: means over the steps since
    double seconds, waited; // of this process: training; waiting for input
} WatchLine;

// Writes a line, with what the monitors add to it every so often, and draws
// the curves when the last drawing is some time ago. All processes call it at
// the same steps.
Status watch_line(Watch *watch, const WatchLine *line);
// A validation, as a line.
typedef struct WatchValidation {
    const TrainResult *numbers; // steps, images and reports of it
    double best;                // the best there was; NaN = none
    int64_t best_step;          // -1 = none
    int64_t since;              // validations that were not better
    bool ends;                  // the phase, early
} WatchValidation;
Status watch_validation(Watch *watch, const WatchValidation *from);
// The evaluation at the end, as a line.
Status watch_evaluation(Watch *watch, const TrainResult *result);
// Draws the curves and writes the state once more: "finished", "stopped" or
// "failed".
void watch_end(Watch *watch, const char *state, const TrainResult *result);
void watch_close(Watch *watch);

// Euclidean norm of all trained weights.
double watch_weight_norm(const Store *store);

#endif
