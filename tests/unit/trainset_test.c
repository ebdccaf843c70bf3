// Which images a phase trains on, and whose labels it sees.
#include "runtime/base/file.h"
#include "runtime/data/augment.h"
#include "runtime/data/input.h"
#include "runtime/data/synth.h"
#include "runtime/train/trainset.h"
#include "tests/archive.h"
#include "tests/harness.h"
#include "tests/images.h"

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
    CHECK(status.wants_setting == (strstr(message, "--set") != NULL));
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

// ---- several classes an image
// -------------------------------------------------

enum { TAGGED = 20 };

// TAGGED images in a list: each with the classes whose bit of `place % 8` is
// set, of "a", "b" and the rare "c", which those with bit 2 have.
static Dataset *open_tagged(double test_fraction)
{
    char text[4096] = "";
    Dataset *data = NULL;
    DataOptions options = {.test_fraction = test_fraction, .seed = 3};
    for (int i = 0; i < TAGGED; i++) {
        int bits = i % 8;
        make_plain(test_path("tags/%02d.png", i), 4, i);
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "%02d.png,%s|%s|%s\n", i, bits & 1 ? "a" : "",
                 bits & 2 ? "b" : "", bits & 4 ? "c" : "");
    }
    write_bytes(test_path("tags/list.csv"), text, (int64_t)strlen(text));
    CHECK_INT(dataset_open(test_path("tags/list.csv"), &options, &data).code,
              STATUS_OK);
    return data;
}

static void check_tags(const Dataset *data, DataSplit split, const int *numbers)
{
    for (int64_t i = 0; i < dataset_count(data, split); i++) {
        const int32_t *classes;
        int want = 0, got = 0;
        int bits = atoi(dataset_sample_name(data, split, i)) % 8;
        int count = dataset_labels(data, split, i, &classes);
        for (int b = 0; b < 3; b++)
            want |= (bits >> b & 1) << numbers[b];
        for (int k = 0; k < count; k++) {
            got |= 1 << classes[k];
            CHECK(k == 0 || classes[k] > classes[k - 1]);
        }
        CHECK_INT(got, want);
    }
}

// A held-out part has images of the rare class, too, and the classes go by
// other numbers where weights have them in another order.
TEST(several_classes_are_held_out_and_renumbered)
{
    Dataset *data = open_tagged(0.25);
    bool by_place;
    int rare = 0;
    const int32_t *classes;
    CHECK(dataset_several(data));
    CHECK_INT(dataset_classes(data), 3);
    CHECK_INT(dataset_count(data, SPLIT_TEST) +
                  dataset_count(data, SPLIT_TRAIN),
              TAGGED);
    for (int64_t i = 0; i < dataset_count(data, SPLIT_TEST); i++) {
        int count = dataset_labels(data, SPLIT_TEST, i, &classes);
        rare += count > 0 && classes[count - 1] == 2;
    }
    CHECK_INT(rare, 2); // of 8
    check_tags(data, SPLIT_TRAIN, (int[]){0, 1, 2});
    CHECK_INT(dataset_take_classes(data, "they", "c\na\nb", &by_place).code,
              STATUS_OK);
    check_tags(data, SPLIT_TRAIN, (int[]){1, 2, 0});
    check_tags(data, SPLIT_TEST, (int[]){1, 2, 0});
    CHECK_INT(dataset_take_classes(data, "they", "c\na\nd", &by_place).code,
              STATUS_DATA);
    dataset_free(data);
}

TEST(several_classes_are_selected_by_shares_alone)
{
    Dataset *data = open_tagged(0);
    int64_t *few, *more, few_count, more_count;
    CHECK_INT(dataset_select_asked(data, "20%", 5, &few, &few_count).code,
              STATUS_OK);
    CHECK_INT(dataset_select_asked(data, "60%", 5, &more, &more_count).code,
              STATUS_OK);
    CHECK(few_count >= 4 && few_count < more_count && more_count < TAGGED);
    for (int64_t i = 0, k = 0; i < few_count; i++) {
        while (k < more_count && more[k] < few[i])
            k++;
        CHECK(k < more_count && more[k] == few[i]);
    }
    free(few);
    free(more);
    Status status = dataset_select_asked(data, "3", 5, &few, &few_count);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "ask for a share") != NULL);
    dataset_free(data);
}

TEST(several_classes_are_counted_and_balanced)
{
    Dataset *data = open_tagged(0);
    ProgramPhase phase = {.name = "p",
                          .batch = 4,
                          .group_count = 1,
                          .source = SOURCE_MULTI_LABELED,
                          .classes = 3,
                          .balanced = 1};
    Trainset set;
    CHECK_INT(phase_label_width(&phase), 3);
    CHECK_INT(trainset_select(&phase, data, NULL, 7, &set).code, STATUS_OK);
    CHECK_INT(trainset_count_classes(&phase, data, &set).code, STATUS_OK);
    CHECK_INT(set.counts[0], 10);
    CHECK_INT(set.counts[1], 10);
    CHECK_INT(set.counts[2], 8);
    // And those of no class, images 0, 8 and 16.
    CHECK_INT(set.strata.count, 4);
    CHECK_INT(set.strata.starts[4], 31);
    for (int i = 0; i < 3; i++)
        CHECK_INT(set.strata.members[28 + i], 8 * i);
    trainset_free(&set);
    phase.source = SOURCE_LABELED;
    Status status = trainset_select(&phase, data, NULL, 7, &set);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "multi_labeled") != NULL);
    dataset_free(data);
    data = open_data("");
    phase.source = SOURCE_MULTI_LABELED;
    status = trainset_select(&phase, data, NULL, 7, &set);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "from labeled(...)") != NULL);
    dataset_free(data);
}

TEST(several_classes_arrive_as_rows_of_0_and_1)
{
    Dataset *data = open_tagged(0);
    AugmentStep augment = {AUGMENT_CENTER_CROP, {4, 1}};
    bool seen[TAGGED];
    InputSpec spec = {.data = data,
                      .split = SPLIT_TRAIN,
                      .count = TAGGED,
                      .seen = seen,
                      .label_width = 3,
                      .group_count = 1,
                      .groups = {{.augment = &augment,
                                  .augment_count = 1,
                                  .views = 1,
                                  .height = 4,
                                  .width = 4}},
                      .batch = TAGGED,
                      .threads = 2};
    Input *input = NULL;
    double labels[TAGGED * 3], pixels[TAGGED * 3 * 16];
    for (int i = 0; i < TAGGED; i++)
        seen[i] = i != 5;
    CHECK_INT(input_new(&spec, 0, &input).code, STATUS_OK);
    CHECK_INT(
        input_take(input, PLAN_F64, (void *[]){pixels}, labels, NULL).code,
        STATUS_OK);
    for (int i = 0; i < TAGGED; i++)
        for (int c = 0; c < 3; c++)
            CHECK_INT(labels[3 * i + c], i == 5 ? -1 : i % 8 >> c & 1);
    input_free(input);
    dataset_free(data);
}
