// Convolutions of blocked images of bf16 whose products are of bf16, too, and
// are added in f32: for processors that multiply bf16 faster than f32
// (AVX512_BF16, AMX), in which the weights are rounded as well
// (passes/precision.c).
//
// Such instructions add products of pairs: of two channels, or by weights of
// two pixels, that lie side by side in one number of 32 bits. All of them are
// made of matrices of 16 rows of 16 pairs, a row 64 bytes long: AMX has them in
// a register, else a row of the second one is a vector.
//
//   sums[16][16 columns] += a[16][16 pairs] * b[16 pairs][16 columns of pairs]
//
// Forward and by data, rows of `a` are pixels, with two blocks of channels side
// by side, and columns are written channels. A task first gathers the pixels
// that it reads into lines of scratch memory, rims as zeros, so that every tap
// of a window is the same line from a pixel further on. A stride reads every
// second pixel only, for each tap of one phase of the image: each phase is a
// line of its own. By data a phase of the results has some of the taps.
// By weights, rows are read channels with the pixels of a line side by side,
// columns are written channels, and pairs are of pixels: `a` is a line of x,
// transposed, and each tap begins a pixel further on in it.
#ifndef SIMCC_CODEGEN_BF16_H
#define SIMCC_CODEGEN_BF16_H

#include "codegen/cpu/block.h"
#include "ir/base/text.h"
#include "ir/conv.h"

enum {
    BF16_ROWS = 16,  // of a matrix
    BF16_PAIRS = 16, // of a row
    BF16_ROW_BYTES = 64,
    BF16_MATRIX_BYTES = BF16_ROWS * BF16_ROW_BYTES,
    BF16_STEP = 2 * BF16_PAIRS, // channels or pixels of a row
    BF16_MAX_TAPS = CONV_BF16_WINDOW,
};

// One axis of the image read and of that written. Positions i of 0 .. count - 1
// belong to the pixels in_step * i + phase of the one and out_step * i + phase
// of the other: forward a stride is the in_step, by data the out_step. Tap t
// makes the written phase out_phase of the read phase in_phase, `shift`
// positions further on.
typedef struct Bf16Axis {
    int64_t in, out; // pixels
    int64_t in_step, out_step, count;
    int64_t taps;
    int64_t first, tap_step; // tap t reads first + t * tap_step pixels on
} Bf16Axis;

typedef struct Bf16Tap {
    int64_t in_phase, out_phase, shift;
} Bf16Tap;

Bf16Axis bf16_forward(int64_t in, int64_t out, int64_t window, int64_t stride,
                      int64_t pad, int64_t dilation);
Bf16Axis bf16_backward(int64_t in, int64_t out, int64_t window, int64_t stride,
                       int64_t pad, int64_t dilation);
Bf16Tap bf16_tap(const Bf16Axis *axis, int64_t tap);
// The least shift of a tap, and how much more the largest is.
int64_t bf16_low(const Bf16Axis *axis);
int64_t bf16_span(const Bf16Axis *axis);
// Read phases that taps need, ascending: row phase r and column phase c are
// number r * cols + c of them.
typedef struct Bf16Phases {
    int rows, cols;
    int64_t row[CONV_BF16_STRIDE], col[CONV_BF16_STRIDE];
} Bf16Phases;
Bf16Phases bf16_phases(const Bf16Axis *rows, const Bf16Axis *cols);
// Where tap (row, col) reads, in lines of images `width` positions wide: the
// number of the phase, and positions from the line's first.
typedef struct Bf16Place {
    int phase;
    int64_t position;
} Bf16Place;
Bf16Place bf16_tap_place(const Bf16Axis *rows, const Bf16Axis *cols,
                         int64_t row, int64_t col, int64_t width);

// Forward and by data. args: data, packed weights (Bf16PackKernel), result;
// imms: none.
typedef struct Bf16Kernel {
    KernelTypes types;
    Bf16Axis rows, cols;
    int64_t in_blocks, out_blocks;
    int64_t images, task_rows, writes; // per task; images: a divisor of all
} Bf16Kernel;

// Where things lie in a task's scratch memory, in bytes: lines of each read
// phase and pair of blocks; where each position's result goes, as elements from
// the task's first (int32, -1: nowhere); sums of two matrices of pixels by two
// blocks.
typedef struct Bf16Scratch {
    int64_t table, sums, total;
    int64_t width, height; // positions of an image that are read
    bool joined;           // images are one line
    int64_t lines;         // of a plane
    int64_t line, plane;   // bytes
    int64_t matrices;      // of a line
} Bf16Scratch;

Bf16Scratch bf16_scratch(const Bf16Kernel *kernel);
// Chooses images, task_rows and writes for so many images.
void bf16_choose(Bf16Kernel *kernel, int64_t images);
int64_t bf16_tasks(const Bf16Kernel *kernel, int64_t images);
// Of an image that is written.
int64_t bf16_image_elements(const Bf16Kernel *kernel);
void bf16_text(Text *text, const Bf16Kernel *kernel);

// Weights as the kernel above reads them: [written block][pair of read
// blocks][tap] matrices b. args: weights as stored, of f32 or bf16; out. A task
// makes a written block.
typedef struct Bf16PackKernel {
    DType in;
    bool by_data;
    int64_t in_blocks, out_blocks, window; // blocks as the kernel reads, writes
} Bf16PackKernel;

int64_t bf16_pack_bytes(const Bf16PackKernel *kernel);
void bf16_pack_text(Text *text, const Bf16PackKernel *kernel);

// By weights. args: x, dy, dw; imms: images, and how many a task sums. Axes are
// those of the forward convolution.
typedef struct Bf16WeightsKernel {
    Bf16Axis rows, cols;
    int64_t in_blocks, out_blocks;
    int64_t reads, writes; // blocks per task
    int64_t images;        // summed at a time
} Bf16WeightsKernel;

// Bytes: lines of x, transposed, [reads][phase][16 channels][lines]; of dy,
// [writes][lines][steps] matrices b; and a line as it is gathered.
typedef struct Bf16WeightsScratch {
    int64_t dy, gathered, total;
    int64_t width, height;
    bool joined;        // images are one line
    int64_t lines;      // at most
    int64_t steps;      // of BF16_STEP pixels of a line, at most
    int64_t x_line;     // positions of x in a line
    int64_t row, phase; // bytes of a channel's lines; of all channels'
} Bf16WeightsScratch;

Bf16WeightsScratch bf16_weights_scratch(const Bf16WeightsKernel *kernel);
void bf16_weights_choose(Bf16WeightsKernel *kernel, int64_t images);
int64_t bf16_weights_tasks(const Bf16WeightsKernel *kernel);
void bf16_weights_text(Text *text, const Bf16WeightsKernel *kernel);

#endif
