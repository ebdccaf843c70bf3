// What the kernels of winograd.h share when they are emitted.
#ifndef SIMCC_CODEGEN_EMIT_WINOGRAD_H
#define SIMCC_CODEGEN_EMIT_WINOGRAD_H

#include "codegen/cpu/emit_block.h"

// A transform along one axis: `in` to `out`, all of its numbers.
typedef void WinogradAxis(const Emit *e, LLVMValueRef *const in,
                          LLVMValueRef *out);
// Those of one form of tiles (winograd_emit_axes.c): 3 taps to the different
// weights; numbers of x to points; points to results; and, by weights, results
// to points and sums of the different weights to 3 taps, which forms by data
// have not.
typedef struct WinogradAxes {
    WinogradAxis *weights, *input, *result;
    WinogradAxis *result_gradient, *weights_gradient;
} WinogradAxes;
const WinogradAxes *winograd_axes(WinogradForm form);

// A task's tiles and memory. The constants are of the kernel's own scratch.
typedef struct WinogradWork {
    const Emit *emit;
    const WinogradKernel *k;
    const WinogradAxes *axes;
    const WinogradSide *side;
    WinogradScratch at;
    LLVMValueRef scratch, lines, zeros, waste;
    LLVMValueRef first, count; // tiles at work, counted over all images
    LLVMValueRef *sums;
} WinogradWork;

// Points into the scratch memory and clears the line of zeros; `first` and
// `count` are the caller's to set.
WinogradWork winograd_begin(const Emit *e, const WinogradKernel *k,
                            WinogradScratch at);

// A tile's image and its place there, counted in tiles.
typedef struct WinogradCorner {
    LLVMValueRef image, row, col;
} WinogradCorner;
WinogradCorner winograd_corner(const WinogradWork *work, LLVMValueRef tile);

// Which of the side's different weights point i meets.
LLVMValueRef winograd_weight(const WinogradWork *work, LLVMValueRef i);

// 0 <= index < size
LLVMValueRef winograd_is_inside(const Emit *e, LLVMValueRef index,
                                int64_t size);

// Whether so many numbers of each of a side's points can stay in registers
// between the two halves of a transform.
bool winograd_in_registers(const WinogradWork *work, int numbers);
// Else they lie in lines [i][j]: a loop over j goes along i and stores columns,
// the next, over i, goes along j.
void winograd_store_column(const WinogradWork *work, EmitLoop *j, int count,
                           LLVMValueRef *const column);
void winograd_load_line(const WinogradWork *work, EmitLoop *i, int count,
                        LLVMValueRef *line);

// Square pieces of a map, side by side or overlapping, one per tile, that are
// transformed to the points.
typedef struct WinogradSource {
    WinogradAxis *axis;
    int side, step;     // of a piece; from one to the next
    DType dtype;        // of the map
    int64_t h, w;       // of the map; zero outside
    int64_t top, left;  // so far before the map the first piece begins
    LLVMValueRef map;   // image 0, the first block wanted
    int64_t blocks;     // per image
    LLVMValueRef count; // blocks wanted
    LLVMValueRef out;   // [area] `point` elements apart [block][tiles][16]
    int64_t point;
} WinogradSource;
void winograd_transform_tiles(const WinogradWork *work,
                              const WinogradSource *source);

// Pieces of maps, of as many tiles as are transformed at a time, which are
// asked for ahead (winograd_emit_ahead.c): in rounds, and in each round in some
// calls of taps_multiply, strip by strip.
typedef struct WinogradAhead {
    TapsPrefetch what;
    DType dtype;
    int64_t h, w, step;    // as WinogradSource has them
    int64_t blocks, count; // per image; wanted
    LLVMValueRef first;    // tile
    int64_t pieces, each;  // of a round; strips of a call
    LLVMValueRef at;       // where the round's pieces are
} WinogradAhead;
// Sets the last three.
void winograd_ahead_begin(const WinogradWork *work, WinogradAhead *ahead,
                          int64_t rounds, int64_t calls);
// A round begins; map is image 0, the first block wanted.
void winograd_ahead_round(const WinogradWork *work, const WinogradAhead *ahead,
                          LLVMValueRef map, LLVMValueRef round);
// Adds what the round's call asks for to the register tile.
void winograd_ahead_strips(const WinogradWork *work, const WinogradAhead *ahead,
                           LLVMValueRef call, TapsTile *tile);

#endif
