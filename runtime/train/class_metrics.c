#include "runtime/train/class_metrics.h"

#include <math.h>
#include <stdlib.h>

// The 97.5% point of the normal distribution.
static const double normal_975 = 1.959963984540054;

int class_softmax(double *row, int classes)
{
    int best = 0;
    double sum = 0;
    for (int i = 0; i < classes; i++) {
        if (isnan(row[i]))
            return -1;
        best = row[i] > row[best] ? i : best;
    }
    double top = row[best];
    if (!isfinite(top))
        return -1;
    for (int i = 0; i < classes; i++)
        sum += row[i] = exp(row[i] - top);
    for (int i = 0; i < classes; i++)
        row[i] /= sum;
    return best;
}

bool class_is_softmax(const double *row, int classes)
{
    double sum = 0;
    for (int i = 0; i < classes; i++) {
        if (!(row[i] >= 0))
            return false;
        sum += row[i];
    }
    return fabs(sum - 1) < 1e-3 && classes > 1;
}

// ---- counts -----------------------------------------------------------------

Status class_tally_new(int classes, ClassTally *tally)
{
    *tally = (ClassTally){.classes = classes};
    tally->confusion =
        calloc((size_t)classes, (size_t)classes * sizeof *tally->confusion);
    if (!tally->confusion)
        return status_error(STATUS_MEMORY,
                            "no memory for a confusion matrix of %d classes",
                            classes);
    return status_ok();
}

void class_tally_free(ClassTally *tally)
{
    free(tally->confusion);
    tally->confusion = NULL;
}

// Bins are closed above, as in Guo et al. 2017, section 2.
static void add_to_bin(ClassTally *tally, double confidence, bool right)
{
    int at = (int)ceil(confidence * CALIBRATION_BINS) - 1;
    at = at < 0 ? 0 : at >= CALIBRATION_BINS ? CALIBRATION_BINS - 1 : at;
    CalibrationBin *bin = &tally->bins[at];
    bin->images++;
    bin->right += right;
    bin->confidence += confidence;
}

int class_tally_add(ClassTally *tally, int truth, const double *probabilities)
{
    int best = 0;
    for (int i = 1; i < tally->classes; i++)
        best = probabilities[i] > probabilities[best] ? i : best;
    add_to_bin(tally, probabilities[best], best == truth);
    tally->images++;
    tally->right += best == truth;
    tally->confusion[(int64_t)truth * tally->classes + best]++;
    return best;
}

// ---- numbers ----------------------------------------------------------------

static double ratio(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : NAN;
}

// Wilson 1927: it stays within 0 and 1, and has a width where all are right,
// which the normal approximation has not.
void wilson_interval(int64_t right, int64_t images, double *low, double *high)
{
    *low = *high = NAN;
    if (images == 0)
        return;
    double n = (double)images, share = (double)right / n,
           zz = normal_975 * normal_975;
    double center = (share + zz / (2 * n)) / (1 + zz / n);
    double half = normal_975 / (1 + zz / n) *
                  sqrt(share * (1 - share) / n + zz / (4 * n * n));
    *low = right == 0 ? 0 : center - half;
    *high = right == images ? 1 : center + half;
}

// F1, the harmonic mean of both, is 2 TP / (2 TP + FP + FN).
static void set_shares(ClassNumbers *of)
{
    of->recall = ratio(of->right, of->images);
    of->precision = ratio(of->right, of->predicted);
    of->f1 = ratio(2 * of->right, of->images + of->predicted);
}

void class_numbers(const ClassTally *tally, ClassNumbers *numbers)
{
    int classes = tally->classes;
    for (int c = 0; c < classes; c++)
        numbers[c] = (ClassNumbers){.average_precision = NAN};
    for (int c = 0; c < classes; c++) {
        const int64_t *row = tally->confusion + (int64_t)c * classes;
        for (int p = 0; p < classes; p++) {
            numbers[c].images += row[p];
            numbers[p].predicted += row[p];
        }
        numbers[c].right = row[c];
    }
    for (int c = 0; c < classes; c++)
        set_shares(&numbers[c]);
}

typedef struct Ranked {
    double score;
    bool positive;
} Ranked;

static int by_score(const void *a, const void *b)
{
    double x = ((const Ranked *)a)->score, y = ((const Ranked *)b)->score;
    return (x < y) - (x > y);
}

// The sum over thresholds of (recall - the one before) * precision, without
// interpolation; images of equal scores are one threshold.
static double average_precision(const Ranked *ranked, int64_t images)
{
    int64_t positives = 0, seen = 0, before = 0;
    double sum = 0;
    for (int64_t i = 0; i < images; i++) {
        seen += ranked[i].positive;
        if (i + 1 < images && ranked[i + 1].score == ranked[i].score)
            continue;
        positives = seen;
        sum +=
            (double)(positives - before) * (double)positives / (double)(i + 1);
        before = positives;
    }
    return positives ? sum / (double)positives : NAN;
}

Status class_average_precisions(const int32_t *truth,
                                const double *probabilities, int64_t images,
                                int classes, ClassNumbers *numbers)
{
    Ranked *ranked = calloc((size_t)images + 1, sizeof *ranked);
    if (!ranked)
        return status_error(STATUS_MEMORY, "no memory to rank %lld images",
                            (long long)images);
    for (int c = 0; c < classes; c++) {
        for (int64_t i = 0; i < images; i++)
            ranked[i] = (Ranked){probabilities[i * classes + c], truth[i] == c};
        qsort(ranked, (size_t)images, sizeof *ranked, by_score);
        numbers[c].average_precision = average_precision(ranked, images);
    }
    free(ranked);
    return status_ok();
}

// ---- all classes ------------------------------------------------------------

// Adds a number to a mean that is a sum until it is finished.
static void add(double *mean, int *count, double number)
{
    if (isnan(number))
        return;
    *mean += number;
    ++*count;
}

static void finish(double *mean, int count)
{
    *mean = count ? *mean / count : NAN;
}

// Naeini et al. 2015: what accuracy and mean confidence of a bin differ by,
// over all that is in bins. A bin's own count cancels.
static double calibration_error(const ClassTally *tally)
{
    double sum = 0;
    int64_t all = 0;
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const CalibrationBin *bin = &tally->bins[b];
        sum += fabs((double)bin->right - bin->confidence);
        all += bin->images;
    }
    return all ? sum / (double)all : NAN;
}

void class_metrics(const ClassTally *tally, const ClassNumbers *numbers,
                   ClassMetrics *metrics)
{
    ClassMetrics m = {.top1 = ratio(tally->right, tally->images)};
    wilson_interval(tally->right, tally->images, &m.low, &m.high);
    for (int c = 0; c < tally->classes; c++) {
        const ClassNumbers *of = &numbers[c];
        add(&m.balanced_accuracy, &m.with_recall, of->recall);
        add(&m.precision, &m.with_precision, of->precision);
        add(&m.f1, &m.with_f1, of->f1);
        add(&m.average_precision, &m.with_average_precision,
            of->average_precision);
    }
    finish(&m.balanced_accuracy, m.with_recall);
    finish(&m.precision, m.with_precision);
    finish(&m.f1, m.with_f1);
    finish(&m.average_precision, m.with_average_precision);
    m.calibration_error = calibration_error(tally);
    *metrics = m;
}

// ---- several classes an image
// -------------------------------------------------

bool class_sigmoid(double *row, int classes)
{
    for (int c = 0; c < classes; c++)
        if (isnan(row[c]))
            return false;
    for (int c = 0; c < classes; c++)
        row[c] = 1 / (1 + exp(-row[c]));
    return true;
}

void label_tally_add(ClassTally *tally, ClassNumbers *numbers,
                     const uint8_t *truth, const double *probabilities)
{
    int right = 0;
    for (int c = 0; c < tally->classes; c++) {
        bool there = truth[c] != 0, predicted = probabilities[c] > 0.5;
        numbers[c].images += there;
        numbers[c].predicted += predicted;
        numbers[c].right += there && predicted;
        right += there == predicted;
        add_to_bin(tally, probabilities[c], there);
    }
    tally->images++;
    tally->right += right == tally->classes;
}

Status label_numbers(const ClassTally *tally, const uint8_t *truth,
                     const double *probabilities, ClassNumbers *numbers,
                     double *all)
{
    int classes = tally->classes;
    int64_t pairs = tally->images * classes;
    *all = NAN;
    for (int c = 0; c < classes; c++) {
        set_shares(&numbers[c]);
        numbers[c].average_precision = NAN;
    }
    if (!probabilities)
        return status_ok();
    Ranked *ranked = calloc((size_t)pairs + 1, sizeof *ranked);
    if (!ranked)
        return status_error(STATUS_MEMORY, "no memory to rank %lld images",
                            (long long)tally->images);
    for (int c = 0; c < classes; c++) {
        for (int64_t i = 0; i < tally->images; i++)
            ranked[i] = (Ranked){probabilities[i * classes + c],
                                 truth[i * classes + c] != 0};
        qsort(ranked, (size_t)tally->images, sizeof *ranked, by_score);
        numbers[c].average_precision = average_precision(ranked, tally->images);
    }
    for (int64_t i = 0; i < pairs; i++)
        ranked[i] = (Ranked){probabilities[i], truth[i] != 0};
    qsort(ranked, (size_t)pairs, sizeof *ranked, by_score);
    *all = average_precision(ranked, pairs);
    free(ranked);
    return status_ok();
}

void label_metrics(const ClassTally *tally, const ClassNumbers *numbers,
                   double average_precision, LabelMetrics *metrics)
{
    LabelMetrics m = {.exact_match = ratio(tally->right, tally->images),
                      .average_precision = average_precision,
                      .calibration_error = calibration_error(tally)};
    ClassNumbers all = {0};
    int with_recall = 0, with_precision = 0, with_f1 = 0;
    for (int c = 0; c < tally->classes; c++) {
        const ClassNumbers *of = &numbers[c];
        all.images += of->images;
        all.predicted += of->predicted;
        all.right += of->right;
        add(&m.mean_recall, &with_recall, of->recall);
        add(&m.mean_precision, &with_precision, of->precision);
        add(&m.mean_f1, &with_f1, of->f1);
        add(&m.mean_average_precision, &m.with_average_precision,
            of->average_precision);
    }
    finish(&m.mean_recall, with_recall);
    finish(&m.mean_precision, with_precision);
    finish(&m.mean_f1, with_f1);
    finish(&m.mean_average_precision, m.with_average_precision);
    set_shares(&all);
    m.recall = all.recall;
    m.precision = all.precision;
    m.f1 = all.f1;
    int64_t pairs = tally->images * tally->classes;
    m.label_accuracy =
        ratio(pairs - all.images - all.predicted + 2 * all.right, pairs);
    *metrics = m;
}
