// Shared by the files that emit products of pixels with weights: what a task
// knows of itself, and how its pixels come to scratch and its results leave it.
#ifndef SIMCC_CODEGEN_POINTWISE_EMIT_H
#define SIMCC_CODEGEN_POINTWISE_EMIT_H

#include "codegen/cpu/emit_gradient.h"

typedef struct PointTask {
    const Emit *emit;
    const ConvTaps *taps;
    const PointwiseTile *tile;
    LLVMValueRef *sums;
    GradientRange images;
    LLVMValueRef first_row; // of the product's
    int64_t line;           // pixels of an image
    PointwiseScratch scratch;
    LLVMValueRef source; // x, of image 0: the line's first pixel
    LLVMValueRef x;      // the same of what is multiplied: x or scratch
    LLVMValueRef y;      // of image 0: the line's first pixel, or the whole
                         // map where results are spread
    // Of image 0, what waits in scratch for the next part; NULL: y has it. The
    // current group's, or of the task, whose first group is at the beginning.
    LLVMValueRef waiting;
    LLVMValueRef first_group;
    LLVMValueRef w;        // of the current group and part
    GradientRange part;    // blocks that are read
    LLVMValueRef is_first; // part: nothing is summed yet
    LLVMValueRef is_last;  // part: sums are whole; NULL as is_first: always
    LLVMValueRef block;    // the current group's first, of an image
    // Elements to the next.
    int64_t x_image, x_map, y_image, y_map, sums_image, sums_map, w_block;
    DType stored;      // of what tiles write when it is whole: y or scratch
    bool by_group;     // pointwise_by_group
    bool spreads_sums; // y is in scratch, with all sums of the task
    // Whether the current group is the task's first, whose tiles bring their
    // pixels to scratch as they come to them; NULL: pixels are there already.
    LLVMValueRef packs;
    // Where pixels are asked for: those that are packed next, of block 0;
    // whether the current group is the one that asks.
    LLVMValueRef next, asks;
} PointTask;

// An image's line, or a place in it: pixels as they come and as they are
// multiplied, sums of the parts before, results.
typedef struct PointLine {
    LLVMValueRef from, x, sums, y;
} PointLine;

// So many elements of f32 from where the thread's scratch begins.
LLVMValueRef point_scratch(const PointTask *task, int64_t elements);
// How far the line's pixel `index` lies behind the first, in memory.
LLVMValueRef point_place(const PointTask *task, LLVMValueRef index);
// Stores those of all of the line's pixels, which are an image's; those behind
// its end are the first's.
void point_list_places(const PointTask *task);

// The task's pixels of the current part's channels: [images][reads][an
// image's], or joined, [reads][images][an image's]. A line of bf16 without gaps
// is left to the tiles of the first group.
void point_pack(PointTask *task);
// An image's results of `count` blocks, from scratch to where they are among
// zeros. y points at its first row.
void point_spread(const PointTask *task, LLVMValueRef count, LLVMValueRef from,
                  LLVMValueRef y);
// The joined images' results of the group, from scratch. y points at image 0's
// first row.
void point_part(const PointTask *task, LLVMValueRef y);

#endif
