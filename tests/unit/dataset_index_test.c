// What a large set consists of, kept from one command to the next: as long as
// nothing has changed it is what reading finds; else it is read anew.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/checksum.h"
#include "runtime/base/file.h"
#include "runtime/data/dataset_index.h"
#include "tests/archive.h"
#include "tests/harness.h"
#include "tests/images.h"

enum { CLASSES = 5, OF_CLASS = DATASET_INDEX_LEAST / CLASSES };

static const char *set_name; // of the one that is looked at

static const char *class_folder(int class)
{
    return test_path("set/class %d", class);
}

// Folders must have been still for a while before a list of them is kept.
static void rest(void)
{
    usleep(100000);
}

// As many links to one picture, and one file that is none.
static void make_set(void)
{
    char first[1000];
    set_name = "set";
    make_plain(test_path("set/class 0/00000.png"), 4, 1);
    snprintf(first, sizeof first, "%s", test_path("set/class 0/00000.png"));
    for (int c = 0; c < CLASSES; c++) {
        mkdir(class_folder(c), 0777);
        for (int i = c == 0; i < OF_CLASS; i++)
            if (link(first, test_path("set/class %d/%05d.png", c, i)) != 0)
                test_fail(__FILE__, __LINE__, "cannot link");
    }
    write_bytes(test_path("set/class 1/bad.png"), "no picture", 10);
    rest();
}

static Dataset *open_set(bool index)
{
    char root[1000], folder[1000];
    Dataset *set = NULL;
    snprintf(root, sizeof root, "%s", test_path("%s", set_name));
    snprintf(folder, sizeof folder, "%s", test_path("kept"));
    DataOptions options = {
        .test_fraction = 0.2, .seed = 3, .index = index ? folder : NULL};
    Status status = dataset_open(root, &options, &set);
    CHECK_INT(status.code, STATUS_OK);
    return set;
}

static bool is_by_index(const Dataset *set)
{
    char *const *notes;
    int count = dataset_notes(set, &notes);
    for (int i = 0; i < count; i++)
        if (strstr(notes[i], "as an earlier command found them"))
            return true;
    return false;
}

static bool have_same_classes(const Dataset *one, const Dataset *other,
                              DataSplit split, int64_t image)
{
    const int32_t *classes, *others;
    int count = dataset_labels(one, split, image, &classes);
    return count == dataset_labels(other, split, image, &others) &&
           (count < 1 ||
            memcmp(classes, others, (size_t)count * sizeof *classes) == 0);
}

static void check_same(const Dataset *one, const Dataset *other)
{
    const DataSkip *skips, *others;
    CHECK_TEXT(dataset_description(one), dataset_description(other));
    CHECK_INT(dataset_classes(one), dataset_classes(other));
    for (int c = 0; c < dataset_classes(one); c++)
        CHECK_TEXT(dataset_class_name(one, c), dataset_class_name(other, c));
    CHECK_INT(dataset_skips(one, &skips), dataset_skips(other, &others));
    for (int i = 0; i < dataset_skips(one, &skips); i++) {
        CHECK_TEXT(skips[i].path, others[i].path);
        CHECK_TEXT(skips[i].reason, others[i].reason);
    }
    for (int split = 0; split < SPLIT_COUNT; split++) {
        int64_t count = dataset_count(one, (DataSplit)split);
        CHECK_INT(count, dataset_count(other, (DataSplit)split));
        for (int64_t i = 0; i < count; i++)
            if (strcmp(dataset_sample_name(one, (DataSplit)split, i),
                       dataset_sample_name(other, (DataSplit)split, i)) != 0 ||
                !have_same_classes(one, other, (DataSplit)split, i))
                test_fail(__FILE__, __LINE__, "image %lld differs",
                          (long long)i);
    }
}

// Opens it, says whether the list of before was taken, and holds what comes to
// what reading finds.
static bool opens_by_index(void)
{
    Dataset *set = open_set(true), *read = open_set(false);
    bool by_index = is_by_index(set);
    CHECK(!is_by_index(read));
    check_same(set, read);
    dataset_free(set);
    dataset_free(read);
    return by_index;
}

// Something changed, and is to be seen; afterwards nothing has.
static void check_seen(void)
{
    rest();
    CHECK(!opens_by_index());
    CHECK(opens_by_index());
}

// What was no picture becomes one, in place.
static void mend_bad(void)
{
    char *bytes;
    int64_t size;
    CHECK_INT(
        file_read(test_path("set/class 0/00000.png"), 1 << 20, &bytes, &size)
            .code,
        STATUS_OK);
    int file = open(test_path("set/class 1/bad.png"), O_WRONLY | O_TRUNC);
    CHECK(write(file, bytes, (size_t)size) == size);
    close(file);
    free(bytes);
}

TEST(index_is_what_reading_finds)
{
    Image image;
    make_set();
    CHECK(!opens_by_index());
    CHECK(opens_by_index());
    // The pictures are where they were.
    Dataset *set = open_set(true);
    CHECK_INT(dataset_read(set, SPLIT_TRAIN, 1700, &image).code, STATUS_OK);
    image_free(&image);
    dataset_free(set);
}

TEST(index_is_read_anew_when_a_folder_changes)
{
    make_set();
    CHECK(!opens_by_index());
    // Another file, and a time that says nothing of it.
    const struct timespec then[2] = {{.tv_sec = 1500000000},
                                     {.tv_sec = 1500000000}};
    link(test_path("set/class 0/00000.png"), test_path("set/class 2/new.png"));
    CHECK_INT(utimensat(AT_FDCWD, class_folder(2), then, 0), 0);
    check_seen();
    unlink(test_path("set/class 2/new.png"));
    CHECK_INT(utimensat(AT_FDCWD, class_folder(2), then, 0), 0);
    check_seen();
    // What was no picture has become one, in place.
    mend_bad();
    check_seen();
}

// Of every image its class and the one before, which some lines have alone.
static void write_list(bool several)
{
    FILE *file = fopen(test_path("list.csv"), "w");
    fprintf(file, "path,%s,part\n", several ? "labels" : "label");
    for (int c = 0; c < CLASSES; c++)
        for (int i = 0; i < OF_CLASS + 2; i++) {
            fprintf(file, "set/class %d/%05d.png,k%d", c, i, c);
            if (several && c && i % 3)
                fprintf(file, "|k%d", c - 1);
            fprintf(file, ",%s\n", i % 5 ? "train" : i % 2 ? "test" : "val");
        }
    fprintf(file, "set/class 1/bad.png,k1,train\nelsewhere/1.png,k2,train\n");
    fclose(file);
}

TEST(index_of_a_list)
{
    make_set();
    set_name = "list.csv";
    for (int several = 0; several < 2; several++) {
        write_list(several);
        check_seen();
    }
    // A file that was missing, in a folder that there is and in one that there
    // is not; one that goes; and one that becomes a picture in place.
    link(test_path("set/class 0/00000.png"),
         test_path("set/class 3/%05d.png", OF_CLASS));
    check_seen();
    make_plain(test_path("elsewhere/1.png"), 4, 1);
    check_seen();
    unlink(test_path("set/class 3/%05d.png", OF_CLASS));
    check_seen();
    mend_bad();
    check_seen();
}

// Shards of a hundred pictures each, of which one is none.
static void write_shard(const char *name, int shard)
{
    static Archive archive;
    archive.size = 0;
    for (int i = 0; i < 100; i++) {
        char image[32], label[32], class[8];
        snprintf(image, sizeof image, "%03d-%d.png", i, shard);
        snprintf(label, sizeof label, "%03d-%d.cls", i, shard);
        snprintf(class, sizeof class, "%d", i % 3);
        if (i == 7)
            archive_add(&archive, image, '0', "no picture", 10);
        else
            archive_add_file(&archive, image, test_path("one.png"));
        archive_add(&archive, label, '0', class, 1);
    }
    archive_write(&archive, test_path("shards/%s-%03d.tar", name, shard));
}

TEST(index_of_shards)
{
    Image image;
    enum { SHARDS = DATASET_INDEX_LEAST / 99 + 1 };
    set_name = "shards";
    make_plain(test_path("one.png"), 4, 1);
    for (int i = 0; i < SHARDS; i++)
        write_shard(i % 5 == 0 ? "val" : i % 5 == 1 ? "test" : "train", i);
    check_seen();
    Dataset *set = open_set(true);
    CHECK_INT(dataset_read(set, SPLIT_TRAIN, 1700, &image).code, STATUS_OK);
    image_free(&image);
    dataset_free(set);
    // Names of classes, first there, then others; another shard; another
    // content of one.
    write_bytes(test_path("shards/classes.txt"), "a\nb\nc\n", 6);
    check_seen();
    write_bytes(test_path("shards/classes.txt"), "a\nb\nd\n", 6);
    check_seen();
    write_shard("train", SHARDS);
    check_seen();
    write_shard("train", SHARDS);
    check_seen();
    unlink(test_path("shards/train-%03d.tar", SHARDS));
    check_seen();
}

static void read_index(char path[1000], char **bytes, int64_t *size)
{
    Checksum sum = checksum_new();
    char *real = realpath(test_path("set"), NULL);
    checksum_add(&sum, real, (int64_t)strlen(real));
    free(real);
    snprintf(path, 1000, "%s",
             test_path("kept/%016llx.index",
                       (unsigned long long)checksum_value(&sum)));
    CHECK_INT(file_read(path, 1 << 30, bytes, size).code, STATUS_OK);
}

// Any byte, with and without a checksum that fits: nothing is taken that is not
// there, and what cannot be is read anew.
TEST(index_that_is_damaged_is_not_believed)
{
    char path[1000], *bytes;
    int64_t size;
    make_set();
    CHECK(!opens_by_index());
    read_index(path, &bytes, &size);
    static const int64_t places[] = {0, 16, 70, 300, 9000};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *damaged = malloc((size_t)size);
        memcpy(damaged, bytes, (size_t)size);
        damaged[places[i]] ^= 0x55;
        CHECK_INT(file_write(path, damaged, size).code, STATUS_OK);
        CHECK(!opens_by_index());
        free(damaged);
    }
    // With a checksum that fits, of cut files too, it is only not to crash.
    for (int64_t cut = size; cut > 16; cut = cut / 5) {
        char *damaged = malloc((size_t)cut);
        Checksum sum = checksum_new();
        memcpy(damaged, bytes, (size_t)cut);
        damaged[cut / 2] ^= cut == size ? 0x55 : 0;
        checksum_add(&sum, damaged + 16, cut - 16);
        uint64_t value = checksum_value(&sum);
        memcpy(damaged + 8, &value, 8);
        CHECK_INT(file_write(path, damaged, cut).code, STATUS_OK);
        dataset_free(open_set(true));
        free(damaged);
    }
    free(bytes);
    CHECK_INT(file_write(path, "", 0).code, STATUS_OK);
    CHECK(!opens_by_index());
    CHECK(opens_by_index());
}

// The set is good without a place for the list, which is said.
TEST(index_that_cannot_be_kept_is_said)
{
    char *const *notes;
    make_set();
    write_bytes(test_path("kept"), "a file", 6);
    Dataset *set = open_set(true);
    int count = dataset_notes(set, &notes);
    CHECK(count > 0 && strstr(notes[count - 1], "is not kept"));
    dataset_free(set);
}
