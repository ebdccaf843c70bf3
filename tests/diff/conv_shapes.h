// Convolutions and pools of channel-blocked tensors to be tested: random
// shapes, graphs of them, and their compiled results beside the oracle's.
#ifndef SIMCC_TESTS_CONV_SHAPES_H
#define SIMCC_TESTS_CONV_SHAPES_H

#include "ir/eval.h"
#include "tests/compiled.h"

#define L(...) ((const int64_t[]){__VA_ARGS__})

typedef struct Random {
    uint64_t state;
} Random;

// A whole number in [low, high].
int64_t draw(Random *random, int64_t low, int64_t high);

// x[n, c, h, w] and windows of it.
typedef struct Shape {
    int64_t n, c, h, w, o, kh, kw, sh, sw;
    int64_t pad[4]; // top, left, bottom, right
    int64_t oh, ow;
    int64_t gap, groups; // dilation both ways; 0: 1
} Shape;

// Fills oh and ow; 0 or less where no window fits.
void count_windows(Shape *shape);

// Channels of up to so many blocks, windows of up to 7x7, strides of up to 3.
Shape draw_shape(Random *random, int64_t blocks);
Shape draw_grouped_shape(Random *random);
Shape draw_depthwise_shape(Random *random);
Shape draw_small_shape(Random *random);
// 1x1 windows that skip pixels, on many images of maps small and not so small.
Shape draw_skipping_shape(Random *random);
// Of at least so many blocks, as Winograd's algorithm takes them.
Shape draw_winograd_shape(Random *random, int64_t least_blocks);
// At stride 2, with as many zeros before rows as before columns, or two more or
// less: what the algorithm takes.
Shape draw_strided_winograd_shape(Random *random);

typedef Graph *GraphOf(Arena *arena, const Shape *shape);

// A convolution and its gradients as outputs, without that of planes.
Graph *directions_graph(Arena *arena, const Shape *shape);
// A convolution and, in its group, a norm whose statistics stand still, a
// second image that is added, and steps of other kinds; the result alone is an
// output.
Graph *epilogue_graph(Arena *arena, const Shape *shape);
// All four pools as outputs.
Graph *pool_graph(Arena *arena, const Shape *shape);
// Likewise, of images in bf16; outputs are f32.
Graph *bf16_pool_graph(Arena *arena, const Shape *shape);

// Numbers in (-1, 1), which floats hold exactly, for inputs and params.
EvalBinding *bind_random(const Graph *graph, Arena *arena, Random *random,
                         int *count);
void fill_floats(const TensorType *type, const double *from, float *to);
// The outputs, one after the other, of one step on so many threads.
float *run_convs(const Compiled *build, Arena *arena, int threads, int count,
                 const EvalBinding *bindings, int64_t *total);
const char *shape_string(Arena *arena, const Shape *shape, const char *cpu);

// Compiled for that processor, on one thread and on two, against the oracle.
// Return the bytes of scratch memory per thread.
int64_t check_sums(const Shape *shape, GraphOf *graph_of, const char *cpu,
                   PlanSums sums, Random *random);
int64_t check_shape(const Shape *shape, GraphOf *graph_of, const char *cpu,
                    Random *random);

#endif
