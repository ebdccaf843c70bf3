// Numbers of classes against scikit-learn's (tests/reference/class_metrics.py
// wrote them), and what has no number.
#include "runtime/train/class_metrics.h"

#include <stdlib.h>

#include "tests/faults.h"
#include "tests/harness.h"
#include "tests/numbers.h"

static void check_numbers(FILE *file, const ClassTally *tally,
                          const ClassNumbers *numbers)
{
    ClassMetrics metrics;
    class_metrics(tally, numbers, &metrics);
    for (int c = 0; c < tally->classes; c++) {
        check_next(file, "recall", numbers[c].recall);
        check_next(file, "precision", numbers[c].precision);
        check_next(file, "F1", numbers[c].f1);
        check_next(file, "average precision", numbers[c].average_precision);
    }
    check_next(file, "top1", metrics.top1);
    check_next(file, "lower bound", metrics.low);
    check_next(file, "upper bound", metrics.high);
    check_next(file, "balanced accuracy", metrics.balanced_accuracy);
    check_next(file, "mean precision", metrics.precision);
    check_next(file, "mean F1", metrics.f1);
    check_next(file, "mean average precision", metrics.average_precision);
    check_next(file, "calibration error", metrics.calibration_error);
    for (int i = 0; i < tally->classes * tally->classes; i++)
        CHECK_INT(tally->confusion[i], (long long)next(file));
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const CalibrationBin *bin = &tally->bins[b];
        double images = bin->images ? (double)bin->images : 1;
        CHECK_INT(bin->images, (long long)next(file));
        check_next(file, "confidence", bin->confidence / images);
        check_next(file, "accuracy", (double)bin->right / images);
    }
}

TEST(class_metrics_are_those_of_scikit_learn)
{
    int cases = 0, images, classes;
    char name[32];
    FILE *file = fopen("tests/reference/class_metrics.txt", "r");
    CHECK(file != NULL);
    if (!file)
        return;
    while (fscanf(file, " case %31s %d %d", name, &images, &classes) == 3) {
        ClassTally tally;
        int32_t *truth = calloc((size_t)images, sizeof *truth);
        double *rows = calloc((size_t)(images * classes), sizeof *rows);
        ClassNumbers *numbers = calloc((size_t)classes, sizeof *numbers);
        CHECK_INT(class_tally_new(classes, &tally).code, STATUS_OK);
        for (int i = 0; i < images; i++) {
            truth[i] = (int32_t)next(file);
            for (int c = 0; c < classes; c++)
                rows[i * classes + c] = next(file);
            class_tally_add(&tally, truth[i], rows + i * classes);
        }
        class_numbers(&tally, numbers);
        CHECK_INT(
            class_average_precisions(truth, rows, images, classes, numbers)
                .code,
            STATUS_OK);
        check_numbers(file, &tally, numbers);
        class_tally_free(&tally);
        free(truth);
        free(rows);
        free(numbers);
        cases++;
    }
    CHECK(feof(file));
    fclose(file);
    CHECK_INT(cases, 6);
}

TEST(class_metrics_of_nothing_are_no_numbers)
{
    ClassTally tally;
    ClassNumbers numbers[2];
    ClassMetrics metrics;
    CHECK_INT(class_tally_new(2, &tally).code, STATUS_OK);
    class_numbers(&tally, numbers);
    class_metrics(&tally, numbers, &metrics);
    CHECK(isnan(numbers[0].recall) && isnan(numbers[1].f1));
    CHECK(isnan(metrics.top1) && isnan(metrics.low) && isnan(metrics.high));
    CHECK(isnan(metrics.balanced_accuracy) && isnan(metrics.precision));
    CHECK(isnan(metrics.calibration_error));
    CHECK_INT(metrics.with_recall + metrics.with_f1, 0);
    class_tally_free(&tally);
}

// A confidence on the edge of two bins is of the lower; 1 is of the last. Of
// equal scores the first class is meant.
TEST(class_tally_decides_edges_and_ties)
{
    ClassTally tally;
    CHECK_INT(class_tally_new(2, &tally).code, STATUS_OK);
    CHECK_INT(class_tally_add(&tally, 1, (double[]){0.6, 0.4}), 0);
    CHECK_INT(class_tally_add(&tally, 1, (double[]){0, 1}), 1);
    CHECK_INT(class_tally_add(&tally, 1, (double[]){0.5, 0.5}), 0);
    CHECK_INT(tally.bins[8].images, 1);
    CHECK_INT(tally.bins[14].right, 1);
    CHECK_INT(tally.bins[7].images, 1);
    CHECK_INT(tally.right, 1);
    class_tally_free(&tally);
}

TEST(class_softmax_refuses_what_is_no_number)
{
    double row[] = {1000, 1000 + log(3), -INFINITY};
    CHECK_INT(class_softmax(row, 3), 1);
    CHECK_NEAR(row[0], 0.25, tolerance);
    CHECK_NEAR(row[1], 0.75, tolerance);
    CHECK_NEAR(row[2], 0, 0);
    CHECK_INT(class_softmax((double[]){2, 2}, 2), 0);
    CHECK_INT(class_softmax((double[]){0, NAN}, 2), -1);
    CHECK_INT(class_softmax((double[]){0, INFINITY}, 2), -1);
    CHECK_INT(class_softmax((double[]){-INFINITY, -INFINITY}, 2), -1);
}

TEST(class_metrics_without_memory)
{
    ClassTally tally;
    ClassNumbers numbers[2];
    fault_arm(FAULT_MEMORY, 1);
    Status status = class_tally_new(2, &tally);
    CHECK(fault_disarm());
    CHECK_INT(status.code, STATUS_MEMORY);
    fault_arm(FAULT_MEMORY, 1);
    status = class_average_precisions((int32_t[]){0}, (double[]){1, 0}, 1, 2,
                                      numbers);
    CHECK(fault_disarm());
    CHECK_INT(status.code, STATUS_MEMORY);
}

TEST(class_shares_are_no_scores)
{
    CHECK(class_is_softmax((double[]){0.2, 0.5, 0.3}, 3));
    CHECK(class_is_softmax((double[]){0, 0.9999, 0}, 3));
    CHECK(!class_is_softmax((double[]){0.2, 0.5, 0.4}, 3));
    CHECK(!class_is_softmax((double[]){-0.2, 0.9, 0.3}, 3));
    CHECK(!class_is_softmax((double[]){0.7, NAN, 0.3}, 3));
    CHECK(!class_is_softmax((double[]){0, 0, 0}, 3));
    CHECK(!class_is_softmax((double[]){1}, 1));
}
