// What an evaluation says of each class: collected from the scores of the
// images, printed, and written to files.
#ifndef SIMCC_FRONTEND_CLI_CLASS_REPORT_H
#define SIMCC_FRONTEND_CLI_CLASS_REPORT_H

#include "frontend/cli/job.h"
#include "runtime/train/class_metrics.h"
#include "runtime/train/infer.h"

// An image that was put into the wrong class. Of several classes an image: the
// class of which it is most wrong, predicted and not there (truth -1) or there
// and not predicted (predicted -1).
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
    bool several; // classes an image
    ClassTally tally;
    ClassNumbers *numbers; // [classes]
    ClassMetrics metrics;
    LabelMetrics label_metrics; // of several
    uint8_t *truths;            // of several: [tally.images, classes]
    int64_t mistake_count;      // tally.images - tally.right
    Mistake *mistakes;     // the most confident first; of equals the earlier
    int64_t room;          // for images, in the arrays
    int32_t *truth;        // [tally.images]
    double *probabilities; // [tally.images, classes]; NULL = too many to keep
    double *row;           // [classes]
    // Images left out.
    int64_t unreadable, unlabelled, not_finite;
    int64_t shares; // images whose scores are probabilities already
} ClassReport;

// That scores of this name were probabilities before they went through a
// softmax.
void class_report_warn_shares(const Cli *cli, const char *name);

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
// The same two of several classes an image (class_report_several.c).
void several_report_json(const ClassReport *report, Text *text);
void several_report_text(const ClassReport *report, Text *text);
// Images left out, by reason.
void class_report_json_left_out(const ClassReport *report, Text *text);
// Numbers of each class, as a list of objects.
void class_report_json_classes(const ClassReport *report, Text *text);
// The bins of confidence and the error, as a member of an object.
void class_report_json_calibration(const ClassReport *report, Text *text);
// A name in a column of `width` characters; columns of the classes' names, and
// of numbers of a class.
void class_report_add_name(Text *text, const char *name, int width);
int class_report_name_width(const ClassReport *report);
void class_report_add_numbers(Text *text, double recall, double precision,
                              double f1, double average_precision);

// Tables and pictures in a folder that is there (class_files.c); `json` is
// what class_report_json gives.
Status class_report_write(const ClassReport *report, const char *folder,
                          const char *json);

#endif
