// Looks at every image of a set for what spoils training or its numbers:
// files that cannot be read, tiny and grey images, the same image twice.
#ifndef SIMCC_RUNTIME_DATASET_CHECK_H
#define SIMCC_RUNTIME_DATASET_CHECK_H

#include "runtime/data/data.h"

typedef enum FindingKind {
    FINDING_UNREADABLE, // left out when opening, or damaged further inside
    FINDING_TINY,       // a side below CHECK_TINY
    FINDING_GREY,       // without color, in a set most of which has color
    FINDING_IDENTICAL,  // the same bytes as another
    FINDING_NEAR,       // other bytes, the same picture
    FINDING_MOVED,      // the same picture, moved, cropped or lightened
    FINDING_KINDS
} FindingKind;

enum {
    CHECK_TINY = 16, // pixels
    // The largest class may have this many times the images of the smallest.
    CHECK_RATIO = 5,
};

typedef struct Finding {
    FindingKind kind;
    const char *name;  // of the set's
    char *reason;      // unreadable: why; owned
    int width, height; // tiny
    const char *other; // identical, near, moved: an earlier image
    double distance;   // near: RMS of shrunk pixels, of 255
    bool across, leak; // pairs: in two classes; in training and test
} Finding;

typedef struct DataCheck {
    int64_t images;    // decoded or tried
    Finding *findings; // by kind, then in the set's order
    int64_t count, room;
    int64_t counts[FINDING_KINDS];
    int64_t crossing; // pairs in two classes or in both parts, moved ones apart
    // Training images of the largest and smallest class; labels -1 = the set
    // has fewer than two classes.
    int largest, smallest;
    int64_t largest_count, smallest_count;
} DataCheck;

// Decodes the whole set. An image with several counterparts is paired with the
// worst of the earlier ones: one in the other part, else one of another class,
// else the first. Open the set with min_side 0. Names stay valid as long as
// the set. Damage is a finding; fails for lack of memory only.
Status dataset_check(const Dataset *dataset, DataCheck *check);
void dataset_check_free(DataCheck *check);

// Whether the set should not be used as it is: unreadable files, or one
// picture in two classes or in both parts.
bool dataset_check_bad(const DataCheck *check);
bool dataset_check_unbalanced(const DataCheck *check);

#endif
