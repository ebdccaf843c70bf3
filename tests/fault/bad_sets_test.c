// Damaged lists, STL-10 files, tar shards and label lists: always a Status
// that names the file and the place in it.
#include <stdlib.h>

#include "runtime/data/data.h"
#include "runtime/data/tar.h"
#include "tests/archive.h"
#include "tests/harness.h"
#include "tests/images.h"

// ---- lists -----------------------------------------------------------------

static void check_list(const char *text, const char *reason)
{
    write_bytes(test_path("s/list"), text, (int64_t)strlen(text));
    check_set_refused(test_path("s/list"), reason);
}

TEST(bad_lines_of_a_list_are_named)
{
    make_plain(test_path("s/a.png"), 4, 1);
    make_plain(test_path("s/b.png"), 4, 1);
    check_list("", "s/list: the list is empty");
    check_list("\n\n", "s/list: the list is empty");
    check_list("path,label,part\n",
               ":1: the list has a header, which names its columns, and no "
               "rows");
    check_list("\nimage\ta\tb\tc\n\n", ":2: the list has a header");
    check_list("a.png,x\n\nb.png,y,both\n",
               ":3: the third column is train, "
               "test, val or unlabeled, not 'both'");
    check_list("a.png|x\nb.png|y\n", ":1: no image file's name: | parts the "
                                     "classes of an image");
    check_list("a.png,x,train,z\n", ":1: more than three columns");
    check_list("a.png,x\n,y\n", ":2: no path");
    check_list("a.png,x\n\"b.png,y\n", ":2: a quote that is not closed");
    check_list("a.png,x\n\"b.png\"c,y\n", ":2: a quote that is not closed");
    check_list("a.png x\nb y\n", ":2: no image file's name");
    check_list("a.png x train y\n", ":1: more than three columns");
    check_list("path,label\na.png,x\nb.png,y\na.png,x\n",
               ":4: a.png is in line 2 already");
    check_list("a.png,x\nb.png,y,test\n",
               ":2: class y has test images and no training image");
    check_list("a.png,x\nb.png,,test\n", ":2: a test image without a label");
    check_list("c.png,x\nd.png,x\n", "c.png (line 1): No such file");
    check_list("a.webp x\n", "a.webp (line 1): only PNG and JPEG are read");
    check_list("list,x\n", "list (line 1): neither a PNG nor a JPEG");
    write_bytes(test_path("s/list"), "a.png x\nb\0.png", 13);
    check_set_refused(test_path("s/list"), ":2: a zero byte");
}

TEST(random_lists)
{
    const char pieces[] = "a.png,x \"\n\t\rtest";
    char text[64];
    unsigned state = 1;
    make_plain(test_path("s/a.png"), 4, 1);
    for (int round = 0; round < 3000; round++) {
        int size = round % 60;
        for (int i = 0; i < size; i++) {
            state = state * 1664525 + 1013904223;
            text[i] = pieces[(state >> 16) % (sizeof pieces - 1)];
        }
        write_bytes(test_path("s/list"), text, size);
        Dataset *set = NULL;
        DataOptions options = {0};
        Status status = dataset_open(test_path("s/list"), &options, &set);
        CHECK(status.code == STATUS_OK || status.code == STATUS_DATA);
        CHECK((status.code == STATUS_OK) == (set != NULL));
        dataset_free(set);
    }
}

// ---- labels ----------------------------------------------------------------

static void check_labels(const Dataset *set, const char *text,
                         const char *reason)
{
    int64_t *indices = (int64_t *)1, count;
    write_bytes(test_path("list"), text, (int64_t)strlen(text));
    Status status =
        dataset_select_listed(set, test_path("list"), &indices, &count);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(indices == NULL);
    if (!strstr(status.text, test_path("list")) || !strstr(status.text, reason))
        test_fail(__FILE__, __LINE__, "\"%s\" lacks path or \"%s\"",
                  status.text, reason);
}

TEST(bad_lists_of_labels)
{
    Dataset *set = NULL;
    DataOptions options = {0};
    make_plain(test_path("s/train/cat/0.png"), 4, 1);
    make_plain(test_path("s/train/dog/0.png"), 4, 1);
    make_plain(test_path("s/test/dog/0.png"), 4, 1);
    make_plain(test_path("s/unlabeled/0.png"), 4, 1);
    write_bytes(test_path("s/train/cat/bad.png"), "none", 4);
    CHECK_TEXT(dataset_open(test_path("s"), &options, &set).text, "");
    check_labels(set, "", "lists no image");
    check_labels(set, "train/cat/0.png\ncat/0.png\n",
                 ":2: cat/0.png is not in the data; the closest name there is "
                 "train/cat/0.png");
    check_labels(set, "train/Dog/0.JPG\n", "name there is train/dog/0.png");
    check_labels(set, "train/horse/9.png\n", "a name there is ");
    check_labels(set, "path\ntrain/cat/0.png\n",
                 ":1: path looks like a header; --labels takes names of");
    check_labels(set, "path,label\r\ntrain/cat/0.png,cat\r\n",
                 ":1: path,label looks like a header");
    static const char *const rows[] = {"train/cat/0.png,cat",
                                       "train/cat/0.png cat",
                                       "\"train/cat/0.png\";cat"};
    for (int i = 0; i < 3; i++)
        check_labels(set, rows[i], "has more than the name of an image");
    check_labels(set, "train/cat/bad.png\n", "was left out of the data: ");
    char twice[8192]; // two ways to one image
    snprintf(twice, sizeof twice, "\xef\xbb\xbf./train/cat/0.png\n%s\n",
             test_path("s/train/cat/0.png"));
    check_labels(set, twice, ":2: ");
    check_labels(set, twice, "is there a second time");
    check_labels(set, "test/dog/0.png", ":1: test/dog/0.png is a test image");
    check_labels(set, "unlabeled/0.png", ":1: unlabeled/0.png has no label");
    check_labels(set, "train/cat/0.png\n\ntrain/cat/0.png\n",
                 ":3: train/cat/0.png is there a second time");
    CHECK(remove(test_path("list")) == 0);
    int64_t *indices, count;
    Status status =
        dataset_select_listed(set, test_path("list"), &indices, &count);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "No such file") != NULL);
    dataset_free(set);
}

TEST(labels_of_held_out_images)
{
    Dataset *set = NULL;
    DataOptions options = {.test_fraction = 0.5};
    for (int i = 0; i < 2; i++) {
        make_plain(test_path("s/cat/%d.png", i), 4, 1);
        make_plain(test_path("s/dog/%d.png", i), 4, 1);
    }
    CHECK_TEXT(dataset_open(test_path("s"), &options, &set).text, "");
    check_labels(set, "cat/0.png\ncat/1.png\n",
                 "is held out for testing: use "
                 "the --seed and --held-out");
    dataset_free(set);
}

// ---- STL-10 ----------------------------------------------------------------

TEST(stl_files_that_disagree)
{
    enum { IMAGE = 3 * 96 * 96 };
    uint8_t *bytes = calloc(2, IMAGE);
    const char *set = test_path("s");
    write_bytes(test_path("s/train_X.bin"), bytes, 2 * IMAGE);
    check_set_refused(set, "train_y.bin': No such file");
    write_bytes(test_path("s/train_y.bin"), "\1", 1);
    check_set_refused(set, "train_y.bin has 1 label but");
    write_bytes(test_path("s/train_y.bin"), "\1\2\3", 3);
    check_set_refused(set, "train_X.bin has 2 images");
    write_bytes(test_path("s/train_y.bin"), "\1\0", 2);
    check_set_refused(set, "train_y.bin: label 1 is 0, not from 1 to 10");
    write_bytes(test_path("s/train_y.bin"), "\13\1", 2);
    check_set_refused(set, "label 0 is 11");
    write_bytes(test_path("s/train_y.bin"), "\1\2", 2);
    write_bytes(test_path("s/unlabeled_X.bin"), bytes, IMAGE + 1);
    check_set_refused(set, "unlabeled_X.bin: its 27649 bytes are not");
    CHECK(remove(test_path("s/unlabeled_X.bin")) == 0);
    write_bytes(test_path("s/test_X.bin"), "", 0);
    check_set_refused(set, "test_X.bin: its 0 bytes are not");
    CHECK(remove(test_path("s/test_X.bin")) == 0);
    write_bytes(test_path("s/train_X.bin"), bytes, IMAGE - 1);
    check_set_refused(set, "train_X.bin: its 27647 bytes are not");
    free(bytes);
}

TEST(a_container_that_shrinks_later)
{
    enum { IMAGE = 3 * 96 * 96 };
    uint8_t *bytes = calloc(2, IMAGE);
    write_bytes(test_path("s/train_X.bin"), bytes, 2 * IMAGE);
    write_bytes(test_path("s/train_y.bin"), "\1\2", 2);
    Dataset *set = NULL;
    DataOptions options = {0};
    CHECK_TEXT(dataset_open(test_path("s"), &options, &set).text, "");
    write_bytes(test_path("s/train_X.bin"), bytes, IMAGE + 5);
    Image image;
    Status status = dataset_read(set, SPLIT_TRAIN, 1, &image);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "train_X.bin: shorter than") != NULL);
    CHECK(image.pixels == NULL);
    dataset_free(set);
    free(bytes);
}

// ---- shards ----------------------------------------------------------------

static Archive archive;

static void make_shard(void)
{
    archive.size = 0;
    make_plain(test_path("x.png"), 8, 7);
    archive_add_file(&archive, "a.png", test_path("x.png"));
    archive_add(&archive, "a.cls", '0', "1", 1);
}

static void check_shard(const char *reason)
{
    archive_write(&archive, test_path("s/0.tar"));
    check_set_refused(test_path("s"), reason);
}

TEST(damaged_shards)
{
    make_shard();
    archive.bytes[3] ^= 1;
    check_shard("damaged at byte 0: not a tar header, or its checksum");
    make_shard();
    int64_t second = archive.size - 2 * ARCHIVE_BLOCK;
    archive.bytes[second + 130] ^= 1;
    char place[64];
    snprintf(place, sizeof place, "damaged at byte %lld", (long long)second);
    check_shard(place);
    memcpy(archive.bytes + second + 124, "00000077777\0", 12);
    archive_seal(archive.bytes + second);
    check_shard("a member that reaches beyond the file");
    memcpy(archive.bytes + second + 124, "0000x000001\0", 12);
    archive_seal(archive.bytes + second);
    check_shard("a size that is no number");
    memset(archive.bytes + second + 124, 0xff, 12); // binary, negative
    archive_seal(archive.bytes + second);
    check_shard("a size that is no number");
    archive.bytes[second + 124] = 0x80; // binary, huge
    archive_seal(archive.bytes + second);
    check_shard("a size that is no number");
}

TEST(shards_cut_short)
{
    make_shard();
    int64_t whole = archive.size;
    for (int64_t keep = 0; keep <= whole; keep += 100) {
        write_bytes(test_path("s/0.tar"), archive.bytes, keep);
        check_set_refused(test_path("s"), "truncated");
    }
}

TEST(bad_members)
{
    make_shard();
    archive_add(&archive, "b.cls", '0', "dog", 3);
    check_shard("0.tar/b.cls: not a class number");
    make_shard();
    archive_add(&archive, "b.cls", '0', "-1", 2);
    check_shard("b.cls: not a class number");
    make_shard();
    archive_add(&archive, "b.cls", '0', "99999999999999999999999", 23);
    check_shard("b.cls: not a class number");
    make_shard();
    archive_add(&archive, "b.cls", '0', "", 0);
    check_shard("b.cls: not a class number");
    make_shard();
    archive_add(&archive, "h", 'x', "99 path=b.png\n", 14);
    check_shard("a malformed pax header");
    make_shard();
    archive_add(&archive, "h", 'x', "00000000005 a\n", 14);
    check_shard("a malformed pax header");
    archive.size = 0;
    archive_add(&archive, "b.webp", '0', "RIFF", 4);
    check_shard("0.tar/b.webp: only PNG and JPEG are read");
    archive.size = 0;
    archive_add(&archive, "a.png", '0', "no image", 8);
    check_shard("0.tar/a.png: neither a PNG nor a JPEG");
}

// Any changed byte: read or refused, never a crash or a wild read.
TEST(shards_with_any_byte_changed)
{
    make_shard();
    archive_add(&archive, "h", 'x', "15 path=b.png\n\n", 15);
    archive_add(&archive, "h", 'L', "c.png", 6);
    int64_t whole = archive.size;
    for (int64_t i = 0; i < whole; i += 3) {
        uint8_t kept = archive.bytes[i];
        archive.bytes[i] = (uint8_t)(kept + 1 + i % 255);
        if (i % 2 == 0) // half of them with a good checksum
            archive_seal(archive.bytes + i / ARCHIVE_BLOCK * ARCHIVE_BLOCK);
        archive.size = whole;
        archive_write(&archive, test_path("s/0.tar"));
        Dataset *set = NULL;
        DataOptions options = {0};
        Status status = dataset_open(test_path("s"), &options, &set);
        CHECK(status.code == STATUS_OK || status.code == STATUS_DATA);
        dataset_free(set);
        make_shard();
        archive_add(&archive, "h", 'x', "15 path=b.png\n\n", 15);
        archive_add(&archive, "h", 'L', "c.png", 6);
    }
}
