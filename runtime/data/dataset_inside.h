// Inside a data set: what the readers of each format fill in.
#ifndef SIMCC_RUNTIME_DATASET_INSIDE_H
#define SIMCC_RUNTIME_DATASET_INSIDE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "runtime/data/data.h"

enum {
    DATASET_PATH = 4096,
    // Enough of a file for the PNG header, or a JPEG's up to its size when no
    // large metadata precede it.
    DATASET_PROBE = 4096,
    // More in a list or an archive are a mistake, and would only fill memory.
    DATASET_MAX_CLASSES = 100000,
    // The container of a sample that another process reads.
    DATASET_ELSEWHERE = -2,
};

// A decoded image kept for the next reader.
typedef struct CachedImage {
    int width, height;
    int channels;    // of planes; 0 = pixels
    uint8_t bytes[]; // of Image.pixels, or of Image.planes
} CachedImage;

typedef struct Sample {
    char *name;           // of a file: its path below the root
    int label;            // -1 = none
    const uint8_t *bytes; // sets in memory: planes of Dataset.shape, or NULL
    int container;        // of Dataset.containers; -1 = a file of its own;
                          // DATASET_ELSEWHERE
    int64_t offset, size; // in the container
    _Atomic(CachedImage *) cached;
} Sample;

typedef struct SampleList {
    Sample *items;
    int64_t count, room;
} SampleList;

// Samples without a header of their own: planes in memory or in a container.
typedef struct DataShape {
    int width, height, channels; // channels 1 or 3; width 0 = encoded images
    bool by_columns;             // each plane column by column
} DataShape;

// A folder whose entries were read, or a list or shard, as it was then; inode
// 0: it was not there.
typedef struct FolderStamp {
    char *path;
    int64_t device, inode, seconds, nanoseconds, size; // seconds: changed
} FolderStamp;

typedef struct FolderSeen {
    FolderStamp *at;
    int64_t count, room;
} FolderSeen;

struct Dataset {
    char *root;        // as opened: a folder or a file
    char *folder;      // what samples' names are relative to
    char **containers; // paths of files that hold many samples
    int container_count;
    SampleList splits[SPLIT_COUNT]; // by DataSplit
    // Of a set that processes have joined: where each one's samples begin,
    // [ranks + 1]; else NULL.
    int64_t *starts[SPLIT_COUNT];
    char **classes;
    int class_count;
    // Images may have several classes. The label of a sample is then a number
    // of a list of them: label_classes[label_starts[i]], ascending, up to
    // label_starts[i + 1].
    bool several;
    int64_t *label_starts; // [label_count + 1]
    int32_t *label_classes;
    int label_count, label_room;
    int64_t label_class_room;
    DataSkip *skips;
    int skip_count, skip_room;
    char **notes;
    int note_count;
    DataShape shape;
    uint8_t *blocks[16]; // file contents the samples' bytes point into
    int block_count;
    int min_side, channels; // as its options say
    bool tests_alone;       // likewise
    // For lack of others the images of the test part were read as those for
    // training, which fill() undoes.
    bool only_tests;
    const char *kind; // "folder", "IDX files", ...
    int64_t turned;   // files with an EXIF orientation but upright
    int64_t deep;     // PNG of 16 bits a channel
    // Of a test part, and of one for validation, that have one.
    char part_name[256], valid_name[256];
    // Where their images come from, for people; NULL = no part of their own.
    const char *test_part, *valid_part;
    // Shares of each class held out for testing and set aside for validation;
    // 0 = none. By this seed.
    double held_out, set_aside;
    uint64_t held_seed;
    bool numbered;         // the format has no names: they are numbers
    char *own_order;       // the classes' names as opened, once another order
                           // has been taken; lines of class_names.h
    const char *classless; // why there are no classes, when that may surprise
    char *description;
    atomic_llong cache_left; // bytes
    bool indexes;            // what is read is noted in `seen`
    FolderSeen seen;
};

// Each reads the files it knows below dataset->root and sets `*found` when
// there are any; otherwise the next format is tried.
Status dataset_read_idx(Dataset *dataset, bool *found);
Status dataset_read_cifar(Dataset *dataset, bool *found);
Status dataset_read_stl(Dataset *dataset, bool *found);
Status dataset_read_shards(Dataset *dataset, bool *found);
Status dataset_read_folder(Dataset *dataset);
// The two kinds that are a file: root names it.
Status dataset_read_archive(Dataset *dataset);
Status dataset_read_list(Dataset *dataset);

// The builders copy their strings. All fail for lack of memory only.
Status dataset_add_sample(Dataset *dataset, DataSplit split, const char *name,
                          int label, const uint8_t *bytes);
// A sample that is a part of a file.
Status dataset_add_part(Dataset *dataset, DataSplit split, const char *name,
                        int label, int container, int64_t offset, int64_t size);
// *container is its place.
Status dataset_add_container(Dataset *dataset, const char *path,
                             int *container);
Status dataset_add_class(Dataset *dataset, const char *name);
// Of a set with several: begins the list *label, to which the next calls add
// classes, each once.
Status dataset_begin_labels(Dataset *dataset, int *label);
Status dataset_add_label(Dataset *dataset, int class);
// The classes of a sample: how many, and which; -1 = no label.
int dataset_sample_labels(const Dataset *dataset, const Sample *sample,
                          const int32_t **classes);
// Do both have labels, and not the same?
bool dataset_labels_differ(const Dataset *dataset, const Sample *one,
                           const Sample *other);
// places[i] is where class i goes, in all lists.
void dataset_renumber_labels(Dataset *dataset, const int *places);
Status dataset_add_skip(Dataset *dataset, const char *path, const char *reason);
// A decision about the set that its owner may want to know of: one line.
Status dataset_add_note(Dataset *dataset, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Classes named "0" to "count - 1".
Status dataset_number_classes(Dataset *dataset, int count);
// Classes named by the lines of a file in the set's folder; those it lacks, and
// all when there is no such file, by their numbers.
Status dataset_name_classes(Dataset *dataset, const char *file, int count);
// Drops all that readers have added.
void dataset_empty(Dataset *dataset);
// Takes ownership of malloc'ed file contents.
void dataset_keep_block(Dataset *dataset, uint8_t *block);

// The number of a class, -1 when there is none of that name.
int dataset_find_class(const Dataset *dataset, const char *name);
// STATUS_DATA, with the first file left out, when there is nothing to train on.
Status dataset_check_found(const Dataset *dataset);

// By the extension: one that is read, and one of an image that is not.
bool dataset_is_image_name(const char *name);
// Of a .npy file, which may hold an image or anything else: its header says.
bool dataset_is_array_name(const char *name);
bool dataset_is_foreign_name(const char *name);
// Do these first bytes begin a PNG of 16 bits a channel?
bool dataset_is_deep_png(const uint8_t *bytes, int64_t count);
// The first bytes from `offset` on, at most `size`, decide: NULL when they can
// be an image, otherwise the reason, perhaps in `reason`, of `room` bytes.
// `dataset` counts photos that are to be turned and PNG of 16 bits.
const char *dataset_probe(Dataset *dataset, const char *path, int64_t offset,
                          int64_t size, char *reason, int room);
// The same of a file that was found, not asked for: dataset_drawn where simcc
// drew it.
// `dataset` may be NULL.
const char *dataset_probe_file(Dataset *dataset, const char *path, char *reason,
                               int room);
extern const char *const dataset_drawn;
// A name below the set's folder as a path. False when it is too long; `path`
// is empty then, and opening it fails with a reason.
bool dataset_path(const Dataset *dataset, const char *name,
                  char path[DATASET_PATH]);
// The path a sample's messages name; one inside a container too.
void dataset_sample_path(const Dataset *dataset, const Sample *sample,
                         char path[DATASET_PATH]);
// A sample as it is stored: the bytes of its file, member or planes. The
// caller frees *bytes. STATUS_DATA when it cannot be read.
Status dataset_stored(const Dataset *dataset, const Sample *sample,
                      uint8_t **bytes, int64_t *size);

// Its pixels. The image is the caller's to free.
Status dataset_unpack(const Dataset *dataset, const Sample *sample,
                      const uint8_t *bytes, int64_t size, Image *image);

// What people call the parts of a set.
typedef enum DatasetPart {
    DATASET_TRAIN,
    DATASET_TEST,
    DATASET_VALID, // for validation; the test part, where there is no other
    DATASET_EXTRA, // training images without labels
    DATASET_PARTS
} DatasetPart;

// The part that a name means, in any case of letters, with words beside it that
// say nothing (training_set) or a number (val2017); -1 = none.
int dataset_part_of(const char *name);
// The same with other words beside it, which are `rest`: "seg" of seg_train.
enum { DATASET_WORDS = 64 };
int dataset_part_beside(const char *name, char rest[DATASET_WORDS]);

// Notes of classes that may be one (Bars and bars; of a list 3 and 3.0) or none
// (nan). Fails for lack of memory only.
Status dataset_tell_classes(Dataset *dataset);

// A note where the first training images of 16 bits a channel use so few of
// them that they are all but black. Fails for lack of memory only.
Status dataset_tell_dark(Dataset *dataset);

// Moves a share of each class of the training samples to another split, which
// is empty. `purpose` names the choice.
Status dataset_hold_out(Dataset *dataset, DataSplit split, const char *purpose,
                        double fraction, uint64_t seed);

#endif
