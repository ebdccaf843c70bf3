// Names of classes as models keep them, and sets that take their order.
#include "runtime/data/class_names.h"

#include <stdlib.h>

#include "runtime/base/file.h"
#include "runtime/base/json.h"
#include "runtime/data/data.h"
#include "runtime/data/synth.h"
#include "tests/harness.h"

// ---- lines ------------------------------------------------------------------

static void check_lines(int count, const char *const *names, const char *want)
{
    ClassNames read;
    char *lines = class_names_write(count, (char *const *)names);
    CHECK_TEXT(lines, want);
    CHECK(json_is_utf8(lines, strlen(lines)));
    CHECK_TEXT(class_names_read(lines, &read).text, "");
    CHECK_INT(read.count, count);
    for (int i = 0; i < count && i < read.count; i++)
        CHECK_TEXT(read.at[i], names[i]);
    class_names_free(&read);
    free(lines);
}

TEST(class_names_come_back)
{
    const char *plain[] = {"circle", "a cross", "b,c"};
    check_lines(3, plain, "circle\na cross\nb,c");
    const char *odd[] = {"two\nlines",  "back\\slash", "\xff latin", "tab\t",
                         "caf\xc3\xa9", "\xe2\x82",    "\\n"};
    check_lines(7, odd,
                "two\\nlines\nback\\\\slash\n\\xff latin\ntab\\x09\n"
                "caf\xc3\xa9\n\\xe2\\x82\n\\\\n");
    const char *one[] = {"alone"};
    check_lines(1, one, "alone");
}

// Models of earlier versions had names as they were.
TEST(class_names_of_old_models)
{
    ClassNames names;
    CHECK_TEXT(class_names_read("a\\q\nb\\x0\nc\\x00\nd\\", &names).text, "");
    CHECK_INT(names.count, 4);
    CHECK_TEXT(names.at[0], "a\\q");
    CHECK_TEXT(names.at[1], "b\\x0");
    CHECK_TEXT(names.at[2], "c\\x00");
    CHECK_TEXT(names.at[3], "d\\");
    class_names_free(&names);
}

TEST(class_names_as_a_list)
{
    char *names[] = {"one", "two", "three"}, text[64];
    class_names_list(3, names, text, sizeof text);
    CHECK_TEXT(text, "one, two, three");
    class_names_list(3, names, text, 15);
    CHECK_TEXT(text, "one, two, ...");
    class_names_list(3, names, text, 7);
    CHECK_TEXT(text, "...");
    class_names_list(0, names, text, sizeof text);
    CHECK_TEXT(text, "");
}

// ---- sets -------------------------------------------------------------------

static Dataset *open_shapes(int classes)
{
    char path[700];
    SynthOptions synth = {
        .classes = classes, .size = 16, .train = 3, .test = 2};
    DataOptions options = {0};
    Dataset *data = NULL;
    snprintf(path, sizeof path, "%s/data%d", test_folder(), classes);
    CHECK_TEXT(synth_write(path, &synth).text, "");
    CHECK_TEXT(dataset_open(path, &options, &data).text, "");
    return data;
}

// Every label names the folder that its image is in.
static void check_labels(const Dataset *data)
{
    for (int split = 0; split < 2; split++)
        for (int64_t i = 0; i < dataset_count(data, (DataSplit)split); i++) {
            char wanted[200];
            int label = dataset_label(data, (DataSplit)split, i);
            snprintf(wanted, sizeof wanted, "%s/%s/", split ? "test" : "train",
                     dataset_class_name(data, label));
            CHECK(strncmp(dataset_sample_name(data, (DataSplit)split, i),
                          wanted, strlen(wanted)) == 0);
        }
}

static void check_order(const Dataset *data, const char *want)
{
    char *lines = dataset_class_lines(data);
    CHECK_TEXT(lines, want);
    free(lines);
    check_labels(data);
}

TEST(classes_take_an_order_and_give_it_back)
{
    Dataset *data = open_shapes(3);
    bool by_place;
    char *own = dataset_class_lines(data);
    CHECK_TEXT(own, "disc\nring\nsquare");
    check_order(data, own);
    const char *orders[] = {"square\ndisc\nring", "ring\nsquare\ndisc",
                            "square\nring\ndisc"};
    for (int i = 0; i < 3; i++) {
        CHECK_TEXT(dataset_take_classes(data, "w", orders[i], &by_place).text,
                   "");
        CHECK(!by_place);
        check_order(data, orders[i]);
    }
    CHECK_TEXT(dataset_take_classes(data, "w", NULL, &by_place).text, "");
    check_order(data, own);
    free(own);
    dataset_free(data);
}

TEST(classes_that_differ_are_refused_with_both_lists)
{
    Dataset *data = open_shapes(3);
    bool by_place;
    const char *others[] = {"disc\nring\ncircle", "disc\nring",
                            "disc\nring\nsquare\ncross", "disc\nring\nring",
                            "a\nb\nc"};
    for (int i = 0; i < 5; i++) {
        Status status =
            dataset_take_classes(data, "the weights", others[i], &by_place);
        CHECK_INT(status.code, STATUS_DATA);
        CHECK(strstr(status.text, "(disc, ring, square)") != NULL);
        CHECK(!by_place);
        check_order(data, "disc\nring\nsquare");
    }
    Status status = dataset_take_classes(data, "the weights",
                                         "disc\nring\ncircle", &by_place);
    CHECK_TEXT(status.text,
               "the weights know 3 classes (disc, ring, circle), and the "
               "data has 3 (disc, ring, square); not in the data: circle; "
               "only there: square. Data of the same classes is wanted, under "
               "the same names");
    dataset_free(data);
}

// CIFAR batches without batches.meta.txt have no names: there are numbers.
TEST(classes_without_names_are_taken_by_place)
{
    enum { SIZE = 1 + 3072 };
    char path[700];
    static unsigned char records[10 * SIZE];
    DataOptions options = {0};
    Dataset *data = NULL;
    bool by_place;
    for (int i = 0; i < 10; i++)
        records[i * SIZE] = (unsigned char)i;
    snprintf(path, sizeof path, "%s/data_batch_1.bin", test_folder());
    CHECK_TEXT(file_write(path, records, sizeof records).text, "");
    CHECK_TEXT(dataset_open(test_folder(), &options, &data).text, "");
    CHECK_TEXT(dataset_take_classes(data, "w", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj",
                                    &by_place)
                   .text,
               "");
    CHECK(by_place);
    CHECK_INT(dataset_take_classes(data, "w", "a\nb", &by_place).code,
              STATUS_DATA);
    CHECK_TEXT(dataset_take_classes(data, "w", "9\n8\n7\n6\n5\n4\n3\n2\n1\n0",
                                    &by_place)
                   .text,
               "");
    CHECK(!by_place);
    CHECK_TEXT(dataset_class_name(data, 0), "9");
    CHECK_INT(dataset_label(data, SPLIT_TRAIN, 0), 9);
    dataset_free(data);
}
