// Where a step can be taken in chunks of its images: which values have a row
// for each image, made of this image alone, and where the rows first meet.
#ifndef SIMCC_IR_SPLIT_H
#define SIMCC_IR_SPLIT_H

#include "ir/graph.h"

typedef enum SplitClass {
    SPLIT_FREE,      // of no image: weights, constants, schedules
    SPLIT_ROWS,      // a row for each image, in their order, of one or more
                     // views one after the other
    SPLIT_STATISTIC, // of the images of a chunk: a norm's mean or variance
    SPLIT_WHOLE      // of all images at once, or of labels
} SplitClass;

typedef struct Split {
    SplitClass *classes; // by value
    // The embeddings: values with rows that what is of all images reads, by
    // id. All before them can be computed chunk by chunk.
    int cut_count;
    Value *cut;
    // Why there is no such cut; NO_VALUE where there is.
    Value whole_window; // a convolution or pooling of all images at once
    Value meeting;      // the first value on the way to it that is of them all
    Value statistic;    // is of a chunk, and wanted for all images
    Value moving;       // a param that the cut reads and this step updates
} Split;

// Is an input of that name images? "images", "images.1", ...
bool split_is_images(const char *name);

// `graph` is a forward pass with inputs of images, whose rows are those of the
// first views of so many images, of the second, ...; its outputs are the loss
// and the reports. `params` and `updates` are the running states and
// the values that they get. A sum over the images is a chunk's statistic where
// such a state keeps it and the rows depend on it; all others are of the whole
// batch. Everything lives in `arena`.
void split_find(const Graph *graph, int images, int count, const Value *params,
                const Value *updates, Arena *arena, Split *split);

// Does `b` of another graph compute what `a` computes, apart from the number of
// rows? Constants of statistics, which divide by it, may differ.
bool split_same(const Graph *graph, const Split *split, Value a,
                const Graph *other, Value b, Arena *arena);

#endif
