// Numbers of several classes an image against scikit-learn's
// (tests/reference/label_metrics.py wrote them), and what has no number.
#include <stdlib.h>

#include "runtime/train/class_metrics.h"
#include "tests/faults.h"
#include "tests/harness.h"
#include "tests/numbers.h"

static void check_numbers(FILE *file, const ClassTally *tally,
                          const ClassNumbers *numbers, double all)
{
    LabelMetrics m;
    label_metrics(tally, numbers, all, &m);
    for (int c = 0; c < tally->classes; c++) {
        check_next(file, "recall", numbers[c].recall);
        check_next(file, "precision", numbers[c].precision);
        check_next(file, "F1", numbers[c].f1);
        check_next(file, "average precision", numbers[c].average_precision);
    }
    check_next(file, "exact match", m.exact_match);
    check_next(file, "label accuracy", m.label_accuracy);
    check_next(file, "micro recall", m.recall);
    check_next(file, "micro precision", m.precision);
    check_next(file, "micro F1", m.f1);
    check_next(file, "micro average precision", m.average_precision);
    check_next(file, "mean recall", m.mean_recall);
    check_next(file, "mean precision", m.mean_precision);
    check_next(file, "mean F1", m.mean_f1);
    check_next(file, "mean average precision", m.mean_average_precision);
    check_next(file, "calibration error", m.calibration_error);
}

TEST(label_metrics_are_those_of_scikit_learn)
{
    int cases = 0, images, classes;
    char name[32];
    FILE *file = fopen("tests/reference/label_metrics.txt", "r");
    CHECK(file != NULL);
    if (!file)
        return;
    while (fscanf(file, " case %31s %d %d", name, &images, &classes) == 3) {
        double all;
        ClassTally tally = {.classes = classes};
        size_t pairs = (size_t)(images * classes);
        uint8_t *truth = calloc(pairs, sizeof *truth);
        double *rows = calloc(pairs, sizeof *rows);
        ClassNumbers *numbers = calloc((size_t)classes, sizeof *numbers);
        for (int i = 0; i < images; i++) {
            for (int c = 0; c < classes; c++)
                truth[i * classes + c] = (uint8_t)next(file);
            for (int c = 0; c < classes; c++)
                rows[i * classes + c] = next(file);
            label_tally_add(&tally, numbers, truth + i * classes,
                            rows + i * classes);
        }
        CHECK_INT(label_numbers(&tally, truth, rows, numbers, &all).code,
                  STATUS_OK);
        check_numbers(file, &tally, numbers, all);
        free(truth);
        free(rows);
        free(numbers);
        cases++;
    }
    CHECK(feof(file));
    fclose(file);
    CHECK_INT(cases, 6);
}

TEST(label_metrics_of_nothing_are_no_numbers)
{
    double all;
    LabelMetrics m;
    ClassNumbers numbers[2] = {0};
    ClassTally tally = {.classes = 2};
    CHECK_INT(label_numbers(&tally, NULL, NULL, numbers, &all).code, STATUS_OK);
    label_metrics(&tally, numbers, all, &m);
    CHECK(isnan(m.exact_match) && isnan(m.label_accuracy) && isnan(m.f1));
    CHECK(isnan(m.mean_average_precision) && isnan(m.average_precision));
    CHECK(isnan(m.mean_recall) && isnan(m.calibration_error));
    CHECK_INT(m.with_average_precision, 0);
}

// One half is not predicted.
TEST(label_tally_decides_at_one_half)
{
    ClassNumbers numbers[2] = {0};
    ClassTally tally = {.classes = 2};
    label_tally_add(&tally, numbers, (uint8_t[]){1, 0}, (double[]){0.5, 0.5});
    label_tally_add(&tally, numbers, (uint8_t[]){1, 0}, (double[]){0.51, 0.5});
    CHECK_INT(numbers[0].predicted, 1);
    CHECK_INT(numbers[1].predicted, 0);
    CHECK_INT(tally.right, 1);
}

TEST(class_sigmoid_refuses_what_is_no_number)
{
    double row[] = {0, log(3), -800, INFINITY};
    CHECK(class_sigmoid(row, 4));
    CHECK_NEAR(row[0], 0.5, 0);
    CHECK_NEAR(row[1], 0.75, tolerance);
    CHECK_NEAR(row[2], 0, 0);
    CHECK_NEAR(row[3], 1, 0);
    double bad[] = {1, NAN};
    CHECK(!class_sigmoid(bad, 2));
    CHECK_NEAR(bad[0], 1, 0);
}

TEST(label_metrics_without_memory)
{
    double all;
    ClassNumbers numbers[2] = {0};
    ClassTally tally = {.classes = 2, .images = 1};
    fault_arm(FAULT_MEMORY, 1);
    Status status = label_numbers(&tally, (uint8_t[]){0, 1}, (double[]){0, 1},
                                  numbers, &all);
    CHECK(fault_disarm());
    CHECK_INT(status.code, STATUS_MEMORY);
}
