// Which images a phase trains on, and whose labels it sees.
#include "runtime/base/file.h"
#include "runtime/data/augment.h"
#include "runtime/data/input.h"
#include "runtime/data/synth.h"
#include "runtime/train/trainset.h"
#include "tests/harness.h"

#include <stdlib.h>

enum { SIDE = 8, CLASSES = 3, TRAIN = 5, ALL = CLASSES * TRAIN };

// The set's folder, or the folder of one of its classes: images alone.
static Dataset *open_data(const char *below)
{
    char path[700];
    SynthOptions synth = {
        .classes = CLASSES, .size = 16, .train = TRAIN, .test = 1};
    DataOptions options = {.test_fraction = 0};
    Dataset *data = NULL;
    snprintf(path, sizeof path, "%s/data", test_folder());
    if (!file_exists(path))
        CHECK_INT(synth_write(path, &synth).code, STATUS_OK);
    snprintf(path, sizeof path, "%s/data%s", test_folder(), below);
    CHECK_INT(dataset_open(path, &options, &data).code, STATUS_OK);
    return data;
}

static ProgramPhase phase_for(PhaseSource source, double amount)
{
    return (ProgramPhase){.name = "p",
                          .batch = 4,
                          .group_count = 1,
                          .source = source,
                          .label_rule = LABELS_PER_CLASS,
                          .label_amount = amount,
                          .classes = CLASSES};
}

TEST(partly_labelled_images_are_all_with_some_labels)
{
    Dataset *data = open_data("");
    ProgramPhase part = phase_for(SOURCE_PARTLY_LABELED, 2);
    ProgramPhase some = phase_for(SOURCE_LABELED, 2);
    Trainset all, labelled;
    CHECK_INT(trainset_select(&part, data, NULL, 7, &all).code, STATUS_OK);
    CHECK_INT(trainset_select(&some, data, NULL, 7, &labelled).code, STATUS_OK);
    CHECK_INT(all.count, ALL);
    CHECK_INT(labelled.count, 2 * CLASSES);
    CHECK(labelled.seen == NULL);
    int seen = 0;
    for (int i = 0; i < ALL; i++)
        seen += all.seen[i];
    CHECK_INT(seen, 2 * CLASSES);
    // Those are the ones that labeled(2) gives.
    for (int i = 0; i < labelled.count; i++)
        CHECK(all.seen[labelled.indices[i]]);
    trainset_free(&all);
    trainset_free(&labelled);
    dataset_free(data);
}

TEST(unseen_labels_arrive_as_minus_one)
{
    Dataset *data = open_data("");
    ProgramPhase phase = phase_for(SOURCE_PARTLY_LABELED, 2);
    Trainset set;
    CHECK_INT(trainset_select(&phase, data, NULL, 7, &set).code, STATUS_OK);
    AugmentStep augment = {AUGMENT_CENTER_CROP, {SIDE, 1}};
    InputSpec spec = {.data = data,
                      .split = SPLIT_TRAIN,
                      .indices = set.indices,
                      .count = set.count,
                      .seen = set.seen,
                      .group_count = 1,
                      .groups = {{.augment = &augment,
                                  .augment_count = 1,
                                  .views = 1,
                                  .height = SIDE,
                                  .width = SIDE}},
                      .batch = ALL,
                      .training = true,
                      .threads = 2};
    Input *input = NULL;
    float *images = malloc(sizeof(float) * ALL * 3 * SIDE * SIDE);
    float labels[ALL];
    CHECK_INT(input_new(&spec, 0, &input).code, STATUS_OK);
    CHECK_INT(
        input_take(input, PLAN_F32, (void *[]){images}, labels, NULL).code,
        STATUS_OK);
    int counts[CLASSES + 1] = {0};
    for (int i = 0; i < ALL; i++)
        counts[(int)labels[i] + 1]++;
    CHECK_INT(counts[0], ALL - 2 * CLASSES);
    for (int i = 1; i <= CLASSES; i++)
        CHECK_INT(counts[i], 2);
    input_free(input);
    free(images);
    trainset_free(&set);
    dataset_free(data);
}

TEST(partly_labelled_phases_take_images_without_classes)
{
    Dataset *whole = open_data("");
    char below[100];
    snprintf(below, sizeof below, "/train/%s", dataset_class_name(whole, 0));
    dataset_free(whole);
    Dataset *data = open_data(below);
    CHECK_INT(dataset_classes(data), 0);
    ProgramPhase phase = phase_for(SOURCE_PARTLY_LABELED, 2);
    Trainset set;
    Status status = trainset_select(&phase, data, NULL, 7, &set);
    CHECK_INT(status.code, STATUS_OK);
    CHECK_INT(set.count, TRAIN);
    for (int i = 0; i < set.count; i++)
        CHECK(!set.seen[i]);
    trainset_free(&set);
    phase.source = SOURCE_LABELED;
    status = trainset_select(&phase, data, NULL, 7, &set);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "needs labels") != NULL);
    dataset_free(data);
}

static void check_refused(const ProgramPhase *phase, const char *message)
{
    Dataset *data = open_data("");
    Trainset set;
    Status status = trainset_select(phase, data, NULL, 7, &set);
    CHECK_INT(status.code, STATUS_DATA);
    if (!strstr(status.text, message))
        test_fail(__FILE__, __LINE__, "does not say \"%s\": %s", message,
                  status.text);
    CHECK(set.indices == NULL && set.seen == NULL);
    dataset_free(data);
}

TEST(phases_that_the_data_cannot_feed_are_refused)
{
    ProgramPhase phase = phase_for(SOURCE_LABELED, TRAIN + 1);
    check_refused(&phase, "wants 6 labelled images of each class");
    phase.source = SOURCE_PARTLY_LABELED;
    check_refused(&phase, "wants 6 labelled images of each class");
    phase.label_amount = 1;
    phase.batch = ALL + 1;
    check_refused(&phase, "--set p.batch=15, or less");
    phase.source = SOURCE_LABELED;
    phase.batch = CLASSES + 1;
    check_refused(&phase, "--set p.batch=3, or less");
    phase.classes = 9;
    check_refused(&phase, "--set classes=3");
}

TEST(balanced_phases_know_the_images_of_each_class)
{
    Dataset *data = open_data("");
    ProgramPhase phase = phase_for(SOURCE_LABELED, 2);
    Trainset set;
    phase.balanced = 1;
    CHECK_INT(trainset_select(&phase, data, NULL, 7, &set).code, STATUS_OK);
    CHECK_INT(trainset_count_classes(&phase, data, &set).code, STATUS_OK);
    CHECK_INT(set.strata.count, CLASSES);
    for (int c = 0; c < CLASSES; c++) {
        CHECK_INT(set.strata.starts[c], 2 * c);
        CHECK_INT(set.counts[c], 2);
        for (int i = 0; i < 2; i++) {
            int64_t place = set.strata.members[2 * c + i];
            CHECK_INT(dataset_label(data, SPLIT_TRAIN, set.indices[place]), c);
        }
    }
    CHECK_INT(set.strata.starts[CLASSES], 2 * CLASSES);
    trainset_free(&set);
    dataset_free(data);
}
