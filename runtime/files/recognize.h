// Which net a file of weights holds: known from its names and shapes alone.
#ifndef SIMCC_RUNTIME_RECOGNIZE_H
#define SIMCC_RUNTIME_RECOGNIZE_H

#include <stddef.h>

#include "runtime/files/naming.h"

enum { RECOGNIZED_GROUPS = 4 };

typedef struct Recognized {
    const char *title;    // as in Naming; NULL: nothing is recognized
    const char *notes[2]; // as there
    char root[NAMING_ROOT];
    bool torch;      // pads its stem's pooling as PyTorch does
    const char *net; // one of models/lib/nets, of which only classes and image
                     // size are told besides; NULL = a ResNet
    int64_t image_size; // that a vision transformer is made for, or 0
    int depth;          // 18 ... 200; 0 = of other blocks
    int blocks[RECOGNIZED_GROUPS];
    bool bottleneck;
    int64_t filters; // of the first group; 64 at width 1
    int window;      // of the stem: 7, 3 for small images; deep: three of 3
    bool deep;
    bool projects; // the first block's shortcut, too
    double sk_ratio, se_ratio;
    int64_t classes; // of the classifier, 0 = there is none
    int head_layers; // of a projection head with norms, 0 = there is none
    int64_t head_out;
    int tensors; // of the file that are the net's
} Recognized;

// STATUS_MEMORY is its only failure.
Status recognize(const TensorFile *file, Recognized *net);

// "ResNet-50, width 1, selective kernels"
void recognized_text(const Recognized *net, char *text, size_t size);
// Lines "name = value" for the parameters of models/simclrv2.net; empty when
// nothing is recognized or its size is none of those.
void recognized_lines(const Recognized *net, char *text, size_t size);

#endif
