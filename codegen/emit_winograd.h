// What the kernels of winograd.h share when they are emitted.
#ifndef SIMCC_CODEGEN_EMIT_WINOGRAD_H
#define SIMCC_CODEGEN_EMIT_WINOGRAD_H

#include "codegen/emit_taps.h"

enum { WINOGRAD_PAIR = TAPS_BLOCK * TAPS_BLOCK }; // weights of two blocks

// A task's tiles and memory. The constants are of the kernel's own scratch.
typedef struct WinogradWork {
    const Emit *emit;
    const KernelWinograd *k;
    WinogradScratch at;
    LLVMValueRef scratch, lines, zeros, waste;
    LLVMValueRef first, count; // tiles at work, counted over all images
    LLVMValueRef *sums;
} WinogradWork;

// Points into the scratch memory and clears the line of zeros; `first` and
// `count` are the caller's to set.
WinogradWork winograd_begin(const Emit *e, WinogradScratch at);

// x * factor + y; without y the product alone.
LLVMValueRef winograd_scale(const Emit *e, LLVMValueRef x, double factor,
                            LLVMValueRef y);

// A tile's image and its first result.
typedef struct WinogradCorner {
    LLVMValueRef image, row, col;
} WinogradCorner;
WinogradCorner winograd_corner(const WinogradWork *work, LLVMValueRef tile);

// 0 <= index < size
LLVMValueRef winograd_is_inside(const Emit *e, LLVMValueRef index,
                                int64_t size);

// A transform along one axis: `in` to `out`.
typedef void WinogradAxis(const Emit *e, LLVMValueRef *const in,
                          LLVMValueRef *out);
WinogradAxis winograd_input_axis;

// Between the two halves of a transform its numbers lie in lines [i][j]: the
// first half goes along i and stores columns, the second along j.
void winograd_store_column(const WinogradWork *work, LLVMValueRef j, int count,
                           LLVMValueRef *const column);
void winograd_load_line(const WinogradWork *work, LLVMValueRef i, int count,
                        LLVMValueRef *line);

// Square pieces of a map, side by side or overlapping, one per tile, that are
// transformed to 36 points.
typedef struct WinogradSource {
    WinogradAxis *axis;
    int side;
    int64_t h, w;       // of the map; zero outside
    int64_t top, left;  // of the tile's first result, the piece begins
    LLVMValueRef map;   // image 0, the first block wanted
    int64_t blocks;     // per image
    LLVMValueRef count; // blocks wanted
    LLVMValueRef out;   // [36] `point` elements apart [block][tiles][16]
    int64_t point;
} WinogradSource;
void winograd_transform_tiles(const WinogradWork *work,
                              const WinogradSource *source);

#endif
