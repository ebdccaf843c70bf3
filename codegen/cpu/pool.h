// Window kernels: maxima and sums over windows of images, and their gradients.
#ifndef SIMCC_CODEGEN_POOL_H
#define SIMCC_CODEGEN_POOL_H

#include "codegen/cpu/block.h"

// Planes are the n * c / block slices of x and y; block channels lie side by
// side at each pixel (ir/image.h). args: the op's inputs, then its output.
typedef struct PoolKernel {
    Op op; // of class LOWER_POOL
    KernelTypes types;
    int64_t planes, block, h, w, oh, ow;
    int64_t kh, kw, sh, sw, top, left;
    int64_t chunk; // planes per task
} PoolKernel;

// Whether a gradient is added up in scratch, where a plane of it has to fit as
// floats: bf16 would round every sum.
bool pool_sums_apart(const PoolKernel *kernel);
void pool_text(Text *text, const PoolKernel *kernel);

#endif
