// What the check of a data set finds, and what it must not.
#include <stdlib.h>

#include "runtime/data/dataset_check.h"
#include "tests/harness.h"
#include "tests/images.h"

enum { SIDE = 40 };

// A picture of waves; `kind` decides it. `shift` moves every value.
static void make_picture(const char *path, int kind, int shift)
{
    static uint8_t rows[SIDE * SIDE * 3];
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                rows[3 * (SIDE * y + x) + c] = (uint8_t)(lrint(
                    120 + shift +
                    80 * sin(0.05 * (kind % 7 + 1) * x + kind + c) *
                        cos(0.04 * (kind % 11 + 1) * y + 2 * c)));
    make_png(path, PNG_KIND_RGB, 8, false, SIDE, SIDE, rows, 3 * SIDE);
}

static void copy_file(const char *from, const char *to)
{
    int64_t size;
    uint8_t *bytes = read_bytes(from, &size);
    write_bytes(to, bytes, size);
    free(bytes);
}

static Dataset *check_set(const char *path, DataCheck *check)
{
    Dataset *dataset = NULL;
    DataOptions options = {.cache_bytes = -1};
    CHECK_TEXT(dataset_open(path, &options, &dataset).text, "");
    if (!dataset)
        exit(1);
    CHECK_TEXT(dataset_check(dataset, check).text, "");
    return dataset;
}

// The n-th finding of a kind.
static const Finding *finding_of(const DataCheck *check, FindingKind kind,
                                 int64_t number)
{
    for (int64_t i = 0; i < check->count; i++)
        if (check->findings[i].kind == kind && number-- == 0)
            return &check->findings[i];
    test_fail(__FILE__, __LINE__, "finding %d is missing", (int)kind);
    exit(1);
}

static void make_good_set(void)
{
    for (int i = 0; i < 8; i++) {
        make_picture(test_path("s/train/cat/%d.png", i), i, 0);
        make_picture(test_path("s/train/dog/%d.png", i), 10 + i, 0);
        make_picture(test_path("s/test/cat/%d.png", i), 20 + i, 0);
        make_picture(test_path("s/test/dog/%d.png", i), 30 + i, 0);
    }
}

TEST(a_good_set_has_no_findings)
{
    DataCheck check;
    make_good_set();
    Dataset *set = check_set(test_path("s"), &check);
    CHECK_INT(check.images, 32);
    CHECK_INT(check.count, 0);
    CHECK(!dataset_check_bad(&check) && !dataset_check_unbalanced(&check));
    dataset_check_free(&check);
    dataset_free(set);
}

TEST(odd_images_are_found)
{
    DataCheck check;
    int64_t size;
    make_good_set();
    make_plain(test_path("s/train/cat/grey.png"), 20, 90);
    make_plain(test_path("s/train/dog/tiny.png"), 15, 9);
    uint8_t *bytes = read_bytes(test_path("s/train/cat/0.png"), &size);
    write_bytes(test_path("s/test/dog/cut.png"), bytes, size / 2);
    write_bytes(test_path("s/test/dog/none.png"), "none", 4);
    free(bytes);
    Dataset *set = check_set(test_path("s"), &check);
    CHECK_INT(check.counts[FINDING_UNREADABLE], 2);
    CHECK_INT(check.counts[FINDING_TINY], 1);
    CHECK_INT(check.counts[FINDING_GREY], 2);
    CHECK_INT(check.count, 5);
    const Finding *finding = finding_of(&check, FINDING_UNREADABLE, 1);
    CHECK_TEXT(finding->name, "test/dog/cut.png");
    CHECK_TEXT(finding->reason, "bad PNG: the file is truncated");
    finding = finding_of(&check, FINDING_TINY, 0);
    CHECK_TEXT(finding->name, "train/dog/tiny.png");
    CHECK_INT(finding->width, 15);
    CHECK_TEXT(finding_of(&check, FINDING_GREY, 0)->name, "train/cat/grey.png");
    CHECK(dataset_check_bad(&check));
    dataset_check_free(&check);
    dataset_free(set);
}

TEST(repeated_images_are_found)
{
    DataCheck check;
    make_good_set();
    copy_file(test_path("s/train/cat/1.png"), test_path("s/train/cat/9.png"));
    copy_file(test_path("s/train/cat/2.png"), test_path("s/train/dog/9.png"));
    // Twice in training: the test image is paired with the other class's.
    copy_file(test_path("s/train/cat/3.png"), test_path("s/train/dog/a.png"));
    copy_file(test_path("s/train/cat/3.png"), test_path("s/test/cat/a.png"));
    copy_file(test_path("s/train/cat/3.png"), test_path("s/train/dog/b.png"));
    make_picture(test_path("s/test/dog/near.png"), 14, 1);
    make_picture(test_path("s/train/dog/near.png"), 11, 1);
    make_picture(test_path("s/train/dog/other.png"), 12, 40);
    Dataset *set = check_set(test_path("s"), &check);
    CHECK_INT(check.counts[FINDING_IDENTICAL], 5);
    const Finding *finding = finding_of(&check, FINDING_IDENTICAL, 0);
    CHECK_TEXT(finding->name, "train/cat/9.png");
    CHECK_TEXT(finding->other, "train/cat/1.png");
    CHECK(!finding->across && !finding->leak);
    finding = finding_of(&check, FINDING_IDENTICAL, 1);
    CHECK_TEXT(finding->other, "train/cat/2.png");
    CHECK(finding->across && !finding->leak);
    // The other class is worse than the copy in its own.
    finding = finding_of(&check, FINDING_IDENTICAL, 3);
    CHECK_TEXT(finding->name, "train/dog/b.png");
    CHECK_TEXT(finding->other, "train/cat/3.png");
    finding = finding_of(&check, FINDING_IDENTICAL, 4);
    CHECK_TEXT(finding->name, "test/cat/a.png");
    CHECK_TEXT(finding->other, "train/dog/a.png");
    CHECK(finding->across && finding->leak);
    CHECK_INT(check.counts[FINDING_NEAR], 2);
    finding = finding_of(&check, FINDING_NEAR, 0);
    CHECK_TEXT(finding->name, "train/dog/near.png");
    CHECK_TEXT(finding->other, "train/dog/1.png");
    CHECK_NEAR(finding->distance, 1, 0.2);
    CHECK(!finding->across && !finding->leak);
    CHECK(finding_of(&check, FINDING_NEAR, 1)->leak);
    CHECK_INT(check.crossing, 5);
    CHECK(dataset_check_bad(&check));
    dataset_check_free(&check);
    dataset_free(set);
}

TEST(repeats_within_a_class_are_no_error)
{
    DataCheck check;
    make_good_set();
    copy_file(test_path("s/train/cat/1.png"), test_path("s/train/cat/9.png"));
    Dataset *set = check_set(test_path("s"), &check);
    CHECK_INT(check.counts[FINDING_IDENTICAL], 1);
    CHECK(!dataset_check_bad(&check));
    dataset_check_free(&check);
    dataset_free(set);
}

// A window of a scene of blobs of color, `left` and `top` from its corner, of
// so many pixels; `kind` decides the scene.
static void make_scene(const char *path, int kind, int left, int top, int side,
                       double light)
{
    enum { BLOBS = 60 };
    static uint8_t rows[128 * 128 * 3];
    for (int at = 0; at < side * side * 3; at++) {
        double x = at / 3 % side + left, y = at / 3 / side + top, sum = 90;
        for (int b = 0; b < BLOBS; b++) {
            double u = 50 + 60 * sin(kind * 7.1 + b * 3.7);
            double v = 50 + 60 * sin(kind * 1.3 + b * 5.9 + 1);
            double strength = 70 * sin(kind * 2.9 + b * 2.3 + at % 3);
            double r = hypot(x - u, y - v) / (3 + b % 5);
            sum += strength * exp(-r * r);
        }
        rows[at] = (uint8_t)fmin(fmax(sum * light, 0), 255);
    }
    make_png(path, PNG_KIND_RGB, 8, false, side, side, rows, 3 * side);
}

TEST(moved_and_cropped_pictures_are_found)
{
    DataCheck check;
    for (int i = 0; i < 12; i++)
        make_scene(test_path("s/train/cat/%02d.png", i), i, 10, 10, 90, 1);
    make_scene(test_path("s/train/dog/a.png"), 1, 13, 8, 90, 1);
    make_scene(test_path("s/train/dog/b.png"), 2, 11, 12, 87, 1);
    make_scene(test_path("s/train/cat/c.png"), 3, 11, 10, 90, 0.8);
    make_scene(test_path("s/test/cat/d.png"), 4, 10, 12, 90, 1.1);
    Dataset *set = check_set(test_path("s"), &check);
    CHECK_INT(check.counts[FINDING_MOVED], 4);
    CHECK_INT(check.counts[FINDING_NEAR] + check.counts[FINDING_IDENTICAL], 0);
    static const char *const pairs[4][2] = {
        {"train/cat/c.png", "train/cat/03.png"},
        {"train/dog/a.png", "train/cat/01.png"},
        {"train/dog/b.png", "train/cat/02.png"},
        {"test/cat/d.png", "train/cat/04.png"}};
    for (int i = 0; i < 4; i++) {
        const Finding *finding = finding_of(&check, FINDING_MOVED, i);
        CHECK_TEXT(finding->name, pairs[i][0]);
        CHECK_TEXT(finding->other, pairs[i][1]);
        CHECK_INT(finding->across, i == 1 || i == 2);
        CHECK_INT(finding->leak, i == 3);
    }
    // A hint, and no reason not to use the set.
    CHECK(!dataset_check_bad(&check));
    dataset_check_free(&check);
    dataset_free(set);
}

TEST(unbalanced_classes_are_found)
{
    DataCheck check;
    for (int i = 0; i < 11; i++)
        make_picture(test_path("s/many/%d.png", i), i, 0);
    for (int i = 0; i < 2; i++)
        make_picture(test_path("s/few/%d.png", i), 20 + i, 0);
    Dataset *set = check_set(test_path("s"), &check);
    CHECK(dataset_check_unbalanced(&check));
    CHECK_TEXT(dataset_class_name(set, check.largest), "many");
    CHECK_INT(check.largest_count, 11);
    CHECK_INT(check.smallest_count, 2);
    dataset_check_free(&check);
    dataset_free(set);
    make_picture(test_path("s/few/2.png"), 22, 0);
    set = check_set(test_path("s"), &check);
    CHECK(!dataset_check_unbalanced(&check));
    dataset_check_free(&check);
    dataset_free(set);
}

// Grey sets are not full of odd images, and sets in memory are checked too.
TEST(grey_sets_in_memory)
{
    uint8_t bytes[16 + 6 * 256] = {0, 0, 8, 3,  0, 0, 0, 6,
                                   0, 0, 0, 16, 0, 0, 0, 16};
    const uint8_t labels[14] = {0, 0, 8, 1, 0, 0, 0, 6, 0, 1, 0, 1, 0, 1};
    for (int i = 0; i < 6 * 256; i++)
        bytes[16 + i] = (uint8_t)(i / 256 * 40 + i % 16 * (i / 256 + 1));
    memcpy(bytes + 16 + 5 * 256, bytes + 16, 256);
    write_bytes(test_path("s/train-images-idx3-ubyte"), bytes, sizeof bytes);
    write_bytes(test_path("s/train-labels-idx1-ubyte"), labels, 14);
    DataCheck check;
    Dataset *set = check_set(test_path("s"), &check);
    CHECK_INT(check.count, 1);
    const Finding *finding = finding_of(&check, FINDING_IDENTICAL, 0);
    CHECK_TEXT(finding->name, "train-images/000005");
    CHECK_TEXT(finding->other, "train-images/000000");
    CHECK(finding->across);
    dataset_check_free(&check);
    dataset_free(set);
}
