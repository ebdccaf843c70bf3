// Recognising sets, their order and labels, the held-out part and subsets.
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/data/data.h"
#include "tests/harness.h"
#include "tests/images.h"

static Dataset *open_good(const char *path, DataOptions options)
{
    Dataset *dataset = NULL;
    Status status = dataset_open(path, &options, &dataset);
    CHECK_TEXT(status.text, "");
    if (!dataset)
        exit(1);
    return dataset;
}

// `count` images of a class, with one value each.
static void make_class(const char *folder, int count, int value)
{
    for (int i = 0; i < count; i++)
        make_plain(test_path("%s/%03d.png", folder, i), 4, value);
}

static const char *root(const char *name)
{
    return test_path("%s", name);
}

TEST(class_folders)
{
    make_class("s/b", 3, 20);
    make_class("s/a", 2, 10);
    make_class("s/.hidden", 2, 10);
    make_plain(test_path("s/a/deeper/x.PNG"), 4, 11);
    write_bytes(test_path("s/a/notes.txt"), "hello", 5);
    write_bytes(test_path("s/README"), "hello", 5);
    Dataset *set = open_good(root("s"), (DataOptions){0});
    CHECK_INT(dataset_classes(set), 2);
    CHECK_TEXT(dataset_class_name(set, 0), "a");
    CHECK_TEXT(dataset_class_name(set, 1), "b");
    CHECK_TEXT(dataset_class_name(set, 2), "");
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 6);
    CHECK_INT(dataset_count(set, SPLIT_TEST), 0);
    CHECK_TEXT(dataset_sample_name(set, SPLIT_TRAIN, 0), "a/000.png");
    CHECK_TEXT(dataset_sample_name(set, SPLIT_TRAIN, 2), "a/deeper/x.PNG");
    CHECK_TEXT(dataset_sample_name(set, SPLIT_TRAIN, 3), "b/000.png");
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 2), 0);
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 3), 1);
    CHECK_TEXT(dataset_description(set), "folder with 2 classes, 6 training "
                                         "images and 0 test images");
    const DataSkip *skips;
    CHECK_INT(dataset_skips(set, &skips), 0);
    Image image;
    CHECK(dataset_read(set, SPLIT_TRAIN, 4, &image).code == STATUS_OK);
    CHECK_INT(image.width, 4);
    CHECK_INT(image.pixels[7], 20);
    image_free(&image);
    dataset_free(set);
}

TEST(train_and_test_folders)
{
    make_class("s/train/cat", 3, 1);
    make_class("s/train/dog", 2, 2);
    make_class("s/val/dog", 1, 3);
    make_class("s/unlabeled/any/deep", 4, 4);
    Dataset *set = open_good(root("s"), (DataOptions){.test_fraction = 0.5});
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 9);
    CHECK_INT(dataset_count(set, SPLIT_TEST), 1);
    CHECK_INT(dataset_label(set, SPLIT_TEST, 0), 1);
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 8), -1);
    CHECK_TEXT(dataset_sample_name(set, SPLIT_TEST, 0), "val/dog/000.png");
    CHECK_TEXT(dataset_description(set),
               "folder with 2 classes, 9 training images, 4 of them without a "
               "label and 1 test image (val)");
    int64_t *indices, count;
    CHECK(
        dataset_select(set, SOURCE_LABELED, LABELS_ALL, 0, 1, &indices, &count)
            .code == STATUS_OK);
    CHECK_INT(count, 5);
    free(indices);
    CHECK(dataset_select(set, SOURCE_UNLABELED, LABELS_ALL, 0, 1, &indices,
                         &count)
              .code == STATUS_OK);
    CHECK_INT(count, 9);
    CHECK_INT(indices[8], 8);
    free(indices);
    dataset_free(set);
}

TEST(unlabelled_trees)
{
    make_class("flat", 3, 1);
    make_class("flat/sub", 2, 1);
    Dataset *set = open_good(root("flat"), (DataOptions){0});
    CHECK_INT(dataset_classes(set), 0);
    CHECK(strstr(dataset_description(set),
                 "no classes (there are images beside the folders)") != NULL);
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 5);
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 4), -1);
    dataset_free(set);
    make_class("nested/2023/may", 2, 1);
    make_class("nested/2024", 2, 1);
    set = open_good(root("nested"), (DataOptions){0});
    CHECK_INT(dataset_classes(set), 0);
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 4);
    CHECK_TEXT(dataset_sample_name(set, SPLIT_TRAIN, 0), "2023/may/000.png");
    int64_t *indices, count;
    Status status =
        dataset_select(set, SOURCE_LABELED, LABELS_ALL, 0, 1, &indices, &count);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "no labels") && strstr(status.text, "nested"));
    CHECK(indices == NULL);
    dataset_free(set);
}

TEST(a_class_may_be_called_train)
{
    make_class("s/train", 2, 1);
    make_class("s/plane", 2, 1);
    Dataset *set = open_good(root("s"), (DataOptions){0});
    CHECK_INT(dataset_classes(set), 2);
    dataset_free(set);
    make_class("u/train", 3, 1);
    set = open_good(root("u"), (DataOptions){0});
    CHECK_INT(dataset_classes(set), 0);
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 3);
    dataset_free(set);
}

TEST(links_are_followed_but_not_for_ever)
{
    make_class("store", 2, 1);
    make_class("s/a", 2, 1);
    CHECK(symlink(root("store"), test_path("s/b")) == 0);
    CHECK(symlink(root("s"), test_path("s/a/loop")) == 0);
    CHECK(symlink("/nowhere", test_path("s/a/broken.png")) == 0);
    Dataset *set = open_good(root("s"), (DataOptions){0});
    const DataSkip *skips;
    CHECK_INT(dataset_classes(set), 2);
    CHECK(dataset_count(set, SPLIT_TRAIN) < 12);
    CHECK(dataset_skips(set, &skips) >= 1);
    CHECK(strstr(skips[0].path, "broken.png") != NULL);
    dataset_free(set);
}

static bool has_name(const Dataset *set, DataSplit split, const char *name)
{
    for (int64_t i = 0; i < dataset_count(set, split); i++)
        if (strcmp(dataset_sample_name(set, split, i), name) == 0)
            return true;
    return false;
}

// Of what the hold-out leaves, the same share of each class, whatever is added
// to others; one seed, other images than those held out.
TEST(validation_part_is_set_aside_per_class_and_stable)
{
    make_class("s/a", 20, 1);
    make_class("s/b", 10, 1);
    make_class("s/c", 1, 1);
    DataOptions options = {.test_fraction = 0.2, .seed = 5};
    Dataset *whole = open_good(root("s"), options);
    options.valid_fraction = 0.25;
    Dataset *set = open_good(root("s"), options);
    uint64_t seed;
    CHECK_INT(dataset_count(set, SPLIT_VALID), 4 + 2);
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 12 + 6 + 1);
    CHECK_NEAR(dataset_set_aside(set, &seed), 0.25, 0);
    CHECK_INT(seed, 5);
    CHECK_TEXT(dataset_description(set),
               "folder with 3 classes, 19 training images and 6 test images "
               "(held out, 20% of each class, by seed 5), 6 for validation "
               "(set aside)");
    CHECK_INT(dataset_count(set, SPLIT_TEST), 6);
    for (int i = 0; i < 6; i++) {
        const char *name = dataset_sample_name(set, SPLIT_VALID, i);
        CHECK(has_name(whole, SPLIT_TRAIN, name));
        CHECK(!has_name(set, SPLIT_TRAIN, name));
        CHECK(has_name(whole, SPLIT_TEST,
                       dataset_sample_name(set, SPLIT_TEST, i)));
    }
    make_class("s/aa", 30, 1);
    Dataset *after = open_good(root("s"), options);
    for (int i = 0; i < 6; i++)
        CHECK(has_name(after, SPLIT_VALID,
                       dataset_sample_name(set, SPLIT_VALID, i)));
    options.seed = 6;
    Dataset *other = open_good(root("s"), options);
    int kept = 0;
    for (int i = 0; i < 6; i++)
        kept += has_name(other, SPLIT_VALID,
                         dataset_sample_name(set, SPLIT_VALID, i));
    CHECK(kept < 6);
    dataset_free(whole);
    dataset_free(set);
    dataset_free(after);
    dataset_free(other);
}

TEST(held_out_part_is_per_class_and_stable)
{
    make_class("s/a", 20, 1);
    make_class("s/b", 10, 1);
    make_class("s/c", 1, 1);
    DataOptions options = {.test_fraction = 0.2, .seed = 5};
    Dataset *before = open_good(root("s"), options);
    CHECK_INT(dataset_count(before, SPLIT_TEST), 4 + 2);
    CHECK_INT(dataset_count(before, SPLIT_TRAIN), 16 + 8 + 1);
    CHECK_TEXT(dataset_description(before),
               "folder with 3 classes, 25 training images and 6 test images "
               "(held out, 20% of each class, by seed 5)");
    make_class("s/aa", 30, 1);
    Dataset *after = open_good(root("s"), options);
    for (int i = 0; i < 6; i++)
        CHECK(has_name(after, SPLIT_TEST,
                       dataset_sample_name(before, SPLIT_TEST, i)));
    options.seed = 6;
    Dataset *other = open_good(root("s"), options);
    int kept = 0;
    for (int i = 0; i < 6; i++)
        kept += has_name(other, SPLIT_TEST,
                         dataset_sample_name(before, SPLIT_TEST, i));
    CHECK(kept < 6);
    dataset_free(before);
    dataset_free(after);
    dataset_free(other);
}

static int count_common(const int64_t *small, int64_t small_count,
                        const int64_t *large, int64_t large_count)
{
    int common = 0;
    for (int64_t i = 0; i < small_count; i++)
        for (int64_t k = 0; k < large_count; k++)
            common += small[i] == large[k];
    return common;
}

static int64_t select_good(const Dataset *set, LabelRule rule, double amount,
                           uint64_t seed, int64_t **indices)
{
    int64_t count = 0;
    Status status = dataset_select(set, SOURCE_LABELED, rule, amount, seed,
                                   indices, &count);
    CHECK_TEXT(status.text, "");
    for (int64_t i = 1; i < count; i++)
        CHECK((*indices)[i - 1] < (*indices)[i]);
    return count;
}

TEST(label_subsets_are_nested)
{
    make_class("s/a", 40, 1);
    make_class("s/b", 25, 1);
    Dataset *set = open_good(root("s"), (DataOptions){0});
    int64_t *one, *ten, *half, *other;
    CHECK_INT(select_good(set, LABELS_FRACTION, 0.01, 3, &one), 2);
    CHECK_INT(select_good(set, LABELS_FRACTION, 0.1, 3, &ten), 4 + 2);
    CHECK_INT(select_good(set, LABELS_PER_CLASS, 20, 3, &half), 40);
    CHECK_INT(select_good(set, LABELS_PER_CLASS, 20, 4, &other), 40);
    CHECK_INT(count_common(one, 2, ten, 6), 2);
    CHECK_INT(count_common(ten, 6, half, 40), 6);
    CHECK(count_common(half, 40, other, 40) < 40);
    int first = 0;
    for (int i = 0; i < 40; i++)
        first += dataset_label(set, SPLIT_TRAIN, half[i]) == 0;
    CHECK_INT(first, 20);
    free(one);
    free(ten);
    free(half);
    free(other);
    int64_t count;
    Status status = dataset_select(set, SOURCE_LABELED, LABELS_PER_CLASS, 26, 3,
                                   &one, &count);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "class b has 25") != NULL);
    status = dataset_select(set, SOURCE_LABELED, LABELS_FRACTION, 1.5, 3, &one,
                            &count);
    CHECK_INT(status.code, STATUS_FAILED);
    dataset_free(set);
}

// ---- sets in memory --------------------------------------------------------

static int64_t put_idx(uint8_t *out, int count, int height, int width)
{
    const int sizes[3] = {count, height, width};
    int dimensions = height ? 3 : 1;
    memcpy(out, (uint8_t[4]){0, 0, 8, (uint8_t)dimensions}, 4);
    for (int i = 0; i < dimensions; i++)
        memcpy(out + 4 + 4 * i, (uint8_t[4]){0, 0, 0, (uint8_t)sizes[i]}, 4);
    return 4 + 4 * dimensions;
}

static void make_idx(const char *prefix, int count, int height, int width)
{
    uint8_t bytes[4096];
    int64_t used = put_idx(bytes, count, height, width);
    for (int i = 0; i < count * height * width; i++)
        bytes[used++] = (uint8_t)i;
    write_bytes(test_path("%s-images-idx3-ubyte", prefix), bytes, used);
    used = put_idx(bytes, count, 0, 0);
    for (int i = 0; i < count; i++)
        bytes[used++] = (uint8_t)(i % 3);
    write_bytes(test_path("%s-labels-idx1-ubyte", prefix), bytes, used);
}

TEST(idx_files)
{
    make_idx("s/train", 9, 3, 5);
    make_idx("s/t10k", 4, 3, 5);
    char command[2048];
    snprintf(command, sizeof command, "gzip %s",
             test_path("s/t10k-images-idx3-ubyte"));
    CHECK(system(command) == 0);
    Dataset *set = open_good(root("s"), (DataOptions){.test_fraction = 0.5});
    CHECK_INT(dataset_classes(set), 3);
    CHECK_TEXT(dataset_class_name(set, 2), "2");
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 9);
    CHECK_INT(dataset_count(set, SPLIT_TEST), 4);
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 5), 2);
    Image image;
    for (int split = 0; split < 2; split++) {
        CHECK(dataset_read(set, (DataSplit)split, 2, &image).code == STATUS_OK);
        CHECK_INT(image.width, 5);
        CHECK_INT(image.height, 3);
        CHECK_INT(image.pixels[3 * 7 + 1], 2 * 15 + 7);
        image_free(&image);
    }
    CHECK_TEXT(dataset_description(set),
               "IDX files with 3 classes, 9 training images and 4 test images "
               "(t10k)");
    dataset_free(set);
}

// Images of a class that nothing is learned of, as in folders and lists.
TEST(idx_tests_of_an_untrained_class_are_refused)
{
    Dataset *set;
    make_idx("s/train", 2, 3, 5); // of classes 0 and 1
    make_idx("s/t10k", 3, 3, 5);
    Status status = dataset_open(root("s"), &(DataOptions){0}, &set);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "t10k-labels-idx1-ubyte: image 2 has the label "
                              "2, which no training image has"));
}

static void make_cifar(const char *path, int label_bytes, int records)
{
    int size = label_bytes + 3072;
    uint8_t *bytes = malloc((size_t)(records * size));
    for (int i = 0; i < records; i++) {
        memset(bytes + i * size, i % 10, (size_t)label_bytes);
        for (int c = 0; c < 3; c++)
            memset(bytes + i * size + label_bytes + 1024 * c, 50 * c + i, 1024);
    }
    write_bytes(path, bytes, (int64_t)records * size);
    free(bytes);
}

TEST(cifar_batches)
{
    make_cifar(test_path("ten/data_batch_1.bin"), 1, 12);
    make_cifar(test_path("ten/data_batch_2.bin"), 1, 2);
    make_cifar(test_path("ten/test_batch.bin"), 1, 5);
    write_bytes(test_path("ten/batches.meta.txt"), "airplane\nautomobile\n",
                20);
    Dataset *set = open_good(root("ten"), (DataOptions){0});
    CHECK_INT(dataset_classes(set), 10);
    CHECK_TEXT(dataset_class_name(set, 1), "automobile");
    CHECK_TEXT(dataset_class_name(set, 7), "7");
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 14);
    CHECK_INT(dataset_count(set, SPLIT_TEST), 5);
    CHECK_INT(dataset_label(set, SPLIT_TRAIN, 11), 1);
    Image image;
    CHECK(dataset_read(set, SPLIT_TRAIN, 11, &image).code == STATUS_OK);
    CHECK_INT(image.width, 32);
    CHECK_INT(image.pixels[0], 11);
    CHECK_INT(image.pixels[3 * 1023 + 2], 111);
    image_free(&image);
    dataset_free(set);
    make_cifar(test_path("hundred/train.bin"), 2, 30);
    make_cifar(test_path("hundred/test.bin"), 2, 7);
    set = open_good(root("hundred"), (DataOptions){0});
    CHECK_INT(dataset_classes(set), 100);
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 30);
    dataset_free(set);
}

TEST(batches_of_tests_alone_are_there_to_evaluate)
{
    DataOptions options = {.tests_alone = true, .test_fraction = 0.5};
    make_idx("idx/t10k", 4, 3, 5);
    Dataset *set = open_good(root("idx"), options);
    CHECK_TEXT(dataset_description(set),
               "IDX files with 3 classes, 0 training images and 4 test images "
               "(t10k)");
    CHECK_INT(dataset_label(set, SPLIT_TEST, 2), 2);
    dataset_free(set);
    make_cifar(test_path("ten/test_batch.bin"), 1, 5);
    set = open_good(root("ten"), options);
    CHECK_TEXT(dataset_description(set),
               "CIFAR-10 batches with 10 classes, 0 training images and 5 test "
               "images (test_batch.bin)");
    dataset_free(set);
    make_cifar(test_path("hundred/test.bin"), 2, 7);
    set = open_good(root("hundred"), options);
    CHECK_INT(dataset_count(set, SPLIT_TEST), 7);
    dataset_free(set);
}

// Images are known again by their bytes, whatever their names.
TEST(marked_images_are_found_again)
{
    int noted;
    char marks[DATA_MARKS_TEXT];
    make_class("one/a", 3, 10);
    make_class("two/b", 3, 10);
    make_class("other/a", 3, 99);
    Dataset *set = open_good(root("one"), (DataOptions){0});
    dataset_marks(set, marks);
    dataset_free(set);
    set = open_good(root("two"), (DataOptions){0});
    CHECK_INT(dataset_count_marked(set, 1u << SPLIT_TRAIN, marks, &noted), 3);
    CHECK_INT(noted, 3);
    CHECK_INT(dataset_count_marked(set, 1u << SPLIT_TEST, marks, &noted), 0);
    CHECK_INT(dataset_count_marked(set, ~0u, "", &noted), 0);
    CHECK_INT(noted, 0);
    dataset_free(set);
    set = open_good(root("other"), (DataOptions){0});
    CHECK_INT(dataset_count_marked(set, ~0u, marks, &noted), 0);
    dataset_free(set);
    make_idx("idx/train", 40, 3, 5);
    set = open_good(root("idx"), (DataOptions){0});
    dataset_marks(set, marks);
    CHECK_INT(dataset_count_marked(set, ~0u, marks, &noted), DATA_MARKS);
    dataset_free(set);
}

// ---- cache -----------------------------------------------------------------

TEST(cached_images_outlive_their_files)
{
    make_class("s/a", 2, 77);
    DataOptions options = {.cache_bytes = 4 * 4 * 3 + 40};
    Dataset *set = open_good(root("s"), options);
    Image image;
    for (int i = 0; i < 2; i++) {
        CHECK(dataset_read(set, SPLIT_TRAIN, i, &image).code == STATUS_OK);
        image_free(&image);
    }
    CHECK(remove(test_path("s/a/000.png")) == 0);
    CHECK(remove(test_path("s/a/001.png")) == 0);
    CHECK(dataset_read(set, SPLIT_TRAIN, 0, &image).code == STATUS_OK);
    CHECK_INT(image.pixels[47], 77);
    image_free(&image);
    // There was room for one.
    Status status = dataset_read(set, SPLIT_TRAIN, 1, &image);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "a/001.png") != NULL);
    CHECK(image.pixels == NULL);
    dataset_free(set);
}

static void *read_all(void *argument)
{
    const Dataset *set = argument;
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < 12; i++) {
            Image image;
            CHECK(dataset_read(set, SPLIT_TRAIN, i, &image).code == STATUS_OK);
            CHECK_INT(image.pixels[10], 9);
            image_free(&image);
        }
    return NULL;
}

TEST(many_threads_may_read)
{
    make_class("s/a", 12, 9);
    Dataset *set = open_good(root("s"), (DataOptions){.cache_bytes = 400});
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, read_all, set) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    dataset_free(set);
}
