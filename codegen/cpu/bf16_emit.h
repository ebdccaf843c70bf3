// Kernels with products of bf16, inside: what their files share.
//   bf16_emit_products.c  the products themselves, by what the processor has
//   bf16_emit.c           gathering; forward and by data; weights packed
//   bf16_emit_weights.c   by weights
#ifndef SIMCC_CODEGEN_BF16_EMIT_H
#define SIMCC_CODEGEN_BF16_EMIT_H

#include "codegen/cpu/bf16.h"
#include "codegen/cpu/emit_block.h"

enum { BF16_SIDE = 2 }; // matrices of each operand at a time

// sums[r][b] += a[r] * b[b], over `outer` times `inner` steps with the taps of
// each, in this order. All distances are in bytes.
typedef struct Bf16Products {
    int a_count, b_count; // 1 or 2
    LLVMValueRef a[BF16_SIDE], b[BF16_SIDE];
    LLVMValueRef sums[BF16_SIDE][BF16_SIDE]; // where: rows BF16_ROW_BYTES long
    int64_t a_row;                           // between the rows of a matrix a
    LLVMValueRef outer, inner;               // NULL: 1
    int64_t a_outer, b_outer, a_inner, b_inner;
    int tap_count;        // of the frame's table; 0: a and b as they are
    LLVMValueRef resumes; // whether it adds to what is there; NULL: never
} Bf16Products;

// What a kernel has in its frame: vectors of sums, and how far each tap lies
// from the first one in a and b.
typedef struct Bf16Frame {
    LLVMValueRef *sums; // variables; NULL: tiles
    LLVMValueRef taps;  // pairs of 64-bit integers
} Bf16Frame;

// At the kernel's beginning.
Bf16Frame bf16_begin(const Emit *e);
void bf16_set_tap(const Emit *e, const Bf16Frame *frame, int tap, int64_t a,
                  int64_t b);
// Those of the tap.
LLVMValueRef bf16_tap_a(const Emit *e, const Bf16Frame *frame,
                        LLVMValueRef tap);
LLVMValueRef bf16_tap_b(const Emit *e, const Bf16Frame *frame,
                        LLVMValueRef tap);
void bf16_products(const Emit *e, const Bf16Frame *frame,
                   const Bf16Products *products);
// At its end.
void bf16_end(const Emit *e);

LLVMValueRef bf16_bytes(const Emit *e, LLVMValueRef pointer, int64_t bytes);
LLVMValueRef bf16_step(const Emit *e, LLVMValueRef pointer, LLVMValueRef index,
                       int64_t bytes);
LLVMValueRef bf16_scratch_at(const Emit *e, int64_t bytes);
// 16 numbers of bf16 as they are stored; those of f32 are rounded.
LLVMValueRef bf16_load_bits(const Emit *e, DType dtype, LLVMValueRef pointer);
void bf16_store_bits(const Emit *e, LLVMValueRef bits, LLVMValueRef pointer);
// Pairs of numbers as lanes of 32 bits, the first of each below.
LLVMValueRef bf16_pair(const Emit *e, LLVMValueRef first, LLVMValueRef second);

// Pixels of one block of an image, of one phase, to a line.
typedef struct Bf16Gather {
    Bf16Axis rows, cols;
    int64_t row_phase, col_phase;
    int64_t width, height; // positions
    int64_t position;      // bytes between them
    LLVMValueRef first;    // row that the line begins with
} Bf16Gather;
void bf16_gather(const Emit *e, const Bf16Gather *gather, LLVMValueRef from,
                 LLVMValueRef to);
// Zeros in place of one block, at positions [low, high).
void bf16_clear(const Emit *e, LLVMValueRef at, LLVMValueRef low,
                LLVMValueRef high, int64_t position);

#endif
