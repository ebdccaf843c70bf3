// oneDNN as a peer of single convolutions: onednn.c over its library, or
// onednn_missing.c where that is not installed.
#ifndef SIMCC_BENCH_ONEDNN_H
#define SIMCC_BENCH_ONEDNN_H

#include "bench/conv_list.h"

// Direct kernels in the layouts the library likes best (blocks of channels),
// or with channels last as PyTorch runs them; and Winograd, which the library
// had up to version 3.1.
typedef enum OneDnnKind {
    ONEDNN_BLOCKED,
    ONEDNN_CHANNELS_LAST,
    ONEDNN_WINOGRAD,
    ONEDNN_KINDS
} OneDnnKind;

// "2.6.3", or NULL when oneDNN is not here.
const char *onednn_version(void);

typedef struct OneDnnConv OneDnnConv;

// The convolution in buffers of its own, for this many threads; NULL when the
// library has no such kernel. `data` are its two inputs in the order x, w, dy,
// in simcc's layouts; they are converted here and not needed afterwards.
OneDnnConv *onednn_new(const ConvGeometry *conv, OneDnnKind kind, int threads,
                       const float *const data[2]);
void onednn_free(OneDnnConv *conv);
void onednn_run(OneDnnConv *conv);
// What a training step does besides: brings the weights, which the optimizer
// changed, from the layout of the direct forward kernel into this one's, or
// their gradient back. False when the layouts are the same.
bool onednn_move_weights(OneDnnConv *conv);
// Largest difference of its result from simcc's, relative to the largest value.
double onednn_difference(OneDnnConv *conv, const float *result);

#endif
