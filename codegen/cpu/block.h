// What kernels on blocked tensors have in common.
#ifndef SIMCC_CODEGEN_BLOCK_H
#define SIMCC_CODEGEN_BLOCK_H

#include "codegen/plan/epilogue.h"
#include "ir/base/text.h"
#include "ir/graph.h"

// Channels that lie side by side in images, and the side of tiles of weights:
// the floats of one 512-bit register, or of two of 256 bits, or four of 128.
// One width for all of them, so that weights are stored alike on every x86.
enum { CPU_BLOCK = 16, CPU_TILE = CPU_BLOCK * CPU_BLOCK };

// Elements of one block's map.
static inline int64_t block_map(int64_t rows, int64_t cols)
{
    return rows * cols * CPU_BLOCK;
}

// Steps of fewer tasks are cut finer, by images, blocks or parts of them, each
// at some cost: weights or pixels are read once more. Sixteen let eight threads
// end within one task of each other. (Across images and in BLAS, where a cut
// costs most, half as many are enough: direct_choose.c, blas_lower.c.)
enum { ENOUGH_TASKS = 16 };

// The element types of a kernel: of what it reads, in the order of its
// arguments; of what it writes; and of the sums in between. And what is made of
// these before they are written, in f32; NULL: nothing.
typedef struct KernelTypes {
    DType in[2], out, sum;
    const Epilogue *epilogue;
} KernelTypes;

// Everything in one type.
static inline KernelTypes kernel_types(DType dtype)
{
    return (KernelTypes){{dtype, dtype}, dtype, dtype, NULL};
}
// "f32 f32 > f32 sum f32"
void kernel_types_text(Text *text, const KernelTypes *types);

#endif
