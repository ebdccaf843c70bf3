// Data sets: what is there, which part is for training, decoding one sample.
#ifndef SIMCC_RUNTIME_DATA_H
#define SIMCC_RUNTIME_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/data/image.h"
#include "runtime/exec/program.h"

typedef enum DataSplit {
    SPLIT_TRAIN,
    SPLIT_TEST,
    SPLIT_VALID, // for validation while training; often empty
    SPLIT_COUNT
} DataSplit;

// "training", "test" or "validation", as in "the test images".
static inline const char *data_split_word(DataSplit split)
{
    return split == SPLIT_TRAIN  ? "training"
           : split == SPLIT_TEST ? "test"
                                 : "validation";
}

typedef struct DataOptions {
    double test_fraction; // held out per class when the set has no test part
    bool test_asked; // by the user: a note says when there is nothing to do
    // Of each class set aside for validation, of what the hold-out leaves. A
    // set that has a validation part of its own, or no class of two images,
    // takes 0 alone.
    double valid_fraction;
    bool valid_where;    // only where the set can: nobody has asked for it
    bool tests_alone;    // a set that has test images alone will do
    uint64_t seed;       // of both choices
    int min_side;        // see image_read; 0 = full size
    int channels;        // see image_decode_channels; 0 = pictures to look at
    int64_t cache_bytes; // decoded images kept; 0 = 512 MiB, negative = none
    const char *index; // folder for lists of large sets' files, which are then
                       // looked at by the first command alone; NULL = none
} DataOptions;

// A set opened from a path, which is one of
//   PATH/CLASS/...image       each subfolder is a class when every subfolder
//                             holds images directly, or all in one folder
//                             called images or so, and PATH itself none;
//   PATH/...image             otherwise: no classes, found recursively;
//   PATH/train/...            either of the above, with PATH/test/ as the test
//                             part and PATH/val/ as that for validation (the
//                             test part, where there is no other), of the same
//                             classes, and PATH/unlabeled/ (recursive) as
//                             further training images without a label;
//                             docs/formats.md has the names of parts;
//   PATH/CLASS/... PATH/test/ the same without the folder train/;
//   PATH/NAME/...             any of these, when nothing else is in PATH;
//   IDX files                 *train-images*idx3-ubyte, *train-labels*idx1-
//                             ubyte, t10k-... or test-..., plain or .gz;
//   CIFAR binary batches      data_batch_*.bin and test_batch.bin, or
//                             (CIFAR-100, fine labels) train.bin and test.bin;
//   STL-10 binary files       train_X.bin and train_y.bin, maybe test_X.bin,
//                             test_y.bin and unlabeled_X.bin;
//   tar shards                *.tar and neither images nor folders beside them,
//                             in PATH or in its train/, test/, val/; in PATH
//                             those named test* and val* are parts. PATH may
//                             be one shard itself. Members of one name up to
//                             the first dot are a sample: .png, .jpg or .jpeg,
//                             and .cls, a class number;
//   a list of files           PATH is a text file: path, label and part
//                             (train, test or val) a line, parted by commas,
//                             semicolons, tabs or spaces; label and part may be
//                             missing. A first line that names columns, not a
//                             file, allows any order and more of them. Classes
//                             parted by | or ; are several of one image, and
//                             so are columns of 0 and 1, one for each class.
// The order of shards and lists is their own; otherwise it is by path bytes. A
// class folder's own subfolders belong to it. Names that begin with a dot are
// ignored. Without a test part, `test_fraction` of each class is held out,
// chosen by seed and name, so that it does not change when files are added to
// other classes; `valid_fraction` is set aside in the same way. Of images with
// several classes, each counts for its rarest.
//
// Opening reads the first bytes of each image file. What cannot be an image is
// left out and named in dataset_skips; damage further inside shows when the
// sample is read.
typedef struct Dataset Dataset;

typedef struct DataSkip {
    char *path;
    char *reason;
} DataSkip;

// Fails with STATUS_DATA, naming the path, when there is no image at all, when
// test classes are not those of training, when files disagree, or when all
// images are of test and validation parts and the options want others.
Status dataset_open(const char *path, const DataOptions *options,
                    Dataset **dataset);
// A set of files with these names, relative to the folder of the process, all
// of them training images without a label. Nothing of them is looked at; what
// is wrong with one shows when it is read. `min_side` and `cache_bytes` of the
// options count.
Status dataset_open_files(int64_t count, const char *const *names,
                          const DataOptions *options, Dataset **dataset);
// Of several processes that have each opened a part of their own: makes them
// one set, of process 0's images, then those of 1, ..., in each split. All know
// their names and labels; a process reads those of its part alone. Classes are
// numbered as on process 0. STATUS_DATA when the parts have other classes, with
// both lists, or are one and the same; then it is not joined on any process,
// and those that are not at fault return STATUS_OK. The description and the
// notes say how even it is. All processes call it.
Status dataset_join(Dataset *dataset);
// Where each process's images of a joined set begin, [ranks + 1]; else NULL.
const int64_t *dataset_starts(const Dataset *dataset, DataSplit split);
void dataset_free(Dataset *dataset);

int64_t dataset_count(const Dataset *dataset, DataSplit split);
int dataset_classes(const Dataset *dataset); // 0 = unlabelled
const char *dataset_class_name(const Dataset *dataset, int label);
// The names as lines of class_names.h; malloc'ed, NULL for lack of memory.
char *dataset_class_lines(const Dataset *dataset);
// Numbers the classes as `lines` of class_names.h do, or NULL, as when it was
// opened. The same names in another order are the same classes. STATUS_DATA,
// with both lists, when they are others; `whose` they are begins the sentence.
// A format that has numbers for names is taken by place (*by_place), where the
// count agrees. An unlabelled set is left as it is. No reader may be at work.
Status dataset_take_classes(Dataset *dataset, const char *whose,
                            const char *lines, bool *by_place);
// -1 = no label, or a set whose images may have several.
int dataset_label(const Dataset *dataset, DataSplit split, int64_t index);
// May an image have several classes?
bool dataset_several(const Dataset *dataset);
// How many classes an image has, and which, ascending; -1 = no label.
int dataset_labels(const Dataset *dataset, DataSplit split, int64_t index,
                   const int32_t **classes);
// "folder with 6 classes, 2,021 training and 506 test images (held out), ..."
const char *dataset_description(const Dataset *dataset);
// Makes test images of all images, those for training first, then those for
// testing and validation; with `labelled` those without a label become training
// images instead. Fails for lack of memory only. No reader may be at work.
Status dataset_join_parts(Dataset *dataset, bool labelled);
// The share of each class that was held out for testing, and by which seed; 0
// when the data has a test part of its own.
double dataset_held_out(const Dataset *dataset, uint64_t *seed);
// The share of each class that was set aside for validation, and by which seed;
// 0 when none was, or the data has a validation part of its own.
double dataset_set_aside(const Dataset *dataset, uint64_t *seed);
const char *dataset_sample_name(const Dataset *dataset, DataSplit split,
                                int64_t index);
// Marks of up to DATA_MARKS of the training images, spread evenly: sizes and
// checksums of their bytes as they are stored, so that copies and links have
// the same ones. "" when none can be read.
enum { DATA_MARKS = 16, DATA_MARKS_TEXT = 40 * DATA_MARKS };
void dataset_marks(const Dataset *dataset, char text[DATA_MARKS_TEXT]);
// How many of such marks are those of images in these parts, a bit each;
// *noted is how many there are. Only images of the marks' sizes are read.
int dataset_count_marked(const Dataset *dataset, unsigned splits,
                         const char *marks, int *noted);
// Files left out when opening and why.
int dataset_skips(const Dataset *dataset, const DataSkip **skips);
// What was decided about its folders or columns, a line each, without an end.
int dataset_notes(const Dataset *dataset, char *const **notes);

// Decodes one sample; the image is the caller's to free. Thread-safe.
Status dataset_read(const Dataset *dataset, DataSplit split, int64_t index,
                    Image *image);

// The training indices a phase may use: all, or a seeded subset per class by
// its label rule (nested: a larger amount contains a smaller one of the same
// seed). A share is rounded to whole images, at least one per class. Ascending.
// The array is owned by the caller (free). SOURCE_LABELED fails with
// STATUS_DATA when the set has fewer than two classes, or a class fewer images
// than asked.
Status dataset_select(const Dataset *dataset, PhaseSource source,
                      LabelRule rule, double amount, uint64_t seed,
                      int64_t **indices, int64_t *count);

// The training indices of the images a file names, one dataset_sample_name a
// line, or a path to it, for a phase with labels. Ascending; owned by the
// caller. STATUS_DATA, with the line and what may be meant, when one is
// unknown, a test image, without a label or named twice.
Status dataset_select_listed(const Dataset *dataset, const char *path,
                             int64_t **indices, int64_t *count);

// What --labels says, as a program says it: a count of each class ("10"), a
// share ("1%", "0.1", "1.0"), "all"; or
// a file for dataset_select_listed. Returns and fails as these do.
Status dataset_select_asked(const Dataset *dataset, const char *labels,
                            uint64_t seed, int64_t **indices, int64_t *count);

#endif
