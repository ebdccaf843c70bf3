// What a plan reports: its outputs as numbers, and the running sums a phase
// keeps of them.
#ifndef SIMCC_RUNTIME_REPORTS_H
#define SIMCC_RUNTIME_REPORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/exec/exec.h"

enum { REPORT_MAX = 16 };

// The reports of a bound plan; the loss first, then in the plan's order.
typedef struct Reports {
    int count;
    const char *names[REPORT_MAX]; // owned by the plan
    const PlanPort *ports[REPORT_MAX];
    const void *data[REPORT_MAX];
} Reports;

// An output that is no report but scores of classes, [images, classes]; its
// name begins with "scores.". NULL when there is none.
const PlanPort *plan_scores(const Plan *plan);

// The names and ports alone; at most REPORT_MAX of them.
void reports_list(Reports *reports, const Plan *plan);
// STATUS_FAILED when there are more than REPORT_MAX reports.
Status reports_bind(Reports *reports, const Plan *plan, Executor *executor);
// Is the output a vector with one number per example of the batch?
bool reports_per_example(const Reports *reports, int index, int batch);
// Mean over the output's elements, or, when `valid` is not NULL, over those
// whose flag is set (per-example outputs only).
double reports_mean(const Reports *reports, int index, const bool *valid);

// What optimizers report, a number for each weight: scalars of the store named
// "optimizer.report.NAME.WEIGHT", as the last step left them.
enum { WEIGHT_REPORT_MAX = 8 };

typedef struct WeightReport {
    char name[64];
    int count;
    const StoreTensor **tensors; // [count]
} WeightReport;

typedef struct WeightReports {
    int count;
    WeightReport at[WEIGHT_REPORT_MAX];
} WeightReports;

// The store must outlive them. STATUS_MEMORY for lack of memory.
Status weight_reports_find(const Store *store, WeightReports *reports);
void weight_reports_free(WeightReports *reports);

typedef struct ReportRange {
    double least, median, most, norm; // norm: Euclidean, over the weights
} ReportRange;
// All NaN when one of the numbers is not finite, or memory runs out.
ReportRange weight_report_range(const WeightReport *report);

// Sums over the steps of a phase. Checkpointed as text, so that a resumed run
// writes the same numbers.
typedef struct Tally {
    int count;                   // reports
    double interval[REPORT_MAX]; // sums since the last line of metrics
    int64_t interval_steps;
    double first_sum, last_sum; // of the loss, in the first and last 5%
    int64_t first_steps, last_steps;
    double seconds; // of training, over all processes that worked on it
    // Of the loss, in blocks of a twentieth of all steps each: the one under
    // way and the one before, for a phase that ends before its last step.
    double recent_sum[2];
    int64_t recent_steps[2];
} Tally;

void tally_add(Tally *tally, int64_t step, int64_t total, const double *values);
// Mean losses, NaN of no steps: over the first 5% of the steps; and over the
// last 5% of all, or where a phase has ended before, over the last 5% to 10%.
double tally_first_loss(const Tally *tally);
double tally_last_loss(const Tally *tally, bool ended_early);
// Text with every bit of the sums; false when it does not fit.
bool tally_print(const Tally *tally, char *text, size_t size);
bool tally_parse(Tally *tally, const char *text);

#endif
