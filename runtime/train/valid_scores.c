#include "runtime/train/valid_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/class_metrics.h"
#include "runtime/train/reports.h"

struct ValidScores {
    const Dataset *data;
    int classes;
    int32_t dtype;
    ClassTally tally;
    ClassNumbers *numbers; // [classes]
    double *row;           // [classes]
    // Of several classes an image: [images, classes].
    uint8_t *truths;
    double *probabilities;
};

const char *valid_scores_name(const ProgramPhase *phase, const Dataset *data)
{
    const PlanPort *port = plan_scores(&phase->eval);
    if (!port || dataset_classes(data) < 2 ||
        port->tensor.dims[1] != dataset_classes(data))
        return NULL;
    return dataset_several(data) ? "mean_average_precision"
                                 : "balanced_accuracy";
}

Status valid_scores_new(const ProgramPhase *phase, const Dataset *data,
                        ValidScores **scores)
{
    size_t classes = (size_t)dataset_classes(data);
    size_t images = (size_t)dataset_count(data, SPLIT_VALID) + 1;
    ValidScores *made = *scores = calloc(1, sizeof *made);
    Status status = status_error(
        STATUS_MEMORY, "no memory for the scores of %zu images", images - 1);
    if (!made)
        return status;
    made->data = data;
    made->classes = (int)classes;
    made->dtype = plan_scores(&phase->eval)->tensor.dtype;
    made->numbers = calloc(classes, sizeof *made->numbers);
    made->row = calloc(classes, sizeof *made->row);
    bool good = made->numbers && made->row;
    if (dataset_several(data)) {
        made->truths = calloc(images, classes);
        made->probabilities =
            calloc(images, classes * sizeof *made->probabilities);
        made->tally.classes = made->classes;
        good = good && made->truths && made->probabilities;
    } else {
        good = good &&
               class_tally_new(made->classes, &made->tally).code == STATUS_OK;
    }
    if (good)
        return status_ok();
    valid_scores_free(made);
    *scores = NULL;
    return status;
}

void valid_scores_free(ValidScores *scores)
{
    if (!scores)
        return;
    class_tally_free(&scores->tally);
    free(scores->numbers);
    free(scores->row);
    free(scores->truths);
    free(scores->probabilities);
    free(scores);
}

static Status take_row(void *context, DataSplit split, int64_t index,
                       const void *values)
{
    ValidScores *scores = context;
    int classes = scores->classes;
    const int32_t *labels;
    int count = dataset_labels(scores->data, split, index, &labels);
    if (!values || count < 0)
        return status_ok();
    for (int c = 0; c < classes; c++)
        scores->row[c] = scores->dtype == PLAN_F64
                             ? ((const double *)values)[c]
                             : (double)((const float *)values)[c];
    if (!scores->truths) {
        if (class_softmax(scores->row, classes) >= 0)
            class_tally_add(&scores->tally, labels[0], scores->row);
        return status_ok();
    }
    if (!class_sigmoid(scores->row, classes))
        return status_ok();
    int64_t at = scores->tally.images * classes;
    for (int i = 0; i < count; i++)
        scores->truths[at + labels[i]] = 1;
    memcpy(scores->probabilities + at, scores->row,
           (size_t)classes * sizeof *scores->row);
    label_tally_add(&scores->tally, scores->numbers, scores->truths + at,
                    scores->row);
    return status_ok();
}

InferSink valid_scores_sink(ValidScores *scores)
{
    size_t classes = (size_t)scores->classes;
    int64_t *confusion = scores->tally.confusion;
    if (scores->truths)
        memset(scores->truths, 0, (size_t)scores->tally.images * classes);
    else
        memset(confusion, 0, classes * classes * sizeof *confusion);
    scores->tally =
        (ClassTally){.classes = scores->classes, .confusion = confusion};
    memset(scores->numbers, 0, classes * sizeof *scores->numbers);
    return (InferSink){take_row, scores};
}

Status valid_scores_number(ValidScores *scores, double *number)
{
    if (scores->truths) {
        double all;
        LabelMetrics metrics;
        TRY(label_numbers(&scores->tally, scores->truths, scores->probabilities,
                          scores->numbers, &all));
        label_metrics(&scores->tally, scores->numbers, all, &metrics);
        *number = metrics.mean_average_precision;
    } else {
        ClassMetrics metrics;
        class_numbers(&scores->tally, scores->numbers);
        class_metrics(&scores->tally, scores->numbers, &metrics);
        *number = metrics.balanced_accuracy;
    }
    return status_ok();
}
