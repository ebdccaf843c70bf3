// What the kernels on blocked tensors share when they are emitted. Vectors are
// one block of f32 channels; where registers are narrower, LLVM uses several.
#ifndef SIMCC_CODEGEN_EMIT_TAPS_H
#define SIMCC_CODEGEN_EMIT_TAPS_H

#include "codegen/cpu/emit.h"
#include "codegen/cpu/direct.h"

enum {
    TAPS_MAX_TILE = 32, // vectors held in a register tile
};

// index * step + first
LLVMValueRef taps_affine(const Emit *e, LLVMValueRef index, int64_t step,
                         int64_t first);
LLVMValueRef taps_add(const Emit *e, LLVMValueRef a, int64_t b);
LLVMValueRef taps_max(const Emit *e, LLVMValueRef a, LLVMValueRef b);
// pointer + elements; pointer + index * elements
LLVMValueRef taps_at(const Emit *e, LLVMValueRef pointer, int64_t elements);
LLVMValueRef taps_step(const Emit *e, LLVMValueRef pointer, LLVMValueRef index,
                       int64_t elements);
// pointer + index * elements, a number that the step says (taps_imm)
LLVMValueRef taps_steps(const Emit *e, LLVMValueRef pointer, LLVMValueRef index,
                        LLVMValueRef elements);
// The same where elements are of that type: images may be of bf16.
LLVMValueRef image_at(const Emit *e, DType dtype, LLVMValueRef pointer,
                      int64_t elements);
LLVMValueRef image_step(const Emit *e, DType dtype, LLVMValueRef pointer,
                        LLVMValueRef index, int64_t elements);
// The taps [low, high) of a pixel that are inside: those t with
// 0 <= base + t * tap_step < in. low may exceed high when there are none.
void taps_find_inside(const Emit *e, const TapAxis *axis, LLVMValueRef base,
                      LLVMValueRef *low, LLVMValueRef *high);
EmitLoop taps_loop(const Emit *e, int64_t low, int64_t high, int64_t step);
// The tiles of a row of so many pixels at most: body(task, first, pixels,
// column), where `column` is the first pixel's and `first` one whose taps are
// as valid. Those with every tap inside share code in a loop.
typedef void TapsTileBody(const void *task, int64_t first, int pixels,
                          LLVMValueRef column);
void taps_each_tile(const Emit *e, const TapAxis *cols, int pixels,
                    TapsTileBody *body, const void *task);
// How `count` are cut into as few tiles as there can be: the first `whole` into
// tiles of the size asked for, the others into tiles of `rest`.
typedef struct TapsCut {
    int64_t whole;
    int rest;
} TapsCut;
TapsCut taps_cut(int64_t count, int size);
// The step's integer number `index`.
LLVMValueRef taps_imm(const Emit *e, int index);

LLVMValueRef taps_load(const Emit *e, LLVMValueRef pointer);
// The same from anywhere: rows of plain matrices do not start on whole lines.
LLVMValueRef taps_load_unaligned(const Emit *e, LLVMValueRef pointer);
// One number in every lane.
LLVMValueRef taps_load_splat(const Emit *e, LLVMValueRef pointer);
void taps_store(const Emit *e, LLVMValueRef value, LLVMValueRef pointer);
// A block of an image, as floats; of bf16 a store rounds to nearest even.
LLVMValueRef image_load(const Emit *e, DType dtype, LLVMValueRef pointer);
void image_store(const Emit *e, DType dtype, LLVMValueRef value,
                 LLVMValueRef pointer);
// Where a kernel's sums of one block of channels go: through its epilogue, if
// it has one. The block is known before the first of them is stored.
typedef struct BlockResults {
    const Emit *emit;
    const KernelTypes *types;
    LLVMValueRef *channels; // by expression: numbers of the block's channels
} BlockResults;
// `block` counts those of an image. The result is argument 2, what the epilogue
// reads are those behind it.
BlockResults results_begin(const Emit *e, const KernelTypes *types,
                           LLVMValueRef block);
// Asks for what the epilogue will read beside the sum that goes to `to`.
void results_prefetch(const Emit *e, const KernelTypes *types, LLVMValueRef to);
// Makes of a sum what belongs to the place `to` of the result, and stores it
// there; where `inside` (NULL: always) is false, anything at `outside`.
void results_store(const BlockResults *results, LLVMValueRef sum,
                   LLVMValueRef to, LLVMValueRef inside, LLVMValueRef outside);
// Asks for the line of the cache at the pointer. Any address will do. What is
// wanted after more than the first-level cache holds goes to the second level
// alone, for it would drive out what is in use.
typedef enum TapsPrefetch {
    PREFETCH_READ,  // soon
    PREFETCH_LATER, // to be read, but not soon
    PREFETCH_WRITE
} TapsPrefetch;
void taps_prefetch(const Emit *e, LLVMValueRef pointer, TapsPrefetch what);

// Vector variables, which the clean-up passes turn into registers.
LLVMValueRef *taps_variables(const Emit *e, int count);
LLVMValueRef taps_get(const Emit *e, LLVMValueRef variable);
void taps_set(const Emit *e, LLVMValueRef variable, LLVMValueRef value);
void taps_set_zero(const Emit *e, LLVMValueRef variable);
enum {
    TAPS_STRIP_LINES = 4,
    TAPS_STRIP_BYTES = 64 * TAPS_STRIP_LINES,
    TAPS_MAX_STRIPS = 8,
};
typedef struct TapsStrip {
    LLVMValueRef at; // lines side by side
    TapsPrefetch what;
} TapsStrip;

// A register tile of sums[pixel][block], and how to read what is multiplied:
// numbers x of pixels `pixel_step` elements apart, vectors w of blocks
// `block_step` elements apart.
typedef struct TapsTile {
    int pixels, blocks;
    LLVMValueRef *sums; // variables
    int64_t pixel_step, block_step;
    // Steps of the sum follow one another without a loop and read some numbers
    // of x again: one step's loads stay behind those of the step before, or
    // LLVM would keep such numbers in registers that it does not have.
    bool taps_unrolled;
    // Lines of the cache to ask for while the tile is multiplied, a pixel or
    // channel at a time: so many elements past x and w; 0: none.
    int64_t x_ahead, w_ahead;
    // With channel c the line of the cache that lies ahead_at[c] elements
    // behind `ahead`, of what is needed later; NULL: none. ahead_at: of 64
    // bits.
    LLVMValueRef ahead, ahead_at;
    // Of what is needed later, a line at a time.
    TapsStrip strips[TAPS_MAX_STRIPS];
    int strip_count;
} TapsTile;

// Adds a strip, unless there are so many that they would be waited for.
void taps_strip(TapsTile *tile, LLVMValueRef at, TapsPrefetch what);
// Adds those of what the epilogue reads beside the results at `to`.
void results_strips(const Emit *e, const KernelTypes *types, LLVMValueRef to,
                    TapsTile *tile);
// Asks for a line of each strip.
void taps_ask(const Emit *e, const TapsTile *tile, LLVMValueRef line);

// sums += x[pixel] * w[block], for the pixels that are valid (NULL = all).
void taps_multiply_one(const Emit *e, const TapsTile *tile, const bool *valid,
                       LLVMValueRef x, LLVMValueRef w);
// sums += x[pixel][c] * w[block][c] over the channels c of one block. x and w
// point at channel 0.
void taps_multiply(const Emit *e, const TapsTile *tile, const bool *valid,
                   LLVMValueRef x, LLVMValueRef w);
// Rows of 16 lanes of 32 bits become columns.
void taps_exchange(const Emit *e, LLVMValueRef rows[CPU_BLOCK]);
// The 16 x 16 numbers at `from`, in rows `step` elements apart, rows becoming
// columns, at `to`.
void taps_transpose(const Emit *e, LLVMValueRef from, int64_t step,
                    LLVMValueRef to);
// The same where the step says how far apart its rows are; aligned: they begin
// at multiples of CPU_BLOCK.
void taps_transpose_steps(const Emit *e, LLVMValueRef from, LLVMValueRef step,
                          bool aligned, LLVMValueRef to);
// a * b + c, fused where the target can.
LLVMValueRef taps_fused(const Emit *e, LLVMValueRef a, LLVMValueRef b,
                        LLVMValueRef c);
// variable += a * b, as taps_fused.
void taps_add_product(const Emit *e, LLVMValueRef variable, LLVMValueRef a,
                      LLVMValueRef b);

#endif
