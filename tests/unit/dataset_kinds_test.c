// Lists of files, STL-10 and tar shards as data sets; labels by a list.
#include <stdlib.h>
#include <unistd.h>

#include "runtime/data/data.h"
#include "tests/archive.h"
#include "tests/harness.h"
#include "tests/images.h"

static Dataset *open_good(const char *path)
{
    Dataset *dataset = NULL;
    DataOptions options = {0};
    CHECK_TEXT(dataset_open(path, &options, &dataset).text, "");
    if (!dataset)
        exit(1);
    return dataset;
}

static void write_text(const char *path, const char *text)
{
    write_bytes(path, text, (int64_t)strlen(text));
}

static int pixel_of(const Dataset *set, DataSplit split, int64_t index,
                    int place)
{
    Image image;
    CHECK_TEXT(dataset_read(set, split, index, &image).text, "");
    int value = image.pixels ? image.pixels[place] : -1;
    image_free(&image);
    return value;
}

// ---- lists -----------------------------------------------------------------

static void make_files(void)
{
    make_plain(test_path("s/a.png"), 4, 1);
    make_plain(test_path("s/sub/b c.png"), 4, 2);
    make_plain(test_path("s/d,\"e\".png"), 4, 3);
    make_plain(test_path("far/f.png"), 4, 4);
}

TEST(list_with_commas)
{
    char text[1024];
    make_files();
    snprintf(text, sizeof text,
             "\xef\xbb\xbfpath,label,part\r\n"
             "a.png,10,train\r\n"
             "\r\n"
             "sub/b c.png, 9 ,\r\n"
             "\"d,\"\"e\"\".png\",10,TEST\r\n"
             "%s",
             test_path("far/f.png"));
    write_text(test_path("s/list.csv"), text);
    Dataset *set = open_good(test_path("s/list.csv"));
    CHECK_TEXT(dataset_description(set),
               "list with 2 classes, 3 training images, 1 of them without a "
               "label and 1 test image (marked in it)");
    // Numbers go by value, not by bytes.
    CHECK_TEXT(dataset_class_name(set, 0), "9");
    CHECK_TEXT(dataset_class_name(set, 1), "10");
    CHECK_TEXT(dataset_sample_name(set, SPLIT_TRAIN, 1), "sub/b c.png");
    CHECK_TEXT(dataset_sample_name(set, SPLIT_TEST, 0), "d,\"e\".png");
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 0), 1);
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 1), 0);
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 2), -1);
    CHECK_INT(dataset_label(set, SPLIT_TEST, 0), 1);
    CHECK_INT(pixel_of(set, SPLIT_TRAIN, 2, 5), 4);
    CHECK_INT(pixel_of(set, SPLIT_TEST, 0, 5), 3);
    dataset_free(set);
}

TEST(list_with_spaces)
{
    make_files();
    write_text(test_path("s/list.txt"), "a.png\tcat\n"
                                        "  sub/b c.png   dog  train\n"
                                        "gone.png cat\n");
    Dataset *set = open_good(test_path("s/list.txt"));
    const DataSkip *skips;
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 2);
    CHECK_TEXT(dataset_class_name(set, 0), "cat");
    CHECK_TEXT(dataset_sample_name(set, SPLIT_TRAIN, 1), "sub/b c.png");
    CHECK_INT(pixel_of(set, SPLIT_TRAIN, 1, 0), 2);
    CHECK_INT(dataset_skips(set, &skips), 1);
    CHECK(strstr(skips[0].path, "gone.png (line 3)") != NULL);
    CHECK(strstr(skips[0].reason, "No such file") != NULL);
    dataset_free(set);
}

TEST(list_of_paths_alone)
{
    make_files();
    write_text(test_path("s/list"), "sub/b c.png\na.png");
    CHECK(chdir(test_path("s")) == 0);
    Dataset *set = open_good("list");
    CHECK_INT(dataset_classes(set), 0);
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 2);
    CHECK_INT(pixel_of(set, SPLIT_TRAIN, 0, 0), 2);
    dataset_free(set);
    write_text("one.csv", "path,label\na.png,x\n'b'.png,\n");
    set = open_good("one.csv");
    CHECK_INT(dataset_classes(set), 1);
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 1);
    dataset_free(set);
}

// ---- STL-10 ----------------------------------------------------------------

enum { STL_SIDE = 96, STL_IMAGE = 3 * STL_SIDE * STL_SIDE };

// Pixel (x, y) of channel c of image i is i + 10 c, but for one at (5, 2) that
// is 200 and lies behind five whole columns.
static void make_stl(const char *stem, int count, bool labels)
{
    uint8_t *bytes = malloc((size_t)count * STL_IMAGE), y[64];
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < STL_IMAGE; k++)
            bytes[i * STL_IMAGE + k] =
                (uint8_t)(i + 10 * (k / (STL_SIDE * STL_SIDE)));
        bytes[i * STL_IMAGE + 5 * STL_SIDE + 2] = 200;
        y[i] = (uint8_t)(i % 10 + 1);
    }
    write_bytes(test_path("stl/%s_X.bin", stem), bytes,
                (int64_t)count * STL_IMAGE);
    if (labels)
        write_bytes(test_path("stl/%s_y.bin", stem), y, count);
    free(bytes);
}

TEST(stl_batches)
{
    make_stl("train", 11, true);
    make_stl("test", 3, true);
    make_stl("unlabeled", 2, false);
    write_text(test_path("stl/class_names.txt"), "airplane\nbird\ncar\n");
    Dataset *set = open_good(test_path("stl"));
    CHECK_TEXT(dataset_description(set),
               "STL-10 batches with 10 classes, 13 training images, 2 of them "
               "without a label and 3 test images (test_X.bin)");
    CHECK_TEXT(dataset_class_name(set, 1), "bird");
    CHECK_TEXT(dataset_class_name(set, 9), "9");
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 10), 0);
    CHECK_INT(dataset_label(set, SPLIT_TEST, 2), 2);
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 11), -1);
    CHECK_TEXT(dataset_sample_name(set, SPLIT_TRAIN, 12), "unlabeled/000001");
    CHECK_INT(pixel_of(set, SPLIT_TRAIN, 4, 3 * (2 * STL_SIDE + 5)), 200);
    CHECK_INT(pixel_of(set, SPLIT_TRAIN, 4, 3 * (5 * STL_SIDE + 2)), 4);
    CHECK_INT(pixel_of(set, SPLIT_TRAIN, 4, 2), 24);
    CHECK_INT(pixel_of(set, SPLIT_TEST, 2, 1), 12);
    CHECK_INT(pixel_of(set, SPLIT_TRAIN, 12, 0), 1);
    dataset_free(set);
}

TEST(stl_tests_alone_are_there_to_evaluate)
{
    Dataset *set = NULL;
    make_stl("test", 3, true);
    DataOptions options = {.tests_alone = true};
    CHECK_TEXT(dataset_open(test_path("stl"), &options, &set).text, "");
    CHECK_TEXT(dataset_description(set),
               "STL-10 batches with 10 classes, 0 training images and 3 test "
               "images (test_X.bin)");
    CHECK_INT(dataset_label(set, SPLIT_TEST, 2), 2);
    dataset_free(set);
}

// ---- shards ----------------------------------------------------------------

static Archive archive;

static void add_image(const char *name, int value)
{
    make_plain(test_path("x.png"), 8, value);
    archive_add_file(&archive, name, test_path("x.png"));
}

static void write_archive(const char *path)
{
    archive_write(&archive, path);
    archive.size = 0;
}

TEST(shards)
{
    const uint8_t color[4] = {200, 0, 0, 0};
    add_image("./d.e/one.png", 1);
    archive_add(&archive, "./d.e/one.cls", '0', "1\n", 2);
    archive_add(&archive, "./d.e/one.json", '0', "{}", 2);
    archive_add(&archive, "two.CLS", '0', "0", 1);
    make_jpeg(test_path("y.jpg"), JPEG_KIND_RGB, 8, color);
    archive_add_file(&archive, "two.JPEG", test_path("y.jpg"));
    write_archive(test_path("s/data-000.tar"));
    archive_add(&archive, "folder", '5', "", 0);
    add_image("three.png", 3);
    archive_add(&archive, "four.cls", '0', "2", 1);
    write_archive(test_path("s/data-001.tar"));
    add_image("five.a.png", 5);
    archive_add(&archive, "five.cls", '0', "2", 1);
    write_archive(test_path("s/val-000.tar"));
    write_text(test_path("s/classes.txt"), "cat\ndog\n");
    Dataset *set = open_good(test_path("s"));
    CHECK_TEXT(dataset_description(set),
               "tar shards with 3 classes, 3 training images, 1 of them "
               "without a label and 1 test image (shards of their own), "
               "1 left out");
    CHECK_TEXT(dataset_class_name(set, 1), "dog");
    CHECK_TEXT(dataset_class_name(set, 2), "2");
    CHECK_TEXT(dataset_sample_name(set, SPLIT_TRAIN, 0),
               "data-000.tar/./d.e/one.png");
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 0), 1);
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 1), 0);
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 2), -1);
    CHECK_INT(pixel_of(set, SPLIT_TRAIN, 0, 0), 1);
    CHECK_NEAR(pixel_of(set, SPLIT_TRAIN, 1, 0), 200, 3);
    CHECK_INT(pixel_of(set, SPLIT_TRAIN, 2, 0), 3);
    CHECK_INT(pixel_of(set, SPLIT_TEST, 0, 0), 5);
    dataset_free(set);
    set = open_good(test_path("s/data-000.tar"));
    CHECK_INT(dataset_classes(set), 2);
    CHECK_INT(pixel_of(set, SPLIT_TRAIN, 0, 0), 1);
    dataset_free(set);
}

TEST(shards_in_train_and_test)
{
    add_image("a.png", 1);
    archive_add(&archive, "a.cls", '0', "0", 1);
    write_archive(test_path("s/train/0.tar"));
    add_image("a.png", 2);
    archive_add(&archive, "a.cls", '0', "0", 1);
    write_archive(test_path("s/test/0.tar"));
    Dataset *set = open_good(test_path("s"));
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 1);
    CHECK_INT(pixel_of(set, SPLIT_TEST, 0, 0), 2);
    CHECK_TEXT(dataset_sample_name(set, SPLIT_TEST, 0), "test/0.tar/a.png");
    dataset_free(set);
    add_image("a.png", 3);
    archive_add(&archive, "a.cls", '0', "0", 1);
    write_archive(test_path("s/val/0.tar"));
    set = open_good(test_path("s"));
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 1);
    CHECK_INT(pixel_of(set, SPLIT_TEST, 0, 0), 2);
    CHECK_INT(pixel_of(set, SPLIT_VALID, 0, 0), 3);
    dataset_free(set);
}

// An archive that was left beside the folders it was unpacked to is no set.
TEST(an_archive_beside_images_is_not_read)
{
    add_image("a.png", 1);
    write_archive(test_path("s/photos.tar"));
    make_plain(test_path("s/cat/a.png"), 4, 1);
    make_plain(test_path("s/dog/a.png"), 4, 1);
    Dataset *set = open_good(test_path("s"));
    CHECK_INT(dataset_classes(set), 2);
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 2);
    dataset_free(set);
}

TEST(shards_with_long_names)
{
    char name[301], pax[400];
    memset(name, 'n', 300);
    memcpy(name + 296, ".png", 5);
    archive_add(&archive, "././@LongLink", 'L', name, 301);
    add_image(name, 1);
    name[0] = 'm';
    int length = snprintf(pax, sizeof pax, "310 path=%s\n", name);
    CHECK_INT(length, 310);
    archive_add(&archive, "PaxHeader", 'x', pax, length);
    add_image("short.png", 2);
    int64_t at = archive.size;
    add_image("base.png", 3);
    memcpy(archive.bytes + at + 345, "some/prefix", 11);
    archive_seal(archive.bytes + at);
    write_archive(test_path("s/0.tar"));
    Dataset *set = open_good(test_path("s"));
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 3);
    CHECK_INT(strlen(dataset_sample_name(set, SPLIT_TRAIN, 0)), 306);
    CHECK(strncmp(dataset_sample_name(set, SPLIT_TRAIN, 1), "0.tar/mnn", 9) ==
          0);
    CHECK_TEXT(dataset_sample_name(set, SPLIT_TRAIN, 2),
               "0.tar/some/prefix/base.png");
    CHECK_INT(pixel_of(set, SPLIT_TRAIN, 1, 0), 2);
    dataset_free(set);
}

// ---- labels by a list ------------------------------------------------------

TEST(labels_are_those_listed)
{
    for (int i = 0; i < 6; i++) {
        make_plain(test_path("s/train/cat/%d.png", i), 4, i);
        make_plain(test_path("s/train/dog/%d.png", i), 4, i);
    }
    Dataset *set = open_good(test_path("s"));
    write_text(test_path("list"),
               "train/dog/3.png\r\n\ntrain/cat/0.png\ntrain/dog/0.png");
    int64_t *indices, count;
    CHECK_TEXT(
        dataset_select_listed(set, test_path("list"), &indices, &count).text,
        "");
    CHECK_INT(count, 3);
    CHECK_INT(indices[0], 0);
    CHECK_INT(indices[1], 6);
    CHECK_INT(indices[2], 9);
    free(indices);
    dataset_free(set);
}

TEST(labels_are_as_many_as_asked_for)
{
    static const struct {
        const char *labels;
        int64_t count;
    } asked[] = {{"2", 4},    {"50%", 6},   {"all", 12},   {"0.1%", 2},
                 {"1", 2},    {"1.0", 12},  {"0.5", 6},    {"1e-9", 2},
                 {"5e-1", 6}, {"100%", 12}, {"100.0%", 12}};
    for (int i = 0; i < 6; i++) {
        make_plain(test_path("s/train/cat/%d.png", i), 4, i);
        make_plain(test_path("s/train/dog/%d.png", i), 4, i);
    }
    Dataset *set = open_good(test_path("s"));
    int64_t *indices, *same, count, again;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        CHECK_TEXT(
            dataset_select_asked(set, asked[i].labels, 3, &indices, &count)
                .text,
            "");
        CHECK_INT(count, asked[i].count);
        free(indices);
    }
    // The images that a phase with `labels = 2` sees.
    dataset_select_asked(set, "2", 3, &indices, &count);
    dataset_select(set, SOURCE_LABELED, LABELS_PER_CLASS, 2, 3, &same, &again);
    CHECK(count == again &&
          memcmp(indices, same, (size_t)count * sizeof *same) == 0);
    free(indices);
    free(same);
    static const char *const wrong[] = {"7",   "0",   "1.5",          "200%",
                                        "-1",  "nan", "no/such/list", "2.0",
                                        "1e1", "0.0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK(dataset_select_asked(set, wrong[i], 3, &indices, &count).code !=
              STATUS_OK);
    dataset_free(set);
}
