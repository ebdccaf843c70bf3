// The numbers of OP_RANDOM, as a pure function of what names them: so they are
// the same in any order, on any number of threads and processes, in chunks, in
// any form of the tensor, and when the gradient makes them again.
//
// An element's counter is the sum of its indices times the node's `steps`: for
// a plain tensor [n, ...], index along axis 0 in the upper 32 bits and the
// place within that row in the lower. The number is
//   threefry2x32(threefry2x32(key, stream), counter)
// where key is of (seed, phase, step), from the runtime, and stream a hash of
// the node's attribute.
#ifndef SIMCC_IR_RANDOM_H
#define SIMCC_IR_RANDOM_H

#include "ir/graph.h"

// The key as a tensor: two words of 32 bits, each as its upper and its lower
// half, which floats of single precision hold exactly; then the number of the
// batch's first image that this process or chunk has.
enum { RANDOM_KEY_HALVES = 4, RANDOM_KEY_FIRST = 4, RANDOM_KEY_ELEMENTS = 5 };
// Name of that input.
#define RANDOM_KEY_NAME "random"
// And where several processes take a batch in chunks, of the key for what is of
// the whole batch: its first image is that of this process's first chunk.
#define RANDOM_KEY_BATCH_NAME "random.batch"

// Which of the batch's images axis 0 counts (the attribute `images`): `here` of
// `batch`, view after view. They follow one another in runs of `run`, of which
// each begins `stride` images behind the one before.
typedef struct RandomImages {
    int64_t here, batch, run, stride;
} RandomImages;
RandomImages random_images(IntList images);

// Bits of a number in [0, 1): as many as both floating-point types hold.
enum { RANDOM_BITS = 24 };

// Elements of a row at most, for the place within it has 32 bits.
#define RANDOM_MOST_IN_ROW ((int64_t)1 << 32)

// Threefry-2x32 of 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", 2011).
enum { THREEFRY_ROUNDS = 20 };
#define THREEFRY_PARITY 0x1BD11BDAu
extern const int threefry_rotations[8];
void threefry2x32(const uint32_t key[2], const uint32_t counter[2],
                  uint32_t out[2]);

// The words of a node's stream.
void random_stream_words(const Node *node, uint32_t words[2]);
// `steps` of a plain tensor of these dims, the counter's step along each axis.
void random_plain_steps(int rank, const int64_t *dims, int64_t *steps);
// Elements below one index of axis 0.
int64_t random_row_elements(int rank, const int64_t *dims);

#endif
