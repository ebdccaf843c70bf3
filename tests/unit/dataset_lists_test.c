// Lists of image files as people write them: other column names, orders and
// marks; what is no such list is said for what it is.
#include <stdlib.h>

#include "runtime/data/data.h"
#include "tests/archive.h"
#include "tests/harness.h"
#include "tests/images.h"

// Two images of each of two classes, one of a third; one without an extension.
static void make_files(void)
{
    static const char *const names[] = {"s/c/1.png", "s/c/2.png",   "s/d/1.png",
                                        "s/d/2.png", "s/b c/e.png", "s/plain"};
    for (int i = 0; i < 6; i++)
        make_plain(test_path("%s", names[i]), 4, i);
}

static void add_split(const Dataset *set, DataSplit split, char *text,
                      size_t size)
{
    for (int64_t i = 0; i < dataset_count(set, split); i++) {
        const int32_t *of = NULL;
        int labels = dataset_labels(set, split, i, &of);
        size_t used = strlen(text);
        snprintf(text + used, size - used, " %s=%s",
                 dataset_sample_name(set, split, i), labels < 0 ? "-" : "");
        for (int k = 0; k < labels; k++)
            snprintf(text + strlen(text), size - strlen(text), "%s%s",
                     k ? "+" : "", dataset_class_name(set, of[k]));
        CHECK_INT(dataset_label(set, split, i),
                  labels == 1 && !dataset_several(set) ? of[0] : -1);
    }
}

// The list, opened: "3: a=x b=y | c=x || d=y" of training, test and
// validation, and a line for each note.
static void check_list(const char *text, int64_t size, const char *want)
{
    Dataset *set = NULL;
    DataOptions options = {0};
    char got[2048] = "";
    char *const *notes;
    write_bytes(test_path("s/list"), text, size);
    Status status = dataset_open(test_path("s/list"), &options, &set);
    if (status.code != STATUS_OK) {
        const char *behind = strstr(status.text, "s/list");
        snprintf(got, sizeof got, "%d%s", status.code,
                 behind ? behind + 6 : status.text);
        CHECK_TEXT(got, want);
        return;
    }
    snprintf(got, sizeof got, "%d%s:", dataset_classes(set),
             dataset_several(set) ? "+" : "");
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

static void check(const char *text, const char *want)
{
    check_list(text, (int64_t)strlen(text), want);
}

// ---- headers ----------------------------------------------------------------

TEST(lists_have_headers_of_any_words)
{
    static const char *const words[] = {"file_name", "image_id", "id",    "img",
                                        "name",      "photo",    "\"id\""};
    make_files();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char text[256], want[256], bare[32];
        snprintf(bare, sizeof bare, "%.*s", (int)strcspn(words[i] + 1, "\""),
                 words[i] + 1);
        snprintf(text, sizeof text, "%s,label\nc/1.png,x\nd/1.png,y\n",
                 words[i]);
        snprintf(want, sizeof want,
                 "2: c/1.png=x d/1.png=y\nline 1 names the columns: images by "
                 "%s, classes by label, parts by none",
                 words[i][0] == '"' ? bare : words[i]);
        check(text, want);
        snprintf(text, sizeof text, "%s label\nc/1.png x\nd/1.png y\n",
                 words[i]);
        if (words[i][0] != '"')
            check(text, want);
    }
    check("path,label\nc/1.png,x\nd/1.png,y\n", "2: c/1.png=x d/1.png=y");
    check("image\nc/1.png\nd/1.png\n",
          "0: c/1.png=- d/1.png=-\nline 1 names the columns: images by image, "
          "classes by none, parts by none");
}

// A row whose file is missing is none, and no class comes of it.
TEST(lists_without_a_header)
{
    make_files();
    check("gone.png,z\nc/1.png,x\nd/1.png,y\n",
          "2: c/1.png=x d/1.png=y\nclass z, first in line 1, has no training "
          "image that can be read, and is left out");
    check("c/1.png,x\ngone.png,x\nd/1.png,y\n", "2: c/1.png=x d/1.png=y");
    check("plain,x\nc/1.png,x\nd/1.png,y\n", "2: plain=x c/1.png=x d/1.png=y");
    check("plain x\nc/1.png y\n", "2: plain=x c/1.png=y");
    check("c/1.png,x\nd/1.png,y,test,z\n",
          "4:2: more than three columns: path, label, part (quote a name with "
          "commas, or name the columns in the first line)");
}

// A file under two names would be in two classes, or in training and test.
TEST(lists_know_a_file_by_any_path)
{
    make_files();
    check("c/1.png,x\n./c/1.png,y\n", "4:2: ./c/1.png is in line 1 already");
    check("./c//./1.png,x\nd/1.png,y\nc/1.png,x\n",
          "4:3: c/1.png is in line 1 already");
    check("./c/1.png,x\n./c/2.png,y\nd//1.png,x\n",
          "2: ./c/1.png=x ./c/2.png=y d//1.png=x");
}

static void check_order(const char *labels, const char *want)
{
    static const char *const names[] = {"c/1.png", "c/2.png", "d/1.png",
                                        "d/2.png", "plain"};
    char text[512] = "", got[256] = "";
    Dataset *set = NULL;
    DataOptions options = {0};
    for (int i = 0; i < 5 && *labels; i++) {
        size_t length = strcspn(labels, " ");
        sprintf(text + strlen(text), "%s,%.*s\n", names[i], (int)length,
                labels);
        labels += length + (labels[length] == ' ');
    }
    write_bytes(test_path("s/list"), text, (int64_t)strlen(text));
    CHECK(dataset_open(test_path("s/list"), &options, &set).code == STATUS_OK);
    for (int i = 0; i < dataset_classes(set); i++)
        sprintf(got + strlen(got), "%s%s", i ? " " : "",
                dataset_class_name(set, i));
    CHECK_TEXT(got, want);
    dataset_free(set);
}

TEST(lists_have_numbers_by_value_before_words)
{
    make_files();
    check_order("10 9 b 2 a", "2 9 10 a b");
    check_order("10.0 9.0 1.5 2.0 .5", ".5 1.5 2.0 9.0 10.0");
    check_order("1 -1 0 -10 +3", "-10 -1 0 1 +3");
    check_order("7 07 nan 0x1 1e1", "07 7 0x1 1e1 nan");
    check_order("- . 5 -. 12345678901", "5 12345678901 - -. .");
}

// ---- columns ----------------------------------------------------------------

TEST(lists_have_columns_in_any_order)
{
    make_files();
    check("label,path\nx,c/1.png\ny,d/1.png\n",
          "2: c/1.png=x d/1.png=y\nline 1 names the columns: images by path, "
          "classes by label, parts by none");
    check("x,c/1.png\ny,d/1.png\n",
          "2: c/1.png=x d/1.png=y\ncolumn 2 names images, column 1 classes, "
          "column 0 parts (0: none)");
    check("x c/1.png\ny d/1.png\n",
          "2: c/1.png=x d/1.png=y\ncolumn 2 names images, column 1 classes, "
          "column 0 parts (0: none)");
    check("test,c/1.png,x\ntrain,d/1.png,x\n",
          "1: d/1.png=x | c/1.png=x\ncolumn 2 names images, column 3 classes, "
          "column 1 parts (0: none)");
    check("c/1.png,train\nd/1.png,test\n",
          "0: c/1.png=- | d/1.png=-\ncolumn 1 names images, column 0 classes, "
          "column 2 parts (0: none)");
    check(
        ",file,width,species,subset\n0,c/1.png,4,x,train\n1,d/1.png,4,y,"
        "train\n",
        "4:1: which column is the class? Name it `label`, or leave a column of "
        "0 and 1 for each class and no others; there are (without a name), "
        "width, species");
    check(
        ",file,width,class,subset\n0,c/1.png,4,x,train\n1,d/1.png,4,y,"
        "train\n2,d/2.png,4,y,dev\n",
        "2: c/1.png=x d/1.png=y | d/2.png=y\nline 1 names the columns: images "
        "by file, classes by class, parts by subset; unused: (without a "
        "name), width");
    check("image,mask\nc/1.png,c/2.png\nd/1.png,d/2.png\n",
          "4:2: two columns name files: in the first line, call that of the "
          "images `path`, and that of the classes `label`");
    check("mask,path,label\nc/2.png,c/1.png,x\nd/2.png,d/1.png,y\n",
          "2: c/1.png=x d/1.png=y\nline 1 names the columns: images by path, "
          "classes by label, parts by none; unused: mask");
    check("path,label\nc/1.png,x,train\n",
          "4:2: more columns than the first line names (quote a name with "
          "commas)");
}

TEST(lists_are_cut_at_what_they_use)
{
    make_files();
    check("path;label\nc/1.png;x\nd/1.png;y\n", "2: c/1.png=x d/1.png=y");
    check("c/1.png;big, brown\nd/1.png;\"a;b\"\n",
          "3+: c/1.png=big, brown d/1.png=a+b\nan image may have several of "
          "the 3 classes: line 2 has a;b, parted by ;");
    check("b c/e.png\tbig cat\nc/1.png\tdog\n",
          "2: b c/e.png=big cat c/1.png=dog");
    check("b c/e.png\tcat\n  c/1.png   dog  train\n",
          "2: b c/e.png=cat c/1.png=dog");
    check("path\tlabel\nc/1.png\tx\n", "1: c/1.png=x");
}

// ---- parts ------------------------------------------------------------------

TEST(lists_have_parts_by_many_names)
{
    static const char *const names[] = {"valid", "val",  "dev",  "Validation",
                                        "test",  "TEST", "eval", "testing"};
    make_files();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "path,label,split\nc/1.png,x,train\nd/1.png,y,Training\n"
                 "c/2.png,x,%s\n",
                 names[i]);
        check(text, "2: c/1.png=x d/1.png=y | c/2.png=x");
    }
    check("path,label,split\nc/1.png,x,train\nc/2.png,x,val\nd/1.png,x,test\n"
          "d/2.png,x,unlabeled\n",
          "1: c/1.png=x d/2.png=- | d/1.png=x || c/2.png=x\n1 image is marked "
          "for validation while training, with --validate-every: no phase "
          "trains on it");
    check("path,label,split\nc/1.png,x,train\nc/2.png,y,val\nd/1.png,x,test\n",
          "4:3: class y has validation images and no training image");
    check("path,label,split\nc/1.png,x,test\nd/1.png,y,val\n",
          "4: all of its 2 images are for testing or validation, and none to "
          "train on; where no part is named they are a set of their own");
    check("path,label,split\nc/1.png,x,train\nc/2.png,,val\nd/1.png,x,test\n",
          "4:3: a validation image without a label");
    check(
        "path,label,split\nc/1.png,x,train\nc/2.png,x,fold1\n",
        "4:3: the third column is train, test, val or unlabeled, not 'fold1'");
    check(
        "split,path,label\ntrain,c/1.png,x\nfold1,c/2.png,x\n",
        "4:3: the part's column is train, test, val or unlabeled, not 'fold1'");
}

// ---- other text -------------------------------------------------------------

TEST(lists_in_other_writing_are_named)
{
    static const char wide[] = "\xff\xfe"
                               "c\0/\0001\0.\0p\0n\0g\0\n";
    static const char bare[] = "\0c\0/\0001\0.\0p\0n\0g\0\n";
    const char *told = "4: UTF-16 text, and lists are UTF-8: `iconv -f UTF-16 "
                       "-t UTF-8` makes it so";
    make_files();
    check_list(wide, sizeof wide, told);
    check_list(bare, sizeof bare - 1, told);
    check("c/1.png,x\rd/1.png,y\r",
          "4: its lines end as on old Macs, with \\r alone: `tr '\\r' '\\n'` "
          "makes them lines of today");
    check("c/1.png,x\r\nd/1.png,y\r\n", "2: c/1.png=x d/1.png=y");
    check("\xef\xbb\xbf\"file\",\"label\"\r\n\"c/1.png\",\"x\"\r\n",
          "1: c/1.png=x\nline 1 names the columns: images by file, classes by "
          "label, parts by none");
}

// The same holds for a list of labels.
TEST(lists_of_labels_in_other_writing_are_named)
{
    static const char wide[] = "\xff\xfe"
                               "a\0";
    Dataset *set = NULL;
    DataOptions options = {0};
    int64_t *indices, count;
    make_files();
    CHECK_TEXT(dataset_open(test_path("s"), &options, &set).text, "");
    dataset_free(set);
    write_bytes(test_path("s/list"), "c/1.png,x\nd/1.png,y\n", 20);
    CHECK_TEXT(dataset_open(test_path("s/list"), &options, &set).text, "");
    write_bytes(test_path("s/labels"), wide, sizeof wide);
    Status status =
        dataset_select_listed(set, test_path("s/labels"), &indices, &count);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "UTF-16") != NULL);
    dataset_free(set);
}

// ---- several classes an image
// -------------------------------------------------

TEST(lists_may_have_several_classes_an_image)
{
    make_files();
    check("c/1.png,cat|dog\nc/2.png,dog\nd/1.png,\n",
          "2+: c/1.png=cat+dog c/2.png=dog d/1.png=-\nan image may have "
          "several of the 2 classes: line 1 has cat|dog, parted by |");
    check("path,label,split\nc/1.png,10;2,train\nc/2.png,2; 2,train\n"
          "d/1.png,10,val\nd/2.png,2;10,test\n",
          "2+: c/1.png=2+10 c/2.png=2 | d/2.png=2+10 || d/1.png=10\nan image "
          "may have several of the 2 classes: line 2 has 10;2, parted by ;\n1 "
          "image is marked for validation while training, with "
          "--validate-every: no phase trains on it");
    // None of the classes, which is not the same as no label.
    check("c/1.png,cat;\nc/2.png,;\nd/1.png,\nd/2.png,dog\n",
          "2+: c/1.png=cat c/2.png= d/1.png=- d/2.png=dog\nan image may have "
          "several of the 2 classes: line 1 has cat;, parted by ;");
    check("path;label\nc/1.png;cat|dog\nc/2.png;dog\n",
          "2+: c/1.png=cat+dog c/2.png=dog\nan image may have several of the "
          "2 classes: line 2 has cat|dog, parted by |");
    // As Python prints lists.
    check("path,label\nc/1.png,\"['cat', 'dog']\"\nc/2.png,[]\n"
          "d/1.png,['dog']\n",
          "2+: c/1.png=cat+dog c/2.png= d/1.png=dog\nan image may have "
          "several of the 2 classes: line 2 has ['cat', 'dog']");
    check("c/1.png,a|b\nd/1.png,c,test\n",
          "4:2: class c has test images and no training image");
    check("c/1.png,a|b\nd/1.png,,test\n", "4:2: a test image without a label");
}

// A comma or space parts classes where the header says more than one and the
// words come again.
TEST(lists_part_classes_by_spaces_where_words_come_again)
{
    make_files();
    check("image,tags\nc/1.png,haze road\nc/2.png,road\nd/1.png,haze\n",
          "2+: c/1.png=haze+road c/2.png=road d/1.png=haze\nline 1 names the "
          "columns: images by image, classes by tags, parts by none\nan image "
          "may have several of the 2 classes: line 2 has haze road, parted by "
          "spaces");
    check("path,labels\nc/1.png,\"haze, road\"\nc/2.png,road\n"
          "d/1.png,haze\n",
          "2+: c/1.png=haze+road c/2.png=road d/1.png=haze\nan image may have "
          "several of the 2 classes: line 2 has haze, road, parted by ,");
    check("path,labels\nc/1.png,golden retriever\nc/2.png,labrador "
          "retriever\nd/1.png,cat\n",
          "3: c/1.png=golden retriever c/2.png=labrador retriever d/1.png=cat");
    check("path,label\nc/1.png,haze road\nc/2.png,road\nd/1.png,haze\n",
          "3: c/1.png=haze road c/2.png=road d/1.png=haze");
}

TEST(lists_may_have_a_column_for_each_class)
{
    make_files();
    check("path,cat,dog,bird\nc/1.png,1,1,0\nc/2.png,0,0,1\n"
          "d/1.png,0,0,0\nd/2.png,,,\n",
          "3+: c/1.png=cat+dog c/2.png=bird d/1.png= d/2.png=-\nline 1 names "
          "the columns: images by path, classes by columns of 0 and 1, parts "
          "by none\nan image may have several of the 3 classes: columns cat, "
          "dog, bird hold 0 and 1, and line 2 has 2");
    check("id,file,cat,dog,split\n0,c/1.png,1.0,0.0,train\n"
          "1,c/2.png,0.0,1.0,train\n2,d/1.png,0.0,1.0,test\n",
          "2: c/1.png=cat c/2.png=dog | d/1.png=dog\nline 1 names the "
          "columns: images by file, classes by columns of 0 and 1, parts by "
          "split; unused: id\ncolumns cat, dog hold 0 and 1, and each line has "
          "one 1: its column is the class");
    check("path,cat,dog\nc/1.png,1,-1\nc/2.png,-1,-1\nd/1.png,-1,1\n",
          "2+: c/1.png=cat c/2.png= d/1.png=dog\nline 1 names the columns: "
          "images by path, classes by columns of 0 and 1, parts by none\nan "
          "image may have several of the 2 classes: columns cat, dog hold 0 "
          "and 1, and line 3 has none");
    check("path,cat,dog\nc/1.png,1,0\nc/2.png,-1,1\n",
          "4:3: column cat holds -1 where others hold 0: write 1 where an "
          "image has the class and 0 where it has not");
    check("path,cat,dog\nc/1.png,1,0\nc/2.png,,1\n",
          "4:3: column cat is empty where others are not: write 0 or 1");
    check("path,cat,age\nc/1.png,1,0\nc/2.png,1,30\n",
          "4:1: which column is the class? Name it `label`, or leave a column "
          "of 0 and 1 for each class and no others; there are cat, age");
    check("path,label1,label_2\nc/1.png,cat,dog\nc/2.png,dog,\n",
          "2+: c/1.png=cat+dog c/2.png=dog\nline 1 names the columns: images "
          "by path, classes by numbered columns, parts by none\nan image may "
          "have several of the 2 classes: columns label1, label_2 name them, "
          "and line 2 has 2");
    check("path,label1,label2\nc/1.png,cat,\nc/2.png,dog,\n",
          "2: c/1.png=cat c/2.png=dog\nline 1 names the columns: images by "
          "path, classes by numbered columns, parts by none");
}

// A folder of such a name is a class that somebody has called so.
TEST(lists_may_say_that_there_is_no_label_by_a_word)
{
    make_files();
    check("path,label\nc/1.png,cat\nc/2.png,NaN\nd/1.png,\n",
          "2: c/1.png=cat c/2.png=NaN d/1.png=-\nNaN is a class as any: leave "
          "the cell empty where that means an image without a label");
    check("path,label\nc/1.png,NA\nc/2.png,nan\nd/1.png,cat\n",
          "3: c/1.png=NA c/2.png=nan d/1.png=cat\nNA, nan are classes as any: "
          "leave the cell empty where that means an image without a label");
    check("path,label\nc/1.png,cat\nc/2.png,nanny\nd/1.png,\n",
          "2: c/1.png=cat c/2.png=nanny d/1.png=-");
    make_plain(test_path("f/na/1.png"), 4, 1);
    make_plain(test_path("f/b/1.png"), 4, 2);
    Dataset *set = NULL;
    char *const *notes;
    DataOptions options = {0};
    CHECK_TEXT(dataset_open(test_path("f"), &options, &set).text, "");
    CHECK_INT(dataset_notes(set, &notes), 0);
    dataset_free(set);
}

TEST(lists_may_write_a_number_in_two_ways)
{
    make_files();
    check("c/1.png,3\nc/2.png,3.0\nd/1.png,4\n",
          "3: c/1.png=3 c/2.png=3.0 d/1.png=4\nclasses 3 and 3.0 are the same "
          "number: if they are one, give them one name");
    check("c/1.png,3\nc/2.png,v3.0\nd/1.png,4\n",
          "3: c/1.png=3 c/2.png=v3.0 d/1.png=4");
}

// ---- all parts as one -------------------------------------------------------

static void check_joined(bool labelled, const char *want)
{
    static const char list[] = "c/1.png,a,val\nc/2.png,a\nd/1.png,b,test\n"
                               "d/2.png,,unlabeled\nb c/e.png,b\n";
    Dataset *set = NULL;
    DataOptions options = {0};
    Image image;
    char got[512] = "";
    write_bytes(test_path("s/list"), list, sizeof list - 1);
    CHECK_INT(dataset_open(test_path("s/list"), &options, &set).code,
              STATUS_OK);
    CHECK_INT(dataset_join_parts(set, labelled).code, STATUS_OK);
    add_split(set, SPLIT_TEST, got, sizeof got);
    strcat(got, " |");
    add_split(set, SPLIT_TRAIN, got, sizeof got);
    CHECK_TEXT(got, want);
    CHECK_INT(dataset_count(set, SPLIT_VALID), 0);
    // The pixels go with them: make_files draws image i in grey i.
    CHECK_INT(dataset_read(set, SPLIT_TEST, 0, &image).code, STATUS_OK);
    CHECK_INT(image.pixels[0], 1);
    image_free(&image);
    dataset_free(set);
}

TEST(lists_are_joined_of_all_their_parts)
{
    make_files();
    check_joined(true, " c/2.png=a b c/e.png=b d/1.png=b c/1.png=a |"
                       " d/2.png=-");
    check_joined(false, " c/2.png=a d/2.png=- b c/e.png=b d/1.png=b"
                        " c/1.png=a |");
}
