// What an evaluation says of each class: collected from the scores of the
// images, printed, and written to files.
#ifndef SIMCC_FRONTEND_CLI_CLASS_REPORT_H
#define SIMCC_FRONTEND_CLI_CLASS_REPORT_H

#include "frontend/cli/job.h"
#include "runtime/train/class_metrics.h"
#include "runtime/train/infer.h"

// An image that was put into the wrong class.
typedef struct Mistake {
    int64_t index; // in the part that is evaluated
    int truth, predicted;
    double confidence;
} Mistake;

typedef struct ClassReport {
    const Job *job;
    const ProgramPhase *phase;
    const PlanTensor *scores;
    int classes;
    ClassTally tally;
    ClassNumbers *numbers; // [classes]
    ClassMetrics metrics;
    int64_t mistake_count; // tally.images - tally.right
    Mistake *mistakes;     // the most confident first; of equals the earlier
    int64_t room;          // for images, in the arrays
    int32_t *truth;        // [tally.images]
    double *probabilities; // [tally.images, classes]; NULL = too many to keep
    double *row;           // [classes]
    // Images left out.
    int64_t unreadable, unlabelled, not_finite;
} ClassReport;

// Room for the images of job->tried. *begun is false, and it is said why,
// where the phase has no scores of the data's classes; STATUS_USAGE where
// --value names them. STATUS_MEMORY for lack of memory. class_report_free in
// any case.
Status class_report_begin(const Job *job, const ProgramPhase *phase,
                          ClassReport *report, bool *begun);
void class_report_free(ClassReport *report);
// What evaluate_phase is to hand the scores to.
InferSink class_report_sink(ClassReport *report);
// From counts to numbers; says what was left out.
Status class_report_finish(ClassReport *report);

// As members of a JSON object, parted by commas.
void class_report_json(const ClassReport *report, Text *text);
// As a table and lines below it.
void class_report_text(const ClassReport *report, Text *text);
// Tables and pictures in a folder that is there (class_files.c); `json` is
// what class_report_json gives.
Status class_report_write(const ClassReport *report, const char *folder,
                          const char *json);

#endif
