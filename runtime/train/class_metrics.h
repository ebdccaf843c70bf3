// What a classifier gets wrong: numbers of each class, their means, and how far
// its confidence can be trusted. Arithmetic alone.
//
// A number whose denominator is zero is NaN and left out of the mean over
// classes: the recall of a class without images, the precision of one that is
// never predicted. Of equal scores the first class is the predicted one.
#ifndef SIMCC_RUNTIME_CLASS_METRICS_H
#define SIMCC_RUNTIME_CLASS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

enum { CALIBRATION_BINS = 15 };

// Images whose confidence is in (m / 15, (m + 1) / 15].
typedef struct CalibrationBin {
    int64_t images, right;
    double confidence; // their sum
} CalibrationBin;

// Counts over images.
typedef struct ClassTally {
    int classes;
    int64_t images, right;
    int64_t *confusion; // [classes, classes]: true class, predicted class
    CalibrationBin bins[CALIBRATION_BINS];
} ClassTally;

typedef struct ClassNumbers {
    int64_t images, predicted, right;
    double recall; // the accuracy on the class's images
    double precision, f1;
    double average_precision; // NaN until class_average_precisions
} ClassNumbers;

typedef struct ClassMetrics {
    double top1, low, high;   // with the bounds of Wilson's 95% interval
    double balanced_accuracy; // mean recall
    double precision, f1, average_precision; // means over classes
    int with_recall, with_precision, with_f1, with_average_precision; // classes
    double calibration_error;                                         // ECE
} ClassMetrics;

// Logits [classes] to probabilities, in place. Returns the most probable class,
// -1 (and leaves the row) when a score is NaN or the largest is not finite.
int class_softmax(double *row, int classes);
// Are these [classes] shares of one, as a softmax makes them, and no logits?
bool class_is_softmax(const double *row, int classes);

// STATUS_MEMORY for lack of memory; freed by class_tally_free.
Status class_tally_new(int classes, ClassTally *tally);
void class_tally_free(ClassTally *tally);
// An image of class `truth`, by its probabilities [classes]. Returns the
// predicted class.
int class_tally_add(ClassTally *tally, int truth, const double *probabilities);

// Bounds of Wilson's score interval at 95% for `right` of `images`; NaN of
// none.
void wilson_interval(int64_t right, int64_t images, double *low, double *high);

// The numbers of each class, [classes], from the counts.
void class_numbers(const ClassTally *tally, ClassNumbers *numbers);
// Each class against the rest: fills average_precision in `numbers` from the
// true classes [images] and probabilities [images, classes]. STATUS_MEMORY for
// lack of memory.
Status class_average_precisions(const int32_t *truth,
                                const double *probabilities, int64_t images,
                                int classes, ClassNumbers *numbers);
// The means of what is in `numbers`, and what concerns all images.
void class_metrics(const ClassTally *tally, const ClassNumbers *numbers,
                   ClassMetrics *metrics);

// ---- several classes an image
// ------------------------------------------------- A class is predicted where
// its probability, by itself, is above 1/2. In the tally, `right` counts images
// of which every class is right, the bins all images and classes by
// probability, `right` those that are there, and there is no confusion matrix.

typedef struct LabelMetrics {
    double exact_match;    // share of images of which every class is right
    double label_accuracy; // share of images and classes: 1 - Hamming loss
    // Over all images and classes together.
    double recall, precision, f1, average_precision;
    // Means over classes; of average precision: mAP.
    double mean_recall, mean_precision, mean_f1, mean_average_precision;
    int with_average_precision; // classes
    double calibration_error;
} LabelMetrics;

// Logits [classes] to probabilities, in place. False, and the row is left, when
// one is NaN.
bool class_sigmoid(double *row, int classes);
// An image by which classes it has, 0 or 1 [classes], and probabilities
// [classes]; counts in `numbers` [classes], which begin as zeros.
void label_tally_add(ClassTally *tally, ClassNumbers *numbers,
                     const uint8_t *truth, const double *probabilities);
// Fills recall, precision and F1 of each class from the counts, and the average
// precision of each and *all together from truth and probabilities [images,
// classes]; probabilities NULL: NaN. STATUS_MEMORY for lack of memory.
Status label_numbers(const ClassTally *tally, const uint8_t *truth,
                     const double *probabilities, ClassNumbers *numbers,
                     double *all);
void label_metrics(const ClassTally *tally, const ClassNumbers *numbers,
                   double average_precision, LabelMetrics *metrics);

#endif
