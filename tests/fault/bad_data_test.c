// Damaged and missing data: always a Status that names path and reason.
#include <stdlib.h>
#include <unistd.h>

#include "runtime/data/data.h"
#include "tests/harness.h"
#include "tests/images.h"

// The file must be refused by name; `reason` is part of what must be said.
static void check_refused(const char *path, const char *reason)
{
    Image image = {1, 1, 3, (uint8_t *)1};
    Status status = image_read(path, 0, &image);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(image.pixels == NULL);
    if (!strstr(status.text, path) || !strstr(status.text, reason))
        test_fail(__FILE__, __LINE__, "\"%s\" lacks path or \"%s\"",
                  status.text, reason);
}

static uint8_t *make_noisy_png(const char *path, bool interlaced, int64_t *size)
{
    uint8_t rows[40 * 40 * 3];
    for (int i = 0; i < 40 * 40 * 3; i++)
        rows[i] = (uint8_t)(i * i * 31 >> 3);
    make_png(path, PNG_KIND_RGB, 8, interlaced, 40, 40, rows, 120);
    return read_bytes(path, size);
}

TEST(truncated_png)
{
    const char *path = test_path("cut.png");
    for (int kind = 0; kind < 2; kind++) {
        int64_t size;
        uint8_t *bytes = make_noisy_png(path, kind == 1, &size);
        for (int64_t keep = 9; keep < size; keep += keep < 60 ? 1 : 97) {
            write_bytes(path, bytes, keep);
            check_refused(path, "truncated");
        }
        write_bytes(path, bytes, size - 1);
        check_refused(path, "truncated");
        free(bytes);
    }
}

// Any single changed byte: refused or read, never a crash.
static void flip_bytes(const char *path, uint8_t *bytes, int64_t size,
                       int64_t stride)
{
    for (int64_t i = 0; i < size; i += i < 700 ? 1 : stride) {
        bytes[i] ^= (uint8_t)(1 + i % 255);
        Image image;
        Status status = image_decode(bytes, size, path, 0, &image);
        CHECK(status.code == STATUS_OK || status.code == STATUS_DATA);
        CHECK((status.code == STATUS_OK) == (image.pixels != NULL));
        CHECK(status.code == STATUS_OK || strstr(status.text, path));
        image_free(&image);
        bytes[i] ^= (uint8_t)(1 + i % 255);
    }
}

TEST(corrupt_png)
{
    const char *path = test_path("corrupt.png");
    int64_t size;
    uint8_t *bytes = make_noisy_png(path, false, &size);
    bytes[size / 2] ^= 0x55;
    write_bytes(path, bytes, size);
    check_refused(path, "bad PNG");
    bytes[size / 2] ^= 0x55;
    flip_bytes(path, bytes, size, 61);
    free(bytes);
}

TEST(truncated_jpeg)
{
    const uint8_t color[4] = {200, 100, 50, 30};
    const JpegKind kinds[] = {JPEG_KIND_RGB, JPEG_KIND_GREY, JPEG_KIND_YCCK,
                              JPEG_KIND_PROGRESSIVE};
    for (int k = 0; k < 4; k++) {
        const char *path = test_path("cut%d.jpg", k);
        make_jpeg(path, kinds[k], 200, color);
        int64_t size;
        uint8_t *bytes = read_bytes(path, &size);
        for (int64_t keep = 4; keep <= size - 2; keep += keep < 700 ? 7 : 61) {
            write_bytes(path, bytes, keep);
            check_refused(path, "bad JPEG");
        }
        free(bytes);
    }
}

TEST(corrupt_jpeg)
{
    const uint8_t color[4] = {200, 100, 50, 30};
    for (int kind = JPEG_KIND_GREY; kind <= JPEG_KIND_YCCK; kind++) {
        const char *path = test_path("corrupt%d.jpg", kind);
        make_jpeg(path, (JpegKind)kind, 64, color);
        int64_t size;
        uint8_t *bytes = read_bytes(path, &size);
        flip_bytes(path, bytes, size, 3);
        free(bytes);
    }
}

TEST(files_that_are_no_images)
{
    const char *path = test_path("x.png");
    write_bytes(path, "", 0);
    check_refused(path, "empty");
    write_bytes(path, "hello, world", 12);
    check_refused(path, "neither a PNG nor a JPEG");
    check_refused(test_path("missing.png"), "No such file");
    check_refused(test_folder(), test_folder());
    // A header of 2^31 - 1 squared pixels with a good checksum.
    const uint8_t bomb[33] = {0x89, 'P', 'N',  'G',  '\r', '\n', 0x1a, '\n', 0,
                              0,    0,   13,   'I',  'H',  'D',  'R',  0,    1,
                              0,    0,   0,    1,    0,    0,    8,    2,    0,
                              0,    0,   0x21, 0x6c, 0x46, 0x02};
    write_bytes(path, bomb, 33);
    check_refused(path, "bad PNG");
}

// ---- sets ------------------------------------------------------------------

TEST(empty_and_missing_folders)
{
    const char *path = test_path("set");
    check_set_refused(path, "No such file");
    write_bytes(path, "x", 1);
    check_set_refused(path, ":1: no image file's name");
    write_bytes(test_path("none/readme.txt"), "x", 1);
    check_set_refused(test_path("none"), "no PNG or JPEG images");
    write_bytes(test_path("bad/a/x.jpg"), "x", 1);
    check_set_refused(test_path("bad"), "a/x.jpg: neither a PNG nor a JPEG");
}

TEST(bad_files_are_left_out_by_name)
{
    const uint8_t color[4] = {1, 2, 3, 4};
    for (int i = 0; i < 4; i++) {
        make_plain(test_path("set/a/%d.png", i), 5, 1);
        make_jpeg(test_path("set/b/%d.jpg", i), JPEG_KIND_RGB, 8, color);
    }
    write_bytes(test_path("set/a/empty.png"), "", 0);
    write_bytes(test_path("set/b/text.jpg"), "text", 4);
    write_bytes(test_path("set/b/x.webp"), "RIFF", 4);
    write_bytes(test_path("set/b/head.png"), "\x89PNG\r\n\x1a\n", 8);
    write_bytes(test_path("set/c/nothing.txt"), "", 0);
    Dataset *set = NULL;
    DataOptions options = {0};
    CHECK_TEXT(dataset_open(test_path("set"), &options, &set).text, "");
    CHECK_INT(dataset_count(set, SPLIT_TRAIN), 8);
    CHECK_INT(dataset_classes(set), 2);
    const DataSkip *skips;
    const char *const names[] = {"set/c", "a/empty.png", "b/head.png",
                                 "b/text.jpg", "b/x.webp"};
    const char *const reasons[] = {"without images", "empty",
                                   "without a header", "neither", "only PNG"};
    CHECK_INT(dataset_skips(set, &skips), 5);
    for (int i = 0; i < 5; i++) {
        CHECK(strstr(skips[i].path, names[i]) != NULL);
        CHECK(strstr(skips[i].reason, reasons[i]) != NULL);
    }
    CHECK(strstr(dataset_description(set), "5 left out") != NULL);
    dataset_free(set);
}

TEST(damage_inside_shows_when_read)
{
    int64_t size;
    const char *path = test_path("set/a/cut.png");
    uint8_t *bytes = make_noisy_png(path, false, &size);
    write_bytes(path, bytes, size / 2);
    make_plain(test_path("set/b/good.png"), 5, 1);
    Dataset *set = NULL;
    DataOptions options = {0};
    CHECK_TEXT(dataset_open(test_path("set"), &options, &set).text, "");
    Image image;
    for (int round = 0; round < 2; round++) {
        Status status = dataset_read(set, SPLIT_TRAIN, 0, &image);
        CHECK_INT(status.code, STATUS_DATA);
        CHECK(strstr(status.text, path) && strstr(status.text, "truncated"));
    }
    CHECK(dataset_read(set, SPLIT_TRAIN, 1, &image).code == STATUS_OK);
    image_free(&image);
    dataset_free(set);
    free(bytes);
}

TEST(one_class_has_no_labels_to_learn)
{
    make_plain(test_path("set/only/a.png"), 5, 1);
    make_plain(test_path("set/only/b.png"), 5, 1);
    Dataset *set = NULL;
    DataOptions options = {0};
    CHECK_TEXT(dataset_open(test_path("set"), &options, &set).text, "");
    CHECK_INT(dataset_classes(set), 1);
    int64_t *indices, count;
    Status status =
        dataset_select(set, SOURCE_LABELED, LABELS_ALL, 0, 1, &indices, &count);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "only class is only") != NULL);
    CHECK(dataset_select(set, SOURCE_UNLABELED, LABELS_ALL, 0, 1, &indices,
                         &count)
              .code == STATUS_OK);
    CHECK_INT(count, 2);
    free(indices);
    dataset_free(set);
}

TEST(test_part_must_have_the_same_classes)
{
    make_plain(test_path("set/train/a/x.png"), 5, 1);
    make_plain(test_path("set/train/b/x.png"), 5, 1);
    make_plain(test_path("set/test/c/x.png"), 5, 1);
    check_set_refused(test_path("set"), "class c");
}

static void make_idx_pair(int images, int held, int labels)
{
    uint8_t bytes[256] = {0, 0, 8, 3, 0, 0, 0, (uint8_t)images,
                          0, 0, 0, 2, 0, 0, 0, 2};
    write_bytes(test_path("idx/train-images-idx3-ubyte"), bytes, 16 + 4 * held);
    uint8_t head[256] = {0, 0, 8, 1, 0, 0, 0, (uint8_t)labels};
    write_bytes(test_path("idx/train-labels-idx1-ubyte"), head, 8 + labels);
}

TEST(idx_files_that_disagree)
{
    make_idx_pair(10, 10, 9);
    const char *path = test_path("idx");
    check_set_refused(path, "train-labels-idx1-ubyte has 9 labels but");
    check_set_refused(path, "train-images-idx3-ubyte has 10 images");
    make_idx_pair(10, 10, 11);
    check_set_refused(path, "has 11 labels");
    make_idx_pair(10, 12, 10);
    check_set_refused(path, "more than the 10 images");
    make_idx_pair(10, 7, 10);
    check_set_refused(path, "truncated: 7 of the 10 images");
    // A count of four thousand million must not be believed.
    const uint8_t huge[20] = {0, 0, 8, 3, 255, 255, 255, 255, 0, 0,
                              4, 0, 0, 0, 4,   0,   1,   2,   3, 4};
    write_bytes(test_path("idx/train-images-idx3-ubyte"), huge, 20);
    check_set_refused(path, "truncated");
    write_bytes(test_path("idx/train-images-idx3-ubyte"), "\0\0\x0d\3", 4);
    check_set_refused(path, "train-images-idx3-ubyte");
    write_bytes(test_path("idx/train-images-idx3-ubyte"), "", 0);
    check_set_refused(path, "truncated");
    const uint8_t floats[16] = {0, 0, 13, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0};
    write_bytes(test_path("idx/train-images-idx3-ubyte"), floats, 16);
    check_set_refused(path, "not an IDX file of bytes");
}

TEST(idx_damaged_gzip)
{
    make_idx_pair(10, 10, 10);
    char command[2048];
    const char *path = test_path("idx/train-images-idx3-ubyte");
    snprintf(command, sizeof command, "gzip -n %s", path);
    CHECK(system(command) == 0);
    path = test_path("idx/train-images-idx3-ubyte.gz");
    int64_t size;
    uint8_t *bytes = read_bytes(path, &size);
    write_bytes(path, bytes, size - 9);
    check_set_refused(test_path("idx"), "train-images-idx3-ubyte.gz");
    bytes[size - 6] ^= 0xff; // of the checksum
    write_bytes(path, bytes, size);
    check_set_refused(test_path("idx"), "train-images-idx3-ubyte.gz");
    free(bytes);
}

TEST(cifar_batches_of_odd_size)
{
    uint8_t *bytes = calloc(1, 3073);
    const char *path = test_path("set/data_batch_1.bin");
    write_bytes(path, bytes, 3000);
    check_set_refused(test_path("set"), "not a whole number of records");
    bytes[0] = 10;
    write_bytes(path, bytes, 3073);
    check_set_refused(test_path("set"), "record 0 has label 10");
    free(bytes);
}
