// Folders as people have them: names of parts, sets within sets, and what is
// said of classes that are none and of files that are not used.
#include <stdlib.h>

#include "runtime/data/data.h"
#include "tests/harness.h"
#include "tests/images.h"

// Files of one image each, parted by spaces, in a folder of the given name.
static void make_set(const char *name, const char *files)
{
    char text[2048], *state = NULL;
    snprintf(text, sizeof text, "%s", files);
    for (char *file = strtok_r(text, " ", &state); file;
         file = strtok_r(NULL, " ", &state))
        make_plain(test_path("%s/%s", name, file), 4, 7);
}

static void add_split(const Dataset *set, DataSplit split, char *text,
                      size_t size)
{
    for (int64_t i = 0; i < dataset_count(set, split); i++) {
        int label = dataset_label(set, split, i);
        size_t used = strlen(text);
        snprintf(text + used, size - used, " %s=%s",
                 dataset_sample_name(set, split, i),
                 label < 0 ? "-" : dataset_class_name(set, label));
    }
}

// The set as "name=class ... | name=class ... || name=class ..." of training,
// test and validation, and a line for each note.
static void check_opened(const char *name, const DataOptions *options,
                         const char *want)
{
    Dataset *set = NULL;
    char got[4096] = "";
    char *const *notes;
    CHECK_TEXT(dataset_open(test_path("%s", name), options, &set).text, "");
    if (!set)
        return;
    add_split(set, SPLIT_TRAIN, got, sizeof got);
    if (dataset_count(set, SPLIT_TEST))
        strcat(got, " |");
    add_split(set, SPLIT_TEST, got, sizeof got);
    if (dataset_count(set, SPLIT_VALID))
        strcat(got, " ||");
    add_split(set, SPLIT_VALID, got, sizeof got);
    int count = dataset_notes(set, &notes);
    for (int i = 0; i < count; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "\n%s", notes[i]);
    CHECK_TEXT(got, want);
    dataset_free(set);
}

static void check_set(const char *name, const char *want)
{
    check_opened(name, &(DataOptions){0}, want);
}

static void check(const char *files, const char *want)
{
    static int made;
    char name[32];
    snprintf(name, sizeof name, "s%d", made++);
    make_set(name, files);
    check_set(name, want);
}

// ---- parts ------------------------------------------------------------------

TEST(folders_of_parts_have_many_names)
{
    static const char *const train[] = {"train", "Train", "TRAINING",
                                        "training_set", "train2017"};
    static const char *const test[] = {"test",     "Test",      "Testing",
                                       "test_set", "val2017",   "valid",
                                       "dev",      "Validation"};
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 8; k++) {
            char files[256], want[256];
            snprintf(files, sizeof files, "%s/a/1.png %s/b/1.png %s/b/2.png",
                     train[i], train[i], test[k]);
            snprintf(want, sizeof want,
                     " %s/a/1.png=a %s/b/1.png=b | "
                     "%s/b/2.png=b",
                     train[i], train[i], test[k]);
            check(files, want);
        }
    check("train/a/1.png train/b/1.png unlabeled/x/1.png",
          " train/a/1.png=a train/b/1.png=b unlabeled/x/1.png=-");
    check("a/1.png b/1.png unlabelled/1.png",
          " a/1.png=a b/1.png=b unlabelled/1.png=-");
}

// No image of a test part is trained on, whatever it looks like.
TEST(folders_of_tests_are_not_trained_on)
{
    check("train/a/1.png train/b/1.png test/1.png test/2.png",
          " train/a/1.png=a train/b/1.png=b\ntest/ has no folders of classes "
          "as the training part has: its images are not used");
    check("train/a/1.png train/b/1.png test/1.png valid/a/3.png",
          " train/a/1.png=a train/b/1.png=b | valid/a/3.png=a\ntest/ has no "
          "folders of classes as the training part has: its images are not "
          "used");
    check("train/a/1.png train/b/1.png test/a/2.png valid/a/3.png",
          " train/a/1.png=a train/b/1.png=b | test/a/2.png=a || "
          "valid/a/3.png=a\nvalid/ is for validation while training, with "
          "--validate-every: no phase trains on it");
    check("train/a/1.png train/b/1.png test/a/2.png dev/3.png",
          " train/a/1.png=a train/b/1.png=b | test/a/2.png=a\ndev/ has no "
          "folders of classes as the training part has: its images are not "
          "used");
    check("a/1.png b/1.png Test/a/2.png",
          " a/1.png=a b/1.png=b | Test/a/2.png=a");
    check("a/x/1.png b/1.png Test/a/2.png",
          " a/x/1.png=- b/1.png=- | Test/a/2.png=-\nno classes, for a has "
          "images only in folders of its own, and a class is a folder that "
          "holds its images; a part of the set is called train, test, val or "
          "unlabeled");
    check("train/1.png train/2.png test/3.png",
          " train/1.png=- train/2.png=- | test/3.png=-");
    check("train/a/1.png test/a/2.png test/9.png",
          " train/a/1.png=a | test/a/2.png=a\n9.png is in no folder of a class "
          "of test/: not used");
}

TEST(folders_beside_parts_are_told)
{
    check("train/a/1.png test/a/2.png more/3.png Test2/a/4.png 5.png",
          " train/a/1.png=a | Test2/a/4.png=a\nnot used, beside the parts of "
          "the set, which are called train, test, val or unlabeled: more, "
          "test, loose images");
    check("a/1.png b/1.png test/2.png",
          " a/1.png=a b/1.png=b\ntest/ has no folders of classes as the "
          "training part has: its images are not used");
    check("1.png test/2.png", " 1.png=- | test/2.png=-");
    check("a/1.png train/2.png", " a/1.png=a train/2.png=train");
}

TEST(folders_of_parts_may_share_a_word)
{
    const char *note = "\nseg_train/ and seg_test/ are taken for the training "
                       "part and that for testing";
    char want[400];
    snprintf(want, sizeof want,
             " seg_train/seg_train/a/1.png=a | seg_test/seg_test/a/2.png=a%s"
             "\nnot used, beside the parts of the set, which are called train, "
             "test, val or unlabeled: seg_pred",
             note);
    check("seg_train/seg_train/a/1.png seg_test/seg_test/a/2.png "
          "seg_pred/seg_pred/3.png",
          want);
    snprintf(want, sizeof want, " seg_train/1.png=- | seg_test/2.png=-%s",
             note);
    check("seg_train/1.png seg_test/2.png", want);
    check("a_train/1.png a_test/2.png b_train/3.png b_test/4.png",
          " a_test/2.png=a_test a_train/1.png=a_train b_test/4.png=b_test "
          "b_train/3.png=b_train\na_train and a_test, b_train and b_test look "
          "like training and test parts of one class each, and are taken for "
          "folders as any: move them to train/CLASS and test/CLASS");
    check("bus/1.png bullet_train/2.png", " bullet_train/2.png=bullet_train "
                                          "bus/1.png=bus");
}

// Two classes, one of which may be a slip.
TEST(folders_of_classes_may_differ_by_case)
{
    check("Bars/1.png bars/2.png disc/3.png",
          " Bars/1.png=Bars bars/2.png=bars disc/3.png=disc\nclasses Bars and "
          "bars differ by the case of letters alone: if they are one, give "
          "them one name");
}

// Among images without classes parts are known by their names, however deep.
TEST(folders_of_tests_are_not_trained_on_deeper_down)
{
    check(
        "one/train/a/1.png one/test/a/2.png two/train/a/3.png "
        "two/VAL/a/4.png",
        " one/train/a/1.png=- two/train/a/3.png=- | one/test/a/2.png=- "
        "two/VAL/a/4.png=-\nno classes, for one has images only in folders of "
        "its own, and a class is a folder that holds its images; a part of "
        "the set is called train, test, val or unlabeled\none/test, "
        "two/VAL: test images by the name of their folder, no phase trains "
        "on them");
    make_set("dev", "dev/a/1.png test/a/2.png");
    check_set_refused(test_path("dev"),
                      "no training part: dev, test are for testing or "
                      "validation by their names; call one train, or give it "
                      "alone");
}

// A set without training images is refused but by those who train nothing.
TEST(folders_of_tests_alone_are_there_to_evaluate)
{
    static const char note[] = "there is no training part: its images are to "
                               "evaluate alone";
    static const struct {
        const char *files, *want;
    } cases[] = {
        {"test/a/1.png test/b/2.png val/b/3.png",
         " | test/a/1.png=a test/b/2.png=b || val/b/3.png=b\nval/ is for "
         "validation while training, with --validate-every: no phase trains "
         "on it"},
        {"in/test/a/1.png in/val/a/3.png in/test/b/2.png",
         " | in/test/a/1.png=a in/test/b/2.png=b || in/val/a/3.png=a\nthe set "
         "is in in/, the only folder with images\nin/val/ is for validation "
         "while training, with --validate-every: no phase trains on it"},
        {"x/test/1.png y/test/2.png",
         " | x/test/1.png=- y/test/2.png=-\nno classes, for x has images only "
         "in folders of its own, and a class is a folder that holds its "
         "images; a part of the set is called train, test, val or unlabeled\n"
         "x/test, y/test: test images by the name of their folder, no phase "
         "trains on them"}};
    DataOptions options = {.tests_alone = true,
                           .test_fraction = 0.5,
                           .valid_fraction = 0.5,
                           .valid_where = true};
    for (int i = 0; i < 3; i++) {
        char name[32], want[1024];
        snprintf(name, sizeof name, "alone%d", i);
        snprintf(want, sizeof want, "%s\n%s", cases[i].want, note);
        make_set(name, cases[i].files);
        check_set_refused(test_path("%s", name), "no training part: ");
        check_opened(name, &options, want);
    }
}

// PNG files of 16 bits with one number in all of their bits.
static void make_deep(const char *path, unsigned number)
{
    uint8_t rows[4 * 4 * 2];
    for (int i = 0; i < 4 * 4; i++) {
        rows[2 * i] = (uint8_t)(number >> 8);
        rows[2 * i + 1] = (uint8_t)number;
    }
    make_png(test_path(path), PNG_KIND_GREY, 16, false, 4, 4, rows, 8);
}

static void check_told(int channels, const char *wanted)
{
    Dataset *set = NULL;
    char *const *notes;
    DataOptions options = {.channels = channels};
    CHECK_TEXT(dataset_open(test_path("s"), &options, &set).text, "");
    int count = dataset_notes(set, &notes);
    CHECK_TEXT(count ? notes[count - 1] : "", wanted);
    dataset_free(set);
}

TEST(folders_of_a_camera_of_few_bits_are_told)
{
    static const char *const few[] = {
        "4 of the images of 16 bits were looked at, and no value is above "
        "4095: they are all but black, as those of a camera of 12 bits are: "
        "multiply values by 16",
        "4 of the images of 16 bits were looked at, and no value is above "
        "1023: they are all but black, as those of a camera of 10 bits are: "
        "multiply values by 64"};
    char name[32];
    make_set("s", "a/1.png");
    for (int i = 1; i < 9; i++) {
        snprintf(name, sizeof name, "s/a/%d.png", i);
        make_deep(name, i == 7 ? 4095 : 5);
    }
    check_told(1, few[0]);
    check_told(3, few[0]);
    make_deep("s/a/7.png", 1023);
    check_told(1, few[1]);
    make_deep("s/a/7.png", 4096);
    check_told(1, "");
    for (int i = 1; i < 9; i++) {
        snprintf(name, sizeof name, "s/a/%d.png", i);
        make_deep(name, 0);
    }
    check_told(1, "");

    // An array of one pixel, as numpy.save writes it.
    char array[130] =
        "\x93NUMPY\1\0v\0{'descr': '<u2', 'fortran_order': False, "
        "'shape': (1, 1, 1), }";
    memset(array + strlen(array + 10) + 10, ' ', 117 - strlen(array + 10));
    array[127] = '\n';
    memcpy(array + 128, "\x00\x02", 2); // 512
    for (int i = 1; i < 9; i++) {
        snprintf(name, sizeof name, "s/a/%d.png", i);
        remove(test_path("%s", name));
    }
    write_bytes(test_path("s/a/1.npy"), array, sizeof array);
    check_told(1, "1 of the images of 16 bits was looked at, and no value is "
                  "above 1023: they are all but black, as those of a camera of "
                  "10 bits are: multiply values by 64");
}

TEST(folders_with_png_of_16_bits_are_told)
{
    uint8_t rows[4 * 4 * 2 * 4] = {0};
    make_set("s", "a/1.png b/1.png");
    make_png(test_path("s/a/2.png"), PNG_KIND_RGB, 16, false, 4, 4, rows, 24);
    check_set("s", " a/1.png=a a/2.png=a b/1.png=b\n1 PNG file has 16 bits a "
                   "channel: a program of RGB images reads them as 8");
    Dataset *set = NULL;
    char *const *notes;
    DataOptions options = {.channels = 4}; // which reads them whole
    CHECK_TEXT(dataset_open(test_path("s"), &options, &set).text, "");
    CHECK_INT(dataset_notes(set, &notes), 0);
    dataset_free(set);
}

// ---- within folders ---------------------------------------------------------

TEST(folders_unpacked_into_a_folder)
{
    check("set/a/1.png set/b/1.png", " set/a/1.png=a set/b/1.png=b\nthe set is "
                                     "in set/, the only folder "
                                     "with images");
    check("set/set/Train/a/1.png set/set/Test/a/2.png",
          " set/set/Train/a/1.png=a | set/set/Test/a/2.png=a\nthe set is in "
          "set/set/, the only folder with images");
    check("train/train/a/1.png train/train/b/1.png test/test/a/2.png",
          " train/train/a/1.png=a train/train/b/1.png=b | test/test/a/2.png=a");
    check(
        "test/a/1.png test/b/1.png",
        " test/a/1.png=a test/b/1.png=b\nthe set is in test/, the only folder "
        "with images");
    check("photos/1.png photos/2.png", " photos/1.png=photos "
                                       "photos/2.png=photos");
}

TEST(folders_of_classes_with_a_folder_of_images)
{
    const char *note = "\nimages of a class are in a folder of its own, as in "
                       "a/images";
    char want[256];
    snprintf(want, sizeof want, " a/images/1.png=a b/images/1.png=b%s", note);
    check("a/images/1.png b/images/1.png", want);
    snprintf(want, sizeof want, " a/images/1.png=a b/1.png=b%s", note);
    check("a/images/1.png b/1.png", want);
    snprintf(want, sizeof want,
             " train/a/images/1.png=a train/b/img/1.png=b | "
             "val/a/2.png=a%s",
             note);
    check("train/a/images/1.png train/b/img/1.png val/a/2.png", want);
    check("train/images/1.png test/images/2.png",
          " train/images/1.png=- | test/images/2.png=-");
}

TEST(folders_that_are_no_classes_are_told)
{
    check("a/1.png b/1.png loose.png",
          " a/1.png=- b/1.png=- loose.png=-\nno classes, for loose.png lies "
          "beside the folders: where it is moved elsewhere, each folder is a "
          "class");
    check("a/x/1.png a/y/1.png b/x/1.png b/y/1.png",
          " a/x/1.png=- a/y/1.png=- b/x/1.png=- b/y/1.png=-\nno classes, for a "
          "has images only in folders of its own, and a class is a folder that "
          "holds its images; a part of the set is called train, test, val or "
          "unlabeled");
    check("1.png 2.png", " 1.png=- 2.png=-");
}

// ---- files ------------------------------------------------------------------

TEST(folders_have_images_by_content)
{
    make_set("s", "a/1.png b/1.png");
    make_plain(test_path("s/a/without"), 4, 1);
    make_jpeg(test_path("s/b/2.jfif"), JPEG_KIND_RGB, 8, (uint8_t[4]){1, 2, 3});
    make_jpeg(test_path("s/b/3"), JPEG_KIND_RGB, 8, (uint8_t[4]){1, 2, 3});
    write_bytes(test_path("s/b/README"), "words", 5);
    write_bytes(test_path("s/LICENSE"), "words", 5);
    check_set("s", " a/1.png=a a/without=a b/1.png=b b/2.jfif=b b/3=b");
    make_plain(test_path("t/1"), 4, 1);
    make_plain(test_path("t/2"), 4, 1);
    check_set("t", " 1=- 2=-");
}

// What simcc drew into the folder is none of its images; what it drew as a set
// is.
TEST(folders_with_pictures_of_simcc)
{
    Image image;
    const DataSkip *skips;
    Dataset *set = NULL;
    DataOptions options = {0};
    make_set("s", "a/1.png b/1.png");
    CHECK_TEXT(image_new(40, 30, &image).text, "");
    memset(image.pixels, 9, 40 * 30 * 3);
    CHECK_TEXT(image_write_png(test_path("s/views.png"), &image).text, "");
    CHECK_TEXT(image_write_png(test_path("s/a/map.png"), &image).text, "");
    make_plain(test_path("s/out/x.txt"), 4, 1);
    CHECK_TEXT(image_write_png(test_path("s/out/map.png"), &image).text, "");
    check_set("s", " a/1.png=a b/1.png=b");
    CHECK_TEXT(dataset_open(test_path("s"), &options, &set).text, "");
    CHECK_INT(dataset_skips(set, &skips), 2);
    CHECK(strstr(skips[1].path, "a/map.png") &&
          strstr(skips[1].reason, "simcc drew"));
    dataset_free(set);
    image_free(&image);
}

// A class that nothing can be read of is none.
TEST(folders_of_damaged_images_are_no_class)
{
    make_set("s", "a/1.png b/1.png");
    write_bytes(test_path("s/aa/1.png"), "damaged", 7);
    check_set("s", " a/1.png=a b/1.png=b\nclass aa has no image that can be "
                   "read, and is left out");
}
